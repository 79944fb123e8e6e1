//! Somebody deployed past us: a unit that a promotion made runs another image by now, as an update in place leaves it
//! (its labels stay).

use std::collections::BTreeMap;

use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{Kind, Millis, Release, UnitId, UnitSpec, UnitState};
use promotion::ports::{Deployer as _, Key, Verdict};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, World, env, name};

use super::failure;
use crate::story::{Story, plant, releases, undisturbed};

/// 1.1.0 was promoted over 1.0.0, and then somebody put digest `byte` on one unit of `api`.
async fn past_us(byte: u8) -> (World, promotion::model::PromotionId, UnitId) {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    let place = World::place("production", "api");
    let unit = world.fleet("production", "api").await.live().next().unwrap().clone();
    let target = world.component("production", "api", &World::digest(byte));
    let spec = UnitSpec {
        group: unit.group.clone(),
        region: unit.region.clone(),
        image: target.image,
        config: unit.config.clone(),
        secrets_version: None,
        standby_for: std::collections::BTreeSet::new(),
    };
    let (expect, labels) = (unit.version.clone(), BTreeMap::new());
    let call = UnitCall::Update { unit: unit.id.clone(), expect, spec, labels, start: true };
    let key = Key { id: "somebody".to_owned(), nonce: None };
    world.provider.perform(&place, &call, &key).await.unwrap();
    (world, handle.id, unit.id)
}

#[tokio::test]
async fn a_way_back_over_what_somebody_else_deployed_is_refused() {
    let (world, of, unit) = past_us(9).await;
    let (first, _) = releases();
    let n_calls = world.provider.calls().len();
    let (handle, outcome) = world.put("production", Kind::Rollback { of: of.clone() }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let why = failure(&world, &handle.id).await;
    for part in [unit.as_str(), World::digest(9).short(), World::digest(2).short(), of.as_str()] {
        assert!(why.contains(part), "`{part}` is missing in {why}");
    }
    assert_eq!(world.provider.calls().len(), n_calls, "nothing was called");
}

/// Who went back by hand, in part, is where the way back leads.
#[tokio::test]
async fn what_runs_the_earlier_image_already_is_in_nobodys_way() {
    let (world, of, _) = past_us(1).await;
    let (first, _) = releases();
    let (_, outcome) = world.put("production", Kind::Rollback { of }, &first).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let view = world.engine().view(&env("production")).await.unwrap();
    assert_eq!(view.current().unwrap().state.facts.request.release, first);
}

/// A promotion goes on, for its snapshot holds what was found; whoever approves it hears of it.
#[tokio::test]
async fn a_promotion_says_that_somebody_else_deployed_meanwhile() {
    let (world, of, unit) = past_us(9).await;
    let (_, second) = releases();
    let planned = world.engine().plan(world.ask("production", Kind::Promote, &second)).await.unwrap();
    let told = planned.plan.warnings.join("\n");
    for part in [unit.as_str(), World::digest(9).short(), World::digest(2).short(), of.as_str()] {
        assert!(told.contains(part), "`{part}` is missing in {told}");
    }
}

/// The way back of such a promotion leads to what was found; which build that is nobody said, so no suite is asked.
#[tokio::test]
async fn the_way_back_to_what_somebody_else_deployed_asks_no_suite() {
    let (world, _, _) = past_us(9).await;
    // The other machine as well: one image, and not the one that was promoted.
    let place = World::place("production", "api");
    let units: Vec<_> = world.fleet("production", "api").await.live().cloned().collect();
    for unit in units.iter().filter(|unit| unit.digest != Some(World::digest(9))) {
        let image = units.iter().find(|it| it.digest == Some(World::digest(9))).unwrap().image.clone();
        let (group, region) = (unit.group.clone(), unit.region.clone());
        let spec = UnitSpec {
            group,
            region,
            image: image.unwrap(),
            config: unit.config.clone(),
            secrets_version: None,
            standby_for: std::collections::BTreeSet::new(),
        };
        let (expect, labels) = (unit.version.clone(), BTreeMap::new());
        let call = UnitCall::Update { unit: unit.id.clone(), expect, spec, labels, start: true };
        world.provider.perform(&place, &call, &Key { id: "somebody".to_owned(), nonce: None }).await.unwrap();
    }
    world.clock.advance(Millis::secs(60));
    let (first, _) = releases();
    world.put("staging", Kind::Deploy, &first).await.unwrap();
    let handle = world.approved(&first).await;
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded));
    // It calls itself neither 1.0.0 nor 1.1.0: each suite that wants one of them fails.
    for version in ["1.0.0", "1.1.0", "unknown"] {
        world.suites.tell(&env("production"), version, Verdict::Failed);
    }
    let found = Release {
        version: "unknown".to_owned(),
        components: [("api", 9), ("web", 12)].map(|(it, byte)| (name(it), World::digest(byte))).into(),
        ..first
    };
    let (_, outcome) = world.put("production", Kind::Rollback { of: handle.id }, &found).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let digests = world.fleet("production", "api").await.digests();
    assert_eq!(digests.into_iter().collect::<Vec<_>>(), [World::digest(9)]);
}

/// What does not answer cannot be taken over: what it runs is not known.
#[tokio::test]
async fn p6_a_machine_that_shows_no_image_is_not_adopted() {
    let world = World::new(1, Manners::default());
    for (component, byte) in [("api", 1), ("web", 11)] {
        plant(&world, component, byte, |_| {});
    }
    let silent = plant(&world, "api", 1, |unit| {
        (unit.digest, unit.image, unit.state) = (None, None, UnitState::Unknown);
    });
    let (first, _) = releases();
    let ask = world.ask_by(&World::lead(), "production", Kind::Adopt, &first);
    let handle = world.engine().request(ask).await.unwrap();
    assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Blocked));
    let why = failure(&world, &handle.id).await;
    assert!(why.contains(silent.as_str()) && why.contains("is not known"), "{why}");
}

/// Somebody adds a machine of their own while a promotion is under way. The promotion fails for it, and whose machine it
/// is, is left alone (P10); but a fleet of two images is no way back that went well, and a person is told.
#[tokio::test]
async fn p6_a_way_back_beside_what_somebody_else_put_there_did_not_go_well() {
    for story in [Story::Promote, Story::Rolling] {
        let base = undisturbed(story).await;
        let deploying = base.moments.iter().find(|(_, what)| what.contains("step to deploying")).unwrap();
        for (byte, end) in [(9, Phase::RollbackFailed), (1, Phase::RolledBack)] {
            let run = base.asked.fork().await;
            run.play_until(Moment::After(*deploying.0)).await;
            let theirs = plant(&run.world, "api", byte, |_| {});
            assert_eq!(run.rescued().await, end, "{story:?}, digest {byte}: {}", run.why().await);
            let fleet = run.world.fleet("production", "api").await;
            assert!(fleet.unit(&theirs).is_some(), "{story:?}, digest {byte}: it is theirs");
            assert_eq!(fleet.mix().is_some(), end == Phase::RollbackFailed, "{story:?}, digest {byte}");
            assert!(run.why().await.contains(theirs.as_str()), "{}", run.why().await);
        }
    }
}
