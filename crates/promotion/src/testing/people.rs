//! People, signatures and suites that do as they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::model::{
    Attestation, Claim, Envelope, EnvelopeSignature, EnvironmentName, Person, Place, Release, Statement,
    SuiteName, Word, canonical, pae,
};
use crate::ports::{Approvals, Attestor, Checks, Notice, Notifier, PortError, SuiteReport, Verdict};
use crate::rollout::EdgeAnswer;

/// A signer whose signature is a hash over name and text: as good as a signature where nobody cheats with keys.
#[derive(Debug)]
pub struct Signer {
    person: Person,
}

impl Signer {
    /// Signs as `person`.
    pub const fn new(person: Person) -> Self {
        Self { person }
    }

    /// The proof of `person` over `text`.
    pub fn proof(person: &Person, text: &str) -> String {
        format!("{person}:{}", canonical::hash("test signature", &(person, text)))
    }

    fn who(proof: &str, text: &str) -> Result<Person, PortError> {
        let name = proof.rsplit_once(':').map_or("", |(name, _)| name);
        let person = Person::new(name).map_err(|error| PortError::refused(error.to_string()))?;
        if Self::proof(&person, text) == proof {
            Ok(person)
        } else {
            Err(PortError::refused("the signature is not over this text"))
        }
    }
}

#[async_trait]
impl Approvals for Signer {
    async fn verify(&self, claim: &Claim) -> Result<Person, PortError> {
        Self::who(&claim.proof, &Claim::statement(&claim.promotion, &claim.plan, claim.decision))
    }

    async fn verify_word(&self, word: &Word) -> Result<Person, PortError> {
        match &word.proof {
            Some(proof) => Self::who(proof, &word.text),
            None => Err(PortError::refused("there is no signature")),
        }
    }
}

#[async_trait]
impl Attestor for Signer {
    async fn sign(&self, statement: &Statement) -> Result<Attestation, PortError> {
        let signature = Self::proof(&self.person, &statement.text());
        Ok(Attestation { statement: statement.clone(), by: self.person.clone(), signature })
    }

    async fn verify(&self, attestation: &Attestation) -> Result<(), PortError> {
        let who = Self::who(&attestation.signature, &attestation.statement.text())?;
        if who == attestation.by { Ok(()) } else { Err(PortError::refused("signed by somebody else")) }
    }

    async fn seal(&self, payload_type: &str, payload: &[u8]) -> Result<Envelope, PortError> {
        let text = String::from_utf8_lossy(&pae(payload_type, payload)).into_owned();
        let sig = Self::proof(&self.person, &text).into_bytes();
        let signatures = vec![EnvelopeSignature { keyid: self.person.to_string(), sig }];
        Ok(Envelope { payload: payload.to_vec(), payload_type: payload_type.to_owned(), signatures })
    }
}

/// Suites with verdicts by environment and release version; everything passes unless told otherwise.
#[derive(Debug, Default)]
pub struct Suites {
    failing: Mutex<BTreeMap<(EnvironmentName, String), Verdict>>,
    runs: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Suites {
    /// Release `version` gets `verdict` in `environment`.
    pub fn tell(&self, environment: &EnvironmentName, version: &str, verdict: Verdict) {
        lock(&self.failing).insert((environment.clone(), version.to_owned()), verdict);
    }

    /// Suites of their own with the same verdicts.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { failing: Mutex::new(lock(&self.failing).clone()), runs: Mutex::default() }
    }

    /// How often a suite ran.
    pub fn runs(&self) -> u64 {
        *lock(&self.runs)
    }
}

#[async_trait]
impl Checks for Suites {
    async fn run(
        &self,
        environment: &EnvironmentName,
        release: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError> {
        *lock(&self.runs) += 1;
        let key = (environment.clone(), release.version.clone());
        let verdict = lock(&self.failing).get(&key).copied().unwrap_or(Verdict::Passed);
        let passed = u32::from(verdict == Verdict::Passed);
        let failed = u32::from(verdict == Verdict::Failed);
        let why = if failed > 0 { vec!["as told".to_owned()] } else { Vec::new() };
        let report = canonical::hash("test report", &(environment, suite, passed));
        Ok(SuiteReport { suite: suite.clone(), verdict, passed, failed, why, report })
    }

    fn edges(&self, _: &Place) -> BTreeSet<String> {
        BTreeSet::new()
    }

    async fn ask_edges(&self, _: &Place) -> Vec<EdgeAnswer> {
        Vec::new()
    }
}

/// Keeps what was told.
#[derive(Debug, Default)]
pub struct Desk {
    notices: Mutex<Vec<Notice>>,
}

impl Desk {
    /// What was told, in order.
    pub fn notices(&self) -> Vec<Notice> {
        lock(&self.notices).clone()
    }
}

#[async_trait]
impl Notifier for Desk {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        lock(&self.notices).push(notice.clone());
        Ok(())
    }
}
