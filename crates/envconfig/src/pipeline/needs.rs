//! What a job gets from GitHub's secrets: the references of the project file, and no more than the job needs.

use std::collections::{BTreeMap, BTreeSet};

use super::Hindrance;
use super::yaml::expression;
use crate::project::{Environment, Project, StoreUrl};
use crate::{EnvironmentName, SecretRef};

/// The key of whoever asks on behalf of a push.
pub(super) const ASKER: &str = "UNDERSTUDY_KEY";

/// A bucket's keys. Its region and endpoint stand in its address: GitHub masks what a secret holds wherever it occurs, and
/// drops outputs that have it, and a region is a word of three letters.
const BUCKET: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Secrets of a step, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs(BTreeSet<String>);

impl Needs {
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    fn with(mut self, reference: &SecretRef, of: &str) -> Result<Self, Hindrance> {
        match reference {
            SecretRef::Variable(name) if name.as_str() == ASKER => {
                return Err(Hindrance {
                    what: format!("{of} is in {ASKER}"),
                    why: "there is the key of whoever asks on behalf of CI".to_owned(),
                    hint: "name another variable".to_owned(),
                });
            }
            SecretRef::Variable(name) => self.0.insert(name.to_string()),
            SecretRef::File(path) => {
                return Err(Hindrance {
                    what: format!("{of} is in the file {}", path.as_str()),
                    why: "a machine of CI has no files but those of the repository, and no secret is there"
                        .to_owned(),
                    hint: "name a variable: `env:NAME`; it becomes a secret of GitHub with that name"
                        .to_owned(),
                });
            }
        };
        Ok(self)
    }

    /// For `env:` of a step.
    pub(super) fn env(&self) -> Vec<(String, String)> {
        self.0.iter().map(|name| (name.clone(), expression(&format!("secrets.{name}")))).collect()
    }
}

/// The journal.
pub(super) fn store(project: &Project) -> Result<Needs, Hindrance> {
    let lost = |what: &str| Hindrance {
        what: what.to_owned(),
        why: "machines of CI are new each time, and what was promoted would be forgotten with them"
            .to_owned(),
        hint: "[store] with `url = \"env:UNDERSTUDY_STORE\"`, the address of a bucket or of PostgreSQL"
            .to_owned(),
    };
    let store = project.store().ok_or_else(|| lost("the project file does not say where the journal is"))?;
    let mut needs = Needs::default();
    let mut add = |url: &StoreUrl, of: &str| {
        let is_bucket = match url {
            StoreUrl::Secret(reference) => {
                needs = std::mem::take(&mut needs).with(reference, of)?;
                true
            }
            StoreUrl::Literal(url) if ["sqlite", "file"].contains(&url.scheme()) => {
                return Err(lost(&format!("{of} is a file's")));
            }
            StoreUrl::Literal(url) => url.scheme() == "s3",
        };
        if is_bucket {
            needs.0.extend(BUCKET.map(str::to_owned));
        }
        Ok(())
    };
    add(&store.url, "the journal's address")?;
    if let Some(anchor) = &store.anchor {
        add(&anchor.url, "the anchors' address")?;
    }
    Ok(needs)
}

/// The key with which runners sign what they saw.
pub(super) fn runner_key(project: &Project) -> Result<Needs, Hindrance> {
    let key = project.store().and_then(|store| store.key.as_ref()).ok_or_else(|| Hindrance {
        what: "[store] has no `key`".to_owned(),
        why: "each machine of CI would make a key of its own, and nobody believes what it signs".to_owned(),
        hint: "`key = \"env:UNDERSTUDY_RUNNER_KEY\"`, and its public half among the allowed signers"
            .to_owned(),
    })?;
    Needs::default().with(key, "the runner's key")
}

/// The tokens of an environment.
pub(super) fn tokens(environment: &Environment) -> Result<Needs, Hindrance> {
    let (name, registry) = (&environment.name, &environment.registry);
    Needs::default()
        .with(&environment.fly.token.value, &format!("the token of `{name}`"))?
        .with(&registry.pull.value, &format!("the token that reads images of `{name}`"))?
        .with(&registry.push.value, &format!("the token that writes images of `{name}`"))
}

/// A reference that is a variable, as an expression.
pub(super) fn secret_of(reference: &SecretRef) -> Option<String> {
    match reference {
        SecretRef::Variable(name) => Some(expression(&format!("secrets.{name}"))),
        SecretRef::File(_) => None,
    }
}

/// Everything that changes an environment or signs what it saw there.
pub(super) fn driving(project: &Project, environment: &Environment) -> Result<Needs, Hindrance> {
    Ok(store(project)?.and(&runner_key(project)?).and(&tokens(environment)?))
}

/// What has to be in which environment of GitHub.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<EnvironmentName, Needs>);

impl Kept {
    pub(super) fn add(&mut self, environment: &EnvironmentName, needs: &Needs) {
        let known = self.0.entry(environment.clone()).or_default();
        *known = std::mem::take(known).and(needs);
    }

    /// Whoever asks on behalf of a push, or of a click.
    pub(super) fn add_asker(&mut self, environment: &EnvironmentName) {
        self.add(environment, &Needs(BTreeSet::from([ASKER.to_owned()])));
    }

    pub(super) fn into_secrets(self) -> BTreeMap<EnvironmentName, BTreeSet<String>> {
        self.0.into_iter().map(|(name, needs)| (name, needs.0)).collect()
    }
}
