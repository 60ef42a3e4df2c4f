//! Scenarios of the client's host: what scripts ask of it, and what they do with the answers.

use std::sync::Arc;

use owaim_proto::Secret;
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{HostCall, HostInfo, HostResponse, PipelineOutput, Record, Screen};
use owaim_transport::{Host, PoolOptions, RunspacePool};

use crate::pools::{run, script, texts};
use crate::server::{Server, pools};

/// A host that answers as it was told.
struct Scripted {
    info: HostInfo,
    answer: fn(&HostCall) -> Value,
}

impl Host for Scripted {
    fn info(&self) -> HostInfo {
        self.info.clone()
    }

    fn answer(&self, call: &HostCall) -> HostResponse {
        HostResponse::value(call, (self.answer)(call))
    }
}

/// A host without a user interface.
fn bare() -> HostInfo {
    HostInfo {
        is_null: false,
        use_pool_host: false,
        ..HostInfo::NONE
    }
}

async fn opened(server: &Server, info: HostInfo, answer: fn(&HostCall) -> Value) -> RunspacePool {
    let options = PoolOptions {
        host: Arc::new(Scripted { info, answer }),
        ..pools()
    };
    RunspacePool::open(&server.endpoint(), &options)
        .await
        .unwrap()
}

/// The arguments of every call of that method.
fn calls<'o>(output: &'o PipelineOutput, method: &str) -> Vec<&'o [Value]> {
    let calls = output.records.iter().filter_map(|record| match record {
        Record::HostCall(call) if call.method_name == method => Some(call.arguments.as_slice()),
        _ => None,
    });
    calls.collect()
}

/// The method was called once; its arguments as text.
fn check(output: &PipelineOutput, method: &str, arguments: &[&str]) {
    let calls = calls(output, method);
    assert_eq!(calls.len(), 1, "{method}");
    let found: Vec<_> = calls[0]
        .iter()
        .map(|a| a.text().unwrap_or_default())
        .collect();
    assert_eq!(found, arguments, "{method}");
}

/// An argument has those properties.
fn check_object(argument: &Value, properties: &[(&str, i64)]) {
    for (name, expected) in properties {
        let found = argument.get(name).and_then(Value::as_i64);
        assert_eq!(found, Some(*expected), "{name} of {argument:?}");
    }
}

pub(crate) async fn methods(server: Server) {
    let pool = opened(&server, bare(), |_| Value::Null).await;
    let output = run(
        &pool,
        &script("$host.CurrentCulture; $host.SetShouldExit(1)"),
    )
    .await;
    assert_eq!(texts(&output), ["en-US"]);
    let culture = output.objects().next().and_then(Value::as_object);
    assert!(culture.is_some_and(|culture| culture.is("System.Globalization.CultureInfo")));
    check(&output, "SetShouldExit", &["1"]);
    pool.close().await;
}

fn answer(call: &HostCall) -> Value {
    match call.method_name.as_str() {
        "ReadLine" => "ReadLine response".into(),
        "ReadLineAsSecureString" => Secret::new("ReadLineAsSecureString response".into()).into(),
        "Prompt" => {
            Object::hashtable(vec![("prompt field".into(), "prompt response".into())]).into()
        }
        "PromptForCredential2" => Object::new()
            .with_types(["System.Management.Automation.PSCredential", "System.Object"])
            .with_string("System.Management.Automation.PSCredential")
            .with("UserName", "username")
            .with("Password", Secret::new("password".into()))
            .into(),
        "PromptForChoice" => 1.into(),
        other => panic!("{other} wants an answer"),
    }
}

fn is_secret(value: Option<&Value>, expected: &str) -> bool {
    matches!(value, Some(Value::Secret(secret)) if secret.expose() == expected)
}

pub(crate) async fn user_interface(server: Server) {
    let info = HostInfo {
        ui_is_null: false,
        ..bare()
    };
    let pool = opened(&server, info, answer).await;
    pool.exchange_keys().await.unwrap();
    let output = run(&pool, &script(server.script(0))).await;
    pool.close().await;

    let objects: Vec<&Value> = output.objects().collect();
    assert_eq!(objects.len(), 5);
    assert_eq!(objects[0], &Value::from("ReadLine response"));
    assert!(is_secret(
        Some(objects[1]),
        "ReadLineAsSecureString response"
    ));
    let prompted = objects[2].as_object().and_then(Object::entries);
    let expected = [("prompt field".into(), "prompt response".into())];
    assert_eq!(prompted, Some(expected.as_slice()));
    let credential = objects[3].as_object().unwrap();
    assert!(credential.is("System.Management.Automation.PSCredential"));
    assert_eq!(credential.get("UserName"), Some(&"username".into()));
    assert!(is_secret(credential.get("Password"), "password"));
    assert_eq!(objects[4], &Value::Int32(1));

    for (method, arguments) in [
        ("ReadLine", [].as_slice()),
        ("ReadLineAsSecureString", &[]),
        ("Write1", &["Write1"]),
        // Blue on white.
        ("Write2", &["9", "15", "Write2"]),
        ("WriteLine1", &[]),
        ("WriteLine2", &["WriteLine2"]),
        // Grey on green.
        ("WriteLine3", &["7", "10", "WriteLine3"]),
        ("WriteErrorLine", &["WriteErrorLine"]),
        ("WriteDebugLine", &["WriteDebugLine"]),
        ("WriteVerboseLine", &["WriteVerboseLine"]),
        ("WriteWarningLine", &["WriteWarningLine"]),
    ] {
        check(&output, method, arguments);
    }
    let progress = calls(&output, "WriteProgress");
    let last = progress.last().unwrap();
    assert_eq!(last[0].as_i64(), Some(1));
    assert_eq!(last[1].get("Activity"), Some(&"activity".into()));
    assert_eq!(
        last[1].get("StatusDescription"),
        Some(&"description".into())
    );
    check_object(&last[1], &[("ActivityId", 2)]);

    let [[caption, message, fields]] = calls(&output, "Prompt")[..] else {
        panic!("{output:?}");
    };
    assert_eq!(
        [caption, message],
        [&"Prompt caption".into(), &"Prompt message".into()]
    );
    let [field] = fields.items().unwrap() else {
        panic!("{fields:?}");
    };
    assert_eq!(field.get("name"), Some(&"prompt field".into()));
    assert_eq!(field.get("label"), Some(&"PromptLabel".into()));
    check(
        &output,
        "PromptForCredential2",
        &[
            "PromptForCredential caption",
            "PromptForCredential message",
            "PromptForCredential user",
            "PromptForCredential target",
            "3",
            "1",
        ],
    );
    let [[caption, message, choices, default]] = calls(&output, "PromptForChoice")[..] else {
        panic!("{output:?}");
    };
    assert_eq!(
        [caption, message],
        [
            &"PromptForChoice caption".into(),
            &"PromptForChoice message".into()
        ]
    );
    let choices: Vec<_> = choices.items().unwrap().iter().collect();
    for (number, choice) in (1..).zip(&choices) {
        let text = |what: &str| Some(Value::from(format!("Prompt{number} {what}")));
        assert_eq!(choice.get("label"), text("label").as_ref());
        assert_eq!(choice.get("helpMessage"), text("help").as_ref());
    }
    assert_eq!((choices.len(), default), (2, &Value::Int32(0)));
}

/// The key A, with Caps Lock on.
fn key(call: &HostCall) -> Value {
    assert_eq!(call.method_name, "ReadKey");
    Object::new()
        .with_note("virtualKeyCode", 65)
        .with_note("character", Value::Char(u16::from(b'a')))
        .with_note("controlKeyState", 128)
        .with_note("keyDown", true)
        .into()
}

pub(crate) async fn raw_user_interface(server: Server) {
    let info = HostInfo {
        ui_is_null: false,
        raw_ui_is_null: false,
        screen: Some(Screen {
            foreground: 15,
            background: 9,
            cursor: (1, 2),
            window: (3, 4),
            cursor_size: 50,
            buffer_size: (80, 80),
            window_size: (80, 80),
            max_window_size: (80, 80),
            max_physical_window_size: (80, 80),
            title: "pypsrp window".into(),
        }),
        ..bare()
    };
    let pool = opened(&server, info, key).await;
    let output = run(&pool, &script(server.script(0))).await;
    pool.close().await;

    assert_eq!(
        texts(&output),
        [
            "White",
            "Green",
            "Blue",
            "Red",
            "1,2",
            "11,12",
            "3,4",
            "13,14",
            "50",
            "25",
            "80,80",
            "8,9",
            "80,80",
            "8,9",
            "pypsrp window",
            "New Window Title",
            "65,a,CapsLockOn,True",
        ]
    );
    let pressed = output.objects().last().and_then(Value::as_object);
    assert!(pressed.is_some_and(|key| key.is("System.Management.Automation.Host.KeyInfo")));
    for (method, arguments) in [
        ("SetForegroundColor", ["10"].as_slice()),
        ("SetBackgroundColor", &["12"]),
        ("SetCursorSize", &["25"]),
        ("SetWindowTitle", &["New Window Title"]),
        ("ReadKey", &["4"]),
        ("FlushInputBuffer", &[]),
    ] {
        check(&output, method, arguments);
    }
    let one = |method| {
        let calls = calls(&output, method);
        assert_eq!(calls.len(), 1, "{method}");
        calls[0]
    };
    check_object(&one("SetCursorPosition")[0], &[("x", 11), ("y", 12)]);
    check_object(&one("SetWindowPosition")[0], &[("x", 13), ("y", 14)]);
    check_object(&one("SetBufferSize")[0], &[("width", 8), ("height", 9)]);
    check_object(&one("SetWindowSize")[0], &[("width", 8), ("height", 9)]);

    let rectangle = [("left", 1), ("top", 2), ("right", 3), ("bottom", 4)];
    let corner = [("x", 15), ("y", 15)];
    let [area, fill] = one("SetBufferContents1") else {
        panic!("{output:?}");
    };
    check_object(area, &rectangle);
    check_cell(fill, 'Z', [12, 10, 0]);
    let [place, cells] = one("SetBufferContents2") else {
        panic!("{output:?}");
    };
    check_object(place, &corner);
    let lengths = cells.get("mal").and_then(Value::items).unwrap();
    assert_eq!(lengths, [Value::Int32(2), Value::Int32(2)]);
    let cells = cells.get("mae").and_then(Value::items).unwrap();
    assert_eq!(cells.len(), 4);
    for (cell, (character, kind)) in cells.iter().zip([('A', 1), ('B', 2), ('C', 1), ('D', 2)]) {
        check_cell(cell, character, [0, 15, kind]);
    }
    let [source, destination, clip, fill] = one("ScrollBufferContents") else {
        panic!("{output:?}");
    };
    check_object(source, &rectangle);
    check_object(destination, &corner);
    check_object(clip, &rectangle);
    check_cell(fill, 'Z', [12, 10, 0]);
}

/// A cell of the screen: character, then colours of text and background and which half of a wide character it is.
fn check_cell(cell: &Value, character: char, [foreground, background, kind]: [i64; 3]) {
    let found = cell.get("character").and_then(Value::text);
    assert_eq!(found, Some(character.to_string()));
    check_object(
        cell,
        &[
            ("foregroundColor", foreground),
            ("backgroundColor", background),
            ("bufferCellType", kind),
        ],
    );
}
