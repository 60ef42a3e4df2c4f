//! The primitive types ([MS-PSRP] 2.2.5.1): element names and text forms, both ways.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::cursor::{Cursor, Tag};
use super::error::{ClixmlError, ClixmlErrorKind as Kind};
use super::{ProgressRecord, SecureString, Value, escape, number};

/// Reads a primitive value.
pub(super) fn value<'i>(cursor: &mut Cursor<'i>, tag: &Tag<'i>) -> Result<Value, ClixmlError> {
    Ok(match tag.name() {
        "S" => Value::String(text(cursor, tag)?),
        "Nil" => {
            cursor.nothing(tag)?;
            Value::Null
        }
        "B" => parsed(cursor, tag, "true or false", boolean).map(Value::Bool)?,
        "I32" => integer(cursor, tag, "a 32-bit integer").map(Value::Int32)?,
        "I64" => integer(cursor, tag, "a 64-bit integer").map(Value::Int64)?,
        "C" => integer(cursor, tag, "the number of a utf-16 code unit").map(Value::Char)?,
        "By" => integer(cursor, tag, "an unsigned byte").map(Value::Byte)?,
        "SB" => integer(cursor, tag, "a signed byte").map(Value::SByte)?,
        "U16" => integer(cursor, tag, "an unsigned 16-bit integer").map(Value::UInt16)?,
        "I16" => integer(cursor, tag, "a 16-bit integer").map(Value::Int16)?,
        "U32" => integer(cursor, tag, "an unsigned 32-bit integer").map(Value::UInt32)?,
        "U64" => integer(cursor, tag, "an unsigned 64-bit integer").map(Value::UInt64)?,
        "Sg" => parsed(cursor, tag, "a single-precision number", |s| {
            number::parse(s, f32::INFINITY, f32::NAN)
        })
        .map(Value::Single)?,
        "Db" => parsed(cursor, tag, "a double-precision number", |s| {
            number::parse(s, f64::INFINITY, f64::NAN)
        })
        .map(Value::Double)?,
        "BA" => Value::Bytes(bytes(cursor, tag)?),
        "G" => parsed(cursor, tag, "a guid", |s| Uuid::try_parse(s).ok()).map(Value::Guid)?,
        "D" => Value::Decimal(text(cursor, tag)?),
        "DT" => Value::DateTime(text(cursor, tag)?),
        "TS" => Value::Duration(text(cursor, tag)?),
        "URI" => Value::Uri(text(cursor, tag)?),
        "Version" => Value::Version(text(cursor, tag)?),
        "XD" => Value::XmlDocument(text(cursor, tag)?),
        "SBK" => Value::ScriptBlock(text(cursor, tag)?),
        "SS" => Value::SecureString(SecureString(text(cursor, tag)?)),
        _ => return Err(tag.unknown("the element of a value", "value")),
    })
}

/// Name and text of the element of a primitive value; `None` for what is not written as text.
pub(super) fn element(value: &Value) -> Option<(&'static str, Cow<'_, str>)> {
    let (name, text): (_, Cow<'_, str>) = match value {
        Value::String(text) => ("S", escape::encode(text)),
        Value::Bool(flag) => ("B", if *flag { "true" } else { "false" }.into()),
        Value::Int32(n) => ("I32", n.to_string().into()),
        Value::Int64(n) => ("I64", n.to_string().into()),
        Value::Char(n) => ("C", n.to_string().into()),
        Value::Byte(n) => ("By", n.to_string().into()),
        Value::SByte(n) => ("SB", n.to_string().into()),
        Value::UInt16(n) => ("U16", n.to_string().into()),
        Value::Int16(n) => ("I16", n.to_string().into()),
        Value::UInt32(n) => ("U32", n.to_string().into()),
        Value::UInt64(n) => ("U64", n.to_string().into()),
        Value::Single(n) => ("Sg", number::single(*n).into()),
        Value::Double(n) => ("Db", number::double(*n).into()),
        Value::Bytes(bytes) => ("BA", STANDARD.encode(bytes).into()),
        Value::Guid(guid) => ("G", guid.to_string().into()),
        Value::Decimal(text) => ("D", escape::encode(text)),
        Value::DateTime(text) => ("DT", escape::encode(text)),
        Value::Duration(text) => ("TS", escape::encode(text)),
        Value::Uri(text) => ("URI", escape::encode(text)),
        Value::Version(text) => ("Version", escape::encode(text)),
        Value::XmlDocument(text) => ("XD", escape::encode(text)),
        Value::ScriptBlock(text) => ("SBK", escape::encode(text)),
        Value::SecureString(SecureString(text)) => ("SS", escape::encode(text)),
        Value::Null
        | Value::Secret(_)
        | Value::Progress(_)
        | Value::Object(_)
        | Value::MemberSet(_)
        | Value::Ancestor(_) => return None,
    };
    Some((name, text))
}

/// Reads a `<PR>` ([MS-PSRP] 2.2.5.1.25).
pub(super) fn progress<'i>(
    cursor: &mut Cursor<'i>,
    tag: &Tag<'i>,
) -> Result<ProgressRecord, ClixmlError> {
    let mut record = ProgressRecord::default();
    let mut seen = Vec::with_capacity(8);
    while let Some(child) = cursor.child(Some(tag))? {
        child.each_attribute(|key, _| Err(child.unknown_attribute(key)))?;
        let field = match child.name() {
            "Nil" => "S",
            name => name,
        };
        if seen.iter().any(|name| name == field) {
            return Err(child.error(Kind::Repeated {
                what: format!("<{field}>"),
            }));
        }
        seen.push(field.to_owned());
        match child.name() {
            "AV" => record.activity = text(cursor, &child)?,
            "AI" => record.activity_id = integer(cursor, &child, "a 32-bit integer")?,
            "S" => record.current_operation = Some(text(cursor, &child)?),
            "Nil" => cursor.nothing(&child)?,
            "PI" => record.parent_activity_id = integer(cursor, &child, "a 32-bit integer")?,
            "PC" => record.percent = integer(cursor, &child, "a 32-bit integer")?,
            "T" => record.record_type = text(cursor, &child)?,
            "SR" => record.seconds_remaining = integer(cursor, &child, "a 32-bit integer")?,
            "SD" => record.status = Some(text(cursor, &child)?),
            _ => return Err(child.unknown("a field of a progress record", "PR")),
        }
    }
    Ok(record)
}

/// The elements of a `<PR>` in order; no text means `<Nil/>`.
pub(super) fn progress_elements(
    record: &ProgressRecord,
) -> Vec<(&'static str, Option<Cow<'_, str>>)> {
    let number = |n: i32| Some(Cow::Owned(n.to_string()));
    let operation = record.current_operation.as_deref();
    let mut elements = vec![
        ("AV", Some(escape::encode(&record.activity))),
        ("AI", number(record.activity_id)),
        (
            if operation.is_some() { "S" } else { "Nil" },
            operation.map(escape::encode),
        ),
        ("PI", number(record.parent_activity_id)),
        ("PC", number(record.percent)),
        ("T", Some(escape::encode(&record.record_type))),
        ("SR", number(record.seconds_remaining)),
    ];
    if let Some(status) = &record.status {
        elements.push(("SD", Some(escape::encode(status))));
    }
    elements
}

fn text<'i>(cursor: &mut Cursor<'i>, tag: &Tag<'i>) -> Result<String, ClixmlError> {
    cursor.text(tag).map(escape::decode)
}

fn parsed<'i, T>(
    cursor: &mut Cursor<'i>,
    tag: &Tag<'i>,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ClixmlError> {
    let text = cursor.text(tag)?;
    parse(text.trim_ascii()).ok_or_else(|| tag.bad_text(expected, &text))
}

fn integer<'i, T: std::str::FromStr>(
    cursor: &mut Cursor<'i>,
    tag: &Tag<'i>,
    expected: &'static str,
) -> Result<T, ClixmlError> {
    parsed(cursor, tag, expected, |text| text.parse().ok())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn bytes<'i>(cursor: &mut Cursor<'i>, tag: &Tag<'i>) -> Result<Vec<u8>, ClixmlError> {
    let text = cursor.text(tag)?;
    let encoded = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        text.split_ascii_whitespace().collect::<String>().into()
    } else {
        Cow::Borrowed(text.as_ref())
    };
    STANDARD
        .decode(encoded.as_bytes())
        .map_err(|_| tag.bad_text("base64", &text))
}
