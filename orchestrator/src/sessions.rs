//! [`Sessions`]: one session per endpoint and run, opened when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use owaim_proto::psrp::{Pipeline, PipelineOutput};
use owaim_steps::{Place, Problem};
use owaim_transport::{Authentication, Connect, Endpoint, Secret, Session, TransportError};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio::time::timeout;

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
    accounts: StdMutex<HashMap<AccountKey, Arc<Account>>>,
    closing: Arc<StdMutex<JoinSet<()>>>,
}

/// An account as servers know it: a name without a domain is another account on every host, and
/// another password is another guess.
#[derive(PartialEq, Eq, Hash)]
struct AccountKey {
    name: String,
    secret: Option<Secret>,
    host: Option<String>,
}

impl AccountKey {
    fn of(endpoint: &Endpoint) -> Self {
        let authentication = &endpoint.authentication;
        let name = authentication.account();
        let local = match authentication {
            Authentication::Basic { .. } | Authentication::Ntlm(_) | Authentication::CredSsp(_) => {
                !name.contains(['\\', '@'])
            }
            Authentication::Certificate(_) => true,
            Authentication::Kerberos(_)
            | Authentication::Negotiate { .. }
            | Authentication::CurrentLogon => false,
        };
        Self {
            name: name.to_lowercase(),
            secret: authentication.secret().cloned(),
            host: local.then(|| endpoint.host.to_lowercase()),
        }
    }
}

/// What is known about an account. Guessing would lock it, so whoever does not know goes alone.
#[derive(Default)]
struct Account {
    alone: Mutex<()>,
    standing: StdMutex<Standing>,
}

/// How servers have answered an account so far.
#[derive(Clone, Default)]
enum Standing {
    /// Nobody has asked.
    #[default]
    Unproven,
    /// The last answer was a yes.
    Proven,
    /// It was let in before, but refused since: it may have no right there, or have been locked
    /// meanwhile.
    Doubted,
    /// It was refused at that URL, and nobody has let it in since: it is not tried again.
    Refused(String),
}

impl Account {
    fn standing(&self) -> Standing {
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn answered(&self, refused_at: Option<&str>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        *standing = match (&*standing, refused_at) {
            (Standing::Refused(url), _) => Standing::Refused(url.clone()),
            (_, None) => Standing::Proven,
            (Standing::Proven, Some(_)) => Standing::Doubted,
            (Standing::Unproven | Standing::Doubted, Some(url)) => Standing::Refused(url.into()),
        };
    }
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

    /// The session at `place`, for one pipeline: opened first where there is none, and waited for
    /// while another pipeline is on it.
    pub async fn lease(&self, place: &Place) -> Result<Lease, SessionError> {
        let endpoint = self.book.get(place).map_err(SessionError::NoEndpoint)?;
        let slot = Arc::clone(
            self.open
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(place.clone())
                .or_default(),
        );
        let mut slot = slot.lock_owned().await;
        let session = match slot.take() {
            Some(session) => session,
            None => self.connect(place, endpoint).await?,
        };
        Ok(Lease {
            session: Some(session),
            slot,
            closing: Arc::clone(&self.closing),
        })
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
        let username = endpoint.authentication.account();
        let account = Arc::clone(
            self.accounts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(AccountKey::of(endpoint))
                .or_default(),
        );
        // Whoever does not know waits for the one that goes alone, and then looks again.
        let mut alone = None;
        if matches!(account.standing(), Standing::Unproven | Standing::Doubted) {
            let guard = account.alone.lock().await;
            if matches!(account.standing(), Standing::Unproven | Standing::Doubted) {
                alone = Some(guard);
            }
        }
        if let Standing::Refused(refused_at) = account.standing() {
            let (url, username) = (endpoint.url.clone(), username.to_owned());
            return Err(SessionError::AccountRefused {
                url,
                username,
                refused_at,
            });
        }
        let connected = self.connect.connect(endpoint).await;
        match &connected {
            Ok(_) => account.answered(None),
            Err(error) if error.is_refused_logon() => account.answered(Some(&endpoint.url)),
            // A failure that is no refusal says nothing about the account.
            Err(_) => {}
        }
        drop(alone);
        let session = connected?;
        // Opening a session changes nothing, so a record that cannot be written does not stop it.
        let _ = self.bus.emit(EventKind::SessionOpened {
            host: place.host.clone(),
            endpoint: place.kind,
            url: endpoint.url.clone(),
            username: username.to_owned(),
        });
        Ok(session)
    }
}

/// A session that carries one pipeline. Dropped before the pipeline has come to its end, it is
/// closed in the background.
pub struct Lease {
    session: Option<Box<dyn Session>>,
    slot: OwnedMutexGuard<Option<Box<dyn Session>>>,
    closing: Arc<StdMutex<JoinSet<()>>>,
}

impl Lease {
    /// Runs `pipeline`; the session is then free for the next one. A session that failed is
    /// closed.
    pub async fn run(mut self, pipeline: &Pipeline) -> Result<PipelineOutput, SessionError> {
        let Some(session) = self.session.as_mut() else {
            unreachable!("a lease is made with its session")
        };
        let output = session.run(pipeline).await?;
        *self.slot = self.session.take();
        Ok(output)
    }

    /// The same for a pipeline that must not be cut short: its answer is waited for as long as
    /// `patience`. `None`: it goes on without us, on its session, which closes when it ends; the
    /// next pipeline at that place gets a new one. What is still under way when the program ends is
    /// left to the server.
    pub async fn run_unstopped(
        mut self,
        pipeline: &Pipeline,
        patience: Duration,
    ) -> Option<Result<PipelineOutput, SessionError>> {
        let Some(mut session) = self.session.take() else {
            unreachable!("a lease is made with its session")
        };
        let pipeline = pipeline.clone();
        let mut running = Box::pin(async move {
            let output = session.run(&pipeline).await;
            (session, output)
        });
        let Ok((session, output)) = timeout(patience, &mut running).await else {
            tokio::spawn(async move { running.await.0.close().await });
            return None;
        };
        match output {
            Ok(output) => {
                *self.slot = Some(session);
                Some(Ok(output))
            }
            Err(error) => {
                // Its end closes it.
                self.session = Some(session);
                Some(Err(error.into()))
            }
        }
    }
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
