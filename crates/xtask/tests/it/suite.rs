//! The steps and what they make of what they see.

use crate::world::{Caught, World, requirements};
use clikit::{Exit, Failure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use xtask::libtest::{Outcome, Results};
use xtask::requirements::Requirements;
use xtask::suite::cargo_steps::{self, unwanted};
use xtask::suite::parts::{PARTS, judge};
use xtask::suite::steps::{ALL, Session, Step};
use xtask::suite::supply::{Policy, crates, is_allowed};
use xtask::suite::tally::{Counts, Report, Verdict};
use xtask::suite::{demo, run_steps, traceability};

const FINE: Step = Step { name: "fine", about: "is fine", run: |_| Ok(Report::passed()) };
const RED: Step = Step { name: "red", about: "is red", run: |_| Ok(Report::failed("a note")) };
const BROKEN: Step =
    Step { name: "broken", about: "cannot run", run: |_| Err(Failure::unavailable("no cargo")) };
const ABSENT: Step =
    Step { name: "absent", about: "is absent", run: |_| Ok(Report::skipped("not run: x (missing)")) };

fn run(steps: &[Step]) -> (Exit, String) {
    let world = World::clean();
    let caught = Caught::default();
    let exit = run_steps(steps, &mut Session::new(&world.repo, &world.shell), &caught.output()).unwrap();
    (exit, caught.text())
}

#[test]
fn a_red_step_stops_nothing_and_the_last_line_counts() {
    let (exit, text) = run(&[RED, BROKEN, ABSENT, FINE]);
    assert_eq!(exit, Exit::TestsFailed);
    assert_eq!(text.lines().last(), Some("1 passed, 2 failed, 1 skipped"));
    assert!(text.contains("red: a note") && text.contains("error: no cargo"), "{text}");
    assert!(text.contains("not run: x (missing)"), "{text}");
}

#[test]
fn skipped_is_not_failed_and_not_passed() {
    let (exit, text) = run(&[ABSENT, FINE]);
    assert_eq!(exit, Exit::Done);
    assert_eq!(text.lines().last(), Some("1 passed, 0 failed, 1 skipped"));
}

#[test]
fn an_unknown_step_is_bad_usage() {
    let world = World::clean();
    let out = Caught::default().output();
    let failure = xtask::suite::run(&world.repo, &world.shell, &out, &["tasts".to_owned()]).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.render().contains("tests, traceability"), "{}", failure.render());
}

#[test]
fn an_unknown_page_is_bad_usage() {
    let world = World::clean();
    let out = Caught::default().output();
    let only = ["docs/clj.md".to_owned()];
    let failure = xtask::pages::run(&world.repo, &world.shell, &out, true, &only).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.render().contains("docs/traceability.md"), "{}", failure.render());
}

#[test]
fn traceability_comes_after_the_tests() {
    let at = |name: &str| ALL.iter().position(|step| step.name == name).unwrap();
    assert!(at("tests") < at("traceability"));
}

#[test]
fn a_missing_required_part_is_red_and_names_the_command() {
    let all = judge(PARTS, |_| true);
    assert_eq!((all.verdict, all.counts.passed), (Verdict::Passed, PARTS.len()));
    let without = judge(PARTS, |part| part.program != "skopeo");
    assert_eq!((without.verdict, without.counts.failed), (Verdict::Failed, 1));
    assert!(
        without.notes[0].contains("apt-get install -y --no-install-recommends skopeo"),
        "{:?}",
        without.notes
    );
    let without = judge(PARTS, |part| part.program != "flyctl");
    assert_eq!((without.verdict, without.counts.skipped), (Verdict::Passed, 1));
    assert!(without.notes[0].starts_with("not run: ") && without.notes[0].contains("flyctl is missing"));
}

fn results(tests: &[(&str, Outcome)], sums: (usize, usize, usize)) -> Results {
    let tests: BTreeMap<String, Outcome> = tests.iter().map(|(n, o)| ((*n).to_owned(), *o)).collect();
    Results { tests, sums, unfinished: Vec::new() }
}

#[test]
fn test_results_are_judged_by_more_than_their_sums() {
    let green = results(&[("a::x", Outcome::Passed)], (1, 0, 0));
    assert_eq!(cargo_steps::judge(&green, true, "exit 0").verdict, Verdict::Passed);
    assert_eq!(cargo_steps::judge(&green, false, "exit 101").verdict, Verdict::Failed);
    let red = results(&[("a::x", Outcome::Failed)], (0, 1, 0));
    assert_eq!(cargo_steps::judge(&red, false, "exit 101").notes, ["failed: a::x"]);
    let crashed = Results { unfinished: vec!["it-1".to_owned()], ..green };
    assert_eq!(
        cargo_steps::judge(&crashed, false, "exit 101").counts,
        Counts { passed: 1, failed: 1, skipped: 0 }
    );
}

#[test]
fn a_requirement_is_proven_by_a_test_of_this_run_only() {
    let world = World::clean();
    let named = "tests = [\"a::good\", \"a::bad\", \"a::gone\", \"a::ignored\"]";
    world.write("docs/requirements.toml", &requirements(&["P1"]).replace("tests = []", named));
    let requirements = Requirements::read(&world.repo).unwrap();
    let ran = [("a::good", Outcome::Passed), ("a::bad", Outcome::Failed), ("a::ignored", Outcome::Ignored)];
    let report = traceability::judge(&requirements, &results(&ran, (1, 1, 1)));
    assert_eq!(report.counts, Counts { passed: 1, failed: 3, skipped: 0 });
    assert!(
        report.notes.iter().any(|note| note.contains("a::gone, which does not exist")),
        "{:?}",
        report.notes
    );
}

#[test]
fn the_bare_engine_is_looked_through_by_name() {
    assert!(unwanted("promotion v0.0.0 (/x)\nserde v1.0.0\nfutures-util v0.3\n").is_empty());
    let found = unwanted("promotion v0.0.0\ncc v1.2.0\nreqwest v0.13.5\nccc v1.0.0\n");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn licences_are_read_as_expressions() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned(), "Unicode-3.0".to_owned()];
    let is_allowed = |text| is_allowed(text, &allowed);
    assert!(is_allowed("MIT"));
    assert!(is_allowed("GPL-3.0 OR MIT"));
    assert!(is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("(MIT OR Apache-2.0) AND OpenSSL"));
    assert!(!is_allowed("GPL-3.0"));
    assert!(!is_allowed(""));
}

#[test]
fn what_comes_from_elsewhere_is_judged_by_name_version_licence_and_number() {
    let policy = "[licenses]\nallow = [\"MIT\"]\n[bans]\nskip = [{ crate = \"twin\", reason = \"a\" }]\n\
        deny = [{ crate = \"bad\", reason = \"b\" }, { crate = \"old:<2\", reason = \"c\" }]\n";
    let policy = Policy::read(policy).unwrap();
    let fine = "good v1.0.0\tMIT\ngood v1.0.0\tMIT (*)\nold v2.0.0 (proc-macro)\tMIT\ntwin v1.0.0\tMIT\n\
        twin v2.0.0\tMIT\nours v0.0.0 (/x)\tMIT\n";
    assert_eq!(policy.problems(&crates(fine)), Vec::<String>::new());
    for (line, words) in [
        ("bad v1.0.0\tMIT", "bad 1.0.0 is banned: b"),
        ("old v1.9.9\tMIT", "old 1.9.9 is banned: c"),
        ("x v1.0.0\tGPL-3.0", "x 1.0.0: its licence `GPL-3.0` is not allowed"),
        ("good v2.0.0\tMIT", "good is there more than once (1.0.0, 2.0.0)"),
    ] {
        let problems = policy.problems(&crates(&format!("good v1.0.0\tMIT\n{line}\n")));
        assert!(problems.len() == 1 && problems[0].contains(words), "{problems:?}");
    }
}

#[test]
fn the_policy_of_this_repository_can_be_read() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deny.toml");
    assert!(Policy::read(&std::fs::read_to_string(file).unwrap()).is_ok());
}

fn demo_result() -> Value {
    let promotion = |outcome: &str, after: &str| {
        json!({"id": "1", "outcome": outcome, "digest": "sha256:b", "production_digest_before": "sha256:a",
            "production_digest_after": after, "machines": 2, "requests": {"sent": 500, "failed": 0}, "seconds": 9.5})
    };
    json!({"ok": true, "runtime": "plain", "journal": "/x/journal", "audit": "/x/audit",
        "promotions": [promotion("succeeded", "sha256:b"), promotion("rolled_back", "sha256:a")]})
}

#[test]
fn the_demo_must_prove_what_it_says() {
    assert_eq!(demo::problems(&demo_result(), Some("plain")), Vec::<String>::new());
    for (pointer, wrong, words) in [
        ("/ok", json!(false), "ok is false"),
        ("/runtime", json!("isolated"), "the runtime is"),
        ("/journal", Value::Null, "where the journal is"),
        ("/promotions/0/outcome", json!("rolled_back"), "promotion 1: the outcome"),
        ("/promotions/0/production_digest_after", json!("sha256:a"), "promotion 1: production ends with"),
        ("/promotions/1/production_digest_after", json!("sha256:b"), "promotion 2: production ends with"),
        ("/promotions/0/requests/sent", json!(499), "promotion 1: 499 requests"),
        ("/promotions/1/requests/failed", json!(1), "promotion 2: 1 requests failed"),
        ("/promotions/1/seconds", Value::Null, "promotion 2: it took null seconds"),
    ] {
        let mut value = demo_result();
        *value.pointer_mut(pointer).unwrap() = wrong;
        let problems = demo::problems(&value, Some("plain"));
        assert!(problems.len() == 1 && problems[0].contains(words), "{pointer}: {problems:?}");
    }
    assert!(demo::problems(&json!({}), None).len() > 3);
}

/// Exit 4 alone is no proof: it must be lost requests or a suite that failed.
#[test]
fn without_the_pause_the_demo_must_fail_for_that_reason() {
    let mut lost = demo_result();
    *lost.pointer_mut("/promotions/1/requests/failed").unwrap() = json!(7);
    assert_eq!(demo::loss(Some(4), &lost), Ok("7 requests lost".to_owned()));
    let suite = json!({"ok": false, "error": {"why": ["suite `smoke` failed: target `web`: status 503"]}});
    assert!(demo::loss(Some(4), &suite).unwrap().contains("status 503"));
    for (code, value, words) in [
        (Some(0), demo_result(), "lost nothing"),
        (Some(8), suite.clone(), "ended with"),
        (None, suite, "ended with"),
        (Some(4), json!({"error": {"why": ["the disk is full"]}}), "another reason: the disk is full"),
        (Some(4), json!({}), "does not say why"),
    ] {
        let why = demo::loss(code, &value).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}

/// The matrix is whole: 283 rows, by the plans that they come from.
#[test]
fn no_requirement_is_lost() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").into();
    let requirements = xtask::requirements::Requirements::read(&xtask::repo::Repo { root }).unwrap();
    let mut seeds: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &requirements.rows {
        *seeds.entry(&row.seed).or_default() += 1;
    }
    assert_eq!(seeds, BTreeMap::from([("T", 51), ("D", 84), ("B", 65), ("R", 21), ("Q", 62)]));
}
