//! Reading what pipelines gave: the same few questions that every step asks of records.
//!
//! Values arrive as objects or as text, depending on how deep the server serialized; both are
//! accepted. Nothing is recognised by a message's text, which follows the server's language.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{ErrorRecord, PipelineOutput};
use sha2::{Digest as _, Sha256};

use crate::{Observations, Problem, double_hop};

/// What to do about an answer that makes no sense.
pub(crate) const REPORT: &str =
    "this program does not know such an answer: please report it with the transcript";

/// Error categories ([MS-PSRP] 2.2.3.15) of conditions that pass: `OpenError`,
/// `OperationTimeout`, `ResourceBusy`, `ResourceUnavailable`, `ReadError`, `WriteError`,
/// `ConnectionError`, `LimitsExceeded`, `QuotaExceeded`.
const PASSING: [i32; 9] = [1, 15, 19, 21, 22, 23, 27, 29, 30];

/// Category `ObjectNotFound`.
const OBJECT_NOT_FOUND: i32 = 13;

/// What `query` gave, if it gave no error; `action` says for people what was read.
pub(crate) fn clean<'a>(
    seen: &'a Observations,
    query: &str,
    action: &str,
) -> Result<&'a PipelineOutput, Problem> {
    let output = observed(seen, query, action)?;
    match output.errors().next() {
        None => Ok(output),
        Some(error) => Err(refused(action, error)),
    }
}

/// What `query` gave, errors and all.
pub(crate) fn observed<'a>(
    seen: &'a Observations,
    query: &str,
    action: &str,
) -> Result<&'a PipelineOutput, Problem> {
    seen.get(query).ok_or_else(|| {
        Problem::new(
            action,
            format!("query {query:?} has not been run"),
            "run the step again",
        )
    })
}

/// The one object that `query` should have given.
pub(crate) fn single<'a>(
    seen: &'a Observations,
    query: &str,
    action: &str,
) -> Result<&'a Value, Problem> {
    clean(seen, query, action)?.objects().next().ok_or_else(|| {
        Problem::new(
            action,
            "no object came back",
            "run the command by hand; the transcript shows it",
        )
    })
}

/// A problem from an error record of a read.
pub(crate) fn refused(action: &str, error: &ErrorRecord) -> Problem {
    let mut problem = Problem::from_record(action, error);
    problem.retry = PASSING.contains(&error.category.code);
    if double_hop::shows_in(error) {
        problem.advice = double_hop::ADVICE.into();
    } else if is_missing_command(error) {
        problem.advice = "the endpoint does not offer this command: a role is missing to the account, or a module to \
                          the server"
            .into();
    }
    problem
}

/// Whether the endpoint does not know the command: not installed, or not granted.
pub(crate) fn is_missing_command(error: &ErrorRecord) -> bool {
    error.id() == "CommandNotFoundException"
        || error.exception_type.ends_with(".CommandNotFoundException")
}

/// Whether what was asked for does not exist.
pub(crate) fn is_not_found(error: &ErrorRecord) -> bool {
    !is_missing_command(error)
        && (error.category.code == OBJECT_NOT_FOUND
            || ["PathNotFound", "ItemNotFound"].contains(&error.id())
            || error.error_id.contains("ManagementObjectNotFoundException"))
}

/// The text of property `name`, unless it is null or empty.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.text().filter(|text| !text.is_empty())
}

/// The integer of property `name`, which may arrive as text.
pub(crate) fn number(object: &Value, name: &str) -> Option<i64> {
    let value = object.get(name)?;
    value.as_i64().or_else(|| value.text()?.trim().parse().ok())
}

/// The boolean of a value, which may arrive as text.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| match value.text()?.as_str() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    })
}

/// The point in time of a value: a `DateTime` with its offset, or the text of WMI
/// (`20261123100000.123456+060`). Times without an offset are nobody's, and give `None`.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    let text = value.base().text()?;
    text.parse().ok().or_else(|| wmi_time(&text))
}

/// CIM_DATETIME: fourteen digits, six of fraction, and the offset in minutes.
fn wmi_time(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| -> Option<i16> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let small = |from: usize, to: usize| number(from, to).and_then(|n| i8::try_from(n).ok());
    if text.len() != 25 || text.get(14..15) != Some(".") {
        return None;
    }
    let nanoseconds = text.get(15..21)?.parse::<i32>().ok()?.checked_mul(1000)?;
    let civil = DateTime::new(
        number(0, 4)?,
        small(4, 6)?,
        small(6, 8)?,
        small(8, 10)?,
        small(10, 12)?,
        small(12, 14)?,
        nanoseconds,
    );
    let minutes = i32::from(number(22, 25)?);
    let sign = match text.get(21..22)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    Offset::from_seconds(sign * minutes * 60)
        .ok()?
        .to_timestamp(civil.ok()?)
        .ok()
}

/// The content of a file as `Get-Content -Encoding Byte` gives it: one byte array, a list of
/// bytes, or a stream of either.
pub(crate) fn content(output: &PipelineOutput) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    for object in output.objects() {
        match object.as_bytes() {
            Some(bytes) => content.extend_from_slice(&bytes),
            None => content.push(u8::try_from(object.as_i64()?).ok()?),
        }
    }
    Some(content)
}

/// SHA-256 as `Get-FileHash` writes it: upper-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Upper-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02X}");
            text
        })
}

#[cfg(test)]
mod tests {
    use owaim_proto::clixml::Object;
    use owaim_proto::psrp::{PipelineState, Record};

    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_says_where_it_is() {
        for (text, expected) in [
            ("2026-11-23T10:00:00Z", Some("2026-11-23T10:00:00Z")),
            (
                "2026-11-23T11:00:00.1234567+01:00",
                Some("2026-11-23T10:00:00.1234567Z"),
            ),
            (
                "20261123110000.123456+060",
                Some("2026-11-23T10:00:00.123456Z"),
            ),
            ("20261123050000.000000-300", Some("2026-11-23T10:00:00Z")),
            ("2026-11-23T10:00:00", None),
            ("20261123110000.123456", None),
            ("20261323110000.123456+060", None),
            ("2026112311000\u{e9}.12345+060", None),
            ("********110000.******+***", None),
            ("", None),
        ] {
            let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
            assert_eq!(time(&Value::DateTime(text.into())), expected, "{text}");
            assert_eq!(time(&Value::String(text.into())), expected, "{text}");
        }
    }

    #[test]
    fn bytes_are_read_in_every_form_they_come_in() {
        let list =
            |bytes: &[u8]| Value::from(bytes.iter().map(|b| Value::Byte(*b)).collect::<Vec<_>>());
        let noted =
            Object::new().with_base(owaim_proto::clixml::Base::Primitive(Value::Bytes(vec![
                1, 2,
            ])));
        for (objects, expected) in [
            (vec![Value::Bytes(vec![1, 2])], Some(vec![1, 2])),
            (vec![noted.into()], Some(vec![1, 2])),
            (vec![list(&[1, 2])], Some(vec![1, 2])),
            (vec![list(&[1]), list(&[2])], Some(vec![1, 2])),
            (vec![Value::Byte(1), Value::Byte(2)], Some(vec![1, 2])),
            (vec![], Some(vec![])),
            (vec!["text".into()], None),
            (vec![Value::Int32(256)], None),
        ] {
            let records = objects.into_iter().map(Record::Output).collect();
            assert_eq!(
                content(&PipelineOutput {
                    records,
                    state: PipelineState::Completed
                }),
                expected
            );
        }
    }
}
