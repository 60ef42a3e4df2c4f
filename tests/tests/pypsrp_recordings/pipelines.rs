//! Scenarios of pipelines.

use std::time::Duration;

use owaim_proto::Secret;
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{
    Command, Merge, MergeTo, Pipeline, PipelineOutput, PipelineState, ProtocolVersion, Record,
};
use owaim_transport::{
    ClientOptions, PipelineOptions, PoolOptions, RunspacePool, Tickets, TransportError,
};

use crate::allowed::{Allowed, Extra};
use crate::pools::{as_recorded, opened, run, script, texts};
use crate::server::{Server, client, pools};

/// Records of the streams besides the output, as one line each.
fn others(output: &PipelineOutput) -> Vec<String> {
    output
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Error(error) => Some(format!("error: {}", error.message)),
            Record::Warning(text) => Some(format!("warning: {text}")),
            Record::Verbose(text) => Some(format!("verbose: {text}")),
            Record::Debug(text) => Some(format!("debug: {text}")),
            Record::Information(record) => {
                let data = record.get("MessageData")?;
                let text = data.get("Message").unwrap_or(data).text()?;
                Some(format!("information: {text}"))
            }
            Record::Progress(progress) => Some(format!("progress: {}", progress.record_type)),
            Record::Output(_) | Record::HostCall(_) => None,
        })
        .collect()
}

pub(crate) async fn multiple_commands(server: Server) {
    let pool = opened(&server).await;
    pool.exchange_keys().await.unwrap();
    // Once is enough.
    pool.exchange_keys().await.unwrap();
    let secret = Secret::new("Hello World".into());
    let text = "こんにちは - actual_x000A_string\nnewline: \u{10437}";
    let reveal = "[System.Runtime.InteropServices.marshal]::PtrToStringAuto(\
                  [System.Runtime.InteropServices.marshal]::SecureStringToBSTR($sec_string))";
    let set = |name: &str, value: Value| {
        Command::new("Set-Variable")
            .with("Name", name)
            .with("Value", value)
    };
    let convert = Command::new("ConvertTo-SecureString").with("String", "abc");
    let pipeline = Pipeline::new(set("sec_string", secret.into()))
        .then(Command::script(reveal))
        .then(
            convert
                .with("AsPlainText", Value::Null)
                .with("Force", Value::Null),
        )
        .then(set("unicode_string", text.into()))
        .then(Command::script("$unicode_string"))
        .then(Command::new("cmd.exe").arg("/c echo hi"))
        .then(Command::new("whoami.exe"))
        .then(set("integer", 123.into()))
        .then(Command::script("$integer"))
        .then(Command::new("Get-Service").with("Name", "winrm"));
    let output = run(&pool, &pipeline).await;
    pool.close().await;

    assert_eq!(output.state, PipelineState::Completed);
    let objects: Vec<&Value> = output.objects().collect();
    assert_eq!(objects.len(), 7);
    let Value::Secret(abc) = objects[1] else {
        panic!("{:?}", objects[1]);
    };
    assert_eq!(abc.expose(), "abc");
    assert_eq!(objects[5], &Value::Int32(123));
    let texts = texts(&output);
    assert_eq!(texts[0], "Hello World");
    assert_eq!(texts[2], text);
    assert_eq!(texts[3..5], ["hi\"", r"win-nnmu24vvkj0\vagrant"]);
    assert_eq!(texts[6], "winrm");
    let property = |name| objects[6].get(name).and_then(Value::text);
    assert_eq!(
        property("DisplayName").as_deref(),
        Some("Windows Remote Management (WS-Management)")
    );
    assert_eq!(property("ServiceName").as_deref(), Some("winrm"));
    assert_eq!(property("Name").as_deref(), Some("winrm"));
}

pub(crate) async fn multiple_invocations(server: Server) {
    let pool = opened(&server).await;
    for _ in 0..2 {
        let output = run(&pool, &script("1+1")).await;
        assert_eq!(output.state, PipelineState::Completed);
        assert_eq!(output.objects().collect::<Vec<_>>(), [&Value::Int32(2)]);
    }
    pool.close().await;
}

async fn protocol(server: Server, version: ProtocolVersion) {
    let pool = opened(&server).await;
    assert_eq!(pool.version(), version);
    let merge = Merge {
        error: MergeTo::Output,
        ..Merge::default()
    };
    let mut pipeline = Pipeline::new(Command::script(server.script(0)).merged(merge));
    pipeline.takes_input = true;
    let list: Value = Object::new()
        .with_types(["System.Object[]", "System.Array", "System.Object"])
        .with_base(owaim_proto::clixml::Base::List(vec!["3".into(), 3.into()]))
        .into();
    let output = with_input(&pool, &pipeline, vec!["message 1".into(), 2.into(), list]).await;
    let objects: Vec<&Value> = output.objects().collect();
    assert_eq!(objects.len(), 4);
    assert!(
        objects[0]
            .as_object()
            .is_some_and(|o| o.is("System.Management.Automation.ErrorRecord"))
    );
    assert_eq!(objects[0].text().as_deref(), Some("error"));
    assert_eq!(objects[1..3], [&Value::from("message 1"), &Value::Int32(2)]);
    assert_eq!(objects[3].items(), Some(["3".into(), 3.into()].as_slice()));
    assert!(output.is_clean());
    let said = others(&output);
    let debug: Vec<_> = said
        .iter()
        .filter(|text| text.starts_with("debug"))
        .collect();
    assert_eq!(debug, ["debug: Start Block", "debug: End Block"]);
    pool.close().await;
}

pub(crate) async fn protocol_2_1(server: Server) {
    protocol(server, ProtocolVersion::V2_1).await;
}

pub(crate) async fn protocol_2_2(server: Server) {
    protocol(server, ProtocolVersion::V2_2).await;
}

pub(crate) async fn protocol_2_3(server: Server) {
    protocol(server, ProtocolVersion::V2_3).await;
}

/// Runs a pipeline and sends its input after it.
pub(crate) async fn with_input(
    pool: &RunspacePool,
    pipeline: &Pipeline,
    input: Vec<Value>,
) -> PipelineOutput {
    let mut running = pool.start_with(pipeline, &as_recorded()).await.unwrap();
    for value in input {
        running.feed(value).await.unwrap();
    }
    running.finish_input().await.unwrap();
    running.output().await.unwrap()
}

pub(crate) async fn nested(server: Server) {
    server.expect(Extra::Terminate);
    server.allow(Allowed {
        context: "Signal",
        path: "/s:Envelope/s:Body/rsp:Signal/rsp:Code",
        recorded: "powershell/signal/ctrl_c",
        ours: "powershell/signal/crtl_c",
        why: "ours spells the signal as PowerShell's own client does, which misspells it",
    });
    let pool = opened(&server).await;
    let endless = script("$i = 0; while ($true) { $i++ }");
    let mut running = pool.start_with(&endless, &as_recorded()).await.unwrap();
    let look = Pipeline::new(Command::new("Get-Variable").with("Name", "i"));
    let options = PipelineOptions {
        nested: true,
        ..as_recorded()
    };
    let output = pool
        .start_with(&look, &options)
        .await
        .unwrap()
        .output()
        .await
        .unwrap();
    running.stop().await.unwrap();
    drop(running);
    pool.close().await;
    let value = output
        .objects()
        .next()
        .and_then(|variable| variable.get("Value"));
    assert!(value.and_then(Value::as_i64).unwrap() > 0);
}

/// What the script of the next three gives, besides its output.
const SAID: [&str; 6] = [
    "progress: Completed",
    "debug: debug stream",
    "verbose: verbose stream",
    "error: error stream",
    "warning: warning stream",
    "information: information stream",
];

pub(crate) async fn streams_with_invocation(server: Server) {
    let pool = opened(&server).await;
    let output = run(&pool, &script(server.script(0))).await;
    check_streams(&output);
    let error = output.errors().next().unwrap();
    assert_eq!(
        error.raw.get("SerializeExtendedInfo"),
        Some(&Value::Bool(true))
    );
    pool.close().await;
}

pub(crate) async fn streams_without_invocation(server: Server) {
    let pool = opened(&server).await;
    let running = pool.start(&script(server.script(0))).await.unwrap();
    let output = running.output().await.unwrap();
    check_streams(&output);
    let error = output.errors().next().unwrap();
    assert_eq!(
        error.raw.get("SerializeExtendedInfo"),
        Some(&Value::Bool(false))
    );
    pool.close().await;
}

fn check_streams(output: &PipelineOutput) {
    assert_eq!(output.state, PipelineState::Completed);
    assert_eq!(texts(output), ["output stream"]);
    assert_eq!(others(output), SAID);
}

pub(crate) async fn merge(server: Server) {
    let pool = opened(&server).await;
    let merged = Merge {
        previous: true,
        ..Merge::ALL_TO_OUTPUT
    };
    let pipeline = Pipeline::new(Command::script(server.script(0)).merged(merged))
        .then(Command::script(server.script(0)));
    let output = run(&pool, &pipeline).await;
    assert_eq!(
        texts(&output),
        [
            "debug stream",
            "verbose stream",
            "error stream",
            "output stream",
            "warning stream",
            "information stream",
            // The second statement's streams are its own.
            "output stream",
        ]
    );
    assert_eq!(others(&output), SAID);
    pool.close().await;
}

pub(crate) async fn failed(server: Server) {
    let pool = opened(&server).await;
    let text = "$ErrorActionPreference = 'Stop'; Write-Output before; Write-Error error; Write-Output after";
    let output = run(&pool, &script(text)).await;
    assert!(matches!(output.state, PipelineState::Failed(_)));
    assert_eq!(texts(&output), ["before"]);
    // The message of the exception that ended it says more than the record's own text, which pypsrp shows.
    let errors: Vec<_> = output.errors().map(|error| error.raw.text()).collect();
    assert_eq!(errors, [Some("error".into())]);
    pool.close().await;
}

async fn with_history(server: &Server, add_to_history: bool) -> PipelineOutput {
    let pool = opened(server).await;
    let options = PipelineOptions {
        add_to_history,
        ..as_recorded()
    };
    let first = script("Write-Output 1; Write-Output 2");
    pool.start_with(&first, &options)
        .await
        .unwrap()
        .output()
        .await
        .unwrap();
    let history = run(&pool, &script("Get-History")).await;
    pool.close().await;
    history
}

pub(crate) async fn history(server: Server) {
    let history = with_history(&server, true).await;
    let entries: Vec<&Value> = history.objects().collect();
    assert_eq!(entries.len(), 1);
    let property = |name| entries[0].get(name).and_then(Value::text);
    assert_eq!(
        property("CommandLine").as_deref(),
        Some("Write-Output 1; Write-Output 2")
    );
    assert_eq!(property("ExecutionStatus").as_deref(), Some("Completed"));
}

pub(crate) async fn no_history(server: Server) {
    assert_eq!(with_history(&server, false).await.objects().count(), 0);
}

pub(crate) async fn input(server: Server) {
    let pool = opened(&server).await;
    let mut pipeline = script(server.script(0));
    pipeline.takes_input = true;
    let entries: Vec<(Value, Value)> = vec![("a".into(), "b".into())];
    let list: Value = Object::new()
        .with_types(["System.Object[]", "System.Array", "System.Object"])
        .with_base(owaim_proto::clixml::Base::List(vec![
            "a".into(),
            "b".into(),
        ]))
        .into();
    let table = Object::hashtable(entries.clone()).into();
    let output = with_input(&pool, &pipeline, vec!["1".into(), 2.into(), table, list]).await;
    let objects: Vec<&Value> = output.objects().collect();
    assert_eq!(objects.len(), 4);
    assert_eq!(objects[..2], [&Value::from("1"), &Value::Int32(2)]);
    let table = objects[2].as_object().and_then(Object::entries);
    assert_eq!(table, Some(entries.as_slice()));
    assert_eq!(
        objects[3].items(),
        Some(["a".into(), "b".into()].as_slice())
    );
    let said = others(&output);
    let debug: Vec<_> = said
        .iter()
        .filter(|text| text.starts_with("debug"))
        .collect();
    assert_eq!(debug, ["debug: Start Block", "debug: End Block"]);
    pool.close().await;
}

pub(crate) async fn small_messages(server: Server) {
    let size =
        owaim_transport::max_envelope_size(&server.endpoint(), client(), &Tickets::default())
            .await
            .unwrap();
    let options = PoolOptions {
        client: ClientOptions {
            send_limit: size,
            receive_limit: size,
            ..client()
        },
        ..pools()
    };
    let pool = RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap();
    let mut pipeline = script(server.script(0));
    pipeline.takes_input = true;
    let output = with_input(&pool, &pipeline, vec!["input".into()]).await;
    let lengths: Vec<usize> = texts(&output)[1..].iter().map(String::len).collect();
    assert_eq!(texts(&output)[0], "input");
    assert!(
        texts(&output)[1..]
            .concat()
            .bytes()
            .all(|byte| byte == b'a')
    );
    assert_eq!(lengths, [20_000, 10_000]);
    pool.close().await;
}

pub(crate) async fn long_running(server: Server) {
    let options = PoolOptions {
        client: ClientOptions {
            operation_timeout: Duration::from_secs(5),
            ..client()
        },
        ..pools()
    };
    let pool = RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap();
    let pipeline = Pipeline::new(Command::new("Start-Sleep").with("Seconds", 10))
        .then(Command::script("echo hi"));
    assert_eq!(texts(&run(&pool, &pipeline).await), ["hi"]);
    pool.close().await;
}

pub(crate) async fn clear_commands(server: Server) {
    let pool = opened(&server).await;
    // Ours are values: there is nothing to clear.
    assert_eq!(texts(&run(&pool, &script("echo new")).await), ["new"]);
    pool.close().await;
}

pub(crate) async fn receive_failure(server: Server) {
    server.expect(Extra::Command);
    let pool = opened(&server).await;
    let running = pool.start(&script("1")).await.unwrap();
    let error = running.output().await.unwrap_err();
    let reason = "The Windows Remote Shell received a request to perform an operation on a command identifier that \
                  does not exist. Either the command has completed execution or the client specified an invalid \
                  command identifier.";
    let TransportError::Fault { fault, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(fault.message.as_deref(), Some(reason));
    pool.close().await;
}

/// What a script gives as lines of text, which is what pypsrp's client asks for.
fn as_lines(text: &str) -> Vec<Command> {
    vec![
        Command::new("Invoke-Expression").with("Command", text),
        Command::new("Out-String").with("Stream", Value::Null),
    ]
}

fn lines(text: &str) -> Pipeline {
    Pipeline {
        statements: vec![as_lines(text)],
        takes_input: false,
    }
}

pub(crate) async fn execute(server: Server) {
    let pool = opened(&server).await;
    let output = run(
        &pool,
        &lines("$serv = Get-Service -Name winrm; $serv.Name; $serv.Status; $serv"),
    )
    .await;
    let expected = [
        "winrm",
        "Running",
        "",
        "Status   Name               DisplayName                           ",
        "------   ----               -----------                           ",
        "Running  winrm              Windows Remote Management (WS-Manag...",
        "",
        "",
    ];
    assert_eq!(texts(&output), expected);
    assert!(output.is_clean());
    pool.close().await;
}

pub(crate) async fn execute_with_environment(server: Server) {
    let odd = "_-(){}[]<>*+-/\\?\"!@#$%^&|;:i,.`~0";
    let environment: [(&str, Value); 7] = [
        ("string", "string value".into()),
        ("int", 1234.into()),
        ("bool", true.into()),
        ("double_quote", "double \" quote".into()),
        ("single_quote", "single ' quote".into()),
        ("hyphen - var", "abc @ 123".into()),
        (odd, odd.into()),
    ];
    let statements = environment.iter().map(|(name, value)| {
        let item = Command::new("New-Item")
            .with("Path", "env:")
            .with("Name", *name);
        vec![
            item.with("Value", value.clone()).with("Force", true),
            Command::new("Out-Null"),
        ]
    });
    let pipeline = Pipeline {
        statements: statements.chain([as_lines("cmd.exe /c set")]).collect(),
        takes_input: false,
    };
    let pool = opened(&server).await;
    let lines = texts(&run(&pool, &pipeline).await);
    for (name, value) in environment {
        let line = format!("{name}={}", value.text().unwrap());
        assert!(lines.contains(&line), "{line}");
    }
    pool.close().await;
}

pub(crate) async fn execute_fails(server: Server) {
    let pool = opened(&server).await;
    let output = run(&pool, &lines("Get-ServiceTypo -Name winrm")).await;
    assert_eq!(output.objects().count(), 0);
    let errors: Vec<_> = output
        .errors()
        .map(|error| error.message.as_str())
        .collect();
    assert_eq!(
        errors,
        [
            "The term 'Get-ServiceTypo' is not recognized as the name of a cmdlet, function, script file, or \
          operable program. Check the spelling of the name, or if a path was included, verify that the path is \
          correct and try again."
        ]
    );
    pool.close().await;
}
