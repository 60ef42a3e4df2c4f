//! [`Authority`]: the lab's certification authority for its own doors, and the certificates it gives.
//!
//! Not of the simulated world: there servers have certificates of their own. It is kept beside the
//! state, so that whoever trusts it once can go on doing so.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use owaim_inventory::HostName;
use pem_rfc7468::LineEnding;
use rcgen::{CertificateParams, KeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use x509_parser::extensions::GeneralName;

use super::binding::Binding;
use super::credssp;
use crate::endpoints::{CertificateEntry, Password};
use crate::world::model::{
    Certificate, IssueError, Purpose, Request, SigningKey, USER_PRINCIPAL_NAME,
};

/// Length of keys of RSA.
const RSA_BITS: usize = 2048;

/// Why the lab has no certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Its authority cannot be kept.
    #[error("the lab cannot {action} its certification authority {path}: {source}")]
    Keep {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error("the lab has no certificate for its endpoints: {detail}")]
    Issue {
        /// Why.
        detail: String,
    },
    /// The TLS library refuses what it is given.
    #[error("the lab cannot offer TLS: {0}")]
    Library(#[from] rustls::Error),
}

impl From<IssueError> for TlsError {
    fn from(error: IssueError) -> Self {
        Self::Issue {
            detail: error.to_string(),
        }
    }
}

/// What a listener needs for TLS.
#[derive(Clone)]
pub(crate) struct TlsDoor {
    pub(crate) config: Arc<ServerConfig>,
    /// What a logon through this door is bound to.
    pub(crate) binding: Binding,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: [u8; 32],
}

/// The authority and what it takes to use it.
pub(crate) struct Authority {
    key: SigningKey,
    provider: Arc<CryptoProvider>,
}

impl Authority {
    /// The authority kept in `folder`, made now if there is none.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, TlsError> {
        let make = || SigningKey::root("owaim lab endpoints", Timestamp::now());
        let key = match folder {
            None => make()?,
            Some(folder) => {
                let path = folder.join("authority.json");
                let keep = |action, source| TlsError::Keep {
                    action,
                    path: path.clone(),
                    source,
                };
                match fs::read(&path) {
                    Ok(bytes) => serde_json::from_slice(&bytes)
                        .map_err(|error| keep("read", error.into()))?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        let key = make()?;
                        let bytes = serde_json::to_vec(&key);
                        let bytes = bytes.map_err(|error| keep("write", error.into()))?;
                        owaim_platform::replace_private_file(&path, &bytes)
                            .map_err(|error| keep("write", error))?;
                        key
                    }
                    Err(error) => return Err(keep("read", error)),
                }
            }
        };
        Ok(Self {
            key,
            provider: Arc::new(ring::default_provider()),
        })
    }

    /// Its own certificate, as PEM.
    pub(crate) fn pem(&self) -> Result<String, TlsError> {
        pem("CERTIFICATE", &self.key.certificate.der)
    }

    /// The TLS of a host's door at `address`. `with_clients`: clients may show certificates.
    pub(crate) fn door(
        &self,
        host: &HostName,
        address: IpAddr,
        with_clients: bool,
    ) -> Result<TlsDoor, TlsError> {
        let names = vec![host.to_string(), "localhost".into(), address.to_string()];
        let mut request = Request::good(host.as_str(), names, Timestamp::now());
        request.purposes = vec![Purpose::Server];
        let certificate = self.key.issue(&request)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?;
        let builder = if with_clients {
            builder.with_client_cert_verifier(self.client_verifier()?)
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from(certificate.der.clone())];
        let config = builder.with_single_cert(chain, private_key(&certificate))?;
        Ok(TlsDoor {
            config: Arc::new(config),
            binding: Binding::of_certificate(&certificate.der),
            fingerprint: Sha256::digest(&certificate.der).into(),
        })
    }

    /// A certificate by which `principal` (`user@domain`) logs on.
    pub(crate) fn client(&self, principal: &str) -> Result<CertificateEntry, TlsError> {
        let mut request = Request::good(principal, Vec::new(), Timestamp::now());
        request.user = Some(principal.into());
        request.purposes = vec![Purpose::Client];
        let certificate = self.key.issue(&request)?;
        let key = private_key(&certificate);
        Ok(CertificateEntry {
            certificate: pem("CERTIFICATE", &certificate.der)?,
            key: Password::new(pem("PRIVATE KEY", key.secret_der())?),
        })
    }

    /// What CredSSP shows: a certificate with an RSA key that a server makes itself, and TLS 1.2, as
    /// Windows does.
    pub(crate) fn credssp(&self) -> Result<credssp::Identity, TlsError> {
        let failed = |detail: String| TlsError::Issue { detail };
        let key = RsaPrivateKey::new(&mut rand::rng(), RSA_BITS);
        let key = key.map_err(|error| failed(error.to_string()))?;
        let key = key
            .to_pkcs8_der()
            .map_err(|error| failed(error.to_string()))?;
        let made = KeyPair::try_from(key.as_bytes()).and_then(|pair| {
            CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&pair)
        });
        let certificate = made.map_err(|error| failed(error.to_string()))?;
        let public_key = x509_parser::parse_x509_certificate(certificate.der())
            .map(|(_, parsed)| parsed.public_key().subject_public_key.data.to_vec())
            .map_err(|error| failed(error.to_string()))?;
        let key = PrivatePkcs8KeyDer::from(key.as_bytes().to_vec());
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())?;
        Ok(credssp::Identity {
            config: Arc::new(config),
            public_key,
        })
    }

    fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.key.certificate.der.clone()))?;
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Issue {
                detail: error.to_string(),
            })
    }
}

/// The user principal name in a client's certificate.
pub(crate) fn principal(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| {
        let GeneralName::OtherName(kind, value) = name else {
            return None;
        };
        let is_user = kind.iter().is_some_and(|arcs| arcs.eq(USER_PRINCIPAL_NAME));
        // [0] EXPLICIT UTF8String, of a name that fits into one octet of length.
        let [0xa0, _, 0x0c, length, text @ ..] = *value else {
            return None;
        };
        let text = is_user.then_some(text)?.get(..usize::from(*length))?;
        String::from_utf8(text.to_vec()).ok()
    })
}

fn private_key(certificate: &Certificate) -> PrivateKeyDer<'static> {
    let key = certificate.key.as_ref().map(|key| key.0.clone());
    PrivatePkcs8KeyDer::from(key.unwrap_or_default()).into()
}

fn pem(label: &str, der: &[u8]) -> Result<String, TlsError> {
    pem_rfc7468::encode_string(label, LineEnding::LF, der).map_err(|error| TlsError::Issue {
        detail: error.to_string(),
    })
}
