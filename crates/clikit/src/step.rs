//! A run inside a step of GitHub Actions: what it says goes to the steps behind it and onto the run's page, and nothing that
//! others wrote is taken for a command.
//!
//! Facts: GitHub's "Workflow commands for GitHub Actions". A line that begins with `::`, or has `##[` in it, on either
//! stream, is a command to whoever runs the step.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Context, Exit, Failure};

/// GitHub drops a summary of more than 1 MiB as a whole; many runs of ours share a step's.
const SUMMARY_MOST: usize = 64 << 10;

/// The files by which a step speaks, and the program's name.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
    program: String,
}

impl Step {
    pub(crate) fn of(context: &Context) -> Option<Self> {
        let file = |name: &str| context.var(name).map(PathBuf::from);
        (context.var("GITHUB_ACTIONS") == Some("true")).then(|| Self {
            output: file("GITHUB_OUTPUT"),
            summary: file("GITHUB_STEP_SUMMARY"),
            program: context.program(),
        })
    }

    /// What came out: each value at the top of `value` becomes an output, and `text` a part of the summary.
    pub(crate) fn tell(&self, value: &Value, text: &str) {
        if let (Some(file), Value::Object(all)) = (&self.output, value) {
            let lines: String = all.iter().filter_map(|(name, value)| output(name, value)).collect();
            append(file, &lines);
        }
        self.sum_up(text);
    }

    /// Why it came to nothing, for people.
    pub(crate) fn sum_up(&self, text: &str) {
        let Some(file) = self.summary.as_ref().filter(|_| !text.trim().is_empty()) else { return };
        let end = text.floor_char_boundary(SUMMARY_MOST);
        let rest = if end < text.len() { "\n…" } else { "" };
        let text = text[..end].trim_end();
        // A fence in the text ends no fence that is longer.
        let fence = "`".repeat(3.max(1 + longest_fence(text)));
        append(file, &format!("{fence}text\n{text}{rest}\n{fence}\n"));
    }

    /// The line that becomes an annotation of the run.
    pub(crate) fn annotation(&self, failure: &Failure) -> String {
        let reasons = failure.reasons().join("\n");
        let help = failure.hint.as_ref().map(|hint| format!("help: {hint}")).unwrap_or_default();
        let parts = [failure.what.as_str(), &reasons, &help];
        let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        self.line(failure.exit, &text)
    }

    /// The same for a result that is no success.
    pub(crate) fn annotation_of(&self, exit: Exit, value: &Value) -> String {
        let what = value.pointer("/error/what").and_then(Value::as_str);
        self.line(exit, what.unwrap_or_else(|| exit.meaning()))
    }

    fn line(&self, exit: Exit, text: &str) -> String {
        let title = format!("{}: {} ({})", self.program, exit.name(), exit.number());
        let title = escaped(&title).replace(':', "%3A").replace(',', "%2C");
        format!("::error title={title}::{}\n", escaped(&crate::plain_text(text)))
    }
}

/// A value of one line; what has many is in the JSON object.
fn output(name: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_line = !text.contains(['\n', '\r']);
    (is_name && is_line).then(|| format!("{name}={text}\n"))
}

fn longest_fence(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What cannot be written there is on the streams all the same.
fn append(file: &Path, text: &str) {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    let _unwritten = opened.and_then(|mut file| file.write_all(text.as_bytes()));
}

/// A text in which no line is a command.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    // A carriage return ends a line for whoever reads it.
    if !text.split(['\n', '\r']).any(is_command) {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        let tamed = line.replace("##[", "## [");
        match tamed.trim_start().strip_prefix("::") {
            Some(rest) => format!("{}: :{rest}", &tamed[..tamed.len() - rest.len() - 2]),
            None => tamed,
        }
    };
    Cow::Owned(text.split_inclusive(['\n', '\r']).map(line).collect())
}

/// The same for JSON, whose texts stay what they are.
pub(crate) fn tame_json(text: String) -> String {
    if text.contains("##[") { text.replace("##[", "##\\u005b") } else { text }
}

#[cfg(test)]
mod tests {
    use super::{tame, tame_json};

    #[test]
    fn no_line_is_a_command_any_more_and_all_others_stay() {
        for (text, tamed) in [
            ("a::b\nit is fine # [x]\n", "a::b\nit is fine # [x]\n"),
            ("::error::x\n", ": :error::x\n"),
            ("a\n  ::stop-commands::t\nb", "a\n  : :stop-commands::t\nb"),
            ("a\r::set-env name=A::b", "a\r: :set-env name=A::b"),
            ("x ##[add-mask]y", "x ## [add-mask]y"),
        ] {
            assert_eq!(tame(text), tamed);
            assert_eq!(tame(&tame(text)), tamed);
        }
        let json = serde_json::json!({"a": "##[error]x"}).to_string();
        let tamed = tame_json(json.clone());
        assert!(!tamed.contains("##["));
        let [before, after] =
            [json, tamed].map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
        assert_eq!(before, after);
    }
}
