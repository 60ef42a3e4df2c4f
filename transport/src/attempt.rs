//! [`Attempt`]: what is being attempted and where, from which every error of a connection is made.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use ::http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::dial::DialError;
use crate::http::{Answer, HttpError};
use crate::proxy::ProxyError;
use crate::security::SecurityError;
use crate::target::{Target, authority};
use crate::tls::{self, TlsError};
use crate::{Authentication, Endpoint, TransportError};

/// What a request is for, and so what its loss means.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    /// It carries a token only.
    Handshake,
    /// It carries a message.
    Message,
}

/// What is being attempted, and where.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// The name of what is attempted, for messages.
    pub(crate) action: &'static str,
    /// What the request at hand is for.
    pub(crate) purpose: Purpose,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) target: &'a Target,
}

impl Attempt<'_> {
    /// What a 401 in answer to the credentials means.
    pub(crate) fn refused(&self, answer: &Answer) -> TransportError {
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
        self.refusal("HTTP status 401 in answer to the credentials".into())
    }

    /// The account was refused.
    pub(crate) fn refusal(&self, detail: String) -> TransportError {
        TransportError::RefusedLogon {
            action: self.action,
            url: self.endpoint.url.clone(),
            username: self.endpoint.authentication.account().into(),
            detail,
            taken: self.is_anyones_word(),
        }
    }

    /// Whether a message has left, and anyone on the way can have passed it on and have written the
    /// answer: messages are sealed, and that answer is not.
    fn is_anyones_word(&self) -> bool {
        self.is_message() && !self.target.is_tls() && self.endpoint.authentication.seals()
    }

    fn is_message(&self) -> bool {
        self.purpose == Purpose::Message
    }

    pub(crate) fn undialled(&self, error: &DialError) -> TransportError {
        let url = self.endpoint.url.clone();
        let detail = error.to_string();
        let proxy = self.target.proxy.as_ref().map(authority);
        match error {
            DialError::Unresolved(_) => TransportError::Unresolved {
                action: self.action,
                url,
                host: proxy.unwrap_or_else(|| authority(&self.target.url)),
                detail,
            },
            DialError::Unreachable(_) => TransportError::Connect {
                action: self.action,
                url,
                detail: match proxy {
                    Some(proxy) => format!("the proxy {proxy}: {detail}"),
                    None => detail,
                },
            },
            DialError::Proxy(error) => TransportError::Proxy {
                action: self.action,
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

    pub(crate) fn no_tls(&self, error: TlsError) -> TransportError {
        TransportError::Tls {
            action: self.action,
            url: self.endpoint.url.clone(),
            reason: error.reason,
            detail: error.detail,
        }
    }

    pub(crate) fn failed(&self, error: &HttpError) -> TransportError {
        let shown = matches!(self.endpoint.authentication, Authentication::Certificate(_));
        let sent = match error {
            HttpError::NotSent(_) => false,
            HttpError::Lost(_) => self.is_message(),
            HttpError::Malformed(_) | HttpError::TooLong | HttpError::Encoded(_) => {
                return self.protocol(chain(error));
            }
        };
        if let Some(refused) = tls::refusal_behind(error, shown) {
            return self.no_tls(refused);
        }
        TransportError::Closed {
            action: self.action,
            url: self.endpoint.url.clone(),
            sent,
            detail: chain(error),
        }
    }

    pub(crate) fn http_status(&self, answer: &Answer) -> TransportError {
        let url = self.endpoint.url.clone();
        let status = answer.status.as_u16();
        let header = |name| answer.headers.get(name)?.to_str().ok();
        let location = header(LOCATION).filter(|_| answer.status.is_redirection());
        if let Some(location) = location.and_then(|location| self.target.url.join(location).ok()) {
            return TransportError::Redirected {
                action: self.action,
                url,
                status,
                location: location.origin().ascii_serialization(),
                taken: self.is_anyones_word(),
            };
        }
        let refused = !matches!(status, 200..=399 | 408 | 500..=502 | 504..);
        TransportError::Http {
            action: self.action,
            url,
            status,
            body_start: start(&answer.body),
            retry_after: header(RETRY_AFTER).and_then(|value| wait(value, SystemTime::now())),
            taken: self.is_anyones_word() || (self.is_message() && !refused),
        }
    }

    /// Why a security context was not made: the system's own reasons are told apart.
    pub(crate) fn no_context(
        &self,
        error: &SecurityError,
        otherwise: fn(&Self, &dyn Display) -> TransportError,
    ) -> TransportError {
        match error {
            SecurityError::System { .. } | SecurityError::NoLogon => TransportError::CurrentLogon {
                action: self.action,
                url: self.endpoint.url.clone(),
                detail: error.to_string(),
                taken: self.is_message(),
            },
            SecurityError::Refused(detail) => self.refusal(detail.clone()),
            SecurityError::Kerberos(problem) => TransportError::Kerberos {
                action: self.action,
                url: self.endpoint.url.clone(),
                problem: problem.clone(),
                taken: self.is_message(),
            },
            _ => otherwise(self, error),
        }
    }

    pub(crate) fn unsendable(&self, error: &dyn Display) -> TransportError {
        TransportError::Unsendable {
            action: self.action,
            url: self.endpoint.url.clone(),
            detail: error.to_string(),
        }
    }

    pub(crate) fn sealing(&self, error: &dyn Display) -> TransportError {
        TransportError::Sealing {
            action: self.action,
            url: self.endpoint.url.clone(),
            detail: error.to_string(),
            taken: self.is_message(),
        }
    }

    pub(crate) fn protocol(&self, detail: String) -> TransportError {
        TransportError::Protocol {
            action: self.action,
            url: self.endpoint.url.clone(),
            detail,
            taken: self.is_message(),
        }
    }
}

/// What a server asks for in `WWW-Authenticate`.
pub(crate) fn challenges(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect()
}

/// Whether `answer` names `scheme`.
pub(crate) fn offers(answer: &Answer, scheme: &str) -> bool {
    let offered = offered(answer);
    offered.iter().any(|name| name.eq_ignore_ascii_case(scheme))
}

/// The schemes that a server offers.
pub(crate) fn offered(answer: &Answer) -> Vec<String> {
    // Further parameters of a scheme are split off too; a scheme has no equals sign.
    let words = challenges(answer).into_iter();
    words
        .filter_map(|text| text.split(' ').next())
        .filter(|word| !word.is_empty() && !word.contains('='))
        .map(str::to_owned)
        .collect()
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
pub(crate) fn start(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..400).unwrap_or(body));
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(200).map(printable).collect()
}
