//! `track` against a road whose every vehicle is known: golden scripts and properties.

mod golden;
mod properties;
mod road;
mod run;
