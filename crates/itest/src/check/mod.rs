//! Judging an answer: captures and assertions.

mod compare;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, cmp::Ordering};

use regex::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    duration,
    report::Failure,
    suite::{
        assertion::{Assertion, Check, Expect, Order, StatusMatch, Subject},
        model::{Capture, CaptureSource},
    },
    template::{JsonTemplate, Undefined},
    transport::Answer,
    variables::{Variables, as_text},
};

const ABSENT: &str = "(absent)";

/// An answer and what it reads as.
pub(crate) struct Judged<'a> {
    answer: &'a Answer,
    text: Cow<'a, str>,
    json: Result<Value, String>,
}

/// What was expected and what was there.
struct Mismatch {
    expected: String,
    actual: String,
}

impl<'a> Judged<'a> {
    pub(crate) fn new(answer: &'a Answer) -> Self {
        let json = serde_json::from_slice(&answer.body).map_err(|error| error.to_string());
        Self { answer, text: String::from_utf8_lossy(&answer.body), json }
    }

    /// Every assertion that does not hold. One whose variable has no value is left out: the capture that
    /// should have given it has failed and says so itself.
    pub(crate) fn failures(
        &self,
        step: &str,
        assertions: &[Assertion],
        variables: &Variables,
    ) -> Vec<Failure> {
        let judge = |assertion: &Assertion| {
            let Ok(Err(mismatch)) = self.holds(&assertion.expect, variables) else { return None };
            let assertion_text = assertion.expect.to_string();
            Some(failure(step, assertion.line, assertion_text, mismatch))
        };
        assertions.iter().filter_map(judge).collect()
    }

    /// The value that a capture takes, or why there is none.
    pub(crate) fn capture(&self, step: &str, capture: &Capture) -> Result<Value, Failure> {
        let (value, what) = match &capture.source {
            CaptureSource::Status => (Some(self.answer.status.as_u16().into()), "status".to_owned()),
            CaptureSource::Header(name) => (self.headers(name).into_iter().next(), format!("header {name}")),
            CaptureSource::Json(path) => {
                let nodes = self.json.as_ref().map(|json| path.select(json)).unwrap_or_default();
                let value = if path.is_singular() {
                    nodes.first().map(|node| (*node).clone())
                } else {
                    Some(nodes.into_iter().cloned().collect())
                        .filter(|list: &Value| list != &Value::Array(Vec::new()))
                };
                (value, format!("json {path}"))
            }
            CaptureSource::Regex(regex) => {
                let found = regex.captures(&self.text).and_then(|c| c.get(1).or_else(|| c.get(0)));
                (found.map(|found| found.as_str().into()), format!("regex {regex}"))
            }
        };
        value.ok_or_else(|| {
            let actual = match (&capture.source, &self.json) {
                (CaptureSource::Json(_), Err(error)) => not_json(error),
                _ => ABSENT.to_owned(),
            };
            let mismatch = Mismatch { expected: "a value".to_owned(), actual };
            failure(step, capture.line, format!("capture `{}` from {what}", capture.name), mismatch)
        })
    }

    /// The body for people, not yet cut to size.
    pub(crate) fn body(&self) -> String {
        match &self.text {
            Cow::Borrowed(text) => (*text).to_owned(),
            Cow::Owned(_) => format!("({} bytes that are not UTF-8)", self.answer.body.len()),
        }
    }

    fn holds(&self, expect: &Expect, variables: &Variables) -> Result<Result<(), Mismatch>, Undefined> {
        Ok(match expect {
            Expect::Status { any_of, .. } => {
                let status = self.answer.status;
                verdict(any_of.iter().any(|wanted| wanted.holds(status)), || {
                    let wanted: Vec<_> = any_of.iter().map(StatusMatch::to_string).collect();
                    (wanted.join(" or "), status.as_u16().to_string())
                })
            }
            Expect::Below(limit) => verdict(self.answer.duration < *limit, || {
                (format!("< {}", duration::show(*limit)), duration::show(self.answer.duration))
            }),
            Expect::BodySha256(wanted) => {
                let wanted = wanted.fill(variables)?;
                let actual: String =
                    Sha256::digest(&self.answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
                verdict(wanted == actual, || (wanted.clone(), actual.clone()))
            }
            Expect::Part { subject, check } => self.part(subject, check, variables)?,
        })
    }

    fn part(
        &self,
        subject: &Subject,
        check: &Check,
        variables: &Variables,
    ) -> Result<Result<(), Mismatch>, Undefined> {
        let (nodes, is_list) = match subject {
            Subject::Header(name) => (self.headers(name), false),
            Subject::Body => (vec![Value::String(self.text.clone().into_owned())], false),
            Subject::Json(path) => match &self.json {
                Ok(json) => (path.select(json).into_iter().cloned().collect(), !path.is_singular()),
                Err(error) => {
                    let wanted = wanted(check, variables)?;
                    return Ok(Err(Mismatch { expected: wanted, actual: not_json(error) }));
                }
            },
        };
        let negated = matches!(
            check,
            Check::Equals { negated: true, .. }
                | Check::Contains { negated: true, .. }
                | Check::Matches { negated: true, .. }
        );
        let holds = match check {
            Check::Exists(wanted) => nodes.is_empty() != *wanted,
            // Of one thing that is not there nothing can be said; of no element of a list it can.
            _ if negated && nodes.is_empty() => is_list,
            _ => {
                let mut any = false;
                for node in &nodes {
                    any |= holds_for(check, node, variables)?;
                }
                any != negated
            }
        };
        let expected = wanted(check, variables)?;
        Ok(verdict(holds, || {
            let actual = match nodes.as_slice() {
                [] => ABSENT.to_owned(),
                [one] if !is_list => one.to_string(),
                many => Value::from(many).to_string(),
            };
            (expected, actual)
        }))
    }

    fn headers(&self, name: &http::HeaderName) -> Vec<Value> {
        let values = self.answer.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned().into()).collect()
    }
}

fn failure(step: &str, line: usize, assertion: String, mismatch: Mismatch) -> Failure {
    Failure { step: step.to_owned(), assertion, expected: mismatch.expected, actual: mismatch.actual, line }
}

fn verdict(holds: bool, mismatch: impl FnOnce() -> (String, String)) -> Result<(), Mismatch> {
    if holds {
        return Ok(());
    }
    let (expected, actual) = mismatch();
    Err(Mismatch { expected, actual })
}

fn not_json(error: &str) -> String {
    format!("(the body is not JSON: {error})")
}

/// The positive form of the check on one node.
fn holds_for(check: &Check, node: &Value, variables: &Variables) -> Result<bool, Undefined> {
    Ok(match check {
        Check::Exists(wanted) => *wanted,
        Check::Equals { value, .. } => compare::equal(node, &value.fill(variables)?),
        Check::Contains { value, .. } => compare::contains(node, &value.fill(variables)?),
        Check::Matches { pattern, .. } => {
            let pattern = pattern.fill_with(variables, |value| regex::escape(&as_text(value)))?;
            Regex::new(&pattern).is_ok_and(|regex| regex.is_match(&as_text(node)))
        }
        Check::Type(kind) => kind.holds(node),
        Check::Compare { order, limit } => in_order(*order, node, &limit.fill(variables)?),
        Check::Length { order, limit } => match compare::length(node) {
            Some(length) => in_order(*order, &length.into(), &limit.fill(variables)?),
            None => false,
        },
    })
}

fn in_order(order: Order, value: &Value, limit: &Value) -> bool {
    compare::order(value, limit).is_some_and(|found| match order {
        Order::Equal => found == Ordering::Equal,
        Order::LessThan => found == Ordering::Less,
        Order::AtMost => found != Ordering::Greater,
        Order::AtLeast => found != Ordering::Less,
        Order::GreaterThan => found == Ordering::Greater,
    })
}

/// The expected value for people.
fn wanted(check: &Check, variables: &Variables) -> Result<String, Undefined> {
    let json = |value: &JsonTemplate| value.fill(variables).map(|value| value.to_string());
    Ok(match check {
        Check::Exists(true) => "a value".to_owned(),
        Check::Exists(false) => ABSENT.to_owned(),
        Check::Equals { value, .. } | Check::Contains { value, .. } => json(value)?,
        Check::Matches { pattern, .. } => {
            format!("/{}/", pattern.fill_with(variables, |value| regex::escape(&as_text(value)))?)
        }
        Check::Type(kind) => kind.to_string(),
        Check::Compare { limit, .. } | Check::Length { limit, .. } => json(limit)?,
    })
}
