//! What people do: ask, agree, refuse, end, close the breaker, look.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::break_glass::is_lifted;
use super::drive::Came;
use super::queue;
use super::session::Session;
use super::{Engine, EngineError, Handle};
use crate::journal::{Draft, Entry, EnvironmentView, Memory};
use crate::machine::{Event, Stamped, Work, decide};
use crate::model::{
    Approval, Claim, Class, ComponentTarget, Decision, EnvironmentName, Hash, Kind, Millis, Person, Plan,
    Policy, PromotionId, Release, Request, Signed, Wish, Word,
};
use crate::ports::{JournalError, PortError};

/// Views of journals as far as they were read, shared by the clones of an engine.
pub(super) type Views = Arc<Mutex<BTreeMap<EnvironmentName, Arc<EnvironmentView>>>>;

/// A store that has fewer records than we read from it lost some: nothing may be written on top of that.
pub(super) fn lost_tail(view: &EnvironmentView, head: u64) -> Result<(), JournalError> {
    if head >= view.head {
        return Ok(());
    }
    let why = format!("it was read, and now the journal ends at record {head}");
    Err(JournalError::Damaged { environment: view.name.clone(), seq: head + 1, why })
}

/// What [`Engine::request`] takes; id and instant come from the ports.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The target environment.
    pub environment: EnvironmentName,
    /// Its class.
    pub class: Class,
    /// Which verb.
    pub kind: Kind,
    /// What shall run there.
    pub release: Release,
    /// In the order in which components change.
    pub components: Vec<ComponentTarget>,
    /// The rules of the project file now.
    pub policy: Policy,
    /// Who asks, as they say.
    pub requested_by: Person,
    /// The proof of it, over [`Ask::wish`]; none from people who are known without one.
    pub signed: Option<Signed>,
    /// Why.
    pub reason: Option<String>,
    /// What tests of the environment run on: file → SHA-256.
    pub base_data: BTreeMap<String, Hash>,
}

impl Ask {
    /// `kind` of `release` into `environment`, under the default policy and without a reason.
    pub fn new(
        environment: EnvironmentName,
        class: Class,
        kind: Kind,
        release: Release,
        components: Vec<ComponentTarget>,
        requested_by: Person,
    ) -> Self {
        let policy = Policy::default();
        let (signed, reason, base_data) = (None, None, BTreeMap::new());
        Self {
            environment,
            class,
            kind,
            release,
            components,
            policy,
            requested_by,
            signed,
            reason,
            base_data,
        }
    }

    /// What is asked for, as whoever asks signs it.
    pub fn wish(&self) -> Wish<'_> {
        Wish::Request { environment: &self.environment, kind: &self.kind, release: self.release.id() }
    }
}

/// A word counts for this long after it was signed: longer than typing a passphrase takes, and too short for a line that
/// somebody finds.
const WORD_AGE_MAX: Millis = Millis::secs(600);
/// Clocks of two machines may differ by this much.
pub(super) const CLOCKS_APART_MAX: Millis = Millis::secs(60);

/// A plan that nobody asked to carry out.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What would be true afterwards; its hash is what a request made now would get.
    pub plan: Plan,
    /// A line per open gate, or why one is closed.
    pub gates: Result<Vec<String>, String>,
}

impl Engine {
    /// What an environment's journal adds up to. What this engine has read and proven before, or written itself, is not
    /// read again; an audit takes a fresh engine.
    pub async fn view(&self, environment: &EnvironmentName) -> Result<Arc<EnvironmentView>, EngineError> {
        let known = self.known().get(environment).cloned();
        let mut view = known.unwrap_or_else(|| Arc::new(EnvironmentView::new(environment.clone())));
        let records = self.ports.journal.read(environment, view.head).await?;
        if !records.is_empty() {
            Arc::make_mut(&mut view).extend(&records)?;
            self.known().insert(environment.clone(), view.clone());
        }
        Ok(view)
    }

    /// Keeps what a session read, wrote and proved, so that it is not read again.
    pub(super) fn learn(&self, view: EnvironmentView) {
        let mut known = self.known();
        if known.get(&view.name).is_none_or(|known| known.head < view.head) {
            known.insert(view.name.clone(), Arc::new(view));
        }
    }

    /// An engine that has read this much already; what comes after is proven as ever.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn knowing(mut self, views: BTreeMap<EnvironmentName, Arc<EnvironmentView>>) -> Self {
        self.views = Arc::new(Mutex::new(views));
        self
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<EnvironmentName, Arc<EnvironmentView>>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`Engine::request`] and a drive would plan, and whether the gates would let it; nothing is written down and
    /// nothing at the provider changes. Who looks need not prove who they are: the plan is the same for everybody.
    pub async fn plan(&self, ask: Ask) -> Result<Planned, EngineError> {
        let scratch = Memory::new(self.ports.journal.store_id().await?, self.ports.clock.clone());
        for environment in self.ports.journal.environments().await? {
            scratch.load(&environment, self.ports.journal.read(&environment, 0).await?);
        }
        let mut trial = self.clone();
        trial.ports.journal = Arc::new(scratch);
        trial.views = Views::default();
        trial.events = tokio::sync::broadcast::Sender::new(1);
        let handle = trial.write_down(Ask { signed: None, ..ask }, false).await?;
        let mut session = Session::open(&trial, &handle.environment, &handle.id).await?;
        if let Came::Event(event) = session.make_plan().await? {
            session.emit(event).await?;
        }
        let facts = &session.view().state.facts;
        let stopped =
            facts.failure.as_ref().map(|failure| failure.why.clone()).or_else(|| facts.stalled.clone());
        let Some(plan) = facts.plan.clone() else {
            return Err(EngineError::Refused {
                why: stopped.unwrap_or_else(|| "there is no plan".to_owned()),
            });
        };
        let gates = match session.ask_gates().await? {
            Came::Event(Event::Done(Work::Gates { passed })) => Ok(passed),
            Came::Event(Event::GateClosed { gate, why }) => Err(format!("{gate}: {why}")),
            Came::Event(Event::Errored { why }) => Err(why),
            Came::Event(_) | Came::Yield => Err("the gates could not be asked".to_owned()),
        };
        Ok(Planned { plan, gates })
    }

    /// Who wants this, as their proof shows; an old word and one that names somebody else are none.
    pub(super) async fn heard(
        &self,
        wish: &Wish<'_>,
        by: &Person,
        signed: Option<&Signed>,
    ) -> Result<Person, EngineError> {
        let now = self.ports.clock.now();
        let refused = |why: String| EngineError::Proof(PortError::refused(why));
        if let Some(signed) = signed
            && (now.since(signed.at) > WORD_AGE_MAX || signed.at > now.plus(CLOCKS_APART_MAX))
        {
            return Err(refused(format!(
                "it was signed for {}, and here it is {now}; a word counts for {WORD_AGE_MAX}, so sign it again",
                signed.at
            )));
        }
        let word = Word::new(wish, by, signed, now);
        let who = self.ports.approvals.verify_word(&word).await.map_err(EngineError::Proof)?;
        if who == *by { Ok(who) } else { Err(refused(format!("it names {by} and is by {who}"))) }
    }

    /// Writes a request down, once it is proven who asks; nothing else happens until somebody drives it. Not idempotent:
    /// each call is a promotion.
    pub async fn request(&self, ask: Ask) -> Result<Handle, EngineError> {
        let requested_by = self.heard(&ask.wish(), &ask.requested_by, ask.signed.as_ref()).await?;
        self.write_down(Ask { requested_by, ..ask }, false).await
    }

    /// The same for what begins promotions by itself: refused where the release was tried already
    /// ([`EnvironmentView::tried`]), so that of two that ask at once one is taken in; where another promotion is not over;
    /// and while the glass is broken, for what goes under it people name themselves (P1).
    pub async fn request_untried(&self, ask: Ask) -> Result<Handle, EngineError> {
        let requested_by = self.heard(&ask.wish(), &ask.requested_by, ask.signed.as_ref()).await?;
        self.write_down(Ask { requested_by, ..ask }, true).await
    }

    /// Why [`Engine::request_untried`] would refuse `release` now, as far as the journal says.
    pub async fn in_the_way(
        &self,
        environment: &EnvironmentName,
        release: &Release,
    ) -> Result<Option<String>, EngineError> {
        let view = self.view(environment).await?;
        let locked =
            view.lock().map(|lock| format!("locked by {} since {}: {}", lock.by, lock.since, lock.reason));
        Ok(locked.or_else(|| queue::in_the_way(&view, release, self.ports.clock.now())))
    }

    async fn write_down(&self, ask: Ask, is_first: bool) -> Result<Handle, EngineError> {
        let requested_by = ask.requested_by.clone();
        let statement = ask.signed.as_ref().map(|signed| ask.wish().statement(&requested_by, signed.at));
        let id = self.ports.ids.promotion();
        let at = self.ports.clock.now();
        let environment = ask.environment.clone();
        let request = Request {
            id: id.clone(),
            environment: ask.environment,
            class: ask.class,
            kind: ask.kind,
            release: ask.release,
            components: ask.components,
            policy: ask.policy,
            requested_by,
            signed: ask.signed,
            reason: ask.reason,
            base_data: ask.base_data,
            break_glass: None,
            at,
        };
        self.append_open(&environment, |view| {
            if let Some(before) = statement.as_ref().and_then(|statement| view.asked_by(statement)) {
                let why = format!("this word asked for {} already; sign anew to ask again", before.id());
                return Err(EngineError::Proof(PortError::refused(why)));
            }
            if let Some(why) = queue::in_the_way(view, &request.release, at).filter(|_| is_first) {
                return Err(EngineError::Refused { why });
            }
            if let Some(why) = queue::refusal(view, &request) {
                return Err(EngineError::Refused { why });
            }
            let break_glass = view.break_glass(at).filter(|_| is_lifted(&request.kind)).cloned();
            let request = Box::new(Request { break_glass, ..request.clone() });
            Ok(Draft { promotion: Some(id.clone()), at, entry: Entry::Requested { request } })
        })
        .await?;
        Ok(self.handle(environment, id))
    }

    /// Takes in a person's word over a plan. The proof is checked first; the machine then decides whether it counts.
    pub async fn decide(&self, environment: &EnvironmentName, claim: Claim) -> Result<Approval, EngineError> {
        let by = self.ports.approvals.verify(&claim).await.map_err(EngineError::Proof)?;
        let approval = Approval { at: self.ports.clock.now(), by, claim };
        let word = Box::new(approval.clone());
        let event = match approval.claim.decision {
            Decision::Approve => Event::Approve(word),
            Decision::Reject => Event::Reject(word),
        };
        self.word(environment, &approval.claim.promotion, event).await?;
        Ok(approval)
    }

    /// Ends a promotion, once it is proven who wants that ([`Wish::Abort`]): before the first change it is aborted, after it
    /// rolled back.
    pub async fn abort(
        &self,
        environment: &EnvironmentName,
        id: &PromotionId,
        by: Person,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<(), EngineError> {
        let wish = Wish::Abort { promotion: id, reason: &reason };
        let by = self.heard(&wish, &by, signed.as_ref()).await?;
        self.word(environment, id, Event::Cancel { by, reason, signed }).await
    }

    /// Ends a promotion that waits, because `by` takes its place; one that holds the environment is not ended this way.
    pub async fn supersede(
        &self,
        environment: &EnvironmentName,
        id: &PromotionId,
        by: PromotionId,
    ) -> Result<(), EngineError> {
        self.word(environment, id, Event::Supersede { by }).await
    }

    /// Closes the circuit breaker: for those who may approve there, by the rules in force, or by those of the last request
    /// where none are in force yet. Who it is must be proven ([`Wish::ResetBreaker`]).
    pub async fn reset_breaker(
        &self,
        environment: &EnvironmentName,
        by: Person,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<(), EngineError> {
        let wish = Wish::ResetBreaker { environment, reason: &reason };
        let by = self.heard(&wish, &by, signed.as_ref()).await?;
        let at = self.ports.clock.now();
        let entry = Entry::BreakerReset { by: by.clone(), reason, signed: signed.clone() };
        self.append_open(environment, |view| {
            if let (Some(signed), Some(reset)) = (&signed, view.breaker_reset())
                && signed.at <= reset
            {
                let why =
                    format!("the breaker was closed at {reset}, after this was signed; look, and sign anew");
                return Err(EngineError::Proof(PortError::refused(why)));
            }
            if let Some(why) = view.rules_or_last().and_then(|rules| rules.bars(&by)) {
                let why =
                    format!("the breaker of `{environment}` stays as it is: {why}; one of them closes it");
                return Err(EngineError::Refused { why });
            }
            Ok(Draft { promotion: None, at, entry: entry.clone() })
        })
        .await
    }

    /// Appends what somebody said, under no lease; whoever drives the promotion reads it.
    pub(super) async fn word(
        &self,
        environment: &EnvironmentName,
        id: &PromotionId,
        event: Event,
    ) -> Result<(), EngineError> {
        let stamped = Stamped { at: self.ports.clock.now(), event };
        self.append_open(environment, |view| {
            let unknown = || EngineError::Unknown { environment: environment.clone(), id: id.clone() };
            let promotion = view.promotions.get(id).ok_or_else(unknown)?;
            let (phase, effects) = decide(&promotion.state, &stamped)?;
            let entry =
                Entry::Stepped { stamped: Box::new(stamped.clone()), phase, effects: effects.to_vec() };
            Ok(Draft { promotion: Some(id.clone()), at: stamped.at, entry })
        })
        .await
    }

    /// Decides by what is known already, and appends behind it: whoever knew too little hears so from the store, reads on
    /// and decides again. Nothing is refused by what may be old.
    pub(super) async fn append_open(
        &self,
        environment: &EnvironmentName,
        draft: impl Fn(&EnvironmentView) -> Result<Draft, EngineError>,
    ) -> Result<(), EngineError> {
        let known = self.known().get(environment).cloned();
        let mut has_read = known.is_none();
        let mut view = match known {
            Some(view) => view,
            None => self.view(environment).await?,
        };
        loop {
            match draft(&view) {
                Ok(draft) => {
                    match self.ports.journal.append(environment, view.head, None, vec![draft]).await {
                        Ok(_) => return Ok(()),
                        Err(JournalError::Conflict { head }) => lost_tail(&view, head)?,
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) if has_read => return Err(error),
                Err(_) => {}
            }
            let records = self.ports.journal.read(environment, view.head).await?;
            Arc::make_mut(&mut view).extend(&records)?;
            has_read = true;
        }
    }
}
