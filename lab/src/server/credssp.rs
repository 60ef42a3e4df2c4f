//! CredSSP: the server's half ([MS-CSSP]), over the crate `sspi` and a TLS connection in memory.
//!
//! Key type: [`Conversation`]. Tokens of HTTP are pieces of a TLS connection; in it travel the
//! tokens of NTLM or Kerberos, the proof that nobody sits between, and the client's password. What
//! remains of it is the [`Tunnel`], which seals messages.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use owaim_proto::multipart::{CREDSSP, Delimiter, PIECE, SOAP, SealedMessage};
use sspi::credssp::{CredSspServer, CredentialsProxy, ServerMode, ServerState, TsRequest};
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, NegotiateConfig, Username};
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use super::acceptor::{AcceptError, Gate, Spnego, Step};
use super::accounts::Accounts;
use super::ntlm;

/// Octets of a record that count as its signature: the tag of its cipher. `rustls` has no ciphers but those whose tags
/// are as long; a block cipher would have a trailer of padding too.
const TRAILER: usize = 16;

/// What all conversations have in common.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// Of the certificate; the client's proof is about it.
    pub(crate) public_key: Vec<u8>,
}

/// A conversation under way.
pub(super) struct Conversation {
    tunnel: Tunnel,
    public_key: Vec<u8>,
    server: Option<Box<CredSspServer<Known>>>,
}

/// The TLS connection.
pub(super) struct Tunnel {
    tls: Box<ServerConnection>,
}

/// The accounts, for `sspi`.
#[derive(Debug)]
struct Known(Arc<Accounts>);

impl CredentialsProxy for Known {
    type AuthenticationData = AuthIdentity;

    fn auth_data_by_user(&mut self, username: &Username) -> io::Result<AuthIdentity> {
        let named = self.0.find(username).map(|(_, identity)| identity);
        let found = named.or_else(|| self.0.identity_of_principal(username.inner()));
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
        Ok(self.0.identities())
    }
}

impl Conversation {
    /// One that has not begun.
    pub(super) fn new(identity: &Identity) -> Result<Self, AcceptError> {
        let mut tls = Box::new(ServerConnection::new(Arc::clone(&identity.config))?);
        // What is written is read at once.
        tls.set_buffer_limit(None);
        Ok(Self {
            tunnel: Tunnel { tls },
            public_key: identity.public_key.clone(),
            server: None,
        })
    }

    /// Takes a token of the client.
    pub(super) fn accept(
        mut self,
        token: &[u8],
        gate: Gate<'_>,
    ) -> Result<Step<Self, Tunnel>, AcceptError> {
        let request = self.tunnel.take(token)?;
        if request.is_empty() {
            let token = self.tunnel.give(&[])?;
            return Ok(Step::Continue {
                conversation: self,
                token,
            });
        }
        let request = TsRequest::from_buffer(&request)?;
        match self.answer(request, gate)? {
            ServerState::ReplyNeeded(answer) => {
                let mut bytes = Vec::new();
                answer.encode_ts_request(&mut bytes)?;
                let token = self.tunnel.give(&bytes)?;
                Ok(Step::Continue {
                    conversation: self,
                    token,
                })
            }
            ServerState::Finished(delegated) => {
                let (name, password) = (delegated.username.inner(), delegated.password.as_ref());
                let user = gate.accounts.by_password(name, password);
                let user = user.ok_or_else(|| AcceptError::NoAccount {
                    username: name.into(),
                })?;
                Ok(Step::Established {
                    context: self.tunnel,
                    user,
                    token: None,
                })
            }
        }
    }

    fn answer(&mut self, request: TsRequest, gate: Gate<'_>) -> Result<ServerState, AcceptError> {
        let server = match &mut self.server {
            Some(server) => server,
            none => {
                let token = request.nego_tokens.as_deref().unwrap_or_default();
                let mode = mode(token, gate)?;
                let known = Known(Arc::clone(gate.accounts));
                let server = CredSspServer::new(self.public_key.clone(), known, mode)?;
                none.insert(Box::new(server))
            }
        };
        let answer = server.process(request).resolve_to_result();
        answer.map_err(|refused| AcceptError::Package(refused.error))
    }
}

/// What a first token is answered with. `sspi` panics on one in SPNEGO that is none, so it is
/// decoded here before.
fn mode(token: &[u8], gate: Gate<'_>) -> Result<ServerMode, AcceptError> {
    if ntlm::is_bare(token) {
        ntlm::check(gate.ntlm)?;
        return Ok(ServerMode::Ntlm(NtlmConfig::default()));
    }
    Spnego::decode(token).ok_or(AcceptError::Token)?;
    let packages = if gate.ntlm {
        "kerberos,ntlm"
    } else {
        "kerberos,!ntlm"
    };
    Ok(ServerMode::Negotiate(NegotiateConfig::new(
        Box::new(gate.services.config(gate.host)?),
        Some(packages.into()),
        String::new(),
    )))
}

impl Tunnel {
    /// What came in of the connection, opened.
    fn take(&mut self, mut octets: &[u8]) -> Result<Vec<u8>, AcceptError> {
        let mut opened = Vec::new();
        while !octets.is_empty() {
            if self.tls.read_tls(&mut octets)? == 0 {
                break;
            }
            self.tls.process_new_packets()?;
            match self.tls.reader().read_to_end(&mut opened) {
                // There may be more later.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => {
                    other?;
                }
            }
        }
        Ok(opened)
    }

    /// What goes out on the connection, after `octets` were given to it.
    fn give(&mut self, octets: &[u8]) -> Result<Vec<u8>, AcceptError> {
        self.tls.writer().write_all(octets)?;
        let mut sealed = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut sealed)?;
        }
        Ok(sealed)
    }

    /// The envelope that `body` carries.
    pub(super) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, AcceptError> {
        let mut envelope = Vec::new();
        for piece in SealedMessage::decode_pieces(CREDSSP, content_type, body)? {
            let record = [&*piece.signature, &*piece.sealed].concat();
            let opened = self.take(&record)?;
            piece.check_length(opened.len())?;
            envelope.extend(opened);
        }
        Ok(envelope)
    }

    /// The pieces that carry `envelope`.
    pub(super) fn seal(
        &mut self,
        envelope: &[u8],
        delimiter: Delimiter,
    ) -> Result<(usize, Vec<u8>), AcceptError> {
        let mut pieces = Vec::new();
        for piece in envelope.chunks(PIECE) {
            let mut signature = self.give(piece)?;
            let sealed = signature.split_off(TRAILER.min(signature.len()));
            pieces.push(SealedMessage {
                original_type: SOAP.into(),
                original_length: piece.len(),
                signature,
                sealed,
            });
        }
        let body = SealedMessage::encode_pieces(&pieces, CREDSSP, delimiter);
        Ok((pieces.len(), body))
    }
}
