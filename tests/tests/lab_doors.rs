//! Every way into the simulated site, with third-party clients: TLS, channel binding, Basic,
//! certificates, CredSSP; pools that are left, and quotas.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use owaim_inventory::EndpointKind;
use owaim_lab::{AuthScheme, EndpointEntry};
use owaim_tests::interop::Interop;
use owaim_tests::pypsrp::{Client, REFUSED, entry, records, start};
use serde_json::{Value, json};

#[tokio::test]
async fn a_door_with_tls_takes_ntlm_basic_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire.endpoints.windows]\ntls = true\n\
                   auth = [\"certificate\", \"negotiate\", \"basic\"]\n";
    let lab = start(overlay, folder.path()).await;
    let windows = EndpointKind::Windows;
    let client = |auth| Client::new(&lab, windows, auth, folder.path());
    let own = entry(&lab, windows);
    let offered = [
        AuthScheme::Negotiate,
        AuthScheme::Basic,
        AuthScheme::Certificate,
    ];
    assert_eq!(own.auth, offered);
    assert!(own.url.starts_with("https://"), "{}", own.url);

    for auth in ["ntlm", "negotiate", "basic"] {
        client(auth).succeeds(auth).await;
        let mut wrong = client(auth);
        wrong.entry.password = owaim_lab::Password::new("wrong".into());
        wrong.fails(auth, REFUSED).await;
    }
    // Sealed although the connection is.
    let mut sealed = client("ntlm");
    sealed.encryption = "always";
    sealed.succeeds("sealed within TLS").await;

    let certificate = own.certificate.unwrap();
    let (pem, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
    std::fs::write(&pem, &certificate.certificate).unwrap();
    std::fs::write(&key, certificate.key.expose()).unwrap();
    client("certificate")
        .option("certificate_pem", pem.to_str().unwrap())
        .option("certificate_key_pem", key.to_str().unwrap())
        .succeeds("certificate")
        .await;
    lab.stop().await.unwrap();

    let records = records(folder.path());
    assert!(records.iter().all(|record| record["tls"] == true));
    for auth in ["ntlm", "basic", "certificate"] {
        let mut found = records.iter().filter(|record| record["auth"] == auth);
        assert!(found.any(|record| record["action"] == "Command"), "{auth}");
    }
}

#[tokio::test]
async fn the_authority_outlives_the_lab() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for _ in 0..2 {
        let lab = start("[wire.endpoints.lync]\ntls = true", folder.path()).await;
        found.push(lab.endpoints().ca.clone().unwrap());
        lab.stop().await.unwrap();
    }
    assert_eq!(found[0], found[1]);
    let stranger = tempfile::tempdir().unwrap();
    let lab = start("[wire.endpoints.windows]\ntls = true", folder.path()).await;
    let mut client = Client::new(&lab, EndpointKind::Windows, "ntlm", folder.path());
    let other = start("", stranger.path()).await;
    let ca = stranger.path().join("other.pem");
    std::fs::write(&ca, other.endpoints().ca.as_deref().unwrap()).unwrap();
    client = client.option("cert_validation", ca.to_str().unwrap());
    let results = client.run(json!([])).await;
    let text = results["failure"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("CERTIFICATE_VERIFY_FAILED"), "{results:#}");
}

#[tokio::test]
async fn bindings_are_asked_for_as_hardening_says() {
    for (hardening, sends, passes) in [
        ("strict", true, true),
        ("strict", false, false),
        ("relaxed", true, true),
        ("relaxed", false, true),
        ("none", false, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let overlay = format!(
            "[wire]\nchannel_binding = \"{hardening}\"\n[wire.endpoints.windows]\ntls = true\n"
        );
        let lab = start(&overlay, folder.path()).await;
        for auth in ["ntlm", "negotiate"] {
            let client = Client::new(&lab, EndpointKind::Windows, auth, folder.path())
                .option("negotiate_send_cbt", sends);
            let what = format!("{auth}, {hardening}, sent: {sends}");
            if passes {
                client.succeeds(&what).await;
            } else {
                client.fails(&what, REFUSED).await;
            }
        }
        lab.stop().await.unwrap();
    }
}

#[tokio::test]
async fn passwords_in_clear_are_refused_unless_that_is_allowed() {
    for (allowed, passes) in [("true", true), ("false", false)] {
        let folder = tempfile::tempdir().unwrap();
        let overlay = format!(
            "[wire]\nallow_unencrypted = {allowed}\n[wire.endpoints.windows]\nauth = [\"basic\", \"negotiate\"]\n"
        );
        let lab = start(&overlay, folder.path()).await;
        let mut client = Client::new(&lab, EndpointKind::Windows, "basic", folder.path());
        client.encryption = "never";
        if passes {
            client.succeeds("basic").await;
        } else {
            client.fails("basic", REFUSED).await;
        }
        lab.stop().await.unwrap();
    }
}

#[tokio::test]
async fn credssp_takes_ntlm_and_messages_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire.endpoints.windows]\nauth = [\"credssp\"]\n[wire.endpoints.lync]\ntls = true\nauth = [\"credssp\"]\n";
    let lab = start(overlay, folder.path()).await;
    let client = || {
        Client::new(&lab, EndpointKind::Windows, "credssp", folder.path())
            .option("credssp_auth_mechanism", "ntlm")
    };
    client().succeeds("credssp").await;
    let text = "caf\u{e9} ".repeat(8000);
    let echo = json!([[{ "cmdlet": "Write-Output", "parameters": { "InputObject": text } }]]);
    let results = client().run(echo).await;
    assert_eq!(results["pipelines"][0]["output"], json!([text]));
    let mut wrong = client();
    wrong.entry.password = owaim_lab::Password::new("wrong".into());
    assert!(wrong.run(json!([])).await["failure"].is_object());
    let lync = Client::new(&lab, EndpointKind::Lync, "credssp", folder.path());
    lync.option("credssp_auth_mechanism", "ntlm")
        .connects("credssp within TLS")
        .await;
    lab.stop().await.unwrap();
    let records = records(folder.path());
    let mut commands = records
        .iter()
        .filter(|record| record["action"] == "Command");
    assert!(commands.all(|record| record["auth"] == "credssp"));
}

/// What a script of `tests/python` makes of an endpoint.
async fn script(name: &str, entry: EndpointEntry) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name);
    let job = json!({
        "url": entry.url,
        "auth": "ntlm",
        "username": entry.username,
        "password": entry.password.expose(),
        "configuration": entry.configuration,
        "encryption": "auto",
    });
    tokio::task::spawn_blocking(move || {
        let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
        let mut child = Command::new(interop.python())
            .arg(script)
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
        assert!(output.status.success(), "{complaints}");
        serde_json::from_slice(&output.stdout).unwrap()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_pool_is_left_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", folder.path()).await;
    let found = script("pypsrp_return.py", entry(&lab, EndpointKind::Windows)).await;
    let expected = json!({
        "reconnected": ["again"],
        "found": 1,
        "output": ["meanwhile"],
        "after": ["after"],
    });
    assert_eq!(found, expected);
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn the_number_of_shells_can_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("[wire]\nmax_shells_per_user = 0", folder.path()).await;
    let client = Client::new(&lab, EndpointKind::Windows, "ntlm", folder.path());
    client.fails("quota", "Code: 2150859173").await;
    lab.stop().await.unwrap();
}
