//! `promote adopt`: what runs is taken over as it is.

use std::collections::BTreeMap;

use clikit::{Exit, Failure};
use flytypes::ImageRef;
use promotion::model::{ComponentName, Kind, Release};
use promotion::ports::Deployer;

use super::Run;
use super::ask;
use super::release::Found;
use crate::args::Adopt;
use crate::{find, keys, preflight};

pub(crate) async fn exec(run: &Run<'_>, args: Adopt) -> Result<Exit, Failure> {
    let wired = run.wire()?;
    let targets = wired.targets(&args.env)?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    let mut images: BTreeMap<String, ImageRef> = BTreeMap::new();
    let mut digests = BTreeMap::new();
    for component in targets.components() {
        let place = targets.place(&component).map_err(|error| Failure::usage(error.to_string()))?;
        let looked = wired.deployer.observe_fleet(&place).await;
        let fleet = looked.map_err(|error| preflight::failure(&place, error))?;
        let running: Vec<&ImageRef> = fleet.live().filter_map(|unit| unit.image.as_ref()).collect();
        let mixed = fleet.digests();
        let image = match (mixed.len(), running.first()) {
            (1, Some(image)) => (*image).clone(),
            (0, _) | (_, None) => {
                let refused = Failure::refused(format!("`{}` has no machines to adopt", place.name));
                let others = fleet.units.iter().filter(|unit| !unit.managed).count();
                let refused = match others {
                    0 => refused,
                    n => refused.with_why(format!(
                        "{n} machines there are none of `fly deploy`'s (metadata fly_platform_version = \"v2\" is \
                         missing) and stay as they are; while they serve, suites may meet them instead of a release"
                    )),
                };
                return Err(
                    refused.with_hint(format!("promote deploy --env {} --image REF --bootstrap", args.env))
                );
            }
            (n, _) => {
                let list: Vec<_> = mixed.iter().map(|digest| digest.short().to_owned()).collect();
                return Err(Failure::refused(format!(
                    "`{}` is mixed: its machines run {n} images",
                    place.name
                ))
                .with_why(list.join(", "))
                .with_hint("bring all machines to one image first"));
            }
        };
        let name =
            ComponentName::new(component.clone()).map_err(|error| Failure::usage(error.to_string()))?;
        digests.extend(image.digest().cloned().map(|digest| (name, digest)));
        images.insert(component, image);
    }
    let release = Release {
        version: args.version.unwrap_or_else(|| "adopted".to_owned()),
        commit: args.commit.unwrap_or_else(|| "unknown".to_owned()),
        tree: None,
        components: digests,
    };
    let ask = ask::put(&wired, &args.env, Kind::Adopt, &Found { release, images }, &asker)?;
    let handle = wired.engine.request(ask).await.map_err(find::engine_failure)?;
    run.finish(&wired, &handle, Exit::Done).await
}
