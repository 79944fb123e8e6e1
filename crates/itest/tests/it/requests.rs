//! What is sent, seen by a server that others wrote.

use itest::{Verdict, exit};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, body_string, header, method, path, query_param},
};

use crate::support::{HEAD, execute, one_step, only, run_of};

async fn staging() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/.well-known/environment"))
        .respond_with(ResponseTemplate::new(200).set_body_json(serde_json::json!({"environment": "staging"})))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn headers_query_and_json_arrive_as_written_with_types_kept() {
    let server = staging().await;
    Mock::given(method("POST"))
        .and(path("/items"))
        .and(header("authorization", "Bearer abc"))
        .and(header("content-type", "application/json"))
        .and(query_param("q", "a b&c"))
        .and(body_json(serde_json::json!({"n": 7, "text": "seven is 7", "list": [true, 1.5, {"x": null}]})))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&server)
        .await;
    let text = one_step(
        "request = \"POST /items\"\nheaders.authorization = \"Bearer abc\"\nquery.q = \"a b&c\"\n\
         json = { n = \"{{n}}\", text = \"seven is {{n}}\", list = [true, 1.5, { x = \"{{empty}}\" }] }",
    )
    .replace("[[case]]", "inputs = [\"empty\"]\n[variables]\nn = 7\n[[case]]");
    let mut run = run_of(&text, &server.uri());
    run.variables.set("empty", serde_json::Value::Null);
    let report = execute(&run).await;
    assert_eq!(report.exit_code(), exit::DONE, "{report:#?}");
    server.verify().await;
}

#[tokio::test]
async fn forms_and_texts_arrive_as_written() {
    let server = staging().await;
    Mock::given(path("/form"))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string("a=1&b=x+y%26z"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/text"))
        .and(header("content-type", "application/x-sh"))
        .and(body_string("echo \"${x}\" {{}}\n"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let text = format!(
        "{HEAD}[[case]]\nname = \"c\"\n[[case.step]]\nrequest = \"POST /form\"\nform = {{ a = 1, b = \"x y&z\" }}\n\
         [[case.step]]\nrequest = \"POST /text\"\nheaders.Content-Type = \"application/x-sh\"\n\
         text = '''echo \"${{x}}\" {{{{}}}}\n'''\n"
    );
    let report = execute(&run_of(&text, &server.uri())).await;
    assert_eq!(report.exit_code(), exit::DONE, "{report:#?}");
    server.verify().await;
}

#[tokio::test]
async fn captures_flow_from_step_to_step() {
    let server = staging().await;
    Mock::given(method("POST"))
        .and(path("/items"))
        .respond_with(
            ResponseTemplate::new(201)
                .insert_header("location", "/items/42")
                .set_body_json(serde_json::json!({"id": 42, "tags": ["a", "b"]})),
        )
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(path("/items/42"))
        .and(body_json(serde_json::json!({"id": 42, "tags": ["a", "b"], "code": 201, "n": "42"})))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let text = format!(
        "{HEAD}[[case]]\nname = \"c\"\n[[case.step]]\nrequest = \"POST /items\"\n\
         capture.place = {{ header = \"Location\" }}\ncapture.id = {{ json = \"$.id\" }}\n\
         capture.tags = {{ json = \"$.tags[*]\" }}\ncapture.code = {{ status = true }}\n\
         capture.n = {{ regex = '\"id\":(\\d+)' }}\nexpect.headers.location = \"/items/{{{{id}}}}\"\n\
         [[case.step]]\nrequest = \"PUT {{{{place}}}}\"\n\
         json = {{ id = \"{{{{id}}}}\", tags = \"{{{{tags}}}}\", code = \"{{{{code}}}}\", n = \"{{{{n}}}}\" }}\n"
    );
    let report = execute(&run_of(&text, &server.uri())).await;
    assert_eq!(report.exit_code(), exit::DONE, "{report:#?}");
    server.verify().await;
}

#[tokio::test]
async fn a_failed_step_tells_everything_at_once_and_ends_the_case() {
    let server = staging().await;
    Mock::given(path("/a"))
        .respond_with(ResponseTemplate::new(200).set_body_string("{\"n\": 1}"))
        .mount(&server)
        .await;
    let text = format!(
        "{HEAD}[[case]]\nname = \"c\"\n[[case.step]]\nname = \"ask\"\nrequest = \"GET /a\"\ncapture.id = {{ json = \"$.id\" }}\n\
         expect.status = 201\nexpect.json.\"$.n\" = 2\nexpect.body = \"{{{{id}}}}\"\n\
         [[case.step]]\nrequest = \"GET /b\"\n"
    );
    let report = execute(&run_of(&text, &server.uri())).await;
    let case = only(&report);
    assert_eq!(case.verdict, Verdict::Failed);
    let told: Vec<_> = case
        .failures
        .iter()
        .map(|f| (f.line, f.step.as_str(), f.assertion.as_str(), f.expected.as_str(), f.actual.as_str()))
        .collect();
    // The assertion on line 10 needs what was not captured, which is told by itself.
    assert_eq!(
        told,
        [
            (8, "ask", "capture `id` from json $.id", "a value", "(absent)"),
            (9, "ask", "status", "201", "200"),
            (10, "ask", "json $.n equals", "2", "1"),
        ]
    );
    let exchange = case.exchange.as_ref().unwrap();
    assert_eq!((exchange.status, exchange.body.as_str()), (Some(200), "{\"n\": 1}"));
    assert_eq!(exchange.request, format!("GET {}/a", server.uri()));
    let asked = server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.url.path() != "/b"), "the next step is not run");
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let server = staging().await;
    Mock::given(path("/old"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", "/new"))
        .mount(&server)
        .await;
    let step = "request = \"GET /old\"\nexpect.status = 302\nexpect.headers.location = \"/new\"";
    assert_eq!(execute(&run_of(&one_step(step), &server.uri())).await.exit_code(), exit::DONE);
}
