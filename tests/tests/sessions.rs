//! The client's sessions at the simulated site: what they run, and what they cost on the wire.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use owaim::endpoints::{EndpointBook, Origin};
use owaim_inventory::EndpointKind;
use owaim_lab::{EndpointEntry, Lab, LabOptions, Overlay};
use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::lab::by_ntlm;
use owaim_transport::{Client, Connect, Endpoint};
use serde_json::Value;

/// Exchange's endpoints with NTLM, which is what is tried here.
const NTLM: &str = "[wire.endpoints.exchange]\nauth = [\"negotiate\"]\n";

async fn start(folder: &Path, overlay: &str) -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let overlay = Overlay::parse("overlay.toml", &[overlay, "\n", NTLM].concat()).unwrap();
    let options = LabOptions {
        overlay,
        state_dir: Some(folder.into()),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

fn endpoint(lab: &Lab, kind: EndpointKind) -> Endpoint {
    let mut entries = lab.endpoints().endpoints.iter();
    let entry: &EndpointEntry = entries.find(|entry| entry.kind == kind).unwrap();
    by_ntlm(entry)
}

/// The lines of one of the lab's records.
fn records(folder: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn pipelines_run_at_each_kind_of_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start(folder.path(), "").await;
    let cases = [
        (
            EndpointKind::Windows,
            Command::new("Test-Path").with("LiteralPath", r"C:\Windows"),
            "",
        ),
        (
            EndpointKind::Windows,
            Command::new("Get-Item").with("LiteralPath", r"C:\nothing here"),
            "PathNotFound",
        ),
        (
            EndpointKind::Exchange,
            Command::new("Get-OwaMailboxPolicy").with("Identity", "Default"),
            "",
        ),
        (
            EndpointKind::Exchange,
            Command::new("Get-OwaMailboxPolicy").with("Identity", "nobody"),
            "ManagementObjectNotFoundException",
        ),
    ];
    for (kind, command, error) in cases {
        let mut session = Client::default()
            .connect(&endpoint(&lab, kind))
            .await
            .unwrap();
        let output = session.run(&Pipeline::new(command)).await.unwrap();
        session.close().await;
        if error.is_empty() {
            assert!(output.is_clean(), "{output:?}");
            assert_eq!(output.objects().count(), 1);
        } else {
            let ids: Vec<&str> = output
                .errors()
                .map(|record| record.error_id.as_str())
                .collect();
            assert!(ids.len() == 1 && ids[0].contains(error), "{ids:?}");
        }
    }
    lab.stop().await.unwrap();
    let commands: Vec<_> = records(folder.path(), "calls.ndjson")
        .iter()
        .map(|call| {
            (
                call["endpoint"].clone(),
                call["cmdlet"].clone(),
                call["changes"].clone(),
            )
        })
        .collect();
    let call = |endpoint: &str, cmdlet: &str| (endpoint.into(), cmdlet.into(), Value::Bool(false));
    assert_eq!(
        commands,
        [
            call("windows", "Test-Path"),
            call("windows", "Get-Item"),
            call("exchange", "Get-OwaMailboxPolicy"),
            call("exchange", "Get-OwaMailboxPolicy"),
        ]
    );
}

/// Requests until the first pipeline has given what it has to give, the second Receive that a pool may take to open
/// left out.
async fn cold(auth: &str, tls: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let lab = start(
        folder.path(),
        &format!("[wire.endpoints.windows]\ntls = {tls}\n"),
    )
    .await;
    let text = include_str!("../../examples/litware.toml");
    let set = [("endpoints.windows.auth".to_owned(), auth.to_owned())];
    let site = owaim_inventory::parse_with("litware.toml", text, &set).unwrap();
    let book = EndpointBook::from_file(lab.endpoints(), &site, Origin::Lab).unwrap();
    let place = book
        .places_of("atl-mbx-001")
        .find(|place| place.kind == EndpointKind::Windows)
        .unwrap();
    let mut session = Client::default()
        .connect(book.get(place).unwrap())
        .await
        .unwrap();
    let command = Command::new("Test-Path").with("LiteralPath", r"C:\Windows");
    let output = session.run(&Pipeline::new(command)).await.unwrap();
    assert!(output.is_clean(), "{output:?}");
    session.close().await;
    lab.stop().await.unwrap();
    let requests = records(folder.path(), "requests.ndjson");
    assert!(requests.iter().all(|request| request["tls"] == tls));
    let by = if auth == "negotiate" {
        "kerberos"
    } else {
        auth
    };
    assert!(
        requests.iter().all(|request| request["auth"] == by),
        "{requests:#?}"
    );
    let opening = requests
        .iter()
        .take_while(|request| request["action"] != "Command")
        .filter(|request| request["action"] == "Receive")
        .count();
    let counted = requests
        .iter()
        .filter(|request| request["action"] != "Delete");
    counted.count() - opening.saturating_sub(1).min(1)
}

#[tokio::test]
async fn the_first_pipeline_costs_few_round_trips() {
    // Sealed over HTTP, and over TLS, where the ticket goes with the first message.
    for (auth, sealed, within_tls) in [("ntlm", 6, 6), ("kerberos", 5, 4), ("negotiate", 5, 4)] {
        for (tls, most) in [(false, sealed), (true, within_tls)] {
            if tls && cfg!(windows) {
                // Wine's SChannel stops at the second answer of a connection.
                continue;
            }
            let count = cold(auth, tls).await;
            assert!(
                count <= most,
                "{auth}, TLS {tls}: {count} of at most {most}"
            );
        }
    }
}

#[tokio::test]
async fn a_warm_pipeline_costs_two_round_trips() {
    // Enough for the ends of the first 64 to be acknowledged, beside what runs.
    const PIPELINES: usize = 70;
    let folder = tempfile::tempdir().unwrap();
    let lab = start(folder.path(), "").await;
    let mut session = Client::default()
        .connect(&endpoint(&lab, EndpointKind::Windows))
        .await
        .unwrap();
    let opened = records(folder.path(), "requests.ndjson").len();
    for _ in 0..PIPELINES {
        let command = Command::new("Test-Path").with("LiteralPath", r"C:\Windows");
        assert!(
            session
                .run(&Pipeline::new(command))
                .await
                .unwrap()
                .is_clean()
        );
    }
    session.close().await;
    lab.stop().await.unwrap();
    let requests = records(folder.path(), "requests.ndjson");
    let count = |action: &str| {
        let is = |line: &&Value| line["action"] == action;
        requests[opened..].iter().filter(is).count()
    };
    assert_eq!((count("Command"), count("Receive")), (PIPELINES, PIPELINES));
    assert!((1..=64).contains(&count("Signal")), "{}", count("Signal"));
    // Besides, the logon of the connection for what runs beside.
    let besides = count("Signal") + count("Delete") + 1;
    assert!(
        requests.len() - opened <= 2 * PIPELINES + besides,
        "{:#?}",
        &requests[opened..]
    );
    let connections: BTreeSet<u64> = requests
        .iter()
        .filter_map(|line| line["connection"].as_u64())
        .collect();
    assert!(
        connections.len() <= 2,
        "a session has at most two connections, not {connections:?}"
    );
    assert_eq!(
        requests
            .iter()
            .filter(|line| line["action"] == "Delete")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_lost_connection_says_whether_the_pipeline_may_have_run() {
    for (kind, action, may_have_run) in [
        ("drop-before", "Command", true),
        ("drop-after", "Command", true),
        // In clear, where messages are sealed: anyone can have written it.
        ("http:503", "Command", true),
        ("fault:2150859173", "Command", false),
        ("drop-after", "Create", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let fault = format!("[[faults]]\naction = \"{action}\"\nkind = \"{kind}\"\n");
        let lab = start(folder.path(), &fault).await;
        let pipeline = Pipeline::new(Command::new("Get-Date"));
        let error = match Client::default()
            .connect(&endpoint(&lab, EndpointKind::Windows))
            .await
        {
            Ok(mut session) => session.run(&pipeline).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(
            error.may_have_run(),
            may_have_run,
            "{kind} at {action}: {error:?}"
        );
        assert!(!error.is_refused_logon(), "{error:?}");
    }
}
