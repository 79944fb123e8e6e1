//! What an answer is judged by, on answers made by hand.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::*;
use crate::suite::Suite;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value): (http::HeaderName, http::HeaderValue)| {
        map.append(name, value);
    });
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: map,
        body: body.as_bytes().to_vec(),
        duration: Duration::from_millis(250),
    }
}

/// The failures of `expect` lines in a suite, each as `assertion: expected / actual`.
fn judge(expect: &str, answer: &Answer) -> Vec<String> {
    let text = format!(
        "name = \"s\"\ntarget = \"a\"\n[variables]\nname = \"a.b\"\nseven = 7\n[[case]]\nname = \"c\"\n[[case.step]]\nrequest = \"GET /\"\n{expect}\n"
    );
    let suite = Suite::parse("s.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let failures =
        Judged::new(answer).failures("step", &suite.cases[0].steps[0].assertions, &suite.variables);
    failures.iter().map(|f| format!("{}: {} / {}", f.assertion, f.expected, f.actual)).collect()
}

fn holds(expect: &str, answer: &Answer) {
    assert_eq!(judge(expect, answer), Vec::<String>::new(), "{expect}");
}

fn fails(expect: &str, answer: &Answer, with: &str) {
    assert_eq!(judge(expect, answer), [with], "{expect}");
}

#[test]
fn statuses_exact_listed_and_by_class() {
    let created = answer(201, &[], "");
    for good in ["201", "[200, 201]", "\"2xx\"", "[\"4xx\", \"201\"]"] {
        holds(&format!("expect.status = {good}"), &created);
    }
    fails("expect.status = [200, \"4xx\"]", &created, "status: 200 or 4xx / 201");
}

#[test]
fn a_step_that_says_nothing_about_the_status_expects_success() {
    holds("", &answer(204, &[], ""));
    fails("", &answer(302, &[], ""), "status (implied): 2xx / 302");
    fails("expect.body = \"\"", &answer(500, &[], ""), "status (implied): 2xx / 500");
}

#[test]
fn durations_are_strictly_below_their_limit() {
    holds("expect.duration = \"< 251ms\"", &answer(200, &[], ""));
    fails("expect.duration = \"< 250ms\"", &answer(200, &[], ""), "duration: < 250ms / 250ms");
}

#[test]
fn any_value_of_a_header_counts() {
    let answer =
        answer(200, &[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "text/html")], "");
    holds("expect.headers.Set-Cookie = \"b=2\"", &answer);
    holds(
        "expect.headers.content-type = { contains = \"html\", matches = \"^text/\", exists = true }",
        &answer,
    );
    holds("expect.headers.x-powered-by.exists = false", &answer);
    fails(
        "expect.headers.content-type.not-contains = \"html\"",
        &answer,
        "header content-type not contains: \"html\" / \"text/html\"",
    );
    fails("expect.headers.etag.exists = true", &answer, "header etag exists: a value / (absent)");
    fails("expect.headers.etag.not-equals = \"x\"", &answer, "header etag not equals: \"x\" / (absent)");
}

#[test]
fn bodies_as_text_and_by_digest() {
    // FIPS 180-4's example: SHA-256("abc").
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let abc = answer(200, &[], "abc");
    holds(&format!("expect.body = {{ equals = \"abc\", sha256 = \"{digest}\" }}"), &abc);
    holds("expect.body = { contains = \"b\", matches = \"^a.c$\", not-contains = \"Traceback\" }", &abc);
    let other = "0".repeat(64);
    fails(&format!("expect.body.sha256 = \"{other}\""), &abc, &format!("body sha256: {other} / {digest}"));
    fails("expect.body.not-matches = \"b\"", &abc, "body not matches: /b/ / \"abc\"");
}

#[test]
fn json_values_types_lengths_and_orders() {
    let body =
        json!({"n": 7, "f": 1.0, "s": "äö", "list": [1, {"id": 2}], "none": null, "o": {"a": 1, "b": 2}});
    let answer = answer(200, &[], &body.to_string());
    for good in [
        "\"$.n\" = 7",
        "\"$.n\" = \"{{seven}}\"",
        "\"$.n\" = { at-least = 7, at-most = \"{{seven}}\", greater-than = 6.5, less-than = 8 }",
        "\"$.f\" = { equals = 1, type = \"integer\" }",
        "\"$.s\" = { length = 2, type = \"string\" }",
        "\"$.list\" = { length = { at-least = 2, less-than = 3 }, contains = { id = 2 } }",
        "\"$.list[-1].id\" = 2",
        "\"$.list[*]\" = 1",
        "\"$.none\" = { exists = true, type = \"null\" }",
        "\"$.gone\" = { exists = false }",
        "\"$.o\" = { contains = { b = 2 } }",
        "\"$.o\" = { equals = { b = 2, a = 1 } }",
    ] {
        holds(&format!("expect.json.{good}"), &answer);
    }
    for (bad, with) in [
        ("\"$.n\" = 8", "json $.n equals: 8 / 7"),
        ("\"$.n\" = \"7\"", "json $.n equals: \"7\" / 7"),
        ("\"$.s\".at-least = 1", "json $.s is at least: 1 / \"äö\""),
        ("\"$.n\".length = 1", "json $.n length equals: 1 / 7"),
        ("\"$.none\".exists = false", "json $.none is absent: (absent) / null"),
        ("\"$.gone\".not-equals = 1", "json $.gone not equals: 1 / (absent)"),
        ("\"$.gone[*]\" = 1", "json $.gone[*] equals: 1 / (absent)"),
        ("\"$.list[*]\".not-equals = 1", "json $.list[*] not equals: 1 / [1,{\"id\":2}]"),
        ("\"$.f\".type = \"string\"", "json $.f type: string / 1.0"),
    ] {
        fails(&format!("expect.json.{bad}"), &answer, with);
    }
}

#[test]
fn of_no_element_of_an_empty_list_something_can_be_said() {
    let answer = answer(200, &[], "{\"list\": []}");
    holds("expect.json.\"$.list[*]\".not-equals = 1", &answer);
}

#[test]
fn a_body_that_is_no_json_fails_every_json_assertion() {
    let found = judge("expect.json.\"$.a\".exists = false", &answer(200, &[], "<html>"));
    assert!(found.len() == 1 && found[0].contains("(the body is not JSON: "), "{found:?}");
}

#[test]
fn values_filled_into_a_pattern_stand_for_themselves() {
    holds("expect.body.matches = \"^{{name}}$\"", &answer(200, &[], "a.b"));
    fails(
        "expect.body.matches = \"^{{name}}$\"",
        &answer(200, &[], "axb"),
        "body matches: /^a\\.b$/ / \"axb\"",
    );
}

#[test]
fn every_failure_of_a_step_is_told_at_once() {
    let found =
        judge("expect.status = 200\nexpect.body = \"x\"\nexpect.headers.a = \"b\"", &answer(404, &[], "y"));
    assert_eq!(found.len(), 3, "{found:?}");
}
