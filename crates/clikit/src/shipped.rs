//! What ships with a binary besides itself: completions of shells, and pages of the manual. Both are made from the same
//! description of the arguments as `--help`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{Failure, Output};

const COMPLETIONS: &str = "completions";
const MAN: &str = "man";

/// `command` with the two verbs that every binary with verbs has.
pub(crate) fn with_verbs(command: Command) -> Command {
    if !command.has_subcommands() {
        return command;
    }
    let shell = Arg::new("shell").required(true).value_parser(value_parser!(Shell)).help("The shell");
    let dir = Arg::new("dir").long("dir").value_name("DIR").value_parser(value_parser!(PathBuf));
    let dir = dir.help("Writes a page for each verb into this directory, which is made");
    let completions = Command::new(COMPLETIONS)
        .about("Prints a script by which a shell completes verbs and options")
        .long_about(
            "Prints a script by which a shell completes verbs and options\n\nbash: in ~/.local/share/bash-completion/completions, \
             under the program's name; zsh: in a directory of $fpath, with `_` before the name; fish: in \
             ~/.config/fish/completions, with `.fish` behind it.",
        )
        .arg(shell);
    let man = Command::new(MAN).about("Prints the manual's page, or writes those of all verbs").arg(dir);
    command.subcommand(completions).subcommand(man)
}

/// Does what one of the two verbs says, where it was given.
pub(crate) fn asked(command: &Command, matches: &ArgMatches, out: &Output) -> Option<Result<(), Failure>> {
    match matches.subcommand()? {
        (COMPLETIONS, given) => {
            let shell = *given.get_one::<Shell>("shell")?;
            let mut script = Vec::new();
            let name = command.get_name().to_owned();
            clap_complete::generate(shell, &mut command.clone(), name, &mut script);
            Some(told(out, script))
        }
        (MAN, given) => Some(match given.get_one::<PathBuf>("dir") {
            Some(dir) => pages(command, dir).and_then(|()| told(out, Vec::new())),
            None => page(command).and_then(|page| told(out, page)),
        }),
        _ => None,
    }
}

/// As it is, or as the `text` of one object.
fn told(out: &Output, text: Vec<u8>) -> Result<(), Failure> {
    let text = String::from_utf8(text).map_err(|error| Failure::bug("it is no text").with_source(error))?;
    out.emit(&serde_json::json!({ "ok": true, "text": text }), |_| text.clone())
}

/// Nobody looks for a page of `help help`.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let rendered = Man::new(command.clone()).render(&mut text);
    rendered.map_err(|error| Failure::bug("the manual's page cannot be made").with_source(error))?;
    Ok(text)
}

fn pages(command: &Command, dir: &Path) -> Result<(), Failure> {
    let written =
        fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(without_help(command.clone()), dir));
    written.map_err(|error| {
        Failure::usage(format!("the manual cannot be written to {}", dir.display())).with_source(error)
    })
}
