//! [`Pfx`]: a certificate with its key that a run may import, opened before the run.

use std::fmt;

use jiff::Timestamp;
use owaim_inventory::{CertificateRule, HostName, Thumbprint};
use owaim_proto::Secret;

use crate::x509::X509;

/// A PKCS #12 file, its password, and the certificate in it. Shows neither of the first two.
#[derive(Clone)]
pub struct Pfx {
    file: Vec<u8>,
    password: Secret,
    x509: X509,
}

impl fmt::Debug for Pfx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pfx({})", self.x509.thumbprint)
    }
}

impl Pfx {
    /// Of a `file` that `password` opens and in which the key belongs to the certificate `der`. The
    /// error is the parser's word for people.
    pub fn new(file: Vec<u8>, password: Secret, der: &[u8]) -> Result<Self, String> {
        Ok(Self {
            file,
            password,
            x509: X509::parse(der)?,
        })
    }

    /// Thumbprint of its certificate.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.x509.thumbprint
    }

    /// Its password, for redaction.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// What keeps its certificate from being the one that `rule` asks for at `now`, as `subject` and
    /// with all of `names`; for people, empty if nothing.
    pub fn defects(
        &self,
        rule: &CertificateRule,
        subject: &HostName,
        names: &[HostName],
        now: Timestamp,
    ) -> Vec<String> {
        let mut defects = self.x509.defects(subject, names, now);
        if let Some(pinned) = rule.thumbprint.as_ref().filter(|t| *t != self.thumbprint()) {
            defects.push(format!(
                "its thumbprint is {}, and [certificate] names {pinned}",
                self.thumbprint()
            ));
        }
        defects
    }

    pub(crate) fn file(&self) -> &[u8] {
        &self.file
    }

    pub(crate) fn x509(&self) -> &X509 {
        &self.x509
    }
}
