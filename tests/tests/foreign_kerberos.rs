//! Kerberos against MIT krb5, which nobody here wrote: its key distribution centre gives the
//! tickets, and its GSS library, by `pyspnego`, accepts them and opens what they seal.

#![allow(clippy::unwrap_used)]
// It drives programs of this machine.
#![cfg(unix)]

use std::time::Duration;

use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, credential};
use owaim_tests::kdc::{Kdc, KdcOptions, REALM};
use owaim_transport::{
    Authentication, Client, Connect as _, Credential, Identity, Kerberos, KerberosError, Secret,
    Session, TransportError,
};
use serde_json::json;

/// As whom, of `kdc`.
fn owaim(kdc: &Kdc) -> Kerberos {
    by_password(kdc, "owaim", None)
}

fn by_password(kdc: &Kdc, username: &str, password: Option<&str>) -> Kerberos {
    let known = credential(username);
    Kerberos {
        identity: Identity::Password(match password {
            Some(password) => Credential {
                password: Secret::new(password.into()),
                ..known
            },
            None => known,
        }),
        realm: Some(REALM.into()),
        kdcs: vec![format!("127.0.0.1:{}", kdc.port)],
        service: None,
        delegate: false,
    }
}

fn server(kdc: &Kdc, authentication: &str) -> ForeignServer {
    ForeignServer::start(&json!({
        "authentication": authentication,
        "services": kdc.for_services(),
    }))
}

async fn connect(
    client: &Client,
    server: &ForeignServer,
    authentication: Authentication,
) -> Result<Box<dyn Session>, TransportError> {
    client.connect(&server.endpoint(authentication)).await
}

/// A pipeline through `session`.
async fn use_once(session: &mut Box<dyn Session>) {
    let pipeline = Pipeline::new(Command::new("Get-Service"));
    session.run(&pipeline).await.unwrap();
}

/// How often `kdc` was asked what its log calls `request`.
fn asked(kdc: &Kdc, request: &str) -> usize {
    let log = std::fs::read_to_string(kdc.krb5_conf.with_file_name("log")).unwrap();
    log.lines()
        .filter(|line| line.contains(request) && line.contains("ISSUE"))
        .count()
}

#[tokio::test]
async fn a_session_is_opened_in_five_requests() {
    let kdc = Kdc::start();
    for (name, authentication) in [
        ("kerberos", Authentication::Kerberos(owaim(&kdc))),
        (
            "negotiate",
            Authentication::Negotiate {
                kerberos: owaim(&kdc),
                ntlm_fallback: false,
            },
        ),
    ] {
        let server = server(&kdc, name);
        let mut session = connect(&Client::default(), &server, authentication)
            .await
            .unwrap();
        use_once(&mut session).await;
        let seen = server.stop();
        assert_eq!(seen.requests().len(), 5, "{name}: {:?}", seen.requests());
    }
}

#[tokio::test]
async fn logons_over_tls_are_tied_to_it() {
    let kdc = Kdc::start();
    for (name, authentication) in [
        ("kerberos", Authentication::Kerberos(owaim(&kdc))),
        (
            "negotiate",
            Authentication::Negotiate {
                kerberos: owaim(&kdc),
                ntlm_fallback: false,
            },
        ),
    ] {
        let server = ForeignServer::start(&json!({
            "authentication": name,
            "services": kdc.for_services(),
            "tls": {},
        }));
        let session = connect(&Client::default(), &server, authentication).await;
        use_once(&mut session.unwrap()).await;
        let seen = server.stop().0.to_string();
        assert!(seen.contains("\"bound\":true"), "{name}: {seen}");
    }
}

/// Over TLS the message goes with the ticket: the server has looked at it before it proves itself.
#[tokio::test]
async fn what_a_server_did_without_proof_is_not_left_behind() {
    let kdc = Kdc::start();
    for (name, kind, authentication) in [
        ("kerberos", "garbage", Authentication::Kerberos(owaim(&kdc))),
        (
            "negotiate",
            "truncated",
            Authentication::Negotiate {
                kerberos: owaim(&kdc),
                ntlm_fallback: false,
            },
        ),
    ] {
        let server = ForeignServer::start(&json!({
            "authentication": name,
            "services": kdc.for_services(),
            "tls": {},
            "misbehaviour": { "kind": kind, "at": "logon" },
        }));
        let refused = connect(&Client::default(), &server, authentication).await;
        let refused = refused.err().unwrap();
        assert!(
            matches!(refused, TransportError::Kerberos { taken: true, .. }),
            "{name}: {refused:?}"
        );
        // That goes on in the background.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seen = server.stop();
        assert_eq!(seen.requests(), ["Create", "Delete"], "{name}");
        assert_eq!(seen.0["shells"], 0, "{name}");
    }
}

#[tokio::test]
async fn connections_to_one_server_need_one_ticket() {
    let kdc = Kdc::start();
    let server = server(&kdc, "kerberos");
    let client = Client::default();
    let connect = || connect(&client, &server, Authentication::Kerberos(owaim(&kdc)));
    let sessions = tokio::join!(connect(), connect(), connect(), connect());
    for mut session in [sessions.0, sessions.1, sessions.2, sessions.3] {
        use_once(session.as_mut().unwrap()).await;
    }
    server.stop();
    assert_eq!((asked(&kdc, "AS_REQ"), asked(&kdc, "TGS_REQ")), (1, 1));
}

/// What comes of a logon as `kerberos`.
async fn problem(kdc: &Kdc, kerberos: Kerberos) -> KerberosError {
    let server = server(kdc, "kerberos");
    let error = connect(
        &Client::default(),
        &server,
        Authentication::Kerberos(kerberos),
    )
    .await
    .err()
    .unwrap();
    assert!(!error.may_have_run(), "{error}");
    match error {
        TransportError::Kerberos { problem, .. } => problem,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_no_is_told_apart() {
    let kdc = Kdc::start();
    let wrong = problem(&kdc, by_password(&kdc, "owaim", Some("wrong"))).await;
    assert!(
        matches!(wrong, KerberosError::WrongPassword { .. }),
        "{wrong}"
    );
    assert!(wrong.is_refused_logon());
    let unknown = problem(&kdc, by_password(&kdc, "nobody", None)).await;
    assert!(
        matches!(unknown, KerberosError::UnknownAccount { .. }),
        "{unknown}"
    );
    for username in ["disabled", "expired"] {
        let revoked = problem(&kdc, by_password(&kdc, username, None)).await;
        assert!(
            matches!(revoked, KerberosError::Revoked { .. }),
            "{username}: {revoked}"
        );
        assert!(revoked.is_refused_logon());
    }
    let stale = problem(&kdc, by_password(&kdc, "stale", None)).await;
    assert!(
        matches!(stale, KerberosError::PasswordExpired { .. }),
        "{stale}"
    );
    let eager = problem(&kdc, by_password(&kdc, "eager", None)).await;
    assert!(
        matches!(eager, KerberosError::NoPreauthentication { .. }),
        "{eager}"
    );
    let camellia = problem(&kdc, by_password(&kdc, "camellia", None)).await;
    assert!(
        matches!(camellia, KerberosError::EncryptionType { .. }),
        "{camellia}"
    );
    let service = |name: &str| Kerberos {
        service: Some(name.into()),
        ..owaim(&kdc)
    };
    let unknown = problem(&kdc, service("HTTP/nowhere.litwareinc.com")).await;
    assert!(
        matches!(unknown, KerberosError::UnknownService { .. }),
        "{unknown}"
    );
    assert!(!unknown.is_refused_logon());
    let camellia = problem(&kdc, service("HTTP/camellia.litwareinc.com")).await;
    assert!(
        matches!(camellia, KerberosError::EncryptionType { .. }),
        "{camellia}"
    );
    let nobody = Kerberos {
        kdcs: vec!["tcp://127.0.0.1:1".into(), "udp://127.0.0.1:1".into()],
        ..owaim(&kdc)
    };
    let unreachable = problem(&kdc, nobody).await;
    let KerberosError::Unreachable { tried, .. } = &unreachable else {
        panic!("{unreachable}");
    };
    assert_eq!(tried.len(), 2);
    assert!(unreachable.is_temporary());
}

#[tokio::test]
async fn a_centre_with_another_time_is_followed_and_a_server_is_not() {
    let kdc = Kdc::start_with(KdcOptions {
        clock: 3600,
        ..KdcOptions::default()
    });
    // pyspnego trips over MIT's own word for it, which a unit test has (`tokens.rs`), and sends none.
    let skewed = problem(&kdc, owaim(&kdc)).await;
    assert!(
        matches!(skewed, KerberosError::NotAccepted { .. }),
        "{skewed}"
    );
}

#[tokio::test]
async fn a_key_from_a_file_will_do_and_so_will_tcp() {
    let kdc = Kdc::start_with(KdcOptions {
        max_datagram: 100,
        ..KdcOptions::default()
    });
    let server = server(&kdc, "kerberos");
    let kerberos = Kerberos {
        identity: Identity::Keytab {
            principal: format!("owaim@{REALM}"),
            path: kdc.user_keytab.clone(),
        },
        ..owaim(&kdc)
    };
    let session = connect(
        &Client::default(),
        &server,
        Authentication::Kerberos(kerberos),
    )
    .await;
    use_once(&mut session.unwrap()).await;
    server.stop();
}

#[tokio::test]
async fn credssp_delegates_the_password_and_seals_what_follows() {
    for version in [2, 6] {
        let server = ForeignServer::start(&json!({
            "authentication": "credssp",
            "credssp_min_version": version,
        }));
        let known = Authentication::CredSsp(credential(ACCOUNT));
        let mut session = connect(&Client::default(), &server, known).await.unwrap();
        use_once(&mut session).await;
        let seen = server.stop();
        assert!(seen.0.to_string().contains("delegated"), "{:#}", seen.0);
    }
    let server = ForeignServer::start(&json!({ "authentication": "credssp" }));
    let wrong = Credential {
        password: Secret::new("wrong".into()),
        ..credential(ACCOUNT)
    };
    let refused = connect(&Client::default(), &server, Authentication::CredSsp(wrong)).await;
    let refused = refused.err().unwrap();
    assert!(refused.is_refused_logon(), "{refused}");
}

/// The kinds of requests that a server saw of a client that tried `kerberos` under `Negotiate`.
async fn negotiated(
    kdc: &Kdc,
    kerberos: Kerberos,
    ntlm_fallback: bool,
) -> (Result<(), TransportError>, serde_json::Value) {
    let server = server(kdc, "negotiate");
    let authentication = Authentication::Negotiate {
        kerberos,
        ntlm_fallback,
    };
    let session = connect(&Client::default(), &server, authentication).await;
    let result = match session {
        Ok(mut session) => {
            use_once(&mut session).await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    (result, server.stop().0["requests"].clone())
}

#[tokio::test]
async fn ntlm_is_fallen_back_to_only_where_that_is_allowed_and_nobody_said_no() {
    let kdc = Kdc::start();
    let nobody = || Kerberos {
        kdcs: vec!["tcp://127.0.0.1:1".into()],
        ..by_password(&kdc, r"LITWAREINC\owaim", None)
    };
    let (result, requests) = negotiated(&kdc, nobody(), true).await;
    result.unwrap();
    assert!(requests.to_string().contains("\"ntlm\""), "{requests:#}");
    let (result, requests) = negotiated(&kdc, nobody(), false).await;
    assert!(matches!(
        result.unwrap_err(),
        TransportError::Kerberos {
            problem: KerberosError::Unreachable { .. },
            ..
        }
    ));
    assert_eq!(requests, json!([]));
    // Its keys are of another kind: no password was refused.
    let camellia = by_password(&kdc, "camellia", None);
    let (result, requests) = negotiated(&kdc, camellia, true).await;
    result.unwrap();
    assert!(requests.to_string().contains("\"ntlm\""), "{requests:#}");
    let wrong = by_password(&kdc, "owaim", Some("wrong"));
    let (result, requests) = negotiated(&kdc, wrong, true).await;
    assert!(result.unwrap_err().is_refused_logon());
    assert_eq!(requests, json!([]));
}

#[tokio::test]
async fn sealed_answers_that_are_not_what_was_sealed_are_refused() {
    let kdc = Kdc::start();
    for kind in ["tampered", "replayed"] {
        let server = ForeignServer::start(&json!({
            "authentication": "kerberos",
            "services": kdc.for_services(),
            "misbehaviour": { "kind": kind, "at": "Command" },
        }));
        let kerberos = Authentication::Kerberos(owaim(&kdc));
        let mut session = connect(&Client::default(), &server, kerberos)
            .await
            .unwrap();
        let pipeline = Pipeline::new(Command::new("Get-Service"));
        let error = session.run(&pipeline).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Sealing { .. }),
            "{kind}: {error}"
        );
        server.stop_without_looking();
    }
}

/// A ticket of `kinit`: the system's library looks at the environment, so that a process of its own
/// has to use it.
#[cfg(feature = "gssapi")]
#[tokio::test]
async fn a_ticket_of_kinit_will_do_and_can_be_passed_on() {
    use std::io::Write as _;
    use std::process::{Command as Process, Stdio};

    const URL: &str = "OWAIM_TESTS_URL";
    if let Ok(url) = std::env::var(URL) {
        for delegate in [false, true] {
            let kerberos = Kerberos {
                identity: Identity::TicketCache,
                realm: None,
                kdcs: Vec::new(),
                service: None,
                delegate,
            };
            let authentication = Authentication::Kerberos(kerberos);
            let endpoint = owaim_transport::Endpoint::new(
                owaim_tests::kdc::HOST,
                url.as_str(),
                "Microsoft.PowerShell",
                authentication,
            );
            let mut session = Client::default().connect(&endpoint).await.unwrap();
            use_once(&mut session).await;
        }
        return;
    }
    let kdc = Kdc::start();
    let server = server(&kdc, "kerberos");
    let mut kinit = Process::new("kinit")
        .args(["-f", &format!("owaim@{REALM}")])
        .env("KRB5_CONFIG", &kdc.krb5_conf)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = kinit.stdin.take().unwrap();
    writeln!(input, "{}", owaim_tests::kdc::PASSWORD).unwrap();
    drop(input);
    assert!(kinit.wait().unwrap().success());
    let own = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_ticket_of_kinit_will_do_and_can_be_passed_on"])
        .env("KRB5_CONFIG", &kdc.krb5_conf)
        .env(URL, server.url())
        .status()
        .unwrap();
    assert!(own.success());
    let seen = server.stop();
    let created = seen.requests().into_iter().filter(|it| *it == "Create");
    assert_eq!(created.count(), 2, "{seen:#?}");
}
