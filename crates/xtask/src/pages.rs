//! `cargo xtask gen`: files that are written from the code, and so cannot tell something else.

mod cli;
mod exit_codes;
mod sabotage;
mod traceability;

use crate::cargo;
use crate::process::{Run, Shell};
use crate::repo::Repo;
use clikit::{Exit, Failure, FailureExt, Output};

/// One generated file.
struct Page {
    /// Where it is written.
    path: &'static str,
    /// What it is made from.
    source: Source,
}

enum Source {
    /// A function of this package.
    Function(fn(&Repo, &Shell) -> Result<String, Failure>),
    /// What an example of a package prints: `cargo run --package P --example E`. The file exists once the example
    /// does.
    Example { package: &'static str, example: &'static str },
}

/// All generated files. A new one is a new row.
const PAGES: &[Page] = &[
    Page { path: "docs/traceability.md", source: Source::Function(traceability::page) },
    Page { path: "docs/exit-codes.md", source: Source::Function(exit_codes::page) },
    Page { path: "docs/sabotage.md", source: Source::Function(sabotage::page) },
    Page { path: "docs/cli.md", source: Source::Function(cli::page) },
    Page {
        path: "docs/promotion-states.md",
        source: Source::Example { package: "promotion", example: "states" },
    },
];

/// Writes every page, or those in `only` by their paths; with `is_check` only compares: exit 15 if anything differs.
///
/// # Errors
/// Exit 2 for an unknown path. If a source fails or a page cannot be written.
pub fn run(
    repo: &Repo,
    shell: &Shell,
    out: &Output,
    is_check: bool,
    only: &[String],
) -> Result<Exit, Failure> {
    if let Some(unknown) = only.iter().find(|path| PAGES.iter().all(|page| page.path != path.as_str())) {
        let known: Vec<&str> = PAGES.iter().map(|page| page.path).collect();
        let failure = Failure::usage(format!("{unknown} is no generated file"));
        return Err(failure.with_why(format!("there are: {}", known.join(", "))));
    }
    let mut n_different = 0;
    for page in PAGES.iter().filter(|page| only.is_empty() || only.iter().any(|path| path == page.path)) {
        let Some(text) = page.text(repo, shell)? else {
            out.text(&format!("{}: its source is not there yet\n", page.path))?;
            continue;
        };
        let old = repo.has(page.path).then(|| repo.read(page.path)).transpose()?.unwrap_or_default();
        if old == text {
            continue;
        }
        n_different += 1;
        match first_difference(&old, &text) {
            Some(place) if is_check => out.text(&format!("{}: out of date {place}\n", page.path))?,
            _ => out.text(&format!("{}: written\n", page.path))?,
        }
        if !is_check {
            write(repo, page.path, &text)?;
        }
    }
    Ok(if is_check && n_different > 0 { Exit::Findings } else { Exit::Done })
}

impl Page {
    fn text(&self, repo: &Repo, shell: &Shell) -> Result<Option<String>, Failure> {
        match self.source {
            Source::Function(function) => function(repo, shell).map(Some),
            Source::Example { package, example } => {
                let file = format!("crates/{package}/examples/{example}.rs");
                if !repo.has(&file) {
                    return Ok(None);
                }
                let program = cargo::programs(repo, shell)?.join("examples").join(example);
                let run = Run::new(&program.to_string_lossy(), &repo.root);
                let ran = run.clone().echoed_errors().run(shell)?;
                if !ran.is_ok() {
                    return Err(Failure::bug(format!("`{}` ended with {}", run.line(), ran.ending())));
                }
                Ok(Some(ran.text))
            }
        }
    }
}

fn write(repo: &Repo, path: &str, text: &str) -> Result<(), Failure> {
    let failed = || format!("cannot write {path}");
    let file = repo.root.join(path);
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).or_exit(Exit::Unavailable, failed)?;
    }
    std::fs::write(file, text).or_exit(Exit::Unavailable, failed)
}

/// The first line that differs, for people.
fn first_difference(old: &str, new: &str) -> Option<String> {
    let (mut old, mut new) = (old.lines(), new.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                let show =
                    |line: Option<&str>| line.map_or_else(|| "nothing".to_owned(), |l| format!("`{l}`"));
                return Some(format!("at line {number}: it says {}, the code says {}", show(a), show(b)));
            }
        }
    }
    None
}

/// The note at the head of every generated page.
pub(crate) fn heading(title: &str, source: &str) -> String {
    format!("<!-- written by `cargo xtask gen` from {source}; changes here are lost -->\n\n# {title}\n")
}

/// Text for a cell of a Markdown table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let text = first_difference("a\n", "a\nb\n").unwrap();
        assert_eq!(text, "at line 2: it says nothing, the code says `b`");
    }
}
