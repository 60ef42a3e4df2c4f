//! [`Connections`]: the connections to one endpoint, as many as are allowed, each used by one
//! exchange at a time.
//!
//! Whoever has something to exchange takes a [`Lease`]: a connection that is idle, the one used last
//! first, or a new one. A Receive may hang for a minute, so one connection is always left for what
//! must pass it. A connection that failed is not used again; whether one was is remembered, for
//! those who may not go on over another. One that the server closed while it was idle, as HTTP.sys does
//! after two minutes, took nothing along: another is made in its place. After a refused logon no further connection is made: each
//! would try the account again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::remote_shell::lock;
use crate::{Authenticated, Connection, Endpoint, Tickets, Timeouts, TransportError};

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// A Receive, which the server may hold open.
    Waiting,
    /// Anything else.
    Brief,
}

/// The connections to one endpoint.
pub(crate) struct Connections {
    endpoint: Endpoint,
    timeouts: Timeouts,
    tickets: Tickets,
    all: Semaphore,
    waiting: Semaphore,
    idle: Mutex<Vec<Connection>>,
    lost: AtomicBool,
    refused: Mutex<Option<TransportError>>,
}

/// The right to one connection.
pub(crate) struct Lease<'c> {
    connections: &'c Connections,
    connection: Option<Connection>,
    /// Whether it has carried nothing yet: its first exchange authenticates.
    fresh: bool,
    _permits: (SemaphorePermit<'c>, Option<SemaphorePermit<'c>>),
}

impl Connections {
    /// At most `most` connections to `endpoint`, two at least.
    pub(crate) fn new(
        endpoint: Endpoint,
        timeouts: Timeouts,
        tickets: Tickets,
        most: usize,
    ) -> Self {
        let most = most.clamp(2, Semaphore::MAX_PERMITS);
        Self {
            endpoint,
            timeouts,
            tickets,
            all: Semaphore::new(most),
            waiting: Semaphore::new(most - 1),
            idle: Mutex::default(),
            lost: AtomicBool::new(false),
            refused: Mutex::default(),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether a connection was ever lost.
    pub(crate) fn lost_one(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits for a connection to be free, in the order of those who wait.
    pub(crate) async fn lease(&self, purpose: Use) -> Result<Lease<'_>, TransportError> {
        // Neither semaphore is ever closed.
        let waiting = match purpose {
            Use::Waiting => self.waiting.acquire().await.ok(),
            Use::Brief => None,
        };
        let Ok(permit) = self.all.acquire().await else {
            return Err(self.closed());
        };
        let idle = {
            let mut idle = lock(&self.idle);
            idle.retain(|connection| !connection.is_closed());
            idle.pop()
        };
        let (connection, fresh) = match idle {
            Some(connection) => (connection, false),
            None => (self.open()?, true),
        };
        Ok(Lease {
            connections: self,
            connection: Some(connection),
            fresh,
            _permits: (permit, waiting),
        })
    }

    fn open(&self) -> Result<Connection, TransportError> {
        if let Some(error) = &*lock(&self.refused) {
            return Err(error.clone());
        }
        let connection = Connection::open(&self.endpoint, self.timeouts)?;
        Ok(connection.sharing(&self.tickets))
    }

    fn closed(&self) -> TransportError {
        TransportError::SessionUnusable {
            action: "Connect",
            url: self.endpoint.url.clone(),
            after: "it was closed",
        }
    }
}

impl Lease<'_> {
    /// Whether the next exchange is the connection's first.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// How the connection was authenticated.
    pub(crate) fn authenticated(&self) -> Option<Authenticated> {
        self.connection.as_ref()?.authenticated()
    }

    /// One exchange over the connection.
    pub(crate) async fn exchange(
        &mut self,
        action: &'static str,
        envelope: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError> {
        let Some(connection) = &mut self.connection else {
            return Err(self.connections.closed());
        };
        self.fresh = false;
        let answer = connection.exchange(action, envelope).await;
        if let Err(error) = &answer
            && error.is_refused_logon()
        {
            *lock(&self.connections.refused) = Some(error.clone());
        }
        answer
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        match self.connection.take() {
            Some(connection) if connection.is_usable() && !self.fresh => {
                lock(&self.connections.idle).push(connection);
            }
            Some(connection) if !connection.is_usable() => {
                self.connections.lost.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
