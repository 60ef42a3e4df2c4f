//! A server that misbehaves, in every way that a peer or somebody on the way can: each time an error
//! of the right kind, in bounded time and memory.
//!
//! [`ROWS`] is the table. The server is that of `tests/python`: it logs us on, seals and unseals by
//! `pyspnego`, and does one thing wrong. Each row runs in a process of its own, whose memory is looked at.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine, and reads the memory of a process where Linux has it.
#![cfg(unix)]

use std::io::Write as _;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, credential};
use owaim_tests::kdc::{Kdc, REALM};
use owaim_transport::{
    Authentication, Client, ClientOptions, Connect as _, Endpoint, Identity, Kerberos, Timeouts,
    TransportError,
};
use serde_json::{Value as Json, json};

/// The most memory that a client may have had at any time, in KiB; it starts with some 20 MiB.
const MEMORY: u64 = 80 << 10;

/// The longest that it may take to notice, with a time-out of [`RESPONSE`].
const LONGEST: Duration = Duration::from_secs(15);

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
    row("ntlm", "tampered", "Receive", ("Sealing", "")),
    row("ntlm", "signature", "Receive", ("Sealing", "")),
    row("ntlm", "replayed", "Receive", ("Sealing", "")),
    row("ntlm", "truncated", "Receive", ("Sealing", "")),
    row("ntlm", "unclosed", "Receive", ("Sealing", "")),
    row("ntlm", "longer", "Receive", ("Sealing", "")),
    row("ntlm", "shorter", "Receive", ("Sealing", "")),
    row("ntlm", "boundless", "Receive", ("Sealing", "")),
    row("ntlm", "plain", "Receive", ("Sealing", "")),
    row("ntlm", "plain", "Create", ("Sealing", "")),
    row("kerberos", "tampered", "Receive", ("Sealing", "")),
    row("kerberos", "signature", "Receive", ("Sealing", "")),
    row("kerberos", "replayed", "Receive", ("Sealing", "")),
    row("kerberos", "truncated", "Receive", ("Sealing", "")),
    row("kerberos", "longer", "Receive", ("Sealing", "")),
    row("kerberos", "plain", "Receive", ("Sealing", "")),
    // What is sealed is no envelope that anybody would want.
    row("ntlm", "entities", "Receive", ("Protocol", "")),
    row("ntlm", "external", "Receive", ("Protocol", "")),
    row("ntlm", "deep_xml", "Receive", ("Protocol", "")),
    row("ntlm", "deep_clixml", "Command", ("Protocol", "")),
    row("ntlm", "entities_clixml", "Command", ("Protocol", "")),
    row("ntlm", "endless", "Command", ("Protocol", "")),
    // What is wrong with HTTP.
    row("ntlm", "cut", "Receive", ("Closed", "")),
    row("ntlm", "gzipped", "Receive", ("Sealing", "")),
    row("ntlm", "huge", "Receive", ("Protocol", "")),
    row("ntlm", "chunked", "Receive", ("Protocol", "")),
    row("ntlm", "slow", "Receive", ("Timeout", "")),
    row("ntlm", "redirect", "Create", ("Redirected", "127.0.0.2")),
    row("ntlm", "redirect", "Receive", ("Redirected", "127.0.0.2")),
    // What is wrong with the logon.
    row("ntlm", "garbage", "logon", ("RefusedLogon", "")),
    row("ntlm", "truncated", "logon", ("RefusedLogon", "")),
    row("ntlm", "huge", "logon", ("RefusedLogon", "")),
    row("ntlm", "deep", "logon", ("RefusedLogon", "")),
    row("kerberos", "garbage", "logon", ("Kerberos", "")),
    row("kerberos", "truncated", "logon", ("Kerberos", "")),
    row("kerberos", "huge", "logon", ("Kerberos", "")),
    row("kerberos", "deep", "logon", ("Kerberos", "")),
];

impl Row {
    fn name(&self) -> String {
        format!("{} {} at {}", self.logon, self.kind, self.at)
    }

    /// What the client meets, and how long it takes to notice.
    async fn meet(&self) -> (TransportError, Duration, Json) {
        let kdc = (self.logon == "kerberos").then(Kdc::start);
        // Which Receive: of the pool while it opens, or of a pipeline.
        let of_pipeline = self.at == "Command";
        let at = if of_pipeline { "Receive" } else { self.at };
        let server = ForeignServer::start(&json!({
            "authentication": self.logon,
            "services": kdc.as_ref().map(Kdc::for_services),
            "misbehaviour": { "kind": self.kind, "at": at, "after": u8::from(of_pipeline) },
        }));
        let endpoint = server.endpoint(self.authentication(kdc.as_ref()));
        let start = Instant::now();
        let error = attempt(&endpoint).await;
        let took = start.elapsed();
        (error, took, server.stop_without_looking().0)
    }

    fn authentication(&self, kdc: Option<&Kdc>) -> Authentication {
        match kdc {
            None => Authentication::Ntlm(credential(ACCOUNT)),
            Some(kdc) => Authentication::Kerberos(Kerberos {
                identity: Identity::Password(credential("owaim")),
                realm: Some(REALM.into()),
                kdcs: vec![kdc.address("udp")],
                service: None,
                delegate: false,
            }),
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

#[test]
fn every_misbehaviour_is_noticed_in_time_and_with_little_memory() {
    let mut table = String::new();
    let mut wrong = Vec::new();
    for row in ROWS {
        let name = row.name();
        let output = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_row", "--nocapture"])
            .env(ROW, &name)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let line = printed.lines().find_map(|line| line.strip_prefix("ROW "));
        let Some(line) = line else {
            let said = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{name}: {}", said.trim()));
            continue;
        };
        let outcome: Json = serde_json::from_str(line).unwrap();
        let message = outcome["message"].as_str().unwrap();
        let (milliseconds, peak) = (
            outcome["milliseconds"].as_u64().unwrap(),
            outcome["peak"].as_u64().unwrap(),
        );
        let variant = outcome["variant"].as_str().unwrap();
        table += &format!(
            "{name:32} {variant:14} {milliseconds:>6} ms {:>3} MiB  {message}\n",
            peak >> 10
        );
        let (wanted, part) = row.error;
        if variant != wanted || !message.contains(part) {
            wrong.push(format!(
                "{name}: expected {wanted} with {part:?}, found {variant}: {message}"
            ));
        }
        if peak > MEMORY || Duration::from_millis(milliseconds) > LONGEST {
            wrong.push(format!("{name}: {milliseconds} ms, {peak} KiB"));
        }
        if outcome["elsewhere"] != json!([]) {
            wrong.push(format!("{name}: followed: {}", outcome["elsewhere"]));
        }
    }
    let _ = writeln!(std::io::stderr(), "{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
