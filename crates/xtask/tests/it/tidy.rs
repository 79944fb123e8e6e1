//! Every rule is broken once, and seen.

use crate::world::{World, requirements};
use std::fmt::Write;
use xtask::tidy::sizes::LINES_MAX;

fn source(n_lines: usize) -> String {
    let mut text = "//! Values.\n".to_owned();
    for i in 1..n_lines {
        let _ = writeln!(text, "const C{i}: u32 = {i};");
    }
    text
}

#[test]
fn a_clean_repository_has_no_finding() {
    assert_eq!(World::clean().findings(), Vec::<String>::new());
}

#[test]
fn an_arrow_that_goes_up_is_forbidden() {
    let world = World::clean();
    world.package("flytypes", "promotion = { path = \"../promotion\" }\n");
    world.demand_finding("crates/flytypes/Cargo.toml", "`flytypes` must not depend on `promotion`");
}

#[test]
fn an_arrow_across_is_forbidden_and_one_for_tests_is_not() {
    let world = World::clean();
    world.package("localcloud", "flytypes = { path = \"../flytypes\" }\n");
    world.write("crates/localcloud/src/lib.rs", "//! A stand-in.\n");
    world.demand_finding("crates/localcloud/Cargo.toml", "`localcloud` must not depend on `flytypes`");
    world.package("localcloud", "\n[dev-dependencies]\nflytypes = { path = \"../flytypes\" }\n");
    assert_eq!(world.findings(), Vec::<String>::new());
}

#[test]
fn what_belongs_to_binaries_is_forbidden_even_in_a_librarys_tests() {
    let world = World::clean();
    world.package("clikit", "");
    world.write("crates/clikit/src/lib.rs", "//! For binaries.\n");
    world.package("flytypes", "\n[dev-dependencies]\nclikit = { path = \"../clikit\" }\n");
    world.demand_finding("crates/flytypes/Cargo.toml", "`flytypes` must not depend on `clikit`");
}

#[test]
fn an_engine_that_speaks_http_is_forbidden() {
    let world = World::clean();
    world.append("crates/promotion/Cargo.toml", "\n[dependencies.reqwest]\nversion = \"0.13\"\n");
    world.demand_finding("crates/promotion/Cargo.toml", "the engine knows no HTTP");
}

#[test]
fn a_package_without_a_place_is_a_finding() {
    let world = World::clean();
    world.package("novelty", "");
    world.write("crates/novelty/src/lib.rs", "//! What is it?\n");
    world.demand_finding("crates/novelty/Cargo.toml", "no place in the layers");
}

#[test]
fn a_file_with_one_line_too_many_is_too_long() {
    let world = World::clean();
    world.write("crates/flytypes/src/lib.rs", &source(LINES_MAX));
    assert_eq!(world.findings(), Vec::<String>::new());
    world.write("crates/flytypes/src/lib.rs", &source(LINES_MAX + 1));
    world.demand_finding("crates/flytypes/src/lib.rs", "701 lines");
}

#[test]
fn lines_for_tests_do_not_count_and_lines_below_them_do() {
    let world = World::clean();
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // a line\n".repeat(500));
    world.write("crates/flytypes/src/lib.rs", &format!("{}{tests}", source(LINES_MAX)));
    assert_eq!(world.findings(), Vec::<String>::new());
    world.append("crates/flytypes/src/lib.rs", "const LAST: u32 = 0;\n");
    world.demand_finding("crates/flytypes/src/lib.rs", "701 lines");
}

#[test]
fn banned_words_are_found_with_their_line() {
    for (half, other) in [("to", "do!()"), ("unimple", "mented!()"), ("d", "bg!(1)"), ("// FIX", "ME")] {
        let world = World::clean();
        world.append("crates/flytypes/src/lib.rs", &format!("// fine\n// {half}{other}\n"));
        world.demand_finding("crates/flytypes/src/lib.rs:3", "may not stand here");
    }
    let world = World::clean();
    world.write("docs/guide.md", &format!("See {}rk/x\n", "/wo"));
    world.demand_finding("docs/guide.md:1", "a path of one machine");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let world = World::clean();
    world.write(
        "docs/a.md",
        "[b](b.md#part) [top](../README.md) [web](https://example.com/x) [here](#part)\n",
    );
    world.write("docs/b.md", "B\n");
    world.demand_finding("docs/a.md:1", "../README.md leads nowhere");
    world.write("README.md", "[a](docs/a.md)\n");
    assert_eq!(world.findings(), Vec::<String>::new());
}

#[test]
fn a_forgotten_file_of_tests_is_found() {
    let world = World::clean();
    world.write("crates/flytypes/tests/it/main.rs", "//! Tests.\nmod known;\n");
    world.write("crates/flytypes/tests/it/known.rs", "//! Known.\n");
    world.append("crates/flytypes/Cargo.toml", "\n[[test]]\nname = \"it\"\n");
    assert_eq!(world.findings(), Vec::<String>::new());
    world.write("crates/flytypes/tests/it/forgotten.rs", "//! Forgotten.\n");
    world.demand_finding("crates/flytypes/tests/it/forgotten.rs", "no target reaches this file");
}

#[test]
fn a_forgotten_file_of_source_is_found() {
    let world = World::clean();
    world.append("crates/flytypes/src/lib.rs", "mod a;\n");
    world.write("crates/flytypes/src/a.rs", "mod b;\n");
    world.write("crates/flytypes/src/a/b.rs", "//! Reached.\n");
    world.write("crates/flytypes/src/b.rs", "//! Not reached: `b` stands below `a`.\n");
    world.demand_finding("crates/flytypes/src/b.rs", "no target reaches this file");
}

#[test]
fn a_decision_that_reads_the_clock_is_found() {
    for (line, words) in [
        ("use tokio::time;", "`tokio`"),
        ("let x = std::env::var(\"A\");", "`std::env`"),
        ("let t = std::time::Instant::now();", "`std::time::Instant`"),
        ("let n = rand::random::<u8>();", "`rand`"),
        ("tracing::info!(\"x\");", "`tracing`"),
    ] {
        let world = World::clean();
        world.append("crates/promotion/src/lib.rs", "mod machine;\n");
        world.write("crates/promotion/src/machine.rs", "mod table;\n");
        world.write("crates/promotion/src/machine/table.rs", &format!("// tokio::x in a comment\n{line}\n"));
        world.demand_finding("crates/promotion/src/machine/table.rs:2", words);
    }
}

#[test]
fn chance_in_what_replays_is_found() {
    let world = World::clean();
    world.append("crates/promotion/src/lib.rs", "use std::collections::HashMap;\n");
    world.demand_finding("crates/promotion/src/lib.rs:7", "`HashMap`");
    let world = World::clean();
    world.append("crates/promotion/src/lib.rs", "async fn f() { tokio::select! {\n    a => {}\n} }\n");
    world.demand_finding("crates/promotion/src/lib.rs:7", "biased");
}

#[test]
fn a_silent_promise_is_found() {
    let world = World::clean();
    world.write("docs/requirements.toml", &requirements(&["P1", "P2"]));
    world.demand_finding("docs/requirements.toml", "P2 is silent");
}

#[test]
fn a_promise_needs_test_and_sabotage() {
    let world = World::clean();
    world.write("docs/requirements.toml", &requirements(&["P1", "P2"]));
    world.write("crates/promotion/src/lock.rs", "#[test]\nfn p2_is_kept() {}\n");
    world.append("crates/promotion/src/lib.rs", "#[cfg(test)]\nmod lock;\n");
    world.demand_finding("docs/requirements.toml", "P2 has a test and no feature");

    let world = World::clean();
    world.write("docs/requirements.toml", &requirements(&["P1", "P2"]));
    world.append("crates/promotion/Cargo.toml", "# two at once\nsabotage-p2 = []\n");
    world.append("crates/promotion/src/lib.rs", "const X: bool = cfg!(feature = \"sabotage-p2\");\n");
    world.demand_finding("docs/requirements.toml", "P2 has a sabotage and no test");
}

#[test]
fn a_test_that_a_macro_makes_counts() {
    let world = World::clean();
    world.write("docs/requirements.toml", &requirements(&["P1", "P2"]));
    let made = "macro_rules! sweeps {\n    ($($name:ident: $story:ident,)*) => {$(\n        #[test]\n        \
                fn $name() {}\n    )*};\n}\nsweeps! {\n    p2_is_kept: Promote,\n}\n";
    world.write("crates/promotion/src/lock.rs", made);
    world.append("crates/promotion/src/lib.rs", "#[cfg(test)]\nmod lock;\n");
    world.demand_finding("docs/requirements.toml", "P2 has a test and no feature");
}

#[test]
fn a_switch_that_breaks_nothing_is_found() {
    let world = World::clean();
    world.write("crates/promotion/src/lib.rs", "//! Engine.\n\nmod gate;\n");
    world.demand_finding("crates/promotion/Cargo.toml", "`sabotage-p1` breaks nothing");
}

#[test]
fn a_switch_that_does_not_say_what_it_breaks_is_found() {
    let world = World::clean();
    let manifest = world.repo.read("crates/promotion/Cargo.toml").unwrap();
    world.write("crates/promotion/Cargo.toml", &manifest.replace("# the gate is open\n", "# all\n#\n"));
    world.demand_finding("crates/promotion/Cargo.toml", "`sabotage-p1` has no comment above it");
}

/// A switch may be passed on by a package above; that one breaks nothing itself and needs no words.
#[test]
fn a_switch_that_is_passed_on_is_no_finding() {
    let world = World::clean();
    let depends =
        "promotion = { path = \"../promotion\" }\n\n[features]\nsabotage-p1 = [\"promotion/sabotage-p1\"]\n";
    world.package("providers", depends);
    world.write("crates/providers/src/lib.rs", "//! Adapters.\n");
    assert_eq!(world.findings(), Vec::<String>::new());
}

#[test]
fn a_test_of_another_package_does_not_keep_a_promise() {
    let world = World::clean();
    world.write("docs/requirements.toml", &requirements(&["P1", "P2"]));
    world.append("crates/promotion/Cargo.toml", "# two at once\nsabotage-p2 = []\n");
    world.append("crates/promotion/src/lib.rs", "const X: bool = cfg!(feature = \"sabotage-p2\");\n");
    world.append("crates/flytypes/src/lib.rs", "#[test]\nfn p2_is_kept() {}\n");
    world.demand_finding("docs/requirements.toml", "P2 has a sabotage and no test");
}

#[test]
fn an_excuse_that_is_no_longer_needed_is_found() {
    let world = World::clean();
    world.write("docs/requirements.toml", &requirements(&[]));
    world.demand_finding("docs/requirements.toml", "take it out of [promises.later]");
}

#[test]
fn requirements_must_be_whole() {
    for (text, words) in [
        (requirements(&["P1"]).replace("id = 1", "id = 2"), "row 2 stands where row 1 belongs"),
        (requirements(&["P1"]).replace("pages = []", "pages = [\"docs/x.md\"]"), "names the page docs/x.md"),
        (requirements(&["P1"]).replace("seed = \"T\"", "sead = \"T\""), "cannot read docs/requirements.toml"),
    ] {
        let world = World::clean();
        world.write("docs/requirements.toml", &text);
        let failure = xtask::requirements::Requirements::read(&world.repo).unwrap_err();
        assert!(failure.render().contains(words), "{}", failure.render());
        assert_eq!(failure.exit, clikit::Exit::Usage);
    }
}
