//! The harness is built, called with what was asked for, and its end is told: over a real, very small package.

use crate::world::{Caught, World};
use clikit::Exit;
use xtask::torture::{Wanted, run};

/// A harness that prints its arguments and ends with what `--seed` says.
const HARNESS: &str = "fn main() {\n    let args: Vec<String> = std::env::args().skip(1).collect();\n    \
    println!(\"{}\", args.join(\" \"));\n    std::process::exit(args[3].parse().unwrap());\n}\n";

#[test]
fn the_harness_is_called_and_its_end_is_told() {
    let world = World::clean();
    world.package("promote", "");
    world.write("crates/promote/src/main.rs", "fn main() {}\n");
    world.package("localcloud-cli", "\n[[bin]]\nname = \"localcloud\"\npath = \"src/main.rs\"\n");
    world.write("crates/localcloud-cli/src/main.rs", "fn main() {}\n");
    world.write("crates/promote/examples/torture.rs", HARNESS);
    let mut shell = world.shell.clone();
    let target = world.repo.root.join("target").display().to_string();
    shell.context.vars.insert("CARGO_TARGET_DIR".to_owned(), target.clone());
    let cargo = |args: &[&str]| shell.cargo(&world.repo.root).var("CARGO_TARGET_DIR", &target).args(args);
    let lock = cargo(&["generate-lockfile", "--offline"]).run(&shell).unwrap();
    assert!(lock.is_ok(), "{}", lock.errors);

    let caught = Caught::default();
    let wanted = |seed| Wanted { kills: 7, seed, lanes: None, is_json: true };
    assert_eq!(run(&world.repo, &shell, &caught.output(), &wanted(0)).unwrap(), Exit::Done);
    assert_eq!(run(&world.repo, &shell, &caught.output(), &wanted(4)).unwrap(), Exit::TestsFailed);
    let lanes = Wanted { lanes: Some(3), is_json: false, ..wanted(0) };
    assert_eq!(run(&world.repo, &shell, &caught.output(), &lanes).unwrap(), Exit::Done);
    assert_eq!(
        caught.text(),
        "--kills 7 --seed 0 --json\n--kills 7 --seed 4 --json\n--kills 7 --seed 0 --lanes 3\n"
    );
    // Whatever else it ends with is no result.
    let failure = run(&world.repo, &shell, &caught.output(), &wanted(3)).unwrap_err();
    assert_eq!(failure.exit, Exit::Bug);
    world.write("crates/promote/examples/torture.rs", "fn main() { nothing }\n");
    let failure = run(&world.repo, &shell, &caught.output(), &wanted(0)).unwrap_err();
    assert!(failure.render().contains("does not build"), "{}", failure.render());
}
