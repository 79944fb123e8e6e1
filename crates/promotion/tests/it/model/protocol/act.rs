//! Everything that can happen next.

use promotion::machine::Phase;
use stateright::{Model, Property};

use super::call::Call;
use super::phases::Sign;
use super::promises::SEEN;
use super::provider::Fence;
use super::runner::Next;
use super::store::Lease;
use super::world::{Protocol, World};

/// One thing that happens, and nobody can come between. Runners and late calls by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Somebody takes it up: `Engine::drive`, `Engine::tick`.
    Come(usize),
    /// A runner reads the chain, looks at the fleet and decides: one turn of `Session::run` or `Session::roll`. What it
    /// appends without regard to what others appended (`Session::append`: intents, calls that are open no more, effects
    /// that are done) it appends with that: nothing that comes between could tell.
    Look(usize),
    /// The same, and what it finds is not as it should be: drift in `Session::recheck`, a suite that fails in
    /// `Session::verify`.
    LookAndFind(usize),
    /// A runner appends a step that it decided on: `Session::emit`.
    Append(usize),
    /// A runner makes sure that it has the environment, and calls: `Session::keep_lease`, `Deployer::perform`.
    Send(usize),
    /// A runner's call takes effect or is refused.
    Land(usize),
    /// A runner hears of that and writes it down: the second append of `Session::act`, `Session::write_leases`.
    Hear(usize),
    /// Fault: a runner never hears of it.
    Lose(usize),
    /// Fault: a runner dies. Its lease runs out.
    Crash(usize),
    /// Fault: the environment's lease runs out under a living runner, and somebody takes it. (If nobody does, it is
    /// renewed, and nothing happened.)
    TakeOver(usize),
    /// A call takes effect or is refused for which nobody waits any more.
    LandLate(usize),
    /// It is lost: no client waits for so long (`Limits::unseen`).
    Vanish(usize),
    /// A lease on units whose number nobody knows runs out.
    RunOut,
    /// The person speaks: `Engine::decide`, `Engine::abort`.
    Say(Sign),
}

impl Protocol {
    fn of_runner(&self, world: &World, n: usize, actions: &mut Vec<Action>) {
        let runner = &world.runners[n];
        match runner.next {
            Next::Away => {
                let may_come = world.store.is_free() || !self.needs_lease(world);
                actions.extend((self.has_work(world) && may_come).then_some(Action::Come(n)));
                let may_take = world.store.lease == Lease::Held && self.needs_lease(world);
                actions.extend((may_take && world.left.expiries > 0).then_some(Action::TakeOver(n)));
            }
            Next::Look => {
                actions.extend(self.decide(world, n, false).map(|_| Action::Look(n)));
                actions.extend(self.decide(world, n, true).map(|_| Action::LookAndFind(n)));
            }
            Next::Emit(..) => actions.push(Action::Append(n)),
            Next::Send | Next::SendOn => actions.push(Action::Send(n)),
            Next::Hear => actions.push(Action::Land(n)),
            Next::HearDone | Next::HearRefused => actions.push(Action::Hear(n)),
        }
        let is_ours = runner.epoch != 0 && (runner.epoch == world.store.epoch || !self.rules.epoch);
        if is_ours && matches!(runner.next, Next::Hear | Next::HearDone) && world.left.lost > 0 {
            actions.push(Action::Lose(n));
        }
        if is_ours && runner.next != Next::Away && world.left.crashes > 0 {
            actions.push(Action::Crash(n));
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.beginning()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for n in 0..world.runners.len() {
            // Two that stand alike do alike.
            if n == 0 || world.runners[n] != world.runners[n - 1] {
                self.of_runner(world, n, actions);
            }
        }
        let is_rolling = matches!(self.phase(world), Phase::Deploying | Phase::RollingBack);
        for (n, call) in world.late.iter().enumerate().filter(|(_, call)| **call != Call::NONE) {
            actions.push(Action::LandLate(n));
            // Before that, to be lost is to land later.
            actions.extend(
                (call.mutates() && is_rolling && world.store.known != 0).then_some(Action::Vanish(n)),
            );
        }
        if self.rules.first_ttl && world.provider.fence == Fence::Unknown {
            actions.push(Action::RunOut);
        }
        for sign in [Sign::Approve, Sign::Reject, Sign::Cancel] {
            actions.extend(self.phases.follows(world.store.at, sign).map(|_| Action::Say(sign)));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        Some(self.after(world.clone(), action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = Self::promises();
        all.retain(|property| self.looks || !SEEN.contains(&property.name));
        all
    }
}

impl Action {
    /// Whether the promise to end must do without it: a fault, or a person's word.
    pub(crate) const fn is_chance(self) -> bool {
        matches!(self, Self::Lose(_) | Self::Crash(_) | Self::TakeOver(_) | Self::Say(_))
    }
}
