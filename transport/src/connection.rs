//! [`Connection`]: one authenticated HTTP/1.1 connection to an endpoint.
//!
//! It is made once: TCP, a tunnel through a proxy, TLS. A lost connection is never replaced, and
//! after any failure it is dead and says so. Over plain HTTP messages are sealed by the security
//! context, and nothing but its tokens ever travels unsealed; over TLS the messages go as they are, and the logon is
//! tied to the TLS connection. A security context's first exchange takes two round trips: the first
//! token goes unprompted with an empty body, the last one together with the message. WS-Management is not
//! this module's business: envelopes are octets here.

use std::time::Duration;

use ::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderValue, SERVER, USER_AGENT,
};
use ::http::request::Builder;
use ::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use owaim_proto::multipart::{self, SOAP};
use owaim_proto::wsman::IDENTIFY_HEADER;
use tokio::time::timeout;
use url::Position;

use crate::attempt::{Attempt, Purpose, challenges, offered, offers, start};
use crate::dial::dial;
use crate::greeting::{Authenticated, Greeting};
use crate::http::{Answer, Http, HttpError, USER_AGENT_NAME};
use crate::security::{Leg, SecurityContext};
use crate::target::Target;
use crate::tls::{self, ChannelBinding, TlsInfo};
use crate::{Authentication, ClientCertificate, Credential, Endpoint, Tickets, TransportError};

/// Most tokens of ours before a message. NTLM takes one, Kerberos another one or two, CredSSP a
/// handshake of TLS besides.
const MAX_LEGS: usize = 10;

/// What stands in for credentials when the certificate of the client is in the TLS handshake
/// ([MS-WSMV] 2.2.2).
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// How patient a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection to be made; as long again for a tunnel through a proxy, and for TLS.
    pub connect: Duration,
    /// For a whole answer to have come, counted from when its request began to be sent. Longer
    /// than the longest operation time-out in use, or no Receive can hang as long as it may.
    pub response: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(90),
        }
    }
}

/// One connection. Exchanges follow each other: HTTP/1.1 carries one at a time.
pub struct Connection {
    endpoint: Endpoint,
    target: Target,
    timeouts: Timeouts,
    tickets: Tickets,
    /// Known as soon as TLS has been agreed on.
    tls: Option<TlsInfo>,
    state: State,
}

enum State {
    /// There is no connection yet.
    Fresh,
    /// There is one, on which nothing has been said.
    Connected(Http),
    /// Both sides know each other.
    Established(Http, Proof),
    /// Failed, or left in the middle of an exchange.
    Dead,
}

/// How each message shows whose it is.
enum Proof {
    /// By the connection, which a security context has authenticated.
    Context(SecurityContext),
    /// By a header that goes with each of them.
    Header(HeaderValue),
}

/// What of a request differs from others.
struct Body {
    purpose: Purpose,
    authorization: Option<HeaderValue>,
    kind: Option<String>,
    octets: Vec<u8>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Fresh => "fresh",
            State::Connected(..) => "connected",
            State::Established(..) => "established",
            State::Dead => "dead",
        };
        f.debug_struct("Connection")
            .field("url", &self.endpoint.url)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection to `endpoint`. Nothing is done before [`connect`](Self::connect) or the first
    /// [`exchange`](Self::exchange).
    pub fn open(endpoint: &Endpoint, timeouts: Timeouts) -> Result<Self, TransportError> {
        Ok(Self {
            target: Target::of(endpoint)?,
            endpoint: endpoint.clone(),
            timeouts,
            tickets: Tickets::default(),
            tls: None,
            state: State::Fresh,
        })
    }

    /// Takes Kerberos tickets from `tickets`, and leaves there what it is given.
    #[must_use]
    pub fn sharing(self, tickets: &Tickets) -> Self {
        let tickets = tickets.clone();
        Self { tickets, ..self }
    }

    /// Whether another exchange may be tried.
    pub fn is_usable(&self) -> bool {
        !matches!(self.state, State::Dead)
    }

    /// What TLS is like here; `None` before it was agreed on and where there is none.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// How it was authenticated; `None` before that and after a failure.
    pub fn authenticated(&self) -> Option<Authenticated> {
        let State::Established(_, proof) = &self.state else {
            return None;
        };
        let (package, sealed) = match (proof, &self.endpoint.authentication) {
            (Proof::Context(context), _) => (context.package(), !self.target.is_tls()),
            (Proof::Header(_), Authentication::Certificate(_)) => ("a certificate", false),
            (Proof::Header(_), _) => ("Basic", false),
        };
        Some(Authenticated {
            package,
            sealed,
            tls: self.target.is_tls(),
        })
    }

    /// Makes the connection, with tunnel and TLS as the endpoint has it, and says nothing on it.
    /// `action` names what it is for in errors.
    pub async fn connect(&mut self, action: &'static str) -> Result<(), TransportError> {
        if let State::Fresh = self.state {
            self.state = State::Dead;
            self.state = State::Connected(self.dial(action).await?);
        }
        Ok(())
    }

    /// Asks for nothing, without saying who asks, and gives what the server says to that. The connection is
    /// used up by it: what is known of a server comes before what is shown to it.
    pub async fn greet(mut self, action: &'static str) -> Result<Greeting, TransportError> {
        let mut http = self.unused(action).await?;
        let nothing = Body {
            purpose: Purpose::Handshake,
            authorization: None,
            kind: None,
            octets: Vec::new(),
        };
        let answer = self.post(action, &mut http, nothing).await?;
        let header = |name| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        Ok(Greeting {
            status: answer.status.as_u16(),
            offered: offered(&answer),
            server: header(SERVER),
            date: header(DATE),
        })
    }

    /// Asks a service what it is, without saying who asks, and gives its answer. The connection is used
    /// up by it.
    pub(crate) async fn identify(
        mut self,
        action: &'static str,
        envelope: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError> {
        let mut http = self.unused(action).await?;
        let (name, value) = IDENTIFY_HEADER;
        let request = self
            .head(envelope.len())
            .header(CONTENT_TYPE, SOAP)
            .header(name, value);
        let purpose = Purpose::Handshake;
        let answer = self
            .round_trip(action, &mut http, request, purpose, envelope)
            .await?;
        if answer.status != StatusCode::OK {
            return Err(self.attempt(action).http_status(&answer));
        }
        Ok(answer.body)
    }

    /// The connection, on which nothing has been said yet.
    async fn unused(&mut self, action: &'static str) -> Result<Http, TransportError> {
        self.connect(action).await?;
        match std::mem::replace(&mut self.state, State::Dead) {
            State::Connected(http) => Ok(http),
            _ => Err(TransportError::Closed {
                action,
                url: self.endpoint.url.clone(),
                sent: false,
                detail: "the connection has been used before".into(),
            }),
        }
    }

    async fn dial(&mut self, action: &'static str) -> Result<Http, TransportError> {
        let patience = self.timeouts.connect;
        let stream = dial(&self.target, patience)
            .await
            .map_err(|error| self.attempt(action).undialled(&error))?;
        let stream = if self.target.is_tls() {
            let tls = tls::connect(
                stream,
                self.target.host(),
                &self.endpoint.tls,
                self.identity(),
            );
            let (stream, info) = match timeout(patience, tls).await {
                Ok(done) => done.map_err(|error| self.attempt(action).no_tls(error))?,
                Err(_) => {
                    return Err(TransportError::Connect {
                        action,
                        url: self.endpoint.url.clone(),
                        detail: format!("no end of the TLS handshake within {patience:?}"),
                    });
                }
            };
            self.tls = Some(info);
            stream
        } else {
            stream
        };
        let http = Http::start(stream).await;
        http.map_err(|error| {
            self.attempt(action)
                .failed(Purpose::Handshake, &HttpError::Lost(error))
        })
    }

    /// Sends `envelope` and gives the answer, whether its status is 200 or 500 (a fault).
    /// `action` names the request in errors.
    ///
    /// A server may ask again who we are, by a 401 on a connection that it knows. Over TLS that
    /// comes from the server itself and says that it has not looked at the request, so that it is
    /// sent again, once, behind another logon. Over plain HTTP a 401 has no seal: whoever sits in
    /// between can have passed the request on and written that, so that it may have run.
    ///
    /// The connection is dead after any error, and after a future that was dropped.
    pub async fn exchange(
        &mut self,
        action: &'static str,
        envelope: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError> {
        self.connect(action).await?;
        let (http, mut proof, answer) = match std::mem::replace(&mut self.state, State::Dead) {
            State::Connected(http) => self.introduce(action, http, envelope).await?,
            State::Established(mut http, mut proof) => {
                let again = matches!(proof, Proof::Context(_)) && self.target.is_tls();
                let kept = again.then(|| envelope.clone());
                let sent = self.send(action, &mut http, &mut proof, None, envelope);
                let answer = sent.await?;
                match kept {
                    Some(envelope) if answer.status == StatusCode::UNAUTHORIZED => {
                        self.introduce(action, http, envelope).await?
                    }
                    _ => (http, proof, answer),
                }
            }
            State::Fresh | State::Dead => {
                return Err(TransportError::Closed {
                    action,
                    url: self.endpoint.url.clone(),
                    sent: false,
                    detail: "an earlier exchange on this connection failed".into(),
                });
            }
        };
        let envelope = self.open_answer(action, &mut proof, answer)?;
        self.state = State::Established(http, proof);
        Ok(envelope)
    }

    /// Sends the first message of somebody the server does not know yet.
    async fn introduce(
        &self,
        action: &'static str,
        mut http: Http,
        envelope: Vec<u8>,
    ) -> Result<(Http, Proof, Answer), TransportError> {
        let (mut proof, token) = match &self.endpoint.authentication {
            Authentication::Basic { credential, .. } => {
                (Proof::Header(self.basic(action, credential)?), None)
            }
            Authentication::Certificate(_) => {
                (Proof::Header(HeaderValue::from_static(MUTUAL)), None)
            }
            _ => {
                let (context, token) = self.log_on(action, &mut http).await?;
                (Proof::Context(context), token)
            }
        };
        let sent = self.send(action, &mut http, &mut proof, token, envelope);
        let answer = sent.await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.attempt(action).refused(&answer));
        }
        Ok((http, proof, answer))
    }

    /// The round trips before the first message: a security context, and the token, if another is
    /// needed, that proves who we are.
    async fn log_on(
        &self,
        action: &'static str,
        http: &mut Http,
    ) -> Result<(SecurityContext, Option<Vec<u8>>), TransportError> {
        let certificate = self.tls.as_ref().map(|tls| &tls.certificate);
        let binding = certificate.and_then(|der| ChannelBinding::of_certificate(der));
        let (mut context, mut token) =
            SecurityContext::begin(&self.endpoint, binding.as_ref(), &self.tickets)
                .await
                .map_err(|error| self.attempt(action).no_context(&error, Attempt::unsendable))?;
        for _ in 0..MAX_LEGS {
            let answer = self.show(action, http, &context, &token).await?;
            let early = answer.status.is_success() && context.may_end_early();
            if answer.status != StatusCode::UNAUTHORIZED && !early {
                return Err(self.attempt(action).http_status(&answer));
            }
            let challenge = match self.challenge(action, context.scheme(), &answer) {
                Ok(challenge) => challenge,
                Err(error) => match context.unanswered().await {
                    Some(meaning) if offers(&answer, context.scheme()) => {
                        return Err(self.attempt(action).no_context(&meaning, Attempt::sealing));
                    }
                    _ => return Err(error),
                },
            };
            let leg = context
                .step(challenge)
                .await
                .map_err(|error| self.attempt(action).no_context(&error, Attempt::sealing))?;
            match leg {
                Leg::More(next) => token = next,
                Leg::Last(last) => return Ok((context, last)),
                Leg::Alone(last) => {
                    let answer = self.show(action, http, &context, &last).await?;
                    return match answer.status {
                        StatusCode::UNAUTHORIZED => Err(self.attempt(action).refused(&answer)),
                        status if status.is_success() => Ok((context, None)),
                        _ => Err(self.attempt(action).http_status(&answer)),
                    };
                }
            }
        }
        Err(self.attempt(action).protocol(format!(
            "expected to know each other after {MAX_LEGS} tokens"
        )))
    }

    /// Sends a token by itself.
    async fn show(
        &self,
        action: &'static str,
        http: &mut Http,
        context: &SecurityContext,
        token: &[u8],
    ) -> Result<Answer, TransportError> {
        let request = Body {
            purpose: Purpose::Handshake,
            authorization: Some(self.authorization(action, context.scheme(), token)?),
            kind: None,
            octets: Vec::new(),
        };
        self.post(action, http, request).await
    }

    /// The token in `answer`.
    fn challenge(
        &self,
        action: &'static str,
        scheme: &'static str,
        answer: &Answer,
    ) -> Result<Vec<u8>, TransportError> {
        let challenges = challenges(answer);
        let token = challenges.iter().find_map(|challenge| {
            let (theirs, token) = challenge.split_once(' ')?;
            let ours = theirs.eq_ignore_ascii_case(scheme);
            ours.then(|| STANDARD.decode(token.trim()).ok()).flatten()
        });
        if let Some(token) = token {
            return Ok(token);
        }
        // The current logon has shown its ticket with the first token: the scheme alone is a no.
        if matches!(
            self.endpoint.authentication,
            Authentication::CurrentLogon { .. }
        ) && offers(answer, scheme)
        {
            return Err(TransportError::RefusedLogon {
                action,
                url: self.endpoint.url.clone(),
                username: self.endpoint.authentication.account().into(),
                detail: format!("HTTP status {} without a token", answer.status.as_u16()),
            });
        }
        Err(TransportError::NoCommonAuthentication {
            url: self.endpoint.url.clone(),
            offered: offered(answer),
        })
    }

    /// Sends a message: sealed over plain HTTP, if there is a context to seal it.
    async fn send(
        &self,
        action: &'static str,
        http: &mut Http,
        proof: &mut Proof,
        token: Option<Vec<u8>>,
        envelope: Vec<u8>,
    ) -> Result<Answer, TransportError> {
        let body = match proof {
            Proof::Header(value) => Body {
                purpose: Purpose::Message,
                authorization: Some(value.clone()),
                kind: Some(SOAP.into()),
                octets: envelope,
            },
            Proof::Context(context) => {
                let token = token.map(|token| self.authorization(action, context.scheme(), &token));
                let (kind, octets) = if self.target.is_tls() {
                    (SOAP.into(), envelope)
                } else {
                    let sealed = context.seal(envelope);
                    let sealed = sealed.map_err(|error| self.attempt(action).unsendable(&error))?;
                    (sealed.content_type, sealed.body)
                };
                Body {
                    purpose: Purpose::Message,
                    authorization: token.transpose()?,
                    kind: Some(kind),
                    octets,
                }
            }
        };
        self.post(action, http, body).await
    }

    /// One HTTP exchange.
    async fn post(
        &self,
        action: &'static str,
        http: &mut Http,
        body: Body,
    ) -> Result<Answer, TransportError> {
        let mut request = self.head(body.octets.len());
        if let Some(authorization) = body.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(kind) = body.kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        self.round_trip(action, http, request, body.purpose, body.octets)
            .await
    }

    /// What every request begins with, of a body of that many octets.
    fn head(&self, length: usize) -> Builder {
        let url = &self.target.url;
        Request::post(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, USER_AGENT_NAME)
            // A body of no octets is announced too: HTTP.sys refuses a POST without a length.
            .header(CONTENT_LENGTH, length)
    }

    async fn round_trip(
        &self,
        action: &'static str,
        http: &mut Http,
        request: Builder,
        purpose: Purpose,
        octets: Vec<u8>,
    ) -> Result<Answer, TransportError> {
        let request = request
            .body(Full::from(octets))
            .map_err(|error| self.attempt(action).unsendable(&error))?;
        match timeout(self.timeouts.response, http.exchange(request)).await {
            Ok(answer) => answer.map_err(|error| self.attempt(action).failed(purpose, &error)),
            Err(_) => Err(TransportError::Timeout {
                action,
                url: self.endpoint.url.clone(),
                after: self.timeouts.response,
                sent: purpose == Purpose::Message,
            }),
        }
    }

    /// The envelope in `answer`. Where messages are sealed an answer in clear is refused: anyone could have
    /// written it.
    fn open_answer(
        &self,
        action: &'static str,
        proof: &mut Proof,
        answer: Answer,
    ) -> Result<Vec<u8>, TransportError> {
        let content_type = answer.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let expected = |what: &str| {
            format!(
                "expected {what}, found HTTP status {} with {} octets of {:?} in clear",
                answer.status.as_u16(),
                answer.body.len(),
                start(content_type.as_bytes()),
            )
        };
        match (answer.status, &mut *proof) {
            (StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR, _) => {}
            (StatusCode::UNAUTHORIZED, Proof::Header(_)) => {
                return Err(self.attempt(action).refused(&answer));
            }
            (StatusCode::UNAUTHORIZED, Proof::Context(_)) => {
                return Err(TransportError::Unauthenticated {
                    action,
                    url: self.endpoint.url.clone(),
                });
            }
            _ => return Err(self.attempt(action).http_status(&answer)),
        }
        match proof {
            Proof::Context(context) if !self.target.is_tls() => {
                if !multipart::is_sealed(content_type) {
                    return Err(self.attempt(action).sealing(&expected("a sealed answer")));
                }
                context
                    .unseal(content_type, &answer.body)
                    .map_err(|error| self.attempt(action).sealing(&error))
            }
            _ if is_soap(content_type) => Ok(answer.body),
            _ if answer.status == StatusCode::OK => {
                Err(self.attempt(action).protocol(expected(SOAP)))
            }
            _ => Err(self.attempt(action).http_status(&answer)),
        }
    }

    /// What errors are made of.
    fn attempt(&self, action: &'static str) -> Attempt<'_> {
        Attempt {
            action,
            endpoint: &self.endpoint,
            target: &self.target,
        }
    }

    /// What is shown in the TLS handshake.
    fn identity(&self) -> Option<&ClientCertificate> {
        match &self.endpoint.authentication {
            Authentication::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }

    /// User name and password as they are (RFC 7617).
    fn basic(
        &self,
        action: &'static str,
        credential: &Credential,
    ) -> Result<HeaderValue, TransportError> {
        if credential.username.contains(':') {
            let detail = "Basic knows no user name with a colon";
            return Err(self.attempt(action).unsendable(&detail));
        }
        let account = [&credential.username, ":", credential.password.expose()].concat();
        self.authorization(action, "Basic", account.as_bytes())
    }

    fn authorization(
        &self,
        action: &'static str,
        scheme: &'static str,
        token: &[u8],
    ) -> Result<HeaderValue, TransportError> {
        let value = format!("{scheme} {}", STANDARD.encode(token));
        let value = HeaderValue::try_from(value);
        let mut value = value.map_err(|error| self.attempt(action).unsendable(&error))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn is_soap(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/soap+xml")
}
