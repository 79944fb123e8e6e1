//! The page as a static bundle, in three releases: one that is good, one that is better, and one that carries staging's
//! configuration in itself, so that it passes on staging and is wrong in production.

use serde_json::json;

const INDEX_HTML: &str = include_str!("../web/index.html");
pub(crate) const APP_JS: &str = include_str!("../web/app.js");
pub(crate) const STYLE_CSS: &str = include_str!("../web/style.css");

/// Where the better page has more than the good one.
const MORE: &str = "<!-- more -->";
const NEWS: &str = "<p class=\"news\" data-testid=\"news\">New: the time that your last run took: \
                    <output id=\"duration\" data-testid=\"duration\">none yet</output></p>";
/// The API that the bad release talks to when nobody names another one.
const STAGING_API: &str = "https://runner-staging.fly.dev";

/// A release of the example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 1.0.0.
    Good,
    /// 1.1.0: `run` also answers `duration_ms`, and the page shows it.
    Better,
    /// 1.2.0: the bundle has an `env.json` of its own, baked in for staging, which hides the one that the host makes for
    /// the environment. On staging nobody notices.
    Bad,
}

impl Release {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::Good, Self::Better, Self::Bad];

    /// Its version.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Good => "1.0.0",
            Self::Better => "1.1.0",
            Self::Bad => "1.2.0",
        }
    }
}

/// A bundle to be.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Which release.
    pub release: Release,
    /// The commit for `build.json`.
    pub commit: String,
    /// The API that the bad release has baked in.
    pub staging_api: String,
}

/// The files of a release's bundle, by path; the commit is `unknown`.
#[must_use]
pub fn bundle(release: Release) -> Vec<(String, Vec<u8>)> {
    Bundle { release, commit: "unknown".to_owned(), staging_api: STAGING_API.to_owned() }.files()
}

impl Bundle {
    /// The files by path, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let build = json!({ "version": self.release.version(), "commit": self.commit });
        let mut files = vec![
            ("app.js", APP_JS.to_owned()),
            ("build.json", format!("{build:#}\n")),
            ("index.html", index_html(self.release)),
            ("style.css", STYLE_CSS.to_owned()),
        ];
        if self.release == Release::Bad {
            let env = json!({ "environment": "staging", "apiUrl": self.staging_api });
            files.insert(2, ("env.json", format!("{env:#}\n")));
        }
        files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect()
    }
}

/// The page of a release.
pub(crate) fn index_html(release: Release) -> String {
    let more = if release == Release::Good { "" } else { NEWS };
    INDEX_HTML.replace(MORE, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(release: Release, path: &str) -> Option<String> {
        let files = bundle(release);
        files.into_iter().find(|(name, _)| name == path).map(|(_, bytes)| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_directory_and_the_good_release_say_the_same() {
        let in_directory = include_str!("../web/build.json");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(in_directory), read(&file(Release::Good, "build.json").unwrap()));
    }

    #[test]
    fn only_the_bad_release_brings_a_configuration() {
        assert_eq!(file(Release::Good, "env.json"), None);
        assert_eq!(file(Release::Better, "env.json"), None);
        let env: serde_json::Value = serde_json::from_str(&file(Release::Bad, "env.json").unwrap()).unwrap();
        assert_eq!(env["environment"], "staging");
        assert!(env["apiUrl"].as_str().unwrap().contains("staging"));
    }

    #[test]
    fn the_better_page_is_visibly_better() {
        let [good, better] =
            [Release::Good, Release::Better].map(|release| file(release, "index.html").unwrap());
        assert!(!good.contains("duration") && better.contains("duration"));
        assert!(INDEX_HTML.contains(MORE), "the place for it");
    }

    #[test]
    fn releases_differ_in_version_and_are_sorted_by_path() {
        for release in Release::ALL {
            let paths: Vec<String> = bundle(release).into_iter().map(|(path, _)| path).collect();
            assert!(paths.is_sorted(), "{paths:?}");
            assert!(file(release, "build.json").unwrap().contains(release.version()));
        }
    }
}
