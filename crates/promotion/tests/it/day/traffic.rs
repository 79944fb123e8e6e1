//! What a plan says about requests that come while machines change.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use promotion::engine::{Ask, Engine, Ports};
use promotion::model::{EnvironmentName, Kind, Millis, Place, Plan, Release, Strategy, SuiteName};
use promotion::ports::{Checks, PortError, SuiteReport};
use promotion::rollout::EdgeAnswer;
use promotion::testing::{Manners, Moment, Switch, World};

use crate::story::releases;

/// A request for staging, in whose `api` every group answers requests.
fn ask(world: &World, kind: Kind, release: &Release) -> Ask {
    let mut ask: Ask = world.ask("staging", kind, release);
    for target in &mut ask.components {
        if target.place.component.as_str() == "api" {
            target.serves = target.groups.keys().cloned().collect();
        }
    }
    ask.signed = world.word(&World::developer(), &ask.wish());
    ask
}

fn lines<'p>(plan: &'p Plan, part: &str) -> Vec<&'p str> {
    plan.warnings.iter().map(String::as_str).filter(|line| line.contains(part)).collect()
}

/// P7: "[…] else the plan refuses or warns". In place and all at once nobody is left to answer, whoever chose it; what
/// serves nobody, as a site that switches by itself, loses nothing.
#[tokio::test]
async fn a_plan_warns_of_requests_that_are_lost_while_all_change_at_once() {
    for (strategy, serves, warns) in [
        (Strategy::Immediate, true, true),
        (Strategy::Immediate, false, false),
        (Strategy::BlueGreen, true, false),
    ] {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        let (first, second) = releases();
        let asked = |kind, release| {
            if serves { ask(&world, kind, release) } else { world.ask("staging", kind, release) }
        };
        let engine = world.engine();
        let planned = engine.plan(asked(Kind::Bootstrap, &first)).await.unwrap();
        assert_eq!(lines(&planned.plan, "nobody answers"), [""; 0], "{strategy:?}: nothing serves yet");
        world.put("staging", Kind::Bootstrap, &first).await.unwrap();
        let (handle, _) = world.put("staging", Kind::Deploy, &second).await.unwrap();
        for kind in [Kind::Deploy, Kind::Rollback { of: handle.id }] {
            let planned = engine.plan(asked(kind.clone(), &first)).await.unwrap();
            let said = lines(&planned.plan, "nobody answers");
            assert_eq!(said.len(), usize::from(warns), "{strategy:?} {kind:?}: {:?}", planned.plan.warnings);
            assert!(
                said.iter().all(|line| line.starts_with("`api-staging` changes all at once")),
                "{said:?}"
            );
        }
    }
}

/// Knows two edges of each place.
#[derive(Debug)]
struct Reached(Arc<dyn Checks>);

#[async_trait]
impl Checks for Reached {
    async fn run(
        &self,
        environment: &EnvironmentName,
        release: &Release,
        suite: &SuiteName,
    ) -> Result<SuiteReport, PortError> {
        self.0.run(environment, release, suite).await
    }

    fn edges(&self, _: &Place) -> BTreeSet<String> {
        ["ams".to_owned(), "fra".to_owned()].into()
    }

    async fn ask_edges(&self, place: &Place) -> Vec<EdgeAnswer> {
        self.0.ask_edges(place).await
    }
}

/// "Uncordon → at least `settle` and until each region's edge answers from the new fleet": where nobody can be asked only
/// the first half holds, and whoever approves knows.
#[tokio::test]
async fn a_plan_says_of_whom_no_edge_is_asked() {
    for strategy in [Strategy::BlueGreen, Strategy::Rolling, Strategy::Canary, Strategy::Immediate] {
        let mut world = World::new(1, Manners::default());
        world.strategy = strategy;
        world.limits.settle = Millis::secs(7);
        let (first, second) = releases();
        let blind = world.engine();
        let planned = blind.plan(ask(&world, Kind::Bootstrap, &first)).await.unwrap();
        assert_eq!(lines(&planned.plan, "edges"), [""; 0], "{strategy:?}: no request can be lost yet");
        world.put("staging", Kind::Bootstrap, &first).await.unwrap();

        let planned = blind.plan(ask(&world, Kind::Deploy, &second)).await.unwrap();
        let said = lines(&planned.plan, "edges");
        // All at once does not leave traffic, and its own warning says what that costs.
        assert_eq!(said.len(), usize::from(strategy != Strategy::Immediate), "{:?}", planned.plan.warnings);
        for line in said {
            assert!(line.starts_with("no edges of `api-staging` are named") && line.contains("7s"), "{line}");
        }

        let ports = world.ports(&Switch::new(Moment::Never));
        let checks = Arc::new(Reached(ports.checks.clone()));
        let seeing = Engine::new(world.options.clone(), Ports { checks, ..ports });
        let planned = seeing.plan(ask(&world, Kind::Deploy, &second)).await.unwrap();
        assert_eq!(lines(&planned.plan, "edges"), [""; 0], "{strategy:?}");
    }
}
