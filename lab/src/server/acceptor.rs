//! [`Acceptor`]: the server's half of authentication and sealing on one connection.
//!
//! Tokens go to the package that they are of; what comes of it seals and unseals messages. The
//! packages are those of the crate `sspi`.

use owaim_inventory::HostName;
use owaim_proto::multipart::{self, Delimiter, MultipartError, SOAP, SealedMessage};
use picky_asn1_der::Asn1DerError;
use picky_krb::gss_api::{GssApiNegInit, MechType};
use sspi::{
    BufferType, DataRepresentation, EncryptionFlags, Kerberos, Ntlm, SecurityBuffer,
    SecurityBufferRef, SecurityStatus, ServerRequestFlags, Sspi,
};

use super::accounts::Accounts;
use super::binding::BindingPolicy;
use super::kerberos::{self, Services};
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
    /// A ticket does not do.
    #[error("the ticket does not do: {detail}")]
    Ticket { detail: &'static str },
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
    pub(crate) host: &'s HostName,
    pub(crate) accounts: &'s Accounts,
    pub(crate) services: &'s Services,
    /// Whether NTLM is taken.
    pub(crate) ntlm: bool,
    pub(crate) bindings: BindingPolicy,
    /// Whether only sealed messages will be taken.
    pub(crate) sealed: bool,
}

/// A scheme of HTTP whose tokens make a security context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Negotiate,
    Kerberos,
}

impl Scheme {
    /// Its name in HTTP.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
        }
    }

    /// The protocol of messages that are sealed under it ([MS-WSMV] 2.2.9.1).
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Negotiate => multipart::SPNEGO,
            Self::Kerberos => multipart::KERBEROS,
        }
    }
}

/// The server's half of one security context.
pub(crate) struct Acceptor {
    stage: Stage,
}

enum Stage {
    Fresh,
    Challenged(Conversation),
    Established(Scheme, Package),
}

/// What seals and unseals.
enum Package {
    Ntlm(Box<Ntlm>),
    Kerberos(Box<Kerberos>),
}

/// A first token of SPNEGO.
pub(super) struct Spnego {
    /// Mechanisms that the client has, the best one first.
    pub(super) mechanisms: Vec<MechType>,
    /// The first token of the best one.
    pub(super) token: Option<Vec<u8>>,
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
        scheme: Scheme,
        token: Vec<u8>,
        gate: Gate<'_>,
    ) -> Result<Step<(), ()>, AcceptError> {
        let conversation = match std::mem::replace(&mut self.stage, Stage::Fresh) {
            Stage::Challenged(conversation) if scheme == Scheme::Negotiate => conversation,
            _ if scheme == Scheme::Kerberos || kerberos::is_bare(&token) => {
                let shown = gate.services.accept(gate.host, token, gate.bindings)?;
                return Ok(self.established(
                    scheme,
                    Package::Kerberos(shown.context),
                    shown.user,
                    Some(shown.token),
                ));
            }
            _ if ntlm::is_bare(&token) => Conversation::bare(gate.ntlm)?,
            _ => {
                let spnego = Spnego::decode(&token).ok_or(AcceptError::Token)?;
                if let Some((mechanism, token)) = kerberos::token_in(&spnego) {
                    let shown = gate.services.accept(gate.host, token, gate.bindings)?;
                    let token = kerberos::accepted(mechanism, shown.token)?;
                    return Ok(self.established(
                        scheme,
                        Package::Kerberos(shown.context),
                        shown.user,
                        Some(token),
                    ));
                }
                Conversation::spnego(gate.ntlm, gate.accounts)?
            }
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
            } => Ok(self.established(scheme, Package::Ntlm(context), user, token)),
        }
    }

    fn established(
        &mut self,
        scheme: Scheme,
        package: Package,
        user: String,
        token: Option<Vec<u8>>,
    ) -> Step<(), ()> {
        self.stage = Stage::Established(scheme, package);
        Step::Established {
            context: (),
            user,
            token,
        }
    }

    /// By what somebody is logged on, for the record.
    pub(crate) fn auth(&self) -> &'static str {
        match &self.stage {
            Stage::Established(_, Package::Kerberos(_)) => "kerberos",
            Stage::Established(_, Package::Ntlm(_)) | Stage::Challenged(_) => "ntlm",
            Stage::Fresh => "none",
        }
    }

    /// The envelope that `body` carries, its signature and order checked.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, AcceptError> {
        let (scheme, package) = self.context()?;
        let mut message = SealedMessage::decode(scheme.protocol(), content_type, body)?;
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut message.signature),
            SecurityBufferRef::data_buf(&mut message.sealed),
        ];
        match package {
            Package::Ntlm(ntlm) => {
                ntlm.decrypt_message(&mut buffers)?;
            }
            Package::Kerberos(kerberos) => {
                if !kerberos::is_whole(buffers[0].data(), buffers[1].data()) {
                    return Err(AcceptError::Token);
                }
                kerberos.decrypt_message(&mut buffers)?;
            }
        }
        let length = buffers[1].data().len();
        message.check_length(length)?;
        message.sealed.truncate(length);
        Ok(message.sealed)
    }

    /// The body that carries `envelope`, and its content type.
    pub(crate) fn seal(
        &mut self,
        mut envelope: Vec<u8>,
        delimiter: Delimiter,
    ) -> Result<(String, Vec<u8>), AcceptError> {
        let (scheme, package) = self.context()?;
        let original_length = envelope.len();
        let mut signature = vec![
            0;
            match package {
                Package::Ntlm(_) => ntlm::SIGNATURE,
                Package::Kerberos(_) => kerberos::SIGNATURE,
            }
        ];
        let mut buffers = [
            SecurityBufferRef::token_buf(&mut signature),
            SecurityBufferRef::data_buf(&mut envelope),
        ];
        let plain = EncryptionFlags::empty();
        match package {
            Package::Ntlm(ntlm) => ntlm.encrypt_message(plain, &mut buffers)?,
            Package::Kerberos(kerberos) => kerberos.encrypt_message(plain, &mut buffers)?,
        };
        let message = SealedMessage {
            original_type: SOAP.into(),
            original_length,
            signature,
            sealed: envelope,
        };
        let protocol = scheme.protocol();
        Ok((
            multipart::content_type(protocol),
            message.encode(protocol, delimiter),
        ))
    }

    fn context(&mut self) -> Result<(Scheme, &mut Package), AcceptError> {
        match &mut self.stage {
            Stage::Established(scheme, package) => Ok((*scheme, package)),
            Stage::Fresh | Stage::Challenged(_) => Err(AcceptError::NotEstablished),
        }
    }
}

impl Spnego {
    /// The token that opens a conversation in SPNEGO (RFC 4178 4.2.1).
    ///
    /// `sspi` panics on one that does not: its decoder takes the contents for granted once the
    /// outer tag fits. So they are decoded here first, by the same crate and in its way, which is
    /// to read the application tag as a sequence.
    fn decode(token: &[u8]) -> Option<Self> {
        const APPLICATION_0: u8 = 0x60;
        const SEQUENCE: u8 = 0x30;
        let Some((&APPLICATION_0, contents)) = token.split_first() else {
            return None;
        };
        let sequence = [&[SEQUENCE], contents].concat();
        let init: GssApiNegInit = picky_asn1_der::from_bytes(&sequence).ok()?;
        let init = init.neg_token_init.0;
        let mechanisms = init.mech_types.0.map(|kinds| kinds.0.0);
        let mechanisms = mechanisms.unwrap_or_default();
        Some(Self {
            mechanisms,
            token: init.mech_token.0.map(|token| token.0.0),
        })
    }
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
