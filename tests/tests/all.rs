//! One test binary.

mod broker;
mod licences;
