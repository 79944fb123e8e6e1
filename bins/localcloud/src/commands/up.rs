//! `localcloud up`

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use cell::{
    runtime::{self, Runtime, RuntimeKind},
    shim::Shim,
};
use clikit::{Context, Exit, Failure, FailureExt as _, Interrupt, Output, Progress};
use localcloud::{Handle, Localcloud, Options, Orgs, Quirks, StartError, bucket_of};
use serde::Serialize;
use serde_json::Value;

use super::faults;
use crate::{
    args::UpArgs,
    exports,
    place::{Place, Record},
    running::Running,
    tokens::{self, Given},
};

/// What `--json` prints once the server answers.
#[derive(Serialize)]
struct Up {
    ok: bool,
    dir: String,
    #[serde(flatten)]
    record: Record,
    runtime: RuntimeKind,
    why: String,
    /// `{region, url}` of each edge, where the `Host` header names the app.
    edges: Value,
}

pub(crate) fn exec(context: &Context, out: &Output, place: &Place, args: UpArgs) -> Result<Exit, Failure> {
    let given = args.tokens.iter().map(|text| tokens::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let faults =
        args.faults.iter().map(|text| faults::one("--fault", text)).collect::<Result<Vec<_>, _>>()?;
    let quirks = faults::quirks(Quirks::default(), &args.quirks)?;
    let given = if given.is_empty() { vec![tokens::own(place)?] } else { given };
    let runtime = choose(args.runtime)?;
    let mut options = Options::new(place.dir(), runtime, orgs(&given)?);
    (options.api, options.registry, options.s3) = (args.api, args.registry, args.s3);
    let whole = given.iter().filter(|given| given.scope.is_none());
    options.buckets = whole.map(|given| (bucket_of(&given.org), given.org.clone())).collect();
    (options.seed, options.rate_limits) = (args.seed, !args.no_rate_limits);
    (options.faults, options.quirks) = (faults, quirks);
    options.boot_ms = args.boot_ms.unwrap_or(options.boot_ms);
    options.lag = args.lag_ms.unwrap_or(options.lag);
    if !args.regions.is_empty() {
        options.regions = args.regions;
    }
    clikit::block_on(Box::pin(serve(context, out, place, options, given, args.down_on_exit)))
}

/// What this host offers; a probe tells, and starting a program is allowed for it.
pub(crate) fn choose(want: Option<RuntimeKind>) -> Result<Arc<dyn Runtime>, Failure> {
    let shim = Shim::current().or_exit(Exit::Unavailable, || "the system does not say which program runs")?;
    let chosen = runtime::choose(want, shim).map_err(|error| {
        Failure::unavailable("the wanted runtime cannot be used")
            .with_source(error)
            .with_hint("localcloud up --runtime plain")
    });
    chosen.map(Arc::from)
}

fn orgs(given: &[Given]) -> Result<Orgs, Failure> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for Given { token, org, .. } in given {
        if seen.insert(token, org).is_some_and(|other| other != org) {
            return Err(Failure::usage("--token: one token is given for two organisations")
                .with_why("it would not be known whose apps it may touch"));
        }
    }
    let add = |orgs: Orgs, given: &Given| match &given.scope {
        None => orgs.with(&given.token, &given.org),
        Some(scope) => orgs.with_scoped(&given.token, &given.org, scope.clone()),
    };
    Ok(given.iter().fold(Orgs::default(), add))
}

async fn serve(
    context: &Context,
    out: &Output,
    place: &Place,
    options: Options,
    given: Vec<Given>,
    down_on_exit: bool,
) -> Result<Exit, Failure> {
    let last_words =
        Failure::interrupted("interrupted twice: the server ended where it stood; machines live on")
            .with_hint(place.command("up"));
    let interrupt = Interrupt::install_with(out, last_words)?;
    let progress = Progress::stderr(context);
    let server = Localcloud::start(options).await.map_err(|error| refused(place, error))?;
    let record = record(place, &server, &given)?;
    place.publish(&record)?;
    let told = tell(out, place, &server, record).await;
    if let Ok(text) = &told {
        progress.line(text);
        interrupt.requested().await;
    }
    place.retract();
    if down_on_exit {
        progress.line("ending the server and its machines");
        server.down().await;
    } else {
        server.shutdown().await;
        progress.line(format!(
            "the server has ended; machines live on: `{}` finds them again, `{}` ends them",
            place.command("up"),
            place.command("down")
        ));
    }
    told.map(|_| Exit::Done)
}

/// The last of an organisation's tokens that may do everything is the one that the other verbs use.
fn record(place: &Place, server: &Handle, given: &[Given]) -> Result<Record, Failure> {
    let mut tokens = BTreeMap::new();
    let mut whole = given.iter().filter(|given| given.scope.is_none()).peekable();
    let first = whole.peek().map_or_else(|| tokens::OWN_ORG.to_owned(), |given| given.org.clone());
    for given in whole {
        tokens.insert(given.org.clone(), tokens::keep(place, given)?);
    }
    Ok(Record {
        api: server.api_url().to_owned(),
        registry: server.registry_host().to_owned(),
        s3: server.s3_url().to_owned(),
        pid: std::process::id(),
        org: first,
        tokens,
        edge_urls: server.edge_urls(),
    })
}

/// The result for programs on stdout; the text for people is given back.
async fn tell(out: &Output, place: &Place, server: &Handle, record: Record) -> Result<String, Failure> {
    let running = Running::find(place).await?;
    let mut text = format!(
        "localcloud runs on {}\n{}\nAPI       {}\nregistry  {}\nS3        {}\n",
        place.dir().display(),
        server.runtime_why(),
        record.api,
        record.registry,
        record.s3
    );
    for edge in running.info["edges"].as_array().into_iter().flatten() {
        let (region, url) = (edge["region"].as_str().unwrap_or("?"), edge["url"].as_str().unwrap_or("?"));
        let _ = writeln!(text, "edge {region}  {url} (header `Host: APP.localhost`)");
    }
    let file = record.tokens.get(&record.org).cloned().unwrap_or_default();
    let mut variables = exports::variables(&record);
    if let Ok((_, token)) = running.token(None) {
        variables.extend(exports::storage(&record, &record.org, &token));
    }
    text.push_str(&exports::lines(&variables, &file));
    let _ = writeln!(
        text,
        "the same in another shell: eval \"$({})\"; Ctrl-C ends the server",
        place.command("env")
    );
    let up = Up {
        ok: true,
        dir: place.dir().display().to_string(),
        runtime: server.runtime(),
        why: server.runtime_why().to_owned(),
        edges: running.info["edges"].clone(),
        record,
    };
    out.emit(&up, |_| String::new())?;
    Ok(text)
}

/// Why there is no server, and what helps.
pub(crate) fn refused(place: &Place, error: StartError) -> Failure {
    let (exit, hint) = match &error {
        StartError::Option { option: "faults", .. } => (Exit::Usage, Some(faults::known())),
        StartError::Option { .. } => (Exit::Usage, Some("localcloud up --help".to_owned())),
        StartError::InUse { .. } => (Exit::Unavailable, Some(place.command("status"))),
        StartError::Listen { .. } => (
            Exit::Unavailable,
            Some(
                "localcloud up --api 127.0.0.1:PORT --registry 127.0.0.1:PORT --s3 127.0.0.1:PORT".to_owned(),
            ),
        ),
        _ => (Exit::Unavailable, None),
    };
    let failure = Failure::new(exit, "the server does not start").with_source(error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
