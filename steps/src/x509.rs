//! [`X509`]: what a certificate's DER says, without trusting anything the server says about it.

use jiff::Timestamp;
use owaim_inventory::{HostName, Thumbprint};
use sha1::{Digest as _, Sha1};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::{GeneralName, KeyUsage};
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Version};

use crate::read;

/// The shortest RSA key, in bits, whose signatures over anything but SHA-1 can be verified here.
const RSA_BITS: usize = 2048;

/// The fields that decide whether Lync takes a certificate, and whether it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct X509 {
    /// SHA-1 of the DER.
    pub(crate) thumbprint: Thumbprint,
    /// The whole subject, for people.
    pub(crate) subject: String,
    /// The whole name of the issuer.
    pub(crate) issuer: String,
    /// Common names of the subject.
    pub(crate) common_names: Vec<String>,
    /// DNS names of the subject alternative name.
    pub(crate) dns_names: Vec<String>,
    /// Start of validity.
    pub(crate) not_before: Timestamp,
    /// End of validity.
    pub(crate) not_after: Timestamp,
    /// SubjectPublicKeyInfo, DER.
    pub(crate) key: Vec<u8>,
    /// How many authorities may stand between it and the certificate at the end.
    pub(crate) path_length: Option<u32>,
    /// The whole certificate.
    pub(crate) der: Vec<u8>,
    usage: Usage,
}

/// What the key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    /// Whether it is a certification authority; `None` if the certificate is of version 1, which
    /// cannot say so.
    authority: Option<bool>,
    /// Whether it may sign certificates.
    signs_certificates: bool,
    /// Whether it may do what a TLS server of its kind of key does.
    serves: bool,
    /// Whether it may be a server's, by the enhanced usages.
    server_authentication: bool,
}

/// Whether a key signed a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signature {
    /// It did.
    Good,
    /// It did not.
    Bad,
    /// That cannot be verified here; by what it would take.
    Unknown(String),
}

/// SHA-1 of a certificate's bytes, whether or not it can be read.
pub(crate) fn thumbprint(der: &[u8]) -> String {
    read::hexadecimal(&Sha1::digest(der))
}

impl X509 {
    /// Reads a certificate; the error is the parser's word for people.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, String> {
        let told = |error: X509Error| error.to_string();
        let (rest, certificate) = parse_x509_certificate(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes behind the certificate", rest.len()));
        }
        let time =
            |seconds: i64| Timestamp::from_second(seconds).map_err(|error| error.to_string());
        let alternative = certificate.subject_alternative_name().map_err(told)?;
        let names = alternative
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let common = certificate.subject().iter_common_name();
        let constraints = certificate.basic_constraints().map_err(told)?;
        Ok(Self {
            thumbprint: Thumbprint::new(&thumbprint(der)).map_err(|error| error.to_string())?,
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
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
            key: certificate.public_key().raw.to_vec(),
            path_length: constraints.and_then(|found| found.value.path_len_constraint),
            der: der.to_vec(),
            usage: usage(&certificate).map_err(told)?,
        })
    }

    /// Name and thumbprint, for people.
    pub(crate) fn described(&self) -> String {
        format!("{} ({})", self.thumbprint, self.subject)
    }

    /// Whether subject and issuer are one: of a root.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether the subject's common name is `name`: the name by which Lync knows the peer.
    pub(crate) fn is_named(&self, name: &HostName) -> bool {
        self.common_names
            .iter()
            .any(|common| common.eq_ignore_ascii_case(name.as_str()))
    }

    /// What keeps this certificate from serving as `subject`, with every one of `names` among
    /// its alternative names, at `now`; for people, empty if nothing.
    pub(crate) fn defects(
        &self,
        subject: &HostName,
        names: &[HostName],
        now: Timestamp,
    ) -> Vec<String> {
        let mut defects = Vec::new();
        if !self.is_named(subject) {
            defects.push(match self.common_names.first() {
                Some(common) if common.starts_with('*') => {
                    format!("its common name is the wildcard {common}, which Lync does not accept")
                }
                Some(common) => format!("its common name is {common}"),
                None => "its subject has no common name".into(),
            });
        }
        defects.extend(names.iter().filter_map(|name| self.lacks(name)));
        defects.extend(self.outdated(now));
        if !self.usage.serves {
            defects.push("its key usage is not that of a server".into());
        }
        if !self.usage.server_authentication {
            defects.push("its enhanced key usage does not include server authentication".into());
        }
        defects
    }

    /// Says that `name` is not among the alternative names, unless it is.
    fn lacks(&self, name: &HostName) -> Option<String> {
        let is = |dns: &String| dns.eq_ignore_ascii_case(name.as_str());
        let covers = |pattern: &&String| {
            pattern
                .strip_prefix("*.")
                .zip(name.as_str().split_once('.'))
                .is_some_and(|(domain, (_, rest))| domain.eq_ignore_ascii_case(rest))
        };
        if self.dns_names.iter().any(is) {
            return None;
        }
        Some(match self.dns_names.iter().find(covers) {
            Some(pattern) => {
                format!("of its alternative names only the wildcard {pattern} covers {name}")
            }
            None => format!("{name} is not among its alternative names"),
        })
    }

    fn outdated(&self, now: Timestamp) -> Option<String> {
        if now < self.not_before {
            Some(format!("it is not valid before {}", self.not_before))
        } else if now > self.not_after {
            Some(format!("it expired at {}", self.not_after))
        } else {
            None
        }
    }

    /// What keeps this certificate from issuing others at `now`. A root that is too old to say
    /// that it is an authority is one.
    pub(crate) fn issuing_flaw(&self, now: Timestamp) -> Option<String> {
        let is_authority = self.usage.authority.unwrap_or(self.is_self_issued());
        if !is_authority {
            Some("it is not that of a certification authority".into())
        } else if !self.usage.signs_certificates {
            Some("its key usage does not allow it to sign certificates".into())
        } else if !self.usage.server_authentication {
            Some("its enhanced key usage does not let it issue for servers".into())
        } else {
            self.outdated(now)
        }
    }

    /// Whether the key `issuer` (SubjectPublicKeyInfo) signed this certificate.
    pub(crate) fn signature_under(&self, issuer: &[u8]) -> Signature {
        let Ok((_, certificate)) = parse_x509_certificate(&self.der) else {
            return Signature::Bad;
        };
        let Ok((_, key)) = SubjectPublicKeyInfo::from_der(issuer) else {
            return Signature::Bad;
        };
        let bits = match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => rsa.key_size(),
            _ => RSA_BITS,
        };
        match certificate.verify_signature(Some(&key)) {
            Ok(()) => Signature::Good,
            Err(X509Error::SignatureUnsupportedAlgorithm) => Signature::Unknown(format!(
                "its algorithm is {}",
                certificate.signature_algorithm.algorithm
            )),
            Err(_) if bits < RSA_BITS => {
                Signature::Unknown(format!("the key has only {bits} bits"))
            }
            Err(_) => Signature::Bad,
        }
    }
}

/// Reads what the key may be used for. What is not restricted is allowed.
fn usage(certificate: &X509Certificate<'_>) -> Result<Usage, X509Error> {
    let constraints = certificate.basic_constraints()?;
    let key = certificate.key_usage()?.map(|found| found.value);
    let enhanced = certificate.extended_key_usage()?.map(|found| found.value);
    let is_rsa = matches!(certificate.public_key().parsed(), Ok(PublicKey::RSA(_)));
    Ok(Usage {
        authority: match constraints {
            Some(found) => Some(found.value.ca),
            None if certificate.version() == X509Version::V1 => None,
            None => Some(false),
        },
        signs_certificates: key.is_none_or(KeyUsage::key_cert_sign),
        // An RSA key may take part in either of two ways, all others sign.
        serves: key
            .is_none_or(|usage| usage.digital_signature() || is_rsa && usage.key_encipherment()),
        server_authentication: enhanced.is_none_or(|usage| usage.any || usage.server_auth),
    })
}
