//! With each rule of the protocol off a promise breaks, and the search finds how.

use stateright::{Checker as _, HasDiscoveries, Model as _};

use super::protocol::{Bounds, Protocol, Rules, promises};

/// Enough to break each of them.
const BOUNDS: Bounds = Bounds { steps: 4, crashes: 1, expiries: 1, lost: 0, drifts: 0 };

/// Whether the search finds how `promise` breaks under `rules`.
fn breaks(rules: Rules, promise: &'static str) -> bool {
    let wanted = HasDiscoveries::AllOf([promise].into_iter().collect());
    let search = Protocol::new(rules, BOUNDS).checker().threads(2).finish_when(wanted).spawn_bfs().join();
    search.discovery(promise).is_some()
}

/// The lease on the environment does not reach calls that are on their way.
#[test]
fn p2_without_fencing_a_late_call_changes_what_the_successor_leased() {
    assert!(breaks(Rules { fencing: false, ..Rules::ALL }, promises::FENCED));
}

/// Fencing alone does not stop double effects (promotion engines, finding 10): the call landed, and its answer did not.
#[test]
fn p3_without_keys_an_effect_is_applied_twice() {
    assert!(breaks(Rules { keys: false, ..Rules::ALL }, promises::ONCE));
}

/// No lease fences a create.
#[test]
fn p3_without_settling_a_late_create_lands_after_the_end() {
    assert!(breaks(Rules { settle: false, ..Rules::ALL }, promises::ONCE));
}

/// A runner that does not know that its time is over reads the successor's number in the journal.
#[test]
fn p2_without_epochs_a_stale_runner_changes_what_the_successor_leased() {
    assert!(breaks(Rules { epoch: false, ..Rules::ALL }, promises::FENCED));
}

/// A step that was decided before somebody else's record says something else than the machine does after it.
#[test]
fn p8_without_comparing_heads_a_record_is_not_what_the_machine_says() {
    assert!(breaks(Rules { head: false, ..Rules::ALL }, promises::REPLAYS));
}

/// A runner that dies before it writes its number down leaves units that nobody can lease.
#[test]
fn p4_without_a_short_first_lease_a_promotion_stands_still() {
    assert!(breaks(Rules { first_ttl: false, ..Rules::ALL }, promises::ENDS));
}

/// The machine asks the policy whether people are asked.
#[test]
fn p1_without_people_in_the_policy_something_is_changed_that_nobody_agreed_to() {
    assert!(breaks(Rules { people: false, ..Rules::ALL }, promises::APPROVED));
}
