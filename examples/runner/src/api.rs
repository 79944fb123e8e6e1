//! The two calls of the API: which languages there are, and running a program.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    execute::{self, Limits},
    server::Shared,
};

#[derive(Deserialize)]
struct Request {
    source: String,
    language: String,
}

#[derive(Serialize)]
struct Answer {
    stdout: String,
    stderr: String,
    error: String,
    /// Since version 1.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u128>,
}

/// A refusal with a reason for people.
pub(crate) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(json!({ "error": self.1 }))).into_response();
        if self.0 == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(crate) async fn languages(State(shared): State<Shared>) -> Json<Value> {
    let ids: Vec<&str> = shared.languages.iter().map(|language| language.id).collect();
    Json(json!({ "languages": ids }))
}

pub(crate) async fn run(
    State(shared): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let body = body.map_err(|rejection| Refusal(rejection.status(), rejection.body_text()))?;
    let request = parse(&body).map_err(|why| Refusal(StatusCode::BAD_REQUEST, why))?;
    let Some(language) = shared.languages.iter().find(|language| language.id == request.language) else {
        let known: Vec<&str> = shared.languages.iter().map(|language| language.id).collect();
        let why = format!("unknown language `{}`; there are {}", request.language, known.join(", "));
        return Err(Refusal(StatusCode::BAD_REQUEST, why));
    };
    // Refused at once rather than queued: a queue would hide from the caller that there is no room.
    let Ok(_room) = shared.room.try_acquire() else {
        let why = format!("no runner available: all {} are busy", shared.options.runners);
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, why));
    };
    let limits = Limits { wall: shared.options.timeout, ..Limits::default() };
    let start = Instant::now();
    let outcome = execute::run(language, &request.source, &limits).await.map_err(|error| {
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("the program could not be started: {error}"))
    })?;
    let duration_ms = shared.options.is_at_least(1, 1).then(|| start.elapsed().as_millis());
    let answer = Answer { stdout: outcome.stdout, stderr: outcome.stderr, error: outcome.error, duration_ms };
    Ok(Json(answer).into_response())
}

/// The field's name where one is missing, and line and column where the text is no JSON.
fn parse(body: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!("the body must be a JSON object with the strings `source` and `language`: {error}")
    })
}

/// What browsers ask before they ask.
pub(crate) async fn preflight() -> (StatusCode, HeaderMap) {
    let mut headers = HeaderMap::new();
    let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
    put(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS");
    put(header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type");
    put(header::ACCESS_CONTROL_MAX_AGE, "300");
    (StatusCode::OK, headers)
}

pub(crate) async fn not_found() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "no such page".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        let why = |body: &[u8]| parse(body).err().unwrap();
        assert!(why(b"{").contains("line 1 column 1"), "{}", why(b"{"));
        assert!(why(br#"{"source":"x"}"#).contains("`language`"));
        assert!(why(br#"{"source":1,"language":"bash"}"#).contains("string"));
    }
}
