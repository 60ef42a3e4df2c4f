//! A WS-Management service with one shell, real runspace pools and Receives that hang.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use owaim_proto::clixml::Value;
use owaim_proto::multipart::Delimiter;
use owaim_proto::psrp::{
    CommandQuery, FragmentLimits, HostCall, HostInfo, PipelineState, ProtocolVersion, Record,
    ServerEvent, ServerPool,
};
use owaim_proto::wsman::{
    self, CommandLine, CommandState, Connected, CreateShell, Enumerate, Fault, Identity, Items,
    ReceiveResponse, Request, RequestBody, RequestHeader, Resource, Response, ResponseBody,
    RunState, Shell, ShellCommand, ShellState, SignalCode, Stream, code,
};
use owaim_proto::xml::Limits;
use owaim_transport::{
    Authentication, ClientOptions, Credential, Endpoint, Retry, Secret, Timeouts,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::peer::{PASSWORD, Peer};

/// How long a Receive hangs unless a test wants it otherwise.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a connection may be idle, where that is limited.
const IDLE: Duration = Duration::from_millis(50);

/// What a server has seen, and what it has.
#[derive(Default)]
pub(crate) struct Seen {
    /// Names of the actions, in order.
    pub(crate) actions: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) creates: Vec<(CreateShell, RequestHeader)>,
    pub(crate) commands: Vec<(CommandLine, RequestHeader)>,
    /// What programs were given, and whether their input has ended.
    pub(crate) input: Vec<(Vec<u8>, bool)>,
    pub(crate) signals: Vec<SignalCode>,
    pub(crate) hosts: Vec<HostInfo>,
    pub(crate) queries: Vec<CommandQuery>,
    /// Actions that are refused, with the code of the fault, each once.
    pub(crate) refusals: Vec<(&'static str, Fault)>,
    /// Whether it is PowerShell 2.
    pub(crate) old: bool,
    /// How long a Receive hangs before it says that there is nothing to tell.
    pub(crate) patience: Duration,
    /// Whether connections are closed when they are idle.
    pub(crate) closes_idle: bool,
    /// Which requests are not answered, but the connection closed.
    pub(crate) hangs_up: Option<fn(&Seen, &Request) -> bool>,
    /// Commands that a shell may have, if only so many: they count until they are let go.
    pub(crate) most_commands: Option<usize>,
    pub(crate) kept: HashSet<Uuid>,
    /// What programs give: for each Receive, its streams; the last one ends the program.
    pub(crate) programs: VecDeque<Vec<(&'static str, &'static [u8])>>,
    /// Said to the host of a pipeline, once it has answered.
    waiting_secret: Option<Uuid>,
    pool: Option<ServerPool>,
    id: Uuid,
    uri: String,
    state: ShellState,
    deleted: bool,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wsman", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen {
            patience: PATIENCE,
            ..Seen::default()
        }));
        let changed = Arc::new(Notify::new());
        let (shared, notify) = (Arc::clone(&seen), Arc::clone(&changed));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                let (seen, changed) = (Arc::clone(&shared), Arc::clone(&notify));
                tokio::spawn(serve(Peer::new(stream), seen, changed));
            }
        });
        Self { url, seen, changed }
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.seen.lock().unwrap().actions.clone()
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.actions().iter().filter(|a| *a == action).count()
    }

    /// Refuses the next request of that action.
    pub(crate) fn refuse(&self, action: &'static str, code: u32, text: &str) {
        let fault = Fault::new(code, "Receiver", "InternalError", text);
        self.seen.lock().unwrap().refusals.push((action, fault));
    }

    /// Waits until the server has seen `action`: closing goes on in the background.
    pub(crate) async fn wait_for(&self, action: &str) {
        for _ in 0..500 {
            if self.count(action) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {action} among {:?}", self.actions());
    }

    /// Ends what a `hang` was waiting for, with a record.
    pub(crate) fn release(&self, pipeline: Uuid, text: &str) {
        let mut seen = self.seen.lock().unwrap();
        let pool = seen.pool.as_mut().unwrap();
        pool.record(pipeline, &Record::Output(text.into())).unwrap();
        pool.finish(pipeline, &PipelineState::Completed).unwrap();
        drop(seen);
        self.changed.notify_waiters();
    }

    pub(crate) fn request_key(&self) {
        let mut seen = self.seen.lock().unwrap();
        seen.pool.as_mut().unwrap().request_key().unwrap();
        drop(seen);
        self.changed.notify_waiters();
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(
            "srv.litwareinc.com",
            self.url.as_str(),
            "Microsoft.PowerShell",
            Authentication::Ntlm(Credential {
                username: "LITWAREINC\\admin".into(),
                password: Secret::new(PASSWORD.into()),
            }),
        )
    }
}

pub(crate) fn client_options() -> ClientOptions {
    ClientOptions {
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(5),
        },
        retry: Retry {
            times: 3,
            first: Duration::from_millis(10),
            most: Duration::from_millis(500),
        },
        ..ClientOptions::default()
    }
}

/// What a service says of itself to everyone.
pub(crate) fn identity() -> Identity {
    Identity {
        protocol_version: "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd".into(),
        vendor: "Microsoft Corporation".into(),
        version: "OS: 0.0.0 SP: 0.0 Stack: 3.0".into(),
    }
}

/// Answers one Identify.
pub(crate) async fn identify_once(stream: TcpStream) {
    let mut peer = Peer::new(stream);
    let request = peer.read().await.unwrap();
    assert_eq!(request.header("wsmanidentify"), Some("unauthenticated"));
    assert_eq!(request.header("authorization"), None);
    assert!(wsman::is_identify(&request.body, &Limits::default()));
    let kind = [("Content-Type", "application/soap+xml;charset=UTF-8")];
    peer.write("200 OK", &kind, &identity().encode()).await;
}

async fn serve(mut peer: Peer, seen: Arc<Mutex<Seen>>, changed: Arc<Notify>) {
    let (_, Some(mut envelope)) = peer.log_on().await else {
        peer.write("401 Unauthorized", &[], b"").await;
        return;
    };
    loop {
        let request = Request::decode(&envelope, &Limits::default()).unwrap();
        let action = request.action().uri().rsplit('/').next().unwrap();
        let refusal = {
            let mut seen = seen.lock().unwrap();
            seen.actions.push(action.into());
            if seen.hangs_up.is_some_and(|does| does(&seen, &request)) {
                return;
            }
            let refused = seen.refusals.iter().position(|(name, _)| *name == action);
            refused.map(|at| seen.refusals.remove(at).1)
        };
        let body = match refusal {
            Some(fault) => Err(fault),
            None => answer(&request, &seen, &changed).await,
        };
        changed.notify_waiters();
        let (status, body) = match body {
            Ok(body) => ("200 OK", body),
            Err(fault) => (
                "500 Internal Server Error",
                ResponseBody::Fault(Box::new(fault)),
            ),
        };
        let answer = Response::new(&request.header.message_id, body);
        let sealed = peer.seal(
            &answer.encode(&request.header.to, &request.header.resource_uri),
            Delimiter::Plain,
        );
        peer.write_sealed(status, &sealed).await;
        let closes = seen.lock().unwrap().closes_idle;
        let idle = if closes { IDLE } else { Duration::MAX };
        let Ok(Some(next)) = tokio::time::timeout(idle, peer.read()).await else {
            return;
        };
        envelope = peer.unseal(&next);
    }
}

fn fault(code: u32) -> Fault {
    Fault::new(code, "Sender", "InternalError", "as the test wants it")
}

async fn answer(
    request: &Request,
    seen: &Mutex<Seen>,
    changed: &Notify,
) -> Result<ResponseBody, Fault> {
    if let RequestBody::Receive(receive) = &request.body {
        let end = tokio::time::Instant::now() + seen.lock().unwrap().patience;
        loop {
            let news = changed.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(received) = seen.lock().unwrap().output(receive.command_id)? {
                return Ok(ResponseBody::Received(received));
            }
            if tokio::time::timeout_at(end, news).await.is_err() {
                return Err(fault(code::OPERATION_TIMED_OUT));
            }
        }
    }
    seen.lock().unwrap().answer(request)
}

impl Seen {
    fn answer(&mut self, request: &Request) -> Result<ResponseBody, Fault> {
        let header = &request.header;
        Ok(match &request.body {
            RequestBody::Create(create) => {
                self.creates.push((create.clone(), header.clone()));
                self.id = create.id.unwrap_or(Uuid::from_u128(7));
                self.uri.clone_from(&header.resource_uri);
                if let Some(creation) = &create.creation {
                    let version = if self.old {
                        ProtocolVersion::V2_1
                    } else {
                        ProtocolVersion::V2_3
                    };
                    let mut pool =
                        ServerPool::new(version, "private".into(), FragmentLimits::default());
                    let events = pool.receive(None, "stdin", creation).unwrap();
                    self.hosts.push(pool.host().clone());
                    self.pool = Some(pool);
                    self.run(events);
                }
                ResponseBody::Created(self.shell())
            }
            RequestBody::Delete => {
                self.deleted = true;
                ResponseBody::Deleted
            }
            RequestBody::Command(line) => ResponseBody::CommandStarted(self.start(line, header)?),
            RequestBody::Send(send) => {
                for stream in &send.streams {
                    let Some(pool) = &mut self.pool else {
                        self.input.push((stream.data.clone(), stream.end));
                        continue;
                    };
                    let events = pool
                        .receive(stream.command_id, &stream.name, &stream.data)
                        .unwrap();
                    self.run(events);
                }
                ResponseBody::Sent
            }
            RequestBody::Signal(signal) => {
                self.signals.push(signal.code.clone());
                if let (SignalCode::Terminate, Some(id)) = (&signal.code, signal.command_id) {
                    self.kept.remove(&id);
                }
                if let (Some(pool), Some(id)) = (&mut self.pool, signal.command_id) {
                    match signal.code {
                        SignalCode::Terminate => pool.forget(id),
                        _ => pool.finish(id, &PipelineState::Stopped(None)).unwrap(),
                    }
                }
                ResponseBody::Signaled
            }
            RequestBody::Disconnect(_) => {
                self.state = ShellState::Disconnected;
                ResponseBody::Disconnected
            }
            RequestBody::Reconnect => {
                self.state = ShellState::Connected;
                ResponseBody::Reconnected
            }
            RequestBody::Connect(connect) => {
                self.state = ShellState::Connected;
                let pool = self.pool.as_mut().unwrap();
                let content = connect.content.as_ref().map(|c| pool.connect(c).unwrap());
                ResponseBody::Connected(Connected { content })
            }
            RequestBody::Get if header.resource_uri == wsman::CONFIG => {
                ResponseBody::Got(Box::new(Resource::Config(wsman::Config {
                    max_envelope_kib: 1024,
                })))
            }
            RequestBody::Get if self.deleted => return Err(fault(code::UNEXPECTED_SELECTORS)),
            RequestBody::Get => ResponseBody::Got(Box::new(Resource::Shell(self.shell()))),
            RequestBody::Enumerate(Enumerate { shell: None }) => ResponseBody::Enumerated(Items {
                shells: vec![self.shell()],
                ..Items::default()
            }),
            // Commands come piece by piece, and the first one is empty.
            RequestBody::Enumerate(Enumerate { shell: Some(_) }) => {
                ResponseBody::Enumerated(Items {
                    context: Some("the rest".into()),
                    ..Items::default()
                })
            }
            RequestBody::Pull(pull) => {
                assert_eq!(pull.context, "the rest");
                let commands = self.pool.iter().flat_map(ServerPool::pipelines);
                let commands = commands.map(|id| ShellCommand {
                    id,
                    state: "Running".into(),
                });
                ResponseBody::Pulled(Items {
                    commands: commands.collect(),
                    ..Items::default()
                })
            }
            RequestBody::Receive(_) => return Err(fault(code::INVALID_PARAMETER)),
        })
    }

    fn start(&mut self, line: &CommandLine, header: &RequestHeader) -> Result<Uuid, Fault> {
        self.commands.push((line.clone(), header.clone()));
        let id = line.id.unwrap_or(Uuid::from_u128(8));
        if self
            .most_commands
            .is_some_and(|most| self.kept.len() >= most)
        {
            return Err(fault(2_150_859_241));
        }
        self.kept.insert(id);
        if let Some(pool) = &mut self.pool {
            pool.start_command(id).unwrap();
            let fragments = line.fragments().unwrap();
            let events = pool.receive(Some(id), "stdin", &fragments).unwrap();
            self.run(events);
        }
        Ok(id)
    }

    fn shell(&self) -> Shell {
        Shell {
            id: self.id,
            resource_uri: self.uri.clone(),
            state: self.state,
            name: Some("owaim".into()),
            ..Shell::default()
        }
    }

    fn run(&mut self, events: Vec<ServerEvent>) {
        for event in events {
            let pool = self.pool.as_mut().unwrap();
            match event {
                ServerEvent::OpenRequested(_) => pool.announce_opened().unwrap(),
                ServerEvent::PipelineCreated(id, create) => {
                    let command = create.pipeline.commands().next().unwrap().clone();
                    match command.name.as_str() {
                        "echo" => {
                            for parameter in command.parameters {
                                let record = Record::Output(parameter.value);
                                pool.record(id, &record).unwrap();
                            }
                            pool.finish(id, &PipelineState::Completed).unwrap();
                        }
                        "ask" => {
                            let choices = [("&Yes", ""), ("&No", "")];
                            let call = HostCall::prompt_for_choice("Confirm", "Sure?", &choices, 1);
                            pool.host_call(id, call).unwrap();
                        }
                        "secret" => {
                            pool.request_key().unwrap();
                            self.waiting_secret = Some(id);
                        }
                        // `hang` and `cat` wait for what comes.
                        _ => {}
                    }
                }
                ServerEvent::Input(id, value) => {
                    pool.record(id, &Record::Output(value)).unwrap();
                }
                ServerEvent::EndOfInput(id) => {
                    pool.finish(id, &PipelineState::Completed).unwrap();
                }
                ServerEvent::HostResponse(Some(id), response) => {
                    let answer = response.result.unwrap_or_else(|error| error.message.into());
                    pool.record(id, &Record::Output(answer)).unwrap();
                    pool.finish(id, &PipelineState::Completed).unwrap();
                }
                ServerEvent::CommandsQueried(id, query) => {
                    self.queries.push(*query);
                    let command = owaim_proto::clixml::Object::new()
                        .with_note("Name", "Get-Item")
                        .with_note("CommandType", 8);
                    for value in [Value::from(1), command.into()] {
                        pool.record(id, &Record::Output(value)).unwrap();
                    }
                    pool.finish(id, &PipelineState::Completed).unwrap();
                }
                _ => {}
            }
            let pool = self.pool.as_mut().unwrap();
            if pool.has_key()
                && let Some(id) = self.waiting_secret.take()
            {
                let secret = Value::from(Secret::new("S3cret-output".into()));
                pool.record(id, &Record::Output(secret)).unwrap();
                pool.finish(id, &PipelineState::Completed).unwrap();
            }
        }
    }

    /// What waits for a Receive; `None` if nothing does.
    fn output(&mut self, command: Option<Uuid>) -> Result<Option<ReceiveResponse>, Fault> {
        if self.deleted {
            return Err(fault(code::OPERATION_ABORTED));
        }
        if self.state == ShellState::Disconnected {
            return Err(fault(code::OPERATION_ABORTED));
        }
        let done = |done: bool| {
            done.then_some(CommandState {
                command_id: command,
                state: RunState::Done,
                exit_code: Some(3),
            })
        };
        let stream = |name: &str, data: Vec<u8>| Stream {
            name: name.into(),
            command_id: command,
            end: false,
            data,
        };
        let Some(pool) = &mut self.pool else {
            let Some(streams) = self.programs.pop_front() else {
                return Ok(None);
            };
            return Ok(Some(ReceiveResponse {
                streams: streams.iter().map(|(n, d)| stream(n, d.to_vec())).collect(),
                state: done(self.programs.is_empty()),
            }));
        };
        if let Some(id) = command
            && !pool.knows(id)
        {
            return Err(fault(code::UNEXPECTED_SELECTORS));
        }
        let mut streams = Vec::new();
        while let Some(data) = pool.take(command, 4096) {
            streams.push(stream("stdout", data));
        }
        if streams.is_empty() {
            return Ok(None);
        }
        let ended = command.is_some_and(|id| pool.is_done(id));
        if let Some(id) = command.filter(|_| ended) {
            pool.forget(id);
        }
        Ok(Some(ReceiveResponse {
            streams,
            state: done(ended),
        }))
    }
}
