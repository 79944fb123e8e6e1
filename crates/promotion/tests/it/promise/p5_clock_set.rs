//! P5 and P6 where somebody sets a runner's clock while it works: no lag and no patience is over by that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use promotion::machine::Phase;
use promotion::model::{Millis, Strategy};
use promotion::ports::Verdict;
use promotion::testing::{Manners, OwnClock, World, env};

use crate::story::{releases, shape, sleepy_by};

/// Less than the `list_lag` of the world's limits.
const LAG: Millis = Millis(1_400);

/// The clock of a machine that had no time service yet jumps by half a minute after each append in turn, while its runner's
/// promotion fails, and where `is_ended` just when a person ends it. What was seen before is as old as it was.
async fn set_after_each_append(strategy: Strategy, jump: i64, is_ended: bool) {
    let mut base = World::new(1, Manners::default());
    base.strategy = strategy;
    base.policy.soak = Millis::ZERO;
    let (first, second) = releases();
    base.rehearsed(&first, &second).await;
    base.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
    let found = shape(&base).await;
    let (mut at, mut wrong) = (0, Vec::new());
    loop {
        let world = Arc::new(base.fork().await);
        let handle = world.approved(&second).await;
        world.provider.change(|manners| manners.list_lag = LAG);
        let clock = Arc::new(OwnClock::new(world.clock.clone(), 0));
        let is_set = Arc::new(AtomicBool::new(false));
        let (set, say, word, ended) = (clock.clone(), is_set.clone(), world.clone(), handle.clone());
        let meanwhile = Box::pin(async move {
            set.set(jump);
            say.store(true, Ordering::SeqCst);
            if is_ended {
                let _it_may_be_over = word.abort(&ended, "I was wrong").await;
            }
        });
        let engine = sleepy_by(&world, clock, at, meanwhile);
        engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
        world.rescue(2).await;
        if !is_set.load(Ordering::SeqCst) {
            break;
        }
        let view = world.bystander().view(&env("production")).await.unwrap();
        let phase = view.promotions[&handle.id].state.phase;
        world.provider.change(|manners| manners.list_lag = Millis::ZERO);
        let stands = shape(&world).await;
        if !matches!(phase, Phase::RolledBack | Phase::Aborted) || stands != found {
            wrong.push(format!("{strategy:?} {jump:+} ms after append {at}: {phase}, {stands:?}"));
        }
        at += 1;
    }
    assert!(at > 20, "{strategy:?}: the clock was set {at} times");
    assert!(wrong.is_empty(), "{} of {at}\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn p5_a_clock_that_is_set_forward_ends_no_way_back_early() {
    for strategy in [Strategy::BlueGreen, Strategy::Immediate] {
        set_after_each_append(strategy, 28_000, true).await;
    }
}

#[tokio::test]
async fn p5_a_clock_that_is_set_back_ends_no_way_back_early() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling] {
        set_after_each_append(strategy, -28_000, false).await;
    }
}
