//! Secrets of an app: names and digests out, values only in.

use std::collections::BTreeMap;

use flytypes::AppName;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::Call;

/// Secrets to set, or (`None`) to remove.
pub type SecretChanges = BTreeMap<String, Option<SecretString>>;

/// `GET /v1/apps/{app}/secrets`; with `min_version` the answer is at least as new as that version.
pub fn list_secrets(app: &AppName, min_version: Option<u64>) -> Call {
    let call = Call::of_app("list secrets", Method::GET, app, "/secrets");
    match min_version {
        Some(version) => call.with_query("min_version", version.to_string()),
        None => call,
    }
}

/// `POST /v1/apps/{app}/secrets`. Not declared idempotent: each makes a new version of the set.
pub fn set_secrets(app: &AppName, changes: &SecretChanges) -> Call {
    let values: Map<String, Value> = changes
        .iter()
        .map(|(name, value)| (name.clone(), json!(value.as_ref().map(ExposeSecret::expose_secret))))
        .collect();
    Call::of_app("set secrets", Method::POST, app, "/secrets").with_body(&json!({"values": values}))
}
