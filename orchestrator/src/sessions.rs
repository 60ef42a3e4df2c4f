//! [`Sessions`]: one session per endpoint and run, opened when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use owaim_proto::psrp::{Pipeline, PipelineOutput};
use owaim_steps::{Place, Problem};
use owaim_transport::{Connect, Endpoint, Session, TransportError};
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinSet;

use crate::bus::Bus;
use crate::endpoints::EndpointBook;
use crate::event::EventKind;

/// The session of one endpoint while it is open; locked while it carries a pipeline.
type Slot = Arc<Mutex<Option<Box<dyn Session>>>>;

/// The sessions of a run. Each carries one pipeline at a time.
pub struct Sessions {
    connect: Arc<dyn Connect>,
    book: EndpointBook,
    bus: Bus,
    open: StdMutex<HashMap<Place, Slot>>,
    accounts: StdMutex<HashMap<String, Arc<Account>>>,
    closing: Arc<StdMutex<JoinSet<()>>>,
}

/// What is known about an account: its first attempt goes alone, and after a refusal there is
/// no second one. Guessing again would lock the account.
#[derive(Default)]
struct Account {
    first: Mutex<()>,
    verdict: OnceCell<Result<(), (String, TransportError)>>,
}

/// Why a pipeline gave no output.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// The way there or back failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// There is no such endpoint.
    #[error(transparent)]
    NoEndpoint(Problem),
    /// The account was refused elsewhere in this run; nothing was sent.
    #[error(
        "not attempted at {url}: {username} was refused at {refused_at}, and a second attempt could lock the account"
    )]
    AccountRefused {
        /// Where this would have gone.
        url: String,
        /// Account.
        username: String,
        /// Where it was refused.
        refused_at: String,
    },
}

impl Sessions {
    /// No session open yet; `connect` opens them to the endpoints of `book`.
    pub fn new(connect: Arc<dyn Connect>, book: EndpointBook, bus: Bus) -> Self {
        Self {
            connect,
            book,
            bus,
            open: StdMutex::default(),
            accounts: StdMutex::default(),
            closing: Arc::default(),
        }
    }

    /// Runs `pipeline` at `place`, opening the session first where there is none. A session that
    /// failed is closed in the background, and so is one whose caller went away in the middle.
    pub async fn run(
        &self,
        place: &Place,
        pipeline: &Pipeline,
    ) -> Result<PipelineOutput, SessionError> {
        let endpoint = self.book.get(place).map_err(SessionError::NoEndpoint)?;
        let slot = Arc::clone(
            self.open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(place.clone())
                .or_default(),
        );
        let mut slot = slot.lock().await;
        let session = match slot.take() {
            Some(session) => session,
            None => self.connect(place, endpoint).await?,
        };
        let mut lease = Lease {
            session: Some(session),
            closing: Arc::clone(&self.closing),
        };
        let output = match lease.session.as_mut() {
            Some(session) => session.run(pipeline).await?,
            None => unreachable!("a lease is made with its session"),
        };
        *slot = lease.session.take();
        Ok(output)
    }

    /// Closes every session; waits for those that are being closed in the background.
    pub async fn close(&self) {
        let slots: Vec<_> = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.drain().map(|(_, slot)| slot).collect()
        };
        let mut closing =
            std::mem::take(&mut *self.closing.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in slots {
            closing.spawn(async move {
                let session = slot.lock().await.take();
                if let Some(session) = session {
                    session.close().await;
                }
            });
        }
        while closing.join_next().await.is_some() {}
    }

    async fn connect(
        &self,
        place: &Place,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Session>, SessionError> {
        let username = &endpoint.credential.username;
        let account = Arc::clone(
            self.accounts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(username.to_lowercase())
                .or_default(),
        );
        let refused = |verdict: &Result<(), (String, TransportError)>| match verdict {
            Ok(()) => Ok(()),
            Err((refused_at, _)) => Err(SessionError::AccountRefused {
                url: endpoint.url.clone(),
                username: username.clone(),
                refused_at: refused_at.clone(),
            }),
        };
        // Whoever finds no verdict waits for the one that goes alone, and looks again.
        let mut alone = None;
        if account.verdict.get().is_none() {
            let guard = account.first.lock().await;
            if account.verdict.get().is_none() {
                alone = Some(guard);
            }
        }
        if let Some(verdict) = account.verdict.get() {
            refused(verdict)?;
        }
        let connected = self.connect.connect(endpoint).await;
        if alone.is_some() {
            // A failure that is no refusal says nothing about the account: the next one goes
            // alone too.
            let verdict = match &connected {
                Ok(_) => Some(Ok(())),
                Err(error) if error.is_refused_logon() => {
                    Some(Err((endpoint.url.clone(), error.clone())))
                }
                Err(_) => None,
            };
            if let Some(verdict) = verdict {
                let _ = account.verdict.set(verdict);
            }
        }
        drop(alone);
        let session = connected?;
        // Opening a session changes nothing, so a record that cannot be written does not stop it.
        let _ = self.bus.emit(EventKind::SessionOpened {
            host: place.host.clone(),
            endpoint: place.kind,
            url: endpoint.url.clone(),
            username: username.clone(),
        });
        Ok(session)
    }
}

/// A session at work. Dropped with it still inside, it closes it in the background.
struct Lease {
    session: Option<Box<dyn Session>>,
    closing: Arc<StdMutex<JoinSet<()>>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.closing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .spawn(session.close());
        }
    }
}
