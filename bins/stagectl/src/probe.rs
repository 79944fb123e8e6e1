//! Starts an image on a stand-in of this process, and asks it for the path of every check.

mod layout;
mod stand_in;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clikit::{Context, Failure};
use envconfig::{
    Code, Problem, Severity,
    fly_toml::{FlyToml, PathCheck},
};
use flytypes::ImageRef;
use serde_json::{Value, json};

use stand_in::StandIn;

/// No program gets longer to answer.
const HARD: Duration = Duration::from_secs(30);
/// After its first answer a program may still be coming up for this long.
const COMING_UP: Duration = Duration::from_secs(4);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// As much of what it said is told.
const TOLD: usize = 120;

/// Which image.
#[derive(Debug, Clone)]
pub(crate) enum Image {
    /// In a registry.
    Reference(ImageRef),
    /// An OCI layout: a directory with `index.json` and `blobs`.
    Layout(PathBuf),
}

/// What keeps the checks of `fly` from passing on a machine of `image`. The image runs as a process of this host, without
/// the app's secrets.
pub(crate) fn probe(
    context: &Context,
    file: &str,
    fly: &FlyToml,
    image: &Image,
) -> Result<Vec<Problem>, Failure> {
    let checks = fly.path_checks();
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    clikit::block_on(async {
        let stand_in = StandIn::start().await?;
        let found = ask(context, &stand_in, file, fly, &checks, image).await;
        stand_in.end().await;
        found
    })
}

async fn ask(
    context: &Context,
    stand_in: &StandIn,
    file: &str,
    fly: &FlyToml,
    checks: &[PathCheck],
    image: &Image,
) -> Result<Vec<Problem>, Failure> {
    let image = match image {
        Image::Reference(reference) => stand_in.copy(context, reference).await?,
        Image::Layout(dir) => stand_in.push(&layout::read(dir)?).await?,
    };
    let mut problems = Vec::new();
    for (group, config) in fly.flatten() {
        let own: Vec<&PathCheck> = checks.iter().filter(|check| check.group == group).collect();
        if own.is_empty() {
            continue;
        }
        let config = serde_json::to_value(&config)
            .map_err(|error| Failure::bug("a machine configuration has no JSON form").with_source(error))?;
        let machine = stand_in.create(&asked(config, &image, &own)).await?;
        let said = answers(stand_in, &machine).await?;
        problems
            .extend(own.iter().enumerate().filter_map(|(n, check)| judge(file, check, said.get(&name(n)))));
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    Ok(problems)
}

fn name(n: usize) -> String {
    format!("path-{n}")
}

/// The configuration with the checks as ours, so that each is known again and none waits.
fn asked(mut config: Value, image: &str, checks: &[&PathCheck]) -> Value {
    config["image"] = json!(image);
    config["restart"] = json!({"policy": "no"});
    for service in config["services"].as_array_mut().into_iter().flatten() {
        service["checks"] = json!([]);
    }
    let check = |check: &PathCheck| {
        json!({
            "type": "http", "port": check.port, "method": check.method, "path": check.path, "headers": check.headers,
            "interval": "1s", "timeout": "5s", "grace_period": "0s",
        })
    };
    let checks = checks.iter().enumerate().map(|(n, one)| (name(n), check(one)));
    config["checks"] = Value::Object(checks.collect());
    config
}

/// What each check said last: whether it passed, and its words.
type Said = BTreeMap<String, (bool, String)>;

/// Looks until all pass, until the program ended, or until it had its time.
async fn answers(stand_in: &StandIn, machine: &str) -> Result<Said, Failure> {
    let begun = tokio::time::Instant::now();
    let mut answered = None;
    loop {
        let shown = stand_in.machine(machine).await?;
        let said: Said = shown["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|check| {
                let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
                (text("name"), (check["status"] == "passing", text("output")))
            })
            .collect();
        if said.values().any(|(passes, words)| *passes || has_status(words)) {
            answered.get_or_insert_with(tokio::time::Instant::now);
        }
        let is_over = matches!(shown["state"].as_str(), Some("stopped" | "failed"));
        let had_time = answered.is_some_and(|at| at.elapsed() >= COMING_UP) || begun.elapsed() >= HARD;
        if is_over {
            let why = shown["events"][0]["request"]["error"].as_str().unwrap_or("the program ended");
            return Ok(said.into_keys().map(|name| (name, (false, why.to_owned()))).collect());
        }
        if had_time || said.values().all(|(passes, _)| *passes) {
            return Ok(said);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether something answered: its words begin with the status.
fn has_status(words: &str) -> bool {
    words.split(' ').next().is_some_and(|first| first.len() == 3 && first.parse::<u16>().is_ok())
}

fn judge(file: &str, check: &PathCheck, said: Option<&(bool, String)>) -> Option<Problem> {
    let words = match said {
        Some((true, _)) => return None,
        Some((false, words)) => words.as_str(),
        None => "it was never asked",
    };
    let words: String = words.chars().take(TOLD).collect();
    let (code, what, why, hint) = if has_status(&words) {
        (
            Code::PathUnserved,
            format!("the image does not serve `{} {}`", check.method, check.path),
            format!("on port {} of `{}` it answered {words}", check.port, check.group),
            "correct the path, or serve it: a machine of this image never becomes healthy",
        )
    } else {
        (
            Code::NotProbed,
            format!("the image does not answer on port {} of `{}`", check.port, check.group),
            words,
            "it ran without secrets and volumes; if it needs them, this says nothing about the path",
        )
    };
    let mut problem = Problem::about_file(Severity::Warning, code, file, what).because(why).with_hint(hint);
    problem.key.clone_from(&check.key);
    if let Some(place) = check.place {
        (problem.line, problem.column) = place;
    }
    Some(problem)
}
