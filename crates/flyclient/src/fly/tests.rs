use std::{sync::Arc, time::Duration};

use flytypes::{AppName, MachineId};
use serde_json::{Value, json};

use super::{
    wire::{CreateMachine, ListMachines, NewLease, StopMachine, UpdateMachine, WaitFor, WaitMachine},
    *,
};
use crate::{
    Base, Delivery, Token,
    limits::Rates,
    retry::RetryPolicy,
    testing::{ManualClock, Script},
    transport::Reason,
};

const TOKEN: &str = "fm2_hiddenpermission,fm2_hiddendischarge";

fn app() -> AppName {
    "runner".parse().unwrap()
}

fn id() -> MachineId {
    "3287457df24987".parse().unwrap()
}

fn client(script: Script) -> (Client, Arc<Script>, Arc<ManualClock>) {
    let (script, clock) = (Arc::new(script), Arc::new(ManualClock::new()));
    let base: Base = "https://api.machines.dev".parse().unwrap();
    let token: Token = TOKEN.parse().unwrap();
    let client = Client::new(base, token, script.clone())
        .with_clock(clock.clone())
        .with_retry(RetryPolicy::new(1))
        .with_rates(Rates::unlimited());
    (client, script, clock)
}

fn machine(id: &str) -> Value {
    json!({"id": id, "name": "n", "state": "started", "region": "fra", "instance_id": "01H"})
}

async fn update(script: Script) -> (Result<flytypes::wire::Machine, Error>, Arc<Script>) {
    let (client, script, _) = client(script);
    let result = client.app(&app()).machines().update(&id(), &UpdateMachine::default(), Some("n")).await;
    (result, script)
}

async fn get(script: Script) -> (Result<flytypes::wire::Machine, Error>, Arc<Script>) {
    let (client, script, _) = client(script);
    (client.app(&app()).machines().get(&id()).await, script)
}

#[tokio::test]
async fn a_call_carries_token_type_and_nonce() {
    let (result, script) = update(Script::new().then(200, machine("3287457df24987").to_string())).await;
    assert_eq!(result.unwrap().instance_id.unwrap().as_str(), "01H");
    let seen = &script.seen()[0];
    assert_eq!(seen.url.as_str(), "https://api.machines.dev/v1/apps/runner/machines/3287457df24987");
    assert_eq!(seen.headers["authorization"], format!("FlyV1 {TOKEN}"));
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["fly-machine-lease-nonce"], "n");
    assert_eq!(seen.body, "{\"config\":{}}");
}

#[tokio::test]
async fn each_status_is_an_error_by_what_the_caller_can_do() {
    let invalid = |message: &str| ErrorKind::Invalid { message: message.to_owned() };
    let limited = |retry_after| ErrorKind::RateLimited { retry_after };
    for (status, body, kind, delivery, transient) in [
        (400, r#"{"error":"bad config"}"#, invalid("bad config"), Delivery::Refused, false),
        (401, "{}", ErrorKind::Unauthenticated, Delivery::Refused, false),
        (403, "", ErrorKind::Forbidden, Delivery::Refused, false),
        (404, "Could not find App", ErrorKind::NotFound, Delivery::Refused, false),
        (408, "", ErrorKind::Timeout, Delivery::Unknown, true),
        (409, r#"{"status":"error","message":"held by x"}"#, ErrorKind::Conflict, Delivery::Refused, false),
        (412, r#"{"error":"currently replaced"}"#, ErrorKind::Precondition, Delivery::Refused, false),
        (422, r#"{"error":"no","status":"unknown"}"#, invalid("no"), Delivery::Refused, false),
        (422, r#"{"error":"taken","status":"name_taken"}"#, ErrorKind::NameTaken, Delivery::Refused, false),
        (
            422,
            r#"{"error":"x","status":"insufficient_capacity"}"#,
            ErrorKind::Capacity,
            Delivery::Refused,
            false,
        ),
        (
            412,
            r#"{"error":"could not reserve resource for machine: x"}"#,
            ErrorKind::Capacity,
            Delivery::Refused,
            false,
        ),
        (429, "rate limit exceeded", limited(None), Delivery::Refused, true),
        (500, "", ErrorKind::Unavailable, Delivery::Unknown, true),
        (502, "<html>bad gateway</html>", ErrorKind::Unavailable, Delivery::Unknown, true),
        (504, "", ErrorKind::Timeout, Delivery::Unknown, true),
    ] {
        let (client, _, _) = client(Script::new().then(status, body));
        let client = client.with_retry(RetryPolicy::never());
        let error =
            client.app(&app()).machines().update(&id(), &UpdateMachine::default(), None).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery(), error.is_transient(), error.status()),
            (&kind, delivery, transient, Some(status)),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn an_error_says_what_where_why_and_which_request() {
    let body =
        json!({"error": "machine ID 3287457df24987 lease currently held by a@b until noon"}).to_string();
    let script = Script::new().then_with(409, &[("fly-request-id", "01REQ-fra")], body);
    let error = update(script).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "update machine 3287457df24987 of app runner: leased or changed by somebody else (status 409): machine ID \
         3287457df24987 lease currently held by a@b until noon; nothing was changed; request 01REQ-fra"
    );
    assert_eq!((error.operation(), error.attempts()), ("update machine", 1));
    let (asking, _, _) = client(Script::new().then(404, ""));
    let text = asking.apps().get(&app()).await.unwrap_err().to_string();
    assert_eq!(text, "get app runner: not found (status 404); nothing was changed");
    assert_eq!(error.request_id(), Some("01REQ-fra"));
}

#[tokio::test]
async fn reads_are_repeated_over_what_passes() {
    let script = Script::new()
        .then(503, "")
        .then_fail(Reason::Cut, true)
        .then(408, "")
        .then_with(429, &[("retry-after", "2")], "")
        .then(200, machine("3287457df24987").to_string());
    let (result, script) = get(script).await;
    assert!(result.is_ok());
    assert_eq!(script.seen().len(), 5);
}

#[tokio::test]
async fn changes_are_repeated_only_when_they_had_no_effect_for_certain() {
    let good = machine("3287457df24987").to_string();
    let (result, script) =
        update(Script::new().then(429, "").then_fail(Reason::Connect, false).then(200, good.clone())).await;
    assert!(result.is_ok());
    assert_eq!(script.seen().len(), 3);
    for script in [
        Script::new().then(408, ""),
        Script::new().then(500, ""),
        Script::new().then(503, ""),
        Script::new().then_fail(Reason::Cut, true),
        Script::new().then_fail(Reason::Timeout, true),
    ] {
        let (result, script) = update(script.then(200, good.clone())).await;
        let error = result.unwrap_err();
        assert_eq!((error.delivery(), error.attempts(), script.seen().len()), (Delivery::Unknown, 1, 1));
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn no_call_that_changes_something_is_repeated_blindly() {
    // Every mutating call but the refresh of a lease, which only its holder can do and which is the same twice.
    type Call = for<'a> fn(&'a AppHandle) -> std::pin::Pin<Box<dyn Future<Output = Delivery> + 'a>>;
    fn delivery<T>(result: Result<T, Error>) -> Delivery {
        result.map(|_| ()).unwrap_err().delivery()
    }
    let calls: [Call; 14] = [
        |a| Box::pin(async { delivery(a.machines().create(&CreateMachine::default()).await) }),
        |a| Box::pin(async { delivery(a.machines().update(&id(), &UpdateMachine::default(), None).await) }),
        |a| Box::pin(async { delivery(a.machines().start(&id(), None).await) }),
        |a| Box::pin(async { delivery(a.machines().stop(&id(), &StopMachine::default(), None).await) }),
        |a| Box::pin(async { delivery(a.machines().cordon(&id(), None).await) }),
        |a| Box::pin(async { delivery(a.machines().uncordon(&id(), None).await) }),
        |a| Box::pin(async { delivery(a.machines().destroy(&id(), true, None).await) }),
        |a| Box::pin(async { delivery(a.leases().release(&id(), "n").await) }),
        |a| Box::pin(async { delivery(a.metadata().set(&id(), "k", "v").await) }),
        |a| Box::pin(async { delivery(a.metadata().delete(&id(), "k").await) }),
        |a| {
            Box::pin(async {
                delivery(a.metadata().patch(&id(), &std::collections::BTreeMap::new(), None).await)
            })
        },
        |a| {
            let lease = NewLease { ttl: Duration::from_secs(9), description: String::new() };
            Box::pin(async move { delivery(a.leases().acquire(&id(), &lease).await) })
        },
        |a| {
            let (name, org_slug) = (a.name().clone(), "acme".to_owned());
            let new = wire::NewApp { name, org_slug, network: None };
            Box::pin(async move { delivery(a.client().apps().create(&new).await) })
        },
        |a| Box::pin(async { delivery(a.secrets().set(&wire::SecretChanges::new()).await) }),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let (client, script, _) = client(Script::new().then(503, "").then(200, "{}"));
        assert_eq!(call(&client.app(&app())).await, Delivery::Unknown, "call {number}");
        assert_eq!(script.seen().len(), 1, "call {number}");
    }
}

#[tokio::test]
async fn not_yet_is_a_value_of_a_wait_and_a_doubt_of_a_create() {
    let not_yet =
        json!({"error": "timeout reached waiting for machine's state to change to started, now starting"});
    let wait = WaitMachine { state: WaitFor::Started, version: None, timeout: Duration::from_secs(5) };
    let (waiting, script, clock) = client(Script::new().then(408, not_yet.to_string()));
    let outcome = waiting.app(&app()).machines().wait(&id(), &wait).await.unwrap();
    assert!(matches!(outcome, Wait::NotYet { detail } if detail.contains("now starting")));
    assert_eq!((script.seen().len(), clock.slept().len()), (1, 0));

    let reached = json!({"ok": true, "state": "started", "version": "01H", "event_id": "e"}).to_string();
    let (waiting, _, _) = client(Script::new().then(200, reached));
    let outcome = waiting.app(&app()).machines().wait(&id(), &wait).await.unwrap();
    let version = Some("01H".parse().unwrap());
    assert_eq!(outcome, Wait::Reached { state: Some(flytypes::wire::MachineState::Started), version });

    let (creating, _, _) = client(Script::new().then(408, not_yet.to_string()));
    let error = creating.app(&app()).machines().create(&CreateMachine::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (&ErrorKind::Timeout, Delivery::Unknown));

    let (waiting, _, _) = client(Script::new().then(404, "machine not found"));
    assert!(waiting.app(&app()).machines().wait(&id(), &wait).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn lists_follow_their_pages_and_are_ordered() {
    let page = |ids: &[&str]| Value::from(ids.iter().map(|id| machine(id)).collect::<Vec<_>>()).to_string();
    let script = Script::new()
        .then_with(200, &[("fly-next-cursor", "c1")], page(&["b", "d"]))
        .then_with(200, &[("fly-next-cursor", "c2")], page(&["a"]))
        .then(200, page(&["c", "a"]));
    let (listing, script, _) = client(script);
    let machines = listing.app(&app()).machines().list(&ListMachines::default()).await.unwrap();
    let ids: Vec<_> = machines.iter().map(|machine| machine.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    let queries: Vec<_> =
        script.seen().iter().map(|seen| seen.url.query().unwrap_or("").to_owned()).collect();
    assert_eq!(queries, ["", "cursor=c1", "cursor=c2"]);

    let (empty, _, _) = client(Script::new().then(200, "null"));
    assert!(empty.app(&app()).machines().list(&ListMachines::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cursor_that_runs_in_a_circle_is_an_error_and_no_short_list() {
    let script = Script::new().then_with(200, &[("fly-next-cursor", "c")], "[]").then_with(
        200,
        &[("fly-next-cursor", "c")],
        "[]",
    );
    let (listing, _, _) = client(script);
    let error = listing.app(&app()).machines().list(&ListMachines::default()).await.unwrap_err();
    assert!(error.to_string().contains("cursor of the next page"), "{error}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_took_effect_and_names_the_place() {
    let body = json!({"id": "m", "state": "started", "region": "fra", "config": {"checks": {"a": {"interval": true}}}});
    let error = update(Script::new().then(200, body.to_string())).await.0.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Undecodable { path: "config.checks.a.interval".to_owned() });
    assert_eq!(error.delivery(), Delivery::Applied);
    assert!(!error.is_transient());
    let error = update(Script::new().then(200, "<html>")).await.0.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Undecodable { .. }));
}

#[tokio::test]
async fn leases_are_taken_out_of_their_envelope() {
    let held = json!({"status": "success", "data": {"nonce": "b1", "expires_at": 9, "owner": "o", "description": "d"}});
    let lease = NewLease { ttl: Duration::from_secs(30), description: "d".to_owned() };
    let (leasing, _, _) = client(Script::new().then(201, held.to_string()).then(200, held.to_string()));
    let leases = leasing.app(&app()).leases();
    assert_eq!(leases.acquire(&id(), &lease).await.unwrap().nonce.as_deref(), Some("b1"));
    assert_eq!(leases.refresh(&id(), Duration::from_secs(30), "b1").await.unwrap().expires_at, 9);

    let busy =
        json!({"status": "error", "message": "lease held by other@acme until 12:00", "code": "conflict"});
    let (leasing, _, _) = client(Script::new().then(409, busy.to_string()).then(404, "lease not found"));
    let leases = leasing.app(&app()).leases();
    let error = leases.acquire(&id(), &lease).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.detail()),
        (&ErrorKind::Conflict, Some("lease held by other@acme until 12:00"))
    );
    assert_eq!(leases.get(&id()).await.unwrap(), None);

    let (leasing, _, _) = client(Script::new().then(201, r#"{"status":"success"}"#));
    let error = leasing.app(&app()).leases().acquire(&id(), &lease).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Applied);
}

#[tokio::test]
async fn attempts_keep_to_the_budget() {
    let script = (0..5).fold(Script::new(), |script, _| script.then(200, "{}"));
    let (limited, _, clock) = client(script);
    let machines = limited.with_rates(Rates::documented()).app(&app()).machines();
    for _ in 0..5 {
        machines.cordon(&id(), None).await.unwrap();
    }
    // A second each, and once a reserve for the way.
    assert_eq!(clock.slept(), [Duration::from_millis(1060), Duration::from_secs(1)]);
}

#[tokio::test]
async fn a_nonce_that_is_no_header_is_refused_before_anything_is_sent() {
    let (client, script, _) = client(Script::new());
    let error = client.app(&app()).machines().start(&id(), Some("a\nb")).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (&ErrorKind::Configuration, Delivery::NotSent));
    assert!(script.seen().is_empty());
}

#[tokio::test]
async fn p9_the_token_is_in_no_error_even_if_the_server_sends_it_back() {
    let echo = format!("bad token FlyV1 {TOKEN} or fm2_hiddendischarge");
    let typed = json!({"id": "m", "state": "started", "region": TOKEN}).to_string();
    let scripts = [
        Script::new().then_with(400, &[("fly-request-id", TOKEN)], json!({"error": echo}).to_string()),
        Script::new().then(401, echo.clone()),
        Script::new().then(409, json!({"message": echo}).to_string()),
        Script::new().then_with(302, &[("location", &format!("https://evil.example/{TOKEN}"))], ""),
        Script::new().then(200, typed),
        Script::new().then_fail(Reason::Cut, true),
        Script::new(),
    ];
    for script in scripts {
        let error = update(script).await.0.unwrap_err();
        let mut text = format!("{error} {error:?} {error:#?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(&format!("{cause} {cause:?}"));
            source = cause.source();
        }
        assert!(!text.contains("hidden"), "{text}");
    }
    let (client, script, _) = client(Script::new());
    let handle = client.app(&app());
    let shown = format!("{client:?} {handle:?} {:?} {:?} {script:?}", handle.machines(), client.apps());
    assert!(!shown.contains("hidden"), "{shown}");
}

#[tokio::test]
async fn every_status_is_repeated_or_not_as_the_policy_says() {
    for status in 100..=599u16 {
        let repeated = |idempotent: bool| async move {
            let (client, script, _) = client(Script::new().then(status, "").then(400, ""));
            let machines = client.app(&app()).machines();
            let _ = if idempotent {
                machines.get(&id()).await.map(drop)
            } else {
                machines.update(&id(), &UpdateMachine::default(), None).await.map(drop)
            };
            script.seen().len() > 1
        };
        let transient = matches!(status, 408 | 429 | 500 | 502..=504 | 506..=599);
        assert_eq!(repeated(true).await, transient, "{status} of a read");
        assert_eq!(repeated(false).await, status == 429, "{status} of a change");
    }
}

/// fly.md 7: a page has `{data: [{id, attributes}], meta: {next_token}}`.
#[tokio::test]
async fn logs_are_read_to_their_end() {
    let page = |messages: &[&str], token: &str| {
        let data: Vec<_> =
            messages.iter().map(|message| json!({"id": "x", "attributes": {"message": message}})).collect();
        json!({"data": data, "meta": {"next_token": token}}).to_string()
    };
    let script = Script::new()
        .then(200, page(&["a", "b"], "1"))
        .then(200, page(&["c"], "2"))
        .then(200, page(&[], "2"));
    let (reading, script, _) = client(script);
    let id = "148e21a1b2c3d4".parse().unwrap();
    let lines = reading.app(&app()).logs().of_machine(&id).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(script.seen().len(), 3);
    // A server that gives the same place again is not asked for ever.
    let (reading, script, _) =
        client(Script::new().then(200, page(&["a"], "1")).then(200, page(&["b"], "1")));
    assert_eq!(reading.app(&app()).logs().of_machine(&id).await.unwrap().len(), 2);
    assert_eq!(script.seen().len(), 2);
}
