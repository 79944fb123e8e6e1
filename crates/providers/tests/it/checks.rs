//! Suites against what runs, and edges asked one by one.

use std::collections::BTreeMap;

use promotion::model::{Place, Release};
use promotion::ports::{Checks as _, PortErrorKind, Verdict};
use providers::{Grounds, ItestChecks, SuiteFile};
use url::Url;

use crate::support::{Cloud, On, place, transport, until, within};

const SMOKE: &str = r#"
name = "smoke"
target = "api"
[[case]]
name = "answers"
[[case.step]]
request = "GET /"
expect.status = 200
"#;

const BROKEN: &str = r#"
name = "broken"
target = "api"
[[case]]
name = "is never there"
[[case.step]]
request = "GET /"
expect.status = 404
"#;

fn release(version: &str) -> Release {
    Release {
        version: version.to_owned(),
        commit: "0123456789abcdef".to_owned(),
        tree: None,
        components: BTreeMap::new(),
    }
}

fn checks(place: &Place, edges: Vec<Url>) -> ItestChecks {
    let suite = |name: &str, text: &str| {
        (name.parse().unwrap(), SuiteFile { file: format!("{name}.toml"), text: text.to_owned() })
    };
    let suites = BTreeMap::from([
        suite("smoke", SMOKE),
        suite("broken", BROKEN),
        suite("empty", "name = \"empty\"\ntarget = \"api\"\n"),
        suite("unreadable", "name = "),
    ]);
    let targets = edges.first().map(|edge| (place.component.clone(), edge.clone())).into_iter().collect();
    let grounds = Grounds { targets, edges: BTreeMap::from([(place.component.clone(), edges)]) };
    ItestChecks::new(suites, BTreeMap::from([(place.environment.clone(), grounds)]), transport())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_passes_fails_or_does_not_count() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        on.created("app/fra/0", &image, &[], true).await;
        let edges = cloud.edges("web").await;
        until(async || cloud.page(&edges[0]).await).await;
        let checks = checks(&on.place, edges);
        let run = async |suite: &str, version: &str| {
            checks.run(&on.place.environment, &release(version), &suite.parse().unwrap()).await
        };

        let smoke = run("smoke", "v1").await.unwrap();
        assert_eq!((smoke.verdict, smoke.passed, smoke.failed), (Verdict::Passed, 1, 0), "{smoke:?}");
        let broken = run("broken", "v1").await.unwrap();
        assert_eq!((broken.verdict, broken.passed, broken.failed), (Verdict::Failed, 0, 1), "{broken:?}");
        assert!(broken.why[0].contains("is never there") && broken.why[0].contains("404"), "{broken:?}");
        assert_ne!(broken.report, smoke.report);
        let other = run("smoke", "v2").await.unwrap();
        assert_eq!(other.verdict, Verdict::Failed, "the old build answers: {other:?}");
        assert!(other.why.iter().any(|why| why.contains("v1") && why.contains("v2")), "{other:?}");
        assert_ne!(run("empty", "v1").await.unwrap().verdict, Verdict::Passed, "zero tests never pass");
        let unreadable = run("unreadable", "v1").await.unwrap();
        assert_eq!(unreadable.verdict, Verdict::Failed);
        assert!(unreadable.why[0].contains("unreadable.toml:1"), "{unreadable:?}");
        let unknown = run("load", "v1").await.unwrap_err();
        assert!(unknown.kind == PortErrorKind::Refused && unknown.message.contains("`load`"), "{unknown:?}");

        // An environment whose address nobody knows proves nothing.
        let nowhere =
            checks.run(&"staging".parse().unwrap(), &release("v1"), &"smoke".parse().unwrap()).await;
        assert!(nowhere.is_ok_and(|report| report.verdict != Verdict::Passed));
        cloud.end().await;
    })
    .await;
}

/// A failure says what happened, not how little was counted.
#[tokio::test]
async fn a_target_that_is_not_there_is_named_with_the_reason() {
    let place = place("fly", "web");
    // Nobody listens where somebody did just now.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let checks = checks(&place, vec![format!("http://{nobody}/").parse().unwrap()]);
    let report = checks.run(&place.environment, &release("v1"), &"smoke".parse().unwrap()).await.unwrap();
    assert_ne!(report.verdict, Verdict::Passed);
    assert_eq!(report.passed, 0);
    let why = report.why.join("\n");
    assert!(why.contains(&nobody.to_string()) || why.contains("`api`"), "where: {report:?}");
    assert!(why.contains("connection refused"), "why: {report:?}");
    assert!(report.line().contains("connection refused"), "{}", report.line());
}

/// A service that says who it is and cuts every other request: the case errs before it can judge anything.
fn cutting() -> Url {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let n = stream.read(&mut request).unwrap_or_default();
            if request[..n].starts_with(b"GET /.well-known/environment") {
                let body = r#"{"environment":"production","version":"v1","commit":"0123456789abcdef"}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}",
                    body.len()
                );
                let _ = write!(stream, "{head}\r\n\r\n{body}");
            }
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_errs_says_why() {
    let place = place("fly", "web");
    let checks = checks(&place, vec![cutting()]);
    let report = checks.run(&place.environment, &release("v1"), &"smoke".parse().unwrap()).await.unwrap();
    assert_ne!(report.verdict, Verdict::Passed, "{report:?}");
    assert!(report.why.iter().any(|why| why.starts_with("answers: ") && why.len() > 12), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edge_says_which_machine_answers() {
    within(async {
        let (cloud, image) = Cloud::with_web().await;
        let fly = cloud.fly();
        let on = On { deployer: &fly, place: place("fly", "web") };
        let one = on.created("app/fra/0", &image, &[], true).await.id;
        let two = on.created("app/fra/1", &image, &[], true).await.id;
        let mut edges = cloud.edges("web").await;
        edges.push("http://127.0.0.1:9/".parse().unwrap());
        let checks = checks(&on.place, edges.clone());
        assert_eq!(checks.edges(&on.place), edges.iter().map(Url::to_string).collect());
        let silent = edges[2].to_string();
        let pairs = until(async || {
            let answers = checks.ask_edges(&on.place).await;
            assert!(answers.iter().all(|answer| answer.edge != silent), "nothing listens there: {answers:?}");
            let pairs: std::collections::BTreeSet<_> =
                answers.into_iter().map(|answer| (answer.edge, answer.unit.unwrap())).collect();
            (pairs.len() == 4).then_some(pairs)
        })
        .await;
        for edge in &edges[..2] {
            for unit in [&one, &two] {
                assert!(pairs.contains(&(edge.to_string(), unit.clone())), "{pairs:?}");
            }
        }
        let unknown = Place { environment: "staging".parse().unwrap(), ..place("fly", "web") };
        assert_eq!((checks.edges(&unknown).len(), checks.ask_edges(&unknown).await.len()), (0, 0));
        cloud.end().await;
    })
    .await;
}
