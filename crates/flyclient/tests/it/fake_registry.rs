//! As much of the OCI distribution API as a copy needs, in memory, with a record of what was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use flytypes::Digest;
use sha2::{Digest as _, Sha256};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Digest::from_hex(&hash).unwrap()
}

/// Its whole state; change it through [`FakeRegistry::with`].
#[derive(Default)]
pub(crate) struct State {
    /// By repository and digest.
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and reference: media type and bytes.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    /// Uploads ever begun: the id of the next one, which no other has while several go on side by side.
    begun: usize,
    /// `METHOD path` of every request, with `?query`.
    pub(crate) log: Vec<String>,
    /// The `Authorization` that is wanted.
    pub(crate) authorization: Option<String>,
    /// The challenge of a 401.
    pub(crate) challenge: String,
    /// What the token service gives to whoever asks with `authorization`... or as nobody.
    pub(crate) grants: Option<String>,
    /// Mounts are answered by an upload.
    pub(crate) no_mount: bool,
    /// Mounts are answered by this status.
    pub(crate) deny_mount: Option<u16>,
    /// Blobs are elsewhere.
    pub(crate) blobs_at: Option<String>,
    /// Statuses for the next requests, before anything else.
    pub(crate) fail_next: Vec<u16>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeRegistry(Arc<Mutex<State>>);

impl FakeRegistry {
    pub(crate) async fn start() -> (Self, MockServer) {
        let registry = Self::default();
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(registry.clone()).mount(&server).await;
        (registry, server)
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }
}

fn json(status: u16, code: &str) -> ResponseTemplate {
    let body = serde_json::json!({"errors": [{"code": code, "message": code.to_lowercase()}]});
    ResponseTemplate::new(status).set_body_json(body)
}

impl Respond for FakeRegistry {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().unwrap();
        let (method, path) = (request.method.as_str(), request.url.path().to_owned());
        let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        state.log.push(format!("{method} {path}{query}"));
        if !state.fail_next.is_empty() {
            return ResponseTemplate::new(state.fail_next.remove(0));
        }
        let shown = request.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        if path == "/token" {
            return match &state.grants {
                Some(token) => ResponseTemplate::new(200).set_body_json(serde_json::json!({"token": token})),
                None => json(401, "UNAUTHORIZED"),
            };
        }
        if state.authorization.is_some() && state.authorization != shown {
            return json(401, "UNAUTHORIZED").insert_header("www-authenticate", state.challenge.as_str());
        }
        let rest = path.strip_prefix("/v2/").unwrap();
        if let Some((repository, reference)) = rest.split_once("/manifests/") {
            return state.manifest(method, repository, reference, request);
        }
        if let Some((repository, tail)) = rest.split_once("/blobs/uploads/") {
            return state.upload(method, repository, tail, request);
        }
        let (repository, digest) = rest.split_once("/blobs/").unwrap();
        if let Some(elsewhere) = state.blobs_at.clone().filter(|_| method == "GET") {
            let place = format!("{elsewhere}/bucket/{digest}");
            return ResponseTemplate::new(307).insert_header("location", place);
        }
        match state.blobs.get(&(repository.to_owned(), digest.to_owned())) {
            Some(bytes) => ResponseTemplate::new(200).set_body_bytes(bytes.clone()),
            None => json(404, "BLOB_UNKNOWN"),
        }
    }
}

impl State {
    fn manifest(
        &mut self,
        method: &str,
        repository: &str,
        reference: &str,
        request: &Request,
    ) -> ResponseTemplate {
        let key = (repository.to_owned(), reference.to_owned());
        if method == "PUT" {
            let media_type = request.headers["content-type"].to_str().unwrap().to_owned();
            let digest = digest_of(&request.body);
            let stored = (media_type, request.body.clone());
            self.manifests.insert((repository.to_owned(), digest.to_string()), stored.clone());
            self.manifests.insert(key, stored);
            return ResponseTemplate::new(201).insert_header("docker-content-digest", digest.as_str());
        }
        match self.manifests.get(&key) {
            Some((media_type, bytes)) => ResponseTemplate::new(200).set_body_raw(bytes.clone(), media_type),
            None => json(404, "MANIFEST_UNKNOWN"),
        }
    }

    fn upload(&mut self, method: &str, repository: &str, tail: &str, request: &Request) -> ResponseTemplate {
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        match method {
            "POST" => {
                if let Some(status) = self.deny_mount.filter(|_| query.contains_key("mount")) {
                    return json(status, "DENIED");
                }
                if let (Some(digest), Some(from), false) =
                    (query.get("mount"), query.get("from"), self.no_mount)
                    && let Some(bytes) = self.blobs.get(&(from.clone(), digest.clone())).cloned()
                {
                    self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                    return ResponseTemplate::new(201);
                }
                let id = self.begun.to_string();
                self.begun += 1;
                self.uploads.insert(id.clone(), Vec::new());
                let place = format!("/v2/{repository}/blobs/uploads/{id}?state=1");
                ResponseTemplate::new(202).insert_header("location", place)
            }
            "PATCH" => {
                self.uploads.get_mut(tail).unwrap().extend_from_slice(&request.body);
                let place = format!("/v2/{repository}/blobs/uploads/{tail}?state=2");
                ResponseTemplate::new(202).insert_header("location", place)
            }
            _ => {
                let bytes = self.uploads.remove(tail).unwrap();
                let digest = query["digest"].clone();
                if digest_of(&bytes).as_str() != digest || query["state"] != "2" {
                    return json(400, "DIGEST_INVALID");
                }
                self.blobs.insert((repository.to_owned(), digest), bytes);
                ResponseTemplate::new(201)
            }
        }
    }
}
