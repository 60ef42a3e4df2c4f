//! NTLM, bare and in SPNEGO: the server's half, over the crate `sspi`.
//!
//! Key type: [`Conversation`], from the client's first token to the proof in its last one.

use picky_asn1_der::Asn1DerError;
use picky_krb::gss_api::NegTokenTarg1;
use sspi::ntlm::NtlmConfig;
use sspi::{
    Negotiate, NegotiateConfig, NegotiatedProtocol, Ntlm, SecurityStatus, Sspi as _, SspiEx as _,
};

use super::acceptor::{AcceptError, Step, step};
use super::accounts::Accounts;
use super::authenticate::Authenticate;
use super::binding::BindingPolicy;

/// How every bare NTLM token begins ([MS-NLMP] 2.2.1).
const NTLMSSP: &[u8] = b"NTLMSSP\0";

/// Length of an NTLM signature ([MS-NLMP] 2.2.2.9).
pub(super) const SIGNATURE: usize = 16;

/// Whether a token is one of NTLM, without SPNEGO around it.
pub(super) fn is_bare(token: &[u8]) -> bool {
    token.starts_with(NTLMSSP)
}

/// A conversation in one of the two wrappings.
pub(super) enum Conversation {
    Bare(Box<Ntlm>),
    Spnego(Box<Negotiate>),
}

impl Conversation {
    /// Without SPNEGO. `taken`: whether NTLM is.
    pub(super) fn bare(taken: bool) -> Result<Self, AcceptError> {
        check(taken)?;
        Ok(Self::Bare(Box::new(Ntlm::new())))
    }

    /// In SPNEGO. `taken`: whether NTLM is.
    pub(super) fn spnego(taken: bool, accounts: &Accounts) -> Result<Self, AcceptError> {
        check(taken)?;
        let config = NegotiateConfig::new(
            Box::new(NtlmConfig::default()),
            Some("ntlm".into()),
            String::new(),
        );
        let negotiate = Negotiate::new_server(config, accounts.identities())?;
        Ok(Self::Spnego(Box::new(negotiate)))
    }

    /// Takes a token of the client. `sealed`: nothing will be taken from it that is not sealed.
    pub(super) fn accept(
        mut self,
        token: Vec<u8>,
        accounts: &Accounts,
        bindings: BindingPolicy,
        sealed: bool,
    ) -> Result<Step<Self, Box<Ntlm>>, AcceptError> {
        if let Some(message) = self.authenticate_message(&token)? {
            let message = Authenticate(&message);
            if !bindings.allows(message.binding()) {
                return Err(AcceptError::Binding);
            }
            if !sealed && !message.has_integrity_code() {
                return Err(AcceptError::Proof);
            }
        }
        let (status, token) = match &mut self {
            Self::Bare(ntlm) => step(ntlm.as_mut(), token)?,
            Self::Spnego(negotiate) => step(negotiate.as_mut(), token)?,
        };
        if status == SecurityStatus::ContinueNeeded {
            return Ok(Step::Continue {
                conversation: self,
                token,
            });
        }
        let (context, user) = self.complete(accounts)?;
        Ok(Step::Established {
            context,
            user,
            token: Some(token).filter(|token| !token.is_empty()),
        })
    }

    /// The AUTHENTICATE message in a token, if that is one.
    fn authenticate_message(&self, token: &[u8]) -> Result<Option<Vec<u8>>, Asn1DerError> {
        const AUTHENTICATE: u32 = 3;
        let message = match self {
            Self::Bare(_) => Some(token.to_vec()),
            // NegTokenResp is the second choice of the negotiation (RFC 4178 4.2).
            Self::Spnego(_) if token.first() == Some(&0xa1) => {
                let answer: NegTokenTarg1 = picky_asn1_der::from_bytes(token)?;
                answer.0.response_token.0.map(|token| token.0.0)
            }
            Self::Spnego(_) => None,
        };
        Ok(message.filter(|message| {
            let kind = message.strip_prefix(NTLMSSP);
            kind.is_some_and(|rest| rest.starts_with(&AUTHENTICATE.to_le_bytes()))
        }))
    }

    /// Checks the client's proof, once every token has been taken.
    ///
    /// A client that leaves the integrity code out of its last token gets past this with any
    /// password. Where messages are sealed it gets no further: its keys are wrong, so that nothing
    /// it seals can be unsealed. Where they are not, such a client is refused.
    fn complete(self, accounts: &Accounts) -> Result<(Box<Ntlm>, String), AcceptError> {
        let (mut ntlm, bare) = match self {
            Self::Bare(ntlm) => (ntlm, true),
            Self::Spnego(negotiate) => match negotiate.negotiated_protocol() {
                NegotiatedProtocol::Ntlm(ntlm) => (Box::new(ntlm.clone()), false),
                _ => return Err(AcceptError::NotEstablished),
            },
        };
        let username = ntlm.query_context_names()?.username;
        let (account, identity) =
            accounts
                .find(&username)
                .ok_or_else(|| AcceptError::NoAccount {
                    username: username.inner().into(),
                })?;
        if bare {
            ntlm.custom_set_auth_identity(identity.clone())?;
        }
        ntlm.complete_auth_token(&mut [])?;
        Ok((ntlm, account.name.clone()))
    }
}

/// An error where NTLM is not taken.
pub(super) fn check(taken: bool) -> Result<(), AcceptError> {
    if taken {
        Ok(())
    } else {
        Err(AcceptError::Off { package: "NTLM" })
    }
}
