//! The limits of the simulated servers, as our own client meets them.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use owaim_inventory::EndpointKind;
use owaim_lab::{Lab, LabOptions, Overlay};
use owaim_tests::lab::by_ntlm;
use owaim_transport::{
    Client, ClientOptions, Connect as _, Endpoint, Tickets, TransportError, max_envelope_size,
};

/// The site of the example, Exchange's endpoints with NTLM.
async fn start(overlay: &str, state_dir: Option<&Path>) -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let ntlm = "\n[wire.endpoints.exchange]\nauth = [\"negotiate\"]\n";
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", &[overlay, ntlm].concat()).unwrap(),
        state_dir: state_dir.map(Into::into),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

fn endpoint(lab: &Lab, kind: EndpointKind) -> Endpoint {
    let mut entries = lab.endpoints().endpoints.iter();
    let entry = entries.find(|entry| entry.kind == kind).unwrap();
    by_ntlm(entry)
}

#[tokio::test]
async fn the_size_of_envelopes_is_told_where_the_account_may_ask() {
    let lab = start("", None).await;
    let ask = async |kind| {
        let endpoint = endpoint(&lab, kind);
        max_envelope_size(&endpoint, ClientOptions::default(), &Tickets::default()).await
    };
    assert_eq!(ask(EndpointKind::Windows).await.unwrap(), 500 * 1024);
    match ask(EndpointKind::Exchange).await.unwrap_err() {
        TransportError::Fault { fault, .. } => assert_eq!(fault.code, Some(5)),
        other => panic!("{other:?}"),
    }
    lab.stop().await.unwrap();
}

/// From 2013 on Exchange takes the shell and refuses the session in it.
#[tokio::test(flavor = "multi_thread")]
async fn one_session_too_many_at_exchange_is_reported_with_advice_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", Some(folder.path())).await;
    let exchange = endpoint(&lab, EndpointKind::Exchange);
    let client = Client::default();
    let mut sessions = Vec::new();
    for _ in 0..18 {
        sessions.push(client.connect(&exchange).await.unwrap());
    }
    let refused = client.connect(&exchange).await.map(drop).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("maximum number of connections allowed : 18")
            && text.contains("MaxConcurrency"),
        "{text}"
    );
    let advice = refused.advice();
    assert!(advice.contains("PowerShellMaxConcurrency"), "{advice}");
    // One place is enough for another one: what was refused holds none.
    sessions.pop().unwrap().close().await;
    sessions.push(client.connect(&exchange).await.unwrap());
    for session in sessions {
        session.close().await;
    }
    lab.stop().await.unwrap();
    let records = std::fs::read_to_string(folder.path().join("requests.ndjson")).unwrap();
    let count = |action: &str| {
        let action = format!("\"action\":\"{action}\"");
        records
            .lines()
            .filter(|line| line.contains(&action))
            .count()
    };
    assert_eq!((count("Create"), count("Delete")), (20, 20));
}
