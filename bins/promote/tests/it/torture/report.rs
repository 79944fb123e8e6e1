//! What a run of the torture came to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use promotion::machine::Phase;
use serde_json::{Value, json};

use super::trace::Struck;

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) kills: usize,
    /// By the verb that was killed.
    killed: BTreeMap<&'static str, usize>,
    /// `phase/effect/side`.
    landed: BTreeMap<String, usize>,
    /// How often the machine that the victim asked for was made to come when others are at work.
    pub(super) late: usize,
    pub(super) missed: usize,
    pub(super) ticks: usize,
    pub(super) took: Duration,
    pub(super) double_effects: Vec<String>,
    pub(super) lost_approvals: Vec<String>,
    pub(super) mixed_fleets: Vec<String>,
    pub(super) unresumed: Vec<String>,
    pub(super) violations: Vec<String>,
}

impl Report {
    pub(super) fn kill(&mut self, phase: Phase, whom: &'static str, struck: &[Struck]) {
        self.kills += 1;
        *self.killed.entry(whom).or_default() += 1;
        for (effect, side) in struck {
            *self.landed.entry(format!("{phase}/{effect}/{side}")).or_default() += 1;
        }
    }

    /// The stand-in was killed together with somebody.
    pub(super) fn cloud(&mut self) {
        *self.killed.entry("localcloud").or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.late += other.late;
        self.missed += other.missed;
        self.ticks += other.ticks;
        for (whom, times) in other.killed {
            *self.killed.entry(whom).or_default() += times;
        }
        for (at, times) in other.landed {
            *self.landed.entry(at).or_default() += times;
        }
        self.double_effects.extend(other.double_effects);
        self.lost_approvals.extend(other.lost_approvals);
        self.mixed_fleets.extend(other.mixed_fleets);
        self.unresumed.extend(other.unresumed);
        self.violations.extend(other.violations);
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        let kinds = [
            &self.double_effects,
            &self.lost_approvals,
            &self.mixed_fleets,
            &self.unresumed,
            &self.violations,
        ];
        kinds.into_iter().flatten()
    }

    /// Everything that is wrong.
    pub(crate) fn wrong(&self) -> usize {
        self.all().count()
    }

    fn per_minute(&self) -> f64 {
        let minutes = self.took.as_secs_f64() / 60.0;
        if minutes > 0.0 { (self.kills as f64 / minutes * 10.0).round() / 10.0 } else { 0.0 }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::from("phase/effect/side                               times\n");
        for (at, times) in &self.landed {
            let _ = writeln!(text, "{at:46} {times:6}");
        }
        let killed: Vec<_> = self.killed.iter().map(|(whom, times)| format!("{whom} {times}")).collect();
        let _ = writeln!(
            text,
            "killed {} ({}), of machines asked for {} came late, not at a moment that counts {}, ticks {}, \
             {} kills a minute\n\
             double effects {}, lost approvals {}, mixed fleets {}, unresumed {}, other violations {}",
            self.kills,
            killed.join(", "),
            self.late,
            self.missed,
            self.ticks,
            self.per_minute(),
            self.double_effects.len(),
            self.lost_approvals.len(),
            self.mixed_fleets.len(),
            self.unresumed.len(),
            self.violations.len()
        );
        for violation in self.all() {
            let _ = writeln!(text, "VIOLATION {violation}");
        }
        text
    }

    pub(crate) fn json(&self, seed: u64) -> Value {
        json!({
            "kills": self.kills,
            "late": self.late,
            "double_effects": self.double_effects.len(),
            "lost_approvals": self.lost_approvals.len(),
            "mixed_fleets": self.mixed_fleets.len(),
            "unresumed": self.unresumed.len(),
            "violations": self.violations.len(),
            "landed": self.landed,
            "killed": self.killed,
            "seed": seed,
            "kills_per_minute": self.per_minute(),
            "wrong": self.all().collect::<Vec<_>>(),
        })
    }
}
