//! Repository names, digests and tags as the registry accepts them.

/// Whether `name` is a repository name: lower-case segments between slashes.
pub(crate) fn is_repository(name: &str) -> bool {
    let segment = |s: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let inner = s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        inner && edge(s.bytes().next()) && edge(s.bytes().last())
    };
    name.len() <= 200 && name.split('/').all(segment)
}

/// Whether `text` is `sha256:` and 64 lower-case hex digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Whether `text` is a tag: at most 128 of letters, digits, `_`, `.`, `-`, not starting with `.` or `-`.
pub(crate) fn is_tag(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

/// An image reference taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// The registry's host, if the reference names one.
    pub(crate) host: Option<&'a str>,
    pub(crate) repository: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

/// Takes `[host/]repository[:tag][@digest]` apart. The first segment is a host when it has a dot or a colon or is
/// `localhost`, as with Docker.
pub(crate) fn parse(text: &str) -> Result<Reference<'_>, String> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let (host, path) = match rest.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
        _ => (None, rest),
    };
    let (repository, tag) = match path.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (path, None),
    };
    if !is_repository(repository) {
        return Err(format!("`{repository}` is no repository name"));
    }
    if let Some(tag) = tag.filter(|t| !is_tag(t)) {
        return Err(format!("`{tag}` is no tag"));
    }
    if let Some(digest) = digest.filter(|d| !is_digest(d)) {
        return Err(format!("`{digest}` is no sha256 digest"));
    }
    Ok(Reference { host, repository, tag, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = format!("127.0.0.1:5000/web/x:v1@{digest}");
        let read = parse(&text).unwrap();
        assert_eq!(
            read,
            Reference {
                host: Some("127.0.0.1:5000"),
                repository: "web/x",
                tag: Some("v1"),
                digest: Some(&digest)
            }
        );
        assert_eq!(parse("web").unwrap().host, None);
        for bad in ["", "Web", "web:", "web@sha256:1", "web/.x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
