//! P2, P4, P6 where two things happen at once: the runner dies, and the host of one machine takes no calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use promotion::engine::Engine;
use promotion::machine::Phase;
use promotion::model::{At, Fleet, Millis, Nonce, Place, Unit, UnitId, UnitState, label};
use promotion::ports::{Clock, Deployer, Key, Performed, PortError, PortErrorKind};
use promotion::rollout::UnitCall;
use promotion::testing::{Moment, Provider, Switch, World};

use super::p2_fenced::{is_fenced, leased, numbers, rescued_by};
use crate::story::{Asked, Story, shape, undisturbed};

/// How a host is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The provider says so, and no call on the machine comes through (fly.md 1.5: `host_status`).
    Shown,
    /// It shows the machine as it was, and calls about its lease are not answered.
    Hidden,
    /// The first look leaves the machine out, as an old list does.
    Missed,
}

/// What the dead runner knew, and what became of its late calls.
#[derive(Debug)]
struct Host {
    provider: Provider,
    clock: Arc<dyn Clock>,
    place: Place,
    unit: UnitId,
    way: Way,
    /// When it answers again.
    until: At,
    /// The machines that were there.
    found: BTreeSet<UnitId>,
    /// The dead runner's number.
    old: Option<Nonce>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Looks since the host answers again.
    n_looks: u32,
    n_late: u32,
    wrong: Vec<String>,
}

impl Host {
    fn is_back(&self) -> bool {
        let is_back = self.clock.now() >= self.until;
        if is_back {
            self.provider.change(|manners| manners.unreachable.clear());
        }
        is_back
    }

    /// A call that the dead runner sent long ago arrives.
    async fn late(&self, when: &str) {
        let fleet = self.provider.observe_fleet(&self.place).await.unwrap();
        let is_leased = |unit: &Unit| {
            unit.lease.as_ref().is_some_and(|lease| {
                lease.expires_at > self.clock.now() && lease.description.starts_with("understudy production")
            })
        };
        let Some(old) = self.old.clone().filter(|_| fleet.unit(&self.unit).is_some_and(is_leased)) else {
            return;
        };
        let late = UnitCall::Stop { unit: self.unit.clone() };
        let key = Key { id: "late".to_owned(), nonce: Some(old) };
        let came = self.provider.perform(&self.place, &late, &key).await;
        let mut state = self.state.lock().unwrap();
        state.n_late += 1;
        if came.as_ref().err().map(|error| error.kind) != Some(PortErrorKind::Fenced) {
            state.wrong.push(format!("{when}: the dead runner's call came to {came:?}"));
        }
    }
}

#[async_trait]
impl Deployer for Host {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        let is_back = self.is_back();
        if is_back && *place == self.place {
            let n_looks = {
                let mut state = self.state.lock().unwrap();
                state.n_looks += 1;
                state.n_looks
            };
            // One look shows that it is back, two more may pass until it is leased anew where nothing is called. Where no look
            // shows it, it is asked again and again.
            let asked = self.until.plus(Millis::secs(6));
            if n_looks > 3 && (self.way == Way::Shown || self.clock.now() >= asked) {
                self.late("after a look").await;
            }
        }
        let mut fleet = self.provider.observe_fleet(place).await?;
        if self.way == Way::Missed && self.state.lock().unwrap().n_looks == 1 {
            fleet.units.retain(|unit| unit.id != self.unit);
        }
        Ok(fleet)
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        let is_it = *place == self.place && call.unit() == Some(&self.unit);
        if !self.is_back() {
            if is_it && is_fenced(call) && self.way == Way::Shown {
                self.state.lock().unwrap().wrong.push(format!("{} while its host is away", call.title()));
            }
            if is_it && matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. }) {
                return Err(PortError::not_sent("504 without a word"));
            }
        }
        if is_it && is_fenced(call) {
            if key.nonce.is_none() || key.nonce == self.old {
                self.state.lock().unwrap().wrong.push(format!("{} under {:?}", call.title(), key.nonce));
            }
            if self.is_back() {
                self.late(&call.title()).await;
            }
        }
        self.provider.perform(place, call, key).await
    }
}

/// Which machine's host it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// One that was there.
    Old,
    /// One that the promotion made, or changed where it stands.
    Made,
}

/// The runner of `run` is dead, and `which` out of reach from now on, for `time`.
async fn away(
    run: &Asked,
    found: &BTreeSet<UnitId>,
    which: Which,
    way: Way,
    time: Millis,
) -> Option<Arc<Host>> {
    let place = World::place("production", "api");
    let fleet = run.world.fleet("production", "api").await;
    let is_made = |unit: &Unit| unit.label(label::PROMOTION) == Some(run.handle.id.as_str());
    let unit = fleet.units.iter().find(|unit| is_made(unit) == (which == Which::Made))?.id.clone();
    let old = numbers(run, "api").await.get(&unit).cloned();
    if way == Way::Shown {
        run.world.provider.change(|manners| manners.unreachable = vec![unit.clone()]);
    }
    let until = run.world.now().plus(time);
    Some(Arc::new(Host {
        provider: run.world.provider.clone(),
        clock: run.world.clock.clone(),
        place,
        unit,
        way,
        until,
        found: found.clone(),
        old,
        state: Mutex::default(),
    }))
}

/// The machines of `api` that are there.
async fn found(asked: &Asked) -> BTreeSet<UnitId> {
    asked.world.fleet("production", "api").await.units.into_iter().map(|unit| unit.id).collect()
}

fn engine(world: &World, host: &Arc<Host>) -> Engine {
    let mut ports = world.ports(&Switch::new(Moment::Never));
    ports.deployer = host.clone();
    Engine::new(world.options.clone(), ports)
}

/// Nothing is left half done; what the engine may end in, and what it must look like then.
async fn judge(run: &Asked, phase: Phase, before: &[String], host: &Host) -> Result<(), String> {
    let why = run.why().await;
    let wrong = host.state.lock().unwrap().wrong.clone();
    if !wrong.is_empty() {
        return Err(format!("{phase}: {}; {why}", wrong.join(", ")));
    }
    let view = run.world.bystander().view(&run.handle.environment).await.unwrap();
    // As it was when the promotion ended.
    let was_back = view.promotions[&run.handle.id].at >= host.until;
    host.is_back();
    let fleet = run.world.fleet("production", "api").await;
    let reached = fleet.live().filter(|unit| was_back || unit.id != host.unit);
    let digests: BTreeSet<_> = reached.filter_map(|unit| unit.digest.clone()).collect();
    match phase {
        Phase::Succeeded if digests == [World::digest(2)].into() => {}
        // P5, P6: whoever was found and can be reached is what it was, and serves. The one that cannot is why a person is
        // called.
        Phase::RollbackFailed if !was_back => {
            let was_found = |unit: &&Unit| unit.id != host.unit && host.found.contains(&unit.id);
            let found: Vec<&Unit> = fleet.live().filter(was_found).collect();
            let is_well = |unit: &Unit| {
                unit.digest == Some(World::digest(1)) && unit.state == UnitState::Started && !unit.cordoned
            };
            if let Some(other) = found.iter().find(|unit| !is_well(unit)) {
                return Err(format!("not put back: {other:?}; {why}"));
            }
            if found.is_empty() {
                return Err(format!("nobody is left of {:?}; {why}", host.found));
            }
            if !run.world.desk.notices().iter().any(|notice| notice.urgent) {
                return Err("nobody was called".to_owned());
            }
        }
        Phase::RolledBack | Phase::Aborted | Phase::Blocked if was_back => {
            let now = shape(&run.world).await;
            if now != before {
                return Err(format!("{phase}, at rest\n  {}; {why}", now.join("\n  ")));
            }
        }
        Phase::RolledBack | Phase::Aborted | Phase::Blocked if digests == [World::digest(1)].into() => {}
        _ => return Err(format!("ends {phase} with {digests:?}; {why}")),
    }
    match leased(&run.world).await[..] {
        [] => Ok(()),
        [ref one] if *one == host.unit && !was_back => Ok(()),
        ref left => Err(format!("{left:?} stay leased")),
    }
}

/// At every `every`-th moment of `story` its runner dies, and a host is out of reach from then on.
async fn sweep(story: Story, which: Which, way: Way, time: Millis, every: usize) {
    let (mut wrong, mut ends, mut n_late) = (Vec::new(), BTreeMap::<Phase, u32>::new(), 0);
    let base = undisturbed(story).await;
    let (before, found) = (shape(&base.asked.world).await, found(&base.asked).await);
    for (n, what) in base.moments.iter().step_by(every) {
        let run = base.asked.fork().await;
        run.play_until(Moment::After(*n)).await;
        let Some(host) = away(&run, &found, which, way, time).await else { continue };
        let died = run.world.now();
        let phase = rescued_by(&run, || engine(&run.world, &host)).await;
        let took = run.world.now().since(died);
        if took >= run.world.policy.deadline {
            wrong.push(format!("dead after {n} ({what}): {phase} after {took}: {}", run.why().await));
        } else if let Err(why) = judge(&run, phase, &before, &host).await {
            wrong.push(format!("dead after {n} ({what}): {why}"));
        }
        *ends.entry(phase).or_default() += 1;
        n_late += host.state.lock().unwrap().n_late;
    }
    let title = format!("{story:?}, {which:?} machine {way:?} for {time}");
    println!("{title}: {ends:?}, {n_late} late calls");
    assert!(wrong.is_empty(), "{title}, {} wrong ends:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(n_late > 0, time < EVER, "{title}: a dead runner's calls came after it was back");
}

/// The rescuer comes half a minute after the runner died, and the host answers again some seconds later.
const SOON: Millis = Millis(31_000 + 6_000);

/// For longer than anybody looks.
const EVER: Millis = Millis::secs(7 * 24 * 3600);

/// Its number is written down until it can be given back, the work goes on with the others, and from the moment on at which
/// it is changed again the dead runner's calls are refused.
#[tokio::test]
async fn p2_a_dead_runners_calls_are_refused_where_a_host_answers_late_in_a_rolling_promotion() {
    sweep(Story::RollingThatFails, Which::Old, Way::Shown, SOON, 1).await;
    sweep(Story::RollingThatFails, Which::Made, Way::Shown, SOON, 2).await;
}

#[tokio::test]
async fn p2_a_dead_runners_calls_are_refused_where_a_host_answers_late_in_a_second_fleet() {
    sweep(Story::PromoteThatFails, Which::Old, Way::Shown, SOON, 1).await;
    sweep(Story::PromoteThatFails, Which::Made, Way::Shown, SOON, 2).await;
}

/// P4, P6: it comes to an end that is allowed there, long before its time is over.
#[tokio::test]
async fn p4_a_promotion_ends_where_a_host_never_answers_again_wherever_its_runner_dies() {
    sweep(Story::Rolling, Which::Old, Way::Shown, EVER, 2).await;
    sweep(Story::Promote, Which::Old, Way::Shown, EVER, 2).await;
    sweep(Story::PromoteThatFails, Which::Made, Way::Shown, EVER, 3).await;
}

/// The provider does not always know that a host is out of reach.
#[tokio::test]
async fn p2_a_host_that_is_silent_about_leases_counts_as_out_of_reach() {
    sweep(Story::Rolling, Which::Old, Way::Hidden, SOON, 3).await;
    sweep(Story::Promote, Which::Old, Way::Hidden, SOON, 3).await;
    sweep(Story::PromoteThatFails, Which::Made, Way::Hidden, EVER, 5).await;
}

/// P2: nothing is begun without the lease on every machine that a look shows: who cannot be leased is not fenced, and
/// another store, or `fly deploy`, could move it meanwhile.
#[tokio::test]
async fn p2_nothing_begins_while_a_lease_is_not_answered() {
    for story in [Story::Promote, Story::Rolling] {
        let run = story.asked().await;
        let before = shape(&run.world).await;
        let since = run.world.provider.calls().len();
        let ever = Millis::secs(24 * 3600);
        let host = away(&run, &found(&run).await, Which::Old, Way::Hidden, ever).await.unwrap();
        run.play(&engine(&run.world, &host)).await.unwrap();
        let mut phase = run.phase().await;
        for _ in 0..100 {
            if phase.is_final() {
                break;
            }
            run.world.clock.advance(Millis(31_000));
            engine(&run.world, &host).tick().await.unwrap();
            phase = run.phase().await;
        }
        assert_eq!(phase, Phase::Aborted, "{story:?}: {}", run.why().await);
        let calls = run.world.provider.calls().split_off(since);
        let is_lease = |call: &UnitCall| matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. });
        let changed: Vec<_> = calls.iter().filter(|(_, call)| !is_lease(call)).collect();
        assert!(changed.is_empty(), "{story:?}: {changed:?}");
        assert_eq!(shape(&run.world).await, before, "{story:?}");
    }
}

/// A list that is old leaves out what is there: that is no reason to forget under which number a dead runner held it.
#[tokio::test]
async fn p2_a_machine_that_one_look_leaves_out_is_not_forgotten() {
    sweep(Story::RollingThatFails, Which::Old, Way::Missed, Millis::ZERO, 4).await;
}

/// What nobody could give back is not forgotten by the next runner that dies, either.
#[tokio::test]
async fn p2_a_number_that_could_not_be_given_back_outlives_the_next_runner_too() {
    let base = undisturbed(Story::Rolling).await;
    let before = shape(&base.asked.world).await;
    let is_update = |(_, what): &(&u64, &String)| what.starts_with("uncordon unit");
    let (n, _) = base.moments.iter().find(is_update).unwrap();
    let run = base.asked.fork().await;
    run.play_until(Moment::After(*n)).await;
    let time = Millis(3 * 31_000);
    let host = away(&run, &found(&base.asked).await, Which::Old, Way::Shown, time).await.unwrap();
    let earlier = async || {
        let view = run.world.bystander().view(&run.handle.environment).await.unwrap();
        view.promotions[&run.handle.id].earlier.values().flatten().map(|(unit, _)| unit.clone()).next()
    };
    assert!(host.old.is_some());
    for _ in 0..2 {
        run.world.clock.advance(Millis(31_000));
        // It dies as soon as it wrote down what it holds and what it does not.
        let switch = Switch::new(Moment::After(1));
        let mut ports = run.world.ports(&switch);
        ports.deployer = Arc::new(Mortal { host: host.clone(), switch });
        let _dead = Engine::new(run.world.options.clone(), ports).tick().await;
        assert_eq!(earlier().await.as_ref(), Some(&host.unit), "the number is still there");
    }
    let phase = rescued_by(&run, || engine(&run.world, &host)).await;
    judge(&run, phase, &before, &host).await.unwrap();
    assert!(host.state.lock().unwrap().n_late > 0);
    assert_eq!(earlier().await, None);
}

/// A host as a runner sees it that dies.
#[derive(Debug)]
struct Mortal {
    host: Arc<Host>,
    switch: Arc<Switch>,
}

#[async_trait]
impl Deployer for Mortal {
    async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError> {
        if self.switch.is_dead() { Err(dead()) } else { self.host.observe_fleet(place).await }
    }

    async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError> {
        if self.switch.is_dead() { Err(dead()) } else { self.host.perform(place, call, key).await }
    }
}

fn dead() -> PortError {
    PortError::not_sent("the runner was killed here")
}
