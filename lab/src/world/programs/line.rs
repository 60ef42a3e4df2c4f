//! [`Line`]: a line as `cmd.exe` reads it.

use super::Refused;
use super::variables::value;

/// What `cmd.exe` takes for itself outside quotes.
const SPECIAL: &[char] = &['&', '|', '<', '>', '^', '(', ')'];

/// A program and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The program, without quotes.
    pub(super) program: String,
    /// Everything behind it, as it was written.
    pub(super) rest: String,
    /// Whether `cmd.exe` looks for the program.
    pub(super) by_cmd: bool,
}

impl Line {
    /// The line that `cmd.exe` runs, its variables put in. Pipes, redirections and the like are not
    /// modelled.
    pub(super) fn of_cmd(text: &str, variables: &[(String, String)]) -> Result<Self, Refused> {
        let text = expanded(text, variables);
        let text = text.trim_start();
        let mut quoted = false;
        let special = text.find(|c| {
            quoted ^= c == '"';
            !quoted && SPECIAL.contains(&c)
        });
        if special.is_some() {
            return Err(Refused::NotModelled(text.into()));
        }
        let (program, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => text.split_at(text.find([' ', '\t']).unwrap_or(text.len())),
        };
        Ok(Self {
            program: program.into(),
            rest: rest.into(),
            by_cmd: true,
        })
    }

    /// A program that is started without `cmd.exe`.
    pub(super) fn without_cmd(program: &str, arguments: &[String]) -> Self {
        Self {
            program: program.trim_matches('"').into(),
            rest: arguments.iter().flat_map(|word| [" ", word]).collect(),
            by_cmd: false,
        }
    }

    /// The arguments, as a program sees them: blanks part them outside quotes, which go.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quoted = false;
        for c in self.rest.chars() {
            match c {
                '"' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                ' ' | '\t' if !quoted => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }
}

/// `text` with `%NAME%` replaced; what is not defined stays as it is.
fn expanded(text: &str, variables: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let found = after
            .split_once('%')
            .and_then(|(name, behind)| Some((value(variables, name)?, behind)));
        if let Some((value, behind)) = found {
            out.push_str(value);
            rest = behind;
        } else {
            out.push('%');
            rest = after;
        }
    }
    out + rest
}
