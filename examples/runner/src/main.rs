//! The example service as a program: the process environment in, SIGINT or SIGTERM to end it.

use std::{collections::BTreeMap, process::ExitCode};

use runner::Options;
use tokio::signal::unix::{SignalKind, signal};

/// What is said to whoever looks for options.
const VARIABLES: &str = "the environment says how to serve: HOST, PORT, APP_ENV, VERSION, COMMIT, APP_LABEL, \
                         NUM_RUNNERS, RUN_TIMEOUT_MS";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a program tells why it ends")]
            {
                eprintln!("runner: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(argument) = std::env::args_os().nth(1) {
        let argument = argument.to_string_lossy();
        return Err(format!("`{argument}`: no arguments are taken; {VARIABLES}").into());
    }
    #[expect(clippy::disallowed_methods, reason = "the edge where the process environment enters")]
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let options = Options::from_env_map(&env)?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    runner::serve(options, async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
    .await?;
    Ok(())
}
