//! [`Runspace`]: one shell with its runspace pool, its pipelines and those who wait for output.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_inventory::{EndpointKind, PowerShellVersion};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{
    CreatePipeline, ErrorRecord, FragmentLimits, HostCall, HostResponse, PipelineState, PsrpError,
    Record, ServerEvent, ServerPool,
};
use owaim_proto::wsman::{
    CommandState, Fault, ReceiveResponse, RunState, Shell, ShellState, Stream,
};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::work::Work;
use super::{RequestOrigin, Runner, banner, fault};
use crate::world::{Caller, Execution};

/// What the markup of a stream takes in an answer, beside its Base64; generously.
const MARKUP: usize = 200;

/// One shell.
pub(super) struct Runspace {
    id: Uuid,
    origin: RequestOrigin,
    /// What its session configuration makes of it.
    acts_as: EndpointKind,
    uri: String,
    state: Mutex<State>,
    /// Rung when output waits or the shell ends.
    changed: Notify,
    /// Held by the pipeline that runs: as many permits as the pool has runspaces.
    turns: Semaphore,
    /// Requests under way: while there are any, the shell is not idle.
    users: AtomicUsize,
}

struct State {
    pool: ServerPool,
    runs: HashMap<Uuid, Run>,
    /// Pipelines that a client has heard the end of and not terminated.
    ended: HashSet<Uuid>,
    /// Whether the client has yet to hear that the pool is open. Real servers say so in a
    /// Receive of its own.
    opening: bool,
    deleted: bool,
    /// Why there will be no session in it.
    refused: Option<Box<Fault>>,
    /// Whether its client has left it for later.
    disconnected: bool,
    /// The client's session, which alone may reconnect.
    session: Option<Uuid>,
    idle: Duration,
    last_use: Instant,
}

/// A pipeline between its creation and its end.
#[derive(Default)]
struct Run {
    /// Until the whole input is here.
    waiting: Option<Box<CreatePipeline>>,
    input: Vec<Value>,
    /// The host call that waits for its answer.
    question: Option<(i64, oneshot::Sender<HostResponse>)>,
    task: Option<AbortHandle>,
}

impl State {
    /// Ends the work of a pipeline.
    fn abort(&mut self, id: Uuid) {
        if let Some(task) = self.runs.remove(&id).and_then(|run| run.task) {
            task.abort();
        }
    }
}

/// A request under way.
pub(super) struct InUse<'r>(&'r Runspace);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.lock().last_use = Instant::now();
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Runspace {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// Notes that a request is under way until the result is dropped.
    pub(super) fn in_use(&self) -> InUse<'_> {
        self.users.fetch_add(1, Ordering::Relaxed);
        InUse(self)
    }

    /// Whether nobody has asked for it for longer than it is kept.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let state = self.lock();
        self.users.load(Ordering::Relaxed) == 0 && now.duration_since(state.last_use) > state.idle
    }

    /// Whether it counts against the quotas that hold for that account there.
    pub(super) fn counts_for(&self, origin: &RequestOrigin) -> bool {
        self.origin.shares_quotas(origin) && self.lock().refused.is_none()
    }

    /// How many commands there are that have not been terminated.
    pub(super) fn commands(&self) -> usize {
        let state = self.lock();
        state.pool.pipelines().count() + state.ended.len()
    }

    /// Whether it is that account's at that endpoint.
    pub(super) fn serves(&self, origin: &RequestOrigin) -> bool {
        self.origin.is_same(origin)
    }

    /// What it is, as the service tells.
    pub(super) fn describe(&self) -> Shell {
        let state = self.lock();
        Shell {
            id: self.id,
            resource_uri: self.uri.clone(),
            owner: Some(self.origin.user.clone()),
            client_ip: Some("127.0.0.1".into()),
            process_id: Some(1868),
            idle_timeout: Some(state.idle),
            state: if state.disconnected {
                ShellState::Disconnected
            } else {
                ShellState::Connected
            },
            ..Shell::default()
        }
    }

    /// A shell whose pool is not open yet.
    pub(super) fn new(
        id: Uuid,
        origin: RequestOrigin,
        acts_as: EndpointKind,
        version: PowerShellVersion,
        uri: &str,
        idle: Duration,
        session: Option<Uuid>,
    ) -> Self {
        let pool = ServerPool::new(
            banner::protocol(version),
            banner::private_data(version),
            FragmentLimits::default(),
        );
        let state = State {
            pool,
            runs: HashMap::new(),
            ended: HashSet::new(),
            opening: false,
            deleted: false,
            refused: None,
            disconnected: false,
            session,
            idle,
            last_use: Instant::now(),
        };
        Self {
            id,
            origin,
            acts_as,
            uri: uri.into(),
            state: Mutex::new(state),
            changed: Notify::new(),
            turns: Semaphore::new(0),
            users: AtomicUsize::new(0),
        }
    }

    /// Takes the fragments that came with the Create.
    pub(super) fn open(&self, creation: &[u8]) -> Result<(), Box<Fault>> {
        let mut state = self.lock();
        let events = state
            .pool
            .receive(None, "stdin", creation)
            .map_err(|error| fault::of_protocol(&error))?;
        self.note_opening(&mut state, &events);
        Ok(())
    }

    /// Lets it have no session: the first Receive says why.
    pub(super) fn refuse(&self, why: Box<Fault>) {
        self.lock().refused = Some(why);
    }

    fn note_opening(&self, state: &mut State, events: &[ServerEvent]) {
        for event in events {
            if let ServerEvent::OpenRequested(init) = event {
                state.opening = true;
                self.turns.add_permits(
                    usize::try_from(init.max_runspaces)
                        .unwrap_or(1)
                        .clamp(1, 64),
                );
            }
        }
    }

    /// Whether requests of a client may be served.
    pub(super) fn check_connected(&self) -> Result<(), Box<Fault>> {
        if self.lock().disconnected {
            Err(fault::disconnected())
        } else {
            Ok(())
        }
    }

    /// Leaves it for later: who waits for output hears so, and what comes meanwhile is kept.
    pub(super) fn disconnect(&self, idle: Option<Duration>) {
        let mut state = self.lock();
        state.disconnected = true;
        state.idle = idle.unwrap_or(state.idle);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes the client back that left it.
    pub(super) fn reconnect(&self, session: Option<Uuid>) -> Result<(), Box<Fault>> {
        let mut state = self.lock();
        if !state.disconnected || session != state.session {
            return Err(fault::in_use());
        }
        state.disconnected = false;
        Ok(())
    }

    /// Takes another client, by its first fragments; what the server answers them with. A shell
    /// that is connected and of which nothing is asked has lost its client.
    pub(super) fn connect(
        &self,
        content: &[u8],
        session: Option<Uuid>,
    ) -> Result<Vec<u8>, Box<Fault>> {
        let mut state = self.lock();
        if !state.disconnected && self.users.load(Ordering::Relaxed) > 1 {
            return Err(fault::in_use());
        }
        let answer = state
            .pool
            .connect(content)
            .map_err(|error| fault::of_protocol(&error))?;
        state.disconnected = false;
        state.session = session;
        Ok(answer)
    }

    /// Whether it has that pipeline.
    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.lock().pool.knows(id)
    }

    /// Its pipelines.
    pub(super) fn pipelines(&self) -> Vec<Uuid> {
        self.lock().pool.pipelines().collect()
    }

    /// Starts a command with a pipeline's first fragments.
    pub(super) fn command<R: Runner>(
        self: &Arc<Self>,
        work: &Work<R>,
        id: Uuid,
        fragments: &[u8],
    ) -> Result<(), Box<Fault>> {
        let mut state = self.lock();
        if state.ended.contains(&id) {
            return Err(fault::command_taken());
        }
        state
            .pool
            .start_command(id)
            .map_err(|error| fault::of_protocol(&error))?;
        drop(state);
        let taken = self.take(work, Some(id), "stdin", fragments);
        if taken.is_err() {
            self.lock().pool.forget(id);
        }
        taken
    }

    /// Takes input of the shell or of a command.
    pub(super) fn input<R: Runner>(
        self: &Arc<Self>,
        work: &Work<R>,
        stream: &Stream,
    ) -> Result<(), Box<Fault>> {
        self.take(work, stream.command_id, &stream.name, &stream.data)
    }

    fn take<R: Runner>(
        self: &Arc<Self>,
        work: &Work<R>,
        command: Option<Uuid>,
        stream: &str,
        bytes: &[u8],
    ) -> Result<(), Box<Fault>> {
        let mut state = self.lock();
        if state.deleted {
            return Err(fault::unknown_shell());
        }
        if command.is_some_and(|id| !state.pool.knows(id)) {
            return Err(fault::unknown_command());
        }
        let events = state
            .pool
            .receive(command, stream, bytes)
            .map_err(|error| fault::of_protocol(&error))?;
        self.note_opening(&mut state, &events);
        for event in events {
            match event {
                ServerEvent::PipelineCreated(id, create) => {
                    let takes_input = create.pipeline.takes_input;
                    state.runs.insert(
                        id,
                        Run {
                            waiting: Some(create),
                            ..Run::default()
                        },
                    );
                    if !takes_input {
                        self.start(work, &mut state, id);
                    }
                }
                ServerEvent::Input(id, value) => {
                    if let Some(run) = state.runs.get_mut(&id) {
                        run.input.push(value);
                    }
                }
                ServerEvent::EndOfInput(id) => self.start(work, &mut state, id),
                ServerEvent::HostResponse(Some(id), response) => {
                    let question = state.runs.get_mut(&id).and_then(|run| run.question.take());
                    match question {
                        Some((call, answer)) if call == response.call_id => {
                            // Nobody listens any more where the pipeline was stopped meanwhile.
                            let _ = answer.send(response);
                        }
                        other => {
                            if let Some(run) = state.runs.get_mut(&id) {
                                run.question = other;
                            }
                        }
                    }
                }
                ServerEvent::CommandsQueried(id, _) => {
                    let error = ErrorRecord::new(
                        "NotImplemented",
                        11,
                        "System.Management.Automation.PSNotImplementedException",
                        "this server does not tell the metadata of commands",
                    );
                    state
                        .pool
                        .finish(id, &PipelineState::Failed(error))
                        .map_err(|error| fault::of_protocol(&error))?;
                }
                ServerEvent::OpenRequested(_)
                | ServerEvent::StateReset
                | ServerEvent::HostResponse(None, _)
                | ServerEvent::Handled(_) => {}
            }
        }
        drop(state);
        // Some messages are answered at once.
        self.changed.notify_waiters();
        Ok(())
    }

    /// Runs a pipeline whose input is complete, in a task of its own.
    fn start<R: Runner>(self: &Arc<Self>, work: &Work<R>, state: &mut State, id: Uuid) {
        let Some(run) = state.runs.get_mut(&id) else {
            return;
        };
        let Some(create) = run.waiting.take() else {
            return;
        };
        let input = std::mem::take(&mut run.input);
        let (shell, runner) = (Arc::clone(self), work.runner.clone());
        let task = work.start(async move { shell.run(&runner, id, &create, &input).await });
        run.task = Some(task);
    }

    async fn run<R: Runner>(&self, runner: &R, id: Uuid, create: &CreatePipeline, input: &[Value]) {
        let Ok(_turn) = self.turns.acquire().await else {
            return;
        };
        let caller = Caller {
            host: self.origin.host.clone(),
            endpoint: self.acts_as,
            user: self.origin.user.clone(),
            session: self.id,
        };
        let mut execution = runner.run(&caller, &create.pipeline, input);
        loop {
            match execution {
                Execution::Finished { output, takes } => {
                    tokio::time::sleep(takes).await;
                    self.tell(|pool| {
                        for record in &output.records {
                            pool.record(id, record)?;
                        }
                        pool.finish(id, &output.state)
                    });
                    self.lock().runs.remove(&id);
                    return;
                }
                Execution::Prompt {
                    before,
                    call,
                    resume,
                } => {
                    let asked = self.ask(id, &before, call, create.host.ui_is_null);
                    let answer = match asked {
                        Ok(answer) => match answer.await {
                            Ok(response) => response.result.map_err(|error| error.message),
                            Err(_) => return,
                        },
                        Err(refusal) => Err(refusal),
                    };
                    execution = resume(answer);
                }
            }
        }
    }

    /// Puts a question to the client's host. Where there is none, the exception's message that
    /// the command gets.
    fn ask(
        &self,
        id: Uuid,
        before: &[Record],
        call: HostCall,
        no_host: bool,
    ) -> Result<oneshot::Receiver<HostResponse>, String> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        let told = before
            .iter()
            .try_for_each(|record| state.pool.record(id, record));
        let asked = match told {
            Ok(()) if !no_host => state.pool.host_call(id, call).ok(),
            _ => None,
        };
        let question = asked.map(|call| (call, sender));
        if let Some(run) = state.runs.get_mut(&id) {
            run.question = question;
        }
        drop(state);
        self.changed.notify_waiters();
        asked.map(|_| receiver).ok_or_else(|| {
            "A command that prompts the user failed because the host program or the command type does not support \
             user interaction."
                .into()
        })
    }

    /// Queues output. A pipeline that was stopped meanwhile takes none: that is nobody's error.
    fn tell(&self, queue: impl FnOnce(&mut ServerPool) -> Result<(), PsrpError>) {
        let _ = queue(&mut self.lock().pool);
        self.changed.notify_waiters();
    }

    /// Stops a pipeline; its last state waits for a Receive. One that has ended stays as it is.
    pub(super) fn stop(&self, id: Uuid) -> Result<(), Box<Fault>> {
        let mut state = self.lock();
        if state.pool.knows(id) {
            state.abort(id);
            let mut error = ErrorRecord::new(
                "PipelineStopped",
                14,
                "System.Management.Automation.PipelineStoppedException",
                "The pipeline has been stopped.",
            );
            error.target = None;
            // An error says that it had ended, or had not begun: then there is nothing to stop.
            let _ = state.pool.finish(id, &PipelineState::Stopped(Some(error)));
        } else if !state.ended.contains(&id) {
            return Err(fault::unknown_command());
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Stops a pipeline and forgets it.
    pub(super) fn terminate(&self, id: Uuid) -> Result<(), Box<Fault>> {
        let mut state = self.lock();
        if !state.ended.remove(&id) && !state.pool.knows(id) {
            return Err(fault::unknown_command());
        }
        state.abort(id);
        state.pool.forget(id);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Ends everything. Who waits for output hears so.
    pub(super) fn delete<R: Runner>(&self, runner: &R) {
        let mut state = self.lock();
        state.deleted = true;
        for (_, run) in state.runs.drain() {
            if let Some(task) = run.task {
                task.abort();
            }
        }
        drop(state);
        self.changed.notify_waiters();
        runner.forget(self.id);
    }

    /// Waits for output of the pool or of a command, of at most `room` bytes.
    pub(super) async fn receive(
        &self,
        command: Option<Uuid>,
        room: usize,
        patience: Duration,
    ) -> Result<ReceiveResponse, Box<Fault>> {
        let deadline = Instant::now() + patience;
        if command.is_some_and(|id| !self.knows(id)) {
            return Err(fault::unknown_command());
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no ring is missed, whatever happens before the wait.
            changed.as_mut().enable();
            if let Some(output) = self.output(command, room)? {
                return Ok(output);
            }
            tokio::time::timeout_at(deadline, changed)
                .await
                .map_err(|_| fault::timed_out())?;
        }
    }

    fn output(
        &self,
        command: Option<Uuid>,
        room: usize,
    ) -> Result<Option<ReceiveResponse>, Box<Fault>> {
        let mut state = self.lock();
        if state.deleted {
            return Err(fault::aborted());
        }
        if state.disconnected {
            return Err(fault::disconnected());
        }
        if let Some(why) = &state.refused {
            return Err(why.clone());
        }
        if command.is_some_and(|id| !state.pool.knows(id)) {
            // It was there when the Receive came.
            return Err(fault::aborted());
        }
        let mut streams: Vec<Stream> = Vec::new();
        let mut left = room;
        // A rest too small to be worth a fragment is left alone.
        while streams.is_empty() || left > MARKUP {
            let Some(data) = state.pool.take(command, left) else {
                break;
            };
            left = left.saturating_sub(data.len() + MARKUP);
            streams.push(Stream {
                name: "stdout".into(),
                command_id: command,
                end: false,
                data,
            });
        }
        let Some(id) = command else {
            if !streams.is_empty() && std::mem::take(&mut state.opening) {
                // An error says that it is open already.
                let _ = state.pool.announce_opened();
            }
            return Ok((!streams.is_empty()).then_some(ReceiveResponse {
                streams,
                state: None,
            }));
        };
        if state.pool.is_done(id) {
            state.pool.forget(id);
            state.ended.insert(id);
            let done = CommandState {
                command_id: command,
                state: RunState::Done,
                exit_code: Some(0),
            };
            return Ok(Some(ReceiveResponse {
                streams,
                state: Some(done),
            }));
        }
        Ok((!streams.is_empty()).then_some(ReceiveResponse {
            streams,
            state: None,
        }))
    }
}
