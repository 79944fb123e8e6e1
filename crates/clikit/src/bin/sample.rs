//! A small program with every kind of ending, for the tests of this crate.

use clap::{Parser, Subcommand};
use clikit::{Common, Context, Exit, Failure, Interrupt, Output, Progress};
use std::process::ExitCode;

/// A sample with every kind of ending
#[derive(Parser)]
#[command(name = "sample", version)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Prints a result
    Show,
    /// Prints many lines
    Flood,
    /// Is refused
    Refuse,
    /// Writes a result and fails afterwards
    Half,
    /// Prints a result that is no success
    Sad,
    /// Says what somebody else wrote: as text, as progress and as a reason
    Repeat {
        /// What they wrote
        text: String,
        /// Ends as refused
        #[arg(long)]
        refused: bool,
    },
    /// Panics with a literal and with a secret
    Panic {
        /// A value that must not be shown
        secret: Option<String>,
    },
    /// Waits for a signal; `stubborn` ignores the first one
    Wait {
        /// Go on after the first signal
        #[arg(long)]
        stubborn: bool,
    },
}

fn exec(context: &Context, out: &Output, args: Args) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Show => {
            Progress::stderr(context).line("looking");
            let value = serde_json::json!({ "project": args.common.project, "store": args.common.store });
            out.emit(&value, |v| format!("project {}\n", v["project"]))?;
        }
        Verb::Flood => {
            for i in 0..100_000 {
                out.text(&format!("line {i}\n"))?;
            }
        }
        Verb::Refuse => {
            return Err(Failure::refused("production is frozen")
                .with_why("frozen by ann: release party")
                .with_hint("promote unlock --env production"));
        }
        Verb::Half => {
            out.emit(&serde_json::json!({ "ok": false, "outcome": "rolled_back" }), |_| "back\n".to_owned())?;
            return Err(Failure::rolled_back("the release was put back"));
        }
        Verb::Repeat { text, refused } => {
            Progress::stderr(context).line(&text);
            if refused {
                return Err(Failure::refused(text.clone()).with_why(text));
            }
            out.emit(&serde_json::json!({ "ok": true, "state": "done", "n": 3, "said": text }), |_| {
                text.clone()
            })?;
        }
        Verb::Sad => {
            return out.conclude(Exit::RollbackFailed, &"bad", |what| format!("it is {what}\n"));
        }
        Verb::Panic { secret: None } => panic!("a literal message"),
        Verb::Panic { secret: Some(secret) } => panic!("token {secret}"),
        Verb::Wait { stubborn } => return clikit::block_on(wait(context, out, stubborn)),
    }
    Ok(Exit::Done)
}

async fn wait(context: &Context, out: &Output, stubborn: bool) -> Result<Exit, Failure> {
    let last_words = Failure::interrupted("interrupted twice").with_hint("promote tick");
    let interrupt = Interrupt::install_with(out, last_words)?;
    Progress::stderr(context).line("ready");
    interrupt.requested().await;
    if stubborn {
        std::future::pending::<()>().await;
    }
    Err(Failure::interrupted("stopped at a safe point").with_hint("promote tick"))
}

fn main() -> ExitCode {
    clikit::main(exec)
}
