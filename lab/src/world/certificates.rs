//! Certificates of the simulated servers, issued by the lab's own authorities, so that `RawData`,
//! thumbprint, names and dates always agree.

pub(super) mod pfx;
pub(super) mod signing_request;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, OtherNameValue, SanType, SerialNumber,
};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use super::values::hex;
use crate::state::base64_bytes;

/// The kind of alternative name that holds a user principal name (`szOID_NT_PRINCIPAL_NAME`).
pub(crate) const USER_PRINCIPAL_NAME: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot issue a certificate for {subject}: {source}")]
pub(crate) struct IssueError {
    subject: String,
    source: rcgen::Error,
}

/// A certificate in a store of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    #[serde(with = "base64_bytes")]
    pub(crate) der: Vec<u8>,
    /// Distinguished name, `CN=…`.
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) dns_names: Vec<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) serial: String,
    pub(crate) friendly_name: String,
    /// Its enhanced key usages; none: it is not restricted.
    pub(crate) purposes: Vec<Purpose>,
    /// PKCS #8; `None` if the certificate came without its key.
    pub(crate) key: Option<PrivateKey>,
}

/// What a certificate may be shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// To those who connect.
    Server,
    /// To those whom one connects to.
    Client,
}

/// A private key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PrivateKey(#[serde(with = "base64_bytes")] pub(crate) Vec<u8>);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// An authority: its certificate and its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SigningKey {
    pub(crate) certificate: Certificate,
}

/// What a certificate shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) common_name: String,
    /// Host names, and addresses.
    pub(crate) dns_names: Vec<String>,
    /// User principal name of whoever it is to stand for.
    pub(crate) user: Option<String>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) with_key: bool,
    pub(crate) friendly_name: String,
    pub(crate) purposes: Vec<Purpose>,
}

impl Request {
    /// A good certificate: valid from a month ago for two years, names given.
    pub(crate) fn good(common_name: &str, dns_names: Vec<String>, now: Timestamp) -> Self {
        Self {
            common_name: common_name.into(),
            dns_names,
            user: None,
            not_before: days(now, -30),
            not_after: days(now, 700),
            with_key: true,
            friendly_name: String::new(),
            purposes: vec![Purpose::Server, Purpose::Client],
        }
    }
}

/// Midnight (UTC) of the day that is `count` days after `from`.
pub(crate) fn days(from: Timestamp, count: i32) -> Timestamp {
    let moved = from
        .checked_add(SignedDuration::from_hours(i64::from(count) * 24))
        .unwrap_or(from);
    let seconds = moved.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(86_400)).unwrap_or(from)
}

impl Certificate {
    /// Without its private key: as it lies in the stores of others.
    pub(crate) fn public(&self) -> Self {
        Self {
            key: None,
            ..self.clone()
        }
    }

    /// Whether it is its own issuer.
    pub(crate) fn is_root(&self) -> bool {
        self.subject == self.issuer
    }

    /// SHA-1 of the DER, in upper-case hexadecimal digits.
    pub(crate) fn thumbprint(&self) -> String {
        hex(&Sha1::digest(&self.der))
    }

    /// The common name of the subject.
    pub(crate) fn common_name(&self) -> &str {
        self.subject
            .strip_prefix("CN=")
            .unwrap_or(&self.subject)
            .split(',')
            .next()
            .unwrap_or_default()
    }
}

impl SigningKey {
    /// A root of that name.
    pub(crate) fn root(name: &str, now: Timestamp) -> Result<Self, IssueError> {
        Self::make(None, name, (days(now, -365), days(now, 3650)))
    }

    /// An authority of that name below this one, valid from and to.
    pub(crate) fn below(
        &self,
        name: &str,
        validity: (Timestamp, Timestamp),
    ) -> Result<Self, IssueError> {
        Self::make(Some(self), name, validity)
    }

    fn make(
        above: Option<&Self>,
        name: &str,
        (not_before, not_after): (Timestamp, Timestamp),
    ) -> Result<Self, IssueError> {
        let fail = |source| IssueError {
            subject: name.into(),
            source,
        };
        let mut params = base(name, not_before, not_after);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let serial = serial();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let key = KeyPair::generate().map_err(fail)?;
        let (made, issuer) = match above {
            None => (
                params.self_signed(&key).map_err(fail)?,
                format!("CN={name}"),
            ),
            Some(above) => {
                let issuer = above.issuer().map_err(fail)?;
                let made = params.signed_by(&key, &issuer).map_err(fail)?;
                (made, above.certificate.subject.clone())
            }
        };
        Ok(Self {
            certificate: Certificate {
                der: made.der().to_vec(),
                subject: format!("CN={name}"),
                issuer,
                dns_names: Vec::new(),
                not_before,
                not_after,
                serial: hex(&serial),
                friendly_name: String::new(),
                purposes: Vec::new(),
                key: Some(PrivateKey(key.serialize_der())),
            },
        })
    }

    /// What signs.
    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
        let own = &self.certificate;
        let mut params = base(own.common_name(), own.not_before, own.not_after);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = own.key.as_ref().map(|key| key.0.as_slice());
        let key = KeyPair::try_from(key.unwrap_or_default())?;
        Ok(Issuer::new(params, key))
    }

    /// Issues what `request` asks for.
    pub(crate) fn issue(&self, request: &Request) -> Result<Certificate, IssueError> {
        let fail = |source| IssueError {
            subject: request.common_name.clone(),
            source,
        };
        let issuer = self.issuer().map_err(fail)?;
        let mut params = base(&request.common_name, request.not_before, request.not_after);
        for name in &request.dns_names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(fail)?),
            });
        }
        if let Some(user) = &request.user {
            params.subject_alt_names.push(SanType::OtherName((
                USER_PRINCIPAL_NAME.to_vec(),
                OtherNameValue::Utf8String(user.clone()),
            )));
        }
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        let purpose = |purpose: &Purpose| match purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        };
        params.extended_key_usages = request.purposes.iter().map(purpose).collect();
        let serial = serial();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let key = KeyPair::generate().map_err(fail)?;
        let certificate = params.signed_by(&key, &issuer).map_err(fail)?;
        Ok(Certificate {
            der: certificate.der().to_vec(),
            subject: format!("CN={}", request.common_name),
            issuer: self.certificate.subject.clone(),
            dns_names: request.dns_names.clone(),
            not_before: request.not_before,
            not_after: request.not_after,
            serial: hex(&serial),
            friendly_name: request.friendly_name.clone(),
            purposes: request.purposes.clone(),
            key: request.with_key.then(|| PrivateKey(key.serialize_der())),
        })
    }
}

fn base(common_name: &str, not_before: Timestamp, not_after: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let (year, month, day) = ymd(not_before);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = ymd(not_after);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params
}

/// Year, month and day of `time`.
fn ymd(time: Timestamp) -> (i32, u8, u8) {
    let day = time.to_zoned_datetime(TimeZone::UTC).date();
    // Months and days are small positive numbers.
    (
        i32::from(day.year()),
        day.month().unsigned_abs(),
        day.day().unsigned_abs(),
    )
}

fn serial() -> [u8; 16] {
    let mut bytes = uuid::Uuid::new_v4().into_bytes();
    // A positive number without leading zeros.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_certificate_agrees_with_what_is_shown_of_it() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let root = SigningKey::root("fabrikam.test root", now).expect("a root");
        let authority = root
            .below("fabrikam.test", (days(now, -1), days(now, 1)))
            .expect("an authority");
        let names = vec![
            "pool.fabrikam.test".to_owned(),
            "mbx1.fabrikam.test".to_owned(),
        ];
        let issued = authority
            .issue(&Request::good("pool.fabrikam.test", names.clone(), now))
            .expect("a certificate");
        let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).expect("DER");
        assert_eq!(parsed.subject().to_string(), issued.subject);
        assert_eq!(parsed.issuer().to_string(), issued.issuer);
        assert_eq!(
            parsed.validity().not_before.timestamp(),
            issued.not_before.as_second()
        );
        assert_eq!(
            parsed.validity().not_after.timestamp(),
            issued.not_after.as_second()
        );
        assert_eq!(hex(parsed.raw_serial()), issued.serial);
        assert_eq!(issued.thumbprint().len(), 40);
        assert!(issued.key.is_some());
    }
}
