//! A sabotage that nobody notices is found: over a real, very small package.

use crate::world::{Caught, World, requirements};
use clikit::Exit;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use xtask::libtest::{Outcome, Results};
use xtask::process::Ran;
use xtask::sabotage::{Noticed, Wanted, judge, run};

fn ran(is_late: bool) -> Ran {
    Ran {
        code: (!is_late).then_some(101),
        is_late,
        text: String::new(),
        errors: String::new(),
        took: Duration::ZERO,
    }
}

fn results(tests: &[(&str, Outcome)]) -> Results {
    let tests: BTreeMap<String, Outcome> = tests.iter().map(|(n, o)| ((*n).to_owned(), *o)).collect();
    Results { tests, ..Results::default() }
}

#[test]
fn only_tests_of_the_promise_can_notice() {
    let red = [("promotion::a::p3_x", Outcome::Failed), ("promotion::a::p3_y", Outcome::Passed)];
    assert_eq!(
        judge(3, "promotion", &ran(false), &results(&red)),
        Noticed::Red(vec!["promotion::a::p3_x".to_owned()])
    );
    let other = [("promotion::a::step3_x", Outcome::Failed), ("promotion::a::p3_y", Outcome::Passed)];
    assert_eq!(judge(3, "promotion", &ran(false), &results(&other)), Noticed::Green);
    assert_eq!(
        judge(3, "promotion", &ran(false), &results(&[("promotion::a::p4_x", Outcome::Failed)])),
        Noticed::NoTest
    );
    let above = [("promote::a::p3_x", Outcome::Failed), ("promotion::a::p3_y", Outcome::Passed)];
    assert_eq!(
        judge(3, "promotion", &ran(false), &results(&above)),
        Noticed::Green,
        "each package for itself"
    );
    assert!(matches!(judge(3, "promotion", &ran(true), &results(&[])), Noticed::Broken(_)));
}

/// Builds and runs the made-up package with its switch: a minute's worth of nothing but cargo.
#[test]
fn a_sabotage_that_stays_green_is_told() {
    let world = World::clean();
    world.append("crates/promotion/Cargo.toml", "# nobody sleeps\nsabotage-p2 = []\n");
    world.append(
        "crates/promotion/src/lib.rs",
        "/// Unused.\npub const X: bool = cfg!(feature = \"sabotage-p2\");\n",
    );
    world.write("crates/promotion/src/lock.rs", "#[test]\nfn p2_sleeps() {}\n");
    world.append("crates/promotion/src/lib.rs", "#[cfg(test)]\nmod lock;\n");
    world.write("docs/requirements.toml", &requirements(&["P1", "P2"]));
    let mut shell = world.shell.clone();
    let target = world.repo.root.join("target").display().to_string();
    shell.context.vars.insert("CARGO_TARGET_DIR".to_owned(), target);
    let lock = shell.cargo(&world.repo.root).args(["generate-lockfile", "--offline"]).run(&shell).unwrap();
    assert!(lock.is_ok(), "{}", lock.errors);

    let caught = Caught::default();
    let exit = run(&world.repo, &shell, &caught.output(), &Wanted::default()).unwrap();
    let text = caught.text();
    assert_eq!(exit, Exit::TestsFailed, "{text}");
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(
        line("P1").contains("red, as it must be")
            && line("P1").contains("promotion::gate::tests::p1_is_kept")
    );
    assert!(line("P2").contains("NOBODY NOTICED"), "{text}");

    let named = |name: &str| Wanted { name: Some(name.to_owned()), is_json: true, ..Wanted::default() };
    let failure = run(&world.repo, &shell, &caught.output(), &named("p7")).unwrap_err();
    assert_eq!((failure.exit, failure.hint.as_deref()), (Exit::Usage, Some("cargo xtask sabotage [p1|p2]")));

    for (name, exit, told) in [
        (
            "P1",
            Exit::Done,
            json!({"name": "sabotage-p1", "promise": "P1", "caught": true, "by": ["test"],
                "tests": ["promotion::gate::tests::p1_is_kept"], "unnoticed": []}),
        ),
        (
            "sabotage-p2",
            Exit::TestsFailed,
            json!({"name": "sabotage-p2", "promise": "P2", "caught": false, "by": [], "tests": [],
                "unnoticed": [{"package": "promotion", "result": "GREEN: NOBODY NOTICED"}]}),
        ),
    ] {
        let caught = Caught::default();
        assert_eq!(run(&world.repo, &shell, &caught.output(), &named(name)).unwrap(), exit);
        let said: serde_json::Value = serde_json::from_str(&caught.text()).unwrap();
        assert_eq!(said, json!([told]), "{name}");
    }
}

/// A promise of a package below another: both have tests, the upper one passes the wish on. Each for itself must notice.
#[test]
fn a_package_above_notices_by_a_switch_that_it_passes_on() {
    let world = World::clean();
    let depends = "flytypes = { path = \"../flytypes\" }\n\n[features]\n# a word that nobody may see\nsabotage-p9 = []\n";
    world.package("promotion", depends);
    world.write("crates/promotion/src/lib.rs", "//! Engine.\n\n/// Seen?\npub const SEEN: bool = cfg!(feature = \"sabotage-p9\");\n\n#[cfg(test)]\nmod gate;\n");
    world
        .write("crates/promotion/src/gate.rs", "#[test]\nfn p9_is_kept() {\n    assert!(!crate::SEEN);\n}\n");
    let above =
        "promotion = { path = \"../promotion\" }\n\n[features]\nsabotage-p9 = [\"promotion/sabotage-p9\"]\n";
    world.package("promote", above);
    let main =
        "fn main() {\n    assert!(!promotion::SEEN);\n}\n\n#[test]\nfn p9_main_is_kept() {\n    main();\n}\n";
    world.write("crates/promote/src/main.rs", main);
    let mut shell = world.shell.clone();
    let target = world.repo.root.join("target").display().to_string();
    shell.context.vars.insert("CARGO_TARGET_DIR".to_owned(), target);
    let lock = shell.cargo(&world.repo.root).args(["generate-lockfile", "--offline"]).run(&shell).unwrap();
    assert!(lock.is_ok(), "{}", lock.errors);

    let caught = Caught::default();
    let exit = run(&world.repo, &shell, &caught.output(), &Wanted { is_json: true, ..Wanted::default() });
    let said: serde_json::Value = serde_json::from_str(&caught.text()).unwrap();
    assert_eq!(exit.unwrap(), Exit::Done, "{said}");
    assert_eq!(said[0]["tests"], json!(["promotion::gate::p9_is_kept", "promote::p9_main_is_kept"]));
}
