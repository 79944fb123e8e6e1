//! docs/cli.md, from what the binaries say of themselves.

use super::heading;
use crate::cargo;
use crate::process::{Run, Shell};
use crate::repo::Repo;
use clikit::Failure;
use std::fmt::Write;

/// The binaries, in the order in which a user meets them.
const BINARIES: [&str; 4] = ["promote", "stagectl", "itest", "localcloud"];

pub(super) fn page(repo: &Repo, shell: &Shell) -> Result<String, Failure> {
    let mut text = heading("Command lines", "the binaries' own help");
    text.push_str("\nExit codes: [exit-codes.md](exit-codes.md).\n");
    let programs = cargo::programs(repo, shell)?;
    for binary in BINARIES {
        let help = |args: &[&str]| -> Result<String, Failure> {
            let run = Run::new(&programs.join(binary).to_string_lossy(), &repo.root);
            let run = run.args(args).args(["--help"]).var("COLUMNS", "100").var("NO_COLOR", "1");
            let ran = run.run(shell)?;
            if ran.is_ok() {
                return Ok(ran.text);
            }
            Err(Failure::bug(format!("`{}` ended with {}", run.line(), ran.ending())).with_why(ran.errors))
        };
        let top = help(&[])?;
        if top.trim().is_empty() {
            continue;
        }
        section(&mut text, 2, binary, &top);
        for verb in verbs(&top) {
            let below = help(&[&verb])?;
            section(&mut text, 3, &format!("{binary} {verb}"), &below);
            for inner in verbs(&below) {
                section(&mut text, 4, &format!("{binary} {verb} {inner}"), &help(&[&verb, &inner])?);
            }
        }
    }
    Ok(text)
}

fn section(text: &mut String, level: usize, title: &str, help: &str) {
    let marks = "#".repeat(level);
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(text, "\n{marks} {title}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
}

/// The verbs in the `Commands:` part of a help text; `help` itself is left out.
fn verbs(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  ") || line.is_empty());
    let is_verb = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names = lines.filter(is_verb).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::verbs;

    #[test]
    fn verbs_are_read_from_both_layouts_of_help() {
        let short = "A\n\nCommands:\n  plan   Plans\n  start  Starts\n  help   Print\n\nOptions:\n  -h  x\n";
        assert_eq!(verbs(short), ["plan", "start"]);
        let long = "Commands:\n  plan\n          Plans\n\n  start\n          Starts\n\nOptions:\n";
        assert_eq!(verbs(long), ["plan", "start"]);
        assert!(verbs("Usage: x\n\nOptions:\n  -h\n").is_empty());
    }
}
