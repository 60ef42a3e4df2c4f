//! [`SessionKey`]: what both ends of a runspace pool encrypt secure strings with.
//!
//! AES-256 in CBC mode with an initialization vector of zeros over the text in UTF-16LE, padded as
//! PKCS #7 says and written in base64 ([MS-PSRP] 2.2.5.1.24, 3.1.1.2.7). How both ends come by
//! the same key is the business of [`psrp`](crate::psrp).

use std::fmt;

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use cbc::{Decryptor, Encryptor};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Secret;

/// Bytes of a key.
const LENGTH: usize = 32;
/// The protocol has no other one.
const NO_VECTOR: [u8; 16] = [0; 16];

/// The key of a runspace pool. Shows nothing of itself.
#[derive(Clone)]
pub struct SessionKey([u8; LENGTH]);

/// A value holds a secret and there is no key to encrypt it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret cannot be written without a session key")]
pub struct NoSessionKey;

impl SessionKey {
    /// A new one.
    pub(crate) fn generate() -> Self {
        Self(rand::random())
    }

    /// The key of these bytes, if it is as many as a key has.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text of an `<SS>` element.
    pub(super) fn encrypt(&self, secret: &Secret) -> String {
        let text = utf16(secret.expose());
        let cipher = Encryptor::<Aes256>::new(&self.0.into(), &NO_VECTOR.into());
        STANDARD.encode(cipher.encrypt_padded_vec::<Pkcs7>(&text))
    }

    /// The secret in the text of an `<SS>` element; `None` if it was not written with this key, or
    /// is no text.
    pub(super) fn decrypt(&self, text: &str) -> Option<Secret> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        let cipher = Decryptor::<Aes256>::new(&self.0.into(), &NO_VECTOR.into());
        let plain = Zeroizing::new(cipher.decrypt_padded_vec::<Pkcs7>(&bytes).ok()?);
        let (units, rest) = plain.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let mut secret = Zeroizing::new(String::with_capacity(plain.len() * 2));
        for c in char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))) {
            secret.push(c.ok()?);
        }
        Some(Secret::new(std::mem::take(&mut *secret)))
    }
}

/// `text` in UTF-16LE. Never grows: what a growing buffer leaves behind would not be overwritten.
fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 2));
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}
