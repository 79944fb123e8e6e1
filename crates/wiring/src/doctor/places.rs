//! One environment: its tokens, its apps, its images, and who answers at its addresses.

use std::time::Duration;

use clikit::Context;
use envconfig::project::{Binding, Class, Environment};
use envconfig::{ComponentName, SecretRef};
use flyclient::fly::ErrorKind;
use flyclient::fly::wire::ListMachines;
use flyclient::registry;
use flytypes::wire::{Machine, MachineState};
use flytypes::{AppName, ImageRef};
use futures_util::future::join_all;
use providers::fly::is_marked;
use providers::{Answering, who_answers};

use super::{Finding, Here};
use crate::given::quoted;
use crate::wire::{Files, Opened, Services, edges_here, grounds_of, secret};

/// For one question; the client tries again within it.
const ANSWER: Duration = Duration::from_secs(8);
const UNANSWERED: &str = "no answer within 8 s";

/// What fails in an environment that cannot be reached.
fn verbs(environment: &Environment) -> Vec<String> {
    let verbs: &[&str] = match environment.class.value {
        Class::Production => {
            &["promote adopt --env", "promote plan --to", "promote start --to", "promote rollback --env"]
        }
        Class::Local | Class::Preview | Class::Staging => &["promote adopt --env", "promote deploy --env"],
    };
    verbs.iter().map(|verb| format!("{verb} {}", environment.name)).collect()
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

/// Puts a new token where a reference says; it is never shown.
fn renewed(environment: &Environment, reference: &SecretRef, here: &Here) -> String {
    let make = new_token(environment);
    match reference {
        SecretRef::Variable(name) => format!("export {name}=\"$({make})\""),
        SecretRef::File(path) => format!("{make} > {}", here.path(path.as_str())),
    }
}

/// Tokens of an environment that are not there: to deploy, to read images and to write them, each once.
pub(super) fn tokens(
    context: &Context,
    files: &Files,
    environment: &Environment,
    here: &Here,
) -> Vec<Finding> {
    let registry = &environment.registry;
    let mut seen = Vec::new();
    let mut findings = Vec::new();
    let all = [
        ("token", &environment.fly.token),
        ("token that reads images", &registry.pull),
        ("token that writes images", &registry.push),
    ];
    for (what, reference) in all {
        if seen.contains(&&reference.value) {
            continue;
        }
        seen.push(&reference.value);
        let Err(failure) = secret(context, &files.root, &reference.value) else { continue };
        let finding = Finding::failed(format!("{}: {what}", environment.name), &failure);
        let others = files.project.paths().keys().filter(|(from, _)| *from == environment.name);
        let others = others.map(|(_, to)| format!("promote start --to {to}"));
        let own = verbs(environment).into_iter().chain(["promote tick".to_owned()]);
        let finding = finding.needed_for(own.chain(others));
        findings.push(finding.mended_by(renewed(environment, &reference.value, here)));
    }
    findings
}

pub(super) async fn look(
    context: &Context,
    files: &Files,
    environment: &Environment,
    services: &Services,
) -> Vec<Finding> {
    let name = &environment.name;
    let apps = || environment.fly_apps().map(|(_, binding)| &binding.app.value);
    let open = match Opened::new(context, &files.root, environment, services) {
        Ok(open) => open,
        Err(failure) => {
            let unseen = |app: &AppName| {
                Finding::unknown(format!("{name}: app {app}"), format!("not looked at: {}", failure.what))
            };
            return apps().map(unseen).collect();
        }
    };
    let looks = environment.fly_apps().map(async |(component, binding)| {
        let app = &binding.app.value;
        let (finding, machines) = machines(environment, &open, app).await;
        let mut findings = vec![finding];
        if let Some(machines) = machines {
            findings.extend(image(environment, &open, app, &machines).await);
            findings
                .push(address(context, files, (environment, component), (&open, services), &machines).await);
        }
        findings
    });
    let mut findings: Vec<Finding> = join_all(looks).await.into_iter().flatten().collect();
    for (component, binding) in &environment.bindings {
        if let Binding::Supabase(_) = binding {
            let seen = "databases are not looked at by this version";
            findings.push(Finding::unknown(format!("{name}: {component}"), seen));
        }
    }
    findings
}

async fn machines(
    environment: &Environment,
    open: &Opened,
    app: &AppName,
) -> (Finding, Option<Vec<Machine>>) {
    let about = format!("{}: app {app}", environment.name);
    let bad = |seen: String| Finding::bad(about.clone(), seen).needed_for(verbs(environment));
    let handle = open.looking.client.app(app).machines();
    let Ok(listed) = tokio::time::timeout(ANSWER, handle.list(&ListMachines::default())).await else {
        return (bad(format!("the API does not answer: {UNANSWERED}")).advised("try again later"), None);
    };
    let error = match listed {
        Ok(machines) => {
            let finding = Finding::good(about.clone(), told(&machines)).needed_for(verbs(environment));
            return (finding, Some(machines));
        }
        Err(error) => error,
    };
    let reference = &environment.fly.token.value;
    let anew = format!("a new one is made by `{}`, and goes into {reference}", new_token(environment));
    let org = environment.fly.org.as_ref().map(|org| format!(" --org {org}")).unwrap_or_default();
    let finding = match error.kind() {
        ErrorKind::Unauthenticated => bad("the token is not accepted".to_owned()).advised(anew),
        ErrorKind::Forbidden => bad(format!("the token does not reach `{app}`")).advised(anew),
        // Fly answers so for an app of somebody else, too (fly.md 1.8).
        ErrorKind::NotFound => bad(format!("there is no app `{app}`, or the token does not reach it"))
            .advised(format!("`fly apps create {app}{org}` where there is none; else another token: {anew}")),
        _ => bad(format!("the API does not answer as it should: {error}")).advised("try again later"),
    };
    (finding, None)
}

fn told(machines: &[Machine]) -> String {
    let ours =
        machines.iter().filter_map(|machine| machine.config.as_ref()).filter(|it| is_marked(&it.metadata));
    match machines.len() {
        0 => "the token reaches it; it has no machine yet".to_owned(),
        1 => format!("the token reaches it; 1 machine, {} labelled by us", ours.count()),
        n => format!("the token reaches it; {n} machines, {} labelled by us", ours.count()),
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
    let pull = &environment.registry.pull.value;
    let finding = match tokio::time::timeout(ANSWER, registry.exists(&running)).await {
        Err(_) => {
            Finding::bad(about, format!("{}: {UNANSWERED}", registry.host())).advised("try again later")
        }
        Ok(Ok(true)) => Finding::good(about, format!("{running} can be read")),
        Ok(Ok(false)) => Finding::bad(about, format!("{running} runs, and is not in the registry any more"))
            .advised("push it again, or promote another one before this one is needed"),
        Ok(Err(error)) => match error.kind() {
            registry::ErrorKind::Configuration => {
                Finding::unknown(about, format!("{running} is at another registry than {}", registry.host()))
            }
            registry::ErrorKind::Unauthenticated
            | registry::ErrorKind::Forbidden
            | registry::ErrorKind::NotFound => Finding::bad(about, error.to_string())
                .advised(format!("{pull} has to hold a token that reads this image")),
            _ => Finding::bad(about, error.to_string()).advised("try again later"),
        },
    };
    Some(finding.needed_for(["promote deploy", "promote start", "promote rollback"]))
}

/// Whether somebody answers who says that it is this environment.
async fn address(
    context: &Context,
    files: &Files,
    (environment, component): (&Environment, &ComponentName),
    (open, services): (&Opened, &Services),
    machines: &[Machine],
) -> Finding {
    let (name, about) = (&environment.name, format!("{}: address of {component}", environment.name));
    let here = if open.local { edges_here(context) } else { Ok(Vec::new()) };
    let grounds = match here.and_then(|here| grounds_of(environment, &here)) {
        Ok(grounds) => grounds,
        Err(failure) => return Finding::failed(about, &failure),
    };
    let target = grounds.targets.iter().find(|(name, _)| name.as_str() == component.as_str());
    let Some((_, url)) = target else { return Finding::unknown(about, "it has none") };
    // A request starts machines that sleep (fly.md 7).
    if !machines.iter().any(|machine| machine.state == MachineState::Started) {
        return Finding::unknown(
            about,
            format!("{url} is not asked: no machine runs, and a request would start one"),
        );
    }
    let asks = files.suites.values().any(|suite| suite.asks_who(component.as_str()));
    let is_other = |said: &str| files.project.environment(said).is_some();
    let bad = |seen: String| Finding::bad(about.clone(), seen);
    let wrong = || {
        format!(
            "look at `{component}.url` of [environments.{name}], and at what answers /.well-known/environment"
        )
    };
    let finding = match who_answers(&*services.plain, url, ANSWER).await {
        Err(error) => bad(format!("{url}: {error}")).mended_by(format!("curl -v {}", quoted(url.as_str()))),
        Ok(Answering { status, environment: said, .. }) => match said.as_deref().map(shown) {
            _ if status >= 500 => {
                bad(format!("{url} answers {status}")).mended_by(format!("curl -v {}", quoted(url.as_str())))
            }
            Some(said) if said == name.as_str() => Finding::good(about, format!("{url} says that it is `{said}`")),
            Some(said) if asks || is_other(&said) => {
                bad(format!("{url} says that it is `{said}`, and not `{name}`")).advised(wrong())
            }
            Some(said) => Finding::unknown(about, format!("{url} says that it is `{said}`; no suite asks it")),
            None if !asks => Finding::good(about, format!("{url} answers {status}; no suite asks who it is")),
            None => bad(format!("{url} answers {status} and does not say who it is, which a suite asks")).advised(format!(
                "let it answer at /.well-known/environment, or say `identity = \"none\"` in [targets.{component}] of the suite"
            )),
        },
    };
    finding.needed_for(["promote deploy", "promote start", "promote test"])
}

/// What somebody far away says, as one short line.
fn shown(said: &str) -> String {
    clikit::plain_text(said).chars().filter(|c| !c.is_control()).take(60).collect()
}
