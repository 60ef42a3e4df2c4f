//! [`Authority`]: certificates for tests, from authorities of one or two levels, and the records
//! of the stores that they lie in.

use owaim_proto::clixml::Value;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::bench::object;

/// An authority of a test.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) der: Vec<u8>,
}

/// Parameters that are valid from the start of `from` to the start of `to`.
fn params(common_name: &str, names: &[&str], from: i32, to: i32) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn authority(common_name: &str) -> CertificateParams {
    let mut params = params(common_name, &[], 2020, 2040);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    pub(super) fn root(common_name: &str) -> Self {
        Self::root_as(common_name, |_| {})
    }

    pub(super) fn root_as(common_name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority(common_name);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    /// An authority below this one.
    pub(super) fn below(
        &self,
        common_name: &str,
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority(common_name);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    /// A certificate valid from the start of `from` to the start of `to`.
    pub(super) fn issue(&self, common_name: &str, names: &[&str], from: i32, to: i32) -> Vec<u8> {
        self.issue_as(common_name, names, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    }

    /// A certificate valid from 2025 to 2028, as `edit` changes it.
    pub(super) fn issue_as(
        &self,
        common_name: &str,
        names: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let mut params = params(common_name, names, 2025, 2028);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }
}

fn stored(store: &str, der: &[u8], private_key: bool) -> Value {
    object([
        ("RawData", der.to_vec().into()),
        ("HasPrivateKey", private_key.into()),
        (
            "PSParentPath",
            format!("Microsoft.PowerShell.Security\\Certificate::LocalMachine\\{store}").into(),
        ),
    ])
}

/// A record of `My`, with its key.
pub(super) fn my(der: &[u8]) -> Value {
    stored("My", der, true)
}

/// A record of `My`, without a key.
pub(super) fn keyless(der: &[u8]) -> Value {
    stored("My", der, false)
}

/// A record of `CA`.
pub(super) fn ca(authority: &Authority) -> Value {
    stored("CA", &authority.der, false)
}

/// A record of `Root`.
pub(super) fn root(authority: &Authority) -> Value {
    stored("Root", &authority.der, false)
}

/// A record of a store by its name.
pub(super) fn record(store: &str, der: &[u8]) -> Value {
    stored(store, der, false)
}
