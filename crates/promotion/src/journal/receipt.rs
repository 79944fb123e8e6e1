//! A receipt: what was built, copied, tested, approved and runs, from the journal alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::{Entry, Record};
use super::view::EnvironmentView;
use crate::machine::Phase;
use crate::model::{
    At, Attestation, BreakGlass, CheckOff, ChecklistItem, Class, ComponentName, Envelope, EnvironmentName,
    EvidenceRule, Hash, ImageRecord, ImageRef, InToto, ItemName, Kind, Person, PromotionId, Running, StoreId,
    SuiteName, canonical, subjects,
};

/// The kind of statement that a receipt is.
const PREDICATE: &str = "urn:understudy:receipt:v1";

/// Where a release comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Its version.
    pub version: String,
    /// The source commit.
    pub commit: String,
    /// The source tree's hash, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// What was asked for, by component.
    pub images: BTreeMap<ComponentName, ImageRef>,
}

/// A suite that the release had passed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// Which.
    pub suite: SuiteName,
    /// Where.
    pub environment: EnvironmentName,
    /// The class of that environment.
    pub class: Class,
    /// When the suite ended.
    pub at: At,
    /// Who signed that.
    pub by: Person,
    /// The report's hash.
    pub report: Hash,
    /// Of the signature, which stands in the journal.
    pub proof: Hash,
}

impl Tested {
    fn of(it: &Attestation) -> Self {
        Self {
            suite: it.statement.suite.clone(),
            environment: it.statement.environment.clone(),
            class: it.statement.class,
            at: it.statement.at,
            by: it.by.clone(),
            report: it.statement.report.clone(),
            proof: proof(&it.signature),
        }
    }
}

/// A field in which a receipt says otherwise than the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiptDiffers {
    /// Which.
    pub field: String,
    /// What the journal says.
    pub expected: String,
    /// What the receipt says.
    pub found: String,
}

/// A person's yes over the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who.
    pub by: Person,
    /// When it was taken in.
    pub at: At,
    /// Of the signature, which stands in the journal.
    pub proof: Hash,
}

/// An item of the checklist that somebody checked off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Which.
    pub item: ItemName,
    /// What was to be looked at.
    pub text: String,
    /// Who looked.
    pub by: Person,
    /// When it was taken in.
    pub at: At,
    /// What they saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Of the signature, which stands in the journal; none of people who are known without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Hash>,
}

impl Checked {
    fn of(item: &ChecklistItem, word: &CheckOff) -> Self {
        Self {
            item: item.id.clone(),
            text: item.text.clone(),
            by: word.by.clone(),
            at: word.at,
            comment: word.comment.clone(),
            proof: word.signed.as_ref().map(|signed| proof(&signed.proof)),
        }
    }
}

/// The record in which it ended: a point of the chain outside the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRecord {
    /// Its number.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// When it was written.
    pub at: At,
}

/// What became of a promotion, and on what grounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which promotion.
    pub promotion: PromotionId,
    /// The journal's store.
    pub store: StoreId,
    /// Where it went.
    pub environment: EnvironmentName,
    /// Which verb.
    pub verb: String,
    /// How it ended.
    pub phase: Phase,
    /// The record in which it ended.
    pub record: EndRecord,
    /// The release's hash.
    pub release: Hash,
    /// The plan's hash, once there was one.
    pub plan: Option<Hash>,
    /// Who asked.
    pub requested_by: Person,
    /// Where the release comes from.
    pub built: Built,
    /// The images as they were read back from the registry out of which they run.
    pub copied: BTreeMap<ComponentName, ImageRecord>,
    /// What it had passed before, as far as a gate asked for it.
    pub tested: Vec<Tested>,
    /// What it passed there, in the end.
    pub verified: Vec<Tested>,
    /// Who agreed.
    pub approved: Vec<Approved>,
    /// What people looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checklist: Vec<Checked>,
    /// The exception under which it was asked for: then neither evidence nor people had to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
    /// Every machine as it was last read back; none where the release does not run there by this promotion, or nothing was
    /// read back before it failed.
    pub running: BTreeMap<ComponentName, Vec<Running>>,
    components: BTreeMap<ComponentName, crate::model::Digest>,
}

impl Receipt {
    /// Of promotion `id`. `records` are those of its environment, `evidence` is what the gate went by. Why there is none, where
    /// it is not over.
    pub fn of(
        store: StoreId,
        view: &EnvironmentView,
        records: &[Record],
        evidence: &[Attestation],
        id: &PromotionId,
    ) -> Result<Self, String> {
        let unknown = || format!("there is no promotion {id} in {}", view.name);
        let promotion = view.promotions.get(id).ok_or_else(unknown)?;
        let (phase, facts) = (promotion.state.phase, &promotion.state.facts);
        if !phase.is_final() {
            return Err(format!("{id} is {phase}: what became of it is not known yet"));
        }
        let is_end = |record: &&Record| {
            record.promotion.as_ref() == Some(id) && matches!(record.entry, Entry::Stepped { .. })
        };
        let end = records.iter().rev().find(is_end).ok_or_else(unknown)?;
        let request = &facts.request;
        Ok(Self {
            promotion: id.clone(),
            store,
            environment: view.name.clone(),
            verb: request.kind.verb().to_owned(),
            phase,
            record: EndRecord { seq: end.seq, hash: end.hash.clone(), at: end.at },
            release: request.release.id(),
            plan: facts.plan.as_ref().map(|plan| plan.hash.clone()),
            requested_by: request.requested_by.clone(),
            built: Built {
                version: request.release.version.clone(),
                commit: request.release.commit.clone(),
                tree: request.release.tree.clone(),
                images: request
                    .components
                    .iter()
                    .map(|target| (target.place.component.clone(), target.image.clone()))
                    .collect(),
            },
            copied: facts.images.clone(),
            tested: evidence.iter().map(Tested::of).collect(),
            verified: facts.attestations.iter().map(Tested::of).collect(),
            approved: facts
                .approvals
                .iter()
                .map(|it| Approved { by: it.by.clone(), at: it.at, proof: proof(&it.claim.proof) })
                .collect(),
            checklist: promotion
                .state
                .policy()
                .checklist
                .iter()
                .filter_map(|item| Some(Checked::of(item, promotion.state.checked(&item.id)?)))
                .collect(),
            break_glass: request.break_glass.clone(),
            running: if promotion.state.stands() { facts.running.clone() } else { BTreeMap::new() },
            components: request.release.components.clone(),
        })
    }

    /// What an envelope says, its signatures apart; why it is no receipt.
    pub fn read(envelope: &Envelope) -> Result<Self, String> {
        let said = InToto::<Self>::of(envelope, PREDICATE)?;
        let about = subjects(&said.predicate.release, &said.predicate.components);
        if said.subject == about {
            Ok(said.predicate)
        } else {
            Err("its subjects are not the components that it speaks of".to_owned())
        }
    }

    /// In what it says otherwise than the journal does, by the field: what the journal says, and what it says. `records` are
    /// those of its environment, `tested` are the journals of the environments in which it was tested.
    pub fn against(&self, records: &[Record], tested: &[EnvironmentView]) -> Vec<ReceiptDiffers> {
        let differs = |field: &str, expected: String, found: String| ReceiptDiffers {
            field: field.to_owned(),
            expected,
            found,
        };
        let EndRecord { seq, hash, .. } = &self.record;
        match records.iter().find(|record| record.seq == *seq) {
            Some(record) if record.hash == *hash => {}
            found => {
                let expected =
                    found.map_or_else(|| "no such record".to_owned(), |record| record.hash.to_string());
                return vec![differs(&format!("record {seq}"), expected, hash.to_string())];
            }
        }
        let mut view = EnvironmentView::new(self.environment.clone());
        let said = view.extend(records).map_err(|error| error.to_string());
        let said = said.and_then(|()| Self::of(self.store.clone(), &view, records, &[], &self.promotion));
        let said = match said {
            Ok(said) => Self { tested: self.tested.clone(), ..said },
            Err(why) => return vec![differs("promotion", why, self.promotion.to_string())],
        };
        let text = |value: Option<&serde_json::Value>| value.map_or("nothing".to_owned(), canonical::text);
        let (journal, own) = (fields(&said), fields(self));
        let keys: BTreeSet<&String> = journal.keys().chain(own.keys()).collect();
        let other = keys.into_iter().filter(|key| journal.get(*key) != own.get(*key));
        let mut found: Vec<_> =
            other.map(|key| differs(key, text(journal.get(key)), text(own.get(key)))).collect();
        let rule = asked_for(&view, &self.promotion);
        for it in &self.tested {
            let is_asked =
                rule.is_some_and(|rule| rule.from == it.environment && rule.suites.contains(&it.suite));
            if !is_asked {
                let expected = rule.map_or_else(
                    || "no evidence: none was asked for".to_owned(),
                    |rule| format!("evidence from `{}` of a suite that the plan names", rule.from),
                );
                found.push(differs("tested", expected, format!("`{}` from `{}`", it.suite, it.environment)));
                continue;
            }
            let is_it =
                |signed: &Attestation| signed.statement.release == self.release && Tested::of(signed) == *it;
            let is_there = tested.iter().any(|view| view.attestations().any(is_it));
            if !is_there {
                let expected = format!("evidence of `{}` in the journal of `{}`", it.suite, it.environment);
                found.push(differs(
                    "tested",
                    expected,
                    format!("a proof {} that is not there", it.proof.short()),
                ));
            }
        }
        found
    }

    /// An in-toto statement about the components by their digests, to be signed.
    pub fn payload(&self) -> Vec<u8> {
        InToto::new(PREDICATE, subjects(&self.release, &self.components), self.clone()).payload()
    }
}

/// The rule of evidence that promotion `id` had to pass, where it had to pass one.
fn asked_for<'v>(view: &'v EnvironmentView, id: &PromotionId) -> Option<&'v EvidenceRule> {
    let state = &view.promotions.get(id)?.state;
    let is_asked = state.facts.request.kind == Kind::Promote;
    state.policy().evidence.as_ref().filter(|_| is_asked)
}

fn fields(receipt: &Receipt) -> BTreeMap<String, serde_json::Value> {
    match serde_json::to_value(receipt) {
        Ok(serde_json::Value::Object(fields)) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

fn proof(signature: &str) -> Hash {
    canonical::hash("understudy proof v1", signature)
}
