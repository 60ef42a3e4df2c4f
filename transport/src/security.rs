//! [`SecurityContext`]: the client's half of a security context, whichever package makes it.
//!
//! Tokens go to and fro until both sides know each other; from then on it seals requests and
//! unseals answers, strictly in turn. It belongs to one connection.

use owaim_proto::multipart::{self, Delimiter, MultipartError, SOAP, SPNEGO, SealedMessage};
use sspi::{EncryptionFlags, SecurityBufferRef, Sspi};

use crate::credssp::CredSsp;
#[cfg(feature = "gssapi")]
use crate::gss::Gss;
use crate::kerberos::{self, KerberosContext, KerberosError, Tickets};
use crate::logon::Logon;
use crate::ntlm::Ntlm;
use crate::tls::ChannelBinding;
use crate::{Authentication, Credential, Endpoint, Identity, Kerberos};

/// Why a token could not be made or a message not be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecurityError {
    /// The user name is of no form that NTLM knows.
    #[error("the user name {username:?} is none of DOMAIN\\user, user@domain and user")]
    Username { username: String },
    /// The security package refuses.
    #[error("{0}")]
    Package(#[from] sspi::Error),
    /// The system's security package refuses.
    #[cfg_attr(not(windows), expect(dead_code, reason = "only Windows has one"))]
    #[error("the system's Negotiate: {detail}")]
    System { detail: String },
    /// There is no ticket, or the server does not take it.
    #[error("{0}")]
    Kerberos(#[from] KerberosError),
    /// A sealed message is not what it should be.
    #[error("{0}")]
    Sealed(String),
    /// CredSSP does not come about.
    #[error("CredSSP: {0}")]
    CredSsp(String),
    /// The server says no to the account.
    #[error("{0}")]
    Refused(String),
    /// A scheme that has no security context: what proves it is elsewhere.
    #[error("this scheme of authentication has no tokens")]
    NoTokens,
    /// A message before the tokens, or a token after them.
    #[error("the security context is not in a state for this")]
    OutOfTurn,
    /// There is no logon that servers could be shown.
    #[cfg_attr(windows, expect(dead_code, reason = "Windows has one"))]
    #[error("the current logon can be used on Windows only")]
    NoLogon,
    /// The body is not framed as a sealed message.
    #[error("{0}")]
    Framing(#[from] MultipartError),
}

/// The body that carries `envelope`, sealed by a package whose signatures are of `signature` octets.
pub(crate) fn seal_by(
    package: &mut impl Sspi,
    signature: usize,
    protocol: &str,
    mut envelope: Vec<u8>,
) -> Result<Vec<u8>, SecurityError> {
    let original_length = envelope.len();
    let mut signature = vec![0; signature];
    let mut buffers = [
        SecurityBufferRef::token_buf(&mut signature),
        SecurityBufferRef::data_buf(&mut envelope),
    ];
    package.encrypt_message(EncryptionFlags::empty(), &mut buffers)?;
    let message = SealedMessage {
        original_type: SOAP.into(),
        original_length,
        signature,
        sealed: envelope,
    };
    Ok(message.encode(protocol, Delimiter::Plain))
}

/// What a server's token leads to.
pub(crate) enum Leg {
    /// This goes to the server by itself, for another token of its own.
    More(Vec<u8>),
    /// Both sides know each other as soon as this, if it is anything, comes with a message.
    Last(Option<Vec<u8>>),
    /// This goes to the server by itself, and if it takes it, both sides know each other.
    Alone(Vec<u8>),
}

/// A sealed message.
pub(crate) struct Sealed {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// The client's half of a security context.
pub(crate) enum SecurityContext {
    Ntlm(Box<Ntlm>),
    Kerberos(Box<KerberosContext>),
    CredSsp(Box<CredSsp>),
    #[cfg(feature = "gssapi")]
    Gss(Box<Gss>),
    Logon(Box<Logon>),
}

impl SecurityContext {
    /// A context for `endpoint`, tied to the TLS connection of `binding` if there is one, and the
    /// token that opens the conversation.
    pub(crate) async fn begin(
        endpoint: &Endpoint,
        binding: Option<&ChannelBinding>,
        tickets: &Tickets,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        match &endpoint.authentication {
            Authentication::Ntlm(credential) => Self::ntlm(credential, binding),
            Authentication::Kerberos(kerberos) => {
                Self::kerberos(kerberos, endpoint, false, binding, tickets).await
            }
            Authentication::Negotiate {
                kerberos,
                ntlm_fallback,
            } => {
                let begun = Self::kerberos(kerberos, endpoint, true, binding, tickets).await;
                match (begun, &kerberos.identity) {
                    (Err(SecurityError::Kerberos(error)), Identity::Password(credential))
                        if *ntlm_fallback && error.leaves_ntlm() =>
                    {
                        Self::ntlm(credential, binding)
                    }
                    (begun, _) => begun,
                }
            }
            Authentication::CurrentLogon { service } => {
                let service = kerberos::service(service.as_deref(), &endpoint.host)?;
                let (logon, token) = Logon::begin(service, binding.cloned()).await?;
                Ok((Self::Logon(Box::new(logon)), token))
            }
            Authentication::CredSsp(credential) => {
                let minimum = endpoint.tls.min_version;
                let (context, token) = CredSsp::begin(credential, &endpoint.host, minimum)?;
                Ok((Self::CredSsp(Box::new(context)), token))
            }
            Authentication::Basic { .. } | Authentication::Certificate(_) => {
                Err(SecurityError::NoTokens)
            }
        }
    }

    fn ntlm(
        credential: &Credential,
        binding: Option<&ChannelBinding>,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        let mut ntlm = Box::new(Ntlm::new(credential, binding)?);
        let token = ntlm.negotiate()?;
        Ok((Self::Ntlm(ntlm), token))
    }

    async fn kerberos(
        kerberos: &Kerberos,
        endpoint: &Endpoint,
        spnego: bool,
        binding: Option<&ChannelBinding>,
        tickets: &Tickets,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        #[cfg(feature = "gssapi")]
        if matches!(kerberos.identity, Identity::TicketCache) {
            let service = kerberos::service(kerberos.service.as_deref(), &endpoint.host)?;
            let (context, token) = Gss::begin(service, kerberos.delegate, spnego, binding).await?;
            return Ok((Self::Gss(Box::new(context)), token));
        }
        let (context, token) =
            KerberosContext::begin(kerberos, &endpoint.host, spnego, binding, tickets).await?;
        Ok((Self::Kerberos(Box::new(context)), token))
    }

    /// Takes the server's token.
    pub(crate) async fn step(&mut self, token: Vec<u8>) -> Result<Leg, SecurityError> {
        match self {
            Self::Ntlm(ntlm) => Ok(Leg::Last(Some(ntlm.authenticate(token)?))),
            Self::Kerberos(kerberos) => kerberos.step(token).await,
            Self::CredSsp(credssp) => credssp.step(&token),
            #[cfg(feature = "gssapi")]
            Self::Gss(gss) => gss.step(&token),
            Self::Logon(logon) => logon.step(&token),
        }
    }

    /// What it means that the server does not answer the first token by one of its own, where that
    /// token has already said who we are.
    pub(crate) async fn unanswered(&self) -> Option<SecurityError> {
        match self {
            Self::Kerberos(kerberos) => Some(kerberos.unanswered().await),
            #[cfg(feature = "gssapi")]
            Self::Gss(gss) => Some(gss.unanswered()),
            Self::Ntlm(_) | Self::CredSsp(_) | Self::Logon(_) => None,
        }
    }

    /// Whether a server may be content with the first token and bring its own with a success.
    /// With NTLM it has proved nothing by then.
    pub(crate) fn may_end_early(&self) -> bool {
        match self {
            Self::Kerberos(_) | Self::Logon(_) => true,
            #[cfg(feature = "gssapi")]
            Self::Gss(_) => true,
            Self::Ntlm(_) | Self::CredSsp(_) => false,
        }
    }

    /// What proves who we are, for people.
    pub(crate) fn package(&self) -> &'static str {
        match self {
            Self::Ntlm(_) => "NTLM",
            Self::Kerberos(_) | Self::Logon(_) => "Kerberos",
            Self::CredSsp(_) => "CredSSP",
            #[cfg(feature = "gssapi")]
            Self::Gss(_) => "Kerberos",
        }
    }

    /// The word for the scheme in `Authorization` and `WWW-Authenticate`.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Ntlm(_) | Self::Logon(_) => "Negotiate",
            Self::Kerberos(kerberos) => kerberos.scheme(),
            Self::CredSsp(_) => "CredSSP",
            #[cfg(feature = "gssapi")]
            Self::Gss(gss) => gss.scheme(),
        }
    }

    /// What carries `envelope`.
    pub(crate) fn seal(&mut self, envelope: Vec<u8>) -> Result<Sealed, SecurityError> {
        let (protocol, body) = match self {
            Self::Ntlm(ntlm) => (SPNEGO, ntlm.seal(envelope)?),
            Self::Kerberos(kerberos) => (kerberos.protocol(), kerberos.seal(envelope)?),
            Self::CredSsp(credssp) => return credssp.seal(&envelope),
            #[cfg(feature = "gssapi")]
            Self::Gss(gss) => (gss.protocol(), gss.seal(envelope)?),
            Self::Logon(logon) => (SPNEGO, logon.seal(&envelope)?),
        };
        Ok(Sealed {
            content_type: multipart::content_type(protocol),
            body,
        })
    }

    /// The envelope that `body` carries, its signature and order checked.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        match self {
            Self::Ntlm(ntlm) => ntlm.unseal(content_type, body),
            Self::Kerberos(kerberos) => kerberos.unseal(content_type, body),
            Self::CredSsp(credssp) => credssp.unseal(content_type, body),
            #[cfg(feature = "gssapi")]
            Self::Gss(gss) => gss.unseal(content_type, body),
            Self::Logon(logon) => logon.unseal(content_type, body),
        }
    }
}
