//! A static site's files as answers.

use std::{
    fs::File,
    io,
    path::{Component, Path, PathBuf},
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH},
};
use serde_json::Value;

use super::view::SiteSeen;
use crate::{
    http_io::{self, Body},
    query,
    registry::store,
};

/// Answers a request to a site. Every answer says which version it is of.
pub(crate) fn answer(site: &SiteSeen, request: &Request<Incoming>) -> Response<Body> {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let mut answer = respond(site, request.method(), request.uri().path(), known);
    let headers = answer.headers_mut();
    for (name, value) in [("x-site-version", &site.version), ("x-site-digest", &site.digest)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

fn respond(site: &SiteSeen, method: &Method, path: &str, known: Option<&str>) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut answer = http_io::text(StatusCode::METHOD_NOT_ALLOWED, "a static site knows GET and HEAD\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let head = *method == Method::HEAD;
    let path = query::decode(path, false);
    match find(&site.root, &path) {
        Ok(Some(file)) => send(site, &file, StatusCode::OK, head, known),
        Ok(None) if path == "/env.json" => send_env(site, head, known),
        Ok(None) => match find(&site.root, "/404.html") {
            Ok(Some(file)) => send(site, &file, StatusCode::NOT_FOUND, head, None),
            _ => http_io::text(StatusCode::NOT_FOUND, "not found\n"),
        },
        Err(_) => http_io::text(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read\n"),
    }
}

/// The file behind a path: `index.html` for a directory; nothing outside the root, symbolic links included.
fn find(root: &Path, path: &str) -> io::Result<Option<PathBuf>> {
    let relative = Path::new(path.trim_start_matches('/'));
    if relative.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Ok(None);
    }
    let mut file = root.join(relative);
    if file.is_dir() {
        file.push("index.html");
    }
    match file.canonicalize() {
        Ok(real) if real.is_file() && real.starts_with(root.canonicalize()?) => Ok(Some(real)),
        Ok(_) => Ok(None),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

fn send(site: &SiteSeen, path: &Path, status: StatusCode, head: bool, known: Option<&str>) -> Response<Body> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let Ok((size, file)) = opened else {
        return http_io::text(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read\n");
    };
    // A version's files never change, so its digest and the path name the content.
    let name = format!("{}{}", site.digest, path.display());
    let tag = format!("\"{}\"", &store::digest_of(name.as_bytes())[7..39]);
    if known.is_some_and(|k| k.split(',').any(|k| k.trim().trim_start_matches("W/") == tag)) {
        return tagged(http_io::plain(StatusCode::NOT_MODIFIED, ""), &tag);
    }
    let mut answer = Response::new(if head { http_io::full("") } else { http_io::file(file, size) });
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    tagged(answer, &tag)
}

/// `env.json` made of the site's environment; a bundle's own file wins.
fn send_env(site: &SiteSeen, head: bool, known: Option<&str>) -> Response<Body> {
    let body = Value::Object(site.env.clone()).to_string();
    let tag = format!("\"{}\"", &store::digest_of(body.as_bytes())[7..39]);
    if known == Some(tag.as_str()) {
        return tagged(http_io::plain(StatusCode::NOT_MODIFIED, ""), &tag);
    }
    let size = body.len();
    let mut answer = http_io::plain(StatusCode::OK, if head { String::new() } else { body });
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    tagged(answer, &tag)
}

fn tagged(mut answer: Response<Body>, tag: &str) -> Response<Body> {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff") => "font/woff",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("xml") => "application/xml",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}
