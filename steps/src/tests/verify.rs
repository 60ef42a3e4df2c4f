//! `verify.event-112` and `verify.log-folder`

use owaim_inventory::ExchangeVersion;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, at, check, date, fails, gives, host, no_such_command, object, said};
use crate::verify_event_112::VerifyEvent112;
use crate::verify_log_folder::VerifyLogFolder;
use crate::{Fact, Query, Step};

const STARTED: &str = "2026-11-23T10:00:05.1234567Z";

fn step() -> VerifyEvent112 {
    VerifyEvent112 {
        host: host("atl-mbx-001"),
    }
}

fn bench() -> Bench {
    Bench::new().knows("atl-mbx-001", Fact::WorkerStarted(Some(at(STARTED))))
}

fn event(id: i32, time: &str) -> Value {
    let time = format!("2026-11-23T{time}Z");
    object([
        ("Id", id.into()),
        ("TimeCreated", date(&time)),
        ("Message", "Meldung".into()),
        ("Level", Value::Byte(2)),
    ])
}

fn none() -> PipelineOutput {
    fails(
        "NoMatchingEventsFound,Microsoft.PowerShell.Commands.GetWinEventCommand",
        13,
    )
}

#[test]
fn the_newest_event_decides() {
    for (name, output, expected, sign_on) in [
        (
            "success",
            gives([event(112, "10:01:00")]),
            "in place",
            Some("2026-11-23T10:01:00Z"),
        ),
        ("no event", none(), "unknown: no sign-on since", None),
        (
            "nothing at all",
            gives([]),
            "unknown: no sign-on since",
            None,
        ),
        (
            "an error",
            gives([event(103, "10:01:00")]),
            "broken: event 103 at 2026-11-23T10:01:00Z: the certificate was not found; the server says: Meldung",
            Some("2026-11-23T10:01:00Z"),
        ),
        (
            "an error, then success",
            gives([event(112, "10:02:00"), event(103, "10:01:00")]),
            "in place",
            Some("2026-11-23T10:02:00Z"),
        ),
        (
            "success, then an error",
            gives([event(112, "10:01:00"), event(88, "10:02:00")]),
            "broken: event 88",
            Some("2026-11-23T10:02:00Z"),
        ),
        (
            "at once: the first one given is newer",
            gives([event(112, "10:01:00"), event(103, "10:01:00")]),
            "in place",
            Some("2026-11-23T10:01:00Z"),
        ),
        (
            "a warning alone",
            gives([event(106, "10:01:00")]),
            "unknown: no sign-on",
            Some("2026-11-23T10:01:00Z"),
        ),
        (
            "a warning after success",
            gives([event(106, "10:03:00"), event(112, "10:01:00")]),
            "in place",
            Some("2026-11-23T10:03:00Z"),
        ),
        (
            "of the worker process before",
            gives([event(103, "09:00:00")]),
            "unknown",
            None,
        ),
        (
            "other events",
            gives([event(64, "10:01:00")]),
            "unknown",
            None,
        ),
        (
            "no access",
            fails("System.UnauthorizedAccessException,x", 18),
            "broken: Meldung",
            None,
        ),
    ] {
        let (_, found) = bench().look(&step(), |_| output.clone());
        check(name, &found, expected);
        assert_eq!(
            found.warnings.len(),
            usize::from(name.starts_with("a warning")),
            "{name}"
        );
        if !name.starts_with("no access") {
            assert_eq!(found.facts, [Fact::SignOn(sign_on.map(at))], "{name}");
        }
    }
}

#[test]
fn the_question_is_typed_and_bounded() {
    let queries = step()
        .probe(bench().context(), &crate::Observations::default())
        .unwrap();
    assert_eq!(
        said(&queries[0].pipeline),
        "Get-WinEvent -LogName Application -FilterXPath *[System[Provider[@Name='MSExchange OWA'] and (EventID=83 or \
         EventID=84 or EventID=85 or EventID=86 or EventID=87 or EventID=88 or EventID=100 or EventID=101 or EventID=102 \
         or EventID=103 or EventID=104 or EventID=105 or EventID=106 or EventID=112) and \
         TimeCreated[@SystemTime>='2026-11-23T10:00:05.123Z']]] -MaxEvents 100"
    );
}

#[test]
fn the_old_event_log_cmdlet_will_do() {
    let entry =
        |id: i32, time: &str| object([("EventID", id.into()), ("TimeGenerated", date(time))]);
    let answers = |log: PipelineOutput| {
        move |query: &Query| match query.name {
            "events" => no_such_command(),
            "event-log" => {
                let expected = "Get-EventLog -LogName Application -Source MSExchange OWA -After 2026-11-23T10:00:04Z -Newest 100";
                assert_eq!(said(&query.pipeline), expected);
                log.clone()
            }
            other => panic!("{other}"),
        }
    };
    for (name, log, expected) in [
        (
            "success, in whole seconds",
            gives([entry(112, "2026-11-23T11:00:05+01:00")]),
            "in place",
        ),
        (
            "too old",
            gives([entry(112, "2026-11-23T10:00:04Z")]),
            "unknown",
        ),
        ("none", fails("GetEventLogNoEntriesFound,x", 13), "unknown"),
    ] {
        let (_, found) = bench().look(&step(), answers(log));
        check(name, &found, expected);
    }
}

#[test]
fn nothing_is_asked_before_there_is_something_to_know() {
    let nothing = |query: &Query| -> PipelineOutput { panic!("{}", query.name) };
    let folder = VerifyLogFolder {
        host: host("atl-mbx-001"),
    };
    for by in ["backend.web-config", "backend.recycle"] {
        let mut pending = bench().knows("atl-mbx-001", Fact::Pending(by.into()));
        let expected = format!("unknown: known after apply: {by}");
        check(by, &pending.look(&step(), nothing).1, &expected);
        check(by, &pending.look(&folder, nothing).1, &expected);
    }
    let mut idle = Bench::new().knows("atl-mbx-001", Fact::WorkerStarted(None));
    check(
        "idle",
        &idle.look(&step(), nothing).1,
        "unknown: OWA has no worker process",
    );
    assert!(
        Bench::new().probe(&step(), nothing).is_err(),
        "without the start of the worker process"
    );
}

#[test]
fn the_folder_is_missed_only_after_a_sign_on() {
    let step = VerifyLogFolder {
        host: host("atl-mbx-001"),
    };
    let some = || Some(Fact::SignOn(Some(at("2026-11-23T10:01:00Z"))));
    for (name, exists, sign_on, expected) in [
        ("there", Value::Bool(true), None, "in place"),
        ("there, as text", "True".into(), some(), "in place"),
        (
            "no sign-on",
            Value::Bool(false),
            Some(Fact::SignOn(None)),
            "unknown: the folder comes with",
        ),
        (
            "not known",
            Value::Bool(false),
            None,
            "unknown: the folder is missing, and whether",
        ),
        (
            "missing",
            Value::Bool(false),
            some(),
            "broken: the folder is missing although somebody signed on",
        ),
        ("strange", Value::Int32(7), None, "broken: Some(\"7\")"),
    ] {
        let mut bench = match sign_on {
            Some(fact) => bench().knows("atl-mbx-001", fact),
            None => bench(),
        };
        let (_, found) = bench.look(&step, |query| {
            let expected = r"Test-Path -LiteralPath D:\Exchange\Logging\OWA\InstantMessaging -PathType Container";
            assert_eq!(said(&query.pipeline), expected);
            gives([exists.clone()])
        });
        check(name, &found, expected);
    }
    let mut old = bench().knows("atl-mbx-001", Fact::Exchange(ExchangeVersion::E2010));
    check(
        "Exchange 2010",
        &old.look(&step, |_| gives([])).1,
        "not applicable",
    );
}
