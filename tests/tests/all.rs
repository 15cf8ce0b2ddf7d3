//! One test binary.

mod accuracy;
mod bad_input;
mod broker;
mod licences;
mod live;
mod product;
mod prompt;
mod same;
