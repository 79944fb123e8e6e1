//! Benchmarks that are no benchmarks: small programs that print figures.

use crate::world::{Caught, World};
use clikit::Exit;
use xtask::bench::{BENCHES, Bench, Prints, run, run_benches};

const fn prints(name: &'static str, command: &'static [&'static str]) -> Bench {
    Bench { name, about: "prints figures", command, prints: Prints::Figures, is_large: false }
}

const GOOD: Bench = prints(
    "good",
    &[
        "sh",
        "-c",
        "echo talk; echo '{\"figure\":\"own share\",\"value\":1.25,\"unit\":\"ms\",\"limit\":4,\"peer\":{\"name\":\"p\",\"value\":9}}'",
    ],
);
const SLOW: Bench = prints(
    "slow",
    &["sh", "-c", "echo '{\"figure\":\"start\",\"value\":120,\"unit\":\"ms\",\"limit\":100}'"],
);
const DEAD: Bench = prints("dead", &["sh", "-c", "exit 3"]);
const MUTE: Bench = prints("mute", &["sh", "-c", "echo nothing to say"]);

fn bench(benches: &[Bench], name: Option<&str>) -> (Exit, String) {
    let world = World::clean();
    let caught = Caught::default();
    let exit = run_benches(benches, &world.repo, &world.shell, &caught.output(), name).unwrap();
    (exit, caught.text())
}

#[test]
fn figures_stand_beside_limit_and_peer() {
    let (exit, text) = bench(&[GOOD, SLOW], Some("good"));
    assert_eq!(exit, Exit::Done);
    let row: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row, ["good", "own", "share", "1.25", "ms", "4.00", "p", "9.00", "within"]);
}

#[test]
fn above_the_limit_is_a_regression_and_no_figure_is_invalid() {
    assert_eq!(bench(&[GOOD, SLOW], None).0, Exit::Regression);
    assert_eq!(bench(&[DEAD, SLOW], None).0, Exit::InvalidMeasurement);
    assert_eq!(bench(&[SLOW, MUTE, GOOD], None).0, Exit::InvalidMeasurement);
}

#[test]
fn without_benchmarks_nothing_ran() {
    assert_eq!(bench(&[], None), (Exit::NoTests, "no bench yet\n".to_owned()));
}

#[test]
fn an_unknown_name_is_bad_usage() {
    let world = World::clean();
    let out = Caught::default().output();
    let failure = run_benches(&[GOOD], &world.repo, &world.shell, &out, Some("x")).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert_eq!(failure.hint.as_deref(), Some("cargo xtask bench [good]"));
}

#[test]
fn the_real_list_has_names_of_its_own() {
    let world = World::clean();
    if BENCHES.is_empty() {
        let exit = run(&world.repo, &world.shell, &Caught::default().output(), None).unwrap();
        assert_eq!(exit, Exit::NoTests);
    }
    let names: std::collections::BTreeSet<&str> = BENCHES.iter().map(|bench| bench.name).collect();
    assert_eq!(names.len(), BENCHES.len());
}

#[test]
fn a_large_one_runs_when_it_is_named_only() {
    let large = Bench { is_large: true, ..SLOW };
    assert_eq!(bench(&[GOOD, large], None).0, Exit::Done);
    assert_eq!(bench(&[GOOD, large], Some("slow")).0, Exit::Regression);
}

/// A promotion's figures come from the audit log that it names, and from nothing that the driver says of it.
#[test]
fn promotions_are_judged_by_their_audit_log() {
    let promotions = Bench {
        prints: Prints::Promotions,
        ..prints("runs", &["sh", "-c", "echo '{\"run\":\"r\",\"audit\":\"/nowhere/audit.jsonl\"}'"])
    };
    assert_eq!(bench(&[promotions], None).0, Exit::InvalidMeasurement);
}
