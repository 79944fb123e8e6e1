//! flyctl's call sequences, for tests of whoever lives beside `fly deploy`.
//!
//! Written from the facts (fly.md sections 1, 2 and 4.2) over plain HTTP and JSON, without the types of any client of
//! ours: a misreading there is not repeated here. Only calls of the Machines API are made; the number of a release,
//! which flyctl gets from another API, is one more than the highest that the machines name.

mod bluegreen;
mod config;
mod http;
mod leases;
mod rolling;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use http::Api;
use leases::Leases;

/// The version that the machines are told (`fly_flyctl_version`).
pub const VERSION: &str = "0.3.170";

/// Why a deploy ended. Machines that were changed by then stay as they are, as with flyctl.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The API refused a call.
    #[error("{call}: {status} {said}")]
    Refused {
        /// Method and path.
        call: String,
        /// The status code.
        status: u16,
        /// What it said.
        said: String,
    },
    /// No answer.
    #[error("{call}: {why}")]
    Away {
        /// Method and path.
        call: String,
        /// Why.
        why: String,
    },
    /// A machine did not come up.
    #[error("machine {machine}: {why}")]
    Unhealthy {
        /// Which.
        machine: String,
        /// Why.
        why: String,
    },
    /// The strategy cannot be used here.
    #[error("{0}")]
    Unfit(String),
}

/// What `fly deploy` is given: one process group of a fly.toml, flattened, and an image.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// The app.
    pub app: String,
    /// The image as flyctl sends it: in tag form (fly.md 2.1, step 2).
    pub image: String,
    /// The group's machine configuration, without image and metadata.
    pub config: Value,
    /// The process group.
    pub group: String,
    /// `primary_region`.
    pub region: String,
}

impl Deploy {
    /// Group `app` in `fra`.
    pub fn new(app: &str, image: &str, config: Value) -> Self {
        let (group, region) = ("app".to_owned(), "fra".to_owned());
        Self { app: app.to_owned(), image: image.to_owned(), config, group, region }
    }
}

/// Somebody with flyctl and a token.
#[derive(Debug, Clone)]
pub struct Flyctl {
    api: Api,
    /// The pauses of a blue-green deploy around its cordon; flyctl's own are 10 s (fly.md 2.5).
    pub pause: Duration,
    /// For how long a lease is asked for again (fly.md 1.7: a minute).
    pub lease_patience: Duration,
    /// `--wait-timeout` (fly.md 2.2: five minutes).
    pub wait: Duration,
}

impl Flyctl {
    /// Against the Machines API at `base`, such as `http://127.0.0.1:4280`. All waits are short: they are a test's.
    pub fn new(base: &str, token: &str) -> Self {
        Self {
            api: Api::new(base, token),
            pause: Duration::from_millis(200),
            lease_patience: Duration::from_secs(1),
            wait: Duration::from_secs(60),
        }
    }

    /// `fly apps create`.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn create_app(&self, app: &str, org: &str) -> Result<(), Failed> {
        let body = json!({"name": app, "org_slug": org, "network": "", "app_role_id": ""});
        self.api.call("POST", "/v1/apps?wait=true", None, Some(&body)).await?;
        self.api.call("GET", &format!("/v1/apps/{app}"), None, None).await.map(drop)
    }

    /// The first `fly deploy`: two machines for a group with services (fly.md 2.2). Answers their ids.
    ///
    /// # Errors
    /// When a call is refused or a machine does not come up.
    pub async fn deploy_first(&self, deploy: &Deploy) -> Result<Vec<String>, Failed> {
        self.api.call("GET", &format!("/v1/apps/{}", deploy.app), None, None).await?;
        let machines = self.managed(&deploy.app).await?;
        if !machines.is_empty() {
            return Err(Failed::Unfit(format!("`{}` has {} machines", deploy.app, machines.len())));
        }
        let count = if deploy.config.get("services").is_some() { 2 } else { 1 };
        let release = config::next_release(&machines);
        let mut ids = Vec::new();
        for _ in 0..count {
            let body = json!({
                "config": config::new(deploy, release), "region": deploy.region, "skip_launch": false,
                "skip_service_registration": false,
            });
            let made = self.create(&deploy.app, &body).await?;
            ids.push(text(&made, "id"));
            self.up(&deploy.app, &made, &mut Leases::none(&self.api)).await?;
        }
        Ok(ids)
    }

    /// `fly machine run --metadata KEY=VALUE`: a machine that no deploy is about, unless the metadata say so (fly.md
    /// 2.3). Answers its id.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn machine_run(
        &self,
        app: &str,
        image: &str,
        metadata: &[(&str, &str)],
    ) -> Result<String, Failed> {
        let metadata: Value = metadata.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
        let body = json!({"config": {"image": image, "metadata": metadata}, "region": "fra"});
        Ok(text(&self.create(app, &body).await?, "id"))
    }

    /// Holds a machine as a deploy that is under way does.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn hold(&self, app: &str, id: &str) -> Result<Held, Failed> {
        Leases::take(&self.api, app, &[id.to_owned()], self.lease_patience).await.map(Held)
    }

    /// `fly machine stop`, to its end.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn machine_stop(&self, app: &str, id: &str) -> Result<(), Failed> {
        let path = format!("/v1/apps/{app}/machines/{id}");
        let mut lease = Leases::take(&self.api, app, &[id.to_owned()], self.lease_patience).await?;
        let body = json!({"id": id});
        self.api.call("POST", &format!("{path}/stop"), lease.nonce(id), Some(&body)).await?;
        let machine = self.api.call("GET", &path, None, None).await?;
        self.state(app, &machine, "stopped", &mut lease).await?;
        lease.give_back().await
    }

    /// The app's machines that deploys are about (fly.md 2.3): with the platform's mark, and no auxiliary ones.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn managed(&self, app: &str) -> Result<Vec<Value>, Failed> {
        let all = self.api.call("GET", &format!("/v1/apps/{app}/machines"), None, None).await?;
        let mut machines: Vec<Value> = all.as_array().cloned().unwrap_or_default();
        machines.retain(config::is_managed);
        machines.sort_by_key(|machine| text(machine, "id"));
        Ok(machines)
    }

    async fn create(&self, app: &str, body: &Value) -> Result<Value, Failed> {
        self.api.call("POST", &format!("/v1/apps/{app}/machines"), None, Some(body)).await
    }

    /// Waits for `started` of the version that `machine` has, then for its checks.
    async fn up(&self, app: &str, machine: &Value, leases: &mut Leases) -> Result<(), Failed> {
        self.state(app, machine, "started", leases).await?;
        self.healthy(app, machine, leases).await
    }

    /// Waits in the API's own calls; 408 is the ordinary "not yet" (fly.md 1.6).
    async fn state(
        &self,
        app: &str,
        machine: &Value,
        state: &str,
        leases: &mut Leases,
    ) -> Result<(), Failed> {
        let (id, version) = (text(machine, "id"), text(machine, "instance_id"));
        let path = format!("/v1/apps/{app}/machines/{id}/wait?instance_id={version}&state={state}&timeout=5");
        let until = Instant::now() + self.wait;
        loop {
            leases.keep().await?;
            match self.api.call("GET", &path, None, None).await {
                Ok(_) => return Ok(()),
                Err(Failed::Refused { status: 408, .. }) if Instant::now() < until => {}
                Err(failed) => return Err(failed),
            }
        }
    }

    /// Skipped where the configuration has no checks; else until some report and all that report pass. As with flyctl,
    /// one failed look ends the deploy (fly.md 2.5).
    async fn healthy(&self, app: &str, machine: &Value, leases: &mut Leases) -> Result<(), Failed> {
        let id = text(machine, "id");
        if !config::has_checks(&machine["config"]) {
            return Ok(());
        }
        let until = Instant::now() + self.wait;
        while Instant::now() < until {
            leases.keep().await?;
            let path = format!("/v1/apps/{app}/machines/{id}");
            let seen = self.api.call("GET", &path, None, None).await?;
            let checks = seen["checks"].as_array().cloned().unwrap_or_default();
            if !checks.is_empty() && checks.iter().all(|check| check["status"] == "passing") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Failed::Unhealthy { machine: id, why: "its checks did not pass in time".to_owned() })
    }
}

/// A machine that somebody holds.
#[derive(Debug)]
pub struct Held(Leases);

impl Held {
    /// Lets go.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn give_back(mut self) -> Result<(), Failed> {
        self.0.give_back().await
    }
}

/// A field that is text, empty where it is none.
fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
