//! Streams of events for the tests of consumers: one run that applies, one that plans.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::{EndpointKind, HostName, Thumbprint, WindowsPath};
use owaim_steps::{Certificate, Difference, Fact, Problem, WebConfigState};

use crate::event::{
    AssessedState, Event, EventKind, Mode, NodeInfo, PipelineRef, PlannedAction, ReceivedRecord,
    SentCommand, Treatment,
};
use crate::outcome::{ExitCode, FailureCause, Outcome};

pub(crate) const RUN: &str = "20261123T160742Z-apply-3f9a";
pub(crate) const START: &str = "2026-11-23T16:07:42Z";

pub(crate) fn host(name: &str) -> HostName {
    HostName::new(&format!("{name}.litwareinc.com")).unwrap()
}

fn node(
    node: usize,
    step: &str,
    on: &str,
    object: Option<&str>,
    title: &str,
    after: &[usize],
) -> NodeInfo {
    NodeInfo {
        node,
        step: step.into(),
        host: host(on),
        object: object.map(Into::into),
        title: title.into(),
        treatment: Treatment::Change,
        after: after.to_vec(),
    }
}

fn nodes() -> Vec<NodeInfo> {
    vec![
        node(
            0,
            "preflight.host",
            "atl-mbx-001",
            None,
            "atl-mbx-001 is what the site file says",
            &[],
        ),
        node(
            1,
            "backend.web-config",
            "atl-mbx-001",
            None,
            "Web.config names the pool and the certificate",
            &[0],
        ),
        node(
            2,
            "backend.recycle",
            "atl-mbx-001",
            None,
            "the worker process has read the configuration",
            &[1],
        ),
        node(
            3,
            "preflight.host",
            "atl-mbx-002",
            None,
            "atl-mbx-002 is what the site file says",
            &[],
        ),
        node(
            4,
            "backend.web-config",
            "atl-mbx-002",
            None,
            "Web.config names the pool and the certificate",
            &[3],
        ),
        node(
            5,
            "mailbox.policy",
            "atl-cas-001",
            Some("Default"),
            "policy Default allows instant messaging",
            &[],
        ),
        node(
            6,
            "verify.event-112",
            "atl-mbx-001",
            None,
            "the endpoint has started since the recycle",
            &[2],
        ),
    ]
}

fn pipeline(node: usize, on: &str, attempt: u32, name: &str) -> PipelineRef {
    PipelineRef {
        node,
        attempt,
        host: host(on),
        endpoint: EndpointKind::Windows,
        name: name.into(),
    }
}

fn command(name: &str, parameters: &[(&str, &str)]) -> SentCommand {
    let parameters = parameters
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    SentCommand {
        name: name.into(),
        parameters,
    }
}

pub(crate) fn differences() -> Vec<Difference> {
    vec![
        Difference {
            what: "IMServerName".into(),
            actual: None,
            desired: Some("atl-cs-001.litwareinc.com".into()),
            diff: Some("@@ -2,2 +2,3 @@\n   <appSettings>\n+    <add key=\"IMServerName\" value=\"x\" />\n   </appSettings>".into()),
        },
        Difference { what: "IMMode".into(), actual: Some("None".into()), desired: Some("Ocs".into()), diff: None },
    ]
}

fn action() -> PlannedAction {
    PlannedAction {
        name: "write".into(),
        summary: "set IMServerName in D:\\Exchange\\web.config".into(),
        changes: true,
        host: host("atl-mbx-001"),
        endpoint: EndpointKind::Windows,
        powershell:
            "Set-Content -LiteralPath 'D:\\Exchange\\web.config' -Encoding Byte -Value $bytes"
                .into(),
    }
}

fn facts() -> Vec<Fact> {
    vec![
        Fact::Certificate(Certificate {
            thumbprint: Thumbprint::new(&"A1".repeat(20)).unwrap(),
            subject: "atl-owa-001.litwareinc.com".into(),
            not_after: "2027-01-01T00:00:00Z".parse().unwrap(),
        }),
        Fact::WebConfig(WebConfigState {
            path: WindowsPath::new("D:\\Lync\\web.config").unwrap(),
            found: "AA".into(),
            wanted: "BB".into(),
            backup: WindowsPath::new("D:\\Lync\\web.config.bak").unwrap(),
            written: None,
        }),
        Fact::WorkerStarted(Some(START.parse().unwrap())),
        Fact::Pending("backend.web-config".into()),
    ]
}

fn problem() -> Problem {
    Problem {
        action: "open a session".into(),
        expected: Some("a listener at port 5985".into()),
        found: "connection refused\u{1b}[2J".into(),
        advice: "start the service WinRM on atl-mbx-002".into(),
        retry: true,
    }
}

fn assessed(node: usize, attempt: u32, state: AssessedState) -> EventKind {
    EventKind::Assessed {
        node,
        attempt,
        state,
        facts: vec![],
        warnings: vec![],
        remedy: vec![],
    }
}

fn finished(node: usize, outcome: Outcome, took_ms: u64) -> EventKind {
    EventKind::NodeFinished {
        node,
        outcome,
        took_ms,
    }
}

fn started(mode: Mode) -> EventKind {
    EventKind::RunStarted {
        run: RUN.into(),
        site: "litware".into(),
        mode,
        version: "0.1.0".into(),
        nodes: nodes(),
        warnings: vec![],
    }
}

/// Numbers and dates `kinds`, 250 ms apart.
pub(crate) fn dated(kinds: Vec<EventKind>) -> Vec<Event> {
    let start: Timestamp = START.parse().unwrap();
    (0u64..)
        .zip(kinds)
        .map(|(seq, kind)| Event {
            seq,
            at: start + SignedDuration::from_millis(250 * i64::try_from(seq).unwrap()),
            kind,
        })
        .collect()
}

/// A run that changes one server, cannot reach another, and learns of a third thing nothing.
pub(crate) fn events() -> Vec<Event> {
    dated([beginning(), change(), end()].concat())
}

fn beginning() -> Vec<EventKind> {
    let read = pipeline(1, "atl-mbx-001", 1, "read");
    vec![
        started(Mode::Apply),
        EventKind::SessionOpened {
            host: host("atl-mbx-001"),
            endpoint: EndpointKind::Windows,
            url: "http://127.0.0.1:5985/wsman".into(),
            username: "LITWARE\\admin".into(),
        },
        EventKind::AttemptStarted {
            node: 0,
            attempt: 1,
        },
        assessed(0, 1, AssessedState::InPlace),
        finished(0, Outcome::InPlace, 900),
        EventKind::AttemptStarted {
            node: 1,
            attempt: 1,
        },
        EventKind::PipelineSent {
            pipeline: read.clone(),
            changes: false,
            statements: vec![vec![
                command("Get-Item", &[("LiteralPath", "'D:\\Program Files\\it''s'")]),
                command(
                    "Get-Content",
                    &[("Raw", "$true"), ("Encoding", "'Byte'"), ("", "3")],
                ),
            ]],
        },
        EventKind::PipelineReturned {
            pipeline: read,
            changes: false,
            took_ms: 42,
            records: vec![
                ReceivedRecord {
                    stream: "output".into(),
                    text: "byte[1842] sha256 9f…\nLength: 1842".into(),
                },
                ReceivedRecord {
                    stream: "warning".into(),
                    text: "a bell \u{7}".into(),
                },
            ],
            state: "completed".into(),
        },
    ]
}

fn change() -> Vec<EventKind> {
    let write = pipeline(1, "atl-mbx-001", 1, "write");
    vec![
        EventKind::Assessed {
            node: 1,
            attempt: 1,
            state: AssessedState::Drifted(differences()),
            facts: facts(),
            warnings: vec!["the certificate expires in 39 days".into()],
            remedy: vec![action()],
        },
        EventKind::ChangeStarting {
            node: 1,
            attempt: 1,
            action: "write".into(),
            summary: action().summary,
            saved: BTreeMap::from([(
                "D:\\Exchange\\web.config".into(),
                "atl-mbx-001.litwareinc.com/web.config".into(),
            )]),
        },
        EventKind::PipelineSent {
            pipeline: write.clone(),
            changes: true,
            statements: vec![vec![command(
                "Set-Content",
                &[("LiteralPath", "'D:\\Exchange\\web.config'")],
            )]],
        },
        EventKind::PipelineReturned {
            pipeline: write,
            changes: true,
            took_ms: 15,
            records: vec![],
            state: "completed".into(),
        },
        EventKind::ChangeDone {
            node: 1,
            attempt: 1,
            action: "write".into(),
            error: None,
            received: None,
        },
        assessed(1, 1, AssessedState::InPlace),
        finished(
            1,
            Outcome::Changed {
                differences: differences(),
            },
            2300,
        ),
    ]
}

fn end() -> Vec<EventKind> {
    let cut_off = pipeline(2, "atl-mbx-001", 1, "recycle");
    vec![
        EventKind::AttemptStarted {
            node: 2,
            attempt: 1,
        },
        assessed(
            2,
            1,
            AssessedState::Drifted(vec![Difference {
                what: "start of the worker process".into(),
                actual: Some("before the change".into()),
                desired: Some("after it".into()),
                diff: None,
            }]),
        ),
        EventKind::ChangeStarting {
            node: 2,
            attempt: 1,
            action: "recycle".into(),
            summary: "recycle MSExchangeOWAAppPool".into(),
            saved: BTreeMap::new(),
        },
        EventKind::PipelineLost {
            pipeline: cut_off,
            changes: true,
            error: "the connection was closed".into(),
            may_have_run: true,
        },
        EventKind::RetryScheduled {
            node: 2,
            attempt: 2,
            wait_ms: 1300,
            reason: "the connection was closed".into(),
        },
        EventKind::AttemptStarted {
            node: 2,
            attempt: 2,
        },
        assessed(2, 2, AssessedState::InPlace),
        finished(
            2,
            Outcome::Changed {
                differences: vec![],
            },
            4100,
        ),
        EventKind::AttemptStarted {
            node: 3,
            attempt: 1,
        },
        finished(
            3,
            Outcome::Failed {
                problem: problem(),
                cause: FailureCause::Unreachable,
            },
            30,
        ),
        finished(
            4,
            Outcome::Blocked {
                by: "preflight.host on atl-mbx-002.litwareinc.com".into(),
                unreachable: true,
            },
            0,
        ),
        EventKind::Interrupted { now: false },
        finished(
            5,
            Outcome::NotApplicable {
                reason: "the policy is not in scope".into(),
            },
            12,
        ),
        finished(
            6,
            Outcome::Unknown {
                reason: "nobody has signed on since the recycle".into(),
            },
            80,
        ),
        EventKind::RunFinished {
            exit: ExitCode::Unreachable,
        },
    ]
}

/// A plan: one file would be edited, what follows from it is not known yet.
pub(crate) fn plan() -> Vec<Event> {
    dated(vec![
        started(Mode::Plan),
        finished(0, Outcome::InPlace, 900),
        EventKind::Assessed {
            node: 1,
            attempt: 1,
            state: AssessedState::Drifted(differences()),
            facts: facts(),
            warnings: vec!["the certificate expires in 39 days".into()],
            remedy: vec![action()],
        },
        finished(
            1,
            Outcome::Drifted {
                differences: differences(),
            },
            2300,
        ),
        finished(
            2,
            Outcome::Unknown {
                reason: "depends on backend.web-config".into(),
            },
            100,
        ),
        finished(3, Outcome::InPlace, 900),
        finished(4, Outcome::InPlace, 900),
        finished(
            5,
            Outcome::Unknown {
                reason: "the policies cannot be listed".into(),
            },
            900,
        ),
        finished(
            6,
            Outcome::Unknown {
                reason: "nobody has signed on".into(),
            },
            80,
        ),
        EventKind::RunFinished {
            exit: ExitCode::Success,
        },
    ])
}

/// What [`events`] or [`plan`] amount to.
pub(crate) fn view(events: &[Event]) -> crate::report::RunView {
    let mut view = crate::report::RunView::default();
    for event in events {
        view.note(event);
    }
    view
}
