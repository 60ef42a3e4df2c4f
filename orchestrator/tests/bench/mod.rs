//! What the tests of the program share: calls of it against the simulated site, and what they leave.

// Not every test uses all of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of its own for one test: site file, state of the lab, run directories.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub site: PathBuf,
}

/// A lab in a process of its own, until it is dropped.
pub struct LabProcess {
    process: std::process::Child,
    pub endpoints: PathBuf,
}

impl LabProcess {
    pub fn start(bench: &Bench, arguments: &[&str]) -> Self {
        let endpoints = bench.path("endpoints.json");
        let state = bench.path("state");
        let mut command =
            bench.command("lab", &["--lab-state", state.to_str().unwrap(), "--write"]);
        let process = command
            .arg(&endpoints)
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lab = Self { process, endpoints };
        for _ in 0..600 {
            if lab.endpoints.exists() {
                return lab;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the lab does not start");
    }

    /// An endpoint file in which every account has a wrong password.
    pub fn with_wrong_passwords(&self, bench: &Bench) -> PathBuf {
        let mut endpoints: Value =
            serde_json::from_slice(&std::fs::read(&self.endpoints).unwrap()).unwrap();
        for endpoint in endpoints["endpoints"].as_array_mut().unwrap() {
            endpoint["password"] = "not the password".into();
        }
        let wrong = bench.path("wrong.json");
        std::fs::write(&wrong, endpoints.to_string()).unwrap();
        wrong
    }
}

impl Drop for LabProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which a test that needed it has noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What one call gave.
pub struct Call {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Calls that bring the example site to its state: two directories, two policies; a copy, a write
/// and a recycle on each of three backends; a pool, an application, the topology.
pub const CHANGES: usize = 16;

impl Bench {
    /// With the example site.
    pub fn new() -> Self {
        Self::with(|text| text)
    }

    /// With the example site as `edit` changes it.
    pub fn with(edit: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/litware.toml");
        let site = folder.path().join("site.toml");
        std::fs::write(&site, edit(std::fs::read_to_string(example).unwrap())).unwrap();
        Self { folder, site }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn overlay(&self, text: &str) -> PathBuf {
        let path = self.path("overlay.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_owaim"));
        process
            .arg(command)
            .arg(&self.site)
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        process
    }

    pub fn owaim(&self, command: &str, arguments: &[&str]) -> Call {
        Call::of(&self.command(command, arguments).output().unwrap())
    }

    /// A run against the lab, whose state is kept.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Call {
        let (state, runs) = (self.path("state"), self.path("runs"));
        let kept = [
            "--lab",
            "--lab-state",
            state.to_str().unwrap(),
            "--run-dir",
            runs.to_str().unwrap(),
        ];
        self.owaim(command, &[&kept, arguments].concat())
    }

    /// A record of the lab, one document a line.
    pub fn lab_record(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("state").join(name)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The calls that could change the site since the first `before` ones.
    pub fn changing_calls(&self, before: usize) -> Vec<Value> {
        let calls = self.lab_record("calls.ndjson").split_off(before);
        calls
            .into_iter()
            .filter(|call| call["changes"] == true)
            .collect()
    }

    pub fn calls(&self) -> usize {
        self.lab_record("calls.ndjson").len()
    }

    /// Every file below the run directories.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path("runs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files
    }

    pub fn file(&self, name: &str) -> String {
        let path = self
            .files()
            .into_iter()
            .find(|path| path.ends_with(name))
            .unwrap();
        std::fs::read_to_string(path).unwrap()
    }
}

impl Call {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into(),
            err: String::from_utf8_lossy(&output.stderr).into(),
        }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "\n--- out\n{}\n--- err\n{}",
            self.out, self.err
        );
        self
    }
}

/// Without the hurrying of replication, which may be done before anybody looks.
pub fn unhurried(mut calls: Vec<Value>) -> Vec<Value> {
    calls.retain(|call| call["cmdlet"] != "Invoke-CsManagementStoreReplication");
    calls
}
