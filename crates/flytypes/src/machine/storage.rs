//! Volumes and files of a machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Other;
use crate::tolerant::{is_default, nullable};

/// A volume in the machine's file system. Sizes in GB.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// The volume's id, `vol_…`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub volume: String,
    /// Where it is mounted.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub path: String,
    /// The volume's name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Encrypted at rest.
    #[serde(skip_serializing_if = "is_default")]
    pub encrypted: Option<bool>,
    /// Size.
    #[serde(skip_serializing_if = "is_default")]
    pub size_gb: Option<u32>,
    /// Use in percent from which the volume grows.
    #[serde(skip_serializing_if = "is_default")]
    pub extend_threshold_percent: Option<u32>,
    /// Growth in GB.
    #[serde(skip_serializing_if = "is_default")]
    pub add_size_gb: Option<u32>,
    /// Growth in percent.
    #[serde(skip_serializing_if = "is_default")]
    pub add_size_percent: Option<u32>,
    /// Least growth in GB.
    #[serde(skip_serializing_if = "is_default")]
    pub min_add_size_gb: Option<u32>,
    /// Largest size.
    #[serde(skip_serializing_if = "is_default")]
    pub size_gb_limit: Option<u32>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// Files that the edge serves without asking the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Static {
    /// Directory in the image.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub guest_path: String,
    /// Path of the URL below which they are served.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub url_prefix: String,
    /// Bucket instead of the image.
    #[serde(skip_serializing_if = "is_default")]
    pub tigris_bucket: Option<String>,
    /// Document served for a directory.
    #[serde(skip_serializing_if = "is_default")]
    pub index_document: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

/// A file written into the machine at start. Its content may be confidential and is not part of `Debug`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct File {
    /// Where it is written.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub guest_path: String,
    /// Its content in base64.
    #[serde(skip_serializing_if = "is_default")]
    pub raw_value: Option<String>,
    /// The secret whose value is its content, in base64.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_name: Option<String>,
    /// The image whose configuration is its content.
    #[serde(skip_serializing_if = "is_default")]
    pub image_config: Option<String>,
    /// Permission bits.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: Option<u32>,
    /// What this version does not know.
    #[serde(flatten)]
    pub other: Other,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = self.raw_value.as_ref().map(|value| format!("<{} bytes of base64>", value.len()));
        f.debug_struct("File")
            .field("guest_path", &self.guest_path)
            .field("raw_value", &content)
            .field("secret_name", &self.secret_name)
            .field("image_config", &self.image_config)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
