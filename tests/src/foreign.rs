//! [`ForeignServer`]: a WinRM server of third-party parts, started for one test.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is reported"
)]

use owaim_transport::{Authentication, ClientCertificate, Credential, Endpoint, Secret};
use serde_json::{Value, json};

use crate::kdc::{HOST, PASSWORD};
use crate::peer::{LIMIT, Peer};

/// The account that every server knows, by its old name.
pub const ACCOUNT: &str = r"LITWAREINC\owaim";

/// A server in a process of its own. `tests/python/foreign_server.py` says what a job may ask for.
#[derive(Debug)]
pub struct ForeignServer {
    peer: Peer,
    /// Where it listens.
    pub port: u16,
    /// The job, with everything that it left out and the client needs to know.
    job: Value,
    /// What it said when it was ready: its certificates.
    ready: Value,
}

impl ForeignServer {
    /// Starts one for `job`, an object. Path and configuration are those of Windows unless it
    /// says otherwise.
    pub fn start(job: &Value) -> Self {
        let accounts = [
            "LITWAREINC:owaim",
            ":owaim",
            "litwareinc.com:owaim",
            ":owaim@litwareinc.com",
            ":owaim@LITWAREINC.COM",
            "LITWAREINC.COM:owaim",
            ":camellia",
        ];
        let mut whole = json!({
            "configuration": "Microsoft.PowerShell",
            "path": "/wsman",
            "accounts": accounts.map(|account| [account, PASSWORD].join(":")),
            "limit": LIMIT,
        });
        let whole_object = whole.as_object_mut().unwrap();
        whole_object.extend(job.as_object().unwrap().clone());
        let (peer, ready) = Peer::start("foreign_server.py", &whole);
        Self {
            peer,
            port: ready["port"]
                .as_u64()
                .and_then(|port| port.try_into().ok())
                .unwrap(),
            job: whole,
            ready,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let scheme = if self.ready["ca"].is_string() {
            "https"
        } else {
            "http"
        };
        let path = self.job["path"].as_str().unwrap();
        format!("{scheme}://localhost:{}{path}", self.port)
    }

    /// The endpoint that a client reaches it by, its authority trusted.
    pub fn endpoint(&self, authentication: Authentication) -> Endpoint {
        let configuration = self.job["configuration"].as_str().unwrap();
        let mut endpoint = Endpoint::new(HOST, self.url(), configuration, authentication);
        endpoint.tls.ca = self.ready["ca"].as_str().map(Into::into);
        endpoint
    }

    /// SHA-256 of its certificate.
    pub fn pin(&self) -> [u8; 32] {
        let text = self.ready["pin"].as_str().unwrap();
        let octets: Vec<u8> = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect();
        octets.try_into().unwrap()
    }

    /// The certificate of a client: `user`, whom the server knows, or `stranger`.
    pub fn client_certificate(&self, name: &str) -> ClientCertificate {
        let text = |part: &str| self.ready[name][part].as_str().unwrap().to_owned();
        ClientCertificate {
            name: name.into(),
            chain: text("chain"),
            key: Secret::new(text("key")),
        }
    }

    /// Ends it. What it has seen, in which there is nothing that it complains of.
    pub fn stop(self) -> Seen {
        let seen = self.stop_without_looking();
        for request in seen.0["requests"].as_array().unwrap() {
            assert_eq!(request["complaints"], json!([]), "{request:#}");
        }
        seen
    }

    /// Ends it. What it has seen, complaints and all.
    pub fn stop_without_looking(self) -> Seen {
        Seen(self.peer.stop())
    }
}

/// The account with its password.
pub fn credential(username: &str) -> Credential {
    Credential {
        username: username.into(),
        password: Secret::new(PASSWORD.into()),
    }
}

/// What a server has seen.
#[derive(Debug)]
pub struct Seen(pub Value);

impl Seen {
    /// The HTTP requests, each by the phase of the logon or by its action.
    pub fn requests(&self) -> Vec<&str> {
        let requests = self.0["requests"].as_array().unwrap().iter();
        requests
            .map(|request| {
                request["action"]
                    .as_str()
                    .or(request["phase"].as_str())
                    .unwrap()
            })
            .collect()
    }

    /// The commands of each pipeline, the arguments of each program.
    pub fn pipelines(&self) -> &Vec<Value> {
        self.0["pipelines"].as_array().unwrap()
    }
}
