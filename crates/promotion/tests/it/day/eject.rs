//! Leaving: labels come off, the journal says so, and nothing else changes.

use std::collections::{BTreeMap, BTreeSet};

use promotion::engine::{Eject, Ejected, EngineError, Outcome};
use promotion::journal::Entry;
use promotion::machine::Phase;
use promotion::model::{DeploymentStatus, Fleet, Kind, Millis, Person, UnitId, UnitVersion, label};
use promotion::ports::{Deployer as _, Key, Registry as _};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Switch, World, env};

use crate::story::{Story, plant, releases};

/// 1.0.0 is adopted in production, and 1.1.0 came by promotion: two machines of `api` are parked.
async fn promoted() -> World {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    for (component, byte, count) in [("api", 1, 2), ("web", 11, 1)] {
        for _ in 0..count {
            plant(&world, component, byte, |_| ());
        }
    }
    let ask = world.ask_by(&World::lead(), "production", Kind::Adopt, &first);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    world.put("staging", Kind::Bootstrap, &second).await.unwrap();
    assert_eq!(world.approved(&second).await.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    world
}

fn ask(world: &World, by: &Person, destroy_parked: bool) -> Eject {
    let mut eject = Eject {
        environment: env("production"),
        places: ["api", "web"].map(|component| World::place("production", component)).to_vec(),
        destroy_parked,
        by: by.clone(),
        reason: Some("we leave".to_owned()),
        signed: None,
    };
    eject.signed = world.word(by, &eject.wish());
    eject
}

/// Without what time alone changes: checks report, and leases run out.
async fn fleets(world: &World) -> Vec<Fleet> {
    let mut fleets = vec![world.fleet("production", "api").await, world.fleet("production", "web").await];
    for unit in fleets.iter_mut().flat_map(|fleet| &mut fleet.units) {
        unit.checks.clear();
        unit.lease = unit.lease.take().filter(|lease| lease.expires_at > world.now());
    }
    fleets
}

/// What a new version, a restart or a change of routing would show.
fn bare(fleets: &[Fleet]) -> BTreeMap<UnitId, (UnitVersion, String, bool)> {
    let units = fleets.iter().flat_map(|fleet| &fleet.units);
    units
        .map(|unit| (unit.id.clone(), (unit.version.clone(), unit.state.to_string(), unit.cordoned)))
        .collect()
}

fn why(error: EngineError) -> String {
    let EngineError::Refused { why } = error else { panic!("it is refused: {error}") };
    why
}

fn ids<'a>(list: impl IntoIterator<Item = &'a promotion::engine::UnitAt>) -> Vec<UnitId> {
    list.into_iter().map(|at| at.unit.clone()).collect()
}

/// Those of what nobody is any more; what runs keeps its own, and nothing that only begins alike is touched.
#[tokio::test]
async fn tags_of_what_nothing_is_any_more_come_off_and_no_others() {
    let world = promoted().await;
    let tags = || world.provider.images().tags();
    let of = |environment: &str| {
        let mark = format!("{environment}-");
        tags().into_keys().map(|(_, tag)| tag).filter(|tag| tag.starts_with(&mark)).count()
    };
    let somebodys = world.component("production", "api", &World::digest(1)).image;
    world.provider.ensure_tag(&env("production"), &somebodys, "production-mine").await.unwrap();
    let staging = of("staging");
    assert!(of("production") >= 3 && staging >= 1, "what runs and what ran before: {:?}", tags());

    // The old fleet of `api` goes, and with it the reason for its tag; what runs now keeps one per component.
    let ejected = world.engine().eject(ask(&world, &World::lead(), true)).await.unwrap();
    let old = World::digest(1);
    assert!(
        tags().iter().all(|((_, tag), digest)| *digest != old || tag == "production-mine"),
        "{:?}",
        tags()
    );
    let running: BTreeSet<_> = fleets(&world)
        .await
        .iter()
        .flat_map(|fleet| fleet.live().cloned().collect::<Vec<_>>())
        .filter_map(|unit| unit.digest)
        .collect();
    assert!(running.iter().all(|digest| tags().values().any(|kept| kept == digest)), "{:?}", tags());
    assert!(!ejected.tags.is_empty() && of("staging") == staging, "{ejected:?}");
    assert_eq!(ejected.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn labels_come_off_and_nothing_else_changes() {
    let world = promoted().await;
    let before = fleets(&world).await;
    let parked: Vec<UnitId> =
        before[0].units.iter().filter(|unit| unit.is_parked()).map(|unit| unit.id.clone()).collect();
    let live: Vec<UnitId> = before.iter().flat_map(Fleet::live).map(|unit| unit.id.clone()).collect();
    assert_eq!((parked.len(), live.len()), (2, 3));

    let eject = ask(&world, &World::lead(), false);
    let would = world.engine().would_eject(&eject).await.unwrap();
    assert_eq!(fleets(&world).await, before, "a look changes nothing");
    let anybody = Eject { signed: None, ..ask(&world, &Person::new("whoever-looks").unwrap(), false) };
    assert_eq!(world.engine().would_eject(&anybody).await.unwrap(), would);
    let n_calls = world.provider.calls().len();
    let ejected = world.engine().eject(eject).await.unwrap();
    assert_eq!(ids(&ejected.freed), live);
    assert_eq!(ids(ejected.parked.iter().map(|(at, _)| at)), parked);
    assert_eq!((would.freed, would.parked), (ejected.freed, ejected.parked));

    let after = fleets(&world).await;
    assert_eq!(bare(&after), bare(&before));
    assert!(after.iter().flat_map(Fleet::live).all(|unit| unit.labels.is_empty() && unit.lease.is_none()));
    let left = after[0].units.iter().filter(|unit| unit.is_parked());
    assert!(left.clone().count() == 2 && left.clone().all(|unit| unit.label(label::STORE).is_some()));
    let calls = world.provider.calls().split_off(n_calls);
    let harmless = |call: &UnitCall| {
        matches!(call, UnitCall::Tag { .. } | UnitCall::Lease { .. } | UnitCall::Unlease { .. })
    };
    assert!(calls.iter().all(|(_, call)| harmless(call)), "{calls:?}");

    let view = world.engine().view(&env("production")).await.unwrap();
    assert!(view.current().is_none() && view.ejected().is_some_and(|(_, by)| *by == World::lead()));
    let records = world.journal.read(&env("production"), 0).await.unwrap();
    assert!(matches!(&records.last().unwrap().entry, Entry::Ejected { by, .. } if *by == World::lead()));
    // It was put there, and nobody put it back.
    assert!(view.deployments().iter().all(|it| it.status == DeploymentStatus::Deployed));

    // Once more: nothing is left to do, and nothing is written.
    let again = world.engine().eject(ask(&world, &World::lead(), false)).await.unwrap();
    assert_eq!((again.freed.len(), again.parked.len()), (0, 2));
    assert_eq!(world.engine().view(&env("production")).await.unwrap().head, view.head);
}

/// P1: what left is nobody's release, and the rules stay those that were in force.
#[tokio::test]
async fn p1_the_next_promotion_asks_for_an_adoption_and_the_rules_stay() {
    let world = promoted().await;
    let (_, second) = releases();
    let rules = world.engine().view(&env("production")).await.unwrap().rules().cloned();
    world.engine().eject(ask(&world, &World::lead(), true)).await.unwrap();
    let view = world.engine().view(&env("production")).await.unwrap();
    assert_eq!(view.rules().cloned(), rules);
    let (handle, outcome) = world.put("production", Kind::Promote, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let view = world.engine().view(&env("production")).await.unwrap();
    let told = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(told.contains("promote adopt --env production") && told.contains("ssh:SHA256:lead"), "{told}");

    let adopt = world.ask_by(&World::lead(), "production", Kind::Adopt, &second);
    let handle = world.engine().request(adopt).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let view = world.engine().view(&env("production")).await.unwrap();
    assert_eq!((view.ejected(), view.current().unwrap().id()), (None, &handle.id));
    assert_eq!(world.approved(&second).await.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
}

#[tokio::test]
async fn p1_only_who_may_approve_takes_production_out_and_says_so_with_proof() {
    let world = promoted().await;
    let head = world.engine().view(&env("production")).await.unwrap().head;
    let stranger = Person::new("ssh:SHA256:stranger").unwrap();
    let told = why(world.engine().eject(ask(&world, &stranger, false)).await.unwrap_err());
    assert!(told.contains("not among those who may approve"), "{told}");
    // A word for the gentle way is none for the other.
    let other = Eject { destroy_parked: true, ..ask(&world, &World::lead(), false) };
    assert!(matches!(world.engine().eject(other).await, Err(EngineError::Proof(_))));
    // Who reads a word in the journal cannot say it again: not after somebody took production over anew.
    let word = ask(&world, &World::lead(), false);
    let forked = world.fork().await;
    forked.engine().eject(word.clone()).await.unwrap();
    let (_, second) = releases();
    let adopt = forked.ask_by(&World::lead(), "production", Kind::Adopt, &second);
    forked.engine().request(adopt).await.unwrap().drive().await.unwrap();
    assert!(matches!(forked.engine().eject(word).await, Err(EngineError::Proof(_))));
    let unsigned = Eject { signed: None, ..ask(&world, &World::lead(), false) };
    assert!(matches!(world.engine().eject(unsigned).await, Err(EngineError::Proof(_))));
    assert_eq!(world.engine().view(&env("production")).await.unwrap().head, head);
}

/// P10: what is parked is destroyed only when that was asked for, and only with our label.
#[tokio::test]
async fn p10_parked_machines_go_only_when_asked_and_only_ours() {
    let world = promoted().await;
    let parked = |unit: &mut promotion::model::Unit| {
        unit.labels.insert(label::PARKED_UNTIL.to_owned(), "2020-01-01T00:00:00Z".to_owned());
    };
    let stray = plant(&world, "api", 7, |unit| unit.managed = false);
    let unmarked = plant(&world, "api", 7, parked);
    let ejected = world.engine().eject(ask(&world, &World::lead(), true)).await.unwrap();
    assert_eq!((ejected.destroyed.len(), ejected.parked.len()), (2, 0));
    let fleet = world.fleet("production", "api").await;
    assert!(fleet.unit(&stray).is_some() && fleet.unit(&unmarked).is_some());
    assert_eq!(fleet.units.len(), 4, "two that serve, and two of others");
}

#[tokio::test]
async fn p2_what_others_marked_or_hold_is_refused_and_nothing_changes() {
    let world = promoted().await;
    let place = World::place("production", "api");
    let unit = world.fleet("production", "api").await.live().next().unwrap().id.clone();
    world.provider.seize(&place, &unit, "fly deploy of mira");
    let before = fleets(&world).await;
    let told = why(world.engine().eject(ask(&world, &World::lead(), false)).await.unwrap_err());
    assert!(told.contains("fly deploy of mira"), "{told}");
    assert_eq!(fleets(&world).await, before, "what was leased was given back");

    let world = promoted().await;
    let marked = plant(&world, "api", 2, |unit| {
        unit.labels.insert(label::STORE.to_owned(), "store-9".to_owned());
    });
    // What another store parked is in nobody's way.
    let parked = plant(&world, "api", 2, |unit| {
        unit.labels.insert(label::STORE.to_owned(), "store-8".to_owned());
        unit.labels.insert(label::PARKED_UNTIL.to_owned(), "2020-01-01T00:00:00Z".to_owned());
    });
    let told = why(world.engine().eject(ask(&world, &World::lead(), true)).await.unwrap_err());
    assert!(told.contains(marked.as_str()) && told.contains("store-9"), "{told}");
    let remove = UnitCall::Destroy { unit: marked };
    let key = Key { id: "store-9".to_owned(), nonce: None };
    world.provider.perform(&place, &remove, &key).await.unwrap();
    let ejected = world.engine().eject(ask(&world, &World::lead(), true)).await.unwrap();
    assert!(ejected.warnings.iter().any(|it| it.contains(parked.as_str()) && it.contains("store-8")));
    assert!(world.fleet("production", "api").await.unit(&parked).is_some());
}

#[tokio::test]
async fn a_promotion_that_is_under_way_comes_first() {
    let world = promoted().await;
    let (first, _) = releases();
    world.put("staging", Kind::Deploy, &first).await.unwrap();
    let waiting = world.engine().request(world.ask("production", Kind::Promote, &first)).await.unwrap();
    assert!(matches!(waiting.drive().await.unwrap(), Outcome::Waiting { .. }));
    let told = why(world.engine().eject(ask(&world, &World::lead(), false)).await.unwrap_err());
    for part in [waiting.id.as_str(), "awaiting-approval", "promote abort"] {
        assert!(told.contains(part), "`{part}` is missing in {told}");
    }
    world.abort(&waiting, "we leave").await.unwrap();
    world.engine().eject(ask(&world, &World::lead(), false)).await.unwrap();
}

/// The promotion is over, and its runner died before it gave its leases back: leaving gives them back first.
#[tokio::test]
async fn leases_of_a_runner_that_died_are_given_back() {
    let asked = Story::Promote.asked().await;
    let n_moments = asked.fork().await.play_until(Moment::Never).await.seen().len() as u64;
    for n in (0..n_moments).rev() {
        let run = asked.fork().await;
        run.play_until(Moment::After(n)).await;
        let view = run.world.bystander().view(&env("production")).await.unwrap();
        let promotion = &view.promotions[&run.handle.id];
        if !promotion.state.phase.is_final() || promotion.outbox.is_empty() {
            continue;
        }
        // The dead runner's hold on the environment ends by itself, its leases at the provider not so soon.
        run.world.clock.advance(Millis::secs(31));
        let held = |fleets: &[Fleet]| {
            fleets.iter().flat_map(|fleet| &fleet.units).filter(|unit| unit.lease.is_some()).count()
        };
        if held(&fleets(&run.world).await) == 0 {
            continue;
        }
        run.world.engine().eject(ask(&run.world, &World::lead(), false)).await.unwrap();
        assert_eq!(held(&fleets(&run.world).await), 0);
        return;
    }
    unreachable!("its leases are given back after it is over");
}

/// Wherever the runner dies, whoever types it again comes to the same end.
#[tokio::test]
async fn an_eject_that_was_cut_short_is_done_again() {
    let promoted = promoted().await;
    let mut n_moments = 0;
    for n in 0.. {
        for moment in [Moment::Before(n), Moment::After(n)] {
            let world = promoted.fork().await;
            let switch = Switch::new(moment);
            let _dead_or_done = world.mortal(&switch).eject(ask(&world, &World::lead(), true)).await;
            if !switch.is_dead() {
                assert!(n_moments > 20, "{n_moments} moments: leases, record, tags, destroys, leases");
                return;
            }
            n_moments += 1;
            // Its leases, at the store and at the provider, end by themselves.
            world.clock.advance(Millis::secs(90));
            let again = world.engine().eject(ask(&world, &World::lead(), true)).await;
            let Ejected { parked, warnings, .. } = again.unwrap_or_else(|e| panic!("{moment:?}: {e}"));
            assert_eq!((parked, warnings), (Vec::new(), Vec::new()), "{moment:?}");
            let after = fleets(&world).await;
            let is_clean =
                |fleet: &Fleet| fleet.units.iter().all(|unit| unit.labels.is_empty() && unit.lease.is_none());
            assert!(after.iter().all(is_clean) && after[0].units.len() == 2, "{moment:?}: {after:?}");
            let view = world.engine().view(&env("production")).await.unwrap();
            assert!(view.ejected().is_some(), "{moment:?}");
        }
    }
}
