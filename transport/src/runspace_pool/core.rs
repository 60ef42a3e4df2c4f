//! [`Core`]: the state that a pool, its pipelines and what listens for them share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{
    ClientEvent, ClientPool, ErrorRecord, ExchangeKey, HostCall, PipelineState, ProtocolVersion,
    PsrpError, Record,
};
use owaim_proto::wsman::{
    FaultClass, Receive, ReceiveResponse, RequestBody, ResponseBody, RunState, Send, Stream,
};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::options::ANSWER;
use super::{Host, PipelineHandle};
use crate::error::action;
use crate::remote_shell::{Condition, RemoteShell, lock};
use crate::retry::Retry;
use crate::{RetryClass, TransportError};

/// Most records of the pool itself that are kept for those who ask.
const MOST_SAID: usize = 256;

/// How soon the pool is listened to again after a failure, up to some hours of them.
const LISTEN_AGAIN: Retry = Retry {
    times: 1_000,
    first: Duration::from_secs(1),
    most: Duration::from_secs(30),
};

/// How many pipelines that have ended wait until the server is told to let them go: it allows some
/// 1,000 commands to a shell.
const ENDED: usize = 64;
/// The same for PowerShell 2, where an account has 15 or so in all its shells.
const ENDED_OF_OLD: usize = 4;

/// What a pool, its pipelines and what listens for them share.
pub(super) struct Core {
    pub(super) shell: Arc<RemoteShell>,
    pub(super) host: Arc<dyn Host>,
    pub(super) pool: Mutex<ClientPool>,
    /// Answers to calls of the pool, by their ids.
    answers: Mutex<HashMap<i64, Value>>,
    /// What the pool said, not one of its pipelines.
    said: Mutex<VecDeque<Record>>,
    pub(super) running: Mutex<Vec<PipelineHandle>>,
    /// Held while fragments of one stream are on their way, so that they arrive in order.
    sending: tokio::sync::Mutex<()>,
    /// Held by the one Receive of the pool.
    listening: Arc<tokio::sync::Mutex<()>>,
    agreeing: tokio::sync::Mutex<()>,
    /// Counts what was received and taken in.
    taken: watch::Sender<u64>,
}

/// What a Receive of a pipeline brought.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) end: Option<PipelineState>,
    /// Whether the server is done with the command.
    pub(super) done: bool,
}

impl Core {
    pub(super) fn new(shell: RemoteShell, pool: ClientPool, host: Arc<dyn Host>) -> Self {
        Self {
            shell: Arc::new(shell),
            host,
            pool: Mutex::new(pool),
            answers: Mutex::default(),
            said: Mutex::default(),
            running: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
            listening: Arc::default(),
            agreeing: tokio::sync::Mutex::default(),
            taken: watch::Sender::new(0),
        }
    }

    /// What the pool itself has said since this was last asked.
    pub(super) fn said(&self) -> Vec<Record> {
        lock(&self.said).drain(..).collect()
    }

    /// Sends what waits for the pool's stream, or for a pipeline's.
    pub(super) async fn send_waiting(
        &self,
        action: &'static str,
        whose: Option<PipelineHandle>,
    ) -> Result<(), TransportError> {
        let _in_order = self.sending.lock().await;
        let room = self.shell.service.room();
        let pipeline = whose.map(|w| w.pipeline);
        loop {
            let Some(blob) = lock(&self.pool).take(pipeline, room) else {
                return Ok(());
            };
            self.send(action, whose, "stdin", blob).await?;
        }
    }

    /// The same, in a task of its own: cancelled in the middle it would leave a gap.
    pub(super) async fn flush(
        self: &Arc<Self>,
        action: &'static str,
        whose: Option<PipelineHandle>,
    ) -> Result<(), TransportError> {
        let core = Arc::clone(self);
        let task = self
            .shell
            .spawn(async move { core.send_waiting(action, whose).await });
        self.shell.ended(action, task.await)
    }

    async fn send(
        &self,
        action: &'static str,
        whose: Option<PipelineHandle>,
        stream: &str,
        data: Vec<u8>,
    ) -> Result<(), TransportError> {
        let stream = Stream {
            name: stream.into(),
            command_id: whose.map(|whose| whose.command),
            end: false,
            data,
        };
        let body = RequestBody::Send(Send {
            streams: vec![stream],
        });
        match self.shell.exchange(action, &[], body).await? {
            ResponseBody::Sent => Ok(()),
            _ => Err(self.shell.service.unexpected(action)),
        }
    }

    /// Receive; gives nothing where the server has nothing to tell yet.
    async fn receive(
        &self,
        action: &'static str,
        command_id: Option<Uuid>,
    ) -> Result<ReceiveResponse, TransportError> {
        let body = RequestBody::Receive(Receive {
            command_id,
            streams: "stdout".into(),
        });
        // Without it, a Receive of a pipeline that says nothing for long is refused.
        let keep_alive = [(
            "WSMAN_CMDSHELL_OPTION_KEEPALIVE",
            String::from("TRUE"),
            false,
        )];
        match self.shell.exchange(action, &keep_alive, body).await {
            Ok(ResponseBody::Received(received)) => Ok(received),
            Ok(_) => Err(self.shell.service.unexpected(action)),
            Err(TransportError::Fault { fault, .. }) if fault.class() == FaultClass::PollAgain => {
                Ok(ReceiveResponse::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Receive of a pipeline, until it brings something, and the answers to what it asks for.
    pub(super) async fn receive_of(
        self: &Arc<Self>,
        whose: PipelineHandle,
    ) -> Result<Batch, TransportError> {
        let action = action::RECEIVE;
        loop {
            self.shell.connected().await;
            let received = match self.receive(action, Some(whose.command)).await {
                // A Receive that hangs when the client leaves ends without having lost anything.
                Err(TransportError::Fault { .. })
                    if self.shell.condition() == Condition::Disconnected =>
                {
                    continue;
                }
                received => received?,
            };
            if lock(&self.pool).awaits_key() {
                // The session key comes over the pool's own stream, and what it opens must not
                // be read before it is here.
                self.agree_on_key(action, ANSWER).await?;
            }
            let batch = self.take(action, Some(whose), &received).await?;
            if batch.done || batch.end.is_some() || !batch.records.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// Has the server let go of a pipeline that has ended. The output is here: what becomes of
    /// that changes nothing about it.
    pub(super) fn let_go(&self, whose: PipelineHandle) {
        let old = lock(&self.pool).version() <= ProtocolVersion::V2_1;
        let batch = if old { ENDED_OF_OLD } else { ENDED };
        self.shell.acknowledge(whose.command, batch);
    }

    /// How much was received and taken in so far.
    pub(super) fn taken(&self) -> u64 {
        *self.taken.borrow()
    }

    /// Waits for its turn and then for one Receive of the pool. Where somebody else's brought something since `seen`,
    /// there is no need for another: it may be what is waited for.
    pub(super) async fn listen_once(
        self: &Arc<Self>,
        action: &'static str,
        seen: u64,
    ) -> Result<(), TransportError> {
        let turn = Arc::clone(&self.listening).lock_owned().await;
        if self.taken() != seen {
            return Ok(());
        }
        let core = Arc::clone(self);
        let task = self.shell.spawn(async move {
            let _turn = turn;
            core.shell.connected().await;
            let received = core.receive(action, None).await?;
            core.take(action, None, &received).await.map(drop)
        });
        self.shell.ended(action, task.await)
    }

    /// Listens to the pool until `done` gives something.
    pub(super) async fn listen_until<T>(
        self: &Arc<Self>,
        action: &'static str,
        patience: Duration,
        mut done: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TransportError> {
        let start = Instant::now();
        let mut taken = self.taken.subscribe();
        loop {
            // Before the look: what comes after it is noticed, whoever receives it.
            let seen = *taken.borrow_and_update();
            if let Some(result) = done(self) {
                return Ok(result);
            }
            tokio::select! {
                listened = self.listen_once(action, seen) => listened?,
                _ = taken.changed() => {}
                () = tokio::time::sleep_until(start + patience) => {
                    return Err(self.shell.service.timeout(action, start.elapsed()));
                }
            }
        }
    }

    /// Listens for as long as there is a shell, over lost connections too.
    pub(super) async fn listen_always(self: Arc<Self>) {
        let mut pauses = LISTEN_AGAIN.delays();
        loop {
            self.shell.connected().await;
            if self.shell.condition() == Condition::Absent {
                return;
            }
            let seen = self.taken();
            let Err(error) = self.listen_once(action::LISTEN, seen).await else {
                pauses = LISTEN_AGAIN.delays();
                continue;
            };
            if self.shell.condition() == Condition::Disconnected {
                continue;
            }
            // Whoever uses the pool meets the same, and is told.
            self.keep(Record::Warning(error.to_string()));
            let pause = match error.retry() {
                RetryClass::Later => pauses.next(error.retry_after()),
                // The shell is gone, or will not be there for us.
                RetryClass::NewSession | RetryClass::Never => None,
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return,
            }
        }
    }

    /// Sends a call of the pool and waits for its answer.
    pub(super) async fn call(
        self: &Arc<Self>,
        action: &'static str,
        patience: Duration,
        queue: impl FnOnce(&mut ClientPool) -> Result<i64, PsrpError>,
    ) -> Result<Value, TransportError> {
        let call = queue(&mut lock(&self.pool)).map_err(|error| self.unsendable(action, &error))?;
        self.flush(action, None).await?;
        self.listen_until(action, patience, |core| lock(&core.answers).remove(&call))
            .await
    }

    /// Agrees with the server on a session key. Its answer comes over the pool's own stream.
    /// `action` is what the key is for: whether something may have run when that fails.
    pub(super) async fn agree_on_key(
        self: &Arc<Self>,
        action: &'static str,
        patience: Duration,
    ) -> Result<(), TransportError> {
        self.offer_key(action).await?;
        self.listen_until(action, patience, |core| {
            lock(&core.pool).has_key().then_some(())
        })
        .await
    }

    /// Sends the public half of a new key, once: the server may have asked for it before.
    async fn offer_key(&self, action: &'static str) -> Result<(), TransportError> {
        let _one_at_a_time = self.agreeing.lock().await;
        {
            let pool = lock(&self.pool);
            if pool.awaits_key() || pool.has_key() {
                return Ok(());
            }
        }
        let key = tokio::task::spawn_blocking(ExchangeKey::generate).await;
        let offered = match key {
            Ok(key) => key.and_then(|key| lock(&self.pool).offer_key(key)),
            Err(error) => return Err(self.shell.service.protocol(action, error.to_string())),
        };
        offered.map_err(|error| self.broken(action, &error))?;
        self.send_waiting(action, None).await
    }

    /// Takes what a Receive brought, and does what it asks for.
    async fn take(
        &self,
        action: &'static str,
        whose: Option<PipelineHandle>,
        received: &ReceiveResponse,
    ) -> Result<Batch, TransportError> {
        let state = received.state.as_ref();
        let mut batch = Batch {
            done: state.is_some_and(|state| state.state == RunState::Done),
            ..Batch::default()
        };
        let events = self.events(action, whose, received)?;
        for event in events {
            match event {
                ClientEvent::Record(_, record) => {
                    if let Record::HostCall(call) = &record {
                        self.answer(whose, call).await?;
                    }
                    batch.records.push(record);
                }
                ClientEvent::PoolRecord(record) => {
                    if let Record::HostCall(call) = &record {
                        self.answer(None, call).await?;
                    }
                    match whose {
                        Some(_) => batch.records.push(record),
                        None => self.keep(record),
                    }
                }
                ClientEvent::UserEvent(event) => self.keep(Record::Information(event)),
                ClientEvent::Answered(call, answer) => {
                    lock(&self.answers).insert(call, answer);
                }
                ClientEvent::KeyRequested => self.offer_key(action).await?,
                ClientEvent::Finished(_, state) => batch.end = Some(state),
                ClientEvent::Closed(error) => return Err(self.closed(action, "closed", error)),
                ClientEvent::Broken(error) => return Err(self.closed(action, "broken", error)),
                ClientEvent::Opened | ClientEvent::KeyAgreed | ClientEvent::Ignored(_) => {}
            }
        }
        self.taken
            .send_modify(|count| *count = count.wrapping_add(1));
        Ok(batch)
    }

    fn events(
        &self,
        action: &'static str,
        whose: Option<PipelineHandle>,
        received: &ReceiveResponse,
    ) -> Result<Vec<ClientEvent>, TransportError> {
        let mut pool = lock(&self.pool);
        let mut events = Vec::new();
        for stream in &received.streams {
            let pipeline = match (stream.command_id, whose) {
                (None, whose) => whose.map(|whose| whose.pipeline),
                (Some(id), Some(whose)) if id == whose.command => Some(whose.pipeline),
                (Some(id), _) => {
                    let detail = format!("a stream of command {id}, which was not asked for");
                    return Err(self.shell.service.protocol(action, detail));
                }
            };
            let new = pool.receive(pipeline, &stream.data);
            events.extend(new.map_err(|error| self.broken(action, &error))?);
        }
        Ok(events)
    }

    /// Answers a host call that wants it: a pipeline's over its stream `pr`, the pool's over
    /// `stdin`.
    async fn answer(
        &self,
        whose: Option<PipelineHandle>,
        call: &HostCall,
    ) -> Result<(), TransportError> {
        if !call.wants_answer() {
            return Ok(());
        }
        let action = action::ANSWER;
        let response = self.host.answer(call);
        lock(&self.pool)
            .answer(whose.map(|w| w.pipeline), response)
            .map_err(|error| self.broken(action, &error))?;
        let Some(whose) = whose else {
            return self.send_waiting(action, None).await;
        };
        let room = self.shell.service.room();
        loop {
            let Some(blob) = lock(&self.pool).take_answer(whose.pipeline, room) else {
                return Ok(());
            };
            self.send(action, Some(whose), "pr", blob).await?;
        }
    }

    fn keep(&self, record: Record) {
        let mut said = lock(&self.said);
        if said.len() >= MOST_SAID {
            said.pop_front();
        }
        said.push_back(record);
    }

    /// The pool has ended by itself.
    fn closed(
        &self,
        action: &'static str,
        state: &'static str,
        error: Option<ErrorRecord>,
    ) -> TransportError {
        self.shell.set_condition(Condition::Absent);
        let detail = error.map_or_else(|| "no reason was given".into(), |error| error.message);
        TransportError::PoolClosed {
            action,
            url: self.shell.service.url(),
            state,
            detail,
        }
    }

    pub(super) fn broken(&self, action: &'static str, error: &PsrpError) -> TransportError {
        self.shell.service.protocol(action, error.to_string())
    }

    pub(super) fn unsendable(&self, action: &'static str, error: &PsrpError) -> TransportError {
        TransportError::Unsendable {
            action,
            url: self.shell.service.url(),
            detail: error.to_string(),
        }
    }
}
