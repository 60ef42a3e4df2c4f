//! [`Service`]: a WS-Management service, one request and one answer at a time.
//!
//! Writes the headers, decodes the answers, makes a fault an error and tells the observer. A
//! request that certainly was not carried out is sent again after a while, if the client's
//! options allow it ([`Retry`]), and so is one that only reads, where the server is said to be busy;
//! nothing else ever is. A Receive that the server puts off is sent again whatever they say: nobody
//! else could, and what it asks for would be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use owaim_proto::wsman::{
    self, FaultClass, FaultKind, Request, RequestBody, RequestHeader, Resource, Response,
    ResponseBody, SignalCode, code, stream_room,
};
use owaim_proto::xml::Limits;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::ClientOptions;
use crate::connections::{Connections, Use};
use crate::error::action;
use crate::observer::{Exchange, Observer};
use crate::retry::Retry;
use crate::{Endpoint, RetryClass, Tickets, TransportError};

/// How often a Receive is sent again that the server puts off, and says for how long.
const PUT_OFF: Retry = Retry {
    times: 5,
    first: Duration::from_millis(100),
    most: Duration::from_secs(30),
};

/// An option of a request: name, value, whether a server that does not know it must refuse.
pub(crate) type RequestOption = (&'static str, String, bool);

/// A service, and who speaks with it.
pub(crate) struct Service {
    connections: Connections,
    options: ClientOptions,
    /// Largest envelope sent, in bytes: that of the options, or what the service has said since.
    send_limit: AtomicU32,
    observer: Option<Arc<dyn Observer>>,
    /// For all requests alike.
    session_id: Uuid,
}

/// A request.
pub(crate) struct Call<'c> {
    /// What it is for, as errors say.
    pub(crate) action: &'static str,
    /// The kind of what it goes to.
    pub(crate) resource_uri: &'c str,
    /// The shell it goes to.
    pub(crate) shell: Option<Uuid>,
    /// Its options.
    pub(crate) options: &'c [RequestOption],
    /// What it asks for.
    pub(crate) body: RequestBody,
}

impl Service {
    pub(crate) fn new(
        endpoint: &Endpoint,
        options: ClientOptions,
        observer: Option<Arc<dyn Observer>>,
        tickets: &Tickets,
        session_id: Uuid,
        most_connections: usize,
    ) -> Self {
        Self {
            connections: Connections::new(
                endpoint.clone(),
                options.timeouts,
                tickets.clone(),
                most_connections,
            ),
            send_limit: options.send_limit.into(),
            options,
            observer,
            session_id,
        }
    }

    pub(crate) fn session_id(&self) -> Uuid {
        self.session_id
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// How many bytes of a stream fit into an envelope.
    pub(crate) fn room(&self) -> usize {
        stream_room(self.send_limit.load(Ordering::Relaxed))
    }

    /// Asks the service for the largest envelope that it takes, in bytes.
    pub(crate) async fn max_envelope_size(&self) -> Result<u32, TransportError> {
        let action = action::GET;
        let call = Call {
            action,
            resource_uri: wsman::CONFIG,
            shell: None,
            options: &[],
            body: RequestBody::Get,
        };
        match self.exchange(call).await? {
            ResponseBody::Got(resource) => match *resource {
                Resource::Config(config) => Ok(config.max_envelope_kib.saturating_mul(1024)),
                Resource::Shell(_) => Err(self.unexpected(action)),
            },
            _ => Err(self.unexpected(action)),
        }
    }

    /// Sends as much at once from now on as the service says that it takes, if it says so and that is more.
    pub(crate) async fn learn_send_limit(&self) {
        // An account that may not know is refused, and nothing changes.
        if let Ok(size) = self.max_envelope_size().await {
            self.send_limit.fetch_max(size, Ordering::Relaxed);
        }
    }

    /// Sends a request, again if need be, and gives its answer.
    pub(crate) async fn exchange(&self, call: Call<'_>) -> Result<ResponseBody, TransportError> {
        self.exchange_with(&call, self.options.retry).await
    }

    /// The same, as often and as soon as `retry` says.
    pub(crate) async fn exchange_with(
        &self,
        call: &Call<'_>,
        retry: Retry,
    ) -> Result<ResponseBody, TransportError> {
        let (mut delays, mut put_off) = (retry.delays(), PUT_OFF.delays());
        loop {
            let error = match self.once(call).await {
                Err(error) if may_be_repeated(&error, &call.body) => error,
                other => return other,
            };
            let hint = match &error {
                TransportError::Fault { fault, .. } => fault.wait(),
                error => error.retry_after(),
            };
            let delays = match call.body {
                RequestBody::Receive(_) if is_put_off(&error) => &mut put_off,
                _ => &mut delays,
            };
            match delays.next(hint) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error),
            }
        }
    }

    /// Sends a request once.
    pub(crate) async fn once(&self, call: &Call<'_>) -> Result<ResponseBody, TransportError> {
        let request = Request {
            header: self.header(call),
            body: call.body.clone(),
        };
        let envelope = request.encode();
        let purpose = match call.body {
            RequestBody::Receive(_) => Use::Waiting,
            _ => Use::Brief,
        };
        let mut lease = self.connections.lease(purpose).await?;
        let first = lease.is_fresh();
        let (start, sent) = (Instant::now(), envelope.len());
        // A copy only where somebody is shown it.
        let shown = self.observer.is_some().then(|| envelope.clone());
        // Boxed, or the futures around it would hold the whole logon, each again.
        let answer = Box::pin(lease.exchange(call.action, envelope)).await;
        let logon = lease.authenticated();
        drop(lease);
        if let Some(observer) = &self.observer {
            let endpoint = self.connections.endpoint();
            observer.exchanged(&Exchange {
                host: &endpoint.host,
                url: &endpoint.url,
                action: call.action,
                logon,
                first,
                sent,
                received: answer.as_ref().ok().map(Vec::len),
                took: start.elapsed(),
                request: shown.as_deref().unwrap_or_default(),
                response: answer.as_deref().ok(),
            });
        }
        let response = Response::decode(&answer?, &request, &Limits::default())
            .map_err(|error| self.protocol(call.action, error.to_string()))?;
        match response.body {
            ResponseBody::Fault(fault) => Err(TransportError::Fault {
                action: call.action,
                url: self.url(),
                fault,
            }),
            body => Ok(body),
        }
    }

    fn header(&self, call: &Call<'_>) -> RequestHeader {
        let endpoint = self.connections.endpoint();
        let mut header = RequestHeader::new(&endpoint.url, call.resource_uri);
        header.max_envelope_size = self.options.receive_limit;
        header.operation_timeout = self.options.operation_timeout;
        header.session_id = Some(self.session_id);
        if let Some(shell) = call.shell {
            header = header.with_shell(shell);
        }
        for (name, value, must_comply) in call.options {
            header = header.with_option(name, value, *must_comply);
        }
        header
    }

    pub(crate) fn url(&self) -> String {
        self.connections.endpoint().url.clone()
    }

    pub(crate) fn protocol(&self, action: &'static str, detail: String) -> TransportError {
        TransportError::Protocol {
            action,
            url: self.url(),
            detail,
            taken: true,
        }
    }

    pub(crate) fn unexpected(&self, action: &'static str) -> TransportError {
        self.protocol(action, "an answer of another kind".into())
    }

    pub(crate) fn timeout(&self, action: &'static str, after: Duration) -> TransportError {
        TransportError::Timeout {
            action,
            url: self.url(),
            after,
            sent: true,
        }
    }

    pub(crate) fn unusable(&self, action: &'static str, after: &'static str) -> TransportError {
        TransportError::SessionUnusable {
            action,
            url: self.url(),
            after,
        }
    }
}

/// Whether the server takes no request of the account just now.
fn is_put_off(error: &TransportError) -> bool {
    matches!(error, TransportError::Fault { fault, .. } if fault.kind() == FaultKind::TooManyRequests)
}

/// Whether a request that failed so may succeed by and by, and does no harm then: it was certainly not
/// carried out, or changes nothing.
fn may_be_repeated(error: &TransportError, body: &RequestBody) -> bool {
    match error {
        TransportError::Connect { .. } | TransportError::Closed { sent: false, .. } => true,
        TransportError::Http { status, .. } if error.may_be_done() => {
            // Nobody has to have refused it, where anyone can have written that.
            is_harmless(body) && matches!(status, 425 | 429 | 503)
        }
        TransportError::Http { .. } => error.retry() == RetryClass::Later,
        TransportError::Fault { fault, .. } => {
            // Of other requests a refusal that comes of load does not say that nothing was done,
            // and that the service is busy says so only of those that may be done twice.
            let refused = match body {
                RequestBody::Send(_) | RequestBody::Signal(_) | RequestBody::Delete => true,
                RequestBody::Create(_) | RequestBody::Command(_) => fault.code != Some(code::BUSY),
                RequestBody::Receive(_) => is_put_off(error),
                _ => false,
            };
            refused && fault.class() == FaultClass::Later
        }
        _ => false,
    }
}

/// Whether a request only asks, or ends what may be ended twice.
fn is_harmless(body: &RequestBody) -> bool {
    match body {
        RequestBody::Signal(signal) => signal.code == SignalCode::Terminate,
        RequestBody::Receive(_)
        | RequestBody::Get
        | RequestBody::Enumerate(_)
        | RequestBody::Delete => true,
        _ => false,
    }
}
