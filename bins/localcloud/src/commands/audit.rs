//! `localcloud audit`

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, ErrorKind, Write},
    time::Duration,
};

use clikit::{Exit, Failure, FailureExt as _, Interrupt, Output};
use serde::Serialize;
use serde_json::Value;

use crate::{args::AuditArgs, place::Place};

/// How often a followed log is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What `--json` prints.
#[derive(Serialize)]
struct Audit {
    ok: bool,
    lines: Vec<Value>,
    /// The number to give to `--since` for what comes after.
    next: u64,
}

pub(crate) fn exec(out: &Output, place: &Place, args: &AuditArgs) -> Result<Exit, Failure> {
    let path = place.audit();
    let unreadable = || format!("cannot read `{}`", path.display());
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::unavailable(format!("no server ever ran on `{}`", place.dir().display()))
                .with_hint(place.command("up")));
        }
        Err(error) => return Err(error).or_exit(Exit::Unavailable, unreadable),
    };
    let mut log = Log { file: BufReader::new(file), partial: Vec::new(), n_read: 0 };
    if args.follow {
        return clikit::block_on(follow(log, args.since));
    }
    let mut audit = Audit { ok: true, lines: Vec::new(), next: 0 };
    while let Some(line) = log.next().or_exit(Exit::Unavailable, unreadable)? {
        if log.n_read <= args.since {
            continue;
        }
        if !out.is_json() {
            out.raw(&line)?;
            continue;
        }
        let value = serde_json::from_slice(&line).or_exit(Exit::Unavailable, || {
            format!("line {} of `{}` is no JSON", log.n_read, path.display())
        })?;
        audit.lines.push(value);
    }
    audit.next = log.n_read;
    if out.is_json() {
        out.emit(&audit, |_| String::new())?;
    }
    Ok(Exit::Done)
}

/// Whole lines of a file that grows.
struct Log {
    file: BufReader<File>,
    /// The begin of a line whose end is not written yet.
    partial: Vec<u8>,
    n_read: u64,
}

impl Log {
    /// The next line with its end; none when there is no whole one (yet).
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.file.read_until(b'\n', &mut self.partial)?;
        if self.partial.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.n_read += 1;
        Ok(Some(std::mem::take(&mut self.partial)))
    }
}

/// Writes to stdout by itself, since only the write shows that the reader has gone: then it is over.
async fn follow(mut log: Log, since: u64) -> Result<Exit, Failure> {
    let interrupt = Interrupt::install()?;
    let mut sink = io::stdout();
    loop {
        while let Some(line) = log.next().or_exit(Exit::Unavailable, || "cannot read the audit log")? {
            if log.n_read <= since {
                continue;
            }
            match sink.write_all(&line).and_then(|()| sink.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
                Err(error) => return Err(clikit::unwritable().with_source(error)),
            }
        }
        tokio::select! {
            biased;
            () = interrupt.requested() => return Ok(Exit::Done),
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
