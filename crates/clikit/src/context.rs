//! What a run gets from the process around it: arguments, environment, clocks, terminals.
//!
//! The snapshot is taken once, at the start of a binary. Nothing below reads the process environment or a clock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The two clocks of a run, as functions, so that a test can bring its own.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The time of day; may jump.
    pub wall: fn() -> SystemTime,
    /// The monotonic time; for durations.
    pub monotonic: fn() -> Instant,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Clock {
    /// The clocks of the machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a binary is the edge where the clocks are read")]
    pub fn system() -> Self {
        Self { wall: || SystemTime::now(), monotonic: || Instant::now() }
    }
}

/// Which of the three streams are terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminals {
    /// A person can be asked.
    pub stdin: bool,
    /// A person reads the data.
    pub stdout: bool,
    /// A person watches the progress.
    pub stderr: bool,
}

/// The surroundings of one run.
#[derive(Clone)]
pub struct Context {
    /// The environment as it was at the start; only variables that are valid Unicode.
    pub vars: BTreeMap<String, String>,
    /// The arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The directory that relative paths start from.
    pub current_dir: PathBuf,
    /// The clocks.
    pub clock: Clock,
    /// Which streams are terminals.
    pub terminals: Terminals,
}

impl fmt::Debug for Context {
    /// Names the variables and never shows a value: tokens live there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("vars", &self.vars.keys().collect::<Vec<_>>())
            .field("n_args", &self.args.len())
            .field("current_dir", &self.current_dir)
            .field("terminals", &self.terminals)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Takes the snapshot of this process. For a binary's `main` only.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the process environment is read")]
    pub fn of_this_process() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            vars,
            args: std::env::args_os().collect(),
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            clock: Clock::system(),
            terminals: Terminals {
                stdin: std::io::stdin().is_terminal(),
                stdout: std::io::stdout().is_terminal(),
                stderr: std::io::stderr().is_terminal(),
            },
        }
    }

    /// The value of a variable; an empty one counts as not set.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.clock.wall)()
    }

    /// The monotonic time.
    #[must_use]
    pub fn instant(&self) -> Instant {
        (self.clock.monotonic)()
    }

    /// Whether `--json` stands among the arguments: known even when they cannot be parsed, so that also a usage
    /// error can be told to a program.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        self.args.iter().skip(1).take_while(|arg| *arg != "--").any(|arg| arg == "--json")
    }

    /// Whether a person can be asked: questions go out on stderr and answers come in on stdin.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.terminals.stdin && self.terminals.stderr
    }

    /// Whether this is a continuous-integration run, by the variable `CI` that all of them set.
    #[must_use]
    pub fn is_ci(&self) -> bool {
        self.var("CI").is_some_and(|value| value != "false" && value != "0")
    }

    /// The name the program was called by, without directories.
    #[must_use]
    pub fn program(&self) -> String {
        let first = self.args.first().map(Path::new);
        first.and_then(Path::file_name).map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }

    /// The user's state directory for our files: `$XDG_STATE_HOME/understudy`, else
    /// `~/.local/state/understudy` (XDG base directory specification), else none.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        let absolute = |name: &str| self.var(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        Some(base.join("understudy"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)], args: &[&str]) -> Context {
        Context {
            vars: vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            args: args.iter().map(Into::into).collect(),
            current_dir: PathBuf::from("/"),
            clock: Clock::system(),
            terminals: Terminals::default(),
        }
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let text = format!("{:?}", with(&[("FLY_TOKEN", "fo1_secret")], &["x", "--token=fo1_secret"]));
        assert!(text.contains("FLY_TOKEN") && !text.contains("fo1_secret"), "{text}");
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        assert_eq!(with(&[("A", "")], &[]).var("A"), None);
    }

    #[test]
    fn json_is_seen_before_the_double_dash_only() {
        assert!(with(&[], &["x", "status", "--json"]).wants_json());
        assert!(!with(&[], &["x", "exec", "--", "--json"]).wants_json());
        assert!(!with(&[], &["--json"]).wants_json());
    }

    #[test]
    fn the_state_directory_follows_the_xdg_rules() {
        let home = ("HOME", "/home/u");
        assert_eq!(with(&[home], &[]).state_dir(), Some("/home/u/.local/state/understudy".into()));
        let xdg = with(&[home, ("XDG_STATE_HOME", "/s")], &[]);
        assert_eq!(xdg.state_dir(), Some("/s/understudy".into()));
        let relative = with(&[home, ("XDG_STATE_HOME", "s")], &[]);
        assert_eq!(
            relative.state_dir(),
            Some("/home/u/.local/state/understudy".into()),
            "a relative one is ignored"
        );
        assert_eq!(with(&[], &[]).state_dir(), None);
    }
}
