//! Environments on the command line.

mod args;
mod commands;

use std::process::ExitCode;

use args::{Args, Render, Verb};
use clikit::{Context, Exit, Failure, Output};
use wiring::given;

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    let Args { common, verb } = args;
    match verb {
        Verb::Check { config } => commands::check::exec(context, out, &common, config.as_deref()),
        Verb::Render(Render::Machines(args)) => commands::machines::exec(context, out, &args),
        Verb::Render(Render::Fly(args)) => commands::fly::exec(context, out, &common, &args),
        Verb::Eject(args) => clikit::block_on(commands::eject::exec(context, out, &common, args))
            .map_err(|failure| given::in_hint(&common, failure)),
    }
}

fn main() -> ExitCode {
    clikit::main(exec)
}
