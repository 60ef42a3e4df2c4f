//! [`Service`]: a WS-Management service, one request and one answer at a time.
//!
//! Writes the headers, decodes the answers, makes a fault an error and tells the observer. A
//! request that certainly was not carried out is sent again after a while, if the client's
//! options allow it ([`Retry`]), and so is one that only reads, where the server is said to be busy;
//! nothing else ever is.

use std::sync::Arc;
use std::time::Duration;

use owaim_proto::wsman::{
    FaultClass, Request, RequestBody, RequestHeader, Response, ResponseBody, code, stream_room,
};
use owaim_proto::xml::Limits;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::ClientOptions;
use crate::connections::{Connections, Use};
use crate::observer::{Exchange, Observer};
use crate::{Endpoint, RetryClass, Tickets, TransportError};

/// An option of a request: name, value, whether a server that does not know it must refuse.
pub(crate) type RequestOption = (&'static str, String, bool);

/// A service, and who speaks with it.
pub(crate) struct Service {
    connections: Connections,
    options: ClientOptions,
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
        stream_room(self.options.send_limit)
    }

    /// Sends a request, again if need be, and gives its answer.
    pub(crate) async fn exchange(&self, call: Call<'_>) -> Result<ResponseBody, TransportError> {
        let mut delays = self.options.retry.delays();
        loop {
            let error = match self.once(&call).await {
                Err(error) if may_be_repeated(&error, &call.body) => error,
                other => return other,
            };
            let hint = match &error {
                TransportError::Fault { fault, .. } => fault.wait(),
                error => error.retry_after(),
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
        let answer = lease.exchange(call.action, envelope).await;
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

/// Whether a request that failed so may succeed by and by, and does no harm then: it was certainly not
/// carried out, or changes nothing.
fn may_be_repeated(error: &TransportError, body: &RequestBody) -> bool {
    match error {
        TransportError::Connect { .. } | TransportError::Closed { sent: false, .. } => true,
        TransportError::Http { status, .. } if error.may_be_done() => {
            // Nobody has to have refused it, where anyone can have written that.
            reads(body) && matches!(status, 425 | 429 | 503)
        }
        TransportError::Http { .. } => error.retry() == RetryClass::Later,
        TransportError::Fault { fault, .. } => {
            // Of other requests a refusal that comes of load does not say that nothing was done,
            // and that the service is busy says so of Send alone.
            let refused = match body {
                RequestBody::Send(_) => true,
                RequestBody::Create(_) | RequestBody::Command(_) => fault.code != Some(code::BUSY),
                _ => false,
            };
            refused && fault.class() == FaultClass::Later
        }
        _ => false,
    }
}

/// Whether a request only asks.
fn reads(body: &RequestBody) -> bool {
    matches!(
        body,
        RequestBody::Receive(_) | RequestBody::Get | RequestBody::Enumerate(_)
    )
}
