//! A refused call, in S3's form (API Reference, "Error responses").

use std::io;

use hyper::{Response, StatusCode};

use super::xml::Xml;
use crate::http_io::Body;

/// A refused call.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn no_bucket(bucket: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", format!("there is no bucket `{bucket}`"))
    }

    pub(super) fn no_key(key: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchKey", format!("there is no object `{key}`"))
    }

    /// A condition of the request does not hold.
    pub(super) fn precondition(header: &str) -> Self {
        let why = format!("what the request says in {header} does not hold");
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", why)
    }

    /// What this S3 does not have.
    pub(super) fn not_implemented(what: impl AsRef<str>) -> Self {
        let why = format!("this small S3 does not know {}", what.as_ref());
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", why)
    }

    /// The answer, about `resource`.
    pub(super) fn answer(&self, resource: &str, request_id: &str) -> Response<Body> {
        let mut xml = Xml::new();
        xml.open("Error");
        xml.text("Code", self.code);
        xml.text("Message", &self.message);
        xml.text("Resource", resource);
        xml.text("RequestId", request_id);
        xml.close("Error");
        xml.answer(self.status)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let why = format!("cannot use the state directory: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", why)
    }
}
