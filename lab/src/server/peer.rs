//! [`Peer`]: one connection, from HTTP requests to envelopes.
//!
//! A state machine of its own: nobody, then a conversation, then one account with its keys.
//! Nothing of it carries over to another connection.

use std::ops::ControlFlow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use owaim_proto::multipart::{self, SOAP};
use owaim_proto::wsman;
use owaim_proto::xml::Limits;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::acceptor::{Acceptor, Gate, Scheme, Step};
use super::binding::BindingPolicy;
use super::faults::{self, Effect};
use super::note::{Logon, Note};
use super::reply::Reply;
use super::shell::RequestOrigin;
use super::{Listener, Wire, accounts, is_winrm, tls};
use crate::endpoints::AuthScheme;
use crate::replay::Replayed;

/// Largest body that is read: twice what servers allow an envelope by default (500 KiB).
const MAX_BODY: usize = 1 << 20;

/// The scheme of clients that are known by their certificate ([MS-WSMV] 2.2.9.1).
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// What a client has shown in the TLS handshake.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The user principal name in its certificate.
    principal: Option<String>,
}

impl Shown {
    /// What is in the certificates, its own one first.
    pub(super) fn new(certificates: &[CertificateDer<'_>]) -> Self {
        Self {
            principal: certificates.first().and_then(|own| tls::principal(own)),
        }
    }
}

/// Serves a connection until its end.
pub(super) async fn serve<S>(listener: Arc<Listener>, wire: Arc<Wire>, stream: S, shown: Shown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let number = wire.next_connection();
    let peer = Peer {
        listener,
        wire,
        number,
        shown,
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
    shown: Shown,
    acceptor: Acceptor,
    /// Who is logged on to the connection.
    user: Option<User>,
}

/// Somebody who is logged on.
#[derive(Debug, Clone)]
struct User {
    /// The account, as the site file spells it.
    name: String,
    /// By what it is known, for the record.
    auth: &'static str,
}

/// Who sends a request, and what the answer has to say of that.
struct Sender {
    user: User,
    /// A last token for the client, with its scheme.
    token: Option<(&'static str, Vec<u8>)>,
}

impl Peer {
    async fn respond(
        &mut self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Dropped> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let mut note = Note::new(&self.wire, &self.listener, self.number);
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
        if is_anonymous_identify(&head.headers, body) {
            note.action = Some(faults::IDENTIFY);
            let identity = self.wire.service.identify(&self.listener.host, false);
            return Some(Reply::empty(StatusCode::OK).with_body(SOAP, identity));
        }
        let sender = match self.log_on(&head.headers, note) {
            ControlFlow::Continue(sender) => sender,
            ControlFlow::Break(reply) => return Some(reply),
        };
        note.auth = Some(sender.user.auth);
        let reply = self.message(head, body, sender.user, note).await?;
        Some(match sender.token {
            Some((scheme, token)) => reply.with_challenge(scheme, Some(&token)),
            None => reply,
        })
    }

    /// Finds out who sends a request: by what it carries, or by who is logged on already.
    fn log_on(&mut self, headers: &HeaderMap, note: &mut Note) -> ControlFlow<Reply, Sender> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return match &self.user {
                Some(user) => ControlFlow::Continue(Sender {
                    user: user.clone(),
                    token: None,
                }),
                None => ControlFlow::Break(self.unauthorized().closing()),
            };
        };
        self.user = None;
        let value = value.to_str().unwrap_or_default();
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        let named = Scheme::ALL
            .into_iter()
            .find(|one| one.name().eq_ignore_ascii_case(scheme));
        let flow = if let Some(scheme) = named {
            self.converse(scheme, token, note)
        } else if scheme.eq_ignore_ascii_case("Basic") {
            note.auth = Some("basic");
            self.known(self.basic(token), "basic")
        } else if scheme.eq_ignore_ascii_case(MUTUAL) {
            note.auth = Some("certificate");
            self.known(self.certificate(), "certificate")
        } else {
            ControlFlow::Break(self.unauthorized())
        };
        note.logon = Some(match &flow {
            ControlFlow::Continue(_) => Logon::Accepted,
            ControlFlow::Break(_) => note.logon.unwrap_or(Logon::Refused),
        });
        flow
    }

    /// Takes a token of a conversation.
    fn converse(
        &mut self,
        scheme: Scheme,
        token: &str,
        note: &mut Note,
    ) -> ControlFlow<Reply, Sender> {
        let listener = Arc::clone(&self.listener);
        let offered = listener.offers(match scheme {
            Scheme::Negotiate => AuthScheme::Negotiate,
            Scheme::Kerberos => AuthScheme::Kerberos,
            Scheme::CredSsp => AuthScheme::Credssp,
        });
        let token = STANDARD.decode(token.trim()).ok().filter(|_| offered);
        let gate = Gate {
            host: &listener.host,
            accounts: &self.wire.accounts,
            services: &self.wire.services,
            credssp: self.wire.credssp.as_ref(),
            ntlm: listener.ntlm,
            bindings: BindingPolicy {
                own: listener.tls.as_ref().map(|tls| tls.binding),
                hardening: listener.hardening,
            },
            sealed: !listener.takes_clear(),
        };
        let step = token.map(|token| self.acceptor.accept(scheme, token, gate));
        let auth = self.acceptor.auth();
        note.auth = Some(auth);
        match step {
            Some(Ok(Step::Established { user, token, .. })) => {
                let user = User { name: user, auth };
                self.user = Some(user.clone());
                let token = token.map(|token| (scheme.name(), token));
                ControlFlow::Continue(Sender { user, token })
            }
            Some(Ok(Step::Continue { token, .. })) => {
                note.logon = Some(Logon::Challenged);
                let reply = Reply::empty(StatusCode::UNAUTHORIZED);
                ControlFlow::Break(reply.with_challenge(scheme.name(), Some(&token)))
            }
            Some(Err(_)) | None => ControlFlow::Break(self.unauthorized()),
        }
    }

    /// A sender who proves himself with every request, and is nobody to the connection.
    fn known(&self, name: Option<String>, auth: &'static str) -> ControlFlow<Reply, Sender> {
        match name {
            Some(name) => ControlFlow::Continue(Sender {
                user: User { name, auth },
                token: None,
            }),
            None => ControlFlow::Break(self.unauthorized()),
        }
    }

    /// The account whose name and password stand in a header of Basic (RFC 7617).
    fn basic(&self, token: &str) -> Option<String> {
        if !self.listener.offers(AuthScheme::Basic) || !self.listener.takes_clear() {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(token.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        let name = name.strip_prefix(accounts::LOCAL).unwrap_or(name);
        let account = self.wire.accounts.by_password(name, password);
        account.filter(|account| self.may_prove_itself(account))
    }

    /// Whether an account may log on by Basic or a certificate: the service of Windows takes local ones
    /// alone, IIS those of the domain too.
    fn may_prove_itself(&self, account: &str) -> bool {
        !is_winrm(self.listener.kind) || accounts::is_local(account)
    }

    /// The account that the client's certificate is for.
    fn certificate(&self) -> Option<String> {
        let principal = self.shown.principal.as_deref()?;
        let offered = self.listener.offers(AuthScheme::Certificate);
        let account = self.wire.accounts.by_principal(principal);
        account.filter(|account| offered && self.may_prove_itself(account))
    }

    /// What the endpoint offers. A certificate is offered by the handshake, not by a header.
    fn unauthorized(&self) -> Reply {
        let reply = Reply::empty(StatusCode::UNAUTHORIZED);
        self.listener
            .offers
            .iter()
            .fold(reply, |reply, scheme| match scheme {
                AuthScheme::Kerberos => reply.with_challenge(Scheme::Kerberos.name(), None),
                AuthScheme::Negotiate => reply.with_challenge(Scheme::Negotiate.name(), None),
                AuthScheme::Credssp => reply.with_challenge(Scheme::CredSsp.name(), None),
                AuthScheme::Basic if self.listener.takes_clear() => {
                    reply.with_challenge("Basic realm=\"WSMAN\"", None)
                }
                AuthScheme::Basic | AuthScheme::Certificate => reply,
            })
    }

    /// Answers the message of `user`.
    async fn message(
        &mut self,
        head: &Parts,
        body: &[u8],
        user: User,
        note: &mut Note,
    ) -> Option<Reply> {
        if body.is_empty() {
            // Clients complete a logon with an empty request before they send the first one.
            return Some(Reply::empty(StatusCode::OK));
        }
        let content_type = head.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let sealed = multipart::is_sealed(content_type);
        let envelope = if sealed {
            let Ok(envelope) = self.acceptor.unseal(content_type, body) else {
                self.user = None;
                self.acceptor = Acceptor::new();
                return Some(self.unauthorized().closing());
            };
            envelope
        } else if self.listener.takes_clear() {
            body.to_vec()
        } else {
            // As a service does that is not configured with AllowUnencrypted.
            return Some(Reply::empty(StatusCode::INTERNAL_SERVER_ERROR));
        };
        let request = wsman::Request::decode(&envelope, &Limits::default()).ok();
        note.action = if wsman::is_identify(&envelope, &Limits::default()) {
            Some(faults::IDENTIFY)
        } else {
            request.map(|request| request.action().name())
        };

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
                return Some(self.answer(sealed, StatusCode::INTERNAL_SERVER_ERROR, fault));
            }
            Some(Effect::Hang) => std::future::pending().await,
            Some(Effect::Delay(delay)) => tokio::time::sleep(*delay).await,
            Some(Effect::DropAfter) | None => {}
        }
        let origin = RequestOrigin {
            host: host.clone(),
            endpoint: kind,
            user: user.name,
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
        Some(self.answer(sealed, status_code(status), answer))
    }

    /// An answer, sealed where the request was.
    fn answer(&mut self, sealed: bool, status: StatusCode, envelope: Vec<u8>) -> Reply {
        if !sealed {
            return Reply::empty(status).with_body(SOAP, envelope);
        }
        match self.acceptor.seal(envelope, self.listener.delimiter()) {
            Ok((content_type, body)) => Reply::empty(status).with_body(&content_type, body),
            Err(_) => Reply::empty(StatusCode::INTERNAL_SERVER_ERROR).closing(),
        }
    }
}

/// Whether somebody asks who this is who does not want to say who he is.
fn is_anonymous_identify(headers: &HeaderMap, body: &[u8]) -> bool {
    let (name, value) = wsman::IDENTIFY_HEADER;
    let asked = headers.get(name).and_then(|value| value.to_str().ok());
    asked.is_some_and(|asked| asked.eq_ignore_ascii_case(value))
        && wsman::is_identify(body, &Limits::default())
}

/// A status that may be one of a file.
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
