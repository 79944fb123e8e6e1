//! One provider over many: by environment and provider, since each has its own credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use promotion::model::{
    EnvironmentName, Fleet, OneOffRun, OneOffSpec, OneOffState, Place, SecretsSeen, Unit, UnitId,
};
use promotion::ports::{Deployer, Key, OneOffs, Performed, PortError, PortErrorKind, Secrets};
use promotion::rollout::UnitCall;
use serde_json::Value;

/// Hands each call to the deployer of its place.
#[derive(Debug, Clone, Default)]
pub struct Dispatch {
    deployers: BTreeMap<(EnvironmentName, String), Arc<dyn Deployer>>,
    secrets: BTreeMap<(EnvironmentName, String), Arc<dyn Secrets>>,
    one_offs: BTreeMap<(EnvironmentName, String), Arc<dyn OneOffs>>,
    /// Environments that nobody here reaches, and why.
    closed: BTreeMap<EnvironmentName, String>,
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

    /// Adds what runs release commands of `provider` in `environment`.
    #[must_use]
    pub fn with_one_offs(
        mut self,
        environment: EnvironmentName,
        provider: &str,
        one_offs: Arc<dyn OneOffs>,
    ) -> Self {
        self.one_offs.insert((environment, provider.to_owned()), one_offs);
        self
    }

    /// Says why nobody reaches `environment` from here. Its calls end as if the provider could not be reached, so that what is
    /// under way there waits for somebody who can.
    #[must_use]
    pub fn without(mut self, environment: EnvironmentName, why: impl Into<String>) -> Self {
        self.closed.insert(environment, why.into());
        self
    }

    fn is_open(&self, place: &Place) -> Result<(), PortError> {
        match self.closed.get(&place.environment) {
            Some(why) => Err(PortError::new(PortErrorKind::NotSent, why.clone())),
            None => Ok(()),
        }
    }

    fn runner(&self, place: &Place) -> Result<&Arc<dyn OneOffs>, PortError> {
        self.is_open(place)?;
        self.one_offs.get(&(place.environment.clone(), place.provider.clone())).ok_or_else(|| {
            PortError::refused(format!(
                "nothing runs a release command at `{}` ({})",
                place.name, place.provider
            ))
        })
    }

    fn of(&self, place: &Place) -> Result<&Arc<dyn Deployer>, PortError> {
        self.is_open(place)?;
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

    fn kept(&self, place: &Place, present: &Value, wanted: &Value) -> Value {
        self.of(place).map_or_else(|_| wanted.clone(), |deployer| deployer.kept(place, present, wanted))
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        self.of(place)?.perform(place, call, key).await
    }
}

#[async_trait]
impl Secrets for Dispatch {
    async fn observe_secrets(&self, place: &Place, units: &[Unit]) -> Result<SecretsSeen, PortError> {
        self.is_open(place)?;
        match self.secrets.get(&(place.environment.clone(), place.provider.clone())) {
            Some(secrets) => secrets.observe_secrets(place, units).await,
            None => Ok(SecretsSeen::default()),
        }
    }

    fn command(&self, place: &Place, names: &BTreeSet<String>) -> Option<String> {
        self.secrets.get(&(place.environment.clone(), place.provider.clone()))?.command(place, names)
    }
}

#[async_trait]
impl OneOffs for Dispatch {
    async fn observe_runs(&self, place: &Place) -> Result<Vec<OneOffRun>, PortError> {
        self.runner(place)?.observe_runs(place).await
    }

    async fn prepare(&self, place: &Place, spec: &OneOffSpec) -> Result<UnitId, PortError> {
        self.runner(place)?.prepare(place, spec).await
    }

    async fn start(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.runner(place)?.start(place, run).await
    }

    async fn observe_run(&self, place: &Place, run: &UnitId) -> Result<OneOffState, PortError> {
        self.runner(place)?.observe_run(place, run).await
    }

    async fn observe_log(&self, place: &Place, run: &UnitId) -> Result<Vec<String>, PortError> {
        self.runner(place)?.observe_log(place, run).await
    }

    async fn remove(&self, place: &Place, run: &UnitId) -> Result<(), PortError> {
        self.runner(place)?.remove(place, run).await
    }
}
