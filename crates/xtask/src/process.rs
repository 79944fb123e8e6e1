//! Other programs: run to their end, watched, and never asked anything.

use clikit::{Context, Exit, Failure, FailureExt, Progress};
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How a program is looked up, timed and commented.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The snapshot of the process.
    pub context: Context,
    /// The commentary on stderr.
    pub progress: Progress,
}

/// What a program did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code; none if a signal or the time limit ended it.
    pub code: Option<i32>,
    /// Whether the time limit ended it.
    pub is_late: bool,
    /// What it wrote to stdout, or to both streams in their order where they were merged.
    pub text: String,
    /// What it wrote to stderr, empty where the streams were merged.
    pub errors: String,
    /// How long it took.
    pub took: Duration,
}

impl Ran {
    /// Whether it ended with 0.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }

    /// How it ended, for people: `exit 2`, `a signal`, `the time limit`.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.is_late, self.code) {
            (true, _) => "the time limit".to_owned(),
            (false, Some(code)) => format!("exit {code}"),
            (false, None) => "a signal".to_owned(),
        }
    }
}

/// One program to run.
#[derive(Clone, Debug)]
pub struct Run {
    program: String,
    args: Vec<String>,
    dir: PathBuf,
    vars: Vec<(String, String)>,
    limit: Duration,
    is_echoed: (bool, bool),
    is_merged: bool,
}

impl Run {
    /// `program` in `dir`, quiet, with ten minutes of time.
    #[must_use]
    pub fn new(program: &str, dir: &Path) -> Self {
        Self {
            program: program.to_owned(),
            args: Vec::new(),
            dir: dir.to_path_buf(),
            vars: Vec::new(),
            limit: Duration::from_mins(10),
            is_echoed: (false, false),
            is_merged: false,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ends it after this time.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Shows on our stderr what it writes, as it writes it.
    #[must_use]
    pub fn echoed(mut self) -> Self {
        self.is_echoed = (true, true);
        self
    }

    /// Shows on our stderr what it writes to stderr, as it writes it.
    #[must_use]
    pub fn echoed_errors(mut self) -> Self {
        self.is_echoed = (false, true);
        self
    }

    /// Reads stdout and stderr through one pipe, so that their order is kept.
    #[must_use]
    pub fn merged(mut self) -> Self {
        self.is_merged = true;
        self
    }

    /// The command line as it would be typed.
    #[must_use]
    pub fn line(&self) -> String {
        let name = Path::new(&self.program)
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        std::iter::once(name).chain(self.args.iter().cloned()).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end or to the limit.
    ///
    /// # Errors
    /// Exit 8 if it cannot be started.
    pub fn run(&self, shell: &Shell) -> Result<Ran, Failure> {
        let failed = || format!("cannot run `{}`", self.line());
        let (out_reader, out_writer) = std::io::pipe().or_exit(Exit::Unavailable, failed)?;
        let (err_reader, err_writer) = std::io::pipe().or_exit(Exit::Unavailable, failed)?;
        // Every writing end has to be gone from this process, or a reader never sees the end of its stream.
        let err_writer = if self.is_merged {
            drop(err_writer);
            out_writer.try_clone().or_exit(Exit::Unavailable, failed)?
        } else {
            err_writer
        };
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.dir).stdin(Stdio::null());
        command.envs(self.vars.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        command.stdout(out_writer).stderr(err_writer);
        let begun = shell.context.instant();
        let mut child = command.spawn().or_exit(Exit::Unavailable, failed)?;
        drop(command);
        let out = Gathered::start(out_reader, self.is_echoed.0);
        let err = Gathered::start(err_reader, self.is_echoed.1);
        let (code, is_late) = self.wait(shell, &mut child, begun).or_exit(Exit::Unavailable, failed)?;
        let (text, errors) = (out.finish(is_late), err.finish(is_late));
        let took = shell.context.instant().saturating_duration_since(begun);
        Ok(Ran { code, is_late, text, errors, took })
    }

    fn wait(&self, shell: &Shell, child: &mut Child, begun: Instant) -> std::io::Result<(Option<i32>, bool)> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok((status.code(), false));
            }
            if shell.context.instant().saturating_duration_since(begun) > self.limit {
                child.kill()?;
                child.wait()?;
                return Ok((None, true));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The lines of one stream, read by a thread of its own so that a full pipe stops nobody.
struct Gathered(mpsc::Receiver<Vec<u8>>);

impl Gathered {
    fn start(reader: PipeReader, is_echoed: bool) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                if is_echoed {
                    let _ = std::io::stderr().write_all(&line);
                }
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// Everything up to the end of the stream. A grandchild may hold the stream open for ever: after the time
    /// limit two quiet seconds are the end.
    fn finish(self, is_late: bool) -> String {
        let mut bytes = Vec::new();
        let patience = Duration::from_secs(if is_late { 2 } else { 30 });
        while let Ok(line) = self.0.recv_timeout(patience) {
            bytes.extend(line);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Shell {
    /// With a fresh commentary.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), progress: Progress::stderr(context) }
    }

    /// `cargo`, the very one that called us.
    #[must_use]
    pub fn cargo(&self, dir: &Path) -> Run {
        Run::new(self.context.var("CARGO").unwrap_or("cargo"), dir)
    }

    /// Where a program stands on the search path.
    #[must_use]
    pub fn which(&self, program: &str) -> Option<PathBuf> {
        let path = self.context.var("PATH")?;
        std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| is_executable(file))
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
