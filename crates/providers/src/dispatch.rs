//! One provider over many: by environment and provider, since each has its own credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use promotion::model::{EnvironmentName, Fleet, Place, SecretsSeen, Unit};
use promotion::ports::{Deployer, Key, Performed, PortError, Secrets};
use promotion::rollout::UnitCall;

/// Hands each call to the deployer of its place.
#[derive(Debug, Clone, Default)]
pub struct Dispatch {
    deployers: BTreeMap<(EnvironmentName, String), Arc<dyn Deployer>>,
    secrets: BTreeMap<(EnvironmentName, String), Arc<dyn Secrets>>,
}

impl Dispatch {
    /// Adds the deployer of `provider` in `environment`.
    #[must_use]
    pub fn with(mut self, environment: EnvironmentName, provider: &str, deployer: Arc<dyn Deployer>) -> Self {
        self.deployers.insert((environment, provider.to_owned()), deployer);
        self
    }

    /// Adds where the secrets of `provider` in `environment` are seen; places without it keep none of their own.
    #[must_use]
    pub fn with_secrets(
        mut self,
        environment: EnvironmentName,
        provider: &str,
        secrets: Arc<dyn Secrets>,
    ) -> Self {
        self.secrets.insert((environment, provider.to_owned()), secrets);
        self
    }

    fn of(&self, place: &Place) -> Result<&Arc<dyn Deployer>, PortError> {
        self.deployers.get(&(place.environment.clone(), place.provider.clone())).ok_or_else(|| {
            PortError::refused(format!(
                "environment {} has no provider `{}`",
                place.environment, place.provider
            ))
        })
    }
}

#[async_trait]
impl Deployer for Dispatch {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.of(place)?.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.of(place)?.perform(place, call, key).await
    }
}

#[async_trait]
impl Secrets for Dispatch {
    async fn observe_secrets(&self, place: &Place, units: &[Unit]) -> Result<SecretsSeen, PortError> {
        match self.secrets.get(&(place.environment.clone(), place.provider.clone())) {
            Some(secrets) => secrets.observe_secrets(place, units).await,
            None => Ok(SecretsSeen::default()),
        }
    }

    fn command(&self, place: &Place, names: &BTreeSet<String>) -> Option<String> {
        self.secrets.get(&(place.environment.clone(), place.provider.clone()))?.command(place, names)
    }
}
