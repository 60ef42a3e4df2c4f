//! What people see at a terminal: bars while steps are at work, the question before an apply, and
//! a run that ends in order at Ctrl-C.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod bench;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bench::{Bench, LabProcess};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use serde_json::Value;

/// The program at a terminal of 120 columns.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn std::io::Write + Send>,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(folder: &Path, overlay: &str, arguments: &[&str]) -> Self {
        let runs = folder.join("runs");
        let runs = ["--run-dir", runs.to_str().unwrap()];
        Self::at_lab("apply", folder, overlay, &[&runs, arguments].concat())
    }

    /// With a simulated site of its own.
    fn at_lab(command: &str, folder: &Path, overlay: &str, arguments: &[&str]) -> Self {
        let with = folder.join("overlay.toml");
        std::fs::write(&with, overlay).unwrap();
        let state = folder.join("state");
        let lab = [
            "--lab",
            "--lab-state",
            state.to_str().unwrap(),
            "--lab-with",
            with.to_str().unwrap(),
        ];
        Self::of(command, &[&lab, arguments].concat())
    }

    fn of(command: &str, arguments: &[&str]) -> Self {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/litware.toml");
        let pty = native_pty_system()
            .openpty(PtySize {
                rows: 40,
                cols: 120,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
        let mut process = CommandBuilder::new(env!("CARGO_BIN_EXE_owaim"));
        process.args([command, example]);
        process.args(arguments);
        process.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(process).unwrap();
        drop(pty.slave);
        let mut reader = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let _master = pty.master;
            let mut buffer = [0; 4096];
            // At its end a terminal gives an error on some systems and nothing on others.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keys,
            screen,
            seen: String::new(),
        }
    }

    /// Reads until `text` has been shown.
    #[track_caller]
    fn waits_for(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(end) => panic!("{text:?} is never shown ({end}):\n{}", self.seen),
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Reads to the end; the exit code.
    fn ends(&mut self) -> u32 {
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_mins(1)) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        self.child.wait().unwrap().exit_code()
    }
}

#[test]
fn bars_show_each_busy_server_and_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(folder.path(), "latency_ms = 60\n", &["--yes"]);
    assert_eq!(terminal.ends(), 0, "{}", terminal.seen);
    // Cursor movements of bars that are redrawn, a line for a busy server, the overall count.
    assert!(terminal.seen.contains("\u{1b}["), "{}", terminal.seen);
    assert!(terminal.seen.contains("/44"), "{}", terminal.seen);
    assert!(
        terminal.seen.contains("backend.web-config"),
        "{}",
        terminal.seen
    );
    let report = terminal
        .seen
        .rfind("apply of site litware")
        .expect("the report comes last");
    assert!(
        terminal.seen[report..].contains("exit code 0"),
        "{}",
        terminal.seen
    );
}

#[test]
fn an_apply_shows_the_plan_and_asks() {
    let folder = tempfile::tempdir().unwrap();
    let calls = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("state/calls.ndjson")).unwrap();
        text.lines()
            .filter(|line| line.contains("\"changes\":true"))
            // Replication may be done before it would be hurried.
            .filter(|line| !line.contains("Invoke-CsManagementStoreReplication"))
            .count()
    };
    let mut terminal = Terminal::start(folder.path(), "", &[]);
    terminal.waits_for("[y/N]");
    assert!(
        terminal.seen.contains("IMServerName"),
        "the plan comes first: {}",
        terminal.seen
    );
    terminal.types("n\n");
    assert_eq!(terminal.ends(), 0, "{}", terminal.seen);
    assert!(
        terminal.seen.contains("nothing was changed"),
        "{}",
        terminal.seen
    );
    assert_eq!(calls(folder.path()), 0);

    let mut terminal = Terminal::start(folder.path(), "", &[]);
    terminal.waits_for("[y/N]");
    terminal.types("y\n");
    assert_eq!(terminal.ends(), 0, "{}", terminal.seen);
    assert_eq!(calls(folder.path()), 16);
}

#[test]
fn ctrl_c_finishes_what_is_changing_and_starts_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(
        folder.path(),
        "latency_ms = 150\n",
        &["--yes", "--no-progress"],
    );
    terminal.waits_for("preflight.host on");
    terminal.types("\u{3}");
    assert_eq!(terminal.ends(), 130, "{}", terminal.seen);
    let runs = std::fs::read_dir(folder.path().join("runs/owaim/litware")).unwrap();
    let journal = runs
        .map(|entry| entry.unwrap().path().join("journal.ndjson"))
        .find(|path| path.exists())
        .unwrap();
    let events = std::fs::read_to_string(journal).unwrap();
    let count = |kind: &str| {
        events
            .lines()
            .filter(|line| line.contains(&format!("\"event\":\"{kind}\"")))
            .count()
    };
    assert_eq!(count("interrupted"), 1);
    assert_eq!(count("run-finished"), 1, "the record is complete");
    assert_eq!(
        count("change-starting"),
        count("change-done"),
        "no change is left half way"
    );
}

#[test]
fn ctrl_c_at_the_question_is_a_no() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(folder.path(), "", &[]);
    terminal.waits_for("[y/N]");
    terminal.types("\u{3}");
    assert_eq!(terminal.ends(), 130, "{}", terminal.seen);
    assert!(
        terminal.seen.contains("nothing was changed"),
        "{}",
        terminal.seen
    );
}

#[test]
fn ctrl_c_twice_abandons_what_is_changing_and_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[[faults]]\nhost = \"atl-mbx-001.litwareinc.com\"\ncmdlet = \"Set-Content\"\nkind = \"delay:20000\"\n";
    let mut terminal = Terminal::start(folder.path(), overlay, &["--yes", "--no-progress"]);
    // The other backends are done, so this one is at its write.
    terminal.waits_for("backend.web-config on atl-mbx-002");
    terminal.waits_for("backend.web-config on atl-mbx-003");
    std::thread::sleep(Duration::from_secs(1));
    terminal.types("\u{3}");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("\u{3}");
    assert_eq!(terminal.ends(), 130, "{}", terminal.seen);
    assert_eq!(
        terminal.seen.matches("exit code 130").count(),
        1,
        "{}",
        terminal.seen
    );
    assert!(
        terminal.seen.contains("left without an answer"),
        "{}",
        terminal.seen
    );
}

#[test]
fn ctrl_c_leaves_no_shell_of_the_doctor_behind() {
    let bench = Bench::new();
    let overlay = "latency_ms = 300\n";
    let mut terminal = Terminal::at_lab("doctor", bench.folder.path(), overlay, &[]);
    let count = |action: &str| {
        let requests = bench.lab_record("requests.ndjson");
        let done = |request: &&Value| request["action"] == action && request["status"] == 200;
        requests.iter().filter(done).count()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while count("Create") == 0 {
        assert!(Instant::now() < deadline, "{}", terminal.seen);
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.types("\u{3}");
    assert_eq!(terminal.ends(), 130, "{}", terminal.seen);
    assert_eq!(count("Delete"), count("Create"));
}

#[test]
fn what_the_preview_was_refused_is_not_tried_again() {
    let bench = Bench::new();
    let overlay = bench.overlay("[wire.endpoints.lync]\ntls = false\n");
    let lab = LabProcess::start(&bench, &["--lab-with", overlay.to_str().unwrap()]);
    let wrong = lab.with_wrong_passwords(&bench);
    let runs = bench.path("runs");
    let arguments = [
        "--endpoints",
        wrong.to_str().unwrap(),
        "--run-dir",
        runs.to_str().unwrap(),
        "--only",
        "backend.ucma,backend.web-config",
        "--host",
        "atl-mbx-001",
        "--set",
        "endpoints.windows.auth=ntlm",
    ];
    let mut terminal = Terminal::of("apply", &arguments);
    terminal.waits_for("[y/N]");
    terminal.types("y\n");
    assert_eq!(terminal.ends(), 4, "{}", terminal.seen);
    let requests = bench.lab_record("requests.ndjson");
    let refused = requests
        .iter()
        .filter(|request| request["logon"] == "refused");
    assert_eq!(refused.count(), 1, "{requests:#?}");
}
