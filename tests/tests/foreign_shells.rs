//! Shells at a server that is not ours: everything that pools and programs can do, with `psrpcore`'s
//! state machine and `xml.etree` on the other side.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::time::Duration;

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, CommandQuery, Pipeline, PipelineState, Record};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, credential};
use owaim_transport::{
    Authentication, Endpoint, Output, PoolOptions, ProcessSignal, RunspacePool, Shell, ShellOptions,
};
use serde_json::{Value as Json, json};

/// A server whose Receives wait a while, and whose pools open in several of them.
fn server(more: &Json) -> (ForeignServer, Endpoint) {
    let mut job = json!({ "hold": 0.3, "spread": true });
    job.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let server = ForeignServer::start(&job);
    let endpoint = server.endpoint(Authentication::Ntlm(credential(ACCOUNT)));
    (server, endpoint)
}

async fn pool(endpoint: &Endpoint) -> RunspacePool {
    RunspacePool::open(endpoint, &PoolOptions::default())
        .await
        .unwrap()
}

fn command(name: &str) -> Pipeline {
    Pipeline::new(Command::new(name))
}

fn copy_input() -> Pipeline {
    Pipeline {
        takes_input: true,
        ..command("Copy-Input")
    }
}

#[tokio::test]
async fn pipelines_run_side_by_side_and_take_input_as_it_comes() {
    let (server, endpoint) = server(&json!({ "runspaces": [1, 3] }));
    let options = PoolOptions {
        max_runspaces: 3,
        ..PoolOptions::default()
    };
    let pool = RunspacePool::open(&endpoint, &options).await.unwrap();
    let mut first = pool.start(&copy_input()).await.unwrap();
    let mut second = pool.start(&copy_input()).await.unwrap();
    // What goes in comes out again before more goes in, in either.
    for number in 0..3 {
        for (running, what) in [(&mut first, "first"), (&mut second, "second")] {
            let text = format!("{what} {number}");
            running.send(text.as_str()).await.unwrap();
            let record = running.next().await.unwrap();
            assert_eq!(record, Some(Record::Output(Value::from(text.as_str()))));
        }
    }
    let third = pool.start(&command("Get-Thing")).await.unwrap();
    assert_eq!(third.output().await.unwrap().records.len(), 7);
    for mut running in [first, second] {
        running.finish_input().await.unwrap();
        let output = running.output().await.unwrap();
        assert_eq!(output.state, PipelineState::Completed);
    }
    pool.close().await;
    let seen = server.stop();
    assert_eq!(seen.0["shells"], 0);
    let ended: Vec<_> = seen.pipelines().iter().map(|p| &p["input_ended"]).collect();
    assert_eq!(ended, [true, true, false]);
}

#[tokio::test]
async fn a_pipeline_is_stopped_and_its_pool_goes_on() {
    let (server, endpoint) = server(&json!({}));
    let pool = pool(&endpoint).await;
    let mut running = pool.start(&command("Wait-End")).await.unwrap();
    running.stop().await.unwrap();
    let output = running.output().await.unwrap();
    let PipelineState::Stopped(reason) = &output.state else {
        panic!("{output:?}");
    };
    assert!(
        format!("{reason:?}").contains("PipelineStopped"),
        "{reason:?}"
    );
    // One that is let go does not keep the pool either.
    drop(pool.start(&command("Wait-End")).await.unwrap());
    let running = pool.start(&command("Get-Nothing")).await.unwrap();
    assert_eq!(running.output().await.unwrap().records.len(), 1);
    pool.close().await;
    server.stop();
}

#[tokio::test]
async fn a_pool_tells_of_itself() {
    let (server, endpoint) = server(&json!({}));
    let pool = pool(&endpoint).await;
    assert!(pool.is_alive().await.unwrap());
    assert_eq!(pool.available_runspaces().await.unwrap(), 1);
    assert!(pool.set_max_runspaces(4).await.unwrap());
    assert!(pool.set_min_runspaces(2).await.unwrap());
    assert!(pool.reset_state().await.unwrap());
    let said = pool.private_data();
    let entries = said.as_object().and_then(|object| object.entries());
    let (name, _) = &entries.unwrap()[0];
    assert_eq!(name, &Value::from("PSVersionTable"));
    let query = CommandQuery::named(["Get-Thing", "Copy-Input"]);
    let commands = pool.commands(&query).await.unwrap();
    let names: Vec<_> = commands.iter().map(|command| &command.name).collect();
    assert_eq!(names, ["Copy-Input", "Get-Thing"]);
    pool.close().await;
    server.stop();
}

#[tokio::test]
async fn a_pool_is_left_and_come_back_to() {
    let (server, endpoint) = server(&json!({}));
    let pool = pool(&endpoint).await;
    let mut running = pool.start(&copy_input()).await.unwrap();
    running.send("before").await.unwrap();
    pool.disconnect().await.unwrap();
    pool.reconnect().await.unwrap();
    running.send("after").await.unwrap();
    running.finish_input().await.unwrap();
    let output = running.output().await.unwrap();
    let objects: Vec<_> = output.objects().cloned().collect();
    assert_eq!(objects, ["before", "after"].map(Value::from));
    pool.close().await;
    let seen = server.stop();
    let requests = seen.requests();
    assert!(requests.contains(&"Disconnect") && requests.contains(&"Reconnect"));
    assert_eq!(seen.0["shells"], 0);
}

#[tokio::test]
async fn another_client_takes_over_a_pool_with_what_runs_in_it() {
    let (server, endpoint) = server(&json!({}));
    let first = pool(&endpoint).await;
    let wait = Pipeline::new(Command::new("Get-Much").with("Count", 3).with("Length", 10));
    let running = first.start(&wait).await.unwrap();
    let whose = running.handle();
    let handle = first.disconnect().await.unwrap();
    drop((running, first));
    let options = PoolOptions::default();
    let found = RunspacePool::list(&endpoint, &options).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let second = RunspacePool::connect(&endpoint, &options, &handle)
        .await
        .unwrap();
    assert_eq!(second.runspaces(), (1, 1));
    let taken = second.take_up(&whose).await.unwrap();
    let output = taken.output().await.unwrap();
    assert_eq!(output.objects().count(), 3, "{output:?}");
    let next = second.start(&command("Get-Nothing")).await.unwrap();
    assert_eq!(next.output().await.unwrap().records.len(), 1);
    second.close().await;
    let seen = server.stop();
    assert_eq!(seen.0["shells"], 0);
}

#[tokio::test]
async fn a_program_is_started_as_it_is_meant_to() {
    let (server, endpoint) = server(&json!({}));
    let options = ShellOptions {
        codepage: Some(65001),
        working_directory: Some(r"C:\a b".into()),
        environment: vec![
            ("NAME".into(), "\u{e4} <&>".into()),
            ("EMPTY".into(), String::new()),
        ],
        lifetime: Some(Duration::from_mins(10)),
        name: Some("owaim".into()),
        no_profile: true,
        ..ShellOptions::default()
    };
    let shell = Shell::open(&endpoint, &options).await.unwrap();
    let shown = shell.command("show", &[]).await.unwrap();
    let output = shown.output().await.unwrap();
    let settings: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        settings,
        json!({
            "environment": { "NAME": "\u{e4} <&>", "EMPTY": "" },
            "folder": r"C:\a b",
            "codepage": "65001",
            "no_profile": "TRUE",
            "idle": null,
        })
    );
    let arguments = ["first", "a b", "\"quoted\"", "<&>"];
    let echo = shell.command("echo", &arguments).await.unwrap();
    let output = echo.output().await.unwrap();
    assert_eq!(output.stdout, b"first a b \"quoted\" <&>\r\n");
    let fail = shell.command("fail", &["so it is", "42"]).await.unwrap();
    let output = fail.output().await.unwrap();
    assert_eq!(
        (output.stderr.as_slice(), output.exit_code),
        (&b"so it is"[..], Some(42))
    );
    shell.close().await;
    let seen = server.stop();
    assert_eq!(seen.0["shells"], 0);
    assert_eq!(seen.pipelines()[1]["arguments"], json!(arguments));
}

#[tokio::test]
async fn output_of_a_program_comes_as_it_is_printed() {
    let (server, endpoint) = server(&json!({}));
    let shell = Shell::open(&endpoint, &ShellOptions::default())
        .await
        .unwrap();
    let mut chatter = shell.command("chatter", &["4"]).await.unwrap();
    for number in 0..4 {
        let line = format!("line {number}\r\n").into_bytes();
        let wanted = if number % 2 == 0 {
            Output::Stdout(line)
        } else {
            Output::Stderr(line)
        };
        assert_eq!(chatter.next().await.unwrap(), Some(wanted));
    }
    assert_eq!(chatter.next().await.unwrap(), None);
    drop(chatter);

    let mut cat = shell.command("cat", &[]).await.unwrap();
    for piece in ["one", "two"] {
        cat.write(piece.as_bytes(), false).await.unwrap();
        let came = cat.next().await.unwrap();
        assert_eq!(came, Some(Output::Stdout(piece.into())));
    }
    cat.write(b"", true).await.unwrap();
    assert_eq!(cat.next().await.unwrap(), None);
    assert_eq!(cat.exit_code(), Some(0));
    drop(cat);
    shell.close().await;
    server.stop();
}

#[tokio::test]
async fn ctrl_c_ends_a_program_and_clixml_is_read() {
    let (server, endpoint) = server(&json!({}));
    let shell = Shell::open(&endpoint, &ShellOptions::default())
        .await
        .unwrap();
    let mut wait = shell.command("wait", &[]).await.unwrap();
    assert_eq!(
        wait.next().await.unwrap(),
        Some(Output::Stdout(b"waiting\r\n".to_vec()))
    );
    wait.signal(ProcessSignal::CtrlC).await.unwrap();
    assert_eq!(wait.next().await.unwrap(), None);
    // STATUS_CONTROL_C_EXIT
    assert_eq!(wait.exit_code(), Some(0xC000_013A));
    drop(wait);
    let clixml = shell.command("clixml", &[]).await.unwrap();
    let output = clixml.output().await.unwrap();
    assert_eq!(output.error_text(), "it is _x000D_ broken\r\n");
    assert_eq!(output.exit_code, Some(1));
    let unknown = shell.command("nonsense", &[]).await.unwrap();
    let output = unknown.output().await.unwrap();
    assert!(output.error_text().contains("not recognized"), "{output:?}");
    shell.close().await;
    server.stop();
}
