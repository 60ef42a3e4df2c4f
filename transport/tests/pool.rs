//! [`RunspacePool`] against a server with real pools and Receives that hang.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
mod peer;
#[allow(dead_code)]
mod service;

use std::sync::Arc;
use std::time::Duration;

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{
    Command, CommandQuery, HostCall, HostInfo, HostResponse, Pipeline, PipelineState,
    ProtocolVersion, Record,
};
use owaim_proto::wsman::{RequestBody, ShellState, SignalCode};
use owaim_transport::{
    Client, ClientOptions, Connect as _, DefaultChoice, Host, PipelineOptions, PoolHandle,
    PoolOptions, Retry, RetryClass, RunspacePool, Secret, TransportError,
};
use service::{Server, client_options};

fn options() -> PoolOptions {
    PoolOptions {
        client: client_options(),
        ..PoolOptions::default()
    }
}

async fn open(server: &Server, options: &PoolOptions) -> RunspacePool {
    RunspacePool::open(&server.endpoint(), options)
        .await
        .unwrap()
}

fn echo(value: impl Into<Value>) -> Pipeline {
    Pipeline::new(Command::new("echo").arg(value))
}

fn named(command: &str) -> Pipeline {
    Pipeline::new(Command::new(command))
}

#[tokio::test]
async fn a_pool_is_what_was_asked_for() {
    let server = Server::start().await;
    let pool = open(
        &server,
        &PoolOptions {
            min_runspaces: 2,
            max_runspaces: 3,
            no_profile: true,
            name: None,
            ..options()
        },
    )
    .await;
    assert_eq!(pool.version(), ProtocolVersion::V2_3);
    assert_eq!(pool.runspaces(), (2, 3));
    assert_eq!(pool.private_data(), "private".into());
    assert_eq!(pool.available_runspaces().await.unwrap(), 3);
    assert!(pool.set_max_runspaces(5).await.unwrap());
    assert!(!pool.set_min_runspaces(-1).await.unwrap());
    assert!(pool.reset_state().await.unwrap());
    let commands = pool
        .commands(&CommandQuery::named(["Get-*"]))
        .await
        .unwrap();
    assert_eq!(commands.first().unwrap().name, "Get-Item");
    assert!(pool.is_alive().await.unwrap());
    {
        let seen = server.seen.lock().unwrap();
        let (create, header) = seen.creates.first().unwrap();
        assert_eq!(create.name, None);
        assert_eq!(header.option("WINRS_NOPROFILE"), Some("TRUE"));
        assert_eq!(seen.queries, [CommandQuery::named(["Get-*"])]);
    }
    pool.close().await;
    assert_eq!(server.actions().last().unwrap(), "Delete");
    assert_eq!(server.seen.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn pipelines_run_beside_each_other() {
    let server = Server::start().await;
    let pool = open(
        &server,
        &PoolOptions {
            max_runspaces: 4,
            ..options()
        },
    )
    .await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(pool.start(&named("hang")).await.unwrap());
    }
    // All of them wait, and nothing comes; what comes later is not lost to those who gave up.
    for running in &mut slow {
        let waited = tokio::time::timeout(Duration::from_millis(50), running.next()).await;
        assert!(waited.is_err());
    }
    let quick = pool.start(&echo("quick")).await.unwrap();
    assert_eq!(
        quick.output().await.unwrap().records,
        [Record::Output("quick".into())]
    );
    for running in &slow {
        server.release(running.handle().pipeline, "slow");
    }
    for mut running in slow {
        assert_eq!(
            running.next().await.unwrap(),
            Some(Record::Output("slow".into()))
        );
        assert_eq!(running.next().await.unwrap(), None);
        assert_eq!(running.state(), Some(&PipelineState::Completed));
    }
    assert!(server.seen.lock().unwrap().connections <= 5);
    pool.close().await;
}

#[tokio::test]
async fn more_pipelines_than_connections_get_their_turns() {
    let server = Server::start().await;
    let pool = open(
        &server,
        &PoolOptions {
            max_runspaces: 8,
            connections: Some(3),
            ..options()
        },
    )
    .await;
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(pool.start(&named("hang")).await.unwrap());
    }
    let last = all.last().unwrap().handle().pipeline;
    let tasks: Vec<_> = all
        .into_iter()
        .map(|running| tokio::spawn(running.output()))
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.release(last, "last");
    let output = tasks.into_iter().next_back().unwrap().await.unwrap();
    assert_eq!(output.unwrap().records, [Record::Output("last".into())]);
    assert!(server.seen.lock().unwrap().connections <= 3);
    pool.close().await;
}

#[tokio::test]
async fn input_is_sent_as_it_comes() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let cat = Pipeline {
        takes_input: true,
        ..named("cat")
    };
    let mut running = pool.start(&cat).await.unwrap();
    running.send("one").await.unwrap();
    assert_eq!(
        running.next().await.unwrap(),
        Some(Record::Output("one".into()))
    );
    let sends = server.count("Send");
    running.feed(2).await.unwrap();
    running.feed("three").await.unwrap();
    running.finish_input().await.unwrap();
    assert_eq!(server.count("Send"), sends + 1);
    let output = running.output().await.unwrap();
    assert_eq!(
        output.objects().cloned().collect::<Vec<_>>(),
        [Value::from(2), "three".into()]
    );
    // The same with the input known from the start: no Send at all.
    let known = PipelineOptions {
        input: Some(vec!["all".into()]),
        ..PipelineOptions::default()
    };
    let sends = server.count("Send");
    let running = pool.start_with(&named("cat"), &known).await.unwrap();
    assert!(running.output().await.unwrap().is_clean());
    assert_eq!(server.count("Send"), sends);
}

#[tokio::test]
async fn a_pipeline_can_be_stopped_and_let_go() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let mut running = pool.start(&named("hang")).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), running.next()).await;
    assert!(waited.is_err());
    running.stop().await.unwrap();
    assert_eq!(running.next().await.unwrap(), None);
    assert_eq!(running.state(), Some(&PipelineState::Stopped(None)));
    running.stop().await.unwrap();
    drop(running);
    assert_eq!(
        server.seen.lock().unwrap().signals,
        [SignalCode::PowerShellCtrlC]
    );

    // Dropped, it is ended on the server, and the pool goes on.
    let running = pool.start(&named("hang")).await.unwrap();
    drop(running);
    let output = pool.start(&echo("on")).await.unwrap().output().await;
    assert!(output.unwrap().is_clean());
    pool.close().await;
    assert_eq!(
        server.seen.lock().unwrap().signals.last(),
        Some(&SignalCode::Terminate)
    );
    assert!(server.actions().ends_with(&["Delete".into()]));
}

#[tokio::test]
async fn nothing_is_left_behind_by_a_panic() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let task = tokio::spawn(async move {
        let running = pool.start(&named("hang")).await.unwrap();
        let _held = (running, pool);
        panic!("on purpose");
    });
    assert!(task.await.is_err());
    server.wait_for("Delete").await;
    let signals = server.seen.lock().unwrap().signals.clone();
    assert_eq!(signals, [SignalCode::Terminate]);
}

#[tokio::test]
async fn a_host_answers_or_refuses() {
    let server = Server::start().await;
    let refusing = open(&server, &options()).await;
    let output = refusing.start(&named("ask")).await.unwrap().output().await;
    let output = output.unwrap();
    assert!(matches!(
        output.records.as_slice(),
        [Record::HostCall(_), Record::Output(Value::String(text))] if text.contains("no host")
    ));
    assert!(server.seen.lock().unwrap().hosts.last().unwrap().is_null);
    refusing.close().await;

    let server = Server::start().await;
    let answering = PoolOptions {
        host: Arc::new(DefaultChoice),
        ..options()
    };
    let pool = open(&server, &answering).await;
    let output = pool.start(&named("ask")).await.unwrap().output().await;
    assert_eq!(
        output.unwrap().records.last(),
        Some(&Record::Output(Value::Int32(1)))
    );
    assert!(!server.seen.lock().unwrap().hosts.last().unwrap().is_null);
}

#[tokio::test]
async fn secrets_come_and_go() {
    let server = Server::start().await;
    // Listening, it hears what the server asks for between and during pipelines.
    let pool = open(
        &server,
        &PoolOptions {
            listen: true,
            ..options()
        },
    )
    .await;
    let output = pool.start(&named("secret")).await.unwrap().output().await;
    let secret = Value::from(Secret::new("S3cret-output".into()));
    assert_eq!(output.unwrap().objects().collect::<Vec<_>>(), [&secret]);
    let output = pool.start(&echo(secret.clone())).await.unwrap().output();
    assert_eq!(
        output.await.unwrap().objects().collect::<Vec<_>>(),
        [&secret]
    );
    pool.close().await;

    let server = Server::start().await;
    let pool = open(
        &server,
        &PoolOptions {
            listen: true,
            ..options()
        },
    )
    .await;
    server.request_key();
    server.wait_for("Send").await;
    pool.exchange_keys().await.unwrap();
    assert_eq!(server.count("Send"), 1);
}

#[tokio::test]
async fn a_pool_is_left_and_come_back_to() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let mut running = pool.start(&named("hang")).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), running.next()).await;
    assert!(waited.is_err());
    let handle = pool.disconnect().await.unwrap();
    assert_eq!(handle.pipelines, [running.handle()]);
    assert!(!pool.is_alive().await.unwrap());
    let error = pool.start(&echo("x")).await.map(drop).unwrap_err();
    assert!(!error.may_have_run(), "{error}");
    pool.reconnect().await.unwrap();
    server.release(running.handle().pipeline, "kept");
    assert_eq!(
        running.next().await.unwrap(),
        Some(Record::Output("kept".into()))
    );
    assert_eq!(running.next().await.unwrap(), None);
    pool.close().await;
}

#[tokio::test]
async fn another_process_finds_its_pipeline_again() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let running = pool.start(&named("hang")).await.unwrap();
    let written = serde_json::to_string(&pool.disconnect().await.unwrap()).unwrap();
    let pipeline = running.handle().pipeline;
    drop((running, pool));
    server.release(pipeline, "while nobody was there");
    assert_eq!(server.count("Delete") + server.count("Signal"), 0);

    let found = RunspacePool::list(&server.endpoint(), &options())
        .await
        .unwrap();
    let [found] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(found.state, ShellState::Disconnected);
    let handle: PoolHandle = serde_json::from_str(&written).unwrap();
    assert_eq!(found.handle.shell_id, handle.shell_id);
    assert_eq!(found.handle.pipelines, handle.pipelines);

    let pool = RunspacePool::connect(&server.endpoint(), &options(), &handle)
        .await
        .unwrap();
    assert_eq!(pool.private_data(), "private".into());
    let pipeline = handle.pipelines.first().unwrap();
    let output = pool.take_up(pipeline).await.unwrap().output().await;
    assert_eq!(
        output.unwrap().records,
        [Record::Output("while nobody was there".into())]
    );
    let output = pool.start(&echo("anew")).await.unwrap().output().await;
    assert!(output.unwrap().is_clean());
    pool.close().await;
    assert_eq!(server.count("Delete"), 1);
}

#[tokio::test]
async fn what_was_certainly_not_done_is_done_again() {
    for (action, code, text, tries) in [
        ("Create", 2_150_859_173, "", 2),
        ("Command", 2_150_859_236, "", 2),
        ("Command", 2_150_859_175, "of 15 in 2 … 100 ms.", 2),
        // Longer than anyone would wait.
        ("Command", 2_150_859_175, "of 15 in 2 … 60000 ms.", 1),
        // May have been done, never will be, or is of no such kind.
        ("Command", 995, "", 1),
        ("Command", 5, "", 1),
        ("Command", 170, "", 1),
        ("Receive", 2_150_859_173, "", 1),
    ] {
        let server = Server::start().await;
        let opening = usize::from(action == "Create");
        let result = if opening == 1 {
            server.refuse(action, code, text);
            RunspacePool::open(&server.endpoint(), &options())
                .await
                .map(drop)
        } else {
            let pool = open(&server, &options()).await;
            server.refuse(action, code, text);
            let receives = server.count("Receive");
            let result = match pool.start(&echo("x")).await {
                Ok(running) => running.output().await.map(drop),
                Err(error) => Err(error),
            };
            if action == "Receive" {
                assert_eq!(server.count("Receive"), receives + 1);
                assert!(result.as_ref().unwrap_err().may_have_run());
            }
            result
        };
        assert_eq!(result.is_ok(), tries == 2, "{action} {code}: {result:?}");
        if action != "Receive" {
            assert_eq!(server.count(action), tries, "{action} {code}");
        }
    }
    // 170 says of Send that the command cannot take it yet.
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    server.refuse("Send", 170, "");
    assert_eq!(pool.available_runspaces().await.unwrap(), 1);
    assert_eq!(server.count("Send"), 2);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/wsman", listener.local_addr().unwrap());
    drop(listener);
    let mut endpoint = Server::start().await.endpoint();
    endpoint.url = url;
    let start = std::time::Instant::now();
    let error = RunspacePool::open(&endpoint, &options())
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert_eq!(error.retry(), RetryClass::Later);
    // 10, 20 and 40 ms, a quarter less at most.
    assert!(start.elapsed() >= Duration::from_millis(52));
}

/// What panics in a task of the pool is not taken for an end of the shell.
#[tokio::test]
async fn a_panic_of_the_host_is_one_of_whoever_waits() {
    struct Panicking;
    impl Host for Panicking {
        fn info(&self) -> HostInfo {
            DefaultChoice.info()
        }

        fn answer(&self, _: &HostCall) -> HostResponse {
            panic!("no answer to that")
        }
    }
    let server = Server::start().await;
    let options = PoolOptions {
        host: Arc::new(Panicking),
        ..options()
    };
    let pool = open(&server, &options).await;
    let running = pool.start(&named("ask")).await.unwrap();
    let ended = tokio::spawn(running.output()).await;
    let panic = ended.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"no answer to that"));
    drop(pool);
    server.wait_for("Delete").await;
}

/// It was handed over before.
#[tokio::test]
async fn a_shell_that_is_closed_under_a_pipeline_may_have_run_it() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let running = pool.start(&named("hang")).await.unwrap();
    let output = tokio::spawn(running.output());
    tokio::time::sleep(Duration::from_millis(50)).await;
    pool.close().await;
    let error = output.await.unwrap().unwrap_err();
    // The server's word that it was aborted may come before the end of who waited for it.
    assert!(
        matches!(
            error,
            TransportError::SessionUnusable { .. } | TransportError::Fault { .. }
        ) && error.may_have_run(),
        "{error}"
    );
}

#[tokio::test]
async fn commands_that_have_ended_are_given_back() {
    for (old, allowed, pipelines, batch) in [(false, 100, 300, 64), (true, 15, 60, 4)] {
        let server = Server::start().await;
        {
            let mut seen = server.seen.lock().unwrap();
            (seen.old, seen.most_commands) = (old, Some(allowed));
        }
        let pool = open(&server, &options()).await;
        for _ in 0..pipelines {
            let output = pool
                .start(&echo("one of many"))
                .await
                .unwrap()
                .output()
                .await;
            assert!(output.unwrap().is_clean());
        }
        pool.close().await;
        let seen = server.seen.lock().unwrap();
        // Only whole batches are let go of; the rest goes with the shell.
        assert!(seen.signals.len() <= pipelines / batch * batch);
        assert!(seen.signals.iter().all(|s| *s == SignalCode::Terminate));
        assert_eq!(seen.kept.len() + seen.signals.len(), pipelines);
        assert_eq!(seen.actions.last().unwrap(), "Delete");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let server = Server::start().await;
    server.seen.lock().unwrap().closes_idle = true;
    let client = Client::new(ClientOptions {
        retry: Retry::NEVER,
        ..client_options()
    });
    let mut session = client.connect(&server.endpoint()).await.unwrap();
    for connections in 2..4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(session.run(&echo("on")).await.unwrap().is_clean());
        assert_eq!(server.seen.lock().unwrap().connections, connections);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    session.close().await;
    assert_eq!(server.count("Delete"), 1);
    assert_eq!(server.seen.lock().unwrap().connections, 4);
}

#[tokio::test]
async fn what_cleans_up_is_repeated() {
    const PUT_OFF: &str = "of 15 in 2 … 100 ms.";
    let start = std::time::Instant::now();
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    drop(pool.start(&named("hang")).await.unwrap());
    server.refuse("Signal", 2_150_859_175, PUT_OFF);
    server.refuse("Delete", 2_150_859_175, PUT_OFF);
    pool.close().await;
    assert_eq!((server.count("Signal"), server.count("Delete")), (2, 2));
    assert!(server.seen.lock().unwrap().signals.len() == 1);
    assert!(start.elapsed() >= Duration::from_millis(200));

    // Not what cannot succeed, nor what may have been done.
    for code in [5, 87, 995, 2_150_858_843] {
        let server = Server::start().await;
        let pool = open(&server, &options()).await;
        server.refuse("Delete", code, "");
        pool.close().await;
        assert_eq!(server.count("Delete"), 1, "{code}");
    }
}

#[tokio::test]
async fn a_receive_that_is_put_off_is_repeated_even_in_a_session() {
    let server = Server::start().await;
    let client = Client::new(ClientOptions {
        retry: Retry::NEVER,
        ..client_options()
    });
    let mut session = client.connect(&server.endpoint()).await.unwrap();
    server.refuse("Receive", 2_150_859_175, "of 15 in 2 … 100 ms.");
    let start = std::time::Instant::now();
    assert!(session.run(&echo("on")).await.unwrap().is_clean());
    assert!(start.elapsed() >= Duration::from_millis(100));
    session.close().await;
}

#[tokio::test]
async fn a_lost_exchange_of_keys_while_a_pipeline_runs_says_that_it_may_have_run() {
    let server = Server::start().await;
    let pool = open(
        &server,
        &PoolOptions {
            listen: true,
            ..options()
        },
    )
    .await;
    // The server has the client's key, and what the pipeline gives waits for its own.
    server.seen.lock().unwrap().hangs_up = Some(|seen, request| {
        let of_the_pool =
            |body: &RequestBody| matches!(body, RequestBody::Receive(r) if r.command_id.is_none());
        of_the_pool(&request.body) && seen.actions.iter().any(|action| action == "Send")
    });
    let running = pool.start(&named("secret")).await.unwrap();
    let error = running.output().await.unwrap_err();
    assert!(error.may_have_run(), "{error}");
}

#[tokio::test]
async fn a_pool_that_cannot_be_connected_to_is_left_as_it_is() {
    let server = Server::start().await;
    let pool = open(&server, &options()).await;
    let running = pool.start(&named("hang")).await.unwrap();
    let handle = pool.disconnect().await.unwrap();
    drop((running, pool));
    server.seen.lock().unwrap().hangs_up = Some(|seen, request| {
        let connected = seen.actions.iter().any(|action| action == "Connect");
        connected && matches!(request.body, RequestBody::Receive(_))
    });
    let connected = RunspacePool::connect(&server.endpoint(), &options(), &handle).await;
    assert!(matches!(
        connected.map(drop),
        Err(TransportError::Closed { .. })
    ));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.count("Delete"), 0);
}

#[tokio::test]
async fn a_silent_pipeline_keeps_nobody_from_the_pool() {
    let server = Server::start().await;
    server.seen.lock().unwrap().patience = Duration::from_mins(1);
    let pool = open(&server, &options()).await;
    let mut silent = pool.start(&named("hang")).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), silent.next()).await;
    assert!(waited.is_err());
    let start = std::time::Instant::now();
    assert_eq!(pool.available_runspaces().await.unwrap(), 0);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn listening_goes_on_after_a_lost_connection() {
    let server = Server::start().await;
    let listening = PoolOptions {
        listen: true,
        ..options()
    };
    let pool = open(&server, &listening).await;
    server.seen.lock().unwrap().hangs_up =
        Some(|_, request| matches!(request.body, RequestBody::Receive(_)));
    while pool.take_records().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.seen.lock().unwrap().hangs_up = None;
    server.request_key();
    server.wait_for("Send").await;
    pool.exchange_keys().await.unwrap();
}
