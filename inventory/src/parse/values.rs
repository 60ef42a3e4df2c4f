//! Readers of single values, on [`Checker`]. Each notes its mistake and then gives `None`; a value
//! that was found to be a secret is not read again.

use std::ops::RangeInclusive;

use super::checker::Checker;
use super::tree::{Node, Value};
use crate::NameError;

impl Checker {
    /// A text.
    pub(super) fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match (&node.value, &node.raw) {
            _ if self.is_secret(&node.place) => None,
            (Value::Text(text), _) => Some(text),
            (Value::List(_) | Value::Table(_), _) | (_, None) => {
                self.wrong_kind(node, expected);
                None
            }
            (_, Some(raw)) => Some(raw),
        }
    }

    /// A text that `parse` accepts.
    pub(super) fn parsed<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = parse(self.text(node, expected)?);
        if parsed.is_none() {
            self.unfit(node, expected);
        }
        parsed
    }

    /// A validated name.
    pub(super) fn name<T: TryFrom<String, Error = NameError>>(
        &mut self,
        node: &Node,
        expected: &str,
    ) -> Option<T> {
        match T::try_from(self.text(node, expected)?.to_owned()) {
            Ok(name) => Some(name),
            Err(error) => {
                self.unfit(node, error.expected);
                None
            }
        }
    }

    /// A whole number in `range`.
    pub(super) fn whole_number(&mut self, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        match &node.value {
            _ if self.is_secret(&node.place) => None,
            Value::Whole(number) => {
                let number = number
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|n| range.contains(n));
                if number.is_none() {
                    self.unfit(node, expected);
                }
                number
            }
            _ => {
                self.wrong_kind(node, &expected);
                None
            }
        }
    }

    /// One of `choices`. A number is taken as its digits: `version = 2013` means "2013".
    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let expected = one_of(&names);
        let digits = match node.value {
            Value::Whole(Some(number)) => Some(number.to_string()),
            _ => None,
        };
        let text = match &digits {
            Some(digits) => digits.as_str(),
            None => self.text(node, &expected)?,
        };
        let found = choices
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        if found.is_none() {
            self.unfit(node, expected);
            if let Some(nearest) = nearest(text, names.iter().copied()) {
                self.help(format!("did you mean {nearest:?}?"));
            }
        }
        found.map(|(_, value)| *value)
    }

    /// Notes that a value is of the wrong kind.
    pub(super) fn wrong_kind(&mut self, node: &Node, expected: &str) {
        if self.is_secret(&node.place) {
            return;
        }
        let message = format!("{} is {}", self.excerpt(&node.place), node.value.kind());
        self.mistake(&node.place, message, expected);
    }
}

/// `a, b or c`, each in quotes.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

/// The one of `known` that `text` was probably meant to be.
pub(super) fn nearest<'k>(text: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // From there on a shared beginning weighs enough: "thumb_print", "hst", "front-end".
    const ALIKE: f64 = 0.8;
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let text = plain(text);
    let likeness = |name: &str| {
        let name = plain(name);
        // One slip of the finger is enough in a short word too: "evn".
        let slip = if strsim::damerau_levenshtein(&name, &text) <= 1 {
            1.0
        } else {
            0.0
        };
        strsim::jaro_winkler(&name, &text) + slip
    };
    known
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_find_what_was_meant() {
        let known = [
            "name",
            "roles",
            "exchange_version",
            "install_root",
            "env",
            "id",
            "thumbprint",
            "lync-front-end",
        ];
        let cases = [
            ("nmae", Some("name")),
            ("role", Some("roles")),
            ("ExchangeVersion", Some("exchange_version")),
            ("evn", Some("env")),
            ("thumb-print", Some("thumbprint")),
            ("lync-frontend", Some("lync-front-end")),
            ("colour", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nearest(text, known.into_iter()), expected, "{text}");
        }
    }
}
