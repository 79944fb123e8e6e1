//! Who asks: tokens, their organisations, and how much each may do.

use std::{collections::BTreeMap, fmt};

use sha2::{Digest, Sha256};

use crate::registry::store::hex;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Reads images, and nothing else.
    Pull,
    /// Reads and writes images, and nothing else.
    Push,
    /// Everything.
    Deploy,
}

/// A right, over a whole organisation or one app (or site) of it. Fly scopes deploy tokens to one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    right: Right,
    app: Option<String>,
}

impl Scope {
    /// `right` over all of the organisation.
    pub const fn new(right: Right) -> Self {
        Self { right, app: None }
    }

    /// The same over one app or site, and the repository of its name.
    #[must_use]
    pub fn of_app(mut self, app: impl Into<String>) -> Self {
        self.app = Some(app.into());
        self
    }

    /// Whether it covers `app`; what belongs to no app is covered only by a whole organisation's.
    fn covers(&self, app: Option<&str>) -> bool {
        self.app.is_none() || self.app.as_deref() == app
    }

    /// Whether machines, apps and secrets of `app` may be read and changed.
    pub(crate) fn deploys(&self, app: Option<&str>) -> bool {
        self.right == Right::Deploy && self.covers(app)
    }

    /// Whether the repository whose first segment is `app` may be read, or also written.
    pub(crate) fn reaches(&self, app: &str, writes: bool) -> bool {
        self.covers(Some(app)) && (!writes || self.right >= Right::Push)
    }
}

/// Which organisation a token belongs to, and what for. An organisation may have many tokens. Prints no token.
#[derive(Clone, Default)]
pub struct Orgs(BTreeMap<String, (String, Scope)>);

impl Orgs {
    /// One organisation with one token.
    pub fn one(token: impl Into<String>, org: impl Into<String>) -> Self {
        Self::default().with(token, org)
    }

    /// Adds a token that may do everything.
    #[must_use]
    pub fn with(self, token: impl Into<String>, org: impl Into<String>) -> Self {
        self.with_scoped(token, org, Scope::new(Right::Deploy))
    }

    /// Adds a token that may do what `scope` says.
    #[must_use]
    pub fn with_scoped(mut self, token: impl Into<String>, org: impl Into<String>, scope: Scope) -> Self {
        self.0.insert(token.into(), (org.into(), scope));
        self
    }

    /// The organisation of a presented credential: scheme prefixes (`Bearer `, `FlyV1 `) are removed repeatedly,
    /// and of a comma list the first known token counts.
    pub fn of(&self, credential: &str) -> Option<&str> {
        self.grant(credential).map(|(org, _)| org)
    }

    /// The same with what the token is for.
    pub(crate) fn grant(&self, credential: &str) -> Option<(&str, &Scope)> {
        let mut rest = credential.trim();
        while let Some((scheme, tail)) = rest.split_once(' ') {
            if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("flyv1") {
                break;
            }
            rest = tail.trim_start();
        }
        let known = rest.split(',').find_map(|token| self.0.get(token.trim()));
        known.map(|(org, scope)| (org.as_str(), scope))
    }

    /// The id of the key pair that `token` is to the small S3; the token itself is the key. It tells nothing of the
    /// token.
    pub fn key_id(token: &str) -> String {
        let hash = Sha256::new().chain_update("localcloud-s3-key-id ").chain_update(token).finalize();
        format!("LC{}", hex(&hash[..9]).to_ascii_uppercase())
    }

    /// The token whose key id this is, its organisation, and what it is for.
    pub(crate) fn key(&self, id: &str) -> Option<(&str, &str, &Scope)> {
        let found = self.0.iter().find(|(token, _)| Self::key_id(token) == id);
        found.map(|(token, (org, scope))| (token.as_str(), org.as_str(), scope))
    }

    /// Whether an organisation of this name exists.
    pub fn contains(&self, org: &str) -> bool {
        self.0.values().any(|(known, _)| known == org)
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Orgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.values()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_lose_their_schemes_and_never_print() {
        let orgs = Orgs::one("tok-a", "acme");
        for text in ["tok-a", "Bearer tok-a", "FlyV1 tok-a", "Bearer FlyV1 other,tok-a"] {
            assert_eq!(orgs.of(text), Some("acme"), "{text}");
        }
        assert_eq!(orgs.of("Bearer nope"), None);
        assert!(!format!("{orgs:?}").contains("tok-a"));
    }

    #[test]
    fn a_key_id_finds_its_token_and_does_not_tell_it() {
        let orgs = Orgs::one("tok-a", "acme").with("tok-b", "other");
        let id = Orgs::key_id("tok-b");
        assert!(id.len() == 20 && !id.contains("tok"), "{id}");
        assert_eq!(orgs.key(&id).map(|(token, org, _)| (token, org)), Some(("tok-b", "other")));
        assert!(orgs.key("tok-b").is_none());
    }

    #[test]
    fn a_scope_ends_where_it_says() {
        let pull = Scope::new(Right::Pull);
        assert!(pull.reaches("web", false) && !pull.reaches("web", true) && !pull.deploys(Some("web")));
        let push = Scope::new(Right::Push).of_app("web");
        assert!(push.reaches("web", true) && !push.reaches("api", false) && !push.deploys(Some("web")));
        let deploy = Scope::new(Right::Deploy).of_app("web");
        assert!(deploy.deploys(Some("web")) && !deploy.deploys(Some("api")) && !deploy.deploys(None));
        assert!(Scope::new(Right::Deploy).deploys(None));
    }
}
