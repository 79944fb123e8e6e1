//! Whether a record's text says what was hashed and nothing else.
//!
//! The hash is over values: a field that nobody reads, one that is left out where nothing stands for it, or `\u001B` for
//! `\u001b` would all pass. So the text must be the one that this journal writes; earlier versions may have written fields
//! in another order.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::record::Record;

/// Whether `body` is `record` as a journal writes it, in whatever order.
pub(super) fn is_as_written(record: &Record, body: &str) -> bool {
    match serde_json::to_string(record) {
        Ok(text) if text == body => true,
        Ok(_) => is_in_another_order(record, body),
        Err(_) => false,
    }
}

fn is_in_another_order(record: &Record, body: &str) -> bool {
    let Ok(tree) = serde_json::from_str::<Tree>(body) else { return false };
    let mut again = String::with_capacity(body.len());
    tree.write(&mut again);
    again == body
        && tree.value().is_some_and(|value| serde_json::to_value(record).is_ok_and(|it| it == value))
}

/// A JSON value that keeps the order of its fields, and those that stand there twice.
enum Tree {
    Plain(Value),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Tree {
    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(value) => out.push_str(&value.to_string()),
            Self::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Map(fields) => {
                out.push('{');
                for (n, (key, value)) in fields.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// None where a field stands there twice.
    fn value(&self) -> Option<Value> {
        match self {
            Self::Plain(value) => Some(value.clone()),
            Self::List(items) => items.iter().map(Self::value).collect::<Option<Vec<_>>>().map(Value::from),
            Self::Map(fields) => {
                let mut map = Map::new();
                for (key, value) in fields {
                    if map.insert(key.clone(), value.value()?).is_some() {
                        return None;
                    }
                }
                Some(Value::Object(map))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Plain(Value::Null))
            }

            fn visit_bool<E>(self, bit: bool) -> Result<Tree, E> {
                Ok(Tree::Plain(bit.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
                Ok(Tree::Plain(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
                Ok(Tree::Plain(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
                Ok(Tree::Plain(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Plain(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
                let mut map = Vec::new();
                while let Some(field) = fields.next_entry()? {
                    map.push(field);
                }
                Ok(Tree::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
