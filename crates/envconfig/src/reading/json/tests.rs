use proptest::prelude::*;
use serde_json::Value;

use super::{super::content::node_to_json, parse};

proptest! {
    /// What `serde_json` reads is read, what it refuses is refused, and both mean the same.
    #[test]
    fn reads_what_serde_json_reads(text in prop_oneof![
        "[\\[\\]{}:,\"0-9a-z\\\\ .eE+-]{0,24}",
        r#"("|\\u[dD][89a-fA-F0-9]{3}|\\[bfnrtux/]|a|\\\\)*"#,
        "(-|0|1|9|\\.|e|E|\\+){1,8}",
        r#"(\{|\}|\[|\]|,|:|"a"|"b"|1|null|true| )*"#,
    ]) {
        let theirs = serde_json::from_str::<Value>(&text).ok();
        let ours = parse(&text).ok().and_then(|parsed| node_to_json(&parsed.root));
        match (&ours, &theirs) {
            // -0 and integers beyond 64 bits are fractions there.
            (Some(ours), Some(theirs)) if text.contains("-0") || text.len() > 18 => {
                prop_assert_eq!(ours.is_object(), theirs.is_object());
            }
            (Some(ours), Some(theirs)) => prop_assert!(same(ours, theirs), "{}: {} {}", text, ours, theirs),
            _ => prop_assert_eq!(ours, theirs, "{}", text),
        }
    }
}

/// Equal but for the last digits of fractions: `serde_json` reads `9e91` as 9.000000000000001e91, since it is built without
/// its feature `float_roundtrip`; we read the nearest number there is.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) if a != b => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 4.0 * f64::EPSILON * a.abs()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => ours == theirs,
    }
}

#[test]
fn a_fraction_is_the_nearest_number() {
    let parsed = parse("9e91").unwrap();
    assert_eq!(node_to_json(&parsed.root).and_then(|value| value.as_f64()), Some(9e91));
}

#[test]
fn a_key_that_stands_twice_is_named_and_the_last_one_counts() {
    let parsed = parse(r#"{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}"#).unwrap();
    assert_eq!(node_to_json(&parsed.root), Some(serde_json::json!({"a": 3, "b": {"c": 2}})));
    assert_eq!(parsed.twice, [(23..26, "c".to_owned()), (32..35, "a".to_owned())]);
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&format!("{}{}", "[".repeat(127), "]".repeat(127))).is_ok());
}
