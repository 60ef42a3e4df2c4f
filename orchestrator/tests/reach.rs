//! The ways to the servers as the program's users meet them: accounts and passwords, no NTLM, single commands, files, the
//! doctor.
#![allow(clippy::unwrap_used)]

mod bench;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use bench::{Bench, CHANGES, Call, unhurried};
use serde_json::Value;

/// A lab in a process of its own, until it is dropped.
struct LabProcess {
    process: std::process::Child,
    endpoints: PathBuf,
}

impl LabProcess {
    fn start(bench: &Bench, arguments: &[&str]) -> Self {
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
}

impl Drop for LabProcess {
    fn drop(&mut self) {
        // It may have ended by itself, which a test that needed it has noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_wrong_password_is_tried_exactly_once() {
    let bench = Bench::new();
    // Wine's SChannel takes no authority that publishes no list of what it has revoked.
    let overlay = bench.overlay("[wire.endpoints.lync]\ntls = false\n");
    let lab = LabProcess::start(&bench, &["--lab-with", overlay.to_str().unwrap()]);
    let mut endpoints: Value =
        serde_json::from_slice(&std::fs::read(&lab.endpoints).unwrap()).unwrap();
    for endpoint in endpoints["endpoints"].as_array_mut().unwrap() {
        endpoint["password"] = "not the password".into();
    }
    let wrong = bench.path("wrong.json");
    std::fs::write(&wrong, endpoints.to_string()).unwrap();
    let runs = bench.path("runs");
    let arguments = [
        "--yes",
        "--endpoints",
        wrong.to_str().unwrap(),
        "--run-dir",
        runs.to_str().unwrap(),
    ];
    // With Kerberos it is the key distribution centre that refuses, and no server is asked.
    let refused = bench.owaim("apply", &arguments).ends(4);
    let said = refused.out.matches("KDC_ERR_PREAUTH_FAILED").count();
    assert!(
        said > 0 && refused.out.contains("could lock the account"),
        "{}",
        refused.out
    );
    let asked = bench.lab_record("requests.ndjson");
    assert!(asked.is_empty(), "{asked:#?}");

    // Whichever way is refused first ends all: here there is none but NTLM.
    let windows = [
        "--only",
        "preflight",
        "--set",
        "endpoints.windows.auth=ntlm",
    ];
    let by_ntlm = [&arguments[..], &windows].concat();
    let refused = bench.owaim("apply", &by_ntlm).ends(4);
    assert!(
        refused.out.contains("check user name and password"),
        "{}",
        refused.out
    );
    let requests = bench.lab_record("requests.ndjson");
    let tried = requests
        .iter()
        .filter(|request| request["logon"] == "refused")
        .count();
    assert_eq!(tried, 1, "{requests:#?}");

    let right = [
        "--yes",
        "--endpoints",
        lab.endpoints.to_str().unwrap(),
        "--run-dir",
        runs.to_str().unwrap(),
    ];
    bench.owaim("apply", &right).ends(0);
}

#[test]
fn the_whole_job_needs_no_ntlm() {
    let bench = Bench::new();
    let overlay = bench.overlay("[wire]\nntlm = false\n");
    let with = ["--lab-with", overlay.to_str().unwrap()];
    bench
        .run("apply", &[&with[..], &["--yes"]].concat())
        .ends(0);
    assert_eq!(unhurried(bench.changing_calls(0)).len(), CHANGES);
    let requests = bench.lab_record("requests.ndjson");
    for request in &requests {
        assert_eq!(
            request["tls"] == true,
            cfg!(unix) && request["endpoint"] == "lync",
            "{request}"
        );
    }
    let schemes: BTreeSet<String> = requests
        .iter()
        .filter_map(|request| Some(request["auth"].as_str()?.to_owned()))
        .collect();
    assert_eq!(
        schemes,
        BTreeSet::from(["kerberos".to_owned()]),
        "{requests:#?}"
    );
    bench.run("verify", &with).ends(0);
    let before = bench.calls();
    bench
        .run("apply", &[&with[..], &["--yes"]].concat())
        .ends(0);
    assert!(bench.changing_calls(before).is_empty());
}

#[test]
fn a_password_is_found_nowhere() {
    const CANARY: &str = "S3cret-canary-42!";
    let bench = Bench::new();
    let overlay = bench.overlay(&format!(
        "[[accounts]]\nusername = 'LITWAREINC\\owaim'\npassword = \"{CANARY}\"\n\
         [wire.endpoints.lync]\ntls = false\n"
    ));
    let lab = LabProcess::start(&bench, &["--lab-with", overlay.to_str().unwrap()]);
    let endpoints: Value = serde_json::from_slice(&std::fs::read(&lab.endpoints).unwrap()).unwrap();
    // Through the site file this time: URLs there, the password in the environment.
    let mut text = std::fs::read_to_string(&bench.site).unwrap();
    for endpoint in endpoints["endpoints"].as_array().unwrap() {
        assert_eq!(endpoint["password"], CANARY);
        let name = format!("name = \"{}\"\n", endpoint["host"].as_str().unwrap());
        let url = format!(
            "endpoints.{}.url = {}\n",
            endpoint["kind"].as_str().unwrap(),
            endpoint["url"]
        );
        text = text.replace(&name, &format!("{name}{url}"));
    }
    let kerberos = &endpoints["kerberos"];
    let kerberos = format!(
        "\n[kerberos]\nrealm = {}\nkdc = [{}]\n\n[endpoints]\nca = \"ca.pem\"\n",
        kerberos["realm"], kerberos["kdc"]
    );
    text += &kerberos;
    std::fs::write(bench.path("ca.pem"), endpoints["ca"].as_str().unwrap()).unwrap();
    std::fs::write(&bench.site, text).unwrap();
    let runs = bench.path("runs");
    let mut shown = String::new();
    for (command, arguments) in [
        ("plan", &["-v"] as &[&str]),
        ("plan", &["--format", "powershell"]),
        ("apply", &["--yes", "-v"]),
        ("verify", &["--format", "json"]),
    ] {
        let arguments = [arguments, &["--run-dir", runs.to_str().unwrap()]].concat();
        let output = bench
            .command(command, &arguments)
            .env("OWAIM_PASSWORD", CANARY)
            .output()
            .unwrap();
        let call = Call::of(&output).ends(0);
        shown += &call.out;
        shown += &call.err;
    }
    let invoked = bench
        .command(
            "invoke",
            &["atl-mbx-001/windows", "--", "Write-Output", CANARY],
        )
        .env("OWAIM_PASSWORD", CANARY)
        .output()
        .unwrap();
    shown += &Call::of(&invoked).ends(0).out;
    let utf16: Vec<u8> = CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let base64 = |bytes: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD_NO_PAD
            .encode(bytes)
            .into_bytes()
    };
    let forms = [
        CANARY.as_bytes().to_vec(),
        utf16.clone(),
        base64(CANARY.as_bytes()),
        base64(&utf16),
        b"S3cret-canary-42%21".to_vec(),
    ];
    let contains = |hay: &[u8]| {
        forms
            .iter()
            .any(|form| hay.windows(form.len()).any(|window| window == form))
    };
    assert!(!contains(shown.as_bytes()), "{shown}");
    for file in bench.files() {
        assert!(
            !contains(&std::fs::read(&file).unwrap()),
            "{}",
            file.display()
        );
    }
}

#[test]
fn people_may_invoke_what_steps_may_not_and_are_warned() {
    let bench = Bench::new();
    let invoke = |words: &[&str]| bench.owaim("invoke", &[&["--lab"], words].concat());
    let service = invoke(&["atl-mbx-001", "--", "Get-Service", "-Name", "W3SVC"]).ends(0);
    assert!(
        service.out.contains("W3SVC") && service.err.is_empty(),
        "{} {}",
        service.out,
        service.err
    );
    let refused = invoke(&["atl-mbx-001/windows", "--", "Invoke-Expression", "1"]);
    assert!(
        refused.err.contains("warning: Invoke-Expression"),
        "{}",
        refused.err
    );
    let hidden = invoke(&["atl-cas-001/exchange", "--", "Get-Content", "x"]).ends(1);
    assert!(
        hidden.err.contains("CommandNotFoundException"),
        "{}",
        hidden.err
    );
    invoke(&["atl-cas-001/lync", "--", "Get-CsSite"]).ends(3);
}

#[test]
fn the_doctor_says_where_each_way_ends_and_what_to_do() {
    let bench = Bench::new();
    let examine = |arguments: &[&str]| {
        let call = bench.owaim(
            "doctor",
            &[&["--lab", "--format", "json"], arguments].concat(),
        );
        let found: Vec<Value> = serde_json::from_str(&call.out).unwrap();
        (call.code, found)
    };
    let check = |found: &[Value], host: &str, kind: &str, name: &str| {
        let one = found
            .iter()
            .find(|one| one["host"].as_str().unwrap().starts_with(host) && one["endpoint"] == kind);
        let checks = one.unwrap()["checks"].as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["name"] == name);
        check.unwrap()
    };
    let (code, found) = examine(&[]);
    assert_eq!(code, 0, "{found:#?}");
    for name in [
        "tcp",
        "offered",
        "logon",
        "session",
        "powershell",
        "language",
        "clock",
    ] {
        let check = check(&found, "atl-mbx-001", "windows", name);
        assert_eq!(check["verdict"], "good", "{check}");
    }
    let language = check(&found, "atl-cas-001", "exchange", "language");
    assert!(
        language["found"]
            .as_str()
            .unwrap()
            .starts_with("restricted")
    );

    let overlay = bench.overlay(
        "[hosts.\"atl-mbx-002.litwareinc.com\"]\ndown = true\n\
         [[faults]]\nhost = \"atl-mbx-003.litwareinc.com\"\nendpoint = \"windows\"\naction = \"Create\"\nkind = \"fault:5\"\n",
    );
    let (code, found) = examine(&["--lab-with", overlay.to_str().unwrap()]);
    assert_eq!(code, 4);
    let down = check(&found, "atl-mbx-002", "windows", "tcp");
    assert_eq!(down["verdict"], "bad");
    assert!(
        down["advice"]
            .as_str()
            .unwrap()
            .contains("check that the host is up")
    );
    let behind = check(&found, "atl-mbx-002", "windows", "session");
    assert_eq!(behind["found"], "not tried after tcp");
    let refused = check(&found, "atl-mbx-003", "windows", "session");
    assert_eq!(refused["verdict"], "bad", "{refused}");
    assert!(
        refused["advice"]
            .as_str()
            .unwrap()
            .contains("Get-PSSessionConfiguration")
    );
    assert_eq!(
        check(&found, "atl-mbx-003", "windows", "logon")["verdict"],
        "good"
    );
}

#[test]
fn a_file_is_copied_to_a_server_and_back() {
    let bench = Bench::new();
    let (there, back) = (bench.path("there.exe"), bench.path("back.exe"));
    std::fs::write(&there, b"MZ\0\x01\xff").unwrap();
    let copy = |from: &str, to: &str| {
        let state = bench.path("state");
        let kept = ["--lab", "--lab-state", state.to_str().unwrap()];
        bench.owaim("copy", &[&kept[..], &[from, to]].concat())
    };
    let remote = r"atl-cas-001:C:\Windows\Temp\there.exe";
    let call = copy(there.to_str().unwrap(), remote).ends(0);
    assert!(call.out.starts_with("5 bytes, 0 of them"), "{}", call.out);
    let call = copy(there.to_str().unwrap(), remote).ends(0);
    assert!(call.out.starts_with("5 bytes, 5 of them"), "{}", call.out);
    copy(remote, back.to_str().unwrap()).ends(0);
    assert_eq!(std::fs::read(&back).unwrap(), b"MZ\0\x01\xff");
    let call = copy(there.to_str().unwrap(), r"atl-cas-001:C:\none\there.exe").ends(1);
    assert!(
        call.err.contains("atl-cas-001.litwareinc.com"),
        "{}",
        call.err
    );
    copy("a", "b").ends(3);
    copy("a", "nobody:C:\\a").ends(3);
}
