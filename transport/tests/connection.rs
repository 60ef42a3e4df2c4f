//! [`Connection`] against servers that behave and servers that do not.

#![allow(clippy::unwrap_used, missing_docs)]

mod peer;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use owaim_proto::multipart::Delimiter;
use owaim_transport::{
    Authentication, Connection, Credential, Endpoint, RetryClass, Secret, Timeouts, Tls,
    TransportError,
};
use peer::{PASSWORD, Peer};
use tokio::net::{TcpListener, TcpStream};

/// A server that runs `script` for each connection, and how many there have been.
async fn serve<F>(script: impl Fn(Peer) -> F + Send + 'static) -> (String, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/wsman", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(script(Peer::new(stream)));
        }
    });
    (url, count)
}

fn endpoint(url: &str, username: &str, password: &str) -> Endpoint {
    Endpoint::new(
        "srv.litwareinc.com",
        url,
        "Microsoft.PowerShell",
        Authentication::Ntlm(Credential {
            username: username.into(),
            password: Secret::new(password.into()),
        }),
    )
}

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(5),
};

fn connect(url: &str) -> Connection {
    Connection::open(&endpoint(url, "LITWAREINC\\admin", PASSWORD), TIMEOUTS).unwrap()
}

/// The error of the first exchange with a server that runs `script` after a good logon.
async fn first_error<F>(script: impl Fn(Peer) -> F + Send + Sync + Copy + 'static) -> TransportError
where
    F: Future<Output = ()> + Send + 'static,
{
    let (url, count) = serve(move |mut peer| async move {
        peer.log_on().await.1.unwrap();
        script(peer).await;
    })
    .await;
    let mut connection = connect(&url);
    let error = connection
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap_err();
    assert!(!connection.is_usable());
    let again = connection
        .exchange("Create", b"<second/>".to_vec())
        .await
        .unwrap_err();
    assert!(
        matches!(again, TransportError::Closed { sent: false, .. }),
        "{again}"
    );
    assert_eq!(
        count.load(Ordering::SeqCst),
        1,
        "a lost connection was replaced"
    );
    error
}

#[tokio::test]
async fn exchanges_are_sealed_on_one_connection() {
    for username in ["LITWAREINC\\admin", "admin@litwareinc.com", "admin"] {
        let (url, count) = serve(|mut peer| async move {
            let (request, envelope) = peer.log_on().await;
            assert!(!request.head.contains(PASSWORD));
            assert_eq!(envelope.unwrap(), b"<n>0</n>");
            let body = peer.seal(b"<answer>0</answer>", Delimiter::Spaced);
            peer.write_sealed("200 OK", &body).await;
            let mut number = 1;
            while let Some(request) = peer.read().await {
                assert_eq!(request.header("authorization"), None);
                assert!(!request.body.windows(3).any(|three| three == b"<n>"));
                assert_eq!(peer.unseal(&request), format!("<n>{number}</n>").as_bytes());
                let body = peer.seal(
                    format!("<answer>{number}</answer>").as_bytes(),
                    Delimiter::Plain,
                );
                let status = if number % 2 == 0 {
                    "200 OK"
                } else {
                    "500 Internal Server Error"
                };
                peer.write_sealed(status, &body).await;
                number += 1;
            }
        })
        .await;
        let mut connection =
            Connection::open(&endpoint(&url, username, PASSWORD), TIMEOUTS).unwrap();
        for number in 0..50 {
            let answer = connection.exchange("Receive", format!("<n>{number}</n>").into_bytes());
            assert_eq!(
                answer.await.unwrap(),
                format!("<answer>{number}</answer>").as_bytes()
            );
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&attempts);
    let (url, count) = serve(move |mut peer| {
        let seen = Arc::clone(&seen);
        async move {
            let (_, envelope) = peer.log_on().await;
            assert!(envelope.is_none());
            seen.fetch_add(1, Ordering::SeqCst);
            peer.write(
                "401 Unauthorized",
                &[("WWW-Authenticate", "Negotiate")],
                b"",
            )
            .await;
            assert!(peer.read().await.is_none(), "a refused client came back");
        }
    })
    .await;
    let wrong = endpoint(&url, "admin", "another");
    let mut connection = Connection::open(&wrong, TIMEOUTS).unwrap();
    let error = connection
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap_err();
    assert!(error.is_refused_logon(), "{error}");
    assert!(
        connection
            .exchange("Create", b"<first/>".to_vec())
            .await
            .is_err()
    );
    drop(connection);
    assert_eq!(
        (
            attempts.load(Ordering::SeqCst),
            count.load(Ordering::SeqCst)
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_not_replaced() {
    let (url, count) = serve(|mut peer| async move {
        peer.log_on().await.1.unwrap();
        peer.reply(b"<answer/>").await;
    })
    .await;
    let mut connection = connect(&url);
    connection
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = connection
        .exchange("Command", b"<second/>".to_vec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Closed { sent: false, .. }),
        "{error:?}"
    );
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_closes_after_the_challenge_gets_no_second_connection() {
    let (url, count) =
        serve(|mut peer| async move { peer.challenge(&[("Connection", "close")]).await }).await;
    let error = connect(&url)
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Closed { sent: false, .. }),
        "{error:?}"
    );
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_without_answer_may_have_arrived() {
    let error = first_error(|peer| async move { drop(peer) }).await;
    assert!(
        matches!(error, TransportError::Closed { sent: true, .. }),
        "{error:?}"
    );

    let error = first_error(|mut peer| async move {
        peer.write_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234")
            .await;
    })
    .await;
    assert!(
        matches!(error, TransportError::Closed { sent: true, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_in_clear_is_refused() {
    let error = first_error(|mut peer| async move {
        let kind = [("Content-Type", "application/soap+xml;charset=UTF-8")];
        peer.write("200 OK", &kind, b"<answer/>").await;
    })
    .await;
    assert!(matches!(error, TransportError::Sealing { .. }), "{error:?}");

    let error =
        first_error(|mut peer| async move { peer.write("503 Busy", &[], b"come\nback").await })
            .await;
    assert!(
        matches!(&error, TransportError::Http { status: 503, body_start, .. } if body_start == "come back"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_altered_answer_is_refused() {
    fn tamper(body: &mut Vec<u8>, case: usize) {
        let data = body
            .windows(5)
            .position(|five| five == b"\x10\0\0\0\x01")
            .unwrap();
        match case {
            // The signature, the sealed octets, the announced length, a cut.
            0 => body[data + 9] ^= 1,
            1 => body[data + 21] ^= 1,
            2 => {
                *body = String::from_utf8_lossy(body)
                    .replace("Length=9", "Length=8")
                    .into_bytes();
            }
            _ => body.truncate(body.len() - 6),
        }
    }
    for case in 0..4 {
        let (url, _) = serve(move |mut peer| async move {
            peer.log_on().await.1.unwrap();
            let mut body = peer.seal(b"<answer/>", Delimiter::Plain);
            tamper(&mut body, case);
            peer.write_sealed("200 OK", &body).await;
        })
        .await;
        let mut connection = connect(&url);
        let error = connection
            .exchange("Create", b"<first/>".to_vec())
            .await
            .unwrap_err();
        assert!(
            matches!(error, TransportError::Sealing { .. }),
            "case {case}: {error:?}"
        );
        assert!(!connection.is_usable());
    }
}

#[tokio::test]
async fn a_replayed_answer_is_refused() {
    let (url, _) = serve(|mut peer| async move {
        peer.log_on().await.1.unwrap();
        let body = peer.seal(b"<answer/>", Delimiter::Plain);
        peer.write_sealed("200 OK", &body).await;
        peer.read().await.unwrap();
        peer.write_sealed("200 OK", &body).await;
    })
    .await;
    let mut connection = connect(&url);
    connection
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap();
    let error = connection
        .exchange("Command", b"<second/>".to_vec())
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Sealing { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_negotiation_is_named() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        (
            "401 Unauthorized",
            &[
                ("WWW-Authenticate", "Basic realm=\"WSMAN\""),
                ("WWW-Authenticate", "Kerberos"),
            ],
        ),
        (
            "401 Unauthorized",
            &[("WWW-Authenticate", "Negotiate not-base64!")],
        ),
        (
            "401 Unauthorized",
            &[("WWW-Authenticate", "Negotiate TlRMTVNTUAACAAAA")],
        ),
        ("404 Not Found", &[]),
    ];
    for (case, (status, headers)) in cases.into_iter().enumerate() {
        let (url, count) = serve(move |mut peer| async move {
            peer.read().await.unwrap();
            peer.write(status, headers, b"").await;
            assert!(peer.read().await.is_none(), "the client went on");
        })
        .await;
        let error = connect(&url)
            .exchange("Create", b"<first/>".to_vec())
            .await
            .unwrap_err();
        let fits = match case {
            0 => {
                matches!(&error, TransportError::NoCommonAuthentication { offered, .. } if offered == &["Basic", "Kerberos"])
            }
            1 => matches!(error, TransportError::NoCommonAuthentication { .. }),
            2 => matches!(error, TransportError::Sealing { .. }),
            _ => matches!(error, TransportError::Http { status: 404, .. }),
        };
        assert!(fits, "case {case}: {error:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn silence_ends_by_time_out() {
    let short = Timeouts {
        response: Duration::from_millis(300),
        ..TIMEOUTS
    };
    for after_logon in [false, true] {
        let (url, _) = serve(move |mut peer| async move {
            if after_logon {
                peer.log_on().await;
            }
            tokio::time::sleep(Duration::from_mins(1)).await;
        })
        .await;
        let mut connection = Connection::open(&endpoint(&url, "admin", PASSWORD), short).unwrap();
        let error = connection
            .exchange("Create", b"<first/>".to_vec())
            .await
            .unwrap_err();
        assert!(
            matches!(error, TransportError::Timeout { sent, .. } if sent == after_logon),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_cancelled_exchange_ends_the_connection() {
    let (url, _) = serve(|mut peer| async move {
        peer.log_on().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
    })
    .await;
    let mut connection = connect(&url);
    let exchange = connection.exchange("Receive", b"<first/>".to_vec());
    assert!(
        tokio::time::timeout(Duration::from_millis(200), exchange)
            .await
            .is_err()
    );
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let error = first_error(|mut peer| async move {
        let body = vec![b'x'; 17 * 1024 * 1024];
        peer.write("200 OK", &[], &body).await;
    })
    .await;
    assert!(
        matches!(error, TransportError::Protocol { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/wsman", listener.local_addr().unwrap());
    drop(listener);
    let error = connect(&url)
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");

    for bad in ["", "wsman", "ftp://srv/wsman", "http://user:word@srv/wsman"] {
        let error = Connection::open(&endpoint(bad, "admin", PASSWORD), TIMEOUTS).unwrap_err();
        assert!(
            matches!(error, TransportError::UnusableUrl { .. }),
            "{bad}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("word@"), "{error:?}");
        assert!(error.advice().contains("https"), "{error:?}");
    }
    let (url, _) = serve(|mut peer| async move {
        assert!(peer.read().await.is_none(), "an odd name has left");
    })
    .await;
    let odd = endpoint(&url, "A\\B\\c", PASSWORD);
    let error = Connection::open(&odd, TIMEOUTS)
        .unwrap()
        .exchange("Create", Vec::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::Unsendable { .. }),
        "{error:?}"
    );
    assert!(!format!("{odd:?} {error} {error:?}").contains(PASSWORD));
}

/// Neither Linux nor Wine has a logon that a server of some domain would take.
#[tokio::test]
async fn a_logon_that_cannot_be_shown_reaches_nobody() {
    let (heard, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (url, _) = serve(move |mut peer| {
        let heard = heard.clone();
        async move { heard.send(peer.read().await.is_some()).unwrap() }
    })
    .await;
    let logon = Endpoint {
        authentication: Authentication::CurrentLogon { service: None },
        ..endpoint(&url, "", "")
    };
    let mut connection = Connection::open(&logon, TIMEOUTS).unwrap();
    let error = connection
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap_err();
    assert!(
        matches!(error, TransportError::CurrentLogon { .. }),
        "{error}"
    );
    assert_eq!(error.retry(), RetryClass::Never);
    assert!(!error.may_have_run() && !error.is_refused_logon());
    assert!(!connection.is_usable());
    // The connection was made, and has ended without a word.
    assert_eq!(told.recv().await, Some(false));
}

fn basic(url: &str, allow_plaintext: bool) -> Endpoint {
    Endpoint {
        authentication: Authentication::Basic {
            credential: Credential {
                username: "admin".into(),
                password: Secret::new(PASSWORD.into()),
            },
            allow_plaintext,
        },
        ..endpoint(url, "", "")
    }
}

const SOAP: (&str, &str) = ("Content-Type", "application/soap+xml;charset=UTF-8");

/// The error of the first exchange of Basic over plain HTTP with a server that answers `status`
/// with `headers`.
async fn answered(
    status: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> TransportError {
    let (url, count) = serve(move |mut peer| async move {
        peer.read().await.unwrap();
        peer.write(status, headers, b"<answer/>").await;
        assert!(peer.read().await.is_none(), "the client went on");
    })
    .await;
    let mut connection = Connection::open(&basic(&url, true), TIMEOUTS).unwrap();
    let error = connection
        .exchange("Command", b"<hello/>".to_vec())
        .await
        .unwrap_err();
    assert!(!connection.is_usable());
    assert_eq!(count.load(Ordering::SeqCst), 1);
    error
}

#[tokio::test]
async fn a_password_travels_in_clear_only_where_that_is_allowed() {
    let (url, _) = serve(|mut peer| async move {
        for _ in 0..2 {
            let request = peer.read().await.unwrap();
            assert_eq!(
                request.header("authorization"),
                Some("Basic YWRtaW46UzNjcmV0LWNhbmFyeS00MiE=")
            );
            peer.write("200 OK", &[SOAP], b"<answer/>").await;
        }
    })
    .await;
    let mut connection = Connection::open(&basic(&url, true), TIMEOUTS).unwrap();
    for _ in 0..2 {
        let answer = connection.exchange("Create", b"<hello/>".to_vec()).await;
        assert_eq!(answer.unwrap(), b"<answer/>");
    }
    let error = Connection::open(&basic(&url, false), TIMEOUTS).unwrap_err();
    assert!(
        matches!(error, TransportError::Insecure { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("allow_plaintext"), "{error}");
    let unverified = Endpoint {
        tls: Tls {
            insecure_skip_verify: true,
            ..Tls::default()
        },
        ..basic("https://srv.litwareinc.com:5986/wsman", true)
    };
    let error = Connection::open(&unverified, TIMEOUTS).unwrap_err();
    for key in ["\"basic\"", "insecure_skip_verify"] {
        assert!(error.to_string().contains(key), "{error}");
    }
    assert_eq!(error.retry(), RetryClass::Never);
}

#[tokio::test]
async fn what_servers_say_besides_answers() {
    let error = answered(
        "401 Unauthorized",
        &[("WWW-Authenticate", "Basic realm=\"WSMAN\"")],
    )
    .await;
    assert!(error.is_refused_logon(), "{error:?}");
    let error = answered(
        "401 Unauthorized",
        &[("WWW-Authenticate", "Negotiate, Kerberos")],
    )
    .await;
    assert!(
        matches!(&error, TransportError::NoCommonAuthentication { offered, .. } if offered == &["Negotiate", "Kerberos"]),
        "{error:?}"
    );

    let elsewhere = "https://user:word@other.litwareinc.com/wsman?secret";
    let error = answered("302 Found", Box::leak(Box::new([("Location", elsewhere)]))).await;
    assert!(
        matches!(&error, TransportError::Redirected { status: 302, location, .. } if location == "https://other.litwareinc.com"),
        "{error:?}"
    );
    assert_eq!(
        (error.retry(), error.may_have_run()),
        (RetryClass::Never, false)
    );
    let error = answered("307 Temporary Redirect", &[("Location", "/elsewhere")]).await;
    assert!(
        matches!(&error, TransportError::Redirected { location, .. } if location.starts_with("http://127.0.0.1:")),
        "{error:?}"
    );

    for (status, later) in [
        ("425 Too Early", true),
        ("429 Too Many Requests", true),
        ("503 Service Unavailable", true),
        ("404 Not Found", false),
        ("403 Forbidden", false),
    ] {
        let error = answered(status, &[("Retry-After", "7")]).await;
        assert_eq!(error.retry() == RetryClass::Later, later, "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{error}");
        assert!(!error.may_have_run(), "{error}");
    }
    let date = [("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")];
    let error = answered("503 Service Unavailable", Box::leak(Box::new(date))).await;
    assert!(
        error.retry_after().unwrap() > Duration::from_hours(24),
        "{error:?}"
    );
    let error = answered("503 Service Unavailable", &[("Retry-After", "soon")]).await;
    assert_eq!(error.retry_after(), None);

    // Never asked for: what they unpack to, nobody knows.
    for encoding in ["gzip", "deflate", "br"] {
        let error = answered(
            "200 OK",
            Box::leak(Box::new([("Content-Encoding", encoding), SOAP])),
        )
        .await;
        assert!(
            matches!(&error, TransportError::Protocol { detail, .. } if detail.contains(encoding)),
            "{error:?}"
        );
    }
    for (status, headers) in [
        ("200 OK", [("Content-Type", "text/html")]),
        ("200 OK\r\nno colon here", [SOAP]),
        ("200 OK", [("X-Long", &*"x".repeat(200_000).leak())]),
    ] {
        let error = answered(status, Box::leak(Box::new(headers))).await;
        assert!(
            matches!(error, TransportError::Protocol { .. }),
            "{error:?}"
        );
        assert!(error.may_have_run(), "{error:?}");
    }
    let error = answered(
        "500 Internal Server Error",
        &[("Content-Type", "text/html")],
    )
    .await;
    assert!(
        matches!(error, TransportError::Http { status: 500, .. }),
        "{error:?}"
    );
}

/// Whoever sits in between can have passed the request on, and have written that.
#[tokio::test]
async fn no_status_without_a_seal_proves_anything() {
    const HTML: (&str, &str) = ("Content-Type", "text/html");
    for (status, header) in [
        ("401 Unauthorized", ("WWW-Authenticate", "Negotiate")),
        ("302 Found", ("Location", "https://other.litwareinc.com/")),
        ("403 Forbidden", HTML),
        ("404 Not Found", HTML),
        ("425 Too Early", HTML),
        ("429 Too Many Requests", HTML),
        ("500 Internal Server Error", HTML),
        ("502 Bad Gateway", HTML),
        ("503 Service Unavailable", HTML),
    ] {
        // In mid-session, and as the first message of a connection.
        for known in [true, false] {
            let (url, count) = serve(move |mut peer| async move {
                peer.log_on().await.1.unwrap();
                if known {
                    peer.reply(b"<answer/>").await;
                    peer.read().await.unwrap();
                }
                peer.write(status, &[header], b"a page").await;
                assert!(peer.read().await.is_none(), "the client repeated it");
            })
            .await;
            let mut connection = connect(&url);
            if known {
                let first = connection.exchange("Create", b"<first/>".to_vec()).await;
                first.unwrap();
            }
            let error = connection
                .exchange("Command", b"<second/>".to_vec())
                .await
                .unwrap_err();
            let fits = match &error {
                TransportError::Unauthenticated { .. } => known && status.starts_with("401"),
                TransportError::RefusedLogon { .. } => !known && status.starts_with("401"),
                TransportError::Redirected { status: 302, .. } => status.starts_with("302"),
                TransportError::Http {
                    status: found,
                    body_start,
                    ..
                } => status.starts_with(&found.to_string()) && body_start == "a page",
                _ => false,
            };
            assert!(fits, "{status}: {error:?}");
            assert!(error.may_have_run(), "{error:?}");
            assert!(!connection.is_usable());
            assert_eq!(count.load(Ordering::SeqCst), 1);
        }
    }
}

/// Until both sides know each other, no message has left.
#[tokio::test]
async fn a_logon_that_fails_has_run_nothing() {
    let garbage = ("WWW-Authenticate", "Negotiate TlRMTVNTUAACAAAA");
    for (status, header) in [
        ("500 Internal Server Error", ("Content-Type", "text/html")),
        ("502 Bad Gateway", ("Content-Type", "text/html")),
        ("504 Gateway Timeout", ("Content-Type", "text/html")),
        ("302 Found", ("Location", "https://other.litwareinc.com/")),
        ("401 Unauthorized", garbage),
        ("401 Unauthorized", ("Content-Encoding", "gzip")),
        ("401 Unauthorized\r\nno colon here", garbage),
    ] {
        let (url, _) = serve(move |mut peer| async move {
            assert!(peer.read().await.unwrap().body.is_empty());
            peer.write(status, &[header], b"").await;
        })
        .await;
        let error = connect(&url)
            .exchange("Command", b"<first/>".to_vec())
            .await
            .unwrap_err();
        assert!(!error.may_have_run(), "{status}: {error:?}");
    }
}

/// A proxy that gives a tunnel to whoever has this `Proxy-Authorization`, and tells what it was asked.
async fn proxy(authorization: Option<&'static str>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut peer = Peer::new(stream);
            let request = peer.read().await.unwrap();
            let line = request.head.lines().next().unwrap().to_owned();
            log.lock().unwrap().push(line.clone());
            if request.header("proxy-authorization") != authorization {
                let scheme = ("Proxy-Authenticate", "Basic realm=\"proxy\"");
                peer.write("407 Proxy Authentication Required", &[scheme], b"")
                    .await;
                continue;
            }
            let target = line.split(' ').nth(1).unwrap();
            match TcpStream::connect(target).await {
                Ok(mut server) => {
                    peer.write_raw(b"HTTP/1.1 200 Connection established\r\n\r\n")
                        .await;
                    let mut client = peer.into_stream();
                    tokio::spawn(async move {
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    });
                }
                Err(_) => peer.write("502 Bad Gateway", &[], b"").await,
            }
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let (url, _) = serve(|mut peer| async move {
        let (request, envelope) = peer.log_on().await;
        assert_eq!(envelope.unwrap(), b"<first/>");
        assert_eq!(request.header("proxy-authorization"), None);
        peer.reply(b"<answer/>").await;
    })
    .await;
    let (open, asked) = proxy(None).await;
    let through = |url: &str, proxy: String| Endpoint {
        proxy: Some(proxy),
        ..endpoint(url, "admin", PASSWORD)
    };
    let way = through(&url, format!("http://{open}"));
    let mut connection = Connection::open(&way, TIMEOUTS).unwrap();
    connection.connect("Create").await.unwrap();
    let answer = connection.exchange("Create", b"<first/>".to_vec()).await;
    assert_eq!(answer.unwrap(), b"<answer/>");
    let server = url.trim_start_matches("http://").trim_end_matches("/wsman");
    assert_eq!(
        *asked.lock().unwrap(),
        [format!("CONNECT {server} HTTP/1.1")]
    );

    // With an account, that of the proxy's URL.
    let (closed, _) = proxy(Some("Basic dXNlcjpwQHNz")).await;
    let way = through(&url, format!("http://user:p%40ss@{closed}/"));
    assert!(!format!("{way:?}").contains("p%40ss"), "{way:?}");
    let mut connection = Connection::open(&way, TIMEOUTS).unwrap();
    connection
        .exchange("Create", b"<first/>".to_vec())
        .await
        .unwrap();

    let refused = |way: Endpoint| async move {
        let mut connection = Connection::open(&way, TIMEOUTS).unwrap();
        let error = connection.connect("Create").await.unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("p%40ss"),
            "{error:?}"
        );
        error
    };
    let error = refused(through(&url, format!("http://{closed}"))).await;
    assert!(
        matches!(&error, TransportError::Proxy { status: Some(407), proxy, .. } if *proxy == closed),
        "{error:?}"
    );
    assert_eq!(error.retry(), RetryClass::Never);
    assert!(
        error.to_string().contains("it asks for Basic")
            && error.advice().contains("takes no user name")
    );

    let closed_port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed_port.local_addr().unwrap();
    drop(closed_port);
    let error = refused(through(
        &format!("http://{nobody}/wsman"),
        format!("http://{open}"),
    ))
    .await;
    assert!(
        matches!(
            error,
            TransportError::Proxy {
                status: Some(502),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.retry(), RetryClass::Later);
    let error = refused(through(&url, format!("http://user:p%40ss@{nobody}"))).await;
    assert!(
        matches!(&error, TransportError::Connect { detail, .. } if detail.starts_with("the proxy 127.0.0.1:")),
        "{error:?}"
    );
    let error = Connection::open(
        &through(&url, format!("socks5://user:p%40ss@{open}")),
        TIMEOUTS,
    );
    let error = error.unwrap_err();
    assert!(
        matches!(error, TransportError::UnusableUrl { .. }),
        "{error:?}"
    );
    assert!(
        !format!("{error} {error:?}").contains("p%40ss"),
        "{error:?}"
    );
}

#[tokio::test]
async fn names_that_nobody_knows_are_told_from_hosts_that_are_down() {
    let mut connection = connect("http://no-such-host.invalid:5985/wsman");
    let error = connection.connect("Create").await.unwrap_err();
    assert!(
        matches!(&error, TransportError::Unresolved { host, .. } if host == "no-such-host.invalid:5985"),
        "{error:?}"
    );
    assert_eq!(error.retry(), RetryClass::Later);
    assert!(!error.may_have_run());
}
