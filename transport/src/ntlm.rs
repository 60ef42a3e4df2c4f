//! `NTLMv2` and message sealing over the crate `sspi` ([MS-NLMP], [MS-WSMV] 2.2.9.1).
//!
//! Key type: [`Ntlm`], the client's half of one security context: two tokens establish it, then
//! it seals requests and unseals answers, strictly in turn. It belongs to one connection.

use owaim_proto::multipart::{SPNEGO, SealedMessage};
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation,
    SecurityBuffer, SecurityBufferRef, Sspi, SspiImpl, Username,
};

use crate::Credential;
use crate::security::{SecurityError, seal_by};
use crate::tls::ChannelBinding;

/// Length of an NTLM signature ([MS-NLMP] 2.2.2.9).
const SIGNATURE: usize = 16;

/// The client's half of a security context.
pub(crate) struct Ntlm {
    context: sspi::Ntlm,
    credentials: <sspi::Ntlm as SspiImpl>::CredentialsHandle,
}

impl Ntlm {
    /// A context that will speak for `credential`, tied to the TLS connection of `binding`.
    pub(crate) fn new(
        credential: &Credential,
        binding: Option<&ChannelBinding>,
    ) -> Result<Self, SecurityError> {
        let username = Username::parse(&credential.username)
            .ok()
            .filter(|username| !username.account_name().is_empty())
            .ok_or_else(|| SecurityError::Username {
                username: credential.username.clone(),
            })?;
        let identity = AuthIdentity {
            username,
            password: credential.password.expose().to_owned().into(),
        };
        let mut context = sspi::Ntlm::new();
        if let Some(binding) = binding {
            context.set_channel_bindings(binding.as_bytes());
        }
        let credentials = context
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&identity)
            .execute(&mut context)?
            .credentials_handle;
        Ok(Self {
            context,
            credentials,
        })
    }

    /// The token that opens the conversation: NEGOTIATE, "type 1".
    pub(crate) fn negotiate(&mut self) -> Result<Vec<u8>, SecurityError> {
        self.step(Vec::new())
    }

    /// The token that answers the server's CHALLENGE: AUTHENTICATE, "type 3".
    pub(crate) fn authenticate(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        self.step(challenge)
    }

    fn step(&mut self, token: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = self
            .context
            .initialize_security_context()
            .with_credentials_handle(&mut self.credentials)
            .with_context_requirements(
                ClientRequestFlags::INTEGRITY | ClientRequestFlags::CONFIDENTIALITY,
            )
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        self.context
            .initialize_security_context_impl(&mut builder)?
            .resolve_to_result()?;
        let [token] = output;
        Ok(token.buffer)
    }

    /// The body that carries `envelope`; its content type is that of `SPNEGO`.
    pub(crate) fn seal(&mut self, envelope: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        seal_by(&mut self.context, SIGNATURE, SPNEGO, envelope)
    }

    /// The envelope that `body` carries, its signature and order checked.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        let mut message = SealedMessage::decode(SPNEGO, content_type, body)?;
        message.check_length(message.sealed.len())?;
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut message.signature),
            SecurityBufferRef::data_buf(&mut message.sealed),
        ];
        self.context.decrypt_message(&mut buffers)?;
        Ok(message.sealed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Ntlm;
    use crate::security::SecurityError;
    use crate::{Credential, Secret};

    fn credential(username: &str) -> Credential {
        Credential {
            username: username.into(),
            password: Secret::new("S3cret-canary-42!".into()),
        }
    }

    /// The CHALLENGE message of the worked example in [MS-NLMP] 4.2.4.3, with a timestamp added to
    /// its target information as servers do (2.2.2.1, `MsvAvTimestamp`).
    fn challenge() -> Vec<u8> {
        let mut info = Vec::new();
        for (id, value) in [(2, "Domain"), (1, "Server")] {
            let value: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
            info.extend_from_slice(&[id, 0, u8::try_from(value.len()).unwrap(), 0]);
            info.extend_from_slice(&value);
        }
        info.extend_from_slice(&[7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        let name: Vec<u8> = "Server".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut message = b"NTLMSSP\0\x02\0\0\0\x0c\0\x0c\0\x38\0\0\0\x33\x82\x8a\xe2".to_vec();
        message.extend_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        message.extend_from_slice(&[0; 8]);
        let length = u8::try_from(info.len()).unwrap();
        message.extend_from_slice(&[length, 0, length, 0, 0x44, 0, 0, 0]);
        message.extend_from_slice(&[6, 0, 0x70, 0x17, 0, 0, 0, 0x0f]);
        message.extend_from_slice(&name);
        message.extend_from_slice(&info);
        message
    }

    /// The answer to `challenge` of a fresh context.
    fn answer(challenge: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        let mut ntlm = Ntlm::new(&credential("LITWAREINC\\owaim"), None).unwrap();
        assert!(
            ntlm.negotiate()
                .unwrap()
                .starts_with(b"NTLMSSP\0\x01\0\0\0")
        );
        ntlm.authenticate(challenge)
    }

    #[test]
    fn a_challenge_is_answered() {
        let token = answer(challenge()).unwrap();
        assert!(token.starts_with(b"NTLMSSP\0\x03\0\0\0"));
        let wide = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>()
        };
        for text in ["LITWAREINC", "owaim"] {
            let text = wide(text);
            assert!(token.windows(text.len()).any(|window| window == text));
        }
    }

    #[test]
    fn a_broken_challenge_never_panics() {
        let whole = challenge();
        for end in 0..whole.len() {
            let _ = answer(whole[..end].to_vec());
        }
        for position in 0..whole.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[position] = value;
                let _ = answer(broken);
            }
        }
    }

    #[test]
    fn user_names_of_no_known_form_are_refused() {
        for name in ["", "A\\b\\c", "DOMAIN\\", "@litwareinc.com"] {
            let error = Ntlm::new(&credential(name), None).err().unwrap();
            assert!(
                matches!(error, SecurityError::Username { .. }),
                "{name}: {error}"
            );
        }
        for name in [
            "owaim",
            "LITWAREINC\\owaim",
            "owaim@litwareinc.com",
            ".\\owaim",
        ] {
            assert!(Ntlm::new(&credential(name), None).is_ok(), "{name}");
        }
    }
}
