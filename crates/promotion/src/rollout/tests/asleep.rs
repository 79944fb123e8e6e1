//! Whoever routes puts units to sleep when nobody asks, and wakes them when somebody does, also in the middle of a
//! rollout (fly.md 7).

use super::super::pool::Pool;
use super::super::progress::Turn;
use super::super::seen::Seen;
use super::super::sets::sets;
use super::super::waves::{Scope, Waves};
use super::*;
use crate::model::{MaxUnavailable, Nap, RegionName};
use crate::testing::Happens;

const ALL: [Strategy; 4] = [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary, Strategy::Immediate];

/// Goes `direction` while everything in traffic falls asleep at look `n`; none when it was there before.
async fn asleep_at(scene: &Scene, direction: Direction, n: u64) -> Option<Verdict> {
    let mut looks = 0;
    let watch = |_: &Fleet, _: &Progress| {
        if looks == n {
            scene.world.provider.happens(Happens::Idle);
        }
        looks += 1;
    };
    let verdict = scene.watched(direction, watch).await;
    (looks > n).then_some(verdict)
}

/// Two units as `found` in the first wave's region, two that run in the second's; a minute on trial in each.
async fn in_two_waves(found: fn() -> Change) -> Scene {
    let at = |region: &'static str, change: Change| -> Change {
        Box::new(move |unit| {
            unit.region = region.parse().unwrap();
            change(unit);
        })
    };
    let units = vec![at("fra", found()), at("fra", found()), at("lhr", as_it_is()), at("lhr", as_it_is())];
    let mut scene = Scene::with(Strategy::Canary, units).await;
    let regions = ["fra", "lhr"].map(|region| region.parse::<RegionName>().unwrap());
    scene.target.waves = regions.iter().map(|region| [region.clone()].into()).collect();
    let counts: BTreeMap<RegionName, u32> = regions.into_iter().map(|region| (region, 2)).collect();
    scene.target.groups.values_mut().for_each(|group| group.counts = counts.clone());
    let limits = &mut scene.target.limits;
    (limits.bake, limits.wait, limits.unhealthy) = (Millis(60_000), Millis(20_000), Millis(2_000));
    scene
}

/// P4: whatever the strategy and whenever everything falls asleep, it gets there and back. P12: what sleeps in the end
/// was proven before.
#[tokio::test]
async fn p4_units_that_fall_asleep_at_any_moment_hold_nothing_up() {
    for strategy in ALL {
        for direction in [Direction::Forward, Direction::Back] {
            let mut n = 0;
            loop {
                let mut scene = Scene::in_regions(strategy, &[("fra", 2), ("lhr", 1)]).await;
                scene.edges = vec!["fra", "lhr"];
                if direction == Direction::Back {
                    assert_eq!(scene.watched(Direction::Forward, |_, _| ()).await, Verdict::Done);
                }
                let Some(verdict) = asleep_at(&scene, direction, n).await else { break };
                assert_eq!(verdict, Verdict::Done, "{strategy:?} {direction:?}, asleep at look {n}");
                // Whoever was woken at the last look comes up.
                scene.observed().await;
                scene.world.clock.advance(Millis::secs(2));
                let observed = scene.observed().await;
                let there = match direction {
                    Direction::Forward => scene.arrived(&observed),
                    Direction::Back => restored(scene.job(direction), &observed),
                };
                assert_eq!(there, Ok(()), "{strategy:?} {direction:?}, asleep at look {n}");
                n += 1;
            }
            assert!(n > 5, "{strategy:?} {direction:?}: {n} looks");
        }
    }
}

/// The same for units that a person stops or whose program ends: that is no sleep, and the way back begins.
#[tokio::test]
async fn p12_units_that_end_while_they_are_on_trial_are_put_back() {
    for (what, is_through) in [(Happens::Ended, false), (Happens::Idle, true)] {
        let mut scene = Scene::in_regions(Strategy::Canary, &[("fra", 3)]).await;
        scene.target.limits.bake = Millis(30_000);
        let mut is_done = false;
        let watch = |_: &Fleet, progress: &Progress| {
            if progress.bake.is_some() && !is_done {
                is_done = true;
                scene.world.provider.happens(what);
            }
        };
        let verdict = scene.watched(Direction::Forward, watch).await;
        match is_through {
            true => assert_eq!(verdict, Verdict::Done, "{what:?}"),
            false => assert!(
                matches!(&verdict, Verdict::Failed(why) if why.contains("it served and is unhealthy")),
                "{what:?}: {verdict:?}"
            ),
        }
    }
}

/// P12: one that falls asleep before its checks have reported is started again and proven: where it is changed in traffic,
/// sleep comes in between.
#[tokio::test]
async fn p12_who_falls_asleep_unproven_is_started_and_proven() {
    for sick in [false, true] {
        let mut scene = Scene::with(Strategy::Immediate, vec![as_it_is()]).await;
        if sick {
            scene.target.image = scene.world.component("production", "api", &World::digest(SICK)).image;
        }
        let unit: UnitId = "unit0001".parse().unwrap();
        let (mut is_done, mut looks_asleep) = (false, 0);
        let watch = |fleet: &Fleet, progress: &Progress| {
            let now = fleet.unit(&unit).unwrap();
            let turn = progress.marks.get(&unit).map(|mark| mark.turn);
            if turn == Some(Turn::Updating) && now.state == UnitState::Started && !is_done {
                assert!(now.checks.is_empty(), "nothing proves it yet");
                is_done = true;
                scene.world.provider.happens(Happens::Idle);
            }
            if now.is_asleep() {
                looks_asleep += 1;
                assert_eq!(turn, Some(Turn::Updating), "it does not pass");
            }
        };
        let since = scene.world.provider.calls().len();
        let verdict = scene.watched(Direction::Forward, watch).await;
        let calls = scene.world.provider.calls().split_off(since);
        assert!(looks_asleep > 0, "it slept");
        let verbs: Vec<&str> = calls.iter().map(|(_, call)| call.verb()).collect();
        assert_eq!(verbs, ["update", "start"]);
        if sick {
            assert!(matches!(&verdict, Verdict::Failed(why) if why.contains("check alive")), "{verdict:?}");
        } else {
            assert_eq!(verdict, Verdict::Done);
            assert!(scene.observed().await.fleet.units[0].checks[0].passing);
        }
    }
}

/// Whoever is woken has the time of any unit that comes up, and no more: until then its checks are from before it slept.
#[tokio::test]
async fn who_is_woken_has_the_time_to_come_up() {
    for is_sick in [false, true] {
        let mut scene = Scene::in_regions(Strategy::Canary, &[("fra", 3)]).await;
        let limits = &mut scene.target.limits;
        (limits.bake, limits.wait, limits.unhealthy) = (Millis(60_000), Millis(20_000), Millis(2_000));
        let (mut begun, mut n) = (None, 0);
        let watch = |_: &Fleet, progress: &Progress| {
            if progress.bake.is_some() {
                begun.get_or_insert(scene.world.now());
                n += 1;
            }
            match n {
                10 => scene.world.provider.happens(Happens::Idle),
                // From here on it takes 8 s until its checks report, four times as long as a healthy unit may seem ill.
                20 => {
                    scene.world.provider.change(|manners| {
                        manners.check = Millis(8_000);
                        manners.sick.extend(is_sick.then(|| World::digest(2)));
                    });
                    scene.world.provider.happens(Happens::Asked);
                }
                200 => scene.world.provider.change(|manners| manners.check = Millis(300)),
                _ => {}
            }
        };
        let verdict = scene.watched(Direction::Forward, watch).await;
        if is_sick {
            assert!(
                matches!(&verdict, Verdict::Failed(why) if why.contains("it served and is unhealthy")),
                "{verdict:?}"
            );
            let took = scene.world.now().since(begun.unwrap());
            assert!(took >= Millis(20_000) && took < Millis(30_000), "{took}: at the end of its time");
        } else {
            assert_eq!(verdict, Verdict::Done);
        }
    }
}

/// P12: who was woken and seen unhealthy is not well because it sleeps again, also one that was found asleep: it shows
/// that it is well when it is woken once more, or its time runs out.
#[tokio::test]
async fn p12_sleep_does_not_wipe_out_what_was_seen_awake() {
    for (found, is_cured) in
        [(as_it_is as fn() -> Change, false), (as_it_is, true), (stopped, false), (stopped, true)]
    {
        let scene = in_two_waves(found).await;
        let (id, provider) = ("unit0001".parse::<UnitId>().unwrap(), &scene.world.provider);
        let (mut n, mut was_sick, mut slept_again) = (0, false, false);
        let watch = |fleet: &Fleet, progress: &Progress| {
            n += u32::from(progress.wave == 1 && progress.bake.is_some());
            let unit = fleet.unit(&id).unwrap();
            match n {
                1 => {
                    provider.happens_to(&id, Happens::Sickens);
                    provider.happens_to(&id, Happens::Idle);
                    provider.happens_to(&id, Happens::Asked);
                }
                12 => {
                    was_sick = unit.woken().is_some() && unit.checks.iter().any(|check| !check.passing);
                    provider.happens_to(&id, Happens::Idle);
                }
                14 => {
                    slept_again = unit.is_asleep();
                    if is_cured {
                        provider.happens_to(&id, Happens::Recovers);
                        provider.happens_to(&id, Happens::Asked);
                    }
                }
                _ => {}
            }
        };
        let verdict = scene.watched(Direction::Forward, watch).await;
        assert!(was_sick && slept_again, "{verdict:?}");
        match is_cured {
            true => assert_eq!(verdict, Verdict::Done),
            false => assert!(
                matches!(&verdict, Verdict::Failed(why) if why.contains("it served and is unhealthy")),
                "{verdict:?}"
            ),
        }
    }
}

/// P12: who was found asleep and is woken serves like any other, and is judged like any other.
#[tokio::test]
async fn p12_who_was_found_asleep_and_is_woken_unhealthy_is_no_release() {
    let scene = in_two_waves(stopped).await;
    let (id, provider) = ("unit0001".parse::<UnitId>().unwrap(), &scene.world.provider);
    assert_eq!(scene.watched(Direction::Forward, |_, _| ()).await, Verdict::Done);
    provider.happens_to(&id, Happens::Asked);
    let (job, mut watched) = (scene.job(Direction::Forward), Watched::default());
    let mut look = |observed: &Observed| arrived(job, &mut watched, observed, scene.world.now()).unwrap_err();
    let waking = look(&scene.observed().await);
    assert!(waking.is_waking, "{waking:?}");
    provider.happens_to(&id, Happens::Sickens);
    scene.world.clock.advance(Millis(1_500));
    assert!(look(&scene.observed().await).is_waking, "it has its time");
    scene.world.clock.advance(scene.target.limits.wait);
    let amiss = look(&scene.observed().await);
    assert!(!amiss.is_waking && amiss.why.contains("unit0001: check alive"), "{amiss:?}");
}

/// Who rests in traffic may be started by anybody, not only for a request, and has the time of any unit to come up.
#[tokio::test]
async fn who_was_found_asleep_and_is_started_by_a_person_has_its_time() {
    let scene = in_two_waves(stopped).await;
    let id = "unit0001".parse::<UnitId>().unwrap();
    assert_eq!(scene.watched(Direction::Forward, |_, _| ()).await, Verdict::Done);
    scene.world.provider.change(|manners| manners.check = Millis(8_000));
    scene.perform(&UnitCall::Start { unit: id.clone() }).await;
    let (job, mut watched) = (scene.job(Direction::Forward), Watched::default());
    for _ in 0..70 {
        let came = arrived(job, &mut watched, &scene.observed().await, scene.world.now());
        assert!(came.is_err_and(|amiss| amiss.is_waking), "nothing proves it yet");
        scene.world.clock.advance(Millis(100));
    }
    // And who stops it again leaves it as it was found.
    scene.perform(&UnitCall::Stop { unit: id.clone() }).await;
    assert_eq!(arrived(job, &mut watched, &scene.observed().await, scene.world.now()), Ok(()));
    assert!(watched.sick.is_empty());
}

/// P12: between two looks that read back, sleep wipes nothing out either.
#[tokio::test]
async fn p12_who_read_back_unhealthy_and_sleeps_has_not_arrived() {
    for found in [as_it_is as fn() -> Change, stopped] {
        let scene = in_two_waves(found).await;
        let (id, provider) = ("unit0001".parse::<UnitId>().unwrap(), &scene.world.provider);
        assert_eq!(scene.watched(Direction::Forward, |_, _| ()).await, Verdict::Done);
        provider.happens_to(&id, Happens::Sickens);
        provider.happens_to(&id, Happens::Idle);
        provider.happens_to(&id, Happens::Asked);
        scene.observed().await;
        scene.world.clock.advance(Millis(1_500));
        let (job, mut watched) = (scene.job(Direction::Forward), Watched::default());
        let mut look = |observed: &Observed| arrived(job, &mut watched, observed, scene.world.now());
        assert!(look(&scene.observed().await).unwrap_err().why.contains("check alive"));
        provider.happens_to(&id, Happens::Idle);
        let amiss = look(&scene.observed().await).unwrap_err();
        assert!(amiss.is_waking && amiss.why.contains("was seen unhealthy"), "{amiss:?}");
        scene.world.clock.advance(scene.target.limits.wait);
        let amiss = look(&scene.observed().await).unwrap_err();
        assert!(!amiss.is_waking, "its time is over: {amiss:?}");
        provider.happens_to(&id, Happens::Recovers);
        provider.happens_to(&id, Happens::Asked);
        scene.observed().await;
        scene.world.clock.advance(Millis(1_500));
        assert_eq!(look(&scene.observed().await), Ok(()));
        provider.happens_to(&id, Happens::Idle);
        assert_eq!(look(&scene.observed().await), Ok(()), "it was seen well since");
    }
}

/// A new one that falls asleep while the old ones answer is woken by nobody, since requests go where somebody runs: it
/// comes up again before the old ones leave.
#[tokio::test]
async fn p7_a_new_fleet_that_fell_asleep_comes_up_before_the_old_one_leaves() {
    let mut scene = Scene::in_regions(Strategy::BlueGreen, &[("fra", 1)]).await;
    scene.edges = vec!["fra"];
    let mut is_done = false;
    let watch = |fleet: &Fleet, progress: &Progress| {
        let is_new = |unit: &&Unit| unit.digest == Some(World::digest(2));
        if progress.stage == Stage::SettlingIn && !is_done {
            is_done = true;
            let new = fleet.units.iter().find(is_new).unwrap();
            // Only the new one: the old one has requests in flight.
            scene.world.provider.happens_to(&new.id, Happens::Idle);
        }
        if fleet.unit(&"unit0001".parse().unwrap()).is_some_and(|old| old.cordoned) {
            let answers = |unit: &Unit| !unit.cordoned && unit.state == UnitState::Started;
            assert!(fleet.units.iter().any(answers), "{progress:?}");
        }
    };
    assert_eq!(scene.watched(Direction::Forward, watch).await, Verdict::Done);
    assert_eq!(scene.arrived(&scene.observed().await), Ok(()));
}

/// The same where a group that is not asked for anything runs in the same region: it answers nothing for the other.
#[tokio::test]
async fn p7_one_of_another_group_does_not_answer_for_a_fleet_that_fell_asleep() {
    let worker: Change = Box::new(|unit| unit.group = "worker".parse().unwrap());
    let mut scene = Scene::with(Strategy::BlueGreen, vec![as_it_is(), worker]).await;
    let (name, app) =
        scene.target.groups.iter().next().map(|(name, app)| (name.clone(), app.clone())).unwrap();
    scene.target.groups.insert("worker".parse().unwrap(), app);
    let counts = scene.target.groups.values_mut().flat_map(|group| group.counts.values_mut());
    counts.for_each(|count| *count = 1);
    let mut is_done = false;
    let watch = |fleet: &Fleet, progress: &Progress| {
        let is_new = |unit: &&Unit| unit.digest == Some(World::digest(2)) && unit.group == name;
        if progress.stage == Stage::SettlingIn && !is_done {
            is_done = true;
            scene.world.provider.happens_to(&fleet.units.iter().find(is_new).unwrap().id, Happens::Idle);
        }
        if fleet.unit(&"unit0001".parse().unwrap()).is_some_and(|old| old.cordoned) {
            let answers =
                |unit: &Unit| !unit.cordoned && unit.state == UnitState::Started && unit.group == name;
            assert!(fleet.units.iter().any(answers), "{progress:?}");
        }
    };
    assert_eq!(scene.watched(Direction::Forward, watch).await, Verdict::Done);
    assert!(is_done);
}

/// P5: who was never changed and only fell asleep meanwhile is as it was found. Nobody starts it for the way back, and
/// where its host has no room for it just now nobody replaces it.
#[tokio::test]
async fn p5_who_was_not_touched_and_sleeps_stays_as_it_is() {
    for strategy in [Strategy::Rolling, Strategy::Canary] {
        let scene = Scene::in_regions(strategy, &[("fra", 3)]).await;
        let sleeper: UnitId = "unit0003".parse().unwrap();
        // Up to the first update.
        scene.walk(Direction::Forward, |progress| progress.marks.values().any(|mark| mark.tries > 0)).await;
        scene.world.provider.happens_to(&sleeper, Happens::Idle);
        scene.world.provider.change(|manners| manners.no_room.push(sleeper.clone()));
        let since = scene.world.provider.calls().len();
        assert_eq!(scene.watched(Direction::Back, |_, _| ()).await, Verdict::Done, "{strategy:?}");
        let calls = scene.world.provider.calls().split_off(since);
        let touches = |call: &UnitCall| {
            call.unit() == Some(&sleeper)
                || matches!(call, UnitCall::Create { .. } | UnitCall::Destroy { .. })
        };
        assert!(!calls.iter().any(|(_, call)| touches(call)), "{strategy:?}: {calls:?}");
        let observed = scene.observed().await;
        assert!(observed.fleet.unit(&sleeper).unwrap().is_asleep());
        assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()));
    }
}

/// Where one that ran fell asleep, a request may wake one that was found asleep: the edge answers from what shall serve.
#[tokio::test]
async fn p4_who_was_found_asleep_and_is_woken_answers_for_the_others() {
    let runs: Change = Box::new(|unit| unit.wakes = false);
    let mut scene = Scene::with(Strategy::BlueGreen, vec![runs, stopped()]).await;
    scene.walk(Direction::Forward, |progress| progress.stage >= Stage::Filling).await;
    scene.edges = vec!["fra"];
    let watch = |fleet: &Fleet, progress: &Progress| {
        let old = fleet.unit(&"unit0001".parse().unwrap()).unwrap();
        let is_proven = old.state == UnitState::Started && old.checks.iter().any(|check| check.passing);
        // Asleep as soon as it is proven, before any edge is asked.
        if progress.stage <= Stage::Filling && is_proven {
            scene.world.provider.happens_at([scene.world.provider.looks()], Happens::Idle);
        }
    };
    assert_eq!(scene.watched(Direction::Back, watch).await, Verdict::Done);
    let observed = scene.observed().await;
    assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()));
    assert!(observed.fleet.units[0].is_asleep() && observed.fleet.units[1].woken().is_some());
}

/// P7: one that is stopped in traffic and that no request wakes answers nobody; neither does one that stands by.
#[tokio::test]
async fn p7_who_is_woken_by_nobody_does_not_count_as_one_that_answers() {
    for (wakes, begins) in [(true, true), (false, false)] {
        let sleeps: Change = Box::new(move |unit| (unit.state, unit.wakes) = (UnitState::Stopped, wakes));
        let mut scene = Scene::with(Strategy::Rolling, vec![as_it_is(), as_it_is(), sleeps]).await;
        scene.target.limits.max_unavailable = MaxUnavailable::Units(3);
        let (observed, progress) = (scene.observed().await, Progress::new(FIRST, scene.world.now()));
        let job = scene.job(Direction::Back);
        let mut snapshot = scene.snapshot.clone();
        // Changed, so that all have a turn on the way back.
        snapshot.units.iter_mut().for_each(|record| record.unit.digest = Some(World::digest(3)));
        let job = Job { snapshot: &snapshot, ..job };
        let seen = Seen::new(job, &observed.fleet);
        let wants = sets(job, &seen, &Waves::new(job), Scope::All, None).in_place;
        let mut pool = Pool::new(job, &wants, &seen, &progress);
        let runs: Vec<_> = wants.iter().filter(|want| want.role.duty.runs()).collect();
        let may: Vec<bool> =
            runs.iter().map(|want| pool.begin(want, seen.unit(want.unit).unwrap())).collect();
        assert_eq!(
            may,
            [true, begins],
            "the second one leaves {}",
            if wakes { "a sleeper" } else { "nobody" }
        );
    }
}

/// The last look: asleep is well where the proxy did it to what was proven, in traffic; nothing else that rests is.
#[tokio::test]
async fn p12_at_the_end_only_sleep_is_as_good_as_running() {
    for strategy in ALL {
        let scene = Scene::new(strategy).await;
        scene.all_the_way(Direction::Forward).await;
        let awake = scene.observed().await;
        scene.world.provider.happens(Happens::Idle);
        let asleep = scene.observed().await;
        assert!(asleep.fleet.live().all(Unit::is_asleep), "{strategy:?}");
        assert_eq!(scene.arrived(&asleep), Ok(()), "{strategy:?}");
        type Amiss = (&'static str, fn(&mut Unit));
        let amiss: [Amiss; 5] = [
            ("is stopped", |unit| unit.nap = None),
            ("has another digest", |unit| unit.digest = Some(World::digest(7))),
            ("has another configuration", |unit| unit.config = serde_json::json!({"guest": "bigger"}).into()),
            ("is out of traffic", |unit| unit.cordoned = true),
            ("failed to start", |unit| unit.state = UnitState::Failed),
        ];
        for (says, change) in amiss {
            let mut other = asleep.clone();
            change(other.fleet.units.iter_mut().find(|unit| !unit.is_parked()).unwrap());
            let why = scene.arrived(&other).unwrap_err();
            assert!(why.contains(says), "{strategy:?}: {says}: {why}");
        }
        // Another version than the one that was proven.
        let unit = asleep.fleet.live().next().unwrap();
        for (version, is_well) in [(unit.version.clone(), true), ("v9".parse().unwrap(), false)] {
            let mut watched = Watched { versions: [(unit.id.clone(), version)].into(), ..Watched::default() };
            let job = scene.job(Direction::Forward);
            let there = arrived(job, &mut watched, &asleep, scene.world.now());
            assert_eq!(there.is_ok(), is_well, "{strategy:?}: {there:?}");
        }
        // What runs shows by its checks what it is.
        assert_eq!(scene.arrived(&awake), Ok(()));
    }
}

/// One that is being woken is waited for, and whatever else is amiss is said at once.
#[tokio::test]
async fn who_is_being_woken_hides_nobody_else() {
    let scene = Scene::new(Strategy::Rolling).await;
    scene.all_the_way(Direction::Forward).await;
    scene.world.provider.happens(Happens::Idle);
    scene.world.provider.happens(Happens::Asked);
    let mut observed = scene.observed().await;
    let now = scene.world.now();
    let look = |observed: &Observed, now| {
        arrived(scene.job(Direction::Forward), &mut Watched::default(), observed, now)
    };
    assert!(look(&observed, now).unwrap_err().is_waking);
    let late = now.plus(scene.target.limits.wait);
    assert!(!look(&observed, late).unwrap_err().is_waking, "its time is over");
    observed.fleet.units[1].nap = None;
    observed.fleet.units[1].state = UnitState::Stopped;
    let amiss = look(&observed, now).unwrap_err();
    assert!(!amiss.is_waking && amiss.why.contains("unit0002 is stopped"), "{amiss:?}");
}

/// P5: what ran when it was found and fell asleep since it was put back is as it was found; stopped by somebody it is not.
#[tokio::test]
async fn p5_asleep_is_as_it_was_found() {
    for strategy in ALL {
        let scene = Scene::new(strategy).await;
        scene.all_the_way(Direction::Forward).await;
        scene.all_the_way(Direction::Back).await;
        for (what, is_well) in [(Happens::Idle, true), (Happens::Asked, true), (Happens::Ended, false)] {
            scene.world.provider.happens(what);
            let observed = scene.observed().await;
            // The look before saw it on its way up.
            scene.world.clock.advance(Millis::secs(1));
            let back = restored(scene.job(Direction::Back), &observed);
            assert_eq!(back.is_ok(), is_well, "{strategy:?} {what:?}: {back:?}");
        }
    }
}

/// Old journals know nothing of sleep.
#[test]
fn a_unit_of_before_reads_as_one_that_never_slept() {
    let world = World::new(1, Manners::default());
    let target = world.component("production", "api", &World::digest(1));
    let id = world.provider.plant(&target.place, |unit| unit.wakes = false);
    let old = serde_json::json!({
        "id": id, "group": "app", "region": "fra", "version": "v1", "version_since": null, "digest": null,
        "image": null, "state": "stopped", "cordoned": false, "checks": [], "lease": null, "managed": true,
        "labels": {}, "config": null, "concurrency": null,
    });
    let unit: Unit = serde_json::from_value(old.clone()).unwrap();
    assert_eq!((unit.nap, unit.wakes), (None, false));
    assert_eq!(serde_json::to_value(&unit).unwrap(), old, "and is written as it was, so that its hash holds");
    let asleep = Unit { nap: Some(Nap::Asleep(At(5))), wakes: true, ..unit };
    assert_eq!(serde_json::to_value(&asleep).unwrap()["nap"], serde_json::json!({"asleep": 5}));
}
