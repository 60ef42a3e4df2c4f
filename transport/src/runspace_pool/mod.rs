//! [`RunspacePool`]: runspaces on a server, and the pipelines that run in them.
//!
//! ```no_run
//! # async fn example(endpoint: &owaim_transport::Endpoint) -> Result<(), owaim_transport::TransportError> {
//! use owaim_proto::psrp::{Command, Pipeline, Record};
//! use owaim_transport::{PoolOptions, RunspacePool};
//!
//! let pool = RunspacePool::open(endpoint, &PoolOptions::default()).await?;
//! let services = Pipeline::new(Command::new("Get-Service").with("Name", "W3SVC"));
//! let mut running = pool.start(&services).await?;
//! while let Some(record) = running.next().await? {
//!     if let Record::Output(service) = record {
//!         // …
//!     }
//! }
//! pool.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! A pool has a few connections, which its pipelines share: a Receive that hangs has one for
//! itself, everything else passes it on another. A request is sent again only where it certainly
//! was not carried out. The shell is deleted when the pool is closed or dropped, and a pipeline
//! ended when it is, see [`Running`].

mod core;
mod handle;
mod host;
mod options;
mod running;

use std::sync::Arc;

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{
    ClientPool, CommandMetadata, CommandQuery, CreatePipeline, FragmentLimits, InitRunspacePool,
    Pipeline, PipelineState, ProtocolVersion, PsrpError, Record,
};
use owaim_proto::wsman::{
    self, CommandLine, Connect, CreateShell, Disconnect, Enumerate, FaultClass, Items, Pull,
    RequestBody, Resource, ResponseBody, ShellState,
};
use uuid::Uuid;

use self::core::Core;
use self::options::ANSWER;
use crate::error::action;
use crate::remote_shell::{Condition, RemoteShell, is_unknown, lock};
use crate::service::{Call, RequestOption, Service};
use crate::{Endpoint, TransportError};

pub use handle::{FoundPool, PipelineHandle, PoolHandle};
pub use host::{DefaultChoice, Host, NoHost};
pub use options::{PipelineOptions, PoolOptions};
pub use running::Running;

/// Most pieces that a list comes in. Windows puts as much into each as its envelope holds.
const MOST_PIECES: usize = 1_000;

/// Runspaces on a server.
pub struct RunspacePool {
    core: Arc<Core>,
    options: PoolOptions,
}

impl RunspacePool {
    /// Connects, authenticates, creates the shell and waits until its pool is open.
    pub async fn open(endpoint: &Endpoint, options: &PoolOptions) -> Result<Self, TransportError> {
        let resource_uri = wsman::configuration_uri(&endpoint.configuration);
        let pool = Self::new(
            endpoint,
            options,
            Uuid::new_v4(),
            Uuid::new_v4(),
            resource_uri,
        );
        // From here on, whatever ends this future leaves a pool that cleans up after itself.
        pool.create().await?;
        pool.listen();
        Ok(pool)
    }

    /// Comes back to a pool that another client, or this one before a crash, left: its pipelines
    /// go on, and [`take_up`](Self::take_up) takes up what they give. Where this fails the shell
    /// is left as it is.
    pub async fn connect(
        endpoint: &Endpoint,
        options: &PoolOptions,
        handle: &PoolHandle,
    ) -> Result<Self, TransportError> {
        let pool = Self::new(
            endpoint,
            options,
            handle.session_id,
            handle.shell_id,
            handle.resource_uri.clone(),
        );
        let core = &pool.core;
        let action = action::CONNECT;
        let content = {
            let mut client = lock(&core.pool);
            client
                .connect()
                .map_err(|error| core.broken(action, &error))?;
            client.take(None, core.shell.service.room())
        };
        let body = RequestBody::Connect(Connect {
            command_id: None,
            content,
        });
        let answer = core.shell.exchange(action, &[protocol()], body).await?;
        let ResponseBody::Connected(connected) = answer else {
            return Err(core.shell.service.unexpected(action));
        };
        lock(&core.pool)
            .connected(&connected.content.unwrap_or_default())
            .map_err(|error| core.broken(action, &error))?;
        // The server says of itself what it said to the first client.
        core.listen_once(action, core.taken()).await?;
        // Until here it is not this client's: whatever ends this future leaves it as it is.
        core.shell.set_condition(Condition::Present);
        pool.listen();
        Ok(pool)
    }

    /// The pools that the server has for the account, whoever opened them, with the pipelines that
    /// are left in them.
    pub async fn list(
        endpoint: &Endpoint,
        options: &PoolOptions,
    ) -> Result<Vec<FoundPool>, TransportError> {
        let session_id = Uuid::new_v4();
        let service = Self::service(endpoint, options, session_id);
        let mut found = Vec::new();
        for shell in list_all(&service, wsman::SHELLS, None).await?.shells {
            if wsman::configuration_name(&shell.resource_uri).is_none() {
                continue;
            }
            let listed = list_all(&service, wsman::COMMANDS, Some(shell.id)).await?;
            let pipelines = listed.commands.iter().map(|command| PipelineHandle {
                pipeline: command.id,
                command: command.id,
            });
            found.push(FoundPool {
                handle: PoolHandle {
                    session_id,
                    shell_id: shell.id,
                    resource_uri: shell.resource_uri,
                    pipelines: pipelines.collect(),
                },
                state: shell.state,
                name: shell.name,
                owner: shell.owner,
            });
        }
        Ok(found)
    }

    fn service(endpoint: &Endpoint, options: &PoolOptions, session_id: Uuid) -> Service {
        Service::new(
            endpoint,
            options.client,
            options.observer.clone(),
            &options.tickets,
            session_id,
            options.connections(),
        )
    }

    fn new(
        endpoint: &Endpoint,
        options: &PoolOptions,
        session_id: Uuid,
        id: Uuid,
        resource_uri: String,
    ) -> Self {
        let service = Self::service(endpoint, options, session_id);
        let shell = RemoteShell::new(service, id, resource_uri);
        let pool = ClientPool::new(id, FragmentLimits::default());
        Self {
            core: Arc::new(Core::new(shell, pool, Arc::clone(&options.host))),
            options: options.clone(),
        }
    }

    async fn create(&self) -> Result<(), TransportError> {
        let core = &self.core;
        let options = &self.options;
        let init = InitRunspacePool {
            min_runspaces: options.min_runspaces,
            max_runspaces: options.max_runspaces,
            host: options.host.info(),
            arguments: options.application_arguments.clone(),
        };
        let creation = {
            let mut pool = lock(&core.pool);
            pool.open(&init)
                .map_err(|error| core.unsendable(action::CREATE, &error))?;
            pool.take(None, core.shell.service.room())
        };
        let body = RequestBody::Create(CreateShell {
            id: Some(core.shell.name().0),
            name: options.name.clone(),
            input_streams: "stdin pr".into(),
            output_streams: "stdout".into(),
            idle_timeout: options.client.idle_timeout,
            creation,
            ..CreateShell::default()
        });
        let mut header = vec![protocol()];
        if options.no_profile {
            header.push(("WINRS_NOPROFILE", "TRUE".into(), true));
        }
        core.shell.create(body, &header).await?;
        let action = action::OPEN;
        core.send_waiting(action, None).await?;
        core.listen_until(action, options.client.open_timeout, |core| {
            lock(&core.pool).is_open().then_some(())
        })
        .await
    }

    fn listen(&self) {
        if self.options.listen {
            let core = Arc::clone(&self.core);
            drop(self.core.shell.spawn(core.listen_always()));
        }
    }

    /// Gives the server a pipeline to run; its output comes by [`Running::next`]. A pipeline that
    /// [takes input](Pipeline::takes_input) waits for it.
    pub async fn start(&self, pipeline: &Pipeline) -> Result<Running, TransportError> {
        self.start_with(pipeline, &PipelineOptions::default()).await
    }

    /// The same, in another than the usual way.
    pub async fn start_with(
        &self,
        pipeline: &Pipeline,
        options: &PipelineOptions,
    ) -> Result<Running, TransportError> {
        let mut create = CreatePipeline::new(pipeline.clone());
        create.add_to_history = options.add_to_history;
        create.invocation_info = options.invocation_info;
        create.is_nested = options.nested;
        create.host = self.options.host.info();
        create.pipeline.takes_input |= options.input.is_some();
        self.begin(|pool, id| {
            pool.create_pipeline(id, &create)?;
            if let Some(input) = &options.input {
                for value in input {
                    pool.input(id, value.clone())?;
                }
                pool.end_input(id)?;
            }
            Ok(())
        })
        .await
    }

    /// Asks the server which commands there are and what they take.
    pub async fn commands(
        &self,
        query: &CommandQuery,
    ) -> Result<Vec<CommandMetadata>, TransportError> {
        let running = self
            .begin(|pool, id| pool.query_commands(id, query))
            .await?;
        let output = running.output().await?;
        if let PipelineState::Failed(error) = &output.state {
            let detail = format!("the server does not tell: {}", error.message);
            return Err(self.core.shell.service.protocol(action::RECEIVE, detail));
        }
        Ok(output
            .objects()
            .filter_map(CommandMetadata::from_value)
            .collect())
    }

    async fn begin(
        &self,
        queue: impl Fn(&mut ClientPool, Uuid) -> Result<(), PsrpError>,
    ) -> Result<Running, TransportError> {
        let action = action::COMMAND;
        let core = &self.core;
        match core.shell.condition() {
            Condition::Present => {}
            Condition::Absent => {
                return Err(core.shell.service.unusable(action, "its shell was gone"));
            }
            Condition::Disconnected => {
                return Err(core.shell.service.unusable(action, "it was disconnected"));
            }
        }
        let id = Uuid::new_v4();
        let whose = PipelineHandle {
            pipeline: id,
            command: id,
        };
        let mut running = Running::queued(Arc::clone(core), whose);
        let mut queued = queue(&mut lock(&core.pool), id);
        if matches!(queued, Err(PsrpError::NoSessionKey { .. })) {
            lock(&core.pool).forget(id);
            core.agree_on_key(action::KEY, self.options.client.open_timeout)
                .await?;
            queued = queue(&mut lock(&core.pool), id);
        }
        queued.map_err(|error| core.unsendable(action, &error))?;
        // Until its end is reached, whatever ends this leaves a pipeline that ends itself.
        running.hand_over();
        if let Err(error) = self.command(&mut running).await {
            if !error.may_have_run() && error.action() == Some(action) {
                running.refused();
            }
            return Err(error);
        }
        Ok(running)
    }

    /// Command with the pipeline's first fragments, Send with each further batch.
    async fn command(&self, running: &mut Running) -> Result<(), TransportError> {
        let (core, action) = (&self.core, action::COMMAND);
        let pipeline = running.whose().pipeline;
        let fragments = lock(&core.pool)
            .take(Some(pipeline), core.shell.service.room())
            .unwrap_or_default();
        let body = RequestBody::Command(CommandLine::pipeline(pipeline, &fragments));
        let answer = core.shell.exchange(action, &[], body).await?;
        let ResponseBody::CommandStarted(command) = answer else {
            return Err(core.shell.service.unexpected(action));
        };
        let whose = PipelineHandle { pipeline, command };
        running.started(whose);
        core.send_waiting(action::COMMAND_REST, Some(whose)).await
    }

    /// Takes up the output of a pipeline that another client started, in a pool that this one has
    /// [connected](Self::connect) to.
    pub async fn take_up(&self, pipeline: &PipelineHandle) -> Result<Running, TransportError> {
        let (core, action) = (&self.core, action::CONNECT);
        lock(&core.pool)
            .adopt(pipeline.pipeline)
            .map_err(|error| core.unsendable(action, &error))?;
        let mut running = Running::queued(Arc::clone(core), *pipeline);
        let body = RequestBody::Connect(Connect {
            command_id: Some(pipeline.command),
            content: None,
        });
        match core.shell.exchange(action, &[], body).await? {
            ResponseBody::Connected(_) => {}
            _ => return Err(core.shell.service.unexpected(action)),
        }
        running.hand_over();
        running.started(*pipeline);
        Ok(running)
    }

    /// Leaves the pool: its pipelines go on, as far as the server keeps their output, and it may be
    /// come back to with what this gives, from another process too. Until then the server keeps it
    /// for its idle time-out. A pool that is dropped while it is left stays where it is.
    pub async fn disconnect(&self) -> Result<PoolHandle, TransportError> {
        let (shell, action) = (&self.core.shell, action::DISCONNECT);
        let handle = self.handle();
        let before = shell.condition();
        // From here on a Receive that ends by a fault has only been left.
        shell.set_condition(Condition::Disconnected);
        let body = RequestBody::Disconnect(Disconnect::default());
        match shell.exchange(action, &[], body).await {
            Ok(ResponseBody::Disconnected) => Ok(handle),
            answer => {
                shell.set_condition(before);
                Err(answer.map_or_else(|error| error, |_| shell.service.unexpected(action)))
            }
        }
    }

    /// Comes back to the pool that was left; its pipelines are as they were.
    pub async fn reconnect(&self) -> Result<(), TransportError> {
        let (shell, action) = (&self.core.shell, action::RECONNECT);
        match shell.exchange(action, &[], RequestBody::Reconnect).await? {
            ResponseBody::Reconnected => {
                shell.set_condition(Condition::Present);
                Ok(())
            }
            _ => Err(shell.service.unexpected(action)),
        }
    }

    /// What is needed to come back to the pool and to the pipelines that are running: worth
    /// writing down before a pipeline that must not be lost.
    pub fn handle(&self) -> PoolHandle {
        let (shell_id, resource_uri) = self.core.shell.name();
        PoolHandle {
            session_id: self.core.shell.service.session_id(),
            shell_id,
            resource_uri,
            pipelines: lock(&self.core.running).clone(),
        }
    }

    /// Whether the server still has the pool, and this client is connected to it. An error is one
    /// that does not say.
    pub async fn is_alive(&self) -> Result<bool, TransportError> {
        let (service, action) = (&self.core.shell.service, action::GET);
        let call = Call {
            action,
            resource_uri: wsman::SHELLS,
            shell: Some(self.core.shell.name().0),
            options: &[],
            body: RequestBody::Get,
        };
        let gone = match service.once(&call).await {
            Ok(ResponseBody::Got(resource)) => match *resource {
                Resource::Shell(shell) => shell.state == ShellState::Disconnected,
                Resource::Config(_) => return Err(service.unexpected(action)),
            },
            Ok(_) => return Err(service.unexpected(action)),
            Err(error) if is_unknown(&error) => {
                self.core.shell.set_condition(Condition::Absent);
                true
            }
            Err(TransportError::Fault { fault, .. }) if fault.class() == FaultClass::PollAgain => {
                true
            }
            Err(
                TransportError::Connect { .. }
                | TransportError::Closed { .. }
                | TransportError::Timeout { .. },
            ) => true,
            Err(error) => return Err(error),
        };
        Ok(!gone)
    }

    /// How many runspaces wait for a pipeline.
    pub async fn available_runspaces(&self) -> Result<i64, TransportError> {
        let answer = self.call(ClientPool::available_runspaces).await?;
        answer.as_i64().ok_or_else(|| {
            let detail = "expected a number of runspaces, found something else";
            self.core
                .shell
                .service
                .protocol(action::CALL, detail.into())
        })
    }

    /// Asks for a greatest number of runspaces; whether the server has agreed.
    pub async fn set_max_runspaces(&self, number: i32) -> Result<bool, TransportError> {
        let answer = self.call(|pool| pool.set_max_runspaces(number)).await?;
        Ok(answer.as_bool() == Some(true))
    }

    /// Asks for a least number of runspaces; whether the server has agreed.
    pub async fn set_min_runspaces(&self, number: i32) -> Result<bool, TransportError> {
        let answer = self.call(|pool| pool.set_min_runspaces(number)).await?;
        Ok(answer.as_bool() == Some(true))
    }

    /// Asks for runspaces as they were when the pool was opened, variables and history gone;
    /// whether the server has done it. Needs protocol 2.3 (PowerShell 5).
    pub async fn reset_state(&self) -> Result<bool, TransportError> {
        let answer = self.call(ClientPool::reset_state).await?;
        Ok(answer.as_bool() == Some(true))
    }

    async fn call(
        &self,
        queue: impl FnOnce(&mut ClientPool) -> Result<i64, PsrpError>,
    ) -> Result<Value, TransportError> {
        self.core.call(action::CALL, ANSWER, queue).await
    }

    /// Agrees with the server on a session key, if there is none yet. That happens by itself before
    /// the first secret is sent; only a pipeline that gives secrets without taking any needs it.
    pub async fn exchange_keys(&self) -> Result<(), TransportError> {
        self.core
            .agree_on_key(action::KEY, self.options.client.open_timeout)
            .await
    }

    /// The version of the protocol that both sides speak.
    pub fn version(&self) -> ProtocolVersion {
        lock(&self.core.pool).version()
    }

    /// What the server says of itself, `PSVersionTable` among it.
    pub fn private_data(&self) -> Value {
        lock(&self.core.pool).private_data().clone()
    }

    /// Least and greatest number of runspaces: as asked for and agreed on, or as the server said
    /// when this client connected.
    pub fn runspaces(&self) -> (i32, i32) {
        lock(&self.core.pool).runspaces()
    }

    /// What the pool itself, not one of its pipelines, has said since this was last asked: the
    /// latest of it, if that was much.
    pub fn take_records(&self) -> Vec<Record> {
        self.core.said()
    }

    /// How many bytes of a stream fit into an envelope.
    pub(crate) fn room(&self) -> usize {
        self.core.shell.service.room()
    }

    /// Sends larger envelopes from now on, if the service takes them and the account may know.
    pub(crate) async fn learn_send_limit(&self) {
        self.core.shell.service.learn_send_limit().await;
    }

    /// Whether a connection was lost, so that the pool went on over another, or would.
    pub(crate) fn lost_connection(&self) -> bool {
        self.core.shell.service.connections().lost_one()
    }

    /// Whether the shell is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.core.shell.condition() == Condition::Absent
    }

    /// Ends the pool, what runs in it, and the shell. Errors while closing are of no interest to
    /// anyone.
    pub async fn close(self) {
        Arc::clone(&self.core.shell).close().await;
    }
}

impl Drop for RunspacePool {
    fn drop(&mut self) {
        self.core.shell.let_go();
    }
}

/// Says which protocol the client speaks; a server that knows none of that name must refuse.
fn protocol() -> RequestOption {
    ("protocolversion", "2.3".into(), true)
}

/// Shells of the account, or the commands of one: the whole list, in as many pieces as it takes.
async fn list_all(
    service: &Service,
    resource_uri: &str,
    shell: Option<Uuid>,
) -> Result<Items, TransportError> {
    let action = action::ENUMERATE;
    let mut all = Items::default();
    let mut body = RequestBody::Enumerate(Enumerate { shell });
    for _ in 0..MOST_PIECES {
        let call = Call {
            action,
            resource_uri,
            shell: None,
            options: &[],
            body,
        };
        let (ResponseBody::Enumerated(items) | ResponseBody::Pulled(items)) =
            service.exchange(call).await?
        else {
            return Err(service.unexpected(action));
        };
        all.shells.extend(items.shells);
        all.commands.extend(items.commands);
        let Some(context) = items.context else {
            return Ok(all);
        };
        body = RequestBody::Pull(Pull { context });
    }
    let detail = format!("expected a list in at most {MOST_PIECES} pieces, found more");
    Err(service.protocol(action, detail))
}
