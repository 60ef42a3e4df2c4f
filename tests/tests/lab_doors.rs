//! Every way into the simulated site, with third-party clients: TLS, channel binding, Basic,
//! certificates, CredSSP; pools that are left, and quotas.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::collections::BTreeMap;

use owaim_inventory::EndpointKind;
use owaim_lab::{AuthScheme, EndpointEntry};
use owaim_tests::pypsrp::{Client, REFUSED, entry, records, run_script, start};
use serde_json::{Value, json};

/// An account that is not the domain's: Basic reaches no others at the endpoints of Windows.
const LOCAL: &str = "[[accounts]]\nusername = \"local\"\npassword = \"only for the lab\"\n";

/// As that account.
fn as_local(mut client: Client) -> Client {
    client.entry.username = ".\\local".into();
    client.entry.password = owaim_lab::Password::new("only for the lab".into());
    client
}

#[tokio::test]
async fn a_door_with_tls_takes_ntlm_basic_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let overlay = "[wire.endpoints.windows]\ntls = true\n\
                   auth = [\"certificate\", \"negotiate\", \"basic\"]\n";
    let lab = start(&[overlay, LOCAL].concat(), folder.path()).await;
    let windows = EndpointKind::Windows;
    let client = |auth| {
        let client = Client::new(&lab, windows, auth, folder.path());
        if auth == "basic" {
            as_local(client)
        } else {
            client
        }
    };
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
    // A password of the domain is none for Basic, however its account is called.
    let (_, user) = own.username.split_once('\\').unwrap();
    for name in [&own.username, user, "owaim@litwareinc.com"] {
        let mut domain = Client::new(&lab, windows, "basic", folder.path());
        domain.entry.username = name.into();
        domain.fails(name, REFUSED).await;
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
            "[wire]\nallow_unencrypted = {allowed}\n[wire.endpoints.windows]\nauth = [\"basic\", \"negotiate\"]\n{LOCAL}"
        );
        let lab = start(&overlay, folder.path()).await;
        let client = Client::new(&lab, EndpointKind::Windows, "basic", folder.path());
        let mut client = as_local(client);
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
async fn script(name: &'static str, entry: EndpointEntry) -> Value {
    script_with(name, entry, json!({})).await
}

/// The same, with more in its job.
async fn script_with(name: &'static str, entry: EndpointEntry, more: Value) -> Value {
    let mut job = json!({
        "url": entry.url,
        "auth": "ntlm",
        "username": entry.username,
        "password": entry.password.expose(),
        "configuration": entry.configuration,
        "encryption": "auto",
    });
    let more = more.as_object().unwrap().clone();
    job.as_object_mut().unwrap().extend(more);
    tokio::task::spawn_blocking(move || run_script(name, &job, &BTreeMap::new()))
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
async fn the_size_of_envelopes_can_be_learned() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", folder.path()).await;
    let found = script("pypsrp_config.py", entry(&lab, EndpointKind::Windows)).await;
    assert_eq!(found, json!({ "max_envelope": 500 * 1024 }));
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

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_shells_of_pypsrp_are_open_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("[wire]\nmax_shells_per_user = 200", folder.path()).await;
    let own = entry(&lab, EndpointKind::Windows);
    let found = script_with("pypsrp_crowd.py", own, json!({ "shells": 200 })).await;
    let expected: Vec<String> = (0..200).map(|number: u32| number.to_string()).collect();
    assert_eq!(found["given"], json!(expected));
    // All of them are gone: there is room for another one.
    let client = Client::new(&lab, EndpointKind::Windows, "ntlm", folder.path());
    client.succeeds("after the crowd").await;
    lab.stop().await.unwrap();
    let records = records(folder.path());
    let created = records.iter().filter(|record| record["action"] == "Create");
    assert_eq!(created.count(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_mebibytes_go_through_pypsrp_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start("", folder.path()).await;
    let text = "\u{e9}<&> ".repeat(1 << 20);
    assert!(text.len() > 5 << 20);
    let echo = json!([[{ "cmdlet": "Write-Output", "parameters": { "InputObject": text } }]]);
    let client = Client::new(&lab, EndpointKind::Windows, "ntlm", folder.path());
    let results = client.run(echo).await;
    let came = results["pipelines"][0]["output"][0].as_str();
    assert!(
        came == Some(&text),
        "{} characters came",
        came.unwrap_or_default().len()
    );
    lab.stop().await.unwrap();
}
