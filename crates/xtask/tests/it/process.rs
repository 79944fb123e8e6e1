//! Programs are watched to their end.

use crate::world::World;
use std::time::Duration;
use xtask::process::Run;

fn sh(world: &World, script: &str) -> Run {
    Run::new("sh", &world.repo.root).args(["-c", script])
}

#[test]
fn streams_are_apart_or_merged_in_order() {
    let world = World::clean();
    let script = "echo 1; echo 2 >&2; echo 3; exit 7";
    let apart = sh(&world, script).run(&world.shell).unwrap();
    assert_eq!((apart.code, apart.text.as_str(), apart.errors.as_str()), (Some(7), "1\n3\n", "2\n"));
    let merged = sh(&world, script).merged().run(&world.shell).unwrap();
    assert_eq!((merged.text.as_str(), merged.errors.as_str()), ("1\n2\n3\n", ""));
}

#[test]
fn nothing_is_ever_asked() {
    let world = World::clean();
    let ran = sh(&world, "read x && echo got || echo nothing").run(&world.shell).unwrap();
    assert_eq!(ran.text, "nothing\n");
}

#[test]
fn the_limit_ends_it_even_if_a_grandchild_keeps_the_pipe() {
    let world = World::clean();
    let run = sh(&world, "echo begun; sleep 20 & sleep 20").limit(Duration::from_millis(700));
    let ran = run.run(&world.shell).unwrap();
    assert!(ran.is_late && ran.code.is_none() && !ran.is_ok());
    assert_eq!((ran.text.as_str(), ran.ending().as_str()), ("begun\n", "the time limit"));
    assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
}

#[test]
fn a_missing_program_is_named() {
    let world = World::clean();
    let failure = Run::new("no-such-program", &world.repo.root).args(["x"]).run(&world.shell).unwrap_err();
    assert_eq!(failure.to_string(), "cannot run `no-such-program x`");
}
