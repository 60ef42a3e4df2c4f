//! [`Shells`]: the WS-Management service of the site's endpoints.
//!
//! Envelopes in, envelopes out: shells are created, pipelines and programs run through a [`Runner`],
//! output waits until a Receive takes it. HTTP, authentication and sealing have happened before.

mod banner;
mod fault;
mod options;
mod process;
mod programs;
mod quota;
mod runspace;
#[cfg(test)]
mod tests;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_inventory::{
    EndpointKind, ExchangeVersion, HostName, PowerShellVersion, Site, WindowsVersion,
};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Pipeline;
use owaim_proto::wsman::{
    self, Config, Connected, CreateShell, Enumerate, Fault, Identity, Items, Request, RequestBody,
    RequestHeader, Resource, Response, ResponseBody, ShellCommand, SignalCode,
};
use owaim_proto::xml::Limits;
use tokio::time::Instant;
use uuid::Uuid;

use super::is_winrm;
use crate::world::{Caller, Execution, Program, ProgramLine, Refused, Surroundings, World};
use programs::ProgramShells;
pub(crate) use quota::Quotas;
use runspace::Runspace;
use work::Work;

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

    /// Whether it is the same account at the same service: quotas are a service's, and what is at
    /// `/wsman` is one, whatever listens there.
    fn shares_quotas(&self, other: &Self) -> bool {
        let winrm = is_winrm(self.endpoint) && is_winrm(other.endpoint);
        self.host == other.host
            && (winrm || self.endpoint == other.endpoint)
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

    /// The Exchange of a host that has one.
    fn exchange(&self, host: &HostName) -> Option<ExchangeVersion>;
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

    fn exchange(&self, host: &HostName) -> Option<ExchangeVersion> {
        Self::exchange(self, host)
    }
}

/// The shells of all endpoints. One instance serves every listener of the site.
pub(crate) struct Shells<R: Runner = World> {
    work: Work<R>,
    /// Session configurations that differ from the default of their kind.
    configurations: HashMap<(HostName, EndpointKind), String>,
    quotas: Quotas,
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
            work: Work::new(runner),
            configurations,
            quotas: Quotas::default(),
            table: Mutex::default(),
            programs: ProgramShells::default(),
        }
    }

    /// With other quotas.
    pub(crate) fn with_quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Answers the envelope `body`: HTTP status and envelope of the answer.
    ///
    /// May take as long as the OperationTimeout of the request: a Receive waits for output.
    pub(crate) async fn handle(&self, origin: RequestOrigin, body: Vec<u8>) -> (u16, Vec<u8>) {
        let limits = Limits::default();
        let refuse = |fault: Box<Fault>| {
            let fault = ResponseBody::Fault(fault::at(&origin, *fault));
            let relates_to = Request::peek_message_id(&body, &limits).unwrap_or_default();
            (500, Response::new(&relates_to, fault).encode("", ""))
        };
        let most = quota::max_envelope_kib(self.version(&origin.host));
        if body.len() > usize::try_from(most).unwrap_or(usize::MAX) * 1024 {
            return refuse(fault::envelope_too_large(most));
        }
        if wsman::is_identify(&body, &limits) {
            return (200, self.identify(&origin.host, true));
        }
        let request = match Request::decode(&body, &limits) {
            Ok(request) => request,
            Err(error) => return refuse(fault::of_envelope(&error)),
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

    /// The answer to an Identify. The system is told only to those who have logged on.
    pub(crate) fn identify(&self, host: &HostName, logged_on: bool) -> Vec<u8> {
        let version = self.work.runner.windows(host).filter(|_| logged_on);
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
        let stack = quota::stack(self.version(host));
        let identity = Identity {
            protocol_version: "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd".into(),
            vendor: "Microsoft Corporation".into(),
            version: format!("OS: {system} SP: 0.0 Stack: {stack}"),
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
                self.check_id(&table, create)?;
                if let Some(limit) = self.reached(&table, origin) {
                    return Err(fault::too_many_shells(limit));
                }
                return self.programs.create(origin, header, create);
            }
            let acts_as = self.configuration(origin, &header.resource_uri)?;
            return self.create(origin, acts_as, header, create);
        }
        if let RequestBody::Enumerate(wanted) = &request.body {
            return self.enumerate(origin, wanted);
        }
        if header.resource_uri == wsman::CONFIG {
            return self.config(origin, &request.body);
        }
        if matches!(request.body, RequestBody::Command(_)) {
            self.check_operations(origin)?;
        }
        if let Some(id) = header.shell().filter(|id| self.programs.has(*id)) {
            let asked = (header, &request.body);
            return self.programs.answer(&self.work, origin, id, asked).await;
        }
        let shell = self.find(origin, header.shell())?;
        let _use = shell.in_use();
        self.answer_in(&shell, origin, request).await
    }

    /// Answers a request for a shell with a runspace pool.
    async fn answer_in(
        &self,
        shell: &Arc<Runspace>,
        origin: &RequestOrigin,
        request: &Request,
    ) -> Result<ResponseBody, Box<Fault>> {
        let header = &request.header;
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
                shell.delete(&self.work.runner);
                Ok(ResponseBody::Deleted)
            }
            RequestBody::Command(line) => {
                let fragments = line
                    .fragments()
                    .map_err(|error| fault::of_envelope(&error))?;
                let limit = self.quotas.commands(self.version(&origin.host));
                if let Some(limit) = limit.filter(|limit| shell.commands() >= *limit) {
                    return Err(fault::too_many_commands(limit));
                }
                let id = line.id.unwrap_or_else(Uuid::new_v4);
                shell.command(&self.work, id, &fragments)?;
                Ok(ResponseBody::CommandStarted(id))
            }
            RequestBody::Send(send) => {
                for stream in &send.streams {
                    shell.input(&self.work, stream)?;
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
                    (SignalCode::Terminate, Some(id)) => shell.terminate(id)?,
                    (SignalCode::CtrlC | SignalCode::PowerShellCtrlC, Some(id)) => {
                        shell.stop(id)?;
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
                    (Some(id), _) if shell.knows(id) => {
                        shell.check_connected()?;
                        None
                    }
                    (None, Some(content)) => {
                        options::check(header)?;
                        Some(shell.connect(content, header.session_id)?)
                    }
                    (Some(_), _) => return Err(fault::unknown_command()),
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

    /// The service's configuration, which administrators may read: everybody at the endpoints of Windows,
    /// nobody at the restricted ones.
    fn config(
        &self,
        origin: &RequestOrigin,
        asked: &RequestBody,
    ) -> Result<ResponseBody, Box<Fault>> {
        if !is_winrm(origin.endpoint) {
            return Err(fault::access_denied());
        }
        if *asked != RequestBody::Get {
            return Err(fault::not_modelled(
                "changes of the service's configuration",
            ));
        }
        let max_envelope_kib = quota::max_envelope_kib(self.version(&origin.host));
        let config = Resource::Config(Config { max_envelope_kib });
        Ok(ResponseBody::Got(Box::new(config)))
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
        options::check(header)?;
        let creation = create
            .creation
            .as_deref()
            .ok_or_else(|| fault::invalid_parameter("creationXml"))?;
        let id = create.id.unwrap_or_else(Uuid::new_v4);
        let version = self.version(&origin.host);
        let idle = create.idle_timeout.unwrap_or(IDLE);
        let mut table = self.table();
        self.check_id(&table, create)?;
        let reached = self.reached(&table, origin);
        if let Some(limit) = reached.filter(|_| !self.refuses_sessions(origin)) {
            return Err(fault::too_many_shells(limit));
        }
        let (uri, session) = (&header.resource_uri, header.session_id);
        let shell = Runspace::new(id, origin.clone(), acts_as, version, uri, idle, session);
        shell.open(creation)?;
        if let Some(limit) = reached {
            shell.refuse(fault::throttled(limit));
        }
        let description = shell.describe();
        table.insert(id, Arc::new(shell));
        Ok(ResponseBody::Created(description))
    }

    /// Whether there is no shell yet of the id that a client proposes.
    fn check_id(
        &self,
        pools: &HashMap<Uuid, Arc<Runspace>>,
        create: &CreateShell,
    ) -> Result<(), Box<Fault>> {
        let taken = |id| pools.contains_key(&id) || self.programs.has(id);
        if create.id.is_some_and(taken) {
            return Err(fault::invalid_parameter(
                "the proposed ShellId, which is taken",
            ));
        }
        Ok(())
    }

    /// The number of shells that an account may have, if it has as many.
    fn reached(
        &self,
        pools: &HashMap<Uuid, Arc<Runspace>>,
        origin: &RequestOrigin,
    ) -> Option<usize> {
        let version = self.version(&origin.host);
        let limit = self.quotas.shells(origin.endpoint, version);
        let pools = pools.values().filter(|shell| shell.counts_for(origin));
        let (programs, _) = self.programs.count(origin);
        (pools.count() + programs >= limit).then_some(limit)
    }

    /// Whether one session too many is refused in a shell that is made for it, and not by its Create: so
    /// Exchange does from 2013 on.
    fn refuses_sessions(&self, origin: &RequestOrigin) -> bool {
        let exchange = self.work.runner.exchange(&origin.host);
        origin.endpoint == EndpointKind::Exchange && exchange >= Some(ExchangeVersion::E2013)
    }

    /// Whether an account may start one more command, in whichever of its shells.
    fn check_operations(&self, origin: &RequestOrigin) -> Result<(), Box<Fault>> {
        let version = self.version(&origin.host);
        let Some(limit) = self.quotas.operations(origin.endpoint, version) else {
            return Ok(());
        };
        let table = self.table();
        let pools = table.values().filter(|shell| shell.counts_for(origin));
        let commands: usize = pools.map(|shell| shell.commands()).sum();
        let (_, programs) = self.programs.count(origin);
        if commands + programs >= limit {
            return Err(fault::too_many_operations(limit));
        }
        Ok(())
    }

    /// The PowerShell of a host, and with it the generation of its service.
    fn version(&self, host: &HostName) -> PowerShellVersion {
        let version = self.work.runner.powershell(host);
        version.unwrap_or(PowerShellVersion { major: 5, minor: 1 })
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
            shell.delete(&self.work.runner);
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Runspace>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
