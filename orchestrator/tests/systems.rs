//! Where Windows and Unix differ, seen from outside: where runs are kept, what a lock is worth
//! once its process is gone, and who has logged on.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/litware.toml");

/// The program, with runs kept below `state`.
fn owaim(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owaim"));
    command
        .args(arguments)
        .env("LOCALAPPDATA", state)
        .env("XDG_STATE_HOME", state)
        .env_remove("OWAIM_RUN_DIR")
        .stdin(Stdio::null());
    command
}

fn ends(output: &Output, code: i32) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// The example site with `[credentials.default]` replaced.
fn site_with_logon(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let (before, rest) = text.split_once("[credentials.default]").unwrap();
    let (_, after) = rest.split_once("[retry.default]").unwrap();
    let path = folder.join("site.toml");
    let text = format!("{before}[credentials.default]\nlogon = true\n\n[retry.default]{after}");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn runs_are_kept_where_the_system_has_a_place_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state of the user");
    let verified = owaim(&state, &["verify", EXAMPLE, "--lab"])
        .output()
        .unwrap();
    ends(&verified, 2);
    let runs: Vec<PathBuf> = std::fs::read_dir(state.join("owaim/litware"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("journal.ndjson"))
        .filter(|journal| journal.is_file())
        .collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let listed = ends(&owaim(&state, &["runs"]).output().unwrap(), 0);
    assert!(listed.contains("verify"), "{listed}");
}

#[test]
fn a_lock_ends_with_its_process_however_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("overlay.toml");
    std::fs::write(&slow, "latency_ms = 60000\n").unwrap();
    let slow = [
        "verify",
        EXAMPLE,
        "--lab",
        "--lab-with",
        slow.to_str().unwrap(),
    ];
    let mut first = owaim(folder.path(), &slow)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let note = folder.path().join("owaim/litware/lock-holder.json");
    let start = Instant::now();
    while !note.exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "no lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    let other = owaim(folder.path(), &["verify", EXAMPLE, "--lab"]).output();
    let refused = ends(&other.unwrap(), 5);
    assert!(refused.contains("locked by run"), "{refused}");
    first.kill().unwrap();
    first.wait().unwrap();
    // The note is still there; it locks nothing.
    assert!(note.exists());
    let next = owaim(folder.path(), &["verify", EXAMPLE, "--lab"]).output();
    ends(&next.unwrap(), 2);
}

#[test]
fn the_lab_needs_no_logon() {
    let folder = tempfile::tempdir().unwrap();
    let site = site_with_logon(folder.path());
    let site = site.to_str().unwrap();
    let applied = owaim(folder.path(), &["apply", site, "--lab", "--yes"]).output();
    ends(&applied.unwrap(), 0);
}

/// Here is no domain: on Windows the system is asked and says so, elsewhere nothing is asked.
#[test]
fn a_logon_that_cannot_be_shown_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let site = site_with_logon(folder.path());
    let site = site.to_str().unwrap();
    // Somebody is there, who is told nothing: the connection comes before the logon.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "hosts.\"atl-mbx-001.litwareinc.com\".endpoints.windows.url=http://{}/wsman",
        server.local_addr().unwrap()
    );
    let called = owaim(
        folder.path(),
        &[
            "invoke",
            site,
            "atl-mbx-001",
            "--set",
            &url,
            "--",
            "Get-Service",
        ],
    )
    .output()
    .unwrap();
    if cfg!(windows) {
        let text = ends(&called, 4);
        assert!(text.contains("the current logon cannot be shown"), "{text}");
        assert!(text.contains("klist"), "{text}");
    } else {
        let text = ends(&called, 3);
        assert!(text.contains("on Windows only"), "{text}");
        assert!(text.contains("give username and password"), "{text}");
    }
}
