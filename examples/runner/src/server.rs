//! The HTTP server: routes, health, the page, and an end without cutting anybody off.

use std::{future::Future, io, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    Options, api,
    bundle::{self, Release},
    identity,
    languages::{self, Language},
};

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Service>);

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) options: Options,
    pub(crate) languages: Vec<Language>,
    pub(crate) headers: HeaderMap,
    pub(crate) room: Semaphore,
}

impl std::ops::Deref for Shared {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

/// Serves on the options' address until `shutdown` is over; then accepts nothing more, answers what has begun, and
/// comes back.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve<S>(options: Options, shutdown: S) -> io::Result<()>
where
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((options.host, options.port)).await?;
    serve_on(listener, options, shutdown).await
}

/// As [`serve`], on a listener that is there already.
///
/// # Errors
/// The listener fails.
pub async fn serve_on<S>(listener: TcpListener, options: Options, shutdown: S) -> io::Result<()>
where
    S: Future<Output = ()> + Send + 'static,
{
    let languages = languages::find(&options).await;
    let room = Semaphore::new(options.runners);
    let headers = identity::headers(&options);
    let shared = Shared(Arc::new(Service { options, languages, headers, room }));
    axum::serve(listener, router(shared)).with_graceful_shutdown(shutdown).await
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/api/v1/languages", get(api::languages).options(api::preflight))
        .route("/api/v1/run", axum::routing::post(api::run).options(api::preflight))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/.well-known/environment", get(identity::environment))
        .route("/env.json", get(env_json))
        .route("/", get(index))
        .route("/app.js", get(async || asset("text/javascript; charset=utf-8", bundle::APP_JS)))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", bundle::STYLE_CSS)))
        .fallback(api::not_found)
        .layer(middleware::map_response_with_state(shared.clone(), identity::add_headers))
        .with_state(shared)
}

async fn alive() -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// Ready means that it can do its work: there is a language to run.
async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let languages: Vec<&str> = shared.languages.iter().map(|language| language.id).collect();
    if languages.is_empty() {
        let why =
            format!("no language is installed: looked for python3, node and bash in {}", shared.options.path);
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "why": why })));
    }
    (StatusCode::OK, Json(json!({ "ready": true, "languages": languages })))
}

/// For the service's own page: the API is where the page came from.
async fn env_json(State(shared): State<Shared>) -> Json<Value> {
    let options = &shared.options;
    Json(json!({ "environment": options.environment, "apiUrl": "", "version": options.version }))
}

async fn index(State(shared): State<Shared>) -> impl IntoResponse {
    let release = if shared.options.is_at_least(1, 1) { Release::Better } else { Release::Good };
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], bundle::index_html(release))
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}
