//! Who answers: the headers that every response carries, and `/.well-known/environment`.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use serde::Serialize;

use crate::{Options, server::Shared};

/// What `/.well-known/environment` tells.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    environment: String,
    app: Option<String>,
    version: String,
    commit: String,
    machine: Option<String>,
    region: Option<String>,
    digest: Option<String>,
    label: Option<String>,
    languages: Vec<&'static str>,
}

pub(crate) async fn environment(State(shared): State<Shared>) -> Json<Environment> {
    let options = &shared.options;
    Json(Environment {
        environment: options.environment.clone(),
        app: options.app.clone(),
        version: options.version.clone(),
        commit: options.commit.clone(),
        machine: options.machine.clone(),
        region: options.region.clone(),
        digest: options.digest().map(str::to_owned),
        label: options.label.clone(),
        languages: shared.languages.iter().map(|language| language.id).collect(),
    })
}

/// The headers of this instance, made once. Values come from checked options, so none is left out in practice.
pub(crate) fn headers(options: &Options) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs = [
        ("x-environment", Some(&options.environment)),
        ("x-version", Some(&options.version)),
        ("x-commit", Some(&options.commit)),
        ("x-machine-id", options.machine.as_ref()),
        ("x-label", options.label.as_ref()),
    ];
    for (name, value) in pairs {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    // Any page may ask and read, as in the service that this one stands for.
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let exposed = HeaderValue::from_static("x-environment, x-version, x-commit, x-machine-id, x-label");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers
}

pub(crate) async fn add_headers(State(shared): State<Shared>, mut response: Response) -> Response {
    for (name, value) in &shared.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}
