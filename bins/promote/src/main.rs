//! The promotion engine on the command line.

mod apart;
mod args;
mod commands;
#[cfg(feature = "demo")]
mod demo;
mod quiet;
mod rules;
mod show;
mod watch;

use std::process::ExitCode;

use args::{Args, Verb};
use clikit::{Context, Exit, Failure, Output};
use wiring::{find, given, keys, preflight, wire};

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    let Args { common, verb } = args;
    let run = commands::Run { context, out, common: &common };
    perform(&run, verb).map_err(|failure| given::in_hint(&common, failure))
}

fn perform(run: &commands::Run<'_>, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        #[cfg(feature = "demo")]
        Verb::Demo(args) => demo::exec(run.context, run.out, &args),
        Verb::Adopt(args) => clikit::block_on(commands::adopt::exec(run, args)),
        Verb::Deploy(args) => clikit::block_on(commands::deploy::exec(run, args)),
        Verb::Plan(args) => clikit::block_on(commands::start::plan(run, args)),
        Verb::Start(args) => clikit::block_on(commands::start::exec(run, args)),
        Verb::Test(args) => clikit::block_on(commands::attest::test(run, args)),
        Verb::Attest(args) => clikit::block_on(commands::attest::exec(run, args)),
        Verb::Approve(args) => clikit::block_on(commands::decide::approve(run, args)),
        Verb::Reject(args) => clikit::block_on(commands::decide::reject(run, args)),
        Verb::CheckOff(args) => clikit::block_on(commands::check_off::exec(run, args)),
        Verb::Abort(args) => clikit::block_on(commands::decide::abort(run, args)),
        Verb::Resume(args) => clikit::block_on(commands::decide::resume(run, args)),
        Verb::Rollback(args) => clikit::block_on(commands::rollback::exec(run, args)),
        Verb::Status(args) => clikit::block_on(commands::look::status(run, args)),
        Verb::History(args) => clikit::block_on(commands::look::history(run, args)),
        Verb::Show(args) => clikit::block_on(commands::look::show(run, args)),
        Verb::Explain(args) => clikit::block_on(commands::look::explain(run, args)),
        Verb::Receipt(args) => clikit::block_on(commands::receipt::exec(run, args)),
        Verb::Tick(args) => clikit::block_on(commands::tick::exec(run, args)),
        Verb::Lock(args) => clikit::block_on(commands::closing::lock(run, args)),
        Verb::Unlock(args) => clikit::block_on(commands::closing::unlock(run, args)),
        Verb::Freeze(args) => clikit::block_on(commands::closing::freeze(run, args)),
        Verb::BreakGlass(args) => clikit::block_on(commands::closing::break_glass(run, args)),
        Verb::Breaker(args) => clikit::block_on(commands::decide::breaker(run, args)),
        Verb::Audit(args) => clikit::block_on(commands::audit::exec(run, args)),
        Verb::MigrateStore(args) => clikit::block_on(commands::migrate_store::exec(run, args)),
    }
}

fn main() -> ExitCode {
    #[cfg(feature = "demo")]
    if let Some(code) = demo::intercept() {
        return code;
    }
    // A fleet may have a thousand machines.
    clikit::give_memory_back();
    clikit::open_more_files();
    clikit::main(exec)
}
