//! Runs one program: a directory and a process group of its own, no environment, limits, and an end in any case.

mod output;
mod scratch;

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::AsyncRead,
    process::{Child, Command},
};

use self::{output::Capture, scratch::Scratch};
use crate::{languages::Language, unprivileged};

/// What a program may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Wall time.
    pub(crate) wall: Duration,
    /// Bytes of standard output, and of standard error.
    pub(crate) output: usize,
    /// Bytes of a file that it writes.
    pub(crate) file: u64,
}

impl Default for Limits {
    /// The original's figures.
    fn default() -> Self {
        Self { wall: Duration::from_secs(1), output: 128_000, file: 128 * 1024 }
    }
}

/// Processes and threads of all programs together, where they have a user of their own (node alone needs a dozen).
const PROCESSES_MAX: u32 = 256;
/// After the program's end its output is complete, unless something that left its group holds the pipe.
const DRAIN_MAX: Duration = Duration::from_millis(200);

/// What came of it. `error` is empty after success.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) error: String,
}

/// Runs `source`; comes back after the program's end or its wall time.
///
/// # Errors
/// The program could not be started.
pub(crate) async fn run(language: &Language, source: &str, limits: &Limits) -> io::Result<Outcome> {
    let user = unprivileged::user();
    let scratch = Scratch::new(user)?;
    scratch.write(language.file, source, user)?;
    let mut child = command(language, &scratch, limits, user).spawn()?;
    let group = Group(child.id());
    let mut stdout = Capture::new(child.stdout.take(), limits.output);
    let mut stderr = Capture::new(child.stderr.take(), limits.output);

    let end = watch(&mut child, &mut stdout, &mut stderr, limits.wall).await;
    drop(group);
    let status = child.wait().await?;
    let rest = async { tokio::join!(stdout.fill(), stderr.fill()) };
    // Past this time what is still missing belongs to somebody who escaped the group.
    drop(tokio::time::timeout(DRAIN_MAX, rest).await);
    Ok(Outcome {
        stdout: stdout.into_text(),
        stderr: stderr.into_text(),
        error: describe(end, status, limits),
    })
}

#[derive(Debug, Clone, Copy)]
enum End {
    Own,
    Time,
    Output,
}

async fn watch<O, E>(
    child: &mut Child,
    stdout: &mut Capture<O>,
    stderr: &mut Capture<E>,
    wall: Duration,
) -> End
where
    O: AsyncRead + Unpin,
    E: AsyncRead + Unpin,
{
    let output = async {
        let (out, err) = tokio::join!(stdout.fill(), stderr.fill());
        out || err
    };
    tokio::pin!(output);
    let time = tokio::time::sleep(wall);
    tokio::pin!(time);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            full = &mut output, if open => {
                if full {
                    return End::Output;
                }
                open = false;
            }
            _ = child.wait() => return End::Own,
            () = &mut time => return End::Time,
        }
    }
}

fn command(language: &Language, scratch: &Scratch, limits: &Limits, user: Option<u32>) -> Command {
    let mut command = match shell() {
        Some((shell, block)) => {
            // CPU time in whole seconds, one more than the wall's; no core files.
            let script =
                "ulimit -c 0 -t \"$1\" -f \"$2\"; [ \"$3\" = 0 ] || ulimit -u \"$3\"; shift 3; exec \"$@\"";
            let mut command = Command::new(shell);
            let processes = if user.is_some() { PROCESSES_MAX } else { 0 };
            command.args(["-c", script, "limits"]);
            command.args(
                [limits.wall.as_secs() + 1, limits.file / block, u64::from(processes)].map(|n| n.to_string()),
            );
            command.arg(&language.program);
            command
        }
        None => Command::new(&language.program),
    };
    command
        .arg(scratch.path().join(language.file))
        .env_clear()
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// A shell that sets the limits, and the size of its `ulimit -f` blocks: bash counts 1024 bytes, others 512 (POSIX).
fn shell() -> Option<(PathBuf, u64)> {
    let known = [("/bin/bash", 1024), ("/usr/bin/bash", 1024), ("/bin/sh", 512)];
    known.into_iter().map(|(path, block)| (PathBuf::from(path), block)).find(|(path, _)| path.is_file())
}

/// Ends all of a program's process group when it goes, also when the request is given up.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|group| i32::try_from(group).ok()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

fn describe(end: End, status: ExitStatus, limits: &Limits) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match end {
        End::Time => format!("it ran longer than {} ms and was ended", limits.wall.as_millis()),
        End::Output => format!("it wrote more than {} bytes and was ended", limits.output),
        End::Own => match (status.code(), status.signal()) {
            (Some(0), _) => String::new(),
            (Some(code), _) => format!("exit status {code}"),
            (None, signal) => format!("ended by signal {}", signal.unwrap_or_default()),
        },
    }
}
