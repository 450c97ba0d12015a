//! Starts the program.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    aiops::cli::run(aiops::cli::Cli::parse(), aiops::config::Environment::of_process())
}
