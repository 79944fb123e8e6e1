//! P2 at the provider: every unit of the target is leased until the deadline, so that nobody else's deploy and no dead
//! runner's late call changes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use promotion::engine::{Engine, Outcome};
use promotion::machine::Phase;
use promotion::model::{At, Fleet, Millis, Nonce, Place, Unit, UnitId, label};
use promotion::ports::{Clock, Deployer, Key, Performed, PortError, PortErrorKind};
use promotion::rollout::UnitCall;
use promotion::testing::{Manners, Moment, Switch, World};

use crate::story::{Asked, Story, shape, undisturbed};

/// A lease whose number nobody wrote down lasts no longer.
const FIRST_TTL: Millis = Millis::secs(30);

/// Leases end so long after the deadline, so that the way back that begins there finds its machines still held.
const SPARE: Millis = Millis::secs(60);

/// What the provider refuses to whoever does not hold the lease (fly.md 1.7), of what the engine calls.
pub(super) const fn is_fenced(call: &UnitCall) -> bool {
    !matches!(
        call,
        UnitCall::Create { .. } | UnitCall::Tag { .. } | UnitCall::Lease { .. } | UnitCall::Unlease { .. }
    )
}

/// Looks at every call, right before it is made.
pub(super) type Look = Box<dyn Fn(&Place, &UnitCall, &Key) -> BoxFuture<'static, ()> + Send + Sync>;

struct Watched {
    inner: Arc<dyn Deployer>,
    look: Look,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("watched")
    }
}

#[async_trait]
impl Deployer for Watched {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        self.inner.observe_fleet(place).await
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        (self.look)(place, call, key).await;
        self.inner.perform(place, call, key).await
    }
}

pub(super) fn watched(world: &World, switch: &Arc<Switch>, look: Look) -> Engine {
    let mut ports = world.ports(switch);
    ports.deployer = Arc::new(Watched { inner: ports.deployer.clone(), look });
    Engine::new(world.options.clone(), ports)
}

pub(super) type Wrong = Arc<Mutex<Vec<String>>>;

/// Whether `unit` is leased in our name at `now`.
fn is_ours(unit: &Unit, now: At) -> bool {
    let holder = |lease: &promotion::model::LeaseView| {
        lease.expires_at > now && lease.description.starts_with("understudy production p-")
    };
    unit.lease.as_ref().is_some_and(holder)
}

/// Notes every fenced call on a unit that is not leased in our name, or that shows no number.
pub(super) fn unleased(world: &World, wrong: &Wrong) -> Look {
    let (provider, wrong, clock) = (world.provider.clone(), wrong.clone(), world.clock.clone());
    Box::new(move |place, call, key| {
        let (provider, wrong, clock) = (provider.clone(), wrong.clone(), clock.clone());
        let (place, call, key) = (place.clone(), call.clone(), key.clone());
        Box::pin(async move {
            let Some(unit) = call.unit().filter(|_| is_fenced(&call)) else { return };
            let fleet = provider.observe_fleet(&place).await.unwrap();
            let Some(unit) = fleet.unit(unit) else { return };
            if !is_ours(unit, clock.now()) || key.nonce.is_none() {
                wrong.lock().unwrap().push(format!("{}: {:?}, {:?}", call.title(), unit.lease, key.nonce));
            }
        })
    })
}

pub(super) async fn leased(world: &World) -> Vec<UnitId> {
    let mut leased = Vec::new();
    for component in ["api", "web"] {
        for unit in world.fleet("production", component).await.units {
            if unit.lease.is_some_and(|lease| lease.expires_at > world.now()) {
                leased.push(unit.id);
            }
        }
    }
    leased
}

pub(super) async fn rescued_by(run: &Asked, engine: impl Fn() -> Engine) -> Phase {
    for _ in 0..6 {
        run.world.clock.advance(Millis(31_000));
        engine().tick().await.unwrap();
        match run.phase().await {
            Phase::AwaitingApproval => run.approve().await,
            phase if phase.is_final() => return phase,
            _ => {}
        }
    }
    run.phase().await
}

/// "At Locked we lease every unit of the target until the deadline": also those that the promotion makes, before they
/// are changed or opened to anybody.
#[tokio::test]
async fn p2_no_machine_is_changed_but_under_our_lease() {
    for story in Story::ALL {
        let run = undisturbed(story).await.asked;
        let wrong = Wrong::default();
        let engine = watched(&run.world, &Switch::new(Moment::Never), unleased(&run.world, &wrong));
        assert_eq!(run.play(&engine).await.unwrap(), Outcome::Ended(story.end()));
        assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new(), "{story:?}");
        assert_eq!(leased(&run.world).await, [], "{story:?}: all are given back");
    }
}

#[tokio::test]
async fn p2_no_machine_is_changed_but_under_our_lease_whoever_takes_over() {
    for story in [Story::Promote, Story::PromoteThatFails, Story::BackByPersonThatFails] {
        let base = undisturbed(story).await;
        for n in base.moments.keys().step_by(4) {
            let run = base.asked.fork().await;
            let wrong = Wrong::default();
            let mortal = Switch::new(Moment::After(*n));
            let engine = watched(&run.world, &mortal, unleased(&run.world, &wrong));
            let _the_dead_answer_nobody = run.play(&engine).await;
            let rescuer = || watched(&run.world, &Switch::new(Moment::Never), unleased(&run.world, &wrong));
            let phase = rescued_by(&run, rescuer).await;
            assert_eq!(phase, story.end(), "{story:?}, {n}: {}", run.why().await);
            assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new(), "{story:?}, moment {n}");
        }
    }
}

/// A rolling promotion whose new release never becomes healthy, in a world whose edges need so long that the way back
/// takes minutes.
async fn stuck() -> Asked {
    let mut world = World::new(1, Manners::default());
    world.options.poll = Millis(250);
    world.limits.settle = Millis::secs(100);
    (world.limits.wait, world.limits.unhealthy) = (Millis::secs(3_000), Millis::secs(3_000));
    let asked = Story::Rolling.asked_in(world).await;
    asked.world.provider.change(|manners| manners.sick.push(World::digest(2)));
    asked
}

/// A way back has its own deadline: the leases last until that one, although it begins at the end of the first; and
/// nobody can take a machine in between, for they are prolonged while they last.
#[tokio::test]
async fn p2_a_way_back_that_begins_at_the_deadline_is_fenced_to_its_end() {
    let run = stuck().await;
    let before = shape(&run.world).await;
    let wrong = Wrong::default();
    let look = {
        let (check, wrong) = (unleased(&run.world, &wrong), wrong.clone());
        let (provider, clock) = (run.world.provider.clone(), run.world.clock.clone());
        Box::new(move |place: &Place, call: &UnitCall, key: &Key| -> BoxFuture<'static, ()> {
            let checked = check(place, call, key);
            let (wrong, provider, clock) = (wrong.clone(), provider.clone(), clock.clone());
            let (place, call, is_renewal) = (place.clone(), call.clone(), key.nonce.is_some());
            Box::pin(async move {
                checked.await;
                let UnitCall::Lease { unit, .. } = call else { return };
                let fleet = provider.observe_fleet(&place).await.unwrap();
                if is_renewal && !is_ours(fleet.unit(&unit).unwrap(), clock.now()) {
                    wrong.lock().unwrap().push(format!("the lease on {unit} had run out"));
                }
            })
        })
    };
    let engine = watched(&run.world, &Switch::new(Moment::Never), look);
    assert_eq!(run.play(&engine).await.unwrap(), Outcome::Ended(Phase::RolledBack));
    let why = run.why().await;
    assert!(why.contains("took too long"), "{why}");
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(shape(&run.world).await, before);
}

/// Where the story without disturbance comes to a moment of this name.
async fn moment(run: &Asked, title: &str) -> u64 {
    let (probe, switch) = (run.fork().await, Switch::new(Moment::Never));
    probe.play(&probe.world.mortal(&switch)).await.unwrap();
    let seen = switch.seen();
    *seen.iter().find(|(_, what)| what.starts_with(title)).expect("it comes to that").0
}

pub(super) async fn numbers(run: &Asked, component: &str) -> BTreeMap<UnitId, Nonce> {
    let view = run.world.bystander().view(&run.handle.environment).await.unwrap();
    let held = view.promotions[&run.handle.id].nonces.get(&promotion::testing::name(component)).cloned();
    held.map(|(_, nonces)| nonces).unwrap_or_default()
}

/// Nobody drives it for longer than the leases last, and somebody else deploys meanwhile: the way back changes nothing
/// before that one is through, says whom it waits for, and then goes on.
#[tokio::test]
async fn p2_a_machine_that_somebody_took_meanwhile_is_waited_for_on_the_way_back() {
    let run = stuck().await;
    let (before, place) = (shape(&run.world).await, World::place("production", "api"));
    run.play_until(Moment::After(moment(&run, "update unit").await)).await;
    assert_eq!(run.phase().await, Phase::Deploying);
    run.world.clock.advance(Millis::secs(800));
    assert_eq!(leased(&run.world).await, [], "deadline and leases are over");
    let taken = run.world.fleet("production", "api").await.units[1].id.clone();
    run.world.provider.seize(&place, &taken, "flyctl deploy");
    let until = run.world.now().plus(Millis::secs(120));
    let (wrong, stalled) = (Wrong::default(), Wrong::default());
    let look = {
        let (wrong, stalled) = (wrong.clone(), stalled.clone());
        let (provider, clock) = (run.world.provider.clone(), run.world.clock.clone());
        let (bystander, handle) = (run.world.bystander().clone(), run.handle.clone());
        Box::new(move |_: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
            let (provider, bystander, handle) = (provider.clone(), bystander.clone(), handle.clone());
            let (wrong, stalled, call) = (wrong.clone(), stalled.clone(), call.clone());
            let (place, taken, now) = (place.clone(), taken.clone(), clock.now());
            Box::pin(async move {
                if is_fenced(&call) && stalled.lock().unwrap().is_empty() {
                    wrong.lock().unwrap().push(call.title());
                }
                if now >= until && stalled.lock().unwrap().is_empty() {
                    let view = bystander.view(&handle.environment).await.unwrap();
                    let why = view.promotions[&handle.id].state.facts.stalled.clone();
                    stalled.lock().unwrap().push(why.unwrap_or_default());
                    provider.perform(&place, &UnitCall::Unlease { unit: taken }, &theirs()).await.unwrap();
                }
            })
        })
    };
    watched(&run.world, &Switch::new(Moment::Never), look).tick().await.unwrap();
    assert_eq!(run.phase().await, Phase::RolledBack, "{}", run.why().await);
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new(), "changed while somebody else held a machine");
    let stalled = stalled.lock().unwrap().join(", ");
    assert!(stalled.contains("is leased by flyctl deploy"), "{stalled}");
    assert_eq!(shape(&run.world).await, before);
}

/// A call that a dead runner sent late, with the number it had: 409 from the takeover on, also on machines that it made
/// itself.
#[tokio::test]
async fn p2_a_dead_runners_late_calls_on_its_own_new_machines_are_refused() {
    let run = undisturbed(Story::Promote).await.asked;
    for title in ["uncordon unit", "cordon unit", "stop unit"] {
        let run = run.fork().await;
        run.play_until(Moment::After(moment(&run, title).await)).await;
        let api = run.world.fleet("production", "api").await;
        let by_us = |unit: &&Unit| unit.label(label::PROMOTION) == Some(run.handle.id.as_str());
        let made: Vec<UnitId> = api.units.iter().filter(by_us).map(|unit| unit.id.clone()).collect();
        assert_eq!(made.len(), 2, "at {title}");
        let old = numbers(&run, "api").await;
        let missing: Vec<&UnitId> = made.iter().filter(|unit| !old.contains_key(*unit)).collect();
        assert_eq!(missing, Vec::<&UnitId>::new(), "machines without a number in the journal, at {title}");
        let landed: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
        let look = {
            let (provider, landed) = (run.world.provider.clone(), landed.clone());
            Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
                let (provider, landed, old) = (provider.clone(), landed.clone(), old.clone());
                let (place, call) = (place.clone(), call.clone());
                Box::pin(async move {
                    if !is_fenced(&call) || place.component.as_str() != "api" {
                        return;
                    }
                    for (unit, nonce) in old {
                        for nonce in [Some(nonce), None] {
                            let key = Key { id: "late".to_owned(), nonce };
                            let late = UnitCall::Stop { unit: unit.clone() };
                            let came = provider.perform(&place, &late, &key).await;
                            let kind = came.err().map(|error| error.kind);
                            *landed.lock().unwrap().entry(format!("{kind:?}")).or_default() += 1;
                        }
                    }
                })
            })
        };
        let engine = watched(&run.world, &Switch::new(Moment::Never), look);
        let phase = rescued_by(&run, || engine.clone()).await;
        assert_eq!(phase, Phase::Succeeded, "at {title}: {}", run.why().await);
        let landed: Vec<String> = landed.lock().unwrap().keys().cloned().collect();
        assert_eq!(landed, [format!("{:?}", Some(PortErrorKind::Fenced))], "at {title}");
    }
}

/// A runner that dies between taking a lease and writing its number down: nobody knows the number, and the lease is
/// first taken for half a minute only. Whoever takes over waits for it and goes on.
#[tokio::test]
async fn p2_a_lease_whose_number_died_with_its_runner_is_waited_for() {
    let base = undisturbed(Story::Promote).await;
    let titles = base.moments.iter().filter(|(_, what)| what.starts_with("lease unit"));
    let mut n_alone = 0;
    for (n, title) in titles {
        let run = base.asked.fork().await;
        run.play_until(Moment::After(*n)).await;
        let died = run.world.now();
        let unit = UnitId::new(title.trim_start_matches("lease ")).unwrap();
        let known: Vec<UnitId> =
            numbers(&run, "api").await.into_keys().chain(numbers(&run, "web").await.into_keys()).collect();
        n_alone += u32::from(!known.contains(&unit));
        let phase = run.rescued().await;
        assert_eq!(phase, Phase::Succeeded, "moment {n}: {}", run.why().await);
        // Half a minute until somebody comes, as long for the lease, and twice what the story needs.
        let took = run.world.now().since(died);
        assert!(took <= Millis(31_000 + FIRST_TTL.0 + 2 * base.took.0), "moment {n}: {took}");
        assert_eq!(leased(&run.world).await, [], "moment {n}");
    }
    // Three units at Locked, two that it makes.
    assert_eq!(n_alone, 5);
}

/// What a provider answers to a prolongation that comes too late may be a new lease (fly.md 10: "refresh semantics beyond
/// docs" are not established): to the deadline, under a number that nobody has written down. So it is taken anew instead.
#[tokio::test]
async fn p2_a_first_lease_that_ran_out_is_taken_anew_and_not_prolonged() {
    let mut world = World::new(1, Manners::default());
    (world.options.poll, world.options.lease_ttl) = (Millis(250), Millis::secs(600));
    let run = Story::Promote.asked_in(world).await;
    let (wrong, n_first) = (Wrong::default(), Arc::new(Mutex::new(0)));
    let look = {
        let (wrong, provider, clock) = (wrong.clone(), run.world.provider.clone(), run.world.clock.clone());
        let n_first = n_first.clone();
        Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
            let (wrong, provider, clock) = (wrong.clone(), provider.clone(), clock.clone());
            let (n_first, place, call) = (n_first.clone(), place.clone(), call.clone());
            Box::pin(async move {
                let UnitCall::Lease { unit, ttl, .. } = call else { return };
                let fleet = provider.observe_fleet(&place).await.unwrap();
                if ttl > FIRST_TTL && !is_ours(fleet.unit(&unit).unwrap(), clock.now()) {
                    wrong.lock().unwrap().push(format!("the lease on {unit} had run out"));
                } else if ttl == FIRST_TTL {
                    let mut n_first = n_first.lock().unwrap();
                    *n_first += 1;
                    // The first machine is leased, and the second one's answer takes its time.
                    if *n_first == 2 {
                        clock.advance(Millis(FIRST_TTL.0 + 1));
                    }
                }
            })
        })
    };
    let engine = watched(&run.world, &Switch::new(Moment::Never), look);
    assert_eq!(run.play(&engine).await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
    // Two machines at Locked and both once more, one of the other component, two that it makes.
    assert_eq!(*n_first.lock().unwrap(), 7);
}

/// Whoever stops driving for good leaves machines that are free when the phase's time is over, and a minute; a lease
/// that could not be given back at the end, no longer after it than the promotion's own time.
#[tokio::test]
async fn p2_no_lease_outlives_its_promotions_deadline_by_more_than_a_minute() {
    for story in [Story::Promote, Story::PromoteThatFails] {
        let base = undisturbed(story).await;
        for n in base.moments.keys().step_by(3) {
            let run = base.asked.fork().await;
            run.play_until(Moment::After(*n)).await;
            let view = run.world.bystander().view(&run.handle.environment).await.unwrap();
            let promotion = &view.promotions[&run.handle.id];
            let policy = promotion.state.policy();
            let end = match promotion.state.phase {
                phase if phase.is_final() => promotion.at.plus(policy.deadline).plus(policy.soak),
                _ => promotion.state.facts.deadline,
            };
            for component in ["api", "web"] {
                for unit in run.world.fleet("production", component).await.units {
                    let until = unit.lease.map(|lease| lease.expires_at).filter(|at| *at > run.world.now());
                    assert!(until.is_none_or(|until| until <= end.plus(SPARE)), "{story:?}, {n}: {until:?}");
                }
            }
        }
    }
}

/// A provider grants no lease for longer than a day (Fly's refuses a longer one): what goes on for longer prolongs it.
#[tokio::test]
async fn p2_a_soak_of_more_than_a_day_is_fenced_to_its_end() {
    const DAY: Millis = Millis::secs(24 * 3600);
    let mut world = World::new(1, Manners::default());
    (world.options.poll, world.options.lease_ttl) = (Millis::secs(20), Millis::secs(600));
    (world.limits.wait, world.policy.soak) = (Millis::secs(200), Millis::secs(40 * 3600));
    let run = Story::Promote.asked_in(world).await;
    let wrong = Wrong::default();
    let look = {
        let (wrong, provider, clock) = (wrong.clone(), run.world.provider.clone(), run.world.clock.clone());
        Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
            let (wrong, provider, now) = (wrong.clone(), provider.clone(), clock.now());
            let (place, call) = (place.clone(), call.clone());
            Box::pin(async move {
                let fleet = provider.observe_fleet(&place).await.unwrap();
                let is_well = match &call {
                    UnitCall::Lease { ttl, .. } => *ttl <= DAY,
                    UnitCall::Unlease { unit } => is_ours(fleet.unit(unit).unwrap(), now),
                    _ => true,
                };
                if !is_well {
                    wrong.lock().unwrap().push(format!("{call:?}"));
                }
            })
        })
    };
    let engine = watched(&run.world, &Switch::new(Moment::Never), look);
    assert_eq!(run.play(&engine).await.unwrap(), Outcome::Ended(Phase::Succeeded));
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
}

fn theirs() -> Key {
    Key { id: "theirs".to_owned(), nonce: Nonce::new("theirs").ok() }
}

/// Fenced calls so far, and what somebody holds until when.
type Broken = (usize, Option<(At, Place, UnitId)>);

/// Somebody breaks our lease on a machine right before the engine changes it, and holds it for two minutes.
#[tokio::test]
async fn p2_a_broken_lease_puts_the_promotion_back_and_the_way_back_waits_for_whoever_broke_it() {
    let base = undisturbed(Story::PromoteThatFails).await;
    let before = shape(&base.asked.world).await;
    let n_fenced = base
        .moments
        .values()
        .filter(|what| {
            ["update", "start", "stop", "cordon", "uncordon", "destroy"]
                .contains(&what.split(' ').next().unwrap())
        })
        .count();
    assert!(n_fenced > 8, "{:?}", base.moments);
    for nth in 0..n_fenced {
        let run = base.asked.fork().await;
        let broken: Arc<Mutex<Broken>> = Arc::default();
        let look = {
            let (provider, clock, broken) =
                (run.world.provider.clone(), run.world.clock.clone(), broken.clone());
            Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
                let mut state = broken.lock().unwrap();
                let mut release = None;
                if is_fenced(call) {
                    if state.0 == nth {
                        let unit = call.unit().unwrap().clone();
                        provider.seize(place, &unit, "fly machine leases clear");
                        state.1 = Some((clock.now().plus(Millis::secs(120)), place.clone(), unit));
                    }
                    state.0 += 1;
                }
                if state.1.as_ref().is_some_and(|(until, ..)| clock.now() >= *until) {
                    release = state.1.take();
                }
                let provider = provider.clone();
                Box::pin(async move {
                    if let Some((_, place, unit)) = release {
                        provider.perform(&place, &UnitCall::Unlease { unit }, &theirs()).await.unwrap();
                    }
                })
            })
        };
        let engine = watched(&run.world, &Switch::new(Moment::Never), look);
        let outcome = run.play(&engine).await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "call {nth}: {}", run.why().await);
        assert_eq!(broken.lock().unwrap().1, None, "call {nth}: it waited");
        assert_eq!(shape(&run.world).await, before, "call {nth}");
    }
}

/// A machine of the old fleet is lost on the way; what stands in for it on the way back is leased before it is opened.
#[tokio::test]
async fn p2_a_machine_that_stands_in_for_a_lost_one_is_leased_too() {
    let run = undisturbed(Story::PromoteThatFails).await.asked;
    let (wrong, lost) = (Wrong::default(), Arc::new(Mutex::new(None::<UnitId>)));
    let look = {
        let (provider, lost, check) =
            (run.world.provider.clone(), lost.clone(), unleased(&run.world, &wrong));
        Box::new(move |place: &Place, call: &UnitCall, key: &Key| -> BoxFuture<'static, ()> {
            let checked = check(place, call, key);
            let is_now = matches!(call, UnitCall::Stop { .. }) && lost.lock().unwrap().is_none();
            let mut loses = None;
            if is_now {
                *lost.lock().unwrap() = call.unit().cloned();
                loses = Some((provider.clone(), place.clone(), key.clone(), call.unit().unwrap().clone()));
            }
            Box::pin(async move {
                checked.await;
                if let Some((provider, place, key, unit)) = loses {
                    provider.perform(&place, &UnitCall::Destroy { unit }, &key).await.unwrap();
                }
            })
        })
    };
    let engine = watched(&run.world, &Switch::new(Moment::Never), look);
    assert_eq!(run.play(&engine).await.unwrap(), Outcome::Ended(Phase::RolledBack), "{}", run.why().await);
    let gone = lost.lock().unwrap().clone().unwrap();
    let stands_in = |unit: &Unit| unit.label(label::RESTORES).is_some_and(|of| of.ends_with(gone.as_str()));
    assert!(run.world.fleet("production", "api").await.units.iter().any(stands_in), "for {gone}");
    assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
    assert_eq!(leased(&run.world).await, []);
}
