//! Redirects: followed within the origin, and never with the token beyond it.

use flyclient::{
    Delivery,
    fly::{ErrorKind, wire::CreateMachine},
};
use flytypes::MachineId;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header_exists, method, path},
};

use crate::support::{bounded, machine, machines};

const MACHINE: &str = "/v1/apps/runner/machines/3287457df24987";

fn id() -> MachineId {
    "3287457df24987".parse().unwrap()
}

async fn redirecting(from: &str, status: u16, to: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path(from))
        .respond_with(ResponseTemplate::new(status).insert_header("location", to))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn within_the_origin_the_token_goes_along() {
    bounded(async {
        let server = redirecting(MACHINE, 307, "/moved").await;
        Mock::given(method("GET"))
            .and(path("/moved"))
            .and(header_exists("authorization"))
            .respond_with(ResponseTemplate::new(200).set_body_json(machine()))
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(machines(&server.uri()).get(&id()).await.unwrap().id, id());
        server.verify().await;
    })
    .await;
}

#[tokio::test]
async fn another_origin_is_not_even_asked() {
    bounded(async {
        for status in [301, 302, 303, 307, 308] {
            // another port of the same host is another origin (RFC 6454, section 4)
            let foreign = MockServer::start().await;
            Mock::given(path(MACHINE))
                .respond_with(ResponseTemplate::new(200).set_body_json(machine()))
                .expect(0)
                .mount(&foreign)
                .await;
            let server = redirecting(MACHINE, status, &format!("{}{MACHINE}", foreign.uri())).await;
            let error = machines(&server.uri()).get(&id()).await.unwrap_err();
            assert_eq!((error.kind(), error.delivery()), (&ErrorKind::Configuration, Delivery::Refused));
            assert!(error.to_string().contains("where the token is not sent"), "{error}");
            assert!(!error.to_string().contains("hidden"), "{error}");
            assert!(foreign.received_requests().await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_is_sent_on_only_with_its_method_and_body() {
    bounded(async {
        let server = redirecting("/v1/apps/runner/machines", 308, "/moved").await;
        Mock::given(method("POST"))
            .and(path("/moved"))
            .respond_with(ResponseTemplate::new(200).set_body_json(machine()))
            .expect(1)
            .mount(&server)
            .await;
        machines(&server.uri()).create(&CreateMachine::default()).await.unwrap();
        server.verify().await;
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests[0].body, requests[1].body);

        let server = redirecting("/v1/apps/runner/machines", 302, "/moved").await;
        let error = machines(&server.uri()).create(&CreateMachine::default()).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::Refused);
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    bounded(async {
        let server = redirecting(MACHINE, 302, MACHINE).await;
        let error = machines(&server.uri()).get(&id()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Configuration);
        assert!(server.received_requests().await.unwrap().len() < 10);
    })
    .await;
}
