//! The engine around a provider and a pager of one's own; nothing else is needed, and nothing else is linked.
use std::{collections::BTreeMap, error::Error, io::Write as _, sync::Arc};

use promotion::engine::{Ask, Engine, Options, Ports};
use promotion::model::*;
use promotion::ports::{Deployer, Key, Notice, Notifier, Performed, PortError};
use promotion::{journal::Memory, plain::SystemClock, rollout::UnitCall};
use tokio::sync::Mutex;

#[derive(Debug, Default)]
struct Shelf(Mutex<BTreeMap<UnitId, Unit>>);

#[async_trait::async_trait]
impl Deployer for Shelf {
    async fn observe_fleet(&self, _: &Place) -> Result<Fleet, PortError> {
        Ok(Fleet { units: self.0.lock().await.values().cloned().collect(), ..Fleet::default() })
    }
    async fn perform(&self, _: &Place, call: &UnitCall, _: &Key) -> Result<Performed, PortError> {
        let mut units = self.0.lock().await;
        if let UnitCall::Create { slot, spec, labels, .. } = call {
            let refused = |error: NameError| PortError::refused(error.to_string());
            let id = UnitId::new(slot.as_str()).map_err(refused)?;
            let mut unit = Unit::new(id.clone(), "1".parse().map_err(refused)?, spec);
            (unit.state, unit.labels) = (UnitState::Started, labels.clone());
            units.insert(id, unit);
        } else if let Some(unit) = call.unit().and_then(|id| units.get_mut(id)) {
            unit.cordoned = call.verb() == "cordon" || unit.cordoned && call.verb() != "uncordon";
        }
        Ok(Performed::default())
    }
}

#[derive(Debug)]
struct Pager;

#[async_trait::async_trait]
impl Notifier for Pager {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        writeln!(std::io::stdout(), "{}", notice.text).map_err(|error| PortError::not_sent(error.to_string()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let journal = Arc::new(Memory::new("shop".parse()?, Arc::new(SystemClock)));
    let ports = Ports::plain(journal, Arc::new(Shelf::default()), Arc::new(Pager));
    let engine = Engine::new(Options { poll: Millis(10), ..Options::default() }, ports);
    let (home, api): (EnvironmentName, ComponentName) = ("home".parse()?, "api".parse()?);
    let image: ImageRef = format!("registry.example/api@sha256:{}", "5".repeat(64)).parse()?;
    let counts = BTreeMap::from([("here".parse()?, 2)]);
    let shape = GroupTarget { config: UnitConfig::default(), counts, proof: Proof::Served };
    let digests = image.digest().map(|digest| (api.clone(), digest.clone()));
    let release = Release::new("1.0.0", "c0ffee", digests.into_iter().collect());
    let place = Place::new(home.clone(), api, "shelf", "api");
    let mut target = ComponentTarget::new(place, image, "app".parse()?, shape);
    target.limits.settle = Millis(20);
    let ask = Ask::new(home, Class::Local, Kind::Bootstrap, release, vec![target], "me".parse()?);
    let outcome = engine.request(ask).await?.drive().await?;
    Ok(writeln!(std::io::stdout(), "{outcome:?}")?)
}
