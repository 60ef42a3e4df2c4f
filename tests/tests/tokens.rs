//! Tokens of SPNEGO, NTLM, Kerberos and CredSSP that others wrote, Windows among them: the crates
//! that the logons are built on read them and write the same bytes again.
//!
//! They are the files of `tests/data` of pyspnego's source distribution. Every one of them is in
//! [`FILES`].
#![allow(clippy::unwrap_used)]
// What it reads is fetched by a Python of this machine.
#![cfg(unix)]

use std::collections::BTreeSet;

use owaim_tests::interop::Interop;
use picky_asn1_der::{from_bytes, to_vec};
use picky_krb::credssp::{TsCredentials, TsPasswordCreds, TsRemoteGuardCreds, TsSmartCardCreds};
use picky_krb::gss_api::{ApplicationTag0, GssApiNegInit, KrbMessage, NegTokenTarg1};
use picky_krb::messages::{ApRep, ApReq, KdcRep, KdcReq, KrbErrorInner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sspi::credssp::TsRequest;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation, Error,
    ErrorKind, Ntlm, SecurityBuffer, ServerRequestFlags, Sspi as _, SspiImpl as _, Username,
};

/// What becomes of a token.
enum Outcome {
    /// It was read and written: these bytes.
    Again(Vec<u8>),
    /// It was read; the crate has no way to write it, or not this form of it.
    Read,
    /// It is not read, for this reason.
    Left(&'static str),
}

/// A file and who reads it.
type File = (&'static str, fn(&[u8]) -> Outcome);

const FILES: [File; 32] = [
    (
        "credssp_ts_credential_password",
        credentials::<TsPasswordCreds>,
    ),
    (
        "credssp_ts_credential_remote_guard_empty_supplemental",
        credentials::<TsRemoteGuardCreds>,
    ),
    (
        "credssp_ts_credential_remote_guard_multiple",
        credentials::<TsRemoteGuardCreds>,
    ),
    (
        "credssp_ts_credential_remote_guard_no_supplemental",
        credentials::<TsRemoteGuardCreds>,
    ),
    (
        "credssp_ts_credential_smart_card",
        credentials::<TsSmartCardCreds>,
    ),
    (
        "credssp_ts_credential_smart_card_full",
        credentials::<TsSmartCardCreds>,
    ),
    (
        "credssp_ts_remote_guard_ms_example",
        der::<TsRemoteGuardCreds>,
    ),
    ("credssp_ts_request", ts_request),
    ("initial_context_token_krb_ap_rep", krb_message::<ApRep>),
    ("initial_context_token_krb_ap_req", krb_message::<ApReq>),
    (
        "initial_context_token_neg_token_init",
        der::<ApplicationTag0<GssApiNegInit>>,
    ),
    // Only a server sends it, and only to one who has not said anything yet.
    ("initial_context_token_neg_token_init2", |_| {
        Outcome::Left("a hint")
    }),
    ("krb_as_rep", der::<KdcRep>),
    ("krb_as_req", der::<KdcReq>),
    ("krb_error", der::<KrbErrorInner>),
    ("krb_tgs_rep", der::<KdcRep>),
    ("krb_tgs_req", der::<KdcReq>),
    ("neg_token_resp", neg_token_resp),
    ("ntlm_authenticate", ntlm_authenticate),
    ("ntlm_authenticate_no_sign_seal", ntlm_authenticate),
    ("ntlm_challenge", ntlm_challenge),
    ("ntlm_negotiate", ntlm_negotiate),
    ("pyspnego.ps1", |_| Outcome::Left("a script")),
    ("tls1.0_client_hello", tls),
    ("tls1.0_server_hello", tls),
    ("tls1.1_client_hello", tls),
    ("tls1.1_server_hello", tls),
    ("tls1.2_client_hello", tls),
    ("tls1.2_client_key_exchange", tls),
    ("tls1.2_server_hello", tls),
    ("tls1.3_client_hello", tls),
    ("tls1.3_server_hello", tls),
];

fn der<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Outcome {
    let token: T = from_bytes(bytes).unwrap();
    Outcome::Again(to_vec(&token).unwrap())
}

/// The credentials, and what is within them.
fn credentials<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Outcome {
    let mut credentials: TsCredentials = from_bytes(bytes).unwrap();
    let inner: T = from_bytes(&credentials.credentials.0.0).unwrap();
    credentials.credentials.0.0 = to_vec(&inner).unwrap();
    Outcome::Again(to_vec(&credentials).unwrap())
}

/// Its nonce is made up and has 12 octets, where the protocol has 32 ([MS-CSSP] 2.2.1): with such a
/// one in its place it is read.
fn ts_request(bytes: &[u8]) -> Outcome {
    assert!(TsRequest::from_buffer(bytes).is_err());
    let short = b"client nonce";
    let (before, head) = bytes.split_at(bytes.len() - short.len() - 4);
    assert_eq!(head, [&[0xa5, 14, 4, 12], short.as_slice()].concat());
    let mut whole = [before, &[0xa5, 34, 4, 32], &[7; 32]].concat();
    whole[1] += 20;
    let request = TsRequest::from_buffer(&whole).unwrap();
    assert_eq!(request.version, 6);
    let mut again = Vec::new();
    request.encode_ts_request(&mut again).unwrap();
    assert_eq!(again, whole);
    Outcome::Read
}

fn krb_message<T>(bytes: &[u8]) -> Outcome
where
    T: Serialize + DeserializeOwned + std::fmt::Debug + PartialEq,
{
    let token = KrbMessage::<T>::decode_application_krb_message(bytes).unwrap();
    Outcome::Again(to_vec(&token).unwrap())
}

/// SPNEGO's answer, with the AP-REP of Kerberos in it.
fn neg_token_resp(bytes: &[u8]) -> Outcome {
    let token: NegTokenTarg1 = from_bytes(bytes).unwrap();
    let inner = token.0.response_token.0.as_ref().unwrap();
    assert!(
        matches!(krb_message::<ApRep>(&inner.0.0), Outcome::Again(again) if again == inner.0.0)
    );
    Outcome::Again(to_vec(&token).unwrap())
}

/// A hello or a key exchange.
fn tls(bytes: &[u8]) -> Outcome {
    let (rest, _) = tls_parser::parse_tls_plaintext(bytes).unwrap();
    assert!(rest.len() < bytes.len());
    Outcome::Read
}

/// A message of a client goes to a server, and the other way round: sspi tells of the messages only
/// by what it does then.
fn ntlm_step(ntlm: &mut Ntlm, usage: CredentialUse, token: &[u8]) -> Result<Vec<u8>, Error> {
    let identity = AuthIdentity {
        username: Username::parse("LITWAREINC\\owaim").unwrap(),
        password: String::from("secret").into(),
    };
    let mut credentials = ntlm
        .acquire_credentials_handle()
        .with_credential_use(usage)
        .with_auth_data(&identity)
        .execute(ntlm)
        .unwrap()
        .credentials_handle;
    let mut input = [SecurityBuffer::new(token.to_vec(), BufferType::Token)];
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    if usage == CredentialUse::Outbound {
        let mut builder = ntlm
            .initialize_security_context()
            .with_credentials_handle(&mut credentials)
            .with_context_requirements(ClientRequestFlags::CONFIDENTIALITY)
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        ntlm.initialize_security_context_impl(&mut builder)?
            .resolve_to_result()?;
    } else {
        let builder = ntlm
            .accept_security_context()
            .with_credentials_handle(&mut credentials)
            .with_context_requirements(ServerRequestFlags::CONFIDENTIALITY)
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        ntlm.accept_security_context_impl(builder)?
            .resolve_to_result()?;
    }
    let [token] = output;
    Ok(token.buffer)
}

fn ntlm_negotiate(bytes: &[u8]) -> Outcome {
    let challenge = ntlm_step(&mut Ntlm::new(), CredentialUse::Inbound, bytes).unwrap();
    assert!(challenge.starts_with(b"NTLMSSP\0\x02"));
    Outcome::Read
}

fn ntlm_challenge(bytes: &[u8]) -> Outcome {
    let mut client = Ntlm::new();
    ntlm_step(&mut client, CredentialUse::Outbound, &[]).unwrap();
    let answer = ntlm_step(&mut client, CredentialUse::Outbound, bytes).unwrap();
    assert!(answer.starts_with(b"NTLMSSP\0\x03"));
    Outcome::Read
}

/// It answers a challenge that another server gave.
fn ntlm_authenticate(bytes: &[u8]) -> Outcome {
    let mut server = Ntlm::new();
    let mut client = Ntlm::new();
    let negotiate = ntlm_step(&mut client, CredentialUse::Outbound, &[]).unwrap();
    ntlm_step(&mut server, CredentialUse::Inbound, &negotiate).unwrap();
    match ntlm_step(&mut server, CredentialUse::Inbound, bytes) {
        Ok(_) => Outcome::Read,
        Err(error) => {
            assert_ne!(error.error_type, ErrorKind::InvalidToken, "{error}");
            Outcome::Read
        }
    }
}

#[test]
fn tokens_of_others_are_read_and_written_as_they_were() {
    let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
    let folder = interop
        .source_distribution("pyspnego-0.12.4")
        .join("tests/data");
    let names: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "py"))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let known: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(names, known);
    let (mut again, mut read, mut left) = (0, 0, Vec::new());
    for (name, outcome) in FILES {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        match outcome(&bytes) {
            Outcome::Again(written) => {
                assert_eq!(hex::encode(written), hex::encode(bytes), "{name}");
                again += 1;
            }
            Outcome::Read => read += 1,
            Outcome::Left(reason) => left.push((name, reason)),
        }
    }
    assert_eq!((again, read, left.len()), (16, 14, 2), "{left:?}");
}
