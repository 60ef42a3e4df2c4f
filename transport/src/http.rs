//! [`Http`]: HTTP/1.1 over one stream that is never replaced.
//!
//! What matters of a failure is kept apart: whether the request may have left. Nothing is
//! followed, repeated or decoded here.

use std::time::Duration;

use ::http::header::CONTENT_ENCODING;
use ::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::dial::Stream;

/// Longest body that is read, in octets. Servers keep to `MaxEnvelopeSize`, 500 KiB unless an
/// administrator raised it.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Longest head of an answer, in octets. Tokens travel in it, and those of Kerberos with many groups take
/// some dozen KiB.
const MAX_HEAD: usize = 128 * 1024;

/// Most header fields of an answer. Servers send about ten.
const MAX_FIELDS: usize = 100;

/// How this program calls itself.
pub(crate) const USER_AGENT_NAME: &str = concat!("owaim/", env!("CARGO_PKG_VERSION"));

/// How long a connection that has ended may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One HTTP/1.1 connection. Exchanges follow each other.
pub(crate) struct Http {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Ends when `sender` is dropped or the stream ends.
    connection: JoinHandle<hyper::Result<()>>,
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The connection ended before any octet of the request left.
    #[error("the connection was lost before the request was sent")]
    NotSent(#[source] Option<hyper::Error>),
    /// The connection ended before the answer was complete.
    #[error("no complete answer")]
    Lost(#[source] hyper::Error),
    /// What came is no HTTP, or has too much of a head.
    #[error(
        "expected an answer in HTTP/1.1 with a head of at most {MAX_FIELDS} fields and {MAX_HEAD} octets"
    )]
    Malformed(#[source] hyper::Error),
    /// The body is longer than any that a server may send.
    #[error("expected an answer of at most {MAX_BODY} octets, found more")]
    TooLong,
    /// The body is compressed, which is never asked for: what it takes to unpack it, nobody knows.
    #[error("expected a body as it is, found one encoded as {0:?}, which was not asked for")]
    Encoded(String),
}

impl Http {
    /// HTTP over `stream`. Nothing is sent.
    pub(crate) async fn start(stream: Stream) -> Result<Self, hyper::Error> {
        let (sender, connection) = builder().handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        Ok(Self { sender, connection })
    }

    /// Whether the other side has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends `request` and waits for the whole answer.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, HttpError> {
        if self.sender.ready().await.is_err() {
            return Err(HttpError::NotSent(self.end().await));
        }
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            // A request that comes back was never begun.
            Err(failure) if failure.message().is_some() => {
                return Err(HttpError::NotSent(self.end().await));
            }
            Err(failure) => return Err(lost(failure.into_error())),
        };
        let (head, body) = response.into_parts();
        if let Some(encoding) = head.headers.get(CONTENT_ENCODING)
            && encoding != "identity"
        {
            let encoding = String::from_utf8_lossy(encoding.as_bytes());
            return Err(HttpError::Encoded(encoding.chars().take(40).collect()));
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: collect(body).await?,
        })
    }

    /// Why the connection ended, if for anything else than that the server had enough of it.
    async fn end(&mut self) -> Option<hyper::Error> {
        let ended = timeout(LAST_WORDS, &mut self.connection).await;
        ended.ok()?.ok()?.err()
    }
}

/// How answers are read, through a proxy and from it.
pub(crate) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_headers(MAX_FIELDS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(2 * MAX_HEAD);
    builder
}

async fn collect(body: Incoming) -> Result<Vec<u8>, HttpError> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(HttpError::TooLong);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => lost(*error),
            Err(_) => HttpError::TooLong,
        }),
    }
}

fn lost(error: hyper::Error) -> HttpError {
    if error.is_parse() {
        HttpError::Malformed(error)
    } else {
        HttpError::Lost(error)
    }
}
