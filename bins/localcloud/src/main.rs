//! The local stand-in for the clouds on the command line.

mod args;
mod commands;
mod exports;
mod place;
mod running;
mod tokens;

use std::process::ExitCode;

use args::{Args, Verb};
use clikit::{Context, Exit, Failure, Output};
use place::Place;

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    let place = Place::of(context, args.dir.as_deref())?;
    match args.verb {
        Verb::Up(args) => commands::up::exec(context, out, &place, *args),
        Verb::Image { verb: args::ImageVerb::Build(args) } => {
            commands::image::exec(context, out, &place, &args)
        }
        Verb::Faults(args) => commands::faults::exec(out, &place, &args),
        Verb::Audit(args) => commands::audit::exec(out, &place, &args),
        Verb::Env(args) => commands::env::exec(out, &place, &args),
        Verb::Status => commands::status::exec(out, &place),
        Verb::Down => commands::down::exec(context, out, &place),
    }
}

fn main() -> ExitCode {
    cell::shim::intercept();
    clikit::main(exec)
}
