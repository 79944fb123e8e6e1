//! The server dies, machines live: adoption, and nothing twice.

use std::{
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use localcloud::{Localcloud, StartError};
use serde_json::json;

use crate::support::{Client, Dir, Server, http, lines, options, programs_of, within};

/// A server in a process of its own.
pub(crate) struct Killable(Child);

impl Killable {
    pub(crate) async fn start(dir: &Path) -> (Self, Client) {
        let ready = dir.join("ready");
        let _ = std::fs::remove_file(&ready);
        let child = Self(Command::new(env!("CARGO_BIN_EXE_localcloud-fixture")).arg(dir).spawn().unwrap());
        loop {
            let text = std::fs::read_to_string(&ready).unwrap_or_default();
            if let Some((api, registry)) = text.split_once('\n').filter(|(_, r)| !r.is_empty()) {
                let token = String::from("tok-a");
                return (child, Client { api: api.to_owned(), registry: registry.to_owned(), token });
            }
            if let Ok(error) = std::fs::read_to_string(dir.join("error")) {
                panic!("the server did not start: {error}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many processes run the machine's program.
fn programs(id: &str) -> usize {
    programs_of(&[id.to_owned()]).len()
}

fn kill_program(id: &str) {
    for pid in programs_of(&[id.to_owned()]) {
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    }
}

/// Ends the machines that a killed server left behind.
pub(crate) async fn clean_up(dir: &Path) {
    Localcloud::start(options(dir)).await.unwrap().down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_finds_its_machines_again() {
    within(async {
        let dir = Dir::new();
        let (server, c) = Killable::start(dir.path()).await;
        c.app("web").await;
        c.push("web", "v1", &[]).await;
        let id = c.started("web", json!({"config": c.config("web:v1")})).await;
        let mortal = c.started("web", json!({"config": c.config("web:v1"), "region": "ams"})).await;
        c.post(&format!("/v1/apps/web/machines/{id}/lease?ttl=600"), json!({})).await;
        c.until_edges("web", |a| a.status == 200).await;
        let (before, edges) = (c.machine("web", &id).await, c.edges("web").await);
        server.kill();
        assert_eq!(programs(&id), 1, "the machine lives on");
        kill_program(&mortal);
        let (server, again) = Killable::start(dir.path()).await;
        assert_eq!((&again.api, &again.registry), (&c.api, &c.registry), "same ports");
        assert_eq!(again.edges("web").await, edges);
        let after = again.machine("web", &id).await;
        assert_eq!(after["state"], "started");
        assert_eq!(after["events"], before["events"], "nothing happened to it");
        assert_eq!(
            again.call("POST", &format!("/v1/apps/web/machines/{id}/cordon"), None).await.status,
            409,
            "leases too"
        );
        // The other one's program died meanwhile: its policy starts it again.
        again
            .until("web", &mortal, |m| {
                let exited = m["events"].as_array().unwrap().iter().any(|e| e["type"] == "exit");
                exited && m["state"] == "started"
            })
            .await;
        assert_eq!((programs(&id), programs(&mortal)), (1, 1));
        let answer = http("GET", &edges[0], &[], "").await.unwrap();
        assert_eq!(lines(&answer.text())["FLY_MACHINE_ID"], id);
        server.kill();
        clean_up(dir.path()).await;
        assert_eq!((programs(&id), programs(&mortal)), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_of_a_start_nothing_runs_twice() {
    within(async {
        let dir = Dir::new();
        let (mut server, c) = Killable::start(dir.path()).await;
        c.app("web").await;
        c.push("web", "v1", &[]).await;
        let mut ids = Vec::new();
        for wait_ms in [0, 2, 5, 9, 14, 20, 30] {
            let body = json!({"config": c.config("web:v1"), "name": format!("m{wait_ms}")});
            let machine = c.post("/v1/apps/web/machines", body).await;
            ids.push(machine["id"].as_str().unwrap().to_owned());
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            server.kill();
            (server, _) = Killable::start(dir.path()).await;
        }
        for id in &ids {
            c.until("web", id, |m| m["state"] == "started" && m["checks"][0]["status"] == "passing").await;
            assert_eq!(programs(id), 1, "{id}");
            let machine = c.machine("web", id).await;
            let exits = machine["events"].as_array().unwrap().iter().filter(|e| e["type"] == "exit").count();
            assert_eq!(exits, 0, "no start failed because another one was there: {machine}");
        }
        server.kill();
        clean_up(dir.path()).await;
        assert!(ids.iter().all(|id| programs(id) == 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_per_directory_and_shutdown_leaves_machines() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        s.push("web", "v1", &[]).await;
        let id = s.started("web", json!({"config": s.config("web:v1")})).await;
        let second = Localcloud::start(options(s.dir.path())).await.unwrap_err();
        assert!(matches!(second, StartError::InUse { .. }));
        assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
        let Server { client, dir, handle } = s;
        handle.shutdown().await;
        assert_eq!(programs(&id), 1);
        let s = Server::start_on(dir, |_| {}).await;
        assert_eq!(s.api, client.api);
        assert_eq!(s.machine("web", &id).await["state"], "started");
        s.post(&format!("/v1/apps/web/machines/{id}/stop"), json!({})).await;
        s.get(&format!("/v1/apps/web/machines/{id}/wait?state=stopped&timeout=30")).await;
        assert_eq!(programs(&id), 0);
        s.end().await;
    })
    .await;
}
