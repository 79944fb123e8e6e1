//! Environments that nobody reaches from here, since a token of theirs is not here: a machine of CI that deploys to staging has no
//! token of production's.

use std::collections::BTreeMap;
use std::path::Path;

use clikit::{Context, Failure};
use envconfig::SecretRef;
use envconfig::project::Environment;

use crate::wire::secret;

/// What is not here.
#[derive(Debug)]
pub(crate) struct Lack {
    pub(crate) what: String,
    why: String,
}

/// Environments by name, and what each lacks.
#[derive(Debug, Default)]
pub(crate) struct Closed(BTreeMap<String, Lack>);

impl Closed {
    pub(crate) fn insert(&mut self, environment: &str, lack: Lack) {
        self.0.insert(environment.to_owned(), lack);
    }

    /// Whether `environment` is reached.
    pub(crate) fn check(&self, environment: &str) -> Result<(), Failure> {
        let Some(Lack { what, why }) = self.0.get(environment) else { return Ok(()) };
        Err(Failure::usage(what.clone())
            .with_why(why.clone())
            .with_hint(format!("stagectl doctor --env {environment}")))
    }
}

/// The first token of `environment` that is not here.
pub(crate) fn lack(context: &Context, root: &Path, environment: &Environment) -> Option<Lack> {
    let name = &environment.name;
    let registry = &environment.registry;
    let all = [
        (&environment.fly.token, ""),
        (&registry.pull, " to read images"),
        (&registry.push, " to write images"),
    ];
    all.into_iter().find_map(|(reference, what)| {
        let Failure { what: missing, why: reason, .. } = secret(context, root, &reference.value).err()?;
        let missing = match (&reference.value, reason) {
            (SecretRef::File(_), Some(reason)) => format!("{missing}: {reason}"),
            (SecretRef::File(_) | SecretRef::Variable(_), _) => missing,
        };
        Some(Lack { what: missing, why: format!("environment `{name}` needs it{what}") })
    })
}
