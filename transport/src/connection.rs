//! [`Connection`]: one authenticated HTTP/1.1 connection to an endpoint.
//!
//! It is made once: TCP, a tunnel through a proxy, TLS. A lost connection is never replaced, and
//! after any failure it is dead and says so. Over plain HTTP messages are sealed by the security
//! context, and nothing but its tokens ever travels unsealed; over TLS the messages go as they are, and the logon is
//! tied to the TLS connection. A security context's first exchange takes two round trips: the first
//! token goes unprompted with an empty body, the last one together with the message. WS-Management is not
//! this module's business: envelopes are octets here.

use std::time::{Duration, SystemTime};

use ::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER,
    USER_AGENT, WWW_AUTHENTICATE,
};
use ::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use owaim_proto::multipart::{self, SOAP};
use tokio::time::timeout;
use url::{Position, Url};

use crate::dial::{self, DialError};
use crate::http::{Answer, Http, HttpError, USER_AGENT_NAME};
use crate::proxy::ProxyError;
use crate::security::{Leg, SecurityContext, SecurityError};
use crate::tls::{self, ChannelBinding, TlsError, TlsInfo};
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
    url: Url,
    proxy: Option<Url>,
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

/// What a request is for, and so what its loss means.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    /// It carries a token only.
    Handshake,
    /// It carries a message.
    Message,
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
        let url = parse(&endpoint.url, || {
            format!("the endpoint of {}", endpoint.host)
        })?;
        let named = !url.username().is_empty() || url.password().is_some();
        if named || !matches!(url.scheme(), "http" | "https") {
            let detail = if named {
                "expected a URL without user name and password".into()
            } else {
                format!("expected the scheme http or https, found {}", url.scheme())
            };
            let url = bare(url);
            return Err(TransportError::UnusableUrl { url, detail });
        }
        let proxy = endpoint.proxy.as_deref();
        let proxy = proxy
            .map(|proxy| parse(proxy, || format!("the proxy of {}", endpoint.host)))
            .transpose()?;
        if let Some(proxy) = &proxy
            && proxy.scheme() != "http"
        {
            return Err(TransportError::UnusableUrl {
                detail: format!("expected a proxy with http, found {}", proxy.scheme()),
                url: bare(proxy.clone()),
            });
        }
        if let Some(detail) = insecure(endpoint, url.scheme() == "https") {
            let url = endpoint.url.clone();
            return Err(TransportError::Insecure { url, detail });
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            url,
            proxy,
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

    /// Makes the connection, with tunnel and TLS as the endpoint has it, and says nothing on it.
    /// `action` names what it is for in errors.
    pub async fn connect(&mut self, action: &'static str) -> Result<(), TransportError> {
        if let State::Fresh = self.state {
            self.state = State::Dead;
            self.state = State::Connected(self.dial(action).await?);
        }
        Ok(())
    }

    async fn dial(&mut self, action: &'static str) -> Result<Http, TransportError> {
        let patience = self.timeouts.connect;
        let stream = dial::dial(&self.url, self.proxy.as_ref(), patience)
            .await
            .map_err(|error| self.undialled(action, &error))?;
        let stream = if self.url.scheme() == "https" {
            let host = self.url.host_str().unwrap_or_default();
            // The brackets of an IPv6 address belong to the URL alone.
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let tls = tls::connect(stream, host, &self.endpoint.tls, self.identity());
            let (stream, info) = match timeout(patience, tls).await {
                Ok(done) => done.map_err(|error| self.no_tls(action, error))?,
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
        http.map_err(|error| self.failed(action, Purpose::Handshake, &HttpError::Lost(error)))
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
                let again = matches!(proof, Proof::Context(_)) && self.is_tls();
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
        let envelope = self.open_answer(action, &mut proof, &answer)?;
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
            return Err(self.refused(action, &answer));
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
                .map_err(|error| self.no_context(action, &error, Self::unsendable))?;
        for _ in 0..MAX_LEGS {
            let answer = self.show(action, http, &context, &token).await?;
            let early = answer.status.is_success() && context.may_end_early();
            if answer.status != StatusCode::UNAUTHORIZED && !early {
                return Err(self.http_status(action, &answer));
            }
            let challenge = match self.challenge(action, context.scheme(), &answer) {
                Ok(challenge) => challenge,
                Err(error) => match context.unanswered().await {
                    Some(meaning) if offers(&answer, context.scheme()) => {
                        return Err(self.no_context(action, &meaning, Self::sealing));
                    }
                    _ => return Err(error),
                },
            };
            let leg = context
                .step(challenge)
                .await
                .map_err(|error| self.no_context(action, &error, Self::sealing))?;
            match leg {
                Leg::More(next) => token = next,
                Leg::Last(last) => return Ok((context, last)),
                Leg::Alone(last) => {
                    let answer = self.show(action, http, &context, &last).await?;
                    return match answer.status {
                        StatusCode::UNAUTHORIZED => Err(self.refused(action, &answer)),
                        status if status.is_success() => Ok((context, None)),
                        _ => Err(self.http_status(action, &answer)),
                    };
                }
            }
        }
        Err(self.protocol(
            action,
            format!("expected to know each other after {MAX_LEGS} tokens"),
        ))
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
        if matches!(self.endpoint.authentication, Authentication::CurrentLogon)
            && offers(answer, scheme)
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
                let (kind, octets) = if self.is_tls() {
                    (SOAP.into(), envelope)
                } else {
                    let sealed = context.seal(envelope);
                    let sealed = sealed.map_err(|error| self.unsendable(action, &error))?;
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
        let mut request = Request::post(&self.url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &self.url[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, USER_AGENT_NAME)
            // A body of no octets is announced too: HTTP.sys refuses a POST without a length.
            .header(CONTENT_LENGTH, body.octets.len());
        if let Some(authorization) = body.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(kind) = body.kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let request = request
            .body(Full::from(body.octets))
            .map_err(|error| self.unsendable(action, &error))?;
        match timeout(self.timeouts.response, http.exchange(request)).await {
            Ok(answer) => answer.map_err(|error| self.failed(action, body.purpose, &error)),
            Err(_) => Err(TransportError::Timeout {
                action,
                url: self.endpoint.url.clone(),
                after: self.timeouts.response,
                sent: body.purpose == Purpose::Message,
            }),
        }
    }

    /// The envelope in `answer`. Where messages are sealed an answer in clear is refused: anyone could have
    /// written it.
    fn open_answer(
        &self,
        action: &'static str,
        proof: &mut Proof,
        answer: &Answer,
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
                return Err(self.refused(action, answer));
            }
            (StatusCode::UNAUTHORIZED, Proof::Context(_)) => {
                return Err(TransportError::Unauthenticated {
                    action,
                    url: self.endpoint.url.clone(),
                });
            }
            _ => return Err(self.http_status(action, answer)),
        }
        match proof {
            Proof::Context(context) if !self.is_tls() => {
                if !multipart::is_sealed(content_type) {
                    return Err(self.sealing(action, &expected("a sealed answer")));
                }
                context
                    .unseal(content_type, &answer.body)
                    .map_err(|error| self.sealing(action, &error))
            }
            _ if is_soap(content_type) => Ok(answer.body.clone()),
            _ if answer.status == StatusCode::OK => Err(self.protocol(action, expected(SOAP))),
            _ => Err(self.http_status(action, answer)),
        }
    }

    fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
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
            return Err(self.unsendable(action, &detail));
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
        let mut value = value.map_err(|error| self.unsendable(action, &error))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What a 401 in answer to the credentials means.
    fn refused(&self, action: &'static str, answer: &Answer) -> TransportError {
        let offered = offered(answer);
        let basic = matches!(self.endpoint.authentication, Authentication::Basic { .. });
        if basic
            && !offered.is_empty()
            && !offered
                .iter()
                .any(|name| name.eq_ignore_ascii_case("Basic"))
        {
            return TransportError::NoCommonAuthentication {
                url: self.endpoint.url.clone(),
                offered,
            };
        }
        TransportError::RefusedLogon {
            action,
            url: self.endpoint.url.clone(),
            username: self.endpoint.authentication.account().into(),
            detail: "HTTP status 401 in answer to the credentials".into(),
        }
    }

    fn undialled(&self, action: &'static str, error: &DialError) -> TransportError {
        let url = self.endpoint.url.clone();
        let detail = error.to_string();
        let proxy = self.proxy.as_ref().map(dial::authority);
        match error {
            DialError::Unresolved(_) => TransportError::Unresolved {
                action,
                url,
                host: proxy.unwrap_or_else(|| dial::authority(&self.url)),
                detail,
            },
            DialError::Unreachable(_) => TransportError::Connect {
                action,
                url,
                detail: match proxy {
                    Some(proxy) => format!("the proxy {proxy}: {detail}"),
                    None => detail,
                },
            },
            DialError::Proxy(error) => TransportError::Proxy {
                action,
                url,
                proxy: proxy.unwrap_or_default(),
                status: match error {
                    ProxyError::Refused { status, .. } => Some(status.as_u16()),
                    _ => None,
                },
                detail: chain(error),
            },
        }
    }

    fn no_tls(&self, action: &'static str, error: TlsError) -> TransportError {
        TransportError::Tls {
            action,
            url: self.endpoint.url.clone(),
            reason: error.reason,
            detail: error.detail,
        }
    }

    fn failed(&self, action: &'static str, purpose: Purpose, error: &HttpError) -> TransportError {
        let shown = self.identity().is_some();
        let sent = match error {
            HttpError::NotSent(_) => false,
            HttpError::Lost(_) => purpose == Purpose::Message,
            HttpError::Malformed(_) | HttpError::TooLong | HttpError::Encoded(_) => {
                return self.protocol(action, chain(error));
            }
        };
        if let Some(refused) = tls::refusal_behind(error, shown) {
            return self.no_tls(action, refused);
        }
        TransportError::Closed {
            action,
            url: self.endpoint.url.clone(),
            sent,
            detail: chain(error),
        }
    }

    fn http_status(&self, action: &'static str, answer: &Answer) -> TransportError {
        let url = self.endpoint.url.clone();
        let status = answer.status.as_u16();
        let header = |name| answer.headers.get(name)?.to_str().ok();
        let location = header(LOCATION).filter(|_| answer.status.is_redirection());
        if let Some(location) = location.and_then(|location| self.url.join(location).ok()) {
            return TransportError::Redirected {
                action,
                url,
                status,
                location: location.origin().ascii_serialization(),
            };
        }
        TransportError::Http {
            action,
            url,
            status,
            body_start: start(&answer.body),
            retry_after: header(RETRY_AFTER).and_then(|value| wait(value, SystemTime::now())),
        }
    }

    /// Why a security context was not made: the system's own reasons are told apart.
    fn no_context(
        &self,
        action: &'static str,
        error: &SecurityError,
        otherwise: fn(&Self, &'static str, &dyn std::fmt::Display) -> TransportError,
    ) -> TransportError {
        match error {
            SecurityError::System { .. } | SecurityError::NoLogon => TransportError::CurrentLogon {
                action,
                url: self.endpoint.url.clone(),
                detail: error.to_string(),
            },
            SecurityError::Refused(detail) => TransportError::RefusedLogon {
                action,
                url: self.endpoint.url.clone(),
                username: self.endpoint.authentication.account().into(),
                detail: detail.clone(),
            },
            SecurityError::Kerberos(problem) => TransportError::Kerberos {
                action,
                url: self.endpoint.url.clone(),
                problem: problem.clone(),
            },
            _ => otherwise(self, action, error),
        }
    }

    fn unsendable(&self, action: &'static str, error: &dyn std::fmt::Display) -> TransportError {
        TransportError::Unsendable {
            action,
            url: self.endpoint.url.clone(),
            detail: error.to_string(),
        }
    }

    fn sealing(&self, action: &'static str, error: &dyn std::fmt::Display) -> TransportError {
        TransportError::Sealing {
            action,
            url: self.endpoint.url.clone(),
            detail: error.to_string(),
        }
    }

    fn protocol(&self, action: &'static str, detail: String) -> TransportError {
        TransportError::Protocol {
            action,
            url: self.endpoint.url.clone(),
            detail,
        }
    }
}

/// `text` as a URL with a host; `whose` says whose it is.
fn parse(text: &str, whose: impl Fn() -> String) -> Result<Url, TransportError> {
    let url = Url::parse(text).map_err(|error| error.to_string());
    let with_host = url.and_then(|url| match url.host_str() {
        Some(_) => Ok(url),
        None => Err("there is no host in it".into()),
    });
    // What is no URL may hold a password at any place: it is not repeated.
    with_host.map_err(|error| TransportError::UnusableUrl {
        url: whose(),
        detail: format!("its URL is none: {error}"),
    })
}

/// `url` without user name and password.
fn bare(mut url: Url) -> String {
    // Both fail only for URLs that cannot have them.
    let _ = (url.set_password(None), url.set_username(""));
    url.into()
}

/// What would give a secret away, with the keys of the site file that say so.
fn insecure(endpoint: &Endpoint, tls: bool) -> Option<&'static str> {
    match &endpoint.authentication {
        Authentication::Basic {
            allow_plaintext: false,
            ..
        } if !tls => Some(
            "auth = \"basic\" would show the password to all in between: use a URL with https, or allow_plaintext = true",
        ),
        Authentication::Basic { .. } if endpoint.tls.insecure_skip_verify => Some(
            "auth = \"basic\" with insecure_skip_verify = true would give the password to whoever answers",
        ),
        Authentication::Certificate(_) if !tls => Some(
            "auth = \"certificate\" shows the certificate in the TLS handshake: use a URL with https",
        ),
        _ => None,
    }
}

/// What a server asks for in `WWW-Authenticate`.
fn challenges(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect()
}

/// Whether `answer` names `scheme`.
fn offers(answer: &Answer, scheme: &str) -> bool {
    let offered = offered(answer);
    offered.iter().any(|name| name.eq_ignore_ascii_case(scheme))
}

/// The schemes that a server offers.
fn offered(answer: &Answer) -> Vec<String> {
    // Further parameters of a scheme are split off too; a scheme has no equals sign.
    let words = challenges(answer).into_iter();
    words
        .filter_map(|text| text.split(' ').next())
        .filter(|word| !word.is_empty() && !word.contains('='))
        .map(str::to_owned)
        .collect()
}

fn is_soap(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/soap+xml")
}

/// How long a `Retry-After` asks to wait (RFC 9110, section 10.2.3).
fn wait(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

/// An error with all that lies behind it, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

/// The start of what a server wrote, fit for a message.
fn start(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..400).unwrap_or(body));
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(200).map(printable).collect()
}
