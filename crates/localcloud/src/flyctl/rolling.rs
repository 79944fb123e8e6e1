//! `fly deploy --strategy rolling`, flyctl's default (fly.md 2.5).

use serde_json::{Value, json};

use super::{Deploy, Failed, Flyctl, config, leases::Leases, text};

impl Flyctl {
    /// `fly deploy`: leases on all machines first; those at rest are updated and stay at rest; of the others the first
    /// goes alone. The first failure ends it, and what was updated by then stays on the new image.
    ///
    /// # Errors
    /// When a lease cannot be had, a call is refused or a machine does not come up.
    pub async fn deploy_rolling(&self, deploy: &Deploy) -> Result<(), Failed> {
        self.api.call("GET", &format!("/v1/apps/{}", deploy.app), None, None).await?;
        let machines = self.managed(&deploy.app).await?;
        if machines.is_empty() {
            return self.deploy_first(deploy).await.map(drop);
        }
        let release = config::next_release(&machines);
        let ids: Vec<String> = machines.iter().map(|machine| text(machine, "id")).collect();
        let mut leases = Leases::take(&self.api, &deploy.app, &ids, self.lease_patience).await?;
        let came = self.roll(deploy, release, &machines, &mut leases).await;
        leases.give_back().await?;
        came
    }

    async fn roll(
        &self,
        deploy: &Deploy,
        release: u64,
        machines: &[Value],
        leases: &mut Leases,
    ) -> Result<(), Failed> {
        let (running, resting): (Vec<&Value>, Vec<&Value>) =
            machines.iter().partition(|machine| config::is_launched(machine));
        for machine in resting {
            self.update(deploy, release, machine, leases).await?;
        }
        // `max_unavailable` 0.33 of up to three machines is one at a time.
        for machine in running {
            let updated = self.update(deploy, release, machine, leases).await?;
            self.up(&deploy.app, &updated, leases).await?;
        }
        Ok(())
    }

    /// flyctl sends no `current_version`: it relies on its lease (fly.md 1.4).
    async fn update(
        &self,
        deploy: &Deploy,
        release: u64,
        machine: &Value,
        leases: &mut Leases,
    ) -> Result<Value, Failed> {
        leases.keep().await?;
        let id = text(machine, "id");
        let body = json!({
            "config": config::updated(&machine["config"], deploy, release), "region": machine["region"],
            "skip_launch": !config::is_launched(machine), "skip_service_registration": false,
        });
        let path = format!("/v1/apps/{}/machines/{id}", deploy.app);
        self.api.call("POST", &path, leases.nonce(&id), Some(&body)).await
    }
}
