//! `NTLMv2` and message sealing over the crate `sspi` ([MS-NLMP], [MS-WSMV] 2.2.9.1).
//!
//! Key type: [`Ntlm`], the client's half of one security context: two tokens establish it, then
//! it seals requests and unseals answers, strictly in turn. It belongs to one connection.

use owaim_proto::multipart::{self, Delimiter, MultipartError, SOAP, SPNEGO, SealedMessage};
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, DataRepresentation,
    EncryptionFlags, SecurityBuffer, SecurityBufferRef, Sspi, SspiImpl, Username,
};

use crate::Credential;

/// Length of an NTLM signature ([MS-NLMP] 2.2.2.9).
const SIGNATURE: usize = 16;

/// Why a token could not be made or a message not be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NtlmError {
    /// The user name is of no form that NTLM knows.
    #[error("the user name {username:?} is none of DOMAIN\\user, user@domain and user")]
    Username { username: String },
    /// The security package refuses.
    #[error("{0}")]
    Package(#[from] sspi::Error),
    /// The body is not framed as a sealed message.
    #[error("{0}")]
    Framing(#[from] MultipartError),
}

/// The client's half of a security context.
pub(crate) struct Ntlm {
    context: sspi::Ntlm,
    credentials: <sspi::Ntlm as SspiImpl>::CredentialsHandle,
}

impl Ntlm {
    /// A context that will speak for `credential`.
    pub(crate) fn new(credential: &Credential) -> Result<Self, NtlmError> {
        let username = Username::parse(&credential.username)
            .ok()
            .filter(|username| !username.account_name().is_empty())
            .ok_or_else(|| NtlmError::Username {
                username: credential.username.clone(),
            })?;
        let identity = AuthIdentity {
            username,
            password: credential.password.expose().to_owned().into(),
        };
        let mut context = sspi::Ntlm::new();
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
    pub(crate) fn negotiate(&mut self) -> Result<Vec<u8>, NtlmError> {
        self.step(Vec::new())
    }

    /// The token that answers the server's CHALLENGE: AUTHENTICATE, "type 3".
    pub(crate) fn authenticate(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, NtlmError> {
        self.step(challenge)
    }

    fn step(&mut self, token: Vec<u8>) -> Result<Vec<u8>, NtlmError> {
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

    /// The body that carries `envelope`; its content type is [`content_type`].
    pub(crate) fn seal(&mut self, mut envelope: Vec<u8>) -> Result<Vec<u8>, NtlmError> {
        let original_length = envelope.len();
        let mut signature = vec![0; SIGNATURE];
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut signature),
            SecurityBufferRef::data_buf(&mut envelope),
        ];
        self.context
            .encrypt_message(EncryptionFlags::empty(), &mut buffers)?;
        let message = SealedMessage {
            original_type: SOAP.into(),
            original_length,
            signature,
            sealed: envelope,
        };
        Ok(message.encode(SPNEGO, Delimiter::Plain))
    }

    /// The envelope that `body` carries, its signature and order checked.
    pub(crate) fn unseal(&mut self, content_type: &str, body: &[u8]) -> Result<Vec<u8>, NtlmError> {
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

/// The content type of what [`Ntlm::seal`] gives.
pub(crate) fn content_type() -> String {
    multipart::content_type(SPNEGO)
}
