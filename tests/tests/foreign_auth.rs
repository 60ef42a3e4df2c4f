//! Every way to log on, over every transport, with every protocol, at a server that is not ours:
//! `pyspnego` and MIT krb5 accept the logon and unseal, OpenSSL ends TLS, `psrpcore` has the shells.
//!
//! [`COMBINATIONS`] is the table; a new combination is a line of it.

#![allow(clippy::unwrap_used)]
// It drives a Python and a key distribution centre of this machine.
#![cfg(unix)]

use std::io::Write as _;

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, credential};
use owaim_tests::kdc::{Kdc, REALM};
use owaim_transport::{Authentication, Client, Connect as _, Identity, Kerberos};
use serde_json::{Value as Json, json};

/// What is under the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    /// Plain HTTP, with sealed messages.
    Sealed,
}

/// A way to log on over a transport.
struct Combination {
    /// How the server has to take it: a key of the Python side's `LOGONS`.
    server: &'static str,
    client: fn(&Kdc, &ForeignServer) -> Authentication,
    transport: Transport,
    /// By what the server says that it knows the client, and as whom.
    known: (&'static str, &'static str),
    /// The requests before the one that is answered.
    before: &'static [&'static str],
}

const NTLM_KNOWS: (&str, &str) = ("ntlm", ACCOUNT);
const KERBEROS_KNOWS: (&str, &str) = ("kerberos", "owaim@LITWAREINC.COM");

const COMBINATIONS: &[Combination] = &[
    Combination {
        server: "ntlm",
        client: |_, _| Authentication::Ntlm(credential(ACCOUNT)),
        transport: Transport::Sealed,
        known: NTLM_KNOWS,
        before: &["negotiate"],
    },
    Combination {
        server: "kerberos",
        client: |kdc, _| Authentication::Kerberos(by_password(kdc)),
        transport: Transport::Sealed,
        known: KERBEROS_KNOWS,
        before: &["authenticate"],
    },
    Combination {
        server: "kerberos",
        client: |kdc, _| Authentication::Kerberos(by_keytab(kdc)),
        transport: Transport::Sealed,
        known: KERBEROS_KNOWS,
        before: &["authenticate"],
    },
];

fn kerberos(kdc: &Kdc, identity: Identity) -> Kerberos {
    Kerberos {
        identity,
        realm: Some(REALM.into()),
        kdcs: vec![kdc.address("udp")],
        service: None,
        delegate: false,
    }
}

fn by_password(kdc: &Kdc) -> Kerberos {
    kerberos(kdc, Identity::Password(credential("owaim")))
}

fn by_keytab(kdc: &Kdc) -> Kerberos {
    let identity = Identity::Keytab {
        principal: "owaim".into(),
        path: kdc.user_keytab.clone(),
    };
    kerberos(kdc, identity)
}

impl Combination {
    fn name(&self) -> String {
        format!("{} over {:?}", self.server, self.transport)
    }

    fn server(&self, kdc: &Kdc, boundary: &str) -> ForeignServer {
        ForeignServer::start(&json!({
            "authentication": self.server,
            "services": kdc.for_services(),
            "boundary": boundary,
        }))
    }

    /// What the server has noted of the logon is what it should be.
    fn check(&self, requests: &[Json]) {
        let name = self.name();
        let facts = requests.iter().find(|request| request.get("by").is_some());
        let facts = facts.unwrap_or_else(|| panic!("{name}: nobody logged on: {requests:#?}"));
        assert_eq!(facts["by"], self.known.0, "{name}");
        assert_eq!(facts["principal"], self.known.1, "{name}");
    }
}

/// The requests of a connection.
fn of_connection(seen: &Json, number: u64) -> Vec<Json> {
    let requests = seen["requests"].as_array().unwrap().iter();
    requests
        .filter(|request| request["connection"] == number)
        .cloned()
        .collect()
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[tokio::test]
async fn pipelines_run_by_every_logon() {
    let kdc = Kdc::start();
    // Larger than what CredSSP seals in one piece, both ways.
    let octets: Vec<u8> = (0..60_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for combination in COMBINATIONS {
        let name = combination.name();
        for boundary in ["plain", "spaced"] {
            let server = combination.server(&kdc, boundary);
            let endpoint = server.endpoint((combination.client)(&kdc, &server));
            let session = Client::default().connect(&endpoint).await;
            let mut session = session.unwrap_or_else(|error| panic!("{name}: {error}"));
            let much = Pipeline::new(Command::new("Measure-Octets").with("Data", octets.clone()));
            for _ in 0..2 {
                let output = session.run(&much).await;
                let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
                let objects: Vec<_> = output.objects().cloned().collect();
                let length = Value::Int32(60_000);
                assert_eq!(objects, [length, Value::Bytes(octets.clone())], "{name}");
            }
            session.close().await;
            let seen = server.stop();
            combination.check(&of_connection(&seen.0, 0));
            let wanted = [combination.before, &["Create", "Receive", "Command"]].concat();
            assert_eq!(seen.requests()[..wanted.len()], wanted, "{name}");
            assert_eq!(seen.0["shells"], 0, "{name}: the shell is deleted");
        }
        say(&format!(
            "PSRP, {name}: {} as {}",
            combination.known.0, combination.known.1
        ));
    }
}
