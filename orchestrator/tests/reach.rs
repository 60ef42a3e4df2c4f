//! The ways to the servers as the program's users meet them: accounts and passwords, no NTLM, single commands, files, the
//! doctor.
#![allow(clippy::unwrap_used)]

mod bench;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use bench::{Bench, CHANGES, Call, LabProcess, unhurried};
use serde_json::Value;

#[test]
fn a_wrong_password_is_tried_exactly_once() {
    let bench = Bench::new();
    // Wine's SChannel takes no authority that publishes no list of what it has revoked.
    let overlay = bench.overlay("[wire.endpoints.lync]\ntls = false\n");
    let lab = LabProcess::start(&bench, &["--lab-with", overlay.to_str().unwrap()]);
    let wrong = lab.with_wrong_passwords(&bench);
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

/// A change that takes longer than its time: it runs on, even beyond the program's end, is not sent again, and what
/// follows looks.
#[test]
fn a_change_that_takes_its_time_is_neither_stopped_nor_repeated() {
    for takes in ["3000", "30000"] {
        let bench = Bench::with(|text| {
            text.replace("attempt_timeout = \"2m\"", "attempt_timeout = \"2s\"")
        });
        let overlay = bench.overlay(&format!(
            "[wire.endpoints.lync]\ntls = false\n\
             [[faults]]\ncmdlet = \"Get-OwaMailboxPolicy\"\nkind = \"delay:1500\"\n\
             [[faults]]\ncmdlet = \"Set-OwaMailboxPolicy\"\nkind = \"delay:{takes}\"\n"
        ));
        let lab = LabProcess::start(&bench, &["--lab-with", overlay.to_str().unwrap()]);
        let runs = bench.path("runs");
        let arguments = [
            "--yes",
            "--only",
            "mailbox.policy",
            "--set",
            "policies.mailbox=[\"Default\"]",
            "--endpoints",
            lab.endpoints.to_str().unwrap(),
            "--run-dir",
            runs.to_str().unwrap(),
        ];
        bench.owaim("apply", &arguments).ends(0);
        assert_eq!(bench.changing_calls(0).len(), 1);
        let requests = bench.lab_record("requests.ndjson");
        let signals = requests
            .iter()
            .filter(|request| request["action"] == "Signal");
        assert_eq!(signals.count(), 0, "{requests:#?}");
        let journal = bench.file("journal.ndjson");
        assert!(journal.contains("may still be under way"), "{journal}");
        bench.owaim("verify", &arguments[1..]).ends(0);
    }
}

#[test]
fn a_recording_that_cannot_be_written_hides_no_run() {
    for (overlay, code) in [
        ("latency_ms = 20\n", 1),
        (
            "latency_ms = 20\n[hosts.\"atl-mbx-002.litwareinc.com\"]\ndown = true\n",
            4,
        ),
    ] {
        let bench = Bench::new();
        let overlay = bench.overlay(overlay);
        let recording = bench.path("recording");
        let runs = bench.path("runs");
        let mut child = bench
            .command(
                "apply",
                &["--yes", "--lab", "--only", "preflight,backend.ucma"],
            )
            .arg("--run-dir")
            .arg(&runs)
            .arg("--lab-with")
            .arg(&overlay)
            .arg("--record")
            .arg(&recording)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("recording into"), "{line}");
        std::fs::write(recording.join("README.txt"), "in the way").unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{rest}");
        assert!(rest.contains("README.txt"), "{rest}");
    }
}

/// Windows and Lync's own endpoint of a host are at one URL by default.
#[test]
fn the_doctor_tells_endpoints_of_one_url_apart() {
    let bench = Bench::new();
    let overlay = bench.overlay("[wire.endpoints.lync]\ntls = false\n");
    let lab = LabProcess::start(&bench, &["--lab-with", overlay.to_str().unwrap()]);
    let mut endpoints: Value =
        serde_json::from_slice(&std::fs::read(&lab.endpoints).unwrap()).unwrap();
    let all = endpoints["endpoints"].as_array_mut().unwrap();
    all.retain(|one| one["host"] == "atl-cs-001.litwareinc.com" && one["kind"] != "lync");
    let windows = all.iter().find(|one| one["kind"] == "windows").unwrap();
    let url = windows["url"].clone();
    for one in all.iter_mut().filter(|one| one["kind"] == "lync-local") {
        one["url"] = url.clone();
        one["password"] = "not the password".into();
    }
    assert_eq!(all.len(), 2);
    let only = bench.path("only.json");
    std::fs::write(&only, endpoints.to_string()).unwrap();
    let found = bench
        .owaim(
            "doctor",
            &[
                "--format",
                "json",
                "--endpoints",
                only.to_str().unwrap(),
                "--set",
                "endpoints.windows.auth=ntlm",
                "--set",
                "endpoints.lync-local.auth=ntlm",
            ],
        )
        .ends(4);
    let found: Vec<Value> = serde_json::from_str(&found.out).unwrap();
    for one in &found {
        let checks = one["checks"].as_array().unwrap();
        let logon = checks
            .iter()
            .find(|check| check["name"] == "logon")
            .unwrap();
        let expected = if one["endpoint"] == "windows" {
            "good"
        } else {
            "bad"
        };
        assert_eq!(logon["verdict"], expected, "{one:#}");
    }
}

/// A peer that answers with what it was asked, in a thread of its own, until the process ends.
fn echo() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).unwrap() > 0 {}
            let length = head.len();
            let answer = format!(
                "HTTP/1.1 500 Error\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{head}"
            );
            // Whoever has heard enough closes first.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn the_doctor_shows_no_password_that_a_server_gives_back() {
    const PASSWORD: &str = "S3cret-canary-42!";
    let address = echo();
    let bench = Bench::with(|text| {
        // One host is enough.
        let end = text.find("[[hosts]]").unwrap();
        let url = format!("\"http://{address}/wsman\"");
        let host = format!(
            "[[hosts]]\nname = \"atl-cas-001.litwareinc.com\"\nroles = [\"cas\", \"backend\"]\n\
             endpoints.windows.url = {url}\nendpoints.exchange.url = {url}\n\
             [endpoints]\nauth = \"basic\"\nallow_plaintext = true\n"
        );
        let rest = &text[text.find("[credentials.default]").unwrap()..];
        format!("{}{host}{rest}", &text[..end])
    });
    let output = bench
        .command("doctor", &[])
        .env("OWAIM_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let call = Call::of(&output).ends(4);
    let shown = call.out + &call.err;
    assert!(shown.contains("[redacted]"), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
}
