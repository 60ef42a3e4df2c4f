//! Cmdlets that work on whatever comes through the pipeline.

use std::cmp::Ordering;

use owaim_proto::clixml::{Base, Object, Value};

use super::super::binder::Bound;
use super::super::errors::Failure;
use super::super::{convert, values};
use super::Cx;

/// The object that a call is for.
fn input(call: &Bound) -> Option<Value> {
    call.get("InputObject").or(call.input.as_ref()).cloned()
}

/// Property `name` of anything; strings and lists have their lengths.
fn property(value: &Value, name: &str) -> Value {
    if let Some(found) = value.get(name) {
        return found.clone();
    }
    let count = |n: usize| Value::Int32(i32::try_from(n).unwrap_or(i32::MAX));
    match (value.base(), name.to_ascii_lowercase().as_str()) {
        (Value::String(text), "length") => count(text.encode_utf16().count()),
        (base, "count" | "length") => base.items().map_or(Value::Null, |items| count(items.len())),
        _ => Value::Null,
    }
}

/// Compares as PowerShell does: the left side's type counts, text without regard to case.
fn order(left: &Value, right: &Value, case: bool) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (left.as_i64(), convert::number(right)) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (convert::instant(left), time_of(right)) {
        return Some(a.cmp(&b));
    }
    match (left, right) {
        (Value::Null, Value::Null) => return Some(Ordering::Equal),
        (Value::Null, _) | (_, Value::Null) => return None,
        _ => {}
    }
    if let Some(a) = left.as_bool() {
        // A boolean on the left turns the right side into one.
        let b = right
            .as_bool()
            .unwrap_or_else(|| right.text().is_some_and(|t| !t.is_empty()));
        return Some(a.cmp(&b));
    }
    let (a, b) = (left.text()?, right.text()?);
    Some(if case {
        a.cmp(&b)
    } else {
        a.to_lowercase().cmp(&b.to_lowercase())
    })
}

fn time_of(value: &Value) -> Option<jiff::Timestamp> {
    convert::instant(value).or_else(|| value.text()?.parse().ok())
}

fn truth(value: &Value) -> bool {
    match value.base() {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::String(text) => !text.is_empty(),
        other => {
            other.as_i64().is_none_or(|n| n != 0)
                && other.items().is_none_or(|items| !items.is_empty())
        }
    }
}

/// The simple form: `-Property P -EQ -Value V`, and `-Property P` alone.
pub(super) fn where_object(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    const OPERATORS: &[&str] = &[
        "EQ",
        "NE",
        "GT",
        "GE",
        "LT",
        "LE",
        "Like",
        "NotLike",
        "Contains",
        "NotContains",
        "In",
        "NotIn",
    ];
    for call in calls {
        if call.has("FilterScript") {
            return Err(Failure::not_modelled("script blocks"));
        }
        let Some(object) = input(call) else { continue };
        let name = call.text("Property").unwrap_or_default();
        let found = property(&object, &name);
        let wanted = call.get("Value").cloned().unwrap_or(Value::Bool(true));
        let given = |name: &&&str| call.switch(name) || call.switch(&format!("C{name}"));
        let passes = match OPERATORS.iter().find(given) {
            None if call.has("Value") => holds("EQ", &found, &wanted, false),
            None => {
                let other = call.iter().any(|(p, v)| {
                    p.name.ends_with("Match")
                        || (p.name.starts_with("Is") && v.as_bool() == Some(true))
                });
                if other {
                    return Err(Failure::not_modelled("this comparison"));
                }
                truth(&found)
            }
            Some(operator) => holds(
                operator,
                &found,
                &wanted,
                call.switch(&format!("C{operator}")),
            ),
        };
        if passes {
            cx.output(object);
        }
    }
    Ok(())
}

fn holds(operator: &str, left: &Value, right: &Value, case: bool) -> bool {
    let compared = || order(left, right, case);
    let like = |text: &Value, pattern: &Value| {
        values::wildcard(
            &pattern.text().unwrap_or_default(),
            &text.text().unwrap_or_default(),
        )
    };
    let among = |list: &Value, one: &Value| match list.items() {
        Some(items) => items
            .iter()
            .any(|item| order(item, one, case) == Some(Ordering::Equal)),
        None => order(list, one, case) == Some(Ordering::Equal),
    };
    match operator {
        "EQ" => compared() == Some(Ordering::Equal),
        "NE" => compared() != Some(Ordering::Equal),
        "GT" => compared() == Some(Ordering::Greater),
        "GE" => matches!(compared(), Some(Ordering::Greater | Ordering::Equal)),
        "LT" => compared() == Some(Ordering::Less),
        "LE" => matches!(compared(), Some(Ordering::Less | Ordering::Equal)),
        "Like" => like(left, right),
        "NotLike" => !like(left, right),
        "Contains" => among(left, right),
        "NotContains" => !among(left, right),
        "In" => among(right, left),
        "NotIn" => !among(right, left),
        _ => false,
    }
}

pub(super) fn select_object(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    let Some(options) = calls.first() else {
        return Ok(());
    };
    let mut objects: Vec<Value> = calls.iter().filter_map(input).collect();
    let number = |name: &str| options.number(name).and_then(|n| usize::try_from(n).ok());
    let all = objects.len();
    if let Some(skip) = number("Skip") {
        objects.drain(..skip.min(all));
    }
    if let Some(first) = number("First") {
        objects.truncate(first);
    }
    if let Some(last) = number("Last") {
        objects.drain(..objects.len().saturating_sub(last));
    }
    let names = options.texts("Property");
    if options
        .get("Property")
        .and_then(Value::items)
        .is_some_and(|items| items.iter().any(|i| i.get("Expression").is_some()))
    {
        return Err(Failure::not_modelled("calculated properties"));
    }
    let expand = options.text("ExpandProperty");
    let mut seen: Vec<Value> = Vec::new();
    for object in objects {
        let mut chosen = vec![object.clone()];
        if let Some(name) = &expand {
            let value = property(&object, name);
            if value == Value::Null && object.get(name).is_none() {
                let missing = Failure::new(
                    "ExpandPropertyNotFound",
                    super::super::errors::Category::InvalidArgument,
                    "System.Management.Automation.PSArgumentException",
                    format!("Property \"{name}\" cannot be found."),
                );
                cx.error(&missing.about(object.text().unwrap_or_default()));
                continue;
            }
            chosen = value
                .items()
                .map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
        } else if !names.is_empty() {
            chosen = vec![selected(&object, &names).into()];
        }
        for one in chosen {
            if options.switch("Unique") && seen.contains(&one) {
                continue;
            }
            seen.push(one.clone());
            cx.output(one);
        }
    }
    Ok(())
}

fn selected(object: &Value, names: &[String]) -> Object {
    let kind = object
        .as_object()
        .and_then(|o| o.type_names.as_deref()?.first().cloned());
    let kind = format!(
        "Selected.{}",
        kind.unwrap_or_else(|| "System.String".into())
    );
    let mut result = Object::new()
        .with_types([
            kind.as_str(),
            "System.Management.Automation.PSCustomObject",
            "System.Object",
        ])
        .with_string("");
    for name in names {
        if name.contains(['*', '?']) {
            let all = object
                .as_object()
                .into_iter()
                .flat_map(|o| o.adapted.iter().chain(&o.extended));
            for (key, value) in all.filter(|(key, _)| values::wildcard(name, key)) {
                result = result.with_note(key, value.clone());
            }
        } else {
            result = result.with_note(name, property(object, name));
        }
    }
    result
}

pub(super) fn sort_object(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    let Some(options) = calls.first() else {
        return Ok(());
    };
    let names = options.texts("Property");
    let case = options.switch("CaseSensitive");
    let mut objects: Vec<Value> = calls.iter().filter_map(input).collect();
    let compare = |a: &Value, b: &Value| {
        if names.is_empty() {
            return order(a, b, case).unwrap_or(Ordering::Equal);
        }
        names
            .iter()
            .map(|n| order(&property(a, n), &property(b, n), case).unwrap_or(Ordering::Equal))
            .find(|o| *o != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    };
    objects.sort_by(compare);
    if options.switch("Unique") {
        objects.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    }
    if options.switch("Descending") {
        objects.reverse();
    }
    for object in objects {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn measure_object(cx: &mut Cx<'_>, calls: &[Bound]) -> Result<(), Failure> {
    let options = calls.first();
    let name = options.and_then(|o| o.texts("Property").into_iter().next());
    if options.is_some_and(|o| o.switch("Line") || o.switch("Word") || o.switch("Character")) {
        return Err(Failure::not_modelled("measuring text"));
    }
    let objects: Vec<Value> = calls.iter().filter_map(input).collect();
    let numbers: Vec<i64> = objects
        .iter()
        .map(|o| name.as_ref().map_or_else(|| o.clone(), |n| property(o, n)))
        .filter_map(|v| v.as_i64())
        .collect();
    let wants = |switch: &str| options.is_some_and(|o| o.switch(switch)) && !numbers.is_empty();
    // Results are of type double; the sums of a simulated server stay far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let double = |n: i64| Value::Double(n as f64);
    let sum: i64 = numbers.iter().sum();
    let when = |wanted: bool, value: Value| if wanted { value } else { Value::Null };
    let average = match (double(sum), i32::try_from(numbers.len())) {
        (Value::Double(sum), Ok(count)) if count > 0 => Value::Double(sum / f64::from(count)),
        _ => Value::Null,
    };
    let result = Object::new()
        .with_types([
            "Microsoft.PowerShell.Commands.GenericMeasureInfo",
            "Microsoft.PowerShell.Commands.MeasureInfo",
            "System.Object",
        ])
        .with_string("Microsoft.PowerShell.Commands.GenericMeasureInfo")
        .with("Count", i32::try_from(objects.len()).unwrap_or(i32::MAX))
        .with("Average", when(wants("Average"), average))
        .with("Sum", when(wants("Sum"), double(sum)))
        .with(
            "Maximum",
            when(
                wants("Maximum"),
                numbers.iter().max().map_or(Value::Null, |n| double(*n)),
            ),
        )
        .with(
            "Minimum",
            when(
                wants("Minimum"),
                numbers.iter().min().map_or(Value::Null, |n| double(*n)),
            ),
        )
        .with("Property", name.map_or(Value::Null, Value::from));
    cx.output(result);
    Ok(())
}

/// Lists are given element by element, unless told otherwise.
pub(super) fn write_output(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let value = call
        .get("InputObject")
        .or(call.input.as_ref())
        .cloned()
        .unwrap_or(Value::Null);
    let list = value
        .as_object()
        .filter(|_| !call.switch("NoEnumerate"))
        .map(|o| o.base.clone());
    match list {
        Some(Base::List(items) | Base::Enumerable(items)) => {
            for item in items {
                cx.output(item);
            }
        }
        _ => cx.output(value),
    }
    Ok(())
}

pub(super) fn write_warning(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    cx.warning(call.text("Message").unwrap_or_default());
    Ok(())
}
