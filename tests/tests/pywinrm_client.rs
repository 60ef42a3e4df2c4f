//! Programs at the simulated site with clients that are not ours: `pywinrm` by every logon that it and
//! the site share, and `pypsrp`'s client of WinRS.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::collections::BTreeMap;

use owaim_inventory::EndpointKind;
use owaim_tests::pypsrp::{entry, records, run_script, start};
use owaim_tests::pywinrm::{Client, ends, gives};
use serde_json::{Value, json};

#[tokio::test]
async fn pywinrm_runs_programs() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", folder.path()).await;
    let large = "x".repeat(100_000);
    let cases = [
        (json!({ "program": "hostname" }), gives("ATL-CS-001\r\n")),
        (
            json!({ "program": "echo", "arguments": ["a  b", "\u{e9}"] }),
            gives("a  b \u{e9}\r\n"),
        ),
        (json!({ "program": "cd" }), gives("C:\\Windows\r\n")),
        (
            json!({ "program": "set", "arguments": ["NAME"] }),
            gives("NAME=a <&> b\r\n"),
        ),
        (
            json!({ "program": "more", "input": ["one\r\n", "two\r\n", ""] }),
            gives("one\r\ntwo\r\n"),
        ),
        (
            json!({ "program": "more", "input": [large, large, large] }),
            gives(&large.repeat(3)),
        ),
        (
            json!({ "program": "sort", "input": ["b\r\na\r\n"] }),
            gives("a\r\nb\r\n"),
        ),
        (
            json!({ "program": "exit", "arguments": ["3"] }),
            ends("", "", 3),
        ),
        (
            json!({ "program": "nonsense" }),
            ends(
                "",
                "'nonsense' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
                1,
            ),
        ),
    ];
    let shell = json!({ "working_directory": r"C:\Windows", "env_vars": { "NAME": "a <&> b" } });
    let programs: Value = cases.iter().map(|(job, _)| job.clone()).collect();
    let results = Client::new(&lab, "ntlm", folder.path())
        .run(shell, programs)
        .await;
    let found = results["programs"]
        .as_array()
        .unwrap_or_else(|| panic!("{results:#}"));
    for ((job, expected), found) in cases.iter().zip(found) {
        assert_eq!(found, expected, "{job}");
    }
    let dir = json!([{ "program": "dir" }]);
    let results = Client::new(&lab, "ntlm", folder.path())
        .run(json!({}), dir)
        .await;
    let text = results["failure"]["text"].as_str().unwrap();
    assert!(text.contains("does not model"), "{text}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn pywinrm_logs_on_over_plain_http() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire.endpoints.windows]\nauth = [\"kerberos\", \"negotiate\", \"credssp\"]\n";
    let lab = start(overlay, folder.path()).await;
    let client = |transport| Client::new(&lab, transport, folder.path());
    client("ntlm").succeeds("ntlm").await;
    client("credssp").succeeds("credssp").await;
    for wrong in [client("ntlm"), client("credssp")] {
        let results = wrong
            .option("password", "wrong")
            .run(json!({}), json!([]))
            .await;
        assert!(results["failure"].is_object(), "{results:#}");
    }
    let plain = client("ntlm").option("message_encryption", "never");
    plain.fails("not sealed", "Code 500").await;
    lab.stop().await.unwrap();
    let records = records(folder.path());
    for auth in ["ntlm", "credssp"] {
        let mut found = records.iter().filter(|record| record["auth"] == auth);
        assert!(found.any(|record| record["action"] == "Command"), "{auth}");
    }
}

#[tokio::test]
async fn pywinrm_logs_on_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire]\nchannel_binding = \"strict\"\n[wire.endpoints.windows]\ntls = true\n\
                   auth = [\"certificate\", \"negotiate\", \"credssp\", \"basic\"]\n\
                   [[accounts]]\nusername = \"local\"\npassword = \"only for the lab\"\n";
    let lab = start(overlay, folder.path()).await;
    let client = |transport| Client::new(&lab, transport, folder.path());
    client("ntlm").succeeds("ntlm, bound to the channel").await;
    let unbound = client("ntlm").option("send_cbt", false);
    unbound.fails("ntlm, not bound", "rejected").await;
    let local = || client("basic").option("username", "local");
    let right = local().option("password", "only for the lab");
    right.succeeds_as("basic", "atl-cs-001\\local").await;
    let wrong = local().option("password", "wrong");
    wrong.fails("basic", "rejected").await;
    let domain = client("basic");
    domain.fails("basic of the domain", "rejected").await;
    client("credssp").succeeds("credssp").await;
    let certificate = entry(&lab, EndpointKind::Windows).certificate.unwrap();
    let (pem, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    std::fs::write(&pem, &certificate.certificate).unwrap();
    std::fs::write(&key, certificate.key.expose()).unwrap();
    client("certificate")
        .option("cert_pem", pem.to_str().unwrap())
        .option("cert_key_pem", key.to_str().unwrap())
        .succeeds_as("certificate", "atl-cs-001\\owaim-certificate")
        .await;
    lab.stop().await.unwrap();
    let records = records(folder.path());
    for auth in ["ntlm", "basic", "credssp", "certificate"] {
        let mut found = records.iter().filter(|record| record["auth"] == auth);
        assert!(found.any(|record| record["action"] == "Command"), "{auth}");
    }
}

#[tokio::test]
async fn pypsrp_runs_programs() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", folder.path()).await;
    let entry = entry(&lab, EndpointKind::Windows);
    let job = json!({
        "url": entry.url,
        "auth": "ntlm",
        "username": entry.username,
        "password": entry.password.expose(),
        "encryption": "auto",
    });
    let script = move || run_script("pypsrp_programs.py", &job, &BTreeMap::new());
    let mut found = tokio::task::spawn_blocking(script).await.unwrap();
    let ping = found["ping"].take();
    let text = ping["stdout"].as_str().unwrap();
    assert!(
        text.contains("Reply from 192.0.2.") && text.contains("Control-C"),
        "{text}"
    );
    // STATUS_CONTROL_C_EXIT
    assert_eq!(ping["code"], 0xC000_013A_u32);
    let refused = found["refused"].take();
    let refused = refused.as_str().unwrap_or_default();
    assert!(refused.contains("does not model"), "{refused}");
    let unknown = "'nonsense' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n";
    let expected = json!({
        "hostname": gives("ATL-CS-001\r\n"),
        "direct": gives("litwareinc\\owaim\r\n"),
        "set": gives("NAME=\u{e4}\r\n"),
        "cd": gives("C:\\Windows\r\n"),
        "exit": ends("", "", 7),
        "nonsense": ends("", unknown, 1),
        "more": gives("one\r\nzw\u{f6}lf\r\n"),
        "sort": gives("a\r\nb\r\n"),
        "large": true,
        "ping": null,
        "refused": null,
    });
    assert_eq!(found, expected);
    lab.stop().await.unwrap();
}
