//! [`Listener`]: one endpoint of one host, and the connections to it.
//!
//! Each connection is a state machine of its own: nobody, then a conversation, then one account
//! with its keys. Nothing of it carries over to another connection.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, SERVER, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::multipart::{self, Delimiter, SPNEGO};
use owaim_proto::wsman;
use owaim_proto::xml::Limits;
use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::Wire;
use super::faults::{self, Effect};
use super::ntlm::{Acceptor, Step};
use super::shell::RequestOrigin;
use crate::replay::Replayed;

/// Largest body that is read: twice what servers allow an envelope by default (500 KiB).
const MAX_BODY: usize = 1 << 20;

/// The scheme that all of Windows' packages go by.
const NEGOTIATE: &str = "Negotiate";

/// One endpoint of one host.
pub(crate) struct Listener {
    /// The host it plays.
    pub(crate) host: HostName,
    /// The kind of endpoint.
    pub(crate) kind: EndpointKind,
    /// The path that it answers on; others are not found.
    pub(crate) path: String,
}

/// A line of `requests.ndjson`, written when it is dropped: a request whose client went away in
/// the middle is noted too.
struct Note {
    wire: Arc<Wire>,
    listener: Arc<Listener>,
    time: Timestamp,
    connection: u64,
    action: Option<&'static str>,
    logon: Option<Logon>,
    bytes_in: usize,
    bytes_out: usize,
    status: Option<StatusCode>,
}

/// What stands in the line.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// When it had arrived, its body too.
    time: Timestamp,
    /// When its answer was ready, or the connection gone.
    ended: Timestamp,
    host: &'a HostName,
    endpoint: EndpointKind,
    connection: u64,
    /// `null` where there is no envelope, as in a logon.
    action: Option<&'a str>,
    /// What became of the token, where the request carried one.
    logon: Option<Logon>,
    bytes_in: usize,
    bytes_out: usize,
    /// `null` where no answer was sent.
    status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Logon {
    Challenged,
    Accepted,
    Refused,
}

impl Drop for Note {
    fn drop(&mut self) {
        self.wire.requests.write(&Record {
            time: self.time,
            ended: Timestamp::now(),
            host: &self.listener.host,
            endpoint: self.listener.kind,
            connection: self.connection,
            action: self.action,
            logon: self.logon,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            status: self.status.map(|status| status.as_u16()),
        });
    }
}

/// A port at `address` that is taken and on which nobody listens: connecting is refused.
pub(crate) fn reserve(address: SocketAddr) -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A lab that starts again takes the ports of its last run although old connections linger.
    socket.set_reuseaddr(cfg!(unix) && address.port() != 0)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

impl Listener {
    /// Takes connections until it is dropped; they end with it.
    pub(crate) async fn run(self, socket: TcpListener, wire: Arc<Wire>) {
        let listener = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = socket.accept() => {
                    // A failed accept is the client's or the moment's (no descriptors left).
                    let Ok((stream, _)) = accepted else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    connections.spawn(connection(Arc::clone(&listener), stream, Arc::clone(&wire)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Exchange's endpoints write a blank into the delimiter of sealed messages.
    fn delimiter(&self) -> Delimiter {
        match self.kind {
            EndpointKind::Exchange => Delimiter::Spaced,
            EndpointKind::Windows | EndpointKind::Lync | EndpointKind::LyncLocal => {
                Delimiter::Plain
            }
        }
    }
}

async fn connection(listener: Arc<Listener>, stream: TcpStream, wire: Arc<Wire>) {
    // Small answers go out at once; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let number = wire.next_connection();
    let peer = Peer {
        listener,
        wire,
        number,
        acceptor: Acceptor::new(),
        user: None,
    };
    let peer = Arc::new(Mutex::new(peer));
    let service = service_fn(move |request| {
        let peer = Arc::clone(&peer);
        // HTTP/1.1 gives one request at a time: the lock is never waited for.
        async move { peer.lock().await.respond(request).await }
    });
    // How a connection ends is the client's affair.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped")]
struct Dropped;

/// The state of one connection.
struct Peer {
    listener: Arc<Listener>,
    wire: Arc<Wire>,
    number: u64,
    acceptor: Acceptor,
    /// Who is logged on.
    user: Option<String>,
}

impl Peer {
    async fn respond(
        &mut self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Dropped> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let mut note = Note {
            wire: Arc::clone(&self.wire),
            listener: Arc::clone(&self.listener),
            time: Timestamp::now(),
            connection: self.number,
            action: None,
            logon: None,
            bytes_in: 0,
            bytes_out: 0,
            status: None,
        };
        let body = match body {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(Reply::empty(StatusCode::PAYLOAD_TOO_LARGE).noted(&mut note));
            }
            Err(_) => return Err(Dropped),
        };
        note.bytes_in = body.len();
        tokio::time::sleep(self.wire.latency).await;
        let reply = self.reply(&head, &body, &mut note).await.ok_or(Dropped)?;
        Ok(reply.noted(&mut note))
    }

    /// `None`: the connection is to be dropped.
    async fn reply(&mut self, head: &Parts, body: &[u8], note: &mut Note) -> Option<Reply> {
        let path = head.uri.path().trim_end_matches('/');
        if !path.eq_ignore_ascii_case(self.listener.path.trim_end_matches('/')) {
            return Some(Reply::empty(StatusCode::NOT_FOUND));
        }
        if head.method != Method::POST {
            return Some(Reply::empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        let token = match self.log_on(&head.headers, note) {
            ControlFlow::Continue(token) => token,
            ControlFlow::Break(reply) => return Some(reply),
        };
        let reply = self.message(head, body, note).await?;
        Some(match token {
            Some(token) => reply.with_challenge(Some(&token)),
            None => reply,
        })
    }

    /// Takes the token of a request, if it has one. A request that may go on has a last token for
    /// the client where the package wants that.
    fn log_on(
        &mut self,
        headers: &HeaderMap,
        note: &mut Note,
    ) -> ControlFlow<Reply, Option<Vec<u8>>> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return match self.user {
                Some(_) => ControlFlow::Continue(None),
                None => ControlFlow::Break(Reply::unauthorized(None).closing()),
            };
        };
        self.user = None;
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(NEGOTIATE));
        let token = token.and_then(|(_, token)| STANDARD.decode(token.trim()).ok());
        let step = token.map(|token| self.acceptor.accept(token, &self.wire.accounts));
        let (logon, flow) = match step {
            Some(Ok(Step::Established { user, token })) => {
                self.user = Some(user);
                (Logon::Accepted, ControlFlow::Continue(token))
            }
            Some(Ok(Step::Continue(token))) => (
                Logon::Challenged,
                ControlFlow::Break(Reply::unauthorized(Some(&token))),
            ),
            Some(Err(_)) | None => (
                Logon::Refused,
                ControlFlow::Break(Reply::unauthorized(None)),
            ),
        };
        note.logon = Some(logon);
        flow
    }

    /// Answers the message of somebody who is logged on.
    async fn message(&mut self, head: &Parts, body: &[u8], note: &mut Note) -> Option<Reply> {
        let user = self.user.clone()?;
        if body.is_empty() {
            // Clients complete a logon with an empty request before they seal the first one.
            return Some(Reply::empty(StatusCode::OK));
        }
        let content_type = head.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !multipart::is_sealed(content_type) {
            // As a service does that is not configured with AllowUnencrypted.
            return Some(Reply::empty(StatusCode::INTERNAL_SERVER_ERROR));
        }
        let Ok(envelope) = self.acceptor.unseal(content_type, body) else {
            self.user = None;
            self.acceptor = Acceptor::new();
            return Some(Reply::unauthorized(None).closing());
        };
        let request = wsman::Request::decode(&envelope, &Limits::default()).ok();
        note.action = request.and_then(|request| request.action().uri().rsplit('/').next());

        let (host, kind) = (&self.listener.host, self.listener.kind);
        let effect = self
            .wire
            .faults
            .strike(host, kind, note.action.unwrap_or_default());
        match &effect {
            Some(Effect::DropBefore) => return None,
            Some(Effect::Status(status)) => return Some(Reply::empty(status_code(*status))),
            Some(Effect::Fault(code)) => {
                let fault = faults::envelope(*code, &envelope);
                return Some(self.sealed(StatusCode::INTERNAL_SERVER_ERROR, fault));
            }
            Some(Effect::Hang) => std::future::pending().await,
            Some(Effect::Delay(delay)) => tokio::time::sleep(*delay).await,
            Some(Effect::DropAfter) | None => {}
        }
        let origin = RequestOrigin {
            host: host.clone(),
            endpoint: kind,
            user,
            path: head.uri.path().to_owned(),
        };
        let replayed = self.wire.replay.handle(host, kind, &envelope).await;
        let (status, answer) = match replayed {
            Some(Replayed::Answer(status, answer)) => (status, answer),
            Some(Replayed::Nothing) => return None,
            None => self.wire.service.handle(origin, envelope).await,
        };
        if effect == Some(Effect::DropAfter) {
            return None;
        }
        Some(self.sealed(status_code(status), answer))
    }

    fn sealed(&mut self, status: StatusCode, envelope: Vec<u8>) -> Reply {
        match self.acceptor.seal(envelope, self.listener.delimiter()) {
            Ok(body) => Reply {
                body,
                ..Reply::empty(status)
            }
            .with_sealed_type(),
            Err(_) => Reply::empty(StatusCode::INTERNAL_SERVER_ERROR).closing(),
        }
    }
}

/// A status that may be one of a file.
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer on its way.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn empty(status: StatusCode) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
        Self {
            status,
            headers,
            body: Vec::new(),
        }
    }

    fn unauthorized(token: Option<&[u8]>) -> Self {
        Self::empty(StatusCode::UNAUTHORIZED).with_challenge(token)
    }

    fn with_challenge(mut self, token: Option<&[u8]>) -> Self {
        let value = token.map(|token| [NEGOTIATE, " ", &STANDARD.encode(token)].concat());
        // Base64 is always a valid header value.
        let value = value.and_then(|value| HeaderValue::try_from(value).ok());
        let value = value.unwrap_or(HeaderValue::from_static(NEGOTIATE));
        self.headers.insert(WWW_AUTHENTICATE, value);
        self
    }

    fn with_sealed_type(mut self) -> Self {
        if let Ok(value) = HeaderValue::try_from(multipart::content_type(SPNEGO)) {
            self.headers.insert(CONTENT_TYPE, value);
        }
        self
    }

    fn closing(mut self) -> Self {
        self.headers
            .insert(CONNECTION, HeaderValue::from_static("close"));
        self
    }

    fn noted(self, note: &mut Note) -> Response<Full<Bytes>> {
        note.status = Some(self.status);
        note.bytes_out = self.body.len();
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
