//! Every way into the simulated site, with third-party clients: TLS, channel binding, Basic,
//! certificates.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use owaim_inventory::EndpointKind;
use owaim_lab::AuthScheme;
use owaim_tests::pypsrp::{Client, REFUSED, entry, records, start};
use serde_json::json;

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
