//! [`Client`]: [`Connect`] over HTTP.
//!
//! Creates the shell with the runspace pool's first messages in it and waits until the pool is
//! open; what happens in an open pool is [`PoolSession`]'s business.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::observer::Observer;
use crate::pool::PoolSession;
use crate::retry::Retry;
use crate::{Connect, Endpoint, Session, Tickets, Timeouts, TransportError};

/// Opens sessions over HTTP, each with connections of its own.
#[derive(Clone, Default)]
pub struct Client {
    options: ClientOptions,
    observer: Option<Arc<dyn Observer>>,
    /// Kerberos tickets, so that all sessions with a server need one between them.
    tickets: Tickets,
}

/// How a client goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// How patient its connections are. The response time-out must exceed `operation_timeout`.
    pub timeouts: Timeouts,
    /// How long a server may hold a request open before it says that it has nothing to tell yet.
    pub operation_timeout: Duration,
    /// How long a runspace pool may take to open; module loading on old servers is slow.
    pub open_timeout: Duration,
    /// How long a server keeps a shell that nobody asks for; `None`: as long as it likes. A server
    /// refuses a shell that asks for more than `MaxIdleTimeoutMs` of its configuration.
    pub idle_timeout: Option<Duration>,
    /// Largest envelope sent, in bytes: what every server takes is 150 KiB, the default of Windows
    /// Server 2008 R2 ([MS-WSMV] 3.1.4.1.13).
    pub send_limit: u32,
    /// Largest envelope that answers may be, in bytes: 500 KiB is the default of newer servers.
    pub receive_limit: u32,
    /// How often and how soon a request is sent again that certainly was not carried out.
    pub retry: Retry,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            operation_timeout: Duration::from_mins(1),
            open_timeout: Duration::from_mins(3),
            idle_timeout: None,
            send_limit: 150 << 10,
            receive_limit: 500 << 10,
            retry: Retry::NEVER,
        }
    }
}

impl Client {
    /// A client that goes about it as `options` say.
    pub fn new(options: ClientOptions) -> Self {
        Self {
            options,
            observer: None,
            tickets: Tickets::default(),
        }
    }

    /// Tells `observer` of every exchange of every session.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }
}

#[async_trait]
impl Connect for Client {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, TransportError> {
        let session = PoolSession::open(
            endpoint,
            self.options,
            self.observer.clone(),
            self.tickets.clone(),
        )
        .await?;
        Ok(Box::new(session))
    }
}
