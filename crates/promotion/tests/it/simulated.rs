//! Plays made up by chance keep every promise. `cargo xtask simulate` plays as many as one has time for.

use std::sync::LazyLock;

use promotion::simulation::{Plays, Season};

/// Plays in each run of the tests.
const PLAYS: u64 = 400;

static SEASON: LazyLock<Season> = LazyLock::new(|| Plays::default().season(0..PLAYS));

fn keeps(promise: u32) {
    let of = |(seed, it): &(u64, promotion::simulation::Violation)| {
        (it.promise == promise).then(|| format!("seed {seed}: {}", it.what))
    };
    let broken: Vec<String> = SEASON.violations.iter().filter_map(of).collect();
    assert!(broken.is_empty(), "{} of {PLAYS} plays:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(SEASON.plays, PLAYS);
}

#[test]
fn p1_no_play_lets_an_unapproved_or_untested_release_in() {
    keeps(1);
}

#[test]
fn p2_no_play_has_two_promotions_at_once() {
    keeps(2);
}

#[test]
fn p3_no_play_leaves_anything_twice() {
    keeps(3);
}

#[test]
fn p4_every_play_comes_to_an_end() {
    keeps(4);
}

#[test]
fn p5_every_play_that_is_put_back_is_put_back_whole() {
    keeps(5);
}

#[test]
fn p6_no_play_leaves_a_mix() {
    keeps(6);
}

#[test]
fn p7_no_play_loses_a_request() {
    keeps(7);
}

#[test]
fn p8_every_play_replays() {
    keeps(8);
}

#[test]
fn p10_no_play_touches_what_others_made() {
    keeps(10);
}

#[test]
fn p12_no_play_succeeds_without_health() {
    keeps(12);
}

/// A season in which nobody dies or nothing is put back proves nothing.
#[test]
fn plays_are_disturbed_and_end_in_many_ways() {
    use promotion::machine::Phase;
    assert!(SEASON.deaths > PLAYS / 4, "{} deaths", SEASON.deaths);
    for end in [Phase::Succeeded, Phase::RolledBack, Phase::Blocked, Phase::Rejected, Phase::Aborted] {
        assert!(SEASON.ends.contains_key(&end), "none ends {end}: {:?}", SEASON.ends);
    }
}

#[test]
fn the_same_seed_is_the_same_play_whatever_was_played_before() {
    let mut plays = Plays::default();
    let (first, _) = (plays.play(7), plays.play(8));
    assert_eq!(plays.play(7), first);
    assert_eq!(Plays::default().play(7), first);
    assert_ne!(plays.play(8).trace, first.trace);
}
