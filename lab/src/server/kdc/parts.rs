//! Small parts of Kerberos' messages: names, times, numbers, flags, sealed parts.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use picky_asn1::bit_string::BitString;
use picky_asn1::date::GeneralizedTime;
use picky_asn1::restricted_string::Ia5String;
use picky_asn1::wrapper::{
    Asn1SequenceOf, ExplicitContextTag0, ExplicitContextTag1, ExplicitContextTag2, IntegerAsn1,
    OctetStringAsn1, Optional,
};
use picky_krb::constants::types::{NT_ENTERPRISE, NT_PRINCIPAL, NT_SRV_INST};
use picky_krb::crypto::CipherSuite;
use picky_krb::data_types::{
    EncryptedData, EncryptionKey, KerberosFlags, KerberosStringAsn1, KerberosTime, PaData,
    PrincipalName,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::encode;
use super::error::KdcError;

/// The version of the protocol.
pub(super) const VERSION: u8 = 5;

/// Ciphers that are spoken, the best one first.
pub(super) const CIPHERS: [CipherSuite; 2] = [
    CipherSuite::Aes256CtsHmacSha196,
    CipherSuite::Aes128CtsHmacSha196,
];

/// The components of a name.
pub(super) fn strings(name: &PrincipalName) -> Vec<String> {
    let parts = &name.name_string.0.0;
    parts.iter().map(|part| string(part).to_owned()).collect()
}

/// A string of the protocol.
pub(super) fn string(text: &KerberosStringAsn1) -> &str {
    text.0.as_utf8()
}

/// Whether a name is `user@domain` in one component (RFC 6806 5).
pub(super) fn is_enterprise(name: &PrincipalName) -> bool {
    name.name_type.0.0 == [NT_ENTERPRISE]
}

/// A string for the protocol, which has ASCII only.
pub(super) fn text(text: &str) -> Result<KerberosStringAsn1, KdcError> {
    let text = Ia5String::from_string(text.to_owned()).map_err(|_| KdcError::Text {
        text: text.to_owned(),
    })?;
    Ok(KerberosStringAsn1::from(text))
}

/// The name of a user.
pub(super) fn user_name(user: &str) -> Result<PrincipalName, KdcError> {
    name(NT_PRINCIPAL, &[user])
}

/// The name of the ticket-granting service.
pub(super) fn granting_name(realm: &str) -> Result<PrincipalName, KdcError> {
    name(NT_SRV_INST, &["krbtgt", realm])
}

fn name(kind: u8, parts: &[&str]) -> Result<PrincipalName, KdcError> {
    let parts: Result<Vec<_>, _> = parts.iter().map(|part| text(part)).collect();
    Ok(PrincipalName {
        name_type: ExplicitContextTag0::from(number(kind)),
        name_string: ExplicitContextTag1::from(Asn1SequenceOf::from(parts?)),
    })
}

/// A small number.
pub(super) fn number(value: u8) -> IntegerAsn1 {
    IntegerAsn1::from(vec![value])
}

/// A number below 2^31.
pub(super) fn microseconds(value: i32) -> IntegerAsn1 {
    IntegerAsn1::from_bytes_be_signed(value.to_be_bytes().to_vec())
}

/// A time of the protocol, which has whole seconds.
pub(super) fn time(time: Timestamp) -> Result<KerberosTime, KdcError> {
    let date = TimeZone::UTC.to_datetime(time);
    // Parts of a date are small positive numbers.
    let small = |part: i8| part.unsigned_abs();
    GeneralizedTime::new(
        date.year().unsigned_abs(),
        small(date.month()),
        small(date.day()),
        small(date.hour()),
        small(date.minute()),
        small(date.second()),
    )
    .map(KerberosTime::from)
    .ok_or(KdcError::Time)
}

/// A time as it came.
pub(super) fn timestamp(time: &KerberosTime) -> Result<Timestamp, KdcError> {
    let time = &time.0;
    let small = |part: u8| i8::try_from(part).map_err(|_| KdcError::Time);
    let year = i16::try_from(time.year()).map_err(|_| KdcError::Time)?;
    let date = DateTime::new(
        year,
        small(time.month())?,
        small(time.day())?,
        small(time.hour())?,
        small(time.minute())?,
        small(time.second())?,
        0,
    );
    let date = date.map_err(|_| KdcError::Time)?;
    TimeZone::UTC.to_timestamp(date).map_err(|_| KdcError::Time)
}

/// Whether flags, counted from the left, have one.
pub(super) fn has(flags: &KerberosFlags, flag: u8) -> bool {
    let octets = flags.0.as_bytes();
    // The first octet counts unused bits.
    let octet = octets.get(1 + usize::from(flag / 8));
    octet.is_some_and(|octet| octet & (0x80 >> (flag % 8)) != 0)
}

/// Flags, counted from the left.
pub(super) fn flags(set: &[u8]) -> KerberosFlags {
    let bits = set
        .iter()
        .fold(0, |bits, flag| bits | 0x8000_0000_u32 >> flag);
    KerberosFlags::from(BitString::with_bytes(bits.to_be_bytes().to_vec()))
}

/// The cipher of that number, if it is spoken.
pub(super) fn cipher(number: &IntegerAsn1) -> Option<CipherSuite> {
    let found = CipherSuite::try_from(&*number.0).ok()?;
    CIPHERS.into_iter().find(|cipher| *cipher == found)
}

/// A key for the wire.
pub(super) fn key(cipher: &CipherSuite, key: &[u8]) -> EncryptionKey {
    EncryptionKey {
        key_type: ExplicitContextTag0::from(number(cipher.clone().into())),
        key_value: ExplicitContextTag1::from(OctetStringAsn1::from(key.to_vec())),
    }
}

/// `value`, sealed.
pub(super) fn seal(
    cipher: &CipherSuite,
    key: &[u8],
    usage: i32,
    value: &impl Serialize,
) -> Result<EncryptedData, KdcError> {
    let sealed = cipher.cipher().encrypt(key, usage, &encode(value)?)?;
    Ok(EncryptedData {
        etype: ExplicitContextTag0::from(number(cipher.clone().into())),
        kvno: Optional::from(None),
        cipher: ExplicitContextTag2::from(OctetStringAsn1::from(sealed)),
    })
}

/// What was sealed with `key`; `None` if it was not, or is no such value.
pub(in crate::server) fn unseal<T: DeserializeOwned>(
    data: &EncryptedData,
    key: &[u8],
    usage: i32,
) -> Option<T> {
    let cipher = cipher(&data.etype.0)?.cipher();
    let plain = cipher.decrypt(key, usage, &data.cipher.0.0).ok()?;
    picky_asn1_der::from_bytes(&plain).ok()
}

/// Data of a pre-authentication.
pub(super) fn pa_data(kind: u8, value: Vec<u8>) -> PaData {
    PaData {
        padata_type: ExplicitContextTag1::from(number(kind)),
        padata_data: ExplicitContextTag2::from(OctetStringAsn1::from(value)),
    }
}
