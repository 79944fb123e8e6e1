//! `[[case.step]]`: one request, what to keep of its answer and what to expect of it.

use http::{HeaderName, Method};
use regex::Regex;

use super::{
    expect,
    reader::{Entry, Source, Table},
    scope::Scope,
};
use crate::{
    json_path::JsonPath,
    suite::model::{Body, Capture, CaptureSource, Request, Step},
    template::Template,
};

pub(super) fn step(
    source: &Source<'_>,
    table: &Table<'_, '_>,
    scope: &mut Scope,
    target: Option<&str>,
) -> Option<Step> {
    let name = table.string("name");
    let line = table.get("request").map_or_else(|| table.line(), |entry| entry.line());
    let request_line = table.get("request").and_then(|entry| entry.string());
    let request = request(source, table, scope, target);
    let captures = captures(table, scope);
    let assertions = expect::expect(table, scope, line);
    table.finish();
    Some(Step {
        label: name.or(request_line).unwrap_or_default(),
        line,
        request: request?,
        captures,
        assertions: assertions?,
    })
}

/// The request keys of a step or a matrix.
pub(super) fn request(
    source: &Source<'_>,
    table: &Table<'_, '_>,
    scope: &Scope,
    target: Option<&str>,
) -> Option<Request> {
    let own = table.string("target");
    let headers = headers(table, scope);
    let query = scope.pairs(&table.free("query"));
    let body = body(table, scope);
    let timeout = table.duration("timeout");
    let idempotent = table.boolean("idempotent").unwrap_or(false);
    let Some(entry) = table.get("request") else {
        source.missing(&table.span, "there is no `request`, such as `request = \"GET /healthz\"`");
        return None;
    };
    let (method, path) = request_line(&entry)?;
    scope.template(&entry)?;
    let Some(target) = own.as_deref().or(target) else {
        return entry
            .problem("no target: set `target = \"…\"` at the top of the file, in the case or in the step");
    };
    Some(Request {
        target: target.to_owned(),
        method,
        path: Template::parse(&path),
        headers: headers?,
        query,
        body: body?,
        timeout,
        idempotent,
    })
}

/// `METHOD /path`; the path may also be one captured URL of the same target.
fn request_line(entry: &Entry<'_, '_>) -> Option<(Method, String)> {
    let text = entry.string()?;
    let shape = "a request is a method and a path, such as \"GET /healthz\"";
    let Some((method, path)) = text.split_once(' ').map(|(method, path)| (method, path.trim())) else {
        return entry.problem(shape);
    };
    let known_shape = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| known_shape);
    match method {
        Some(method) if path.starts_with('/') || path.starts_with("{{") => Some((method, path.to_owned())),
        Some(_) => entry.problem(format!("the path `{path}` must begin with `/`: {shape}")),
        None => entry.problem(format!("the method must be in upper-case letters: {shape}")),
    }
}

fn headers(table: &Table<'_, '_>, scope: &Scope) -> Option<Vec<(HeaderName, Template)>> {
    let entries = table.free("headers");
    let names: Vec<_> = entries.iter().map(header_name).collect();
    let pairs = scope.pairs(&entries);
    let names: Vec<_> = names.into_iter().collect::<Option<_>>()?;
    (names.len() == pairs.len()).then(|| names.into_iter().zip(pairs).map(|(n, (_, t))| (n, t)).collect())
}

/// The entry's key as a header name; case does not matter (RFC 9110, 5.1).
pub(super) fn header_name(entry: &Entry<'_, '_>) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(entry.key.to_ascii_lowercase().as_bytes()).ok();
    name.or_else(|| entry.problem(format!("`{}` is no header name", entry.key)))
}

fn body(table: &Table<'_, '_>, scope: &Scope) -> Option<Body> {
    let (json, text, form) = (table.get("json"), table.get("text"), table.get("form"));
    let given: Vec<_> = [&json, &text, &form].into_iter().flatten().collect();
    if let [_, second, ..] = given.as_slice() {
        return second.problem("a request has one body: `json`, `text` or `form`");
    }
    Some(match (json, text, form) {
        (Some(entry), ..) => Body::Json(scope.json(&entry)?),
        (_, Some(entry), _) => Body::Text(scope.template(&entry)?),
        (.., Some(entry)) => Body::Form(scope.pairs(&entry.table()?.entries())),
        _ => Body::Empty,
    })
}

fn captures(table: &Table<'_, '_>, scope: &mut Scope) -> Vec<Capture> {
    let mut captures = Vec::new();
    for entry in table.free("capture") {
        let source = entry.table().and_then(|table| {
            let source = capture_source(&entry, &table);
            table.finish();
            source
        });
        if let (Some(name), Some(source)) = (entry.key_name(), source) {
            scope.define(&name);
            captures.push(Capture { name, line: entry.line(), source });
        }
    }
    captures
}

fn capture_source(entry: &Entry<'_, '_>, table: &Table<'_, '_>) -> Option<CaptureSource> {
    let given: Vec<_> =
        ["json", "header", "regex", "status"].into_iter().filter_map(|key| table.get(key)).collect();
    let [source] = given.as_slice() else {
        return entry.problem(format!(
            "`{}` is captured from one of `json`, `header`, `regex`, `status = true`",
            entry.key
        ));
    };
    match source.key.as_str() {
        "json" => json_path(source, &source.string()?).map(CaptureSource::Json),
        "header" => {
            let name = source.string()?;
            match HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()) {
                Ok(name) => Some(CaptureSource::Header(name)),
                Err(_) => source.problem(format!("`{name}` is no header name")),
            }
        }
        "regex" => match Regex::new(&source.string()?) {
            Ok(regex) => Some(CaptureSource::Regex(regex)),
            Err(error) => source.problem(format!("not a regular expression: {}", first_reason(&error))),
        },
        _ if source.boolean()? => Some(CaptureSource::Status),
        _ => source.problem("`status` is captured with `status = true`"),
    }
}

/// A JSON path, or a problem at `entry`.
pub(super) fn json_path(entry: &Entry<'_, '_>, text: &str) -> Option<JsonPath> {
    match text.parse() {
        Ok(path) => Some(path),
        Err(error) => entry.problem(format!("{error}")),
    }
}

/// The last line of a pattern's error says what is wrong; those before draw it.
pub(super) fn first_reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
