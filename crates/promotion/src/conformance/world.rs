//! Time, ids and chance.

use std::collections::BTreeSet;

use crate::model::Millis;
use crate::ports::{Clock, Ids, Randomness};

/// Time goes on, and a sleep is no shorter than asked.
pub async fn clock(clock: &dyn Clock) {
    let (before, mark) = (clock.now(), clock.elapsed());
    clock.sleep(Millis(20)).await;
    let (slept, passed) = (clock.now().since(before), clock.elapsed().0.saturating_sub(mark.0));
    assert!(slept >= Millis(19), "a sleep of 20 ms took {slept}");
    assert!(passed >= 19, "{passed} ms passed in a sleep of 20");
    clock.sleep(Millis::ZERO).await;
    assert!(clock.now() >= before && clock.elapsed() >= mark, "time went back");
}

/// No id comes twice, runners have names of their own, and ids sort by the time they were made.
pub fn ids(ids: &dyn Ids) {
    let made: Vec<_> = (0..200).map(|_| ids.promotion()).collect();
    let distinct: BTreeSet<_> = made.iter().collect();
    assert_eq!(distinct.len(), made.len(), "an id came twice");
    assert!(made.is_sorted(), "ids do not sort by the time they were made");
    let runners: BTreeSet<_> = (0..50).map(|_| ids.runner()).collect();
    assert_eq!(runners.len(), 50, "two runners have one name");
}

/// Every number is below its bound, and each one comes.
pub fn randomness(randomness: &dyn Randomness) {
    for bound in 1..=16 {
        let seen: BTreeSet<u64> = (0..2_000).map(|_| randomness.below(bound)).collect();
        assert!(seen.iter().all(|n| *n < bound), "a number is not below {bound}: {seen:?}");
        // That one of at most 16 values is missed in 2,000 throws has a chance below 10^-54.
        assert_eq!(seen.len() as u64, bound, "numbers below {bound} never come: {seen:?}");
    }
}
