//! The first signal asks, the second one ends.

use crate::endings::sample;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Waiting {
    fn start(args: &[&str]) -> Self {
        let mut child = sample(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut this = Self { child, stderr };
        assert!(this.line().ends_with("ready\n"));
        this
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Exit code, the rest of stderr, stdout.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), rest, String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn the_first_signal_lets_the_run_come_to_rest() {
    for name in ["-INT", "-TERM"] {
        let mut waiting = Waiting::start(&["wait"]);
        waiting.signal(name);
        assert!(waiting.line().starts_with("interrupted: coming to rest"));
        let (code, rest, stdout) = waiting.end();
        assert_eq!(code, Some(9));
        assert_eq!(stdout, "");
        assert!(rest.contains("stopped at a safe point") && rest.contains("help: promote tick"), "{rest}");
    }
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let mut waiting = Waiting::start(&["wait", "--stubborn", "--json"]);
    waiting.signal("-INT");
    assert!(waiting.line().starts_with("interrupted: coming to rest"));
    waiting.signal("-TERM");
    let (code, rest, stdout) = waiting.end();
    assert_eq!(code, Some(9));
    assert!(stdout.starts_with("{") && stdout.contains("\"exit\":9"), "{stdout}");
    assert!(rest.contains("interrupted twice") && rest.contains("help: promote tick"), "{rest}");
}
