//! Reports: pages against committed ones, and the whole way from a recording to a page against a count of its own.

mod counted;
mod demo;
mod golden;
mod page;
#[allow(dead_code, reason = "used by other tests too")]
#[path = "../running/mod.rs"]
mod running;
