//! `fly deploy --strategy bluegreen` (fly.md 2.5).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Deploy, Failed, Flyctl, config, leases::Leases, text};
use crate::{clock, ids};

impl Flyctl {
    /// `fly deploy --strategy bluegreen`: greens without traffic, healthy, into traffic; blues tagged, out of traffic,
    /// stopped and destroyed. A failure before the switch destroys the greens; after it both fleets stay.
    ///
    /// # Errors
    /// When the blues are mixed or without checks, a call is refused or a machine does not come up.
    pub async fn deploy_bluegreen(&self, deploy: &Deploy) -> Result<(), Failed> {
        self.api.call("GET", &format!("/v1/apps/{}", deploy.app), None, None).await?;
        let blues = self.managed(&deploy.app).await?;
        if blues.is_empty() {
            return self.deploy_first(deploy).await.map(drop);
        }
        let images: BTreeSet<String> = blues.iter().map(|blue| text(&blue["image_ref"], "digest")).collect();
        if images.len() > 1 {
            return Err(Failed::Unfit(format!(
                "found multiple image versions deployed on your app: {images:?}"
            )));
        }
        let release = config::next_release(&blues);
        let ids: Vec<String> = blues.iter().map(|blue| text(blue, "id")).collect();
        let mut leases = Leases::take(&self.api, &deploy.app, &ids, self.lease_patience).await?;
        let came = self.turn(deploy, release, &blues, &mut leases).await;
        leases.give_back().await?;
        came
    }

    async fn turn(
        &self,
        deploy: &Deploy,
        release: u64,
        blues: &[Value],
        leases: &mut Leases,
    ) -> Result<(), Failed> {
        let app = &deploy.app;
        let mut greens = Vec::new();
        if let Err(failed) = self.greens(deploy, release, blues, &mut greens, leases).await {
            for green in &greens {
                let path = format!("/v1/apps/{app}/machines/{}?kill=true", text(green, "id"));
                self.api.call("DELETE", &path, None, None).await?;
            }
            return Err(failed);
        }
        for green in &greens {
            let path = format!("/v1/apps/{app}/machines/{}/uncordon", text(green, "id"));
            self.api.call("POST", &path, None, None).await?;
        }
        let tag = json!({"value": "safe_to_destroy"});
        for blue in blues {
            let path =
                format!("/v1/apps/{app}/machines/{}/metadata/fly_bluegreen_deployment_tag", text(blue, "id"));
            self.api.call("POST", &path, None, Some(&tag)).await?;
        }
        tokio::time::sleep(self.pause).await;
        for blue in blues {
            leases.keep().await?;
            let id = text(blue, "id");
            let path = format!("/v1/apps/{app}/machines/{id}/cordon");
            self.api.call("POST", &path, leases.nonce(&id), None).await?;
        }
        tokio::time::sleep(self.pause).await;
        for blue in blues {
            let id = text(blue, "id");
            let path = format!("/v1/apps/{app}/machines/{id}");
            self.api
                .call("POST", &format!("{path}/stop"), leases.nonce(&id), Some(&json!({"id": id})))
                .await?;
            self.state(app, blue, "stopped", leases).await?;
            match self.api.call("DELETE", &format!("{path}?kill=true"), leases.nonce(&id), None).await {
                Ok(_) | Err(Failed::Refused { status: 404, .. }) => leases.forget(&id),
                Err(failed) => return Err(failed),
            }
        }
        Ok(())
    }

    /// A green for every blue, made from a clone of its configuration: unknown metadata come along. Blues at rest give
    /// greens at rest, but one is started where there are checks.
    async fn greens(
        &self,
        deploy: &Deploy,
        release: u64,
        blues: &[Value],
        greens: &mut Vec<Value>,
        leases: &mut Leases,
    ) -> Result<(), Failed> {
        let tag = clock::now_s().to_string();
        let none_runs = !blues.iter().any(config::is_launched);
        for (n, blue) in blues.iter().enumerate() {
            leases.keep().await?;
            let mut config = config::updated(&blue["config"], deploy, release);
            config["metadata"]["fly_bluegreen_deployment_tag"] = Value::from(tag.clone());
            config["metadata"]["fly_flyctl_bluegreen_launch_id"] = Value::from(ids::ulid());
            if !config::has_checks(&config) {
                return Err(Failed::Unfit("bluegreen needs a health check".to_owned()));
            }
            let launch = config::is_launched(blue) || (none_runs && n == 0);
            let body = json!({
                "config": config, "region": blue["region"], "skip_launch": !launch,
                "skip_service_registration": true,
            });
            greens.push(self.create(&deploy.app, &body).await?);
            if launch {
                let green = &greens[n];
                self.up(&deploy.app, green, leases).await?;
            }
        }
        Ok(())
    }
}
