//! Conversion of an argument to the type of its parameter, as PowerShell does it.

use owaim_inventory::catalogue::{Kind, Parameter};
use owaim_proto::clixml::{Base, Object, Value};

use super::errors::{Category, Failure};

/// Converts `value` for `parameter`.
pub(super) fn convert(parameter: &Parameter, value: &Value) -> Result<Value, Failure> {
    let fail = |wanted: &str| Err(no_conversion(parameter.name, value, wanted));
    let converted = match parameter.kind {
        Kind::String => match value.items() {
            Some([single]) => single.text(),
            Some(_) => None,
            None if *value == Value::Null => Some(String::new()),
            None => plain_text(value),
        }
        .map(Value::String),
        Kind::Strings => Some(strings(value)),
        Kind::Int => number(value)
            .filter(|n| i32::try_from(*n).is_ok())
            .map(|n| Value::Int32(i32::try_from(n).unwrap_or(0))),
        Kind::Long => number(value).map(Value::Int64),
        Kind::Bool => boolean(value).map(Value::Bool),
        Kind::Switch => switch(value).map(Value::Bool),
        Kind::DateTime => date(value),
        Kind::Bytes => value
            .as_bytes()
            .map(|bytes| Value::Bytes(bytes.into_owned())),
        Kind::Hashtable => value
            .as_object()
            .filter(|o| o.entries().is_some())
            .map(|_| value.clone()),
        Kind::Object => Some(value.clone()),
        // A text is no secure string, nor is one that could not be decrypted.
        Kind::Secret => matches!(value, Value::Secret(_)).then(|| value.clone()),
        Kind::ScriptBlock => match value {
            Value::ScriptBlock(_) => return Err(Failure::not_modelled("script blocks")),
            _ => None,
        },
        Kind::Enum(names) => return member(parameter, names, value).map(Value::String),
        Kind::Flags(names) => {
            let parts = strings(value);
            let texts: Vec<String> = parts
                .items()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::text)
                .collect();
            let mut members = Vec::new();
            for part in texts.iter().flat_map(|t| t.split(',')) {
                members.push(member(parameter, names, &part.trim().into())?);
            }
            Some(Value::String(members.join(", ")))
        }
        Kind::OneOf(names) => {
            let text = value.text().unwrap_or_default();
            let Some(name) = names.iter().find(|n| n.eq_ignore_ascii_case(&text)) else {
                return Err(not_in_set(parameter.name, &text, names));
            };
            Some(Value::from(*name))
        }
    };
    let Some(converted) = converted else {
        return fail(type_name(parameter.kind));
    };
    refuse_empty(parameter, value, &converted)?;
    Ok(converted)
}

/// A mandatory parameter takes neither null nor an empty text.
fn refuse_empty(parameter: &Parameter, given: &Value, converted: &Value) -> Result<(), Failure> {
    if !parameter.mandatory && parameter.mandatory_in.is_empty() {
        return Ok(());
    }
    let id = match (given, converted) {
        (Value::Null, _) if parameter.kind != Kind::Object => {
            "ParameterArgumentValidationErrorNullNotAllowed"
        }
        (_, Value::String(text)) if text.is_empty() => {
            "ParameterArgumentValidationErrorEmptyStringNotAllowed"
        }
        (_, list)
            if list
                .items()
                .is_some_and(|items| items.iter().any(|item| *item == Value::from(""))) =>
        {
            "ParameterArgumentValidationErrorEmptyStringNotAllowed"
        }
        (_, list)
            if list.items().is_some_and(<[_]>::is_empty) && parameter.kind == Kind::Strings =>
        {
            "ParameterArgumentValidationErrorEmptyArrayNotAllowed"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(
        id,
        Category::InvalidData,
        "System.Management.Automation.ParameterBindingValidationException",
        format!(
            "Cannot bind argument to parameter '{}' because it is null or empty.",
            parameter.name
        ),
    )
    .about(parameter.name))
}

/// Whether `value` has the type of `kind` without conversion.
pub(super) fn fits(kind: Kind, value: &Value) -> bool {
    match (kind, value.base()) {
        (Kind::Object, _)
        | (Kind::String | Kind::Strings, Value::String(_))
        | (Kind::Int, Value::Int32(_))
        | (Kind::Long, Value::Int64(_))
        | (Kind::Bool, Value::Bool(_))
        | (Kind::DateTime, Value::DateTime(_))
        | (Kind::Bytes, Value::Bytes(_))
        | (Kind::Secret, Value::Secret(_)) => true,
        (Kind::Hashtable, Value::Object(object)) => object.entries().is_some(),
        _ => false,
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(_) | Value::SecureString(_) | Value::Secret(_) | Value::Progress(_) => None,
        Value::Object(object) => value
            .text()
            .or_else(|| object.type_names.as_deref()?.first().cloned()),
        _ => value.text(),
    }
}

fn strings(value: &Value) -> Value {
    let items = match value.items() {
        Some(items) => items
            .iter()
            .map(|v| Value::String(plain_text(v).unwrap_or_default()))
            .collect(),
        None if *value == Value::Null => Vec::new(),
        None => vec![Value::String(plain_text(value).unwrap_or_default())],
    };
    Object::new()
        .with_types(["System.String[]", "System.Array", "System.Object"])
        .with_base(Base::List(items))
        .into()
}

/// An integer, or a text that is one.
pub(super) fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| match value.base() {
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(flag) => Some(i64::from(*flag)),
        _ => None,
    })
}

/// Boolean parameters accept booleans and numbers, no text.
fn boolean(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_i64().map(|n| n != 0))
}

fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(true),
        _ => boolean(value).or_else(|| boolean(value.get("IsPresent")?)),
    }
}

/// A point in time, or a text that is one (ISO 8601, or month/day/year as the invariant culture
/// writes it).
fn date(value: &Value) -> Option<Value> {
    if let Value::DateTime(_) = value.base() {
        return Some(value.base().clone());
    }
    let Value::String(text) = value.base() else {
        return None;
    };
    let text = text.trim();
    if text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok() {
        return Some(Value::DateTime(text.replacen(' ', "T", 1)));
    }
    let civil = ["%m/%d/%Y %H:%M:%S", "%m/%d/%Y"]
        .iter()
        .find_map(|format| {
            let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
            parsed
                .to_datetime()
                .or_else(|_| parsed.to_date().map(|d| d.at(0, 0, 0, 0)))
                .ok()
        })?;
    Some(Value::DateTime(
        civil.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
    ))
}

/// The instant that a converted date stands for; a time without offset is the server's local
/// one, which is universal time here.
pub(super) fn instant(value: &Value) -> Option<jiff::Timestamp> {
    let Value::DateTime(text) = value.base() else {
        return None;
    };
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|z| z.timestamp())
    })
}

/// The member of an enumeration: by name, by a beginning that only one name has, by number.
fn member(parameter: &Parameter, names: &[&str], value: &Value) -> Result<String, Failure> {
    let text = match value.items() {
        Some([single]) => single.text(),
        Some(_) => None,
        None => value.text(),
    }
    .unwrap_or_default();
    let text = text.trim();
    let exact = names.iter().find(|n| n.eq_ignore_ascii_case(text));
    let numbered = || {
        let index: usize = text.parse().ok()?;
        names.get(index)
    };
    let begins = |n: &&&str| {
        n.get(..text.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    let mut beginnings = names.iter().filter(begins);
    let unique = match (text.is_empty(), beginnings.next(), beginnings.next()) {
        (false, Some(only), None) => Some(only),
        _ => None,
    };
    exact.or_else(numbered).or(unique).map(|name| (*name).to_owned()).ok_or_else(|| {
        Failure::binding(
            "CannotConvertArgumentNoMessage",
            parameter.name,
            format!(
                "Cannot bind parameter '{}'. Cannot convert value \"{text}\". Error: \"Unable to match the identifier \
                 name {text} to a valid enumerator name. Specify one of the following enumerator names and try again: \
                 {}\"",
                parameter.name,
                names.join(", "),
            ),
        )
    })
}

fn not_in_set(parameter: &str, text: &str, names: &[&str]) -> Failure {
    Failure::new(
        "ParameterArgumentValidationError",
        Category::InvalidData,
        "System.Management.Automation.ParameterBindingValidationException",
        format!(
            "Cannot validate argument on parameter '{parameter}'. The argument \"{text}\" does not belong to the set \
             \"{}\" specified by the ValidateSet attribute.",
            names.join(","),
        ),
    )
    .about(parameter)
}

fn no_conversion(parameter: &str, value: &Value, wanted: &str) -> Failure {
    let shown = plain_text(value).unwrap_or_else(|| "null".into());
    if wanted == "System.Boolean" {
        return Failure::argument(
            "ParameterArgumentTransformationError",
            parameter,
            &format!(
                "Cannot convert value \"{shown}\" to type \"System.Boolean\". Boolean parameters accept only Boolean \
                 values and numbers, such as $True, $False, 1 or 0."
            ),
        );
    }
    Failure::binding(
        "CannotConvertArgumentNoMessage",
        parameter,
        format!(
            "Cannot bind parameter '{parameter}'. Cannot convert value \"{shown}\" to type \"{wanted}\"."
        ),
    )
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::String | Kind::OneOf(_) => "System.String",
        Kind::Strings => "System.String[]",
        Kind::Int => "System.Int32",
        Kind::Long => "System.Int64",
        Kind::Bool => "System.Boolean",
        Kind::Switch => "System.Management.Automation.SwitchParameter",
        Kind::DateTime => "System.DateTime",
        Kind::Bytes => "System.Byte[]",
        Kind::Hashtable => "System.Collections.Hashtable",
        Kind::ScriptBlock => "System.Management.Automation.ScriptBlock",
        Kind::Secret => "System.Security.SecureString",
        Kind::Object | Kind::Enum(_) | Kind::Flags(_) => "System.Object",
    }
}
