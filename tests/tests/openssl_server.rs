//! TLS as OpenSSL ends it, the server's half in Python: what old servers speak is reached, and
//! certificates that do not do are refused with the reason.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, credential};
use owaim_transport::{Authentication, Client, Connect as _, Endpoint, TlsVersion, TransportError};
use serde_json::{Value as Json, json};

fn server(tls: &Json) -> (ForeignServer, Endpoint) {
    let server = ForeignServer::start(&json!({ "tls": tls }));
    let endpoint = server.endpoint(Authentication::Ntlm(credential(ACCOUNT)));
    (server, endpoint)
}

/// Runs a pipeline.
async fn run(endpoint: &Endpoint) -> Result<(), TransportError> {
    let mut session = Client::default().connect(endpoint).await?;
    let pipeline = Pipeline::new(Command::new("Get-Nothing"));
    let output = session.run(&pipeline).await?;
    assert!(output.is_clean(), "{output:?}");
    session.close().await;
    Ok(())
}

/// What a Windows Server 2012 R2 with an RSA certificate offers under TLS 1.2, one at a time, by
/// OpenSSL's names.
#[tokio::test]
async fn the_suites_of_windows_server_2012_r2_are_reached() {
    for suite in [
        "ECDHE-RSA-AES256-SHA384",
        "ECDHE-RSA-AES128-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
    ] {
        let (server, endpoint) = server(&json!({ "ciphers": suite, "versions": ["1.2", "1.2"] }));
        run(&endpoint)
            .await
            .unwrap_or_else(|error| panic!("{suite}: {error}"));
        server.stop();
    }
}

#[tokio::test]
async fn broken_versions_take_permission() {
    for (version, permitted) in [("1.0", TlsVersion::V1_0), ("1.1", TlsVersion::V1_1)] {
        let (server, mut endpoint) = server(&json!({ "versions": [version, version] }));
        let error = run(&endpoint).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Tls { .. }),
            "{version}: {error}"
        );
        endpoint.tls.min_version = permitted;
        run(&endpoint)
            .await
            .unwrap_or_else(|error| panic!("{version}: {error}"));
        server.stop();
    }
}

#[tokio::test]
async fn certificates_that_do_not_do_are_refused_with_the_reason() {
    for (flaw, reason) in [
        ("expired", "the server's certificate expired on"),
        ("early", "the server's certificate is not valid before"),
        (
            "name",
            "the server's certificate is not for localhost, but for other.litwareinc.com",
        ),
        (
            "self-signed",
            "the server's certificate is self-signed and not trusted",
        ),
        ("unknown", "the server's certificate was issued by"),
    ] {
        let (server, endpoint) = server(&json!({ "flaw": flaw }));
        let error = run(&endpoint).await.unwrap_err();
        let TransportError::Tls { reason: found, .. } = &error else {
            panic!("{flaw}: {error:?}");
        };
        assert!(found.to_string().contains(reason), "{flaw}: {error}");
        let seen = server.stop();
        assert!(seen.requests().is_empty(), "{flaw}: nothing is said to it");
    }
}

#[tokio::test]
async fn a_pin_takes_the_place_of_an_authority() {
    let (server, mut endpoint) = server(&json!({ "flaw": "self-signed" }));
    endpoint.tls.ca = None;
    endpoint.tls.pin = Some(server.pin());
    run(&endpoint).await.unwrap();
    endpoint.tls.pin = Some([7; 32]);
    let error = run(&endpoint).await.unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    server.stop();
}

#[tokio::test]
async fn a_client_that_nobody_vouches_for_is_refused() {
    let server = ForeignServer::start(&json!({ "authentication": "certificate", "tls": {} }));
    let stranger = Authentication::Certificate(server.client_certificate("stranger"));
    let error = run(&server.endpoint(stranger)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let seen = server.stop();
    assert!(seen.requests().is_empty());
}
