//! Reading TOML, JSON and YAML with positions: a plain tree, and readers that report every problem instead of the first one.

mod content;
mod format;
mod json;
mod mask;
mod section;
mod sink;
mod tree;
mod value;
mod yaml;

pub(crate) use content::{is_variable_name, json, scalar, variables};
pub(crate) use format::Format;
pub(crate) use mask::has_token;
pub use mask::without_tokens;
pub(crate) use section::{Section, suggest};
pub(crate) use sink::{Beside, Sink};
pub(crate) use tree::{Entry, Kind, Node, Span};
pub(crate) use value::Value;

use crate::{Code, Problem, Problems, Severity};

/// Parses `text` and hands the root table to `read`. Whatever `read` reports decides: with an error in it there is
/// no value, else the rest goes along as findings.
pub(crate) fn read_file<T>(
    file: &str,
    text: &str,
    format: Format,
    lenient: bool,
    read: impl FnOnce(&Sink<'_>, &Section<'_>) -> Option<T>,
) -> Result<crate::Parsed<T>, Problems> {
    read_file_beside(file, text, format, lenient, None, read)
}

/// The same where files that the text names can be read.
pub(crate) fn read_file_beside<T>(
    file: &str,
    text: &str,
    format: Format,
    lenient: bool,
    beside: Option<Beside<'_>>,
    read: impl FnOnce(&Sink<'_>, &Section<'_>) -> Option<T>,
) -> Result<crate::Parsed<T>, Problems> {
    let sink = Sink::new(file, text, lenient).with_files(beside);
    let parsed = match format.parse(text) {
        Ok(parsed) => parsed,
        Err(wrong) => {
            let problem = match Format::of_text(text).filter(|other| lenient && *other != format) {
                Some(other) => other_format(&sink, format, other),
                None => syntax(&sink, text, format, wrong),
            };
            return Err(Problems { file: file.to_owned(), list: vec![problem] });
        }
    };
    for (span, name) in &parsed.twice {
        let what = format!("`{}` stands twice in one table", name.escape_debug());
        let why = "only the last one counts";
        sink.report(Severity::Warning, Code::KeyTwice, span, name, what, why, None);
    }
    let root = &parsed.root;
    let value = match &root.kind {
        Kind::Table(entries) => read(&sink, &Section::new(&sink, String::new(), root.span.clone(), entries)),
        _ => None,
    };
    let findings = sink.into_problems();
    match value {
        Some(value) if findings.iter().all(|p| p.severity < Severity::Error) => {
            Ok(crate::Parsed { value, findings })
        }
        _ => Err(Problems { file: file.to_owned(), list: findings }),
    }
}

/// A file whose content is not what its name says.
fn other_format(sink: &Sink<'_>, format: Format, other: Format) -> Problem {
    let what = format!("this is {other}, and the file's name says {format}");
    let mut problem = sink.problem(Code::OtherFormat, Severity::Error, 0..0, "", what);
    problem.why = "flyctl reads a file as what its name says".to_owned();
    problem.hint = Some(format!("call it `fly.{}`", other.extension()));
    problem
}

/// A syntax error. Nothing is known about the line's values, so all of them are masked.
fn syntax(sink: &Sink<'_>, text: &str, format: Format, (span, message): (Span, String)) -> Problem {
    let mut problem = sink.problem(Code::Syntax, Severity::Error, span.clone(), "", message);
    problem.what = format!("this is no {format}: {}", problem.what);
    problem.quote = sink.quote(&span, &[mask::values_of_line(text, span.start, format.separator())]);
    problem
}
