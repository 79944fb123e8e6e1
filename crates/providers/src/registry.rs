//! The registry port over `flyclient::registry`, one client per environment since each has its own credential.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flyclient::Delivery;
use flyclient::registry::{Error, ErrorKind, Registry};
use flytypes::{Digest, ImageRef};
use promotion::model::EnvironmentName;
use promotion::ports::{PortError, PortErrorKind, Registry as Port};

use crate::chain::chain;

/// Registries by environment; copies read with the credential that reaches the source.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    by_environment: BTreeMap<EnvironmentName, Registry>,
}

impl Registries {
    /// Adds an environment's registry.
    #[must_use]
    pub fn with(mut self, environment: EnvironmentName, registry: Registry) -> Self {
        self.by_environment.insert(environment, registry);
        self
    }

    fn of(&self, environment: &EnvironmentName) -> Result<&Registry, PortError> {
        self.by_environment
            .get(environment)
            .ok_or_else(|| PortError::refused(format!("environment {environment} has no registry")))
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

#[async_trait]
impl Port for Registries {
    async fn resolve(&self, environment: &EnvironmentName, image: &ImageRef) -> Result<Digest, PortError> {
        let pinned = self.of(environment)?.resolve(image).await.map_err(|error| port(&error))?;
        pinned.digest().cloned().ok_or_else(|| PortError::refused(format!("{image} resolves to no digest")))
    }

    async fn ensure_copy(
        &self,
        environment: &EnvironmentName,
        from: &ImageRef,
        to: &ImageRef,
    ) -> Result<u64, PortError> {
        let target = self.of(environment)?;
        if from.digest().is_none() || from.digest() != to.digest() {
            return Err(PortError::refused(format!(
                "{to} cannot be a copy of {from}: the digests are not one and the same"
            )));
        }
        if target.exists(to).await.map_err(|error| port(&error))? {
            return Ok(0);
        }
        let mut last = PortError::refused(format!("no registry here holds {from}"));
        for source in self.by_environment.values().filter(|registry| registry.host() == from.registry()) {
            match target.copy_from(source, from, to.repository(), &[]).await {
                Ok(report) => {
                    // Believed when it is read, with its digest computed anew.
                    target.resolve(to).await.map_err(|error| port(&error))?;
                    return Ok(report.bytes_copied);
                }
                Err(error) => last = port(&error),
            }
        }
        Err(last)
    }
}
