//! `promote adopt`: what runs is taken over as it is.

use std::collections::BTreeMap;

use clikit::{Exit, Failure};
use flytypes::ImageRef;
use promotion::journal::PromotionView;
use promotion::model::{Class, ComponentName, Fleet, Kind, Place, Release, StoreId, Unit, label};
use promotion::ports::Deployer;
use serde_json::{Value, json};
use wiring::Absent;

use super::Run;
use super::ask;
use super::release::Found;
use super::start::show_plan;
use crate::args::Adopt;
use crate::{find, keys, preflight, show};

pub(crate) async fn exec(run: &Run<'_>, args: Adopt) -> Result<Exit, Failure> {
    let wired = run.wire(Absent::of_change(args.dry_run)).await?;
    let targets = wired.targets(&args.env)?;
    wired.can_reach(&args.env)?;
    let who = if args.dry_run { keys::looker } else { keys::asker };
    let asker = who(run.context, &args.who, &wired)?;
    let store = wired.journal.store_id().await.map_err(|error| find::engine_failure(error.into()))?;
    let mut images: BTreeMap<String, ImageRef> = BTreeMap::new();
    let mut digests = BTreeMap::new();
    let mut strangers = Vec::new();
    for component in targets.components() {
        let place = targets.place(&component).map_err(|error| Failure::usage(error.to_string()))?;
        let looked = wired.deployer.observe_fleet(&place).await;
        let fleet = looked.map_err(|error| preflight::failure(&place, error))?;
        let image = one_image(&place, &fleet, &args.env, targets.class())?;
        strangers.extend(unmarked(&place, &fleet, &store));
        let name =
            ComponentName::new(component.clone()).map_err(|error| Failure::usage(error.to_string()))?;
        digests.extend(image.digest().cloned().map(|digest| (name, digest)));
        images.insert(component, image);
    }
    let environment = find::environment(&args.env)?;
    let view = wired.engine.view(&environment).await.map_err(find::engine_failure)?;
    let drifted = view.drift().is_some();
    if let Some(current) = view.current().filter(|current| !drifted && is_adopted(current, &digests)) {
        return again(run, &args, current, &strangers);
    }
    // Drift of anything but images leaves the release what it is.
    let stands = view.current().map(|current| &current.state.facts.request.release);
    let stands = stands.filter(|release| release.components == digests).cloned();
    let same = stands.unwrap_or_else(|| Release {
        version: "adopted".to_owned(),
        commit: "unknown".to_owned(),
        tree: None,
        components: digests,
    });
    let release = Release {
        version: args.version.unwrap_or(same.version),
        commit: args.commit.unwrap_or(same.commit),
        ..same
    };
    let ask = ask::put(&wired, &args.env, Kind::Adopt, &Found { release, images }, &asker)?;
    if args.dry_run {
        return show_plan(run, &wired, ask, Vec::new()).await;
    }
    let handle = wired.engine.request(ask).await.map_err(find::engine_failure)?;
    run.finish(&wired, &handle, Exit::Done).await
}

/// The one image that every machine of the fleet runs, by digest.
fn one_image(place: &Place, fleet: &Fleet, environment: &str, class: Class) -> Result<ImageRef, Failure> {
    if let Some(mix) = fleet.mix() {
        return Err(Failure::refused(format!("`{}` is mixed", place.name)).with_why(mix).with_hint(
            "bring all machines to one image first, as with `fly deploy --image REF`, or remove what is left over",
        ));
    }
    if let Some(image) = fleet.live().find_map(|unit| unit.image.as_ref()) {
        return Ok(image.clone());
    }
    let refused = Failure::refused(format!("`{}` has no machines to adopt", place.name));
    let refused = match fleet.units.iter().filter(|unit| !unit.managed).count() {
        0 => refused,
        n => refused.with_why(format!(
            "{n} machines there are none of `fly deploy`'s (metadata fly_platform_version = \"v2\" is missing) and stay \
             as they are; while they serve, suites may meet them instead of a release"
        )),
    };
    Err(refused.with_hint(match class {
        Class::Production => format!("promote start --to {environment} --bootstrap"),
        Class::Local | Class::Preview | Class::Staging => {
            format!("promote deploy --env {environment} --image REF")
        }
    }))
}

fn is_adopted(current: &PromotionView, digests: &BTreeMap<ComponentName, flytypes::Digest>) -> bool {
    let request = &current.state.facts.request;
    request.kind == Kind::Adopt && request.release.components == *digests
}

/// Machines without our mark, for the case that the others have it.
fn unmarked(place: &Place, fleet: &Fleet, store: &StoreId) -> Vec<String> {
    let told = |unit: &Unit| match unit.label(label::STORE) {
        None => Some("carries no label: it came later".to_owned()),
        Some(mark) if mark != store.as_str() => Some(format!("is marked by store {mark}")),
        Some(_) => None,
    };
    let line = |unit: &Unit| Some(format!("machine {} of `{}` {}", unit.id, place.name, told(unit)?));
    fleet.live().filter_map(line).collect()
}

/// What `--version` and `--commit` say that the record does not: it was made once, and is not written over.
fn dropped(run: &Run<'_>, args: &Adopt, current: &PromotionView) -> Vec<String> {
    let release = &current.state.facts.request.release;
    let given = [("version", &args.version, &release.version), ("commit", &args.commit, &release.commit)];
    let differs = given.into_iter().filter_map(|(what, given, kept)| {
        let given = given.as_ref().filter(|given| *given != kept)?;
        Some(format!(
            "--{what} {given} was not taken: {} was adopted as {what} {kept}, and its record stays as it is; to record it \
             anew, `{}` and adopt again",
            args.env,
            run.paste(format!("stagectl eject --env {}", args.env)),
        ))
    });
    differs.collect()
}

/// What runs was taken over before: nothing is written and nothing is called.
fn again(
    run: &Run<'_>,
    args: &Adopt,
    current: &PromotionView,
    strangers: &[String],
) -> Result<Exit, Failure> {
    let dropped = dropped(run, args, current);
    // Whoever reads only how it ended hears it too.
    run.warn(&dropped);
    let warnings: Vec<&String> = strangers.iter().chain(&dropped).collect();
    let mut value = show::promotion(current);
    value["ok"] = Value::from(true);
    value["state"] = json!(current.state.phase);
    value["warnings"] = json!(warnings);
    run.out.emit(&value, |_| {
        let mut text = format!("adopted already\n{}", show::promotion_text(current));
        for warning in strangers {
            text.push_str(&format!("warning    {warning}\n"));
        }
        text
    })?;
    Ok(Exit::Done)
}
