//! TLS by the system's OpenSSL.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    self, Ssl, SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use tokio_openssl::SslStream;

use super::certificate::Leaf;
use super::tap::{Heard, Tap};
use super::{TlsError, TlsReason};
use crate::dial::Stream;
use crate::{ClientCertificate, Tls, TlsVersion};

/// The number of OpenSSL's part for TLS in its errors (`err.h`).
const ERR_LIB_SSL: i32 = 20;

/// Whether a server can be shown a certificate of the client.
pub const CLIENT_CERTIFICATES: bool = true;

/// What the callback says of the server's certificate.
type Verdict = Arc<Mutex<Option<TlsError>>>;

/// The handshake with a server that calls itself `host`: the stream and the server's certificate.
/// `heard` has what the server said in it.
pub(crate) async fn handshake(
    stream: Tap,
    heard: &Heard,
    host: &str,
    tls: &Tls,
    identity: Option<&ClientCertificate>,
) -> Result<(Stream, Vec<u8>), TlsError> {
    let verdict = Verdict::default();
    let ssl = prepare(host, tls, identity, &verdict)?;
    let mut stream = SslStream::new(ssl, stream).map_err(|error| configuration(&error))?;
    if let Err(error) = Pin::new(&mut stream).connect().await {
        let refused = verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let asked = heard.asks_for_certificate();
        return Err(refused.unwrap_or_else(|| failure(&error, asked, identity.is_some())));
    }
    let certificate = stream.ssl().peer_certificate();
    let certificate = certificate.and_then(|certificate| certificate.to_der().ok());
    match certificate {
        Some(certificate) => Ok((Box::new(stream), certificate)),
        None => Err(TlsError {
            reason: TlsReason::Certificate,
            detail: "the server has shown none".into(),
        }),
    }
}

/// The handshake with whoever is there, not by TLS 1.3: the stream and the certificate.
pub(crate) async fn handshake_unknown(
    stream: Tap,
    min: TlsVersion,
) -> Result<(Stream, Vec<u8>), TlsError> {
    let prepare = || {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        limits(&mut builder, min, true)?;
        builder.set_verify(SslVerifyMode::NONE);
        let ssl = builder.build().configure()?;
        ssl.verify_hostname(false)
            .use_server_name_indication(false)
            .into_ssl("")
    };
    let ssl = prepare().map_err(|error| configuration(&error))?;
    let mut stream = SslStream::new(ssl, stream).map_err(|error| configuration(&error))?;
    let connected = Pin::new(&mut stream).connect().await;
    connected.map_err(|error| failure(&error, false, false))?;
    let certificate = stream.ssl().peer_certificate();
    let certificate = certificate.and_then(|certificate| certificate.to_der().ok());
    Ok((Box::new(stream), certificate.unwrap_or_default()))
}

fn prepare(
    host: &str,
    tls: &Tls,
    identity: Option<&ClientCertificate>,
    verdict: &Verdict,
) -> Result<Ssl, TlsError> {
    let mut builder =
        SslConnector::builder(SslMethod::tls_client()).map_err(|error| configuration(&error))?;
    limits(&mut builder, tls.min_version, identity.is_some())
        .map_err(|error| configuration(&error))?;
    if let Some(ca) = &tls.ca {
        trust(&mut builder, ca)?;
    }
    if let Some(identity) = identity {
        introduce(&mut builder, identity).map_err(|error| configuration(&error))?;
    }
    let ssl = builder.build().configure();
    let mut ssl = ssl
        .and_then(|ssl| ssl.into_ssl(host))
        .map_err(|error| configuration(&error))?;
    let (host, pin, verdict) = (host.to_owned(), tls.pin, Arc::clone(verdict));
    let skip = tls.insecure_skip_verify;
    ssl.set_verify_callback(SslVerifyMode::PEER, move |sound, context| {
        let refused = match pin {
            Some(pin) => check_pinned(context, &pin, &host),
            None if sound || skip => None,
            None => Some(refusal(context, &host)),
        };
        let good = refused.is_none();
        if let Some(refused) = refused {
            let mut verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner);
            verdict.get_or_insert(refused);
        }
        good
    });
    Ok(ssl)
}

/// Versions and strengths.
fn limits(
    builder: &mut SslConnectorBuilder,
    min: TlsVersion,
    shows_certificate: bool,
) -> Result<(), ErrorStack> {
    let version = match min {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    };
    builder.set_min_proto_version(Some(version))?;
    if shows_certificate && min < TlsVersion::V1_3 {
        // Windows asks for a client's certificate only when it knows which path is asked for, by
        // a renegotiation. TLS 1.3 has none.
        builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    }
    // Debian's default of 2 wants 2048 bits for Diffie-Hellman, and Windows Server 2012 R2 has
    // 1024 in DHE-RSA with AES-GCM: that is level 1, which also lets RSA keys of 1024 bits and
    // suites with 80 bits of strength pass, but neither RC4 nor signatures with SHA-1. TLS 1.0 and
    // 1.1 sign with MD5 and SHA-1 together, which only level 0 allows. TLS 1.3 needs nothing of the kind.
    builder.set_security_level(match min {
        TlsVersion::V1_0 | TlsVersion::V1_1 => 0,
        TlsVersion::V1_2 => 1,
        TlsVersion::V1_3 => 2,
    });
    Ok(())
}

fn trust(builder: &mut SslConnectorBuilder, ca: &str) -> Result<(), TlsError> {
    let certificates =
        X509::stack_from_pem(ca.as_bytes()).map_err(|error| configuration(&error))?;
    if certificates.is_empty() {
        return Err(TlsError {
            reason: TlsReason::Configuration,
            detail: "ca: expected certificates as PEM, found none".into(),
        });
    }
    for certificate in certificates {
        builder
            .cert_store_mut()
            .add_cert(certificate)
            .map_err(|error| configuration(&error))?;
    }
    Ok(())
}

/// Gives the server a certificate if it asks for one.
fn introduce(
    builder: &mut SslConnectorBuilder,
    identity: &ClientCertificate,
) -> Result<(), ErrorStack> {
    let mut chain = X509::stack_from_pem(identity.chain.as_bytes())?.into_iter();
    if let Some(leaf) = chain.next() {
        builder.set_certificate(&leaf)?;
    }
    for between in chain {
        builder.add_extra_chain_cert(between)?;
    }
    let key = PKey::private_key_from_pem(identity.key.expose().as_bytes())?;
    builder.set_private_key(&key)?;
    builder.check_private_key()
}

/// The server's certificate, whichever of the chain is being looked at.
fn leaf(context: &X509StoreContextRef) -> Option<Vec<u8>> {
    let leaf = context.chain()?.get(0)?;
    leaf.to_der().ok()
}

fn check_pinned(context: &X509StoreContextRef, pin: &[u8; 32], host: &str) -> Option<TlsError> {
    let der = leaf(context).unwrap_or_default();
    let reason = match Leaf::parse(&der) {
        Some(leaf) => leaf.check_pinned(pin, host).err()?,
        None => TlsReason::Certificate,
    };
    let detail = "pinned".into();
    Some(TlsError { reason, detail })
}

/// Why OpenSSL does not take the chain.
fn refusal(context: &X509StoreContextRef, host: &str) -> TlsError {
    let error = context.error();
    let depth = context.error_depth();
    let der = leaf(context).unwrap_or_default();
    let leaf = Leaf::parse(&der);
    // By the numbers of X509_verify_cert(3): the binding has no names for them.
    let reason = leaf.and_then(|leaf| match error.as_raw() {
        9 | 10 if depth == 0 => Some(leaf.out_of_time()),
        62 | 64 => Some(leaf.wrong_name(host)),
        2 | 18 | 19 | 20 | 21 | 27 => Some(leaf.untrusted()),
        _ => None,
    });
    TlsError {
        reason: reason.unwrap_or(TlsReason::Certificate),
        detail: text(error, depth),
    }
}

fn text(error: X509VerifyResult, depth: u32) -> String {
    if depth == 0 {
        error.error_string().into()
    } else {
        format!(
            "{} (certificate {depth} above the server's)",
            error.error_string()
        )
    }
}

fn configuration(error: &ErrorStack) -> TlsError {
    TlsError {
        reason: TlsReason::Configuration,
        detail: error.to_string(),
    }
}

/// Why a handshake failed, or a connection ended after it. `asked`: whether the server is known to want
/// a certificate; `shown`: whether it was given one.
fn failure(error: &ssl::Error, asked: bool, shown: bool) -> TlsError {
    let known = error.ssl_error().and_then(|stack| {
        let mut of_ssl = stack
            .errors()
            .iter()
            .filter(|error| error.library_code() == ERR_LIB_SSL);
        of_ssl.find_map(|error| reason(error.reason_code(), asked, shown))
    });
    let detail = error.to_string();
    let ended = error.ssl_error().is_none();
    let reason = known.unwrap_or(if ended {
        TlsReason::Dropped
    } else {
        TlsReason::Other
    });
    TlsError { reason, detail }
}

/// By the numbers of OpenSSL's `sslerr.h`: the binding has no names for them. Those above 1000 are the
/// server's alerts (RFC 8446, section 6.2).
fn reason(code: i32, asked: bool, shown: bool) -> Option<TlsReason> {
    match code {
        // Up to TLS 1.2 the lack of a certificate has no alert of its own.
        1040 if asked => Some(TlsReason::ClientCertificate { sent: shown }),
        // The server's choice is too old, too weak or none of ours; its own words for the same.
        191 | 193 | 258 | 259 | 266 | 394 | 1040 | 1070 | 1071 => Some(TlsReason::NothingInCommon),
        156 | 267 => Some(TlsReason::NotTls),
        1041..=1046 | 1048 | 1049 | 1116 => Some(TlsReason::ClientCertificate { sent: shown }),
        // An end without a word.
        294 => Some(TlsReason::Dropped),
        _ => None,
    }
}

/// That the server refused the client's certificate, where that is what lies behind `error`. In TLS 1.3 it
/// says so only after the handshake.
pub(crate) fn refusal_behind(error: &(dyn Error + 'static), shown: bool) -> Option<TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let within = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(error) = within.and_then(|error| error.downcast_ref::<ssl::Error>()) {
            let found = failure(error, true, shown);
            return matches!(found.reason, TlsReason::ClientCertificate { .. }).then_some(found);
        }
        next = error.source();
    }
    None
}
