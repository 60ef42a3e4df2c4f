//! What a server's certificate says: [`Leaf`]. Whether somebody vouches for it, the system's TLS
//! library says.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{ASN1Time, FromDer as _, GeneralName, X509Certificate};

use super::TlsReason;

/// A server's certificate, taken apart.
pub(crate) struct Leaf<'a> {
    der: &'a [u8],
    certificate: X509Certificate<'a>,
}

impl<'a> Leaf<'a> {
    /// `None` if `der` is no certificate.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Self { der, certificate })
    }

    /// Whether it is the certificate with the SHA-256 `pin`, is for `host`, and its time is now.
    pub(crate) fn check_pinned(&self, pin: &[u8; 32], host: &str) -> Result<(), TlsReason> {
        let found = Sha256::digest(self.der);
        if found.as_slice() != pin {
            return Err(TlsReason::Pin {
                expected: hex::encode(pin),
                found: hex::encode(found),
            });
        }
        if !self.certificate.validity().is_valid() {
            return Err(self.out_of_time());
        }
        if self.is_for(host) {
            Ok(())
        } else {
            Err(self.wrong_name(host))
        }
    }

    /// That its time is over or has not begun.
    pub(crate) fn out_of_time(&self) -> TlsReason {
        let validity = self.certificate.validity();
        if ASN1Time::now() < validity.not_before {
            TlsReason::NotYetValid {
                from: validity.not_before.to_string(),
            }
        } else {
            TlsReason::Expired {
                since: validity.not_after.to_string(),
            }
        }
    }

    pub(crate) fn wrong_name(&self, host: &str) -> TlsReason {
        TlsReason::WrongName {
            host: host.into(),
            names: self.names(),
        }
    }

    /// That nobody vouches for it.
    pub(crate) fn untrusted(&self) -> TlsReason {
        if self.certificate.issuer() == self.certificate.subject() {
            TlsReason::SelfSigned
        } else {
            TlsReason::UnknownAuthority {
                issuer: self.certificate.issuer().to_string(),
            }
        }
    }

    /// Its names: the alternative ones, or the common name where there are none.
    pub(crate) fn names(&self) -> Vec<String> {
        let alternative = self.certificate.subject_alternative_name().ok().flatten();
        let mut names = Vec::new();
        for name in alternative
            .iter()
            .flat_map(|extension| &extension.value.general_names)
        {
            match name {
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::IPAddress(octets) => names.extend(address(octets)),
                _ => {}
            }
        }
        if names.is_empty() {
            let common = self.certificate.subject().iter_common_name();
            names.extend(
                common
                    .filter_map(|name| name.as_str().ok())
                    .map(str::to_owned),
            );
        }
        names
    }

    fn is_for(&self, host: &str) -> bool {
        self.names().iter().any(|name| covers(name, host))
    }
}

/// Whether `name` of a certificate is `host`. A star stands for the whole first label alone (RFC 9525,
/// section 6.3), and for no part of an address.
fn covers(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let Some(domain) = name.strip_prefix("*.") else {
        return name.eq_ignore_ascii_case(host);
    };
    let is_address = host.parse::<IpAddr>().is_ok();
    host.split_once('.').is_some_and(|(label, rest)| {
        !is_address && !label.is_empty() && domain.eq_ignore_ascii_case(rest)
    })
}

fn address(octets: &[u8]) -> Option<String> {
    let address: IpAddr = match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok()?.into(),
        16 => <[u8; 16]>::try_from(octets).ok()?.into(),
        _ => return None,
    };
    Some(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn names_cover_hosts() {
        for (name, host, expected) in [
            ("srv.litwareinc.com", "srv.litwareinc.com", true),
            ("srv.litwareinc.com", "SRV.Litwareinc.com.", true),
            ("srv", "srv", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("fe80::1", "fe80::1", true),
            ("*.litwareinc.com", "srv.litwareinc.com", true),
            ("srv.litwareinc.com", "srv", false),
            ("srv", "srv.litwareinc.com", false),
            ("*.litwareinc.com", "litwareinc.com", false),
            ("*.litwareinc.com", ".litwareinc.com", false),
            ("*.litwareinc.com", "a.srv.litwareinc.com", false),
            ("s*.litwareinc.com", "srv.litwareinc.com", false),
            ("*", "srv", false),
            ("*.0.0.1", "10.0.0.1", false),
            ("", "srv", false),
        ] {
            assert_eq!(covers(name, host), expected, "{name} {host}");
        }
    }
}
