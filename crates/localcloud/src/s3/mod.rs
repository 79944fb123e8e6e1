//! A small S3: what a store of journals asks of one, and most clients (Amazon S3 API Reference, API_*).
//!
//! ```text
//! routes      a call's way: what it is, who asks, whose bucket, which faults, the handler, the audit line
//! actions     every call that there is        struck   what faults make of one
//! auth        the signature in the header     sign     how it is worked out, pure
//! objects     PutObject, GetObject, HeadObject, DeleteObject
//! buckets     CreateBucket, HeadBucket, ListObjectsV2, DeleteObjects
//! list        pages of keys, pure             conditions   If-Match and its like, pure
//! store       buckets and objects on disk, and their index under one lock
//! names       buckets and keys                dates, xml, refusal   forms
//! ```
//!
//! - Buckets are addressed by path, `http://127.0.0.1:PORT/BUCKET/KEY`, and belong to organisations. What a request asks
//!   beyond these calls is refused as `NotImplemented` (501), by name: silence would look like agreement.
//! - A token that may do everything is a key pair: [`crate::Orgs::key_id`] is its id, and the token itself the key. Each
//!   request is signed in its header (Signature Version 4); any region will do, if it is the one that was signed for.
//! - Reads, lists and conditions see every write that was answered (S3 User Guide, "Amazon S3 data consistency model"), and
//!   a condition is looked at and acted on under one lock.
//! - An ETag is the SHA-256 of the content. Amazon's is an MD5 for most objects; clients may only compare them
//!   (API_Object), and one of this length is taken for no MD5.

mod actions;
mod auth;
mod buckets;
mod conditions;
mod dates;
mod list;
mod names;
mod objects;
mod refusal;
mod routes;
mod sign;
mod store;
mod struck;
mod xml;

use actions::Action;
use bytes::Bytes;
use hyper::{HeaderMap, Method, Response};

pub use names::bucket_of;
pub(crate) use refusal::Refusal;
pub(crate) use routes::answer;
pub(crate) use store::Store;

use crate::{http_io::Body, query::Query};

/// A call that was signed and is allowed, with its body.
#[derive(Debug)]
struct Call {
    action: Action,
    method: Method,
    org: String,
    bucket: String,
    /// Empty where the bucket is meant.
    key: String,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// A header's value, if it is text.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a handler answers.
type Handled = Result<Response<Body>, Refusal>;
