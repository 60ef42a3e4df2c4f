//! The service behind envelopes, with a client in memory and a runner of a few commands.

#![allow(clippy::unwrap_used)]

mod programs;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use owaim_proto::psrp::{
    ClientEvent, ClientPool, Command, CreatePipeline, ErrorRecord, FragmentLimits,
    InitRunspacePool, PipelineOutput, PipelineState, Record,
};
use owaim_proto::wsman::{
    CommandLine, FaultClass, Receive, ReceiveResponse, RequestHeader, RunState, Send, Signal,
    Stream, code,
};

use super::*;
use crate::world::Ending;

const SHELL: Uuid = Uuid::from_u128(7);
const URL: &str = "http://mbx1.litwareinc.com:5985/wsman";

/// Knows `echo` (its arguments back), `ask` (what the host says), `sleep` (an hour) and `many`
/// (that many strings of 1 KB).
#[derive(Clone, Default)]
struct Fake {
    runs: Arc<AtomicUsize>,
    forgotten: Arc<AtomicUsize>,
}

fn finished(values: Vec<Value>, state: PipelineState, takes: Duration) -> Execution {
    let records = values.into_iter().map(Record::Output).collect();
    Execution::Finished {
        output: PipelineOutput { records, state },
        takes,
    }
}

impl Runner for Fake {
    fn run(&self, caller: &Caller, pipeline: &Pipeline, input: &[Value]) -> Execution {
        self.runs.fetch_add(1, Ordering::Relaxed);
        assert_eq!(caller.session, SHELL);
        let command = pipeline.commands().next().unwrap();
        let arguments: Vec<Value> = command.parameters.iter().map(|p| p.value.clone()).collect();
        match command.name.as_str() {
            "echo" => finished(
                [arguments, input.to_vec()].concat(),
                PipelineState::Completed,
                Duration::ZERO,
            ),
            "sleep" => finished(arguments, PipelineState::Completed, Duration::from_hours(1)),
            "many" => {
                let count = usize::try_from(arguments[0].as_i64().unwrap()).unwrap();
                finished(
                    vec![Value::from("x".repeat(1000)); count],
                    PipelineState::Completed,
                    Duration::ZERO,
                )
            }
            "ask" => Execution::Prompt {
                before: vec![Record::Warning("a question follows".into())],
                call: HostCall::new("ReadLine", vec![]).unwrap(),
                resume: Box::new(|answer| match answer {
                    Ok(value) => finished(vec![value], PipelineState::Completed, Duration::ZERO),
                    Err(text) => {
                        let error = ErrorRecord::new("Prompt", 10, "System.Exception", &text);
                        finished(vec![], PipelineState::Failed(error), Duration::ZERO)
                    }
                }),
            },
            other => panic!("{other}"),
        }
    }

    fn forget(&self, _session: Uuid) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    fn powershell(&self, _host: &HostName) -> Option<PowerShellVersion> {
        Some(PowerShellVersion { major: 5, minor: 1 })
    }

    fn start(
        &self,
        _caller: &Caller,
        _around: &Surroundings,
        line: &ProgramLine<'_>,
    ) -> Result<Program, Refused> {
        match line.command {
            "copy" => Ok(Program::Copies),
            "slow" => Ok(Program::Ends(Ending {
                takes: Duration::from_hours(1),
                ..Ending::default()
            })),
            "much" => Ok(Program::Ends(Ending {
                stdout: vec![b'o'; 100_000],
                stderr: vec![b'e'; 100_000],
                code: 3,
                ..Ending::default()
            })),
            other => Err(Refused::NotModelled(other.into())),
        }
    }

    fn windows(&self, _host: &HostName) -> Option<WindowsVersion> {
        Some(WindowsVersion::W2012R2)
    }
}

use owaim_proto::psrp::HostCall;

/// A client in memory, at an endpoint as somebody.
struct Client {
    shells: Arc<Shells<Fake>>,
    fake: Fake,
    origin: RequestOrigin,
    uri: String,
    pool: ClientPool,
    receive_limit: u32,
    patience: Duration,
}

impl Client {
    fn new(endpoint: EndpointKind, configuration: &str) -> Self {
        let fake = Fake::default();
        let own = (
            HostName::new("fe1.litwareinc.com").unwrap(),
            EndpointKind::LyncLocal,
        );
        let configurations = HashMap::from([(own, "site.own".to_owned())]);
        let host = if endpoint == EndpointKind::LyncLocal {
            "fe1.litwareinc.com"
        } else {
            "mbx1.litwareinc.com"
        };
        Self {
            shells: Arc::new(Shells::with_configurations(fake.clone(), configurations)),
            fake,
            origin: RequestOrigin {
                host: HostName::new(host).unwrap(),
                endpoint,
                user: "LITWAREINC\\admin".into(),
                path: "/wsman".into(),
            },
            uri: wsman::configuration_uri(configuration),
            pool: ClientPool::new(SHELL, FragmentLimits::default()),
            receive_limit: 153_600,
            patience: Duration::from_secs(5),
        }
    }

    async fn open() -> Self {
        let mut client = Self::new(EndpointKind::Windows, "Microsoft.PowerShell");
        client.create().await.unwrap();
        let mut receives = 0;
        while !client.pool.is_open() {
            client.poll(None).await.unwrap();
            receives += 1;
        }
        assert_eq!(receives, 2, "capability and private data, then the state");
        client
    }

    async fn send(&self, body: RequestBody) -> Result<ResponseBody, Box<Fault>> {
        let mut header = RequestHeader::new(URL, &self.uri);
        header.max_envelope_size = self.receive_limit;
        header.operation_timeout = self.patience;
        if !matches!(body, RequestBody::Create(_)) {
            header = header.with_shell(SHELL);
        }
        let request = Request { header, body };
        let (status, answer) = self
            .shells
            .handle(self.origin.clone(), request.encode())
            .await;
        assert!(
            answer.len() <= usize::try_from(self.receive_limit).unwrap(),
            "{} bytes",
            answer.len()
        );
        match Response::decode(&answer, &request, &Limits::default())
            .unwrap()
            .body
        {
            ResponseBody::Fault(fault) => {
                assert_eq!(status, 500);
                assert_eq!(fault.machine.as_deref(), Some(self.origin.host.as_str()));
                Err(fault)
            }
            body => {
                assert_eq!(status, 200);
                Ok(body)
            }
        }
    }

    async fn create(&mut self) -> Result<(), Box<Fault>> {
        self.pool.open(&InitRunspacePool::default()).unwrap();
        let creation = self.pool.take(None, 100_000);
        let create = CreateShell {
            id: Some(SHELL),
            input_streams: "stdin pr".into(),
            output_streams: "stdout".into(),
            idle_timeout: Some(Duration::from_mins(1)),
            creation,
            ..CreateShell::default()
        };
        let created = self.send(RequestBody::Create(create)).await?;
        assert!(matches!(created, ResponseBody::Created(shell) if shell.id == SHELL));
        Ok(())
    }

    async fn start(&mut self, pipeline: &Pipeline) -> Uuid {
        let id = Uuid::new_v4();
        self.pool
            .create_pipeline(id, &CreatePipeline::new(pipeline.clone()))
            .unwrap();
        let first = self.pool.take(Some(id), 700).unwrap();
        self.send(RequestBody::Command(CommandLine::pipeline(id, &first)))
            .await
            .unwrap();
        self.flush(id).await;
        id
    }

    async fn flush(&mut self, id: Uuid) {
        while let Some(data) = self.pool.take(Some(id), 700) {
            let stream = Stream {
                name: "stdin".into(),
                command_id: Some(id),
                end: false,
                data,
            };
            self.send(RequestBody::Send(Send {
                streams: vec![stream],
            }))
            .await
            .unwrap();
        }
    }

    async fn receive(&self, id: Option<Uuid>) -> Result<ReceiveResponse, Box<Fault>> {
        let receive = Receive {
            command_id: id,
            streams: "stdout".into(),
        };
        match self.send(RequestBody::Receive(receive)).await? {
            ResponseBody::Received(received) => Ok(received),
            other => panic!("{other:?}"),
        }
    }

    async fn poll(&mut self, id: Option<Uuid>) -> Result<(Vec<ClientEvent>, bool), Box<Fault>> {
        let received = self.receive(id).await?;
        let mut events = Vec::new();
        for stream in &received.streams {
            assert_eq!(stream.command_id, id);
            events.extend(self.pool.receive(id, &stream.data).unwrap());
        }
        let done = received
            .state
            .is_some_and(|state| state.state == RunState::Done);
        Ok((events, done))
    }

    /// Events up to the end of a pipeline, and how many Receives they took.
    async fn finish(&mut self, id: Uuid) -> (Vec<ClientEvent>, usize) {
        let (mut events, mut receives) = (Vec::new(), 0);
        loop {
            let (new, done) = self.poll(Some(id)).await.unwrap();
            events.extend(new);
            receives += 1;
            if done {
                return (events, receives);
            }
        }
    }
}

fn echo() -> Pipeline {
    Pipeline::new(Command::new("echo").arg("one").arg(Value::Int32(2)))
}

#[tokio::test]
async fn a_pipeline_gives_its_output_in_one_receive() {
    let mut client = Client::open().await;
    for _ in 0..2 {
        let id = client.start(&echo()).await;
        let (events, receives) = client.finish(id).await;
        let expected = [
            ClientEvent::Record(id, Record::Output("one".into())),
            ClientEvent::Record(id, Record::Output(Value::Int32(2))),
            ClientEvent::Finished(id, PipelineState::Completed),
        ];
        assert_eq!((events.as_slice(), receives), (&expected[..], 1));
    }
    assert_eq!(client.fake.runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn output_is_cut_to_the_envelope_that_the_client_takes() {
    let mut client = Client::open().await;
    client.receive_limit = 20_000;
    let id = client
        .start(&Pipeline::new(Command::new("many").arg(Value::Int32(100))))
        .await;
    let (events, receives) = client.finish(id).await;
    assert_eq!(events.len(), 101);
    assert!((9..=14).contains(&receives), "{receives} Receives");
}

#[tokio::test]
async fn input_is_waited_for() {
    let mut client = Client::open().await;
    let id = client
        .start(&Pipeline {
            takes_input: true,
            ..echo()
        })
        .await;
    assert_eq!(client.fake.runs.load(Ordering::Relaxed), 0);
    client.pool.input(id, "three".into()).unwrap();
    client.pool.end_input(id).unwrap();
    client.flush(id).await;
    let (events, _) = client.finish(id).await;
    assert_eq!(
        events.get(2),
        Some(&ClientEvent::Record(id, Record::Output("three".into())))
    );
}

#[tokio::test]
async fn a_prompt_without_a_host_fails_at_once() {
    let mut client = Client::open().await;
    let id = client.start(&Pipeline::new(Command::new("ask"))).await;
    let (mut events, _) = client.finish(id).await;
    let Some(ClientEvent::Finished(_, PipelineState::Failed(error))) = events.pop() else {
        panic!("expected a failure")
    };
    assert!(error.message.contains("user interaction"));
    assert_eq!(
        events,
        [ClientEvent::Record(
            id,
            Record::Warning("a question follows".into())
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn a_receive_without_output_times_out_and_may_be_repeated() {
    let mut client = Client::open().await;
    let id = client
        .start(&Pipeline::new(Command::new("sleep").arg("late")))
        .await;
    for _ in 0..3 {
        let fault = client.receive(Some(id)).await.unwrap_err();
        assert_eq!(
            (fault.code, fault.class()),
            (Some(code::OPERATION_TIMED_OUT), FaultClass::PollAgain)
        );
    }
    client.patience = Duration::from_hours(2);
    let (events, _) = client.finish(id).await;
    assert_eq!(events.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_can_be_stopped_and_others_go_on() {
    let mut client = Client::open().await;
    let signal = |id, code| {
        RequestBody::Signal(Signal {
            command_id: Some(id),
            code,
        })
    };
    let id = client.start(&Pipeline::new(Command::new("sleep"))).await;
    let waiting = client.start(&echo()).await;
    client
        .send(signal(id, SignalCode::PowerShellCtrlC))
        .await
        .unwrap();
    let (mut events, _) = client.finish(id).await;
    assert!(
        matches!(events.pop(), Some(ClientEvent::Finished(_, PipelineState::Stopped(Some(e)))) if e.id() == "PipelineStopped")
    );
    assert_eq!(
        client.finish(waiting).await.0.len(),
        3,
        "it had the runspace's next turn"
    );

    let id = client.start(&Pipeline::new(Command::new("sleep"))).await;
    client
        .send(signal(id, SignalCode::Terminate))
        .await
        .unwrap();
    let gone = client.receive(Some(id)).await.unwrap_err();
    assert_eq!(gone.code, Some(code::INVALID_PARAMETER));
    assert!(
        client
            .send(signal(id, SignalCode::Other("urn:x".into())))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_shell_aborts_those_who_wait() {
    let mut client = Client::open().await;
    let id = client.start(&Pipeline::new(Command::new("sleep"))).await;
    let (aborted, deleted) =
        tokio::join!(client.receive(Some(id)), client.send(RequestBody::Delete));
    assert_eq!(aborted.unwrap_err().class(), FaultClass::Aborted);
    assert_eq!(deleted.unwrap(), ResponseBody::Deleted);
    assert_eq!(client.fake.forgotten.load(Ordering::Relaxed), 1);
    let gone = client.receive(None).await.unwrap_err();
    assert_eq!(
        (gone.code, gone.class()),
        (Some(code::UNEXPECTED_SELECTORS), FaultClass::NewShell)
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_shell_is_removed() {
    let client = Client::open().await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(
        client
            .send(RequestBody::Send(Send { streams: vec![] }))
            .await
            .is_ok()
    );
    tokio::time::sleep(Duration::from_secs(61)).await;
    let gone = client
        .send(RequestBody::Send(Send { streams: vec![] }))
        .await
        .unwrap_err();
    assert_eq!(gone.code, Some(code::UNEXPECTED_SELECTORS));
    assert_eq!(client.fake.forgotten.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn endpoints_have_their_configurations() {
    let refused = Some(code::INVALID_RESOURCE_URI);
    for (endpoint, configuration, expected) in [
        (EndpointKind::Windows, "microsoft.powershell", None),
        (EndpointKind::Windows, "Microsoft.Exchange", refused),
        (EndpointKind::Windows, "site.own", refused),
        (EndpointKind::Exchange, "Microsoft.Exchange", None),
        (EndpointKind::Exchange, "Microsoft.PowerShell", refused),
        (EndpointKind::Lync, "Microsoft.PowerShell", None),
        (EndpointKind::LyncLocal, "site.own", None),
        (EndpointKind::LyncLocal, "Microsoft.PowerShell", None),
        (EndpointKind::LyncLocal, "owaim", refused),
    ] {
        let mut client = Client::new(endpoint, configuration);
        let found = client.create().await.err().map(|fault| fault.code);
        assert_eq!(found.flatten(), expected, "{endpoint:?} {configuration}");
    }
    // The configuration decides who a session runs as, not the way to it.
    for (endpoint, configuration, expected) in [
        (EndpointKind::LyncLocal, "Site.Own", EndpointKind::LyncLocal),
        (
            EndpointKind::LyncLocal,
            "Microsoft.PowerShell",
            EndpointKind::Windows,
        ),
        (
            EndpointKind::Lync,
            "Microsoft.PowerShell",
            EndpointKind::Lync,
        ),
    ] {
        let client = Client::new(endpoint, configuration);
        let found = client.shells.configuration(&client.origin, &client.uri);
        assert_eq!(found.ok(), Some(expected), "{endpoint:?} {configuration}");
    }
}

#[tokio::test]
async fn a_shell_is_its_owners_alone() {
    let mut client = Client::open().await;
    let thief = RequestOrigin {
        user: "LITWAREINC\\thief".into(),
        ..client.origin.clone()
    };
    client.origin = thief;
    assert_eq!(
        client.send(RequestBody::Delete).await.unwrap_err().code,
        Some(code::UNEXPECTED_SELECTORS)
    );
    client.origin.user = "litwareinc\\ADMIN".into();
    assert!(client.send(RequestBody::Delete).await.is_ok());
}

#[tokio::test]
async fn what_is_no_request_gets_a_fault() {
    let client = Client::open().await;
    let ask = |body: &'static [u8]| client.shells.handle(client.origin.clone(), body.to_vec());
    for body in [&b""[..], b"<a/>", b"\xff", b"<!DOCTYPE a><a/>"] {
        let (status, answer) = ask(body).await;
        assert_eq!(status, 500);
        assert!(String::from_utf8(answer).unwrap().contains("2150858819"));
    }
    let broken = Stream {
        name: "stdin".into(),
        command_id: None,
        end: false,
        data: vec![0; 100],
    };
    let fault = client
        .send(RequestBody::Send(Send {
            streams: vec![broken],
        }))
        .await
        .unwrap_err();
    assert_eq!(fault.provider.unwrap().provider, "microsoft.powershell");
}

#[tokio::test]
async fn an_identify_tells_the_system_to_those_who_have_logged_on() {
    let client = Client::new(EndpointKind::Windows, "Microsoft.PowerShell");
    let asked = client.shells.handle(client.origin, wsman::identify()).await;
    let anonymous = (200, client.shells.identify(None));
    for ((status, answer), system) in [(asked, "6.3.9600"), (anonymous, "0.0.0")] {
        assert_eq!(status, 200);
        let identity = Identity::decode(&answer, &Limits::default()).unwrap();
        assert_eq!(identity.version, format!("OS: {system} SP: 0.0 Stack: 3.0"));
    }
}
