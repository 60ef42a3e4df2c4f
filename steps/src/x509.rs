//! [`X509`]: what a certificate's DER says, without trusting anything the server says about it.

use jiff::Timestamp;
use owaim_inventory::{HostName, Thumbprint};
use sha1::{Digest as _, Sha1};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::read;

/// The fields that decide whether Lync takes a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct X509 {
    /// SHA-1 of the DER.
    pub(crate) thumbprint: Thumbprint,
    /// The whole subject, for people.
    pub(crate) subject: String,
    /// Common names of the subject.
    pub(crate) common_names: Vec<String>,
    /// DNS names of the subject alternative name.
    pub(crate) dns_names: Vec<String>,
    /// Start of validity.
    pub(crate) not_before: Timestamp,
    /// End of validity.
    pub(crate) not_after: Timestamp,
}

impl X509 {
    /// Reads a certificate; the error is the parser's word for people.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) = parse_x509_certificate(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes behind the certificate", rest.len()));
        }
        let time =
            |seconds: i64| Timestamp::from_second(seconds).map_err(|error| error.to_string());
        let alternative = certificate
            .subject_alternative_name()
            .map_err(|error| error.to_string())?;
        let names = alternative
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let common = certificate.subject().iter_common_name();
        Ok(Self {
            thumbprint: Thumbprint::new(&read::hexadecimal(&Sha1::digest(der)))
                .map_err(|error| error.to_string())?,
            subject: certificate.subject().to_string(),
            common_names: common
                .filter_map(|name| name.as_str().ok().map(String::from))
                .collect(),
            dns_names: names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect(),
            not_before: time(certificate.validity().not_before.timestamp())?,
            not_after: time(certificate.validity().not_after.timestamp())?,
        })
    }

    /// Whether the subject's common name is `name`: the name by which Lync knows the peer.
    pub(crate) fn is_named(&self, name: &HostName) -> bool {
        self.common_names
            .iter()
            .any(|common| common.eq_ignore_ascii_case(name.as_str()))
    }

    /// What keeps this certificate from serving `name` at `now`, for people; empty if nothing.
    pub(crate) fn defects(&self, name: &HostName, now: Timestamp) -> Vec<String> {
        let mut defects = Vec::new();
        let covers = |pattern: &String| {
            pattern
                .strip_prefix("*.")
                .zip(name.as_str().split_once('.'))
                .is_some_and(|(domain, (_, rest))| domain.eq_ignore_ascii_case(rest))
        };
        if !self.is_named(name) {
            defects.push(match self.common_names.first() {
                Some(common) if common.starts_with('*') => {
                    format!("its common name is the wildcard {common}, which Lync does not accept")
                }
                Some(common) => format!("its common name is {common}"),
                None => "its subject has no common name".into(),
            });
        }
        if !self
            .dns_names
            .iter()
            .any(|dns| dns.eq_ignore_ascii_case(name.as_str()))
        {
            defects.push(
                match self.dns_names.iter().find(|pattern| covers(pattern)) {
                    Some(pattern) => format!(
                        "of its alternative names only the wildcard {pattern} covers {name}"
                    ),
                    None => format!("{name} is not among its alternative names"),
                },
            );
        }
        if now < self.not_before {
            defects.push(format!("it is not valid before {}", self.not_before));
        }
        if now > self.not_after {
            defects.push(format!("it expired at {}", self.not_after));
        }
        defects
    }
}
