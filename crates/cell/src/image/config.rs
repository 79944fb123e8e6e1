//! The JSON of manifests and configurations (OCI image spec 1.1; Docker's schema 2 has the same fields).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ImageError;

/// What an image says about the process in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// Entrypoint and Cmd, one after the other: what runs when nobody says otherwise.
    pub argv: Vec<String>,
    /// `Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Cmd`: the part that a machine's `init.cmd` replaces.
    pub cmd: Vec<String>,
    /// `Env`.
    pub env: BTreeMap<String, String>,
    /// `WorkingDir`; `/` when the image names none.
    pub cwd: String,
    /// `User`, as written.
    pub user: Option<String>,
    /// `Labels`; for an artefact without a configuration its manifest's annotations.
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Manifest {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ImageError> {
        let manifest: Self =
            serde_json::from_slice(json).map_err(|source| ImageError::Json { what: "manifest", source })?;
        if manifest.schema_version != 2 {
            return Err(ImageError::Unsupported {
                what: "schemaVersion",
                found: manifest.schema_version.to_string(),
                expected: "only 2 is in use since Docker 1.10",
            });
        }
        Ok(manifest)
    }
}

/// The configuration blob, both ways.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigFile {
    pub(crate) architecture: String,
    pub(crate) os: String,
    pub(crate) config: Option<Process>,
    pub(crate) rootfs: RootFs,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) diff_ids: Vec<String>,
}

/// The `config` object; every member may be missing or null.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Process {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

impl ImageConfig {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, ImageError> {
        let file: ConfigFile = serde_json::from_slice(json)
            .map_err(|source| ImageError::Json { what: "configuration", source })?;
        let process = file.config.unwrap_or_default();
        let entrypoint = process.entrypoint.unwrap_or_default();
        let cmd = process.cmd.unwrap_or_default();
        let env = process.env.unwrap_or_default();
        Ok(Self {
            argv: entrypoint.iter().chain(&cmd).cloned().collect(),
            entrypoint,
            cmd,
            env: env.iter().map(|pair| split_pair(pair)).collect(),
            cwd: process.working_dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".to_owned()),
            user: process.user.filter(|user| !user.is_empty()),
            labels: process.labels.unwrap_or_default(),
        })
    }
}

fn split_pair(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_nulls_and_gaps_is_read() {
        let config = ImageConfig::parse(
            br#"{"architecture":"amd64","os":"linux","config":{"Cmd":null,"Entrypoint":["/app"],
                 "Env":["A=1=2","EMPTY="],"User":"","WorkingDir":"","Labels":null},"rootfs":{"type":"layers","diff_ids":[]}}"#,
        )
        .unwrap();
        assert_eq!(config.argv, ["/app"]);
        assert_eq!(config.env["A"], "1=2");
        assert_eq!(config.env["EMPTY"], "");
        assert_eq!((config.cwd.as_str(), config.user), ("/", None));
    }

    #[test]
    fn an_empty_configuration_is_an_artefact_without_process() {
        let config = ImageConfig::parse(b"{}").unwrap();
        assert!(config.argv.is_empty() && config.labels.is_empty());
    }

    #[test]
    fn a_manifest_of_schema_1_is_refused_by_name() {
        let json = br#"{"schemaVersion":1,"config":{"mediaType":"x","digest":"y","size":1},"layers":[]}"#;
        let error = Manifest::parse(json).unwrap_err().to_string();
        assert!(error.contains("schemaVersion") && error.contains("`1`"), "{error}");
    }
}
