//! [`PoolSession`]: an open runspace pool over WS-Management.
//!
//! One connection carries everything, one exchange after the other: a pipeline is handed over
//! (Command), its output is received, host calls are answered in between. Before the first pipeline
//! that holds a secret, both sides agree on a session key (Send, Receive). A second connection is
//! made only to end what a cancelled run or a lost connection left behind. The shell is deleted
//! whatever happens: by [`close`](Session::close), or in the background when the session is
//! dropped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use owaim_proto::psrp::{
    ClientEvent, ClientPool, ErrorRecord, ExchangeKey, FragmentLimits, Pipeline, PipelineOutput,
    PsrpError, Record,
};
use owaim_proto::wsman::{
    self, CommandLine, CreateShell, FaultClass, Receive, ReceiveResponse, Request, RequestBody,
    RequestHeader, Response, ResponseBody, RunState, Send, Signal, SignalCode, Stream,
};
use owaim_proto::xml::Limits;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::ClientOptions;
use crate::error::action;
use crate::observer::{Exchange, Observer};
use crate::{Connection, Endpoint, Session, Tickets, TransportError};

/// How long the deletion of a shell may take: nobody waits for its result, but somebody may wait
/// for its end.
const CLOSING: Duration = Duration::from_secs(10);

/// An open runspace pool.
pub(crate) struct PoolSession {
    /// Gone only while closing.
    shell: Option<Box<Shell>>,
}

/// The shell and what speaks with it.
struct Shell {
    endpoint: Endpoint,
    options: ClientOptions,
    observer: Option<Arc<dyn Observer>>,
    tickets: Tickets,
    connection: Connection,
    /// Whether `connection` has carried anything: its first exchange authenticates.
    fresh: bool,
    /// For all requests of this session alike.
    session_id: Uuid,
    resource_uri: String,
    id: Uuid,
    pool: ClientPool,
    condition: Condition,
}

/// What may be done with a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Run pipelines.
    Usable,
    /// Delete it; a pipeline may still be running in it. What happened, for people.
    Unusable(&'static str, Option<Uuid>),
    /// Nothing: the server says that it is gone.
    Gone,
}

/// A pipeline in the server's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Running {
    /// Its id in the runspace pool.
    pipeline: Uuid,
    /// The id of its command in the shell: the same, unless the server would not take it.
    command: Uuid,
}

/// What a pipeline has given so far.
#[derive(Default)]
struct Progress {
    records: Vec<Record>,
    output: Option<PipelineOutput>,
    /// Whether the server is done with the command as well.
    done: bool,
}

impl PoolSession {
    /// Connects, authenticates, creates the shell and waits until its pool is open.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        options: ClientOptions,
        observer: Option<Arc<dyn Observer>>,
        tickets: Tickets,
    ) -> Result<Self, TransportError> {
        let id = Uuid::new_v4();
        let shell = Shell {
            endpoint: endpoint.clone(),
            options,
            observer,
            connection: Connection::open(endpoint, options.timeouts)?.sharing(&tickets),
            tickets,
            fresh: true,
            session_id: Uuid::new_v4(),
            resource_uri: wsman::configuration_uri(&endpoint.configuration),
            id,
            pool: ClientPool::new(id, FragmentLimits::default()),
            condition: Condition::Gone,
        };
        // From here on, whatever ends this future leaves a session that cleans up after itself.
        let mut session = Self {
            shell: Some(Box::new(shell)),
        };
        let shell = session.shell(action::CREATE)?;
        shell.create().await?;
        shell.wait_until_open().await?;
        shell.condition = Condition::Usable;
        Ok(session)
    }

    fn shell(&mut self, action: &'static str) -> Result<&mut Shell, TransportError> {
        // Only `close` and `drop` take it, and both end the session.
        self.shell
            .as_deref_mut()
            .ok_or(TransportError::SessionUnusable {
                action,
                url: String::new(),
                after: "it was closed",
            })
    }
}

#[async_trait]
impl Session for PoolSession {
    async fn run(&mut self, pipeline: &Pipeline) -> Result<PipelineOutput, TransportError> {
        self.shell(action::COMMAND)?.run(pipeline).await
    }

    async fn close(mut self: Box<Self>) {
        if let Some(shell) = self.shell.take() {
            // A task of its own: it goes on even if nobody waits any more.
            let _ = tokio::spawn(shell.delete()).await;
        }
    }
}

impl Drop for PoolSession {
    fn drop(&mut self) {
        let Some(shell) = self.shell.take() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(shell.delete());
        }
    }
}

impl Shell {
    async fn create(&mut self) -> Result<(), TransportError> {
        let action = action::CREATE;
        self.pool
            .open()
            .map_err(|error| self.broken(action, &error))?;
        let creation = self.pool.take(None, self.room());
        let body = RequestBody::Create(CreateShell {
            id: Some(self.id),
            name: Some("owaim".into()),
            input_streams: "stdin pr".into(),
            output_streams: "stdout".into(),
            idle_timeout: self.options.idle_timeout,
            creation,
        });
        // If this is cancelled or its answer lost, there may be a shell under the id proposed.
        self.condition = Condition::Unusable("a failed opening", None);
        match self.exchange(action, body).await {
            Ok(ResponseBody::Created(created)) => {
                self.id = created.id;
                if !created.resource_uri.is_empty() {
                    self.resource_uri = created.resource_uri;
                }
                Ok(())
            }
            Ok(_) => Err(self.unexpected(action)),
            Err(error) => {
                if !left_something_behind(&error) {
                    self.condition = Condition::Gone;
                }
                Err(error)
            }
        }
    }

    async fn wait_until_open(&mut self) -> Result<(), TransportError> {
        let action = action::OPEN;
        while let Some(blob) = self.pool.take(None, self.room()) {
            self.send(action, None, "stdin", blob).await?;
        }
        let start = Instant::now();
        while !self.pool.is_open() {
            let after = start.elapsed();
            if after > self.options.open_timeout {
                let url = self.endpoint.url.clone();
                return Err(TransportError::Timeout {
                    action,
                    url,
                    after,
                    sent: true,
                });
            }
            let received = self.receive(action, None).await?;
            let events = self.events(action, None, &received)?;
            for event in events {
                self.check_pool(action, &event)?;
                match event {
                    ClientEvent::AnswerWaits(None) => self.answer(action, None).await?,
                    ClientEvent::KeyRequested => self.offer_key().await?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Agrees with the server on a session key. Its answer comes over the pool's own stream.
    async fn agree_on_key(&mut self) -> Result<(), TransportError> {
        let action = action::KEY;
        let start = Instant::now();
        // The server may have asked for it before.
        if !self.pool.awaits_key() {
            self.offer_key().await?;
        }
        while !self.pool.has_key() {
            let after = start.elapsed();
            if after > self.options.open_timeout {
                let url = self.endpoint.url.clone();
                return Err(TransportError::Timeout {
                    action,
                    url,
                    after,
                    sent: true,
                });
            }
            let received = self.receive(action, None).await?;
            for event in self.events(action, None, &received)? {
                self.check_pool(action, &event)?;
                if event == ClientEvent::AnswerWaits(None) {
                    self.answer(action, None).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends the public half of a new key.
    async fn offer_key(&mut self) -> Result<(), TransportError> {
        let action = action::KEY;
        let key = tokio::task::spawn_blocking(ExchangeKey::generate).await;
        let offered = match key {
            Ok(key) => key.and_then(|key| self.pool.offer_key(key)),
            Err(error) => return Err(self.protocol(action, error.to_string())),
        };
        offered.map_err(|error| self.broken(action, &error))?;
        self.answer(action, None).await
    }

    async fn run(&mut self, pipeline: &Pipeline) -> Result<PipelineOutput, TransportError> {
        let action = action::COMMAND;
        let url = || self.endpoint.url.clone();
        match self.condition {
            Condition::Usable => {}
            Condition::Unusable(after, _) => {
                return Err(TransportError::SessionUnusable {
                    action,
                    url: url(),
                    after,
                });
            }
            Condition::Gone => {
                let after = "its shell was gone";
                return Err(TransportError::SessionUnusable {
                    action,
                    url: url(),
                    after,
                });
            }
        }
        let id = Uuid::new_v4();
        let mut queued = self.queue(id, pipeline);
        if matches!(queued, Err(PsrpError::NoSessionKey { .. })) {
            self.condition = Condition::Unusable("a cancelled exchange of keys", None);
            if let Err(error) = self.agree_on_key().await {
                self.condition = if is_gone(&error) {
                    Condition::Gone
                } else {
                    Condition::Unusable("a failed exchange of keys", None)
                };
                return Err(error);
            }
            self.condition = Condition::Usable;
            queued = self.queue(id, pipeline);
        }
        if let Err(error) = queued {
            self.pool.forget(id);
            return Err(TransportError::Unsendable {
                action,
                url: self.endpoint.url.clone(),
                detail: error.to_string(),
            });
        }
        // Until the end is reached, whatever ends this future leaves a pipeline behind.
        self.condition = Condition::Unusable("a run that was cancelled", Some(id));
        let result = self.run_to_end(id).await;
        self.condition = match &result {
            Ok(_) if self.connection.is_usable() => Condition::Usable,
            Ok(_) => Condition::Unusable("a lost connection", None),
            Err(error) if is_gone(error) => Condition::Gone,
            Err(_) => match self.condition {
                Condition::Unusable(_, running) => Condition::Unusable("a failed run", running),
                other => other,
            },
        };
        result
    }

    /// Queues a pipeline; it has no input, whether it takes any or not.
    fn queue(&mut self, id: Uuid, pipeline: &Pipeline) -> Result<(), PsrpError> {
        self.pool.create_pipeline(id, pipeline)?;
        if pipeline.takes_input {
            self.pool.end_input(id)?;
        }
        Ok(())
    }

    async fn run_to_end(&mut self, id: Uuid) -> Result<PipelineOutput, TransportError> {
        let running = self.hand_over(id).await?;
        let command = running.command;
        let mut progress = Progress::default();
        loop {
            let received = self.receive(action::RECEIVE, Some(command)).await?;
            self.note(running, &received, &mut progress).await?;
            if let Some(output) = progress.output {
                if !progress.done {
                    // The server would keep the command until the shell's end. The output is
                    // here: what becomes of the signal changes nothing about it.
                    let signal = Signal {
                        command_id: Some(command),
                        code: SignalCode::Terminate,
                    };
                    let _ = self
                        .exchange(action::SIGNAL, RequestBody::Signal(signal))
                        .await;
                }
                return Ok(output);
            }
            if progress.done {
                let detail = "the command is done, but its pipeline has not ended".into();
                return Err(self.protocol(action::RECEIVE, detail));
            }
        }
    }

    /// Command with the pipeline's first fragments, Send with each further batch.
    async fn hand_over(&mut self, pipeline: Uuid) -> Result<Running, TransportError> {
        let action = action::COMMAND;
        let fragments = self
            .pool
            .take(Some(pipeline), self.room())
            .unwrap_or_default();
        let body = RequestBody::Command(CommandLine::pipeline(pipeline, &fragments));
        let ResponseBody::CommandStarted(command) = self.exchange(action, body).await? else {
            return Err(self.unexpected(action));
        };
        self.condition = Condition::Unusable("a run that was cancelled", Some(command));
        while let Some(blob) = self.pool.take(Some(pipeline), self.room()) {
            self.send(action::COMMAND_REST, Some(command), "stdin", blob)
                .await?;
        }
        Ok(Running { pipeline, command })
    }

    /// Takes what a Receive of a pipeline brought.
    async fn note(
        &mut self,
        running: Running,
        received: &ReceiveResponse,
        progress: &mut Progress,
    ) -> Result<(), TransportError> {
        let action = action::RECEIVE;
        for event in self.events(action, Some(running), received)? {
            self.check_pool(action, &event)?;
            match event {
                ClientEvent::Record(_, record) | ClientEvent::PoolRecord(record) => {
                    progress.records.push(record);
                }
                ClientEvent::KeyRequested => self.offer_key().await?,
                ClientEvent::AnswerWaits(whose) => {
                    self.answer(action::ANSWER, whose.map(|_| running)).await?;
                }
                ClientEvent::Finished(_, state) => {
                    let records = std::mem::take(&mut progress.records);
                    progress.output = Some(PipelineOutput { records, state });
                }
                _ => {}
            }
        }
        progress.done = received
            .state
            .as_ref()
            .is_some_and(|state| state.state == RunState::Done);
        Ok(())
    }

    fn events(
        &mut self,
        action: &'static str,
        running: Option<Running>,
        received: &ReceiveResponse,
    ) -> Result<Vec<ClientEvent>, TransportError> {
        let mut events = Vec::new();
        for stream in &received.streams {
            let whose = match (stream.command_id, running) {
                (None, running) => running.map(|running| running.pipeline),
                (Some(id), Some(running)) if id == running.command => Some(running.pipeline),
                (Some(id), _) => {
                    return Err(self.protocol(
                        action,
                        format!("a stream of command {id}, which was not asked for"),
                    ));
                }
            };
            let new = self
                .pool
                .receive(whose, &stream.data)
                .map_err(|error| self.broken(action, &error))?;
            events.extend(new);
        }
        Ok(events)
    }

    fn check_pool(
        &mut self,
        action: &'static str,
        event: &ClientEvent,
    ) -> Result<(), TransportError> {
        let (state, error) = match event {
            ClientEvent::Closed(error) => ("closed", error),
            ClientEvent::Broken(error) => ("broken", error),
            _ => return Ok(()),
        };
        let reason = |error: &ErrorRecord| error.message.clone();
        let detail = error
            .as_ref()
            .map_or_else(|| "no reason was given".into(), reason);
        Err(TransportError::PoolClosed {
            action,
            url: self.endpoint.url.clone(),
            state,
            detail,
        })
    }

    /// Sends the answers that wait: a pipeline's over its stream `pr`, the pool's over `stdin`.
    async fn answer(
        &mut self,
        action: &'static str,
        whose: Option<Running>,
    ) -> Result<(), TransportError> {
        let room = self.room();
        while let Some((stream, blob)) = match whose {
            Some(running) => self
                .pool
                .take_answer(running.pipeline, room)
                .map(|blob| ("pr", blob)),
            None => self.pool.take(None, room).map(|blob| ("stdin", blob)),
        } {
            self.send(action, whose.map(|running| running.command), stream, blob)
                .await?;
        }
        Ok(())
    }

    /// Receive; of a pipeline, repeated as long as the server has nothing to tell.
    async fn receive(
        &mut self,
        action: &'static str,
        command_id: Option<Uuid>,
    ) -> Result<ReceiveResponse, TransportError> {
        loop {
            let body = RequestBody::Receive(Receive {
                command_id,
                streams: "stdout".into(),
            });
            match self.exchange(action, body).await {
                Ok(ResponseBody::Received(received)) => return Ok(received),
                Ok(_) => return Err(self.unexpected(action)),
                Err(TransportError::Fault { fault, .. })
                    if fault.class() == FaultClass::PollAgain =>
                {
                    if command_id.is_none() {
                        // Opening: the caller minds how long that has been going on.
                        return Ok(ReceiveResponse::default());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn send(
        &mut self,
        action: &'static str,
        command_id: Option<Uuid>,
        stream: &str,
        data: Vec<u8>,
    ) -> Result<(), TransportError> {
        let stream = Stream {
            name: stream.into(),
            command_id,
            end: false,
            data,
        };
        match self
            .exchange(
                action,
                RequestBody::Send(Send {
                    streams: vec![stream],
                }),
            )
            .await?
        {
            ResponseBody::Sent => Ok(()),
            _ => Err(self.unexpected(action)),
        }
    }

    /// One request and its answer. A fault is an error.
    async fn exchange(
        &mut self,
        action: &'static str,
        body: RequestBody,
    ) -> Result<ResponseBody, TransportError> {
        let request = Request {
            header: self.header(&body),
            body,
        };
        let envelope = request.encode();
        let (start, sent) = (Instant::now(), envelope.len());
        let answer = self.connection.exchange(action, envelope).await;
        let first = std::mem::replace(&mut self.fresh, false);
        if let Some(observer) = &self.observer {
            observer.exchanged(&Exchange {
                host: &self.endpoint.host,
                action,
                first,
                sent,
                received: answer.as_ref().ok().map(Vec::len),
                took: start.elapsed(),
            });
        }
        let response = Response::decode(&answer?, &request, &Limits::default());
        match response
            .map_err(|error| self.protocol(action, error.to_string()))?
            .body
        {
            ResponseBody::Fault(fault) => Err(TransportError::Fault {
                action,
                url: self.endpoint.url.clone(),
                fault,
            }),
            body => Ok(body),
        }
    }

    fn header(&self, body: &RequestBody) -> RequestHeader {
        let mut header = RequestHeader::new(&self.endpoint.url, &self.resource_uri);
        header.max_envelope_size = self.options.receive_limit;
        header.operation_timeout = self.options.operation_timeout;
        header.session_id = Some(self.session_id);
        match body {
            RequestBody::Create(_) => header.with_option("protocolversion", "2.3", true),
            // Without it, a Receive of a pipeline that says nothing for long is refused.
            RequestBody::Receive(_) => header.with_shell(self.id).with_option(
                "WSMAN_CMDSHELL_OPTION_KEEPALIVE",
                "TRUE",
                false,
            ),
            _ => header.with_shell(self.id),
        }
    }

    /// How many bytes of fragments fit into an envelope.
    fn room(&self) -> usize {
        wsman::stream_room(self.options.send_limit)
    }

    /// Ends the shell and what runs in it; over a second connection, if the first cannot.
    async fn delete(mut self: Box<Self>) {
        let running = match self.condition {
            Condition::Gone => return,
            Condition::Usable => None,
            Condition::Unusable(_, running) => running,
        };
        let _ = tokio::time::timeout(CLOSING, async {
            if !self.connection.is_usable() {
                self.connection =
                    Connection::open(&self.endpoint, self.options.timeouts)?.sharing(&self.tickets);
                self.fresh = true;
            }
            if let Some(id) = running {
                let signal = Signal {
                    command_id: Some(id),
                    code: SignalCode::Terminate,
                };
                let stopped = self
                    .exchange(action::SIGNAL, RequestBody::Signal(signal))
                    .await;
                // That the command is gone already is as good; a lost connection is not.
                if !matches!(stopped, Ok(_) | Err(TransportError::Fault { .. })) {
                    return stopped.map(drop);
                }
            }
            self.exchange(action::DELETE, RequestBody::Delete)
                .await
                .map(drop)
        })
        .await;
    }

    fn broken(&self, action: &'static str, error: &PsrpError) -> TransportError {
        self.protocol(action, error.to_string())
    }

    fn unexpected(&self, action: &'static str) -> TransportError {
        self.protocol(action, "an answer of another kind".into())
    }

    fn protocol(&self, action: &'static str, detail: String) -> TransportError {
        TransportError::Protocol {
            action,
            url: self.endpoint.url.clone(),
            detail,
        }
    }
}

/// Whether a Create that failed so may have left a shell: only where its answer was lost or could
/// not be understood.
fn left_something_behind(error: &TransportError) -> bool {
    match error {
        TransportError::Closed { sent, .. } | TransportError::Timeout { sent, .. } => *sent,
        TransportError::Protocol { .. } => true,
        _ => false,
    }
}

/// Whether an error says that there is no shell any more.
fn is_gone(error: &TransportError) -> bool {
    match error {
        TransportError::PoolClosed { .. } => true,
        TransportError::Fault { fault, .. } => {
            fault.code == Some(wsman::code::UNEXPECTED_SELECTORS)
        }
        _ => false,
    }
}
