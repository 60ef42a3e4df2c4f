//! Every way into the simulated site, with third-party clients: TLS, channel binding, Basic,
//! certificates.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use owaim_inventory::EndpointKind;
use owaim_lab::{AuthScheme, EndpointEntry, Lab, LabOptions, Overlay};
use owaim_tests::interop::Interop;
use serde_json::{Value, json};

async fn start(overlay: &str, state_dir: &Path) -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", overlay).unwrap(),
        state_dir: Some(state_dir.into()),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

fn entry(lab: &Lab, kind: EndpointKind) -> EndpointEntry {
    let mut entries = lab.endpoints().endpoints.iter();
    entries.find(|entry| entry.kind == kind).unwrap().clone()
}

/// A client of one test.
struct Client {
    entry: EndpointEntry,
    auth: &'static str,
    encryption: &'static str,
    options: Value,
    environment: BTreeMap<&'static str, String>,
}

impl Client {
    fn new(lab: &Lab, kind: EndpointKind, auth: &'static str, folder: &Path) -> Self {
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, lab.endpoints().ca.as_deref().unwrap()).unwrap();
        Self {
            entry: entry(lab, kind),
            auth,
            encryption: "auto",
            options: json!({ "cert_validation": ca }),
            environment: BTreeMap::new(),
        }
    }

    fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options[name] = value.into();
        self
    }

    /// What `pypsrp` makes of `pipelines`.
    async fn run(self, pipelines: Value) -> Value {
        tokio::task::spawn_blocking(move || self.run_now(&pipelines))
            .await
            .unwrap()
    }

    fn run_now(&self, pipelines: &Value) -> Value {
        let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
        let job = json!({
            "url": self.entry.url,
            "auth": self.auth,
            "username": self.entry.username,
            "password": self.entry.password.expose(),
            "configuration": self.entry.configuration,
            "encryption": self.encryption,
            "options": self.options,
            "pipelines": pipelines,
        });
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pypsrp_client.py");
        let mut child = Command::new(interop.python())
            .arg(script)
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(job.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {complaints}", self.entry.url);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Checks that a session comes about and works.
    async fn succeeds(self, what: &str) {
        let pipelines =
            json!([[{ "cmdlet": "Test-Path", "parameters": { "LiteralPath": r"C:\Windows" } }]]);
        let results = self.run(pipelines).await;
        let pipeline = &results["pipelines"][0];
        assert_eq!(pipeline["output"], json!([true]), "{what}: {results:#}");
    }

    /// Checks that none comes about, and why.
    async fn fails(self, what: &str, why: &str) {
        let results = self.run(json!([])).await;
        let text = results["failure"]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.contains(why)),
            "{what}: {results:#}"
        );
    }
}

/// The lines of `requests.ndjson`.
fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("requests.ndjson")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const REFUSED: &str = "Failed to authenticate";

#[tokio::test]
async fn a_door_with_tls_takes_ntlm_basic_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire.endpoints.windows]\ntls = true\n\
                   auth = [\"certificate\", \"negotiate\", \"basic\"]\n";
    let lab = start(overlay, folder.path()).await;
    let windows = EndpointKind::Windows;
    let client = |auth| Client::new(&lab, windows, auth, folder.path());
    let own = entry(&lab, windows);
    let offered = [
        AuthScheme::Negotiate,
        AuthScheme::Basic,
        AuthScheme::Certificate,
    ];
    assert_eq!(own.auth, offered);
    assert!(own.url.starts_with("https://"), "{}", own.url);

    for auth in ["ntlm", "negotiate", "basic"] {
        client(auth).succeeds(auth).await;
        let mut wrong = client(auth);
        wrong.entry.password = owaim_lab::Password::new("wrong".into());
        wrong.fails(auth, REFUSED).await;
    }
    // Sealed although the connection is.
    let mut sealed = client("ntlm");
    sealed.encryption = "always";
    sealed.succeeds("sealed within TLS").await;

    let certificate = own.certificate.unwrap();
    let (pem, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    std::fs::write(&pem, &certificate.certificate).unwrap();
    std::fs::write(&key, certificate.key.expose()).unwrap();
    client("certificate")
        .option("certificate_pem", pem.to_str().unwrap())
        .option("certificate_key_pem", key.to_str().unwrap())
        .succeeds("certificate")
        .await;
    lab.stop().await.unwrap();

    let records = records(folder.path());
    assert!(records.iter().all(|record| record["tls"] == true));
    for auth in ["ntlm", "basic", "certificate"] {
        let mut found = records.iter().filter(|record| record["auth"] == auth);
        assert!(found.any(|record| record["action"] == "Command"), "{auth}");
    }
}

#[tokio::test]
async fn the_authority_outlives_the_lab() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for _ in 0..2 {
        let lab = start("[wire.endpoints.lync]\ntls = true", folder.path()).await;
        found.push(lab.endpoints().ca.clone().unwrap());
        lab.stop().await.unwrap();
    }
    assert_eq!(found[0], found[1]);
    let stranger = tempfile::tempdir().unwrap();
    let lab = start("[wire.endpoints.windows]\ntls = true", folder.path()).await;
    let mut client = Client::new(&lab, EndpointKind::Windows, "ntlm", folder.path());
    let other = start("", stranger.path()).await;
    let ca = stranger.path().join("other.pem");
    std::fs::write(&ca, other.endpoints().ca.as_deref().unwrap()).unwrap();
    client = client.option("cert_validation", ca.to_str().unwrap());
    let results = client.run(json!([])).await;
    let text = results["failure"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("CERTIFICATE_VERIFY_FAILED"), "{results:#}");
}

#[tokio::test]
async fn bindings_are_asked_for_as_hardening_says() {
    for (hardening, sends, passes) in [
        ("strict", true, true),
        ("strict", false, false),
        ("relaxed", true, true),
        ("relaxed", false, true),
        ("none", false, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let overlay = format!(
            "[wire]\nchannel_binding = \"{hardening}\"\n[wire.endpoints.windows]\ntls = true\n"
        );
        let lab = start(&overlay, folder.path()).await;
        for auth in ["ntlm", "negotiate"] {
            let client = Client::new(&lab, EndpointKind::Windows, auth, folder.path())
                .option("negotiate_send_cbt", sends);
            let what = format!("{auth}, {hardening}, sent: {sends}");
            if passes {
                client.succeeds(&what).await;
            } else {
                client.fails(&what, REFUSED).await;
            }
        }
        lab.stop().await.unwrap();
    }
}

#[tokio::test]
async fn passwords_in_clear_are_refused_unless_that_is_allowed() {
    for (allowed, passes) in [("true", true), ("false", false)] {
        let folder = tempfile::tempdir().unwrap();
        let overlay = format!(
            "[wire]\nallow_unencrypted = {allowed}\n[wire.endpoints.windows]\nauth = [\"basic\", \"negotiate\"]\n"
        );
        let lab = start(&overlay, folder.path()).await;
        let mut client = Client::new(&lab, EndpointKind::Windows, "basic", folder.path());
        client.encryption = "never";
        if passes {
            client.succeeds("basic").await;
        } else {
            client.fails("basic", REFUSED).await;
        }
        lab.stop().await.unwrap();
    }
}
