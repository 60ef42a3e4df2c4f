//! [`Connection`]: one authenticated, sealed HTTP/1.1 connection to an endpoint.
//!
//! The first exchange takes two round trips: the first token goes unprompted with an empty body,
//! the last one together with the sealed message. Nothing but that first token ever travels
//! unsealed, a lost connection is never replaced, and after any failure the connection is dead
//! and says so. WS-Management is not this module's business: envelopes are octets here.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use owaim_proto::multipart;

use crate::one_connect::{ConnectionGone, OneConnect};
use crate::security::{Leg, SecurityContext, SecurityError};
use crate::{Authentication, Endpoint, Tickets, TransportError};

/// Longest body that is read. Servers keep to `MaxEnvelopeSize`, 500 KiB unless an administrator
/// raised it.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Most tokens of ours before a message. NTLM takes one, Kerberos another one or two.
const MAX_LEGS: usize = 4;

/// How patient a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection to be made.
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
    http: reqwest::Client,
    endpoint: Endpoint,
    timeouts: Timeouts,
    tickets: Tickets,
    state: State,
}

enum State {
    /// Nothing has been sent.
    Fresh,
    /// Both sides know each other.
    Established(SecurityContext),
    /// Failed, or left in the middle of an exchange.
    Dead,
}

/// What a request is for, and so what its loss means.
#[derive(Clone, Copy)]
enum Purpose {
    /// It carries a token only.
    Handshake,
    /// It carries a message.
    Message,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Fresh => "fresh",
            State::Established(_) => "established",
            State::Dead => "dead",
        };
        f.debug_struct("Connection")
            .field("url", &self.endpoint.url)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection to `endpoint`. Nothing is sent before the first [`exchange`](Self::exchange).
    pub fn open(endpoint: &Endpoint, timeouts: Timeouts) -> Result<Self, TransportError> {
        let unusable = |url: String, detail: String| TransportError::UnusableUrl { url, detail };
        let mut url = reqwest::Url::parse(&endpoint.url).map_err(|error| {
            // What is no URL may hold a password at any place: it is not repeated.
            unusable(
                format!("the endpoint of {}", endpoint.host),
                format!("its URL is none: {error}"),
            )
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            // Both fail only for URLs that cannot have them.
            let _ = (url.set_password(None), url.set_username(""));
            let detail = "expected a URL without user name and password".into();
            return Err(unusable(url.into(), detail));
        }
        if url.scheme() != "http" {
            let detail = format!("expected the scheme http, found {}", url.scheme());
            return Err(unusable(url.into(), detail));
        }
        let http = reqwest::Client::builder()
            .connector_layer(OneConnect::default())
            .connect_timeout(timeouts.connect)
            .http1_only()
            .no_proxy()
            .pool_idle_timeout(None)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .user_agent(concat!("owaim/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TransportError::Unsendable {
                action: "Connect",
                url: endpoint.url.clone(),
                detail: chain(&error),
            })?;
        Ok(Self {
            http,
            endpoint: endpoint.clone(),
            timeouts,
            tickets: Tickets::default(),
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

    /// Sends `envelope` sealed and gives the unsealed answer, whether its status is 200 or 500 (a
    /// fault). `action` names the request in errors.
    ///
    /// The connection is dead after any error, and after a future that was dropped.
    pub async fn exchange(
        &mut self,
        action: &'static str,
        envelope: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError> {
        let mut logging_on = false;
        let (mut context, token) = match std::mem::replace(&mut self.state, State::Dead) {
            State::Fresh => {
                logging_on = true;
                self.log_on(action).await?
            }
            State::Established(context) => (context, None),
            State::Dead => {
                return Err(TransportError::Closed {
                    action,
                    url: self.endpoint.url.clone(),
                    sent: false,
                    detail: "an earlier exchange on this connection failed".into(),
                });
            }
        };
        let body = context
            .seal(envelope)
            .map_err(|error| self.unsendable(action, &error))?;
        let answer = self
            .post(action, Purpose::Message, &context, token.as_deref(), body)
            .await?;
        if answer.status == StatusCode::UNAUTHORIZED && logging_on {
            return Err(TransportError::RefusedLogon {
                action,
                url: self.endpoint.url.clone(),
                username: self.endpoint.authentication.account().into(),
                detail: "HTTP status 401 in answer to the credentials".into(),
            });
        }
        let envelope = self.unseal(action, &mut context, &answer)?;
        self.state = State::Established(context);
        Ok(envelope)
    }

    /// The round trips before the first message: a security context, and the token, if another is
    /// needed, that proves who we are.
    async fn log_on(
        &self,
        action: &'static str,
    ) -> Result<(SecurityContext, Option<Vec<u8>>), TransportError> {
        let (mut context, mut token) = SecurityContext::begin(&self.endpoint, None, &self.tickets)
            .await
            .map_err(|error| self.no_context(action, &error, Self::unsendable))?;
        for _ in 0..MAX_LEGS {
            let answer = self
                .post(
                    action,
                    Purpose::Handshake,
                    &context,
                    Some(&token),
                    Vec::new(),
                )
                .await?;
            let early = answer.status.is_success() && context.may_end_early();
            if answer.status != StatusCode::UNAUTHORIZED && !early {
                return Err(self.http_status(action, &answer));
            }
            let challenge = self.challenge(action, context.scheme(), &answer)?;
            let leg = context
                .step(challenge)
                .await
                .map_err(|error| self.no_context(action, &error, Self::sealing))?;
            match leg {
                Leg::More(next) => token = next,
                Leg::Last(last) => return Ok((context, last)),
            }
        }
        Err(TransportError::Protocol {
            action,
            url: self.endpoint.url.clone(),
            detail: format!("expected to know each other after {MAX_LEGS} tokens"),
        })
    }

    /// The token in `answer`.
    fn challenge(
        &self,
        action: &'static str,
        scheme: &'static str,
        answer: &Answer,
    ) -> Result<Vec<u8>, TransportError> {
        let challenges: Vec<&str> = answer
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        let token = challenges.iter().find_map(|challenge| {
            let (theirs, token) = challenge.split_once(' ')?;
            let ours = theirs.eq_ignore_ascii_case(scheme);
            ours.then(|| STANDARD.decode(token.trim()).ok()).flatten()
        });
        if let Some(token) = token {
            return Ok(token);
        }
        let name = |text: &&str| text.split(' ').next().unwrap_or_default().to_owned();
        let offered: Vec<String> = challenges.iter().map(name).collect();
        let ours = |name: &String| name.eq_ignore_ascii_case(scheme);
        // The current logon has shown its ticket with the first token: the scheme alone is a no.
        if matches!(self.endpoint.authentication, Authentication::CurrentLogon)
            && offered.iter().any(ours)
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
            offered,
        })
    }

    /// One HTTP exchange.
    async fn post(
        &self,
        action: &'static str,
        purpose: Purpose,
        context: &SecurityContext,
        token: Option<&[u8]>,
        body: Vec<u8>,
    ) -> Result<Answer, TransportError> {
        let mut request = self
            .http
            .post(&self.endpoint.url)
            .timeout(self.timeouts.response);
        if let Some(token) = token {
            let value = format!("{} {}", context.scheme(), STANDARD.encode(token));
            let mut value =
                HeaderValue::try_from(value).map_err(|error| self.unsendable(action, &error))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request = match purpose {
            // A body of no octets is announced too: HTTP.sys refuses a POST without a length.
            Purpose::Handshake => request.header(CONTENT_LENGTH, 0).body(Vec::new()),
            Purpose::Message => request
                .header(CONTENT_TYPE, context.content_type())
                .body(body),
        };
        let failed = |error: reqwest::Error| self.failed(action, purpose, error);
        let mut response = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(TransportError::Protocol {
                    action,
                    url: self.endpoint.url.clone(),
                    detail: format!("expected an answer of at most {MAX_BODY} octets, found more"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }

    /// The envelope in `answer`. An answer in clear is refused: anyone could have written it.
    fn unseal(
        &self,
        action: &'static str,
        context: &mut SecurityContext,
        answer: &Answer,
    ) -> Result<Vec<u8>, TransportError> {
        let content_type = answer.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match answer.status {
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR => {}
            _ => return Err(self.http_status(action, answer)),
        }
        if !multipart::is_sealed(content_type) {
            return Err(TransportError::Sealing {
                action,
                url: self.endpoint.url.clone(),
                detail: format!(
                    "expected a sealed answer, found HTTP status {} with {} octets of {:?} in clear",
                    answer.status.as_u16(),
                    answer.body.len(),
                    start(content_type.as_bytes()),
                ),
            });
        }
        context
            .unseal(content_type, &answer.body)
            .map_err(|error| self.sealing(action, &error))
    }

    fn failed(
        &self,
        action: &'static str,
        purpose: Purpose,
        error: reqwest::Error,
    ) -> TransportError {
        let url = self.endpoint.url.clone();
        let left = matches!(purpose, Purpose::Message);
        let error = error.without_url();
        if ConnectionGone::is_behind(&error) {
            let detail = ConnectionGone.to_string();
            return TransportError::Closed {
                action,
                url,
                sent: false,
                detail,
            };
        }
        if error.is_connect() {
            let detail = if error.is_timeout() {
                format!("no connection within {:?}", self.timeouts.connect)
            } else {
                chain(&error)
            };
            return TransportError::Connect {
                action,
                url,
                detail,
            };
        }
        if error.is_timeout() {
            return TransportError::Timeout {
                action,
                url,
                after: self.timeouts.response,
                sent: left,
            };
        }
        TransportError::Closed {
            action,
            url,
            sent: left,
            detail: chain(&error),
        }
    }

    fn http_status(&self, action: &'static str, answer: &Answer) -> TransportError {
        TransportError::Http {
            action,
            url: self.endpoint.url.clone(),
            status: answer.status.as_u16(),
            body_start: start(&answer.body),
        }
    }

    /// Why a security context was not made: the system's own reasons are told apart.
    fn no_context(
        &self,
        action: &'static str,
        error: &SecurityError,
        otherwise: fn(&Self, &'static str, &dyn std::error::Error) -> TransportError,
    ) -> TransportError {
        match error {
            SecurityError::System { .. } | SecurityError::NoLogon => TransportError::CurrentLogon {
                action,
                url: self.endpoint.url.clone(),
                detail: error.to_string(),
            },
            SecurityError::Kerberos(problem) => TransportError::Kerberos {
                action,
                url: self.endpoint.url.clone(),
                problem: problem.clone(),
            },
            _ => otherwise(self, action, error),
        }
    }

    fn unsendable(&self, action: &'static str, error: &dyn std::error::Error) -> TransportError {
        TransportError::Unsendable {
            action,
            url: self.endpoint.url.clone(),
            detail: error.to_string(),
        }
    }

    fn sealing(&self, action: &'static str, error: &dyn std::error::Error) -> TransportError {
        TransportError::Sealing {
            action,
            url: self.endpoint.url.clone(),
            detail: error.to_string(),
        }
    }
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
