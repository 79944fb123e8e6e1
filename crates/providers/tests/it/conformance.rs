//! Every port's conformance suite against the adapters, over what they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flytypes::ImageRef;
use promotion::conformance::{
    self, DeployerFixture, RegistryFixture, approvals, attestor, deployer, notifier, registry,
};
use promotion::machine::Phase;
use promotion::model::{
    At, Claim, Class, Decision, Millis, PromotionId, Proof, Release, Statement, canonical,
};
use promotion::ports::{Notice, Registry as _, Watch};
use providers::ssh::{self, AllowedSigners, SshApprovals, SshAttestor};
use providers::{
    Grounds, ItestChecks, OsRandomness, Registries, SuiteFile, SystemClock, TerminalNotices, UuidIds,
};
use serde_json::json;

use crate::support::{Cloud, OURS, On, THEIRS, config, place, spec, transport, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_of_fly_conform() {
    within(async {
        let cloud = Cloud::start().await;
        cloud.app("web").await;
        let images = [cloud.image("web", "v1").await, cloud.image("web", "v2").await];
        let wanted = spec(&images[0]);
        let fixture = DeployerFixture {
            place: place("fly", "web"),
            missing: Some(place("fly", "elsewhere")),
            images,
            group: wanted.group,
            region: wanted.region,
            config: (*wanted.config).clone(),
            proof: Proof::Checks(providers::fly::expected_checks(&config())),
            patience: Millis::secs(60),
            has_leases: true,
            has_cordons: true,
            has_room: true,
        };
        deployer(&cloud.fly(), &fixture, &SystemClock).await;
        cloud.end().await;
    })
    .await;
}

/// Whether machines report the digest of an index or that of the platform's manifest in it is not established (fly.md 5), so
/// both are tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_of_an_index_conform_whatever_digest_they_report() {
    within(async {
        for platform_digest in [false, true] {
            let cloud = Cloud::start_with(|options| options.quirks.platform_digest = platform_digest).await;
            cloud.app("web").await;
            let (one, two) = (cloud.index("web", "v1").await.0, cloud.index("web", "v2").await.0);
            let wanted = spec(&one);
            let fixture = DeployerFixture {
                place: place("fly", "web"),
                missing: Some(place("fly", "elsewhere")),
                images: [one, two],
                group: wanted.group,
                region: wanted.region,
                config: (*wanted.config).clone(),
                proof: Proof::Checks(providers::fly::expected_checks(&config())),
                patience: Millis::secs(60),
                has_leases: true,
                has_cordons: true,
                has_room: true,
            };
            deployer(&cloud.fly().with_images(cloud.registry(OURS)), &fixture, &SystemClock).await;
            cloud.end().await;
        }
    })
    .await;
}

/// A site is the one unit of its place, it has no switch for traffic and no lease, and a place is made by the first
/// publication, so none is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_site_conforms() {
    within(async {
        let cloud = Cloud::start().await;
        let fixture = DeployerFixture {
            place: place("static", "page"),
            missing: None,
            images: [cloud.bundle("page", "one").await, cloud.bundle("page", "two").await],
            group: "site".parse().unwrap(),
            region: "everywhere".parse().unwrap(),
            config: json!({"api": "https://api.example"}),
            proof: Proof::Served,
            patience: Millis::secs(60),
            has_leases: false,
            has_cordons: false,
            has_room: false,
        };
        deployer(&cloud.sites(), &fixture, &SystemClock).await;
        cloud.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_of_two_organisations_conform() {
    within(async {
        let cloud = Cloud::start().await;
        let image = cloud.image("staging-web", "v1").await;
        let registries = Registries::default()
            .with("staging".parse().unwrap(), cloud.registry(OURS))
            .with("production".parse().unwrap(), cloud.registry(THEIRS));
        let nowhere = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let copy: ImageRef = format!("{}/production-web", cloud.registry_host()).parse().unwrap();
        // Staging sees its own image.
        let here = RegistryFixture {
            environment: "staging".parse().unwrap(),
            image: image.clone(),
            missing: Some(image.pinned(nowhere)),
            copy: Some(format!("{}/another-web", cloud.registry_host()).parse::<ImageRef>().unwrap())
                .map(|to| to.pinned(image.digest().unwrap().clone())),
        };
        registry(&registries, &here).await;
        // Production sees its copy, and copies on from it.
        let copy = copy.pinned(image.digest().unwrap().clone());
        let production = "production".parse().unwrap();
        let nobody: Watch = Arc::new(|_| ());
        registries.ensure_copy(&production, &image, &copy, nobody).await.unwrap();
        let again: ImageRef = format!("{}/production-again", cloud.registry_host()).parse().unwrap();
        let there = RegistryFixture {
            environment: production,
            missing: None,
            copy: Some(again.pinned(copy.digest().unwrap().clone())),
            image: copy,
        };
        registry(&registries, &there).await;
        cloud.end().await;
    })
    .await;
}

const SMOKE: &str = r#"
name = "smoke"
target = "api"
[[case]]
name = "answers"
[[case.step]]
request = "GET /"
expect.status = 200
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suites_of_itest_conform() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let (fly, place) = (cloud.fly(), place("fly", "web"));
        let on = On { deployer: &fly, place: place.clone() };
        on.created("app/fra/0", &image, &[], true).await;
        let edges = cloud.edges("web").await;
        for edge in &edges {
            until(async || cloud.page(edge).await).await;
        }
        let smoke = SuiteFile { file: "smoke.toml".to_owned(), text: SMOKE.to_owned() };
        let grounds = Grounds {
            targets: BTreeMap::from([(place.component.clone(), edges[0].clone())]),
            edges: BTreeMap::from([(place.component.clone(), edges)]),
        };
        let checks = ItestChecks::new(
            BTreeMap::from([("smoke".parse().unwrap(), smoke)]),
            BTreeMap::from([(place.environment.clone(), grounds)]),
            transport(),
        );
        let release = Release {
            version: "v1".to_owned(),
            commit: "0123456789abcdef".to_owned(),
            tree: None,
            components: BTreeMap::new(),
        };
        let smoke = "smoke".parse().unwrap();
        conformance::checks(&checks, &place.environment, &release, &smoke, &place).await;
        cloud.end().await;
    })
    .await;
}

/// A key of its own, and who may sign with it.
fn signer() -> (tempfile::TempDir, ssh_key::PrivateKey, AllowedSigners) {
    let dir = tempfile::tempdir().unwrap();
    let key = ssh::read_or_make_key(&dir.path().join("key")).unwrap();
    let line = format!("lead {}\n", ssh::public_line(&key));
    let allowed = AllowedSigners::parse("allowed_signers", &line).unwrap();
    (dir, key, allowed)
}

#[tokio::test]
async fn approvals_by_ssh_conform() {
    let (dir, key, allowed) = signer();
    let (promotion, plan): (PromotionId, _) = ("p-1".parse().unwrap(), canonical::hash("a plan", ""));
    for decision in [Decision::Approve, Decision::Reject] {
        let text = Claim::statement(&promotion, &plan, decision);
        let proof = ssh::sign_with_file(&dir.path().join("key"), ssh::APPROVAL_NAMESPACE, &text).unwrap();
        let claim = Claim { promotion: promotion.clone(), plan: plan.clone(), decision, proof };
        approvals(&SshApprovals::new(allowed.clone()), &claim, &ssh::person(key.public_key())).await;
    }
}

#[tokio::test]
async fn evidence_by_ssh_conforms() {
    let (_dir, key, allowed) = signer();
    let statement = Statement {
        release: canonical::hash("a release", ""),
        config: canonical::hash("a configuration", ""),
        suite: "smoke".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        class: Class::Staging,
        deployment: "p-1".parse().unwrap(),
        report: canonical::hash("a report", ""),
        at: At(1_800_000_000_000),
        components: std::collections::BTreeMap::new(),
        suite_file: None,
        base_data: std::collections::BTreeMap::new(),
        scan: None,
    };
    attestor(&SshAttestor::new(key, allowed), &statement).await;
}

/// What was written, to be read back.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn notices_on_a_terminal_conform() {
    let page = Page::default();
    let notice = Notice {
        id: "p-1/1/0".to_owned(),
        promotion: "p-1".parse().unwrap(),
        environment: "production".parse().unwrap(),
        phase: Phase::Succeeded,
        plan: None,
        urgent: false,
        text: "it runs".to_owned(),
    };
    notifier(&TerminalNotices::new(Box::new(page.clone())), &notice).await;
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("it runs")).count(), 3, "each is told: {text}");
}

#[tokio::test]
async fn time_ids_and_chance_of_the_real_world_conform() {
    conformance::clock(&SystemClock).await;
    conformance::ids(&UuidIds::default());
    conformance::randomness(&OsRandomness);
}
