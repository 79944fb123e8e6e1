//! The parts of a suite.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use regex::Regex;

use super::assertion::Assertion;
use crate::{
    json_path::JsonPath,
    template::{JsonTemplate, Template},
    variables::Variables,
};

/// Where a target says who it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IdentitySource {
    /// A JSON document or response headers at `path`; what is missing there may stand at `build_path`.
    Page { path: String, build_path: Option<String> },
    /// The suite runs without asking, for this reason.
    Waived { reason: String },
}

impl IdentitySource {
    /// Where a target identifies itself if the suite says nothing else.
    pub(crate) const DEFAULT_PATH: &'static str = "/.well-known/environment";
}

impl Default for IdentitySource {
    fn default() -> Self {
        Self::Page { path: Self::DEFAULT_PATH.to_owned(), build_path: None }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The name as written.
    pub(crate) label: String,
    pub(crate) name: Template,
    pub(crate) tags: Vec<String>,
    pub(crate) line: usize,
    pub(crate) matrix: Option<Matrix>,
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// The targets of all its requests.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let list = self.matrix.as_ref().and_then(|matrix| match &matrix.values {
            MatrixValues::Asked { request, .. } => Some(request.target.as_str()),
            MatrixValues::Given(_) => None,
        });
        self.steps.iter().map(|step| step.request.target.as_str()).chain(list)
    }
}

/// One case for each value of a list.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    /// The variable that holds the value.
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) values: MatrixValues,
    /// More variables for each value, by the value as text; a value without an entry is an error.
    pub(crate) each: Option<BTreeMap<String, Variables>>,
}

#[derive(Debug, Clone)]
pub(crate) enum MatrixValues {
    /// Written in the suite; strings, numbers or booleans.
    Given(Vec<serde_json::Value>),
    /// Asked for before the case: every node at `path` of the answer.
    Asked { request: Box<Request>, path: JsonPath },
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The step's name, else its request line as written.
    pub(crate) label: String,
    pub(crate) line: usize,
    pub(crate) request: Request,
    pub(crate) captures: Vec<Capture>,
    pub(crate) assertions: Vec<Assertion>,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) method: Method,
    pub(crate) path: Template,
    pub(crate) headers: Vec<(http::HeaderName, Template)>,
    pub(crate) query: Vec<(String, Template)>,
    pub(crate) body: Body,
    pub(crate) timeout: Option<Duration>,
    /// Declared safe to send twice.
    pub(crate) idempotent: bool,
}

impl Request {
    /// Whether sending the request twice is safe: declared so, or GET or HEAD (RFC 9110, 9.2.1).
    pub(crate) fn is_repeatable(&self) -> bool {
        self.idempotent || self.method == Method::GET || self.method == Method::HEAD
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Empty,
    Json(JsonTemplate),
    Text(Template),
    Form(Vec<(String, Template)>),
}

#[derive(Debug, Clone)]
pub(crate) struct Capture {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) source: CaptureSource,
}

#[derive(Debug, Clone)]
pub(crate) enum CaptureSource {
    Status,
    Header(http::HeaderName),
    /// The node, or the list of nodes if the path can select several.
    Json(JsonPath),
    /// The first group, or the whole match if the pattern has none, in the body.
    Regex(Regex),
}
