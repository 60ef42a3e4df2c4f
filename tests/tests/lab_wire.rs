//! The client's connection and the lab's listeners against each other: logon, sealing, faults,
//! latency and records.

#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use owaim_inventory::{EndpointKind, Site};
use owaim_lab::{EndpointEntry, Lab, LabError, LabOptions, Overlay};
use owaim_proto::wsman::{Request, RequestBody, RequestHeader};
use owaim_transport::{
    Authentication, Connection, Credential, Endpoint, Secret, Timeouts, TransportError,
};

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(10),
};

fn site() -> Site {
    let text = include_str!("../../examples/litware.toml");
    owaim_inventory::parse("litware.toml", text).unwrap()
}

/// Exchange's endpoints with NTLM, which is what is tried here.
const NTLM: &str = "[wire.endpoints.exchange]\nauth = [\"negotiate\"]\n";

async fn start(overlay: &str, state_dir: Option<&Path>) -> Lab {
    let overlay = Overlay::parse("overlay.toml", &[overlay, "\n", NTLM].concat()).unwrap();
    let options = LabOptions {
        overlay,
        state_dir: state_dir.map(Into::into),
        ..Default::default()
    };
    Lab::start(&site(), options).await.unwrap()
}

fn entry<'a>(lab: &'a Lab, host: &str, kind: EndpointKind) -> &'a EndpointEntry {
    let mut entries = lab.endpoints().endpoints.iter();
    entries
        .find(|entry| entry.host.short() == host && entry.kind == kind)
        .unwrap()
}

fn endpoint(entry: &EndpointEntry, username: &str, password: &str) -> Endpoint {
    Endpoint::new(
        entry.host.as_str(),
        entry.url.as_str(),
        entry.configuration.as_str(),
        Authentication::Ntlm(Credential {
            username: username.into(),
            password: Secret::new(password.into()),
        }),
    )
}

fn connect(entry: &EndpointEntry) -> Connection {
    let endpoint = endpoint(entry, &entry.username, entry.password.expose());
    Connection::open(&endpoint, TIMEOUTS).unwrap()
}

/// A request for the end of a shell that there never was.
fn delete(entry: &EndpointEntry) -> Vec<u8> {
    let header = RequestHeader::new(
        &entry.url,
        "http://schemas.microsoft.com/powershell/Microsoft.PowerShell",
    );
    Request {
        header,
        body: RequestBody::Delete,
    }
    .encode()
}

/// The lines of `requests.ndjson`.
fn records(folder: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("requests.ndjson")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_host_has_its_endpoints() {
    let lab = start("", None).await;
    let found: Vec<_> = lab
        .endpoints()
        .endpoints
        .iter()
        .map(|entry| {
            (
                entry.host.short(),
                entry.kind.name(),
                entry.configuration.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("atl-cs-001", "windows", "Microsoft.PowerShell"),
            ("atl-cs-001", "lync", "Microsoft.PowerShell"),
            ("atl-cs-001", "lync-local", "owaim"),
            ("atl-cas-001", "windows", "Microsoft.PowerShell"),
            ("atl-cas-001", "exchange", "Microsoft.Exchange"),
            ("atl-cas-002", "windows", "Microsoft.PowerShell"),
            ("atl-cas-002", "exchange", "Microsoft.Exchange"),
            ("atl-mbx-001", "windows", "Microsoft.PowerShell"),
            ("atl-mbx-002", "windows", "Microsoft.PowerShell"),
            ("atl-mbx-003", "windows", "Microsoft.PowerShell"),
        ]
    );
    let other = start("", None).await;
    let password = |lab: &Lab| lab.endpoints().endpoints[0].password.clone();
    assert_ne!(
        password(&lab),
        password(&other),
        "the password is made up for each start"
    );
    assert!(!format!("{lab:?}").contains(password(&lab).expose()));
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn sealed_messages_reach_each_kind_of_endpoint() {
    let lab = start("", None).await;
    for kind in [EndpointKind::Windows, EndpointKind::Exchange] {
        let entry = entry(&lab, "atl-cas-001", kind);
        let mut connection = connect(entry);
        for _ in 0..3 {
            connection.exchange("Delete", delete(entry)).await.unwrap();
        }
        connection
            .exchange("Delete", b"no envelope".to_vec())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn only_known_accounts_with_their_passwords_log_on() {
    let folder = tempfile::tempdir().unwrap();
    let account = "[[accounts]]\nusername = \"second@litwareinc.com\"\npassword = \"other\"\n";
    let lab = start(account, Some(folder.path())).await;
    let entry = entry(&lab, "atl-mbx-001", EndpointKind::Windows);
    let made_up = entry.password.expose();
    let cases = [
        ("LITWAREINC\\owaim", made_up, true),
        ("litwareinc\\OWAIM", made_up, true),
        ("owaim", made_up, true),
        ("second@litwareinc.com", "other", true),
        ("second", "other", true),
        ("LITWAREINC\\owaim", "wrong", false),
        ("LITWAREINC\\owaim", "other", false),
        ("LITWAREINC\\owaim", "", false),
        ("second", made_up, false),
        ("nobody", made_up, false),
        ("ELSEWHERE\\owaim", made_up, false),
    ];
    for (username, password, fine) in cases {
        let mut connection =
            Connection::open(&endpoint(entry, username, password), TIMEOUTS).unwrap();
        match connection.exchange("Delete", delete(entry)).await {
            Ok(_) => assert!(fine, "{username} logged on"),
            Err(error) => assert!(!fine && error.is_refused_logon(), "{username}: {error:?}"),
        }
    }
    let logons = |kind: &str| {
        records(folder.path())
            .iter()
            .filter(|line| line["logon"] == kind)
            .count()
    };
    assert_eq!(
        (logons("challenged"), logons("accepted"), logons("refused")),
        (11, 5, 6)
    );
}

/// What the lab answers to `request`, sent in clear over `stream`.
fn raw(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_logon() {
    let lab = start("", None).await;
    let entry = entry(&lab, "atl-cas-001", EndpointKind::Exchange);
    let mut authenticated = connect(entry);
    authenticated
        .exchange("Delete", delete(entry))
        .await
        .unwrap();

    let address = entry
        .url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let post = |path: &str, headers: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        raw(
            &mut stream,
            &format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 2\r\n\r\n{{}}"),
        )
    };
    for headers in [
        "",
        "Authorization: Basic eDp5\r\n",
        "Authorization: Negotiate TlRM\r\n",
        "Authorization: Negotiate !\r\n",
    ] {
        let answer = post("/PowerShell/", headers);
        assert!(answer.starts_with("http/1.1 401"), "{headers}: {answer}");
        for header in [
            "\r\nwww-authenticate: negotiate\r\n",
            "\r\nserver: microsoft-httpapi/2.0\r\n",
            "\r\ncontent-length: 0\r\n",
        ] {
            assert!(answer.contains(header), "{headers}: {answer}");
        }
    }
    assert!(post("/powershell", "").starts_with("http/1.1 401"));
    assert!(post("/wsman", "").starts_with("http/1.1 404"));
    let mut stream = TcpStream::connect(address).unwrap();
    assert!(
        raw(&mut stream, "GET /PowerShell HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("http/1.1 405")
    );
    authenticated
        .exchange("Delete", delete(entry))
        .await
        .unwrap();
}

#[tokio::test]
async fn one_state_has_one_lab_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = start("", Some(folder.path())).await;
    let options = LabOptions {
        state_dir: Some(folder.path().into()),
        ..Default::default()
    };
    let error = Lab::start(&site(), options).await.unwrap_err();
    assert!(matches!(error, LabError::InUse { .. }), "{error:?}");
    first.stop().await.unwrap();
    start("", Some(folder.path())).await;
}

#[tokio::test]
async fn faults_strike_where_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = r#"
        [hosts."atl-mbx-003.litwareinc.com"]
        down = true
        [[faults]]
        host = "atl-cas-001.litwareinc.com"
        endpoint = "exchange"
        action = "Delete"
        nth = 2
        kind = "http:503"
        [[faults]]
        host = "atl-cas-001.litwareinc.com"
        endpoint = "windows"
        kind = "fault:2150859173"
        [[faults]]
        host = "atl-cas-002.litwareinc.com"
        endpoint = "exchange"
        kind = "drop-before"
        [[faults]]
        host = "atl-cas-002.litwareinc.com"
        endpoint = "windows"
        kind = "drop-after"
        [[faults]]
        host = "atl-mbx-001.litwareinc.com"
        kind = "hang"
    "#;
    let lab = start(overlay, Some(folder.path())).await;
    let windows = |host| entry(&lab, host, EndpointKind::Windows);
    let exchange = |host| entry(&lab, host, EndpointKind::Exchange);

    let once = exchange("atl-cas-001");
    let mut connection = connect(once);
    connection.exchange("Delete", delete(once)).await.unwrap();
    let error = connection
        .exchange("Delete", delete(once))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Http { status: 503, .. }),
        "{error:?}"
    );
    connect(once)
        .exchange("Delete", delete(once))
        .await
        .unwrap();

    let entry = windows("atl-cas-001");
    let answer = connect(entry)
        .exchange("Delete", delete(entry))
        .await
        .unwrap();
    assert!(String::from_utf8(answer).unwrap().contains("2150859173"));

    for entry in [exchange("atl-cas-002"), windows("atl-cas-002")] {
        let error = connect(entry)
            .exchange("Delete", delete(entry))
            .await
            .unwrap_err();
        assert!(
            matches!(error, TransportError::Closed { sent: true, .. }),
            "{error:?}"
        );
    }

    let entry = windows("atl-mbx-001");
    let endpoint = endpoint(entry, &entry.username, entry.password.expose());
    let hasty = Timeouts {
        response: Duration::from_millis(300),
        ..TIMEOUTS
    };
    let mut connection = Connection::open(&endpoint, hasty).unwrap();
    let error = connection
        .exchange("Delete", delete(entry))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Timeout { sent: true, .. }),
        "{error:?}"
    );

    let entry = windows("atl-mbx-003");
    let error = connect(entry)
        .exchange("Delete", delete(entry))
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");

    lab.stop().await.unwrap();
    let lines = records(folder.path());
    let dropped = lines
        .iter()
        .filter(|line| line["status"].is_null() && line["action"] == "Delete");
    assert_eq!(dropped.count(), 3, "{lines:#?}");
}

#[tokio::test]
async fn requests_are_noted_and_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("latency_ms = 200", Some(folder.path())).await;
    let first = entry(&lab, "atl-mbx-001", EndpointKind::Windows);
    let second = entry(&lab, "atl-mbx-002", EndpointKind::Windows);
    let (mut one, mut two) = (connect(first), connect(second));
    let (one, two) = tokio::join!(
        one.exchange("Delete", delete(first)),
        two.exchange("Delete", delete(second))
    );
    one.unwrap();
    two.unwrap();
    let url = first
        .url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    // Whether the port can be reached afterwards says nothing: another lab may have got it.
    let mut held = TcpStream::connect(url).unwrap();
    held.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    lab.stop().await.unwrap();
    let ended = match held.read(&mut [0]) {
        Ok(octets) => octets == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    };
    assert!(ended, "a stopped lab keeps its connections");

    let lines = records(folder.path());
    assert_eq!(lines.len(), 4, "two round trips each");
    let time = |line: &serde_json::Value, key: &str| {
        line[key].as_str().unwrap().parse::<Timestamp>().unwrap()
    };
    for line in &lines {
        let held = time(line, "ended").duration_since(time(line, "time"));
        assert!(held >= jiff::SignedDuration::from_millis(200), "{line}");
        assert_eq!(line["endpoint"], "windows");
        let logon = line["logon"] == "challenged";
        assert_eq!(line["action"].is_null(), logon, "{line}");
        assert_eq!(line["bytes_in"] == 0, logon, "{line}");
        assert_eq!(line["status"] == 401, logon, "{line}");
    }
    let of = |host: &str| {
        let mut lines = lines
            .iter()
            .filter(|line| line["host"].as_str().unwrap().starts_with(host));
        let first = lines.next().unwrap();
        (
            time(first, "time"),
            time(lines.next().unwrap(), "ended"),
            first["connection"].clone(),
        )
    };
    let (one, two) = (of("atl-mbx-001"), of("atl-mbx-002"));
    assert!(
        one.0 < two.1 && two.0 < one.1,
        "the requests of two hosts do not overlap"
    );
    assert_ne!(one.2, two.2);
}
