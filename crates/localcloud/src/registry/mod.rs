//! An OCI registry (distribution spec 1.1) over a content-addressed store on disk. It lists tags, which
//! Fly's does not: clients such as skopeo ask for them; a quirk turns that off.

pub(crate) mod blobs;
pub(crate) mod manifests;
pub(crate) mod names;
pub(crate) mod resolve;
pub(crate) mod routes;
pub(crate) mod store;
pub(crate) mod uploads;

use std::io;

use hyper::{Response, StatusCode, header::HeaderValue};
use serde_json::json;

use crate::http_io::{self, Body};

/// A refused registry call, in the spec's error format.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn answer(&self) -> Response<Body> {
        let body = json!({"errors": [{"code": self.code, "message": self.message, "detail": null}]});
        let mut answer = http_io::json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"localcloud\"");
            answer.headers_mut().insert(hyper::header::WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", format!("cannot use the store: {error}"))
    }
}
