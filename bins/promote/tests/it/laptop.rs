//! A team's own project on a laptop, as `localcloud env` sets it up.

use crate::support::{Project, STAGING, Stage, ended, within};

/// The file says what it says for Fly.io, where an app is at `APP.fly.dev`; the stand-in's edges come from outside.
#[tokio::test]
async fn apps_without_an_address_are_met_at_the_stand_ins_edges() {
    within(async {
        let stage = Stage::new(Project::default()).await;
        let edges = stage.forget_addresses().await;
        let image = stage.push("1.0.0").await;
        let key = stage.key("developer");
        let args = ["deploy", "--env", "staging", "--image", &image, "--bootstrap", "--key", &key, "--json"];
        let mut command = stage.command(&args);
        ended(command.env("LOCALCLOUD_EDGES", edges).spawn().unwrap()).await.exits(0);
        assert_eq!(stage.machines(STAGING).await.len(), 2);
        stage.end().await;
    })
    .await;
}
