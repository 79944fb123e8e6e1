//! What went wrong with flyctl over the years (promotion.md 1.4), each as a day of ours.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Engine, Outcome};
use promotion::machine::Phase;
use promotion::model::{At, Fleet, Kind, Millis, Place, Strategy, Unit, UnitId, UnitState};
use promotion::ports::{Deployer, Key, Performed, PortError, Verdict};
use promotion::rollout::UnitCall;
use promotion::testing::{Fault, Manners, Moment, Provider, Switch, World, env};

use super::failure;
use crate::story::{Asked, Story, releases, shape};

/// Plays the story; where it failed to, why.
async fn play(asked: &Asked) -> Phase {
    asked.play(&asked.world.engine()).await.unwrap();
    asked.phase().await
}

async fn api(world: &World) -> Fleet {
    world.fleet("production", "api").await
}

fn ids(fleet: &Fleet) -> BTreeSet<UnitId> {
    fleet.units.iter().map(|unit| unit.id.clone()).collect()
}

/// How many units the promotion made, and how many of those it took away again.
fn made(world: &World, since: usize) -> (usize, usize) {
    let calls = world.provider.calls().split_off(since);
    let count = |verb: &str| {
        calls.iter().filter(|(place, call)| place.name == "api-production" && call.verb() == verb).count()
    };
    (count("create"), count("destroy"))
}

/// #3359, #3437: the rollback took healthy new machines away while the old ones did not serve. Ours begins with the old
/// ones: as long as these have not come up and into traffic, no new one is closed.
#[tokio::test]
async fn a_rollback_never_kills_healthy_greens() {
    let asked = Story::PromoteThatFails.asked().await;
    let (world, from): (&World, At) = (&asked.world, asked.world.now());
    let old = ids(&api(world).await);
    let since = world.provider.calls().len();
    assert_eq!(play(&asked).await, Phase::RolledBack);
    let calls = world.provider.calls().split_off(since);
    let calls: Vec<&UnitCall> =
        calls.iter().filter(|(place, _)| place.name == "api-production").map(|(_, call)| call).collect();
    let is_new = |call: &&&UnitCall| call.unit().is_some_and(|unit| !old.contains(unit));
    let green_closed =
        calls.iter().rposition(|call| matches!(call, UnitCall::Cordon { .. }) && is_new(&call));
    let blue_opened = calls
        .iter()
        .rposition(|call| matches!(call, UnitCall::Uncordon { .. }) && !is_new(&call))
        .expect("the old ones come back into traffic");
    let first_green_gone = calls.iter().position(|call| {
        matches!(call, UnitCall::Cordon { .. } | UnitCall::Stop { .. } | UnitCall::Destroy { .. })
            && is_new(&call)
    });
    assert!(first_green_gone.unwrap() > blue_opened, "{calls:?}");
    assert!(green_closed.is_some());
    world.clock.advance(Millis(5_000));
    let lost = world.provider.lost(&World::place("production", "api"), from);
    assert!(lost.is_empty(), "{lost:?}");
}

/// #3599: machines whose create had failed were hidden from the rollback. Ours is by what is there, not by what answered.
#[tokio::test]
async fn failed_creates_are_not_hidden_from_the_way_back() {
    let start = Story::Promote.asked().await;
    let before = shape(&start.world).await;
    let whole = start.fork().await;
    let first = whole.world.provider.asked();
    play(&whole).await;
    let is_create = |n: &u64| matches!(whole.world.provider.asked_for(*n), Some(UnitCall::Create { .. }));
    let creates: Vec<u64> = (first..whole.world.provider.asked()).filter(is_create).collect();
    assert!(creates.len() >= 2);
    // The first was made, and its answer got lost; the next is refused for good.
    let asked = start.fork().await;
    asked.world.provider.fail(creates[0], Fault::LostAnswer);
    asked.world.provider.fail(creates[1], Fault::Refused);
    assert_eq!(play(&asked).await, Phase::RolledBack);
    assert_eq!(shape(&asked.world).await, before);
}

/// #3456 ("700+ machines"), #2836: whoever tried again after a failed rollback got one more fleet.
#[tokio::test]
async fn failed_rollbacks_do_not_multiply_fleets() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    let n_units = api(&world).await.units.len();
    let mut n_failed = 0;
    for n in 0..4 {
        let handle = world.approved(&second).await;
        // The old fleet does not come up again: neither where it was nor, from the moment the new one serves, elsewhere.
        let old = ids(&api(&world).await).into_iter().collect();
        world.provider.change(|manners| (manners.no_room, manners.full) = (old, false));
        let mut ports = world.ports(&Switch::new(Moment::Never));
        ports.deployer = Arc::new(FillsUp(world.provider.clone()));
        let engine = Engine::new(world.options.clone(), ports);
        let drive = engine.handle(handle.environment.clone(), handle.id.clone());
        let outcome = drive.drive().await.unwrap();
        world.provider.change(|manners| manners.full = false);
        let Outcome::Ended(phase) = outcome else { panic!("{outcome:?}") };
        n_failed += usize::from(phase == Phase::RollbackFailed);
        assert!(matches!(phase, Phase::RolledBack | Phase::RollbackFailed), "{phase}");
        let fleet = api(&world).await;
        assert_eq!(fleet.live().count(), n_units, "round {n}: {:?}", ids(&fleet));
        // What is parked costs nothing, and goes when its time is over.
        world.clock.advance(Millis(world.limits.park_for.0 + 60_000));
        world.engine().tick().await.unwrap();
        let fleet = api(&world).await;
        assert!(fleet.units.len() <= 2 * n_units, "round {n}: {:?}", ids(&fleet));
        world.reset_breaker(&World::lead(), "once more").await.unwrap();
    }
    assert!(n_failed > 0, "some of them failed");
}

/// #5049: one machine on an unreachable host blocked every deploy. It is named, left as it is, and nothing is written on
/// it; whoever comes back with the earlier release is changed by the next promotion.
#[tokio::test]
async fn unreachable_hosts_do_not_block() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary] {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        world.regions = [("fra".parse().unwrap(), 3)].into();
        let (first, second) = releases();
        world.rehearsed(&first, &second).await;
        let away = api(&world).await.units[1].id.clone();
        world.provider.change(|manners| manners.unreachable = vec![away.clone()]);
        let handle = world.approved(&second).await;
        let since = world.provider.calls().len();
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded), "{strategy:?}");
        let view = world.bystander().view(&env("production")).await.unwrap();
        let said = view.promotions[&handle.id].state.facts.plan.as_ref().unwrap().warnings.join("\n");
        assert!(said.contains(&format!("the host of machine {away} of `api-production`")), "{said}");
        let calls = world.provider.calls().split_off(since);
        assert!(calls.iter().all(|(_, call)| call.unit() != Some(&away)), "{strategy:?}: nobody touches it");
        let new = api(&world).await.live().filter(|unit| unit.digest == Some(World::digest(2))).count();
        let expected = if strategy == Strategy::BlueGreen { 3 } else { 2 };
        assert_eq!(new, expected, "{strategy:?}: a second fleet is whole, in place nobody is doubled");

        // It comes back, and the next promotion finds it.
        world.provider.change(|manners| manners.unreachable.clear());
        world.clock.advance(Millis(1_000));
        let third = World::release("1.2.0", 3, 13);
        world.put("staging", Kind::Deploy, &third).await.unwrap();
        let handle = world.approved(&third).await;
        assert_eq!(handle.drive().await.unwrap(), Outcome::Ended(Phase::Succeeded), "{strategy:?}");
        assert_eq!(api(&world).await.digests(), [World::digest(3)].into(), "{strategy:?}");
    }
}

/// P6: who comes back while the promotion runs serves the earlier release. That is no success: it goes back, and says why.
#[tokio::test]
async fn p6_a_host_that_answers_again_half_way_leaves_no_mixture() {
    let mut world = World::new(1, Manners::default());
    world.regions = [("fra".parse().unwrap(), 3)].into();
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let away = api(&world).await.units[1].id.clone();
    world.provider.change(|manners| manners.unreachable = vec![away.clone()]);
    let handle = world.approved(&second).await;
    let switch = Switch::new(Moment::After(30));
    let mortal = world.mortal(&switch);
    let _dead = mortal.handle(handle.environment.clone(), handle.id.clone()).drive().await;
    world.provider.change(|manners| manners.unreachable.clear());
    world.rescue(4).await;
    let view = world.bystander().view(&env("production")).await.unwrap();
    assert_eq!(view.promotions[&handle.id].state.phase, Phase::RolledBack);
    let why = failure(&world, &handle.id).await;
    assert!(why.contains(&format!("unit {away} came back from a host that did not answer")), "{why}");
    assert_eq!(api(&world).await.digests(), [World::digest(1)].into());
}

/// #4851: a 408 may mean that it happened. It is settled by looking: one machine per slot, whichever it was.
#[tokio::test]
async fn an_ambiguous_408_is_settled_by_looking() {
    let start = Story::Promote.asked().await;
    let whole = start.fork().await;
    let first = whole.world.provider.asked();
    play(&whole).await;
    let n_calls = whole.world.provider.asked();
    for n in first..n_calls {
        let Some(call) = whole.world.provider.asked_for(n) else { continue };
        for fault in [Fault::LostAnswer, Fault::LostCall] {
            let asked = start.fork().await;
            let since = asked.world.provider.calls().len();
            asked.world.provider.fail(n, fault);
            assert_eq!(play(&asked).await, Phase::Succeeded, "{fault:?} of {}", call.title());
            assert_eq!(made(&asked.world, since), (2, 0), "{fault:?} of {}", call.title());
        }
    }
}

/// A parked machine's host may have given its room away. Another stands in for it, in its region, and it goes.
#[tokio::test]
async fn a_parked_machine_that_cannot_start_is_stood_in_for() {
    for by_person in [false, true] {
        let story = if by_person { Story::BackByPerson } else { Story::PromoteThatFails };
        let asked = story.asked().await;
        let old =
            api(&asked.world).await.units.into_iter().find(|unit| unit.digest == Some(World::digest(1)));
        let old = old.unwrap();
        asked.world.provider.change(|manners| manners.no_room = vec![old.id.clone()]);
        let from = asked.world.now();
        assert_eq!(play(&asked).await, story.end(), "{story:?}: {}", asked.why().await);
        let fleet = api(&asked.world).await;
        assert_eq!(fleet.digests(), [World::digest(1)].into(), "{story:?}");
        assert_eq!(fleet.live().count(), 2, "{story:?}");
        assert!(fleet.unit(&old.id).is_none(), "{story:?}: the one without room is gone");
        let served =
            |unit: &Unit| unit.region == old.region && unit.state == UnitState::Started && !unit.cordoned;
        assert!(fleet.live().all(served), "{story:?}");
        asked.world.clock.advance(Millis(5_000));
        let lost = asked.world.provider.lost(&World::place("production", "api"), from);
        assert!(lost.is_empty(), "{story:?}: {lost:?}");
    }
}

/// Once something new takes traffic, nobody has room any more.
#[derive(Debug)]
struct FillsUp(Provider);

#[async_trait]
impl Deployer for FillsUp {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.0.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        if matches!(call, UnitCall::Uncordon { .. }) {
            self.0.change(|manners| manners.full = true);
        }
        self.0.perform(place, call, key).await
    }
}

/// No room anywhere: it says so, after it tried, and what serves goes on serving (P6, P7).
#[tokio::test]
async fn no_room_for_the_old_fleet_is_a_rollback_that_failed_and_says_so() {
    let asked = Story::PromoteThatFails.asked().await;
    let (world, from) = (&asked.world, asked.world.now());
    let old: Vec<UnitId> = ids(&api(world).await).into_iter().collect();
    world.provider.change(|manners| manners.no_room = old);
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.deployer = Arc::new(FillsUp(world.provider.clone()));
    asked.play(&Engine::new(world.options.clone(), ports)).await.unwrap();
    assert_eq!(asked.phase().await, Phase::RollbackFailed);
    let why = asked.why().await;
    assert!(why.contains("insufficient capacity"), "{why}");
    world.clock.advance(Millis(5_000));
    let lost = world.provider.lost(&World::place("production", "api"), from);
    assert!(lost.is_empty(), "the new fleet goes on serving: {lost:?}");
    assert!(world.desk.notices().iter().any(|notice| notice.urgent), "a person is called");
}
