//! [`open`]: the PKCS #12 file with the certificate that servers know an account by.

use std::path::{Path, PathBuf};

use owaim_inventory::SecretSource;
use owaim_transport::{ClientCertificate, Secret};
use p12_keystore::{CertificateBag, Pkcs12Archive, PrivateKeyBag};
use pem_rfc7468::LineEnding;
use rcgen::PublicKeyData as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::secret_source::{SecretError, read_secret};

/// A certificate of the client that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificateError {
    /// It cannot be read.
    #[error("the client certificate cannot be read from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: std::io::Error,
    },
    /// Its password cannot be had.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// It does not open.
    #[error(
        "the client certificate {} cannot be opened: its password is another, or it is no PKCS #12 file ({detail})",
        path.display()
    )]
    Closed {
        /// The file.
        path: PathBuf,
        /// The reader's word.
        detail: String,
    },
    /// It does not hold what is needed.
    #[error("the client certificate {} holds {keys} private keys and {found}; expected one private key and its certificate", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// How many keys it holds.
        keys: usize,
        /// What else.
        found: &'static str,
    },
}

/// Opens the file at `path` with the password that `password` refers to.
pub(crate) fn open(
    path: &Path,
    password: &SecretSource,
) -> Result<ClientCertificate, ClientCertificateError> {
    let file = std::fs::read(path).map_err(|source| ClientCertificateError::Read {
        path: path.into(),
        source,
    })?;
    let of = format!("the client certificate {}", path.display());
    let password = read_secret(&of, password)?;
    let archive = Pkcs12Archive::from_pkcs12(&file, password.expose()).map_err(|error| {
        ClientCertificateError::Closed {
            path: path.into(),
            detail: error.to_string(),
        }
    })?;
    let content = |found| ClientCertificateError::Content {
        path: path.into(),
        keys: archive.keys.len(),
        found,
    };
    let [key] = archive.keys.as_slice() else {
        return Err(content("certificates"));
    };
    let own =
        own(&archive.certs, key).ok_or_else(|| content("no certificate that belongs to it"))?;
    let others = archive.certs.iter().filter(|bag| !std::ptr::eq(*bag, own));
    let pem = |label, der| {
        let text = pem_rfc7468::encode_string(label, LineEnding::LF, der);
        text.map_err(|_| content("more than can be written as PEM"))
    };
    let chain: Result<String, _> = std::iter::once(own)
        .chain(others)
        .map(|bag| pem("CERTIFICATE", bag.cert.as_der()))
        .collect();
    Ok(ClientCertificate {
        name: own.cert.subject().to_owned(),
        chain: chain?,
        key: Secret::new(pem("PRIVATE KEY", key.key.as_der())?),
    })
}

/// The one of `certificates` that belongs to `key`: by the file's word, else by its public key, else
/// because it is the only one.
fn own<'a>(certificates: &'a [CertificateBag], key: &PrivateKeyBag) -> Option<&'a CertificateBag> {
    let find = |belongs: &dyn Fn(&CertificateBag) -> bool| {
        certificates.iter().find(|certificate| belongs(certificate))
    };
    let id = key.local_key_id.as_ref().map(AsRef::as_ref);
    find(&|certificate| id.is_some() && certificate.local_key_id.as_deref() == id)
        .or_else(|| {
            let key = rcgen::KeyPair::try_from(key.key.as_der()).ok()?;
            let public = key.subject_public_key_info();
            find(&|certificate| public_key(certificate).is_some_and(|found| found == public))
        })
        .or(match certificates {
            [only] => Some(only),
            _ => None,
        })
}

/// The public key of a certificate, as DER.
fn public_key(certificate: &CertificateBag) -> Option<&[u8]> {
    let (_, parsed) = X509Certificate::from_der(certificate.cert.as_der()).ok()?;
    Some(parsed.tbs_certificate.subject_pki.raw)
}

#[cfg(test)]
mod tests {
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// Opens one of the files that `openssl pkcs12 -export` made for the lab's tests.
    fn opened(file: &str, password: &str) -> Result<ClientCertificate, ClientCertificateError> {
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/src/world/tests/pfx");
        opened_at(&Path::new(files).join(file), password)
    }

    fn opened_at(path: &Path, password: &str) -> Result<ClientCertificate, ClientCertificateError> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("password");
        std::fs::write(&source, password).unwrap();
        open(path, &SecretSource::File(source))
    }

    /// Opens a file with a key, and with these certificates that do not say whose they are.
    fn unnamed(
        key: &KeyPair,
        certificates: &[&Certificate],
    ) -> Result<ClientCertificate, ClientCertificateError> {
        let mut store = KeyStore::new();
        let key = PrivateKey::from_der(&key.serialize_der()).unwrap();
        let chain = PrivateKeyChain::new("1", key, []);
        store.add_entry("key", KeyStoreEntry::PrivateKeyChain(chain));
        for (number, certificate) in certificates.iter().enumerate() {
            let entry = KeyStoreEntry::Certificate((*certificate).clone());
            store.add_entry(&format!("certificate {number}"), entry);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unnamed.pfx");
        std::fs::write(&path, store.writer(PASSWORD).write().unwrap()).unwrap();
        opened_at(&path, PASSWORD)
    }

    fn certificate(name: &str, key: &KeyPair) -> Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        Certificate::from_der(params.self_signed(key).unwrap().der()).unwrap()
    }

    #[test]
    fn a_certificate_that_does_not_say_so_is_known_by_its_key() {
        let (ours, other, third) = (
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
            KeyPair::generate().unwrap(),
        );
        let own = certificate("own.example", &ours);
        let issuer = certificate("issuer.example", &other);
        for certificates in [&[&own][..], &[&own, &issuer], &[&issuer, &own]] {
            let opened = unnamed(&ours, certificates).unwrap();
            assert!(opened.name.contains("own.example"), "{opened:?}");
            let count = opened.chain.matches("BEGIN CERTIFICATE").count();
            assert_eq!(count, certificates.len());
        }
        // The only one will do, whatever its key; of two strangers neither.
        assert!(unnamed(&third, &[&own]).is_ok());
        let said = unnamed(&third, &[&own, &issuer]).unwrap_err().to_string();
        assert!(said.contains("no certificate that belongs to it"), "{said}");
    }

    const PASSWORD: &str = "p\"w '\u{fc}\u{20ac}";

    #[test]
    fn a_certificate_and_its_key_come_as_pem() {
        let certificate = opened("modern.pfx", PASSWORD).unwrap();
        assert!(
            certificate.name.contains("owa.fabrikam.test"),
            "{certificate:?}"
        );
        for (text, label) in [
            (certificate.chain.as_str(), "CERTIFICATE"),
            (certificate.key.expose(), "PRIVATE KEY"),
        ] {
            assert!(text.starts_with(&format!("-----BEGIN {label}-----\n")));
            assert!(text.ends_with(&format!("-----END {label}-----\n")));
            assert!(text.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn what_will_not_do_is_said() {
        for (file, password, expected) in [
            ("none.pfx", PASSWORD, "cannot be read from"),
            ("modern.pfx", "other", "cannot be opened"),
            ("no-key.pfx", PASSWORD, "holds 0 private keys"),
        ] {
            let said = opened(file, password).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains(PASSWORD), "{said}");
        }
    }
}
