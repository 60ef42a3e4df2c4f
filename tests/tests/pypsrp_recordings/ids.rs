//! [`Ids`]: which id of the client stands for which id of a recording.

use std::collections::HashMap;

/// Pairs of ids, in capitals as Windows writes them.
#[derive(Default)]
pub(crate) struct Ids {
    to_recorded: HashMap<String, String>,
    to_ours: HashMap<String, String>,
}

impl Ids {
    /// From now on `ours` stands for `recorded`.
    pub(crate) fn pair(&mut self, recorded: &str, ours: &str) {
        self.to_recorded
            .insert(ours.to_owned(), recorded.to_owned());
        self.to_ours.insert(recorded.to_owned(), ours.to_owned());
    }

    /// `text` with our ids replaced by those of the recording.
    pub(crate) fn recorded(&self, text: &str) -> String {
        replace(text, |id| self.to_recorded.get(id))
    }

    /// `text` with the ids of the recording replaced by ours.
    pub(crate) fn ours(&self, text: &str) -> String {
        replace(text, |id| self.to_ours.get(id))
    }
}

/// Length of an id as text.
const LENGTH: usize = 36;

fn replace<'i>(text: &str, other: impl Fn(&str) -> Option<&'i String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dash) = rest.find('-') {
        // The first dash of an id is behind its eighth digit.
        let start = dash.saturating_sub(8);
        let candidate = rest.get(start..start + LENGTH);
        let id = candidate.and_then(|text| uuid::Uuid::try_parse(text).ok());
        if let Some(id) = id {
            let id = id.hyphenated().to_string().to_uppercase();
            replaced.push_str(&rest[..start]);
            replaced.push_str(other(&id).map_or(&id, |other| other));
            rest = &rest[start + LENGTH..];
        } else {
            replaced.push_str(&rest[..=dash]);
            rest = &rest[dash + 1..];
        }
    }
    replaced.push_str(rest);
    replaced
}
