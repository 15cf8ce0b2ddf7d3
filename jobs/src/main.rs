//! The program `giaolo`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    jobs::cli::run(&jobs::cli::Cli::parse())
}
