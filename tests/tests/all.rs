//! One test binary.

mod accuracy;
mod broker;
mod licences;
mod product;
mod same;
