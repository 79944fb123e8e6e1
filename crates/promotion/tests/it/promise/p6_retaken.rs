//! P6: what stands in the way of a rollback for a while does not make it fail.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{At, Millis, Place, UnitId};
use promotion::ports::{Clock as _, Key};
use promotion::rollout::UnitCall;
use promotion::testing::{Fault, Moment, Switch, World};

use super::p2_fenced::{Look, is_fenced, watched};
use crate::story::{Asked, Story, shape, undisturbed, unleased};

/// Fenced calls so far, and when somebody is about to end holding what.
type Stolen = (usize, Option<(At, UnitId)>);

/// A release that fails is put back, whatever `look` does meanwhile: the fleets have the shape that they had `before`.
async fn is_put_back(run: &Asked, look: Look, before: &[String], what: &str) {
    let engine = watched(&run.world, &Switch::new(Moment::Never), look);
    let outcome = run.play(&engine).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "{what}: {}", run.why().await);
    assert_eq!(unleased(&shape(&run.world).await), before, "{what}");
}

/// Somebody breaks a lease and holds the machine for a while; when it is taken back, that answer is lost. The lease that
/// nobody has the number of rests as long as a first one lasts, and the way back waits for it.
#[tokio::test]
async fn p6_a_broken_lease_whose_retaking_is_lost_is_waited_for() {
    let base = undisturbed(Story::PromoteThatFails).await;
    let before = unleased(&shape(&base.asked.world).await);
    let mut n_lost = 0;
    for nth in 0..8 {
        let run = base.asked.fork().await;
        let state: Arc<Mutex<Stolen>> = Arc::default();
        let look = {
            let (provider, clock, state) =
                (run.world.provider.clone(), run.world.clock.clone(), state.clone());
            Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
                let mut state = state.lock().unwrap();
                if is_fenced(call) {
                    if state.0 == nth {
                        let (unit, time) = (call.unit().unwrap().clone(), Millis::secs(38));
                        provider.seize_for(place, &unit, "fly machine update", time);
                        state.1 = Some((clock.now().plus(Millis::secs(34)), unit));
                    }
                    state.0 += 1;
                }
                let is_retaken = |(soon, unit): &mut (At, UnitId)| {
                    let is_lease = matches!(call, UnitCall::Lease { .. });
                    is_lease && call.unit() == Some(&*unit) && clock.now() >= *soon
                };
                if state.1.take_if(is_retaken).is_some() {
                    provider.fail(provider.asked(), Fault::Late(Millis(4_500)));
                }
                Box::pin(async {})
            })
        };
        is_put_back(&run, look, &before, &format!("call {nth}")).await;
        n_lost += u32::from(state.lock().unwrap().1.is_none());
    }
    assert!(n_lost > 4, "{n_lost} answers were lost");
}

/// The lease on a machine that was just made is lost, and lost once more when the first one has run out: its host answers, and
/// says that it is held in our own name. It is waited for, and the machine is not left behind as one out of reach.
#[tokio::test]
async fn p6_a_new_machine_whose_lease_is_lost_twice_is_waited_for() {
    let base = undisturbed(Story::PromoteThatFails).await;
    let before = unleased(&shape(&base.asked.world).await);
    let run = base.asked.fork().await;
    run.world.provider.change(|manners| manners.broken.push(World::digest(2)));
    let fleet = run.world.fleet("production", "api").await;
    let known: BTreeSet<UnitId> = fleet.units.into_iter().map(|unit| unit.id).collect();
    let lost: Arc<Mutex<Option<(UnitId, At, u32)>>> = Arc::default();
    let look = {
        let (provider, clock, lost) = (run.world.provider.clone(), run.world.clock.clone(), lost.clone());
        Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
            let UnitCall::Lease { unit, .. } = call else { return Box::pin(async {}) };
            if *place == World::place("production", "api") && !known.contains(unit) {
                let now = clock.now();
                let mut lost = lost.lock().unwrap();
                let (first, since, n) = lost.get_or_insert((unit.clone(), now, 0));
                if first == unit && (*n == 0 || (*n == 1 && now.since(*since) > Millis::secs(30))) {
                    *n += 1;
                    provider.fail(provider.asked(), Fault::LostAnswer);
                }
            }
            Box::pin(async {})
        })
    };
    is_put_back(&run, look, &before, "in the end").await;
    assert_eq!(lost.lock().unwrap().as_ref().map(|(_, _, n)| *n), Some(2), "both answers were lost");
}

/// Somebody breaks a lease that nobody needs just then, and is gone when it is prolonged for the way back: a provider may
/// answer that with a new lease, and when the answer is lost nobody has its number. It must not be one to the deadline.
#[tokio::test]
async fn p6_a_broken_lease_is_not_prolonged_to_the_deadline_under_a_number_that_is_lost() {
    let base = undisturbed(Story::PromoteThatFails).await;
    let before = unleased(&shape(&base.asked.world).await);
    let run = base.asked.fork().await;
    let api = World::place("production", "api");
    let fleet = run.world.fleet("production", "api").await;
    let first = fleet.live().find(|unit| unit.managed).unwrap().id.clone();
    let state = Arc::new(Mutex::new((false, 0)));
    let look = {
        let (provider, state) = (run.world.provider.clone(), state.clone());
        Box::new(move |place: &Place, call: &UnitCall, _: &Key| -> BoxFuture<'static, ()> {
            let mut state = state.lock().unwrap();
            if !state.0 && is_fenced(call) && place.component.as_str() == "web" {
                state.0 = true;
                provider.seize_for(&api, &first, "fly machine update", Millis(50));
            }
            let is_lease = matches!(call, UnitCall::Lease { .. });
            if state.0 && state.1 == 0 && is_lease && call.unit() == Some(&first) {
                state.1 += 1;
                provider.fail(provider.asked(), Fault::LostAnswer);
            }
            Box::pin(async {})
        })
    };
    is_put_back(&run, look, &before, "in the end").await;
    assert_eq!(*state.lock().unwrap(), (true, 1), "broken, and its answer lost");
}
