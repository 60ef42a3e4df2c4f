//! [`open`]: the PKCS #12 file that a site file names, opened and judged before anything is
//! contacted.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use owaim_inventory::Site;
use owaim_steps::Pfx;
use p12_keystore::Pkcs12Archive;

use crate::secret_source::{SecretError, read_secret};

/// A certificate file that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFileError {
    /// It cannot be read.
    #[error("the certificate to import cannot be read from {}: {source}", path.display())]
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
        "the certificate file {} cannot be opened: its password is another, or it is no PKCS #12 file ({detail})",
        path.display()
    )]
    Closed {
        /// The file.
        path: PathBuf,
        /// The reader's word.
        detail: String,
    },
    /// It does not hold what is needed.
    #[error("the certificate file {} holds {found}; expected one private key and its certificate", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// Its certificate is not the one that the site file asks for.
    #[error(
        "the certificate {thumbprint} of {} is not what [certificate] asks for: {defects}",
        path.display()
    )]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The certificate.
        thumbprint: String,
        /// What is wrong with it.
        defects: String,
    },
}

/// Opens what `site` wants imported, if anything; paths are relative to the folder of `site_file`.
pub fn open(
    site: &Site,
    site_file: &Path,
    now: Timestamp,
) -> Result<Option<Pfx>, CertificateFileError> {
    let rule = &site.certificate;
    let Some(import) = &rule.import else {
        return Ok(None);
    };
    let folder = site_file.parent().unwrap_or(Path::new(""));
    let path = folder.join(&import.pfx);
    let file = std::fs::read(&path).map_err(|source| CertificateFileError::Read {
        path: path.clone(),
        source,
    })?;
    let password = read_secret(
        &format!("the certificate file {}", path.display()),
        &import.password,
    )?;
    let archive = Pkcs12Archive::from_pkcs12(&file, password.expose()).map_err(|error| {
        CertificateFileError::Closed {
            path: path.clone(),
            detail: error.to_string(),
        }
    })?;
    let content = |found: String| CertificateFileError::Content {
        path: path.clone(),
        found,
    };
    let der = certificate(&archive).map_err(content)?;
    let pfx = Pfx::new(file, password, der)
        .map_err(|error| content(format!("a certificate that cannot be read ({error})")))?;
    let defects = pfx.defects(rule, &rule.subject, &site.certificate_names(), now);
    if defects.is_empty() {
        return Ok(Some(pfx));
    }
    Err(CertificateFileError::Unfit {
        path,
        thumbprint: pfx.thumbprint().to_string(),
        defects: defects.join(", "),
    })
}

/// The certificate that the key of `archive` belongs to; what is there instead, for people.
fn certificate(archive: &Pkcs12Archive) -> Result<&[u8], String> {
    let [key] = archive.keys.as_slice() else {
        return Err(match archive.keys.len() {
            0 => "no private key".into(),
            count => format!("{count} private keys"),
        });
    };
    let id = key.local_key_id.as_ref();
    archive
        .certs
        .iter()
        .find(|bag| id.is_some() && bag.local_key_id.as_deref() == id.map(AsRef::as_ref))
        .map(|bag| bag.cert.as_der())
        .ok_or_else(|| "no certificate that belongs to its key".into())
}

#[cfg(test)]
mod tests {
    use owaim_inventory::{
        CertificateImport, CertificateRule, HostName, SecretSource, Thumbprint, parse,
    };

    use super::*;

    const NOW: &str = "2030-01-01T12:00:00Z";
    const THUMBPRINT: &str = "ED54535D4450D1E2039E49CA6B7F4FA9BC6512CF";

    /// Opens one of the files that `openssl pkcs12 -export` made for the lab's tests.
    fn opened(
        file: &str,
        password: &str,
        edit: impl FnOnce(&mut CertificateRule),
    ) -> Result<Option<Pfx>, CertificateFileError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), password).unwrap();
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/src/world/tests/pfx");
        let mut rule = CertificateRule {
            subject: HostName::new("owa.fabrikam.test").unwrap(),
            thumbprint: None,
            warn_days: 30,
            import: Some(CertificateImport {
                pfx: file.into(),
                password: SecretSource::File(folder.path().join("password")),
            }),
            request: false,
        };
        edit(&mut rule);
        let mut site = parse("site.toml", include_str!("../../examples/litware.toml")).unwrap();
        site.certificate = rule;
        let site_file = Path::new(files).join("site.toml");
        open(&site, &site_file, NOW.parse().unwrap())
    }

    fn nothing(_: &mut CertificateRule) {}

    #[test]
    fn files_with_old_and_new_encryption_open() {
        for file in ["modern.pfx", "legacy.pfx"] {
            let pfx = opened(file, "p\"w '\u{fc}\u{20ac}\n", nothing)
                .unwrap()
                .unwrap();
            assert_eq!(pfx.thumbprint().as_str(), THUMBPRINT, "{file}");
            assert!(!format!("{pfx:?}").contains("p\"w"), "{pfx:?}");
        }
        let pinned = |rule: &mut CertificateRule| {
            rule.thumbprint = Some(Thumbprint::new(THUMBPRINT).unwrap());
        };
        assert!(opened("modern.pfx", "p\"w '\u{fc}\u{20ac}", pinned).is_ok());
        let none = |rule: &mut CertificateRule| rule.import = None;
        assert!(opened("modern.pfx", "", none).unwrap().is_none());
    }

    #[test]
    fn what_will_not_do_is_said() {
        let password = "p\"w '\u{fc}\u{20ac}";
        let error = |file, password: &str| opened(file, password, nothing).unwrap_err();
        for (error, expected) in [
            (error("none.pfx", password), "cannot be read from"),
            (error("modern.pfx", ""), "gives nothing"),
            (error("modern.pfx", "other"), "cannot be opened"),
            (error("legacy.pfx", "other"), "cannot be opened"),
            (error("no-key.pfx", password), "holds no private key"),
            (
                opened("modern.pfx", password, |rule| {
                    rule.subject = HostName::new("mail.fabrikam.test").unwrap();
                })
                .unwrap_err(),
                "its common name is owa.fabrikam.test",
            ),
            (
                opened("modern.pfx", password, |rule| {
                    rule.thumbprint = Some(Thumbprint::new(&"0".repeat(40)).unwrap());
                })
                .unwrap_err(),
                "its thumbprint is ED54",
            ),
        ] {
            let said = error.to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains(password), "{said}");
        }
    }
}
