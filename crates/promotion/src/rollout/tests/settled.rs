//! From when it counts that edges must hear of a call, and what is waited for meanwhile.

use super::super::Decision;
use super::super::progress::{Mark, Turn};
use super::*;

async fn rolling(n: u32) -> Scene {
    let mut scene = Scene::in_regions(Strategy::Rolling, &[("fra", n)]).await;
    (scene.target.limits.settle, scene.target.limits.drain) = (Millis::secs(5), Millis::secs(4));
    scene
}

/// One unit of a rolling change that was just taken out of traffic: what is remembered, and by when that was accepted.
async fn taken_out(scene: &Scene) -> (Progress, At) {
    let decision = decide(scene, &Progress::new(FIRST, scene.world.now())).await;
    let [call @ UnitCall::Cordon { .. }] = decision.calls.as_slice() else { panic!("{:?}", decision.calls) };
    scene.perform(call).await;
    let (mut progress, accepted) = (decision.progress, scene.world.now());
    progress.tell(call, None, accepted);
    (progress, accepted)
}

async fn decide(scene: &Scene, progress: &Progress) -> Decision {
    next(scene.job(Direction::Forward), &scene.observed().await, progress, scene.world.now())
}

fn wake(decision: &Decision) -> Option<At> {
    let Verdict::Going { wake, .. } = decision.verdict else { panic!("{:?}", decision.verdict) };
    wake
}

/// Edges hear of it from when the provider took the call; that nobody looked for three seconds makes them no slower. Then
/// it drains for its whole time, from when they had heard (seeds: no request is dropped).
#[tokio::test]
async fn it_settles_from_the_call_on_and_drains_from_then_on() {
    let scene = rolling(1).await;
    let limits = scene.target.limits.clone();
    let (progress, accepted) = taken_out(&scene).await;
    scene.world.clock.advance(Millis::secs(3));
    let looked = decide(&scene, &progress).await;
    let drained = accepted.plus(limits.settle).plus(limits.drain);
    // Requests in flight are counted by nobody here: there is nothing to see before all of it is over.
    assert_eq!((looked.calls.as_slice(), wake(&looked)), (&[][..], Some(drained)));
    scene.world.clock.advance(Millis(drained.since(scene.world.now()).0 - 1));
    let early = decide(&scene, &looked.progress).await;
    assert_eq!((early.calls.as_slice(), wake(&early)), (&[][..], Some(drained)));
    scene.world.clock.advance(Millis(1));
    let update = decide(&scene, &early.progress).await;
    assert!(matches!(update.calls.as_slice(), [UnitCall::Update { .. }]), "{:?}", update.calls);
}

/// What nobody remembers to have called is counted from the look that shows it.
#[tokio::test]
async fn without_a_call_it_settles_from_the_look_on() {
    let scene = rolling(1).await;
    let limits = scene.target.limits.clone();
    let (mut progress, _) = taken_out(&scene).await;
    progress.told.clear();
    scene.world.clock.advance(Millis::secs(3));
    let seen = scene.world.now();
    let looked = decide(&scene, &progress).await;
    assert_eq!(wake(&looked), Some(seen.plus(limits.settle).plus(limits.drain)));
}

/// A runner that comes later begins anew: nobody watched meanwhile, and the unit may have been back in traffic.
#[tokio::test]
async fn a_successor_lets_it_settle_and_drain_anew() {
    let scene = rolling(1).await;
    let limits = scene.target.limits.clone();
    let (unseen, _) = taken_out(&scene).await;
    let looked = decide(&scene, &unseen).await.progress;
    scene.world.clock.advance(Millis::secs(60));
    let now = scene.world.now();
    // Whether the dead one had looked since its call or not.
    for left in [unseen, looked] {
        let taken_up = decide(&scene, &left.resumed(now)).await;
        assert_eq!(wake(&taken_up), Some(now.plus(limits.settle).plus(limits.drain)));
    }
}

/// Two that only have to be heard of: who waits for a place is woken by the first, nobody before the last.
#[tokio::test]
async fn who_settles_in_is_news_to_those_who_wait() {
    for (n, is_awaited) in [(2, false), (3, true)] {
        let mut scene = rolling(n).await;
        scene.target.limits.max_unavailable = crate::model::MaxUnavailable::Units(2);
        let settle = scene.target.limits.settle;
        let fleet = scene.observed().await.fleet;
        let (mut progress, now) = (Progress::new(FIRST, scene.world.now()), scene.world.now());
        for (unit, ago) in fleet.units.iter().zip([Millis::secs(2), Millis::secs(1)]) {
            let since = At(now.0 - ago.0.cast_signed());
            let mark = Mark { turn: Turn::SettlingIn, since, tries: 1, tried_at: None, unsent: false };
            progress.marks.insert(unit.id.clone(), mark);
        }
        let first = now.plus(Millis(settle.0 - 2_000));
        let awaited = if is_awaited { first } else { first.plus(Millis::secs(1)) };
        assert_eq!(wake(&decide(&scene, &progress).await), Some(awaited), "{n} units");
    }
}
