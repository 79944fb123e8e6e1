//! From an answer to a value or to the kind of error that it means.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

use super::ErrorKind;
use crate::text::quote;

/// What the API writes when something is wrong. Leases use `message` and `code`, everything else `error` and `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: Option<String>,
    message: Option<String>,
    status: Option<String>,
}

/// What the server said in an error, and its own word for the kind. Proxies answer HTML, the rate limiter plain text.
pub(super) fn said(body: &[u8]) -> (Option<String>, Option<String>) {
    let parsed: Option<ErrorBody> = serde_json::from_slice(body).ok();
    match parsed {
        Some(ErrorBody { error, message, status }) if error.is_some() || message.is_some() => {
            let error = error.filter(|text| !text.is_empty());
            (error.or(message).map(|text| quote(&text)), status)
        }
        _ => {
            let text = quote(&String::from_utf8_lossy(body));
            ((!text.is_empty()).then_some(text), None)
        }
    }
}

/// Texts that mean missing capacity whatever the status says (the words are Fly's).
const CAPACITY: [&str; 3] = [
    "could not reserve resource for machine",
    "insufficient resources",
    "deploys to this host are temporarily disabled",
];

/// The kind of error that `status` means, with the server's own word for it and its text.
pub(super) fn kind(
    status: StatusCode,
    word: Option<&str>,
    detail: Option<&str>,
    retry_after: Option<Duration>,
) -> ErrorKind {
    let text = detail.unwrap_or_default();
    if matches!(word, Some("insufficient_capacity" | "volume_placement_capacity"))
        || CAPACITY.iter().any(|words| text.contains(words))
    {
        return ErrorKind::Capacity;
    }
    if word == Some("name_taken") {
        return ErrorKind::NameTaken;
    }
    match status.as_u16() {
        401 => ErrorKind::Unauthenticated,
        402 | 403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        409 => ErrorKind::Conflict,
        412 => ErrorKind::Precondition,
        429 => ErrorKind::RateLimited { retry_after },
        400..=499 => ErrorKind::Invalid { message: text.to_owned() },
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Configuration,
    }
}

/// Where and why an answer cannot be read.
pub(super) struct Undecodable {
    pub(super) path: String,
    pub(super) source: serde_json::Error,
}

/// The value in `body`.
pub(super) fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Undecodable> {
    // Keeping track of the place is work, and a list of machines is long: only where something is wrong.
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Undecodable { path: error.path().to_string(), source: error.into_inner() })
}
