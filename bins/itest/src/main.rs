//! Integration tests on the command line.

mod args;
mod commands;
mod files;

use std::process::ExitCode;

use clikit::{Context, Exit, Failure, Output};

use crate::args::{Args, Verb};

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Run(args) => commands::run::exec(context, out, args),
        Verb::List(args) => commands::list::exec(context, out, &args),
    }
}

fn main() -> ExitCode {
    clikit::main(exec)
}
