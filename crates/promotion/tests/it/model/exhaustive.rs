//! Every order of things, to the end: three runners, one promotion, a person who may withdraw, and faults.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use stateright::{Checker as _, Model as _};

use super::protocol::{Bounds, Protocol, RUNNERS, Rules, promises};

/// What is searched. A debug build bounds it: each fault more makes it about ten times as much.
const SEARCHED: [Bounds; 4] = [
    // The whole promotion, with runners that die and one that is overtaken.
    Bounds { steps: 12, crashes: 2, expiries: 1, lost: 0, drifts: 0 },
    // With a world that changes before the first effect.
    Bounds { steps: 12, crashes: 1, expiries: 1, lost: 0, drifts: 1 },
    // A shorter one, with two of each.
    Bounds { steps: 4, crashes: 2, expiries: 2, lost: 0, drifts: 0 },
    // With lost answers.
    Bounds { steps: 4, crashes: 1, expiries: 1, lost: 1, drifts: 0 },
];

/// What was found for a promise: how each search that found something came there.
type Found = BTreeMap<&'static str, Vec<String>>;

/// Searches once for all tests.
fn found() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = Found::new();
        for bounds in SEARCHED {
            let search = Protocol::new(Rules::ALL, bounds).checker().threads(2).spawn_bfs().join();
            assert!(search.is_done(), "{bounds:?}: the search came to its end");
            println!(
                "{RUNNERS} runners, {bounds:?}: {} instants, {} steps deep",
                search.unique_state_count(),
                search.max_depth()
            );
            for (name, path) in search.discoveries() {
                found.entry(name).or_default().push(format!("{bounds:?}: {path:?}"));
            }
        }
        found
    })
}

fn holds(promise: &'static str) {
    let broken = found().get(promise).map(Vec::as_slice).unwrap_or_default();
    assert!(broken.is_empty(), "{promise}\n{}", broken.join("\n"));
}

/// P1: "Through us production gets no release that lacks, at Rechecking, … a plan approved by the required people"; a word
/// can be withdrawn until the first effect.
#[test]
fn p1_nothing_is_changed_without_an_approval_in_force_whoever_dies_when() {
    holds(promises::APPROVED);
}

/// P2: "Never two mutating promotions in one environment"; "a successor rotates them: from then on the dead runner's late
/// calls get 409".
#[test]
fn p2_nothing_of_an_earlier_runner_lands_on_a_leased_unit_whoever_dies_when() {
    holds(promises::FENCED);
}

/// P3: each effect "has at rest exactly one result at the provider, with a crash or lost answer at any point".
#[test]
fn p3_each_effect_has_one_result_at_rest_whoever_dies_when() {
    holds(promises::ONCE);
}

/// P4: "Once faults stop and a rescuer is called at least every T, every promotion reaches a final phase or a human wait":
/// wherever nothing but a fault could happen it has ended, and nothing is held.
#[test]
fn p4_where_nothing_happens_any_more_it_has_ended_whoever_dies_when() {
    holds(promises::ENDS);
}

/// P8: "The journal replays to the same state": what a record says is what the machine says of the chain before it.
#[test]
fn p8_every_record_is_what_the_machine_says_whoever_dies_when() {
    holds(promises::REPLAYS);
}

/// A model in which nothing goes wrong proves nothing.
#[test]
fn takeovers_late_calls_withdrawals_and_both_ends_occur() {
    for seen in promises::SEEN {
        let searches = found().get(seen).map_or(0, Vec::len);
        assert_eq!(searches, SEARCHED.len(), "{seen}");
    }
}
