//! One test binary.

mod accuracy;
mod bad_input;
mod bounded;
mod bounded_restart;
mod bounds;
mod broker;
mod crash;
mod demo;
mod deploy;
mod faults;
mod hostile;
mod licences;
mod live;
mod product;
mod prompt;
mod restart;
mod same;
mod serve;
mod stages;
