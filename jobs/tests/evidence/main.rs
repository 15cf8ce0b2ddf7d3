//! Packages of evidence, end to end: a recorded rush hour in the embedded store, the job, and the program `giaolo`.

mod live;
mod package;
#[allow(dead_code, reason = "packages are made and read without asking the server")]
#[path = "../running/mod.rs"]
mod running;
mod served;
mod tampered;
mod town;
