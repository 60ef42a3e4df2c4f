//! WQL conditions, as `-Filter` and `-Query` of the WMI cmdlets take them:
//! `Name='w3wp.exe' AND ProcessId>4`, `LIKE`, `OR`, `NOT`, parentheses.

use owaim_proto::clixml::Value;

use super::convert::number;

/// A parsed condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        property: String,
        operator: String,
        value: String,
    },
}

impl Condition {
    /// Parses `text`; `None` if WMI would call it an invalid query.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text)?;
        let mut rest = tokens.as_slice();
        let condition = any(&mut rest)?;
        rest.is_empty().then_some(condition)
    }

    /// Whether an object with these properties meets it.
    pub(super) fn accepts(&self, object: &dyn Fn(&str) -> Option<Value>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|p| p.accepts(object)),
            Self::Any(parts) => parts.iter().any(|p| p.accepts(object)),
            Self::Not(part) => !part.accepts(object),
            Self::Compare {
                property,
                operator,
                value,
            } => {
                let Some(found) = object(property) else {
                    return false;
                };
                let order = match (found.as_i64(), number(&Value::from(value.as_str()))) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => found
                        .text()
                        .unwrap_or_default()
                        .to_lowercase()
                        .cmp(&value.to_lowercase()),
                };
                match operator.as_str() {
                    "=" => order.is_eq(),
                    "<>" | "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    ">" => order.is_gt(),
                    "<=" => order.is_le(),
                    ">=" => order.is_ge(),
                    // `LIKE` has wildcards of its own.
                    _ => super::values::wildcard(
                        &value.replace('%', "*").replace('_', "?"),
                        &found.text().unwrap_or_default(),
                    ),
                }
            }
        }
    }
}

/// Class and condition of `SELECT … FROM class [WHERE condition]`.
pub(super) fn query(text: &str) -> Option<(String, Option<Condition>)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let from = words.iter().position(|w| w.eq_ignore_ascii_case("from"))?;
    words.first().filter(|w| w.eq_ignore_ascii_case("select"))?;
    let class = (*words.get(from + 1)?).to_owned();
    let condition = match words.get(from + 2) {
        None => None,
        Some(word) if word.eq_ignore_ascii_case("where") => {
            let lower = text.to_ascii_lowercase();
            let at = lower.find(" where ")? + " where ".len();
            Some(Condition::parse(text.get(at..)?)?)
        }
        Some(_) => return None,
    };
    Some((class, condition))
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let (token, length) = match c {
            '\'' | '"' => {
                let mut value = String::new();
                let mut chars = rest.char_indices().skip(1);
                let end = loop {
                    match chars.next()? {
                        (at, quote) if quote == c => break at,
                        (_, '\\') => value.push(chars.next()?.1),
                        (_, other) => value.push(other),
                    }
                };
                (Token::Text(value), end + 1)
            }
            '(' | ')' => (Token::Sign(c.into()), 1),
            '=' | '<' | '>' | '!' => {
                let length = rest
                    .chars()
                    .take(2)
                    .take_while(|c| "=<>!".contains(*c))
                    .count();
                (Token::Sign(rest[..length].into()), length)
            }
            _ if c.is_alphanumeric() || c == '_' || c == '-' => {
                let length = rest
                    .find(|c: char| !(c.is_alphanumeric() || "_.-".contains(c)))
                    .unwrap_or(rest.len());
                (Token::Word(rest[..length].into()), length)
            }
            _ => return None,
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Some(found)
}

fn word(rest: &mut &[Token], wanted: &str) -> bool {
    let found = matches!(rest.first(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(wanted));
    if found {
        *rest = &rest[1..];
    }
    found
}

fn any(rest: &mut &[Token]) -> Option<Condition> {
    let mut parts = vec![all(rest)?];
    while word(rest, "or") {
        parts.push(all(rest)?);
    }
    Some(if parts.len() == 1 {
        parts.remove(0)
    } else {
        Condition::Any(parts)
    })
}

fn all(rest: &mut &[Token]) -> Option<Condition> {
    let mut parts = vec![single(rest)?];
    while word(rest, "and") {
        parts.push(single(rest)?);
    }
    Some(if parts.len() == 1 {
        parts.remove(0)
    } else {
        Condition::All(parts)
    })
}

fn single(rest: &mut &[Token]) -> Option<Condition> {
    if word(rest, "not") {
        return Some(Condition::Not(Box::new(single(rest)?)));
    }
    if rest.first() == Some(&Token::Sign("(".into())) {
        *rest = &rest[1..];
        let inner = any(rest)?;
        if rest.first() != Some(&Token::Sign(")".into())) {
            return None;
        }
        *rest = &rest[1..];
        return Some(inner);
    }
    let [Token::Word(property), operator, value, ..] = *rest else {
        return None;
    };
    let operator = match operator {
        Token::Sign(sign) if ["=", "<>", "!=", "<", ">", "<=", ">="].contains(&sign.as_str()) => {
            sign.clone()
        }
        Token::Word(w) if w.eq_ignore_ascii_case("like") => "LIKE".into(),
        _ => return None,
    };
    let value = match value {
        Token::Word(text) | Token::Text(text) => text.clone(),
        Token::Sign(_) => return None,
    };
    let condition = Condition::Compare {
        property: property.clone(),
        operator,
        value,
    };
    *rest = &rest[3..];
    Some(condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_select_what_they_say() {
        let object = |name: &str| match name.to_ascii_lowercase().as_str() {
            "name" => Some(Value::from("w3wp.exe")),
            "processid" => Some(Value::UInt32(4712)),
            "commandline" => Some(Value::from("c:\\w3wp.exe -ap \"Pool\"")),
            _ => None,
        };
        for (text, expected) in [
            ("Name='w3wp.exe'", Some(true)),
            ("name = \"W3WP.EXE\" and processid > 4000", Some(true)),
            ("Name='w3wp.exe' AND ProcessId=4", Some(false)),
            (
                "Name='x' OR (ProcessId >= 4712 AND NOT Name='y')",
                Some(true),
            ),
            ("CommandLine LIKE '%-ap \\\"Pool\\\"%'", Some(true)),
            ("CommandLine like '%other%'", Some(false)),
            ("Nothing=1", Some(false)),
            ("Name=", None),
            ("Name='w3wp.exe", None),
            ("Name='a' Name='b'", None),
            ("", None),
        ] {
            assert_eq!(
                Condition::parse(text).map(|c| c.accepts(&object)),
                expected,
                "{text}"
            );
        }
        let (class, condition) =
            query("SELECT * FROM Win32_Process WHERE Name = 'w3wp.exe'").expect("a query");
        assert!(class == "Win32_Process" && condition.is_some_and(|c| c.accepts(&object)));
    }
}
