//! [`ClientPool`]: the client's half of a runspace pool and its pipelines ([MS-PSRP] 3.1).
//!
//! Bytes of the shell's and the commands' streams go in, events come out; what is to be sent waits
//! until it is taken. Pipelines cannot be created before the pool is open, nor pipelines that hold
//! a secret before a session key is agreed on ([`ClientPool::offer_key`]). Host calls come as
//! records; whoever carries the bytes owes those that want one an answer
//! ([`ClientPool::answer`]), or their pipelines wait for ever.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    CommandQuery, CreatePipeline, Defragmenter, Destination, ErrorRecord, ExchangeKey,
    FragmentLimits, Fragmenter, HostResponse, InitRunspacePool, Message, MessageType, ObjectIds,
    Payload, PipelineRunState, PipelineState, ProtocolVersion, PsrpError, Record,
    RunspacePoolState,
};
use crate::clixml::{SessionKey, Value};

/// Most pipelines that a pool may have at once; servers allow a few dozen operations.
const MAX_PIPELINES: usize = 64;

/// The client's half of a runspace pool.
#[derive(Debug)]
pub struct ClientPool {
    id: Uuid,
    state: PoolState,
    version: ProtocolVersion,
    private_data: Value,
    /// Whether another client opened it, so that the server may say again what it said then.
    taken_over: bool,
    /// Least and greatest number of runspaces, as far as known.
    runspaces: (i32, i32),
    /// Numbers of runspaces that the server was asked for, by the call.
    wishes: HashMap<i64, Wish>,
    next_call: i64,
    key: Key,
    ids: ObjectIds,
    limits: FragmentLimits,
    outgoing: Fragmenter,
    incoming: Defragmenter,
    pipelines: HashMap<Uuid, ClientPipeline>,
}

/// A number of runspaces.
#[derive(Debug)]
enum Wish {
    Least(i32),
    Most(i32),
}

/// What comes of received bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// The pool is open: pipelines may be created.
    Opened,
    /// The pool is closed.
    Closed(Option<ErrorRecord>),
    /// The pool is broken.
    Broken(Option<ErrorRecord>),
    /// A pipeline gave a record.
    Record(Uuid, Record),
    /// The pool itself, not one of its pipelines, called the host or said something.
    PoolRecord(Record),
    /// The answer to a call of that id: to [`ClientPool::set_max_runspaces`] and its like.
    Answered(i64, Value),
    /// An event that the server's side of the session was told to forward.
    UserEvent(Value),
    /// A pipeline has ended: nothing more comes from it.
    Finished(Uuid, PipelineState),
    /// The server wants to agree on a session key: [`ClientPool::offer_key`].
    KeyRequested,
    /// A session key is agreed on: pipelines may hold secrets.
    KeyAgreed,
    /// A message that this client has no use for.
    Ignored(MessageType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PoolState {
    BeforeOpen,
    Opening,
    Negotiated,
    Opened,
    Closed,
    Broken,
}

/// How far the exchange of keys is.
#[derive(Debug)]
enum Key {
    None,
    Offered(ExchangeKey),
    Agreed(SessionKey),
}

impl Key {
    /// The state of an exchange that has begun.
    fn begun(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Offered(_) => Some("being agreed on"),
            Self::Agreed(_) => Some("agreed on"),
        }
    }

    fn session(&self) -> Option<&SessionKey> {
        match self {
            Self::Agreed(key) => Some(key),
            Self::None | Self::Offered(_) => None,
        }
    }
}

impl PoolState {
    fn name(self) -> &'static str {
        match self {
            Self::BeforeOpen => "not open yet",
            Self::Opening => "opening",
            Self::Negotiated => "negotiated, not open yet",
            Self::Opened => "open",
            Self::Closed => "closed",
            Self::Broken => "broken",
        }
    }
}

#[derive(Debug)]
struct ClientPipeline {
    outgoing: Fragmenter,
    answers: Fragmenter,
    incoming: Defragmenter,
}

impl ClientPool {
    /// A pool that is not open yet, under an id of the client's choice.
    pub fn new(id: Uuid, limits: FragmentLimits) -> Self {
        Self {
            id,
            state: PoolState::BeforeOpen,
            version: ProtocolVersion::V2_3,
            private_data: Value::Null,
            taken_over: false,
            runspaces: (1, 1),
            wishes: HashMap::new(),
            next_call: 0,
            key: Key::None,
            ids: ObjectIds::default(),
            limits,
            outgoing: Fragmenter::default(),
            incoming: Defragmenter::new(limits),
            pipelines: HashMap::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether pipelines may be created.
    pub fn is_open(&self) -> bool {
        self.state == PoolState::Opened
    }

    /// The version that both sides speak, once negotiated.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// What the server says of itself, `PSVersionTable` among it; null until it did.
    pub fn private_data(&self) -> &Value {
        &self.private_data
    }

    /// Least and greatest number of runspaces: as asked for and agreed on, or as the server says
    /// when a client connects.
    pub fn runspaces(&self) -> (i32, i32) {
        self.runspaces
    }

    /// Starts opening a new pool: queues capability and initialization, to be taken for the
    /// shell's `creationXml`.
    pub fn open(&mut self, init: &InitRunspacePool) -> Result<(), PsrpError> {
        self.expect(PoolState::BeforeOpen, MessageType::SessionCapability)?;
        self.state = PoolState::Opening;
        self.runspaces = (init.min_runspaces, init.max_runspaces);
        self.queue(None, &Payload::SessionCapability(ProtocolVersion::V2_3))?;
        self.queue(None, &Payload::InitRunspacePool(init.clone()))
    }

    /// Starts taking over a pool that another client opened: queues capability and the wish to
    /// connect, to be taken for `connectXml`; [`connected`](Self::connected) takes the answer.
    pub fn connect(&mut self) -> Result<(), PsrpError> {
        self.expect(PoolState::BeforeOpen, MessageType::SessionCapability)?;
        self.state = PoolState::Opening;
        self.taken_over = true;
        self.queue(None, &Payload::SessionCapability(ProtocolVersion::V2_3))?;
        self.queue(None, &Payload::ConnectRunspacePool)
    }

    /// Takes `connectResponseXml`, which is no part of the shell's stream: the pool is open.
    pub fn connected(&mut self, content: &[u8]) -> Result<Vec<ClientEvent>, PsrpError> {
        let mut events = Vec::new();
        for bytes in Defragmenter::new(self.limits).push(content)? {
            self.accept(None, &bytes, &mut events)?;
        }
        self.expect(PoolState::Opened, MessageType::RunspacePoolInitData)?;
        Ok(events)
    }

    /// Knows a pipeline that runs already, of a pool that was taken over.
    pub fn adopt(&mut self, id: Uuid) -> Result<(), PsrpError> {
        self.expect(PoolState::Opened, MessageType::PipelineOutput)?;
        self.insert(id, Fragmenter::default())
    }

    /// Asks for a greatest number of runspaces. The answer is [`ClientEvent::Answered`] with the
    /// id that this gives: true, or false if the server does not want to.
    pub fn set_max_runspaces(&mut self, number: i32) -> Result<i64, PsrpError> {
        let call = self.call(|call| Payload::SetMaxRunspaces(number, call))?;
        self.wishes.insert(call, Wish::Most(number));
        Ok(call)
    }

    /// Asks for a least number of runspaces, as [`set_max_runspaces`](Self::set_max_runspaces).
    pub fn set_min_runspaces(&mut self, number: i32) -> Result<i64, PsrpError> {
        let call = self.call(|call| Payload::SetMinRunspaces(number, call))?;
        self.wishes.insert(call, Wish::Least(number));
        Ok(call)
    }

    /// Asks how many runspaces are available: the answer is a number.
    pub fn available_runspaces(&mut self) -> Result<i64, PsrpError> {
        self.call(Payload::GetAvailableRunspaces)
    }

    /// Asks for runspaces as they were when the pool was opened; the answer is true or false.
    /// Needs protocol 2.3.
    pub fn reset_state(&mut self) -> Result<i64, PsrpError> {
        if self.version < ProtocolVersion::V2_3 {
            return Err(PsrpError::NotSupported {
                feature: "to reset runspaces",
                needs: ProtocolVersion::V2_3,
                speaks: self.version,
            });
        }
        self.call(Payload::ResetRunspaceState)
    }

    fn call(&mut self, payload: impl FnOnce(i64) -> Payload) -> Result<i64, PsrpError> {
        let call = self.next_call;
        let payload = payload(call);
        self.expect(PoolState::Opened, payload.kind())?;
        self.queue(None, &payload)?;
        self.next_call += 1;
        Ok(call)
    }

    /// Whether a session key is agreed on.
    pub fn has_key(&self) -> bool {
        self.key.session().is_some()
    }

    /// Whether a key was offered and the server has not answered yet.
    pub fn awaits_key(&self) -> bool {
        matches!(self.key, Key::Offered(_))
    }

    /// Queues the public half of `key` for the pool's stream. [`ClientEvent::KeyAgreed`] follows
    /// once the server has answered.
    pub fn offer_key(&mut self, key: ExchangeKey) -> Result<(), PsrpError> {
        self.expect(PoolState::Opened, MessageType::PublicKey)?;
        if let Some(state) = self.key.begun() {
            return Err(PsrpError::State {
                kind: MessageType::PublicKey,
                subject: "the session key",
                state,
            });
        }
        self.queue(None, &Payload::PublicKey(key.public_text()))?;
        self.key = Key::Offered(key);
        Ok(())
    }

    /// Queues a pipeline under an id of the client's choice; [`PsrpError::NoSessionKey`] says that
    /// it holds a secret and there is no key yet. The objects of its input stream are
    /// queued by [`input`](Self::input) and [`end_input`](Self::end_input).
    pub fn create_pipeline(&mut self, id: Uuid, create: &CreatePipeline) -> Result<(), PsrpError> {
        self.begin(id, &Payload::CreatePipeline(Box::new(create.clone())))
    }

    /// Queues a question about commands, which runs as a pipeline does: its output is a count
    /// and as many objects ([`CommandMetadata`](super::CommandMetadata)).
    pub fn query_commands(&mut self, id: Uuid, query: &CommandQuery) -> Result<(), PsrpError> {
        self.begin(id, &Payload::GetCommandMetadata(Box::new(query.clone())))
    }

    fn begin(&mut self, id: Uuid, payload: &Payload) -> Result<(), PsrpError> {
        self.expect(PoolState::Opened, payload.kind())?;
        let message = self.message(Some(id), payload)?;
        let mut outgoing = Fragmenter::default();
        outgoing.push(&mut self.ids, message);
        self.insert(id, outgoing)
    }

    fn insert(&mut self, id: Uuid, outgoing: Fragmenter) -> Result<(), PsrpError> {
        if self.pipelines.contains_key(&id) {
            return Err(PsrpError::DuplicatePipeline { id });
        }
        if self.pipelines.len() >= MAX_PIPELINES {
            return Err(PsrpError::TooManyPipelines {
                limit: MAX_PIPELINES,
            });
        }
        self.pipelines.insert(
            id,
            ClientPipeline {
                outgoing,
                answers: Fragmenter::default(),
                incoming: Defragmenter::new(self.limits),
            },
        );
        Ok(())
    }

    /// Queues the answer to a host call of a pipeline, or of the pool.
    pub fn answer(
        &mut self,
        pipeline: Option<Uuid>,
        response: HostResponse,
    ) -> Result<(), PsrpError> {
        let Some(id) = pipeline else {
            return self.queue(None, &Payload::RunspacePoolHostResponse(response));
        };
        let payload = Payload::PipelineHostResponse(response);
        let message = self.message(Some(id), &payload)?;
        // A pipeline that has ended since wants no answer any more.
        if let Some(pipeline) = self.pipelines.get_mut(&id) {
            pipeline.answers.push(&mut self.ids, message);
        }
        Ok(())
    }

    /// Queues an object of a pipeline's input stream.
    pub fn input(&mut self, id: Uuid, value: Value) -> Result<(), PsrpError> {
        self.queue(Some(id), &Payload::PipelineInput(value))
    }

    /// Queues the end of a pipeline's input stream.
    pub fn end_input(&mut self, id: Uuid) -> Result<(), PsrpError> {
        self.queue(Some(id), &Payload::EndOfPipelineInput)
    }

    /// Takes up to `room` bytes of what waits for the pool's or a pipeline's `stdin`: the first
    /// of a pipeline are its Command's argument. `None` if nothing waits.
    pub fn take(&mut self, pipeline: Option<Uuid>, room: usize) -> Option<Vec<u8>> {
        match pipeline {
            None => self.outgoing.take(room),
            Some(id) => self.pipelines.get_mut(&id)?.outgoing.take(room),
        }
    }

    /// Takes up to `room` bytes of a pipeline's answers to host calls, for its stream `pr`.
    pub fn take_answer(&mut self, pipeline: Uuid, room: usize) -> Option<Vec<u8>> {
        self.pipelines.get_mut(&pipeline)?.answers.take(room)
    }

    /// Forgets a pipeline: what comes of it afterwards is an error.
    pub fn forget(&mut self, pipeline: Uuid) {
        self.pipelines.remove(&pipeline);
    }

    /// Takes bytes of the shell's stream, or of a pipeline's.
    pub fn receive(
        &mut self,
        pipeline: Option<Uuid>,
        bytes: &[u8],
    ) -> Result<Vec<ClientEvent>, PsrpError> {
        let incoming = match pipeline {
            None => &mut self.incoming,
            Some(id) => {
                let kind = MessageType::PipelineOutput;
                &mut self
                    .pipelines
                    .get_mut(&id)
                    .ok_or(PsrpError::OtherPipeline { kind, found: id })?
                    .incoming
            }
        };
        let mut events = Vec::new();
        for bytes in incoming.push(bytes)? {
            self.accept(pipeline, &bytes, &mut events)?;
        }
        Ok(events)
    }

    fn accept(
        &mut self,
        stream: Option<Uuid>,
        bytes: &[u8],
        events: &mut Vec<ClientEvent>,
    ) -> Result<(), PsrpError> {
        let message = Message::decode(bytes)?;
        let kind = message.kind;
        if message.destination != Destination::Client {
            return Err(PsrpError::WrongSide { kind });
        }
        // A server's first message does not name the pool yet.
        if message.pool != self.id && !message.pool.is_nil() {
            return Err(PsrpError::OtherPool {
                kind,
                expected: self.id,
                found: message.pool,
            });
        }
        if matches!(
            self.state,
            PoolState::BeforeOpen | PoolState::Closed | PoolState::Broken
        ) {
            return Err(self.out_of_state(kind));
        }
        let payload = Payload::decode(kind, &message.data, self.key.session())?;
        if message.pipeline.is_nil() {
            return self.accept_for_pool(payload, events);
        }
        if stream != Some(message.pipeline) || !self.pipelines.contains_key(&message.pipeline) {
            return Err(PsrpError::OtherPipeline {
                kind,
                found: message.pipeline,
            });
        }
        self.accept_for_pipeline(message.pipeline, payload, events)
    }

    fn accept_for_pool(
        &mut self,
        payload: Payload,
        events: &mut Vec<ClientEvent>,
    ) -> Result<(), PsrpError> {
        let kind = payload.kind();
        match payload {
            Payload::SessionCapability(version) => {
                self.expect(PoolState::Opening, kind)?;
                self.version = version.min(ProtocolVersion::V2_3);
                self.state = PoolState::Negotiated;
            }
            Payload::ApplicationPrivateData(data) => {
                if self.state == PoolState::Opening {
                    return Err(self.out_of_state(kind));
                }
                self.private_data = data;
            }
            Payload::RunspacePoolState(state, error) => match state {
                RunspacePoolState::Opened if self.taken_over => {
                    events.push(ClientEvent::Ignored(kind));
                }
                RunspacePoolState::Opened => {
                    self.expect(PoolState::Negotiated, kind)?;
                    self.state = PoolState::Opened;
                    events.push(ClientEvent::Opened);
                }
                RunspacePoolState::Closed => {
                    self.state = PoolState::Closed;
                    events.push(ClientEvent::Closed(error));
                }
                RunspacePoolState::Broken => {
                    self.state = PoolState::Broken;
                    events.push(ClientEvent::Broken(error));
                }
                _ => events.push(ClientEvent::Ignored(kind)),
            },
            Payload::RunspacePoolInitData(least, most) => {
                if !self.taken_over {
                    return Err(self.out_of_state(kind));
                }
                self.expect(PoolState::Negotiated, kind)?;
                self.runspaces = (least, most);
                self.state = PoolState::Opened;
                events.push(ClientEvent::Opened);
            }
            Payload::RunspaceAvailability(call, answer) => {
                if let Some(wish) = self.wishes.remove(&call)
                    && answer.as_bool() == Some(true)
                {
                    match wish {
                        Wish::Least(number) => self.runspaces.0 = number,
                        Wish::Most(number) => self.runspaces.1 = number,
                    }
                }
                events.push(ClientEvent::Answered(call, answer));
            }
            Payload::UserEvent(event) => events.push(ClientEvent::UserEvent(event)),
            Payload::PublicKeyRequest => {
                self.expect(PoolState::Opened, kind)?;
                events.push(match self.key {
                    Key::None => ClientEvent::KeyRequested,
                    // The answer is under way.
                    Key::Offered(_) | Key::Agreed(_) => ClientEvent::Ignored(kind),
                });
            }
            Payload::EncryptedSessionKey(text) => {
                self.expect(PoolState::Opened, kind)?;
                let Key::Offered(own) = &self.key else {
                    return Err(PsrpError::State {
                        kind,
                        subject: "the session key",
                        state: self.key.begun().unwrap_or("not asked for"),
                    });
                };
                self.key = Key::Agreed(own.open(&text)?);
                events.push(ClientEvent::KeyAgreed);
            }
            Payload::RunspacePoolHostCall(call) => {
                events.push(ClientEvent::PoolRecord(Record::HostCall(call)));
            }
            payload => match record(payload) {
                Ok(record) if !matches!(record, Record::Output(_)) => {
                    events.push(ClientEvent::PoolRecord(record));
                }
                Ok(_) => {
                    return Err(PsrpError::OtherPipeline {
                        kind,
                        found: Uuid::nil(),
                    });
                }
                Err(payload) => match *payload {
                    Payload::RunspaceAvailability(..) | Payload::Other(..) => {
                        events.push(ClientEvent::Ignored(kind));
                    }
                    Payload::PipelineState(..) | Payload::PipelineHostCall(_) => {
                        return Err(PsrpError::OtherPipeline {
                            kind,
                            found: Uuid::nil(),
                        });
                    }
                    _ => return Err(PsrpError::WrongSide { kind }),
                },
            },
        }
        Ok(())
    }

    fn accept_for_pipeline(
        &mut self,
        id: Uuid,
        payload: Payload,
        events: &mut Vec<ClientEvent>,
    ) -> Result<(), PsrpError> {
        let kind = payload.kind();
        self.expect(PoolState::Opened, kind)?;
        match payload {
            Payload::PipelineState(state, error) => {
                let state = match state {
                    PipelineRunState::Completed => PipelineState::Completed,
                    PipelineRunState::Stopped => PipelineState::Stopped(error),
                    PipelineRunState::Failed => PipelineState::Failed(error.unwrap_or_else(untold)),
                    _ => {
                        events.push(ClientEvent::Ignored(kind));
                        return Ok(());
                    }
                };
                self.pipelines.remove(&id);
                events.push(ClientEvent::Finished(id, state));
            }
            Payload::PipelineHostCall(call) => {
                events.push(ClientEvent::Record(id, Record::HostCall(call)));
            }
            payload => match record(payload) {
                Ok(record) => events.push(ClientEvent::Record(id, record)),
                Err(payload) if matches!(*payload, Payload::Other(..)) => {
                    events.push(ClientEvent::Ignored(kind));
                }
                Err(_) => return Err(PsrpError::WrongSide { kind }),
            },
        }
        Ok(())
    }

    fn queue(&mut self, pipeline: Option<Uuid>, payload: &Payload) -> Result<(), PsrpError> {
        let message = self.message(pipeline, payload)?;
        let fragmenter = match pipeline {
            None => &mut self.outgoing,
            Some(id) => {
                let unknown = PsrpError::OtherPipeline {
                    kind: payload.kind(),
                    found: id,
                };
                &mut self.pipelines.get_mut(&id).ok_or(unknown)?.outgoing
            }
        };
        fragmenter.push(&mut self.ids, message);
        Ok(())
    }

    fn message(&self, pipeline: Option<Uuid>, payload: &Payload) -> Result<Vec<u8>, PsrpError> {
        let message = Message {
            destination: Destination::Server,
            kind: payload.kind(),
            pool: self.id,
            pipeline: pipeline.unwrap_or_default(),
            data: payload.encode(self.version, self.key.session())?,
        };
        Ok(message.encode())
    }

    fn expect(&self, state: PoolState, kind: MessageType) -> Result<(), PsrpError> {
        if self.state == state {
            Ok(())
        } else {
            Err(self.out_of_state(kind))
        }
    }

    fn out_of_state(&self, kind: MessageType) -> PsrpError {
        PsrpError::State {
            kind,
            subject: "the runspace pool",
            state: self.state.name(),
        }
    }
}

/// The record that a payload is, or the payload back.
fn record(payload: Payload) -> Result<Record, Box<Payload>> {
    Ok(match payload {
        Payload::PipelineOutput(value) => Record::Output(value),
        Payload::Error(error) => Record::Error(error),
        Payload::Warning(text) => Record::Warning(text),
        Payload::Verbose(text) => Record::Verbose(text),
        Payload::Debug(text) => Record::Debug(text),
        Payload::Information(value) => Record::Information(value),
        Payload::Progress(progress) => Record::Progress(progress),
        other => return Err(Box::new(other)),
    })
}

/// The error of a pipeline that failed without saying why.
fn untold() -> ErrorRecord {
    ErrorRecord::new(
        "",
        0,
        "",
        "the pipeline failed, and the server did not say why",
    )
}
