//! Values given on the command line (`--set KEY=VALUE`), grafted into the tree before anything
//! is checked.
//!
//! A key is a dotted TOML key. A list of sections is entered by the `name` of its element:
//! `hosts."srv.example.com".group`. A value is TOML, or else a text without quotes.

use toml::de::{DeTable, DeValue};

use super::checker::Checker;
use super::source::{Place, Source};
use super::tree::{Entry, Node, Table, Value};

/// Sets `key` to `value` in `root`.
pub(super) fn apply(cx: &mut Checker, root: &mut Table, key: &str, value: &str) {
    let source = cx.add_source(Source {
        name: format!("--set {}", key.escape_debug()),
        text: format!("{key}={value}"),
    });
    let key_place = Place {
        source,
        span: 0..key.len(),
    };
    let Some(path) = split(key) else {
        cx.mistake(
            &key_place,
            format!("{key:?} is not a key"),
            "a dotted key such as lync.trusted_application.port",
        );
        return;
    };
    let node = read(value, source, key.len() + 1);
    graft(cx, root, &path, &key_place, node);
}

/// The segments of a dotted key.
fn split(key: &str) -> Option<Vec<String>> {
    let document = format!("{key} = 0");
    let parsed = DeTable::parse(&document).ok()?;
    let mut path = Vec::new();
    let mut table = parsed.get_ref();
    loop {
        let mut entries = table.iter();
        let (segment, value) = entries.next()?;
        if entries.next().is_some() {
            return None;
        }
        path.push(segment.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Integer(_) => return Some(path),
            _ => return None,
        }
    }
}

fn read(text: &str, source: usize, offset: usize) -> Node {
    let place = Place {
        source,
        span: offset..offset + text.len(),
    };
    match DeValue::parse(text) {
        Ok(value) => {
            let node = Node::from_toml(&value, source, offset);
            let raw = (!matches!(node.value, Value::Text(_))).then(|| text.trim().to_owned());
            Node { raw, ..node }
        }
        Err(_) => Node {
            value: Value::Text(text.to_owned()),
            place,
            raw: None,
        },
    }
}

fn graft(cx: &mut Checker, table: &mut Table, path: &[String], key_place: &Place, node: Node) {
    let Some((segment, rest)) = path.split_first() else {
        return;
    };
    let index = table
        .entries
        .iter()
        .position(|entry| &entry.key == segment)
        .unwrap_or_else(|| {
            let empty = Node {
                value: Value::Table(Table::default()),
                place: key_place.clone(),
                raw: None,
            };
            table.entries.push(Entry {
                key: segment.clone(),
                key_place: key_place.clone(),
                node: empty,
            });
            table.entries.len() - 1
        });
    let Some(entry) = table.entries.get_mut(index) else {
        return;
    };
    if rest.is_empty() {
        entry.key_place = key_place.clone();
        entry.node = node;
        return;
    }
    match &mut entry.node.value {
        Value::Table(inner) => graft(cx, inner, rest, key_place, node),
        Value::List(items) => {
            let Some((name, rest)) = rest.split_first() else {
                return;
            };
            match items.iter_mut().find_map(|item| named(item, name)) {
                Some(inner) if !rest.is_empty() => graft(cx, inner, rest, key_place, node),
                Some(_) => cx.mistake(
                    key_place,
                    format!("{name:?} in {segment} is a section"),
                    "a key of that section",
                ),
                None => cx.mistake(
                    key_place,
                    format!("no element of {segment} is named {name:?}"),
                    "the name of one, in quotes if it has dots",
                ),
            }
        }
        other => {
            let kind = other.kind();
            cx.mistake(
                key_place,
                format!("{segment:?} is {kind} and has no keys"),
                "the key of a section",
            );
        }
    }
}

/// The table in `item`, if its `name` is `name`.
fn named<'t>(item: &'t mut Node, name: &str) -> Option<&'t mut Table> {
    let Value::Table(table) = &mut item.value else {
        return None;
    };
    let is_named = table.get("name").is_some_and(
        |entry| matches!(&entry.node.value, Value::Text(text) if text.eq_ignore_ascii_case(name)),
    );
    is_named.then_some(table)
}
