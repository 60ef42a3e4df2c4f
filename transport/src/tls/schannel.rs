//! TLS by SChannel, the system's own on Windows.

use std::error::Error;

use native_tls::{Certificate, Protocol, TlsConnector};
use tls_parser::TlsMessageHandshake;

use super::certificate::Leaf;
use super::tap::{Heard, Tap};
use super::{TlsError, TlsReason};
use crate::dial::Stream;
use crate::{ClientCertificate, Tls, TlsVersion};

/// Whether a server can be shown a certificate of the client.
///
/// The system signs in a process of its own and takes keys from its store alone. `native-tls` puts one
/// there and leaves it behind when the program ends, under a name that other processes use too.
pub const CLIENT_CERTIFICATES: bool = false;

/// The handshake with a server that calls itself `host`: the stream and the server's certificate.
/// `heard` has what the server said in it. With an `identity` it is refused.
pub(crate) async fn handshake(
    stream: Tap,
    heard: &Heard,
    host: &str,
    tls: &Tls,
    identity: Option<&ClientCertificate>,
) -> Result<(Stream, Vec<u8>), TlsError> {
    if let Some(identity) = identity {
        return Err(TlsError {
            reason: TlsReason::NoClientCertificates,
            detail: identity.name.clone(),
        });
    }
    let connector = prepare(tls).map_err(|error| TlsError {
        reason: TlsReason::Configuration,
        detail: error.to_string(),
    })?;
    let connector = tokio_native_tls::TlsConnector::from(connector);
    let stream = match connector.connect(host, stream).await {
        Ok(stream) => stream,
        Err(error) => return Err(failure(&error, heard, host)),
    };
    let certificate = stream.get_ref().peer_certificate().ok().flatten();
    let certificate = certificate.and_then(|certificate| certificate.to_der().ok());
    let none = || TlsError {
        reason: TlsReason::Certificate,
        detail: "the server has shown none".into(),
    };
    let certificate = certificate.ok_or_else(none)?;
    if let Some(pin) = &tls.pin {
        // The library asks nobody in between: checked here, before anything is sent.
        let leaf = Leaf::parse(&certificate).ok_or_else(none)?;
        leaf.check_pinned(pin, host).map_err(|reason| TlsError {
            reason,
            detail: "pinned".into(),
        })?;
    }
    Ok((Box::new(stream), certificate))
}

/// The handshake with whoever is there, not by TLS 1.3: the stream and the certificate.
pub(crate) async fn handshake_unknown(
    stream: Tap,
    min: TlsVersion,
) -> Result<(Stream, Vec<u8>), TlsError> {
    let other = |error: &native_tls::Error| TlsError {
        reason: TlsReason::Other,
        detail: error.to_string(),
    };
    let mut builder = TlsConnector::builder();
    builder
        .min_protocol_version(Some(protocol(min)))
        .max_protocol_version(Some(Protocol::Tlsv12))
        .danger_accept_invalid_certs(true)
        .danger_accept_invalid_hostnames(true)
        .use_sni(false);
    let connector = builder.build().map_err(|error| other(&error))?;
    let connector = tokio_native_tls::TlsConnector::from(connector);
    let stream = connector.connect("", stream).await;
    let stream = stream.map_err(|error| other(&error))?;
    let certificate = stream.get_ref().peer_certificate().ok().flatten();
    let certificate = certificate.and_then(|certificate| certificate.to_der().ok());
    Ok((Box::new(stream), certificate.unwrap_or_default()))
}

fn protocol(version: TlsVersion) -> Protocol {
    match version {
        TlsVersion::V1_0 => Protocol::Tlsv10,
        TlsVersion::V1_1 => Protocol::Tlsv11,
        TlsVersion::V1_2 => Protocol::Tlsv12,
        TlsVersion::V1_3 => Protocol::Tlsv13,
    }
}

fn prepare(tls: &Tls) -> native_tls::Result<TlsConnector> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(protocol(tls.min_version)));
    if let Some(ca) = &tls.ca {
        for certificate in Certificate::stack_from_pem(ca.as_bytes())? {
            builder.add_root_certificate(certificate);
        }
    }
    // A pin takes the place of the chain of trust: what it does not cover is checked afterwards.
    if tls.insecure_skip_verify || tls.pin.is_some() {
        builder.danger_accept_invalid_certs(true);
    }
    builder.build()
}

/// Why a handshake failed, by the numbers of `winerror.h`.
fn failure(error: &native_tls::Error, heard: &Heard, host: &str) -> TlsError {
    let detail = error.to_string();
    // Up to TLS 1.2 the certificate goes in clear; the library does not give one that it refused.
    let der = heard.find(|message| match message {
        TlsMessageHandshake::Certificate(certificates) => {
            Some(certificates.cert_chain.first()?.data.to_vec())
        }
        _ => None,
    });
    let leaf = der.as_deref().and_then(Leaf::parse);
    let of_leaf = |reason: &dyn Fn(&Leaf<'_>) -> TlsReason| {
        let reason = leaf.as_ref().map(reason);
        reason.unwrap_or(TlsReason::Certificate)
    };
    let reason = match number(&detail) {
        // CERT_E_EXPIRED, SEC_E_CERT_EXPIRED
        Some(0x800B_0101 | 0x8009_0328) => of_leaf(&|leaf| leaf.out_of_time()),
        // CERT_E_CN_NO_MATCH, SEC_E_WRONG_PRINCIPAL
        Some(0x800B_010F | 0x8009_0322) => of_leaf(&|leaf| leaf.wrong_name(host)),
        // CERT_E_UNTRUSTEDROOT, CERT_E_CHAINING, SEC_E_UNTRUSTED_ROOT
        Some(0x800B_0109 | 0x800B_010A | 0x8009_0325) => of_leaf(&|leaf| leaf.untrusted()),
        // CERT_E_*, TRUST_E_*
        Some(0x800B_0000..=0x800B_FFFF) => TlsReason::Certificate,
        // SEC_E_ILLEGAL_MESSAGE, SEC_E_CERT_UNKNOWN, SEC_E_NO_CREDENTIALS
        Some(0x8009_0326 | 0x8009_0327 | 0x8009_030E) if heard.asks_for_certificate() => {
            TlsReason::ClientCertificate { sent: false }
        }
        // SEC_E_UNSUPPORTED_FUNCTION, SEC_E_ALGORITHM_MISMATCH, SEC_E_ILLEGAL_MESSAGE
        Some(0x8009_0302 | 0x8009_0331 | 0x8009_0326) => TlsReason::NothingInCommon,
        // SEC_E_INVALID_TOKEN
        Some(0x8009_0308) if der.is_none() => TlsReason::NotTls,
        Some(0x8009_0300..=0x8009_03FF) => TlsReason::Other,
        _ => TlsReason::Dropped,
    };
    TlsError { reason, detail }
}

/// The number in the text of an error: the library passes on nothing else of it.
fn number(text: &str) -> Option<u32> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    let (number, _) = rest.split_once(')')?;
    number.parse::<i32>().ok().map(i32::cast_unsigned)
}

/// That the server refused the client's certificate after the handshake: SChannel does not tell
/// that from any other end.
pub(crate) fn refusal_behind(_error: &(dyn Error + 'static), _shown: bool) -> Option<TlsError> {
    None
}
