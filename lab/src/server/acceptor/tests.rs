//! Both halves of a logon in memory, and broken tokens.

#![allow(clippy::unwrap_used)]

use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, ClientRequestFlags, CredentialUse, Negotiate, NegotiateConfig, Username};

use std::sync::Arc;

use super::*;
use crate::overlay::Hardening;
use crate::server::binding::Binding;
use crate::server::kdc::Realm;

/// The client's half, by the same crate.
struct Client<P: Sspi> {
    package: P,
    credentials: P::CredentialsHandle,
}

impl<P: Sspi> Client<P> {
    fn new(mut package: P, data: &P::AuthenticationData) -> Self {
        let credentials = package
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(data)
            .execute(&mut package)
            .unwrap()
            .credentials_handle;
        Self {
            package,
            credentials,
        }
    }

    fn token(&mut self, challenge: Vec<u8>) -> Vec<u8> {
        let mut input = [SecurityBuffer::new(challenge, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .package
            .initialize_security_context()
            .with_credentials_handle(&mut self.credentials)
            .with_context_requirements(
                ClientRequestFlags::CONFIDENTIALITY | ClientRequestFlags::INTEGRITY,
            )
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name("HTTP/srv.litwareinc.com")
            .with_input(&mut input)
            .with_output(&mut output);
        let generator = self.package.initialize_security_context_impl(&mut builder);
        generator.unwrap().resolve_to_result().unwrap();
        std::mem::take(&mut output[0].buffer)
    }
}

fn identity(username: &str, password: &str) -> AuthIdentity {
    let username = Username::parse(username).unwrap();
    AuthIdentity {
        username,
        password: password.to_owned().into(),
    }
}

fn bare(username: &str, password: &str) -> Client<Ntlm> {
    Client::new(Ntlm::new(), &identity(username, password))
}

fn wrapped(username: &str, password: &str) -> Client<Negotiate> {
    let config = NegotiateConfig::new(
        Box::new(NtlmConfig::default()),
        Some("ntlm".into()),
        "client".into(),
    );
    Client::new(
        Negotiate::new_client(config).unwrap(),
        &identity(username, password).into(),
    )
}

fn accounts() -> Arc<Accounts> {
    let mut accounts = Accounts::default();
    assert_eq!(accounts.add("LITWAREINC\\owaim", "first").unwrap(), "first");
    assert_eq!(
        accounts.add("litwareinc\\OWAIM", "second").unwrap(),
        "first"
    );
    assert_eq!(accounts.add("owaim", "third").unwrap(), "first");
    assert_eq!(accounts.add("OTHER\\owaim", "fourth").unwrap(), "fourth");
    assert_eq!(
        accounts.add("admin@litwareinc.com", "fifth").unwrap(),
        "fifth"
    );
    assert!(accounts.add("A\\b\\c", "sixth").is_err());
    Arc::new(accounts)
}

/// A host and what it accepts tickets with.
fn door() -> (HostName, Services) {
    let host = HostName::new("srv.litwareinc.com").unwrap();
    let realm = Realm::new("litwareinc.com", accounts(), vec![host.clone()]);
    (host, Services::new(Arc::new(realm)))
}

/// One without TLS.
fn gate<'s>((host, services): &'s (HostName, Services), accounts: &'s Arc<Accounts>) -> Gate<'s> {
    Gate {
        host,
        services,
        accounts,
        credssp: None,
        ntlm: true,
        bindings: BindingPolicy {
            own: None,
            hardening: Hardening::Relaxed,
        },
        sealed: true,
    }
}

/// The account that the acceptor takes the client for.
fn log_on<P: Sspi>(client: Client<P>) -> Result<String, AcceptError> {
    log_on_at(gate(&door(), &accounts()), client)
}

fn log_on_at<P: Sspi>(gate: Gate<'_>, mut client: Client<P>) -> Result<String, AcceptError> {
    let mut acceptor = Acceptor::new();
    let first = acceptor.accept(Scheme::Negotiate, client.token(Vec::new()), gate)?;
    let Step::Continue { token, .. } = first else {
        panic!("{first:?}")
    };
    match acceptor.accept(Scheme::Negotiate, client.token(token), gate)? {
        Step::Established { user, .. } => Ok(user),
        Step::Continue { token, .. } => panic!("{token:?}"),
    }
}

#[test]
fn an_account_is_known_by_its_names() {
    for (username, password, expected) in [
        ("LITWAREINC\\owaim", "first", Some("LITWAREINC\\owaim")),
        ("owaim", "first", Some("LITWAREINC\\owaim")),
        ("other\\Owaim", "fourth", Some("OTHER\\owaim")),
        (
            "admin@litwareinc.com",
            "fifth",
            Some("admin@litwareinc.com"),
        ),
        ("admin", "fifth", Some("admin@litwareinc.com")),
        ("owaim", "fourth", None),
        ("OTHER\\owaim", "first", None),
        ("nobody", "first", None),
    ] {
        let (bare, wrapped) = (
            log_on(bare(username, password)),
            log_on(wrapped(username, password)),
        );
        assert_eq!(bare.ok().as_deref(), expected, "{username} {password}");
        assert_eq!(
            wrapped.ok().as_deref(),
            expected,
            "{username} {password} in SPNEGO"
        );
    }
}

/// Every cut of `token`, and every octet of it changed.
fn broken(token: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..token.len()).map(|end| token[..end].to_vec());
    let changes = (0..token.len()).flat_map(move |position| {
        [0x00, 0x01, 0x7f, 0x80, 0xff].map(|value| {
            let mut token = token.to_vec();
            token[position] = value;
            token
        })
    });
    cuts.chain(changes)
}

fn try_broken_tokens<P: Sspi>(mut client: Client<P>) {
    let (accounts, door, mut acceptor) = (accounts(), door(), Acceptor::new());
    let first = client.token(Vec::new());
    for token in broken(&first) {
        let _ = Acceptor::new().accept(Scheme::Negotiate, token, gate(&door, &accounts));
    }
    let Ok(Step::Continue {
        token: challenge, ..
    }) = acceptor.accept(Scheme::Negotiate, first.clone(), gate(&door, &accounts))
    else {
        panic!()
    };
    for token in broken(&client.token(challenge)) {
        // Another challenge than the one that was answered: nothing can be right.
        let mut acceptor = Acceptor::new();
        let _ = acceptor.accept(Scheme::Negotiate, first.clone(), gate(&door, &accounts));
        if let Ok(Step::Established { .. }) =
            acceptor.accept(Scheme::Negotiate, token, gate(&door, &accounts))
        {
            assert!(acceptor.unseal("multipart/encrypted", b"").is_err());
        }
    }
}

#[test]
fn broken_tokens_never_panic() {
    try_broken_tokens(bare("owaim", "first"));
    try_broken_tokens(wrapped("owaim", "first"));
    for token in [
        &b""[..],
        b"\x60\x84\xff\xff\xff\xff",
        b"\x60\x00",
        b"NTLMSSP\0",
        b"NTLMSSP\0\x03\0\0\0",
        b"\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\0\x6e\0",
    ] {
        let kerberos =
            Acceptor::new().accept(Scheme::Kerberos, token.to_vec(), gate(&door(), &accounts()));
        assert!(kerberos.is_err());
        assert!(
            Acceptor::new()
                .accept(
                    Scheme::Negotiate,
                    token.to_vec(),
                    gate(&door(), &accounts())
                )
                .is_err()
        );
    }
}

#[test]
fn nothing_is_unsealed_before_a_logon() {
    let mut acceptor = Acceptor::new();
    assert!(matches!(
        acceptor.unseal("", b""),
        Err(AcceptError::NotEstablished)
    ));
    assert!(matches!(
        acceptor.seal(Vec::new(), Delimiter::Plain),
        Err(AcceptError::NotEstablished)
    ));
}

#[test]
fn ntlm_is_refused_where_it_is_off_or_bound_to_another_channel() {
    let accounts = accounts();
    let own = door();
    let door = |hardening| Gate {
        bindings: BindingPolicy {
            own: Binding::given(&[7; 16]),
            hardening,
        },
        sealed: false,
        ..gate(&own, &accounts)
    };
    let client = || bare("owaim", "first");
    let other = || {
        let mut client = client();
        client
            .package
            .set_channel_bindings(b"tls-server-end-point:other");
        client
    };
    assert!(log_on_at(door(Hardening::Relaxed), client()).is_ok());
    assert!(log_on_at(door(Hardening::None), other()).is_ok());
    for refused in [
        log_on_at(door(Hardening::Relaxed), other()),
        log_on_at(door(Hardening::Strict), client()),
    ] {
        assert!(matches!(refused, Err(AcceptError::Binding)), "{refused:?}");
    }
    let off = Gate {
        ntlm: false,
        ..gate(&own, &accounts)
    };
    for token in [
        client().token(Vec::new()),
        wrapped("owaim", "first").token(Vec::new()),
    ] {
        let refused = Acceptor::new().accept(Scheme::Negotiate, token, off);
        assert!(matches!(refused, Err(AcceptError::Off { .. })));
    }
}
