//! What a file is for, by its name and by where it lies.

/// For what a fly.toml is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// What users use.
    Production,
    /// Its mirror.
    Staging,
    /// Previews, development, examples: none of ours.
    Other,
    /// Nobody says so.
    Unsaid,
}

fn of_word(word: &str) -> Purpose {
    match word.to_ascii_lowercase().as_str() {
        "production" | "prod" | "live" => Purpose::Production,
        "staging" | "stage" | "stg" => Purpose::Staging,
        "preview" | "previews" | "review" | "pr" | "dev" | "development" | "local" | "test" | "tests"
        | "ci" | "e2e" | "qa" | "uat" | "demo" | "sandbox" | "canary" | "beta" | "example" | "examples"
        | "sample" | "template" | "templates" | "old" | "bak" | "backup" | "disabled" => Purpose::Other,
        _ => Purpose::Unsaid,
    }
}

/// A fly.toml by its path: `apps/api/fly.staging.toml` is of `apps/api`, for staging; so is `apps/api/staging/fly.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File<'a> {
    pub(super) path: &'a str,
    /// Where what it is about lies.
    pub(super) dir: &'a str,
    /// What its name says beside its purpose.
    pub(super) part: Option<String>,
    pub(super) purpose: Purpose,
}

impl<'a> File<'a> {
    /// None for what is no fly.toml by its name.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (mut dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = name.strip_suffix(".toml")?.strip_prefix("fly")?;
        if !(stem.is_empty() || stem.starts_with(['.', '-', '_'])) {
            return None;
        }
        let words: Vec<&str> = stem.split(['.', '-', '_']).filter(|word| !word.is_empty()).collect();
        let said = words.iter().map(|word| of_word(word)).find(|it| *it != Purpose::Unsaid);
        let part: Vec<&str> = words.into_iter().filter(|word| of_word(word) == Purpose::Unsaid).collect();
        let part = (!part.is_empty()).then(|| part.join("-"));
        let (above, last) = dir.rsplit_once('/').unwrap_or(("", dir));
        let purpose = match (said, of_word(last)) {
            (Some(said), _) => said,
            (None, Purpose::Unsaid) => Purpose::Unsaid,
            (None, of_dir) => {
                dir = above;
                of_dir
            }
        };
        Some(Self { path, dir, part, purpose })
    }

    /// One whose name does not say that it is a fly.toml, and somebody did.
    pub(super) fn named(path: &'a str) -> Self {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        Self { path, dir, part: Some(stem.to_owned()), purpose: Purpose::Production }
    }

    /// Whether both are about the same, if not for the same.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        (self.dir, &self.part) == (other.dir, &other.part)
    }
}

#[cfg(test)]
mod tests {
    use super::{File, Purpose};

    #[test]
    fn names_and_places_say_what_a_file_is_for() {
        for (path, dir, part, purpose) in [
            ("fly.toml", "", None, Purpose::Unsaid),
            ("apps/api/fly.toml", "apps/api", None, Purpose::Unsaid),
            ("fly.staging.toml", "", None, Purpose::Staging),
            ("fly-Staging.toml", "", None, Purpose::Staging),
            ("deploy/staging/fly.toml", "deploy", None, Purpose::Staging),
            ("deploy/production/fly.toml", "deploy", None, Purpose::Production),
            ("a/fly.worker.prod.toml", "a", Some("worker"), Purpose::Production),
            ("fly.qa.toml", "", None, Purpose::Other),
            ("fly.worker.toml", "", Some("worker"), Purpose::Unsaid),
        ] {
            let file = File::of(path).unwrap();
            assert_eq!((file.dir, file.part.as_deref(), file.purpose), (dir, part, purpose), "{path}");
        }
        for path in ["flyway.toml", "fly.json", "a/b.toml", "Fly.toml"] {
            assert_eq!(File::of(path), None, "{path}");
        }
    }
}
