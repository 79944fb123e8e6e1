//! What a journal holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::{EffectName, Phase, Stamped};
use crate::model::{
    At, Attestation, BreakGlass, Closing, ComponentName, Difference, EnvironmentName, Hash, Nonce, OneOffEnd,
    PromotionId, Request, Signed, SuiteName, UnitId, canonical,
};
use crate::ports::{Performed, PortError};
use crate::rollout::{Direction, Progress, UnitCall};

/// One call of a batch, as it was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its key.
    pub key: String,
    /// The call.
    pub call: UnitCall,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Outcome {
    /// Recorded by the provider.
    Performed(Performed),
    /// Not, or not known.
    Failed(PortError),
    /// The runner died before it knew; settled by looking.
    Settled,
}

/// How far a command that runs once has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum OneOffStep {
    /// A machine is about to be made for it.
    Meant {
        /// What that machine is found by.
        key: String,
    },
    /// This machine is the one that runs it; it is started from here on, and no other.
    Chosen {
        /// Which.
        run: UnitId,
    },
    /// It is over.
    Ended(OneOffEnd),
}

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAbout {
    /// The promotion that had put there what was tested.
    pub deployment: PromotionId,
    /// Its release.
    pub release: Hash,
    /// The file's SHA-256.
    pub report: Hash,
    /// When the tests ended, as it says.
    pub ended: At,
}

/// A record's content. Old kinds are read for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// Somebody asked: a promotion begins.
    Requested {
        /// What was asked.
        request: Box<Request>,
    },
    /// A step of the machine: what happened, what followed.
    Stepped {
        /// The event, with its instant.
        stamped: Box<Stamped>,
        /// The phase after it; replay must come to the same.
        phase: Phase,
        /// What is to be done once.
        effects: Vec<EffectName>,
    },
    /// An effect of the outbox is done.
    EffectDone {
        /// The record that asked for it.
        seq: u64,
        /// Its place there.
        n: u32,
    },
    /// A component's rollout is about to make these calls, having come this far.
    Meant {
        /// Which component.
        component: ComponentName,
        /// Which way.
        direction: Direction,
        /// What must be remembered.
        progress: Box<Progress>,
        /// The calls; empty when only time passed.
        calls: Vec<Intent>,
    },
    /// What became of calls, by key.
    Came {
        /// Which component.
        component: ComponentName,
        /// Key → result.
        outcomes: BTreeMap<String, Outcome>,
    },
    /// Provider leases that we hold.
    Leased {
        /// Which component.
        component: ComponentName,
        /// Unit → the number to show.
        nonces: BTreeMap<UnitId, Nonce>,
        /// Unit → the number under which an earlier runner held it, where its host has not answered since. It is given
        /// back before any call on that unit.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        earlier: BTreeMap<UnitId, Nonce>,
    },
    /// A release command came this far.
    OneOff {
        /// Of which component.
        component: ComponentName,
        /// How far.
        step: OneOffStep,
    },
    /// The circuit breaker was closed by a person.
    BreakerReset {
        /// Who.
        by: crate::model::Person,
        /// Why.
        reason: String,
        /// The proof of who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// A person closed the environment to promotions, or opened it.
    Closed {
        /// How.
        closing: Closing,
        /// Who.
        by: crate::model::Person,
        /// Why.
        reason: String,
        /// The proof of who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// The glass was broken: for a while what people and calendars ask for is lifted.
    GlassBroken {
        /// By whom, why, until when.
        glass: Box<BreakGlass>,
    },
    /// The environment was taken out of our hands: the labels come off these units now.
    Ejected {
        /// Who wanted it.
        by: crate::model::Person,
        /// Why.
        reason: Option<String>,
        /// The proof of who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
        /// Units that go on without our labels.
        freed: BTreeMap<ComponentName, Vec<UnitId>>,
        /// Parked units that are destroyed.
        destroyed: BTreeMap<ComponentName, Vec<UnitId>>,
    },
    /// What runs was compared with what is recorded, and came out otherwise than before.
    Drifted {
        /// The promotion that had put there what is recorded.
        of: PromotionId,
        /// All that differs now; nothing where what is recorded runs again.
        differences: Vec<Difference>,
    },
    /// A report of suites that ran elsewhere was read, and speaks of what runs here.
    Reported {
        /// What it says, its suites apart.
        about: Box<ReportAbout>,
        /// Suite → the signed word that it passed; nothing where it did not.
        suites: BTreeMap<SuiteName, Option<Attestation>>,
    },
    /// People were told again of what nobody looked after: of the promotion, else of the drift that is open.
    ToldAgain {
        /// How often they were told by now.
        n: u32,
    },
    /// A parked fleet's time is over: these units are destroyed now.
    ParkedEnded {
        /// Which component.
        component: ComponentName,
        /// Which units.
        units: Vec<UnitId>,
    },
    /// The journal goes on in another store: here nothing follows this record.
    Moved {
        /// The move, by a name of its own.
        by: String,
        /// Where to, as that store is always called.
        to: String,
    },
    /// The journal came here by a move, and goes on here.
    Arrived {
        /// The move, by a name of its own.
        by: String,
    },
}

/// A record to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Which promotion, where it is one's.
    pub promotion: Option<PromotionId>,
    /// When.
    pub at: At,
    /// What.
    pub entry: Entry,
}

/// A sealed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form.
    pub v: u32,
    /// Which chain.
    pub environment: EnvironmentName,
    /// 1, 2, 3, … without gaps.
    pub seq: u64,
    /// Which promotion, where it is one's.
    pub promotion: Option<PromotionId>,
    /// The lease under which it was written; none for words of people.
    pub epoch: Option<u64>,
    /// When.
    pub at: At,
    /// What.
    pub entry: Entry,
    /// The hash of the record before; of the environment's name for the first.
    pub prev: Hash,
    /// Over everything above.
    pub hash: Hash,
}

impl Record {
    /// Seals `draft` as record `seq` behind `prev`.
    pub fn seal(
        environment: &EnvironmentName,
        seq: u64,
        epoch: Option<u64>,
        draft: Draft,
        prev: Hash,
    ) -> Self {
        let mut record = Self {
            v: 1,
            environment: environment.clone(),
            seq,
            promotion: draft.promotion,
            epoch,
            at: draft.at,
            entry: draft.entry,
            hash: prev.clone(),
            prev,
        };
        record.hash = record.content_hash();
        record
    }

    /// What the hash must be.
    pub fn content_hash(&self) -> Hash {
        let Self { v, environment, seq, promotion, epoch, at, entry, prev, hash: _ } = self;
        canonical::hash("understudy record v1", &(v, environment, seq, promotion, epoch, at, entry, prev))
    }

    /// What stands before the first record of a chain.
    pub fn root(environment: &EnvironmentName) -> Hash {
        canonical::hash("understudy chain v1", environment)
    }
}
