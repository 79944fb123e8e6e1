//! Whether the corpus holds every kind of record there is: a kind that is in no kept journal could change unseen.

use std::collections::BTreeSet;

use promotion::journal::{Entry, OneOffStep, Outcome};
use promotion::machine::{EffectName, Phase, Signal};

use super::corpus;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// The kinds of entries, told as far apart as they are read apart. One that is added is asked for in a journal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        enum Kind { $($kind),* }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$kind),*];
        }
    };
}

kinds! {
    Requested,
    Stepped,
    EffectDone,
    Meant,
    MeantNothing,
    Performed,
    Failed,
    Settled,
    Leased,
    LeasedWithEarlier,
    CommandMeant,
    CommandChosen,
    CommandEnded,
    BreakerReset,
    Closed,
    GlassBroken,
    Ejected,
    Drifted,
    ToldAgain,
    ParkedEnded,
    Reported,
    Moved,
    Arrived,
}

fn kinds(entry: &Entry) -> Vec<Kind> {
    let of_outcome = |outcome: &Outcome| match outcome {
        Outcome::Performed(_) => Kind::Performed,
        Outcome::Failed(_) => Kind::Failed,
        Outcome::Settled => Kind::Settled,
    };
    vec![match entry {
        Entry::Requested { .. } => Kind::Requested,
        Entry::Stepped { .. } => Kind::Stepped,
        Entry::EffectDone { .. } => Kind::EffectDone,
        Entry::Meant { calls, .. } if calls.is_empty() => Kind::MeantNothing,
        Entry::Meant { .. } => Kind::Meant,
        Entry::Came { outcomes, .. } => return outcomes.values().map(of_outcome).collect(),
        Entry::Leased { earlier, .. } if earlier.is_empty() => Kind::Leased,
        Entry::Leased { .. } => Kind::LeasedWithEarlier,
        Entry::OneOff { step: OneOffStep::Meant { .. }, .. } => Kind::CommandMeant,
        Entry::OneOff { step: OneOffStep::Chosen { .. }, .. } => Kind::CommandChosen,
        Entry::OneOff { step: OneOffStep::Ended(_), .. } => Kind::CommandEnded,
        Entry::BreakerReset { .. } => Kind::BreakerReset,
        Entry::Closed { .. } => Kind::Closed,
        Entry::GlassBroken { .. } => Kind::GlassBroken,
        Entry::Ejected { .. } => Kind::Ejected,
        Entry::Drifted { .. } => Kind::Drifted,
        Entry::ToldAgain { .. } => Kind::ToldAgain,
        Entry::ParkedEnded { .. } => Kind::ParkedEnded,
        Entry::Reported { .. } => Kind::Reported,
        Entry::Moved { .. } => Kind::Moved,
        Entry::Arrived { .. } => Kind::Arrived,
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
    let lacking: Vec<_> = Kind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
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
