//! Environments on the command line.

mod args;
mod commands;

use std::process::ExitCode;

use args::{Args, Verb};
use clikit::{Context, Exit, Failure, Output};

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    let Args { common, verb } = args;
    match verb {
        Verb::Check => commands::check::exec(context, out, &common),
    }
}

fn main() -> ExitCode {
    clikit::main(exec)
}
