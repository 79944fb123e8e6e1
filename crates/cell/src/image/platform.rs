//! From an image index to the one image for this machine.

use serde::Deserialize;

use super::ImageError;

/// This machine's architecture in OCI's (that is Go's) words: `amd64`, `arm64`, …
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// The digest of the index's image for Linux on this architecture. Entries for other platforms and without one
/// (attestations of build tools say `unknown/unknown`) are passed over.
pub fn pick_platform(index_json: &[u8]) -> Result<String, ImageError> {
    pick(index_json, architecture())
}

fn pick(index_json: &[u8], architecture: &str) -> Result<String, ImageError> {
    let index: Index =
        serde_json::from_slice(index_json).map_err(|source| ImageError::Json { what: "index", source })?;
    let mut offered = Vec::new();
    for entry in index.manifests {
        let Some(platform) = entry.platform else { continue };
        if platform.os == "linux" && platform.architecture == architecture {
            return Ok(entry.digest);
        }
        offered.push(format!("{}/{}", platform.os, platform.architecture));
    }
    let offered = if offered.is_empty() { "none at all".to_owned() } else { offered.join(", ") };
    Err(ImageError::NoPlatform { wanted: format!("linux/{architecture}"), offered })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[
        {"digest":"sha256:a","platform":{"os":"unknown","architecture":"unknown"}},
        {"digest":"sha256:b","platform":{"os":"linux","architecture":"arm64","variant":"v8"}},
        {"digest":"sha256:c","platform":{"os":"linux","architecture":"amd64"}}]}"#;

    #[test]
    fn the_image_for_the_architecture_is_found() {
        assert_eq!(pick(INDEX, "amd64").unwrap(), "sha256:c");
        assert_eq!(pick(INDEX, "arm64").unwrap(), "sha256:b");
    }

    #[test]
    fn a_missing_architecture_names_what_there_is() {
        let error = pick(INDEX, "riscv64").unwrap_err().to_string();
        assert_eq!(
            error,
            "the image has no variant for linux/riscv64; it offers unknown/unknown, linux/arm64, linux/amd64"
        );
    }
}
