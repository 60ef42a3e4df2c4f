//! Envelopes of both roles against each other, faults of real servers, hostile ones.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::xml::{Limits, XmlError};

const SHELL: Uuid = Uuid::from_u128(0x0477_7930_1347_422b_aa4d_33bd_c257_0979);
const COMMAND: Uuid = Uuid::from_u128(0xe888_e1df_c962_41d6_befd_f2c8_2d0a_bcca);
const URL: &str = "http://mbx.example.org:5985/wsman?a=1&b=2";

fn request(body: RequestBody) -> Request {
    let mut header = RequestHeader::new(URL, &configuration_uri("Microsoft.PowerShell"))
        .with_shell(SHELL)
        .with_option("protocolversion", "2.3", true)
        .with_option("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "True", false);
    header.operation_timeout = Duration::from_millis(20_500);
    header.session_id = Some(COMMAND);
    Request { header, body }
}

fn stream(command_id: Option<Uuid>, data: &[u8]) -> Stream {
    Stream {
        name: "stdout".into(),
        command_id,
        end: false,
        data: data.into(),
    }
}

#[test]
fn requests_and_answers_go_round() {
    let create = CreateShell {
        id: Some(SHELL),
        name: Some("<Runspace> & \"co\"".into()),
        input_streams: "stdin pr".into(),
        output_streams: "stdout".into(),
        idle_timeout: Some(Duration::from_hours(2)),
        creation: Some(vec![0, 1, 2, 255]),
        ..CreateShell::default()
    };
    let state = CommandState {
        command_id: Some(COMMAND),
        state: RunState::Done,
        exit_code: Some(0),
    };
    let received = ReceiveResponse {
        streams: vec![stream(Some(COMMAND), b"one"), stream(None, b"")],
        state: Some(state),
    };
    let signal = |code| {
        RequestBody::Signal(Signal {
            command_id: Some(COMMAND),
            code,
        })
    };
    let cases = [
        (RequestBody::Create(create), ResponseBody::Created(shell())),
        (RequestBody::Delete, ResponseBody::Deleted),
        (
            RequestBody::Command(CommandLine::pipeline(COMMAND, b"fragments")),
            ResponseBody::CommandStarted(COMMAND),
        ),
        (
            RequestBody::Send(Send {
                streams: vec![Stream {
                    end: true,
                    ..stream(Some(COMMAND), b"in")
                }],
            }),
            ResponseBody::Sent,
        ),
        (
            RequestBody::Receive(Receive {
                command_id: Some(COMMAND),
                streams: "stdout".into(),
            }),
            ResponseBody::Received(received),
        ),
        (
            RequestBody::Receive(Receive {
                command_id: None,
                streams: "stdout".into(),
            }),
            ResponseBody::Received(ReceiveResponse::default()),
        ),
        (signal(SignalCode::Terminate), ResponseBody::Signaled),
        (signal(SignalCode::CtrlC), ResponseBody::Signaled),
        (signal(SignalCode::CtrlBreak), ResponseBody::Signaled),
        (signal(SignalCode::PowerShellCtrlC), ResponseBody::Signaled),
        (
            signal(SignalCode::Other("urn:x".into())),
            ResponseBody::Signaled,
        ),
    ];
    go_round(cases);
}

#[test]
fn what_is_asked_and_left_goes_round() {
    let programs = CreateShell {
        name: Some("shell 1".into()),
        input_streams: "stdin".into(),
        output_streams: "stdout stderr".into(),
        environment: vec![
            ("Path".into(), "C:\\a;C:\\b <c>".into()),
            ("x".into(), String::new()),
        ],
        lifetime: Some(Duration::from_mins(1)),
        working_directory: Some("C:\\Windows".into()),
        ..CreateShell::default()
    };
    go_round([
        (
            RequestBody::Create(programs),
            ResponseBody::Created(Shell {
                resource_uri: CMD_SHELL.into(),
                ..Shell::default()
            }),
        ),
        (
            RequestBody::Get,
            ResponseBody::Got(Box::new(Resource::Shell(shell()))),
        ),
        (
            RequestBody::Get,
            ResponseBody::Got(Box::new(Resource::Config(Config {
                max_envelope_kib: 500,
            }))),
        ),
        (
            RequestBody::Enumerate(Enumerate::default()),
            ResponseBody::Enumerated(Items {
                shells: vec![shell(), shell()],
                context: Some("uuid:6b2a".into()),
                ..Items::default()
            }),
        ),
        (
            RequestBody::Pull(Pull {
                context: "uuid:6b2a".into(),
            }),
            ResponseBody::Pulled(Items {
                shells: vec![shell()],
                ..Items::default()
            }),
        ),
        (
            RequestBody::Enumerate(Enumerate { shell: Some(SHELL) }),
            ResponseBody::Enumerated(Items {
                commands: vec![ShellCommand {
                    id: COMMAND,
                    state: "Running".into(),
                }],
                ..Items::default()
            }),
        ),
        (
            RequestBody::Disconnect(Disconnect {
                idle_timeout: Some(Duration::from_mins(3)),
            }),
            ResponseBody::Disconnected,
        ),
        (RequestBody::Reconnect, ResponseBody::Reconnected),
        (
            RequestBody::Connect(Connect {
                command_id: None,
                content: Some(b"fragments".into()),
            }),
            ResponseBody::Connected(Connected {
                content: Some(b"fragments".into()),
            }),
        ),
        (
            RequestBody::Connect(Connect {
                command_id: Some(COMMAND),
                content: None,
            }),
            ResponseBody::Connected(Connected::default()),
        ),
    ]);
}

fn shell() -> Shell {
    Shell {
        id: SHELL,
        resource_uri: configuration_uri("Microsoft.PowerShell"),
        owner: Some("LITWARE\\admin".into()),
        client_ip: Some("127.0.0.1".into()),
        process_id: Some(1868),
        idle_timeout: Some(Duration::from_hours(2)),
        name: Some("shell 1".into()),
        state: ShellState::Disconnected,
    }
}

/// Requests and their answers, written and read.
fn go_round(cases: impl IntoIterator<Item = (RequestBody, ResponseBody)>) {
    let limits = Limits::default();
    for (body, answer) in cases {
        let request = request(body);
        let read = Request::decode(&request.encode(), &limits).unwrap();
        assert_eq!(read, request);
        assert_eq!(read.header.shell(), Some(SHELL));
        assert_eq!(read.header.option("protocolversion"), Some("2.3"));
        let response = Response::new(&read.header.message_id, answer);
        let bytes = response.encode(&read.header.to, &read.header.resource_uri);
        assert_eq!(
            Response::decode(&bytes, &request, &limits).unwrap(),
            response
        );
    }
}

#[test]
fn identify_goes_round() {
    let limits = Limits::default();
    assert!(is_identify(&identify(), &limits));
    assert!(!is_identify(&request(RequestBody::Get).encode(), &limits));
    let identity = Identity {
        protocol_version: "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd".into(),
        vendor: "Microsoft Corporation".into(),
        version: "OS: 0.0.0 SP: 0.0 Stack: 3.0".into(),
    };
    assert_eq!(Identity::decode(&identity.encode(), &limits), Ok(identity));
    assert!(Identity::decode(&identify(), &limits).is_err());
}

#[test]
fn an_answer_must_belong_to_its_request() {
    let limits = Limits::default();
    let request = request(RequestBody::Delete);
    let foreign = Response::new("uuid:OTHER", ResponseBody::Deleted).encode(URL, "");
    assert!(matches!(
        Response::decode(&foreign, &request, &limits),
        Err(EnvelopeError::Unrelated { .. })
    ));
    let wrong = Response::new(&request.header.message_id, ResponseBody::Sent).encode(URL, "");
    assert!(matches!(
        Response::decode(&wrong, &request, &limits),
        Err(EnvelopeError::UnexpectedAction { .. })
    ));
}

#[test]
fn faults_keep_what_they_say() {
    let envelope = |detail: &str| {
        [
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:InvalidSelectors</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">The reason. </s:Text></s:Reason><s:Detail>"#,
            detail,
            "</s:Detail></s:Fault></s:Body></s:Envelope>",
        ]
        .concat()
    };
    let provider = r#"<w:FaultDetail>urn:detail</w:FaultDetail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858843" Machine="srv"><f:Message><f:ProviderFault provider="Shell provider" path="x.dll"><f:WSManFault Code="2150858843" Machine="srv"><f:Message>No such shell. </f:Message></f:WSManFault></f:ProviderFault></f:Message></f:WSManFault>"#;
    let request = request(RequestBody::Delete);
    let read = |bytes: &[u8]| match Response::decode(bytes, &request, &Limits::default())
        .unwrap()
        .body
    {
        ResponseBody::Fault(fault) => *fault,
        other => panic!("expected a fault, got {other:?}"),
    };
    let fault = read(envelope(provider).as_bytes());
    assert_eq!(fault.code, Some(code::UNEXPECTED_SELECTORS));
    assert_eq!(fault.class(), FaultClass::NewShell);
    assert_eq!(
        (fault.soap_code.as_str(), fault.subcode.as_deref()),
        ("Sender", Some("InvalidSelectors"))
    );
    assert_eq!(fault.fault_detail.as_deref(), Some("urn:detail"));
    let said = fault.provider.clone().unwrap();
    assert_eq!(
        (said.provider.as_str(), said.message.as_str()),
        ("Shell provider", "No such shell.")
    );
    assert_eq!(
        fault.to_string(),
        "fault 2150858843 (InvalidSelectors): No such shell (provider Shell provider)"
    );
    let again = Response::new(
        &request.header.message_id,
        ResponseBody::Fault(Box::new(fault.clone())),
    );
    assert_eq!(read(&again.encode(URL, "")), fault);

    let bare = read(envelope("").as_bytes());
    assert_eq!((bare.code, bare.class()), (None, FaultClass::Unknown));
    assert_eq!(bare.to_string(), "fault (InvalidSelectors): The reason");
}

#[test]
fn a_server_says_how_long_to_wait() {
    let wait = |code, text: &str| {
        let fault = Fault::new(code, "Receiver", "InternalError", text);
        fault.wait()
    };
    for text in [
        "The load quota of 15 requests per 2 seconds has been exceeded. The next request from this user will not be approved for at least 1584 milliseconds.",
        "Das Kontingent von 15 Anforderungen in 2 Sekunden wurde überschritten. Die nächste wird mindestens 1584 Millisekunden lang nicht genehmigt.",
    ] {
        assert_eq!(wait(2_150_859_175, text), Some(Duration::from_millis(1584)));
        assert_eq!(wait(2_150_859_176, text), None);
    }
    assert_eq!(wait(2_150_859_175, "later"), None);
    assert_eq!(wait(2_150_859_175, "99999999999999999999999 ms"), None);
}

#[test]
fn fault_codes_have_their_class() {
    let cases = [
        (2_150_858_793, FaultClass::PollAgain),
        (2_150_859_173, FaultClass::Later),
        (2_150_859_175, FaultClass::Later),
        (2_150_859_176, FaultClass::Later),
        (2_150_859_179, FaultClass::Later),
        (2_150_859_236, FaultClass::Later),
        (2_150_859_242, FaultClass::Later),
        (2_150_858_815, FaultClass::Later),
        (2_150_858_802, FaultClass::Later),
        (170, FaultClass::Later),
        (2_150_859_174, FaultClass::NewShell),
        (2_150_858_843, FaultClass::NewShell),
        (2_147_943_418, FaultClass::NewShell),
        (995, FaultClass::Aborted),
        (5, FaultClass::Never),
        (87, FaultClass::Never),
        (2_147_942_402, FaultClass::Never),
        (2_150_858_752, FaultClass::Never),
        (2_150_858_790, FaultClass::Never),
        (2_150_858_824, FaultClass::Never),
        (2_150_858_811, FaultClass::Never),
        (2_150_858_813, FaultClass::Never),
        (2_150_859_032, FaultClass::Never),
        (2_150_858_906, FaultClass::Never),
        (2_150_859_205, FaultClass::Never),
        (2_150_859_206, FaultClass::Never),
        (2_152_992_672, FaultClass::NewShell),
        (4711, FaultClass::Unknown),
    ];
    for (code, class) in cases {
        let fault = Fault::new(code, "Sender", "InternalError", "text");
        assert_eq!(fault.class(), class, "{code}");
    }
}

/// Whether an error is the expected one.
type Expected = fn(&EnvelopeError) -> bool;

#[test]
fn hostile_envelopes_are_refused() {
    let soap = |body: &str| {
        [
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">"#,
            body,
            "</s:Envelope>",
        ]
        .concat()
    };
    let deep = ["<a>".repeat(10_000), "</a>".repeat(10_000)].concat();
    let wide = "<a b='c'/>".repeat(20_000);
    let cases: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("nothing", vec![], |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Root { .. }))
        }),
        ("not UTF-8", vec![b'<', 0xff], |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Encoding { .. }))
        }),
        ("not SOAP", b"<html/>".to_vec(), |e| {
            matches!(e, EnvelopeError::NotSoap { .. })
        }),
        ("no header", soap("").into(), |e| {
            matches!(
                e,
                EnvelopeError::Missing {
                    element: "Header",
                    ..
                }
            )
        }),
        ("open", soap("").replace("</s:Envelope>", "").into(), |e| {
            matches!(e, EnvelopeError::Xml(XmlError::NotWellFormed { .. }))
        }),
        ("two roots", [soap(""), soap("")].concat().into(), |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Root { .. }))
        }),
        ("prefix", soap("<x:a/>").into(), |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Prefix { .. }))
        }),
        ("entity", soap("&lol;").into(), |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Forbidden { .. }))
        }),
        (
            "document type",
            ["<!DOCTYPE s [<!ENTITY lol 'lol'>]>", &soap("&lol;")]
                .concat()
                .into(),
            |e| {
                matches!(
                    e,
                    EnvelopeError::Xml(XmlError::Forbidden {
                        construct: "a document type",
                        ..
                    })
                )
            },
        ),
        ("deep", soap(&deep).into(), |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Limit { limit: 64, .. }))
        }),
        ("wide", soap(&wide).into(), |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Limit { limit: 20_000, .. }))
        }),
        ("long", vec![b' '; (32 << 20) + 1], |e| {
            matches!(e, EnvelopeError::Xml(XmlError::Limit { .. }))
        }),
    ];
    for (name, bytes, expected) in cases {
        let error = Request::decode(&bytes, &Limits::default()).unwrap_err();
        assert!(expected(&error), "{name}: {error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_survives_an_envelope(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{d}\u{e}-\u{1f}\u{fffe}\u{ffff}]*") {
        let command = CommandLine { id: None, command: text.trim().into(), arguments: vec![] };
        let request = request(RequestBody::Command(command));
        let read = Request::decode(&request.encode(), &Limits::default()).unwrap();
        proptest::prop_assert_eq!(read, request);
    }

    #[test]
    fn any_bytes_give_an_error_but_never_a_panic(bytes: Vec<u8>) {
        let _ = Request::decode(&bytes, &Limits::default());
        let _ = Response::decode(&bytes, &request(RequestBody::Delete), &Limits::default());
    }
}
