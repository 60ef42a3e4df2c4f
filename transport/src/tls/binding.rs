//! [`ChannelBinding`]: what ties a logon to the TLS connection that it goes through.

use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::oid_registry::{
    OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
    OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512, Oid,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::AlgorithmIdentifier;

/// Channel binding of the type `tls-server-end-point` (RFC 5929, section 4): the prefix of the
/// type with a hash of the server's certificate, as security packages take it for application
/// data. A server that wants it refuses a logon that somebody in the middle has passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelBinding(Vec<u8>);

impl ChannelBinding {
    /// That of a server with the certificate `der`; `None` if it is no certificate.
    ///
    /// The hash is that of the certificate's signature, SHA-256 in place of MD5 and SHA-1. Where
    /// the signature goes without a hash of its own (Ed25519), RFC 5929 defines nothing; SHA-256 is
    /// what other clients take.
    pub(crate) fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut binding = b"tls-server-end-point:".to_vec();
        match hash(&certificate.signature_algorithm) {
            Hash::Sha256 => binding.extend_from_slice(&Sha256::digest(der)),
            Hash::Sha384 => binding.extend_from_slice(&Sha384::digest(der)),
            Hash::Sha512 => binding.extend_from_slice(&Sha512::digest(der)),
        }
        Some(Self(binding))
    }

    /// The application data: `tls-server-end-point:` and the hash.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

fn hash(signature: &AlgorithmIdentifier<'_>) -> Hash {
    // RSASSA-PSS names its hash among its parameters.
    let of_pss = match SignatureAlgorithm::try_from(signature) {
        Ok(SignatureAlgorithm::RSASSA_PSS(pss)) => Some(pss.hash_algorithm_oid().to_owned()),
        _ => None,
    };
    let algorithm: &Oid<'_> = of_pss.as_ref().unwrap_or(&signature.algorithm);
    let is_one_of = |known: [&Oid<'_>; 3]| known.contains(&algorithm);
    if is_one_of([
        &OID_PKCS1_SHA384WITHRSA,
        &OID_SIG_ECDSA_WITH_SHA384,
        &OID_NIST_HASH_SHA384,
    ]) {
        Hash::Sha384
    } else if is_one_of([
        &OID_PKCS1_SHA512WITHRSA,
        &OID_SIG_ECDSA_WITH_SHA512,
        &OID_NIST_HASH_SHA512,
    ]) {
        Hash::Sha512
    } else {
        Hash::Sha256
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sha2::{Digest as _, Sha256, Sha384, Sha512};
    use x509_parser::pem::parse_x509_pem;

    use super::ChannelBinding;

    /// Certificates that OpenSSL has signed; which hash is theirs is in their names.
    const CERTIFICATES: [(&str, &[u8]); 12] = [
        (
            "sha256",
            include_bytes!("../../tests/certificates/rsa-md5.pem"),
        ),
        (
            "sha256",
            include_bytes!("../../tests/certificates/rsa-sha1.pem"),
        ),
        (
            "sha256",
            include_bytes!("../../tests/certificates/rsa-sha256.pem"),
        ),
        (
            "sha384",
            include_bytes!("../../tests/certificates/rsa-sha384.pem"),
        ),
        (
            "sha512",
            include_bytes!("../../tests/certificates/rsa-sha512.pem"),
        ),
        (
            "sha256",
            include_bytes!("../../tests/certificates/ecdsa-sha256.pem"),
        ),
        (
            "sha384",
            include_bytes!("../../tests/certificates/ecdsa-sha384.pem"),
        ),
        (
            "sha512",
            include_bytes!("../../tests/certificates/ecdsa-sha512.pem"),
        ),
        (
            "sha256",
            include_bytes!("../../tests/certificates/rsa-pss-sha256.pem"),
        ),
        (
            "sha384",
            include_bytes!("../../tests/certificates/rsa-pss-sha384.pem"),
        ),
        (
            "sha512",
            include_bytes!("../../tests/certificates/rsa-pss-sha512.pem"),
        ),
        (
            "sha256",
            include_bytes!("../../tests/certificates/ed25519.pem"),
        ),
    ];

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (index, (hash, pem)) in CERTIFICATES.into_iter().enumerate() {
            let der = parse_x509_pem(pem).unwrap().1.contents;
            let hash = match hash {
                "sha256" => Sha256::digest(&der).to_vec(),
                "sha384" => Sha384::digest(&der).to_vec(),
                _ => Sha512::digest(&der).to_vec(),
            };
            let binding = ChannelBinding::of_certificate(&der).unwrap();
            let expected = [b"tls-server-end-point:", &hash[..]].concat();
            assert_eq!(binding.as_bytes(), expected, "certificate {index}");
        }
    }

    #[test]
    fn what_is_no_certificate_binds_nothing() {
        assert_eq!(ChannelBinding::of_certificate(b""), None);
        let der = parse_x509_pem(CERTIFICATES[8].1).unwrap().1.contents;
        for end in 0..der.len() {
            assert_eq!(ChannelBinding::of_certificate(&der[..end]), None);
        }
        for position in 0..der.len() {
            let mut broken = der.clone();
            broken[position] ^= 0xff;
            let _ = ChannelBinding::of_certificate(&broken);
        }
    }
}
