//! Teams' own workflows: what is found in them, and what is not.

use std::collections::BTreeSet;
use std::fs;

use envconfig::{Code, Places, Problem, check_workflows, project::Project};

const COMMIT: &str = "11bd71901bbe5b1630ceea73d27597364c9af683";

fn check(files: &[(&str, &str)]) -> Vec<Problem> {
    let files: Vec<(String, String)> =
        files.iter().map(|(name, text)| (format!("{name}.yml"), (*text).to_owned())).collect();
    check_workflows(&files, &Places::default())
}

/// Line and code of everything that is found.
fn found(text: &str) -> Vec<(u32, Code)> {
    check(&[("ci", text)]).iter().map(|problem| (problem.line, problem.code)).collect()
}

fn codes(text: &str) -> BTreeSet<Code> {
    found(text).into_iter().map(|(_, code)| code).collect()
}

/// One job that deploys as it should, with `steps` behind the deploy.
fn tidy(steps: &str) -> String {
    format!(
        "on: {{push: {{branches: [staging]}}}}
permissions: {{contents: read}}
concurrency: {{group: staging, cancel-in-progress: false}}
jobs:
  deploy:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@{COMMIT} # v4.2.2
      - uses: superfly/flyctl-actions/setup-flyctl@{COMMIT}
      - id: deploy
        run: flyctl deploy -a runner-staging
        env: {{FLY_API_TOKEN: \"${{{{ secrets.FLY_API_TOKEN_STAGING }}}}\"}}
{steps}"
    )
}

#[test]
fn a_tidy_workflow_has_no_findings() {
    assert_eq!(found(&tidy("")), []);
    assert_eq!(
        found(&tidy("      - if: ${{ always() }}\n        name: Clean up\n        run: ./clean.sh\n")),
        []
    );
}

#[test]
fn the_example_of_every_page_shows_what_the_page_is_about() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
    let mut n_pages = 0;
    for code in Code::ALL.iter().filter(|code| code.as_str().starts_with("E05")) {
        let page = fs::read_to_string(format!("{pages}/{code}.md")).unwrap();
        let example = page.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0;
        assert!(codes(example).contains(code), "{code}: {:#?}", check(&[("example", example)]));
        n_pages += 1;
    }
    assert_eq!(n_pages, 17);
}

/// The defects of the plans' own workflows that code can see, each at its line.
#[test]
fn the_plans_own_workflows_have_the_defects_that_are_known_of_them() {
    let deployment = include_str!("workflows/deployment.yml");
    let at = |needle: &str| {
        let line = deployment.lines().position(|line| line.contains(needle)).unwrap() + 1;
        u32::try_from(line).unwrap()
    };
    let all = found(deployment);
    for (line, code) in [
        // The merge never happens: the job declares no outputs.
        (at("if: needs.await-approval.outputs.approved"), Code::NothingDeclared),
        // "Always" is skipped in the cases that matter.
        (at("- name: Always destroy staging"), Code::CleanupSkipped),
        (at("if: always() && !failure()"), Code::RunsRegardless),
        (at("app: ${{ fromJson("), Code::MatrixEmpty),
        (at("uses: trstringer/manual-approval@v1"), Code::ActionUnpinned),
        (at("- name: Wait for human decision"), Code::RunnerWaits),
        (at("deploy-and-test:\n".trim_end()), Code::NoConcurrency),
        (1, Code::NoPermissions),
        (at("deploy-and-test:"), Code::NoTimeout),
        (at("- name: Run integration tests"), Code::NoCheckout),
        // Nothing but comments.
        (at("# Create and auto-merge PR to main"), Code::DoesNothing),
    ] {
        assert!(all.contains(&(line, code)), "{code} at {line}: {all:?}");
    }

    let mirror = codes(include_str!("workflows/mirror.yml"));
    let wanted = [Code::ActionUnpinned, Code::NoConcurrency, Code::NoPermissions, Code::NoTimeout];
    assert_eq!(mirror, BTreeSet::from(wanted));
    let first = check(&[("first", include_str!("workflows/mirror-first.yml"))]);
    let missing: Vec<&str> =
        first.iter().filter(|p| p.code == Code::NoFlyctl).map(|p| p.what.as_str()).collect();
    let wanted = [
        "`Deploy to Fly.io Staging` calls flyctl, and no step has installed it",
        "`Deploy to Fly.io Staging` has no token",
    ];
    assert_eq!(missing, wanted);
    let control = codes(include_str!("workflows/control.yml"));
    assert_eq!(control, BTreeSet::from([Code::NoPermissions, Code::DoesNothing]), "a choice is no clean-up");
}

/// As the first of the three projects deploys today: row 37.
#[test]
fn a_deploy_on_main_rebuilds_and_one_of_a_digest_does_not() {
    let deploy = |flags: &str| {
        format!(
            "name: Fly Deploy
on:
  push:
    branches: [main]
permissions: {{contents: read}}
jobs:
  deploy:
    concurrency: {{group: production, cancel-in-progress: false}}
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@{COMMIT}
      - uses: superfly/flyctl-actions/setup-flyctl@{COMMIT}
      - run: flyctl deploy {flags}
        env: {{FLY_API_TOKEN: \"${{{{ secrets.FLY_API_TOKEN }}}}\"}}
"
        )
    };
    let rebuilt = check(&[("fly-deploy", &deploy("--remote-only"))]);
    let said: Vec<(u32, Code)> = rebuilt.iter().map(|problem| (problem.line, problem.code)).collect();
    assert_eq!(said, [(14, Code::BuiltAnew)]);
    assert!(rebuilt[0].what.contains("rebuilds on main"), "{}", rebuilt[0].what);
    assert_eq!(found(&deploy("--image registry.fly.io/runner@sha256:00")), []);
    assert_eq!(found(&deploy("--app runner-staging")), [], "a branch called main that staging follows");
    assert_eq!(found(&deploy("--remote-only").replace("[main]", "[staging]")), []);
    let cancelled =
        found(&deploy("-i registry.fly.io/runner@sha256:00").replace("progress: false", "progress: true"));
    assert_eq!(cancelled, [(8, Code::NoConcurrency)], "a deploy to production is not ended midway");
}

#[test]
fn the_project_says_what_an_app_and_a_branch_are_for() {
    let project = "[components.api]\nconfig = \"fly.toml\"\n[environments.production]\nbranch = \"release\"\napi.app = \"runner-dev\"\n[environments.staging]\napi.app = \"runner-live\"\n";
    let places = Places::of(&Project::parse("understudy.toml", project).unwrap().value);
    let deploy = |app: &str| tidy("").replace("[staging]", "[release]").replace("runner-staging", app);
    let codes = |app: &str| {
        let found = check_workflows(&[("ci.yml".to_owned(), deploy(app))], &places);
        found.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("runner-dev"), [Code::BuiltAnew], "whatever its name looks like");
    assert_eq!(codes("runner-live"), []);
}

#[test]
fn one_token_for_two_environments_is_found_across_files() {
    let staging = tidy("").replace("FLY_API_TOKEN_STAGING", "FLY_API_TOKEN");
    let production =
        staging.replace("[staging]", "[main]").replace("-a runner-staging", "-a runner -i x@sha256:00");
    let both = check(&[("a", &staging), ("b", &production)]);
    let said: Vec<_> = both.iter().map(|p| (p.file.as_str(), p.line, p.code)).collect();
    assert_eq!(said, [("b.yml", 13, Code::TokenShared)]);
    assert!(both[0].what.contains("staging in a.yml:13"), "{}", both[0].what);
    let apart = production.replace("FLY_API_TOKEN }}", "FLY_API_TOKEN_PRODUCTION }}");
    assert_eq!(check(&[("a", &staging), ("b", &apart)]), []);
    let inside = |text: &str, environment: &str| {
        text.replace("    timeout", &format!("    environment: {environment}\n    timeout"))
    };
    let scoped = [("a", &*inside(&staging, "staging")), ("b", &*inside(&production, "production"))];
    assert_eq!(check(&scoped), [], "each environment of GitHub may have a secret of that name");
}

#[test]
fn outputs_are_read_where_they_are() {
    let reads = |what: &str| {
        codes(&tidy(&format!("      - run: ./tell.sh\n        env: {{WHAT: \"${{{{ {what} }}}}\"}}\n")))
    };
    let none = BTreeSet::new();
    let missing = BTreeSet::from([Code::NothingDeclared]);
    assert_eq!(reads("steps.deploy.outputs.digest"), none);
    assert_eq!(reads("steps.DEPLOY.outcome"), none, "names do not depend on case");
    assert_eq!(reads("steps.build.outputs.digest"), missing, "a digest from a step that does not exist");
    assert_eq!(reads("needs.build.outputs.digest"), missing);
    assert_eq!(reads("'steps.build.outputs.digest'"), none, "a text");
    assert_eq!(reads("github.event.comment.body"), none, "a variable is no script");
    assert_eq!(reads("toJSON(needs)"), none);
}

#[test]
fn what_is_no_workflow_is_told_with_its_place() {
    let broken = check(&[("ci", "jobs:\n  a: [\n")]);
    assert_eq!(broken.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::Syntax]);
    assert!(broken[0].line >= 2, "{:?}", broken[0]);
    assert_eq!(codes("on: push\n"), BTreeSet::from([Code::Missing]));
    for odd in [
        "jobs: 3",
        "jobs: {a: 3}",
        "jobs: {a: {steps: 3, needs: {}, if: [], env: 3}}",
        "on: [3]\njobs: {a: {steps: [3]}}",
        "",
    ] {
        let _ = check(&[("ci", odd)]);
    }
}
