//! [`ServerPool`]: the server's half of a runspace pool and its pipelines ([MS-PSRP] 3.2).
//!
//! Bytes of the client's streams go in, events come out; records, states and host calls are
//! queued until a Receive takes them. It runs nothing itself, and knows no time.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    CommandQuery, CreatePipeline, Defragmenter, Destination, FragmentLimits, Fragmenter, HostCall,
    HostInfo, HostResponse, InitRunspacePool, Message, MessageType, ObjectIds, Payload,
    PipelineRunState, PipelineState, ProtocolVersion, PsrpError, Record, RunspacePoolState,
    key_exchange,
};
use crate::clixml::{SessionKey, Value};

/// Most pipelines that a pool may have at once.
const MAX_PIPELINES: usize = 64;

/// The server's half of a runspace pool.
#[derive(Debug)]
pub struct ServerPool {
    id: Uuid,
    state: PoolState,
    /// What this server speaks; after negotiation, what both speak.
    version: ProtocolVersion,
    private_data: Value,
    host: HostInfo,
    /// Least and greatest number of runspaces.
    runspaces: (i32, i32),
    /// Made when a client first asks for one.
    key: Option<SessionKey>,
    ids: ObjectIds,
    limits: FragmentLimits,
    outgoing: Fragmenter,
    incoming: HashMap<String, Defragmenter>,
    pipelines: HashMap<Uuid, ServerPipeline>,
}

/// What comes of received bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// A client asks for a pool. [`ServerPool::announce_opened`] tells it that it is open.
    OpenRequested(InitRunspacePool),
    /// A pipeline is to be run. Its host is the pool's where it says so.
    PipelineCreated(Uuid, Box<CreatePipeline>),
    /// A client asks about commands, under the id of a pipeline: the answers are its output, the
    /// number of the commands first, and [`ServerPool::finish`] ends it.
    CommandsQueried(Uuid, Box<CommandQuery>),
    /// A client wants its runspaces as they were when the pool was opened. It was told that they
    /// are.
    StateReset,
    /// An object of a pipeline's input stream.
    Input(Uuid, Value),
    /// The end of a pipeline's input stream.
    EndOfInput(Uuid),
    /// The answer to a host call of a pipeline, or of the pool.
    HostResponse(Option<Uuid>, HostResponse),
    /// A message that was answered at once, or that this server has no use for.
    Handled(MessageType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PoolState {
    BeforeOpen,
    Negotiated,
    Opening,
    Opened,
    Closed,
}

impl PoolState {
    fn name(self) -> &'static str {
        match self {
            Self::BeforeOpen => "not open yet",
            Self::Negotiated => "negotiated, not initialized",
            Self::Opening => "opening",
            Self::Opened => "open",
            Self::Closed => "closed",
        }
    }
}

#[derive(Debug)]
struct ServerPipeline {
    phase: Phase,
    outgoing: Fragmenter,
    incoming: HashMap<String, Defragmenter>,
    next_call: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its command has started, its message is not complete.
    Assembling,
    Running,
    Finished,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Assembling => "not created yet",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

impl ServerPool {
    /// A pool of which nothing is known yet: its id comes with the first message. `version` is
    /// what this server speaks and `private_data` what it says of itself.
    pub fn new(version: ProtocolVersion, private_data: Value, limits: FragmentLimits) -> Self {
        Self {
            id: Uuid::nil(),
            state: PoolState::BeforeOpen,
            version,
            private_data,
            host: HostInfo::NONE,
            runspaces: (1, 1),
            key: None,
            ids: ObjectIds::default(),
            limits,
            outgoing: Fragmenter::default(),
            incoming: HashMap::new(),
            pipelines: HashMap::new(),
        }
    }

    /// Its id; nil until the first message.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The client's host, as said when the pool was initialized.
    pub fn host(&self) -> &HostInfo {
        &self.host
    }

    /// Least and greatest number of runspaces, as the client wants them.
    pub fn runspaces(&self) -> (i32, i32) {
        self.runspaces
    }

    /// A new client takes the pool over: takes `connectXml` and gives `connectResponseXml`. What
    /// the server says of itself waits for the pool's Receive, as do the records for those of
    /// their pipelines.
    pub fn connect(&mut self, content: &[u8]) -> Result<Vec<u8>, PsrpError> {
        let kind = MessageType::ConnectRunspacePool;
        if self.state != PoolState::Opened {
            return Err(self.out_of_state(kind));
        }
        let mut wanted = [MessageType::SessionCapability, kind].into_iter();
        for bytes in Defragmenter::new(self.limits).push(content)? {
            let message = Message::decode(&bytes)?;
            if message.pool != self.id {
                return Err(PsrpError::OtherPool {
                    kind: message.kind,
                    expected: self.id,
                    found: message.pool,
                });
            }
            if wanted.next() != Some(message.kind) {
                return Err(self.out_of_state(message.kind));
            }
        }
        if wanted.next().is_some() {
            return Err(PsrpError::ShortMessage {
                length: content.len(),
            });
        }
        // The new client counts its objects anew, on every stream.
        self.incoming.clear();
        for pipeline in self.pipelines.values_mut() {
            pipeline.incoming.clear();
        }
        let mut answer = Fragmenter::default();
        let (least, most) = self.runspaces;
        for payload in [
            Payload::SessionCapability(self.version),
            Payload::RunspacePoolInitData(least, most),
        ] {
            let message = self.message(None, &payload)?;
            answer.push(&mut self.ids, message);
        }
        let data = self.private_data.clone();
        self.queue(None, &Payload::ApplicationPrivateData(data))?;
        Ok(answer.take(usize::MAX).unwrap_or_default())
    }

    /// Tells the client that the pool is open; once initialized, and once only.
    pub fn announce_opened(&mut self) -> Result<(), PsrpError> {
        if self.state != PoolState::Opening {
            return Err(self.out_of_state(MessageType::RunspacePoolState));
        }
        self.state = PoolState::Opened;
        self.queue(
            None,
            &Payload::RunspacePoolState(RunspacePoolState::Opened, None),
        )
    }

    /// Whether a session key is agreed on: records may hold secrets.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Asks the client for an exchange of keys, in an open pool.
    pub fn request_key(&mut self) -> Result<(), PsrpError> {
        if self.state != PoolState::Opened {
            return Err(self.out_of_state(MessageType::PublicKeyRequest));
        }
        self.queue(None, &Payload::PublicKeyRequest)
    }

    /// Tells the client that the pool is closed.
    pub fn close(&mut self) -> Result<(), PsrpError> {
        self.state = PoolState::Closed;
        self.queue(
            None,
            &Payload::RunspacePoolState(RunspacePoolState::Closed, None),
        )
    }

    /// A Command of that id starts: what comes under it is a pipeline's.
    pub fn start_command(&mut self, id: Uuid) -> Result<(), PsrpError> {
        if self.state != PoolState::Opened {
            return Err(self.out_of_state(MessageType::CreatePipeline));
        }
        if self.pipelines.contains_key(&id) {
            return Err(PsrpError::DuplicatePipeline { id });
        }
        if self.pipelines.len() >= MAX_PIPELINES {
            return Err(PsrpError::TooManyPipelines {
                limit: MAX_PIPELINES,
            });
        }
        let pipeline = ServerPipeline {
            phase: Phase::Assembling,
            outgoing: Fragmenter::default(),
            incoming: HashMap::new(),
            next_call: 1,
        };
        self.pipelines.insert(id, pipeline);
        Ok(())
    }

    /// Takes bytes of one of the client's streams (`stdin`, `pr`), of the shell or of a command.
    pub fn receive(
        &mut self,
        command: Option<Uuid>,
        stream: &str,
        bytes: &[u8],
    ) -> Result<Vec<ServerEvent>, PsrpError> {
        let limits = self.limits;
        let streams = match command {
            None => &mut self.incoming,
            Some(id) => {
                let kind = MessageType::PipelineInput;
                &mut self
                    .pipelines
                    .get_mut(&id)
                    .ok_or(PsrpError::OtherPipeline { kind, found: id })?
                    .incoming
            }
        };
        // The service lets only its two input streams through.
        let name = if stream.eq_ignore_ascii_case("pr") {
            "pr"
        } else {
            "stdin"
        };
        let incoming = streams
            .entry(name.into())
            .or_insert_with(|| Defragmenter::new(limits));
        let mut events = Vec::new();
        for bytes in incoming.push(bytes)? {
            events.push(self.accept(command, &bytes)?);
        }
        Ok(events)
    }

    fn accept(&mut self, command: Option<Uuid>, bytes: &[u8]) -> Result<ServerEvent, PsrpError> {
        let message = Message::decode(bytes)?;
        let kind = message.kind;
        if message.destination != Destination::Server {
            return Err(PsrpError::WrongSide { kind });
        }
        if self.state == PoolState::BeforeOpen && kind == MessageType::SessionCapability {
            self.id = message.pool;
        }
        if message.pool != self.id {
            return Err(PsrpError::OtherPool {
                kind,
                expected: self.id,
                found: message.pool,
            });
        }
        let payload = Payload::decode(kind, &message.data, self.key.as_ref())?;
        if message.pipeline.is_nil() {
            return self.accept_for_pool(payload);
        }
        // Answers to host calls may come over the shell's stream; all else over the command's.
        let answer = kind == MessageType::PipelineHostResponse && command.is_none();
        if (command != Some(message.pipeline) && !answer)
            || !self.pipelines.contains_key(&message.pipeline)
        {
            return Err(PsrpError::OtherPipeline {
                kind,
                found: message.pipeline,
            });
        }
        self.accept_for_pipeline(message.pipeline, payload)
    }

    fn accept_for_pool(&mut self, payload: Payload) -> Result<ServerEvent, PsrpError> {
        let kind = payload.kind();
        match payload {
            Payload::SessionCapability(theirs) => {
                if self.state != PoolState::BeforeOpen {
                    return Err(self.out_of_state(kind));
                }
                self.state = PoolState::Negotiated;
                self.queue(None, &Payload::SessionCapability(self.version))?;
                self.version = self.version.min(theirs);
                Ok(ServerEvent::Handled(kind))
            }
            Payload::InitRunspacePool(init) => {
                if self.state != PoolState::Negotiated {
                    return Err(self.out_of_state(kind));
                }
                self.state = PoolState::Opening;
                self.host = init.host.clone();
                self.runspaces = (init.min_runspaces, init.max_runspaces);
                self.queue(
                    None,
                    &Payload::ApplicationPrivateData(self.private_data.clone()),
                )?;
                Ok(ServerEvent::OpenRequested(init))
            }
            _ if self.state != PoolState::Opened => Err(self.out_of_state(kind)),
            Payload::PublicKey(public) => {
                let key = self.key.get_or_insert_with(SessionKey::generate);
                let sealed = key_exchange::seal(key, &public)?;
                self.queue(None, &Payload::EncryptedSessionKey(sealed))?;
                Ok(ServerEvent::Handled(kind))
            }
            Payload::RunspacePoolHostResponse(response) => {
                Ok(ServerEvent::HostResponse(None, response))
            }
            Payload::SetMaxRunspaces(number, call) => {
                let fits = number >= self.runspaces.0;
                if fits {
                    self.runspaces.1 = number;
                }
                self.answer(call, Value::Bool(fits))
            }
            Payload::SetMinRunspaces(number, call) => {
                let fits = (1..=self.runspaces.1).contains(&number);
                if fits {
                    self.runspaces.0 = number;
                }
                self.answer(call, Value::Bool(fits))
            }
            Payload::GetAvailableRunspaces(call) => {
                let busy = self.pipelines.values();
                let busy = busy.filter(|p| p.phase == Phase::Running).count();
                let free = i64::from(self.runspaces.1) - i64::try_from(busy).unwrap_or(i64::MAX);
                self.answer(call, Value::Int64(free.max(0)))
            }
            Payload::ResetRunspaceState(call) => {
                self.answer(call, Value::Bool(true))?;
                Ok(ServerEvent::StateReset)
            }
            Payload::Other(kind, _) => Ok(ServerEvent::Handled(kind)),
            _ => Err(PsrpError::WrongSide { kind }),
        }
    }

    fn answer(&mut self, call: i64, answer: Value) -> Result<ServerEvent, PsrpError> {
        let payload = Payload::RunspaceAvailability(call, answer);
        self.queue(None, &payload)?;
        Ok(ServerEvent::Handled(payload.kind()))
    }

    fn accept_for_pipeline(
        &mut self,
        id: Uuid,
        payload: Payload,
    ) -> Result<ServerEvent, PsrpError> {
        let kind = payload.kind();
        let host = self.host.clone();
        let Some(pipeline) = self.pipelines.get_mut(&id) else {
            return Err(PsrpError::OtherPipeline { kind, found: id });
        };
        let phase = pipeline.phase;
        let out_of_state = PsrpError::State {
            kind,
            subject: "the pipeline",
            state: phase.name(),
        };
        match payload {
            Payload::CreatePipeline(mut create) if phase == Phase::Assembling => {
                pipeline.phase = Phase::Running;
                if create.host.use_pool_host {
                    create.host = host;
                }
                Ok(ServerEvent::PipelineCreated(id, create))
            }
            Payload::GetCommandMetadata(query) if phase == Phase::Assembling => {
                pipeline.phase = Phase::Running;
                Ok(ServerEvent::CommandsQueried(id, query))
            }
            Payload::PipelineInput(value) if phase == Phase::Running => {
                Ok(ServerEvent::Input(id, value))
            }
            Payload::EndOfPipelineInput if phase == Phase::Running => {
                Ok(ServerEvent::EndOfInput(id))
            }
            // A pipeline may end while its input is still on its way.
            Payload::PipelineInput(_) | Payload::EndOfPipelineInput if phase == Phase::Finished => {
                Ok(ServerEvent::Handled(kind))
            }
            Payload::PipelineHostResponse(response) if phase == Phase::Running => {
                Ok(ServerEvent::HostResponse(Some(id), response))
            }
            Payload::CreatePipeline(_)
            | Payload::GetCommandMetadata(_)
            | Payload::PipelineInput(_)
            | Payload::EndOfPipelineInput
            | Payload::PipelineHostResponse(_) => Err(out_of_state),
            Payload::Other(..) => Ok(ServerEvent::Handled(kind)),
            _ => Err(PsrpError::WrongSide { kind }),
        }
    }

    /// Queues a record of a running pipeline. A host call among them expects no answer; see
    /// [`host_call`](Self::host_call) for those that do.
    pub fn record(&mut self, id: Uuid, record: &Record) -> Result<(), PsrpError> {
        let payload = match record.clone() {
            Record::Output(value) => Payload::PipelineOutput(value),
            Record::Error(error) => Payload::Error(error),
            Record::Warning(text) => Payload::Warning(text),
            Record::Verbose(text) => Payload::Verbose(text),
            Record::Debug(text) => Payload::Debug(text),
            // Protocol 2.3 brought the information stream: older ends know nothing of it.
            Record::Information(_) if self.version < ProtocolVersion::V2_3 => return Ok(()),
            Record::Information(value) => Payload::Information(value),
            Record::Progress(progress) => Payload::Progress(progress),
            Record::HostCall(call) => Payload::PipelineHostCall(HostCall {
                call_id: -100,
                ..call
            }),
        };
        self.running(id, payload.kind())?;
        self.queue(Some(id), &payload)
    }

    /// Queues a host call of a running pipeline; gives the call's id, under which the answer
    /// comes.
    pub fn host_call(&mut self, id: Uuid, call: HostCall) -> Result<i64, PsrpError> {
        let kind = MessageType::PipelineHostCall;
        let pipeline = self.running(id, kind)?;
        let call_id = pipeline.next_call;
        pipeline.next_call += 1;
        self.queue(
            Some(id),
            &Payload::PipelineHostCall(HostCall { call_id, ..call }),
        )?;
        Ok(call_id)
    }

    /// Ends a pipeline.
    pub fn finish(&mut self, id: Uuid, state: &PipelineState) -> Result<(), PsrpError> {
        let (state, error) = match state {
            PipelineState::Completed => (PipelineRunState::Completed, None),
            PipelineState::Stopped(error) => (PipelineRunState::Stopped, error.clone()),
            PipelineState::Failed(error) => (PipelineRunState::Failed, Some(error.clone())),
        };
        self.running(id, MessageType::PipelineState)?.phase = Phase::Finished;
        self.queue(Some(id), &Payload::PipelineState(state, error))
    }

    /// Takes the next fragment of what waits for the pool's Receive or a pipeline's.
    pub fn take(&mut self, pipeline: Option<Uuid>, room: usize) -> Option<Vec<u8>> {
        match pipeline {
            None => self.outgoing.fragment(room),
            Some(id) => self.pipelines.get_mut(&id)?.outgoing.fragment(room),
        }
    }

    /// Whether something waits for a Receive of the pool or of a pipeline.
    pub fn has_output(&self, pipeline: Option<Uuid>) -> bool {
        match pipeline {
            None => !self.outgoing.is_empty(),
            Some(id) => self
                .pipelines
                .get(&id)
                .is_some_and(|p| !p.outgoing.is_empty()),
        }
    }

    /// Whether a pipeline has ended and everything of it was taken, or is not known at all.
    pub fn is_done(&self, id: Uuid) -> bool {
        self.pipelines
            .get(&id)
            .is_none_or(|p| p.phase == Phase::Finished && p.outgoing.is_empty())
    }

    /// The ids of the pipelines that are known.
    pub fn pipelines(&self) -> impl Iterator<Item = Uuid> {
        self.pipelines.keys().copied()
    }

    /// Whether a pipeline of that id is known.
    pub fn knows(&self, id: Uuid) -> bool {
        self.pipelines.contains_key(&id)
    }

    /// Forgets a pipeline.
    pub fn forget(&mut self, id: Uuid) {
        self.pipelines.remove(&id);
    }

    fn running(&mut self, id: Uuid, kind: MessageType) -> Result<&mut ServerPipeline, PsrpError> {
        let pipeline = self
            .pipelines
            .get_mut(&id)
            .ok_or(PsrpError::OtherPipeline { kind, found: id })?;
        if pipeline.phase == Phase::Running {
            Ok(pipeline)
        } else {
            Err(PsrpError::State {
                kind,
                subject: "the pipeline",
                state: pipeline.phase.name(),
            })
        }
    }

    fn queue(&mut self, pipeline: Option<Uuid>, payload: &Payload) -> Result<(), PsrpError> {
        let kind = payload.kind();
        let message = self.message(pipeline, payload)?;
        let fragmenter = match pipeline {
            None => &mut self.outgoing,
            Some(id) => {
                &mut self
                    .pipelines
                    .get_mut(&id)
                    .ok_or(PsrpError::OtherPipeline { kind, found: id })?
                    .outgoing
            }
        };
        fragmenter.push(&mut self.ids, message);
        Ok(())
    }

    fn message(&self, pipeline: Option<Uuid>, payload: &Payload) -> Result<Vec<u8>, PsrpError> {
        let kind = payload.kind();
        // As real servers do, the first message names no pool.
        let pool = if kind == MessageType::SessionCapability {
            Uuid::nil()
        } else {
            self.id
        };
        let message = Message {
            destination: Destination::Client,
            kind,
            pool,
            pipeline: pipeline.unwrap_or_default(),
            data: payload.encode(self.version, self.key.as_ref())?,
        };
        Ok(message.encode())
    }

    fn out_of_state(&self, kind: MessageType) -> PsrpError {
        PsrpError::State {
            kind,
            subject: "the runspace pool",
            state: self.state.name(),
        }
    }
}
