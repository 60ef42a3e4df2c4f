//! What the event log of a Front End tells of the servers that it trusts.
//!
//! The service writes its whole table when it starts, and each entry that it adds or removes
//! while it runs. Messages follow the server's language: only names are looked for in them, as
//! whole names. Each entry names its server once, so that a name that stands in the table twice
//! has two entries.

use jiff::Timestamp;
use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Command;

use crate::front_end::query;
use crate::{Observations, Place, Problem, Query, filter, read};

/// Log of a Front End.
const LOG: &str = "Lync Server";

/// Names of the queries.
const KNOWN: &str = "known-servers";
const FOUND: &str = "discovered-servers";

/// The table of known servers: provider; written whole, an entry added, an entry removed.
const STACK: &str = "LS Protocol Stack";
const TABLE: u32 = 14_492;
const ADDED: u32 = 14_493;
const REMOVED: u32 = 14_495;
/// Exchange servers found at the start of the service.
const ROUTING: &str = "LS Exchange Unified Messaging Routing";
const DISCOVERED: u32 = 44_024;

/// More than a Front End writes of these between two starts.
const NEWEST: i32 = 2000;

/// Reads the events of the Front End `host`.
pub(crate) fn queries(host: &HostName) -> Result<Vec<Query>, Problem> {
    let events = |provider, ids: &[u32], newest: i32| -> Result<Command, Problem> {
        Ok(Command::new("Get-WinEvent")
            .with("LogName", LOG)
            .with(
                "FilterXPath",
                filter::events(provider, ids, Timestamp::UNIX_EPOCH)?,
            )
            .with("MaxEvents", newest))
    };
    let place = Place::windows(host);
    let table = events(STACK, &[TABLE, ADDED, REMOVED], NEWEST)?;
    let found = events(ROUTING, &[DISCOVERED], 1)?;
    Ok(vec![
        query(KNOWN, place.clone(), table),
        query(FOUND, place, found),
    ])
}

/// What one event says.
struct Event {
    id: i64,
    at: Option<Timestamp>,
    message: String,
}

/// The events that a Front End gave, oldest first.
pub(crate) struct KnownServers {
    table: Vec<Event>,
    discovered: Option<String>,
}

impl KnownServers {
    /// Of the observations of [`queries`] on `host`.
    pub(crate) fn read(seen: &Observations, host: &HostName) -> Result<Self, Problem> {
        let mut table = events(seen, KNOWN, host)?;
        // The newest comes first; a stable sort keeps the order among equal times.
        table.reverse();
        table.sort_by_key(|event| event.at);
        let discovered = events(seen, FOUND, host)?;
        Ok(Self {
            table,
            discovered: discovered.into_iter().next().map(|event| event.message),
        })
    }

    /// How many entries name `server`; `None` if the log does not go back to the start of the
    /// service and never names it.
    pub(crate) fn entries(&self, server: &HostName) -> Option<usize> {
        let mut entries = None;
        for event in &self.table {
            let named = occurrences(&event.message, server.as_str());
            let before = entries.unwrap_or(0);
            match u32::try_from(event.id) {
                Ok(TABLE) => entries = Some(named),
                Ok(ADDED) if named > 0 => entries = Some(before + 1),
                Ok(REMOVED) if named > 0 => entries = Some(before.saturating_sub(1)),
                _ => {}
            }
        }
        entries
    }

    /// Whether the service found `server` by itself at its last start; `None`: no event says.
    pub(crate) fn is_discovered(&self, server: &HostName) -> Option<bool> {
        let message = self.discovered.as_ref()?;
        Some(occurrences(message, server.as_str()) > 0)
    }
}

fn events(seen: &Observations, query: &str, host: &HostName) -> Result<Vec<Event>, Problem> {
    let action = format!("read the events of the log {LOG} on {host}");
    let output = read::observed(seen, query, &action)?;
    if let Some(error) = output
        .errors()
        .find(|error| error.id() != "NoMatchingEventsFound")
    {
        return Err(read::refused(&action, error));
    }
    let event = |object: &Value| {
        Some(Event {
            id: read::number(object, "Id")?,
            at: object.get("TimeCreated").and_then(read::time),
            message: read::text(object, "Message").unwrap_or_default(),
        })
    };
    Ok(output.objects().filter_map(event).collect())
}

/// How often `name` stands in `text`, whole and in whatever case.
fn occurrences(text: &str, name: &str) -> usize {
    let (text, name) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let in_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(&name)
        .filter(|(start, found)| {
            let (before, after) = (&text[..*start], &text[start + found.len()..]);
            let mut following = after.chars();
            let goes_on = match following.next() {
                // The end of a sentence is not the next label.
                Some('.') => following.next().is_some_and(in_name),
                next => next.is_some_and(in_name),
            };
            let begins_before = before
                .chars()
                .next_back()
                .is_some_and(|c| in_name(c) || c == '.');
            !goes_on && !begins_before
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::occurrences;

    #[test]
    fn only_whole_names_count() {
        for (text, expected) in [
            ("added: a.b.c (version 6).", 1),
            ("Added: A.B.C.", 1),
            ("a.b.c; a.b.c, version 0", 2),
            ("x.a.b.c", 0),
            ("a.b.c.d", 0),
            ("xa.b.c a.b.cx -a.b.c", 0),
            ("", 0),
        ] {
            assert_eq!(occurrences(text, "a.b.c"), expected, "{text}");
        }
    }
}
