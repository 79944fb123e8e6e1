//! The provider: two verbs, and what the engine relies on when it uses them.

use std::collections::BTreeMap;

use flytypes::ImageRef;
use serde_json::Value;

use crate::model::{
    Fleet, GroupName, Millis, Nonce, Place, Proof, RegionName, Slot, Unit, UnitId, UnitSpec, UnitState, label,
};
use crate::ports::{Clock, Deployer, Key, Performed, PortError, PortErrorKind};
use crate::rollout::{Expected, Health, Running, UnitCall, health};

/// What the suite works on: a place without units.
#[derive(Debug, Clone)]
pub struct DeployerFixture {
    /// An empty place.
    pub place: Place,
    /// One that does not exist; none where every place does.
    pub missing: Option<Place>,
    /// Two images that run, pinned to different digests.
    pub images: [ImageRef; 2],
    /// The units' group.
    pub group: GroupName,
    /// Their region.
    pub region: RegionName,
    /// Their configuration, as the adapter shows it again.
    pub config: Value,
    /// What proves a unit of this configuration healthy.
    pub proof: Proof,
    /// The longest that a unit needs to come up, stop or go.
    pub patience: Millis,
    /// Whether units can be leased.
    pub has_leases: bool,
    /// Whether units can be taken out of traffic.
    pub has_cordons: bool,
    /// Whether the place holds more than one unit; where it does not, it refuses a second one.
    pub has_room: bool,
}

/// Every case. Leaves the place as empty as it was.
pub async fn deployer(deployer: &dyn Deployer, fixture: &DeployerFixture, clock: &dyn Clock) {
    let suite = Suite { deployer, fixture, clock };
    assert_eq!(suite.fleet().await.units, [], "the place is empty, or the suite would change what is in use");
    if let Some(missing) = &fixture.missing {
        let error = deployer.observe_fleet(missing).await.expect_err("there is no such place");
        assert_eq!(error.kind, PortErrorKind::Refused, "{error}");
    }
    let first = suite.creates("app/0").await;
    let second = suite.second(&first).await;
    if fixture.has_cordons {
        suite.opens_and_closes(&first).await;
    }
    suite.labels(&first).await;
    suite.updates(&first).await;
    suite.stops_and_starts(&first).await;
    if fixture.has_leases {
        suite.leases(&first).await;
    }
    suite.destroys(&first).await;
    if let Some(second) = &second {
        suite.destroys(second).await;
    }
    assert_eq!(suite.fleet().await.units, [], "nothing is left");
}

struct Suite<'a> {
    deployer: &'a dyn Deployer,
    fixture: &'a DeployerFixture,
    clock: &'a dyn Clock,
}

impl Suite<'_> {
    async fn fleet(&self) -> Fleet {
        self.deployer.observe_fleet(&self.fixture.place).await.expect("the place can be looked at")
    }

    async fn unit(&self, id: &UnitId) -> Unit {
        self.fleet().await.unit(id).cloned().unwrap_or_else(|| panic!("unit {id} is there"))
    }

    async fn call(&self, call: &UnitCall, nonce: Option<&Nonce>) -> Result<Performed, PortError> {
        let key = Key { id: format!("conformance/{}", call.title()), nonce: nonce.cloned() };
        self.deployer.perform(&self.fixture.place, call, &key).await
    }

    async fn does(&self, call: &UnitCall) -> Performed {
        self.call(call, None).await.unwrap_or_else(|error| panic!("{}: {error}", call.title()))
    }

    /// Twice: the second time its effect is there already, and that is no failure.
    async fn does_twice(&self, call: &UnitCall) {
        self.does(call).await;
        self.does(call).await;
    }

    async fn until(&self, id: &UnitId, what: &str, holds: impl Fn(&Unit) -> bool) -> Unit {
        let begun = self.clock.now();
        loop {
            let unit = self.unit(id).await;
            if holds(&unit) {
                return unit;
            }
            assert!(self.clock.now().since(begun) < self.fixture.patience, "{what}, not {unit:?}");
            self.clock.sleep(Millis(50)).await;
        }
    }

    async fn until_healthy(&self, id: &UnitId, image: &ImageRef) -> Unit {
        let (begun, digest) = (self.clock.now(), image.digest().expect("a pinned image"));
        let proof = &self.fixture.proof;
        let (acted, grace, running) = (begun, self.fixture.patience, Running::Proven);
        let expected = Expected { digest, version: None, proof, acted, grace, running };
        loop {
            let unit = self.unit(id).await;
            match health(&unit, expected, self.clock.now()) {
                Health::Healthy => return unit,
                Health::Broken(why) => panic!("it becomes healthy: {why}"),
                Health::NotYet(why) => {
                    assert!(
                        self.clock.now().since(begun) < self.fixture.patience,
                        "it becomes healthy: {why}"
                    );
                }
            }
            self.clock.sleep(Millis(50)).await;
        }
    }

    fn spec(&self, image: &ImageRef) -> UnitSpec {
        UnitSpec {
            group: self.fixture.group.clone(),
            region: self.fixture.region.clone(),
            image: image.clone(),
            config: self.fixture.config.clone().into(),
            secrets_version: None,
            standby_for: std::collections::BTreeSet::new(),
        }
    }

    fn create(&self, slot: &str) -> (UnitCall, BTreeMap<String, String>) {
        let slot = Slot::new(slot).expect("a name");
        let labels = BTreeMap::from([
            (label::PROMOTION.to_owned(), "conformance".to_owned()),
            (label::SLOT.to_owned(), slot.to_string()),
        ]);
        let spec = self.spec(&self.fixture.images[0]);
        (UnitCall::Create { slot, spec, labels: labels.clone(), open: false }, labels)
    }

    /// A second unit beside the first; none where the place holds only one.
    async fn second(&self, first: &UnitId) -> Option<UnitId> {
        if !self.fixture.has_room {
            let before = self.fleet().await;
            let refused = self.call(&self.create("app/1").0, None).await;
            let error = refused.expect_err("a place that is full takes no other unit");
            assert_eq!(error.kind, PortErrorKind::Refused, "{error}");
            assert_eq!(self.fleet().await, before, "and what is there stays as it is");
            return None;
        }
        let second = self.creates("app/1").await;
        assert_ne!(*first, second, "a create makes a unit each time");
        let ids: Vec<UnitId> = self.fleet().await.units.into_iter().map(|unit| unit.id).collect();
        assert!(ids.is_sorted(), "a fleet is sorted by id");
        assert_eq!(ids.len(), 2);
        Some(second)
    }

    async fn creates(&self, slot: &str) -> UnitId {
        let image = &self.fixture.images[0];
        let (call, labels) = self.create(slot);
        let id = self.does(&call).await.unit.expect("a create says which unit it made");
        let unit = self.unit(&id).await;
        assert_eq!(unit.labels, labels, "labels are there with the unit, so that it can be found again");
        assert_eq!((&unit.group, &unit.region), (&self.fixture.group, &self.fixture.region));
        assert!(unit.managed, "what is made here is managed");
        let unit = self.until_healthy(&id, image).await;
        assert_eq!(unit.config, self.fixture.config, "the configuration is shown as it was given");
        let shown = unit.image.as_ref().and_then(ImageRef::digest);
        assert_eq!(shown, image.digest(), "the image is shown by digest: a way back needs it");
        if self.fixture.has_cordons {
            assert!(unit.cordoned, "it takes no traffic before it is told to");
        }
        id
    }

    async fn opens_and_closes(&self, id: &UnitId) {
        let version = self.unit(id).await.version;
        self.does_twice(&UnitCall::Uncordon { unit: id.clone() }).await;
        self.until(id, "it takes traffic", |unit| !unit.cordoned).await;
        self.does_twice(&UnitCall::Cordon { unit: id.clone() }).await;
        let unit = self.until(id, "it takes none", |unit| unit.cordoned).await;
        assert_eq!(unit.version, version, "routing makes no new version");
    }

    async fn labels(&self, id: &UnitId) {
        let before = self.unit(id).await;
        let changes = BTreeMap::from([
            (label::PARKED_BY.to_owned(), Some("conformance".to_owned())),
            (label::SLOT.to_owned(), None),
        ]);
        self.does_twice(&UnitCall::Tag { unit: id.clone(), labels: changes }).await;
        let after = self.until(id, "it has the label", |unit| unit.label(label::PARKED_BY).is_some()).await;
        let mut wanted = before.labels.clone();
        wanted.remove(label::SLOT);
        wanted.insert(label::PARKED_BY.to_owned(), "conformance".to_owned());
        assert_eq!(after.labels, wanted, "one added, one removed, the others kept");
        assert_eq!(after.version, before.version, "labels make no new version");
        assert_eq!(after.state, before.state, "and no restart");
    }

    async fn updates(&self, id: &UnitId) {
        let before = self.unit(id).await;
        let update = |expect: &crate::model::UnitVersion, image: &ImageRef| UnitCall::Update {
            unit: id.clone(),
            expect: expect.clone(),
            spec: self.spec(image),
            labels: BTreeMap::from([(label::RELEASE.to_owned(), Some("two".to_owned()))]),
            start: true,
        };
        let done = self.does(&update(&before.version, &self.fixture.images[1])).await;
        let after = self.until_healthy(id, &self.fixture.images[1]).await;
        assert_ne!(after.version, before.version, "an update makes a version");
        assert_eq!(done.version.as_ref(), Some(&after.version), "and says which");
        assert_eq!(after.label(label::RELEASE), Some("two"), "labels come with it");
        assert_eq!(after.label(label::PROMOTION), Some("conformance"), "others stay");
        assert_eq!(after.cordoned, before.cordoned, "an update does not touch routing");
        let stale = self.call(&update(&before.version, &self.fixture.images[0]), None).await;
        let error = stale.expect_err("an update of a version that is gone is refused");
        assert_eq!(error.kind, PortErrorKind::Refused, "{error}");
        assert_eq!(self.unit(id).await.version, after.version, "and changes nothing");
    }

    async fn stops_and_starts(&self, id: &UnitId) {
        self.does_twice(&UnitCall::Stop { unit: id.clone() }).await;
        let stopped = self.until(id, "it stops", |unit| unit.state == UnitState::Stopped).await;
        let update = UnitCall::Update {
            unit: id.clone(),
            expect: stopped.version,
            spec: self.spec(&self.fixture.images[0]),
            labels: BTreeMap::new(),
            start: false,
        };
        self.does(&update).await;
        let digest = self.fixture.images[0].digest();
        self.until(id, "it has the other image and rests", |unit| {
            unit.digest.as_ref() == digest && unit.state == UnitState::Stopped
        })
        .await;
        self.does(&UnitCall::Start { unit: id.clone() }).await;
        self.until_healthy(id, &self.fixture.images[0]).await;
        self.does(&UnitCall::Start { unit: id.clone() }).await;
        self.does(&UnitCall::Stop { unit: id.clone() }).await;
        let rests = self.until(id, "it stops", |unit| unit.state == UnitState::Stopped).await;
        let wakes = UnitCall::Update {
            unit: id.clone(),
            expect: rests.version,
            spec: self.spec(&self.fixture.images[1]),
            labels: BTreeMap::new(),
            start: true,
        };
        self.does(&wakes).await;
        self.until_healthy(id, &self.fixture.images[1]).await;
    }

    async fn leases(&self, id: &UnitId) {
        let take = |who: &str| UnitCall::Lease {
            unit: id.clone(),
            ttl: Millis::secs(120),
            description: format!("conformance {who}"),
        };
        let nonce = self.does(&take("one")).await.nonce.expect("a lease has a number");
        let shown = self.unit(id).await.lease.expect("a fleet shows who holds a unit");
        assert_eq!(shown.description, "conformance one", "in the holder's own words");
        assert!(shown.expires_at > self.clock.now(), "and until when: {shown:?}");
        let again = self.call(&take("one"), Some(&nonce)).await.expect("its holder may refresh it");
        assert_eq!(again.nonce.as_ref(), Some(&nonce), "a refreshed lease keeps its number");
        let other = self.call(&take("two"), None).await.expect_err("it is held");
        assert_eq!(other.kind, PortErrorKind::Fenced, "{other}");
        let lost =
            self.call(&take("one"), None).await.expect_err("whoever lost the number waits for its end");
        assert_eq!(lost.kind, PortErrorKind::Held, "in the same words it is ours: {lost}");
        let wrong = Nonce::new("wrong").expect("a name");
        for show in [None, Some(&wrong)] {
            let stop = self.call(&UnitCall::Stop { unit: id.clone() }, show).await;
            let error = stop.expect_err("without the number nothing is changed");
            assert_eq!(error.kind, PortErrorKind::Fenced, "{error}");
        }
        assert_eq!(self.unit(id).await.state, UnitState::Started, "it still runs");
        let stop = UnitCall::Stop { unit: id.clone() };
        self.call(&stop, Some(&nonce)).await.expect("with the number it is");
        self.until(id, "it stops", |unit| unit.state == UnitState::Stopped).await;
        let unlease = UnitCall::Unlease { unit: id.clone() };
        self.call(&unlease, Some(&nonce)).await.expect("the lease is given back");
        self.call(&unlease, Some(&nonce)).await.expect("a second time it is there already");
        assert_eq!(self.unit(id).await.lease, None, "nobody holds it");
        self.does(&UnitCall::Start { unit: id.clone() }).await;
        self.until(id, "anybody may start it", |unit| unit.state == UnitState::Started).await;
    }

    async fn destroys(&self, id: &UnitId) {
        let last = self.unit(id).await;
        self.does(&UnitCall::Destroy { unit: id.clone() }).await;
        let begun = self.clock.now();
        while self.fleet().await.unit(id).is_some() {
            assert!(self.clock.now().since(begun) < self.fixture.patience, "unit {id} goes");
            self.clock.sleep(Millis(50)).await;
        }
        self.does(&UnitCall::Destroy { unit: id.clone() }).await;
        let unit = || id.clone();
        self.does(&UnitCall::Unlease { unit: unit() }).await;
        let calls = [
            UnitCall::Stop { unit: unit() },
            UnitCall::Start { unit: unit() },
            UnitCall::Tag { unit: unit(), labels: BTreeMap::new() },
            UnitCall::Update {
                unit: unit(),
                expect: last.version,
                spec: self.spec(&self.fixture.images[0]),
                labels: BTreeMap::new(),
                start: true,
            },
        ];
        for call in calls {
            let error = self.call(&call, None).await.expect_err("what is gone cannot be changed");
            assert_eq!(error.kind, PortErrorKind::Refused, "{}: {error}", call.title());
        }
    }
}
