//! [`make`]: a key, the request to certify it, and what a server keeps of both until the
//! certificate comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, SerialNumber};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey as _;

use super::{Certificate, PrivateKey, days, serial, ymd};

/// A request and its entry in the store `REQUEST`.
#[derive(Debug)]
pub(crate) struct Made {
    /// PKCS #10, as text.
    pub(crate) text: String,
    /// The entry: a certificate that the server signed itself, with the key.
    pub(crate) pending: Certificate,
}

/// Why none was made, for people.
pub(crate) type Refused = String;

/// A request for `subject` (`CN=…, O=…`) and `dns_names` over a new RSA key of `bits`.
pub(crate) fn make(
    subject: &str,
    dns_names: &[String],
    bits: usize,
    friendly_name: &str,
    now: Timestamp,
) -> Result<Made, Refused> {
    let text = |error: rcgen::Error| error.to_string();
    let key = RsaPrivateKey::new(&mut rand::rng(), bits).map_err(|error| error.to_string())?;
    let key = key.to_pkcs8_der().map_err(|error| error.to_string())?;
    let pair = KeyPair::try_from(key.as_bytes()).map_err(text)?;

    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(subject)?;
    for name in dns_names {
        let name = name.as_str().try_into().map_err(text)?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    let request = params.serialize_request(&pair).map_err(text)?;

    let (year, month, day) = ymd(days(now, 0));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = ymd(days(now, 365));
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    let entry = params.self_signed(&pair).map_err(text)?;
    let mut pending = Certificate::from_der(entry.der()).ok_or("the entry cannot be read")?;
    pending.friendly_name = friendly_name.into();
    pending.key = Some(PrivateKey(key.as_bytes().to_vec()));
    Ok(Made {
        text: armored(request.der()),
        pending,
    })
}

/// `subject` as a distinguished name; values that hold a comma are not modelled.
fn distinguished_name(subject: &str) -> Result<DistinguishedName, Refused> {
    let mut name = DistinguishedName::new();
    for part in subject.split(',').map(str::trim) {
        let (kind, value) = part
            .split_once('=')
            .ok_or_else(|| format!("'{part}' is no part of a distinguished name"))?;
        let kind = match kind.trim().to_ascii_uppercase().as_str() {
            "CN" => DnType::CommonName,
            "O" => DnType::OrganizationName,
            "OU" => DnType::OrganizationalUnitName,
            "L" => DnType::LocalityName,
            "S" | "ST" => DnType::StateOrProvinceName,
            "C" => DnType::CountryName,
            other => {
                return Err(format!(
                    "'{other}' is no known part of a distinguished name"
                ));
            }
        };
        name.push(kind, value.trim());
    }
    Ok(name)
}

fn armored(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN NEW CERTIFICATE REQUEST-----\r\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push_str("\r\n");
    }
    text.push_str("-----END NEW CERTIFICATE REQUEST-----\r\n");
    text
}
