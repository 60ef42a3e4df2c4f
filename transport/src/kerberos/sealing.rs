//! [`Sealing`]: messages under the key that two sides agreed on (RFC 4121, section 4.2.4;
//! [MS-KILE] 3.4.5.4.1; [MS-WSMV] 2.2.9.1.1.2).
//!
//! What leaves is sealed by `sspi`. What comes is opened here, with the cipher of `picky-krb`:
//! `sspi` compares neither the header in clear with the one that is sealed nor the sequence
//! numbers, and so takes a message twice, and it counts on fields that anyone can set.

use owaim_proto::multipart::SealedMessage;
use picky_krb::constants::key_usages::ACCEPTOR_SEAL;
use picky_krb::crypto::CipherSuite;
use picky_krb::gss_api::WrapToken;
use sspi::Sspi as _;
use zeroize::Zeroizing;

use crate::security::{SecurityError, seal_by};

/// What the token of an AES cipher puts before the message: header 16, and of what is rotated
/// there the sealed header 16, the checksum 12 and the confounder 16.
const SIGNATURE: usize = 60;

/// Flags of a token (RFC 4121, section 4.2.2).
const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;

/// Messages under the key that two sides agreed on.
pub(super) struct Sealing {
    context: sspi::Kerberos,
    suite: CipherSuite,
    key: Zeroizing<Vec<u8>>,
    /// Sequence number of the message that came last.
    received: Option<u64>,
}

impl Sealing {
    /// Those of `context`, which is established.
    pub(super) fn of(context: sspi::Kerberos) -> Result<Self, SecurityError> {
        let keys = context.query_context_session_key()?;
        let key = Zeroizing::new(keys.session_key.as_ref().clone());
        let suite = match key.len() {
            32 => CipherSuite::Aes256CtsHmacSha196,
            16 => CipherSuite::Aes128CtsHmacSha196,
            length => {
                return Err(SecurityError::Sealed(format!(
                    "no cipher has a key of {length} octets"
                )));
            }
        };
        Ok(Self {
            context,
            suite,
            key,
            received: None,
        })
    }

    /// The body that carries `envelope`, with `protocol` as its protocol.
    pub(super) fn seal(
        &mut self,
        protocol: &str,
        envelope: Vec<u8>,
    ) -> Result<Vec<u8>, SecurityError> {
        seal_by(&mut self.context, SIGNATURE, protocol, envelope)
    }

    /// The envelope that `body` carries: sealed by the other side, whole, and after the one before.
    pub(super) fn unseal(
        &mut self,
        protocol: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        let message = SealedMessage::decode(protocol, content_type, body)?;
        let mut token = message.signature;
        token.extend_from_slice(&message.sealed);
        let envelope = self.open(&token).map_err(SecurityError::Sealed)?;
        if message.original_length == envelope.len() {
            return Ok(envelope);
        }
        Err(SecurityError::Sealed(format!(
            "expected a message of {} octets, found {}",
            message.original_length,
            envelope.len()
        )))
    }

    fn open(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        let token = WrapToken::decode(token).map_err(|error| error.to_string())?;
        let theirs = SENT_BY_ACCEPTOR | SEALED;
        if token.flags & theirs != theirs {
            return Err(format!(
                "expected a sealed message of the other side, found one with the flags {:#04x}",
                token.flags
            ));
        }
        let mut sealed = token.checksum.clone();
        if sealed.is_empty() {
            return Err("expected a sealed message, found a header alone".into());
        }
        // What DCE puts in besides moves the rotation by as much; WinRM does not use it.
        let rotated = usize::from(token.rrc) + usize::from(token.ec);
        let length = sealed.len();
        sealed.rotate_left(rotated % length);
        let mut opened = self
            .suite
            .cipher()
            .decrypt(&self.key, ACCEPTOR_SEAL, &sealed)
            .map_err(|error| error.to_string())?;
        let header_at = opened
            .len()
            .checked_sub(WrapToken::header_len())
            .ok_or("expected a header at the end of the message")?;
        let mut header = WrapToken::with_seq_number(token.seq_num);
        (header.flags, header.ec) = (token.flags, token.ec);
        if opened[header_at..] != header.header() {
            return Err("the header is not the one that was sealed".into());
        }
        if self.received.is_some_and(|last| token.seq_num <= last) {
            return Err(format!(
                "the message with the sequence number {} has come before",
                token.seq_num
            ));
        }
        self.received = Some(token.seq_num);
        let end = header_at
            .checked_sub(token.ec.into())
            .ok_or("its filler is longer than the message")?;
        opened.truncate(end);
        Ok(opened)
    }
}
