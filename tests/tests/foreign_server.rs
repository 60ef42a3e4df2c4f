//! The client at a server that is not ours: Python's `pyspnego` accepts the logon and unseals,
//! `xml.etree` reads the envelopes, `psrpcore` the runspace pool's messages. Whatever they find
//! wrong with what the client sends fails these tests.

#![allow(clippy::unwrap_used)]
// It drives a Python of this machine.
#![cfg(unix)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput, PipelineState, Record};
use owaim_tests::foreign::{ACCOUNT, ForeignServer, Seen, credential};
use owaim_transport::{
    Authentication, Client, Connect, Credential, Endpoint, Exchange, Observer, Secret, Session,
};
use serde_json::json;
use sha2::Digest as _;
use uuid::Uuid;

fn ntlm(server: &ForeignServer, credential: Credential) -> Endpoint {
    server.endpoint(Authentication::Ntlm(credential))
}

async fn connect(server: &ForeignServer) -> Box<dyn Session> {
    let endpoint = ntlm(server, credential(ACCOUNT));
    Client::default().connect(&endpoint).await.unwrap()
}

/// Starts a server, runs `pipelines` in one session, closes it: what came of each, and what the
/// server saw.
async fn run(pipelines: &[Pipeline]) -> (Vec<PipelineOutput>, Seen) {
    let server = ForeignServer::start(&json!({}));
    let mut session = connect(&server).await;
    let mut outputs = Vec::new();
    for pipeline in pipelines {
        outputs.push(session.run(pipeline).await.unwrap());
    }
    session.close().await;
    (outputs, server.stop())
}

fn objects(output: &PipelineOutput) -> Vec<&Value> {
    assert!(output.is_clean(), "{output:?}");
    output.objects().collect()
}

fn text(value: &Value, name: &str) -> String {
    let property = value
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {value:?}"));
    property.text().unwrap_or_default()
}

#[tokio::test]
async fn a_cold_pipeline_takes_five_requests_and_a_warm_one_two() {
    /// Counts exchanges; the first of a connection is two requests.
    #[derive(Default)]
    struct Counter {
        requests: AtomicUsize,
        actions: Mutex<Vec<String>>,
    }
    impl Observer for Counter {
        fn exchanged(&self, exchange: &Exchange<'_>) {
            let requests = if exchange.first { 2 } else { 1 };
            self.requests.fetch_add(requests, Ordering::Relaxed);
            self.actions.lock().unwrap().push(exchange.action.into());
        }
    }
    // The other endpoints have paths and configurations of their own.
    for (configuration, path) in [
        ("Microsoft.PowerShell", "/wsman"),
        ("Microsoft.Exchange", "/PowerShell/"),
        ("owaim", "/wsman"),
    ] {
        let counter = Arc::new(Counter::default());
        let server = ForeignServer::start(&json!({ "configuration": configuration, "path": path }));
        let endpoint = ntlm(&server, credential(ACCOUNT));
        let client = Client::default().observed_by(Arc::clone(&counter) as Arc<dyn Observer>);
        let mut session = client.connect(&endpoint).await.unwrap();
        for _ in 0..3 {
            let pipeline = Pipeline::new(Command::new("Show-Argument"));
            let output = session.run(&pipeline).await.unwrap();
            assert!(objects(&output).is_empty());
        }
        session.close().await;
        let seen = server.stop();
        assert_eq!(
            seen.requests(),
            [
                "negotiate",
                "Create",
                "Receive",
                "Command",
                "Receive",
                "Command",
                "Receive",
                "Command",
                "Receive",
                "Delete",
            ],
            "{configuration}"
        );
        assert_eq!(
            counter.requests.load(Ordering::Relaxed),
            seen.requests().len()
        );
        let requests = seen.0["requests"].as_array().unwrap();
        // The MIC is what keeps anyone from taking the sealing out of the negotiation.
        assert_eq!(requests[1]["mic"], true, "{:#}", requests[1]);
        assert!(requests.iter().all(|request| request["connection"] == 0));
        assert!(
            requests[1..]
                .iter()
                .all(|request| request["session"] == requests[1]["session"])
        );
        assert_eq!(seen.0["shells"], 0, "the shell is deleted");
    }
}

#[tokio::test]
async fn pipelines_are_understood_as_they_are_meant() {
    let several = Pipeline::new(Command::new("Get-Nothing").with("Name", "a"))
        .pipe(
            Command::new("Show-Argument")
                .arg("first")
                .switch("Force")
                .arg(2),
        )
        .then(Command::new(r"C:\Windows\System32\inetsrv\appcmd.exe").arg("list"));
    let single = Pipeline::new(Command::new("Show-Argument").with("Path", r"C:\a b"));
    let with_input = Pipeline {
        takes_input: true,
        ..Pipeline::new(Command::new("Show-Argument"))
    };
    let (outputs, seen) = run(&[several, single, with_input]).await;
    let PipelineState::Failed(error) = &outputs[0].state else {
        panic!("{:?}", outputs[0]);
    };
    assert_eq!(error.error_id, "CommandNotFoundException");
    let shown: Vec<_> = outputs[0]
        .objects()
        .map(|shown| text(shown, "Value"))
        .collect();
    assert_eq!(shown, ["first", "True", "2"]);
    let command = |name: &str, ends: bool, arguments: serde_json::Value| {
        json!({
            "name": name,
            "is_script": false,
            "ends_statement": ends,
            "arguments": arguments,
            "merges": [0],
        })
    };
    let pipeline = |no_input: bool, commands: &[serde_json::Value]| {
        json!({
            "commands": commands,
            "no_input": no_input,
            "add_to_history": false,
            "host_is_null": true,
            "input_ended": !no_input,
        })
    };
    let arguments = json!([[null, "PSString"], ["Force", "bool"], [null, "PSInt"]]);
    assert_eq!(
        *seen.pipelines(),
        [
            pipeline(
                true,
                &[
                    command("Get-Nothing", false, json!([["Name", "PSString"]])),
                    command("Show-Argument", true, arguments),
                    command(
                        r"C:\Windows\System32\inetsrv\appcmd.exe",
                        true,
                        json!([[null, "PSString"]])
                    ),
                ]
            ),
            pipeline(
                true,
                &[command(
                    "Show-Argument",
                    true,
                    json!([["Path", "PSString"]])
                )]
            ),
            pipeline(false, &[command("Show-Argument", true, json!([]))]),
        ]
    );
}

/// Each primitive type, as which psrpcore must know it.
fn primitives() -> Vec<(&'static str, Value)> {
    let wild = "ünïcode <&>\"' \u{2028} \u{1f4e7} _x0041_ _ \r\n\t\u{1}\u{fffe} end ";
    vec![
        ("PSString", Value::from(wild)),
        ("PSString", Value::from("")),
        ("PSChar", Value::Char(0x20ac)),
        ("bool", Value::Bool(true)),
        ("bool", Value::Bool(false)),
        (
            "PSDateTime",
            Value::DateTime("2026-11-23T01:02:03.1234567Z".into()),
        ),
        ("PSDuration", Value::Duration("P1DT2H3M4.5S".into())),
        ("PSByte", Value::Byte(255)),
        ("PSSByte", Value::SByte(-128)),
        ("PSUInt16", Value::UInt16(65535)),
        ("PSInt16", Value::Int16(-32768)),
        ("PSUInt", Value::UInt32(u32::MAX)),
        ("PSInt", Value::Int32(i32::MIN)),
        ("PSUInt64", Value::UInt64(u64::MAX)),
        ("PSInt64", Value::Int64(i64::MIN)),
        ("PSSingle", Value::Single(1.5)),
        ("PSDouble", Value::Double(-0.1)),
        (
            "PSDecimal",
            Value::Decimal("79228162514264337593543950335".into()),
        ),
        ("PSByteArray", Value::Bytes((0..=255).collect())),
        ("PSByteArray", Value::Bytes(Vec::new())),
        (
            "PSGuid",
            Value::Guid(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
        ),
        (
            "PSUri",
            Value::Uri("https://mail.litwareinc.com/owa?a=b&c=d".into()),
        ),
        ("null", Value::Null),
        ("PSVersion", Value::Version("15.1.2507.6".into())),
        ("PSXml", Value::XmlDocument("<a b=\"c\">d</a>".into())),
        (
            "PSScriptBlock",
            Value::ScriptBlock("$_.Name -eq 'a'".into()),
        ),
    ]
}

#[tokio::test]
async fn arguments_of_every_type_arrive_and_come_back() {
    let list: Value = vec![Value::from("a"), Value::Int32(1), Value::Null].into();
    let table = Object::hashtable(vec![
        ("LogName".into(), "Application".into()),
        ("ID".into(), 112.into()),
    ]);
    let mut command = Command::new("Show-Argument");
    for (_, value) in primitives() {
        command = command.arg(value);
    }
    command = command
        .with("List", list.clone())
        .with("Table", table.clone());
    let (outputs, _) = run(&[Pipeline::new(command)]).await;
    let shown = objects(&outputs[0]);
    let expected = primitives();
    assert_eq!(shown.len(), expected.len() + 2);
    for ((kind, value), shown) in expected.iter().zip(&shown) {
        assert_eq!(text(shown, "Type"), *kind, "{value:?}");
        let came = shown.get("Value").unwrap();
        assert_eq!(came.base(), value, "{kind}");
    }
    let [.., shown_list, shown_table] = shown.as_slice() else {
        unreachable!("counted above")
    };
    assert_eq!(text(shown_list, "Name"), "List");
    assert_eq!(shown_list.get("Value").unwrap().items(), list.items());
    assert_eq!(text(shown_table, "Name"), "Table");
    let came = shown_table.get("Value").unwrap().as_object().unwrap();
    assert_eq!(came.entries(), table.entries());
}

#[tokio::test]
async fn records_of_every_stream_are_told_apart() {
    let (outputs, _) = run(&[
        Pipeline::new(Command::new("Get-Thing")),
        Pipeline::new(Command::new("Get-Nothing")),
    ])
    .await;
    let output = &outputs[0];
    assert_eq!(output.state, PipelineState::Completed);
    let [
        Record::Output(thing),
        Record::Error(error),
        Record::Warning(warning),
        Record::Verbose(verbose),
        Record::Debug(debug),
        Record::Progress(progress),
        Record::Information(information),
    ] = output.records.as_slice()
    else {
        panic!("{output:?}");
    };
    let object = thing.as_object().unwrap();
    assert!(object.is("Foreign.Thing") && object.is("System.Management.Automation.PSCustomObject"));
    for (name, expected) in [
        (
            "Name",
            Value::from("ünïcode <&> \u{2028} \u{1f4e7} _x0041_ \r\n\t end"),
        ),
        ("Count", Value::Int32(3)),
        ("Large", Value::Int64(1 << 40)),
        ("Flag", Value::Bool(true)),
        ("Nothing", Value::Null),
        ("Part", Value::Byte(7)),
        ("Version", Value::Version("15.1.2507.6".into())),
    ] {
        assert_eq!(thing.get(name), Some(&expected), "{name}");
    }
    assert!(text(thing, "Since").starts_with("2026-11-23T01:02:03"));
    assert_eq!(text(thing, "Level"), "ObjectNotFound");
    assert_eq!(thing.get("Level").unwrap().as_i64(), Some(13));
    assert_eq!(
        thing.get("List").unwrap().items().unwrap()[1],
        Value::Int32(1)
    );
    let table = thing.get("Table").unwrap().as_object().unwrap();
    assert!(matches!(&table.base, Base::Dictionary(entries) if entries.len() == 1));
    assert_eq!(text(thing.get("Inner").unwrap(), "Deep"), "yes");

    assert_eq!(error.error_id, "NoThing,Foreign.Commands.GetThing");
    assert_eq!(error.id(), "NoThing");
    assert_eq!(error.message, "there is no thing");
    assert_eq!(
        (error.category.code, error.category.name),
        (13, "ObjectNotFound")
    );
    assert_eq!(error.exception_type, "System.Exception");
    assert_eq!(error.target.as_deref(), Some("thing"));
    assert_eq!(
        [warning, verbose, debug],
        ["wet paint", "in many words", "line 1"]
    );
    assert_eq!(
        (progress.activity.as_str(), progress.percent),
        ("painting", 50)
    );
    assert_eq!(progress.status.as_deref(), Some("half done"));
    assert_eq!(text(information, "MessageData"), "for your information");

    assert_eq!(objects(&outputs[1]), [&Value::Null]);
}

#[tokio::test]
async fn large_output_comes_in_many_pieces() {
    let command = Command::new("Get-Much")
        .with("Count", 20)
        .with("Length", 30_000);
    let large = Command::new("Get-Much")
        .with("Count", 1)
        .with("Length", 200_000);
    let (outputs, seen) = run(&[Pipeline::new(command), Pipeline::new(large)]).await;
    let strings = objects(&outputs[0]);
    assert_eq!(strings.len(), 20);
    for (number, string) in strings.iter().enumerate() {
        let string = string.text().unwrap();
        assert!(string.len() == 30_000 && string.starts_with(&format!("{number:06}x")));
    }
    assert_eq!(objects(&outputs[1])[0].text().unwrap().len(), 200_000);
    let receives = seen
        .requests()
        .iter()
        .filter(|action| **action == "Receive")
        .count();
    assert!(receives > 20, "{receives} Receives");
}

#[tokio::test]
async fn a_large_argument_goes_in_several_messages() {
    let octets: Vec<u8> = (0..300_000_u32)
        .map(|n| n.to_le_bytes()[1] ^ n.to_le_bytes()[0])
        .collect();
    let command = Command::new("Measure-Octets").with("Data", octets.clone());
    let (outputs, seen) = run(&[Pipeline::new(command)]).await;
    assert_eq!(
        objects(&outputs[0]),
        [&Value::Int32(300_000), &Value::Bytes(octets)]
    );
    let requests = seen.requests();
    let sends = requests.iter().filter(|action| **action == "Send").count();
    assert_eq!(requests[3], "Command");
    // 300,000 octets are 400,000 characters of CLIXML and 533,000 of Base64 again.
    assert!((3..=5).contains(&sends), "{requests:?}");
}

#[tokio::test]
async fn a_secure_string_is_decrypted_and_comes_back() {
    // Longer than a block of the cipher, as long as one, and nothing at all.
    let passwords = ["S3cret-canary-42! \u{e4}\u{20ac}", "8 chars.", ""];
    let pipelines = passwords.map(|password| {
        let secret = Secret::new(password.into());
        Pipeline::new(Command::new("Measure-Secret").with("Password", secret))
    });
    let (outputs, seen) = run(&pipelines).await;
    for (password, output) in passwords.iter().zip(&outputs) {
        let objects = objects(output);
        let hash = hex::encode(sha2::Sha256::digest(password.as_bytes()));
        assert_eq!(objects[0].text().as_deref(), Some("PSSecureString"));
        let length = i64::try_from(password.chars().count()).unwrap();
        assert_eq!(objects[1].as_i64(), Some(length));
        assert_eq!(objects[2].text(), Some(hash));
        assert_eq!(objects[3], &Value::Secret(Secret::new((*password).into())));
    }
    // The keys are exchanged once, before the first of the pipelines.
    let opened = seen.requests().iter().position(|name| *name == "Send");
    let requests = seen.requests().split_off(opened.unwrap());
    assert_eq!(
        requests,
        [
            "Send", "Receive", "Command", "Receive", "Command", "Receive", "Command", "Receive",
            "Delete"
        ]
    );
}

#[tokio::test]
async fn a_host_call_is_answered_with_an_error() {
    let (outputs, seen) = run(&[Pipeline::new(Command::new("Read-Answer"))]).await;
    let answer = objects(&outputs[0])[0];
    assert_eq!(text(answer, "Method"), "ReadLine");
    assert_eq!(answer.get("Result"), Some(&Value::Null));
    assert!(!text(answer, "Error").is_empty(), "{answer:?}");
    assert!(!text(answer, "Message").is_empty(), "{answer:?}");
    let calls: Vec<_> = outputs[0]
        .records
        .iter()
        .filter_map(|record| match record {
            Record::HostCall(call) => Some((call.method_name.as_str(), call.wants_answer())),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [("WriteLine2", false), ("ReadLine", true)]);
    assert_eq!(
        seen.requests()
            .iter()
            .filter(|action| **action == "Send")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_server_with_nothing_to_tell_is_asked_again() {
    let wait = Pipeline::new(Command::new("Wait-Thing").with("Times", 2));
    let (outputs, seen) = run(&[wait]).await;
    assert!(objects(&outputs[0]).is_empty());
    assert_eq!(
        seen.requests()[3..],
        ["Command", "Receive", "Receive", "Receive", "Delete"]
    );
}

#[tokio::test]
async fn a_pipeline_that_fails_leaves_a_session_that_works() {
    let (outputs, seen) = run(&[
        Pipeline::new(Command::new("Stop-Here")),
        Pipeline::new(Command::new("Show-Argument").arg(1)),
    ])
    .await;
    let PipelineState::Failed(error) = &outputs[0].state else {
        panic!("{:?}", outputs[0]);
    };
    assert_eq!(error.error_id, "Stopped");
    assert_eq!(error.message, "this is as far as it goes");
    assert_eq!(objects(&outputs[1]).len(), 1);
    assert_eq!(
        seen.requests()[3..],
        ["Command", "Receive", "Command", "Receive", "Delete"]
    );
}

#[tokio::test]
async fn a_command_whose_end_comes_late_is_not_waited_for() {
    let late = || Pipeline::new(Command::new("Get-Late"));
    let (outputs, seen) = run(&[late(), late()]).await;
    for output in &outputs {
        assert_eq!(objects(output), [&Value::from("late")]);
    }
    assert_eq!(
        seen.requests()[3..],
        ["Command", "Receive", "Command", "Receive", "Delete"]
    );
}

#[tokio::test]
async fn every_form_of_user_name_is_accepted() {
    let server = ForeignServer::start(&json!({}));
    for username in [r"LITWAREINC\owaim", "owaim", "owaim@litwareinc.com"] {
        let endpoint = ntlm(&server, credential(username));
        let session = Client::default().connect(&endpoint).await;
        session
            .unwrap_or_else(|error| panic!("{username}: {error}"))
            .close()
            .await;
    }
    let seen = server.stop();
    let requests = seen.0["requests"].as_array().unwrap();
    let users: Vec<_> = requests
        .iter()
        .filter(|request| request["action"] == "Create")
        .map(|request| {
            (
                request["domain"].as_str().unwrap_or(""),
                request["user"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        users,
        [
            ("LITWAREINC", "owaim"),
            ("", "owaim"),
            ("", "owaim@litwareinc.com")
        ]
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_tried_once() {
    let server = ForeignServer::start(&json!({}));
    let wrong = Credential {
        password: Secret::new("wrong".into()),
        ..credential(ACCOUNT)
    };
    for credential in [wrong, credential(r"OTHER\owaim")] {
        let endpoint = ntlm(&server, credential);
        let error = Client::default().connect(&endpoint).await.err().unwrap();
        assert!(error.is_refused_logon(), "{error:?}");
        assert!(!error.may_have_run());
    }
    let seen = server.stop();
    assert_eq!(
        seen.requests(),
        ["negotiate", "authenticate", "negotiate", "authenticate"]
    );
}
