//! Values of statements, each with its type: a statement whose types are told needs no name at the server.

use tokio_postgres::types::{ToSql, Type};

/// One value.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(i64),
    MaybeNumber(Option<i64>),
    MaybeBytes(Option<&'a [u8]>),
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

impl Value<'_> {
    /// As the server's client takes it.
    pub(super) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Number(number) => (number, Type::INT8),
            Self::MaybeNumber(number) => (number, Type::INT8),
            Self::MaybeBytes(bytes) => (bytes, Type::BYTEA),
            Self::Numbers(numbers) => (numbers, Type::INT8_ARRAY),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
        }
    }
}
