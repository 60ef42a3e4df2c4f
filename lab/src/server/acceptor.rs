//! [`Acceptor`]: the server's half of authentication and sealing on one connection.
//!
//! Tokens go to the package that they are of; what comes of it seals and unseals messages. The
//! packages are those of the crate `sspi`.

use std::io;
use std::sync::Arc;

use owaim_inventory::HostName;
use owaim_proto::multipart::{self, Delimiter, MultipartError, SOAP, SealedMessage};
use picky_asn1_der::Asn1DerError;
use picky_krb::gss_api::{GssApiNegInit, MechType};
use sspi::{
    BufferType, DataRepresentation, EncryptionFlags, Kerberos, Ntlm, SecurityBuffer,
    SecurityBufferRef, SecurityStatus, ServerRequestFlags, Sspi,
};
use tokio_rustls::rustls;

use super::accounts::Accounts;
use super::binding::BindingPolicy;
use super::credssp::{self, Tunnel};
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
    /// A TLS connection within the conversation fails.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// What came in of such a connection cannot be read.
    #[error("{0}")]
    Stream(#[from] io::Error),
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
    pub(crate) accounts: &'s Arc<Accounts>,
    /// What CredSSP shows, where it is offered.
    pub(crate) credssp: Option<&'s credssp::Identity>,
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
    CredSsp,
}

impl Scheme {
    /// Every scheme.
    pub(crate) const ALL: [Self; 3] = [Self::Negotiate, Self::Kerberos, Self::CredSsp];

    /// Its name in HTTP.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Kerberos => "Kerberos",
            Self::CredSsp => "CredSSP",
        }
    }

    /// The protocol of messages that are sealed under it ([MS-WSMV] 2.2.9.1).
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Negotiate => multipart::SPNEGO,
            Self::Kerberos => multipart::KERBEROS,
            Self::CredSsp => multipart::CREDSSP,
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
    Tunnelling(Box<credssp::Conversation>),
    Established(Scheme, Package),
}

/// What seals and unseals.
enum Package {
    Ntlm(Box<Ntlm>),
    Kerberos(Box<Kerberos>),
    CredSsp(Tunnel),
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
        let before = std::mem::replace(&mut self.stage, Stage::Fresh);
        if scheme == Scheme::CredSsp {
            return self.tunnel(before, &token, gate);
        }
        let conversation = match before {
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

    /// Takes one token of CredSSP.
    fn tunnel(
        &mut self,
        before: Stage,
        token: &[u8],
        gate: Gate<'_>,
    ) -> Result<Step<(), ()>, AcceptError> {
        let conversation = match (before, gate.credssp) {
            (Stage::Tunnelling(conversation), _) => *conversation,
            (_, Some(identity)) => credssp::Conversation::new(identity)?,
            (_, None) => return Err(AcceptError::Off { package: "CredSSP" }),
        };
        match conversation.accept(token, gate)? {
            Step::Continue {
                conversation,
                token,
            } => {
                self.stage = Stage::Tunnelling(Box::new(conversation));
                Ok(Step::Continue {
                    conversation: (),
                    token,
                })
            }
            Step::Established {
                context,
                user,
                token,
            } => Ok(self.established(Scheme::CredSsp, Package::CredSsp(context), user, token)),
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
            Stage::Established(_, Package::CredSsp(_)) | Stage::Tunnelling(_) => "credssp",
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
        if let Package::CredSsp(tunnel) = package {
            return tunnel.unseal(content_type, body);
        }
        let mut message = SealedMessage::decode(scheme.protocol(), content_type, body)?;
        let whole = kerberos::is_whole(&message.signature, &message.sealed);
        let mut buffers = buffers(&mut message.signature, &mut message.sealed);
        match package {
            Package::Ntlm(ntlm) => ntlm.decrypt_message(&mut buffers)?,
            Package::Kerberos(kerberos) if whole => kerberos.decrypt_message(&mut buffers)?,
            Package::Kerberos(_) | Package::CredSsp(_) => return Err(AcceptError::Token),
        };
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
        let protocol = scheme.protocol();
        let original_length = envelope.len();
        let plain = EncryptionFlags::empty();
        let signature = match package {
            Package::CredSsp(tunnel) => {
                let (pieces, body) = tunnel.seal(&envelope, delimiter)?;
                return Ok((multipart::content_type_of_pieces(protocol, pieces), body));
            }
            Package::Ntlm(ntlm) => {
                let mut signature = vec![0; ntlm::SIGNATURE];
                let mut buffers = buffers(&mut signature, &mut envelope);
                ntlm.encrypt_message(plain, &mut buffers)?;
                signature
            }
            Package::Kerberos(kerberos) => {
                let mut signature = vec![0; kerberos::SIGNATURE];
                let mut buffers = buffers(&mut signature, &mut envelope);
                kerberos.encrypt_message(plain, &mut buffers)?;
                signature
            }
        };
        let message = SealedMessage {
            original_type: SOAP.into(),
            original_length,
            signature,
            sealed: envelope,
        };
        Ok((
            multipart::content_type(protocol),
            message.encode(protocol, delimiter),
        ))
    }

    fn context(&mut self) -> Result<(Scheme, &mut Package), AcceptError> {
        match &mut self.stage {
            Stage::Established(scheme, package) => Ok((*scheme, package)),
            Stage::Fresh | Stage::Challenged(_) | Stage::Tunnelling(_) => {
                Err(AcceptError::NotEstablished)
            }
        }
    }
}

impl Spnego {
    /// The token that opens a conversation in SPNEGO (RFC 4178 4.2.1).
    ///
    /// `sspi` panics on one that does not: its decoder takes the contents for granted once the
    /// outer tag fits. So they are decoded here first, by the same crate and in its way, which is
    /// to read the application tag as a sequence.
    pub(super) fn decode(token: &[u8]) -> Option<Self> {
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

/// A signature and what it is of, for `sspi`.
fn buffers<'b>(signature: &'b mut [u8], data: &'b mut [u8]) -> [SecurityBufferRef<'b>; 2] {
    [
        SecurityBufferRef::token_buf(signature),
        SecurityBufferRef::data_buf(data),
    ]
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
