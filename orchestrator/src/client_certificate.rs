//! [`open`]: the PKCS #12 file with the certificate that servers know an account by.

use std::path::{Path, PathBuf};

use owaim_inventory::SecretSource;
use owaim_transport::{ClientCertificate, Secret};
use p12_keystore::Pkcs12Archive;
use pem_rfc7468::LineEnding;

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
    let id = key.local_key_id.as_ref().map(AsRef::as_ref);
    let (own, others): (Vec<_>, Vec<_>) = archive
        .certs
        .iter()
        .partition(|bag| id.is_some() && bag.local_key_id.as_deref() == id);
    let [certificate] = own.as_slice() else {
        return Err(content("no certificate that belongs to it"));
    };
    let pem = |label, der| {
        let text = pem_rfc7468::encode_string(label, LineEnding::LF, der);
        text.map_err(|_| content("more than can be written as PEM"))
    };
    let chain = own.iter().chain(&others);
    let chain: Result<String, _> = chain
        .map(|bag| pem("CERTIFICATE", bag.cert.as_der()))
        .collect();
    Ok(ClientCertificate {
        name: certificate.cert.subject().to_owned(),
        chain: chain?,
        key: Secret::new(pem("PRIVATE KEY", key.key.as_der())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens one of the files that `openssl pkcs12 -export` made for the lab's tests.
    fn opened(file: &str, password: &str) -> Result<ClientCertificate, ClientCertificateError> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("password");
        std::fs::write(&source, password).unwrap();
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/src/world/tests/pfx");
        open(&Path::new(files).join(file), &SecretSource::File(source))
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
