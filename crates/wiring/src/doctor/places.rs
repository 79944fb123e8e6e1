//! One environment: its tokens, its apps, its images, and who answers at its addresses.

use std::time::Duration;

use clikit::{Context, Failure};
use envconfig::project::{Binding, Class, Environment};
use envconfig::{ComponentName, SecretRef};
use flyclient::fly::ErrorKind;
use flyclient::fly::wire::ListMachines;
use flyclient::registry;
use flytypes::wire::Machine;
use flytypes::{AppName, ImageRef};
use providers::fly::is_marked;
use providers::who_answers;

use super::Finding;
use crate::wire::{Files, Opened, Services, edges_here, grounds_of, secret};

const ANSWER: Duration = Duration::from_secs(5);

/// What fails in an environment that cannot be reached.
fn verbs(environment: &Environment) -> Vec<String> {
    let verbs: &[&str] = match environment.class.value {
        Class::Production => &["promote plan --to", "promote start --to", "promote rollback --env"],
        Class::Local | Class::Preview | Class::Staging => &["promote deploy --env", "promote start"],
    };
    let named = |verb: &&str| {
        if verb.contains("--") { format!("{verb} {}", environment.name) } else { (*verb).to_owned() }
    };
    verbs.iter().map(named).collect()
}

/// What makes a token that reaches all apps of an environment: one for deploys reaches one app (fly.md 5).
fn new_token(environment: &Environment) -> String {
    let mut apps = environment.fly_apps().map(|(_, binding)| &binding.app.value);
    let org = environment.fly.org.as_ref().map_or_else(|| "ORG".to_owned(), ToString::to_string);
    match (apps.next(), apps.next()) {
        (Some(only), None) => format!("fly tokens create deploy --app {only}"),
        _ => format!("fly tokens create org --org {org}"),
    }
}

pub(super) async fn look(
    context: &Context,
    files: &Files,
    environment: &Environment,
    services: &Services,
) -> Vec<Finding> {
    let name = &environment.name;
    if let Some(finding) = token(context, files, environment) {
        return vec![finding];
    }
    let open = match Opened::new(context, &files.root, environment, services) {
        Ok(open) => open,
        Err(failure) => {
            return vec![Finding::failed(format!("{name}: access"), &failure).needed_for(verbs(environment))];
        }
    };
    let mut findings = Vec::new();
    for (component, binding) in environment.fly_apps() {
        let app = &binding.app.value;
        let (finding, machines) = machines(environment, &open, app).await;
        findings.push(finding);
        if let Some(machines) = machines {
            findings.extend(image(environment, &open, app, &machines).await);
            findings
                .push(address(context, files, environment, services, component, machines.is_empty()).await);
        }
    }
    for (component, binding) in &environment.bindings {
        if let Binding::Supabase(_) = binding {
            let seen = "databases are not looked at by this version";
            findings.push(Finding::unknown(format!("{name}: {component}"), seen));
        }
    }
    findings
}

/// A token that is not there.
fn token(context: &Context, files: &Files, environment: &Environment) -> Option<Finding> {
    let reference = &environment.fly.token.value;
    let failure: Failure = secret(context, &files.root, reference).err()?;
    let app =
        environment.fly_apps().next().map_or_else(|| "APP".to_owned(), |(_, it)| it.app.value.to_string());
    let make = format!("fly tokens create deploy --app {app}");
    let mend = match reference {
        SecretRef::Variable(name) => format!("export {name}=\"$({make})\""),
        SecretRef::File(path) => format!("{make} > {}", path.as_str()),
    };
    let finding = Finding::failed(format!("{}: token", environment.name), &failure);
    Some(finding.needed_for(verbs(environment)).mended_by(mend))
}

async fn machines(
    environment: &Environment,
    open: &Opened,
    app: &AppName,
) -> (Finding, Option<Vec<Machine>>) {
    let about = format!("{}: app {app}", environment.name);
    let listed = open.looking.client.app(app).machines().list(&ListMachines::default()).await;
    let error = match listed {
        Ok(machines) => {
            let finding = Finding::good(about, told(&machines)).needed_for(verbs(environment));
            return (finding, Some(machines));
        }
        Err(error) => error,
    };
    let org = environment.fly.org.as_ref().map(|org| format!(" --org {org}")).unwrap_or_default();
    let anew = new_token(environment);
    let (seen, mend) = match error.kind() {
        ErrorKind::Unauthenticated => ("the token is not accepted".to_owned(), anew),
        ErrorKind::Forbidden => (format!("the token does not reach `{app}`"), anew),
        // Fly answers so for an app of somebody else, too (fly.md 1.8).
        ErrorKind::NotFound => (
            format!("there is no app `{app}`, or the token does not reach it"),
            format!("fly apps create {app}{org}"),
        ),
        _ => (format!("the API does not answer: {error}"), "try again; https://status.flyio.net".to_owned()),
    };
    (Finding::bad(about, seen).needed_for(verbs(environment)).mended_by(mend), None)
}

fn told(machines: &[Machine]) -> String {
    let ours =
        machines.iter().filter_map(|machine| machine.config.as_ref()).filter(|it| is_marked(&it.metadata));
    match machines.len() {
        0 => "the token reaches it; it has no machine yet".to_owned(),
        n => format!("the token reaches it; {n} machines, {} of them known to a journal", ours.count()),
    }
}

/// Whether the image that runs can be read: what is promoted is read from there, and what is rolled back to.
async fn image(
    environment: &Environment,
    open: &Opened,
    app: &AppName,
    machines: &[Machine],
) -> Option<Finding> {
    let running =
        machines.iter().find_map(|machine| machine.config.as_ref()?.image.parse::<ImageRef>().ok())?;
    let about = format!("{}: image of {app}", environment.name);
    let registry = &open.looking.pull;
    let finding = match registry.exists(&running).await {
        Ok(true) => Finding::good(about, format!("{running} can be read")),
        Ok(false) => Finding::bad(about, format!("{running} runs, and is not in the registry any more"))
            .mended_by("push it again, or promote another one before this one is needed"),
        Err(error) if matches!(error.kind(), registry::ErrorKind::Configuration) => {
            Finding::unknown(about, format!("{running} is at another registry than {}", registry.host()))
        }
        Err(error) => {
            let pull = environment.registry.pull.value.to_string();
            Finding::bad(about, error.to_string()).mended_by(format!("a token that reads images, in {pull}"))
        }
    };
    Some(finding.needed_for(["promote deploy", "promote start", "promote rollback"]))
}

/// Whether somebody answers who says that it is this environment.
async fn address(
    context: &Context,
    files: &Files,
    environment: &Environment,
    services: &Services,
    component: &ComponentName,
    is_empty: bool,
) -> Finding {
    let about = format!("{}: address of {component}", environment.name);
    let grounds = edges_here(context).and_then(|here| grounds_of(environment, &here));
    let grounds = match grounds {
        Ok(grounds) => grounds,
        Err(failure) => return Finding::failed(about, &failure),
    };
    let target = grounds.targets.iter().find(|(name, _)| name.as_str() == component.as_str());
    let Some((_, url)) = target else { return Finding::unknown(about, "it has none") };
    if is_empty {
        return Finding::unknown(about, format!("{url}: nobody can answer there before there is a machine"));
    }
    let asks = files.suites.values().any(|suite| suite.asks_who(component.as_str()));
    let needed = ["promote deploy", "promote start", "promote test"];
    let finding = match who_answers(&*services.plain, url, ANSWER).await {
        Err(error) => Finding::bad(about, format!("{url}: {error}")).mended_by(format!("curl -v {url}")),
        Ok(answer) => match answer.environment {
            Some(said) if said == environment.name.as_str() => {
                Finding::good(about, format!("{url} says that it is `{said}`"))
            }
            Some(said) if !asks => {
                Finding::unknown(about, format!("{url} says that it is `{said}`; no suite asks it"))
            }
            Some(said) => Finding::bad(about, format!("{url} says that it is `{said}`")).mended_by(format!(
                "`{component}.url` of [environments.{}], or what the service says at /.well-known/environment",
                environment.name
            )),
            None if !asks => Finding::good(about, format!("{url} answers; no suite asks who it is")),
            None => {
                let seen = format!("{url} answers {} and does not say who it is, which a suite asks", answer.status);
                Finding::bad(about, seen).mended_by(format!(
                    "let it answer at /.well-known/environment, or say `identity = \"none\"` in [targets.{component}] of the suite"
                ))
            }
        },
    };
    finding.needed_for(needed)
}
