//! CredSSP over the crate `sspi` ([MS-CSSP]): the account's password goes to the server.
//!
//! Key type: [`CredSsp`], the client's half. A TLS of its own, in the headers of HTTP, is made with
//! whoever is there; within it NTLM proves both sides, and then that the certificate is the
//! server's own, so that nobody sits in between. Only then the password leaves, sealed once more.
//! Messages go through the same TLS afterwards.

mod memory;
mod tunnel;

use owaim_proto::multipart::{self, CREDSSP, Delimiter, PIECE, SOAP, SealedMessage};
use sspi::credssp::{ClientMode, ClientState, CredSspClient, CredSspMode, TsRequest};
use sspi::ntlm::NtlmConfig;
use sspi::{AuthIdentity, Credentials, NegotiateConfig, Username};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use self::tunnel::{Opening, Step, Tunnel};
use crate::security::{Leg, Sealed, SecurityError};
use crate::{Credential, TlsVersion};

/// Least octets of what is sealed: `sspi` takes as many for its signature without looking.
const SIGNATURE: usize = 16;

/// What says no to the account ([MS-ERREF] 2.1.1 and 2.3.1).
const REFUSALS: [u32; 9] = [
    0x8009_030C, // SEC_E_LOGON_DENIED
    0xC000_006A, // STATUS_WRONG_PASSWORD
    0xC000_006D, // STATUS_LOGON_FAILURE
    0xC000_006E, // STATUS_ACCOUNT_RESTRICTION
    0xC000_006F, // STATUS_INVALID_LOGON_HOURS
    0xC000_0071, // STATUS_PASSWORD_EXPIRED
    0xC000_0072, // STATUS_ACCOUNT_DISABLED
    0xC000_0193, // STATUS_ACCOUNT_EXPIRED
    0xC000_0234, // STATUS_ACCOUNT_LOCKED_OUT
];

/// The client's half of CredSSP.
pub(crate) struct CredSsp {
    state: State,
    credential: Credential,
    host: String,
}

enum State {
    Opening(Opening),
    Proving(Tunnel, Box<CredSspClient>),
    Established(Tunnel),
    /// A token was refused.
    Broken,
}

impl CredSsp {
    /// The half that will speak for `credential` to `host`, and its first token.
    pub(crate) fn begin(
        credential: &Credential,
        host: &str,
        min_version: TlsVersion,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        identity(credential)?;
        let (opening, hello) = Opening::begin(min_version)?;
        let context = Self {
            state: State::Opening(opening),
            credential: credential.clone(),
            host: host.into(),
        };
        Ok((context, hello))
    }

    /// Takes the server's token.
    pub(crate) fn step(&mut self, token: &[u8]) -> Result<Leg, SecurityError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Opening(opening) => match opening.step(token)? {
                Step::Waiting(opening, answer) => {
                    self.state = State::Opening(opening);
                    Ok(Leg::More(answer))
                }
                Step::Done(tunnel) => {
                    let client = self.client(&tunnel.info.certificate)?;
                    self.prove(tunnel, Box::new(client), TsRequest::default())
                }
            },
            State::Proving(mut tunnel, client) => {
                let carried = tunnel.read(token)?;
                let request = TsRequest::from_buffer(&carried)
                    .map_err(|error| SecurityError::CredSsp(format!("its TSRequest: {error}")))?;
                self.prove(tunnel, client, request)
            }
            State::Established(_) | State::Broken => Err(SecurityError::OutOfTurn),
        }
    }

    fn client(&self, certificate: &[u8]) -> Result<CredSspClient, SecurityError> {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| {
            SecurityError::CredSsp(format!("the certificate of its TLS: {error}"))
        })?;
        // SubjectPublicKey, without the name of its algorithm ([MS-CSSP] 3.1.5, step 3).
        let key = certificate.public_key().subject_public_key.data.to_vec();
        let name = "owaim".to_owned();
        let package = Box::new(NtlmConfig::new(name.clone()));
        let packages = Some("ntlm,!kerberos,!pku2u".to_owned());
        Ok(CredSspClient::new(
            key,
            Credentials::AuthIdentity(identity(&self.credential)?),
            CredSspMode::WithCredentials,
            ClientMode::Negotiate(NegotiateConfig::new(package, packages, name)),
            format!("WSMAN/{}", self.host),
        )?)
    }

    fn prove(
        &mut self,
        mut tunnel: Tunnel,
        mut client: Box<CredSspClient>,
        request: TsRequest,
    ) -> Result<Leg, SecurityError> {
        if let Some(code) = request.error_code {
            let code = code.0;
            let detail = format!("NTSTATUS {code:#010x} of CredSSP");
            return Err(if REFUSALS.contains(&code) {
                SecurityError::Refused(detail)
            } else {
                SecurityError::CredSsp(format!("the server says {detail}"))
            });
        }
        let key = request.pub_key_auth.as_ref();
        if key.is_some_and(|key| key.len() < SIGNATURE) {
            let detail = "the proof of the server's key is cut off";
            return Err(SecurityError::CredSsp(detail.into()));
        }
        let state = client.process(request).resolve_to_result();
        let (request, done) =
            match state.map_err(|error| SecurityError::CredSsp(error.to_string()))? {
                ClientState::ReplyNeeded(request) => (request, false),
                ClientState::FinalMessage(request) => (request, true),
            };
        let mut octets = Vec::new();
        request
            .encode_ts_request(&mut octets)
            .map_err(|error| SecurityError::CredSsp(error.to_string()))?;
        let token = tunnel.write(&octets)?;
        if done {
            self.state = State::Established(tunnel);
            Ok(Leg::Alone(token))
        } else {
            self.state = State::Proving(tunnel, client);
            Ok(Leg::More(token))
        }
    }

    fn tunnel(&mut self) -> Result<&mut Tunnel, SecurityError> {
        match &mut self.state {
            State::Established(tunnel) => Ok(tunnel),
            State::Opening(_) | State::Proving(..) | State::Broken => Err(SecurityError::OutOfTurn),
        }
    }

    /// The body that carries `envelope`, in pieces.
    pub(crate) fn seal(&mut self, envelope: &[u8]) -> Result<Sealed, SecurityError> {
        let tunnel = self.tunnel()?;
        let mut pieces = Vec::new();
        for piece in envelope.chunks(PIECE) {
            let mut signature = tunnel.write(piece)?;
            let trailer = tunnel.trailer(piece.len()).min(signature.len());
            // The first octets of the record, as many as its trailer has.
            let sealed = signature.split_off(trailer);
            pieces.push(SealedMessage {
                original_type: SOAP.into(),
                original_length: piece.len(),
                signature,
                sealed,
            });
        }
        Ok(Sealed {
            content_type: multipart::content_type_of_pieces(CREDSSP, pieces.len()),
            body: SealedMessage::encode_pieces(&pieces, CREDSSP, Delimiter::Plain),
        })
    }

    /// The envelope that `body` carries.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        let tunnel = self.tunnel()?;
        let mut envelope = Vec::new();
        for piece in SealedMessage::decode_pieces(CREDSSP, content_type, body)? {
            let carried = tunnel.read(&[&piece.signature[..], &piece.sealed].concat())?;
            piece.check_length(carried.len())?;
            envelope.extend(carried);
        }
        Ok(envelope)
    }
}

fn identity(credential: &Credential) -> Result<AuthIdentity, SecurityError> {
    let username = Username::parse(&credential.username)
        .ok()
        .filter(|username| !username.account_name().is_empty())
        .ok_or_else(|| SecurityError::Username {
            username: credential.username.clone(),
        })?;
    Ok(AuthIdentity {
        username,
        password: credential.password.expose().to_owned().into(),
    })
}
