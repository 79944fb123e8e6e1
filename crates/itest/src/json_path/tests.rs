use serde_json::json;

use super::*;

fn selected(path: &str, document: &Value) -> Vec<Value> {
    let path: JsonPath = path.parse().unwrap();
    path.select(document).into_iter().cloned().collect()
}

#[test]
fn rfc_9535_examples_of_the_supported_selectors() {
    // Section 1.5, "Overview of JSONPath Expressions": the bookstore.
    let store = json!({"store": {
        "book": [
            {"category": "reference", "author": "Nigel Rees", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "price": 12.99},
        ],
        "bicycle": {"color": "red", "price": 399},
    }});
    assert_eq!(selected("$.store.book[*].author", &store), [json!("Nigel Rees"), json!("Evelyn Waugh")]);
    assert_eq!(selected("$['store']['bicycle'][\"color\"]", &store), [json!("red")]);
    assert_eq!(selected("$.store.book[-1].price", &store), [json!(12.99)]);
    assert_eq!(selected("$.store.*", &store).len(), 2);
    // Section 2.3.3.3: an index out of range selects nothing, and neither does a name on an array.
    assert_eq!(selected("$.store.book[2]", &store), Vec::<Value>::new());
    assert_eq!(selected("$.store.book[-3]", &store), Vec::<Value>::new());
    assert_eq!(selected("$.store.book.price", &store), Vec::<Value>::new());
    assert_eq!(selected("$", &json!(7)), [json!(7)]);
}

#[test]
fn null_is_a_node() {
    // RFC 9535, section 2.6: null is a value like any other.
    assert_eq!(selected("$.a", &json!({"a": null})), [Value::Null]);
}

#[test]
fn names_of_any_kind_are_quoted() {
    let document = json!({"x-id": 1, "it's": 2, "": 3, "ünï": 4});
    assert_eq!(selected("$['x-id']", &document), [json!(1)]);
    assert_eq!(selected(r"$['it\'s']", &document), [json!(2)]);
    assert_eq!(selected("$['']", &document), [json!(3)]);
    assert_eq!(selected("$.ünï", &document), [json!(4)]);
}

#[test]
fn says_what_is_wrong_and_where() {
    let cases = [
        ("", "a path begins with `$` at character 1"),
        ("store", "a path begins with `$` at character 1"),
        ("$store", "expected `.`, `[` or the end at character 2"),
        ("$..book", "`..` is not supported at character 3"),
        ("$.x-id", "a name with `-` is written ['like-this'] at character 4"),
        ("$.1a", "expected a name at character 3"),
        ("$[01]", "expected an index without leading zeros at character 5"),
        ("$[-0]", "expected an index without leading zeros at character 5"),
        ("$[0:2]", "slices are not supported at character 4"),
        ("$[0,1]", "lists of selectors are not supported at character 4"),
        ("$[?@.a]", "filters are not supported at character 3"),
        ("$['a]", "the quote is never closed at character 6"),
        ("$[0", "expected `]` at character 4"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<JsonPath>().unwrap_err().to_string();
        assert_eq!(error, format!("`{text}` is no JSON path: {expected}"));
    }
}
