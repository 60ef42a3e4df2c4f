//! What TLS agreed on, and how long the server's certificate lasts.

use jiff::Timestamp;
use owaim_transport::TlsInfo;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Check;

/// What `info` says at `now`; a certificate that ends within `warn_days` is a warning.
pub(super) fn check(info: &TlsInfo, warn_days: u32, now: Timestamp) -> Check {
    let agreed = format!("{}, {}", info.version, info.cipher_suite);
    let Ok((_, certificate)) = X509Certificate::from_der(&info.certificate) else {
        return Check::warning(
            "tls",
            format!("{agreed}; a certificate that cannot be read"),
            "see with certutil on the server what it is",
        );
    };
    let end = certificate.validity().not_after.timestamp();
    let days = (end - now.as_second()).div_euclid(24 * 60 * 60);
    let found = format!(
        "{agreed}; certificate of {}, issued by {}, {days} days left, sha256:{}",
        certificate.subject(),
        certificate.issuer(),
        info.fingerprint()
    );
    if days < i64::from(warn_days) {
        return Check::warning(
            "tls",
            found,
            "renew the certificate of the server's HTTPS listener",
        );
    }
    Check::good("tls", found)
}
