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
use owaim_transport::{
    Authentication, Client, Connect as _, Identity, Kerberos, Shell, ShellOptions,
};
use serde_json::{Value as Json, json};

/// What is under the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    /// Plain HTTP, with sealed messages.
    Sealed,
    /// TLS, to a server whose certificate is signed with that hash.
    Tls(&'static str),
}

/// A way to log on over a transport.
struct Combination {
    /// How the server has to take it: a key of the Python side's `LOGONS`.
    server: &'static str,
    client: fn(&Kdc, &ForeignServer) -> Authentication,
    transport: Transport,
    /// The cipher of the TLS within CredSSP; whichever both have, if `None`.
    inner: Option<&'static str>,
    /// By what the server says that it knows the client, where it says so, and as whom.
    known: (&'static str, &'static str),
    /// The requests before the one that is answered.
    before: &'static [&'static str],
}

const NTLM_KNOWS: (&str, &str) = ("ntlm", ACCOUNT);
const KERBEROS_KNOWS: (&str, &str) = ("kerberos", "owaim@LITWAREINC.COM");

/// What Windows Server 2012 R2 has within CredSSP: a block cipher, whose records end in padding.
const CBC: &str = "ECDHE-RSA-AES256-SHA384";

/// The hellos of its TLS, two tokens of NTLM, the proof of the public key, the password.
const CREDSSP: &[&str] = &[
    "negotiate",
    "continue",
    "continue",
    "continue",
    "continue",
    "authenticate",
];

const COMBINATIONS: &[Combination] = &[
    Combination {
        server: "ntlm",
        client: |_, _| Authentication::Ntlm(credential(ACCOUNT)),
        transport: Transport::Sealed,
        inner: None,
        known: NTLM_KNOWS,
        before: &["negotiate"],
    },
    Combination {
        server: "ntlm",
        client: |_, _| Authentication::Ntlm(credential(ACCOUNT)),
        transport: Transport::Tls("sha256"),
        inner: None,
        known: NTLM_KNOWS,
        before: &["negotiate"],
    },
    Combination {
        server: "ntlm",
        client: |_, _| Authentication::Ntlm(credential(ACCOUNT)),
        transport: Transport::Tls("sha384"),
        inner: None,
        known: NTLM_KNOWS,
        before: &["negotiate"],
    },
    Combination {
        server: "ntlm",
        client: |_, _| Authentication::Ntlm(credential(ACCOUNT)),
        transport: Transport::Tls("sha512"),
        inner: None,
        known: NTLM_KNOWS,
        before: &["negotiate"],
    },
    Combination {
        server: "kerberos",
        client: |kdc, _| Authentication::Kerberos(by_password(kdc)),
        transport: Transport::Sealed,
        inner: None,
        known: KERBEROS_KNOWS,
        before: &["authenticate"],
    },
    Combination {
        server: "kerberos",
        client: |kdc, _| Authentication::Kerberos(by_keytab(kdc)),
        transport: Transport::Sealed,
        inner: None,
        known: KERBEROS_KNOWS,
        before: &["authenticate"],
    },
    Combination {
        server: "negotiate",
        client: |kdc, _| negotiate(by_password(kdc)),
        transport: Transport::Sealed,
        inner: None,
        known: KERBEROS_KNOWS,
        before: &["authenticate"],
    },
    Combination {
        server: "kerberos",
        client: |kdc, _| Authentication::Kerberos(by_password(kdc)),
        transport: Transport::Tls("sha256"),
        inner: None,
        known: KERBEROS_KNOWS,
        before: &[],
    },
    Combination {
        server: "negotiate",
        client: |kdc, _| negotiate(by_keytab(kdc)),
        transport: Transport::Tls("sha384"),
        inner: None,
        known: KERBEROS_KNOWS,
        before: &[],
    },
    Combination {
        server: "credssp",
        client: |_, _| Authentication::CredSsp(credential(ACCOUNT)),
        transport: Transport::Sealed,
        inner: None,
        known: NTLM_KNOWS,
        before: CREDSSP,
    },
    Combination {
        server: "credssp",
        client: |_, _| Authentication::CredSsp(credential(ACCOUNT)),
        transport: Transport::Tls("sha256"),
        inner: None,
        known: NTLM_KNOWS,
        before: CREDSSP,
    },
    Combination {
        server: "credssp",
        client: |_, _| Authentication::CredSsp(credential(ACCOUNT)),
        transport: Transport::Sealed,
        inner: Some(CBC),
        known: NTLM_KNOWS,
        before: CREDSSP,
    },
    Combination {
        server: "credssp",
        client: |_, _| Authentication::CredSsp(credential(ACCOUNT)),
        transport: Transport::Tls("sha256"),
        inner: Some(CBC),
        known: NTLM_KNOWS,
        before: CREDSSP,
    },
    Combination {
        server: "basic",
        client: |_, _| basic(),
        transport: Transport::Tls("sha256"),
        inner: None,
        known: ("", ACCOUNT),
        before: &[],
    },
    Combination {
        server: "certificate",
        client: |_, server| Authentication::Certificate(server.client_certificate("user")),
        transport: Transport::Tls("sha256"),
        inner: None,
        known: ("", "owaim"),
        before: &[],
    },
];

fn basic() -> Authentication {
    Authentication::Basic {
        credential: credential(ACCOUNT),
        allow_plaintext: false,
    }
}

fn negotiate(kerberos: Kerberos) -> Authentication {
    Authentication::Negotiate {
        kerberos,
        ntlm_fallback: false,
    }
}

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

impl Transport {
    /// What the server is told of it.
    fn job(self) -> Json {
        match self {
            Self::Sealed => Json::Null,
            Self::Tls(digest) => json!({ "digest": digest }),
        }
    }
}

impl Combination {
    fn name(&self) -> String {
        let inner = self.inner.map(|cipher| format!(", {cipher} within it"));
        let inner = inner.unwrap_or_default();
        format!("{} over {:?}{inner}", self.server, self.transport)
    }

    fn server(&self, kdc: &Kdc, boundary: &str) -> ForeignServer {
        ForeignServer::start(&json!({
            "authentication": self.server,
            "services": kdc.for_services(),
            "boundary": boundary,
            "tls": self.transport.job(),
            "credssp_cipher": self.inner,
        }))
    }

    /// What the server has noted of the logon is what it should be.
    fn check(&self, requests: &[Json]) {
        let name = self.name();
        let facts = requests
            .iter()
            .find(|request| request["principal"].is_string());
        let facts = facts.unwrap_or_else(|| panic!("{name}: nobody logged on: {requests:#?}"));
        assert_eq!(facts["by"].as_str().unwrap_or(""), self.known.0, "{name}");
        assert_eq!(facts["principal"], self.known.1, "{name}");
        if self.inner.is_some() {
            assert_eq!(facts["cipher"].as_str(), self.inner, "{name}");
        }
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
        let boundaries: &[&str] = match combination.transport {
            Transport::Sealed => &["plain", "spaced"],
            Transport::Tls(_) => &["plain"],
        };
        for boundary in boundaries {
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

/// IIS knows by the connection who is there only where it is told to (`authPersistNonNTLM`).
#[tokio::test]
async fn who_is_asked_at_every_request_says_so_with_each() {
    let kdc = Kdc::start();
    for (name, authentication) in [
        ("kerberos", Authentication::Kerberos(by_password(&kdc))),
        ("negotiate", negotiate(by_keytab(&kdc))),
    ] {
        let server = ForeignServer::start(&json!({
            "authentication": name,
            "services": kdc.for_services(),
            "tls": {},
            "each_request": true,
        }));
        let endpoint = server.endpoint(authentication);
        let session = Client::default().connect(&endpoint).await;
        let mut session = session.unwrap_or_else(|error| panic!("{name}: {error}"));
        for _ in 0..2 {
            let pipeline = Pipeline::new(Command::new("Get-Service"));
            session.run(&pipeline).await.unwrap();
        }
        session.close().await;
        let seen = server.stop();
        let pipeline = ["Command", "Receive"];
        // The first request that came without is sent again, and no other.
        let wanted = [
            &["Create", "anonymous", "Receive"][..],
            &pipeline,
            &pipeline,
        ];
        let wanted = [&wanted.concat(), &["Delete"][..]].concat();
        assert_eq!(seen.requests(), wanted, "{name}");
        let requests = of_connection(&seen.0, 0);
        assert_eq!(requests.len(), wanted.len(), "{name}: one connection");
        for request in requests.iter().filter(|it| it["phase"] != "anonymous") {
            assert_eq!(request["bound"], true, "{name}: {request:#}");
        }
    }
}

#[tokio::test]
async fn programs_run_by_every_logon() {
    let kdc = Kdc::start();
    let octets: Vec<u8> = (0..60_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for combination in COMBINATIONS {
        let name = combination.name();
        let server = combination.server(&kdc, "plain");
        let endpoint = server.endpoint((combination.client)(&kdc, &server));
        let shell = Shell::open(&endpoint, &ShellOptions::default()).await;
        let shell = shell.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut process = shell.command("cat", &[]).await.unwrap();
        process.write(&octets, true).await.unwrap();
        let output = process.output().await.unwrap();
        assert_eq!(
            (output.stdout, output.exit_code),
            (octets.clone(), Some(0)),
            "{name}"
        );
        shell.close().await;
        let seen = server.stop();
        combination.check(&of_connection(&seen.0, 0));
        let wanted = [combination.before, &["Create", "Command", "Send"]].concat();
        assert_eq!(seen.requests()[..wanted.len()], wanted, "{name}");
        assert_eq!(seen.0["shells"], 0, "{name}: the shell is deleted");
        say(&format!(
            "WinRS, {name}: {} as {}",
            combination.known.0, combination.known.1
        ));
    }
}
