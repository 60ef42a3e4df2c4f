//! The example sites, as their users run them: against the simulated site that each of them names.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// An example site with the lab's state of it.
struct Bench {
    site: PathBuf,
    folder: tempfile::TempDir,
}

impl Bench {
    fn of(example: &str) -> Self {
        Self {
            site: Path::new(EXAMPLES).join(format!("{example}.toml")),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs `command`, which has to end with `code`; gives the report.
    #[track_caller]
    fn run(&self, command: &str, arguments: &[&str], code: i32) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_owaim"))
            .arg(command)
            .arg(&self.site)
            .args(["--lab", "--format", "json", "--lab-state"])
            .arg(self.folder.path().join("state"))
            .arg("--run-dir")
            .arg(self.folder.path().join("runs"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
        serde_json::from_str(&out).unwrap()
    }

    fn calls(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("state/calls.ndjson"));
        text.unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Cmdlets that could have changed the site, after the first `before` calls; with the server
    /// where that is not the Front End.
    fn changes(&self, before: usize) -> Vec<String> {
        let calls = self.calls().split_off(before);
        calls
            .iter()
            .filter(|call| call["changes"] == true)
            .map(|call| {
                let name = |key: &str| call[key].as_str().unwrap().to_owned();
                let host = name("host");
                let short = host.split('.').next().unwrap();
                format!("{} at {short}", name("cmdlet"))
            })
            .collect()
    }
}

/// Until whoever signs on after a recycle has done so.
fn wait_for_sign_ons() {
    std::thread::sleep(std::time::Duration::from_secs(3));
}

/// The outcome of `step` on the server of that short name.
#[track_caller]
fn outcome<'a>(report: &'a Value, step: &str, short: &str) -> &'a str {
    let nodes = report["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|node| {
        node["step"] == step && node["host"].as_str().unwrap().split('.').next() == Some(short)
    });
    node.unwrap_or_else(|| panic!("{step} on {short}"))["outcome"]
        .as_str()
        .unwrap()
}

#[test]
fn read_only_commands_change_nothing_on_any_example() {
    for example in [
        "litware",
        "collocated",
        "maintenance",
        "two-sites",
        "rotation",
    ] {
        let bench = Bench::of(example);
        let (drift, plan) = if example == "maintenance" {
            (4, 4)
        } else {
            (2, 0)
        };
        for (command, code) in [("plan", plan), ("verify", drift), ("drift", drift)] {
            bench.run(command, &[], code);
        }
        assert_eq!(bench.changes(0), Vec::<String>::new(), "{example}");
        assert!(!bench.calls().is_empty(), "{example}");
    }
}

#[test]
fn collocated_servers_get_no_pool_and_have_messaging() {
    let bench = Bench::of("collocated");
    let applied = bench.run("apply", &["--yes"], 0);
    let decision = applied["pool_decision"].as_array().unwrap();
    assert!(decision.len() == 2 && decision.iter().all(|row| row["need"] == "must-not-exist"));
    let changes = bench.changes(0);
    assert!(
        !changes.iter().any(|change| change.contains("-CsTrusted")),
        "{changes:?}"
    );
    wait_for_sign_ons();
    let calls = bench.calls().len();
    let verified = bench.run("verify", &[], 0);
    assert_eq!(
        outcome(&verified, "verify.event-112", "atl-ex-001"),
        "in-place"
    );
    bench.run("apply", &["--yes"], 0);
    assert_eq!(bench.changes(calls), Vec::<String>::new());

    // Somebody makes the pool all the same: it is found, taken apart in order, and not missed.
    let overlay = bench.folder.path().join("somebody.toml");
    std::fs::write(
        &overlay,
        "[[actions]]\naction = \"add-trusted-pool\"\npool = \"atl-ex-001.litwareinc.com\"\n",
    )
    .unwrap();
    bench.run("verify", &["--lab-with", overlay.to_str().unwrap()], 2);
    let calls = bench.calls().len();
    bench.run("apply", &["--yes"], 0);
    let removed: Vec<String> = bench
        .changes(calls)
        .into_iter()
        // Replication may be done before it would be hurried.
        .filter(|change| change.contains("Cs") && !change.starts_with("Invoke-Cs"))
        .collect();
    assert_eq!(
        removed,
        [
            "Remove-CsTrustedApplication at atl-cs-001",
            "Remove-CsTrustedApplicationComputer at atl-cs-001",
            "Remove-CsTrustedApplicationPool at atl-cs-001",
            "Enable-CsTopology at atl-cs-001",
        ]
    );
    bench.run("verify", &[], 0);
}

#[test]
fn a_pool_that_works_stays_where_unified_messaging_cannot_be_changed() {
    let bench = Bench::of("collocated");
    // The pool is there, the servers are in no dial plan yet, and nobody may put them into one.
    let overlay = bench.folder.path().join("refused.toml");
    std::fs::write(
        &overlay,
        "[[dial_plans]]\nname = \"Atlanta\"\n[[lync.trusted_pools]]\n\
         [[faults]]\ncmdlet = \"Set-UMService\"\nkind = \"access-denied\"\n\
         [[faults]]\ncmdlet = \"Set-UMCallRouterSettings\"\nkind = \"access-denied\"\n",
    )
    .unwrap();
    let with = ["--yes", "--lab-with", overlay.to_str().unwrap()];
    let applied = bench.run("apply", &with, 1);
    assert_eq!(outcome(&applied, "um.dial-plans", "atl-ex-001"), "failed");
    assert_eq!(
        outcome(&applied, "lync.trusted-pool", "atl-cs-001"),
        "unknown"
    );
    let changes = bench.changes(0);
    assert!(
        !changes.iter().any(|change| change.contains("-CsTrusted")),
        "{changes:?}"
    );
}

#[test]
fn a_backend_that_is_down_is_made_up_for_later() {
    let bench = Bench::of("maintenance");
    let applied = bench.run("apply", &["--yes"], 4);
    for (step, short, expected) in [
        ("backend.recycle", "atl-mbx-001", "changed"),
        ("preflight.host", "atl-mbx-003", "failed"),
        ("backend.web-config", "atl-mbx-003", "blocked"),
        ("lync.trusted-pool", "atl-cs-001", "changed"),
        ("lync.topology", "atl-cs-001", "changed"),
    ] {
        assert_eq!(
            outcome(&applied, step, short),
            expected,
            "{step} on {short}"
        );
    }
    let need = |report: &Value| {
        let rows = report["pool_decision"].as_array().unwrap().clone();
        rows.last().unwrap()["need"].as_str().unwrap().to_owned()
    };
    assert_eq!(need(&applied), "not-known");

    // It is back: only what it lacks is done.
    let back = bench.folder.path().join("back.toml");
    std::fs::write(&back, "").unwrap();
    let calls = bench.calls().len();
    let with = ["--yes", "--lab-with", back.to_str().unwrap()];
    let applied = bench.run("apply", &with, 0);
    assert_eq!(need(&applied), "required");
    let changes = bench.changes(calls);
    assert!(
        changes
            .iter()
            .all(|change| change.ends_with("at atl-mbx-003")),
        "{changes:?}"
    );
    assert!(!changes.is_empty());
}

#[test]
fn two_places_share_a_pool_of_several_computers() {
    let bench = Bench::of("two-sites");
    bench.run("apply", &["--yes"], 0);
    let changes = bench.changes(0);
    let made = |cmdlet: &str| changes.iter().filter(|c| c.starts_with(cmdlet)).count();
    assert_eq!(made("New-CsTrustedApplicationPool at"), 1, "{changes:?}");
    // The first of the four comes with the pool.
    assert_eq!(
        made("New-CsTrustedApplicationComputer at"),
        3,
        "{changes:?}"
    );
    wait_for_sign_ons();
    let calls = bench.calls().len();
    let verified = bench.run("verify", &[], 0);
    for short in ["atl-mbx-001", "atl-mbx-002", "zrh-mbx-001"] {
        assert_eq!(
            outcome(&verified, "verify.event-112", short),
            "in-place",
            "{short}"
        );
    }
    bench.run("apply", &["--yes"], 0);
    assert_eq!(bench.changes(calls), Vec::<String>::new());
}

#[test]
fn a_renewed_certificate_is_taken_server_by_server() {
    let bench = Bench::of("rotation");
    let found = bench.run("verify", &[], 2);
    for short in ["atl-mbx-001", "atl-mbx-002"] {
        assert_eq!(outcome(&found, "backend.certificate", short), "in-place");
        assert_eq!(outcome(&found, "backend.web-config", short), "drifted");
    }
    let applied = bench.run("apply", &["--yes"], 0);
    let nodes = applied["nodes"].as_array().unwrap();
    let written = nodes
        .iter()
        .find(|node| node["step"] == "backend.web-config");
    let keys: Vec<&str> = written.unwrap()["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        ["IMCertificateThumbprint"],
        "the other key is right already"
    );
    for short in ["atl-mbx-001", "atl-mbx-002"] {
        assert_eq!(outcome(&applied, "backend.recycle", short), "changed");
    }
    wait_for_sign_ons();
    let verified = bench.run("verify", &[], 0);
    assert_eq!(
        outcome(&verified, "verify.event-112", "atl-mbx-001"),
        "in-place"
    );
}
