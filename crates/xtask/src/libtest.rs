//! The names and results of tests, read from what `cargo test` prints.

use std::collections::BTreeMap;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run.
    Ignored,
}

/// All tests of one run, by `package::path::name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Name → outcome. A name that two binaries of one package share keeps the worse outcome.
    pub tests: BTreeMap<String, Outcome>,
    /// The sums that the test binaries themselves printed: passed, failed, ignored.
    pub sums: (usize, usize, usize),
    /// Binaries that began and printed no sum: they crashed or hung.
    pub unfinished: Vec<String>,
}

impl Results {
    /// Adds the tests of another run.
    pub fn extend(&mut self, other: Self) {
        self.tests.extend(other.tests);
        self.unfinished.extend(other.unfinished);
        self.add(other.sums);
    }

    fn add(&mut self, sums: (usize, usize, usize)) {
        self.sums = (self.sums.0 + sums.0, self.sums.1 + sums.1, self.sums.2 + sums.2);
    }

    /// Reads what one binary printed; false if it never told its sums.
    fn read(&mut self, package: &str, text: &str) -> bool {
        let mut has_ended = false;
        for line in text.lines().map(str::trim_end) {
            if let Some((name, outcome)) = test_line(line) {
                let slot = self.tests.entry(format!("{package}::{name}")).or_insert(outcome);
                if outcome == Outcome::Failed {
                    *slot = outcome;
                }
            } else if let Some(sums) = sum_line(line) {
                has_ended = true;
                self.add(sums);
            }
        }
        has_ended
    }
}

/// Reads what `cargo test` wrote to its two streams. `packages` says which package an executable, named as cargo
/// prints it, belongs to (see [`executables`]).
///
/// The streams are read apart because whatever else writes to stderr would tear the lines of stdout. Cargo names
/// each binary on stderr, and each binary begins on stdout with `running N tests`, in the same order. Binaries
/// that never began are unfinished; where the counts do not agree, no test can be tied to its package, and all
/// are told as unfinished.
#[must_use]
pub fn parse(stdout: &str, stderr: &str, packages: &BTreeMap<String, String>) -> Results {
    let binaries: Vec<&str> = stderr.lines().filter_map(running).collect();
    let blocks: Vec<&str> = blocks(stdout);
    let mut results = Results::default();
    if binaries.len() != blocks.len() {
        results.unfinished = binaries.into_iter().map(str::to_owned).collect();
        results.unfinished.push(format!("{} binaries began", blocks.len()));
        return results;
    }
    for (binary, block) in binaries.into_iter().zip(blocks) {
        let package = packages.get(file_name(binary)).cloned().unwrap_or_else(|| stem(binary));
        if !results.read(&package, block) {
            results.unfinished.push(binary.to_owned());
        }
    }
    results
}

/// Reads what `cargo test --doc` wrote to stdout; the package of a documentation test is called `doc`.
#[must_use]
pub fn parse_doc(stdout: &str) -> Results {
    let mut results = Results::default();
    for block in blocks(stdout) {
        if !results.read("doc", block) {
            results.unfinished.push("a documentation test".to_owned());
        }
    }
    results
}

/// The parts of stdout that begin with `running N tests`.
fn blocks(stdout: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in stdout.split_inclusive('\n') {
        let words: Vec<&str> = line.split_whitespace().collect();
        if matches!(words[..], ["running", n, "test" | "tests"] if n.parse::<usize>().is_ok()) {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(stdout.len());
    starts.windows(2).map(|pair| &stdout[pair[0]..pair[1]]).collect()
}

/// The executable in `     Running unittests src/lib.rs (target/debug/deps/x-0123456789abcdef)`.
fn running(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("Running ")?;
    rest.rsplit_once('(')?.1.strip_suffix(')')
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stem(path: &str) -> String {
    let name = file_name(path);
    name.rsplit_once('-').map_or(name, |(stem, _)| stem).to_owned()
}

/// `test path::name ... ok`; also `... FAILED`, `... ignored, reason` and the `- should panic` and `(line 3)` forms.
fn test_line(line: &str) -> Option<(String, Outcome)> {
    let (name, end) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match end {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        _ if end.starts_with("ignored") => Outcome::Ignored,
        _ => return None,
    };
    let name = name.trim_end_matches(" - should panic").trim_end_matches(" - compile");
    Some((name.to_owned(), outcome))
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn sum_line(line: &str) -> Option<(usize, usize, usize)> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, rest) = rest.split_once(". ")?;
    let number = |word: &str| -> Option<usize> {
        rest.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
    };
    Some((number("passed")?, number("failed")?, number("ignored")?))
}

/// Executable file name → package, from `cargo test --no-run --message-format json`.
#[must_use]
pub fn executables(messages: &str) -> BTreeMap<String, String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            let executable = message.get("executable")?.as_str()?;
            let package = package_name(message.get("package_id")?.as_str()?);
            Some((file_name(executable).to_owned(), package))
        })
        .collect()
}

/// `path+file:///x/crates/clikit#0.0.0` or `path+file:///x/bins/itest#itest-cli@0.0.0` → the package's name.
fn package_name(id: &str) -> String {
    let (path, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => file_name(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDERR: &str = "\
   Compiling clikit v0.0.0
     Running unittests src/lib.rs (target/debug/deps/clikit-0f)
     Running tests/it/main.rs (target/debug/deps/it-1a)
test torn ... (by a child)
     Running unittests src/main.rs (target/debug/deps/promote-2b)
";
    const STDOUT: &str = "\nrunning 3 tests
test exit::tests::a ... ok
test exit::tests::b - should panic ... ok
test exit::tests::c ... FAILED
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 2 tests
test signals::x ... ok
test signals::y ... ignored, needs a terminal
running late
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s

running 1 test
test z ... ok
";

    fn packages() -> BTreeMap<String, String> {
        BTreeMap::from([("it-1a".to_owned(), "clikit".to_owned())])
    }

    #[test]
    fn names_carry_their_package_and_a_crash_is_seen() {
        let results = parse(STDOUT, STDERR, &packages());
        let got: Vec<(&str, Outcome)> = results.tests.iter().map(|(n, o)| (n.as_str(), *o)).collect();
        assert_eq!(
            got,
            [
                ("clikit::exit::tests::a", Outcome::Passed),
                ("clikit::exit::tests::b", Outcome::Passed),
                ("clikit::exit::tests::c", Outcome::Failed),
                ("clikit::signals::x", Outcome::Passed),
                ("clikit::signals::y", Outcome::Ignored),
                ("promote::z", Outcome::Passed),
            ]
        );
        assert_eq!(results.sums, (3, 1, 1));
        assert_eq!(results.unfinished, ["target/debug/deps/promote-2b"]);
    }

    #[test]
    fn a_binary_that_never_began_is_seen() {
        let stdout = STDOUT.split("running 1 test").next().unwrap();
        let results = parse(stdout, STDERR, &packages());
        assert!(results.unfinished.iter().any(|name| name.ends_with("promote-2b")), "{results:?}");
        assert!(results.tests.is_empty(), "none can be tied to its package");
    }

    #[test]
    fn documentation_tests_are_read() {
        let text = "\nrunning 1 test\ntest crates/x/src/a.rs - a (line 3) - compile ... ok\n\ntest result: ok. \
                    1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
        let results = parse_doc(text);
        assert_eq!(results.sums, (1, 0, 0));
        assert_eq!(results.tests.keys().next().unwrap(), "doc::crates/x/src/a.rs - a (line 3)");
    }

    #[test]
    fn executables_are_tied_to_packages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","package_id":"path+file:///x/crates/clikit#0.0.0","executable":"/t/it-1a"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","package_id":"path+file:///x/bins/itest#itest-cli@0.0.0","executable":"/t/it-2b"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","package_id":"registry+https://x#serde@1.0.0","executable":null}"#,
        );
        let got: Vec<(String, String)> = executables(messages).into_iter().collect();
        assert_eq!(got, [("it-1a".into(), "clikit".into()), ("it-2b".into(), "itest-cli".into())]);
    }
}
