//! The registry port over `flyclient::registry`, two clients per environment since reading and writing may have a credential
//! each, and neither has to be able to deploy.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use flyclient::Delivery;
use flyclient::registry::{Contents, Error, ErrorKind, Registry};
use flytypes::{Digest, ImageRef};
use promotion::model::EnvironmentName;
use promotion::ports::{
    Copied, ImageFacts, Moved, PortError, PortErrorKind, Registry as Port, Survey, Watch,
};

use crate::chain::chain;

/// An environment's two rights.
#[derive(Debug, Clone)]
struct Rights {
    pull: Registry,
    push: Registry,
}

/// Registries by environment. A copy reads with the right of whichever environment reaches the source, and writes with the
/// target's.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    by_environment: BTreeMap<EnvironmentName, Rights>,
    /// Environments whose credentials are not here, and why.
    closed: BTreeMap<EnvironmentName, String>,
}

impl Registries {
    /// Adds an environment whose one credential reads and writes.
    #[must_use]
    pub fn with(self, environment: EnvironmentName, registry: Registry) -> Self {
        self.with_rights(environment, registry.clone(), registry)
    }

    /// Adds an environment that reads with one credential and writes with another.
    #[must_use]
    pub fn with_rights(mut self, environment: EnvironmentName, pull: Registry, push: Registry) -> Self {
        self.by_environment.insert(environment, Rights { pull, push });
        self
    }

    /// Says why nobody here reads and writes for `environment`: its calls end as if the registry could not be reached.
    #[must_use]
    pub fn without(mut self, environment: EnvironmentName, why: impl Into<String>) -> Self {
        self.closed.insert(environment, why.into());
        self
    }

    fn of(&self, environment: &EnvironmentName) -> Result<&Rights, PortError> {
        if let Some(why) = self.closed.get(environment) {
            return Err(PortError::new(PortErrorKind::NotSent, why.clone()));
        }
        self.by_environment
            .get(environment)
            .ok_or_else(|| PortError::refused(format!("environment {environment} has no registry")))
    }

    /// The client that reads `image`, and what it read. A registry that is away is not taken for one that has no image.
    async fn source(&self, image: &ImageRef) -> Result<(&Registry, Contents), PortError> {
        let mut refused: Option<(bool, PortError)> = None;
        for rights in self.by_environment.values().filter(|rights| rights.pull.host() == image.registry()) {
            match rights.pull.contents(image).await {
                Ok(contents) => return Ok((&rights.pull, contents)),
                Err(error) => {
                    let (is_missing, error) = (error.is_not_found(), port(&error));
                    if error.kind != PortErrorKind::Refused {
                        return Err(error);
                    }
                    // That nothing is there says more than that somebody else may not look.
                    if refused.as_ref().is_none_or(|(was_missing, _)| is_missing && !was_missing) {
                        refused = Some((is_missing, error));
                    }
                }
            }
        }
        let nobody = || PortError::refused(format!("no registry here holds {image}"));
        Err(refused.map_or_else(nobody, |(_, error)| error))
    }
}

fn port(error: &Error) -> PortError {
    let kind = match (error.kind(), error.delivery()) {
        (ErrorKind::RateLimited { .. }, _) | (_, Delivery::NotSent) => PortErrorKind::NotSent,
        (_, Delivery::Refused) if !error.is_transient() => PortErrorKind::Refused,
        // Everything here is addressed by content: trying again is safe.
        _ => PortErrorKind::NotSent,
    };
    PortError::new(kind, chain(error))
}

fn facts(contents: Contents) -> ImageFacts {
    let platforms = contents.platforms.iter().map(|(is, digest)| (is.to_string(), digest.clone())).collect();
    ImageFacts { digest: contents.digest, platforms, labels: contents.labels }
}

fn is_one_place(one: &ImageRef, other: &ImageRef) -> bool {
    (one.registry(), one.repository()) == (other.registry(), other.repository())
}

#[async_trait]
impl Port for Registries {
    async fn resolve(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError> {
        let pinned = self.of(environment)?.pull.resolve(image).await.map_err(|error| port(&error))?;
        pinned.digest().cloned().ok_or_else(|| PortError::refused(format!("{image} resolves to no digest")))
    }

    async fn look(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<ImageFacts, PortError> {
        let contents = self.of(environment)?.pull.contents(image).await;
        contents.map(facts).map_err(|error| port(&error))
    }

    async fn survey(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<Survey, PortError> {
        if is_one_place(from, to) {
            let facts = self.look(environment, from).await?;
            return Ok(Survey { facts, bytes_total: 0, bytes_missing: 0, can_mount: false });
        }
        let push = &self.of(environment)?.push;
        let (source, contents) = self.source(from).await?;
        let survey = push.survey(source, from, to.repository()).await.map_err(|error| port(&error))?;
        Ok(Survey {
            facts: facts(contents),
            bytes_total: survey.bytes_total,
            bytes_missing: survey.bytes_missing,
            can_mount: survey.can_mount,
        })
    }

    async fn ensure_copy(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
        watch: Watch,
    ) -> Result<Copied, PortError> {
        let push = &self.of(environment)?.push;
        if from.digest().is_none() || from.digest() != to.digest() {
            return Err(PortError::refused(format!(
                "{to} cannot be a copy of {from}: the digests are not one and the same"
            )));
        }
        if push.exists(to).await.map_err(|error| port(&error))? {
            return Ok(Copied::default());
        }
        let (source, _) = self.source(from).await?;
        let tell = Arc::new(move |moved: flyclient::registry::Moved| {
            watch(Moved { done: moved.done, total: moved.total });
        });
        let copied = push.copy_watched(source, from, to.repository(), &[], Some(tell)).await;
        let report = copied.map_err(|error| port(&error))?;
        // Believed when it is read, with its digest computed anew.
        push.resolve(to).await.map_err(|error| port(&error))?;
        Ok(Copied { bytes_sent: report.bytes_copied, bytes_mounted: report.bytes_mounted })
    }

    async fn ensure_tag(
        &self,
        environment: &EnvironmentName,
        image: &ImageRef,
        tag: &str,
    ) -> Result<(), PortError> {
        self.of(environment)?.push.tag(image, tag).await.map_err(|error| port(&error))
    }

    async fn drop_tag(
        &self,
        environment: &EnvironmentName,
        image: &ImageRef,
        tag: &str,
    ) -> Result<bool, PortError> {
        self.of(environment)?.push.untag(image, tag).await.map_err(|error| port(&error))
    }
}
