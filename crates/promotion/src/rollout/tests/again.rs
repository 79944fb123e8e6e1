//! What fails once on the way back is tried again: nothing better is left.

use super::*;

async fn back(scene: &Scene, seen: impl Fn(&[String], &mut Unit)) -> (Vec<String>, Verdict) {
    go(scene, Direction::Back, seen).await
}

/// Goes `direction` while `seen` changes what is observed, given the calls so far; the calls and how it ended.
async fn go(
    scene: &Scene,
    direction: Direction,
    seen: impl Fn(&[String], &mut Unit),
) -> (Vec<String>, Verdict) {
    let mut progress = Progress::new(FIRST, scene.world.now());
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..2_000 {
        let mut observed = scene.observed().await;
        observed.fleet.units.iter_mut().for_each(|unit| seen(&lines, unit));
        let decision = next(scene.job(direction), &observed, &progress, scene.world.now());
        progress = decision.progress;
        for call in decision.calls {
            let key = Key { id: call.title(), nonce: None };
            let done = scene.world.provider.perform(&scene.target.place, &call, &key).await.unwrap();
            // As the engine keeps what an update was answered.
            if let (UnitCall::Update { unit, .. }, Some(version)) = (&call, done.version) {
                progress.versions.insert(unit.clone(), version);
            }
            lines.push(call.title());
        }
        match decision.verdict {
            Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
            verdict => return (lines, verdict),
        }
    }
    panic!("it never ends: {lines:?}");
}

fn count(lines: &[String], line: &str) -> usize {
    lines.iter().filter(|one| *one == line).count()
}

const FIRST_UNIT: &str = "unit0001";

/// Fly's `failed` is no end (fly.md 1.6, persistent states): a start brings the machine up.
#[tokio::test]
async fn a_unit_that_fails_to_start_on_the_way_back_is_started_again() {
    // How often it was brought up before: by the update in place, or by the start out of the parked fleet.
    for (strategy, brought_up) in [(Strategy::Rolling, "update"), (Strategy::BlueGreen, "start")] {
        let scene = Scene::new(strategy).await;
        scene.all_the_way(Direction::Forward).await;
        let start = format!("start {FIRST_UNIT}");
        let (lines, verdict) = back(&scene, |lines, unit| {
            let tried = lines.iter().filter(|line| **line == format!("{brought_up} {FIRST_UNIT}")).count();
            let again = count(lines, &start) >= if brought_up == "start" { 2 } else { 1 };
            if unit.id.as_str() == FIRST_UNIT && tried > 0 && !again {
                unit.state = UnitState::Failed;
            }
        })
        .await;
        assert_eq!(verdict, Verdict::Done, "{strategy:?}: {lines:?}");
        let observed = scene.observed().await;
        assert_eq!(restored(scene.job(Direction::Back), &observed), Ok(()), "{strategy:?}");
    }
}

/// Patience is `wait`: then a person has to look.
#[tokio::test]
async fn one_that_never_starts_again_ends_the_way_back_with_its_name() {
    for strategy in [Strategy::Rolling, Strategy::BlueGreen] {
        let scene = Scene::new(strategy).await;
        scene.all_the_way(Direction::Forward).await;
        let (_, verdict) = back(&scene, |_, unit| {
            if unit.id.as_str() == FIRST_UNIT {
                unit.state = UnitState::Failed;
            }
        })
        .await;
        let Verdict::Failed(why) = verdict else { panic!("{strategy:?}: {verdict:?}") };
        assert!(why.contains(FIRST_UNIT) && why.contains("failed to start"), "{why}");
    }
}

/// A pull that fails silently leaves the unit on what it was (fly.md, trap 2): it is updated again.
#[tokio::test]
async fn a_unit_that_silently_stays_new_on_the_way_back_is_updated_again() {
    let scene = Scene::new(Strategy::Rolling).await;
    scene.all_the_way(Direction::Forward).await;
    let (new, update) = (scene.observed().await.fleet.units[0].clone(), format!("update {FIRST_UNIT}"));
    let (lines, verdict) = back(&scene, |lines, unit| {
        if unit.id == new.id && count(lines, &update) == 1 {
            (unit.digest, unit.image) = (new.digest.clone(), new.image.clone());
            unit.config = new.config.clone();
        }
    })
    .await;
    assert_eq!((count(&lines, &update), verdict), (2, Verdict::Done), "{lines:?}");
    assert_eq!(restored(scene.job(Direction::Back), &scene.observed().await), Ok(()));
}

/// A unit made anew in the place of one that is gone, and down for longer than is normal: on the way back it has all of the
/// patience, on the way there nobody waits for what will not become healthy.
#[tokio::test]
async fn a_unit_that_is_long_down_ends_the_way_there_and_not_the_way_back() {
    let scene = Scene::new(Strategy::BlueGreen).await;
    let limits = &scene.target.limits;
    assert!(limits.unhealthy.0 * 4 < limits.wait.0);
    let is_down = |known: &[UnitId], until: At, unit: &mut Unit| {
        if !known.contains(&unit.id) && scene.world.now() < until {
            unit.state = UnitState::Stopped;
        }
    };
    let known = || async { scene.observed().await.fleet.units.iter().map(|unit| unit.id.clone()).collect() };

    let (found, begun): (Vec<UnitId>, _) = (known().await, scene.world.now());
    let never = At(i64::MAX);
    let (_, verdict) = go(&scene, Direction::Forward, |_, unit| is_down(&found, never, unit)).await;
    let Verdict::Failed(why) = verdict else { panic!("{verdict:?}") };
    assert!(why.contains("is stopped"), "{why}");
    assert!(
        scene.world.now() < begun.plus(Millis(limits.unhealthy.0 * 2)),
        "at once, not after all patience"
    );

    let first = FIRST_UNIT.parse().unwrap();
    scene.perform(&UnitCall::Destroy { unit: first }).await;
    let there: Vec<UnitId> = known().await;
    let up = scene.world.now().plus(Millis(limits.unhealthy.0 * 3));
    let (lines, verdict) = back(&scene, |_, unit| is_down(&there, up, unit)).await;
    assert!(lines.contains(&format!("create restore/{FIRST_UNIT}")), "{lines:?}");
    assert_eq!(verdict, Verdict::Done, "{lines:?}");
}
