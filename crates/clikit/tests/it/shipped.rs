//! Completions and pages of the manual.

use std::fs;
use std::process::Command;

use crate::endings::sample;

fn stdout(args: &[&str]) -> String {
    let output = sample(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers for the last of `words`, by the script (bash(1), Programmable Completion).
fn offered(words: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("sample.bash");
    fs::write(&script, stdout(&["completions", "bash"])).unwrap();
    let last = words.len() - 1;
    let ask = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD={last}; _sample sample '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.join(" "),
        words[last],
        words[last - 1]
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_and_their_options() {
    assert_eq!(offered(&["sample", "sh"]), ["show"]);
    assert_eq!(offered(&["sample", "wait", "--st"]), ["--stubborn", "--store"]);
}

#[test]
fn every_shell_gets_a_script_and_another_word_is_bad_usage() {
    for (shell, part) in [
        ("bash", "complete -F _sample"),
        ("zsh", "#compdef sample"),
        ("fish", "complete -c sample"),
        ("elvish", "edit:completion:arg-completer[sample]"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName 'sample'"),
    ] {
        assert!(stdout(&["completions", shell]).contains(part), "{shell}");
    }
    let output = sample(&["completions", "dos"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.contains("[possible values: bash,")), (Some(2), true), "{told}");
}

#[test]
fn the_manual_has_a_page_for_the_program_and_one_for_each_verb() {
    let page = stdout(&["man"]);
    assert!(page.contains(".TH sample 1") && page.contains("A sample with every kind of ending"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("share/man1");
    assert_eq!(stdout(&["man", "--dir", &pages.display().to_string()]), "");
    let wait = fs::read_to_string(pages.join("sample-wait.1")).unwrap();
    assert!(wait.contains("Go on after the first signal"), "{wait}");
    let missing =
        ["sample.1", "sample-show.1", "sample-completions.1"].map(|page| !pages.join(page).is_file());
    assert_eq!(missing, [false; 3]);
    let names = fs::read_dir(&pages).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.contains("help")).collect::<Vec<_>>(), [""; 0]);
    let object: serde_json::Value = serde_json::from_str(&stdout(&["man", "--json"])).unwrap();
    assert_eq!(object["text"], page);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let below = dir.path().join("file/man").display().to_string();
    let output = sample(&["man", "--dir", &below]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.contains("cannot be written")), (Some(2), true), "{told}");
}
