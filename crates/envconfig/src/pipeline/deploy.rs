//! A push to an environment's branch: tested, built once, deployed by digest, and tested where it runs.

use super::needs::{Kept, driving, store};
use super::steps::{DOWNLOAD, UPLOAD, action, asker, binaries, checkout, script};
use super::yaml::{Job, Step, Workflow, expression, scalar};
use super::{Hindrance, Source, build, pattern};
use crate::project::{Environment, Tests};

/// The report's name as an artefact, and as a file.
const REPORT: &str = "report.json";

pub(super) fn workflow(
    source: &Source<'_>,
    environment: &Environment,
    kept: &mut Kept,
) -> Result<Workflow, Hindrance> {
    let name = &environment.name;
    let branch = source.branch(environment).unwrap_or(name.as_str());
    let mut jobs: Vec<Job> = build::test(source).into_iter().collect();
    jobs.push(build::build(source, environment)?);
    jobs.push(deploy(source, environment, kept)?);
    if has_apart(source, environment) {
        jobs.push(verify(source, environment, kept)?);
        jobs.push(attest(source, environment, kept)?);
    }
    let on = format!("push:\n  branches: [{}]\n", scalar(&pattern(branch)));
    let group = format!("{}-{name}", source.scope());
    Ok(source.workflow(&format!("Deploy to {name}"), on, Some(group), jobs))
}

/// Whether tests and signing are two steps there.
fn has_apart(source: &Source<'_>, environment: &Environment) -> bool {
    let paths = source.project.paths().iter();
    paths
        .filter(|((from, _), _)| *from == environment.name)
        .any(|(_, rules)| rules.tests.value == Tests::Apart && !rules.suites.value.is_empty())
}

fn deploy(source: &Source<'_>, environment: &Environment, kept: &mut Kept) -> Result<Job, Hindrance> {
    let name = &environment.name;
    let needs = driving(source.project, environment)?;
    kept.add(name, &needs);
    kept.add_asker(name);
    let command = source.command("promote", &format!("deploy --env {name}"));
    let run = format!(
        "images=()\n\
         for image in $IMAGES; do images+=(--image \"$image\"); done\n\
         {command} --version \"$VERSION\" --commit \"$GITHUB_SHA\" \"${{images[@]}}\"\n"
    );
    let mut step = script("Deploy", &needs, run);
    let told = |output: &str| expression(&format!("needs.build.outputs.{output}"));
    step.env.push(("IMAGES".to_owned(), told("images")));
    step.env.push(("VERSION".to_owned(), told("version")));
    Ok(Job {
        needs: vec!["build"],
        steps: vec![checkout(false), binaries(source), asker(), step],
        ..source.job("deploy", format!("Deploy to {name}"), 60, Some(environment))
    })
}

/// Runs what the branch says without a key, and without a token of Fly.
fn verify(source: &Source<'_>, environment: &Environment, kept: &mut Kept) -> Result<Job, Hindrance> {
    let name = &environment.name;
    let needs = store(source.project)?;
    kept.add(name, &needs);
    let command = source.command("promote", &format!("test --env {name}"));
    let run = format!(
        "report=\"$RUNNER_TEMP/{REPORT}\"\n\
         code=0\n\
         {command} --report \"$report\" || code=$?\n\
         if [ -f \"$report\" ]; then\n  \
           echo \"sha256=$(sha256sum \"$report\" | cut -d ' ' -f 1)\" >> \"$GITHUB_OUTPUT\"\n\
         fi\n\
         exit \"$code\"\n"
    );
    let run = Step { id: Some("suites"), ..script("Run the suites", &needs, run) };
    let keep = Step {
        name: "Keep the report",
        condition: Some("always() && steps.suites.outputs.sha256 != ''"),
        uses: action(UPLOAD),
        with: vec![
            ("name", REPORT.to_owned()),
            ("path", format!("{}/{REPORT}", expression("runner.temp"))),
            // Of a job that is run again the last one counts.
            ("overwrite", "true".to_owned()),
        ],
        ..Step::default()
    };
    Ok(Job {
        needs: vec!["deploy"],
        outputs: vec![("sha256", expression("steps.suites.outputs.sha256"))],
        steps: vec![checkout(false), binaries(source), run, keep],
        ..source.job("verify", format!("Test {name}"), 60, Some(environment))
    })
}

/// Signs what the suites said, also that they failed: earlier evidence ends with it.
fn attest(source: &Source<'_>, environment: &Environment, kept: &mut Kept) -> Result<Job, Hindrance> {
    let name = &environment.name;
    let needs = driving(source.project, environment)?;
    kept.add(name, &needs);
    let fetch = Step {
        name: "Fetch the report",
        uses: action(DOWNLOAD),
        with: vec![("name", REPORT.to_owned()), ("path", expression("runner.temp"))],
        ..Step::default()
    };
    let command = source.command("promote", &format!("attest --env {name}"));
    let run = format!("{command} --report \"$RUNNER_TEMP/{REPORT}\" --sha256 \"$SHA256\"\n");
    let mut step = script("Sign what the suites said", &needs, run);
    step.env.push(("SHA256".to_owned(), expression("needs.verify.outputs.sha256")));
    Ok(Job {
        needs: vec!["verify"],
        condition: Some("!cancelled() && needs.verify.outputs.sha256 != ''".to_owned()),
        steps: vec![checkout(false), binaries(source), fetch, step],
        ..source.job("attest", format!("Attest {name}"), 60, Some(environment))
    })
}
