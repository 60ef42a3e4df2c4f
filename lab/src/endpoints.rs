//! [`EndpointsFile`]: where a site's endpoints are and who may use them, as `owaim lab --write`
//! makes it and `--endpoints` reads it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use owaim_inventory::{EndpointKind, HostName};
use serde::{Deserialize, Serialize};

/// The endpoints of a site with the credentials for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointsFile {
    /// Every endpoint.
    pub endpoints: Vec<EndpointEntry>,
    /// Certification authority to trust for `https` URLs, as PEM.
    #[serde(default)]
    pub ca: Option<String>,
    /// The realm of the accounts, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kerberos: Option<Realm>,
}

/// A Kerberos realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Realm {
    /// Its name.
    pub realm: String,
    /// Address and port of its key distribution centre, which answers over UDP and TCP.
    pub kdc: String,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointEntry {
    /// The server, by the name that the site file has.
    pub host: HostName,
    /// Which of its endpoints.
    pub kind: EndpointKind,
    /// Whole URL.
    pub url: String,
    /// Schemes of authentication that it offers, best first.
    pub auth: Vec<AuthScheme>,
    /// Account.
    pub username: String,
    /// Its password.
    pub password: Password,
    /// Name of the session configuration.
    pub configuration: String,
    /// The service's principal, where it is not `HTTP/` with the name of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// SHA-256 of the certificate that the endpoint of a lab in this process shows. It is in no file, whose readers
    /// have the authority to go by.
    #[serde(skip)]
    pub fingerprint: Option<[u8; 32]>,
    /// The certificate and key that the account can show instead of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateEntry>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateEntry {
    /// The certificate as PEM.
    pub certificate: String,
    /// Its private key, PKCS #8 as PEM.
    pub key: Password,
}

/// A scheme of authentication, by its name in HTTP; the best one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthScheme {
    /// `Kerberos`.
    Kerberos,
    /// `Negotiate`, with NTLM in it.
    Negotiate,
    /// `CredSSP`.
    Credssp,
    /// `Basic`.
    Basic,
    /// A certificate of the client in the TLS handshake.
    Certificate,
}

/// A password as it stands in the file. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Takes a password in.
    pub fn new(password: String) -> Self {
        Self(password)
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why an endpoint file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// The file system refuses.
    #[error("cannot {action} the endpoint file {path}: {source}")]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no endpoint file.
    #[error("{path} is no endpoint file: {detail}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column; never what stands there, which may be a password.
        detail: String,
    },
}

impl EndpointsFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, EndpointsError> {
        let text = fs::read_to_string(path).map_err(|source| EndpointsError::Io {
            action: "read",
            path: path.into(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|error| EndpointsError::Format {
            path: path.into(),
            detail: format!(
                "{:?} error at line {}, column {}",
                error.classify(),
                error.line(),
                error.column()
            ),
        })
    }

    /// Writes the file at `path`, for its owner's eyes only. Whoever waits for it finds it whole
    /// or not at all.
    pub fn write(&self, path: &Path) -> Result<(), EndpointsError> {
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            owaim_platform::replace_private_file(path, &text)
        };
        write().map_err(|source| EndpointsError::Io {
            action: "write",
            path: path.into(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sample() -> EndpointsFile {
        EndpointsFile {
            endpoints: vec![EndpointEntry {
                host: HostName::new("atl-cas-001.litwareinc.com").unwrap(),
                kind: EndpointKind::Exchange,
                url: "http://127.0.0.1:4711/PowerShell/".into(),
                auth: vec![AuthScheme::Negotiate],
                username: "LITWAREINC\\owaim".into(),
                password: Password::new("S3cret-canary-42!".into()),
                configuration: "Microsoft.Exchange".into(),
                service: None,
                fingerprint: None,
                certificate: None,
            }],
            ca: None,
            kerberos: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoints.json");
        fs::write(&path, "an older one").unwrap();
        sample().write(&path).unwrap();
        assert_eq!(EndpointsFile::read(&path).unwrap(), sample());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        let json = serde_json::to_value(sample()).unwrap();
        let expected = serde_json::json!({
            "endpoints": [{
                "host": "atl-cas-001.litwareinc.com",
                "kind": "exchange",
                "url": "http://127.0.0.1:4711/PowerShell/",
                "auth": ["negotiate"],
                "username": "LITWAREINC\\owaim",
                "password": "S3cret-canary-42!",
                "configuration": "Microsoft.Exchange",
            }],
            "ca": null,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn nothing_shows_the_password() {
        assert!(!format!("{:?}", sample()).contains("canary"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoints.json");
        fs::write(&path, "{\"endpoints\": \"S3cret-canary-42!\"}").unwrap();
        let error = EndpointsFile::read(&path).unwrap_err();
        assert!(matches!(error, EndpointsError::Format { .. }));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
