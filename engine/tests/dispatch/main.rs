//! Webhooks, against real servers on this machine that misbehave in every way we have met.

mod check;
mod configuration;
mod faults;
mod gateway;
mod hostile;
mod killed;
mod limits;
mod order;
mod signature;
mod watch;
