//! The filters of `Get-WinEvent -FilterXPath`: the part of XPath 1.0 that event logs accept,
//! as far as people use it.
//!
//! `*[System[Provider[@Name='P'] and (EventID=1 or EventID>5) and TimeCreated[@SystemTime>='…']]]`,
//! also the short form `*[System/EventID=1]`, `Event/System[…]`, and
//! `TimeCreated[timediff(@SystemTime) <= 3600000]`.

use jiff::Timestamp;

use super::events::{Event, Field};

/// A parsed filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter(Test);

#[derive(Debug, Clone, PartialEq)]
enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Compare {
        element: String,
        attribute: Option<String>,
        age: bool,
        operator: Operator,
        value: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Parses `text`; `None` if it is not a filter that an event log would accept.
    pub(super) fn parse(filter: &str) -> Option<Self> {
        let mut parser = Parser {
            rest: filter.trim(),
        };
        if parser.rest == "*" {
            return Some(Self(Test::All(Vec::new())));
        }
        if parser.word("*").is_none() {
            parser.word("Event")?;
        }
        let test = if parser.word("/").is_some() {
            parser.word("System")?;
            parser.bracketed("")?
        } else {
            parser.bracketed("")?
        };
        parser.rest.trim().is_empty().then_some(Self(test))
    }

    /// Whether `event` passes, at the time `now` of its server.
    pub(super) fn accepts(&self, event: &Event, now: Timestamp) -> bool {
        self.0.accepts(event, now)
    }
}

impl Test {
    fn accepts(&self, event: &Event, now: Timestamp) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|t| t.accepts(event, now)),
            Self::Any(tests) => tests.iter().any(|t| t.accepts(event, now)),
            Self::Compare {
                element,
                attribute,
                age,
                operator,
                value,
            } => {
                let Some(field) = event.field(element, attribute.as_deref()) else {
                    return false;
                };
                let (field, wanted) = match field {
                    Field::Time(time) if *age => (
                        Field::Number(now.as_millisecond() - time.as_millisecond()),
                        value.parse().ok().map(Field::Number),
                    ),
                    Field::Time(_) => (field, value.parse().ok().map(Field::Time)),
                    Field::Number(_) => (field, value.parse().ok().map(Field::Number)),
                    Field::Text(_) => (field, Some(Field::Text(value.clone()))),
                };
                let Some(wanted) = wanted else { return false };
                match operator {
                    Operator::Equal => field == wanted,
                    Operator::NotEqual => field != wanted,
                    Operator::Less => field < wanted,
                    Operator::LessOrEqual => field <= wanted,
                    Operator::Greater => field > wanted,
                    Operator::GreaterOrEqual => field >= wanted,
                }
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(word)?;
        Some(())
    }

    fn name(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then(|| name.into())
    }

    fn bracketed(&mut self, element: &str) -> Option<Test> {
        self.word("[")?;
        let test = self.any(element)?;
        self.word("]")?;
        Some(test)
    }

    fn any(&mut self, element: &str) -> Option<Test> {
        let mut tests = vec![self.all(element)?];
        while self.keyword("or") {
            tests.push(self.all(element)?);
        }
        Some(if tests.len() == 1 {
            tests.remove(0)
        } else {
            Test::Any(tests)
        })
    }

    fn all(&mut self, element: &str) -> Option<Test> {
        let mut tests = vec![self.single(element)?];
        while self.keyword("and") {
            tests.push(self.single(element)?);
        }
        Some(if tests.len() == 1 {
            tests.remove(0)
        } else {
            Test::All(tests)
        })
    }

    /// Reads `word` if it stands here as a word of its own.
    fn keyword(&mut self, word: &str) -> bool {
        match self.rest.trim_start().strip_prefix(word) {
            Some(rest) if rest.starts_with([' ', '(']) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn single(&mut self, element: &str) -> Option<Test> {
        if self.word("(").is_some() {
            let test = self.any(element)?;
            self.word(")")?;
            return Some(test);
        }
        let age = self.word("timediff(").is_some();
        if self.word("@").is_some() {
            let attribute = self.name()?;
            if age {
                self.word(")")?;
            }
            return self.comparison(element, Some(attribute), age);
        }
        if age {
            return None;
        }
        let child = self.name()?;
        if self.word("/").is_some() {
            return self.single(&child);
        }
        if self.rest.trim_start().starts_with('[') {
            return self.bracketed(&child);
        }
        self.comparison(&child, None, false)
    }

    fn comparison(&mut self, element: &str, attribute: Option<String>, age: bool) -> Option<Test> {
        let operators = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("&lt;=", Operator::LessOrEqual),
            ("&gt;=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let operator = operators
            .into_iter()
            .find_map(|(text, op)| self.word(text).map(|()| op))?;
        self.rest = self.rest.trim_start();
        let value = match self.rest.chars().next()? {
            quote @ ('\'' | '"') => {
                let (value, rest) = self.rest[1..].split_once(quote)?;
                self.rest = rest;
                value.to_owned()
            }
            _ => self.name()?,
        };
        Some(Test::Compare {
            element: element.into(),
            attribute,
            age,
            operator,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::events::Level;

    #[test]
    fn filters_select_what_they_say() {
        let time: Timestamp = "2026-11-23T10:00:00.5Z".parse().expect("a time");
        let now: Timestamp = "2026-11-23T11:00:00Z".parse().expect("a time");
        let event = Event {
            log: "Application".into(),
            record: 7,
            provider: "MSExchange OWA".into(),
            id: 112,
            level: Level::Information,
            task: 9,
            time,
            message: String::new(),
        };
        for (filter, expected) in [
            ("*", Some(true)),
            (
                "*[System[Provider[@Name='MSExchange OWA'] and EventID=112]]",
                Some(true),
            ),
            (
                "*[System[Provider[@Name=\"MSExchange OWA\"] and (EventID=88 or EventID=112)]]",
                Some(true),
            ),
            (
                "*[System[Provider[@Name='Other'] and EventID=112]]",
                Some(false),
            ),
            ("*[System[(EventID=88 or EventID=100)]]", Some(false)),
            (
                "*[System[(EventID >= 83 and EventID<=106) or(EventID=112)]]",
                Some(true),
            ),
            (
                "*[System[TimeCreated[@SystemTime>='2026-11-23T10:00:00.500Z']]]",
                Some(true),
            ),
            (
                "*[System[TimeCreated[@SystemTime>'2026-11-23T10:00:00.5000000Z']]]",
                Some(false),
            ),
            (
                "*[System[TimeCreated[@SystemTime>='2026-11-23T09:00:00Z' and @SystemTime<='2026-11-23T10:01:00Z']]]",
                Some(true),
            ),
            (
                "*[System[TimeCreated[timediff(@SystemTime) <= 60000]]]",
                Some(false),
            ),
            (
                "*[System[TimeCreated[timediff(@SystemTime) <= 3600000]]]",
                Some(true),
            ),
            ("*[System/Level=4]", Some(true)),
            ("Event/System[Task=9]", Some(true)),
            ("Event[System[EventRecordID>7]]", Some(false)),
            ("*[System[EventID=112]", None),
            ("*[System[EventID 112]]", None),
            ("EventID=112", None),
            ("", None),
        ] {
            assert_eq!(
                Filter::parse(filter).map(|f| f.accepts(&event, now)),
                expected,
                "{filter}"
            );
        }
    }
}
