//! Every decoder of bytes that come from outside, as a function for fuzzing.
//!
//! Each takes any bytes at all. It must not panic, and where decoding succeeds, what was decoded
//! must hold what the format promises: it encodes again, and means the same. The fuzz targets
//! and the test `hostile` call the same functions.
#![allow(
    clippy::missing_panics_doc,
    reason = "a panic is how a fault is reported"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use owaim_lab::recording::{RecordedMessage, SessionRecording, visit_carriers};
use owaim_proto::clixml::{self, Value};
use owaim_proto::multipart::{self, SPNEGO, SealedMessage};
use owaim_proto::psrp::{
    ClientPool, Command, CommandMetadata, CreatePipeline, Defragmenter, FragmentLimits, Fragmenter,
    InitRunspacePool, Message, ObjectIds, Payload, Pipeline, ProtocolVersion, ServerPool,
};
use owaim_proto::wsman::{
    CommandLine, Connect, CreateShell, Disconnect, Enumerate, Identity, Pull, Receive, Request,
    RequestBody, RequestHeader, Response, Send, Signal, SignalCode, configuration_uri, is_identify,
};
use owaim_proto::xml;
use owaim_steps::{Verdict, web_config};
use uuid::Uuid;

use crate::stores::Stores;

/// A decoder to be attacked.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the fuzz target.
    pub name: &'static str,
    /// Decodes, and checks what must hold then.
    pub run: fn(&[u8]),
    /// Input that decodes, to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "clixml",
        run: clixml,
        seeds: clixml_seeds,
    },
    Target {
        name: "fragment",
        run: fragment,
        seeds: fragment_seeds,
    },
    Target {
        name: "pool",
        run: pool,
        seeds: fragment_seeds,
    },
    Target {
        name: "envelope",
        run: envelope,
        seeds: envelope_seeds,
    },
    Target {
        name: "multipart",
        run: multipart,
        seeds: multipart_seeds,
    },
    Target {
        name: "site_file",
        run: site_file,
        seeds: site_file_seeds,
    },
    Target {
        name: "web_config",
        run: web_config,
        seeds: web_config_seeds,
    },
    Target {
        name: "certificate",
        run: certificate,
        seeds: certificate_seeds,
    },
    Target {
        name: "recording",
        run: recording,
        seeds: recording_seeds,
    },
];

const LIMITS: FragmentLimits = FragmentLimits {
    message: 1 << 20,
    total: 4 << 20,
};

/// CLIXML, of one value and of a document.
pub fn clixml(bytes: &[u8]) {
    let limits = clixml::Limits::default();
    let _ = clixml::stream_texts(&String::from_utf8_lossy(bytes));
    if let Ok(value) = clixml::decode_bytes(bytes, &limits) {
        let xml = clixml::encode(&value);
        let again = clixml::decode(&xml, &limits);
        // by their text: a NaN is not equal to itself
        assert_eq!(again.map(|value| clixml::encode(&value)), Ok(xml));
    }
    if let Ok(values) = str::from_utf8(bytes)
        .map_err(drop)
        .and_then(|xml| clixml::decode_document(xml, &limits).map_err(drop))
    {
        let xml = clixml::encode_document(&values);
        let again = clixml::decode_document(&xml, &limits);
        assert_eq!(
            again.map(|values| clixml::encode_document(&values)),
            Ok(xml)
        );
    }
}

fn clixml_seeds() -> Vec<Vec<u8>> {
    let shared: Value = clixml::Object::enumeration("System.DayOfWeek", "Friday", 5).into();
    let object =
        clixml::Object::hashtable(vec![("a_x".into(), shared.clone()), (1.into(), shared)])
            .with("Bytes", vec![0_u8, 1, 2])
            .with_note("up", Value::Ancestor(0))
            .with_note("text", "line\r\n\u{1F3B5}<&>");
    let values = [object.into(), Value::Double(1.5), Value::Null];
    vec![
        clixml::encode(&values[0]).into_bytes(),
        clixml::encode_document(&values).into_bytes(),
    ]
}

/// PSRP fragments, the messages in them and what these say.
pub fn fragment(bytes: &[u8]) {
    let mut at_once = Defragmenter::new(LIMITS);
    let Ok(messages) = at_once.push(bytes) else {
        return;
    };
    let mut one_by_one = Defragmenter::new(LIMITS);
    let pieces: Result<Vec<_>, _> = bytes.chunks(1).map(|byte| one_by_one.push(byte)).collect();
    assert_eq!(pieces.map(|pieces| pieces.concat()).as_ref(), Ok(&messages));
    for message in messages
        .iter()
        .filter_map(|bytes| Message::decode(bytes).ok())
    {
        let again = Message::decode(&message.encode());
        assert_eq!(again.ok().as_ref(), Some(&message));
        if let Ok(Payload::PipelineOutput(value)) =
            Payload::decode(message.kind, &message.data, None)
        {
            let _ = CommandMetadata::from_value(&value);
        }
    }
}

/// Bytes of a peer that speaks PSRP, in both roles.
pub fn pool(bytes: &[u8]) {
    let mut client = ClientPool::new(Uuid::from_u128(1), LIMITS);
    let _ = client.open(&InitRunspacePool::default());
    let _ = client.receive(None, bytes);
    let mut client = ClientPool::new(Uuid::from_u128(1), LIMITS);
    let _ = client.connect();
    let _ = client.connected(bytes);

    let mut server = ServerPool::new(ProtocolVersion::V2_3, Value::Null, LIMITS);
    let _ = server.receive(None, "stdin", bytes);

    // and with an honest beginning
    let opening = fragments_of_a_client();
    let mut server = ServerPool::new(ProtocolVersion::V2_3, Value::Null, LIMITS);
    let _ = server.receive(None, "stdin", &opening);
    let _ = server.announce_opened();
    let pipeline = Uuid::from_u128(2);
    let _ = server.start_command(pipeline);
    let _ = server.receive(Some(pipeline), "stdin", bytes);
    let _ = server.receive(None, "stdin", bytes);
    let _ = server.connect(bytes);
}

/// What a client sends to open a pool.
fn fragments_of_a_client() -> Vec<u8> {
    let mut client = ClientPool::new(Uuid::from_u128(1), LIMITS);
    let _ = client.open(&InitRunspacePool::default());
    client.take(None, 1 << 16).unwrap_or_default()
}

fn fragment_seeds() -> Vec<Vec<u8>> {
    let mut client = ClientPool::new(Uuid::from_u128(1), LIMITS);
    let _ = client.open(&InitRunspacePool::default());
    let mut server = ServerPool::new(ProtocolVersion::V2_3, Value::Null, LIMITS);
    let opening = client.take(None, 1 << 16).unwrap_or_default();
    let _ = server.receive(None, "stdin", &opening);
    let _ = server.announce_opened();
    let answer: Vec<u8> = std::iter::from_fn(|| server.take(None, 1 << 16))
        .flatten()
        .collect();
    let _ = client.receive(None, &answer);
    let command = Command::new("Get-Content")
        .with("LiteralPath", "C:\\x")
        .switch("Raw");
    let _ = client.create_pipeline(
        Uuid::from_u128(2),
        &CreatePipeline::new(Pipeline::new(command)),
    );
    let pipeline = client
        .take(Some(Uuid::from_u128(2)), 1 << 16)
        .unwrap_or_default();
    // a message in several fragments
    let mut ids = ObjectIds::default();
    let mut fragmenter = Fragmenter::default();
    fragmenter.push(
        &mut ids,
        opening.iter().skip(21).take(200).copied().collect(),
    );
    let pieces: Vec<u8> = std::iter::from_fn(|| fragmenter.fragment(60))
        .flatten()
        .collect();
    vec![opening, answer, pipeline, pieces]
}

/// WS-Management envelopes, as a server and as a client reads them.
pub fn envelope(bytes: &[u8]) {
    let limits = xml::Limits::default();
    let _ = Request::peek_message_id(bytes, &limits);
    let _ = is_identify(bytes, &limits);
    if let Ok(identity) = Identity::decode(bytes, &limits) {
        // By what is written: XML has no way to carry some characters that may be read.
        let written = identity.encode();
        let again = Identity::decode(&written, &limits);
        assert_eq!(again.map(|again| again.encode()), Ok(written));
    }
    if let Ok(request) = Request::decode(bytes, &limits) {
        assert!(Request::decode(&request.encode(), &limits).is_ok());
    }
    let related = xml::parse(bytes, &limits)
        .ok()
        .and_then(|root| relates_to(&root))
        // No request of ours has an id that XML has to write otherwise.
        .filter(|id| id.chars().all(|c| c.is_ascii_graphic()));
    for mut request in requests() {
        if let Some(id) = &related {
            request.header.message_id.clone_from(id);
        }
        let Ok(response) = Response::decode(bytes, &request, &limits) else {
            continue;
        };
        let again = response.encode(&request.header.to, &request.header.resource_uri);
        assert!(Response::decode(&again, &request, &limits).is_ok());
    }
}

fn relates_to(element: &xml::Element) -> Option<String> {
    if element.name == "RelatesTo" {
        return Some(element.text());
    }
    element.elements().find_map(relates_to)
}

/// A request of every kind.
fn requests() -> Vec<Request> {
    let id = Uuid::from_u128(2);
    let bodies = [
        RequestBody::Create(CreateShell {
            id: Some(id),
            input_streams: "stdin pr".into(),
            output_streams: "stdout".into(),
            creation: Some(vec![0; 30]),
            ..CreateShell::default()
        }),
        RequestBody::Create(CreateShell {
            name: Some("shell".into()),
            input_streams: "stdin".into(),
            output_streams: "stdout stderr".into(),
            environment: vec![("name".into(), "value".into())],
            lifetime: Some(std::time::Duration::from_mins(1)),
            working_directory: Some("C:\\".into()),
            ..CreateShell::default()
        }),
        RequestBody::Delete,
        RequestBody::Command(CommandLine::pipeline(id, b"fragments")),
        RequestBody::Send(Send {
            streams: Vec::new(),
        }),
        RequestBody::Receive(Receive {
            command_id: Some(id),
            streams: "stdout".into(),
        }),
        RequestBody::Signal(Signal {
            command_id: Some(id),
            code: SignalCode::Terminate,
        }),
        RequestBody::Disconnect(Disconnect {
            idle_timeout: Some(std::time::Duration::from_mins(1)),
        }),
        RequestBody::Reconnect,
        RequestBody::Connect(Connect {
            command_id: Some(id),
            content: Some(vec![0; 30]),
        }),
        RequestBody::Get,
        RequestBody::Enumerate(Enumerate { shell: Some(id) }),
        RequestBody::Pull(Pull {
            context: "uuid:1".into(),
        }),
    ];
    let header =
        RequestHeader::new("http://host.example.org/wsman", &configuration_uri("x")).with_shell(id);
    bodies
        .map(|body| Request {
            header: header.clone(),
            body,
        })
        .into()
}

fn envelope_seeds() -> Vec<Vec<u8>> {
    use owaim_proto::wsman::{CommandState, ReceiveResponse, ResponseBody, RunState, Stream};

    let id = Uuid::from_u128(2);
    let mut seeds: Vec<Vec<u8>> = requests().iter().map(Request::encode).collect();
    let received = ReceiveResponse {
        streams: vec![Stream {
            name: "stdout".into(),
            command_id: Some(id),
            end: false,
            data: vec![1; 40],
        }],
        state: Some(CommandState {
            command_id: Some(id),
            state: RunState::Done,
            exit_code: Some(0),
        }),
    };
    for body in [
        ResponseBody::Received(received),
        ResponseBody::Sent,
        ResponseBody::Signaled,
    ] {
        seeds.push(Response::new("uuid:1", body).encode("http://x/wsman", &configuration_uri("x")));
    }
    seeds.push(FAULT.as_bytes().to_vec());
    let identity = Identity {
        vendor: "Microsoft Corporation".into(),
        version: "OS: 6.3.9600 SP: 0.0 Stack: 3.0".into(),
        ..Identity::default()
    };
    seeds.push(identity.encode());
    seeds
}

const FAULT: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action><a:MessageID>uuid:3</a:MessageID><a:RelatesTo>uuid:1</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">timed out</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858793" Machine="x"><f:Message>timed out</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>"#;

/// Sealed bodies, and the content types that announce them.
pub fn multipart(bytes: &[u8]) {
    let content_type = multipart::content_type(SPNEGO);
    if let Ok(message) = SealedMessage::decode(SPNEGO, &content_type, bytes) {
        for delimiter in [multipart::Delimiter::Plain, multipart::Delimiter::Spaced] {
            let body = message.encode(SPNEGO, delimiter);
            assert_eq!(
                SealedMessage::decode(SPNEGO, &content_type, &body).as_ref(),
                Ok(&message)
            );
        }
        let _ = message.check_length(bytes.len());
    }
    let kind = multipart::content_type_of_pieces(SPNEGO, 2);
    if let Ok(pieces) = SealedMessage::decode_pieces(SPNEGO, &kind, bytes) {
        let body = SealedMessage::encode_pieces(&pieces, SPNEGO, multipart::Delimiter::Plain);
        assert!(SealedMessage::decode_pieces(SPNEGO, &kind, &body).is_ok());
    }
    let header = String::from_utf8_lossy(bytes);
    let _ = multipart::is_sealed(&header);
    let _ = SealedMessage::decode(SPNEGO, &header, b"");
}

fn multipart_seeds() -> Vec<Vec<u8>> {
    let message = SealedMessage {
        original_type: "application/soap+xml;charset=UTF-8".into(),
        original_length: 9,
        signature: vec![7; 16],
        sealed: b"--no text".to_vec(),
    };
    vec![
        message.encode(SPNEGO, multipart::Delimiter::Plain),
        message.encode(SPNEGO, multipart::Delimiter::Spaced),
        multipart::content_type(SPNEGO).into_bytes(),
    ]
}

/// Site files, and the messages about what is wrong with them.
pub fn site_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(mistakes) = owaim_inventory::parse("site.toml", &text) {
        assert!(!mistakes.render(owaim_inventory::Look::Plain).is_empty());
        let graphical = owaim_inventory::Look::Graphical {
            width: 80,
            colour: false,
        };
        assert!(!mistakes.render(graphical).is_empty());
    }
}

fn site_file_seeds() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../examples/litware.toml").to_vec()]
}

/// The minimal edit of a `Web.config`.
pub fn web_config(bytes: &[u8]) {
    const WANTED: [(&str, &str); 2] = [
        (
            "IMCertificateThumbprint",
            "EA5A332496CC05DA69B75B66111C0F78A110D22D",
        ),
        ("IMServerName", "pool.example.com"),
    ];
    if let Ok(edit) = web_config::edit(bytes, &WANTED) {
        assert_eq!(
            edit.is_in_place(),
            edit.bytes == bytes,
            "untouched exactly where in place"
        );
        let again = web_config::edit(&edit.bytes, &WANTED);
        assert!(
            again.is_ok_and(|again| again.is_in_place()),
            "an edit leaves nothing to do"
        );
    }
}

fn web_config_seeds() -> Vec<Vec<u8>> {
    let text = "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<configuration>\r\n  \
                <configSections/>\r\n  <!-- <appSettings/> -->\r\n  <appSettings>\r\n    \
                <add key=\"Other\" value=\"a&amp;b\" />\r\n    <add value='x' key='IMServerName'/>\r\n  \
                </appSettings>\r\n  <location path=\"a\"><appSettings/></location>\r\n</configuration>\r\n";
    let utf16 = [0xFF, 0xFE].into_iter().chain(
        "<?xml version=\"1.0\" encoding=\"utf-16\"?><configuration><appSettings/></configuration>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    vec![
        text.as_bytes().to_vec(),
        b"<configuration>\n</configuration>".to_vec(),
        utf16.collect(),
    ]
}

/// A certificate, as a server's own, as an authority and as a root at once.
pub fn certificate(bytes: &[u8]) {
    let all = || vec![bytes.to_vec()];
    let stores = Stores {
        own: all(),
        intermediates: all(),
        roots: all(),
    };
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let verdict = stores.verdict(now);
    assert!(
        matches!(verdict, Verdict::InPlace | Verdict::Broken(_)),
        "{verdict:?}"
    );
}

fn certificate_seeds() -> Vec<Vec<u8>> {
    // Of im.fabrikam.test, its own issuer, valid until 2040.
    const CERTIFICATE: &str = "MIIBzDCCAXKgAwIBAgIUbotXZJ1NV75rD23Dyu+JdKxZH1MwCgYIKoZIzj0EAwIwGzEZMBcGA1UEAwwQaW0uZmFicmlrYW0u\
                        dGVzdDAeFw0yNjExMjcxNzQ1MzVaFw00MDA4MDUxNzQ1MzVaMBsxGTAXBgNVBAMMEGltLmZhYnJpa2FtLnRlc3QwWTATBgcq\
                        hkjOPQIBBggqhkjOPQMBBwNCAAS1QLCpIZf3w/4Bw0zt8OYzyK/bnD5C/VhNBk+MOAWCl6of5Y68CIPy//NnV9pGhA8Q+cov\
                        qOMUOpBN4MJFycEBo4GTMIGQMB0GA1UdDgQWBBQsYLAx84d3bUmFX+2/ljzWUKYu+zAfBgNVHSMEGDAWgBQsYLAx84d3bUmF\
                        X+2/ljzWUKYu+zAPBgNVHRMBAf8EBTADAQH/MBsGA1UdEQQUMBKCEGltLmZhYnJpa2FtLnRlc3QwEwYDVR0lBAwwCgYIKwYB\
                        BQUHAwEwCwYDVR0PBAQDAgKEMAoGCCqGSM49BAMCA0gAMEUCIG0BQQNHonBJOMlcw/jDytKsf5yAUiJB8f7lMHtdq7/QAiEA\
                        gtRvo5DDaqlckJnelM02rs8mjrYOEcdLWhcAEpVPhso=";
    vec![STANDARD.decode(CERTIFICATE).expect("base64")]
}

/// The recording of a session, and the messages in it.
pub fn recording(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(mut recording) = SessionRecording::parse(text) else {
        return;
    };
    let written = recording.write();
    // Namespaces are kept as they are spelt, so that an escape in one is escaped once more.
    let again = SessionRecording::parse(&written).map(|again| again.exchanges.len());
    assert_eq!(again, Ok(recording.exchanges.len()), "{written}");
    for exchange in &mut recording.exchanges {
        visit_carriers(&mut exchange.request, &mut |carrier| {
            let Ok(messages) = RecordedMessage::all_in(carrier.element, "here") else {
                return;
            };
            for message in messages {
                assert!(message.to_element().is_ok(), "{message:?}");
            }
        });
    }
}

fn recording_seeds() -> Vec<Vec<u8>> {
    vec![RECORDING.into()]
}

const RECORDING: &str = r#"<recording xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" form="1" host="host1.example.com" endpoint="windows"><exchange number="1" action="Send"><request><s:Envelope><s:Header/><s:Body><rsp:Send><rsp:Stream Name="stdin"><message to="server" type="PIPELINE_INPUT" pool="c4589b21-9b89-4635-8810-c26db478cd63" pipeline="d4589b21-9b89-4635-8810-c26db478cd63" pieces="2"><S>x &lt; y</S></message><message to="server" type="END_OF_PIPELINE_INPUT" pool="c4589b21-9b89-4635-8810-c26db478cd63"/></rsp:Stream></rsp:Send></s:Body></s:Envelope></request><no-answer/></exchange></recording>"#;
