//! Words of a command line as a typed [`Command`]: what `owaim invoke` sends.
//!
//! The kinds of the catalogue decide how a word is read; nothing is ever parsed as PowerShell.

use owaim_inventory::catalogue::{self, Kind};
use owaim_proto::Secret;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Command;

/// Why words make no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Nothing was given.
    #[error("no command is given; expected a cmdlet or the full path of a program after --")]
    Nothing,
    /// A dash without a name.
    #[error("{0:?} is no parameter; expected -Name, -Name value or -Name:value")]
    NoName(String),
}

/// The command that `words` mean: a name, then `-Name value`, `-Name:value`, `-Switch` and
/// positional values. `$true`, `$false`, `$null` and whole numbers are typed; where the
/// catalogue says text, everything is text, and where it says a list, commas separate.
pub fn command(words: &[String]) -> Result<Command, ArgumentError> {
    let (name, words) = words.split_first().ok_or(ArgumentError::Nothing)?;
    let cmdlet = catalogue::find(name);
    let mut command = Command::new(name.clone());
    if cmdlet.is_none() && name.contains(['\\', '/']) {
        // A native program takes its words as they are.
        return Ok(words
            .iter()
            .fold(command, |command, word| command.arg(word.as_str())));
    }
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(parameter) = word
            .strip_prefix('-')
            .filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        else {
            command = command.arg(guess(word));
            continue;
        };
        let (parameter, inline) = match parameter.split_once(':') {
            Some((parameter, value)) => (parameter, Some(value)),
            None => (parameter, None),
        };
        if parameter.is_empty() {
            return Err(ArgumentError::NoName(word.clone()));
        }
        let kind = cmdlet
            .and_then(|cmdlet| cmdlet.parameter(parameter))
            .map(|parameter| parameter.kind);
        let value = match (inline, kind) {
            (Some(value), kind) => typed(value, kind),
            (None, Some(Kind::Switch)) => Value::Bool(true),
            (None, kind) => match words.next_if(|next| !is_parameter(next)) {
                Some(value) => typed(value, kind),
                None => Value::Bool(true),
            },
        };
        command = command.with(parameter, value);
    }
    Ok(command)
}

fn is_parameter(word: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn typed(word: &str, kind: Option<Kind>) -> Value {
    match kind {
        Some(Kind::Strings) if word.contains(',') => word
            .split(',')
            .map(|part| Value::from(part.trim()))
            .collect::<Vec<_>>()
            .into(),
        Some(Kind::String | Kind::Strings | Kind::Enum(_)) => word.into(),
        Some(Kind::Secret) => Secret::new(word.to_owned()).into(),
        Some(Kind::Bool | Kind::Switch) if word.eq_ignore_ascii_case("true") => true.into(),
        Some(Kind::Bool | Kind::Switch) if word.eq_ignore_ascii_case("false") => false.into(),
        _ => guess(word),
    }
}

fn guess(word: &str) -> Value {
    match word.to_ascii_lowercase().as_str() {
        "$true" => true.into(),
        "$false" => false.into(),
        "$null" => Value::Null,
        _ => word
            .parse::<i32>()
            .map(Value::from)
            .or_else(|_| word.parse::<i64>().map(Value::from))
            .unwrap_or_else(|_| word.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boolean_needs_no_dollar_sign() {
        let words = [
            "Set-OwaMailboxPolicy",
            "-Identity",
            "a",
            "-InstantMessagingEnabled",
            "False",
        ];
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let expected = Command::new("Set-OwaMailboxPolicy")
            .with("Identity", "a")
            .with("InstantMessagingEnabled", false);
        assert_eq!(command(&words), Ok(expected));
    }

    #[test]
    fn words_become_typed_arguments() {
        let cases: [(&[&str], Command); 7] = [
            (
                &["Get-Service", "-Name", "W3SVC,WAS"],
                Command::new("Get-Service")
                    .with("Name", vec![Value::from("W3SVC"), Value::from("WAS")]),
            ),
            (
                &["Get-Item", "-LiteralPath", "C:\\x", "-Force"],
                Command::new("Get-Item")
                    .with("LiteralPath", "C:\\x")
                    .switch("Force"),
            ),
            (
                &[
                    "Set-OwaMailboxPolicy",
                    "-Identity",
                    "42",
                    "-InstantMessagingEnabled:$false",
                ],
                Command::new("Set-OwaMailboxPolicy")
                    .with("Identity", "42")
                    .with("InstantMessagingEnabled", false),
            ),
            (
                &["Get-Made-Up", "-Depth", "-3", "x", "-Flag"],
                Command::new("Get-Made-Up")
                    .with("Depth", -3)
                    .arg("x")
                    .switch("Flag"),
            ),
            (
                &["C:\\tools\\a.exe", "-x", "5"],
                Command::new("C:\\tools\\a.exe").arg("-x").arg("5"),
            ),
            (
                &["Export-ExchangeCertificate", "-Password", "42"],
                Command::new("Export-ExchangeCertificate")
                    .with("Password", Secret::new("42".into())),
            ),
            (
                &["Write-Output", "5000000000", "$null"],
                Command::new("Write-Output")
                    .arg(5_000_000_000_i64)
                    .arg(Value::Null),
            ),
        ];
        for (words, expected) in cases {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            assert_eq!(command(&words), Ok(expected), "{words:?}");
        }
    }
}
