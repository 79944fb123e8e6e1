//! P5: "After a rollback the environment … equals its snapshot", whenever a person ends a promotion that goes wrong by itself.

use std::sync::Arc;

use promotion::machine::Phase;
use promotion::model::Strategy;
use promotion::ports::Verdict;
use promotion::testing::{Manners, World, env};

use crate::story::{releases, shape, sleepy};

/// A person's word may come between any append of a runner and its next one. What the runner found out on the way there
/// says nothing of the way back: a unit that fails to start, a suite that fails, or that all is deployed.
async fn ended_after_each_append(strategy: Strategy, make_bad: fn(&World)) {
    let mut base = World::new(1, Manners::default());
    base.strategy = strategy;
    let (first, second) = releases();
    base.rehearsed(&first, &second).await;
    make_bad(&base);
    let found = shape(&base).await;
    let (mut n_ended, mut at) = (0, 0);
    loop {
        let world = Arc::new(base.fork().await);
        let handle = world.approved(&second).await;
        let (word, ended) = (world.clone(), handle.clone());
        let heard = Arc::new(std::sync::Mutex::new(None));
        let say = heard.clone();
        let meanwhile = Box::pin(async move {
            let said = word.abort(&ended, "I was wrong").await;
            *say.lock().unwrap() = Some(said.is_ok());
        });
        let engine = sleepy(&world, at, meanwhile);
        engine.handle(handle.environment.clone(), handle.id.clone()).drive().await.unwrap();
        world.rescue(2).await;
        let Some(is_heard) = *heard.lock().unwrap() else { break };
        let view = world.bystander().view(&env("production")).await.unwrap();
        let state = &view.promotions[&handle.id].state;
        let why = state.facts.failure.as_ref().map(|failure| failure.why.clone());
        assert!(
            matches!(state.phase, Phase::RolledBack | Phase::Aborted | Phase::Succeeded),
            "{strategy:?}, ended after append {at}: {} ({why:?})",
            state.phase
        );
        if state.phase != Phase::Succeeded {
            let stands = shape(&world).await;
            assert_eq!(stands, found, "{strategy:?}, ended after append {at}");
        }
        n_ended += u32::from(is_heard);
        at += 1;
    }
    assert!(n_ended > 8, "{strategy:?}: {n_ended} of {at} words came in time");
}

const STRATEGIES: [Strategy; 2] = [Strategy::BlueGreen, Strategy::Rolling];

#[tokio::test]
async fn p5_a_release_that_does_not_start_is_put_back_whenever_somebody_ends_it() {
    for strategy in STRATEGIES {
        let broken = |world: &World| world.provider.change(|manners| manners.broken.push(World::digest(2)));
        ended_after_each_append(strategy, broken).await;
    }
}

#[tokio::test]
async fn p5_a_release_that_fails_its_suite_is_put_back_whenever_somebody_ends_it() {
    for strategy in STRATEGIES {
        let fails = |world: &World| world.suites.tell(&env("production"), "1.1.0", Verdict::Failed);
        ended_after_each_append(strategy, fails).await;
    }
}

#[tokio::test]
async fn p5_a_good_release_is_put_back_or_stays_whenever_somebody_ends_it() {
    for strategy in STRATEGIES {
        ended_after_each_append(strategy, |_| ()).await;
    }
}
