//! A server that misbehaves, in every way that a peer or somebody on the way can: each time an error
//! of the right kind, in bounded time and memory.
//!
//! [`ROWS`] is the table. The server is that of `tests/python`: it logs us on, seals and unseals by
//! `pyspnego`, and does one thing wrong. Each row runs in a process of its own, whose memory is looked at.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine, and reads the memory of a process where Linux has it.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command as Process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, credential};
use owaim_tests::kdc::{Kdc, REALM};
use owaim_tests::peer::LIMIT;
use owaim_transport::{
    Authentication, Client, ClientOptions, Connect as _, Endpoint, Identity, Kerberos, Timeouts,
    TransportError,
};
use serde_json::{Value as Json, json};

/// The most memory that a client may have had at any time, in KiB; it starts with some 20 MiB.
const MEMORY: u64 = 80 << 10;

/// The longest that it may take to notice, with a time-out of [`RESPONSE`] and much else going on.
const LONGEST: Duration = Duration::from_secs(30);

/// The same, where 32 MiB have to be unsealed first by a program without optimization.
const LONGEST_OF_MUCH: Duration = Duration::from_mins(3);

// The server has to be there until then.
const _: () = assert!(LONGEST_OF_MUCH.as_secs() < LIMIT as u64);

/// How long the client waits for an answer.
const RESPONSE: Duration = Duration::from_secs(5);

/// By what this row's name goes from the test to the process that runs it.
const ROW: &str = "OWAIM_HOSTILE_ROW";

/// One way to misbehave.
struct Row {
    /// How the server logs us on.
    logon: &'static str,
    /// What it does, and to what.
    kind: &'static str,
    at: &'static str,
    /// The error: its variant, and a piece of its message.
    error: (&'static str, &'static str),
}

const fn row(
    logon: &'static str,
    kind: &'static str,
    at: &'static str,
    error: (&'static str, &'static str),
) -> Row {
    Row {
        logon,
        kind,
        at,
        error,
    }
}

const ROWS: &[Row] = &[
    // What is sealed is not what was sealed.
    row("ntlm", "tampered", "Receive", ("Sealing", "MessageAltered")),
    row(
        "ntlm",
        "signature",
        "Receive",
        ("Sealing", "MessageAltered"),
    ),
    row(
        "ntlm",
        "replayed",
        "Receive",
        ("Sealing", "sequence number"),
    ),
    row(
        "ntlm",
        "truncated",
        "Receive",
        ("Sealing", "no closing delimiter"),
    ),
    row(
        "ntlm",
        "unclosed",
        "Receive",
        ("Sealing", "no closing delimiter"),
    ),
    row("ntlm", "longer", "Receive", ("Sealing", "2080 octets")),
    row("ntlm", "shorter", "Receive", ("Sealing", "1039 octets")),
    row(
        "ntlm",
        "boundless",
        "Receive",
        ("Sealing", "4611686018427387904 octets"),
    ),
    row("ntlm", "plain", "Receive", ("Sealing", "in clear")),
    row("ntlm", "plain", "Create", ("Sealing", "in clear")),
    row(
        "kerberos",
        "tampered",
        "Receive",
        ("Sealing", "Bad integrity"),
    ),
    row(
        "kerberos",
        "signature",
        "Receive",
        ("Sealing", "Bad integrity"),
    ),
    row(
        "kerberos",
        "replayed",
        "Receive",
        ("Sealing", "has come before"),
    ),
    row(
        "kerberos",
        "truncated",
        "Receive",
        ("Sealing", "no closing delimiter"),
    ),
    row(
        "kerberos",
        "unclosed",
        "Receive",
        ("Sealing", "no closing delimiter"),
    ),
    row("kerberos", "longer", "Receive", ("Sealing", "2080 octets")),
    row("kerberos", "shorter", "Receive", ("Sealing", "1039 octets")),
    row(
        "kerberos",
        "boundless",
        "Receive",
        ("Sealing", "4611686018427387904 octets"),
    ),
    row("kerberos", "plain", "Receive", ("Sealing", "in clear")),
    row(
        "negotiate",
        "tampered",
        "Receive",
        ("Sealing", "Bad integrity"),
    ),
    row(
        "negotiate",
        "replayed",
        "Receive",
        ("Sealing", "has come before"),
    ),
    row("negotiate", "plain", "Receive", ("Sealing", "in clear")),
    row("credssp", "tampered", "Receive", ("Sealing", "its TLS")),
    row("credssp", "replayed", "Receive", ("Sealing", "its TLS")),
    row(
        "credssp",
        "truncated",
        "Receive",
        ("Sealing", "no delimiter"),
    ),
    row("credssp", "longer", "Receive", ("Sealing", "2080 octets")),
    row(
        "credssp",
        "boundless",
        "Receive",
        ("Sealing", "4611686018427387904 octets"),
    ),
    row("credssp", "plain", "Receive", ("Sealing", "in clear")),
    // What is sealed is no envelope that anybody would want.
    row("ntlm", "entities", "Receive", ("Protocol", "document type")),
    row("ntlm", "external", "Receive", ("Protocol", "document type")),
    row(
        "ntlm",
        "deep_xml",
        "Receive",
        ("Protocol", "more than 64 elements"),
    ),
    row(
        "ntlm",
        "deep_clixml",
        "Command",
        ("Protocol", "at most 64 levels"),
    ),
    row(
        "ntlm",
        "entities_clixml",
        "Command",
        ("Protocol", "document type"),
    ),
    row(
        "ntlm",
        "endless",
        "Command",
        ("Protocol", "more than 33554432 bytes"),
    ),
    // What is wrong with HTTP.
    row("ntlm", "cut", "Receive", ("Closed", "no complete answer")),
    row("ntlm", "gzipped", "Receive", ("Protocol", "gzip")),
    row(
        "ntlm",
        "huge",
        "Receive",
        ("Protocol", "at most 16777216 octets"),
    ),
    row(
        "ntlm",
        "chunked",
        "Receive",
        ("Protocol", "at most 16777216 octets"),
    ),
    row("ntlm", "redirect", "Create", ("Redirected", "127.0.0.2")),
    row("basic", "cut", "Receive", ("Closed", "no complete answer")),
    row("basic", "gzipped", "Receive", ("Protocol", "gzip")),
    row(
        "basic",
        "huge",
        "Receive",
        ("Protocol", "at most 16777216 octets"),
    ),
    row(
        "basic",
        "chunked",
        "Receive",
        ("Protocol", "at most 16777216 octets"),
    ),
    row("basic", "redirect", "Create", ("Redirected", "127.0.0.2")),
    row("ntlm", "redirect", "Receive", ("Redirected", "127.0.0.2")),
    row("ntlm", "slow", "Receive", ("Timeout", "no answer within")),
    // What is wrong with an envelope within TLS.
    row(
        "basic",
        "entities",
        "Receive",
        ("Protocol", "document type"),
    ),
    row(
        "basic",
        "deep_xml",
        "Receive",
        ("Protocol", "more than 64 elements"),
    ),
    // What is wrong with the logon.
    row("ntlm", "garbage", "logon", ("Sealing", "InvalidToken")),
    row("ntlm", "truncated", "logon", ("Sealing", "UnexpectedEof")),
    row("ntlm", "huge", "logon", ("Protocol", "a head of at most")),
    row("ntlm", "deep", "logon", ("Sealing", "InvalidToken")),
    row(
        "kerberos",
        "garbage",
        "logon",
        ("Kerberos", "has not proved"),
    ),
    row(
        "kerberos",
        "truncated",
        "logon",
        ("Kerberos", "has not proved"),
    ),
    row("kerberos", "deep", "logon", ("Kerberos", "has not proved")),
    row(
        "kerberos",
        "huge",
        "logon",
        ("Protocol", "a head of at most"),
    ),
    row(
        "negotiate",
        "garbage",
        "logon",
        ("Kerberos", "has not proved"),
    ),
    row(
        "negotiate",
        "truncated",
        "logon",
        ("Kerberos", "asks for the mechanism"),
    ),
    row("negotiate", "deep", "logon", ("Kerberos", "has not proved")),
    row(
        "negotiate",
        "huge",
        "logon",
        ("Protocol", "a head of at most"),
    ),
    row("credssp", "garbage", "logon", ("Sealing", "its TLS")),
    row(
        "credssp",
        "truncated",
        "logon",
        ("NoCommonAuthentication", "but CredSSP"),
    ),
    row("credssp", "deep", "logon", ("Sealing", "its TLS")),
    // Somebody in the middle: the logon is bound to another certificate than the server's.
    row(
        "ntlm",
        "binding",
        "tls",
        ("RefusedLogon", "HTTP status 401"),
    ),
];

impl Row {
    fn name(&self) -> String {
        format!("{} {} at {}", self.logon, self.kind, self.at)
    }

    /// What the client meets, and how long it takes to notice.
    async fn meet(&self) -> (TransportError, Duration, Json) {
        let kdc = ["kerberos", "negotiate"]
            .contains(&self.logon)
            .then(Kdc::start);
        // Which Receive: of the pool while it opens, or of a pipeline.
        let of_pipeline = self.at == "Command";
        let at = if of_pipeline { "Receive" } else { self.at };
        let server = ForeignServer::start(&json!({
            "authentication": self.logon,
            "services": kdc.as_ref().map(Kdc::for_services),
            "tls": self.tls(),
            "misbehaviour": { "kind": self.kind, "at": at, "after": u8::from(of_pipeline) },
        }));
        let endpoint = server.endpoint(self.authentication(kdc.as_ref()));
        let start = Instant::now();
        let error = attempt(&endpoint).await;
        let took = start.elapsed();
        (error, took, server.stop_without_looking().0)
    }

    fn tls(&self) -> Json {
        match (self.logon, self.at) {
            (_, "tls") => json!({ "binding": "wrong" }),
            ("basic", _) => json!({}),
            _ => Json::Null,
        }
    }

    fn authentication(&self, kdc: Option<&Kdc>) -> Authentication {
        let kerberos = kdc.map(|kdc| Kerberos {
            identity: Identity::Password(credential("owaim")),
            realm: Some(REALM.into()),
            kdcs: vec![kdc.address("udp")],
            service: None,
            delegate: false,
        });
        match (self.logon, kerberos) {
            ("kerberos", Some(kerberos)) => Authentication::Kerberos(kerberos),
            ("negotiate", Some(kerberos)) => Authentication::Negotiate {
                kerberos,
                ntlm_fallback: false,
            },
            ("credssp", _) => Authentication::CredSsp(credential(ACCOUNT)),
            ("basic", _) => Authentication::Basic {
                credential: credential(ACCOUNT),
                allow_plaintext: false,
            },
            _ => Authentication::Ntlm(credential(ACCOUNT)),
        }
    }
}

/// Connects and runs a pipeline, until something goes wrong.
async fn attempt(endpoint: &Endpoint) -> TransportError {
    let options = ClientOptions {
        timeouts: Timeouts {
            response: RESPONSE,
            ..Timeouts::default()
        },
        operation_timeout: Duration::from_secs(3),
        open_timeout: Duration::from_secs(8),
        ..ClientOptions::default()
    };
    let mut session = match Client::new(options).connect(endpoint).await {
        Ok(session) => session,
        Err(error) => return error,
    };
    let pipeline = Pipeline::new(Command::new("Get-Thing"));
    match session.run(&pipeline).await {
        Ok(output) => panic!("nothing went wrong: {output:?}"),
        Err(error) => error,
    }
}

/// The most memory that this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// The name of an error's variant.
fn variant(error: &TransportError) -> String {
    let shown = format!("{error:?}");
    shown.split([' ', '{', '(']).next().unwrap().to_owned()
}

/// What one row came to, as a line of JSON; does nothing unless a row is asked for.
#[tokio::test]
async fn one_row() {
    let Ok(name) = std::env::var(ROW) else { return };
    let row = ROWS.iter().find(|row| row.name() == name).unwrap();
    let (error, took, seen) = row.meet().await;
    let outcome = json!({
        "variant": variant(&error),
        "message": error.to_string(),
        "milliseconds": u64::try_from(took.as_millis()).unwrap(),
        "peak": peak(),
        "elsewhere": seen["elsewhere"],
        "shells": seen["shells"],
    });
    let _ = writeln!(std::io::stdout(), "\nROW {outcome}");
}

/// Runs a row in a process of its own: its line of the table, and what is wrong with it.
fn run(row: &Row) -> (String, Option<String>) {
    let name = row.name();
    let output = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_row", "--nocapture"])
        .env(ROW, &name)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let Some(line) = printed.lines().find_map(|line| line.strip_prefix("ROW ")) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return (name.clone(), Some(format!("{name}: {}", said.trim())));
    };
    let outcome: Json = serde_json::from_str(line).unwrap();
    let number = |key: &str| outcome[key].as_u64().unwrap();
    let (milliseconds, peak) = (number("milliseconds"), number("peak"));
    let variant = outcome["variant"].as_str().unwrap();
    let message = outcome["message"].as_str().unwrap();
    let shown = format!(
        "{name:32} {variant:12} {milliseconds:>6} ms {:>3} MiB  {message}",
        peak >> 10
    );
    let longest = match row.kind {
        "endless" => LONGEST_OF_MUCH,
        _ => LONGEST,
    };
    let (wanted, part) = row.error;
    let is_right = variant == wanted
        && message.contains(part)
        && peak <= MEMORY
        && Duration::from_millis(milliseconds) <= longest
        && outcome["elsewhere"] == json!([]);
    let wrong = (!is_right).then(|| format!("{shown}\n  expected {wanted} with {part:?}"));
    (shown, wrong)
}

#[test]
fn every_misbehaviour_is_noticed_in_time_and_with_little_memory() {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    // Most of the time goes into starting servers.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = ROWS.get(at) else { break };
                    let outcome = run(row);
                    outcomes.lock().unwrap().insert(at, outcome);
                }
            });
        }
    });
    let (lines, wrong): (Vec<_>, Vec<_>) = outcomes.into_inner().unwrap().into_values().unzip();
    let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
