//! Production gets what was tested, not what is built again from the same commit.

use super::super::{Places, deploys::Place, model::Workflow};
use crate::{Code, Severity, reading::Sink};

pub(super) fn check(sink: &Sink<'_>, workflow: &Workflow, places: &Places) {
    if !workflow.follows_production(places) {
        return;
    }
    let deploys = workflow.deploys(places);
    // One that goes elsewhere first may test what it built.
    let is_tested = deploys.iter().any(|deploy| deploy.place == Place::Other);
    let builds = workflow.jobs.iter().flat_map(|job| &job.steps).any(|step| step.builds());
    for deploy in deploys.iter().filter(|deploy| deploy.place == Place::Production) {
        let why = match (deploy.takes_image, builds) {
            (false, _) => {
                "`fly deploy` without `--image` builds it anew, and base images and packages move meanwhile"
            }
            (true, true) if !is_tested => {
                "this workflow builds the image that it deploys, and no staging has seen it"
            }
            (true, _) => continue,
        };
        let called = deploy.step.called();
        let what = format!("`{called}` rebuilds on main: production gets an image that nobody tested");
        let hint =
            "build once on the way to staging, and promote that digest: `promote start --to production`";
        let (span, path) = (&deploy.step.span, &deploy.step.path);
        sink.report(Severity::Warning, Code::BuiltAnew, span, path, what, why, Some(hint.to_owned()));
    }
}
