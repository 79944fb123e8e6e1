//! The registry's calls: who asks, for which repository, and what.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Refusal, blobs, manifests, names,
    uploads::{self, Upload},
};
use crate::{
    clock,
    cloud::Cloud,
    http_io::{self, Body, Cut},
    ids,
    orgs::Scope,
    query::Query,
};

/// What a path below `/v2/` names.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Base,
    Uploads { repository: &'a str },
    Upload { repository: &'a str, id: &'a str },
    Blob { repository: &'a str, digest: &'a str },
    Manifest { repository: &'a str, reference: &'a str },
    Tags { repository: &'a str },
}

impl<'a> Place<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        if rest.is_empty() || rest == "/" {
            return Some(Self::Base);
        }
        let rest = rest.strip_prefix('/')?;
        // Repository names have slashes, so the last marker counts.
        let place = if let Some((repository, id)) = rest.rsplit_once("/blobs/uploads/") {
            if id.is_empty() { Self::Uploads { repository } } else { Self::Upload { repository, id } }
        } else if let Some(repository) = rest.strip_suffix("/blobs/uploads") {
            Self::Uploads { repository }
        } else if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
            Self::Blob { repository, digest }
        } else if let Some(repository) = rest.strip_suffix("/tags/list") {
            Self::Tags { repository }
        } else {
            let (repository, reference) = rest.rsplit_once("/manifests/")?;
            Self::Manifest { repository, reference }
        };
        Some(place)
    }

    fn repository(&self) -> Option<&'a str> {
        match self {
            Self::Base => None,
            Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Blob { repository, .. }
            | Self::Manifest { repository, .. }
            | Self::Tags { repository } => Some(repository),
        }
    }

    fn action(&self, method: &Method) -> String {
        let what = match self {
            Self::Base => "base",
            Self::Uploads { .. } | Self::Upload { .. } => "upload",
            Self::Blob { .. } => "blob",
            Self::Manifest { .. } => "manifest",
            Self::Tags { .. } => "tags",
        };
        format!("registry-{what}-{}", method.as_str().to_ascii_lowercase())
    }
}

/// Answers one request to the registry.
pub(crate) async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (at_us, since, id) = (clock::now_us(), Instant::now(), ids::ulid());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let place = Place::parse(&path);
    let asker = asker(cloud, request.headers());
    let org = asker.as_ref().map(|asker| asker.org.clone());
    let mut answer = match (&place, &asker) {
        (_, None) => {
            Err(Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "the token is missing or unknown"))
        }
        (None, _) => Err(Refusal::not_found("UNSUPPORTED", format!("no such call: {path}"))),
        (Some(place), Some(asker)) => dispatch(cloud, asker, place, request).await,
    }
    .unwrap_or_else(|refusal| refusal.answer());
    let headers = answer.headers_mut();
    headers.insert("docker-distribution-api-version", HeaderValue::from_static("registry/2.0"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert("fly-request-id", value);
    }
    let reads = matches!(method, Method::GET | Method::HEAD);
    cloud.audit.line(&json!({
        "at_us": at_us, "request_id": id, "org": org, "method": method.as_str(), "path": path,
        "action": place.as_ref().map(|p| p.action(&method)), "app": place.as_ref().and_then(Place::repository),
        "machine": null, "status": answer.status().as_u16(), "applied": !reads && answer.status().is_success(),
        "ms": u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX), "key": null, "fault": null,
    }));
    Ok(answer)
}

/// Who asks.
struct Asker {
    org: String,
    scope: Scope,
}

/// The token is the password of Basic (the user does not matter), or a Bearer token.
fn asker(cloud: &Cloud, headers: &HeaderMap) -> Option<Asker> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let of = |token: &str| {
        let (org, scope) = cloud.orgs.grant(token)?;
        Some(Asker { org: org.to_owned(), scope: scope.clone() })
    };
    let basic = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let Some((_, encoded)) = basic else { return of(value) };
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    of(decoded.split_once(':')?.1)
}

/// Whether the token is for calls by `method`. Taking an image away is more than a push; giving an upload up is not.
fn denied(asker: &Asker, method: &Method, place: &Place<'_>) -> Option<Refusal> {
    let repository = place.repository()?;
    let app = repository.split('/').next().unwrap_or_default();
    let writes = !matches!(*method, Method::GET | Method::HEAD);
    let may =
        asker.scope.reaches(app, writes) && (*method != Method::DELETE || asker.scope.deploys(Some(app)));
    let what = if writes { "write" } else { "read" };
    let why = format!("the token may not {what} repository `{repository}` this way");
    (!may).then(|| Refusal::new(StatusCode::FORBIDDEN, "DENIED", why))
}

/// A repository belongs to the app or site of its first segment, else to whoever pushed to it first.
fn authorise(cloud: &Cloud, org: &str, repository: &str) -> Result<(), Refusal> {
    if !names::is_repository(repository) {
        return Err(Refusal::bad("NAME_INVALID", format!("`{repository}` is no repository name")));
    }
    let first = repository.split('/').next().unwrap_or_default();
    let owner = cloud.lock().org_of(first).map(String::from).or_else(|| cloud.store.owner(repository));
    match owner {
        Some(owner) if owner != org => {
            let why = format!("repository `{repository}` belongs to another organization");
            Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", why))
        }
        _ => Ok(()),
    }
}

async fn dispatch(
    cloud: &Arc<Cloud>,
    asker: &Asker,
    place: &Place<'_>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let org = asker.org.as_str();
    if let Some(repository) = place.repository() {
        authorise(cloud, org, repository)?;
        if let Some(denied) = denied(asker, request.method(), place) {
            return Err(denied);
        }
    }
    let (parts, body) = request.into_parts();
    let method = &parts.method;
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let unsupported = || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "no such method here");
    let store = &cloud.store;
    match place {
        Place::Base if matches!(*method, Method::GET | Method::HEAD) => {
            Ok(http_io::json(StatusCode::OK, &json!({})))
        }
        Place::Base => Err(unsupported()),
        Place::Tags { repository } if *method == Method::GET && !cloud.quirks().no_tag_list => {
            Ok(http_io::json(StatusCode::OK, &json!({"name": repository, "tags": store.tags(repository)})))
        }
        Place::Tags { .. } => Err(Refusal::not_found("UNSUPPORTED", "tags are not listed")),
        Place::Uploads { repository } if *method == Method::POST => {
            begin(cloud, asker, repository, &query, &parts.headers, body).await
        }
        Place::Uploads { .. } => Err(unsupported()),
        Place::Upload { repository, id } => {
            let upload = Upload::find(store, repository, id)?;
            match *method {
                Method::PATCH => {
                    upload.append(&parts.headers, body).await?;
                    upload.progress(StatusCode::ACCEPTED)
                }
                Method::PUT => {
                    upload.append(&parts.headers, body).await?;
                    store.claim(repository, org)?;
                    upload.finish(store, query.get("digest").unwrap_or_default()).await
                }
                Method::GET => upload.progress(StatusCode::NO_CONTENT),
                Method::DELETE => {
                    upload.cancel()?;
                    Ok(http_io::plain(StatusCode::NO_CONTENT, ""))
                }
                _ => Err(unsupported()),
            }
        }
        Place::Blob { repository, digest } => {
            if !names::is_digest(digest) {
                return Err(Refusal::bad("DIGEST_INVALID", format!("`{digest}` is no sha256 digest")));
            }
            blobs::answer(store, method, repository, digest, &parts.headers)
        }
        Place::Manifest { repository, reference } => match *method {
            Method::GET | Method::HEAD => manifests::get(store, method, repository, reference),
            Method::PUT => {
                let bytes = Limited::new(body, manifests::LARGEST).collect().await;
                let bytes = bytes
                    .map_err(|e| Refusal::bad("MANIFEST_INVALID", format!("the body cannot be read: {e}")))?;
                let media_type = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
                store.claim(repository, org)?;
                manifests::put(store, repository, reference, media_type, bytes.to_bytes().to_vec())
            }
            Method::DELETE => manifests::delete(store, repository, reference),
            _ => Err(unsupported()),
        },
    }
}

/// POST: mounts (`mount`, `from`), takes a whole blob (`digest`), or begins an upload.
async fn begin(
    cloud: &Cloud,
    asker: &Asker,
    repository: &str,
    query: &Query,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let (store, org) = (&cloud.store, asker.org.as_str());
    if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
        let may_read = cloud.quirks().mount_across_orgs || authorise(cloud, org, from).is_ok();
        let readable = names::is_digest(digest)
            && may_read
            && denied(asker, &Method::GET, &Place::Blob { repository: from, digest }).is_none()
            && store.has_blob(from, digest);
        if readable {
            store.claim(repository, org)?;
            store.link_blob(repository, digest)?;
            return Ok(uploads::created(repository, digest));
        }
    }
    let upload = Upload::begin(store, repository)?;
    if let Some(digest) = query.get("digest") {
        upload.append(headers, body).await?;
        store.claim(repository, org)?;
        return upload.finish(store, digest).await;
    }
    let mut answer = upload.progress(StatusCode::ACCEPTED)?;
    answer
        .headers_mut()
        .insert(HeaderName::from_static("oci-chunk-min-length"), HeaderValue::from_static("0"));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_with_slashes_in_names() {
        assert_eq!(Place::parse("/v2/"), Some(Place::Base));
        assert_eq!(Place::parse("/v2/a/b/blobs/uploads/"), Some(Place::Uploads { repository: "a/b" }));
        assert_eq!(Place::parse("/v2/a/blobs/uploads/1f"), Some(Place::Upload { repository: "a", id: "1f" }));
        assert_eq!(
            Place::parse("/v2/a/manifests/v1"),
            Some(Place::Manifest { repository: "a", reference: "v1" })
        );
        assert_eq!(Place::parse("/v2/a/tags/list"), Some(Place::Tags { repository: "a" }));
    }
}
