//! [`Sessions`]: one session per endpoint and run, opened when first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use owaim_proto::psrp::{Pipeline, PipelineOutput};
use owaim_steps::{Place, Problem};
use owaim_transport::{Connect, Endpoint, Session, TransportError};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::accounts::{Accounts, Standing};
use crate::bus::Bus;
use crate::endpoints::EndpointBook;
use crate::event::EventKind;

/// How long a server that was asked for a session may still answer when nobody wants it any more.
const ANSWER_OF_THE_UNWANTED: Duration = Duration::from_secs(5);

/// The session of one endpoint while it is open; locked while it carries a pipeline.
type Slot = Arc<Mutex<Option<Box<dyn Session>>>>;

/// The sessions of a run. Each carries one pipeline at a time.
pub struct Sessions {
    connect: Arc<dyn Connect>,
    book: EndpointBook,
    bus: Bus,
    open: StdMutex<HashMap<Place, Slot>>,
    accounts: Accounts,
    closing: Arc<StdMutex<JoinSet<()>>>,
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
            accounts: Accounts::default(),
            closing: Arc::default(),
        }
    }

    /// With what is known of `accounts` already; what these sessions learn is known to all who share them.
    #[must_use]
    pub fn sharing(self, accounts: Accounts) -> Self {
        Self { accounts, ..self }
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

    /// Connects, in a task that [`close`](Self::close) waits for: a server that is about to make a shell
    /// when nobody wants it any more may still say so, and the shell is then closed.
    async fn open(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, TransportError> {
        let (mut wanted, answer) = oneshot::channel();
        let (connect, endpoint) = (Arc::clone(&self.connect), endpoint.clone());
        self.closing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(async move {
                let unwanted = async {
                    wanted.closed().await;
                    sleep(ANSWER_OF_THE_UNWANTED).await;
                };
                let connected = tokio::select! {
                    connected = connect.connect(&endpoint) => connected,
                    () = unwanted => return,
                };
                if let Err(Ok(session)) = wanted.send(connected) {
                    session.close().await;
                }
            });
        match answer.await {
            Ok(connected) => connected,
            Err(_) => unreachable!("whoever connects answers"),
        }
    }

    async fn connect(
        &self,
        place: &Place,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Session>, SessionError> {
        let username = endpoint.authentication.account();
        let account = self.accounts.of(endpoint);
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
        let connected = self.open(endpoint).await;
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

/// A session that carries one pipeline, or what is made of several. Dropped before the pipeline has come to its end, it is
/// closed in the background.
pub struct Lease {
    session: Option<Box<dyn Session>>,
    slot: OwnedMutexGuard<Option<Box<dyn Session>>>,
    closing: Arc<StdMutex<JoinSet<()>>>,
}

impl Lease {
    /// The session itself, for what is more than a pipeline. It is closed when this is dropped.
    pub fn session(&mut self) -> &mut dyn Session {
        let Some(session) = self.session.as_mut() else {
            unreachable!("a lease is made with its session")
        };
        session.as_mut()
    }

    /// Runs `pipeline`; the session is then free for the next one. A session that failed, or is of no
    /// use any more, is closed.
    pub async fn run(mut self, pipeline: &Pipeline) -> Result<PipelineOutput, SessionError> {
        let Some(session) = self.session.as_mut() else {
            unreachable!("a lease is made with its session")
        };
        let output = session.run(pipeline).await?;
        if session.is_usable() {
            *self.slot = self.session.take();
        }
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
            Ok(output) if session.is_usable() => {
                *self.slot = Some(session);
                Some(Ok(output))
            }
            output => {
                // Its end closes it.
                self.session = Some(session);
                Some(output.map_err(SessionError::from))
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use owaim_inventory::EndpointKind;
    use owaim_proto::psrp::{Command, PipelineState};

    use super::*;
    use crate::endpoints::Origin;

    /// Opens sessions that are of use for so many pipelines, and counts them.
    struct Door {
        pipelines: usize,
        opened: Arc<AtomicUsize>,
        closed: Arc<AtomicUsize>,
    }

    struct Tiring {
        left: usize,
        closed: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Connect for Door {
        async fn connect(&self, _: &Endpoint) -> Result<Box<dyn Session>, TransportError> {
            self.opened.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(Tiring {
                left: self.pipelines,
                closed: Arc::clone(&self.closed),
            }))
        }
    }

    #[async_trait]
    impl Session for Tiring {
        async fn run(&mut self, _: &Pipeline) -> Result<PipelineOutput, TransportError> {
            self.left = self.left.checked_sub(1).unwrap();
            Ok(PipelineOutput {
                records: Vec::new(),
                state: PipelineState::Completed,
            })
        }

        fn is_usable(&self) -> bool {
            self.left > 0
        }

        async fn close(self: Box<Self>) {
            self.closed.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_session_of_no_use_any_more_is_replaced() {
        let site = include_str!("../../examples/litware.toml");
        let site = owaim_inventory::parse("litware.toml", site).unwrap();
        let file = serde_json::from_str(
            r#"{"endpoints": [{
                "host": "atl-cas-001.litwareinc.com", "kind": "windows", "url": "http://127.0.0.1:1/wsman",
                "auth": ["negotiate"], "username": "LITWAREINC\\owaim", "password": "p",
                "configuration": "Microsoft.PowerShell", "service": "HTTP/atl-cas-001"
            }]}"#,
        )
        .unwrap();
        let book = EndpointBook::from_file(&file, &site, Origin::Lab).unwrap();
        let place = Place {
            host: file.endpoints[0].host.clone(),
            kind: EndpointKind::Windows,
        };
        let (opened, closed) = (Arc::default(), Arc::default());
        let door = Door {
            pipelines: 2,
            opened: Arc::clone(&opened),
            closed: Arc::clone(&closed),
        };
        let sessions = Sessions::new(Arc::new(door), book, Bus::new(Vec::new()));
        for _ in 0..5 {
            let lease = sessions.lease(&place).await.unwrap();
            lease
                .run(&Pipeline::new(Command::new("Get-Date")))
                .await
                .unwrap();
        }
        sessions.close().await;
        assert_eq!(opened.load(Ordering::SeqCst), 3);
        assert_eq!(closed.load(Ordering::SeqCst), 3);
    }
}
