//! The example service as a program: the process environment in, SIGINT or SIGTERM to end it.

use std::{collections::BTreeMap, process::ExitCode};

use runner::Options;
use tokio::signal::unix::{SignalKind, signal};

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
