//! Look-ups: the program itself, fed with records and asked over TCP, against a model that shares no code with it.

mod audited;
mod centres;
mod described;
mod events;
mod hostile;
mod live;
mod model;
mod program;
mod records;
mod retention;
mod review;
#[allow(dead_code, reason = "used by other tests too")]
#[path = "../running/mod.rs"]
mod running;
mod town;
