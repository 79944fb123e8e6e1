//! Reading TOML with positions: a plain tree, and readers that report every problem instead of the first one.

mod content;
mod mask;
mod section;
mod sink;
mod tree;
mod value;

pub(crate) use content::{json, scalar, variables};
pub(crate) use mask::without_tokens;
pub(crate) use section::{Section, suggest};
pub(crate) use sink::Sink;
pub(crate) use tree::{Entry, Kind, Node, Span};
pub(crate) use value::Value;

use crate::{Code, Problem, Problems, Severity};

/// Parses `text` and hands the root table to `read`. Whatever `read` reports decides: with an error in it there is
/// no value, else the rest goes along as findings.
pub(crate) fn read_file<T>(
    file: &str,
    text: &str,
    lenient: bool,
    read: impl FnOnce(&Sink<'_>, &Section<'_>) -> Option<T>,
) -> Result<crate::Parsed<T>, Problems> {
    let sink = Sink::new(file, text, lenient);
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err((span, message)) => {
            return Err(Problems { file: file.to_owned(), list: vec![syntax(&sink, text, span, message)] });
        }
    };
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

/// A syntax error. Nothing is known about the line's values, so all of them are masked.
fn syntax(sink: &Sink<'_>, text: &str, span: Span, message: String) -> Problem {
    let mut problem = sink.problem(Code::Syntax, Severity::Error, span.clone(), "", message);
    problem.what = format!("this is no TOML: {}", problem.what);
    problem.quote = sink.quote(&span, &[mask::values_of_line(text, span.start)]);
    problem
}
