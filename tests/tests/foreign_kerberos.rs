//! Kerberos against MIT krb5, which nobody here wrote: its key distribution centre gives the
//! tickets, and its GSS library, by `pyspnego`, accepts them and opens what they seal.

#![allow(clippy::unwrap_used)]
// It drives programs of this machine.
#![cfg(unix)]

use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::foreign::{ForeignServer, credential};
use owaim_tests::kdc::{HOST, Kdc, KdcOptions, REALM};
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
        println!("{:#}", seen.0);
        assert_eq!(seen.requests().len(), 5, "{name}: {:?}", seen.requests());
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
    let skewed = problem(&kdc, owaim(&kdc)).await;
    let KerberosError::ClockSkew { whose, .. } = &skewed else {
        panic!("{skewed}");
    };
    assert!(whose.contains(HOST), "{skewed}");
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
