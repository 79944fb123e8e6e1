//! The pure parts stay pure, and what must replay from a seed has no order of chance.

use super::{Finding, source};
use crate::repo::Repo;
use clikit::Failure;
use std::path::Path;

/// Directories, what may not be named there, and why. Tests are looked through only where `even_tests` says so.
struct Rule {
    dirs: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

/// What decides phases and units.
const PURE: &[&str] = &["crates/promotion/src/machine", "crates/promotion/src/rollout"];

/// What a seed must replay bit for bit.
const SEEDED: &[&str] = &["crates/promotion/src", "crates/providers/src", "crates/envconfig/src"];

const RULES: &[Rule] = &[
    Rule {
        dirs: PURE,
        words: &["tokio", "async fn", "std::env", "std::fs", "std::net", "std::process", "std::thread"],
        why: "a decision does no IO: hand the fact in as a value",
    },
    Rule {
        dirs: PURE,
        words: &["std::time::Instant", "std::time::SystemTime", "Timestamp::now", "Zoned::now"],
        why: "a decision reads no clock: take `now` as an argument",
    },
    Rule { dirs: PURE, words: &["rand", "uuid"], why: "a decision throws no dice: take ids as arguments" },
    Rule { dirs: PURE, words: &["tracing", "log"], why: "a decision says nothing: return it as an effect" },
    Rule {
        dirs: SEEDED,
        words: &["HashMap", "HashSet"],
        why: "its order is chance, so a seed would not replay: use BTreeMap or BTreeSet",
    },
];

/// All impurities.
///
/// # Errors
/// If a file cannot be read.
pub fn check(repo: &Repo) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for rule in RULES {
        for file in files(repo, rule.dirs)? {
            let text = repo.read(&file)?;
            for (number, line) in source::product_lines(&text) {
                let code = source::without_comment(line);
                for word in rule.words.iter().filter(|word| names(code, word)) {
                    findings.push(Finding::at(
                        &file,
                        number,
                        format!("`{word}` may not stand here: {}", rule.why),
                    ));
                }
            }
        }
    }
    findings.extend(selects(repo)?);
    Ok(findings)
}

/// `select!` without `biased;` chooses by chance.
fn selects(repo: &Repo) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for file in files(repo, SEEDED)? {
        let text = repo.read(&file)?;
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let is_select = source::without_comment(line).contains("select! {");
            if is_select && lines.get(i + 1).is_none_or(|next| next.trim() != "biased;") {
                let text = "`select!` chooses by chance, so a seed would not replay: begin it with `biased;`";
                findings.push(Finding::at(&file, i + 1, text));
            }
        }
    }
    Ok(findings)
}

fn files(repo: &Repo, dirs: &[&str]) -> Result<Vec<std::path::PathBuf>, Failure> {
    let mut files = Vec::new();
    for dir in dirs {
        files.extend(repo.rust_files(dir)?);
        // A module's own file stands beside its directory.
        let own = format!("{dir}.rs");
        if repo.has(&own) {
            files.push(Path::new(&own).to_path_buf());
        }
    }
    files.retain(|file| !source::is_test_file(file));
    Ok(files)
}

/// Whether the code names the path, type or crate: `rand` is not found in `operand`, and `log` only as `log::`.
fn names(code: &str, word: &str) -> bool {
    let is_crate = !word.contains([':', ' ']) && !word.starts_with(char::is_uppercase);
    let wanted = if is_crate { format!("{word}::") } else { word.to_owned() };
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(&wanted).any(|(at, _)| {
        let is_joined_before = code[..at].chars().next_back().is_some_and(is_part);
        let after = code[at + wanted.len()..].chars().next();
        !is_joined_before && (is_crate || !after.is_some_and(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn crates_are_found_as_paths_and_types_as_words() {
        assert!(names("use rand::Rng;", "rand"));
        assert!(!names("let operand::x", "rand"));
        assert!(!names("a log of calls", "log"));
        assert!(names("x: HashMap<A, B>", "HashMap"));
        assert!(!names("x: MyHashMapper", "HashMap"));
        assert!(names("pub async fn go()", "async fn"));
    }
}
