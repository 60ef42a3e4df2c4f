//! [`Connection`]: one authenticated HTTP/1.1 connection to an endpoint.
//!
//! It is made once: TCP, a tunnel through a proxy, TLS. A lost connection is never replaced, and
//! after any failure it is dead and says so. Over plain HTTP messages are sealed by the security
//! context, and nothing but its tokens ever travels unsealed; over TLS the messages go as they are, and the logon is
//! tied to the TLS connection. A security context's first exchange takes two round trips: the first
//! token goes unprompted with an empty body, the last one together with the message. Where the first token
//! says who we are, as with Kerberos, it goes with the message over TLS: one round trip, and what servers
//! want that ask who we are at every request. WS-Management is not this module's business: envelopes are
//! octets here.

mod introduction;

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

use crate::attempt::{Attempt, Purpose, offered, start};
use crate::dial::dial;
use crate::greeting::{Authenticated, Greeting};
use crate::http::{Answer, Http, HttpError, USER_AGENT_NAME};
use crate::security::SecurityContext;
use crate::target::Target;
use crate::tls::{self, TlsInfo};
use crate::{Authentication, ClientCertificate, Credential, Endpoint, Tickets, TransportError};

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
    /// Whether the server wants a token with each request, and not with the first one alone.
    each: bool,
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
            each: false,
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
        let attempt = self.attempt(action, Purpose::Handshake);
        let answer = self
            .round_trip(attempt, &mut http, request, envelope)
            .await?;
        if answer.status != StatusCode::OK {
            return Err(attempt.http_status(&answer));
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
            .map_err(|error| self.attempt(action, Purpose::Handshake).undialled(&error))?;
        let stream = if self.target.is_tls() {
            let tls = tls::connect(
                stream,
                self.target.host(),
                &self.endpoint.tls,
                self.identity(),
            );
            let (stream, info) = match timeout(patience, tls).await {
                Ok(done) => {
                    done.map_err(|error| self.attempt(action, Purpose::Handshake).no_tls(error))?
                }
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
            self.attempt(action, Purpose::Handshake)
                .failed(&HttpError::Lost(error))
        })
    }

    /// Sends `envelope` and gives the answer, whether its status is 200 or 500 (a fault).
    /// `action` names the request in errors.
    ///
    /// A server may ask again who we are, by a 401 on a connection that it knows. Over TLS that
    /// comes from the server itself and says that it has not looked at the request, so that it is
    /// sent again, once, behind another logon. Where a token goes with a message, each further one
    /// then has its own: IIS knows by the connection who is there with NTLM, and with Kerberos only if
    /// it is told to (`authPersistNonNTLM`). Over plain HTTP a 401 has no seal: whoever sits in between
    /// can have passed the request on and written that, so that it may have run.
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
            State::Established(http, _) if self.each => {
                self.introduce(action, http, envelope).await?
            }
            State::Established(mut http, mut proof) => {
                let again = matches!(proof, Proof::Context(_)) && self.target.is_tls();
                let kept = again.then(|| envelope.clone());
                let sent = self.send(action, &mut http, &mut proof, None, envelope);
                let answer = sent.await?;
                match kept {
                    Some(envelope) if answer.status == StatusCode::UNAUTHORIZED => {
                        self.each = matches!(&proof, Proof::Context(it) if it.may_end_early());
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
                    let attempt = self.attempt(action, Purpose::Message);
                    let sealed = sealed.map_err(|error| attempt.unsendable(&error))?;
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
        let attempt = self.attempt(action, body.purpose);
        self.round_trip(attempt, http, request, body.octets).await
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
        attempt: Attempt<'_>,
        http: &mut Http,
        request: Builder,
        octets: Vec<u8>,
    ) -> Result<Answer, TransportError> {
        let request = request
            .body(Full::from(octets))
            .map_err(|error| attempt.unsendable(&error))?;
        match timeout(self.timeouts.response, http.exchange(request)).await {
            Ok(answer) => answer.map_err(|error| attempt.failed(&error)),
            Err(_) => Err(TransportError::Timeout {
                action: attempt.action,
                url: self.endpoint.url.clone(),
                after: self.timeouts.response,
                sent: attempt.purpose == Purpose::Message,
            }),
        }
    }

    /// The envelope in `answer`. Where messages are sealed an answer in clear is refused: anyone could have
    /// written it, and what it says proves nothing.
    fn open_answer(
        &self,
        action: &'static str,
        proof: &mut Proof,
        answer: Answer,
    ) -> Result<Vec<u8>, TransportError> {
        let attempt = self.attempt(action, Purpose::Message);
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
                return Err(attempt.refused(&answer));
            }
            (StatusCode::UNAUTHORIZED, Proof::Context(_)) => {
                return Err(TransportError::Unauthenticated {
                    action,
                    url: self.endpoint.url.clone(),
                });
            }
            _ => return Err(attempt.http_status(&answer)),
        }
        let sealing = match proof {
            Proof::Context(context) if !self.target.is_tls() => Some(context),
            _ => None,
        };
        match sealing {
            Some(context) if multipart::is_sealed(content_type) => context
                .unseal(content_type, &answer.body)
                .map_err(|error| attempt.sealing(&error)),
            None if is_soap(content_type) => Ok(answer.body),
            // A page of the HTTP service, which knows nothing of envelopes.
            _ if answer.status != StatusCode::OK && !is_soap(content_type) => {
                Err(attempt.http_status(&answer))
            }
            Some(_) => Err(attempt.sealing(&expected("a sealed answer"))),
            None => Err(attempt.protocol(expected(SOAP))),
        }
    }

    /// What errors are made of.
    fn attempt(&self, action: &'static str, purpose: Purpose) -> Attempt<'_> {
        Attempt {
            action,
            purpose,
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
            let attempt = self.attempt(action, Purpose::Handshake);
            return Err(attempt.unsendable(&detail));
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
        let attempt = self.attempt(action, Purpose::Handshake);
        let mut value = value.map_err(|error| attempt.unsendable(&error))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn is_soap(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/soap+xml")
}
