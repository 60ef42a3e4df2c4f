//! [`ExchangeKey`]: how a client and a server come by the same session key.
//!
//! The client sends the public half of an RSA key (PUBLIC_KEY, [MS-PSRP] 2.2.2.3), the server
//! answers with the session key that it encrypted with it (ENCRYPTED_SESSION_KEY, 2.2.2.4). Both
//! travel in base64 of what CryptoAPI calls a blob: numbers begin with their least significant byte.
//!
//! The client's key lives for one exchange and decrypts one message, blinded: whoever times the
//! decryption learns nothing that could be used again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use super::{MessageType, PsrpError};
use crate::clixml::SessionKey;

/// Bits of the client's key: what the message has room for.
const BITS: u32 = 2048;
/// Bytes of its modulus, and of what is encrypted with it.
const MODULUS: usize = BITS as usize / 8;
/// A PUBLICKEYBLOB of version 2 for CALG_RSA_KEYX, and the mark of an RSA public key.
const PUBLIC_HEAD: [u8; 12] = *b"\x06\x02\0\0\0\xa4\0\0RSA1";
/// A SIMPLEBLOB of version 2 with a key for CALG_AES_256, encrypted by CALG_RSA_KEYX.
const SESSION_HEAD: [u8; 12] = *b"\x01\x02\0\0\x10\x66\0\0\0\xa4\0\0";

/// The client's key for one exchange. Shows nothing of itself.
pub struct ExchangeKey(Box<RsaPrivateKey>);

impl std::fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExchangeKey(..)")
    }
}

impl ExchangeKey {
    /// A new one. That takes some tenths of a second: not for a thread that others wait for.
    pub fn generate() -> Result<Self, PsrpError> {
        RsaPrivateKey::new(&mut rand::rng(), BITS as usize)
            .map(|key| Self(Box::new(key)))
            .map_err(|error| PsrpError::KeyExchange {
                what: "a key pair cannot be made",
                detail: error.to_string(),
            })
    }

    /// The property of PUBLIC_KEY.
    pub(super) fn public_text(&self) -> String {
        let mut blob = Vec::from(PUBLIC_HEAD);
        blob.extend(BITS.to_le_bytes());
        blob.extend(little_endian(self.0.e(), 4));
        blob.extend(little_endian(self.0.n(), MODULUS));
        STANDARD.encode(blob)
    }

    /// The session key in the property of ENCRYPTED_SESSION_KEY.
    pub(super) fn open(&self, text: &str) -> Result<SessionKey, PsrpError> {
        let wrong = PsrpError::Property {
            kind: MessageType::EncryptedSessionKey,
            property: "EncryptedSessionKey",
            expected: "a session key encrypted with the key that was sent",
        };
        let blob = STANDARD.decode(text.trim()).map_err(|_| wrong.clone())?;
        let mut encrypted = blob
            .strip_prefix(&SESSION_HEAD)
            .filter(|encrypted| encrypted.len() == MODULUS)
            .ok_or(wrong.clone())?
            .to_vec();
        encrypted.reverse();
        let opened = self
            .0
            .decrypt_blinded(&mut rand::rng(), Pkcs1v15Encrypt, &encrypted)
            .map(Zeroizing::new)
            .map_err(|_| wrong.clone())?;
        SessionKey::from_bytes(&opened).ok_or(wrong)
    }
}

/// The property of ENCRYPTED_SESSION_KEY: `key` for the client whose PUBLIC_KEY has `public_text`.
pub(super) fn seal(key: &SessionKey, public_text: &str) -> Result<String, PsrpError> {
    let wrong = PsrpError::Property {
        kind: MessageType::PublicKey,
        property: "PublicKey",
        expected: "an RSA key of 2048 bits",
    };
    let blob = STANDARD.decode(public_text.trim());
    let blob = blob.map_err(|_| wrong.clone())?;
    let numbers = blob
        .strip_prefix(&PUBLIC_HEAD)
        .and_then(|rest| rest.strip_prefix(&BITS.to_le_bytes()));
    let (exponent, modulus) = numbers
        .and_then(|numbers| numbers.split_at_checked(4))
        .filter(|(_, modulus)| modulus.len() == MODULUS)
        .ok_or(wrong.clone())?;
    let number = |bytes: &[u8], bits| BoxedUint::from_le_slice(bytes, bits).ok();
    let public = number(modulus, BITS)
        .zip(number(exponent, 32))
        .and_then(|(modulus, exponent)| RsaPublicKey::new(modulus, exponent).ok())
        .ok_or(wrong.clone())?;
    let mut encrypted = public
        .encrypt(&mut rand::rng(), Pkcs1v15Encrypt, key.bytes())
        .map_err(|_| wrong)?;
    encrypted.reverse();
    Ok(STANDARD.encode([&SESSION_HEAD[..], &encrypted].concat()))
}

/// The `length` least significant bytes of `number`, the least significant one first.
fn little_endian(number: &BoxedUint, length: usize) -> Vec<u8> {
    let mut bytes = Vec::from(number.to_le_bytes());
    bytes.resize(length, 0);
    bytes
}
