//! Everything at one instant, and what each action makes of it.

use std::hash::{Hash, Hasher};

use promotion::machine::{EffectName, Phase};

use super::act::Action;
use super::call::{Call, Verb};
use super::look::Decision;
use super::phases::{Follows, Phases, Sign, bit};
use super::provider::{Fence, Provider};
use super::rules::{Bounds, RUNNERS, Rules};
use super::runner::{Next, Runner};
use super::store::{Lease, Store};

/// Calls on their way that nobody waits for, at the most.
const LATE_MAX: usize = 8;

/// What the person said last, as far as it binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Word {
    /// Nothing over this plan.
    None,
    /// Go on.
    Agreed,
    /// Do not, before anything was changed.
    Withdrawn,
}

/// The protocol: its rules, and how much goes wrong.
#[derive(Debug, Clone)]
pub(crate) struct Protocol {
    pub(crate) rules: Rules,
    pub(crate) bounds: Bounds,
    pub(crate) phases: Phases,
    /// Whether it is looked for what must be seen to happen, and not only for what never may.
    pub(crate) looks: bool,
}

/// One instant. Runners are alike, so their order says nothing: they are kept sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) provider: Provider,
    pub(crate) runners: [Runner; RUNNERS],
    /// Calls on their way whose runner died or waits no more; sorted, filled up with [`Call::NONE`].
    pub(crate) late: [Call; LATE_MAX],
    /// What may still go wrong.
    pub(crate) left: Bounds,
    pub(crate) word: Word,
    /// A leased unit was changed by an earlier runner than the one that has it.
    pub(crate) is_stale: bool,
    /// Something was changed that nobody agreed to.
    pub(crate) is_unapproved: bool,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Bounds { crashes, expiries, lost, drifts, .. } = self.left;
        let (stale, unapproved) = (u8::from(self.is_stale), u8::from(self.is_unapproved));
        let ours = [crashes, expiries, lost, drifts, self.word as u8, stale, unapproved];
        // In one piece: that is most of what the search asks of an instant.
        let mut bytes = [0; BYTES_MAX];
        let mut end = 0;
        let mut put = |more: &[u8]| {
            bytes[end..end + more.len()].copy_from_slice(more);
            end += more.len();
        };
        put(&self.store.bytes());
        put(&self.provider.bytes());
        put(&ours);
        self.runners.iter().for_each(|runner| put(&runner.bytes()));
        self.late.iter().filter(|call| **call != Call::NONE).for_each(|call| put(&call.bytes()));
        state.write(&bytes[..end]);
    }
}

/// What all of an instant's parts are together, at the most.
const BYTES_MAX: usize = 128;

impl Protocol {
    pub(crate) fn new(rules: Rules, bounds: Bounds) -> Self {
        Self { rules, bounds, phases: Phases::met(rules.people), looks: true }
    }

    /// A request was written down, and nobody runs it.
    pub(crate) const fn beginning(&self) -> World {
        World {
            store: Store::new(),
            provider: Provider::new(),
            runners: [Runner::AWAY; RUNNERS],
            late: [Call::NONE; LATE_MAX],
            left: self.bounds,
            word: Word::None,
            is_stale: false,
            is_unapproved: false,
        }
    }

    pub(crate) fn phase(&self, world: &World) -> Phase {
        self.phases.phase(world.store.at)
    }

    /// What `action` makes of `world`.
    pub(crate) fn after(&self, mut world: World, action: Action) -> World {
        match action {
            Action::Come(n) => self.come(&mut world, n),
            Action::Look(n) => self.look(&mut world, n, false),
            Action::LookAndFind(n) => self.look(&mut world, n, true),
            Action::Append(n) => self.append(&mut world, n),
            Action::Send(n) => self.send(&mut world, n),
            Action::Land(n) => {
                let call = world.runners[n].call;
                let is_done = self.land(&mut world, call, true);
                world.runners[n].next = if is_done { Next::HearDone } else { Next::HearRefused };
            }
            Action::Hear(n) => self.hear(&mut world, n),
            Action::Lose(n) => self.lose(&mut world, n),
            Action::Crash(n) => {
                world.left.crashes -= 1;
                let epoch = world.runners[n].epoch;
                self.forget(&mut world, n);
                world.runners[n] = Runner::AWAY;
                if epoch == world.store.epoch {
                    world.store.lease = Lease::Free;
                }
            }
            Action::TakeOver(n) => {
                world.left.expiries -= 1;
                self.take(&mut world, n);
            }
            Action::LandLate(n) => {
                let call = world.late[n];
                world.late[n] = Call::NONE;
                self.land(&mut world, call, false);
            }
            Action::Vanish(n) => world.late[n] = Call::NONE,
            Action::RunOut => world.provider.fence = Fence::Free,
            Action::Say(sign) => self.say(&mut world, sign),
        }
        self.normalise(&mut world);
        world
    }

    /// `Session::open` and `Session::run` as far as the lease.
    fn come(&self, world: &mut World, n: usize) {
        if self.needs_lease(world) {
            self.take(world, n);
        } else {
            world.runners[n] = Runner::looking(0);
        }
    }

    /// `Journal::take_lease`: a takeover raises the epoch.
    fn take(&self, world: &mut World, n: usize) {
        for n in 0..RUNNERS {
            // Whatever an earlier runner wants of the store from here on is refused. What it has sent is on its way.
            let Runner { next, epoch, call, .. } = world.runners[n];
            let goes_on = next == Next::SendOn || next == Next::Hear && call.verb == Verb::Unlease;
            if self.rules.epoch && epoch != 0 && !goes_on {
                self.forget(world, n);
                world.runners[n] = Runner::AWAY;
            }
        }
        world.store.epoch += 1;
        world.store.lease = Lease::Held;
        world.runners[n] = Runner::looking(world.store.epoch);
    }

    /// One turn of `Session::run` up to what it decides: the chain is read, the fleet is looked at.
    fn look(&self, world: &mut World, n: usize, finds: bool) {
        if !world.has_calls() {
            // Time has passed: what had not landed by now will not.
            world.store.known = 0;
        }
        match self.decide(world, n, finds) {
            Some(Decision::Take) => self.take(world, n),
            Some(Decision::Leave) => {
                let epoch = world.runners[n].epoch;
                if epoch != 0 && epoch == world.store.epoch {
                    // `release_lease`
                    world.store.lease = Lease::Free;
                }
                world.runners[n] = Runner::AWAY;
            }
            Some(Decision::Send(call)) => {
                world.runners[n] = Runner { next: Next::Send, ..world.runners[n].about(call) }
            }
            Some(Decision::Emit(sign)) => {
                let next = Next::Emit(sign, world.store.at);
                world.runners[n] = Runner { next, ..Runner::looking(world.runners[n].epoch) };
            }
            _ if self.is_fenced(world, n) => world.runners[n] = Runner::AWAY,
            Some(Decision::SettleOpen) => {
                world.store.known |= world.store.open.take().map_or(0, Call::kind);
                self.grew(world);
            }
            Some(Decision::Mean(call)) => {
                let call = Call { nonce: world.store.nonce, ..call };
                world.store.open = Some(call);
                world.runners[n] = Runner { next: Next::Send, ..world.runners[n].about(call) };
                self.grew(world);
            }
            Some(Decision::Mark) => self.mark(world),
            None => {}
        }
    }

    /// `Journal::append` with an epoch: refused under one that is over.
    fn is_fenced(&self, world: &World, n: usize) -> bool {
        let epoch = world.runners[n].epoch;
        self.rules.epoch && epoch != 0 && epoch != world.store.epoch
    }

    /// Whoever decided a step and has not appended it yet decided it on an older chain. The store says so
    /// (`JournalError::Conflict`), and it reads on: that is as if it had not looked yet.
    fn grew(&self, world: &mut World) {
        let is_over = self.needs_lease(world) || !self.has_work(world);
        for runner in &mut world.runners {
            if !matches!(runner.next, Next::Emit(..) | Next::Look) {
                continue;
            }
            if !self.rules.head {
                runner.is_behind = true;
            } else if runner.epoch == 0 && is_over {
                *runner = Runner::AWAY;
            } else {
                *runner = Runner::looking(runner.epoch);
            }
        }
    }

    /// `Session::emit`.
    fn append(&self, world: &mut World, n: usize) {
        let Runner { next, epoch, is_behind, .. } = world.runners[n];
        if self.is_fenced(world, n) {
            world.runners[n] = Runner::AWAY;
            return;
        }
        world.runners[n] = Runner::looking(epoch);
        let Next::Emit(sign, from) = next else { return };
        let step = self.phases.follows(from, sign);
        world.store.damaged |= is_behind && step != self.phases.follows(world.store.at, sign);
        if sign == Sign::Differs {
            world.left.drifts -= 1;
            world.word = Word::None;
        }
        self.stepped(world, step);
    }

    fn stepped(&self, world: &mut World, step: Option<Follows>) {
        let Some(Follows { at, effects }) = step else { return };
        world.store.at = at;
        world.store.owed |= effects;
        self.grew(world);
    }

    /// `Entry::EffectDone` for the first effect that is owed.
    fn mark(&self, world: &mut World) {
        let first = world.store.owed & world.store.owed.wrapping_neg();
        world.store.owed &= !first;
        if first == bit(EffectName::Release) {
            world.store.nonce = 0;
        }
        self.grew(world);
    }

    /// `Session::keep_lease` and the call after it.
    fn send(&self, world: &mut World, n: usize) {
        let is_checked = world.runners[n].next == Next::Send;
        if is_checked && self.is_fenced(world, n) {
            world.runners[n] = Runner::AWAY;
            return;
        }
        world.runners[n].next = Next::Hear;
    }

    /// A call arrives. Whether it was not refused.
    fn land(&self, world: &mut World, call: Call, is_awaited: bool) -> bool {
        let is_leased = world.provider.fence != Fence::Free && call.verb != Verb::Create;
        let landing = world.provider.land(self.rules, call, is_awaited);
        if landing.changed {
            world.is_stale |= is_leased && call.epoch < world.store.fenced;
            let is_forward = matches!(call.verb, Verb::Create | Verb::Set);
            world.is_unapproved |= is_forward && world.word != Word::Agreed;
        }
        landing.accepted
    }

    /// The answer, and the append that says it: the second one of `act`, `write_leases`, `perform_effect`.
    fn hear(&self, world: &mut World, n: usize) {
        let Runner { next, epoch, call, .. } = world.runners[n];
        if call.verb == Verb::Unlease && call.unit == 0 {
            // `Session::ask`: given back, and taken at once.
            let lease = Call { verb: Verb::Lease, epoch, ..Call::NONE };
            world.runners[n] = Runner { next: Next::SendOn, epoch, is_behind: false, call: lease };
            return;
        }
        let is_fenced = self.is_fenced(world, n);
        if is_fenced {
            self.forget(world, n);
        }
        world.runners[n] = if is_fenced { Runner::AWAY } else { Runner::looking(epoch) };
        match call.verb {
            _ if is_fenced => {}
            Verb::Lease if next == Next::HearDone => {
                world.store.nonce = epoch;
                world.store.fenced = world.store.fenced.max(epoch);
                self.grew(world);
            }
            Verb::Lease => {}
            Verb::Unlease => self.mark(world),
            Verb::Create | Verb::Set | Verb::Clear | Verb::Destroy => {
                world.store.open = None;
                if !self.rules.keys && self.phase(world) == Phase::Deploying {
                    world.store.outcomes += 1;
                }
                self.grew(world);
            }
        }
    }

    /// No answer comes: `PortErrorKind::Ambiguous`.
    fn lose(&self, world: &mut World, n: usize) {
        world.left.lost -= 1;
        let Runner { epoch, call, .. } = world.runners[n];
        self.forget(world, n);
        world.runners[n] = Runner::looking(epoch);
        if call.mutates() {
            world.store.open = None;
            world.store.known |= call.kind();
            self.grew(world);
        }
    }

    /// Nobody waits for the call of a runner any more: it lands late, and what number it got nobody knows.
    fn forget(&self, world: &mut World, n: usize) {
        let Runner { next, call, .. } = world.runners[n];
        match next {
            Next::Hear => {
                if let Some(free) = world.late.iter_mut().find(|late| **late == Call::NONE) {
                    *free = call;
                }
            }
            Next::HearDone
                if call.verb == Verb::Lease && world.provider.fence == Fence::Number(call.epoch) =>
            {
                world.provider.fence = Fence::Unknown;
            }
            _ => {}
        }
    }

    /// `Engine::decide`, `Engine::abort`: appended under no lease, on the chain as it is.
    fn say(&self, world: &mut World, sign: Sign) {
        let is_early = !matches!(
            self.phase(world),
            Phase::Deploying | Phase::Verifying | Phase::Soaking | Phase::RollingBack
        );
        match sign {
            Sign::Approve => world.word = Word::Agreed,
            _ if is_early => world.word = Word::Withdrawn,
            _ => {}
        }
        self.stepped(world, self.phases.follows(world.store.at, sign));
    }
}

impl World {
    /// Calls that change units are on their way.
    pub(crate) fn has_calls(&self) -> bool {
        let theirs = self.runners.iter().filter(|runner| runner.is_calling()).map(|runner| runner.call);
        self.late.iter().copied().chain(theirs).any(Call::mutates)
    }
}
