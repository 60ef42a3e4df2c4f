//! The program as its users run it: against the simulated site, over real sockets.
#![allow(clippy::unwrap_used)]

mod bench;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bench::{Bench, CHANGES, Call, unhurried};
use serde_json::Value;

/// Steps of the example site.
const STEPS: usize = 44;

fn hosts(calls: &[Value]) -> BTreeSet<String> {
    calls
        .iter()
        .map(|call| call["host"].as_str().unwrap().to_owned())
        .collect()
}

/// The names, the drive, the port and the site of the example in other words.
fn renamed(text: String) -> String {
    [
        ("litwareinc.com", "corp.fabrikam.net"),
        ("atl-", "zrh9-"),
        ("Redmond", "Zug"),
        ("5199", "6021"),
        ("litware", "fabrikam"),
    ]
    .into_iter()
    .fold(text, |text, (from, to)| text.replace(from, to))
}

#[test]
fn a_site_is_brought_to_its_state_and_stays_there() {
    type Edit = fn(String) -> String;
    let cases: [(Edit, &str); 2] = [
        (|text| text, ""),
        (
            renamed,
            "[hosts.\"zrh9-mbx-001.corp.fabrikam.net\"]\ninstall_root = 'D:\\Mail Server'\n",
        ),
    ];
    for (edit, overlay) in cases {
        let bench = Bench::with(edit);
        let overlay = bench.overlay(overlay);
        let with = ["--lab-with", overlay.to_str().unwrap()];
        bench.run("verify", &with).ends(2);
        assert_eq!(bench.changing_calls(0), Vec::<Value>::new());

        let calls = bench.calls();
        let applied = bench.run("apply", &["--yes"]).ends(0);
        assert!(applied.out.contains("backend.recycle"), "{}", applied.out);
        let sent = unhurried(bench.changing_calls(calls));
        assert_eq!(sent.len(), CHANGES, "{sent:#?}");
        assert!(
            sent.iter()
                .all(|call| call["effect"] == true && call["result"].as_str().is_some()),
            "{sent:#?}"
        );

        for (command, arguments) in [
            ("plan", &["--detailed-exitcode"] as &[&str]),
            ("apply", &["--yes"]),
            ("verify", &[]),
            ("drift", &[]),
        ] {
            let calls = bench.calls();
            bench.run(command, arguments).ends(0);
            assert_eq!(
                bench.changing_calls(calls),
                Vec::<Value>::new(),
                "{command}"
            );
        }
        for name in ["journal.ndjson", "transcript.log", "recovery.md"] {
            assert!(!bench.file(name).is_empty(), "{name}");
        }
        let saved: BTreeSet<_> = bench
            .files()
            .into_iter()
            .filter(|path| path.ends_with("web.config"))
            .collect();
        assert_eq!(
            saved.len(),
            3,
            "the file of each backend is kept: {saved:?}"
        );
    }
}

#[test]
fn only_what_is_chosen_is_changed() {
    let bench = Bench::new();
    bench.run("apply", &["--yes", "--only", "verify"]).ends(2);
    assert_eq!(bench.changing_calls(0), Vec::<Value>::new());

    bench.run("apply", &["--yes", "--only", "cas"]).ends(0);
    let cmdlets: BTreeSet<_> = bench
        .changing_calls(0)
        .iter()
        .map(|call| call["cmdlet"].to_string())
        .collect();
    assert_eq!(
        cmdlets,
        BTreeSet::from(["\"Set-OwaVirtualDirectory\"".to_owned()])
    );

    // What it requires is looked at, and not in place: blocked, and nothing is changed.
    let calls = bench.calls();
    let blocked = bench
        .run(
            "apply",
            &[
                "--yes",
                "--only",
                "backend.recycle",
                "--host",
                "atl-mbx-001*",
            ],
        )
        .ends(1);
    assert!(blocked.out.contains("blocked"), "{}", blocked.out);
    assert_eq!(bench.changing_calls(calls), Vec::<Value>::new());

    let with = [
        "--yes",
        "--only",
        "backend.recycle",
        "--host",
        "atl-mbx-001*",
        "--with-dependencies",
    ];
    bench.run("apply", &with).ends(0);
    assert_eq!(
        hosts(&bench.changing_calls(calls)),
        BTreeSet::from(["atl-mbx-001.litwareinc.com".to_owned()])
    );
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_contacted() {
    let bench = Bench::new();
    let unknown = bench
        .run("apply", &["--yes", "--only", "front-end"])
        .ends(3);
    for valid in ["cas", "backend", "verify", "backend.web-config"] {
        assert!(unknown.err.contains(valid), "{}", unknown.err);
    }
    bench.run("apply", &[]).ends(3);
    bench.run("apply", &["--yes", "--unknown"]).ends(3);
    bench.run("verify", &["--host", "nobody*"]).ends(3);
    bench.owaim("verify", &["--lab-state", "somewhere"]).ends(3);
    assert!(!bench.path("state").exists(), "no lab was started");

    let bad = Bench::with(|text| text.replace("5199", "5061").replace("cas-002", "cas 002"));
    let refused = bad.run("plan", &[]).ends(3);
    for place in [":21:", ":49:"] {
        assert!(refused.err.contains(place), "{}", refused.err);
    }
}

#[test]
fn servers_are_changed_at_once_but_recycled_one_at_a_time() {
    let bench = Bench::new();
    let overlay = bench.overlay("latency_ms = 300\n");
    bench
        .run(
            "apply",
            &[
                "--yes",
                "--only",
                "backend",
                "--with-dependencies",
                "--lab-with",
                overlay.to_str().unwrap(),
            ],
        )
        .ends(0);
    let requests = bench.lab_record("requests.ndjson");
    let spans: Vec<(String, String, String)> = requests
        .iter()
        .map(|request| {
            let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
            (text("host"), text("time"), text("ended"))
        })
        .collect();
    let overlaps = |a: &(String, String, String), b: &(String, String, String)| {
        a.0 != b.0 && a.1 < b.2 && b.1 < a.2
    };
    let pairs: BTreeSet<(String, String)> = spans
        .iter()
        .flat_map(|a| {
            spans
                .iter()
                .filter(move |b| overlaps(a, b))
                .map(move |b| (a.0.clone(), b.0.clone()))
        })
        .collect();
    for other in ["002", "003"] {
        let pair = (
            "atl-mbx-001.litwareinc.com".to_owned(),
            format!("atl-mbx-{other}.litwareinc.com"),
        );
        assert!(
            pairs.contains(&pair),
            "the requests of {pair:?} never overlap"
        );
    }

    // From its command until its new worker was seen, no other server is recycled.
    let calls = bench.lab_record("calls.ndjson");
    let mut busy: Option<String> = None;
    let mut recycled = BTreeSet::new();
    for call in &calls {
        let host = call["host"].as_str().unwrap().to_owned();
        let name = call["cmdlet"].as_str().unwrap();
        if name.ends_with("appcmd.exe") && call["changes"] == true {
            assert_eq!(busy, None, "{host} is recycled while another one is");
            recycled.insert(host.clone());
            busy = Some(host);
        } else if name == "Get-CimInstance" && busy.as_deref() == Some(&host) {
            busy = None;
        }
    }
    assert_eq!(recycled.len(), 3);
}

#[test]
fn a_fault_is_tried_again_and_the_transcript_says_so() {
    let bench = Bench::new();
    let overlay = bench.overlay(
        "[[faults]]\nhost = \"atl-mbx-002.litwareinc.com\"\nendpoint = \"windows\"\naction = \"Command\"\nnth = 1\n\
         kind = \"fault:2150859173\"\n",
    );
    bench
        .run("apply", &["--yes", "--lab-with", overlay.to_str().unwrap()])
        .ends(0);
    let transcript = bench.file("transcript.log");
    let line = transcript
        .lines()
        .find(|line| line.contains("attempt 2"))
        .expect("a second attempt");
    assert!(
        line.contains("atl-mbx-002") && line.contains(" in "),
        "{line}"
    );
}

#[test]
fn what_the_site_file_gives_away_stands_in_the_transcript_of_every_run() {
    let bench = Bench::new();
    let set = "endpoints.lync.insecure_skip_verify=true";
    let call = bench.run("verify", &["--only", "preflight", "--set", set]);
    let warning = "certificates are not verified";
    assert!(call.err.contains(warning), "{}", call.err);
    let transcript = bench.file("transcript.log");
    assert!(transcript.contains(warning), "{transcript}");
}

#[test]
fn a_server_that_is_down_holds_up_nobody_else() {
    let bench = Bench::with(|text| text.replace("base_delay = \"1s\"", "base_delay = \"10ms\""));
    let overlay = bench.overlay("[hosts.\"atl-mbx-002.litwareinc.com\"]\ndown = true\n");
    let with = ["--yes", "--lab-with", overlay.to_str().unwrap()];
    let applied = bench.run("apply", &with).ends(4);
    assert!(applied.out.contains("what to do"), "{}", applied.out);
    assert!(
        applied.out.contains("blocked") && applied.out.contains("atl-mbx-002"),
        "{}",
        applied.out
    );
    let changed = hosts(&bench.changing_calls(0));
    let expected = [
        "atl-cas-001",
        "atl-cas-002",
        "atl-cs-001",
        "atl-mbx-001",
        "atl-mbx-003",
    ];
    assert_eq!(
        changed,
        expected
            .iter()
            .map(|name| format!("{name}.litwareinc.com"))
            .collect()
    );
}

#[test]
fn messaging_is_turned_off_the_vendors_way_and_on_again() {
    let bench = Bench::new();
    bench.run("apply", &["--yes"]).ends(0);

    let calls = bench.calls();
    bench.run("disable", &[]).ends(3);
    assert_eq!(bench.calls(), calls, "it asks first");
    let off = bench.run("disable", &["--yes"]).ends(0).out;
    assert!(off.contains("cas.owa-virtual-directory-off"), "{off}");
    let sent = bench.changing_calls(calls);
    let changed: BTreeSet<_> = sent
        .iter()
        .map(|call| {
            assert_eq!(call["cmdlet"], "Set-OwaVirtualDirectory");
            let parameters = &call["parameters"];
            assert!(
                !parameters.to_string().contains("InstantMessagingType"),
                "{parameters}"
            );
            parameters["Identity"].as_str().unwrap().to_owned()
        })
        .collect();
    let expected = ["001", "002"].map(|number| format!(r"ATL-CAS-{number}\owa (Default Web Site)"));
    assert_eq!((sent.len(), changed), (2, BTreeSet::from(expected)));

    let calls = bench.calls();
    bench.run("disable", &["--yes"]).ends(0);
    assert_eq!(bench.changing_calls(calls), Vec::<Value>::new());
    let verified = bench.run("verify", &[]).ends(2).out;
    assert!(verified.contains("InstantMessagingEnabled"), "{verified}");

    bench.run("apply", &["--yes"]).ends(0);
    assert_eq!(
        bench.changing_calls(calls).len(),
        2,
        "nothing but the two directories"
    );
    bench.run("verify", &[]).ends(0);

    let calls = bench.calls();
    let one = ["--yes", "--host", "atl-cas-002*"];
    bench.run("disable", &one).ends(0);
    assert_eq!(
        hosts(&bench.changing_calls(calls)),
        BTreeSet::from(["atl-cas-002.litwareinc.com".to_owned()])
    );
    bench
        .run("disable", &["--yes", "--only", "backend.web-config"])
        .ends(3);
}

#[test]
fn a_cumulative_update_is_the_drift_of_one_server() {
    let bench = Bench::new();
    bench.run("apply", &["--yes"]).ends(0);
    let overlay = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/lab/cumulative-update.toml"
    );
    let calls = bench.calls();
    let found = bench.run("drift", &["--lab-with", overlay]).ends(2).out;
    let drifted: Vec<&str> = found
        .lines()
        .filter(|line| line.starts_with("new drift"))
        .collect();
    assert_eq!(
        drifted,
        ["backend.recycle", "backend.web-config"]
            .map(|step| format!("new drift: {step} on atl-mbx-002.litwareinc.com")),
        "{found}"
    );
    for key in ["IMCertificateThumbprint", "IMServerName"] {
        assert!(found.contains(key), "{key} in {found}");
    }
    assert_eq!(bench.changing_calls(calls), Vec::<Value>::new());

    bench.run("apply", &["--yes"]).ends(0);
    let sent = bench.changing_calls(calls);
    assert_eq!(
        hosts(&sent),
        BTreeSet::from(["atl-mbx-002.litwareinc.com".to_owned()])
    );
    let cmdlets: Vec<_> = sent.iter().map(|call| call["cmdlet"].as_str()).collect();
    assert_eq!(cmdlets.len(), 3, "a copy, a write, a recycle: {cmdlets:?}");
}

#[test]
fn what_stands_in_the_wrong_place_is_reported_and_left() {
    let bench = Bench::new();
    let overlay = bench.overlay(
        "[virtual_directories.'ATL-MBX-002\\owa (Exchange Back End)']\ntype = \"Ocs\"\n\
         [[defects]]\nhost = \"atl-cas-001.litwareinc.com\"\ndefect = \"web-config-keys-misplaced\"\n",
    );
    let with = ["--yes", "--lab-with", overlay.to_str().unwrap()];
    let found = bench.run("apply", &with).ends(2).out;
    for text in [
        r"ATL-MBX-002\owa (Exchange Back End)",
        "Set-OwaVirtualDirectory -InstantMessagingType None",
        r"IMServerName in C:\Program Files\Microsoft\Exchange Server\V15\FrontEnd\HttpProxy\owa\web.config",
        "backend.web-config sets them where they belong",
    ] {
        assert!(found.contains(text), "{text} in {found}");
    }
    let sent = unhurried(bench.changing_calls(0));
    assert_eq!(
        sent.len(),
        CHANGES,
        "the rest is brought to its state: {sent:#?}"
    );
    for part in ["Back End", "FrontEnd"] {
        assert!(
            !sent.iter().any(|call| call.to_string().contains(part)),
            "{sent:#?}"
        );
    }
}

#[test]
fn the_prerequisites_of_users_are_reported() {
    let bench = Bench::with(|text| {
        text + "\n[users]\nsample = [\"user1@litwareinc.com\", \"kenmyer@litwareinc.com\"]\n"
    });
    let overlay = bench.overlay(
        "[[users]]\nname = \"Ken Myer\"\nprincipal = \"kenmyer@litwareinc.com\"\n\
         server = \"atl-mbx-001.litwareinc.com\"\npolicy = \"Assistants\"\n[policies.Assistants]\n",
    );
    let with = ["--yes", "--lab-with", overlay.to_str().unwrap()];
    let found = bench.run("apply", &with).ends(2).out;
    for text in [
        "kenmyer@litwareinc.com: OwaMailboxPolicy",
        "kenmyer@litwareinc.com: EmailAddresses",
    ] {
        assert!(found.contains(text), "{text} in {found}");
    }
    assert!(!found.contains("user1@litwareinc.com:"), "{found}");
    assert_eq!(unhurried(bench.changing_calls(0)).len(), CHANGES);

    let unknown = Bench::with(|text| text + "\n[users]\nsample = [\"nobody@litwareinc.com\"]\n");
    let found = unknown.run("verify", &["--only", "mailbox.users"]).ends(1);
    assert!(
        found.out.contains("ManagementObjectNotFoundException"),
        "{}",
        found.out
    );
}

#[test]
fn a_messaging_provider_that_is_not_there_is_named() {
    let bench = Bench::new();
    let overlay = bench.overlay(
        "[[defects]]\nhost = \"atl-mbx-001.litwareinc.com\"\ndefect = \"provider-by-folder\"\n\
         [[defects]]\nhost = \"atl-mbx-002.litwareinc.com\"\ndefect = \"provider-key-missing\"\n\
         [[defects]]\nhost = \"atl-mbx-003.litwareinc.com\"\ndefect = \"runtime-missing\"\n",
    );
    let arguments = [
        "--yes",
        "--only",
        "backend.ucma",
        "--lab-with",
        overlay.to_str().unwrap(),
    ];
    let found = bench.run("apply", &arguments).ends(1).out;
    for text in [
        "the registry key is missing, although the UCMA runtime 5.0.8308.0 is installed",
        "the registry key is missing, and no UCMA runtime is installed",
    ] {
        assert!(found.contains(text), "{text} in {found}");
    }
    assert_eq!(bench.changing_calls(0), Vec::<Value>::new());
}

#[test]
fn reports_are_one_document_and_nothing_else() {
    let bench = Bench::new();
    let plan: Value =
        serde_json::from_str(&bench.run("plan", &["--format", "json"]).ends(0).out).unwrap();
    assert_eq!(plan["nodes"].as_array().unwrap().len(), STEPS);
    assert_eq!(plan["exit_code"]["number"], 0, "as the process ended");
    let decision = plan["pool_decision"].as_array().unwrap();
    assert!(decision.len() == 3 && decision.iter().all(|row| row["need"] == "required"));
    let powershell = bench.run("plan", &["--format", "powershell"]).ends(0).out;
    assert!(
        powershell
            .contains("Set-OwaVirtualDirectory -Identity 'ATL-CAS-001\\owa (Default Web Site)'"),
        "{powershell}"
    );
    let text = bench.run("plan", &[]).ends(0).out;
    assert!(
        text.contains("+    <add key=\"IMServerName\" value=\"atl-cs-001.litwareinc.com\""),
        "{text}"
    );
    let out = bench.path("plan.json");
    bench
        .run(
            "plan",
            &["--out", out.to_str().unwrap(), "--detailed-exitcode"],
        )
        .ends(2);
    serde_json::from_slice::<Value>(&std::fs::read(out).unwrap()).unwrap();

    for (format, start) in [("dot", "digraph"), ("mermaid", "flowchart")] {
        let graph = bench.owaim("graph", &["--format", format]).ends(0).out;
        assert!(
            graph.starts_with(start) && graph.contains("backend.web-config"),
            "{graph}"
        );
        assert_eq!(
            graph,
            bench.owaim("graph", &["--format", format]).out,
            "the same each time"
        );
    }
}

#[test]
fn earlier_runs_are_listed_and_shown() {
    let bench = Bench::new();
    bench.run("apply", &["--yes"]).ends(0);
    let runs = bench.path("runs");
    let history = |command: &str, arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_owaim"))
            .args([command, "--run-dir", runs.to_str().unwrap()])
            .args(arguments)
            .output()
            .unwrap();
        Call::of(&output).ends(0).out
    };
    let listed: Value = serde_json::from_str(&history("runs", &["--format", "json"])).unwrap();
    let run = listed[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["exit_code"], 0);
    assert!(history("runs", &[]).contains(&run));
    assert_eq!(history("show", &[&run]), bench.file("transcript.log"));
}

#[test]
fn two_runs_at_once_are_refused() {
    let bench = Bench::new();
    let overlay = bench.overlay("latency_ms = 400\n");
    let runs = bench.path("runs");
    let arguments = [
        "--lab",
        "--run-dir",
        runs.to_str().unwrap(),
        "--lab-with",
        overlay.to_str().unwrap(),
    ];
    let mut first = bench
        .command("verify", &arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let held = |folder: &Path| {
        walk(folder)
            .iter()
            .any(|path| path.ends_with("lock-holder.json"))
    };
    while !held(&runs) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let second = bench.owaim("verify", &arguments).ends(5);
    assert!(second.err.contains("locked by"), "{}", second.err);
    assert_eq!(first.wait().unwrap().code(), Some(2));
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
