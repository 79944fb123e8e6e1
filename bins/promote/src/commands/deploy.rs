//! `promote deploy`: a release into an environment where it is tested.

use clikit::{Exit, Failure};
use promotion::model::{Class, Kind};
use wiring::Absent;

use super::Run;
use super::ask::{self, Named};
use super::start::show_plan;
use crate::args::Deploy;
use crate::{find, keys, preflight};

pub(crate) async fn exec(run: &Run<'_>, args: Deploy) -> Result<Exit, Failure> {
    let wired = run.wire_to_sign(args.dry_run, Absent::of_change(args.dry_run)).await?;
    let targets = wired.targets(&args.env)?;
    if targets.class() == Class::Production && !args.bootstrap {
        return Err(Failure::refused(format!(
            "`{}` is production: nothing is deployed there directly",
            args.env
        ))
        .with_why("production gets releases that were tested in the environment before it")
        .with_hint(format!("promote start --to {}", args.env)));
    }
    wired.can_reach(&args.env)?;
    let asker = keys::asker(run.context, &args.who, &wired)?;
    let kind = if args.bootstrap { Kind::Bootstrap } else { Kind::Deploy };
    let ask = match &args.release {
        Some(typed) => ask::of_earlier(&wired, &args.env, kind, typed, &asker).await?,
        None => {
            let named = Named { version: args.version, commit: args.commit };
            ask::of_images(&wired, &args.env, kind, &args.image, named, &asker).await?
        }
    };
    let remarks = preflight::look(&wired, &ask).await?;
    if args.dry_run {
        return show_plan(run, &wired, ask, remarks).await;
    }
    run.warn(&remarks);
    let handle = wired.engine.request(ask).await.map_err(find::engine_failure)?;
    run.finish(&wired, &handle, Exit::Done).await
}
