//! P4: what a dead runner left behind is in nobody's way, however late the rescuer comes.

use std::sync::Arc;

use promotion::engine::{EngineError, Handle, Outcome};
use promotion::journal::{Memory, PromotionView};
use promotion::machine::Phase;
use promotion::model::{Kind, Millis, Release, StoreId, Strategy};
use promotion::ports::{JournalError, Notice, Verdict};
use promotion::testing::{Manners, Moment, Switch, World, env};

use crate::story::releases;

async fn view(world: &World, handle: &Handle) -> PromotionView {
    world.bystander().view(&handle.environment).await.unwrap().promotions[&handle.id].clone()
}

/// The number of the append that takes a promotion of `release` into `phase`.
async fn moment(world: &World, release: &Release, phase: Phase) -> u64 {
    let (world, switch) = (world.fork().await, Switch::new(Moment::Never));
    let handle = world.approved(release).await;
    world.mortal(&switch).handle(handle.environment, handle.id).drive().await.unwrap();
    let title = format!("step to {phase}");
    let seen = switch.seen();
    *seen.iter().find(|(_, what)| what.contains(&title)).expect("it comes to that").0
}

/// A promotion of `release` whose runner dies at `moment`.
async fn killed(world: &World, release: &Release, moment: Moment) -> Handle {
    let handle = world.approved(release).await;
    let engine = world.mortal(&Switch::new(moment));
    let _the_dead_answer_nobody = engine.handle(handle.environment.clone(), handle.id.clone()).drive().await;
    handle
}

/// The way back is walked also when its time was over before anybody came to walk it.
#[tokio::test]
async fn p4_a_way_back_that_nobody_looked_at_for_hours_is_walked_all_the_same() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        for later in [0, 2, 6, 12] {
            let mut world = World::new(1, Manners::default());
            world.strategy = strategy;
            let (first, second) = releases();
            world.rehearsed(&first, &second).await;
            world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
            let back = moment(&world, &second, Phase::RollingBack).await;
            let handle = killed(&world, &second, Moment::After(back + later)).await;
            assert_eq!(view(&world, &handle).await.state.phase, Phase::RollingBack);
            world.clock.advance(Millis(2 * world.policy.deadline.0 + 3_600_000));
            world.rescue(2).await;
            let state = view(&world, &handle).await.state;
            assert_eq!(state.phase, Phase::RolledBack, "{strategy:?} {later}: {:?}", state.facts.failure);
            let late = |notice: &&Notice| notice.urgent && notice.text.contains("is not over in its time");
            let told = world.desk.notices().iter().filter(late).count();
            assert_eq!(told, 1, "{strategy:?} {later}: somebody hears of it, once");
            for (component, byte) in [("api", 1), ("web", 11)] {
                assert_eq!(
                    world.fleet("production", component).await.digests(),
                    [World::digest(byte)].into()
                );
            }
        }
    }
}

/// A way back that cannot be walked is given up after its time, whoever took it up.
#[tokio::test]
async fn p4_a_way_back_that_leads_nowhere_ends_also_when_it_is_taken_up_late() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    let back = moment(&world, &second, Phase::RollingBack).await;
    let handle = killed(&world, &second, Moment::After(back)).await;
    world.clock.advance(Millis(2 * world.policy.deadline.0));
    world.provider.away_for(Millis::secs(24 * 3600));
    world.rescue(2).await;
    assert_eq!(view(&world, &handle).await.state.phase, Phase::RollbackFailed);
}

/// Who was approved does not lose that to leases that a dead runner of ours left on the machines.
#[tokio::test]
async fn p4_the_leases_of_a_promotion_that_is_over_are_waited_for() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let third = World::release("1.2.0", 3, 13);
    world.put("staging", Kind::Deploy, &third).await.unwrap();
    let end = moment(&world, &second, Phase::Succeeded).await;
    let over = killed(&world, &second, Moment::After(end)).await;
    assert_eq!(view(&world, &over).await.state.phase, Phase::Succeeded);
    world.clock.advance(Millis(31_000));
    let next = world.approved(&third).await;
    assert_eq!(next.drive().await.unwrap(), Outcome::Busy { by: over.id.to_string() });
    world.rescue(1).await;
    let state = view(&world, &next).await.state;
    assert_eq!(state.phase, Phase::Succeeded, "{:?}", state.facts.failure);
}

/// P4: "every promotion reaches a final phase or a human wait". What is wrong with one environment's journal is said, and
/// keeps nobody from the others.
#[tokio::test]
async fn p4_a_journal_that_cannot_be_read_keeps_nobody_from_the_others() {
    let mut world = World::new(1, Manners::default());
    let journal = Arc::new(Memory::new(StoreId::new("store-1").unwrap(), world.clock.clone()));
    world.journal = journal.clone();
    let (first, second) = releases();
    world.rehearsed(&first, &second).await;
    let handle = world.approved(&second).await;
    // It is looked at before `production`, and holds what belongs to another chain.
    let foreign = world.journal.read(&env("staging"), 0).await.unwrap();
    journal.load(&env("bent"), foreign);
    let error = world.engine().tick().await.unwrap_err();
    let is_named = matches!(
        &error,
        EngineError::Journal(JournalError::Damaged { environment, .. }) if *environment == env("bent")
    );
    assert!(is_named, "{error}");
    let view = world.bystander().view(&env("production")).await.unwrap();
    assert_eq!(view.promotions[&handle.id].state.phase, Phase::Succeeded);
}
