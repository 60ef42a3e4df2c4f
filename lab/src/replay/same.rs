//! Whether two pipelines ask for the same, and how a pipeline is described.
//!
//! Times differ from run to run, and what travels encrypted or was no text is not in a recording: such values are the
//! same as any other of their kind.

use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::{Command, Pipeline};

/// What a recording has in place of texts that travelled encrypted.
const SECURE_STRING: &str = "[secure string]";

/// Longest description of a pipeline.
const LONGEST: usize = 300;

/// Whether a recorded pipeline asks for what a live one does.
pub(super) fn pipelines(recorded: &Pipeline, live: &Pipeline) -> bool {
    recorded.takes_input == live.takes_input
        && all(&recorded.statements, &live.statements, |recorded, live| {
            all(recorded, live, commands)
        })
}

fn commands(recorded: &Command, live: &Command) -> bool {
    recorded.name.eq_ignore_ascii_case(&live.name)
        && recorded.is_script == live.is_script
        && all(&recorded.parameters, &live.parameters, |recorded, live| {
            let name = |name: &Option<String>| name.as_deref().map(str::to_lowercase);
            name(&recorded.name) == name(&live.name) && values(&recorded.value, &live.value)
        })
}

/// Whether a recorded value is what a live one is.
pub(super) fn values(recorded: &Value, live: &Value) -> bool {
    match (recorded, live) {
        (Value::String(text), Value::Secret(_) | Value::SecureString(_)) => text == SECURE_STRING,
        (Value::String(recorded), Value::String(live)) => {
            recorded == live || timeless(recorded) == timeless(live)
        }
        (Value::DateTime(_), Value::DateTime(_)) => true,
        (Value::Bytes(recorded), Value::Bytes(live)) => recorded == live || is_blank(recorded),
        (Value::MemberSet(recorded), Value::MemberSet(live)) => members(recorded, live),
        (Value::Object(recorded), Value::Object(live)) => objects(recorded, live),
        _ => recorded == live,
    }
}

fn objects(recorded: &Object, live: &Object) -> bool {
    let texts = match (&recorded.to_string, &live.to_string) {
        (Some(recorded), Some(live)) => timeless(recorded) == timeless(live),
        (recorded, live) => recorded == live,
    };
    texts
        && recorded.type_names == live.type_names
        && members(&recorded.adapted, &live.adapted)
        && members(&recorded.extended, &live.extended)
        && match (&recorded.base, &live.base) {
            (Base::Primitive(recorded), Base::Primitive(live)) => values(recorded, live),
            (Base::List(recorded), Base::List(live))
            | (Base::Enumerable(recorded), Base::Enumerable(live))
            | (Base::Stack(recorded), Base::Stack(live))
            | (Base::Queue(recorded), Base::Queue(live)) => all(recorded, live, values),
            (Base::Dictionary(recorded), Base::Dictionary(live)) => {
                all(recorded, live, |(key, value), (live_key, live_value)| {
                    values(key, live_key) && values(value, live_value)
                })
            }
            (recorded, live) => recorded == live,
        }
}

fn members(recorded: &[(String, Value)], live: &[(String, Value)]) -> bool {
    all(recorded, live, |(key, value), (live_key, live_value)| {
        key == live_key && values(value, live_value)
    })
}

fn all<T>(recorded: &[T], live: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    recorded.len() == live.len()
        && recorded
            .iter()
            .zip(live)
            .all(|(recorded, live)| same(recorded, live))
}

/// Whether bytes stand for others that could not be looked through.
fn is_blank(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0)
}

/// `text` with every time in it, `2026-11-27T20:15:00Z` or `20261127T201500Z`, made the same.
fn timeless(text: &str) -> String {
    let of_time = |c: char| c.is_ascii_digit() || matches!(c, 'T' | 'Z' | ':' | '-' | '.');
    let is_time = |run: &str| {
        run.len() >= 15 && run.contains('T') && run.bytes().filter(u8::is_ascii_digit).count() >= 14
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(of_time) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !of_time(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        result.push_str(before);
        if is_time(run) {
            result.push_str("TIME");
        } else {
            result.push_str(run);
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// The pipeline as people type it, cut where it gets long.
pub(super) fn described(pipeline: &Pipeline) -> String {
    let command = |command: &Command| {
        let mut text = command.name.clone();
        for parameter in &command.parameters {
            if let Some(name) = &parameter.name {
                text.push_str(" -");
                text.push_str(name);
            }
            text.push(' ');
            text.push_str(&argument(&parameter.value));
        }
        text
    };
    let statements = pipeline.statements.iter().map(|statement| {
        let commands: Vec<String> = statement.iter().map(command).collect();
        commands.join(" | ")
    });
    let text = statements.collect::<Vec<_>>().join("; ");
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn argument(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => format!("<{} bytes>", bytes.len()),
        Value::Secret(_) | Value::SecureString(_) => SECURE_STRING.into(),
        other => match other.items() {
            Some(items) => items.iter().map(argument).collect::<Vec<_>>().join(","),
            None => other.text().unwrap_or_else(|| "…".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use owaim_proto::Secret;

    use super::*;

    #[test]
    fn times_and_secrets_are_the_same_as_any_other() {
        let text = |text: &str| Value::from(text);
        let cases = [
            (
                text("a 2026-11-27T20:15:00Z"),
                text("a 2027-01-01T00:00:00.5Z"),
                true,
            ),
            (
                text("x-20261127T201500Z.bak"),
                text("x-20270101T000000Z.bak"),
                true,
            ),
            (text("port 5199"), text("port 5200"), false),
            (text("1.2.3.4"), text("1.2.3.5"), false),
            (
                text(SECURE_STRING),
                Value::Secret(Secret::new("x".into())),
                true,
            ),
            (text("y"), Value::Secret(Secret::new("x".into())), false),
            (Value::Bytes(vec![0; 9]), Value::Bytes(vec![1, 2]), true),
            (Value::Bytes(vec![1]), Value::Bytes(vec![2]), false),
            (vec![text("a")].into(), vec![text("a")].into(), true),
            (vec![text("a")].into(), vec![text("b")].into(), false),
        ];
        for (recorded, live, expected) in cases {
            assert_eq!(values(&recorded, &live), expected, "{recorded:?} {live:?}");
        }
    }
}
