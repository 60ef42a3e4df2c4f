//! [`Client`] against a server with real runspace pools that behaves, and servers that do not.

#![allow(clippy::unwrap_used, missing_docs)]

// Shared with other tests, each of which uses a part of it.
#[allow(dead_code)]
mod peer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use owaim_proto::clixml::Value;
use owaim_proto::multipart::Delimiter;
use owaim_proto::psrp::{
    Command, ErrorRecord, FragmentLimits, HostCall, MessageType, Pipeline, PipelineState,
    ProtocolVersion, Record, ServerEvent, ServerPool,
};
use owaim_proto::wsman::{
    CommandState, Fault, ReceiveResponse, Request, RequestBody, Response, ResponseBody, RunState,
    Shell, Stream,
};
use owaim_proto::xml::Limits;
use owaim_transport::{
    Authentication, Client, ClientOptions, Connect, Credential, Endpoint, Exchange, Observer,
    PoolOptions, Retry, RetryClass, RunspacePool, Secret, Session, Timeouts, TransportError,
};
use peer::{PASSWORD, Peer};
use tokio::net::TcpListener;
use uuid::Uuid;

/// How a server departs from good behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    None,
    /// A fault of this code in answer to every request of this action.
    Fault(&'static str, u32),
    /// Closes the connection instead of answering such a request.
    Drop(&'static str),
    /// Does as it is told, and answers such a request by this status, in clear.
    Status(&'static str, &'static str),
    /// The same, by an answer that somebody has changed on the way.
    Altered(&'static str),
    /// Ends the first connection when the pool is open, and refuses the logon of the next by 502.
    BadGateway,
    /// Says nothing to such a request, ever.
    Hang(&'static str),
    /// Has nothing to tell at the first Receive of each pipeline.
    Slow,
    /// Asks the client's host before it ends a pipeline.
    Prompt,
    /// Closes the pool instead of running a pipeline.
    ClosePool,
    /// Ends commands whose pipelines have not ended.
    DoneTooEarly,
    /// Gives the ids of commands itself.
    OwnIds,
    /// Says that a command is done in a Receive of its own.
    DoneLate,
    /// Asks for an exchange of keys as soon as the pool is open.
    AsksForKey,
}

/// What a server has seen, and what it keeps between connections.
#[derive(Default)]
struct Seen {
    actions: Vec<&'static str>,
    connections: usize,
    pool: Option<ServerPool>,
    echo: Vec<Value>,
    /// In place of the habit that the server was started with.
    habit: Option<Habit>,
    refused: Option<String>,
}

struct Server {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wsman", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                tokio::spawn(serve(Peer::new(stream), habit, Arc::clone(&shared)));
            }
        });
        Self { url, seen }
    }

    fn actions(&self) -> Vec<&'static str> {
        self.seen.lock().unwrap().actions.clone()
    }

    /// Waits until the server has seen `action`: closing goes on in the background.
    async fn wait_for(&self, action: &str) {
        for _ in 0..500 {
            if self.actions().contains(&action) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {action} among {:?}", self.actions());
    }
}

async fn serve(mut peer: Peer, habit: Habit, seen: Arc<Mutex<Seen>>) {
    let connection = seen.lock().unwrap().connections;
    if habit == Habit::BadGateway && connection == 2 {
        peer.read().await.unwrap();
        peer.write("502 Bad Gateway", &[], b"").await;
        return;
    }
    let (_, Some(mut envelope)) = peer.log_on().await else {
        peer.write("401 Unauthorized", &[], b"").await;
        return;
    };
    loop {
        let request = Request::decode(&envelope, &Limits::default()).unwrap();
        let action = request.action().uri().rsplit('/').next().unwrap();
        let habit = seen.lock().unwrap().habit.unwrap_or(habit);
        let polls = seen
            .lock()
            .unwrap()
            .actions
            .iter()
            .filter(|a| **a == "Receive")
            .count();
        seen.lock().unwrap().actions.push(action_name(action));
        match habit {
            Habit::Drop(what) if what == action => return,
            Habit::Hang(what) if what == action && polls >= 2 => std::future::pending().await,
            _ => {}
        }
        let body = match habit {
            Habit::Fault(what, code) if what == action => fault(code),
            Habit::Slow if action == "Receive" && polls >= 2 && polls % 2 == 0 => {
                fault(2_150_858_793)
            }
            _ => answer(&mut seen.lock().unwrap(), habit, &request),
        };
        let status = if matches!(body, ResponseBody::Fault(_)) {
            "500 Internal Server Error"
        } else {
            "200 OK"
        };
        let answer = Response::new(&request.header.message_id, body);
        let mut sealed = peer.seal(
            &answer.encode(&request.header.to, &request.header.resource_uri),
            Delimiter::Plain,
        );
        match habit {
            Habit::Status(what, status) if what == action => {
                peer.write(status, &[], b"").await;
            }
            Habit::Altered(what) if what == action => {
                let end = sealed.len() - 60;
                sealed[end] ^= 1;
                peer.write_sealed(status, &sealed).await;
            }
            _ => peer.write_sealed(status, &sealed).await,
        }
        if habit == Habit::BadGateway && connection == 1 && polls == 1 {
            return;
        }
        let Some(next) = peer.read().await else {
            return;
        };
        envelope = peer.unseal(&next);
    }
}

fn action_name(action: &str) -> &'static str {
    ["Create", "Delete", "Command", "Send", "Receive", "Signal"]
        .into_iter()
        .find(|name| *name == action)
        .unwrap()
}

fn fault(code: u32) -> ResponseBody {
    ResponseBody::Fault(Box::new(Fault::new(
        code,
        "Receiver",
        "InternalError",
        "as the test wants it",
    )))
}

/// Runs every pipeline by giving its arguments back.
fn answer(seen: &mut Seen, habit: Habit, request: &Request) -> ResponseBody {
    let other = Uuid::from_u128(99);
    match &request.body {
        RequestBody::Create(create) => {
            assert_eq!(request.header.option("protocolversion"), Some("2.3"));
            let mut pool = ServerPool::new(
                ProtocolVersion::V2_3,
                Value::Null,
                FragmentLimits::default(),
            );
            pool.receive(None, "stdin", create.creation.as_ref().unwrap())
                .unwrap();
            seen.pool = Some(pool);
            let resource_uri = request.header.resource_uri.clone();
            ResponseBody::Created(Shell {
                id: create.id.unwrap(),
                resource_uri,
                ..Shell::default()
            })
        }
        RequestBody::Delete => ResponseBody::Deleted,
        RequestBody::Command(line) => {
            let id = if habit == Habit::OwnIds {
                other
            } else {
                line.id.unwrap()
            };
            let pipeline = line.id.unwrap();
            let pool = seen.pool.as_mut().unwrap();
            pool.start_command(pipeline).unwrap();
            let events = pool
                .receive(Some(pipeline), "stdin", &line.fragments().unwrap())
                .unwrap();
            run(seen, habit, events);
            ResponseBody::CommandStarted(id)
        }
        RequestBody::Send(send) => {
            for stream in &send.streams {
                let command = stream.command_id.filter(|id| *id != other);
                let events = seen
                    .pool
                    .as_mut()
                    .unwrap()
                    .receive(command, &stream.name, &stream.data)
                    .unwrap();
                run(seen, habit, events);
            }
            ResponseBody::Sent
        }
        RequestBody::Receive(receive) => {
            ResponseBody::Received(output(seen, habit, receive.command_id))
        }
        RequestBody::Signal(_) => ResponseBody::Signaled,
        other => panic!("{other:?}"),
    }
}

fn run(seen: &mut Seen, habit: Habit, events: Vec<ServerEvent>) {
    for event in events {
        let pool = seen.pool.as_mut().unwrap();
        match event {
            ServerEvent::PipelineCreated(id, create) => {
                let command = create.pipeline.commands().next().unwrap().clone();
                seen.echo = command.parameters.into_iter().map(|p| p.value).collect();
                for value in &seen.echo {
                    pool.record(id, &Record::Output(value.clone())).unwrap();
                }
                match habit {
                    Habit::Prompt => {
                        let call = HostCall::prompt_for_choice(
                            "Confirm",
                            "Sure?",
                            &[("&Yes", ""), ("&No", "")],
                            0,
                        );
                        pool.host_call(id, call).unwrap();
                    }
                    Habit::ClosePool => pool.close().unwrap(),
                    Habit::DoneTooEarly => {}
                    _ => pool.finish(id, &PipelineState::Completed).unwrap(),
                }
            }
            ServerEvent::HostResponse(Some(id), response) => {
                let error = response.result.unwrap_err();
                seen.refused = Some(error.exception_type.clone());
                pool.finish(id, &PipelineState::Failed(*error)).unwrap();
            }
            ServerEvent::EndOfInput(_) | ServerEvent::Handled(MessageType::PublicKey) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn output(seen: &mut Seen, habit: Habit, command: Option<Uuid>) -> ReceiveResponse {
    let pipeline = command.map(|id| {
        let mut pipelines = seen.pool.as_ref().unwrap().pipelines();
        match habit {
            Habit::OwnIds => pipelines.next().unwrap_or_default(),
            _ => id,
        }
    });
    let pool = seen.pool.as_mut().unwrap();
    let mut streams = Vec::new();
    let whose = if habit == Habit::ClosePool {
        None
    } else {
        pipeline
    };
    while let Some(data) = pool.take(whose, 4096) {
        streams.push(Stream {
            name: "stdout".into(),
            command_id: command,
            end: false,
            data,
        });
    }
    if command.is_none() {
        // The first Receive brings capability and private data, the second the state.
        let opened = pool.announce_opened();
        if habit == Habit::AsksForKey && opened.is_ok() {
            pool.request_key().unwrap();
        }
    }
    let done = match habit {
        Habit::DoneTooEarly => command.is_some(),
        Habit::DoneLate => false,
        _ => pipeline.is_some_and(|id| pool.is_done(id)),
    };
    if let Some(id) = pipeline.filter(|_| done) {
        pool.forget(id);
    }
    let state = done.then_some(CommandState {
        command_id: command,
        state: RunState::Done,
        exit_code: Some(0),
    });
    ReceiveResponse { streams, state }
}

fn endpoint(server: &Server) -> Endpoint {
    Endpoint::new(
        "srv.litwareinc.com",
        server.url.as_str(),
        "Microsoft.PowerShell",
        Authentication::Ntlm(Credential {
            username: "LITWAREINC\\admin".into(),
            password: Secret::new(PASSWORD.into()),
        }),
    )
}

fn client() -> Client {
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        response: Duration::from_secs(5),
    };
    Client::new(ClientOptions {
        timeouts,
        send_limit: 10_000,
        ..ClientOptions::default()
    })
}

async fn session(server: &Server) -> Box<dyn Session> {
    client().connect(&endpoint(server)).await.unwrap()
}

fn echo(value: impl Into<Value>) -> Pipeline {
    Pipeline::new(Command::new("Write-Output").arg(value))
}

#[tokio::test]
async fn a_warm_pipeline_costs_two_exchanges() {
    #[derive(Default)]
    struct Counter(AtomicUsize, AtomicUsize);
    impl Observer for Counter {
        fn exchanged(&self, exchange: &Exchange<'_>) {
            assert!(exchange.received.is_some());
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1
                .fetch_add(usize::from(exchange.first), Ordering::Relaxed);
        }
    }
    let server = Server::start(Habit::None).await;
    let counter = Arc::new(Counter::default());
    let mut session = client()
        .observed_by(counter.clone())
        .connect(&endpoint(&server))
        .await
        .unwrap();
    for text in ["one", "two"] {
        let output = session.run(&echo(text)).await.unwrap();
        assert!(output.is_clean());
        assert_eq!(output.objects().collect::<Vec<_>>(), [&Value::from(text)]);
    }
    session.close().await;
    let pipeline = ["Command", "Receive"];
    let expected = [
        &["Create", "Receive", "Receive"][..],
        &pipeline,
        &pipeline,
        &["Delete"],
    ]
    .concat();
    assert_eq!(server.actions(), expected);
    assert_eq!(
        (
            counter.0.load(Ordering::Relaxed),
            counter.1.load(Ordering::Relaxed)
        ),
        (expected.len(), 1)
    );
    assert_eq!(server.seen.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn a_large_pipeline_is_sent_in_pieces() {
    let server = Server::start(Habit::None).await;
    let mut session = session(&server).await;
    let large = "ü".repeat(20_000);
    let output = session.run(&echo(large.as_str())).await.unwrap();
    assert_eq!(output.objects().collect::<Vec<_>>(), [&Value::from(large)]);
    assert!(
        server
            .actions()
            .iter()
            .filter(|action| **action == "Send")
            .count()
            > 5
    );
    let takes_input = Pipeline {
        takes_input: true,
        ..echo("x")
    };
    assert!(session.run(&takes_input).await.unwrap().is_clean());
}

#[tokio::test]
async fn servers_have_their_habits() {
    for habit in [Habit::Slow, Habit::OwnIds, Habit::DoneLate] {
        let server = Server::start(habit).await;
        let mut session = session(&server).await;
        for _ in 0..2 {
            assert!(
                session.run(&echo("x")).await.unwrap().is_clean(),
                "{habit:?}"
            );
        }
        session.close().await;
        assert_eq!(server.actions().last(), Some(&"Delete"));
        assert_eq!(server.seen.lock().unwrap().connections, 1, "{habit:?}");
    }
}

#[tokio::test]
async fn a_prompt_is_refused() {
    let server = Server::start(Habit::Prompt).await;
    let output = session(&server).await.run(&echo("x")).await.unwrap();
    assert!(
        matches!(output.records.as_slice(), [Record::Output(_), Record::HostCall(call)] if call.method == 26)
    );
    let PipelineState::Failed(ErrorRecord { exception_type, .. }) = output.state else {
        panic!()
    };
    assert_eq!(
        exception_type,
        "System.Management.Automation.Host.HostException"
    );
    assert_eq!(
        server.seen.lock().unwrap().refused.as_ref(),
        Some(&exception_type)
    );
}

#[tokio::test]
async fn a_cancelled_run_is_stopped_over_a_second_connection() {
    let server = Server::start(Habit::Hang("Receive")).await;
    let mut session = session(&server).await;
    let run = tokio::time::timeout(Duration::from_millis(200), session.run(&echo("x"))).await;
    assert!(run.is_err());
    let error = session.run(&echo("x")).await.unwrap_err();
    assert!(
        matches!(error, TransportError::SessionUnusable { .. }),
        "{error}"
    );
    assert_eq!(
        (error.retry(), error.may_have_run()),
        (RetryClass::NewSession, false)
    );
    session.close().await;
    assert!(
        server
            .actions()
            .ends_with(&["Command", "Receive", "Signal", "Delete"]),
        "{:?}",
        server.actions()
    );
    assert_eq!(server.seen.lock().unwrap().connections, 2);
}

#[tokio::test]
async fn a_dropped_session_deletes_its_shell() {
    let server = Server::start(Habit::None).await;
    drop(session(&server).await);
    server.wait_for("Delete").await;
    // A session that is dropped while it opens, too.
    let server = Server::start(Habit::Hang("Command")).await;
    let mut session = session(&server).await;
    let _ = tokio::time::timeout(Duration::from_millis(100), session.run(&echo("x"))).await;
    drop(session);
    server.wait_for("Delete").await;
}

/// A habit, and what the error of a run then says: retry class, may have run, shell deleted.
#[tokio::test]
async fn failures_say_what_they_mean() {
    for (habit, retry, may_have_run, deleted) in [
        (
            Habit::Fault("Command", 2_150_859_173),
            RetryClass::Later,
            false,
            true,
        ),
        (
            Habit::Fault("Command", 2_150_858_843),
            RetryClass::NewSession,
            false,
            false,
        ),
        (Habit::Fault("Command", 5), RetryClass::Never, false, true),
        (
            Habit::Fault("Command", 995),
            RetryClass::NewSession,
            true,
            true,
        ),
        (Habit::Drop("Command"), RetryClass::Later, true, true),
        (Habit::ClosePool, RetryClass::NewSession, true, false),
        (Habit::DoneTooEarly, RetryClass::Never, true, true),
    ] {
        let server = Server::start(habit).await;
        let mut session = session(&server).await;
        let error = session.run(&echo("x")).await.unwrap_err();
        assert_eq!(
            (error.retry(), error.may_have_run()),
            (retry, may_have_run),
            "{habit:?}: {error}"
        );
        assert!(!error.advice().is_empty());
        session.close().await;
        assert_eq!(
            server.actions().contains(&"Delete"),
            deleted,
            "{habit:?}: {:?}",
            server.actions()
        );
    }
}

#[tokio::test]
async fn an_opening_that_fails_leaves_nothing_behind() {
    for (habit, retry, last) in [
        (
            Habit::Fault("Create", 2_150_858_811),
            RetryClass::Never,
            "Create",
        ),
        (
            Habit::Fault("Create", 2_150_859_173),
            RetryClass::Later,
            "Create",
        ),
        (
            Habit::Fault("Receive", 2_150_858_906),
            RetryClass::Never,
            "Delete",
        ),
        (Habit::Drop("Receive"), RetryClass::Later, "Delete"),
        (
            Habit::Fault("Create", 2_150_858_793),
            RetryClass::Later,
            "Delete",
        ),
        (
            Habit::Fault("Create", 995),
            RetryClass::NewSession,
            "Delete",
        ),
        (
            Habit::Status("Create", "500 Internal Server Error"),
            RetryClass::Later,
            "Delete",
        ),
        (
            Habit::Status("Create", "502 Bad Gateway"),
            RetryClass::Later,
            "Delete",
        ),
        (
            Habit::Status("Create", "504 Gateway Timeout"),
            RetryClass::Later,
            "Delete",
        ),
        (Habit::Altered("Create"), RetryClass::Never, "Delete"),
    ] {
        let server = Server::start(habit).await;
        let Err(error) = client().connect(&endpoint(&server)).await else {
            panic!("{habit:?}")
        };
        assert_eq!(
            (error.retry(), error.may_have_run()),
            (retry, false),
            "{habit:?}: {error}"
        );
        server.wait_for(last).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.actions().last(), Some(&last), "{habit:?}");
    }
}

/// An action and a status in answer to it without a seal: how often it is sent in all.
#[tokio::test]
async fn what_has_no_seal_lets_no_change_be_sent_again() {
    let retry = Retry {
        times: 2,
        first: Duration::from_millis(1),
        most: Duration::from_millis(10),
    };
    for (action, status, times) in [
        ("Create", "503 Service Unavailable", 1),
        ("Command", "503 Service Unavailable", 1),
        ("Command", "429 Too Many Requests", 1),
        ("Command", "425 Too Early", 1),
        ("Receive", "503 Service Unavailable", 3),
        ("Receive", "502 Bad Gateway", 1),
    ] {
        let server = Server::start(Habit::Status(action, status)).await;
        let Err(error) = open_and_run(&server, retry).await else {
            panic!("{action} {status}")
        };
        assert_eq!(error.may_have_run(), action == "Command", "{error}");
        server.wait_for("Delete").await;
        let sent = server.actions().into_iter().filter(|sent| *sent == action);
        assert_eq!(sent.count(), times, "{action} {status}");
    }
    // Nothing was handed over to a server that did not get as far as to know us.
    for (retry, runs) in [(retry, true), (Retry::NEVER, false)] {
        let server = Server::start(Habit::BadGateway).await;
        let ran = open_and_run(&server, retry).await;
        assert_eq!(ran.is_ok(), runs, "{ran:?}");
        assert!(!ran.is_err_and(|error| error.may_have_run()));
        let sent = server.actions();
        let sent = sent.iter().filter(|sent| **sent == "Command").count();
        assert_eq!(sent, usize::from(runs));
    }
}

async fn open_and_run(server: &Server, retry: Retry) -> Result<(), TransportError> {
    let client = ClientOptions {
        retry,
        ..ClientOptions::default()
    };
    let options = PoolOptions {
        client,
        ..PoolOptions::default()
    };
    let pool = RunspacePool::open(&endpoint(server), &options).await?;
    // A connection that the server ends is seen to have ended.
    tokio::time::sleep(Duration::from_millis(50)).await;
    pool.start(&echo("x")).await?.output().await.map(drop)
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let server = Server::start(Habit::None).await;
    let mut wrong = endpoint(&server);
    let Authentication::Ntlm(credential) = &mut wrong.authentication else {
        panic!("not by NTLM")
    };
    credential.password = Secret::new("wrong".into());
    let Err(error) = client().connect(&wrong).await else {
        panic!()
    };
    assert!(error.is_refused_logon(), "{error}");
    assert_eq!(
        (error.retry(), error.may_have_run()),
        (RetryClass::Never, false)
    );
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.seen.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn what_cannot_be_sent_leaves_the_session_usable() {
    let server = Server::start(Habit::None).await;
    let mut session = session(&server).await;
    let error = session.run(&Pipeline::default()).await.unwrap_err();
    assert!(
        matches!(error, TransportError::Unsendable { .. }),
        "{error}"
    );
    assert!(session.run(&echo("x")).await.unwrap().is_clean());
}

#[tokio::test]
async fn the_first_secret_costs_one_exchange_of_keys() {
    let server = Server::start(Habit::None).await;
    let mut session = session(&server).await;
    let opening = server.actions().len();
    session.run(&echo("no secret")).await.unwrap();
    assert_eq!(server.actions()[opening..], ["Command", "Receive"]);

    let secret = Value::from(Secret::new("S3cret-parameter".into()));
    for (round, expected) in [
        &["Send", "Receive", "Command", "Receive"][..],
        &["Command", "Receive"],
    ]
    .into_iter()
    .enumerate()
    {
        let before = server.actions().len();
        let output = session.run(&echo(secret.clone())).await.unwrap();
        // The server decrypted it, and encrypted it again for the way back.
        assert_eq!(output.objects().collect::<Vec<_>>(), [&secret]);
        assert_eq!(
            server.seen.lock().unwrap().echo,
            std::slice::from_ref(&secret)
        );
        assert_eq!(server.actions()[before..], *expected, "round {round}");
    }
}

#[tokio::test]
async fn without_a_key_no_secret_is_sent() {
    for habit in [
        Habit::Drop("Send"),
        Habit::Fault("Send", 5),
        Habit::Drop("Receive"),
    ] {
        let server = Server::start(Habit::None).await;
        let mut session = session(&server).await;
        server.seen.lock().unwrap().habit = Some(habit);
        let error = session
            .run(&echo(Secret::new("S3cret-parameter".into())))
            .await
            .unwrap_err();
        assert!(!error.may_have_run(), "{error}");
        assert!(error.to_string().contains("exchange of keys"), "{error}");
        assert!(!server.actions().contains(&"Command"));
        let again = session.run(&echo("anything")).await.unwrap_err();
        assert!(
            matches!(again, TransportError::SessionUnusable { .. }),
            "{again}"
        );
    }
}

#[tokio::test]
async fn a_server_that_asks_for_the_exchange_gets_it() {
    let server = Server::start(Habit::AsksForKey).await;
    let mut session = session(&server).await;
    assert_eq!(server.actions(), ["Create", "Receive", "Receive", "Send"]);
    let secret = Value::from(Secret::new("S3cret-parameter".into()));
    let output = session.run(&echo(secret.clone())).await.unwrap();
    assert_eq!(output.objects().collect::<Vec<_>>(), [&secret]);
    assert_eq!(server.actions()[4..], ["Receive", "Command", "Receive"]);
}
