//! Whether the corpus holds every kind of record there is: a kind that is in no kept journal could change unseen.

use std::collections::BTreeSet;

use promotion::journal::{Entry, OneOffStep, Outcome};
use promotion::machine::{EffectName, Phase, Signal};

use super::corpus;

/// The kind of an entry, and all others beside it: whoever adds one is asked for a journal that holds it.
const KINDS: [&str; 20] = [
    "requested",
    "stepped",
    "effect done",
    "meant",
    "meant, nothing",
    "came, performed",
    "came, failed",
    "came, settled",
    "leased",
    "leased, with earlier ones",
    "one-off, meant",
    "one-off, chosen",
    "one-off, ended",
    "breaker reset",
    "closed",
    "glass broken",
    "ejected",
    "drifted",
    "told again",
    "parked ended",
];

fn kinds(entry: &Entry) -> Vec<&'static str> {
    let of_outcome = |outcome: &Outcome| match outcome {
        Outcome::Performed(_) => "came, performed",
        Outcome::Failed(_) => "came, failed",
        Outcome::Settled => "came, settled",
    };
    vec![match entry {
        Entry::Requested { .. } => "requested",
        Entry::Stepped { .. } => "stepped",
        Entry::EffectDone { .. } => "effect done",
        Entry::Meant { calls, .. } if calls.is_empty() => "meant, nothing",
        Entry::Meant { .. } => "meant",
        Entry::Came { outcomes, .. } => return outcomes.values().map(of_outcome).collect(),
        Entry::Leased { earlier, .. } if earlier.is_empty() => "leased",
        Entry::Leased { .. } => "leased, with earlier ones",
        Entry::OneOff { step: OneOffStep::Meant { .. }, .. } => "one-off, meant",
        Entry::OneOff { step: OneOffStep::Chosen { .. }, .. } => "one-off, chosen",
        Entry::OneOff { step: OneOffStep::Ended(_), .. } => "one-off, ended",
        Entry::BreakerReset { .. } => "breaker reset",
        Entry::Closed { .. } => "closed",
        Entry::GlassBroken { .. } => "glass broken",
        Entry::Ejected { .. } => "ejected",
        Entry::Drifted { .. } => "drifted",
        Entry::ToldAgain { .. } => "told again",
        Entry::ParkedEnded { .. } => "parked ended",
    }]
}

/// P8 for what a version writes: a journal of each kind is kept.
#[test]
fn every_kind_of_record_signal_phase_and_effect_is_in_a_kept_journal() {
    let (mut seen, mut signals, mut phases, mut effects) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for record in corpus().iter().flat_map(|kept| &kept.records) {
        seen.extend(kinds(&record.entry));
        if let Entry::Stepped { stamped, phase, effects: asked } = &record.entry {
            signals.insert(stamped.event.signal());
            phases.insert(*phase);
            effects.extend(asked.iter().copied());
        }
    }
    let lacking: Vec<_> = KINDS.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(lacking.is_empty(), "records: {lacking:?}");
    let lacking: Vec<_> = Signal::ALL.iter().filter(|it| !signals.contains(it)).collect();
    assert!(lacking.is_empty(), "signals: {lacking:?}");
    // A request is an entry of its own.
    let lacking: Vec<_> =
        Phase::ALL.iter().filter(|it| **it != Phase::Requested && !phases.contains(it)).collect();
    assert!(lacking.is_empty(), "phases: {lacking:?}");
    let lacking: Vec<_> = EffectName::ALL.iter().filter(|it| !effects.contains(it)).collect();
    assert!(lacking.is_empty(), "effects: {lacking:?}");
}
