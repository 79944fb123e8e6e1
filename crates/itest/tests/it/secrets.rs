//! A secret appears nowhere: not in events, not in reports, not on the terminal, not in `Debug`.

use itest::{Terminal, Variables, Verdict};

use crate::{
    server::{Reply, Server, ok, status},
    support::{execute, execute_listening, one_step, only, run_of},
};

const SECRET: &str = "hunter2\"22";

#[tokio::test]
async fn p9_a_secret_appears_in_nothing_that_a_run_says() {
    // The target gives back all it gets: in the body as text and as JSON, in a header, in another form.
    let server = Server::staging(|asked| {
        let authorization = asked.headers.get("authorization").cloned().unwrap_or_default();
        let json = serde_json::to_string(&authorization).unwrap();
        Reply::Answer {
            status: if asked.before == 0 { 503 } else { 500 },
            headers: vec![("x-echo", authorization.clone())],
            body: format!("{authorization} {json} {} {}", asked.line, asked.body),
        }
    })
    .await;
    let step = "name = \"with {{token}}\"\nrequest = \"GET /{{token}}/x\"\n\
                headers.authorization = \"Bearer {{token}}\"\nquery.token = \"{{token}}\"\n\
                json = { token = \"{{token}}\" }\n\
                expect.headers.x-echo = \"{{token}}\"\nexpect.body.matches = \"^{{token}}$\"\n\
                expect.json.\"$.token\" = \"{{token}}\"";
    let text = one_step(step).replace("[[case]]", "inputs = [\"token\"]\nsecrets = [\"token\"]\n[[case]]");
    let mut run = run_of(&text, &server.url());
    run.variables = [("token", SECRET)].into_iter().collect();
    let (report, events) = execute_listening(&run).await;
    let case = only(&report);
    assert_eq!((case.verdict, case.retries.len(), case.failures.len()), (Verdict::Failed, 1, 4));
    assert!(server.count("GET /hunter2%2222/x?token=hunter2%2222") > 0, "the target itself gets the secret");
    let everything = format!(
        "{}\n{}\n{}\n{report:?}\n{run:?}",
        serde_json::to_string(&report).unwrap(),
        serde_json::to_string(&events).unwrap(),
        Terminal::new(&report),
    );
    for form in [SECRET, "hunter2", "hunter2\\\"22", "hunter2%2222", "aHVudGVyMiIyMg"] {
        assert!(!everything.contains(form), "{form} in\n{everything}");
    }
    assert!(everything.contains("Bearer ***"), "the rest stays readable\n{everything}");
}

#[tokio::test]
async fn p9_a_captured_secret_is_hidden_from_the_moment_it_is_known() {
    let server = Server::staging(|asked| match asked.line.as_str() {
        "POST /login" => ok(r#"{"session":"s-55555"}"#),
        _ => status(500, asked.headers["cookie"].clone()),
    })
    .await;
    let text = "name = \"s\"\ntarget = \"api\"\nsecrets = [\"session\"]\n[[case]]\nname = \"c\"\n\
                [[case.step]]\nrequest = \"POST /login\"\ncapture.session = { json = \"$.session\" }\n\
                [[case.step]]\nrequest = \"GET /me\"\nheaders.cookie = \"id={{session}}\"\n";
    let report = execute(&run_of(text, &server.url())).await;
    assert_eq!(only(&report).exchange.as_ref().unwrap().body, "id=***");
}

#[tokio::test]
async fn a_short_secret_is_not_hidden_and_that_is_said() {
    let server = Server::staging(|_| status(500, "pin 127")).await;
    let text = one_step("request = \"GET /{{pin}}\"")
        .replace("[[case]]", "inputs = [\"pin\"]\nsecrets = [\"pin\"]\n[[case]]");
    let mut run = run_of(&text, &server.url());
    run.variables = [("pin", "127")].into_iter().collect();
    let report = execute(&run).await;
    assert_eq!(report.warnings, ["the secret `pin` is shorter than 4 characters and is not hidden"]);
    assert!(only(&report).exchange.as_ref().unwrap().request.contains("127.0.0.1"), "other text stays whole");
}

#[tokio::test]
async fn the_caller_can_name_secrets_of_its_own() {
    let server = Server::staging(|_| status(500, "key-123456")).await;
    let mut run = run_of(&one_step("request = \"GET /x\""), &server.url());
    run.variables = Variables::from_iter([("elsewhere", "key-123456")]);
    run.secrets = vec!["elsewhere".into()];
    let report = execute(&run).await;
    assert_eq!(only(&report).exchange.as_ref().unwrap().body, "***");
}

#[tokio::test]
async fn credentials_in_a_url_are_sent_and_never_shown() {
    let server = Server::staging(|asked| status(500, asked.headers["authorization"].len().to_string())).await;
    let url = server.url().replace("http://", "http://ada:hunter2222@");
    let run = run_of(&one_step("request = \"GET /x\""), &url);
    let (report, events) = execute_listening(&run).await;
    // RFC 7617: `Basic ` and the base64 of `ada:hunter2222`, 14 bytes in 20 characters.
    assert_eq!(only(&report).exchange.as_ref().unwrap().body, "26");
    let everything = format!("{report:?} {events:?} {run:?}");
    assert!(!everything.contains("hunter2222"), "{everything}");
}
