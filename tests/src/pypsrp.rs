//! [`Client`]: `pypsrp`, a client that is not ours, at the simulated site.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is reported"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use owaim_inventory::EndpointKind;
use owaim_lab::{EndpointEntry, Lab, LabOptions, Overlay};
use serde_json::{Value, json};

use crate::interop::Interop;
use crate::peer::LIMIT;

/// The site of the example, simulated, its state in `state_dir`.
pub async fn start(overlay: &str, state_dir: &Path) -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", overlay).unwrap(),
        state_dir: Some(state_dir.into()),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

/// An endpoint of that kind.
pub fn entry(lab: &Lab, kind: EndpointKind) -> EndpointEntry {
    let mut entries = lab.endpoints().endpoints.iter();
    entries.find(|entry| entry.kind == kind).unwrap().clone()
}

/// A client of one test.
#[derive(Debug)]
pub struct Client {
    /// Where it goes, and as whom.
    pub entry: EndpointEntry,
    /// `ntlm`, `negotiate`, `kerberos`, `basic`, `certificate`, `credssp`.
    pub auth: &'static str,
    /// `auto`, `always`, `never`.
    pub encryption: &'static str,
    /// Options of pypsrp's WSMan.
    pub options: Value,
    /// Of its process.
    pub environment: BTreeMap<&'static str, String>,
}

impl Client {
    /// One that trusts the lab, with files in `folder`.
    pub fn new(lab: &Lab, kind: EndpointKind, auth: &'static str, folder: &Path) -> Self {
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

    /// With an option of pypsrp's WSMan.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options[name] = value.into();
        self
    }

    /// What `pypsrp` makes of `pipelines`.
    pub async fn run(self, pipelines: Value) -> Value {
        tokio::task::spawn_blocking(move || self.run_now(&pipelines))
            .await
            .unwrap()
    }

    fn run_now(&self, pipelines: &Value) -> Value {
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
        run_script("pypsrp_client.py", &job, &self.environment)
    }

    /// Checks that a session comes about and works.
    pub async fn succeeds(self, what: &str) {
        let pipelines =
            json!([[{ "cmdlet": "Test-Path", "parameters": { "LiteralPath": r"C:\Windows" } }]]);
        let results = self.run(pipelines).await;
        let pipeline = &results["pipelines"][0];
        assert_eq!(pipeline["output"], json!([true]), "{what}: {results:#}");
    }

    /// Checks that a session comes about at an endpoint of whatever kind.
    pub async fn connects(self, what: &str) {
        let nothing = json!([[{ "cmdlet": "Get-Nothing", "parameters": {} }]]);
        let results = self.run(nothing).await;
        let error = results["pipelines"][0]["errors"][0]["id"].as_str();
        assert_eq!(
            error,
            Some("CommandNotFoundException"),
            "{what}: {results:#}"
        );
    }

    /// Checks that none comes about, and why.
    pub async fn fails(self, what: &str, why: &str) {
        let results = self.run(json!([])).await;
        let text = results["failure"]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.contains(why)),
            "{what}: {results:#}"
        );
    }
}

/// Runs a script, and ends it with a look at where it is when it takes too long: seconds, folder, script.
const LIMITED: &str = "import faulthandler, runpy, sys
faulthandler.dump_traceback_later(float(sys.argv[1]), exit=True)
sys.path[0] = sys.argv[2]
runpy.run_path(sys.argv[3], run_name='__main__')";

/// What a script of `tests/python` makes of a job, within [`LIMIT`]. It blocks.
pub fn run_script(name: &str, job: &Value, environment: &BTreeMap<&str, String>) -> Value {
    let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut child = Command::new(interop.python())
        .args(["-c", LIMITED, &LIMIT.to_string()])
        .args([&folder, &folder.join(name)])
        .envs(environment)
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
    assert!(output.status.success(), "{name}: {complaints}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines of `requests.ndjson`.
pub fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("requests.ndjson")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What `pypsrp` says of a 401.
pub const REFUSED: &str = "Failed to authenticate";
