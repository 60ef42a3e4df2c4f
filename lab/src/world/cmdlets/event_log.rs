//! `Get-WinEvent` and `Get-EventLog`.

use owaim_proto::clixml::Value;

use super::super::binder::Bound;
use super::super::convert::instant;
use super::super::errors::{Category, Failure};
use super::super::events::Event;
use super::super::lync;
use super::super::values::wildcard;
use super::super::xpath::Filter;
use super::Cx;

/// The logs that every server has.
const LOGS: &[&str] = &["Application", "Security", "System"];

fn none_found() -> Failure {
    Failure::new(
        "NoMatchingEventsFound",
        Category::ObjectNotFound,
        "System.Exception",
        "No events were found that match the specified selection criteria.",
    )
}

fn known(cx: &Cx<'_>, log: &str) -> bool {
    LOGS.iter()
        .chain(cx.host.lync.is_some().then_some(&lync::LOG))
        .any(|known| known.eq_ignore_ascii_case(log))
}

pub(super) fn get_win_event(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if call.has("ListLog") || call.has("FilterXml") || call.has("ListProvider") || call.has("Path")
    {
        return Err(Failure::not_modelled("this form of Get-WinEvent"));
    }
    let tables: Vec<Value> = call.get("FilterHashtable").map_or_else(Vec::new, |table| {
        table
            .items()
            .map_or_else(|| vec![table.clone()], <[Value]>::to_vec)
    });
    let logs: Vec<String> = call.texts("LogName");
    let providers = call.texts("ProviderName");
    if let Some(log) = logs
        .iter()
        .find(|log| !log.contains('*') && !known(cx, log))
    {
        let missing = Failure::new(
            "NoMatchingLogsFound",
            Category::ObjectNotFound,
            "System.Exception",
            format!("There is not an event log on the localhost computer that matches \"{log}\"."),
        );
        return Err(missing.about(log.as_str()));
    }
    let filter = match call.text("FilterXPath") {
        None => None,
        Some(text) => Some(Filter::parse(&text).ok_or_else(|| {
            Failure::new(
                "System.Diagnostics.Eventing.Reader.EventLogException",
                Category::InvalidArgument,
                "System.Diagnostics.Eventing.Reader.EventLogException",
                "The specified query is invalid",
            )
            .about(text)
        })?),
    };
    let wanted = |event: &Event| {
        (logs.is_empty() || logs.iter().any(|log| wildcard(log, &event.log)))
            && (providers.is_empty() || providers.iter().any(|p| wildcard(p, &event.provider)))
            && filter.as_ref().is_none_or(|f| f.accepts(event, cx.now))
            && (tables.is_empty() || tables.iter().any(|t| by_table(t, event)))
    };
    let mut found: Vec<Event> = cx
        .host
        .events
        .iter()
        .filter(|e| wanted(e))
        .cloned()
        .collect();
    found.sort_by_key(|event| (event.time, event.record));
    if !call.switch("Oldest") {
        found.reverse();
    }
    if let Some(most) = call
        .number("MaxEvents")
        .and_then(|n| usize::try_from(n).ok())
    {
        found.truncate(most);
    }
    if found.is_empty() {
        cx.error(&none_found());
    }
    let machine = cx.caller.host.to_string();
    for event in found {
        cx.output(event.record(&machine));
    }
    Ok(())
}

/// Whether `event` meets the hash table. A list among its values has become an `ArrayList` on
/// the way here, which the cmdlet does not recognise: nothing ever matches it.
fn by_table(table: &Value, event: &Event) -> bool {
    let Some(entries) = table.as_object().and_then(|o| o.entries()) else {
        return false;
    };
    entries.iter().all(|(key, value)| {
        if value.items().is_some() {
            return false;
        }
        let text = value.text().unwrap_or_default();
        match key.text().unwrap_or_default().to_ascii_lowercase().as_str() {
            "logname" => wildcard(&text, &event.log),
            "providername" => wildcard(&text, &event.provider),
            "id" => value.as_i64().or_else(|| text.parse().ok()) == Some(i64::from(event.id)),
            "level" => value.as_i64().or_else(|| text.parse().ok()) == Some(event.level as i64),
            "starttime" => time(value).is_some_and(|t| event.time >= t),
            "endtime" => time(value).is_some_and(|t| event.time <= t),
            _ => false,
        }
    })
}

fn time(value: &Value) -> Option<jiff::Timestamp> {
    instant(value).or_else(|| value.text()?.parse().ok())
}

pub(super) fn get_event_log(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if call.switch("List") {
        return Err(Failure::not_modelled("Get-EventLog -List"));
    }
    let log = call.text("LogName").unwrap_or_default();
    if !known(cx, &log) {
        return Err(Failure::new(
            "System.InvalidOperationException",
            Category::InvalidOperation,
            "System.InvalidOperationException",
            format!("The event log '{log}' on computer '.' does not exist."),
        )
        .about(log));
    }
    let sources = call.texts("Source");
    let kinds = call.texts("EntryType");
    let ids: Vec<i64> = match call.get("InstanceId") {
        Some(value) => value.items().map_or_else(
            || value.as_i64().into_iter().collect(),
            |items| items.iter().filter_map(Value::as_i64).collect(),
        ),
        None => Vec::new(),
    };
    let (after, before) = (
        call.get("After").and_then(time),
        call.get("Before").and_then(time),
    );
    let wanted = |event: &Event| {
        event.log.eq_ignore_ascii_case(&log)
            && (sources.is_empty() || sources.iter().any(|s| wildcard(s, &event.provider)))
            && (kinds.is_empty()
                || kinds
                    .iter()
                    .flat_map(|k| k.split(", "))
                    .any(|k| k.eq_ignore_ascii_case(&format!("{:?}", event.level))))
            && (ids.is_empty() || ids.iter().any(|id| id & 0xffff == i64::from(event.id)))
            && after.is_none_or(|t| event.time > t)
            && before.is_none_or(|t| event.time < t)
    };
    let mut found: Vec<Event> = cx
        .host
        .events
        .iter()
        .filter(|e| wanted(e))
        .cloned()
        .collect();
    found.reverse();
    if let Some(newest) = call.number("Newest").and_then(|n| usize::try_from(n).ok()) {
        found.truncate(newest);
    }
    if found.is_empty() {
        let none = Failure::new(
            "GetEventLogNoEntriesFound",
            Category::ObjectNotFound,
            "System.ArgumentException",
            "No matches found",
        );
        cx.error(&none);
    }
    let machine = cx.caller.host.to_string();
    for event in found {
        cx.output(event.entry(&machine));
    }
    Ok(())
}
