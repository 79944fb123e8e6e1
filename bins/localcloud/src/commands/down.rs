//! `localcloud down`: the server is asked to end; then whoever ends the machines is, for a moment, the server.

use std::time::Duration;

use clikit::{Context, Exit, Failure, Output, Progress};
use localcloud::{Handle, Localcloud, Options, Orgs, StartError};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Serialize;

use super::up;
use crate::{place::Place, running::Running, tokens};

/// How long a server may take to end after it was asked.
const ENDS_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What `--json` prints.
#[derive(Serialize)]
struct Down {
    ok: bool,
    /// Whether a server ran.
    server_ended: bool,
}

pub(crate) fn exec(context: &Context, out: &Output, place: &Place) -> Result<Exit, Failure> {
    let progress = Progress::stderr(context);
    let server_ended = place.audit().exists() && end(place, &progress)?;
    out.emit(&Down { ok: true, server_ended }, |_| String::new())?;
    progress.line(format!("nothing runs on {}", place.dir().display()));
    Ok(Exit::Done)
}

fn end(place: &Place, progress: &Progress) -> Result<bool, Failure> {
    let runtime = up::choose(None)?;
    clikit::block_on(async {
        let server_ended = match Running::find(place).await {
            Ok(running) => {
                progress.line(format!("asking process {} to end", running.record.pid));
                ask(running.record.pid)?;
                true
            }
            Err(_) => false,
        };
        // Nobody is served: the token is never told.
        let orgs = Orgs::one(format!("{:032x}", tokens::chance()), "nobody");
        let options = Options::new(place.dir(), runtime, orgs);
        let handle = take(place, options).await?;
        progress.line("ending the machines");
        handle.down().await;
        Ok(server_ended)
    })
}

fn ask(pid: u32) -> Result<(), Failure> {
    let refused =
        |why: String| Failure::unavailable(format!("process {pid} cannot be asked to end")).with_why(why);
    let process = i32::try_from(pid).map(Pid::from_raw).map_err(|error| refused(error.to_string()))?;
    kill(process, Signal::SIGTERM).map_err(|errno| refused(errno.desc().to_owned()))
}

/// The directory, as soon as the server has let go of it.
async fn take(place: &Place, options: Options) -> Result<Handle, Failure> {
    let deadline = tokio::time::sleep(ENDS_MAX);
    tokio::pin!(deadline);
    loop {
        match Localcloud::start(options.clone()).await {
            Err(error @ StartError::InUse { .. }) if deadline.is_elapsed() => {
                return Err(up::refused(place, error));
            }
            Err(StartError::InUse { .. }) => {}
            Err(error) => return Err(up::refused(place, error)),
            Ok(handle) => return Ok(handle),
        }
        tokio::select! {
            biased;
            () = &mut deadline, if !deadline.is_elapsed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
