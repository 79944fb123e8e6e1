//! Expressions between `${{` and `}}`.

mod eval;
mod parse;

use serde_json::Value;

pub(crate) use eval::{Status, is_true, text};
use parse::Expression;

/// Why an expression has no value here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}`: {why}")]
pub struct ExpressionError {
    expression: String,
    why: String,
}

fn parsed(text: &str) -> Result<Expression, ExpressionError> {
    parse::parse(text).map_err(|why| ExpressionError { expression: text.trim().to_owned(), why })
}

/// A text with every expression in it worked out.
pub(crate) fn fill(source: &str, contexts: &Value, status: Status) -> Result<String, ExpressionError> {
    let mut filled = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("${{") {
        let end = parse::end_of(after);
        filled.push_str(before);
        filled.push_str(&text(&value(&after[..end], contexts, status)?));
        rest = after[end..].strip_prefix("}}").unwrap_or_default();
    }
    filled.push_str(rest);
    Ok(filled)
}

fn value(text: &str, contexts: &Value, status: Status) -> Result<Value, ExpressionError> {
    let expression = parsed(text)?;
    eval::eval(&expression, contexts, status)
        .map_err(|why| ExpressionError { expression: text.trim().to_owned(), why })
}

/// A condition. Where it asks nothing about how things went, it holds only while all is well.
pub(crate) fn holds(
    condition: Option<&str>,
    contexts: &Value,
    status: Status,
) -> Result<bool, ExpressionError> {
    let Some(condition) = condition else { return Ok(status.is_good()) };
    let inner = condition.trim();
    let inner = inner.strip_prefix("${{").and_then(|inner| inner.strip_suffix("}}")).unwrap_or(inner);
    let asks = parsed(inner)?.asks_status();
    Ok((asks || status.is_good()) && is_true(&value(inner, contexts, status)?))
}

#[cfg(test)]
mod tests;
