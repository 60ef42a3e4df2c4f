//! Scenarios of runspace pools.

use std::time::Duration;

use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{Command, CommandQuery, Pipeline, PipelineOutput, PipelineState};
use owaim_proto::wsman::ShellState;
use owaim_transport::{ClientOptions, PipelineOptions, PoolOptions, RunspacePool, TransportError};

use crate::allowed::{Allowed, Extra};
use crate::server::{Server, client, pools};

/// A pipeline as pypsrp runs it.
pub(crate) async fn run(pool: &RunspacePool, pipeline: &Pipeline) -> PipelineOutput {
    let running = pool.start_with(pipeline, &as_recorded()).await.unwrap();
    running.output().await.unwrap()
}

/// What pypsrp asks for with every pipeline.
pub(crate) fn as_recorded() -> PipelineOptions {
    PipelineOptions {
        invocation_info: true,
        ..PipelineOptions::default()
    }
}

pub(crate) fn script(text: &str) -> Pipeline {
    Pipeline::new(Command::script(text))
}

/// The text of every object of the output.
pub(crate) fn texts(output: &PipelineOutput) -> Vec<String> {
    output
        .objects()
        .map(|o| o.text().unwrap_or_default())
        .collect()
}

pub(crate) async fn opened(server: &Server) -> RunspacePool {
    RunspacePool::open(&server.endpoint(), &pools())
        .await
        .unwrap()
}

pub(crate) async fn open(server: Server) {
    let pool = opened(&server).await;
    assert_ne!(pool.private_data(), Value::Null);
    assert_eq!(pool.runspaces(), (1, 1));
    pool.close().await;
}

pub(crate) async fn set_runspaces(server: Server) {
    let pool = opened(&server).await;
    assert_eq!(pool.available_runspaces().await.unwrap(), 1);
    assert!(pool.set_max_runspaces(5).await.unwrap());
    assert_eq!(pool.available_runspaces().await.unwrap(), 5);
    assert_eq!(pool.runspaces(), (1, 5));
    assert!(pool.set_min_runspaces(2).await.unwrap());
    assert_eq!(pool.runspaces(), (2, 5));
    assert!(!pool.set_min_runspaces(-1).await.unwrap());
    assert!(!pool.set_max_runspaces(-1).await.unwrap());
    assert_eq!(pool.runspaces(), (2, 5));
    pool.close().await;
}

pub(crate) async fn key_exchange_timeout(server: Server) {
    server.hang(Duration::from_secs(1));
    let options = PoolOptions {
        client: ClientOptions {
            open_timeout: Duration::from_millis(500),
            ..client()
        },
        ..pools()
    };
    let pool = RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap();
    let error = pool.exchange_keys().await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { .. }), "{error}");
    pool.close().await;
}

pub(crate) async fn disconnect_runspaces(server: Server) {
    let first = opened(&server).await;
    first.disconnect().await.unwrap();
    first.reconnect().await.unwrap();
    let first = first.disconnect().await.unwrap();
    let second = opened(&server).await.disconnect().await.unwrap();

    let endpoint = server.endpoint();
    let found = RunspacePool::list(&endpoint, &pools()).await.unwrap();
    let ids: Vec<_> = found.iter().map(|found| found.handle.shell_id).collect();
    assert_eq!(ids, [first.shell_id, second.shell_id]);
    assert!(
        found
            .iter()
            .all(|found| found.state == ShellState::Disconnected)
    );
    let mut connected = Vec::new();
    for found in &found {
        connected.push(
            RunspacePool::connect(&endpoint, &pools(), &found.handle)
                .await
                .unwrap(),
        );
    }
    for pool in connected {
        pool.close().await;
    }
}

pub(crate) async fn disconnected_commands(server: Server) {
    let text = "Write-Output 'a'; Start-Sleep -Seconds 5; Write-Output 'b'";
    for _ in 0..2 {
        let pool = opened(&server).await;
        let running = pool
            .start_with(&script(text), &as_recorded())
            .await
            .unwrap();
        let left = pool.disconnect().await.unwrap();
        assert_eq!(left.pipelines, [running.handle()]);
    }

    let endpoint = server.endpoint();
    let found = RunspacePool::list(&endpoint, &pools()).await.unwrap();
    assert_eq!(found.len(), 2);
    let mut connected = Vec::new();
    for found in &found {
        let [pipeline] = found.handle.pipelines.as_slice() else {
            panic!("{found:?}");
        };
        let pool = RunspacePool::connect(&endpoint, &pools(), &found.handle)
            .await
            .unwrap();
        let output = pool
            .take_up(pipeline)
            .await
            .unwrap()
            .output()
            .await
            .unwrap();
        assert_eq!(texts(&output), ["a", "b"]);
        connected.push(pool);
    }
    for pool in connected {
        // pypsrp does so too before it closes a pool that it found.
        pool.reconnect().await.unwrap();
        pool.close().await;
    }
}

pub(crate) async fn application_arguments(server: Server) {
    let arguments = vec![("test_var".into(), "abcdef12345".into())];
    let types = [
        "System.Management.Automation.PSPrimitiveDictionary",
        "System.Collections.Hashtable",
        "System.Object",
    ];
    let options = PoolOptions {
        application_arguments: Object::hashtable(arguments.clone())
            .with_types(types)
            .into(),
        ..pools()
    };
    let pool = RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap();
    let output = run(&pool, &script("$PSSenderInfo.ApplicationArguments")).await;
    let first = output.objects().next().and_then(Value::as_object);
    assert_eq!(first.and_then(Object::entries), Some(arguments.as_slice()));
    pool.close().await;
}

pub(crate) async fn no_profile(server: Server) {
    let options = PoolOptions {
        no_profile: true,
        ..pools()
    };
    let pool = RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap();
    let output = run(&pool, &script("$env:USERPROFILE.ToUpperInvariant()")).await;
    assert_eq!(
        texts(&output),
        [r"C:\WINDOWS\SYSTEM32\CONFIG\SYSTEMPROFILE"]
    );
    pool.close().await;
}

async fn opened_for_a_minute(server: &Server, operation_timeout: u64) -> RunspacePool {
    let options = PoolOptions {
        client: ClientOptions {
            idle_timeout: Some(Duration::from_mins(1)),
            operation_timeout: Duration::from_secs(operation_timeout),
            ..client()
        },
        ..pools()
    };
    RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap()
}

async fn dies(server: Server, operation_timeout: u64) {
    let pool = opened_for_a_minute(&server, operation_timeout).await;
    assert!(pool.is_alive().await.unwrap());
    assert!(!pool.is_alive().await.unwrap());
    pool.close().await;
}

pub(crate) async fn is_alive_unknown(server: Server) {
    dies(server, 20).await;
}

pub(crate) async fn is_alive_disconnected(server: Server) {
    server.expect(Extra::Delete);
    dies(server, 20).await;
}

pub(crate) async fn is_alive_lost(server: Server) {
    server.expect(Extra::Delete);
    server.allow(Allowed {
        context: "*",
        path: "/s:Envelope/s:Header/w:OperationTimeout",
        recorded: "PT20S",
        ours: "PT5S",
        why: "pypsrp's time-out was another for the question whether a pool is alive; ours is a pool's",
    });
    dies(server, 5).await;
}

pub(crate) async fn is_alive_fault(server: Server) {
    server.allow(Allowed {
        context: "Get",
        path: "/s:Envelope/s:Header/w:OperationTimeout",
        recorded: "PT-1S",
        ours: "PT20S",
        why: "a time-out of ours cannot be negative",
    });
    server.allow(Allowed {
        context: "Delete",
        path: "/s:Envelope/s:Header/w:OperationTimeout",
        recorded: "PT30S",
        ours: "PT20S",
        why: "pypsrp's test sets another time-out to end with; ours is a pool's",
    });
    let pool = opened_for_a_minute(&server, 20).await;
    let error = pool.is_alive().await.unwrap_err();
    let TransportError::Fault { fault, .. } = &error else {
        panic!("{error}");
    };
    let reason = "The WS-Management service cannot process the request. The XML contains an invalid timeout field \
                  in the SOAP header: PT-1S.";
    assert_eq!(fault.message.as_deref(), Some(reason));
    assert_eq!(fault.code, Some(2_150_858_767));
    pool.close().await;
}

pub(crate) async fn command_metadata(server: Server) {
    server.allow(Allowed {
        context: "GET_COMMAND_METADATA",
        path: "/Obj/MS/Obj[Namespace]/types",
        recorded: "System.Object[] < System.Array < System.Object",
        ours: "System.String[] < System.Array < System.Object",
        why: "namespaces are strings, as names are ([MS-PSRP] 2.2.2.14)",
    });
    let pool = opened(&server).await;
    let mut functions = CommandQuery::named(["new-*"]);
    functions.types = 2;
    let mut of_module = CommandQuery::named(["Get-*"]);
    of_module.namespaces = vec!["Microsoft.WSMan.Management".into()];
    for (query, names) in [
        (
            CommandQuery::named(["new-pssession*"]),
            [
                "New-PSSession",
                "New-PSSessionConfigurationFile",
                "New-PSSessionOption",
            ]
            .as_slice(),
        ),
        (functions, &["New-Guid", "New-TemporaryFile"]),
        (of_module, &["Get-WSManCredSSP", "Get-WSManInstance"]),
    ] {
        let commands = pool.commands(&query).await.unwrap();
        let found: Vec<_> = commands
            .iter()
            .map(|command| command.name.as_str())
            .collect();
        assert_eq!(found, names);
        assert!(
            commands
                .iter()
                .all(|command| matches!(command.command_type, 2 | 8))
        );
        let mut parameters = commands.iter().flat_map(|command| &command.parameters);
        assert!(parameters.all(|parameter| !parameter.name.is_empty()));
    }
    pool.close().await;
}

pub(crate) async fn reset(server: Server) {
    let pool = opened(&server).await;
    let options = PipelineOptions {
        add_to_history: true,
        ..as_recorded()
    };
    let running = pool.start_with(&script("echo hi"), &options).await.unwrap();
    running.output().await.unwrap();
    assert!(pool.reset_state().await.unwrap());
    let history = run(&pool, &Pipeline::new(Command::new("Get-History"))).await;
    assert_eq!(history.objects().count(), 0);
    pool.close().await;
}

pub(crate) async fn reset_fails(server: Server) {
    let pool = opened(&server).await;
    assert!(!pool.reset_state().await.unwrap());
    pool.close().await;
}

pub(crate) async fn jea(server: Server) {
    let pool = RunspacePool::open(&server.endpoint_of("JEARole"), &pools())
        .await
        .unwrap();
    let setting = r"WSMan:\localhost\Service\AllowUnencrypted";
    let item = Command::new("Get-Item");
    let output = run(&pool, &Pipeline::new(item.clone().with("Path", setting))).await;
    assert_eq!(
        texts(&output),
        ["Microsoft.WSMan.Management.WSManConfigLeafElement"]
    );
    let value = output
        .objects()
        .next()
        .and_then(|item| item.base().get("Value"));
    assert_eq!(value.and_then(Value::text).as_deref(), Some("true"));
    assert!(output.is_clean());

    let refused = Pipeline::new(item.with("Path", r"C:\Windows")).then(Command::script(
        r"Set-Item -Path WSMan:\localhost\Service\AllowUnencrypted -Value $false",
    ));
    let output = run(&pool, &refused).await;
    assert_eq!(output.objects().count(), 0);
    assert!(matches!(output.state, PipelineState::Failed(_)));
    let errors: Vec<_> = output
        .errors()
        .map(|error| error.message.as_str())
        .collect();
    assert_eq!(
        errors,
        [
            "Cannot find a provider with the name 'FileSystem'.",
            "The syntax is not supported by this runspace. This can occur if the runspace is in no-language mode.",
        ]
    );
    pool.close().await;
}
