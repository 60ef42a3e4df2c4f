//! [`Acceptor`]: the server's half of authentication and sealing on one connection.
//!
//! Tokens go to the package that they are of; what comes of it seals and unseals messages. The
//! packages are those of the crate `sspi`.

use owaim_proto::multipart::{Delimiter, MultipartError, SOAP, SPNEGO, SealedMessage};
use picky_asn1_der::Asn1DerError;
use picky_krb::gss_api::GssApiNegInit;
use sspi::{
    BufferType, DataRepresentation, EncryptionFlags, Ntlm, SecurityBuffer, SecurityBufferRef,
    SecurityStatus, ServerRequestFlags, Sspi,
};

use super::accounts::Accounts;
use super::binding::BindingPolicy;
use super::ntlm::{self, Conversation};

/// Why a security context cannot be used or was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    /// The security package refuses: wrong password, altered message, broken token.
    #[error("{0}")]
    Package(#[from] sspi::Error),
    /// No account goes by the name in the token.
    #[error("no account is called {username:?}")]
    NoAccount { username: String },
    /// A user name is of no form that Windows knows.
    #[error("{username:?} is none of DOMAIN\\user, user@domain and user")]
    Username { username: String },
    /// The body is not framed as a sealed message.
    #[error("{0}")]
    Framing(#[from] MultipartError),
    /// The first token of a conversation is none.
    #[error("expected a token of NTLM or SPNEGO, found something else")]
    Token,
    /// A token is not what its first octets promise.
    #[error("broken token: {0}")]
    Structure(#[from] Asn1DerError),
    /// The logon is bound to another TLS channel, or to none where one is required.
    #[error("the logon is not bound to this TLS channel")]
    Binding,
    /// Nothing in the last token proves that the client knows the password.
    #[error("the logon proves nothing: it has no integrity code")]
    Proof,
    /// The package is switched off.
    #[error("{package} is switched off")]
    Off { package: &'static str },
    /// Nobody is logged on.
    #[error("nobody is logged on to the connection")]
    NotEstablished,
}

/// What a token led to.
#[derive(Debug)]
pub(crate) enum Step<G, C> {
    /// The conversation goes on with this token.
    Continue { conversation: G, token: Vec<u8> },
    /// Somebody is logged on.
    Established {
        context: C,
        /// The account, as the site file spells it.
        user: String,
        /// A last token for the client, where the package wants that.
        token: Option<Vec<u8>>,
    },
}

/// What tokens are judged by.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'s> {
    pub(crate) accounts: &'s Accounts,
    /// Whether NTLM is taken.
    pub(crate) ntlm: bool,
    pub(crate) bindings: BindingPolicy,
    /// Whether only sealed messages will be taken.
    pub(crate) sealed: bool,
}

/// The server's half of one security context.
pub(crate) struct Acceptor {
    stage: Stage,
}

enum Stage {
    Fresh,
    Challenged(Conversation),
    Established(Box<Ntlm>),
}

impl Acceptor {
    /// A context that nobody has logged on to.
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Fresh,
        }
    }

    /// Takes one token of the client. A token that begins a conversation begins it anew; after an
    /// error nobody is logged on.
    pub(crate) fn accept(
        &mut self,
        token: Vec<u8>,
        gate: Gate<'_>,
    ) -> Result<Step<(), ()>, AcceptError> {
        let conversation = match std::mem::replace(&mut self.stage, Stage::Fresh) {
            Stage::Challenged(conversation) => conversation,
            Stage::Fresh | Stage::Established(_) if !gate.ntlm => {
                return Err(AcceptError::Off { package: "NTLM" });
            }
            Stage::Fresh | Stage::Established(_) if ntlm::is_bare(&token) => Conversation::bare(),
            Stage::Fresh | Stage::Established(_) if is_spnego(&token) => {
                Conversation::spnego(gate.accounts)?
            }
            Stage::Fresh | Stage::Established(_) => return Err(AcceptError::Token),
        };
        match conversation.accept(token, gate.accounts, gate.bindings, gate.sealed)? {
            Step::Continue {
                conversation,
                token,
            } => {
                self.stage = Stage::Challenged(conversation);
                Ok(Step::Continue {
                    conversation: (),
                    token,
                })
            }
            Step::Established {
                context,
                user,
                token,
            } => {
                self.stage = Stage::Established(context);
                Ok(Step::Established {
                    context: (),
                    user,
                    token,
                })
            }
        }
    }

    /// The envelope that `body` carries, its signature and order checked.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, AcceptError> {
        let context = self.context()?;
        let mut message = SealedMessage::decode(SPNEGO, content_type, body)?;
        message.check_length(message.sealed.len())?;
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut message.signature),
            SecurityBufferRef::data_buf(&mut message.sealed),
        ];
        context.decrypt_message(&mut buffers)?;
        Ok(message.sealed)
    }

    /// The body that carries `envelope`.
    pub(crate) fn seal(
        &mut self,
        mut envelope: Vec<u8>,
        delimiter: Delimiter,
    ) -> Result<Vec<u8>, AcceptError> {
        let context = self.context()?;
        let original_length = envelope.len();
        let mut signature = vec![0; ntlm::SIGNATURE];
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut signature),
            SecurityBufferRef::data_buf(&mut envelope),
        ];
        context.encrypt_message(EncryptionFlags::empty(), &mut buffers)?;
        let message = SealedMessage {
            original_type: SOAP.into(),
            original_length,
            signature,
            sealed: envelope,
        };
        Ok(message.encode(SPNEGO, delimiter))
    }

    fn context(&mut self) -> Result<&mut Ntlm, AcceptError> {
        match &mut self.stage {
            Stage::Established(ntlm) => Ok(ntlm),
            Stage::Fresh | Stage::Challenged(_) => Err(AcceptError::NotEstablished),
        }
    }
}

/// Whether `token` opens a conversation in SPNEGO (RFC 4178 4.2.1).
///
/// `sspi` panics on one that does not: its decoder takes the contents for granted once the outer
/// tag fits. So they are decoded here first, by the same crate and in its way, which is to read the
/// application tag as a sequence.
fn is_spnego(token: &[u8]) -> bool {
    const APPLICATION_0: u8 = 0x60;
    const SEQUENCE: u8 = 0x30;
    let Some((&APPLICATION_0, contents)) = token.split_first() else {
        return false;
    };
    let sequence = [&[SEQUENCE], contents].concat();
    picky_asn1_der::from_bytes::<GssApiNegInit>(&sequence).is_ok()
}

/// One step of a package's own.
pub(super) fn step<P>(
    package: &mut P,
    token: Vec<u8>,
) -> Result<(SecurityStatus, Vec<u8>), AcceptError>
where
    P: Sspi,
    P::CredentialsHandle: Default,
{
    let mut nobody = P::CredentialsHandle::default();
    let mut input = [SecurityBuffer::new(token, BufferType::Token)];
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let builder = package
        .accept_security_context()
        .with_credentials_handle(&mut nobody)
        .with_context_requirements(ServerRequestFlags::CONFIDENTIALITY)
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(&mut input)
        .with_output(&mut output);
    let status = package
        .accept_security_context_impl(builder)?
        .resolve_to_result()?
        .status;
    let [token] = output;
    Ok((status, token.buffer))
}

#[cfg(test)]
mod tests;
