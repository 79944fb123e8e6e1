//! Whatever is found, whichever way it changes, and whenever it turns.

use std::collections::BTreeMap;

use super::*;
use crate::model::{MaxUnavailable, RegionName};

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        // Knuth's linear congruential generator (MMIX).
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Units that answer, or are woken by a request, per region.
fn answering(fleet: &Fleet) -> BTreeMap<RegionName, usize> {
    let answers = |unit: &&Unit| {
        let is_healthy = !unit.checks.is_empty() && unit.checks.iter().all(|check| check.passing);
        !unit.cordoned && (unit.state == UnitState::Stopped || unit.state == UnitState::Started && is_healthy)
    };
    let mut regions = BTreeMap::new();
    for unit in fleet.live().filter(answers) {
        *regions.entry(unit.region.clone()).or_default() += 1;
    }
    regions
}

/// Some units, of which half rest somehow or are ill, in two regions; and when it turns, in looks.
async fn thrown(dice: &mut Dice) -> (Scene, u64) {
    let strategies = [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary];
    let strategy = strategies[usize::try_from(dice.below(3)).unwrap()];
    let mut counts: BTreeMap<RegionName, u32> = BTreeMap::new();
    let mut units: Vec<Change> = Vec::new();
    for _ in 0..=dice.below(6) {
        let region: RegionName = ["fra", "lhr"][usize::try_from(dice.below(2)).unwrap()].parse().unwrap();
        *counts.entry(region.clone()).or_default() += 1;
        let rests: Vec<Change> = match dice.below(8) {
            0 => vec![stopped()],
            1 => vec![stopped(), cordoned()],
            2 => vec![cordoned()],
            3 => vec![sick()],
            _ => vec![],
        };
        units.push(Box::new(move |unit| {
            unit.region = region;
            rests.into_iter().for_each(|change| change(unit));
        }));
    }
    let mut scene = Scene::with(strategy, units).await;
    scene.target.groups.values_mut().for_each(|group| group.counts = counts.clone());
    let width = u32::try_from(1 + dice.below(6)).unwrap();
    scene.target.limits.max_unavailable = MaxUnavailable::Units(width);
    if dice.below(2) == 0 {
        scene.target.waves = vec![["lhr".parse().unwrap()].into()];
    }
    (scene, dice.below(400))
}

/// P7 and P5: a region that was found with two that answer has one at every look, on the way there and back, and the end
/// is the release or what was found.
#[tokio::test]
async fn a_region_answers_whenever_it_turns() {
    for seed in 0..400 {
        let (scene, turns_at) = thrown(&mut Dice(seed)).await;
        let what = |direction| format!("seed {seed}, {direction:?}, turns at {turns_at}: {:?}", scene.target);
        let found = answering(&scene.observed().await.fleet);
        let mut direction = Direction::Forward;
        let mut progress = Progress::new(FIRST, scene.world.now());
        let mut n_looks = 0;
        loop {
            n_looks += 1;
            assert!(n_looks < 6_000, "{} never ends", what(direction));
            let observed = scene.observed().await;
            let now = answering(&observed.fleet);
            let gap = found.iter().find(|(region, n)| **n >= 2 && !now.contains_key(region));
            assert_eq!(gap, None, "{}", what(direction));
            if n_looks == turns_at && direction == Direction::Forward {
                (direction, progress) = (Direction::Back, progress.turned(FIRST, scene.world.now()));
            }
            let decision = next(scene.job(direction), &observed, &progress, scene.world.now());
            progress = decision.progress;
            for call in &decision.calls {
                scene.perform(call).await;
            }
            match decision.verdict {
                Verdict::Going { .. } => scene.world.clock.advance(Millis(100)),
                Verdict::Done => break,
                Verdict::Failed(why) => panic!("{}: {why}", what(direction)),
            }
        }
        let observed = scene.observed().await;
        let came = match direction {
            Direction::Forward => scene.arrived(&observed),
            Direction::Back => restored(scene.job(direction), &observed),
        };
        assert_eq!(came, Ok(()), "{}", what(direction));
    }
}
