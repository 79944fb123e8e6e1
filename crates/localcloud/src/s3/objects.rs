//! PutObject, GetObject, HeadObject and DeleteObject.

use std::{
    collections::BTreeMap,
    io::{Seek, SeekFrom},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
        CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, HeaderName, HeaderValue, IF_MATCH,
        LAST_MODIFIED, RANGE,
    },
};
use sha2::{Digest, Sha256};

use super::{
    Call, Handled, Refusal,
    conditions::{self, Condition},
    dates, names,
    store::Object,
};
use crate::{
    clock,
    cloud::Cloud,
    http_io::{self, Body},
    range::Range,
    registry::{store::hex, uploads::put as set},
};

/// What S3 tells of objects whose writer said nothing.
const ANY_TYPE: &str = "binary/octet-stream";

/// Begins the names that a writer makes up.
const OWN: &str = "x-amz-meta-";

/// Headers of a PutObject by which it would be another call or another object.
const BEYOND: [&str; 6] = [
    "x-amz-copy-source",
    "x-amz-object-lock",
    "x-amz-server-side-encryption",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];

/// API_PutObject.
pub(super) fn put(cloud: &Cloud, call: &Call) -> Handled {
    names::check_key(&call.key)?;
    let mut names = call.headers.keys().map(HeaderName::as_str);
    if let Some(beyond) = names.find(|name| BEYOND.iter().any(|b| name.starts_with(b))) {
        return Err(Refusal::not_implemented(format!("the header {beyond}")));
    }
    let condition = Condition::of_write(&call.headers)?;
    let hash = Sha256::digest(&call.body);
    if call.header("x-amz-checksum-sha256").is_some_and(|told| told != STANDARD.encode(&hash[..])) {
        return Err(Refusal::bad("BadDigest", "the content is not the one that x-amz-checksum-sha256 tells"));
    }
    let etag = format!("\"{}\"", hex(&hash));
    let object = Object {
        key: call.key.clone(),
        etag: etag.clone(),
        size: call.body.len() as u64,
        modified_s: clock::now_s(),
        headers: told_again(&call.headers)?,
        ..Object::default()
    };
    cloud.s3.put(&call.bucket, object, &call.body, &condition)?;
    let mut answer = http_io::plain(StatusCode::OK, "");
    set(&mut answer, ETAG, &etag);
    Ok(answer)
}

/// The headers that readers are told again.
fn told_again(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Refusal> {
    let known =
        [CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES];
    let kept = headers.iter().filter(|(name, _)| known.contains(name) || name.as_str().starts_with(OWN));
    kept.map(|(name, value)| {
        let text = value.to_str().map_err(|_| {
            Refusal::bad(
                "InvalidArgument",
                format!("the value of {name} has more than ASCII, and cannot be kept"),
            )
        })?;
        Ok((name.as_str().to_owned(), text.to_owned()))
    })
    .collect()
}

/// API_GetObject and API_HeadObject: one range at most, and the conditions of HTTP.
pub(super) fn get(cloud: &Cloud, call: &Call) -> Handled {
    let (object, mut file) = cloud.s3.find(&call.bucket, &call.key)?;
    if !conditions::is_wanted(&call.headers, &object)? {
        let mut answer = http_io::plain(StatusCode::NOT_MODIFIED, "");
        describe(&mut answer, &object);
        return Ok(answer);
    }
    let size = object.size;
    let (status, from, to) = match call.header(RANGE.as_str()).map(|range| Range::of(range, size)) {
        None | Some(Range::Ignored) => (StatusCode::OK, 0, size),
        Some(Range::Part(from, to)) => (StatusCode::PARTIAL_CONTENT, from, to),
        Some(Range::Outside) => {
            let why = format!("the object has {size} bytes");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", why));
        }
    };
    let body = if call.method == Method::HEAD {
        http_io::full("")
    } else {
        let begin = file.stream_position()?;
        file.seek(SeekFrom::Start(begin + from))?;
        http_io::file(file, to - from)
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    describe(&mut answer, &object);
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(to - from));
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut answer, CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to - 1));
    }
    Ok(answer)
}

fn describe(answer: &mut Response<Body>, object: &Object) {
    set(answer, CONTENT_TYPE, ANY_TYPE);
    for (name, value) in &object.headers {
        if let Ok(name) = HeaderName::try_from(name) {
            set(answer, name, value);
        }
    }
    set(answer, ETAG, &object.etag);
    set(answer, LAST_MODIFIED, &dates::http(object.modified_s));
    set(answer, ACCEPT_RANGES, "bytes");
}

/// API_DeleteObject: what is not there is as good as deleted.
pub(super) fn delete(cloud: &Cloud, call: &Call) -> Handled {
    if call.headers.contains_key(IF_MATCH) {
        return Err(Refusal::not_implemented("If-Match of a delete"));
    }
    cloud.s3.delete(&call.bucket, &call.key)?;
    Ok(http_io::plain(StatusCode::NO_CONTENT, ""))
}
