//! Filters built from typed parts: WQL, OPATH, and the XPath of the event log.
//!
//! Typed commands end injection everywhere but in the texts that a server parses itself. Those
//! are made here and nowhere else, and every part is escaped or refused.

use jiff::Timestamp;

use crate::Problem;

/// WQL: `property='value'`. Backslash and quote are escaped with a backslash.
pub(crate) fn wql_equals(property: &'static str, value: &str) -> String {
    format!(
        "{property}='{}'",
        value.replace('\\', "\\\\").replace('\'', "\\'")
    )
}

/// OPATH, of Exchange's recipients: `Property -eq 'value'`. A quote is doubled; nothing else has a
/// meaning between quotes.
pub(crate) fn opath_equals(property: &'static str, value: &str) -> String {
    format!("{property} -eq '{}'", value.replace('\'', "''"))
}

/// XPath of the event log: events of `provider` with one of `ids`, not older than `since`
/// (whole milliseconds, rounded down, as the event log compares them).
pub(crate) fn events(provider: &str, ids: &[u32], since: Timestamp) -> Result<String, Problem> {
    let provider = xpath_text(provider)?;
    let ids: Vec<String> = ids.iter().map(|id| format!("EventID={id}")).collect();
    let since = Timestamp::from_millisecond(since.as_millisecond()).unwrap_or(since);
    Ok(format!(
        "*[System[Provider[@Name={provider}] and ({}) and TimeCreated[@SystemTime>='{since:.3}']]]",
        ids.join(" or ")
    ))
}

/// A text literal. XPath 1.0 has no escapes: a text takes the quotes that it does not contain.
fn xpath_text(text: &str) -> Result<String, Problem> {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => Ok(format!("'{text}'")),
        (true, false) => Ok(format!("\"{text}\"")),
        (true, true) => Err(Problem::new(
            "build an event filter",
            format!("{text:?} has both kinds of quotes, which XPath cannot write"),
            "use another name",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_leave_their_place() {
        assert_eq!(
            wql_equals("Name", r"a' OR Name='b\"),
            r"Name='a\' OR Name=\'b\\'"
        );
        assert_eq!(
            opath_equals("OwaMailboxPolicy", "CN=O'Neill' -or Name -like '*,DC=x"),
            "OwaMailboxPolicy -eq 'CN=O''Neill'' -or Name -like ''*,DC=x'"
        );
        assert_eq!(xpath_text("MSExchange OWA").unwrap(), "'MSExchange OWA'");
        assert_eq!(xpath_text("it's").unwrap(), "\"it's\"");
        assert!(xpath_text("'\"").is_err());
    }

    #[test]
    fn an_event_filter_reads_as_the_event_log_wants_it() {
        let since = "2026-11-23T10:00:00.1239Z".parse().unwrap();
        assert_eq!(
            events("MSExchange OWA", &[112, 103], since).unwrap(),
            "*[System[Provider[@Name='MSExchange OWA'] and (EventID=112 or EventID=103) and \
             TimeCreated[@SystemTime>='2026-11-23T10:00:00.123Z']]]"
        );
    }
}
