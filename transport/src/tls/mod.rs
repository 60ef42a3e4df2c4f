//! TLS between us and the server, and what it says about the server.
//!
//! [`connect`] makes it, by the system's own library: OpenSSL on Unix, SChannel on Windows. What is
//! known afterwards is [`TlsInfo`]; why there is none is [`TlsReason`].

mod binding;
mod certificate;
#[cfg(not(windows))]
mod openssl;
mod refusal;
#[cfg(windows)]
mod schannel;
mod tap;

#[cfg(not(windows))]
use openssl as system;
#[cfg(windows)]
use schannel as system;
use sha2::{Digest as _, Sha256};

pub(crate) use binding::ChannelBinding;
pub use refusal::TlsReason;
pub use system::CLIENT_CERTIFICATES;
pub(crate) use system::refusal_behind;

use crate::dial::Stream;
use crate::{ClientCertificate, Tls, TlsVersion};
use tap::Tap;

/// What a TLS connection is like.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// Version of the protocol: `TLS 1.2`.
    pub version: String,
    /// Cipher suite, by the name that IANA gives it.
    pub cipher_suite: String,
    /// The server's certificate, as DER.
    pub certificate: Vec<u8>,
}

impl TlsInfo {
    /// SHA-256 of the server's certificate, as a pin has it: hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.certificate))
    }
}

/// Why a TLS connection did not come about, and what the library says.
#[derive(Debug)]
pub(crate) struct TlsError {
    pub(crate) reason: TlsReason,
    pub(crate) detail: String,
}

/// TLS over `stream` with a server that calls itself `host`. It is trusted as `tls` says, and shown
/// `identity` if it asks for a certificate.
pub(crate) async fn connect(
    stream: Stream,
    host: &str,
    tls: &Tls,
    identity: Option<&ClientCertificate>,
) -> Result<(Stream, TlsInfo), TlsError> {
    let (stream, heard) = Tap::new(stream);
    let (stream, certificate) = system::handshake(stream, &heard, host, tls, identity).await?;
    let (version, cipher_suite) = heard.agreed().unwrap_or(("unknown", "unknown".into()));
    let info = TlsInfo {
        version: version.into(),
        cipher_suite,
        certificate,
    };
    Ok((stream, info))
}

/// TLS over `stream` with whoever is there, for a protocol that finds that out by itself: any
/// certificate will do. At the end both sides have said that they are done, which TLS 1.3
/// leaves out: whatever `min_version` is, this is TLS 1.2 at most.
pub(crate) async fn connect_unknown(
    stream: Stream,
    min_version: TlsVersion,
) -> Result<(Stream, TlsInfo), TlsError> {
    let (stream, heard) = Tap::new(stream);
    let min_version = min_version.min(TlsVersion::V1_2);
    let (stream, certificate) = system::handshake_unknown(stream, min_version).await?;
    let (version, cipher_suite) = heard.agreed().unwrap_or(("unknown", "unknown".into()));
    let info = TlsInfo {
        version: version.into(),
        cipher_suite,
        certificate,
    };
    Ok((stream, info))
}
