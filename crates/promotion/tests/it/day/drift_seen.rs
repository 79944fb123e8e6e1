//! `tick` compares what runs with what is recorded: one record for an environment, opened once, ended when it is over.

use std::collections::{BTreeMap, BTreeSet};

use promotion::engine::{DriftSeen, Ticked};
use promotion::journal::{DriftEnd, DriftView, Entry};
use promotion::machine::Phase;
use promotion::model::{At, Difference, Kind, Millis, Unit, UnitId, UnitSpec, UnitState, label};
use promotion::ports::{Deployer as _, Key};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, World, env, name};

use crate::story::{plant, releases};

/// 1.0.0 runs in production, and nothing that was done there can come late any more.
pub(super) async fn put(world: &World) {
    let (first, _) = releases();
    world.put("production", Kind::Bootstrap, &first).await.unwrap();
    world.clock.advance(Millis::secs(60));
}

pub(super) async fn units(world: &World) -> Vec<Unit> {
    world.fleet("production", "api").await.live().cloned().collect()
}

/// Somebody past us makes `unit` of `api` what `change` says; its labels stay.
pub(super) async fn somebody(world: &World, unit: &Unit, change: impl FnOnce(&mut UnitSpec)) {
    let mut spec = UnitSpec {
        group: unit.group.clone(),
        region: unit.region.clone(),
        image: unit.image.clone().unwrap(),
        config: unit.config.clone(),
        secrets_version: None,
        standby_for: BTreeSet::new(),
    };
    change(&mut spec);
    let (expect, labels) = (unit.version.clone(), BTreeMap::new());
    let call = UnitCall::Update { unit: unit.id.clone(), expect, spec, labels, start: true };
    call_of_somebody(world, call).await;
    world.clock.advance(Millis::secs(10));
}

pub(super) async fn call_of_somebody(world: &World, call: UnitCall) {
    let key = Key { id: "somebody".to_owned(), nonce: None };
    world.provider.perform(&World::place("production", "api"), &call, &key).await.unwrap();
}

pub(super) async fn tick(world: &World) -> Ticked {
    world.engine().tick().await.unwrap()
}

pub(super) async fn open(world: &World) -> Option<DriftView> {
    world.engine().view(&env("production")).await.unwrap().drift().cloned()
}

async fn ends(world: &World) -> Vec<DriftEnd> {
    let view = world.engine().view(&env("production")).await.unwrap();
    view.drifts_ended().iter().map(|(_, _, end)| end.clone()).collect()
}

/// All records of drift in production.
async fn records(world: &World) -> Vec<Entry> {
    let records = world.journal.read(&env("production"), 0).await.unwrap();
    let entries = records.into_iter().map(|record| record.entry);
    entries.filter(|entry| matches!(entry, Entry::Drifted { .. })).collect()
}

fn image(byte: u8) -> impl FnOnce(&mut UnitSpec) {
    move |spec| {
        let digest = World::digest(byte);
        spec.image =
            promotion::model::ImageRef::by_digest("registry.fly.io", "api-production", digest).unwrap();
    }
}

/// One record, with who, when and what; a second look at the same drift writes nothing.
#[tokio::test]
async fn what_somebody_else_deployed_is_recorded_once() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    assert_eq!(tick(&world).await, Ticked::default(), "what is recorded runs");
    let unit = units(&world).await[0].clone();
    let before = world.now();
    somebody(&world, &unit, image(9)).await;

    let ticked = tick(&world).await;
    let drift = open(&world).await.expect("it is recorded");
    let opened = DriftView { told: 0, ..drift.clone() };
    assert_eq!(ticked.drifted, [(env("production"), DriftSeen::Opened(opened))]);
    assert_eq!(drift.told, 1, "and people heard of it");
    assert_eq!((ticked.problems, ticked.unknown), (Vec::new(), Vec::new()));
    let [seen] = &drift.differences[..] else { panic!("{drift:?}") };
    assert_eq!((seen.component.as_str(), seen.field.as_str()), ("api", "image"));
    assert_eq!(seen.units, BTreeSet::from([unit.id.clone()]));
    assert_eq!(seen.was, World::digest(1).short());
    assert_eq!(seen.is, World::digest(9).short());
    assert!(seen.since.is_some_and(|since| since >= before && since <= drift.opened), "{seen:?}");
    assert_eq!(drift.opened, world.now());

    for _ in 0..3 {
        world.clock.advance(Millis::secs(300));
        assert_eq!(tick(&world).await.drifted, []);
    }
    assert_eq!(records(&world).await.len(), 1);
}

/// More of it is the same record, changed; it was opened when it was.
#[tokio::test]
async fn drift_that_becomes_another_changes_its_record() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let fleet = units(&world).await;
    somebody(&world, &fleet[0], image(9)).await;
    tick(&world).await;
    let first = open(&world).await.unwrap();
    somebody(&world, &fleet[1], image(9)).await;
    let ticked = tick(&world).await;
    let drift = open(&world).await.unwrap();
    assert_eq!(ticked.drifted, [(env("production"), DriftSeen::Changed(drift.clone()))]);
    assert_eq!((drift.seq, drift.opened), (first.seq, first.opened));
    assert!(drift.changed > first.changed);
    let [seen] = &drift.differences[..] else { panic!("alike is one: {drift:?}") };
    assert_eq!(seen.units, fleet.iter().map(|unit| unit.id.clone()).collect());
}

#[tokio::test]
async fn drift_that_goes_by_itself_ends() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, image(9)).await;
    tick(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, image(1)).await;
    let ticked = tick(&world).await;
    assert!(matches!(&ticked.drifted[..], [(_, DriftSeen::Gone(_))]), "{ticked:?}");
    assert_eq!(open(&world).await, None);
    assert_eq!(ends(&world).await, [DriftEnd::Gone]);
    assert_eq!(tick(&world).await, Ticked::default());
}

/// Two runners that see the same at once: one of them writes.
#[tokio::test]
async fn two_runners_write_one_record() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, image(9)).await;
    let (one, other) = (world.engine(), world.engine());
    let (one, other) = tokio::join!(one.tick(), other.tick());
    assert_eq!(one.unwrap().drifted.len() + other.unwrap().drifted.len(), 1);
    assert_eq!(records(&world).await.len(), 1);
}

/// The value of a variable may be a secret (P9): that it is another one is said, and not which.
#[tokio::test]
async fn p9_values_of_variables_are_not_written_down() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| {
        spec.config["env"]["APP_ENV"] = "hunter2".into();
        spec.config["env"]["DEBUG"] = "hunter3".into();
        spec.config["guest"] = serde_json::json!({"memory_mb": 512});
        spec.config["files"] = serde_json::json!(["hunter4"]);
    })
    .await;
    let ticked = tick(&world).await;
    let drift = open(&world).await.unwrap();
    let told: Vec<(&str, &str, &str)> =
        drift.differences.iter().map(|it| (it.field.as_str(), it.was.as_str(), it.is.as_str())).collect();
    assert_eq!(
        told,
        [
            ("env.APP_ENV", "set", "another value"),
            ("env.DEBUG", "not set", "set"),
            ("files", "not set", "another"),
            ("guest", "null", r#"{"memory_mb":512}"#),
        ]
    );
    let records = serde_json::to_string(&records(&world).await).unwrap();
    assert!(!records.contains("hunter") && !format!("{ticked:?}").contains("hunter"), "{records}");
}

/// Counted for each group and region; of too many, those are named that carry no mark of ours, with who put them there.
#[tokio::test]
async fn units_that_are_gone_or_too_many_are_drift() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let theirs =
        plant(&world, "api", 1, |unit| unit.deployed_by = Some("flyctl 0.3.170, release 7".to_owned()));
    tick(&world).await;
    let count = |was: &str, is: &str, units: &[&UnitId], by: Option<&str>| Difference {
        component: name("api"),
        field: "count".to_owned(),
        at: Some("app in fra".to_owned()),
        units: units.iter().map(|unit| (*unit).clone()).collect(),
        was: was.to_owned(),
        is: is.to_owned(),
        by: by.map(str::to_owned),
        since: None,
    };
    let mut drift = open(&world).await.unwrap();
    drift.differences.iter_mut().for_each(|it| it.since = None);
    assert_eq!(drift.differences, [count("2", "3", &[&theirs], Some("flyctl 0.3.170, release 7"))]);

    call_of_somebody(&world, UnitCall::Destroy { unit: theirs }).await;
    call_of_somebody(&world, UnitCall::Destroy { unit: units(&world).await[0].id.clone() }).await;
    world.clock.advance(Millis::secs(10));
    tick(&world).await;
    assert_eq!(open(&world).await.unwrap().differences, [count("2", "1", &[], None)]);
}

#[tokio::test]
async fn a_unit_that_somebody_took_out_of_traffic_is_drift() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].id.clone();
    call_of_somebody(&world, UnitCall::Cordon { unit: unit.clone() }).await;
    tick(&world).await;
    let drift = open(&world).await.unwrap();
    let [seen] = &drift.differences[..] else { panic!("{drift:?}") };
    assert_eq!((seen.field.as_str(), seen.units.clone()), ("cordon", BTreeSet::from([unit])));
    assert_eq!((seen.was.as_str(), seen.is.as_str()), ("0 out of traffic", "1 out of traffic"));
}

/// What sleeps until a request comes, what a person put to rest, what stands by, what is parked, what a person took out
/// of the deploys' hands: all that was put there still stands.
#[tokio::test]
async fn what_rests_stands_by_or_was_set_aside_is_no_drift() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.approved(&second).await.drive().await.unwrap();
    world.clock.advance(Millis::secs(60));
    let fleet = units(&world).await;
    call_of_somebody(&world, UnitCall::Stop { unit: fleet[0].id.clone() }).await;
    plant(&world, "api", 2, |unit| {
        unit.state = UnitState::Stopped;
        unit.standby_for = BTreeSet::from([fleet[0].id.clone()]);
    });
    plant(&world, "api", 5, |unit| unit.managed = false);
    world.clock.advance(Millis::secs(10));
    assert!(world.fleet("production", "api").await.units.iter().any(Unit::is_parked));
    assert_eq!(tick(&world).await, Ticked::default());

    call_of_somebody(&world, UnitCall::Destroy { unit: fleet[0].id.clone() }).await;
    plant(&world, "api", 2, |unit| {
        unit.managed = false;
        unit.labels = fleet[0].labels.clone();
        assert!(unit.label(label::PROMOTION).is_some());
    });
    assert_eq!(tick(&world).await, Ticked::default(), "it is set aside, not gone");
}

/// A provider that is away is a problem: neither drift nor the end of it.
#[tokio::test]
async fn a_provider_that_is_away_decides_nothing() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    world.provider.away_for(Millis::secs(30));
    let ticked = tick(&world).await;
    assert!(ticked.drifted.is_empty() && !ticked.problems.is_empty(), "{ticked:?}");
    world.clock.advance(Millis::secs(60));
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, image(9)).await;
    tick(&world).await;
    let drift = open(&world).await;
    world.provider.away_for(Millis::secs(30));
    assert!(tick(&world).await.drifted.is_empty());
    assert_eq!(open(&world).await, drift);
}

/// Of a host that does not answer nobody knows what its machine runs, and that is said.
#[tokio::test]
async fn what_nobody_knows_is_no_drift() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].id.clone();
    world.provider.change(|manners| manners.unreachable = vec![unit.clone()]);
    let ticked = tick(&world).await;
    assert_eq!(ticked.drifted, []);
    let [(environment, what)] = &ticked.unknown[..] else { panic!("{ticked:?}") };
    assert_eq!(*environment, env("production"));
    assert!(what.contains(unit.as_str()) && what.contains("is not known"), "{what}");
}

/// Nor does what was known of it end: a host that is silent for a while is no repair.
#[tokio::test]
async fn what_was_known_of_a_machine_that_nobody_sees_stays() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let fleet = units(&world).await;
    for unit in &fleet {
        somebody(&world, unit, image(9)).await;
    }
    tick(&world).await;
    let drift = open(&world).await.unwrap();
    world.provider.change(|manners| manners.unreachable = vec![fleet[0].id.clone()]);
    assert_eq!(tick(&world).await.drifted, []);
    // The other one is put right meanwhile.
    let unit = units(&world).await.into_iter().find(|unit| unit.id == fleet[1].id).unwrap();
    somebody(&world, &unit, image(1)).await;
    tick(&world).await;
    let left = open(&world).await.expect("one is left");
    assert_eq!((left.seq, &left.differences[0].units), (drift.seq, &BTreeSet::from([fleet[0].id.clone()])));
}

/// Whoever routes puts a machine to sleep and wakes it: since when it runs changes, and what it is does not.
#[tokio::test]
async fn a_machine_that_is_woken_is_no_other_drift() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, image(9)).await;
    tick(&world).await;
    let drift = open(&world).await.unwrap();
    for _ in 0..3 {
        call_of_somebody(&world, UnitCall::Stop { unit: unit.id.clone() }).await;
        world.clock.advance(Millis::secs(300));
        world.provider.wake(&World::place("production", "api"), &unit.id);
        world.clock.advance(Millis::secs(30));
        assert_eq!(tick(&world).await.drifted, []);
    }
    let after = open(&world).await.unwrap();
    assert_eq!((after.differences, records(&world).await.len()), (drift.differences, 1));
}

/// What comes back within the hour had not ended: nobody is told of it as of something new.
#[tokio::test]
async fn drift_that_comes_back_is_the_same() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let change = async |byte| {
        let unit = units(&world).await[0].clone();
        somebody(&world, &unit, image(byte)).await;
        world.clock.advance(Millis::secs(600));
        tick(&world).await
    };
    assert_eq!(change(9).await.told.len(), 1);
    let first = open(&world).await.unwrap();
    change(1).await;
    assert_eq!((open(&world).await, ends(&world).await), (None, vec![DriftEnd::Gone]));
    assert_eq!(change(9).await.told, []);
    let again = open(&world).await.unwrap();
    assert_eq!((again.seq, again.opened, again.told), (first.seq, first.opened, 1));
    assert_eq!(ends(&world).await, []);
}

/// A list may be as old as it may be: right after a promotion it shows what ran before, and that is no drift. Nor is
/// anything while one is under way.
#[tokio::test]
async fn an_old_list_is_no_drift() {
    let lag = Millis(1_400);
    let world = World::new(1, Manners { list_lag: lag, ..Manners::default() });
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.approved(&second).await.drive().await.unwrap();
    for _ in 0..40 {
        let ticked = tick(&world).await;
        assert_eq!((ticked.drifted, ticked.unknown), (Vec::new(), Vec::new()));
        world.clock.advance(Millis(250));
    }
}

/// The list of the release that stands decides, since `tick` has nothing but the store.
#[tokio::test]
async fn what_the_policy_ignores_is_no_drift() {
    let mut world = World::new(1, Manners::default());
    world.policy.drift_ignored = ["env.LOG_LEVEL", "count", "guest"].map(str::to_owned).into();
    put(&world).await;
    let unit = units(&world).await[0].clone();
    plant(&world, "api", 1, |_| {});
    somebody(&world, &unit, |spec| {
        spec.config["env"]["LOG_LEVEL"] = "debug".into();
        spec.config["guest"] = serde_json::json!({"memory_mb": 512});
    })
    .await;
    assert_eq!(tick(&world).await, Ticked::default());
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["env"]["LOG_LEVEL_2"] = "debug".into()).await;
    tick(&world).await;
    let fields: Vec<String> =
        open(&world).await.unwrap().differences.into_iter().map(|it| it.field).collect();
    assert_eq!(fields, ["env.LOG_LEVEL_2"]);
}

#[tokio::test]
async fn env_stands_for_every_variable() {
    let mut world = World::new(1, Manners::default());
    world.policy.drift_ignored = ["env".to_owned()].into();
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, |spec| spec.config["env"]["ANY"] = "x".into()).await;
    assert_eq!(tick(&world).await, Ticked::default());
}

/// Each place is looked at once in a tick, also where a parked fleet is looked for.
#[tokio::test]
async fn a_tick_looks_once_at_each_place() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let before = world.provider.looks();
    tick(&world).await;
    assert_eq!(world.provider.looks() - before, 2, "api and web");
}

/// The records replay, and are read again from their JSON as they were written (P8).
#[tokio::test]
async fn p8_drift_replays() {
    let world = World::new(1, Manners::default());
    put(&world).await;
    let unit = units(&world).await[0].clone();
    somebody(&world, &unit, image(9)).await;
    tick(&world).await;
    let live = world.bystander().view(&env("production")).await.unwrap();
    let again = world.engine().view(&env("production")).await.unwrap();
    assert_eq!((live.drift(), live.head), (again.drift(), again.head));
    let records = world.journal.read(&env("production"), 0).await.unwrap();
    for record in records {
        let text = serde_json::to_string(&record).unwrap();
        let read: promotion::journal::Record = serde_json::from_str(&text).unwrap();
        assert_eq!(read.content_hash(), record.hash, "{text}");
        // What knows nothing of drift is written as it was before there were such records.
        if matches!(record.entry, Entry::Requested { .. }) {
            assert!(!text.contains("drift_ignored") && !text.contains("traffic"), "{text}");
        }
    }
}

/// A promotion that fails puts back what it found: drift is still drift.
#[tokio::test]
async fn drift_stays_open_over_a_promotion_that_fails() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.clock.advance(Millis::secs(60));
    for unit in units(&world).await {
        somebody(&world, &unit, |spec| spec.config["guest"] = serde_json::json!({"memory_mb": 512})).await;
    }
    tick(&world).await;
    let drift = open(&world).await.expect("it is recorded");
    world.suites.tell(&env("production"), "1.1.0", promotion::ports::Verdict::Failed);
    let handle = world.approved(&second).await;
    assert_eq!(handle.drive().await.unwrap(), promotion::engine::Outcome::Ended(Phase::RolledBack));
    world.clock.advance(Millis::secs(60));
    tick(&world).await;
    let after = open(&world).await.expect("it is still there");
    assert_eq!((after.seq, after.of), (drift.seq, drift.of));
}

/// For people: what, where, which, from what to what, by whom and when.
#[test]
fn a_difference_is_one_line() {
    let difference = Difference {
        component: name("api"),
        field: "image".to_owned(),
        at: None,
        units: ["m-1", "m-2"].map(|id| UnitId::new(id).unwrap()).into(),
        was: "aaaaaaaaaaaa".to_owned(),
        is: "bbbbbbbbbbbb".to_owned(),
        by: Some("flyctl 0.3.170, release 7".to_owned()),
        since: Some(At(0)),
    };
    assert_eq!(
        difference.to_string(),
        "api: image on m-1, m-2: was aaaaaaaaaaaa, is bbbbbbbbbbbb, by flyctl 0.3.170, release 7, since \
         1970-01-01T00:00:00.000Z"
    );
}
