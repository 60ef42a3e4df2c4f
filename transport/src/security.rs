//! [`SecurityContext`]: the client's half of a security context, whichever package makes it.
//!
//! Tokens go to and fro until both sides know each other; from then on it seals requests and
//! unseals answers, strictly in turn. It belongs to one connection.

use owaim_proto::multipart::{self, MultipartError, SPNEGO};

use crate::kerberos::{KerberosContext, KerberosError, Tickets};
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
    /// A scheme that is not built yet.
    #[error("this scheme of authentication is not built yet")]
    NotBuilt,
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

/// What a server's token leads to.
pub(crate) enum Leg {
    /// This goes to the server by itself, for another token of its own.
    More(Vec<u8>),
    /// Both sides know each other as soon as this, if it is anything, comes with a message.
    Last(Option<Vec<u8>>),
}

/// The client's half of a security context.
pub(crate) enum SecurityContext {
    Ntlm(Box<Ntlm>),
    Kerberos(Box<KerberosContext>),
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
            Authentication::CurrentLogon => {
                let (logon, token) = Logon::begin(&endpoint.host)?;
                Ok((Self::Logon(Box::new(logon)), token))
            }
            _ => Err(SecurityError::NotBuilt),
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
        let (context, token) =
            KerberosContext::begin(kerberos, &endpoint.host, spnego, binding, tickets).await?;
        Ok((Self::Kerberos(Box::new(context)), token))
    }

    /// Takes the server's token.
    pub(crate) async fn step(&mut self, token: Vec<u8>) -> Result<Leg, SecurityError> {
        match self {
            Self::Ntlm(ntlm) => Ok(Leg::Last(Some(ntlm.authenticate(token)?))),
            Self::Kerberos(kerberos) => kerberos.step(token).await,
            Self::Logon(logon) => logon.step(&token),
        }
    }

    /// Whether a server may be content with the first token and bring its own with a success.
    /// With NTLM it has proved nothing by then.
    pub(crate) fn may_end_early(&self) -> bool {
        matches!(self, Self::Kerberos(_) | Self::Logon(_))
    }

    /// What proves who we are, for people.
    pub(crate) fn package(&self) -> &'static str {
        match self {
            Self::Ntlm(_) => "NTLM",
            Self::Kerberos(_) | Self::Logon(_) => "Kerberos",
        }
    }

    /// The word for the scheme in `Authorization` and `WWW-Authenticate`.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Ntlm(_) | Self::Logon(_) => "Negotiate",
            Self::Kerberos(kerberos) => kerberos.scheme(),
        }
    }

    /// The content type of what [`seal`](Self::seal) gives.
    pub(crate) fn content_type(&self) -> String {
        match self {
            Self::Ntlm(_) | Self::Logon(_) => multipart::content_type(SPNEGO),
            Self::Kerberos(kerberos) => multipart::content_type(kerberos.protocol()),
        }
    }

    /// The body that carries `envelope`; its content type is [`content_type`](Self::content_type).
    pub(crate) fn seal(&mut self, envelope: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        match self {
            Self::Ntlm(ntlm) => ntlm.seal(envelope),
            Self::Kerberos(kerberos) => kerberos.seal(envelope),
            Self::Logon(logon) => logon.seal(&envelope),
        }
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
            Self::Logon(logon) => logon.unseal(content_type, body),
        }
    }
}
