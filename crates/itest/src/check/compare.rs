//! When two JSON values are the same, contain each other, or are in order.

use std::cmp::Ordering;

use serde_json::Value;

/// Equality of values: `1` equals `1.0`, the order of members does not matter, that of elements does.
/// (RFC 8259 gives numbers a value and no type, and objects no order.)
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => order(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// A text contains a part of it, an array an element, an object all the given members.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
        (Value::Array(items), part) => items.iter().any(|item| equal(item, part)),
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| equal(whole, part)))
        }
        _ => false,
    }
}

/// The order of two numbers: exact between whole numbers, else that of the nearest doubles.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    let whole = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Elements, members or characters.
pub(super) fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::String(text) => Some(text.chars().count()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_equal_whatever_their_spelling() {
        assert!(equal(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
        assert!(!equal(&json!([1, 2]), &json!([2, 1])));
        assert!(!equal(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!equal(&json!(1), &json!("1")));
        assert!(!equal(&json!(null), &json!(false)));
    }

    #[test]
    fn big_whole_numbers_are_compared_exactly() {
        // 2^53 + 1 is the first whole number that a double cannot hold.
        assert!(!equal(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert_eq!(order(&json!(-1), &json!(u64::MAX)), Some(Ordering::Less));
        assert_eq!(order(&json!("1"), &json!(1)), None);
    }

    #[test]
    fn containing_depends_on_the_kind() {
        assert!(contains(&json!("hello"), &json!("ell")));
        assert!(contains(&json!([{"id": "python"}]), &json!({"id": "python"})));
        assert!(!contains(&json!(["python3"]), &json!("python")));
        assert!(contains(&json!({"a": 1, "b": 2}), &json!({"b": 2})));
        assert!(!contains(&json!({"a": 1}), &json!({"b": 2})));
        assert!(!contains(&json!(12), &json!(1)));
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert_eq!(length(&json!("äö")), Some(2));
        assert_eq!(length(&json!({"a": 1})), Some(1));
        assert_eq!(length(&json!(3)), None);
    }
}
