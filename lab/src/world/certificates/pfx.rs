//! [`open`]: what a PKCS #12 file holds, as a server finds it that imports the file.

use jiff::Timestamp;
use owaim_proto::Secret;
use p12_keystore::Pkcs12Archive;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::{Certificate, PrivateKey, Purpose};
use crate::world::values::hex;

/// The certificate that comes with a key, and the others of the file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) certificate: Certificate,
    pub(crate) others: Vec<Certificate>,
}

/// Opens `data`; `None` if the password is wrong or this is no such file: a server says the same
/// of both.
pub(crate) fn open(data: &[u8], password: &Secret) -> Option<Opened> {
    let archive = Pkcs12Archive::from_pkcs12(data, password.expose()).ok()?;
    let key = archive.keys.first();
    let mut own = None;
    let mut others = Vec::new();
    for bag in &archive.certs {
        let mut certificate = Certificate::from_der(bag.cert.as_der())?;
        let id = key.and_then(|key| key.local_key_id.as_ref());
        let matches = id.is_some() && id.map(AsRef::as_ref) == bag.local_key_id.as_deref();
        let alone = key.is_none() && archive.certs.len() == 1;
        if own.is_none() && (matches || alone) {
            certificate.friendly_name = bag.friendly_name.clone().unwrap_or_default();
            certificate.key = key.map(|key| PrivateKey(key.key.as_der().to_vec()));
            own = Some(certificate);
        } else {
            others.push(certificate);
        }
    }
    Some(Opened {
        certificate: own?,
        others,
    })
}

impl Certificate {
    /// The certificate of that DER, without a key.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = parse_x509_certificate(der).ok()?;
        let time = |seconds: i64| Timestamp::from_second(seconds).ok();
        rest.is_empty().then_some(())?;
        Some(Self {
            der: der.to_vec(),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            dns_names: dns_names(&parsed),
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            serial: hex(parsed.raw_serial()),
            friendly_name: String::new(),
            purposes: purposes(&parsed),
            key: None,
        })
    }

    /// The public key, as DER.
    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        let (_, parsed) = parse_x509_certificate(&self.der).ok()?;
        Some(parsed.public_key().raw.to_vec())
    }
}

fn purposes(parsed: &X509Certificate<'_>) -> Vec<Purpose> {
    let usage = parsed.extended_key_usage().ok().flatten();
    let Some(usage) = usage.map(|extension| extension.value).filter(|u| !u.any) else {
        return Vec::new();
    };
    [
        (usage.server_auth, Purpose::Server),
        (usage.client_auth, Purpose::Client),
    ]
    .into_iter()
    .filter_map(|(allowed, purpose)| allowed.then_some(purpose))
    .collect()
}

fn dns_names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice());
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.unwrap_or_default().iter().filter_map(dns).collect()
}
