//! Environments on the command line.

mod args;
mod commands;
#[cfg(feature = "probe")]
mod probe;

use std::process::ExitCode;

use args::{Args, Render, Verb};
use clikit::{Context, Exit, Failure, Output};
use wiring::given;

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    let Args { common, verb } = args;
    match verb {
        Verb::Init(args) => commands::init::exec(context, out, &common, &args),
        Verb::Check(args) => commands::check::exec(context, out, &common, &args),
        Verb::Doctor(args) => clikit::block_on(commands::doctor::exec(context, out, &common, &args)),
        Verb::Render(Render::Machines(args)) => commands::machines::exec(context, out, &args),
        Verb::Render(Render::Fly(args)) => commands::fly::exec(context, out, &common, &args),
        Verb::Render(Render::Workflows(args)) => commands::pipeline::exec(context, out, &common, &args),
        Verb::Eject(args) => clikit::block_on(commands::eject::exec(context, out, &common, args))
            .map_err(|failure| given::in_hint(&common, failure)),
    }
}

fn main() -> ExitCode {
    // Machines of an image that is tried are started through this very binary.
    #[cfg(feature = "probe")]
    cell::shim::intercept();
    clikit::main(exec)
}
