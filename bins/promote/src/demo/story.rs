//! The story, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cell::runtime::RuntimeKind;
use clikit::{Common, Context, Exit, Failure, Interrupt, Output, Progress};
use flyclient::fly::wire::ListMachines;
use flyclient::transport::{HttpService, Options as HttpOptions, ReqwestService};
use promotion::engine::{Handle, Outcome};
use promotion::machine::Phase;
use promotion::model::{Decision, Kind};
use runner::Release;
use serde::Serialize;
use serde_json::json;
use url::Url;
use wiring::Absent;
use wiring::keys::Who;

use super::cloud::{Cloud, Told, audit};
use super::setup::{Addresses, Hands, Stage, credentials, project};
use super::traffic::{Counts, Traffic};
use crate::args::Demo;
use crate::commands::ask::{self, Named, Source};
use crate::show;
use crate::wire::{Wired, wire};
use crate::{keys, watch};

/// One promotion as the demo reports it.
#[derive(Debug, Serialize)]
struct Reported {
    id: String,
    outcome: String,
    version: String,
    digest: String,
    production_digest_before: String,
    production_digest_after: String,
    machines: usize,
    requests: Counts,
    seconds: f64,
    why: Option<String>,
}

pub(super) async fn tell(context: &Context, out: &Output, args: &Demo) -> Result<Exit, Failure> {
    let want = match args.runtime.as_deref() {
        None => None,
        Some("isolated") => Some(RuntimeKind::Isolated),
        Some("plain") => Some(RuntimeKind::Plain),
        Some(other) => {
            return Err(Failure::usage(format!("there is no runtime `{other}`"))
                .with_hint("--runtime isolated, or plain"));
        }
    };
    let interrupt = Interrupt::install_with(out, Failure::interrupted("the demo was interrupted"))?;
    let stage = Stage { dir: directory(context, args)? };
    let progress = Progress::stderr(context);
    progress.line(format!("everything is kept in {}", stage.dir.display()));
    let tokens = credentials(&stage)?;
    std::fs::create_dir_all(stage.cloud()).map_err(|error| {
        Failure::unavailable("the stand-in's directory cannot be made").with_source(error)
    })?;
    let cloud = Cloud::start(&Told { dir: stage.cloud(), runtime: want, tokens: tokens.clone() }).await?;
    progress.line(format!("a cloud on this machine: {} ({})", cloud.up.api, cloud.up.why));
    let told = {
        let mut story = Story::new(context, out, args, &stage, &cloud, &tokens, progress)?;
        let ran = tokio::select! {
            biased;
            () = interrupt.requested() => Err(Failure::interrupted("the demo was interrupted")),
            told = story.run() => told,
        };
        match ran {
            Ok(told) if args.hold => story.hold(&told, &interrupt).await,
            Ok(told) => story.finish(&told),
            Err(failure) => Err(failure),
        }
    };
    cloud.down().await;
    told
}

fn directory(context: &Context, args: &Demo) -> Result<PathBuf, Failure> {
    let dir = match &args.dir {
        Some(dir) => context.current_dir.join(dir),
        None => {
            let name = format!("understudy-demo-{:08x}", providers::random_u128() as u32);
            context.var("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from).join(name)
        }
    };
    let there = std::fs::read_dir(&dir).into_iter().flatten().flatten().next();
    if let Some(there) = there {
        let name = there.file_name().to_string_lossy().into_owned();
        return Err(Failure::usage(format!("{} is not empty: it holds `{name}`", dir.display()))
            .with_why("the demo writes a project of its own, and nothing of yours may be lost to it")
            .with_hint("choose a --dir that is empty or not there yet"));
    }
    std::fs::create_dir_all(&dir).map_err(|error| {
        Failure::unavailable(format!("{} cannot be made", dir.display())).with_source(error)
    })?;
    Ok(dir)
}

struct Story<'a> {
    context: Context,
    out: &'a Output,
    args: &'a Demo,
    stage: &'a Stage,
    cloud: &'a Cloud,
    production: Hands,
    staging: Hands,
    service: Arc<dyn HttpService>,
    progress: Progress,
}

impl<'a> Story<'a> {
    fn new(
        context: &Context,
        out: &'a Output,
        args: &'a Demo,
        stage: &'a Stage,
        cloud: &'a Cloud,
        tokens: &[String],
        progress: Progress,
    ) -> Result<Self, Failure> {
        let service: Arc<dyn HttpService> =
            Arc::new(ReqwestService::new(&HttpOptions::default()).map_err(|error| {
                Failure::unavailable("the HTTP client cannot be set up").with_source(error)
            })?);
        let context = Context { current_dir: stage.dir.clone(), ..clone(context) };
        Ok(Self {
            production: Hands::new(&cloud.up, &tokens[0], &service)?,
            staging: Hands::new(&cloud.up, &tokens[1], &service)?,
            context,
            out,
            args,
            stage,
            cloud,
            service,
            progress,
        })
    }

    async fn run(&mut self) -> Result<Vec<Reported>, Failure> {
        self.production.app("runner").await?;
        self.staging.app("runner-staging").await?;
        let staging_api = first(self.staging.edges("runner-staging").await?)?;
        let mut images = BTreeMap::new();
        for release in Release::ALL {
            let (api, web) = self.production.release(release, &staging_api).await?;
            self.progress.line(format!("pushed {} as {}", release.version(), short(&api)));
            images.insert(release, vec![format!("api={api}"), format!("web={web}")]);
        }
        // A site gets its addresses with its first bundle; the project file names them.
        self.write_project().await?;
        self.say("production gets its first release");
        self.put("production", true, &images[&Release::Good]).await?;
        self.say("staging is made with a better release, and tested");
        self.put("staging", true, &images[&Release::Better]).await?;
        let mut told = vec![self.promote("a better release").await?];
        if self.args.hold {
            return Ok(told);
        }
        self.say("staging gets a release that carries staging's settings in itself; there it passes");
        self.put("staging", false, &images[&Release::Bad]).await?;
        told.push(self.promote("a bad release").await?);
        Ok(told)
    }

    fn say(&self, text: &str) {
        self.progress.line(format!("== {text}"));
    }

    async fn write_project(&self) -> Result<(), Failure> {
        let mut at = Addresses { api: BTreeMap::new(), web: BTreeMap::new() };
        for (environment, app, hands) in
            [("production", "runner", &self.production), ("staging", "runner-staging", &self.staging)]
        {
            at.api.insert(environment, hands.edges(app).await?);
            at.web.insert(environment, hands.site_edges(&format!("{app}-web")).await?);
        }
        project(self.stage, &self.cloud.up, &at, self.args.settle, self.args.label.as_deref())
    }

    async fn wired(&self) -> Result<Wired, Failure> {
        let common = Common { project: self.stage.project(), store: None, json: self.out.is_json() };
        wire(&self.context, &common, Absent::Make).await
    }

    fn who(&self, name: &str) -> Who {
        Who { key: Some(self.stage.key(name)), name: None }
    }

    /// Puts a release somewhere where nobody is asked.
    async fn put(&self, environment: &str, bootstrap: bool, images: &[String]) -> Result<(), Failure> {
        let wired = self.wired().await?;
        let kind = if bootstrap { Kind::Bootstrap } else { Kind::Deploy };
        // What comes into production without evidence is for who may approve there.
        let who = if environment == "production" { "lead" } else { "developer" };
        let asker = keys::asker(&self.context, &self.who(who), &wired)?;
        let ask = ask::of_images(&wired, environment, kind, images, Named::default(), &asker).await?;
        let handle = wired.engine.request(ask).await.map_err(crate::find::engine_failure)?;
        match self.drive(&handle).await? {
            Outcome::Ended(Phase::Succeeded) => Ok(()),
            outcome => Err(self.unexpected(&wired, &handle, &outcome).await),
        }
    }

    async fn unexpected(&self, wired: &Wired, handle: &Handle, outcome: &Outcome) -> Failure {
        let view = wired.engine.view(&handle.environment).await.ok();
        let why = view
            .and_then(|view| view.promotions[&handle.id].state.facts.failure.clone())
            .map(|failure| failure.why);
        Failure::tests_failed(format!(
            "{} in {} came out as {}",
            handle.id,
            handle.environment,
            show::state(&handle.id, outcome)
        ))
        .with_why(why.unwrap_or_default())
    }

    async fn drive(&self, handle: &Handle) -> Result<Outcome, Failure> {
        watch::watch(&self.progress, handle).await
    }

    /// Plans, approves and promotes what runs on staging, while a client keeps asking production.
    async fn promote(&self, what: &str) -> Result<Reported, Failure> {
        self.say(&format!("{what} goes from staging to production"));
        let wired = self.wired().await?;
        let (before, _) = self.production_digest().await?;
        let asker = keys::asker(&self.context, &self.who("developer"), &wired)?;
        let ask = ask::of_environment(&wired, "production", &Source::Current, Kind::Promote, &asker).await?;
        let release = ask.release.clone();
        let api = self.production.edges("runner").await?;
        let web = self.production.edges("runner-web").await?;
        let handle = wired.engine.request(ask).await.map_err(crate::find::engine_failure)?;
        let waiting = self.drive(&handle).await?;
        if !matches!(waiting, Outcome::Waiting { .. }) {
            return Err(self.unexpected(&wired, &handle, &waiting).await);
        }
        let view = wired.engine.view(&handle.environment).await.map_err(crate::find::engine_failure)?;
        let plan = view.promotions[&handle.id].state.facts.plan.clone();
        let plan = plan.ok_or_else(|| Failure::bug("a promotion waits for approval and has no plan"))?.hash;
        let lead = self.stage.key("lead");
        let claim = keys::claim(&self.context, Some(&lead), None, &handle.id, &plan, Decision::Approve)?;
        let approval =
            wired.engine.decide(&handle.environment, claim).await.map_err(crate::find::engine_failure)?;
        self.progress.line(format!("plan {} approved by {}", plan.short(), approval.by));
        let traffic = Traffic::start(&api, &web, &self.service);
        let begun = self.context.instant();
        let outcome = self.drive(&handle).await;
        let seconds = self.context.instant().saturating_duration_since(begun).as_secs_f64();
        let (requests, failures) = traffic.stop().await;
        let outcome = outcome?;
        let (after, machines) = self.production_digest().await?;
        for failure in failures {
            self.progress.line(format!("request failed: {failure}"));
        }
        let word = match outcome {
            Outcome::Ended(Phase::Succeeded) => "succeeded".to_owned(),
            Outcome::Ended(Phase::RolledBack) => "rolled_back".to_owned(),
            _ => return Err(self.unexpected(&wired, &handle, &outcome).await),
        };
        let digest = release.components.iter().find(|(name, _)| name.as_str() == "api");
        let view = wired.engine.view(&handle.environment).await.map_err(crate::find::engine_failure)?;
        let told = Reported {
            id: handle.id.to_string(),
            outcome: word,
            version: release.version.clone(),
            digest: digest.map(|(_, digest)| digest.to_string()).unwrap_or_default(),
            production_digest_before: before,
            production_digest_after: after,
            machines,
            requests,
            seconds: (seconds * 10.0).round() / 10.0,
            why: view.promotions[&handle.id].state.facts.failure.as_ref().map(|failure| failure.why.clone()),
        };
        self.progress.line(format!(
            "== {} {} in {:.1}s: {} requests, {} failed; {} machines run {}",
            told.version,
            told.outcome.replace('_', " "),
            told.seconds,
            told.requests.sent,
            told.requests.failed,
            told.machines,
            told.production_digest_after.get(..19).unwrap_or_default()
        ));
        Ok(told)
    }

    /// The one digest that every serving machine of production shows at the provider, and how many there are.
    async fn production_digest(&self) -> Result<(String, usize), Failure> {
        let unavailable = |why: String| Failure::unavailable("production cannot be looked at").with_why(why);
        let app = "runner".parse().map_err(|error: flytypes::NameError| unavailable(error.to_string()))?;
        let machines = self.production.client.app(&app).machines().list(&ListMachines::default()).await;
        let machines = machines.map_err(|error| unavailable(error.to_string()))?;
        let serving: Vec<_> = machines
            .iter()
            .filter(|machine| machine.state == flytypes::wire::MachineState::Started && !machine.cordoned)
            .collect();
        let digests: BTreeSet<String> = serving
            .iter()
            .map(|machine| machine.digest().map(ToString::to_string).unwrap_or_default())
            .collect();
        let list: Vec<String> = digests.into_iter().collect();
        match list.as_slice() {
            [one] => Ok((one.clone(), serving.len())),
            _ => Err(Failure::tests_failed("production is mixed").with_why(list.join(", "))),
        }
    }

    fn value(&self, told: &[Reported]) -> serde_json::Value {
        let [first, rest @ ..] = told else { return json!({"ok": false}) };
        let good = first.outcome == "succeeded"
            && first.production_digest_after == first.digest
            && told.iter().all(|told| told.requests.failed == 0)
            && rest.iter().all(|told| {
                told.outcome == "rolled_back" && told.production_digest_after == told.production_digest_before
            });
        json!({
            "ok": good,
            "runtime": self.cloud.up.runtime.to_string(),
            "promotions": told,
            "journal": self.stage.store().display().to_string(),
            "audit": audit(&self.stage.cloud()).display().to_string(),
            "project": self.stage.project().display().to_string(),
        })
    }

    fn finish(&self, told: &[Reported]) -> Result<Exit, Failure> {
        let value = self.value(told);
        let ok = value["ok"] == true;
        self.out.emit(&value, |_| {
            let project = self.stage.project();
            format!(
                "{}\nlook around: promote history --project {}\n",
                if ok {
                    "the good release runs, the bad one was put back, no request was lost"
                } else {
                    "something is wrong: see above"
                },
                project.display()
            )
        })?;
        Ok(if ok { Exit::Done } else { Exit::TestsFailed })
    }

    /// Stays up so that a foreign client can look.
    async fn hold(&self, told: &[Reported], interrupt: &Interrupt) -> Result<Exit, Failure> {
        let mut value = self.value(told);
        let api = self.production.edges("runner").await?;
        let web = self.production.edges("runner-web").await?;
        let text = |urls: &[Url]| urls.iter().map(Url::to_string).collect::<Vec<_>>();
        value["urls"] = json!({"api": text(&api), "web": text(&web), "machines": self.cloud.up.api, "registry": self.cloud.up.registry});
        let key = self.stage.key("lead");
        let rollback = format!(
            "promote rollback --env production --project {} --key {}",
            self.stage.project().display(),
            key.display()
        );
        value["rollback"] = json!(rollback);
        self.out.emit(&value, |_| {
            format!("api  {}\nweb  {}\nback {rollback}\n", text(&api).join(" "), text(&web).join(" "))
        })?;
        self.progress.line("staying up until Ctrl-C");
        interrupt.requested().await;
        Ok(Exit::Done)
    }
}

fn clone(context: &Context) -> Context {
    Context {
        vars: context.vars.clone(),
        args: context.args.clone(),
        current_dir: context.current_dir.clone(),
        clock: context.clock,
        terminals: context.terminals,
    }
}

fn first(urls: Vec<Url>) -> Result<Url, Failure> {
    urls.into_iter().next().ok_or_else(|| Failure::unavailable("the stand-in has no edge"))
}

fn short(image: &flytypes::ImageRef) -> String {
    image.digest().map(|digest| format!("sha256:{}", digest.short())).unwrap_or_default()
}
