//! `verify.event-112`: instant messaging has started in the worker process in force.
//!
//! Nothing but a user's sign-on makes OWA write event 112 or an error. None yet therefore means
//! "not exercised", not "failed". Counted from the start of the worker process, by the server's
//! clock.

use jiff::Timestamp;
use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::owa_events::{self, Meaning};
use crate::{
    Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step, StepId,
    Target, Verdict, backend_recycle, backend_web_config, filter, read,
};

pub(crate) const ID: StepId = "verify.event-112";

/// Names of the queries.
const EVENTS: &str = "events";
const EVENT_LOG: &str = "event-log";

/// More than enough: the newest event decides.
const NEWEST: i32 = 100;

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct VerifyEvent112 {
    pub(crate) host: HostName,
}

/// An event that tells about messaging.
struct Event {
    id: i64,
    at: Timestamp,
    meaning: Meaning,
    message: Option<String>,
}

/// Why nothing can be verified before the changes of this run are made, if that is so.
pub(crate) fn known_after_apply(cx: Context<'_>, host: &HostName) -> Option<String> {
    if let Some(reason) = backend_web_config::awaits(cx, host) {
        return Some(reason);
    }
    let pending = [backend_web_config::ID, backend_recycle::ID];
    let step = pending
        .into_iter()
        .find(|step| cx.facts.is_pending(host, step))?;
    Some(format!(
        "known after apply: {step} has a change to make first"
    ))
}

impl VerifyEvent112 {
    fn action(&self) -> String {
        format!(
            "read the events of {} on {}",
            owa_events::PROVIDER,
            self.host
        )
    }

    /// When the worker process started; the inner `None`: there is none.
    fn since(&self, cx: Context<'_>) -> Result<Option<Timestamp>, Problem> {
        let started = cx.facts.worker_started(&self.host).copied();
        started.ok_or_else(|| {
            Problem::new(
                self.action(),
                "the start of the worker process is not known",
                "run backend.recycle with it, and see what it says",
            )
        })
    }

    /// The events since the worker process started, newest first.
    fn events(&self, seen: &Observations, since: Timestamp) -> Result<Vec<Event>, Problem> {
        let action = self.action();
        let (query, id, time) = match seen.get(EVENT_LOG) {
            None => (EVENTS, "Id", "TimeCreated"),
            Some(_) => (EVENT_LOG, "EventID", "TimeGenerated"),
        };
        let output = read::observed(seen, query, &action)?;
        let none = ["NoMatchingEventsFound", "GetEventLogNoEntriesFound"];
        if let Some(error) = output.errors().find(|error| !none.contains(&error.id())) {
            return Err(read::refused(&action, error));
        }
        // Get-EventLog has whole seconds, the filter of Get-WinEvent milliseconds.
        let since = if query == EVENT_LOG {
            since.as_second() * 1000
        } else {
            since.as_millisecond()
        };
        let event = |object: &Value| {
            let id = read::number(object, id)?;
            let at = read::time(object.get(time)?)?;
            let meaning = owa_events::meaning(id).filter(|_| at.as_millisecond() >= since)?;
            Some(Event {
                id,
                at,
                meaning,
                message: read::text(object, "Message"),
            })
        };
        let mut events: Vec<Event> = output.objects().filter_map(event).collect();
        // Both cmdlets give the newest first; a stable sort keeps that among equal times.
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        Ok(events)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let Some(since) = self.since(cx)? else {
            let reason = "OWA has no worker process: nobody has signed on since it ended".into();
            return Ok(Assessment::of(Verdict::Unknown(reason)).with_fact(Fact::SignOn(None)));
        };
        let events = self.events(seen, since)?;
        let decisive = events
            .iter()
            .find(|event| !matches!(event.meaning, Meaning::Warning(_)));
        let verdict = match decisive {
            None => Verdict::Unknown(format!(
                "no sign-on since the worker process started at {since}"
            )),
            Some(Event {
                id,
                at,
                meaning: Meaning::Failure { meaning, check },
                message,
            }) => {
                let message = message
                    .as_deref()
                    .map(|text| format!("; the server says: {}", text.trim()));
                Verdict::Broken(
                    Problem::new(
                        format!("see instant messaging start on {}", self.host),
                        format!(
                            "event {id} at {at}: {meaning}{}",
                            message.unwrap_or_default()
                        ),
                        format!("check {check}"),
                    )
                    .expecting(format!(
                        "event {} of {}",
                        owa_events::STARTED,
                        owa_events::PROVIDER
                    )),
                )
            }
            Some(_) => Verdict::InPlace,
        };
        let warnings = events.iter().filter_map(|event| match event.meaning {
            Meaning::Warning(meaning) => Some(format!(
                "event {} on {} at {}: {meaning}",
                event.id, self.host, event.at
            )),
            _ => None,
        });
        Ok(Assessment::of(verdict)
            .with_fact(Fact::SignOn(events.first().map(|event| event.at)))
            .with_warnings(warnings))
    }
}

impl Step for VerifyEvent112 {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "instant messaging has started since the worker process did".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::requires(backend_recycle::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        if known_after_apply(cx, &self.host).is_some() {
            return Ok(Vec::new());
        }
        let Some(since) = self.since(cx)? else {
            return Ok(Vec::new());
        };
        let query = |name, command| Query {
            name,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(command),
        };
        let events = Command::new("Get-WinEvent")
            .with("LogName", "Application")
            .with(
                "FilterXPath",
                filter::events(owa_events::PROVIDER, &owa_events::ids(), since)?,
            )
            .with("MaxEvents", NEWEST);
        let mut queries = vec![query(EVENTS, events)];
        if seen
            .get(EVENTS)
            .is_some_and(|output| output.errors().any(read::is_missing_command))
        {
            let from = Timestamp::from_second(since.as_second() - 1).unwrap_or(since);
            let log = Command::new("Get-EventLog")
                .with("LogName", "Application")
                .with("Source", owa_events::PROVIDER)
                .with("After", Value::DateTime(from.to_string()))
                .with("Newest", NEWEST);
            queries.push(query(EVENT_LOG, log));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if let Some(reason) = known_after_apply(cx, &self.host) {
            return Assessment::of(Verdict::Unknown(reason));
        }
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
