//! P6: what stands in the way of a rollback for a while does not make it fail.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use promotion::engine::Outcome;
use promotion::machine::Phase;
use promotion::model::{At, Millis, Place, UnitId};
use promotion::ports::{Clock as _, Key};
use promotion::rollout::UnitCall;
use promotion::testing::{Fault, Moment, Switch};

use super::p2_fenced::{is_fenced, watched};
use crate::story::{Story, shape, undisturbed, unleased};

/// Fenced calls so far, and when somebody is about to end holding what.
type Stolen = (usize, Option<(At, UnitId)>);

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
        let engine = watched(&run.world, &Switch::new(Moment::Never), look);
        let outcome = run.play(&engine).await.unwrap();
        assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "call {nth}: {}", run.why().await);
        assert_eq!(unleased(&shape(&run.world).await), before, "call {nth}");
        n_lost += u32::from(state.lock().unwrap().1.is_none());
    }
    assert!(n_lost > 4, "{n_lost} answers were lost");
}
