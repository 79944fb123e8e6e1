//! The Machines API: retries, `Retry-After`, and what is known after a connection was cut.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use flyclient::{
    Delivery,
    fly::{
        ErrorKind, Wait,
        wire::{CreateMachine, UpdateMachine, WaitFor, WaitMachine},
    },
};
use flytypes::MachineId;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, header, headers, method, path, query_param},
};

use crate::support::{TOKEN, bounded, client, cutting, machine, machines};

const MACHINE: &str = "/v1/apps/runner/machines/3287457df24987";

fn id() -> MachineId {
    "3287457df24987".parse().unwrap()
}

#[tokio::test]
async fn a_request_arrives_as_it_was_meant() {
    bounded(async {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .and(path(MACHINE))
            // the matcher splits at commas, which a set of tokens has
            .and(headers("authorization", format!("FlyV1 {TOKEN}").split(',').collect()))
            .and(header("fly-machine-lease-nonce", "nonce1"))
            .and(body_json(serde_json::json!({"config": {}, "skip_launch": true})))
            .respond_with(ResponseTemplate::new(200).set_body_json(machine()))
            .expect(1)
            .mount(&server)
            .await;
        let spec = UpdateMachine { skip_launch: true, ..UpdateMachine::default() };
        let updated = machines(&server.uri()).update(&id(), &spec, Some("nonce1")).await.unwrap();
        assert_eq!(updated.id, id());
        server.verify().await;
    })
    .await;
}

#[tokio::test]
async fn a_429_is_followed_by_another_try_after_the_wait_that_was_asked_for() {
    bounded(async {
        let server = MockServer::start().await;
        Mock::given(method("POST"))
            .respond_with(
                ResponseTemplate::new(429)
                    .insert_header("retry-after", "1")
                    .set_body_string("resource_exhausted: rate limit exceeded"),
            )
            .up_to_n_times(1)
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(200).set_body_json(machine()))
            .expect(1)
            .mount(&server)
            .await;
        let policy = flyclient::retry::RetryPolicy {
            delay_min: Duration::from_millis(1),
            ..flyclient::retry::RetryPolicy::new(1)
        };
        let machines = client(&server.uri()).with_retry(policy).app(&"runner".parse().unwrap()).machines();
        #[expect(clippy::disallowed_methods, reason = "measures that real time passes")]
        let start = Instant::now();
        machines.create(&CreateMachine::default()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(1));
        server.verify().await;
    })
    .await;
}

#[tokio::test]
async fn a_lasting_429_says_what_the_server_asked_for() {
    bounded(async {
        let server = MockServer::start().await;
        let slow = ResponseTemplate::new(429)
            .insert_header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
            .insert_header("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT");
        Mock::given(method("GET")).respond_with(slow).expect(3).mount(&server).await;
        let error = machines(&server.uri()).get(&id()).await.unwrap_err();
        let retry_after = Some(Duration::from_secs(10));
        assert_eq!((error.kind(), error.attempts()), (&ErrorKind::RateLimited { retry_after }, 3));
        assert_eq!(error.delivery(), Delivery::Refused);
        server.verify().await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_cut_after_sending_leaves_a_change_in_doubt() {
    bounded(async {
        let (address, _server, connections) = cutting(b"").await;
        let machines = machines(&format!("http://{address}"));
        let error = machines.create(&CreateMachine::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (&ErrorKind::Transport, Delivery::Unknown));
        assert_eq!((error.attempts(), connections.load(Ordering::SeqCst)), (1, 1));
        assert!(error.is_transient());
        let error = machines.get(&id()).await.unwrap_err();
        assert_eq!((error.attempts(), connections.load(Ordering::SeqCst)), (3, 4));
    })
    .await;
}

#[tokio::test]
async fn an_answer_cut_in_its_body_tells_that_a_change_took_effect() {
    bounded(async {
        let (address, _server, _) = cutting(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":").await;
        let error =
            machines(&format!("http://{address}")).create(&CreateMachine::default()).await.unwrap_err();
        assert_eq!((error.delivery(), error.attempts()), (Delivery::Applied, 1));
    })
    .await;
}

#[tokio::test]
async fn nobody_there_means_not_sent() {
    bounded(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error =
            machines(&format!("http://{address}")).create(&CreateMachine::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (&ErrorKind::Transport, Delivery::NotSent));
        assert_eq!(error.attempts(), 3);
        assert!(std::error::Error::source(&error).is_some());
        // RFC 6761, section 6.3: a resolver answers names under `localhost` with loopback, or not at all.
        let error = machines("http://nobody.localhost:1").get(&id()).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent);
    })
    .await;
}

#[tokio::test]
async fn not_yet_is_a_value_of_wait_only() {
    bounded(async {
        let server = MockServer::start().await;
        let body = serde_json::json!({"error": "timeout reached, currently starting"});
        Mock::given(method("GET"))
            .and(path(format!("{MACHINE}/wait")))
            .and(query_param("state", "started"))
            .and(query_param("timeout", "60"))
            .and(query_param("version", "01H"))
            .respond_with(ResponseTemplate::new(408).set_body_json(&body))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(408).set_body_json(&body))
            .expect(1)
            .mount(&server)
            .await;
        let machines = machines(&server.uri());
        let version = Some("01H".parse().unwrap());
        let wait = WaitMachine { state: WaitFor::Started, version, timeout: Duration::from_secs(600) };
        let outcome = machines.wait(&id(), &wait).await.unwrap();
        assert!(matches!(outcome, Wait::NotYet { detail } if detail.contains("currently starting")));
        let error = machines.create(&CreateMachine::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (&ErrorKind::Timeout, Delivery::Unknown));
        server.verify().await;
    })
    .await;
}

#[tokio::test]
async fn a_proxys_page_is_quoted_in_short() {
    bounded(async {
        let server = MockServer::start().await;
        let page = format!("<html>\n<h1>502</h1>{}</html>", "x".repeat(10_000));
        let answer =
            ResponseTemplate::new(502).set_body_string(page).insert_header("fly-request-id", "01REQ");
        Mock::given(method("POST")).respond_with(answer).expect(1).mount(&server).await;
        let error = machines(&server.uri()).create(&CreateMachine::default()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("<html> <h1>502</h1>xxx") && text.contains("request 01REQ"), "{text}");
        assert!(text.len() < 500, "{}", text.len());
    })
    .await;
}
