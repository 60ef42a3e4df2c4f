//! Kerberos over the crate `sspi` ([MS-KILE], RFC 4120, RFC 4121), by itself or under SPNEGO (RFC 4178).
//!
//! Key type: [`KerberosContext`], the client's half of one security context. Its first token, an
//! AP-REQ, says who we are; the server's answer, an AP-REP, says who it is. What key
//! distribution centres are asked on the way goes through [`Tickets`].

mod account;
mod error;
mod kdc;
mod keytab;
mod krb5_conf;
mod locate;
mod sealing;
mod tickets;
mod tokens;

use owaim_proto::multipart::{KERBEROS, SPNEGO};
use picky_krb::crypto::CipherSuite;
use sspi::generator::GeneratorState;
use sspi::{
    BufferType, ClientRequestFlags, CredentialsBuffers, DataRepresentation, KdcResolution,
    KerberosConfig, NegotiateConfig, NegotiatedProtocol, SecurityBuffer, SecurityStatus, Sspi,
    SspiImpl,
};

use self::account::Account;
pub use self::error::KerberosError;
use self::error::code;
use self::krb5_conf::Krb5Conf;
use self::sealing::Sealing;
pub use self::tickets::Tickets;
use self::tickets::{Conversation, Shelf};
use self::tokens::{Answer, Request};
use crate::Kerberos;
use crate::security::{Leg, SecurityError};
use crate::tls::ChannelBinding;

/// What every context asks for.
const REQUIREMENTS: ClientRequestFlags = ClientRequestFlags::MUTUAL_AUTH
    .union(ClientRequestFlags::INTEGRITY)
    .union(ClientRequestFlags::CONFIDENTIALITY)
    .union(ClientRequestFlags::REPLAY_DETECT)
    .union(ClientRequestFlags::SEQUENCE_DETECT);

/// The client's half of a security context.
pub(crate) struct KerberosContext {
    state: State,
    spnego: bool,
    service: String,
    credentials: Option<CredentialsBuffers>,
    request: Request,
    shelf: Shelf,
}

enum State {
    Bare(sspi::Kerberos),
    Spnego(Box<sspi::Negotiate>),
    Established(Sealing),
    /// A token was refused.
    Broken,
}

impl KerberosContext {
    /// A context for the service of `host`, tied to the TLS connection of `binding`, and its first
    /// token; under SPNEGO if `spnego`, which offers Kerberos and nothing else.
    pub(crate) async fn begin(
        kerberos: &Kerberos,
        host: &str,
        spnego: bool,
        binding: Option<&ChannelBinding>,
        tickets: &Tickets,
    ) -> Result<(Self, Vec<u8>), SecurityError> {
        if kerberos.delegate {
            return Err(KerberosError::NoDelegation.into());
        }
        let conf = Krb5Conf::of_system();
        let account = Account::of(kerberos, host, &conf)?;
        let service = service(kerberos.service.as_deref(), host)?;
        let mut credentials = Some(account.credentials(&kerberos.identity)?);
        let shelf = tickets.shelf(&account, kerberos);
        let mut answers = shelf.lock().await;
        let encryption_type = match &credentials {
            Some(CredentialsBuffers::Keytab(keytab)) => keytab.key_enctype.clone(),
            _ => CipherSuite::Aes256CtsHmacSha196,
        };
        let mut conversation = Conversation::new(
            &mut answers,
            &account,
            &service,
            &kerberos.kdcs,
            &conf,
            encryption_type.into(),
        );
        let mut input = vec![SecurityBuffer::new(Vec::new(), BufferType::Token)];
        if let Some(binding) = binding {
            let bindings = channel_bindings(binding);
            input.push(SecurityBuffer::new(bindings, BufferType::ChannelBindings));
        }
        let config = config();
        let (state, token) = if spnego {
            let packages = Some("kerberos,!ntlm,!pku2u".to_owned());
            let name = config.client_computer_name.clone();
            let config = NegotiateConfig::new(Box::new(config), packages, name);
            let mut negotiate = sspi::Negotiate::new_client(config)?;
            let token = drive(
                &mut negotiate,
                &mut credentials,
                &service,
                &mut input,
                Some(&mut conversation),
            )
            .await;
            (State::Spnego(Box::new(negotiate)), token)
        } else {
            let mut bare = sspi::Kerberos::new_client_from_config(config)?;
            let token = drive(
                &mut bare,
                &mut credentials,
                &service,
                &mut input,
                Some(&mut conversation),
            )
            .await;
            (State::Bare(bare), token)
        };
        let (token, _) = match token {
            Ok(token) => token,
            Err(error) => {
                // An answer that `sspi` could not use must not be told again.
                if matches!(error, KerberosError::Package { .. }) {
                    answers.clear();
                }
                return Err(error.into());
            }
        };
        drop(answers);
        let package = |detail| KerberosError::Package {
            service: service.clone(),
            detail,
        };
        let token = match (&state, binding) {
            (_, None) => Ok(token),
            (State::Spnego(context), Some(_)) => whole(context.as_ref(), &token, spnego),
            (State::Bare(context), Some(_)) => whole(context, &token, spnego),
            (State::Established(_) | State::Broken, Some(_)) => {
                return Err(SecurityError::OutOfTurn);
            }
        }
        .map_err(package)?;
        let request = Request::of_token(&token, spnego).map_err(package)?;
        let context = Self {
            state,
            spnego,
            service,
            credentials,
            request,
            shelf,
        };
        Ok((context, token))
    }

    /// Takes the server's token.
    pub(crate) async fn step(&mut self, token: Vec<u8>) -> Result<Leg, SecurityError> {
        let state = std::mem::replace(&mut self.state, State::Broken);
        let answer = match tokens::answer(token.clone(), self.spnego) {
            Ok(Answer::Token(answer)) => answer,
            Ok(Answer::Rejected(detail)) => {
                self.forget().await;
                return Err(KerberosError::NotAccepted { detail }.into());
            }
            Err(detail) => return Err(self.unproven(detail).into()),
        };
        if let Some(said) = tokens::complaint(&answer) {
            self.forget().await;
            return Err(self.ticket_refused(said).into());
        }
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let (context, token) = match state {
            State::Bare(mut bare) => {
                self.check(&bare, &answer)?;
                let (token, _) = drive(
                    &mut bare,
                    &mut self.credentials,
                    &self.service,
                    &mut input,
                    None,
                )
                .await?;
                (bare, token)
            }
            State::Spnego(mut negotiate) => {
                self.check(negotiate.as_ref(), &answer)?;
                let (token, status) = drive(
                    negotiate.as_mut(),
                    &mut self.credentials,
                    &self.service,
                    &mut input,
                    None,
                )
                .await?;
                if status == SecurityStatus::ContinueNeeded {
                    self.state = State::Spnego(negotiate);
                    return Ok(Leg::More(token));
                }
                match negotiate.negotiated_protocol() {
                    NegotiatedProtocol::Kerberos(kerberos) => (kerberos.clone(), token),
                    NegotiatedProtocol::Ntlm(_) | NegotiatedProtocol::Pku2u(_) => {
                        let detail = "it changed to a mechanism that was not offered".into();
                        return Err(KerberosError::NotAccepted { detail }.into());
                    }
                }
            }
            State::Established(_) | State::Broken => return Err(SecurityError::OutOfTurn),
        };
        self.state = State::Established(Sealing::of(context)?);
        Ok(Leg::Last(Some(token).filter(|token| !token.is_empty())))
    }

    /// What it means that the server has no token for ours: it does not take the ticket.
    pub(crate) async fn unanswered(&self) -> SecurityError {
        self.forget().await;
        let detail = format!("it has no answer to the ticket for {:?}", self.service);
        KerberosError::NotAccepted { detail }.into()
    }

    /// Forgets the tickets that this context was made with: a server did not take one.
    async fn forget(&self) {
        self.shelf.lock().await.clear();
    }

    /// Whether the server has shown that it has the service's key, in answer to us.
    fn check<P: Sspi>(&self, context: &P, answer: &[u8]) -> Result<(), SecurityError> {
        // Until the server's answer was taken, that is the key in the ticket.
        let keys = context.query_context_session_key()?;
        self.request
            .is_answered_by(answer, keys.session_key.as_ref())
            .map_err(|detail| self.unproven(detail).into())
    }

    fn unproven(&self, detail: String) -> KerberosError {
        KerberosError::Unproven {
            service: self.service.clone(),
            detail,
        }
    }

    fn ticket_refused(&self, said: error::Said) -> KerberosError {
        match said.code {
            code::SKEW => KerberosError::ClockSkew {
                whose: format!("the server of {}", self.service),
                ahead_by: said.ahead_by,
            },
            code::NO_ENCRYPTION_TYPE => KerberosError::EncryptionType {
                whose: format!("the server of {:?}", self.service),
                detail: "KDC_ERR_ETYPE_NOSUPP".into(),
            },
            code => KerberosError::TicketRefused {
                service: self.service.clone(),
                code,
                text: said.text.or_else(|| meaning(code).map(str::to_owned)),
            },
        }
    }

    /// The protocol that sealed messages name: under `Negotiate` that of SPNEGO, whatever was negotiated.
    pub(crate) fn protocol(&self) -> &'static str {
        if self.spnego { SPNEGO } else { KERBEROS }
    }

    /// The word for the scheme in `Authorization`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.spnego { "Negotiate" } else { "Kerberos" }
    }

    /// The body that carries `envelope`.
    pub(crate) fn seal(&mut self, envelope: Vec<u8>) -> Result<Vec<u8>, SecurityError> {
        let protocol = self.protocol();
        self.sealing()?.seal(protocol, envelope)
    }

    /// The envelope that `body` carries.
    pub(crate) fn unseal(
        &mut self,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, SecurityError> {
        let protocol = self.protocol();
        self.sealing()?.unseal(protocol, content_type, body)
    }

    fn sealing(&mut self) -> Result<&mut Sealing, SecurityError> {
        match &mut self.state {
            State::Established(sealing) => Ok(sealing),
            State::Bare(_) | State::Spnego(_) | State::Broken => Err(SecurityError::OutOfTurn),
        }
    }
}

/// The first token of `context`, which is tied to a channel, as servers take it.
fn whole<P: Sspi>(context: &P, token: &[u8], spnego: bool) -> Result<Vec<u8>, String> {
    let keys = context.query_context_session_key();
    let keys = keys.map_err(|error| error.to_string())?;
    tokens::with_whole_flag(token, spnego, keys.session_key.as_ref())
}

/// What is wrong with a ticket, of what servers say most.
fn meaning(code: u32) -> Option<&'static str> {
    match code {
        code::TICKET_EXPIRED => Some("the ticket has expired"),
        code::MODIFIED => Some("the server's key is not the one that the ticket was made for"),
        code::UNKNOWN_KEY_VERSION | code::NO_KEY => {
            Some("the server does not have the key that the ticket was made for")
        }
        _ => None,
    }
}

/// The principal of the service at an endpoint of `host`: the one that is `given`, else that of HTTP.
pub(crate) fn service(given: Option<&str>, host: &str) -> Result<String, KerberosError> {
    let service = match given {
        Some(service) => service.to_owned(),
        None => format!("HTTP/{host}"),
    };
    let halves = service.split_once('/');
    let is_whole = halves.is_some_and(|(class, host)| !class.is_empty() && !host.is_empty());
    if is_whole && service.is_ascii() && !service.contains([' ', '@']) {
        Ok(service)
    } else {
        Err(KerberosError::Name {
            name: service,
            expected: "a service principal is HTTP/host, in ASCII and without a realm",
        })
    }
}

/// What `sspi` is told: the centre's URL only says how it frames what it asks, see [`Tickets`].
fn config() -> KerberosConfig {
    KerberosConfig {
        kdc_resolution: KdcResolution::KdcUrl(url::Url::parse("tcp://kdc").ok()),
        // Names the client in the request for a ticket; a centre ignores it.
        client_computer_name: "owaim".into(),
    }
}

/// SEC_CHANNEL_BINDINGS with nothing but application data.
fn channel_bindings(binding: &ChannelBinding) -> Vec<u8> {
    /// Length of the structure, after which the data begins.
    const HEADER: u32 = 32;
    let data = binding.as_bytes();
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut octets = vec![0; 24];
    octets.extend(length.to_le_bytes());
    octets.extend(HEADER.to_le_bytes());
    octets.extend(data);
    octets
}

/// One step of `package`: `input` in, its token and how it stands out. What it asks is answered by
/// `conversation`.
async fn drive<P>(
    package: &mut P,
    credentials: &mut Option<CredentialsBuffers>,
    service: &str,
    input: &mut [SecurityBuffer],
    mut conversation: Option<&mut Conversation<'_>>,
) -> Result<(Vec<u8>, SecurityStatus), KerberosError>
where
    P: Sspi + SspiImpl<CredentialsHandle = Option<CredentialsBuffers>>,
{
    let wrong = |detail: String| KerberosError::Package {
        service: service.into(),
        detail,
    };
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let mut builder = package
        .initialize_security_context()
        .with_credentials_handle(credentials)
        .with_context_requirements(REQUIREMENTS)
        .with_target_data_representation(DataRepresentation::Native)
        .with_target_name(service)
        .with_input(input)
        .with_output(&mut output);
    let mut generator = package
        .initialize_security_context_impl(&mut builder)
        .map_err(|error| wrong(error.to_string()))?;
    let mut state = generator.start();
    let result = loop {
        match state {
            GeneratorState::Completed(result) => break result,
            GeneratorState::Suspended(request) => {
                let conversation = conversation
                    .as_mut()
                    .ok_or_else(|| wrong("it asks for a ticket twice".into()))?;
                // Framed as for TCP, which is not how it is asked first.
                let question = request.data.get(4..).unwrap_or_default();
                let answer = conversation.answer(question).await?;
                let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
                state = generator.resume(Ok([&length.to_be_bytes(), answer.as_slice()].concat()));
            }
        }
    };
    drop(generator);
    let status = result.map_err(|error| wrong(error.to_string()))?.status;
    let [token] = output;
    Ok((token.buffer, status))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use tokio::net::UdpSocket;

    use super::{KerberosContext, KerberosError, Tickets, service};
    use crate::security::SecurityError;
    use crate::{Credential, Identity, Kerberos, Secret};

    #[test]
    fn a_service_is_given_or_that_of_the_host() {
        for (given, expected) in [
            (None, Some("HTTP/srv.example")),
            (Some("WSMAN/other.example"), Some("WSMAN/other.example")),
            (Some("other.example"), None),
            (Some("HTTP/other@REALM"), None),
        ] {
            let named = service(given, "srv.example").ok();
            assert_eq!(named.as_deref(), expected, "{given:?}");
        }
    }

    #[tokio::test]
    async fn silence_of_all_centres_is_waited_for_once() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let kerberos = Kerberos {
            identity: Identity::Password(Credential {
                username: "user".into(),
                password: Secret::new("password".into()),
            }),
            realm: Some("EXAMPLE".into()),
            kdcs: vec![format!("udp://{}", silent.local_addr().unwrap())],
            service: None,
            delegate: false,
        };
        let tickets = Tickets::default();
        let mut took = Vec::new();
        for host in ["a.example", "b.example"] {
            let begun = Instant::now();
            let context = KerberosContext::begin(&kerberos, host, false, None, &tickets).await;
            let error = context.err().unwrap();
            assert!(
                matches!(
                    error,
                    SecurityError::Kerberos(KerberosError::Unreachable { .. })
                ),
                "{error}"
            );
            took.push(begun.elapsed());
        }
        let once = Duration::from_millis(500);
        assert!(took[0] > once && took[1] < once, "{took:?}");
    }
}
