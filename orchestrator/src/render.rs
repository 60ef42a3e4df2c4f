//! Commands and records as text fit for people and files.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::{
    Command, ErrorRecord, Parameter, Pipeline, PipelineOutput, PipelineState, Record,
};
use sha2::{Digest, Sha256};

use crate::event::{ReceivedRecord, SentCommand};

/// Characters of one value that are shown; the rest is counted.
const MAX_VALUE: usize = 400;
/// Properties of one object, and elements of one list, that are shown.
const MAX_PARTS: usize = 80;

/// How byte arrays are written in a literal.
#[derive(Clone, Copy, PartialEq)]
enum BytesAs {
    /// In base64, all of them.
    Whole,
    /// By length and hash.
    Summary,
    /// As what they are read from, which whoever types the command has to name.
    Asked,
}

/// The statements of `pipeline` for the record: each value as a PowerShell literal, byte arrays
/// by length and hash.
pub fn sent(pipeline: &Pipeline) -> Vec<Vec<SentCommand>> {
    statements(pipeline, BytesAs::Summary)
}

/// The pipeline as a person would type it, whole: byte arrays in base64, texts quoted so that
/// nothing in them is expanded.
pub fn powershell(pipeline: &Pipeline) -> String {
    statements(pipeline, BytesAs::Whole)
        .iter()
        .map(|statement| typed(statement))
        .collect::<Vec<_>>()
        .join("; ")
}

/// A statement as a person would type it.
pub fn typed(statement: &[SentCommand]) -> String {
    let command = |command: &SentCommand| {
        let program = command.name.contains(['\\', '/', ' ', '.']);
        let mut text = if program {
            format!("& {}", quote(&command.name))
        } else {
            command.name.clone()
        };
        for (name, value) in &command.parameters {
            // With a colon it is right for switches and for Boolean parameters alike.
            let _ = match (name.is_empty(), value.as_str()) {
                (true, value) => write!(text, " {value}"),
                (false, "$true" | "$false") => write!(text, " -{name}:{value}"),
                (false, value) => write!(text, " -{name} {value}"),
            };
        }
        text
    };
    statement
        .iter()
        .map(command)
        .collect::<Vec<_>>()
        .join(" | ")
}

fn statements(pipeline: &Pipeline, bytes: BytesAs) -> Vec<Vec<SentCommand>> {
    let command = |command: &Command| {
        // What a password opens is not for every reader either.
        let with_secret = |p: &Parameter| matches!(p.value, Value::Secret(_));
        let bytes = match bytes {
            BytesAs::Whole if command.parameters.iter().any(with_secret) => BytesAs::Asked,
            other => other,
        };
        SentCommand {
            name: command.name.clone(),
            parameters: command
                .parameters
                .iter()
                .map(|p| (p.name.clone().unwrap_or_default(), literal(&p.value, bytes)))
                .collect(),
        }
    };
    pipeline
        .statements
        .iter()
        .map(|statement| statement.iter().map(command).collect())
        .collect()
}

/// The records of `output` for the record, the error that ended it included.
pub fn received(output: &PipelineOutput) -> Vec<ReceivedRecord> {
    let last = match &output.state {
        PipelineState::Failed(error) | PipelineState::Stopped(Some(error)) => {
            Some(record("error", error_text(error)))
        }
        PipelineState::Completed | PipelineState::Stopped(None) => None,
    };
    output
        .records
        .iter()
        .map(received_one)
        .chain(last)
        .collect()
}

/// The word for the state a pipeline ended in.
pub fn state_word(state: &PipelineState) -> &'static str {
    match state {
        PipelineState::Completed => "completed",
        PipelineState::Stopped(_) => "stopped",
        PipelineState::Failed(_) => "failed",
    }
}

fn record(stream: &str, text: String) -> ReceivedRecord {
    ReceivedRecord {
        stream: stream.into(),
        text,
    }
}

fn received_one(item: &Record) -> ReceivedRecord {
    match item {
        Record::Output(value) => record("output", long(value)),
        Record::Error(error) => record("error", error_text(error)),
        Record::Warning(text) => record("warning", text.clone()),
        Record::Verbose(text) => record("verbose", text.clone()),
        Record::Debug(text) => record("debug", text.clone()),
        Record::Information(value) => record("information", long(value)),
        Record::Progress(progress) => record(
            "progress",
            format!(
                "{} {}",
                progress.activity,
                progress.status.as_deref().unwrap_or_default()
            ),
        ),
        Record::HostCall(call) => record("host-call", format!("{} (refused)", call.method_name)),
    }
}

fn error_text(error: &ErrorRecord) -> String {
    format!(
        "{} [{}, {}]",
        error.message, error.error_id, error.category.name
    )
}

/// A value on one line.
pub fn short(value: &Value) -> String {
    match value.base() {
        Value::Null => "null".into(),
        Value::SecureString(_) | Value::Secret(_) => "***".into(),
        Value::Bytes(bytes) => bytes_text(bytes),
        Value::Object(object) => match &object.base {
            Base::List(items)
            | Base::Enumerable(items)
            | Base::Stack(items)
            | Base::Queue(items) => list(items),
            Base::Dictionary(entries) => {
                let entry =
                    |(key, value): &(Value, Value)| format!("{} = {}", short(key), short(value));
                format!(
                    "@{{ {} }}",
                    entries
                        .iter()
                        .take(MAX_PARTS)
                        .map(entry)
                        .collect::<Vec<_>>()
                        .join("; ")
                )
            }
            _ => object
                .to_string
                .clone()
                .unwrap_or_else(|| "(object)".into()),
        },
        other => cut(&other.text().unwrap_or_default()),
    }
}

fn list(items: &[Value]) -> String {
    if items.len() > 16 && items.iter().all(|item| matches!(item, Value::Byte(_))) {
        let bytes: Vec<u8> = items
            .iter()
            .filter_map(|item| item.as_i64().and_then(|n| u8::try_from(n).ok()))
            .collect();
        return bytes_text(&bytes);
    }
    let shown: Vec<_> = items.iter().take(MAX_PARTS).map(short).collect();
    let more = if items.len() > MAX_PARTS {
        format!(", … {} in all", items.len())
    } else {
        String::new()
    };
    format!("{{{}{more}}}", shown.join(", "))
}

fn bytes_text(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex = hash.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("({} bytes, sha256 {hex})", bytes.len())
}

/// `text`, or its beginning and its length.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        None => text.into(),
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
    }
}

/// A value with the properties of an object on lines of their own.
pub fn long(value: &Value) -> String {
    let Some(object) = value.as_object() else {
        return short(value);
    };
    let plain = !matches!(object.base, Base::None)
        || (object.adapted.is_empty() && object.extended.is_empty());
    if plain {
        return short(value);
    }
    let mut text = title(object);
    for (name, value) in object
        .adapted
        .iter()
        .chain(&object.extended)
        .take(MAX_PARTS)
    {
        let _ = write!(text, "\n{name} : {}", short(value).replace('\n', "\n    "));
    }
    text
}

fn title(object: &Object) -> String {
    let of_type = object.type_names.as_deref().and_then(<[String]>::first);
    match (&object.to_string, of_type) {
        (Some(text), _) => cut(text),
        (None, Some(name)) => format!("({})", name.strip_prefix("Deserialized.").unwrap_or(name)),
        (None, None) => "(object)".into(),
    }
}

/// A PowerShell literal of `value`.
fn literal(value: &Value, bytes: BytesAs) -> String {
    match value.base() {
        Value::Null => "$null".into(),
        Value::Bool(on) => format!("${on}"),
        Value::Bytes(content) if bytes == BytesAs::Summary => bytes_text(content),
        Value::Bytes(content) if bytes == BytesAs::Asked => format!(
            "([IO.File]::ReadAllBytes((Read-Host {})))",
            quote(&format!(
                "Path of the file, {}",
                bytes_text(content).trim_matches(['(', ')'])
            ))
        ),
        Value::Bytes(content) => format!(
            "([Convert]::FromBase64String('{}'))",
            STANDARD.encode(content)
        ),
        // To be typed by whoever runs it by hand.
        Value::SecureString(_) | Value::Secret(_) => "(Read-Host -AsSecureString)".into(),
        other => match other.as_i64() {
            Some(number) => number.to_string(),
            None => match (other.items(), other.as_object().and_then(Object::entries)) {
                (Some(items), _) => format!(
                    "@({})",
                    items
                        .iter()
                        .map(|item| literal(item, bytes))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
                (None, Some(entries)) => {
                    let entry = |(key, value): &(Value, Value)| {
                        format!("{} = {}", literal(key, bytes), literal(value, bytes))
                    };
                    format!(
                        "@{{ {} }}",
                        entries.iter().map(entry).collect::<Vec<_>>().join("; ")
                    )
                }
                (None, None) => quote(&other.text().unwrap_or_default()),
            },
        },
    }
}

/// `text` in single quotes. PowerShell takes typographic single quotes for quotes too.
fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_shown_as_it_would_be_typed() {
        let cases = [
            (
                Pipeline::new(
                    Command::new("Set-OwaVirtualDirectory")
                        .with("Identity", "SRV\\owa (it's)")
                        .with("InstantMessagingEnabled", true),
                ),
                "Set-OwaVirtualDirectory -Identity 'SRV\\owa (it''s)' -InstantMessagingEnabled:$true",
            ),
            (
                Pipeline::new(
                    Command::new("D:\\Win\\appcmd.exe")
                        .arg("recycle")
                        .arg("apppool"),
                ),
                "& 'D:\\Win\\appcmd.exe' 'recycle' 'apppool'",
            ),
            (
                Pipeline::new(Command::new("Get-Item").with("LiteralPath", "x"))
                    .pipe(Command::new("Set-Content").with("Value", vec![1_u8, 2])),
                "Get-Item -LiteralPath 'x' | Set-Content -Value ([Convert]::FromBase64String('AQI='))",
            ),
            (
                Pipeline::new(
                    Command::new("A")
                        .with("N", 5)
                        .with("L", vec![Value::from("a"), Value::from(1)]),
                ),
                "A -N 5 -L @('a', 1)",
            ),
            (
                Pipeline::new(
                    Command::new("A").with("Password", owaim_transport::Secret::new("pw".into())),
                ),
                "A -Password (Read-Host -AsSecureString)",
            ),
            (
                Pipeline::new(
                    Command::new("A")
                        .with("FileData", vec![1_u8])
                        .with("Password", owaim_transport::Secret::new("pw".into())),
                ),
                "A -FileData ([IO.File]::ReadAllBytes((Read-Host 'Path of the file, 1 bytes, sha256 \
                 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a'))) -Password \
                 (Read-Host -AsSecureString)",
            ),
        ];
        for (pipeline, expected) in cases {
            assert_eq!(powershell(&pipeline), expected);
        }
    }

    #[test]
    fn records_keep_to_what_people_can_read() {
        let object: Value = Object::new()
            .with_types(["A.B", "System.Object"])
            .with("Name", "x")
            .with("Data", vec![0; 99])
            .into();
        assert!(
            long(&object).starts_with("(A.B)\nName : x\nData : (99 bytes, sha256 "),
            "{}",
            long(&object)
        );
        let secret = Value::from(owaim_transport::Secret::new("pw".into()));
        assert_eq!(short(&secret), "***");
        assert!(short(&Value::from("y".repeat(1000))).ends_with("(1000 characters)"));
    }
}
