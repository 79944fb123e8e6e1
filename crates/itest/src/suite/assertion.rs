//! What a step expects of the answer.

use std::{fmt, time::Duration};

use http::StatusCode;

use crate::{
    json_path::JsonPath,
    template::{JsonTemplate, Template},
};

/// One expectation, with the line it stands on.
#[derive(Debug, Clone)]
pub(crate) struct Assertion {
    pub(crate) line: usize,
    pub(crate) expect: Expect,
}

#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// The status is one of these; `implied` if the step does not speak of the status.
    Status { any_of: Vec<StatusMatch>, implied: bool },
    /// The answer is complete in less than this.
    Below(Duration),
    /// The body's SHA-256 in lower-case hex digits.
    BodySha256(Template),
    /// A check on a part of the answer.
    Part { subject: Subject, check: Check },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Header(http::HeaderName),
    Json(JsonPath),
    Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusMatch {
    Exact(StatusCode),
    /// 1 to 5, written `"2xx"`.
    Class(u16),
}

#[derive(Debug, Clone)]
pub(crate) enum Check {
    Exists(bool),
    Equals { value: JsonTemplate, negated: bool },
    Contains { value: JsonTemplate, negated: bool },
    Matches { pattern: Template, negated: bool },
    Type(JsonType),
    Compare { order: Order, limit: JsonTemplate },
    Length { order: Order, limit: JsonTemplate },
}

/// How a number relates to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    LessThan,
    AtMost,
    AtLeast,
    GreaterThan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonType {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
    Null,
}

impl StatusMatch {
    /// Reads `200` written as text, or a class such as `2xx`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix("xx") {
            Some(class) => class.parse().ok().filter(|c| (1..=5).contains(c)).map(Self::Class),
            None => text.parse().ok().map(Self::Exact),
        }
    }

    pub(crate) fn holds(self, status: StatusCode) -> bool {
        match self {
            Self::Exact(wanted) => wanted == status,
            Self::Class(class) => class == status.as_u16() / 100,
        }
    }
}

impl JsonType {
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("string", Self::String),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("boolean", Self::Boolean),
        ("array", Self::Array),
        ("object", Self::Object),
        ("null", Self::Null),
    ];

    pub(crate) fn holds(self, value: &serde_json::Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            // JSON Schema, "integer": any number without a fractional part, so also 1.0.
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Null => value.is_null(),
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl fmt::Display for StatusMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(status) => write!(f, "{}", status.as_u16()),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equals",
            Self::LessThan => "is less than",
            Self::AtMost => "is at most",
            Self::AtLeast => "is at least",
            Self::GreaterThan => "is greater than",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Json(path) => write!(f, "json {path}"),
            Self::Body => f.write_str("body"),
        }
    }
}

/// What is asserted, without the expected value: `json $.stdout equals`.
impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "not " } else { "" };
        match self {
            Self::Status { implied: false, .. } => f.write_str("status"),
            Self::Status { implied: true, .. } => f.write_str("status (implied)"),
            Self::Below(_) => f.write_str("duration"),
            Self::BodySha256(_) => f.write_str("body sha256"),
            Self::Part { subject, check } => match check {
                Check::Exists(true) => write!(f, "{subject} exists"),
                Check::Exists(false) => write!(f, "{subject} is absent"),
                Check::Equals { negated, .. } => write!(f, "{subject} {}equals", not(negated)),
                Check::Contains { negated, .. } => write!(f, "{subject} {}contains", not(negated)),
                Check::Matches { negated, .. } => write!(f, "{subject} {}matches", not(negated)),
                Check::Type(_) => write!(f, "{subject} type"),
                Check::Compare { order, .. } => write!(f, "{subject} {order}"),
                Check::Length { order, .. } => write!(f, "{subject} length {order}"),
            },
        }
    }
}
