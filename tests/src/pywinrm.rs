//! [`Client`]: `pywinrm`, a client that is not ours, at the simulated site.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is reported"
)]

use std::collections::BTreeMap;
use std::path::Path;

use owaim_inventory::EndpointKind;
use owaim_lab::Lab;
use serde_json::{Value, json};

use crate::pypsrp::{entry, run_script};

/// A client of one test.
#[derive(Debug)]
pub struct Client {
    /// Where it goes.
    pub url: String,
    /// Options of pywinrm's Protocol.
    pub options: Value,
    /// Of its process.
    pub environment: BTreeMap<&'static str, String>,
}

impl Client {
    /// One that trusts the lab, with files in `folder`.
    pub fn new(lab: &Lab, transport: &str, folder: &Path) -> Self {
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, lab.endpoints().ca.as_deref().unwrap()).unwrap();
        let entry = entry(lab, EndpointKind::Windows);
        Self {
            url: entry.url,
            options: json!({
                "transport": transport,
                "username": entry.username,
                "password": entry.password.expose(),
                "ca_trust_path": ca,
                "message_encryption": "auto",
            }),
            environment: BTreeMap::new(),
        }
    }

    /// With an option of pywinrm's Protocol.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options[name] = value.into();
        self
    }

    /// What comes of programs in a shell of that kind.
    pub async fn run(self, shell: Value, programs: Value) -> Value {
        let job = json!({
            "url": self.url,
            "options": self.options,
            "shell": shell,
            "programs": programs,
        });
        let environment = self.environment;
        let script = move || run_script("pywinrm_client.py", &job, &environment);
        tokio::task::spawn_blocking(script).await.unwrap()
    }

    /// Checks that a shell comes about and works.
    pub async fn succeeds(self, what: &str) {
        self.succeeds_as(what, "litwareinc\\owaim").await;
    }

    /// The same as somebody else.
    pub async fn succeeds_as(self, what: &str, user: &str) {
        let results = self.run(json!({}), json!([{ "program": "whoami" }])).await;
        let expected = json!([gives(&[user, "\r\n"].concat())]);
        assert_eq!(results["programs"], expected, "{what}: {results:#}");
    }

    /// Checks that none comes about, and why.
    pub async fn fails(self, what: &str, why: &str) {
        let results = self.run(json!({}), json!([])).await;
        let text = results["failure"]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.contains(why)),
            "{what}: {results:#}"
        );
    }
}

/// What a program gave that ended so.
pub fn ends(stdout: &str, stderr: &str, code: i64) -> Value {
    json!({ "stdout": stdout, "stderr": stderr, "code": code })
}

/// What a program gave that had nothing to complain of.
pub fn gives(stdout: &str) -> Value {
    ends(stdout, "", 0)
}
