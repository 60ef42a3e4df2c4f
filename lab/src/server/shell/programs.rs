//! [`ProgramShells`]: shells for programs (WinRS, [MS-WSMV] 3.1.4.5 and on) at the endpoints of
//! Windows.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_proto::wsman::{
    self, CommandLine, CreateShell, Fault, Receive, RequestBody, RequestHeader, Resource,
    ResponseBody, RunState, Send, Shell, Signal, SignalCode,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::process::Process;
use super::work::Work;
use super::{IDLE, RequestOrigin, Runner, fault};
use crate::server::is_winrm;
use crate::world::{Caller, CodePage, ProgramLine, Refused, Surroundings};

/// The shells for programs of all endpoints.
#[derive(Default)]
pub(super) struct ProgramShells {
    table: Mutex<HashMap<Uuid, Arc<ProgramShell>>>,
}

/// One shell.
struct ProgramShell {
    id: Uuid,
    origin: RequestOrigin,
    name: Option<String>,
    around: Surroundings,
    idle: Duration,
    last_use: Mutex<Instant>,
    commands: Mutex<Commands>,
}

/// The programs of a shell.
#[derive(Default)]
struct Commands {
    processes: HashMap<Uuid, Arc<Process>>,
    /// Those that a client has heard the end of and not terminated.
    ended: HashSet<Uuid>,
}

impl ProgramShells {
    fn table(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<ProgramShell>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a shell of that id.
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.table().contains_key(&id)
    }

    /// The shells of an account at an endpoint.
    pub(super) fn of(&self, origin: &RequestOrigin) -> Vec<Shell> {
        let table = self.table();
        let own = table.values().filter(|shell| shell.origin.is_same(origin));
        own.map(|shell| shell.describe()).collect()
    }

    /// How many shells count against the quotas that hold for an account somewhere, and how many commands
    /// there are in them that have not been terminated.
    pub(super) fn count(&self, origin: &RequestOrigin) -> (usize, usize) {
        let table = self.table();
        let shells = table.values();
        let counts = shells.filter(|shell| shell.origin.shares_quotas(origin));
        counts.fold((0, 0), |(shells, commands), shell| {
            (shells + 1, commands + shell.commands().count())
        })
    }

    /// The programs of a shell.
    pub(super) fn processes(&self, origin: &RequestOrigin, id: Uuid) -> Option<Vec<Uuid>> {
        let shell = self.find(origin, id)?;
        Some(shell.commands().processes.keys().copied().collect())
    }

    /// Makes a shell.
    pub(super) fn create(
        &self,
        origin: &RequestOrigin,
        header: &RequestHeader,
        create: &CreateShell,
    ) -> Result<ResponseBody, Box<Fault>> {
        if !is_winrm(origin.endpoint) {
            return Err(fault::unknown_configuration(&header.resource_uri));
        }
        for option in &header.options {
            let known = ["WINRS_NOPROFILE", "WINRS_CODEPAGE"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&option.name));
            if option.must_comply && !known {
                return Err(fault::invalid_parameter(&option.name));
            }
        }
        let code_page = match header.option("WINRS_CODEPAGE") {
            None => CodePage::default(),
            Some(number) => CodePage::of(number)
                .ok_or_else(|| fault::not_modelled(&["code page ", number].concat()))?,
        };
        let id = create.id.unwrap_or_else(Uuid::new_v4);
        let shell = ProgramShell {
            id,
            origin: origin.clone(),
            name: create.name.clone(),
            around: Surroundings {
                environment: create.environment.clone(),
                directory: create
                    .working_directory
                    .clone()
                    .filter(|path| !path.is_empty()),
                code_page,
            },
            idle: create.idle_timeout.unwrap_or(IDLE),
            last_use: Mutex::new(Instant::now()),
            commands: Mutex::default(),
        };
        let description = shell.describe();
        self.table().insert(id, Arc::new(shell));
        Ok(ResponseBody::Created(description))
    }

    /// Answers a request for the shell `id`.
    pub(super) async fn answer<R: Runner>(
        &self,
        work: &Work<R>,
        origin: &RequestOrigin,
        id: Uuid,
        (header, body): (&RequestHeader, &RequestBody),
    ) -> Result<ResponseBody, Box<Fault>> {
        let shell = self.find(origin, id).ok_or_else(fault::unknown_shell)?;
        shell.touch();
        let answer = match body {
            RequestBody::Delete => {
                self.table().remove(&id);
                shell.end();
                Ok(ResponseBody::Deleted)
            }
            RequestBody::Command(line) => shell.command(work, header, line),
            RequestBody::Send(send) => shell.input(send),
            RequestBody::Receive(receive) => shell.receive(header, receive).await,
            RequestBody::Signal(signal) => shell.signal(signal),
            RequestBody::Get => Ok(ResponseBody::Got(Box::new(Resource::Shell(
                shell.describe(),
            )))),
            RequestBody::Disconnect(_) | RequestBody::Reconnect | RequestBody::Connect(_) => {
                Err(fault::not_modelled("shells for programs that are left"))
            }
            RequestBody::Create(_) | RequestBody::Enumerate(_) | RequestBody::Pull(_) => {
                Err(fault::unknown_shell())
            }
        };
        shell.touch();
        answer
    }

    /// Ends the shells that nobody has asked for longer than they are kept.
    pub(super) fn remove_idle(&self, now: Instant) {
        self.table().retain(|_, shell| {
            // Whoever is being answered holds it too.
            let keep = Arc::strong_count(shell) > 1 || !shell.is_idle(now);
            if !keep {
                shell.end();
            }
            keep
        });
    }

    fn find(&self, origin: &RequestOrigin, id: Uuid) -> Option<Arc<ProgramShell>> {
        let shell = self.table().get(&id).cloned()?;
        shell.origin.is_same(origin).then_some(shell)
    }
}

impl ProgramShell {
    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_use(&self) -> MutexGuard<'_, Instant> {
        self.last_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.last_use() = Instant::now();
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.duration_since(*self.last_use()) > self.idle
    }

    fn describe(&self) -> Shell {
        Shell {
            id: self.id,
            resource_uri: wsman::CMD_SHELL.into(),
            owner: Some(self.origin.user.clone()),
            client_ip: Some("127.0.0.1".into()),
            process_id: Some(2044),
            idle_timeout: Some(self.idle),
            name: self.name.clone(),
            ..Shell::default()
        }
    }

    fn process(&self, id: Option<Uuid>) -> Result<Arc<Process>, Box<Fault>> {
        let id = id.ok_or_else(|| fault::invalid_parameter("the CommandId"))?;
        let process = self.commands().processes.get(&id).cloned();
        process.ok_or_else(fault::unknown_command)
    }

    fn command<R: Runner>(
        &self,
        work: &Work<R>,
        header: &RequestHeader,
        line: &CommandLine,
    ) -> Result<ResponseBody, Box<Fault>> {
        let caller = Caller {
            host: self.origin.host.clone(),
            endpoint: self.origin.endpoint,
            user: self.origin.user.clone(),
            session: self.id,
        };
        let skip_cmd = header
            .option("WINRS_SKIP_CMD_SHELL")
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
        let wanted = ProgramLine {
            command: &line.command,
            arguments: &line.arguments,
            skip_cmd,
        };
        let id = line.id.unwrap_or_else(Uuid::new_v4);
        if self.commands().has(id) {
            return Err(fault::command_taken());
        }
        let program = work
            .runner
            .start(&caller, &self.around, &wanted)
            .map_err(|refused| match refused {
                Refused::NotModelled(what) => fault::not_modelled(&what),
                Refused::NoFolder => fault::no_folder(),
                Refused::NoProgram => fault::no_program(),
            })?;
        let process = Process::start(id, program, work);
        self.commands().processes.insert(id, process);
        Ok(ResponseBody::CommandStarted(id))
    }

    fn input(&self, send: &Send) -> Result<ResponseBody, Box<Fault>> {
        for stream in &send.streams {
            if stream.name != "stdin" {
                return Err(fault::invalid_parameter("the stream"));
            }
            let process = self.process(stream.command_id)?;
            process.input(&stream.data, stream.end)?;
        }
        Ok(ResponseBody::Sent)
    }

    async fn receive(
        &self,
        header: &RequestHeader,
        receive: &Receive,
    ) -> Result<ResponseBody, Box<Fault>> {
        let process = self.process(receive.command_id)?;
        let room = wsman::stream_room(header.max_envelope_size);
        let patience = header.operation_timeout;
        let received = process.receive(&receive.streams, room, patience).await?;
        let state = received.state.as_ref();
        if state.is_some_and(|state| state.state == RunState::Done) {
            self.commands().end(process.id());
        }
        Ok(ResponseBody::Received(received))
    }

    fn signal(&self, signal: &Signal) -> Result<ResponseBody, Box<Fault>> {
        let id = signal
            .command_id
            .ok_or_else(|| fault::invalid_parameter("the CommandId"))?;
        let mut commands = self.commands();
        if !commands.has(id) {
            return Err(fault::unknown_command());
        }
        match &signal.code {
            SignalCode::CtrlC | SignalCode::CtrlBreak => {
                // One that has ended takes signals too, and nothing comes of them.
                if let Some(process) = commands.processes.get(&id) {
                    process.interrupt(signal.code == SignalCode::CtrlBreak);
                }
            }
            SignalCode::Terminate => commands.terminate(id),
            SignalCode::PowerShellCtrlC | SignalCode::Other(_) => {
                return Err(fault::invalid_parameter("the signal"));
            }
        }
        Ok(ResponseBody::Signaled)
    }

    fn end(&self) {
        for (_, process) in self.commands().processes.drain() {
            process.terminate();
        }
    }
}

impl Commands {
    /// Whether there is a program of that id that has not been terminated.
    fn has(&self, id: Uuid) -> bool {
        self.processes.contains_key(&id) || self.ended.contains(&id)
    }

    /// How many there are that have not been terminated.
    fn count(&self) -> usize {
        self.processes.len() + self.ended.len()
    }

    /// A client has heard the end of that one.
    fn end(&mut self, id: Uuid) {
        if self.processes.remove(&id).is_some() {
            self.ended.insert(id);
        }
    }

    fn terminate(&mut self, id: Uuid) {
        if let Some(process) = self.processes.remove(&id) {
            process.terminate();
        }
        self.ended.remove(&id);
    }
}
