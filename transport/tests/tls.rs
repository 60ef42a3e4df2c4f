//! [`Connection`] over TLS: servers that are reached, servers that are refused, and why.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

mod authority;
#[allow(dead_code)]
mod peer;

use std::future::Future;
use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use authority::{Identity, Wanted, accept, authority, good, rsa_key, self_signed};
use openssl::hash::MessageDigest;
use openssl::ssl::{SslContextBuilder, SslVerifyMode, SslVersion};
use owaim_transport::{
    Authentication, ClientCertificate, Connection, Credential, Endpoint, RetryClass, Secret,
    Timeouts, Tls, TlsReason, TlsVersion, TransportError,
};
use peer::{PASSWORD, Peer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(5),
};

const SOAP: [(&str, &str); 1] = [("Content-Type", "application/soap+xml;charset=UTF-8")];

/// A server with `context` that runs `script` for each TLS connection: its port, and how many TCP
/// connections there have been.
async fn serve<F>(
    context: SslContextBuilder,
    script: impl Fn(Peer) -> F + Send + Sync + 'static,
) -> (u16, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let (context, script) = (context.build(), Arc::new(script));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let (context, script) = (context.clone(), Arc::clone(&script));
            tokio::spawn(async move {
                if let Some(stream) = accept(&context, stream).await {
                    script(Peer::new(stream)).await;
                }
            });
        }
    });
    (port, count)
}

fn basic() -> Authentication {
    Authentication::Basic {
        credential: Credential {
            username: "admin".into(),
            password: Secret::new(PASSWORD.into()),
        },
        allow_plaintext: false,
    }
}

fn endpoint(port: u16, tls: Tls) -> Endpoint {
    let url = format!("https://localhost:{port}/wsman");
    Endpoint {
        tls,
        ..Endpoint::new("srv.litwareinc.com", url, "Microsoft.PowerShell", basic())
    }
}

fn trusting(authority: &Identity) -> Tls {
    Tls {
        ca: Some(authority.pem()),
        ..Tls::default()
    }
}

/// Answers every request, which has to carry the password.
async fn greet(mut peer: Peer) {
    while let Some(request) = peer.read().await {
        assert_eq!(
            request.header("authorization"),
            Some("Basic YWRtaW46UzNjcmV0LWNhbmFyeS00MiE=")
        );
        assert_eq!(request.header("content-type"), Some(SOAP[0].1));
        assert_eq!(request.body, b"<hello/>");
        peer.write("200 OK", &SOAP, b"<answer/>").await;
    }
}

/// What comes of a first exchange with `endpoint`.
async fn greeted(endpoint: &Endpoint) -> Result<Connection, TransportError> {
    let mut connection = Connection::open(endpoint, TIMEOUTS).unwrap();
    for _ in 0..2 {
        let answer = connection.exchange("Create", b"<hello/>".to_vec()).await?;
        assert_eq!(answer, b"<answer/>");
    }
    Ok(connection)
}

#[tokio::test]
async fn a_server_that_somebody_vouches_for_is_reached() {
    let litware = authority("Litware Root");
    let server = litware.issue(&good(), rsa_key());
    let (port, count) = serve(server.server(), greet).await;
    let connection = greeted(&endpoint(port, trusting(&litware))).await.unwrap();
    let tls = connection.tls().unwrap();
    assert_eq!(tls.certificate, server.der());
    assert_eq!(tls.version, "TLS 1.3");
    assert!(tls.cipher_suite.starts_with("TLS_AES_256_GCM"), "{tls:?}");
    assert_eq!(
        count.load(Ordering::SeqCst),
        1,
        "one connection, one handshake"
    );
}

/// What Windows Server 2012 R2 with a certificate of RSA has: TLS 1.2 with these.
#[tokio::test]
async fn the_suites_of_old_servers_are_reached() {
    let litware = authority("Litware Root");
    for (openssl, iana) in [
        (
            "ECDHE-RSA-AES256-SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        ),
        (
            "ECDHE-RSA-AES128-SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        ),
        (
            "DHE-RSA-AES256-GCM-SHA384",
            "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
        ),
        ("AES256-GCM-SHA384", "TLS_RSA_WITH_AES_256_GCM_SHA384"),
        ("AES256-SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256"),
        ("AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ] {
        let server = litware.issue(&good(), rsa_key());
        let mut context = server.server();
        context
            .set_max_proto_version(Some(SslVersion::TLS1_2))
            .unwrap();
        // Their Diffie-Hellman has 1024 bits.
        context.set_security_level(0);
        context.set_cipher_list(openssl).unwrap();
        let parameters = openssl::dh::Dh::params_from_pem(DH_1024).unwrap();
        context.set_tmp_dh(&parameters).unwrap();
        let (port, _) = serve(context, greet).await;
        let connection = greeted(&endpoint(port, trusting(&litware))).await.unwrap();
        let tls = connection.tls().unwrap();
        assert_eq!((&*tls.version, &*tls.cipher_suite), ("TLS 1.2", iana));
    }
}

/// The second group of RFC 2409, 1024 bits, which Windows uses.
const DH_1024: &[u8] = b"-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
";

#[tokio::test]
async fn versions_that_are_broken_take_permission() {
    let litware = authority("Litware Root");
    for (version, name, min) in [
        (SslVersion::TLS1, "TLS 1.0", TlsVersion::V1_0),
        (SslVersion::TLS1_1, "TLS 1.1", TlsVersion::V1_1),
    ] {
        let server = litware.issue(&good(), rsa_key());
        let mut context = server.server();
        context.set_min_proto_version(Some(version)).unwrap();
        context.set_max_proto_version(Some(version)).unwrap();
        context.set_security_level(0);
        let (port, _) = serve(context, greet).await;
        let error = greeted(&endpoint(port, trusting(&litware)))
            .await
            .unwrap_err();
        assert!(
            matches!(
                &error,
                TransportError::Tls {
                    reason: TlsReason::NothingInCommon,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.advice().contains("min_tls"));
        let tls = Tls {
            min_version: min,
            ..trusting(&litware)
        };
        let connection = greeted(&endpoint(port, tls)).await.unwrap();
        assert_eq!(connection.tls().unwrap().version, name);
    }
    let server = litware.issue(&good(), rsa_key());
    let mut context = server.server();
    context
        .set_max_proto_version(Some(SslVersion::TLS1_2))
        .unwrap();
    let (port, _) = serve(context, greet).await;
    let tls = Tls {
        min_version: TlsVersion::V1_3,
        ..trusting(&litware)
    };
    let error = greeted(&endpoint(port, tls)).await.unwrap_err();
    assert!(
        matches!(
            &error,
            TransportError::Tls {
                reason: TlsReason::NothingInCommon,
                ..
            }
        ),
        "{error}"
    );
}

/// Every refusal says why, and is never tried again.
#[allow(clippy::too_many_lines)]
#[tokio::test]
async fn certificates_that_do_not_do_are_refused() {
    let litware = authority("Litware Root");
    let other = authority("Somebody Else");
    let expired = Wanted {
        days: (-30, -1),
        ..good()
    };
    let early = Wanted {
        days: (1, 30),
        ..good()
    };
    let foreign = Wanted {
        names: &["mail.litwareinc.com", "10.0.0.1"],
        ..good()
    };
    let sound = litware.issue(&good(), rsa_key());
    let trusted = trusting(&litware);
    let pinned = |pin| Tls {
        pin: Some(pin),
        ..Tls::default()
    };
    let alone = self_signed(&good());
    let alone_expired = self_signed(&expired);
    let alone_foreign = self_signed(&foreign);
    let (alone_pin, wrong_pin) = (alone.pin(), other.pin());
    let pins = (alone_expired.pin(), alone_foreign.pin());
    let cases: Vec<(&str, Identity, Tls, Result<(), &str>)> = vec![
        (
            "expired",
            litware.issue(&expired, rsa_key()),
            trusted.clone(),
            Err("expired on"),
        ),
        (
            "early",
            litware.issue(&early, rsa_key()),
            trusted.clone(),
            Err("is not valid before"),
        ),
        (
            "other names",
            litware.issue(&foreign, rsa_key()),
            trusted.clone(),
            Err("is not for localhost, but for mail.litwareinc.com, 10.0.0.1"),
        ),
        (
            "self-signed",
            self_signed(&good()),
            trusted.clone(),
            Err("is self-signed"),
        ),
        (
            "unknown authority",
            other.issue(&good(), rsa_key()),
            trusted.clone(),
            Err("was issued by CN=Somebody Else, which is not trusted"),
        ),
        (
            "no authority",
            litware.issue(&good(), rsa_key()),
            Tls::default(),
            Err("Litware Root"),
        ),
        ("pinned", alone, pinned(alone_pin), Ok(())),
        (
            "pinned and expired",
            alone_expired,
            pinned(pins.0),
            Err("expired on"),
        ),
        (
            "pinned for others",
            alone_foreign,
            pinned(pins.1),
            Err("is not for localhost"),
        ),
        (
            "another pin",
            self_signed(&good()),
            pinned(wrong_pin),
            Err("has the SHA-256"),
        ),
        (
            "another pin, well vouched for",
            sound,
            Tls {
                pin: Some(wrong_pin),
                ..trusted.clone()
            },
            Err("has the SHA-256"),
        ),
    ];
    for (case, identity, tls, expected) in cases {
        let (port, count) = serve(identity.server(), greet).await;
        let result = greeted(&endpoint(port, tls)).await;
        match (result, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(text)) => {
                assert!(
                    matches!(error, TransportError::Tls { .. }),
                    "{case}: {error:?}"
                );
                assert!(error.to_string().contains(text), "{case}: {error}");
                assert_eq!(error.retry(), RetryClass::Never, "{case}");
                assert!(!error.may_have_run() && !error.is_refused_logon(), "{case}");
            }
            (result, _) => panic!("{case}: {result:?}"),
        }
        assert_eq!(count.load(Ordering::SeqCst), 1, "{case}");
    }
}

/// The signature's hash makes the binding (RFC 5929, section 4.1).
#[tokio::test]
async fn a_logon_is_bound_to_its_channel() {
    let litware = authority("Litware Root");
    for (digest, expected) in [
        (MessageDigest::sha1(), MessageDigest::sha256()),
        (MessageDigest::sha256(), MessageDigest::sha256()),
        (MessageDigest::sha384(), MessageDigest::sha384()),
        (MessageDigest::sha512(), MessageDigest::sha512()),
    ] {
        let server = litware.issue(&Wanted { digest, ..good() }, rsa_key());
        let hash = server.certificate.digest(expected).unwrap();
        let binding = [b"tls-server-end-point:", &*hash].concat();
        let (port, count) = serve(server.server(), move |mut peer| {
            let binding = binding.clone();
            async move {
                let (request, known) = peer.log_on_bound(Some(&binding)).await;
                assert!(known, "bound to another channel");
                assert!(is_bound(&request.token()), "not bound at all");
                assert_eq!(request.body, b"<hello/>", "sealed within TLS");
                peer.write("200 OK", &SOAP, b"<answer/>").await;
                let request = peer.read().await.unwrap();
                assert_eq!(
                    (request.header("authorization"), &*request.body),
                    (None, &b"<hello/>"[..])
                );
                peer.write("200 OK", &SOAP, b"<answer/>").await;
            }
        })
        .await;
        // Nothing vouches for a signature with SHA-1 any more, but a pin.
        let tls = Tls {
            pin: Some(server.pin()),
            ..Tls::default()
        };
        let endpoint = Endpoint {
            authentication: ntlm(),
            ..endpoint(port, tls)
        };
        greeted(&endpoint).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

fn ntlm() -> Authentication {
    Authentication::Ntlm(Credential {
        username: "LITWAREINC\\admin".into(),
        password: Secret::new(PASSWORD.into()),
    })
}

/// Whether an AUTHENTICATE message has `MsvAvChannelBindings` with something in it
/// ([MS-NLMP] 2.2.2.1).
fn is_bound(token: &[u8]) -> bool {
    token
        .windows(20)
        .any(|pair| pair[..4] == [10, 0, 16, 0] && pair[4..] != [0; 16])
}

#[tokio::test]
async fn a_logon_bound_to_another_channel_is_refused() {
    let litware = authority("Litware Root");
    let server = litware.issue(&good(), rsa_key());
    let (port, _) = serve(server.server(), |mut peer| async move {
        let (_, known) = peer
            .log_on_bound(Some(b"tls-server-end-point:another"))
            .await;
        assert!(!known);
        peer.write(
            "401 Unauthorized",
            &[("WWW-Authenticate", "Negotiate")],
            b"",
        )
        .await;
        assert!(peer.read().await.is_none());
    })
    .await;
    let endpoint = Endpoint {
        authentication: ntlm(),
        ..endpoint(port, trusting(&litware))
    };
    let error = greeted(&endpoint).await.unwrap_err();
    assert!(error.is_refused_logon(), "{error:?}");
}

#[tokio::test]
async fn a_certificate_is_shown_in_the_handshake() {
    let litware = authority("Litware Root");
    let server = litware.issue(&good(), rsa_key());
    let admin = litware.issue(
        &Wanted {
            names: &["admin"],
            ..good()
        },
        rsa_key(),
    );
    let shown = Authentication::Certificate(ClientCertificate {
        name: "admin".into(),
        chain: admin.pem(),
        key: Secret::new(admin.key_pem()),
    });
    let script = |mut peer: Peer| async move {
        while let Some(request) = peer.read().await {
            assert_eq!(
                request.header("authorization"),
                Some("http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual")
            );
            peer.write("200 OK", &SOAP, b"<answer/>").await;
        }
    };
    let asking = |trusted: &Identity| {
        let mut context = server.server();
        context
            .cert_store_mut()
            .add_cert(trusted.certificate.clone())
            .unwrap();
        context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        context
    };
    let (port, _) = serve(asking(&litware), script).await;
    let known = Endpoint {
        authentication: shown,
        ..endpoint(port, trusting(&litware))
    };
    let connection = greeted(&known).await.unwrap();
    assert_eq!(connection.tls().unwrap().version, "TLS 1.2");
    assert!(!format!("{known:?}").contains("PRIVATE"));

    // A server that knows the authority of another, and one that is shown none, in both versions.
    let (other_port, _) = serve(asking(&authority("Somebody Else")), script).await;
    let newest = Tls {
        min_version: TlsVersion::V1_3,
        ..trusting(&litware)
    };
    for (port, authentication, sent) in [
        (other_port, known.authentication, true),
        (port, basic(), false),
    ] {
        for tls in [trusting(&litware), newest.clone()] {
            let endpoint = Endpoint {
                authentication: authentication.clone(),
                ..endpoint(port, tls)
            };
            let error = greeted(&endpoint).await.unwrap_err();
            assert!(
                matches!(&error, TransportError::Tls { reason: TlsReason::ClientCertificate { sent: found }, .. } if *found == sent),
                "{sent}: {error:?}"
            );
            assert_eq!(error.retry(), RetryClass::Never);
        }
    }
}

/// Over TLS the 401 is the server's own: it has not looked at the request, which may be repeated.
#[tokio::test]
async fn a_401_in_mid_session_is_answered_by_another_logon_once() {
    let litware = authority("Litware Root");
    let server = litware.issue(&good(), rsa_key());
    let challenge = [("WWW-Authenticate", "Negotiate")];
    let (port, count) = serve(server.server(), move |mut peer| async move {
        assert!(peer.log_on_bound(None).await.1);
        peer.write("200 OK", &SOAP, b"<answer/>").await;
        assert_eq!(peer.read().await.unwrap().body, b"<hello/>");
        peer.write("401 Unauthorized", &challenge, b"").await;
        let (request, known) = peer.log_on_bound(None).await;
        assert!(known);
        assert_eq!(request.body, b"<hello/>");
        peer.write("200 OK", &SOAP, b"<answer/>").await;
        // And again, but this time the logon is refused.
        peer.read().await.unwrap();
        peer.write("401 Unauthorized", &challenge, b"").await;
        peer.log_on_bound(None).await;
        peer.write("401 Unauthorized", &challenge, b"").await;
        assert!(peer.read().await.is_none(), "the client came a third time");
    })
    .await;
    let endpoint = Endpoint {
        authentication: ntlm(),
        ..endpoint(port, trusting(&litware))
    };
    let mut connection = greeted(&endpoint).await.unwrap();
    let error = connection
        .exchange("Command", b"<hello/>".to_vec())
        .await
        .unwrap_err();
    assert!(
        error.is_refused_logon() && !error.may_have_run(),
        "{error:?}"
    );
    assert_eq!(
        count.load(Ordering::SeqCst),
        1,
        "one connection, one handshake"
    );
}

/// Over TLS a status is the server's own, and says whether it has looked at the request.
#[tokio::test]
async fn a_status_within_tls_is_taken_at_its_word() {
    let litware = authority("Litware Root");
    for (status, may_have_run) in [
        ("403 Forbidden", false),
        ("425 Too Early", false),
        ("429 Too Many Requests", false),
        ("500 Internal Server Error", true),
        ("502 Bad Gateway", true),
        ("503 Service Unavailable", false),
        ("504 Gateway Timeout", true),
    ] {
        let server = litware.issue(&good(), rsa_key());
        let (port, _) = serve(server.server(), move |mut peer| async move {
            assert!(peer.log_on_bound(None).await.1);
            for _ in 0..2 {
                peer.write("200 OK", &SOAP, b"<answer/>").await;
                peer.read().await.unwrap();
            }
            peer.write(status, &[], b"").await;
        })
        .await;
        let endpoint = Endpoint {
            authentication: ntlm(),
            ..endpoint(port, trusting(&litware))
        };
        let mut connection = greeted(&endpoint).await.unwrap();
        let error = connection.exchange("Command", b"<hello/>".to_vec()).await;
        let error = error.unwrap_err();
        assert_eq!(error.may_have_run(), may_have_run, "{error:?}");
    }
}

/// What TLS and what TCP fails at are told apart, and nothing is sent.
#[tokio::test]
async fn a_handshake_can_be_tried_alone() {
    let litware = authority("Litware Root");
    let server = litware.issue(&good(), rsa_key());
    let (port, _) = serve(server.server(), |mut peer| async move {
        assert!(peer.read().await.is_none(), "something was sent");
    })
    .await;
    let mut connection = Connection::open(&endpoint(port, trusting(&litware)), TIMEOUTS).unwrap();
    assert!(connection.tls().is_none());
    connection.connect("Identify").await.unwrap();
    let fingerprint = connection.tls().unwrap().fingerprint();
    let octets = (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&fingerprint[at..at + 2], 16));
    assert!(octets.map(Result::unwrap).eq(server.pin()), "{fingerprint}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (answer, reason) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], TlsReason::NotTls),
        (b"", TlsReason::Dropped),
    ] {
        let handshake = async {
            let mut connection =
                Connection::open(&endpoint(port, Tls::default()), TIMEOUTS).unwrap();
            connection.connect("Identify").await.unwrap_err()
        };
        let other_end = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 1024];
            assert_ne!(stream.read(&mut hello).await.unwrap(), 0);
            stream.write_all(answer).await.unwrap();
        };
        let (error, ()) = tokio::join!(handshake, other_end);
        assert!(
            matches!(&error, TransportError::Tls { reason: found, .. } if *found == reason),
            "{error:?}"
        );
        let expected = if answer.is_empty() {
            RetryClass::Later
        } else {
            RetryClass::Never
        };
        assert_eq!(error.retry(), expected);
    }

    // Nobody answers: no handshake, but no end of waiting either.
    let hasty = Timeouts {
        connect: Duration::from_millis(300),
        ..TIMEOUTS
    };
    let mut connection = Connection::open(&endpoint(port, Tls::default()), hasty).unwrap();
    let error = connection.connect("Identify").await.unwrap_err();
    assert!(
        matches!(&error, TransportError::Connect { detail, .. } if detail.contains("TLS")),
        "{error:?}"
    );
    drop(listener);
    let mut connection = Connection::open(&endpoint(port, Tls::default()), TIMEOUTS).unwrap();
    let error = connection.connect("Identify").await.unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_configured_must_be_of_use() {
    let litware = authority("Litware Root");
    let port = serve(litware.issue(&good(), rsa_key()).server(), greet)
        .await
        .0;
    let unusable = [
        Tls {
            ca: Some("no certificate".into()),
            ..Tls::default()
        },
        Tls {
            ca: Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into()),
            ..Tls::default()
        },
    ];
    for tls in unusable {
        let error = greeted(&endpoint(port, tls)).await.unwrap_err();
        assert!(
            matches!(
                &error,
                TransportError::Tls {
                    reason: TlsReason::Configuration,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    let key = authority("Somebody Else").key_pem();
    for (chain, key) in [
        (litware.pem(), key),
        (litware.pem(), "no key".into()),
        ("none".into(), litware.key_pem()),
    ] {
        let authentication = Authentication::Certificate(ClientCertificate {
            name: "admin".into(),
            chain,
            key: Secret::new(key.clone()),
        });
        let endpoint = Endpoint {
            authentication,
            ..endpoint(port, trusting(&litware))
        };
        let error = greeted(&endpoint).await.unwrap_err();
        assert!(
            matches!(
                &error,
                TransportError::Tls {
                    reason: TlsReason::Configuration,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains(&key));
    }

    // Unverified: anything will do, but not for a password as it is.
    let skip = Tls {
        insecure_skip_verify: true,
        ..Tls::default()
    };
    let port = serve(
        self_signed(&Wanted {
            names: &["other"],
            ..good()
        })
        .server(),
        |mut peer| async move {
            assert!(peer.log_on_bound(None).await.1);
            peer.write("200 OK", &SOAP, b"<answer/>").await;
        },
    )
    .await
    .0;
    let endpoint = Endpoint {
        authentication: ntlm(),
        ..endpoint(port, skip)
    };
    let mut connection = Connection::open(&endpoint, TIMEOUTS).unwrap();
    connection
        .exchange("Create", b"<hello/>".to_vec())
        .await
        .unwrap();
}

/// Reads of `from` until `text` has come.
fn read_until(from: &mut impl Read, text: &str) {
    let mut read = Vec::new();
    let mut octet = [0];
    while !String::from_utf8_lossy(&read).contains(text) {
        let came = from.read_exact(&mut octet);
        came.unwrap_or_else(|_| panic!("no {text} in {}", String::from_utf8_lossy(&read)));
        read.push(octet[0]);
    }
}

/// Windows asks for it when it knows which path is asked for, by a renegotiation.
#[tokio::test]
async fn a_certificate_is_shown_when_it_is_asked_for_later() {
    let litware = authority("Litware Root");
    let server = litware.issue(&good(), rsa_key());
    let admin = litware.issue(
        &Wanted {
            names: &["admin"],
            ..good()
        },
        rsa_key(),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let mut openssl = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-tls1_2",
            "-no_ticket",
            "-no_cache",
            "-msg",
            "-CAfile",
        ])
        .arg(file("ca.pem", litware.pem()))
        .arg("-cert")
        .arg(file("server.pem", server.pem()))
        .arg("-key")
        .arg(file("server.key", server.key_pem()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut says = openssl.stdout.take().unwrap();
    let mut keys = openssl.stdin.take().unwrap();
    read_until(&mut says, "ACCEPT 127.0.0.1:");
    let mut port = String::new();
    while !port.ends_with('\n') {
        let mut digit = [0];
        says.read_exact(&mut digit).unwrap();
        port.push(digit[0].into());
    }
    let typist = tokio::task::spawn_blocking(move || {
        read_until(&mut says, "<hello/>");
        keys.write_all(b"R\n").unwrap();
        // Only who has shown a certificate proves to have its key.
        read_until(&mut says, "CertificateVerify");
        // Behind that come the ends of both sides.
        read_until(&mut says, ">>> TLS 1.2, Handshake [length 0010], Finished");
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 9\r\n\r\n<answer/>";
        keys.write_all(answer.as_bytes()).unwrap();
        keys.flush().unwrap();
        (keys, says)
    });
    let authentication = Authentication::Certificate(ClientCertificate {
        name: "admin".into(),
        chain: admin.pem(),
        key: Secret::new(admin.key_pem()),
    });
    let endpoint = Endpoint {
        authentication,
        ..endpoint(port.trim().parse().unwrap(), trusting(&litware))
    };
    let mut connection = Connection::open(&endpoint, TIMEOUTS).unwrap();
    let answer = connection.exchange("Create", b"<hello/>".to_vec()).await;
    openssl.kill().unwrap();
    openssl.wait().unwrap();
    typist.await.unwrap();
    assert_eq!(answer.unwrap(), b"<answer/>");
}
