//! [`Node`]: a TOML document with the place of everything in it.
//!
//! Own types rather than those of the TOML crate, because values given by `--set` are grafted in
//! and keep places in a text of their own.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Place;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    /// The text of a `--set`, which may stand for a string without quotes.
    pub(super) raw: Option<String>,
}

/// A TOML value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// `None`: beyond 64 bits.
    Whole(Option<i64>),
    Decimal,
    Flag(bool),
    Date,
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// What kind of value this is, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Decimal => "a decimal number",
            Self::Flag(_) => "a boolean",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a section",
        }
    }
}

/// The entries of a table, in the order of the text.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Table {
    /// The entry of that key.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// From a parsed table; `offset` is added to every place.
    pub(super) fn from_toml(table: &DeTable<'_>, source: usize, offset: usize) -> Self {
        let place = |span: Range<usize>| Place {
            source,
            span: span.start + offset..span.end + offset,
        };
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_place: place(key.span()),
                node: Node::from_toml(value, source, offset),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_place.span.start);
        Self { entries }
    }
}

impl Node {
    /// From a parsed value; `offset` is added to every place.
    pub(super) fn from_toml(value: &Spanned<DeValue<'_>>, source: usize, offset: usize) -> Self {
        let span = value.span();
        let place = Place {
            source,
            span: span.start + offset..span.end + offset,
        };
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(digits) => {
                Value::Whole(i64::from_str_radix(digits.as_str(), digits.radix()).ok())
            }
            DeValue::Float(_) => Value::Decimal,
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item, source, offset))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(Table::from_toml(table, source, offset)),
        };
        Self {
            value,
            place,
            raw: None,
        }
    }

    /// The table, if it is one.
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}
