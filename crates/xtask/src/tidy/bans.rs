//! Words that may not stand in the repository.

use super::Finding;
use crate::repo::Repo;
use clikit::Failure;
use std::path::Path;

/// Word in two halves (so that this table does not find itself), and why it is banned.
const WORDS: &[(&str, &str, &str)] = &[
    ("to", "do!", "finish it"),
    ("unimple", "mented!", "finish it"),
    ("d", "bg!", "remove it"),
    ("#[ig", "nore", "a test that does not run proves nothing: report it as not run"),
    ("TO", "DO", "do it, or write it into the requirements"),
    ("FIX", "ME", "fix it"),
    ("/wo", "rk/", "a path of one machine"),
    ("des", "ign.md", "not a page of this repository"),
    ("aesth", "etics.md", "not a page of this repository"),
    ("libra", "ries.md", "not a page of this repository"),
    ("se", "eds.md", "not a page of this repository"),
    ("refer", "ence/fly.md", "not a page of this repository"),
    ("refer", "ence/promotion.md", "not a page of this repository"),
    ("refer", "ence/localcloud.md", "not a page of this repository"),
    ("br", "ief.md", "not a page of this repository"),
    ("sub", "agent", "not a word of this project"),
    ("cla", "ude", "not a word of this project"),
    ("anth", "ropic", "not a word of this project"),
    ("chat", "gpt", "not a word of this project"),
];

/// Kinds of files that are looked through.
const KINDS: [&str; 11] = ["rs", "toml", "md", "sh", "yml", "yaml", "py", "js", "html", "css", "sql"];

/// All banned words in all files of ours.
///
/// # Errors
/// If a file cannot be read.
pub fn check(repo: &Repo) -> Result<Vec<Finding>, Failure> {
    let words: Vec<(String, &str)> = WORDS.iter().map(|(a, b, why)| (format!("{a}{b}"), *why)).collect();
    let mut findings = Vec::new();
    for file in repo.files("")? {
        if !is_looked_through(&file) {
            continue;
        }
        for (number, line) in (1..).zip(repo.read(&file)?.lines()) {
            for (word, why) in words.iter().filter(|(word, _)| holds(line, word)) {
                findings.push(Finding::at(&file, number, format!("`{word}` may not stand here: {why}")));
            }
        }
    }
    Ok(findings)
}

fn is_looked_through(file: &Path) -> bool {
    let is_kind = file.extension().and_then(|e| e.to_str()).is_some_and(|e| KINDS.contains(&e));
    is_kind || file.starts_with(".ci") || file.starts_with(".github")
}

/// Whether `word` stands in the line. A word that begins or ends with a letter must not be part of a longer one;
/// a word in small letters is found in any letters.
fn holds(line: &str, word: &str) -> bool {
    let is_small = !word.contains(char::is_uppercase);
    let line = if is_small { line.to_lowercase() } else { line.to_owned() };
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_joined_before = word.starts_with(char::is_alphanumeric) && part_of_word(before);
        let is_joined_after = word.ends_with(char::is_alphanumeric) && part_of_word(after);
        !is_joined_before && !is_joined_after
    })
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_word_inside_a_longer_one_is_another_word() {
        let word = format!("{}{}", "TO", "DO");
        assert!(holds(&format!("// {word}: later"), &word));
        assert!(!holds(&format!("AU{word}RS"), &word));
        assert!(!holds("let todo_list = 1;", &word), "capitals are meant");
    }
}
