//! [`Authenticate`]: what the lab looks up in NTLM's last message, which `sspi` keeps to itself.

use super::binding::Binding;

/// Offset of NtChallengeResponseFields ([MS-NLMP] 2.2.1.3).
const RESPONSE_FIELDS: usize = 20;

/// Offset of NegotiateFlags.
const FLAGS: usize = 60;

/// `NTLMSSP_NEGOTIATE_TARGET_INFO`, without which `sspi` looks for no integrity code.
const TARGET_INFO: u32 = 0x0080_0000;

/// Where the pairs begin in the response: behind the proof and the fixed part of
/// NTLMv2_CLIENT_CHALLENGE (2.2.2.8, 2.2.2.7).
const PAIRS: usize = 16 + 28;

/// `MsvAvFlags` (2.2.2.1), and in it: there is an integrity code.
const AV_FLAGS: u16 = 6;
const INTEGRITY_CODE: u32 = 2;

/// `MsvAvChannelBindings` (2.2.2.1).
const CHANNEL_BINDINGS: u16 = 10;

/// An AUTHENTICATE message ([MS-NLMP] 2.2.1.3), as it came.
pub(super) struct Authenticate<'m>(pub(super) &'m [u8]);

impl Authenticate<'_> {
    /// The channel that the logon is bound to.
    pub(super) fn binding(&self) -> Option<Binding> {
        Binding::given(self.pair(CHANNEL_BINDINGS)?)
    }

    /// Whether it has an integrity code, which nobody can make without the password.
    pub(super) fn has_integrity_code(&self) -> bool {
        let flags = number32(self.0, FLAGS).unwrap_or_default();
        let pairs = self.pair(AV_FLAGS).and_then(|value| number32(value, 0));
        flags & TARGET_INFO != 0 && pairs.unwrap_or_default() & INTEGRITY_CODE != 0
    }

    /// The value of a pair of the target information.
    fn pair(&self, wanted: u16) -> Option<&[u8]> {
        let length = usize::from(number16(self.0, RESPONSE_FIELDS)?);
        let offset = usize::try_from(number32(self.0, RESPONSE_FIELDS + 4)?).ok()?;
        let mut pairs = self.0.get(offset..)?.get(..length)?.get(PAIRS..)?;
        loop {
            let (id, length) = (number16(pairs, 0)?, usize::from(number16(pairs, 2)?));
            let value = pairs.get(4..)?.get(..length)?;
            if id == wanted {
                return Some(value);
            }
            pairs = pairs.get(4 + length..).filter(|_| id != 0)?;
        }
    }
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pairs_are_found_and_never_beyond_the_message() {
        let mut response = vec![0; PAIRS];
        response.extend_from_slice(&[2, 0, 2, 0, b'A', 0, 6, 0, 4, 0, 2, 0, 0, 0, 10, 0, 16, 0]);
        response.extend_from_slice(&[7; 16]);
        response.extend_from_slice(&[0, 0, 0, 0]);
        let mut message = vec![0; 64];
        let length = u16::try_from(response.len()).unwrap().to_le_bytes();
        message[20..22].copy_from_slice(&length);
        message[24] = 64;
        message[60..64].copy_from_slice(&TARGET_INFO.to_le_bytes());
        message.extend_from_slice(&response);
        assert_eq!(Authenticate(&message).binding(), Binding::given(&[7; 16]));
        assert!(Authenticate(&message).has_integrity_code());
        for end in 0..message.len() {
            let cut = Authenticate(&message[..end]);
            assert!(
                cut.binding().is_none() && !cut.has_integrity_code(),
                "{end}"
            );
        }
        let end = message.len() - 20;
        message[end..end + 16].fill(0);
        assert!(Authenticate(&message).binding().is_none());
        message[60..64].fill(0);
        assert!(!Authenticate(&message).has_integrity_code());
    }
}
