//! The verbs' table.

use std::process::Command;

use crate::support::exe;

/// By hand: a verb that comes or goes is seen in review.
const VERBS: &str = "\
demo           Runs the main job on this machine: a good promotion, and a bad one that is put back
adopt          Takes over what runs in an environment as it is
deploy         Puts a release into an environment where it is tested
plan           Shows what a promotion would do; changes nothing
start          Promotes the release of the environment before into this one
test           Runs the suites against what an environment runs, without a key; leaves a report
attest         Reads a report, holds it against what runs, and signs it
approve        Agrees to a plan
reject         Refuses a plan
check-off      Checks an item of a promotion's checklist off, over the plan that there is
abort          Ends a promotion: before the first change it is aborted, after it rolled back
resume         Drives a promotion on from where any runner left it
rollback       Goes back to the release before
status         Shows what runs, and what is under way
history        Shows every deployment
show           Shows one promotion
explain        Shows what holds a promotion and what opens that, then event by event
receipt        Shows what was built, copied, tested, approved and runs; checks such a receipt
tick           Looks after everything once: orphans, timers, parked fleets, drift
lock           Stops everything in an environment until somebody opens it
unlock         Opens what people locked or froze
freeze         Stops what is new in an environment until an instant; a rollback is not stopped
break-glass    Lets releases in for a while without evidence and approval, on the record
breaker        Shows or closes an environment's circuit breaker
audit          Looks whether the journal is what was written
migrate-store  Moves the journal into another store, and closes the old one
completions    Prints a script by which a shell completes verbs and options
man            Prints the manual's page, or writes those of all verbs
help           Print this message or the help of the given subcommand(s)
";

fn help(args: &[&str]) -> String {
    let output = Command::new(exe()).args(args).env_clear().output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_table_of_verbs() {
    let help = help(&["--help"]);
    let table = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    assert_eq!(table, VERBS);
    for common in ["--project <FILE>", "--store <URL>", "--json"] {
        assert!(help.contains(common), "{common}");
    }
}

#[test]
fn every_verb_takes_what_all_take_and_explains_itself() {
    for verb in VERBS.lines().filter_map(|line| line.split(' ').next()).filter(|verb| *verb != "help") {
        let help = help(&[verb, "--help"]);
        for common in ["--project <FILE>", "--store <URL>", "--json"] {
            assert!(help.contains(common), "{verb} {common}");
        }
    }
}
