//! `stagectl eject`: an environment is taken out of our hands.

use clikit::{Common, Context, Exit, Failure, Interrupt, Output};
use promotion::engine::{self, Ejected, UnitAt};
use promotion::model::Place;
use promotion::ports::Deployer as _;
use serde::Serialize;
use wiring::wire::{Wired, wire};
use wiring::{Absent, find, given, keys, preflight};

use crate::args::Eject;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    ok: bool,
    environment: String,
    /// Whether nothing was changed.
    dry_run: bool,
    /// Machines without our labels now.
    freed: Vec<Machine>,
    /// Parked machines that are gone.
    destroyed: Vec<Machine>,
    /// Parked machines that are left.
    parked: Vec<Machine>,
    /// Tags that the registry does not keep any more.
    tags: Vec<String>,
    warnings: Vec<String>,
    /// What to do about what is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Machine {
    component: String,
    app: String,
    machine: String,
    /// Until when a parked one was to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

pub(crate) async fn exec(
    context: &Context,
    out: &Output,
    common: &Common,
    args: Eject,
) -> Result<Exit, Failure> {
    let wired = wire(context, common, Absent::of_change(args.dry_run)).await?;
    let name = args.env.to_string();
    wired.can_reach(&name)?;
    let places = places(&wired, &name).await?;
    let who = if args.dry_run { keys::looker } else { keys::asker };
    let asker = who(context, &args.who, &wired)?;
    let mut eject = engine::Eject {
        environment: find::environment(&name)?,
        places,
        destroy_parked: args.destroy_parked,
        by: asker.person().clone(),
        reason: args.reason,
        signed: None,
    };
    let ejected = if args.dry_run {
        wired.engine.would_eject(&eject).await.map_err(find::engine_failure)?
    } else {
        eject.signed = asker.sign(&eject.wish())?;
        let again = given::along(common, format!("stagectl eject --env {name}"));
        let words = || Failure::interrupted("interrupted; some machines may still carry our labels");
        let interrupt = Interrupt::install_with(out, words().with_hint(again.clone()))?;
        tokio::select! {
            biased;
            () = interrupt.requested() => return Err(words().with_hint(again)),
            ejected = wired.engine.eject(eject) => ejected.map_err(find::engine_failure)?,
        }
    };
    let left = !ejected.parked.is_empty();
    let next = left.then(|| given::along(common, format!("stagectl eject --env {name} --destroy-parked")));
    let report = report(name, args.dry_run, ejected, next);
    out.emit(&report, human)?;
    Ok(Exit::Done)
}

/// Where the environment's components live; each is looked at, so that a wrong token or name is told as such.
async fn places(wired: &Wired, environment: &str) -> Result<Vec<Place>, Failure> {
    let targets = wired.targets(environment)?;
    let mut places = Vec::new();
    for component in targets.components() {
        let place = targets.place(&component).map_err(|error| Failure::usage(error.to_string()))?;
        if let Err(error) = wired.deployer.observe_fleet(&place).await {
            return Err(preflight::failure(&place, error));
        }
        places.push(place);
    }
    Ok(places)
}

fn report(environment: String, dry_run: bool, ejected: Ejected, next: Option<String>) -> Report {
    let machine = |at: UnitAt, until: Option<String>| Machine {
        component: at.place.component.to_string(),
        app: at.place.name,
        machine: at.unit.to_string(),
        until,
    };
    let Ejected { freed, destroyed, parked, tags, warnings } = ejected;
    Report {
        ok: true,
        environment,
        dry_run,
        freed: freed.into_iter().map(|at| machine(at, None)).collect(),
        destroyed: destroyed.into_iter().map(|at| machine(at, None)).collect(),
        parked: parked.into_iter().map(|(at, until)| machine(at, Some(until))).collect(),
        tags,
        warnings,
        next,
    }
}

fn human(report: &Report) -> String {
    let mut text = match (report.freed.is_empty(), report.dry_run) {
        (true, _) => format!("nothing that serves in {} carries our labels\n", report.environment),
        (false, true) => format!("would take our labels off in {}:\n", report.environment),
        (false, false) => {
            format!("{} is out of our hands; these run on without our labels:\n", report.environment)
        }
    };
    let line = |machine: &Machine| format!("  {} {}\n", machine.app, machine.machine);
    text.extend(report.freed.iter().map(line));
    if !report.destroyed.is_empty() {
        text.push_str(if report.dry_run { "would destroy, parked:\n" } else { "destroyed, parked:\n" });
        text.extend(report.destroyed.iter().map(line));
    }
    if !report.parked.is_empty() {
        text.push_str(
            "left as they are, parked: they take no traffic, and `fly deploy` leaves them alone:\n",
        );
        for machine in &report.parked {
            let until = machine.until.as_deref().unwrap_or_default();
            text.push_str(&format!("  {} {} until {until}\n", machine.app, machine.machine));
        }
    }
    text.extend(report.tags.iter().map(|tag| format!("tag {tag} is off\n")));
    text.extend(report.warnings.iter().map(|warning| format!("warning    {warning}\n")));
    if let Some(next) = &report.next {
        text.push_str(&format!(
            "next       {next}, or `fly machine destroy` each; `promote tick` ends them in time\n"
        ));
    }
    text
}
