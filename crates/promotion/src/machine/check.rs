//! The build's own look at the table: every live pair is answered, final phases have no rows.

use super::phase::{Guard, Phase, Signal};
use super::table::Row;

/// Stops the build when a live pair has no row, or rows whose guards are not exact opposites, or when a final phase
/// has a row. A const panic cannot name the pair: the test beside `step` does.
pub(super) const fn total(table: &[Row]) {
    let mut p = 0;
    while p < Phase::ALL.len() {
        let mut s = 0;
        while s < Signal::ALL.len() {
            pair(table, Phase::ALL[p], Signal::ALL[s]);
            s += 1;
        }
        p += 1;
    }
}

const fn pair(table: &[Row], phase: Phase, signal: Signal) {
    let mut n = 0;
    let mut first = Guard::Always;
    let mut second = Guard::Always;
    let mut i = 0;
    while i < table.len() {
        let row = &table[i];
        if row.from as u8 == phase as u8 && row.on as u8 == signal as u8 {
            if n == 0 {
                first = row.when;
            } else {
                second = row.when;
            }
            n += 1;
        }
        i += 1;
    }
    if phase.is_final() {
        assert!(n == 0, "a final phase has a row");
    } else if n == 1 {
        assert!(matches!(first, Guard::Always), "a guarded row has no opposite");
    } else {
        assert!(n == 2, "a live pair of phase and signal has no row, or more than two");
        assert!(!matches!(first, Guard::Always), "two rows of one pair, and one of them always holds");
        assert!(first.opposite() as u8 == second as u8, "the guards of a pair are not opposites");
    }
}
