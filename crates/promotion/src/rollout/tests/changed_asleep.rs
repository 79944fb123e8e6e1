//! Units that sleep in traffic until a request wakes them: who is changed must not be woken in the middle (P7, P12).

use std::collections::BTreeMap;

use super::super::progress::Turn;
use super::*;

/// What was seen of one unit.
#[derive(Debug, Default)]
struct Told {
    closed_at: Option<At>,
    is_closed: bool,
    /// For how long it had been closed each time it got another version; none when it was open.
    updated: Vec<Option<Millis>>,
}

#[derive(Debug, Default)]
struct Watch {
    before: Option<Fleet>,
    told: BTreeMap<UnitId, Told>,
    most_out: usize,
}

impl Watch {
    fn look(&mut self, fleet: &Fleet, now: At) {
        for unit in fleet.live() {
            let told = self.told.entry(unit.id.clone()).or_default();
            let was = self.before.as_ref().and_then(|before| before.unit(&unit.id));
            if was.is_some_and(|was| was.version != unit.version) {
                let closed = told.closed_at.filter(|_| told.is_closed);
                told.updated.push(closed.map(|at| now.since(at)));
            }
            if unit.cordoned && !told.is_closed {
                told.closed_at = Some(now);
            }
            told.is_closed = unit.cordoned;
        }
        self.most_out = self.most_out.max(fleet.live().filter(|unit| unit.cordoned).count());
        self.before = Some(fleet.clone());
    }
}

/// Design 4, "On Fly": cordoned, and after `settle` every edge has heard of it; then it is updated, and opened again.
#[tokio::test]
async fn p7_who_sleeps_in_traffic_is_changed_out_of_traffic() {
    for strategy in [Strategy::Rolling, Strategy::Canary] {
        let units = vec![as_it_is(), as_it_is(), stopped(), stopped(), stopped()];
        let scene = Scene::with(strategy, units).await;
        let found = scene.rest().await;
        for direction in [Direction::Forward, Direction::Back] {
            let mut watch = Watch::default();
            let verdict = scene.watched(direction, |fleet, _| watch.look(fleet, scene.world.now())).await;
            assert_eq!(verdict, Verdict::Done, "{strategy:?} {direction:?}");
            for (unit, told) in &watch.told {
                let [Some(closed)] = told.updated[..] else {
                    panic!("{strategy:?} {direction:?}: {unit} was in traffic: {told:?}")
                };
                assert!(closed >= scene.target.limits.settle, "{strategy:?} {direction:?}: {unit} {closed}");
            }
            assert_eq!(scene.rest().await, found, "{strategy:?} {direction:?}: and back into traffic");
        }
    }
}

/// An edge that has not heard of the cordon yet sends a request, which wakes it: that one has its time to end.
#[tokio::test]
async fn p7_who_is_woken_while_it_is_taken_out_drains_first() {
    let scene = Scene::with(Strategy::Rolling, vec![as_it_is(), stopped(), stopped()]).await;
    let woken: UnitId = "unit0003".parse().unwrap();
    let (mut watch, mut is_woken) = (Watch::default(), false);
    let verdict = scene
        .watched(Direction::Forward, |fleet, progress| {
            watch.look(fleet, scene.world.now());
            let turn = progress.marks.get(&woken).map(|mark| mark.turn);
            if turn == Some(Turn::SettlingOut) && !is_woken {
                is_woken = true;
                scene.world.provider.wake(&scene.target.place, &woken);
            }
        })
        .await;
    assert_eq!((verdict, is_woken), (Verdict::Done, true));
    let limits = &scene.target.limits;
    let [Some(closed)] = watch.told[&woken].updated[..] else { panic!("{watch:?}") };
    assert!(closed >= Millis(limits.settle.0 + limits.drain.0), "{closed}");
    let observed = scene.observed().await;
    assert_eq!(scene.arrived(&observed), Ok(()));
    assert_eq!(observed.fleet.unit(&woken).unwrap().state, UnitState::Stopped, "as it was found");
}

/// fly.md 2.5: "non-started machines updated in chunks ≤30". Each costs three calls: out of traffic, changed, back.
#[tokio::test]
async fn sleepers_go_thirty_at_a_time_and_cost_three_calls_each() {
    let mut units = vec![as_it_is(), as_it_is()];
    units.extend((0..62).map(|_| stopped()));
    let mut scene = Scene::with(Strategy::Rolling, units).await;
    // One more look is as long as a tenth of a second.
    scene.target.limits.wait = Millis::secs(60);
    let since = scene.world.provider.calls().len();
    let mut watch = Watch::default();
    let verdict = scene.watched(Direction::Forward, |fleet, _| watch.look(fleet, scene.world.now())).await;
    assert_eq!(verdict, Verdict::Done);
    assert!(watch.most_out <= 31, "thirty that sleep and one that runs: {}", watch.most_out);
    let mut calls: BTreeMap<UnitId, Vec<&str>> = BTreeMap::new();
    let made = scene.world.provider.calls().split_off(since);
    for (_, call) in &made {
        calls.entry(call.unit().unwrap().clone()).or_default().push(call.verb());
    }
    let three = calls.values().filter(|verbs| **verbs == ["cordon", "update", "uncordon"]).count();
    // One of those that sleep is started by its update, proven and stopped again (P12).
    assert_eq!((three, calls.len()), (63, 64), "{calls:?}");
}

/// Only the provider starts what stands by (fly.md 2.3): no request does, so there is nothing to take it out of.
#[tokio::test]
async fn who_stands_by_is_changed_where_it_lies() {
    let standby: Change = Box::new(|unit| {
        unit.state = UnitState::Stopped;
        unit.standby_for = ["unit0001".parse().unwrap()].into();
    });
    let scene = Scene::with(Strategy::Rolling, vec![as_it_is(), standby]).await;
    let since = scene.world.provider.calls().len();
    scene.all_the_way(Direction::Forward).await;
    let calls = scene.world.provider.calls().split_off(since);
    let of_it = calls.iter().filter(|(_, call)| call.unit().is_some_and(|id| id.as_str() == "unit0002"));
    assert_eq!(of_it.map(|(_, call)| call.verb()).collect::<Vec<_>>(), ["update"]);
}
