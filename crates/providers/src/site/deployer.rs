//! The two verbs over a site host.
//!
//! A site has no traffic switch of its own: cordon and stop are marks on a site that is about to go, so that the
//! engine's walk is the same for every provider.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flytypes::ImageRef;
use promotion::model::{Fleet, GroupName, Place, RegionName, Unit, UnitId, UnitSpec, UnitState, UnitVersion};
use promotion::ports::{Deployer, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use serde_json::Value;

use super::client::{Site, SiteClient, SiteError};

const PREFIX: &str = "understudy_";
const CORDONED: &str = "mark_cordoned";
const STOPPED: &str = "mark_stopped";
const SET: &str = "true";

/// A host of static sites.
#[derive(Debug, Clone)]
pub struct SiteDeployer {
    client: SiteClient,
}

impl SiteDeployer {
    /// Over a client.
    pub const fn new(client: SiteClient) -> Self {
        Self { client }
    }
}

fn port(error: SiteError, site: &str) -> PortError {
    match error {
        SiteError::NotFound => PortError::refused(format!("there is no site `{site}`")),
        SiteError::Port(error) => error,
    }
}

fn unit(site: &Site) -> Option<Unit> {
    let labels: BTreeMap<String, String> = site
        .metadata
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone())))
        .collect();
    let marked = |mark: &str| site.metadata.contains_key(mark);
    let image = site.artifact.parse::<ImageRef>().ok().map(|image| image.pinned(site.digest.clone()));
    Some(Unit {
        id: UnitId::new(site.site.clone()).ok()?,
        group: GroupName::new("site").ok()?,
        region: RegionName::new("everywhere").ok()?,
        version: UnitVersion::new(site.version.clone()).ok()?,
        version_since: None,
        digest: Some(site.digest.clone()),
        image,
        state: if marked(STOPPED) { UnitState::Stopped } else { UnitState::Started },
        cordoned: marked(CORDONED),
        checks: Vec::new(),
        lease: None,
        managed: true,
        labels,
        config: Value::Object(site.env.clone()).into(),
        standby_for: std::collections::BTreeSet::new(),
        concurrency: Some(0),
        nap: None,
        wakes: false,
        deployed_by: None,
    })
}

fn done(site: &Site) -> Performed {
    Performed {
        unit: UnitId::new(site.site.clone()).ok(),
        version: UnitVersion::new(site.version.clone()).ok(),
        nonce: None,
    }
}

fn metadata(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect()
}

/// A place has the one unit of its own name; whatever else is asked for is not there.
fn elsewhere(place: &Place, call: &UnitCall) -> Result<Performed, PortError> {
    if matches!(call, UnitCall::Destroy { .. } | UnitCall::Unlease { .. }) {
        return Ok(Performed::default());
    }
    Err(PortError::refused(format!(
        "{}: the only unit of `{}` is the site of that name",
        call.title(),
        place.name
    )))
}

impl SiteDeployer {
    /// A site is found by its name, so a create that comes late must not take the place of what is there by then. The host
    /// cannot be asked to refuse it; between the look and the publication nothing but another create could come.
    async fn create(
        &self,
        site: &str,
        spec: &UnitSpec,
        labels: &BTreeMap<String, String>,
    ) -> Result<Performed, PortError> {
        match self.client.get(site).await {
            Err(SiteError::NotFound) => {}
            Ok(there) => {
                let text =
                    format!("site `{site}` is there already, at version {}; look again", there.version);
                return Err(PortError::refused(text));
            }
            Err(SiteError::Port(error)) => return Err(error),
        }
        let published = self.client.publish(site, &spec.image, &spec.config, &metadata(labels), None).await;
        published.map(|site| done(&site)).map_err(|error| port(error, site))
    }

    async fn update(
        &self,
        site: &str,
        expect: &UnitVersion,
        spec: &UnitSpec,
        labels: &BTreeMap<String, Option<String>>,
        start: bool,
    ) -> Result<Performed, PortError> {
        let mut kept = self.client.get(site).await.map_err(|error| port(error, site))?.metadata;
        for (key, value) in labels {
            let key = format!("{PREFIX}{key}");
            match value {
                Some(value) => kept.insert(key, value.clone()),
                None => kept.remove(&key),
            };
        }
        if start {
            kept.remove(STOPPED);
        } else {
            kept.insert(STOPPED.to_owned(), SET.to_owned());
        }
        let published =
            self.client.publish(site, &spec.image, &spec.config, &kept, Some(expect.as_str())).await;
        published.map(|site| done(&site)).map_err(|error| port(error, site))
    }

    async fn mark(&self, site: &UnitId, mark: &str, set: bool) -> Result<Performed, PortError> {
        let changes = BTreeMap::from([(mark.to_owned(), set.then(|| SET.to_owned()))]);
        let tagged = self.client.tag(site.as_str(), &changes).await;
        tagged.map(|_| Performed::default()).map_err(|error| port(error, site.as_str()))
    }
}

#[async_trait]
impl Deployer for SiteDeployer {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        match self.client.get(&place.name).await {
            Ok(site) => Ok(Fleet { units: unit(&site).into_iter().collect(), ..Fleet::default() }),
            Err(SiteError::NotFound) => Ok(Fleet::default()),
            Err(SiteError::Port(error)) => Err(error),
        }
    }

    async fn perform(&self, place: &Place, call: &UnitCall, _: &Key) -> Result<Performed, PortError> {
        if call.unit().is_some_and(|unit| unit.as_str() != place.name) {
            return elsewhere(place, call);
        }
        match call {
            UnitCall::Create { spec, labels, .. } => self.create(&place.name, spec, labels).await,
            UnitCall::Update { unit, expect, spec, labels, start } => {
                self.update(unit.as_str(), expect, spec, labels, *start).await
            }
            UnitCall::Destroy { unit } => match self.client.delete(unit.as_str()).await {
                Ok(()) | Err(SiteError::NotFound) => Ok(Performed::default()),
                Err(SiteError::Port(error)) => Err(error),
            },
            UnitCall::Tag { unit, labels } => {
                let changes =
                    labels.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
                let tagged = self.client.tag(unit.as_str(), &changes).await;
                tagged.map(|_| Performed::default()).map_err(|error| port(error, unit.as_str()))
            }
            UnitCall::Cordon { unit } => self.mark(unit, CORDONED, true).await,
            UnitCall::Uncordon { unit } => self.mark(unit, CORDONED, false).await,
            UnitCall::Stop { unit } => self.mark(unit, STOPPED, true).await,
            UnitCall::Start { unit } => self.mark(unit, STOPPED, false).await,
            UnitCall::Lease { .. } | UnitCall::Unlease { .. } => Ok(Performed::default()),
        }
    }
}
