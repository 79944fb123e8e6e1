//! Rules of GitHub's "Evaluate expressions in workflows and actions".

use serde_json::json;

use super::{Status, fill, holds};

const GOOD: Status = Status { has_failed: false, is_cancelled: false, is_short: false };
const FAILED: Status = Status { has_failed: true, ..GOOD };
const CANCELLED: Status = Status { is_cancelled: true, ..GOOD };

#[test]
fn texts_are_filled_and_what_is_not_there_is_empty() {
    let contexts =
        json!({"needs": {"build": {"outputs": {"image": "r/a@sha256:0"}}}, "github": {"sha": "abc"}});
    let filled = |text: &str| fill(text, &contexts, GOOD);
    assert_eq!(
        filled("at ${{ github.SHA }}, ${{needs.build.outputs.image}}.").unwrap(),
        "at abc, r/a@sha256:0."
    );
    assert_eq!(
        filled("${{ needs.other.outputs.image }}|${{ 'it''s }}' }}|${{ 1 == 1 }}").unwrap(),
        "|it's }}|true"
    );
    for (text, why) in [
        ("${{ secret.A }}", "there is no context `secret` here"),
        ("${{ hashFiles('a') }}", "nobody runs the function `hashfiles` here"),
        ("${{ github. }}", "a name is missing"),
        ("${{ (true }}", "is not closed"),
    ] {
        assert!(filled(text).unwrap_err().to_string().contains(why), "{text}");
    }
}

#[test]
fn comparisons_are_loose_and_operators_bind_as_they_should() {
    let contexts = json!({"github": {"event_name": "PUSH", "n": null}});
    for (condition, is) in [
        ("github.event_name == 'push'", true),
        ("github.n == 0", true),
        ("github.n == ''", true),
        ("'a' == 0", false),
        ("!github.n && true || false", true),
        ("false && true || true", true),
        ("!(true || false)", false),
        ("github.event_name != 'workflow_run' || github.event.x != 'success'", true),
        ("contains('Hello', 'ELL')", true),
        ("github.n || 'x'", true),
    ] {
        assert_eq!(holds(Some(condition), &contexts, GOOD).unwrap(), is, "{condition}");
        let marked = format!("${{{{ {condition} }}}}");
        assert_eq!(holds(Some(&marked), &contexts, GOOD).unwrap(), is, "{condition}");
    }
}

#[test]
fn what_asks_nothing_about_how_it_went_holds_only_while_all_is_well() {
    let contexts = json!({});
    let all = |condition: Option<&str>| {
        [GOOD, FAILED, CANCELLED].map(|it| holds(condition, &contexts, it).unwrap())
    };
    assert_eq!(all(None), [true, false, false]);
    assert_eq!(all(Some("true")), [true, false, false]);
    assert_eq!(all(Some("always()")), [true, true, true]);
    assert_eq!(all(Some("!cancelled()")), [true, true, false]);
    assert_eq!(all(Some("failure()")), [false, true, false]);
    assert_eq!(all(Some("cancelled()")), [false, false, true]);
}
