//! The server's half of authentication and sealing over the crate `sspi`.
//!
//! Key type: [`Acceptor`], one per connection. Under `Negotiate` clients send bare NTLM tokens or
//! ones wrapped in SPNEGO; both are taken. Kerberos is not offered: the lab has no domain
//! controller.

use owaim_proto::multipart::{Delimiter, MultipartError, SOAP, SPNEGO, SealedMessage};
use picky_krb::gss_api::GssApiNegInit;
use sspi::ntlm::NtlmConfig;
use sspi::{
    AuthIdentity, BufferType, DataRepresentation, EncryptionFlags, Negotiate, NegotiateConfig,
    NegotiatedProtocol, Ntlm, SecurityBuffer, SecurityBufferRef, SecurityStatus,
    ServerRequestFlags, Sspi, SspiEx, Username,
};

/// How every bare NTLM token begins ([MS-NLMP] 2.2.1).
const NTLMSSP: &[u8] = b"NTLMSSP\0";

/// Length of an NTLM signature ([MS-NLMP] 2.2.2.9).
const SIGNATURE: usize = 16;

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
    /// Nobody is logged on.
    #[error("nobody is logged on to the connection")]
    NotEstablished,
}

/// The accounts that may log on.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Debug)]
struct Account {
    /// As the site file spells it.
    name: String,
    /// Every name it goes by on the wire, with its password.
    identities: Vec<AuthIdentity>,
}

impl Accounts {
    /// Adds the account `name` (`DOMAIN\user`, `user@domain` or `user`), which may log on by its
    /// bare name too, and gives the password that holds: an account that goes by that name already
    /// keeps its own.
    pub(crate) fn add(&mut self, name: &str, password: &str) -> Result<&str, AcceptError> {
        let parse = |text| {
            Username::parse(text).map_err(|_| AcceptError::Username {
                username: name.into(),
            })
        };
        let whole = parse(name)?;
        if self.find(&whole).is_none() {
            let bare = parse(whole.account_name())?;
            let mut names = vec![whole.clone()];
            if bare != whole && self.find(&bare).is_none() {
                names.push(bare);
            }
            let identity = |username| AuthIdentity {
                username,
                password: password.to_owned().into(),
            };
            let identities = names.into_iter().map(identity).collect();
            self.accounts.push(Account {
                name: name.into(),
                identities,
            });
        }
        let known = self
            .find(&whole)
            .map(|(_, identity)| identity.password.as_ref().as_str());
        known.ok_or_else(|| AcceptError::NoAccount {
            username: name.into(),
        })
    }

    fn find(&self, username: &Username) -> Option<(&Account, &AuthIdentity)> {
        self.accounts.iter().find_map(|account| {
            let mut identities = account.identities.iter();
            let identity = identities.find(|one| one.username.eq_ignore_ascii_case(username))?;
            Some((account, identity))
        })
    }

    fn identities(&self) -> Vec<AuthIdentity> {
        self.accounts
            .iter()
            .flat_map(|account| account.identities.iter().cloned())
            .collect()
    }
}

/// What a token led to.
#[derive(Debug)]
pub(crate) enum Step {
    /// The conversation goes on with this token.
    Continue(Vec<u8>),
    /// Somebody is logged on; SPNEGO has a last token for the client.
    Established {
        /// The account, as the site file spells it.
        user: String,
        /// Token for the answer.
        token: Option<Vec<u8>>,
    },
}

/// The server's half of one security context.
pub(crate) struct Acceptor {
    stage: Stage,
}

enum Stage {
    Fresh,
    Challenged(Package),
    Established(Box<Ntlm>),
}

/// A conversation in one of the two wrappings.
enum Package {
    Bare(Box<Ntlm>),
    Spnego(Box<Negotiate>),
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
        accounts: &Accounts,
    ) -> Result<Step, AcceptError> {
        let mut package = match std::mem::replace(&mut self.stage, Stage::Fresh) {
            Stage::Challenged(package) => package,
            Stage::Fresh | Stage::Established(_) => Package::for_token(&token, accounts)?,
        };
        let (status, token) = match &mut package {
            Package::Bare(ntlm) => step(ntlm.as_mut(), token)?,
            Package::Spnego(negotiate) => step(negotiate.as_mut(), token)?,
        };
        if status == SecurityStatus::ContinueNeeded {
            self.stage = Stage::Challenged(package);
            return Ok(Step::Continue(token));
        }
        let (ntlm, user) = package.complete(accounts)?;
        self.stage = Stage::Established(ntlm);
        let token = Some(token).filter(|token| !token.is_empty());
        Ok(Step::Established { user, token })
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
        let mut signature = vec![0; SIGNATURE];
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

impl Package {
    fn for_token(token: &[u8], accounts: &Accounts) -> Result<Self, AcceptError> {
        if token.starts_with(NTLMSSP) {
            return Ok(Self::Bare(Box::new(Ntlm::new())));
        }
        if !is_spnego(token) {
            return Err(AcceptError::Token);
        }
        let config = NegotiateConfig::new(
            Box::new(NtlmConfig::default()),
            Some("ntlm".into()),
            String::new(),
        );
        let negotiate = Negotiate::new_server(config, accounts.identities())?;
        Ok(Self::Spnego(Box::new(negotiate)))
    }

    /// Checks the client's proof, once every token has been taken.
    ///
    /// A client that leaves the integrity code out of its last token gets past this with any
    /// password, and no further: its keys are wrong, so that nothing it seals can be unsealed.
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

fn step<P>(package: &mut P, token: Vec<u8>) -> Result<(SecurityStatus, Vec<u8>), AcceptError>
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
