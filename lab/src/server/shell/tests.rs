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

    fn exchange(&self, _host: &HostName) -> Option<ExchangeVersion> {
        Some(ExchangeVersion::E2010)
    }
}

use owaim_proto::psrp::HostCall;

/// A client in memory, at an endpoint as somebody.
struct Client {
    shells: Arc<Shells<Fake>>,
    fake: Fake,
    origin: RequestOrigin,
    uri: String,
    /// Options that must be complied with.
    options: Vec<(&'static str, &'static str)>,
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
            options: vec![("protocolversion", "2.3")],
            pool: ClientPool::new(SHELL, FragmentLimits::default()),
            receive_limit: 153_600,
            patience: Duration::from_secs(5),
        }
    }

    async fn open() -> Self {
        Self::open_with(Quotas::default()).await
    }

    async fn open_with(quotas: Quotas) -> Self {
        let mut client = Self::new(EndpointKind::Windows, "Microsoft.PowerShell");
        let shells = Arc::into_inner(client.shells).unwrap();
        client.shells = Arc::new(shells.with_quotas(quotas));
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
        for (name, value) in &self.options {
            header = header.with_option(name, value, true);
        }
        if !matches!(body, RequestBody::Create(_)) && self.uri != wsman::CONFIG {
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

fn signal(id: Uuid, code: SignalCode) -> RequestBody {
    RequestBody::Signal(Signal {
        command_id: Some(id),
        code,
    })
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
    is_unknown_command(&client.receive(Some(id)).await.unwrap_err());
    assert!(
        client
            .send(signal(id, SignalCode::Other("urn:x".into())))
            .await
            .is_err()
    );
}

/// As a Windows server was recorded by others (`test_winrs_bad_cmd_id` and
/// `test_psrp_receive_failure` of pypsrp).
fn is_unknown_command(fault: &Fault) {
    assert_eq!(fault.code, Some(code::UNEXPECTED_SELECTORS));
    assert_eq!(fault.soap_code, "Sender");
    assert_eq!(fault.subcode.as_deref(), Some("InvalidSelectors"));
    assert_eq!(
        fault.fault_detail.as_deref(),
        Some("http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/UnexpectedSelectors")
    );
}

#[tokio::test(start_paused = true)]
async fn a_signal_reaches_what_has_ended_and_nothing_that_never_was() {
    let mut client = Client::open().await;
    let ended = client.start(&echo()).await;
    client.finish(ended).await;
    is_unknown_command(&client.receive(Some(ended)).await.unwrap_err());
    for code in [SignalCode::PowerShellCtrlC, SignalCode::Terminate] {
        client.send(signal(ended, code)).await.unwrap();
    }
    for id in [ended, Uuid::from_u128(99)] {
        for code in [SignalCode::PowerShellCtrlC, SignalCode::Terminate] {
            is_unknown_command(&client.send(signal(id, code)).await.unwrap_err());
        }
        let input = Stream {
            name: "stdin".into(),
            command_id: Some(id),
            end: false,
            data: vec![0; 100],
        };
        let streams = vec![input];
        is_unknown_command(
            &client
                .send(RequestBody::Send(Send { streams }))
                .await
                .unwrap_err(),
        );
    }

    let sleeps = client.start(&Pipeline::new(Command::new("sleep"))).await;
    let (aborted, terminated) = tokio::join!(
        client.receive(Some(sleeps)),
        client.send(signal(sleeps, SignalCode::Terminate))
    );
    assert_eq!(aborted.unwrap_err().code, Some(code::OPERATION_ABORTED));
    assert_eq!(terminated.unwrap(), ResponseBody::Signaled);
}

#[tokio::test(start_paused = true)]
async fn commands_count_until_they_are_terminated() {
    let quotas = |commands, operations| Quotas {
        commands,
        operations,
        ..Quotas::default()
    };
    for (quotas, expected) in [
        (quotas(Some(2), None), 2_150_859_241),
        (quotas(None, Some(2)), 2_150_859_174),
    ] {
        let mut client = Client::open_with(quotas).await;
        let first = client.start(&echo()).await;
        client.finish(first).await;
        client.start(&Pipeline::new(Command::new("sleep"))).await;
        let command = RequestBody::Command(CommandLine::pipeline(Uuid::new_v4(), &[]));
        let full = client.send(command).await.unwrap_err();
        assert_eq!(full.code, Some(expected));
        client
            .send(signal(first, SignalCode::Terminate))
            .await
            .unwrap();
        let third = client.start(&echo()).await;
        client.send(RequestBody::Delete).await.unwrap();
        assert_ne!(first, third);
    }
}

#[tokio::test]
async fn a_session_begins_with_the_version_of_its_protocol() {
    let version = ("protocolversion", "2.3");
    for (options, expected) in [
        (vec![version], None),
        (vec![("protocolversion", "2.0")], None),
        (vec![version, ("WINRS_NOPROFILE", "TRUE")], None),
        (vec![], Some(2_152_991_687)),
        (vec![("protocolversion", "3.0")], Some(2_152_991_685)),
        (vec![("protocolversion", "two")], Some(2_152_991_685)),
        (vec![version, ("PS_NEWER", "1")], Some(2_152_991_686)),
    ] {
        let mut client = Client::new(EndpointKind::Windows, "Microsoft.PowerShell");
        client.options.clone_from(&options);
        let found = client.create().await.err().and_then(|fault| fault.code);
        assert_eq!(found, expected, "{options:?}");
    }
    let mut client = Client::open().await;
    client.options.clear();
    let connect = owaim_proto::wsman::Connect {
        content: Some(vec![0; 100]),
        ..Default::default()
    };
    let refused = client.send(RequestBody::Connect(connect)).await;
    assert_eq!(refused.unwrap_err().code, Some(2_152_991_687));
}

#[tokio::test(start_paused = true)]
async fn a_command_is_taken_over_after_its_shell() {
    let mut client = Client::open().await;
    let id = client.start(&Pipeline::new(Command::new("sleep"))).await;
    let connect = |id| {
        RequestBody::Connect(owaim_proto::wsman::Connect {
            command_id: Some(id),
            content: None,
        })
    };
    assert!(client.send(connect(id)).await.is_ok());
    is_unknown_command(&client.send(connect(Uuid::nil())).await.unwrap_err());
    let leave = RequestBody::Disconnect(owaim_proto::wsman::Disconnect::default());
    client.send(leave).await.unwrap();
    let early = client.send(connect(id)).await.unwrap_err();
    assert_eq!(early.code, Some(2_150_859_230));
}

#[tokio::test]
async fn the_configuration_is_told_to_administrators() {
    for (endpoint, expected) in [
        (EndpointKind::Windows, Ok(500)),
        (EndpointKind::LyncLocal, Ok(500)),
        (EndpointKind::Exchange, Err(Some(code::ACCESS_DENIED))),
        (EndpointKind::Lync, Err(Some(code::ACCESS_DENIED))),
    ] {
        let mut client = Client::new(endpoint, "");
        client.uri = wsman::CONFIG.into();
        client.options.clear();
        let found = match client.send(RequestBody::Get).await {
            Ok(ResponseBody::Got(found)) => match *found {
                Resource::Config(config) => Ok(config.max_envelope_kib),
                Resource::Shell(shell) => panic!("{shell:?}"),
            },
            Ok(other) => panic!("{other:?}"),
            Err(fault) => Err(fault.code),
        };
        assert_eq!(found, expected, "{endpoint:?}");
    }
}

#[tokio::test]
async fn one_byte_more_than_the_service_takes_is_too_much() {
    let client = Client::open().await;
    let request = Request {
        header: RequestHeader::new(URL, &client.uri).with_shell(SHELL),
        body: RequestBody::Get,
    };
    let mut envelope = request.encode();
    envelope.resize(500 * 1024, b' ');
    for (byte, expected) in [(None, 200), (Some(b' '), 500)] {
        envelope.extend(byte);
        let answer = client
            .shells
            .handle(client.origin.clone(), envelope.clone());
        let (status, answer) = answer.await;
        let answer = Response::decode(&answer, &request, &Limits::default());
        assert_eq!(status, expected);
        if let ResponseBody::Fault(fault) = answer.unwrap().body {
            assert_eq!(fault.code, Some(code::MAX_ENVELOPE_SIZE_EXCEEDED));
        }
    }
}

#[tokio::test]
async fn what_is_at_one_service_counts_together() {
    let mut client = Client::open_with(Quotas {
        shells: Some(1),
        ..Quotas::default()
    })
    .await;
    let another = CreateShell {
        input_streams: "stdin".into(),
        output_streams: "stdout stderr".into(),
        ..CreateShell::default()
    };
    client.uri = wsman::CMD_SHELL.into();
    client.options.clear();
    client.origin.endpoint = EndpointKind::LyncLocal;
    let refused = client.send(RequestBody::Create(another.clone())).await;
    assert_eq!(refused.unwrap_err().code, Some(code::QUOTA_MAX_SHELLS));
    client.origin.user = "LITWAREINC\\other".into();
    assert!(client.send(RequestBody::Create(another)).await.is_ok());
}

#[tokio::test]
async fn exchange_2010_refuses_a_shell_too_many_at_once() {
    let mut client = Client::new(EndpointKind::Exchange, "Microsoft.Exchange");
    let shells = Arc::into_inner(client.shells).unwrap();
    client.shells = Arc::new(shells.with_quotas(Quotas {
        shells: Some(0),
        ..Quotas::default()
    }));
    let refused = client.create().await.unwrap_err();
    assert_eq!(refused.code, Some(code::QUOTA_MAX_SHELLS));
}

#[test]
fn older_services_have_smaller_quotas() {
    let (old, new) = (
        PowerShellVersion { major: 2, minor: 0 },
        PowerShellVersion { major: 3, minor: 0 },
    );
    let usual = Quotas::default();
    for (endpoint, version, expected) in [
        (EndpointKind::Windows, old, (5, None, Some(15))),
        (EndpointKind::Windows, new, (30, Some(1000), Some(1500))),
        (EndpointKind::Exchange, old, (18, None, None)),
        (EndpointKind::Exchange, new, (18, Some(1000), None)),
    ] {
        let found = (
            usual.shells(endpoint, version),
            usual.commands(version),
            usual.operations(endpoint, version),
        );
        assert_eq!(found, expected, "{endpoint:?} {version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_ends_with_the_service() {
    let mut client = Client::open().await;
    client.start(&Pipeline::new(Command::new("sleep"))).await;
    tokio::task::yield_now().await;
    let waits = client.start(&echo()).await;
    let Client { shells, fake, .. } = client;
    let pool = Arc::downgrade(&shells.table()[&SHELL]);
    drop(shells);
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(
        fake.runs.load(Ordering::Relaxed),
        1,
        "{waits} had no turn any more"
    );
    assert!(pool.upgrade().is_none());
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
    let anonymous = (200, client.shells.identify(&client.origin.host, false));
    let asked = client.shells.handle(client.origin, wsman::identify()).await;
    for ((status, answer), system) in [(asked, "6.3.9600"), (anonymous, "0.0.0")] {
        assert_eq!(status, 200);
        let identity = Identity::decode(&answer, &Limits::default()).unwrap();
        assert_eq!(identity.version, format!("OS: {system} SP: 0.0 Stack: 3.0"));
    }
}
