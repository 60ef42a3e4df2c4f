//! The Lync side as its users run it: against the simulated site, over real sockets.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// A site, and the lab's state of it.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// With the example site as `edit` changes it.
    fn with(edit: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(Path::new(EXAMPLES).join("litware.toml")).unwrap();
        std::fs::write(folder.path().join("site.toml"), edit(text)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `command`, which has to end with `code`; gives what it said.
    #[track_caller]
    fn run(&self, command: &str, arguments: &[&str], code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_owaim"))
            .arg(command)
            .arg(self.path("site.toml"))
            .args(["--lab", "--lab-state"])
            .arg(self.path("state"))
            .arg("--run-dir")
            .arg(self.path("runs"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }

    /// The commands that could have changed the site since the first `before` calls; with what
    /// they are about, where they are about the topology.
    fn changes(&self, before: usize) -> Vec<String> {
        let shown = |call: &Value| {
            let cmdlet = call["cmdlet"].as_str().unwrap().to_owned();
            match call["parameters"]["Identity"].as_str() {
                Some(identity) if cmdlet.contains("-Cs") => format!("{cmdlet} {identity}"),
                _ => cmdlet,
            }
        };
        let calls = self.calls().split_off(before);
        let changing = calls.iter().filter(|call| call["changes"] == true);
        changing.map(shown).collect()
    }

    fn calls(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("state").join("calls.ndjson"));
        text.unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Whether it changes the Lync side. That replication is hurried does not count: on a slow machine it
/// is done before anybody looks.
fn is_of_lync(change: &str) -> bool {
    change.contains("-Cs") && !change.starts_with("Invoke-Cs")
}

/// The overlay of that name among the examples.
fn overlay(name: &str) -> String {
    format!("{EXAMPLES}/lab/{name}.toml")
}

/// Only the first of the backends.
fn one_backend(text: String) -> String {
    ["atl-mbx-002", "atl-mbx-003"]
        .into_iter()
        .fold(text, |text, name| {
            let host =
                format!("[[hosts]]\nname = \"{name}.litwareinc.com\"\nroles = [\"backend\"]\n");
            assert!(text.contains(&host), "{name}");
            text.replace(&host, "")
        })
}

#[test]
fn a_site_is_integrated_with_lync_too() {
    let bench = Bench::with(|text| text);
    bench.run("plan", &[], 0);
    assert_eq!(bench.changes(0), Vec::<String>::new());
    bench.run("apply", &["--yes"], 0);
    let changes = bench.changes(0);
    let lync: Vec<_> = changes.iter().filter(|change| is_of_lync(change)).collect();
    assert_eq!(
        lync,
        [
            "New-CsTrustedApplicationPool atl-owa-001.litwareinc.com",
            "New-CsTrustedApplication",
            "Enable-CsTopology",
        ]
    );
    assert!(
        changes[..3].iter().all(|change| is_of_lync(change)),
        "Lync first: {changes:?}"
    );
    let calls = bench.calls().len();
    bench.run("apply", &["--yes"], 0);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let verified = bench.run("verify", &[], 0);
    assert_eq!(bench.changes(calls), Vec::<String>::new());
    assert!(verified.contains("verify.lync-events"), "{verified}");
    // Whoever has signed on by now has messaging; on the last backend nobody does.
    let waiting = |line: &&str| line.starts_with("  verify.event-112") && line.contains("unknown");
    assert_eq!(verified.lines().filter(waiting).count(), 1, "{verified}");
}

#[test]
fn a_server_that_lync_finds_by_itself_gets_no_pool() {
    let bench = Bench::with(one_backend);
    let with = overlay("collocated-um");
    let lync = ["--only", "um,lync,verify.lync-events", "--lab-with", &with];
    let said = bench.run("apply", &[&["--yes"], &lync as &[_]].concat(), 0);
    assert!(said.contains("finds it by itself"), "{said}");
    let changes = bench.changes(0);
    // The servers that were in no dial plan are put into it; the topology is let alone.
    assert!(
        changes.iter().all(|change| change.starts_with("Set-UM")),
        "{changes:?}"
    );
    let calls = bench.calls().len();
    bench.run("apply", &[&["--yes"], &lync as &[_]].concat(), 0);
    assert_eq!(bench.changes(calls), Vec::<String>::new());
}

#[test]
fn a_server_that_lync_finds_by_itself_shows_the_certificate_of_its_own_name() {
    let bench = Bench::with(one_backend);
    let with = overlay("collocated-um");
    bench.run("apply", &["--yes", "--lab-with", &with], 0);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let said = bench.run("verify", &[], 0);
    // The simulated Front End takes it by no other name.
    let works = |line: &str| line.contains("verify.event-112") && line.contains("in-place");
    assert!(said.lines().any(works), "{said}");
}

#[test]
fn what_breaks_trust_is_named_on_either_side() {
    let bench = Bench::with(|text| text);
    let with = overlay("distrust");
    let said = bench.run("apply", &["--yes", "--lab-with", &with], 1);
    let plain = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        // Only the first backend lacks it.
        "CN=litwareinc.com lab CA 1, which is not in LocalMachine\\CA of atl-mbx-001.litwareinc.com",
        // The others do not trust the Front End.
        "see whether atl-mbx-002.litwareinc.com trusts the Front End atl-cs-001.litwareinc.com",
        "(CN=atl-cs-001 own root) is not in LocalMachine\\Root of atl-mbx-003.litwareinc.com",
    ] {
        assert!(plain.contains(part), "{part}: {said}");
    }
    let changes = bench.changes(0);
    assert!(
        !changes.iter().any(|change| change == "Set-Content"),
        "no Web.config names a certificate that will not do: {changes:?}"
    );
}

#[test]
fn every_defect_of_trust_is_found_on_the_side_that_has_it() {
    let (front_end, backend) = ("atl-cs-001.litwareinc.com", "atl-mbx-001.litwareinc.com");
    // Wherever messaging would not work in the simulated site, one of the two fails.
    for (host, defect, of_front_end, of_backend) in [
        (backend, "root-missing", "in-place", "failed"),
        (backend, "intermediate-missing", "in-place", "failed"),
        (backend, "intermediate-expired", "in-place", "failed"),
        (backend, "certificate-untrusted", "in-place", "failed"),
        (backend, "certificate-not-for-servers", "in-place", "failed"),
        (backend, "intermediate-in-root", "in-place", "in-place"),
        (front_end, "root-missing", "failed", "failed"),
        (front_end, "intermediate-missing", "failed", "failed"),
        (front_end, "intermediate-expired", "failed", "failed"),
        (front_end, "certificate-untrusted", "in-place", "failed"),
        (
            front_end,
            "certificate-not-for-servers",
            "failed",
            "in-place",
        ),
        (front_end, "certificate-expired", "failed", "in-place"),
        (front_end, "certificate-not-yet-valid", "failed", "in-place"),
        (front_end, "certificate-without-key", "failed", "in-place"),
        (front_end, "certificate-missing", "failed", "in-place"),
        (front_end, "certificate-missing-name", "failed", "in-place"),
        (front_end, "certificate-wrong-subject", "failed", "in-place"),
        (
            front_end,
            "certificate-expires-soon",
            "in-place",
            "in-place",
        ),
        (front_end, "intermediate-in-root", "in-place", "in-place"),
    ] {
        let bench = Bench::with(one_backend);
        let with = bench.path("overlay.toml");
        let text = format!("[[defects]]\nhost = \"{host}\"\ndefect = \"{defect}\"\n");
        std::fs::write(&with, text).unwrap();
        let code = i32::from([of_front_end, of_backend].contains(&"failed"));
        let arguments = [
            "--only",
            "lync.certificate,backend.certificate",
            "--lab-with",
            with.to_str().unwrap(),
        ];
        let said = bench.run("verify", &arguments, code);
        for (step, expected) in [
            ("lync.certificate", of_front_end),
            ("backend.certificate", of_backend),
        ] {
            let found = said
                .lines()
                .filter_map(|line| line.trim_start().strip_prefix(step))
                .any(|rest| rest.trim_start().starts_with(expected));
            assert!(found, "{host} {defect}: {step} is not {expected}: {said}");
        }
        let is_noticed = said.contains("warning: ");
        let expected = ["intermediate-in-root", "certificate-expires-soon"].contains(&defect)
            || (host, defect) == (front_end, "certificate-missing")
            || (host, defect) == (front_end, "certificate-wrong-subject");
        assert!(is_noticed || !expected, "{host} {defect}: {said}");
    }
}

#[test]
fn a_newer_certificate_that_nobody_trusts_is_passed_over() {
    let bench = Bench::with(one_backend);
    let with = bench.path("overlay.toml");
    let text = "[[hosts.\"atl-mbx-001.litwareinc.com\".certificates]]\n\
                [[hosts.\"atl-mbx-001.litwareinc.com\".certificates]]\nnot_after_days = 900\nuntrusted = true\n";
    std::fs::write(&with, text).unwrap();
    let said = bench.run("apply", &["--yes", "--lab-with", with.to_str().unwrap()], 0);
    for part in ["passed over", "(CN=atl-mbx-001 own root)"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    let said = bench.run("verify", &[], 0);
    let lines = said
        .lines()
        .filter(|line| line.contains("verify.event-112"));
    assert!(
        lines.clone().any(|line| line.contains("in-place")),
        "{said}"
    );
}

#[test]
fn a_front_end_out_of_reach_does_not_bar_the_backends() {
    let bench = Bench::with(|text| text);
    let with = bench.path("overlay.toml");
    std::fs::write(
        &with,
        "[hosts.\"atl-cs-001.litwareinc.com\"]\ndown = true\n",
    )
    .unwrap();
    let arguments = [
        "--yes",
        "--only",
        "lync.certificate,backend.certificate",
        "--lab-with",
        with.to_str().unwrap(),
    ];
    let said = bench.run("apply", &arguments, 4);
    let plain = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        plain.contains(
            "not looked at: whether atl-cs-001.litwareinc.com trusts the certificate of atl-mbx-001"
        ),
        "{said}"
    );
    let in_place =
        |line: &&str| line.starts_with("  backend.certificate") && line.contains("in-place");
    assert_eq!(said.lines().filter(in_place).count(), 3, "{said}");
}

#[test]
fn a_double_entry_is_taken_apart_in_order() {
    let bench = Bench::with(one_backend);
    let with = overlay("double-entry");
    let lync = ["--only", "um,lync,verify.lync-events", "--lab-with", &with];
    let said = bench.run("verify", &lync, 2);
    assert!(said.contains("atl-mbx-001"), "{said}");
    let calls = bench.calls().len();
    bench.run("apply", &[&["--yes"], &lync as &[_]].concat(), 0);
    let changes = bench.changes(calls);
    let changes: Vec<_> = changes
        .into_iter()
        .filter(|change| is_of_lync(change))
        .collect();
    assert_eq!(
        changes,
        [
            "Remove-CsTrustedApplication atl-mbx-001.litwareinc.com/urn:application:outlookwebapp",
            "Remove-CsTrustedApplicationComputer atl-mbx-001.litwareinc.com",
            "Remove-CsTrustedApplicationPool atl-mbx-001.litwareinc.com",
            "Enable-CsTopology",
        ]
    );
    let calls = bench.calls().len();
    bench.run("apply", &[&["--yes"], &lync as &[_]].concat(), 0);
    assert_eq!(bench.changes(calls), Vec::<String>::new());
}

#[test]
fn without_a_way_to_enable_the_topology_nothing_of_lync_is_changed() {
    let line = "endpoints.lync-local.configuration = \"owaim\"\n";
    let bench = Bench::with(|text| {
        assert!(text.contains(line));
        text.replace(line, "")
    });
    let said = bench.run("apply", &["--yes"], 1);
    for part in ["lync.topology", "double hop", "OcsPowershell", "CredSSP"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let changes = bench.changes(0);
    assert!(
        !changes.iter().any(|change| is_of_lync(change)),
        "{changes:?}"
    );
    assert!(!changes.is_empty(), "the rest goes on");
}

#[test]
fn the_display_name_of_a_site_is_refused_with_its_site_id() {
    let bench = Bench::with(|text| text);
    let with = overlay("site-names");
    let arguments = ["--yes", "--only", "lync", "--lab-with", &with];
    let said = bench.run("apply", &arguments, 1);
    for part in ["a display name", "SiteId \"NA\"", "site_id = \"NA\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(bench.changes(0), Vec::<String>::new());
}

#[test]
fn a_replica_that_stays_behind_is_named() {
    let bench = Bench::with(|text| {
        format!(
            "{text}\n[retry.\"lync.replication\"]\nattempt_timeout = \"6s\"\nmax_delay = \"2s\"\ndeadline = \"6s\"\n"
        )
    });
    let with = overlay("replica-never-green");
    let arguments = ["--yes", "--only", "lync", "--lab-with", &with];
    let said = bench.run("apply", &arguments, 1);
    assert!(said.contains("replica atl-edge-001"), "{said}");
    assert!(!said.contains("replica atl-cs-002"), "{said}");
    let invoked = |change: &&String| change.starts_with("Invoke-Cs");
    assert_eq!(bench.changes(0).iter().filter(invoked).count(), 1);
}

/// A site whose sample is the users of the example overlay.
fn sampled() -> Bench {
    let names = ["kenmyer", "pilar", "jhaas", "dlongmuir", "tonip"];
    let sample: Vec<_> = names
        .map(|name| format!("\"{name}@litwareinc.com\""))
        .into();
    Bench::with(|text| format!("{text}\n[users]\nsample = [{}]\n", sample.join(", ")))
}

/// What a report says of `step` and `user`: the line, and what is below it.
#[track_caller]
fn about<'a>(said: &'a str, step: &str, user: &str) -> &'a str {
    let lines: Vec<_> = said.lines().collect();
    let head = lines.iter().find(|line| {
        line.starts_with("  ") && line.contains(&format!("{step} ")) && line.contains(user)
    });
    head.unwrap_or_else(|| panic!("{step} {user}: {said}"))
}

const USER_STEPS: &str = "mailbox.users,mailbox.lync-users";

#[test]
fn a_user_is_looked_at_on_both_sides() {
    let bench = sampled();
    let with = overlay("users");
    let said = bench.run("verify", &["--only", USER_STEPS, "--lab-with", &with], 2);
    for (step, user, state) in [
        ("mailbox.users", "kenmyer@", "in-place"),
        ("mailbox.lync-users", "kenmyer@", "in-place"),
        ("mailbox.users", "pilar@", "in-place"),
        ("mailbox.lync-users", "pilar@", "drifted"),
        ("mailbox.users", "jhaas@", "in-place"),
        ("mailbox.lync-users", "jhaas@", "drifted"),
        ("mailbox.users", "dlongmuir@", "drifted"),
        ("mailbox.lync-users", "dlongmuir@", "drifted"),
        ("mailbox.users", "tonip@", "in-place"),
        ("mailbox.lync-users", "tonip@", "drifted"),
    ] {
        let line = about(&said, step, user);
        assert!(line.contains(state), "{state}: {line}\n{said}");
    }
    for part in [
        "pilar@litwareinc.com is known in Lync and switched off",
        "sip:jhaas@litwareinc.com, which Lync knows as sip:jonathan.haas@litwareinc.com",
        "enable dlongmuir@litwareinc.com for Lync",
        "homed on atl-cs-retired.litwareinc.com",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(bench.changes(0), Vec::<String>::new());
}

#[test]
fn a_front_end_that_does_not_answer_hides_nothing_of_exchange() {
    let users = std::fs::read_to_string(overlay("users")).unwrap();
    for (trouble, code, told) in [
        (
            "[hosts.\"atl-cs-001.litwareinc.com\"]\ndown = true\n",
            4,
            "atl-cs-001.litwareinc.com",
        ),
        (
            "[[faults]]\nendpoint = \"lync\"\ncmdlet = \"Get-CsUser\"\nkind = \"access-denied\"\n",
            1,
            "look up kenmyer@litwareinc.com in Lync",
        ),
    ] {
        let bench = sampled();
        let with = bench.path("users.toml");
        std::fs::write(&with, format!("{users}\n{trouble}")).unwrap();
        let with = with.to_str().unwrap();
        let said = bench.run("verify", &["--only", USER_STEPS, "--lab-with", with], code);
        assert!(said.contains(told), "{told}: {said}");
        for (user, state) in [("kenmyer@", "in-place"), ("dlongmuir@", "drifted")] {
            let line = about(&said, "mailbox.users", user);
            assert!(line.contains(state), "{state}: {line}\n{said}");
            let line = about(&said, "mailbox.lync-users", user);
            assert!(line.contains("failed"), "{line}\n{said}");
        }
        assert!(
            said.contains("turn Outlook Web App on for dlongmuir"),
            "{said}"
        );
    }
}

/// What `--lab-with` is given: an overlay of that text.
fn overlaid(bench: &Bench, text: &str) -> String {
    let file = bench.path("overlay.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_pool_that_is_no_next_hop_is_refused_with_those_that_are() {
    let real = "[lync]\npool = \"atl-pool-001.litwareinc.com\"\n";
    let pool = |rest: &str| {
        format!("{real}[[lync.pools]]\nfqdn = \"atl-cs-001.litwareinc.com\"\n{rest}\n")
    };
    for (overlay, told) in [
        (
            real.to_owned(),
            "one of the servers of the pool atl-pool-001",
        ),
        (
            pool("role = \"edge\""),
            "a pool without a Registrar: it has EdgeServer",
        ),
        (
            pool("version = \"2010\""),
            "its Registrar is of Lync Server 2010",
        ),
    ] {
        let bench = Bench::with(|text| text);
        let with = overlaid(&bench, &overlay);
        let arguments = ["--yes", "--only", "lync", "--lab-with", &with];
        let said = bench.run("apply", &arguments, 1);
        let would_do = "lync.pool in the site file: atl-pool-001.litwareinc.com";
        for part in [told, would_do, "lync.trusted-pool"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(bench.changes(0), Vec::<String>::new(), "{said}");
        // Nor is any back end told of it.
        let said = bench.run("apply", &["--yes", "--lab-with", &with], 1);
        assert!(said.contains("set IMServerName"), "{said}");
        let changes = bench.changes(0);
        assert!(
            !changes.iter().any(|change| change == "Set-Content"),
            "{changes:?}"
        );
    }
}

#[test]
fn a_name_without_address_and_a_port_in_use_are_warnings() {
    let bench = Bench::with(|text| text);
    let with = overlaid(
        &bench,
        "[dns]\n\"atl-owa-001.litwareinc.com\" = []\n[hosts.\"atl-mbx-002.litwareinc.com\"]\n\
         listeners = [{ port = 5199, process = \"other\" }]\n",
    );
    let said = bench.run("plan", &["--lab-with", &with], 0);
    let warnings: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    let warned = |parts: [&str; 2]| {
        warnings
            .iter()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    };
    assert!(
        warned(["port 5199", "atl-mbx-002.litwareinc.com, by other (process"]),
        "{said}"
    );
    assert!(!warned(["port 5199", "atl-mbx-001"]), "{said}");
    assert!(
        warned([
            "lync.trusted-application",
            "atl-owa-001.litwareinc.com could not be resolved"
        ]),
        "{said}"
    );
    let lync = ["--yes", "--only", "lync", "--lab-with", &with];
    bench.run("apply", &lync, 0);
    assert!(!bench.changes(0).is_empty(), "a warning stops nothing");
}

#[test]
fn policies_in_use_are_changed_and_the_others_named() {
    let bench = Bench::with(|text| {
        let line = "mailbox = [\"Default\", \"Executives\"]\n";
        assert!(text.contains(line));
        text.replace(line, "mailbox = \"in-use\"\n")
    });
    let with = overlaid(
        &bench,
        "[policies.Idle]\n[policies.\"O'Neill's\"]\n[[users]]\nname = \"Pat\"\n\
         principal = \"pat@litwareinc.com\"\nserver = \"atl-mbx-001.litwareinc.com\"\npolicy = \"O'Neill's\"\n",
    );
    let only = ["--only", "mailbox.policy", "--lab-with", &with];
    let said = bench.run("plan", &only, 0);
    for part in [
        "no mailbox has the OWA mailbox policies Idle",
        "O'Neill's: InstantMessagingType: None -> Ocs",
        "Default: InstantMessagingType: None -> Ocs",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(bench.changes(0), Vec::<String>::new());
    bench.run("apply", &[&["--yes"], &only as &[_]].concat(), 0);
    let sent: Vec<_> = bench
        .calls()
        .iter()
        .filter(|call| call["changes"] == true)
        .map(|call| call["parameters"]["Identity"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["Default", "O'Neill's"]);
    let calls = bench.calls().len();
    bench.run("apply", &[&["--yes"], &only as &[_]].concat(), 0);
    assert_eq!(bench.changes(calls), Vec::<String>::new());
    // One mailbox for each policy was asked for, and no more.
    let asked: Vec<_> = bench.calls().split_off(calls);
    let mailboxes = asked
        .iter()
        .filter(|call| call["cmdlet"] == "Get-CASMailbox");
    assert_eq!(mailboxes.clone().count(), 3, "{asked:?}");
    assert!(
        mailboxes
            .into_iter()
            .all(|call| call["parameters"]["ResultSize"].to_string().contains('1'))
    );
}

#[test]
fn joining_a_dial_plan_turns_the_decision_round() {
    let bench = Bench::with(|text| {
        one_backend(text).replace("roles = [\"backend\"]", "roles = [\"backend\", \"cas\"]")
    });
    bench.run("apply", &["--yes"], 0);
    assert!(
        bench
            .changes(0)
            .iter()
            .any(|change| change.starts_with("New-CsTrustedApplicationPool"))
    );
    // Somebody puts the server into a SIP URI dial plan.
    let with = overlay("joined-dial-plan");
    let said = bench.run("verify", &["--lab-with", &with], 2);
    assert!(said.contains("must not exist"), "{said}");
    let calls = bench.calls().len();
    bench.run("apply", &["--yes"], 0);
    let changes = bench.changes(calls);
    assert!(
        changes
            .iter()
            .any(|change| change.starts_with("Remove-CsTrustedApplicationPool")),
        "{changes:?}"
    );
    std::thread::sleep(std::time::Duration::from_secs(3));
    let said = bench.run("verify", &[], 0);
    let works = |line: &str| line.contains("verify.event-112") && line.contains("in-place");
    assert!(said.lines().any(works), "{said}");
}

#[test]
fn an_endpoint_without_an_account_of_its_own_shows_the_double_hop() {
    let bench = Bench::with(|text| {
        let own = "endpoints.lync-local.configuration = \"owaim\"";
        assert!(text.contains(own));
        text.replace(
            own,
            "endpoints.lync-local.configuration = \"Microsoft.PowerShell\"",
        )
    });
    let said = bench.run("apply", &["--yes", "--only", "um,lync"], 1);
    for part in [
        "lync.site",
        "double hop",
        "OcsPowershell",
        "account of its own",
        "CredSSP",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!bench.changes(0).iter().any(|change| is_of_lync(change)));
}

#[test]
fn what_is_consulted_holds_up_nobody() {
    let bench = Bench::with(|text| text);
    // No server is in the dial plan yet, and nobody asked for that.
    let with = overlaid(&bench, "[[dial_plans]]\nname = \"Atlanta\"\n");
    let backend = ["--yes", "--only", "backend", "--lab-with", &with];
    bench.run("apply", &backend, 0);
    let changes = bench.changes(0);
    let is_of_backend = |change: &String| !change.starts_with("Set-UM") && !is_of_lync(change);
    assert!(changes.iter().all(is_of_backend), "{changes:?}");
    let written = changes.iter().filter(|change| *change == "Set-Content");
    assert_eq!(written.count(), 3, "{changes:?}");
}
