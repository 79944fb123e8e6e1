//! The journal: atomic appends on one chain per environment, leases with epochs.
//!
//! A store calls [`journal_store`], which is everything; a journal that lives in one process and can be neither opened
//! twice nor spoilt calls [`journal`] and [`journal_shared`].

mod kept;
mod shared;

pub use kept::{JournalFixture, journal_store};
pub use shared::journal_shared;

use crate::journal::{Draft, Entry, Record, verify};
use crate::model::{At, ComponentName, EnvironmentName, Millis, UnitId};
use crate::ports::{Clock, Journal, JournalError};

/// Short, because real clocks are waited for.
const TTL: Millis = Millis(400);
/// A lease that is not to run out here, however slow the store is.
const LONG: Millis = Millis(TTL.0 * 100);

fn draft(n: u64) -> Draft {
    let unit = UnitId::new(format!("unit-{n}")).expect("digits are a name");
    let component = ComponentName::new("api").expect("a name");
    Draft {
        promotion: None,
        at: At(1_800_000_000_000),
        entry: Entry::ParkedEnded { component, units: vec![unit] },
    }
}

/// Every case, on a store without any record.
pub async fn journal(journal: &dyn Journal, clock: &dyn Clock) {
    let (production, staging) = (name("production"), name("staging"));
    assert_eq!(journal.store_id().await.expect("an id"), journal.store_id().await.expect("the same id"));
    assert_eq!(journal.environments().await.expect("a list"), [], "an empty store has no environments");
    assert_eq!(journal.read(&production, 0).await.expect("an empty chain"), []);
    chain(journal, &production).await;
    refusals(journal, &production).await;
    let other = journal.append(&staging, 0, None, vec![draft(9)]).await.expect("a chain of its own");
    assert_eq!(other[0].seq, 1, "each environment counts by itself");
    let names = journal.environments().await.expect("a list");
    assert_eq!(names, [production.clone(), staging], "sorted");
    leases(journal, &production, clock).await;
}

fn name(text: &str) -> EnvironmentName {
    EnvironmentName::new(text).expect("a name")
}

async fn chain(journal: &dyn Journal, environment: &EnvironmentName) {
    let first = journal.append(environment, 0, None, vec![draft(1), draft(2)]).await.expect("two records");
    let second = journal.append(environment, 2, None, vec![draft(3)]).await.expect("one more");
    let all = journal.read(environment, 0).await.expect("all of them");
    assert_eq!(all, [first, second.clone()].concat(), "what is read is what was appended");
    assert_eq!(all.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3]);
    verify(environment, 0, Record::root(environment), &all).expect("a chain from the root on");
    assert_eq!(journal.read(environment, 2).await.expect("the tail"), second, "only what comes after");
    assert_eq!(journal.read(environment, 3).await.expect("nothing"), []);
}

async fn refusals(journal: &dyn Journal, environment: &EnvironmentName) {
    for head in [0, 2, 4, 99] {
        match journal.append(environment, head, None, vec![draft(4)]).await {
            Err(JournalError::Conflict { head: 3 }) => {}
            other => panic!("an append on head {head} of 3 is a conflict, not {other:?}"),
        }
    }
    let all = journal.read(environment, 0).await.expect("a chain");
    assert_eq!(all.len(), 3, "a refused append leaves nothing");
}

async fn leases(journal: &dyn Journal, environment: &EnvironmentName, clock: &dyn Clock) {
    let first = journal.take_lease(environment, "one", LONG).await.expect("it is free");
    match journal.take_lease(environment, "two", TTL).await {
        Err(JournalError::Held { holder }) => assert_eq!(holder, "one", "it says who holds it"),
        other => panic!("a lease that is held is refused, not {other:?}"),
    }
    let again = journal.take_lease(environment, "one", TTL).await.expect("its own holder may take it again");
    assert!(again.epoch > first.epoch, "the epoch grows with every grant");
    fenced(journal, environment, first.epoch).await;
    let head = head(journal, environment).await;
    let under = journal.append(environment, head, Some(again.epoch), vec![draft(5)]).await.expect("held");
    assert_eq!(under[0].epoch, Some(again.epoch), "a record shows its lease");

    // Renewed in time it outlives its first end.
    for _ in 0..3 {
        clock.sleep(Millis(TTL.0 / 2)).await;
        journal.renew_lease(environment, again.epoch, TTL).await.expect("nobody else took it");
    }
    assert!(journal.take_lease(environment, "two", TTL).await.is_err(), "it was renewed");
    clock.sleep(Millis(TTL.0 * 2)).await;
    let successor = journal.take_lease(environment, "two", LONG).await.expect("it ran out");
    assert!(successor.epoch > again.epoch);
    fenced(journal, environment, again.epoch).await;
    journal.release_lease(environment, again.epoch).await.expect("nothing happens");
    assert!(journal.take_lease(environment, "three", TTL).await.is_err(), "an old holder releases nothing");
    journal.release_lease(environment, successor.epoch).await.expect("ours");
    let last = journal.take_lease(environment, "three", TTL).await.expect("it was given back");
    assert!(last.epoch > successor.epoch, "a released lease does not take its epoch along");
}

async fn head(journal: &dyn Journal, environment: &EnvironmentName) -> u64 {
    journal.read(environment, 0).await.expect("a chain").last().map_or(0, |record| record.seq)
}

async fn fenced(journal: &dyn Journal, environment: &EnvironmentName, epoch: u64) {
    let head = head(journal, environment).await;
    let append = journal.append(environment, head, Some(epoch), vec![draft(6)]).await;
    assert!(matches!(append, Err(JournalError::Fenced { .. })), "an old epoch appends nothing: {append:?}");
    let renewed = journal.renew_lease(environment, epoch, TTL).await;
    assert!(matches!(renewed, Err(JournalError::Fenced { .. })), "an old epoch renews nothing: {renewed:?}");
    assert_eq!(self::head(journal, environment).await, head, "nothing was left behind");
}
