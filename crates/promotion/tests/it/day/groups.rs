//! Process groups that come, go, or are forgotten.

use promotion::engine::{Ask, Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Fleet, GroupName, GroupTarget, Kind, Plan, Release, Strategy, UnitState};
use promotion::ports::Verdict;
use promotion::testing::{Manners, World, env};

use crate::story::{plant, releases};

/// `second` is put on staging, whose `api` has these groups, each with so many units.
async fn deploy(world: &World, kind: Kind, release: &Release, groups: &[(&str, u32)]) -> (Handle, Outcome) {
    let mut ask: Ask = world.ask("staging", kind, release);
    let api = ask.components.iter_mut().find(|target| target.place.component.as_str() == "api").unwrap();
    let shape: GroupTarget = api.groups.values().next().unwrap().clone();
    let with = |(group, n): &(&str, u32)| -> (GroupName, GroupTarget) {
        let counts = shape.counts.keys().map(|region| (region.clone(), *n)).collect();
        (group.parse().unwrap(), GroupTarget { counts, ..shape.clone() })
    };
    api.groups = groups.iter().map(with).collect();
    ask.signed = world.word(&World::developer(), &ask.wish());
    let handle = world.engine().request(ask).await.unwrap();
    let outcome = handle.drive().await.unwrap();
    (handle, outcome)
}

async fn plan(world: &World, handle: &Handle) -> Plan {
    let view = world.bystander().view(&handle.environment).await.unwrap();
    view.promotions[&handle.id].state.facts.plan.clone().expect("there is a plan")
}

/// Live units per group.
fn counts(fleet: &Fleet) -> Vec<(String, usize)> {
    let mut groups: Vec<String> = fleet.live().map(|unit| unit.group.to_string()).collect();
    groups.sort();
    groups.dedup();
    let count = |group: &String| fleet.live().filter(|unit| unit.group.as_str() == group).count();
    groups.iter().map(|group| (group.clone(), count(group))).collect()
}

/// flyctl #4886 and #4982: a file without `[processes]` has one group, `app`; beside machines of other groups that is a
/// second fleet. It is refused, whatever the verb, and nothing is touched.
#[tokio::test]
async fn a_missing_list_of_processes_does_not_launch_a_second_fleet() {
    let world = World::new(1, Manners::default());
    let (first, second) = releases();
    let (_, outcome) = deploy(&world, Kind::Bootstrap, &first, &[("web", 2), ("worker", 1)]).await;
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let versions = |fleet: Fleet| -> Vec<_> {
        fleet.units.into_iter().map(|unit| (unit.id, unit.version, unit.state, unit.cordoned)).collect()
    };
    let before = versions(world.fleet("staging", "api").await);
    let (handle, outcome) = deploy(&world, Kind::Deploy, &second, &[("app", 2)]).await;
    assert_eq!(outcome, Outcome::Ended(Phase::Blocked));
    let view = world.bystander().view(&env("staging")).await.unwrap();
    let why = view.promotions[&handle.id].state.facts.failure.clone().unwrap().why;
    assert!(why.contains("`web`, `worker`") && why.contains("has only `app`"), "{why}");
    assert!(why.contains("is its [processes] missing?"), "{why}");
    assert_eq!(versions(world.fleet("staging", "api").await), before);
}

/// A group that is new is made, one that is gone is parked like an old fleet; the plan says both. When the release fails,
/// the one goes again and the other comes back as it was.
#[tokio::test]
async fn groups_come_and_go_with_a_release_and_with_its_way_back() {
    for fails in [false, true] {
        for strategy in [Strategy::Rolling, Strategy::BlueGreen] {
            let mut world = World::new(1, Manners::default());
            world.strategy = strategy;
            let (first, second) = releases();
            deploy(&world, Kind::Bootstrap, &first, &[("web", 2), ("old", 1)]).await;
            let before: Vec<_> = world.fleet("staging", "api").await.units;
            if fails {
                world.suites.tell(&env("staging"), "1.1.0", Verdict::Failed);
            }
            let (handle, outcome) = deploy(&world, Kind::Deploy, &second, &[("web", 2), ("new", 3)]).await;
            let said = plan(&world, &handle).await.warnings.join("\n");
            assert!(said.contains("group `new` is new: 3 machines are made for it"), "{said}");
            assert!(
                said.contains("group `old` is not in the configuration any more: its 1 machine"),
                "{said}"
            );
            let fleet = world.fleet("staging", "api").await;
            if fails {
                assert_eq!(outcome, Outcome::Ended(Phase::RolledBack), "{strategy:?}");
                assert_eq!(counts(&fleet), [("old".to_owned(), 1), ("web".to_owned(), 2)]);
                for (now, then) in fleet.units.iter().zip(&before) {
                    assert_eq!((&now.id, &now.digest, &now.state), (&then.id, &then.digest, &then.state));
                    assert_eq!((now.cordoned, &now.labels), (then.cordoned, &then.labels), "{strategy:?}");
                }
                continue;
            }
            assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{strategy:?}");
            assert_eq!(counts(&fleet), [("new".to_owned(), 3), ("web".to_owned(), 2)]);
            let parked = fleet.units.iter().find(|unit| unit.group.as_str() == "old").unwrap();
            assert!(parked.is_parked() && parked.cordoned && parked.state == UnitState::Stopped);

            // A person goes back: the group is there again, and the new one is gone.
            let (_, outcome) = world.put("staging", Kind::Rollback { of: handle.id }, &first).await.unwrap();
            assert_eq!(outcome, Outcome::Ended(Phase::Succeeded), "{strategy:?}");
            let fleet = world.fleet("staging", "api").await;
            assert_eq!(counts(&fleet), [("old".to_owned(), 1), ("web".to_owned(), 2)], "{strategy:?}");
        }
    }
}

/// A plan says how it goes where that is not self-evident: who is on trial, which regions come when, and why.
#[tokio::test]
async fn a_plan_says_who_is_on_trial_and_which_regions_come_when() {
    let mut world = World::new(1, Manners::default());
    let region = |name: &str| name.parse::<promotion::model::RegionName>().unwrap();
    world.strategy = Strategy::Canary;
    world.regions = [(region("fra"), 2), (region("lhr"), 1)].into();
    world.waves = vec![[region("lhr"), region("yyz")].into()];
    let (first, second) = releases();
    world.put("staging", Kind::Bootstrap, &first).await.unwrap();
    let fleet = world.fleet("staging", "api").await;
    let first = &fleet.units.iter().find(|unit| unit.region.as_str() == "fra").unwrap().id;
    let trial = format!(
        "(wave 2 of 2: fra): machine {first} serves the new release for 3s before any other changes; there are no \
         traffic weights"
    );
    let (handle, outcome) = world.put("staging", Kind::Deploy, &second).await.unwrap();
    assert_eq!(outcome, Outcome::Ended(Phase::Succeeded));
    let said = plan(&world, &handle).await.warnings.join("\n");
    for line in [
        "changes region by region: lhr; then fra",
        "has no machine in region yyz, which a wave names",
        "(wave 1 of 2: lhr): one machine of group `app` serves there, which is nobody's share",
        &trial,
    ] {
        assert!(said.contains(line), "no `{line}` in\n{said}");
    }
}

/// P7: "provided there are two machines […]; else the plan refuses or warns". Two machines of two groups are one of each,
/// and a machine out of traffic answers nobody.
#[tokio::test]
async fn a_plan_warns_of_each_group_that_has_one_machine() {
    for (n_web, n_cordoned, warns) in [(1, 0, true), (1, 1, true), (2, 0, false)] {
        let mut world = World::new(1, Manners::default());
        world.strategy = Strategy::Rolling;
        let (first, second) = releases();
        world.put("staging", Kind::Bootstrap, &second).await.unwrap();
        plant(&world, "web", 11, |_| ());
        for n in 0..n_web + n_cordoned {
            plant(&world, "api", 1, |unit| {
                (unit.group, unit.cordoned) = ("front".parse().unwrap(), n >= n_web);
            });
        }
        for _ in 0..2 {
            plant(&world, "api", 1, |unit| unit.group = "worker".parse().unwrap());
        }
        assert_eq!(
            world.put("production", Kind::Adopt, &first).await.unwrap().1,
            Outcome::Ended(Phase::Succeeded)
        );
        let mut ask: Ask = world.ask("production", Kind::Promote, &second);
        let api = ask.components.iter_mut().find(|target| target.place.component.as_str() == "api").unwrap();
        let shape = api.groups.values().next().unwrap().clone();
        api.groups = ["front", "worker"].map(|group| (group.parse().unwrap(), shape.clone())).into();
        ask.signed = world.word(&World::developer(), &ask.wish());
        let said = world.engine().plan(ask).await.unwrap().plan.warnings;
        let lines: Vec<_> = said.iter().filter(|line| line.contains("has one machine")).collect();
        assert_eq!(lines.len(), usize::from(warns), "{n_web} and {n_cordoned}: {said:?}");
        assert!(lines.iter().all(|line| line.starts_with("group `front` of `api-production`")), "{lines:?}");
    }
}
