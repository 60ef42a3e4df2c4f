//! [`Shells`]: the WS-Management service of the site's endpoints.
//!
//! Envelopes in, envelopes out: shells are created, pipelines and programs run through a [`Runner`],
//! output waits until a Receive takes it. HTTP, authentication and sealing have happened before.

mod banner;
mod fault;
mod process;
mod programs;
mod runspace;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_inventory::{EndpointKind, HostName, PowerShellVersion, Site, WindowsVersion};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Pipeline;
use owaim_proto::wsman::{
    self, Connected, CreateShell, Enumerate, Fault, Identity, Items, Request, RequestBody,
    RequestHeader, Resource, Response, ResponseBody, ShellCommand, SignalCode,
};
use owaim_proto::xml::Limits;
use tokio::time::Instant;
use uuid::Uuid;

use crate::world::{Caller, Execution, Program, ProgramLine, Refused, Surroundings, World};
use programs::ProgramShells;
use runspace::Runspace;

/// How long a shell is kept that nobody asks for and that does not say for how long: the default
/// of Windows.
const IDLE: Duration = Duration::from_hours(2);

/// Where an authenticated request came in, and from whom.
#[derive(Debug, Clone)]
pub(crate) struct RequestOrigin {
    /// The host whose listener took it.
    pub(crate) host: HostName,
    /// The kind of the endpoint behind the URL path.
    pub(crate) endpoint: EndpointKind,
    /// The authenticated account, as `DOMAIN\user`.
    pub(crate) user: String,
    /// The URL path, for example `/wsman`.
    pub(crate) path: String,
}

impl RequestOrigin {
    /// Whether it is the same account at the same endpoint.
    fn is_same(&self, other: &Self) -> bool {
        self.host == other.host
            && self.endpoint == other.endpoint
            && self.path == other.path
            && self.user.eq_ignore_ascii_case(&other.user)
    }
}

/// What runs pipelines and programs: the simulated site.
pub(crate) trait Runner: Clone + Send + Sync + 'static {
    /// Runs a pipeline at once.
    fn run(&self, caller: &Caller, pipeline: &Pipeline, input: &[Value]) -> Execution;

    /// Forgets what it knows of a runspace.
    fn forget(&self, session: Uuid);

    /// Starts a program.
    fn start(
        &self,
        caller: &Caller,
        around: &Surroundings,
        line: &ProgramLine<'_>,
    ) -> Result<Program, Refused>;

    /// The PowerShell of a host.
    fn powershell(&self, host: &HostName) -> Option<PowerShellVersion>;

    /// The Windows of a host.
    fn windows(&self, host: &HostName) -> Option<WindowsVersion>;
}

impl Runner for World {
    fn run(&self, caller: &Caller, pipeline: &Pipeline, input: &[Value]) -> Execution {
        Self::run(self, caller, pipeline, input)
    }

    fn forget(&self, session: Uuid) {
        Self::forget(self, session);
    }

    fn powershell(&self, host: &HostName) -> Option<PowerShellVersion> {
        Self::powershell(self, host)
    }

    fn start(
        &self,
        caller: &Caller,
        around: &Surroundings,
        line: &ProgramLine<'_>,
    ) -> Result<Program, Refused> {
        self.start_program(caller, around, line)
    }

    fn windows(&self, host: &HostName) -> Option<WindowsVersion> {
        Self::windows(self, host)
    }
}

/// The shells of all endpoints. One instance serves every listener of the site.
pub(crate) struct Shells<R: Runner = World> {
    runner: R,
    /// Session configurations that differ from the default of their kind.
    configurations: HashMap<(HostName, EndpointKind), String>,
    /// Shells that an account may have at an endpoint, where that is not as usual.
    quota: Option<usize>,
    table: Mutex<HashMap<Uuid, Arc<Runspace>>>,
    programs: ProgramShells,
}

impl<R: Runner> Shells<R> {
    /// A service without shells over `runner`, with the session configurations of `site`.
    pub(crate) fn new(runner: R, site: &Site) -> Self {
        let rules = site.hosts.iter().flat_map(|host| {
            host.endpoints.iter().filter_map(|(kind, rule)| {
                Some(((host.name.clone(), *kind), rule.configuration.clone()?))
            })
        });
        Self::with_configurations(runner, rules.collect())
    }

    fn with_configurations(
        runner: R,
        configurations: HashMap<(HostName, EndpointKind), String>,
    ) -> Self {
        Self {
            runner,
            configurations,
            quota: None,
            table: Mutex::default(),
            programs: ProgramShells::default(),
        }
    }

    /// With another limit for the shells of an account.
    pub(crate) fn with_most_shells(mut self, limit: Option<usize>) -> Self {
        self.quota = limit;
        self
    }

    /// Answers the envelope `body`: HTTP status and envelope of the answer.
    ///
    /// May take as long as the OperationTimeout of the request: a Receive waits for output.
    pub(crate) async fn handle(&self, origin: RequestOrigin, body: Vec<u8>) -> (u16, Vec<u8>) {
        let limits = Limits::default();
        if wsman::is_identify(&body, &limits) {
            return (200, self.identify(Some(&origin.host)));
        }
        let request = match Request::decode(&body, &limits) {
            Ok(request) => request,
            Err(error) => {
                let fault = fault::at(&origin, *fault::of_envelope(&error));
                let relates_to = Request::peek_message_id(&body, &limits).unwrap_or_default();
                return (
                    500,
                    Response::new(&relates_to, ResponseBody::Fault(fault)).encode("", ""),
                );
            }
        };
        let header = &request.header;
        let (status, answer) = match self.answer(&origin, &request).await {
            Ok(answer) => (200, answer),
            Err(fault) => (500, ResponseBody::Fault(fault::at(&origin, *fault))),
        };
        (
            status,
            Response::new(&header.message_id, answer).encode(&header.to, &header.resource_uri),
        )
    }

    /// The answer to an Identify. The system is told only to those who have logged on, at `host`.
    pub(crate) fn identify(&self, host: Option<&HostName>) -> Vec<u8> {
        let version = host.and_then(|host| self.runner.windows(host));
        let system = match version {
            None => "0.0.0",
            Some(WindowsVersion::W2008R2) => "6.1.7601",
            Some(WindowsVersion::W2012) => "6.2.9200",
            Some(WindowsVersion::W2012R2) => "6.3.9600",
            Some(WindowsVersion::W2016) => "10.0.14393",
            Some(WindowsVersion::W2019) => "10.0.17763",
            Some(WindowsVersion::W2022) => "10.0.20348",
            Some(WindowsVersion::W2025) => "10.0.26100",
        };
        let identity = Identity {
            protocol_version: "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd".into(),
            vendor: "Microsoft Corporation".into(),
            version: format!("OS: {system} SP: 0.0 Stack: 3.0"),
        };
        identity.encode()
    }

    async fn answer(
        &self,
        origin: &RequestOrigin,
        request: &Request,
    ) -> Result<ResponseBody, Box<Fault>> {
        self.remove_idle();
        let header = &request.header;
        if let RequestBody::Create(create) = &request.body {
            if header.resource_uri == wsman::CMD_SHELL {
                let table = self.table();
                self.check_quota(&table, create, origin)?;
                return self.programs.create(origin, header, create);
            }
            let acts_as = self.configuration(origin, &header.resource_uri)?;
            return self.create(origin, acts_as, header, create);
        }
        if let RequestBody::Enumerate(wanted) = &request.body {
            return self.enumerate(origin, wanted);
        }
        if let Some(id) = header.shell().filter(|id| self.programs.has(*id)) {
            let asked = (header, &request.body);
            return self.programs.answer(&self.runner, origin, id, asked).await;
        }
        let shell = self.find(origin, header.shell())?;
        let _use = shell.in_use();
        if !matches!(
            &request.body,
            RequestBody::Delete
                | RequestBody::Get
                | RequestBody::Reconnect
                | RequestBody::Connect(_)
        ) {
            shell.check_connected()?;
        }
        match &request.body {
            RequestBody::Create(_) => Err(fault::unknown_shell()),
            RequestBody::Delete => {
                self.table().remove(&shell.id());
                shell.delete(&self.runner);
                Ok(ResponseBody::Deleted)
            }
            RequestBody::Command(line) => {
                let fragments = line
                    .fragments()
                    .map_err(|error| fault::of_envelope(&error))?;
                let id = line.id.unwrap_or_else(Uuid::new_v4);
                shell.command(&self.runner, id, &fragments)?;
                Ok(ResponseBody::CommandStarted(id))
            }
            RequestBody::Send(send) => {
                for stream in &send.streams {
                    shell.input(&self.runner, stream)?;
                }
                Ok(ResponseBody::Sent)
            }
            RequestBody::Receive(receive) => {
                let room = wsman::stream_room(header.max_envelope_size);
                let received = shell
                    .receive(receive.command_id, room, header.operation_timeout)
                    .await?;
                Ok(ResponseBody::Received(received))
            }
            RequestBody::Signal(signal) => {
                match (&signal.code, signal.command_id) {
                    (SignalCode::Terminate, Some(id)) => shell.terminate(id),
                    (SignalCode::CtrlC | SignalCode::PowerShellCtrlC, Some(id)) => {
                        shell.stop(id);
                    }
                    (SignalCode::CtrlBreak | SignalCode::Other(_), _) | (_, None) => {
                        return Err(fault::invalid_parameter("the signal"));
                    }
                }
                Ok(ResponseBody::Signaled)
            }
            RequestBody::Disconnect(disconnect) => {
                shell.disconnect(disconnect.idle_timeout);
                Ok(ResponseBody::Disconnected)
            }
            RequestBody::Reconnect => {
                shell.reconnect(header.session_id)?;
                Ok(ResponseBody::Reconnected)
            }
            RequestBody::Connect(connect) => {
                let content = match (connect.command_id, &connect.content) {
                    (Some(id), _) if shell.knows(id) => None,
                    (None, Some(content)) => Some(shell.connect(content, header.session_id)?),
                    (Some(_), _) => return Err(fault::invalid_parameter("the CommandId")),
                    (None, None) => return Err(fault::invalid_parameter("connectXml")),
                };
                Ok(ResponseBody::Connected(Connected { content }))
            }
            RequestBody::Get => Ok(ResponseBody::Got(Box::new(Resource::Shell(
                shell.describe(),
            )))),
            RequestBody::Enumerate(wanted) => self.enumerate(origin, wanted),
            // Every list is given at once.
            RequestBody::Pull(_) => Err(fault::invalid_parameter("the EnumerationContext")),
        }
    }

    /// The shells of the account at the endpoint, or the commands of one.
    fn enumerate(
        &self,
        origin: &RequestOrigin,
        wanted: &Enumerate,
    ) -> Result<ResponseBody, Box<Fault>> {
        let mut items = Items::default();
        if let Some(id) = wanted.shell {
            let commands = match self.programs.processes(origin, id) {
                Some(processes) => processes,
                None => self.find(origin, wanted.shell)?.pipelines(),
            };
            let commands = commands.into_iter().map(|id| ShellCommand {
                id,
                state: "Running".into(),
            });
            items.commands.extend(commands);
        } else {
            let table = self.table();
            let own = table.values().filter(|shell| shell.serves(origin));
            items.shells.extend(own.map(|shell| shell.describe()));
            items.shells.extend(self.programs.of(origin));
        }
        Ok(ResponseBody::Enumerated(items))
    }

    /// The kind of session that the configuration which a resource URI names makes, if the
    /// endpoint has it. That of Windows itself is on every `/wsman`, and makes there what it
    /// makes everywhere.
    fn configuration(&self, origin: &RequestOrigin, uri: &str) -> Result<EndpointKind, Box<Fault>> {
        let own = self
            .configurations
            .get(&(origin.host.clone(), origin.endpoint));
        let own = own.map_or_else(|| origin.endpoint.default_configuration(), String::as_str);
        let windows = match origin.endpoint {
            EndpointKind::Windows | EndpointKind::LyncLocal => Some("Microsoft.PowerShell"),
            EndpointKind::Exchange | EndpointKind::Lync => None,
        };
        match wsman::configuration_name(uri) {
            // The one that Windows itself brings runs as the caller, whoever names it.
            Some(name) if windows.is_some_and(|w| name.eq_ignore_ascii_case(w)) => {
                Ok(EndpointKind::Windows)
            }
            Some(name) if name.eq_ignore_ascii_case(own) => Ok(origin.endpoint),
            _ => Err(fault::unknown_configuration(uri)),
        }
    }

    fn create(
        &self,
        origin: &RequestOrigin,
        acts_as: EndpointKind,
        header: &RequestHeader,
        create: &CreateShell,
    ) -> Result<ResponseBody, Box<Fault>> {
        let creation = create
            .creation
            .as_deref()
            .ok_or_else(|| fault::invalid_parameter("creationXml"))?;
        let id = create.id.unwrap_or_else(Uuid::new_v4);
        let version = self
            .runner
            .powershell(&origin.host)
            .unwrap_or(PowerShellVersion { major: 5, minor: 1 });
        let idle = create.idle_timeout.unwrap_or(IDLE);
        let mut table = self.table();
        self.check_quota(&table, create, origin)?;
        let (uri, session) = (&header.resource_uri, header.session_id);
        let shell = Runspace::new(id, origin.clone(), acts_as, version, uri, idle, session);
        shell.open(creation)?;
        let description = shell.describe();
        table.insert(id, Arc::new(shell));
        Ok(ResponseBody::Created(description))
    }

    /// Whether an account may have one more shell, of the id that it proposes.
    fn check_quota(
        &self,
        pools: &HashMap<Uuid, Arc<Runspace>>,
        create: &CreateShell,
        origin: &RequestOrigin,
    ) -> Result<(), Box<Fault>> {
        let taken = |id| pools.contains_key(&id) || self.programs.has(id);
        if create.id.is_some_and(taken) {
            return Err(fault::invalid_parameter(
                "the proposed ShellId, which is taken",
            ));
        }
        let limit = self.quota.unwrap_or(most_shells(origin.endpoint));
        let pools = pools.values().filter(|shell| shell.serves(origin)).count();
        if pools + self.programs.of(origin).len() >= limit {
            return Err(fault::too_many_shells(limit));
        }
        Ok(())
    }

    fn find(&self, origin: &RequestOrigin, id: Option<Uuid>) -> Result<Arc<Runspace>, Box<Fault>> {
        let shell = id.and_then(|id| self.table().get(&id).cloned());
        shell
            .filter(|shell| shell.serves(origin))
            .ok_or_else(fault::unknown_shell)
    }

    fn remove_idle(&self) {
        let now = Instant::now();
        self.programs.remove_idle(now);
        let mut idle = Vec::new();
        self.table().retain(|_, shell| {
            let keep = !shell.is_idle(now);
            if !keep {
                idle.push(Arc::clone(shell));
            }
            keep
        });
        for shell in idle {
            shell.delete(&self.runner);
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Runspace>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shells that an account may have at an endpoint: `MaxShellsPerUser` of Windows, and
/// `PowerShellMaxConcurrency` of Exchange's default throttling policy.
fn most_shells(endpoint: EndpointKind) -> usize {
    match endpoint {
        EndpointKind::Exchange => 18,
        EndpointKind::Windows | EndpointKind::Lync | EndpointKind::LyncLocal => 30,
    }
}
