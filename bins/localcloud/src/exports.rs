//! What clients need in their environment to meet this server instead of Fly.io.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use localcloud::{Orgs, bucket_of};

use crate::place::{Record, quoted};

/// The variable with the token.
pub(crate) const TOKEN: &str = "FLY_API_TOKEN";

/// The variable with the URLs of the edges, separated by spaces: `promote` asks apps there whose project file names no
/// other address.
const EDGES: &str = "LOCALCLOUD_EDGES";

/// The variable with the key to the small S3, which is the token as well.
pub(crate) const S3_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// What clients of the small S3 need besides the key, for the organisation `org` with this token. The names are those that
/// Amazon's tools read and `fly storage create` sets.
pub(crate) fn storage(record: &Record, org: &str, token: &str) -> BTreeMap<String, String> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", Orgs::key_id(token)),
        ("AWS_ENDPOINT_URL_S3", record.s3.clone()),
        ("AWS_REGION", "auto".to_owned()),
        ("BUCKET_NAME", bucket_of(org)),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Everything but the token. flyctl keeps a base address per service and has side channels to others; all of them are
/// pointed here or switched off, so that an opaque token of ours goes nowhere else.
pub(crate) fn variables(record: &Record) -> BTreeMap<String, String> {
    let here = ["FLY_FLAPS_BASE_URL", "FLY_API_BASE_URL", "FLY_UIEX_BASE_URL", "FLY_METRICS_BASE_URL"];
    let mut variables: BTreeMap<String, String> =
        here.into_iter().map(|name| (name.to_owned(), record.api.clone())).collect();
    variables.insert("FLY_REGISTRY_HOST".to_owned(), record.registry.clone());
    variables.insert(EDGES.to_owned(), record.edge_urls.join(" "));
    for (name, value) in [
        ("FLY_SEND_METRICS", "0"),
        ("FLY_SYNTHETICS_AGENT", "0"),
        ("FLY_NO_UPDATE_CHECK", "1"),
        ("FLY_NO_INCIDENTS_CHECK", "1"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables
}

/// Region → URL of an app, as variables: `LOCALCLOUD_URL` (the first region), `LOCALCLOUD_URL_FRA`, …
pub(crate) fn urls(edges: &[(String, String)]) -> BTreeMap<String, String> {
    let first = edges.first().map(|(_, url)| ("LOCALCLOUD_URL".to_owned(), url.clone()));
    let each = edges
        .iter()
        .map(|(region, url)| (format!("LOCALCLOUD_URL_{}", region.to_ascii_uppercase()), url.clone()));
    first.into_iter().chain(each).collect()
}

/// Lines for a POSIX shell. The token is read from its file when they are evaluated, so that they may be shown.
pub(crate) fn lines(variables: &BTreeMap<String, String>, token: &Path) -> String {
    let mut lines = String::new();
    for name in [TOKEN, S3_KEY] {
        let _ = writeln!(lines, "export {name}=\"$(cat {})\"", quoted(&token.to_string_lossy()));
    }
    for (name, value) in variables {
        let _ = writeln!(lines, "export {name}={}", quoted(value));
    }
    lines
}
