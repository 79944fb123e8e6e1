//! The order of calls to the ports: what must come before what, whatever the rollout decides.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mockall::mock;
use promotion::engine::{Engine, Outcome};
use promotion::journal::{Draft, Entry, Record};
use promotion::machine::{Event, Phase, Work};
use promotion::model::{EnvironmentName, Fleet, Millis, Place, StoreId, UnitId};
use promotion::ports::{Deployer, Grant, Journal, JournalError, Key, Performed, PortError};
use promotion::rollout::UnitCall;
use promotion::testing::{Moment, Switch, env};

use crate::story::Story;

mock! {
    #[derive(Debug)]
    Provider {}
    #[async_trait]
    impl Deployer for Provider {
        async fn observe_fleet(&self, place: &Place) -> Result<Fleet, PortError>;
        async fn perform(&self, place: &Place, call: &UnitCall, key: &Key) -> Result<Performed, PortError>;
    }
}

mock! {
    #[derive(Debug)]
    pub(super) Store {}
    #[async_trait]
    impl Journal for Store {
        async fn store_id(&self) -> Result<StoreId, JournalError>;
        async fn environments(&self) -> Result<Vec<EnvironmentName>, JournalError>;
        async fn read(&self, environment: &EnvironmentName, after: u64) -> Result<Vec<Record>, JournalError>;
        async fn append(
            &self,
            environment: &EnvironmentName,
            head: u64,
            epoch: Option<u64>,
            drafts: Vec<Draft>,
        ) -> Result<Vec<Record>, JournalError>;
        async fn take_lease(
            &self,
            environment: &EnvironmentName,
            holder: &str,
            ttl: Millis,
        ) -> Result<Grant, JournalError>;
        async fn renew_lease(
            &self,
            environment: &EnvironmentName,
            epoch: u64,
            ttl: Millis,
        ) -> Result<(), JournalError>;
        async fn release_lease(&self, environment: &EnvironmentName, epoch: u64) -> Result<(), JournalError>;
    }
}

/// What the ports were asked, in order.
#[derive(Debug, Clone)]
enum Seen {
    Wrote(Entry),
    Called(UnitCall, Key),
    Took,
    Released,
}

/// Awaits a future that memory has ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("memory never waits")
}

async fn story(story: Story) -> Vec<Seen> {
    let asked = story.asked().await;
    if !matches!(story, Story::BackByPerson | Story::BackByPersonThatFails | Story::BackByPersonThatStays) {
        asked.approve_when_asked().await;
    }
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let mut ports = asked.world.ports(&Switch::new(Moment::Never));
    let note = |seen: &Arc<Mutex<Vec<Seen>>>| {
        let seen = seen.clone();
        move |what: Seen| seen.lock().unwrap().push(what)
    };

    let mut provider = MockProvider::new();
    let (inner, real) = (ports.deployer.clone(), ports.deployer.clone());
    provider.expect_observe_fleet().returning(move |place| now(inner.observe_fleet(place)));
    let noted = note(&seen);
    provider.expect_perform().returning(move |place, call, key| {
        noted(Seen::Called(call.clone(), key.clone()));
        now(real.perform(place, call, key))
    });
    ports.deployer = Arc::new(provider);

    let mut store = MockStore::new();
    let inner = ports.journal.clone();
    store.expect_store_id().returning(move || now(inner.store_id()));
    let inner = ports.journal.clone();
    store.expect_read().returning(move |environment, after| now(inner.read(environment, after)));
    let (inner, noted) = (ports.journal.clone(), note(&seen));
    store.expect_append().returning(move |environment, head, epoch, drafts| {
        let planning = |draft: &Draft| {
            matches!(&draft.entry, Entry::Stepped { phase, .. } if matches!(phase, Phase::Planned | Phase::Queued))
        };
        assert!(epoch.is_some() || drafts.iter().all(planning), "what changes the world is under the lease");
        drafts.iter().for_each(|draft| noted(Seen::Wrote(draft.entry.clone())));
        now(inner.append(environment, head, epoch, drafts))
    });
    let (inner, noted) = (ports.journal.clone(), note(&seen));
    store.expect_take_lease().times(1).returning(move |environment, holder, ttl| {
        noted(Seen::Took);
        now(inner.take_lease(environment, holder, ttl))
    });
    let inner = ports.journal.clone();
    store
        .expect_renew_lease()
        .returning(move |environment, epoch, ttl| now(inner.renew_lease(environment, epoch, ttl)));
    let (inner, noted) = (ports.journal.clone(), note(&seen));
    store.expect_release_lease().times(1).returning(move |environment, epoch| {
        noted(Seen::Released);
        now(inner.release_lease(environment, epoch))
    });
    ports.journal = Arc::new(store);

    let engine = Engine::new(asked.world.options.clone(), ports);
    let outcome = engine.handle(env("production"), asked.handle.id.clone()).drive().await.unwrap();
    assert_eq!(outcome, Outcome::Ended(story.end()));
    seen.lock().unwrap().drain(..).collect()
}

const STORIES: [Story; 4] =
    [Story::Promote, Story::PromoteThatFails, Story::RollingThatFails, Story::BackByPersonThatFails];

fn is_change(seen: &Seen) -> bool {
    let Seen::Called(call, _) = seen else { return false };
    !matches!(call, UnitCall::Lease { .. } | UnitCall::Unlease { .. })
}

fn first(seen: &[Seen], is: impl Fn(&Seen) -> bool) -> usize {
    seen.iter().position(is).expect("it happened")
}

fn last(seen: &[Seen], is: impl Fn(&Seen) -> bool) -> usize {
    seen.iter().rposition(is).expect("it happened")
}

#[tokio::test]
async fn nothing_is_changed_before_it_was_written_down() {
    for name in STORIES {
        let seen = story(name).await;
        let mut meant: Vec<(String, UnitCall)> = Vec::new();
        for step in &seen {
            match step {
                Seen::Wrote(Entry::Meant { calls, .. }) => {
                    meant.extend(calls.iter().map(|intent| (intent.key.clone(), intent.call.clone())));
                }
                Seen::Called(call, key) if is_change(step) => {
                    let place = meant.iter().position(|(id, is)| *id == key.id && is == call);
                    let place = place.unwrap_or_else(|| panic!("{name:?}: {} was never meant", call.title()));
                    meant.remove(place);
                }
                _ => {}
            }
        }
        assert!(meant.is_empty(), "{name:?}: meant and not called: {meant:?}");
    }
}

#[tokio::test]
async fn every_outcome_is_written_down_before_the_next_intent_of_its_component() {
    for name in STORIES {
        let mut open = Vec::new();
        for step in story(name).await {
            match step {
                Seen::Wrote(Entry::Meant { component, calls, .. }) => {
                    assert!(!open.contains(&component), "{name:?}: {component} means more before it knows");
                    if !calls.is_empty() {
                        open.push(component);
                    }
                }
                Seen::Wrote(Entry::Came { component, .. }) => open.retain(|other| *other != component),
                _ => {}
            }
        }
        assert!(open.is_empty(), "{name:?}");
    }
}

#[tokio::test]
async fn lease_first_then_snapshot_then_changes_and_leases_back_at_the_end() {
    for name in STORIES {
        let seen = story(name).await;
        let took = first(&seen, |seen| matches!(seen, Seen::Took));
        let locked = first(
            &seen,
            |seen| matches!(seen, Seen::Wrote(Entry::Stepped { phase, .. }) if *phase == Phase::Locked),
        );
        let lease = first(&seen, |seen| matches!(seen, Seen::Called(UnitCall::Lease { .. }, _)));
        let last_lease = last(&seen, |seen| matches!(seen, Seen::Called(UnitCall::Lease { .. }, _)));
        let lock_done = first(&seen, |seen| {
            let Seen::Wrote(Entry::Stepped { stamped, .. }) = seen else { return false };
            matches!(stamped.event, Event::Done(Work::Leased))
        });
        let snapshot = first(&seen, |seen| {
            let Seen::Wrote(Entry::Stepped { stamped, .. }) = seen else { return false };
            matches!(stamped.event, Event::Done(Work::Snapshot { .. }))
        });
        let (change, last_change) = (first(&seen, is_change), last(&seen, is_change));
        let ended = first(
            &seen,
            |seen| matches!(seen, Seen::Wrote(Entry::Stepped { phase, .. }) if phase.is_final()),
        );
        let unlease = first(&seen, |seen| matches!(seen, Seen::Called(UnitCall::Unlease { .. }, _)));
        let released = first(&seen, |seen| matches!(seen, Seen::Released));
        let order = [took, locked, lease, lock_done, snapshot, change, last_change, ended, unlease, released];
        assert!(order.is_sorted(), "{name:?}: {order:?}");
        assert!(
            last_lease < ended,
            "{name:?}: what is made later is leased later, and nothing after the end"
        );
        assert_eq!(released, seen.len() - 1, "{name:?}: the environment is given back last");
    }
}

/// Every changing call on a unit that was leased shows the lease's number.
#[tokio::test]
async fn calls_on_leased_units_show_the_number() {
    for name in STORIES {
        let seen = story(name).await;
        let mut leased = Vec::new();
        for step in &seen {
            match step {
                Seen::Called(UnitCall::Lease { unit, .. }, _) => leased.push(unit.clone()),
                Seen::Called(call, key) if call.unit().is_some_and(|unit| leased.contains(unit)) => {
                    assert!(key.nonce.is_some(), "{name:?}: {} shows no number", call.title());
                }
                _ => {}
            }
        }
        assert!(!leased.is_empty());
    }
}

/// A machine that the promotion makes is leased, and its number written down, before it is changed or opened; the lease
/// is made to last only then.
#[tokio::test]
async fn a_new_machine_is_leased_and_its_number_written_down_before_it_is_opened() {
    for name in [Story::Promote, Story::PromoteThatFails] {
        let seen = story(name).await;
        let snapshot = first(&seen, |seen| {
            let Seen::Wrote(Entry::Stepped { stamped, .. }) = seen else { return false };
            matches!(stamped.event, Event::Done(Work::Snapshot { .. }))
        });
        let leases = |unit: &UnitId| {
            let is_its =
                |step: &Seen| matches!(step, Seen::Called(UnitCall::Lease { unit: of, .. }, _) if of == unit);
            seen.iter().enumerate().filter(|(_, step)| is_its(step)).map(|(n, _)| n).collect::<Vec<_>>()
        };
        let made: BTreeSet<&UnitId> = seen
            .iter()
            .filter_map(|step| match step {
                Seen::Called(call @ UnitCall::Lease { .. }, _) => call.unit(),
                _ => None,
            })
            .filter(|unit| leases(unit)[0] > snapshot)
            .collect();
        assert_eq!(made.len(), 2, "{name:?}: what stood there was leased before");
        for unit in made {
            let written = first(
                &seen,
                |step| matches!(step, Seen::Wrote(Entry::Leased { nonces, .. }) if nonces.contains_key(unit)),
            );
            let change = first(&seen, |step| {
                is_change(step) && matches!(step, Seen::Called(call, _) if call.unit() == Some(unit))
            });
            let leases = leases(unit);
            let order = [leases[0], written, leases[1], change];
            assert!(order.is_sorted(), "{name:?}, {unit}: {order:?}");
        }
    }
}
