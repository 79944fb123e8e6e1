//! Who plays: runners, rescuers, people, somebody with another store, and the weather.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, select};

use super::stage::{mortal, stopped};
use super::trouble::{Life, Mood, Stop, Trouble};
use crate::engine::{Engine, EngineError, Handle, Outcome};
use crate::journal::{EnvironmentView, PromotionView};
use crate::machine::Phase;
use crate::model::{At, Claim, Decision, Hash, Kind, Millis, Person, PromotionId, Release};
use crate::ports::{Clock as _, Deployer as _, JournalError};
use crate::testing::{Moment, OwnClock, Signer, Switch, World, env};

/// What the cast has in common.
pub(super) struct Cast<'a> {
    pub(super) world: &'a World,
    pub(super) trouble: &'a Trouble,
    pub(super) release: Release,
    pub(super) begun: At,
    /// When everybody goes home.
    pub(super) until: At,
    /// What the lead agreed to, which plan of it, and when.
    pub(super) agreed: RefCell<BTreeMap<(PromotionId, Hash), At>>,
    /// What the lead has looked at, where there is a checklist, and when.
    pub(super) looked: RefCell<BTreeMap<PromotionId, At>>,
    /// What the lead took back before the first effect, and was turned away.
    pub(super) unheard: RefCell<Vec<(PromotionId, Phase)>>,
    /// How many runners were killed at work.
    pub(super) n_deaths: Cell<u64>,
    /// Nobody is going to say anything any more.
    pub(super) is_quiet: Cell<bool>,
}

/// What a runner lives by.
struct Body {
    clock: Arc<OwnClock>,
    switch: Arc<Switch>,
}

/// Between two looks of somebody who waits.
const WAITS: Millis = Millis(900);

impl Cast<'_> {
    fn is_over(&self) -> bool {
        self.world.now() >= self.until
    }

    async fn sleep(&self, time: Millis) {
        self.world.clock.sleep(time).await;
    }

    /// Somebody's engine, their clock, and the switch that stops them.
    fn engine(world: &World, life: &Life) -> (Engine, Body) {
        let clock = Arc::new(OwnClock::new(world.clock.clone(), life.ahead));
        let switch = match life.stops {
            Some((Stop::After(n), _)) => Switch::stopping(n),
            Some((Stop::At(_), _)) | None => Switch::new(Moment::Never),
        };
        (world.engine_by(clock.clone(), &switch), Body { clock, switch })
    }

    /// Asks for the promotion, and drives it as long as it lives.
    pub(super) async fn asks(&self, life: Life) {
        self.sleep(life.comes).await;
        let (engine, body) = Self::engine(self.world, &life);
        let ask = self.world.ask("production", Kind::Promote, &self.release);
        let work = async {
            if let Ok(handle) = engine.request(ask).await {
                self.drives(&handle).await;
            }
        };
        self.lives(life, &body, work.boxed_local()).await;
    }

    /// Drives what somebody else asked for.
    pub(super) async fn helps(&self, life: Life) {
        self.sleep(life.comes).await;
        let (engine, body) = Self::engine(self.world, &life);
        let work = async {
            while !self.is_over() && !self.is_quiet.get() {
                let view = engine.view(&env("production")).await;
                let first = view.ok().and_then(|view| asked(&view).next().map(|it| it.id().clone()));
                match first {
                    Some(id) => return self.drives(&engine.handle(env("production"), id)).await,
                    None => self.sleep(WAITS).await,
                }
            }
        };
        self.lives(life, &body, work.boxed_local()).await;
    }

    async fn lives(&self, life: Life, body: &Body, work: LocalBoxFuture<'_, ()>) {
        let (time, now) = (&*self.world.clock, self.world.now());
        let until = life.dies.map_or(self.until, |dies| now.plus(dies));
        let has_come = || match life.stops {
            Some((Stop::At(from), _)) => time.now() >= now.plus(from),
            Some((Stop::After(_), _)) => body.switch.is_stopped(),
            None => false,
        };
        let pause = life.stops.map_or(Millis::ZERO, |(_, time)| time);
        let done = Cell::new(false);
        let work = async {
            stopped(time, has_come, pause, work).await;
            done.set(true);
        };
        let setting = async {
            if let Some((when, ahead)) = life.set {
                time.sleep(when).await;
                body.clock.set(ahead);
            }
            std::future::pending::<()>().await;
        };
        let both = async {
            select(pin!(work), pin!(setting)).await;
        };
        mortal(time, until, both).await;
        if !done.get() {
            self.n_deaths.set(self.n_deaths.get() + 1);
        }
    }

    async fn drives(&self, handle: &Handle) {
        while !self.is_over() {
            match handle.drive().await {
                Ok(Outcome::Waiting { .. } | Outcome::Busy { .. }) => self.sleep(WAITS).await,
                Ok(Outcome::Ended(_) | Outcome::Interrupted) | Err(_) => return,
            }
            if self.is_quiet.get() {
                return;
            }
        }
    }

    /// The lead, who is asked and answers; and whoever asked, who agrees with themselves.
    pub(super) async fn people(&self) {
        let mut said = BTreeSet::new();
        let mut has_repented = false;
        let expected = 1 + usize::from(self.trouble.rival.is_some());
        while !self.is_over() {
            self.sleep(self.trouble.thinks).await;
            let Ok(view) = self.world.bystander().view(&env("production")).await else { continue };
            if let Mood::Repents(after) = self.trouble.mood
                && !has_repented
                && self.world.now() >= self.begun.plus(after)
                && let Some(first) = asked(&view).next()
            {
                has_repented = true;
                let handle = self.world.bystander().handle(env("production"), first.id().clone());
                let _it_may_be_over = self.world.abort(&handle, "I was wrong").await;
            }
            for promotion in asked(&view) {
                let plan = promotion.state.facts.plan.as_ref().map(|plan| plan.hash.clone());
                if let (Phase::AwaitingApproval, Some(plan)) = (promotion.state.phase, plan)
                    && said.insert((promotion.id().clone(), plan.clone()))
                {
                    self.answer(promotion.id(), plan).await;
                }
            }
            let is_silent = self.trouble.mood == Mood::Silent;
            let is_done = |phase: Phase| phase.is_final() || (is_silent && phase.is_human_wait());
            if asked(&view).all(|it| is_done(it.state.phase))
                && (asked(&view).count() == expected || self.has_waited())
            {
                break;
            }
        }
        self.is_quiet.set(true);
    }

    /// Whoever has not asked by now died before.
    fn has_waited(&self) -> bool {
        self.world.now() >= self.begun.plus(Millis::secs(600))
    }

    async fn answer(&self, promotion: &PromotionId, plan: Hash) {
        // Must not count: whoever asks does not agree with themselves.
        self.says(promotion, &World::developer(), plan.clone(), Decision::Approve).await;
        match self.trouble.mood {
            Mood::Silent => {}
            Mood::Refuses => {
                self.says(promotion, &World::lead(), plan, Decision::Reject).await;
            }
            Mood::Agrees | Mood::Repents(_) => {
                // Said before it is heard.
                let at = self.world.now();
                self.agreed.borrow_mut().entry((promotion.clone(), plan.clone())).or_insert(at);
                self.says(promotion, &World::lead(), plan.clone(), Decision::Approve).await;
                let has_checklist = !self.world.policy.checklist.is_empty();
                if has_checklist {
                    self.looks(promotion, &plan).await;
                }
                if let Some(after) = self.trouble.withdraws {
                    self.sleep(after).await;
                    if has_checklist {
                        self.checks(promotion, &plan, false).await;
                    } else {
                        self.says(promotion, &World::lead(), plan, Decision::Reject).await;
                    }
                }
            }
        }
    }

    /// After they approved, so that a promotion which does not wait for it is seen.
    async fn looks(&self, promotion: &PromotionId, plan: &Hash) {
        let handle = self.world.bystander().handle(env("production"), promotion.clone());
        // Must not count: the item is the lead's.
        let _refused = self.world.check(&handle, &World::developer(), "looked", true).await;
        self.sleep(self.trouble.thinks).await;
        let at = self.world.now();
        self.looked.borrow_mut().entry(promotion.clone()).or_insert(at);
        self.checks(promotion, plan, true).await;
    }

    async fn checks(&self, promotion: &PromotionId, plan: &Hash, is_done: bool) {
        let handle = self.world.bystander().handle(env("production"), promotion.clone());
        loop {
            match self.world.check(&handle, &World::lead(), "looked", is_done).await {
                Err(EngineError::Journal(JournalError::Store { .. })) => self.sleep(WAITS).await,
                // Signed within the same millisecond as the check.
                Err(EngineError::Proof(_)) | Ok(_) => return,
                Err(_) if is_done => return,
                Err(_) => return self.was_turned_away(promotion, plan).await,
            }
        }
    }

    /// Whoever takes back what they said of `plan` is heard until the first effect.
    async fn was_turned_away(&self, promotion: &PromotionId, plan: &Hash) {
        let Ok(view) = self.world.bystander().view(&env("production")).await else { return };
        let Some(it) = view.promotions.get(promotion) else { return };
        let is_of_it = it.state.facts.plan.as_ref().is_some_and(|it| it.hash == *plan);
        if is_of_it && is_before_effects(it.state.phase) {
            self.unheard.borrow_mut().push((promotion.clone(), it.state.phase));
        }
    }

    async fn says(&self, promotion: &PromotionId, who: &Person, plan: Hash, decision: Decision) {
        let proof = Signer::proof(who, &Claim::statement(promotion, &plan, decision));
        let claim = Claim { promotion: promotion.clone(), plan, decision, proof };
        // It may come too late; where the store took nothing it is said again.
        loop {
            match self.world.bystander().decide(&env("production"), claim.clone()).await {
                Err(EngineError::Journal(JournalError::Store { .. })) => self.sleep(WAITS).await,
                Err(_) if decision == Decision::Reject => {
                    return self.was_turned_away(promotion, &claim.plan).await;
                }
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Comes by every half minute, until nothing is left to do.
    pub(super) async fn rescues(&self) {
        let mut deaths = self.trouble.rescuers.iter().copied();
        while !self.is_over() {
            self.sleep(Millis::secs(31)).await;
            let time = &*self.world.clock;
            let done = Cell::new(false);
            let settled = Cell::new(false);
            let engine = self.world.engine();
            let work = async {
                let _away_is_tried_again = engine.tick().await;
                if let Ok(view) = engine.view(&env("production")).await {
                    settled.set(rests(&view));
                }
                done.set(true);
            };
            match deaths.next().flatten() {
                Some(dies) => mortal(time, time.now().plus(dies), work).await,
                None => work.await,
            }
            if !done.get() {
                self.n_deaths.set(self.n_deaths.get() + 1);
            }
            if settled.get() && self.is_quiet.get() {
                return;
            }
        }
    }

    /// Another store's runner wants the machines too. There nothing is known of staging: the glass is broken for it.
    pub(super) async fn intrudes(&self, life: Life, other: &World) {
        self.sleep(life.comes).await;
        let glass = other.break_glass(&World::lead(), Millis::secs(3600), "nobody answers").await;
        glass.expect("a store in memory takes it");
        let (engine, body) = Self::engine(other, &life);
        let ask = other.ask("production", Kind::Promote, &World::release("9.0.0", 9, 19));
        let work = async {
            if let Ok(handle) = engine.request(ask).await {
                self.drives(&handle).await;
            }
        };
        self.lives(life, &body, work.boxed_local()).await;
    }

    /// Somebody with another tool breaks the lease on the first unit and holds it for a while.
    pub(super) async fn steals(&self, (from, time): (Millis, Millis)) {
        self.sleep(from).await;
        let place = World::place("production", "api");
        let Ok(fleet) = self.world.provider.observe_fleet(&place).await else { return };
        if let Some(unit) = fleet.live().find(|unit| unit.managed) {
            self.world.provider.seize_for(&place, &unit.id, "fly machine update", time);
        }
    }

    /// The provider goes away.
    pub(super) async fn clouds(&self, (from, time): (Millis, Millis)) {
        self.sleep(from).await;
        self.world.provider.away_for(time);
    }
}

/// What was asked for in this play.
pub(super) fn asked(view: &EnvironmentView) -> impl Iterator<Item = &PromotionView> {
    let is_asked = |it: &&PromotionView| it.state.facts.request.kind == Kind::Promote;
    view.promotions.values().filter(is_asked)
}

/// Whether a plan was agreed to or may be, and no effect of it is there.
pub(super) const fn is_before_effects(phase: Phase) -> bool {
    matches!(phase, Phase::AwaitingApproval | Phase::Queued | Phase::Locked | Phase::Rechecking)
}

/// Whether nothing is left to do but by people.
pub(super) fn rests(view: &EnvironmentView) -> bool {
    view.promotions.values().all(|promotion| {
        let phase = promotion.state.phase;
        promotion.outbox.is_empty() && (phase.is_final() || phase.is_human_wait())
    })
}
