//! What a runner decides when it has read the chain and looked at the fleet: the head of the loop in `engine/drive.rs`,
//! the work of the phases, and `rollout::next`.

use promotion::machine::{EffectName, Phase};

use super::call::{Call, Verb};
use super::phases::{Sign, bit};
use super::provider::{Fence, makes};
use super::world::{Protocol, World};

/// What follows from a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Take the environment's lease.
    Take,
    /// Give it back and end: nothing is to do, or somebody else does it.
    Leave,
    /// Append this step, if the chain is still the same.
    Emit(Sign),
    /// Write down that a call of which nobody knows what became is open no more.
    SettleOpen,
    /// Write down that this call is meant, and make it.
    Mean(Call),
    /// Make this call about a lease.
    Send(Call),
    /// Write down that the first effect of the outbox is done.
    Mark,
}

impl Protocol {
    /// `needs_lease` in `Session::run`.
    pub(super) fn needs_lease(&self, world: &World) -> bool {
        let phase = self.phase(world);
        phase.is_active() || phase == Phase::Queued || world.store.owed != 0
    }

    /// Whether there is something to do for whoever comes: `Engine::tick`.
    pub(super) fn has_work(&self, world: &World) -> bool {
        let phase = self.phase(world);
        world.store.owed != 0 || !(phase.is_final() || phase.is_human_wait())
    }

    /// What runner `n` decides; none where it waits. `finds`: what it looks at is not as it should be.
    pub(super) fn decide(&self, world: &World, n: usize, finds: bool) -> Option<Decision> {
        let (store, epoch, phase) = (&world.store, world.runners[n].epoch, self.phase(world));
        let emit = |sign| Some(Decision::Emit(sign));
        if finds {
            return match phase {
                _ if epoch != store.nonce || store.owed != 0 => None,
                Phase::Rechecking if world.left.drifts > 0 => emit(Sign::Differs),
                Phase::Verifying => emit(Sign::Failed),
                _ => None,
            };
        }
        if self.needs_lease(world) && epoch == 0 {
            return Some(if store.is_free() { Decision::Take } else { Decision::Leave });
        }
        if store.owed != 0 {
            return Some(release(world, epoch));
        }
        if phase.is_active() && store.nonce != epoch {
            return fence(world, epoch);
        }
        match phase {
            Phase::Requested => emit(Sign::PlanMade),
            Phase::Planned => emit(Sign::Gates),
            Phase::Queued => emit(Sign::LockTaken),
            Phase::Locked => emit(Sign::Leased),
            Phase::Rechecking => emit(Sign::Rechecked),
            Phase::Copying => emit(Sign::Copied),
            Phase::Snapshotting => emit(Sign::Snapshot),
            Phase::Deploying | Phase::RollingBack => self.roll(world, epoch, phase == Phase::Deploying),
            Phase::Verifying if world.provider.is_as_wanted(self.bounds.steps) => emit(Sign::Verified),
            Phase::Soaking if world.provider.is_as_wanted(self.bounds.steps) => emit(Sign::Soaked),
            Phase::Verifying => None,
            Phase::Soaking => emit(Sign::Failed),
            _ => Some(Decision::Leave),
        }
    }

    /// `Session::roll` up to the calls of `rollout::next`.
    fn roll(&self, world: &World, epoch: u8, is_forward: bool) -> Option<Decision> {
        let store = &world.store;
        if store.open.is_some() {
            return Some(Decision::SettleOpen);
        }
        let may_land = |verbs: &[Verb]| {
            let lost = verbs.iter().any(|verb| store.known & (1 << *verb as u8) != 0);
            self.rules.settle && lost && world.has_calls()
        };
        let call = if is_forward { self.forward(world) } else { self.back(world) };
        if let Some((verb, step, unit)) = call {
            // `Look::create`: one whose answer was lost may still appear.
            if verb == Verb::Create && may_land(&[Verb::Create]) {
                return None;
            }
            return Some(Decision::Mean(Call { verb, step, unit, epoch, nonce: 0 }));
        }
        // `Look::rest`: what may still land and would change something.
        let changing: &[Verb] = if is_forward {
            &[Verb::Create, Verb::Clear, Verb::Destroy]
        } else {
            &[Verb::Create, Verb::Set, Verb::Destroy]
        };
        if may_land(changing) {
            return None;
        }
        let sign = if is_forward { Sign::Deployed } else { Sign::Restored };
        Some(Decision::Emit(sign))
    }

    /// The first step that has not its result, then what is there once too often (`destroy_duplicates`).
    fn forward(&self, world: &World) -> Option<(Verb, u8, u8)> {
        let (steps, provider) = (self.bounds.steps, &world.provider);
        let verb = |step| if makes(steps, step) { Verb::Create } else { Verb::Set };
        if !self.rules.keys {
            let step = world.store.outcomes;
            return (step < steps).then(|| (verb(step), step, 0));
        }
        let lacks = |step: &u8| match verb(*step) {
            Verb::Create => provider.alive[usize::from(*step)] == 0,
            _ => provider.set & (1 << step) == 0,
        };
        if let Some(step) = (0..steps).find(lacks) {
            return Some((verb(step), step, 0));
        }
        let is_double = |step: &u8| provider.alive[usize::from(*step)].count_ones() > 1;
        let step = (0..steps).filter(|step| makes(steps, *step)).find(is_double)?;
        Some((Verb::Destroy, step, last(provider.alive[usize::from(step)])))
    }

    /// The last step that has a result.
    fn back(&self, world: &World) -> Option<(Verb, u8, u8)> {
        let (steps, provider) = (self.bounds.steps, &world.provider);
        (0..steps).rev().find_map(|step| {
            if !makes(steps, step) {
                return (provider.set & (1 << step) != 0).then_some((Verb::Clear, step, 0));
            }
            let alive = provider.alive[usize::from(step)];
            (alive != 0).then(|| (Verb::Destroy, step, last(alive)))
        })
    }
}

/// The youngest of these units.
fn last(alive: u8) -> u8 {
    u8::try_from(alive.ilog2()).unwrap_or_default()
}

/// `Session::perform_effect`: the leases are given back, everything else is only said.
fn release(world: &World, epoch: u8) -> Decision {
    let (store, nonce) = (&world.store, world.store.nonce);
    let first = store.owed & store.owed.wrapping_neg();
    if first == bit(EffectName::Release) && nonce != 0 && world.provider.fence == Fence::Number(nonce) {
        let call = Call { verb: Verb::Unlease, step: 0, unit: 1, epoch, nonce };
        return Decision::Send(call);
    }
    Decision::Mark
}

/// `Session::keep_fenced` and `lease_units`: an earlier runner's number is given back, then the units are leased. What
/// stands under a number that nobody knows is waited for.
fn fence(world: &World, epoch: u8) -> Option<Decision> {
    let nonce = world.store.nonce;
    let lease = Call { verb: Verb::Lease, epoch, ..Call::NONE };
    match world.provider.fence {
        Fence::Free => Some(Decision::Send(lease)),
        Fence::Number(number) if number == nonce => {
            Some(Decision::Send(Call { verb: Verb::Unlease, nonce, ..lease }))
        }
        Fence::Number(_) | Fence::Unknown => None,
    }
}
