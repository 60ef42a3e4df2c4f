//! Client against server in memory, recorded messages, hostile streams.

#![allow(clippy::unwrap_used)]

mod pools;
mod secrets;

use uuid::Uuid;

use super::*;
use crate::clixml::{Object, ProgressRecord, Value};

const POOL: Uuid = Uuid::from_u128(0x0477_7930_1347_422b_aa4d_33bd_c257_0979);
const PIPELINE: Uuid = Uuid::from_u128(0xe888_e1df_c962_41d6_befd_f2c8_2d0a_bcca);

fn server(version: ProtocolVersion) -> ServerPool {
    let table = Object::hashtable(vec![(
        "PSVersion".into(),
        Value::Version("5.1.14393.2248".into()),
    )]);
    let data = Object::hashtable(vec![("PSVersionTable".into(), table.into())]);
    ServerPool::new(version, data.into(), FragmentLimits::default())
}

/// A pair with the pool open, in two steps as real servers do it.
fn pair(version: ProtocolVersion, room: usize) -> (ClientPool, ServerPool) {
    let (mut client, mut server) = (
        ClientPool::new(POOL, FragmentLimits::default()),
        server(version),
    );
    client.open(&InitRunspacePool::default()).unwrap();
    let events = to_server(&mut client, &mut server, None, room);
    assert!(
        matches!(events.last(), Some(ServerEvent::OpenRequested(init)) if init.max_runspaces == 1)
    );
    assert_eq!(to_client(&mut client, &mut server, None, room), []);
    assert!(!client.is_open());
    server.announce_opened().unwrap();
    assert_eq!(
        to_client(&mut client, &mut server, None, room),
        [ClientEvent::Opened]
    );
    (client, server)
}

fn to_server(
    client: &mut ClientPool,
    server: &mut ServerPool,
    id: Option<Uuid>,
    room: usize,
) -> Vec<ServerEvent> {
    let mut events = Vec::new();
    while let Some(blob) = client.take(id, room) {
        assert!(blob.len() <= room);
        events.extend(server.receive(id, "stdin", &blob).unwrap());
    }
    events
}

fn to_client(
    client: &mut ClientPool,
    server: &mut ServerPool,
    id: Option<Uuid>,
    room: usize,
) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    while let Some(fragment) = server.take(id, room) {
        assert!(fragment.len() <= room);
        events.extend(client.receive(id, &fragment).unwrap());
    }
    events
}

/// Creates a pipeline on both sides and gives what the server made of it.
fn create(
    client: &mut ClientPool,
    server: &mut ServerPool,
    pipeline: &Pipeline,
    room: usize,
) -> CreatePipeline {
    client
        .create_pipeline(PIPELINE, &CreatePipeline::new(pipeline.clone()))
        .unwrap();
    server.start_command(PIPELINE).unwrap();
    match to_server(client, server, Some(PIPELINE), room).pop() {
        Some(ServerEvent::PipelineCreated(PIPELINE, create)) => *create,
        other => panic!("expected a pipeline, got {other:?}"),
    }
}

fn sample() -> Pipeline {
    Pipeline::new(
        Command::new("Get-OwaVirtualDirectory")
            .with("Server", "mbx")
            .switch("ADPropertiesOnly"),
    )
    .pipe(Command::new("Select-Object").arg(Value::from(vec![
        Value::from("Name"),
        Value::from("Ünïcode \u{0}\r\n"),
    ])))
}

#[test]
fn everything_arrives_whatever_the_room_and_version() {
    let error = ErrorRecord::new(
        "PathNotFound,Get-Content",
        13,
        "System.IO.FileNotFoundException",
        "no such file",
    );
    for room in [22, 23, 100, 4096, 1 << 20] {
        for version in [
            ProtocolVersion::V2_1,
            ProtocolVersion::V2_2,
            ProtocolVersion::V2_3,
        ] {
            let (mut client, mut server) = pair(version, room);
            assert_eq!(client.version(), version);
            assert!(
                client
                    .private_data()
                    .as_object()
                    .unwrap()
                    .entries()
                    .is_some()
            );
            let created = create(&mut client, &mut server, &sample(), room);
            assert_eq!(created, CreatePipeline::new(sample()));

            let progress = ProgressRecord {
                activity: "Working".into(),
                percent: 50,
                parent_activity_id: -1,
                record_type: "Processing".into(),
                ..ProgressRecord::default()
            };
            let records = [
                Record::Output(Value::from("Ünïcode\r\n")),
                Record::Output(Value::Null),
                Record::Warning("careful".into()),
                Record::Verbose("v".into()),
                Record::Debug("d".into()),
                Record::Progress(progress),
            ];
            for record in &records {
                server.record(PIPELINE, record).unwrap();
            }
            server
                .record(PIPELINE, &Record::Error(error.clone()))
                .unwrap();
            server
                .finish(PIPELINE, &PipelineState::Failed(error.clone()))
                .unwrap();
            let mut events = to_client(&mut client, &mut server, Some(PIPELINE), room);
            assert!(server.is_done(PIPELINE));

            let Some(ClientEvent::Finished(PIPELINE, PipelineState::Failed(ended))) = events.pop()
            else {
                panic!("expected the end of the pipeline")
            };
            let Some(ClientEvent::Record(PIPELINE, Record::Error(written))) = events.pop() else {
                panic!("expected an error record")
            };
            for found in [ended, written] {
                assert_eq!(
                    ErrorRecord {
                        raw: Value::Null,
                        ..found
                    },
                    error
                );
            }
            let expected = records.map(|record| ClientEvent::Record(PIPELINE, record));
            assert_eq!(events, expected);
        }
    }
}

#[test]
fn several_statements_need_protocol_2_2() {
    let pipeline = sample().then(Command::new("Get-Variable").with("Name", "LASTEXITCODE"));
    let (mut client, mut server) = pair(ProtocolVersion::V2_2, 4096);
    assert_eq!(
        create(&mut client, &mut server, &pipeline, 4096).pipeline,
        pipeline
    );
    let (mut client, _) = pair(ProtocolVersion::V2_1, 4096);
    let refused = client.create_pipeline(PIPELINE, &CreatePipeline::new(pipeline));
    assert!(
        matches!(
            refused,
            Err(PsrpError::NotSupported {
                needs: ProtocolVersion::V2_2,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(client.take(Some(PIPELINE), 4096).is_none());
}

#[test]
fn a_prompt_can_be_refused() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    create(&mut client, &mut server, &sample(), 4096);
    let choices = [("&Yes", "Continue."), ("&No", "Do not.")];
    let call = HostCall::prompt_for_choice("Confirm", "Sure?", &choices, 0);
    assert_eq!(
        HostCall::new("PromptForChoice", call.arguments.clone()).as_ref(),
        Some(&call)
    );
    let id = server.host_call(PIPELINE, call.clone()).unwrap();
    let events = to_client(&mut client, &mut server, Some(PIPELINE), 4096);
    let recorded = HostCall {
        call_id: id,
        ..call
    };
    assert_eq!(
        events,
        [ClientEvent::Record(
            PIPELINE,
            Record::HostCall(recorded.clone())
        )]
    );
    assert!(recorded.wants_answer());
    client
        .answer(Some(PIPELINE), HostResponse::refusal(&recorded))
        .unwrap();
    let answer = client.take_answer(PIPELINE, 4096).unwrap();
    match server.receive(Some(PIPELINE), "pr", &answer).unwrap().pop() {
        Some(ServerEvent::HostResponse(
            Some(PIPELINE),
            HostResponse {
                call_id,
                result: Err(error),
                ..
            },
        )) => {
            assert_eq!(call_id, id);
            assert_eq!(
                error.exception_type,
                "System.Management.Automation.Host.HostException"
            );
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn input_follows_the_pipeline() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    let pipeline = Pipeline {
        takes_input: true,
        ..sample()
    };
    assert!(
        create(&mut client, &mut server, &pipeline, 4096)
            .pipeline
            .takes_input
    );
    client.input(PIPELINE, Value::Int32(7)).unwrap();
    client.end_input(PIPELINE).unwrap();
    let events = to_server(&mut client, &mut server, Some(PIPELINE), 60);
    assert_eq!(
        events,
        [
            ServerEvent::Input(PIPELINE, Value::Int32(7)),
            ServerEvent::EndOfInput(PIPELINE)
        ]
    );
}

#[test]
fn no_data_is_the_null_value_where_any_value_may_stand() {
    let decode = |kind| Payload::decode(kind, "", None).unwrap();
    assert_eq!(
        [
            decode(MessageType::PipelineOutput),
            decode(MessageType::PipelineInput),
            decode(MessageType::PublicKeyRequest),
        ],
        [
            Payload::PipelineOutput(Value::Null),
            Payload::PipelineInput(Value::Null),
            Payload::PublicKeyRequest,
        ]
    );
}

#[test]
fn nothing_goes_out_before_the_pool_is_open() {
    let mut client = ClientPool::new(POOL, FragmentLimits::default());
    assert!(matches!(
        client.create_pipeline(PIPELINE, &CreatePipeline::new(sample())),
        Err(PsrpError::State { .. })
    ));
    client.open(&InitRunspacePool::default()).unwrap();
    assert!(matches!(
        client.create_pipeline(PIPELINE, &CreatePipeline::new(sample())),
        Err(PsrpError::State { .. })
    ));
    assert!(matches!(
        client.open(&InitRunspacePool::default()),
        Err(PsrpError::State { .. })
    ));
    assert!(matches!(
        server(ProtocolVersion::V2_3).start_command(PIPELINE),
        Err(PsrpError::State { .. })
    ));
}

/// One message as a server would send it, in one fragment.
fn from_server(object: u64, kind: MessageType, pool: Uuid, pipeline: Uuid, data: &str) -> Vec<u8> {
    let message = Message {
        destination: Destination::Client,
        kind,
        pool,
        pipeline,
        data: data.into(),
    };
    fragment(object, 0, 3, &message.encode())
}

fn fragment(object: u64, id: u64, flags: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [
        &object.to_be_bytes()[..],
        &id.to_be_bytes(),
        &[flags],
        &length.to_be_bytes(),
        content,
    ]
    .concat()
}

/// A message, its pool, its pipeline, the stream it comes over, its data, and whether an error
/// is the expected one.
type Case<'a> = (
    MessageType,
    Uuid,
    Uuid,
    Option<Uuid>,
    &'a str,
    fn(&PsrpError) -> bool,
);

#[test]
fn messages_in_the_wrong_state_are_errors() {
    let capability = r#"<Obj RefId="0"><MS><Version N="protocolversion">2.3</Version></MS></Obj>"#;
    let opened = r#"<Obj RefId="0"><MS><I32 N="RunspaceState">2</I32></MS></Obj>"#;
    let done = r#"<Obj RefId="0"><MS><I32 N="PipelineState">4</I32></MS></Obj>"#;
    let nil = Uuid::nil();
    // All after the pool is open.
    let cases: [Case<'_>; 8] = [
        (
            MessageType::SessionCapability,
            nil,
            nil,
            None,
            capability,
            |e| matches!(e, PsrpError::State { .. }),
        ),
        (
            MessageType::RunspacePoolState,
            POOL,
            nil,
            None,
            opened,
            |e| matches!(e, PsrpError::State { .. }),
        ),
        (
            MessageType::RunspacePoolState,
            PIPELINE,
            nil,
            None,
            opened,
            |e| matches!(e, PsrpError::OtherPool { .. }),
        ),
        (
            MessageType::PipelineState,
            POOL,
            PIPELINE,
            None,
            done,
            |e| matches!(e, PsrpError::OtherPipeline { .. }),
        ),
        (
            MessageType::PipelineOutput,
            POOL,
            nil,
            None,
            "<S>x</S>",
            |e| matches!(e, PsrpError::OtherPipeline { .. }),
        ),
        (
            MessageType::PipelineOutput,
            POOL,
            POOL,
            Some(PIPELINE),
            "<S>x</S>",
            |e| matches!(e, PsrpError::OtherPipeline { .. }),
        ),
        (
            MessageType::PipelineInput,
            POOL,
            PIPELINE,
            Some(PIPELINE),
            "<S>x</S>",
            |e| matches!(e, PsrpError::WrongSide { .. }),
        ),
        (
            MessageType::PipelineOutput,
            POOL,
            PIPELINE,
            Some(PIPELINE),
            "<S>x",
            |e| matches!(e, PsrpError::Clixml { .. }),
        ),
    ];
    for (kind, pool, pipeline, stream, data, expected) in cases {
        let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
        create(&mut client, &mut server, &sample(), 4096);
        let error = client
            .receive(stream, &from_server(1000, kind, pool, pipeline, data))
            .unwrap_err();
        assert!(expected(&error), "{kind}: {error}");
    }
    // And the other way round: before the pool is open.
    let mut client = ClientPool::new(POOL, FragmentLimits::default());
    client.open(&InitRunspacePool::default()).unwrap();
    let early = from_server(1, MessageType::RunspacePoolState, POOL, nil, opened);
    assert!(matches!(
        client.receive(None, &early),
        Err(PsrpError::State { .. })
    ));
}

#[test]
fn messages_after_the_end_are_errors() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    create(&mut client, &mut server, &sample(), 4096);
    server.finish(PIPELINE, &PipelineState::Completed).unwrap();
    assert!(
        server
            .record(PIPELINE, &Record::Warning("late".into()))
            .is_err()
    );
    let ended = ClientEvent::Finished(PIPELINE, PipelineState::Completed);
    assert_eq!(
        to_client(&mut client, &mut server, Some(PIPELINE), 4096),
        [ended]
    );
    let late = from_server(
        1000,
        MessageType::PipelineOutput,
        POOL,
        PIPELINE,
        "<S>x</S>",
    );
    assert!(matches!(
        client.receive(Some(PIPELINE), &late),
        Err(PsrpError::OtherPipeline { .. })
    ));
}

#[test]
fn fragments_that_lie_are_refused() {
    let limits = FragmentLimits {
        message: 100,
        total: 150,
    };
    let lying = {
        let mut fragment = fragment(1, 0, 3, b"abc");
        fragment[17..21].copy_from_slice(&u32::MAX.to_be_bytes());
        fragment
    };
    let cases: [(&str, Vec<Vec<u8>>, FragmentError); 9] = [
        (
            "object 0",
            vec![fragment(0, 0, 3, b"")],
            FragmentError::ObjectOrder { last: 0, found: 0 },
        ),
        (
            "object twice",
            vec![fragment(1, 0, 3, b""), fragment(1, 0, 3, b"")],
            FragmentError::ObjectOrder { last: 1, found: 1 },
        ),
        (
            "another object within",
            vec![fragment(1, 0, 1, b"a"), fragment(2, 0, 3, b"b")],
            FragmentError::Interleaved { open: 1, found: 2 },
        ),
        (
            "fragment missing",
            vec![fragment(1, 0, 1, b"a"), fragment(1, 2, 2, b"b")],
            FragmentError::FragmentOrder {
                object: 1,
                expected: 1,
                found: 2,
            },
        ),
        (
            "first fragment missing",
            vec![fragment(1, 1, 2, b"a")],
            FragmentError::FragmentOrder {
                object: 1,
                expected: 0,
                found: 1,
            },
        ),
        (
            "no start flag",
            vec![fragment(1, 0, 2, b"a")],
            FragmentError::StartFlag {
                object: 1,
                fragment: 0,
            },
        ),
        (
            "start flag twice",
            vec![fragment(1, 0, 1, b"a"), fragment(1, 1, 3, b"a")],
            FragmentError::StartFlag {
                object: 1,
                fragment: 1,
            },
        ),
        (
            "length that lies",
            vec![lying],
            FragmentError::TooLarge {
                object: 1,
                limit: 100,
                of: "in a message",
            },
        ),
        (
            "too much in all",
            vec![fragment(1, 0, 3, &[0; 100]), fragment(2, 0, 3, &[0; 100])],
            FragmentError::TooLarge {
                object: 2,
                limit: 150,
                of: "in a stream",
            },
        ),
    ];
    for (name, fragments, expected) in cases {
        let bytes = fragments.concat();
        // All at once, and byte by byte.
        for step in [bytes.len(), 1] {
            let mut defragmenter = Defragmenter::new(limits);
            let found = bytes
                .chunks(step)
                .find_map(|chunk| defragmenter.push(chunk).err());
            assert_eq!(
                found.as_ref(),
                Some(&expected),
                "{name}, {step} bytes at once"
            );
        }
    }
    let mut open = Defragmenter::new(limits);
    assert_eq!(
        open.push(&fragment(1, 0, 1, b"a")).unwrap(),
        Vec::<Vec<u8>>::new()
    );
    assert_eq!(open.finish(), Err(FragmentError::Incomplete));
}

#[test]
fn a_long_fragment_may_come_byte_by_byte() {
    const LENGTH: usize = 30 << 20;
    let mut head = fragment(1, 0, 3, &[]);
    let at = head.len() - 4;
    head.splice(at.., u32::try_from(LENGTH).unwrap().to_be_bytes());
    let mut defragmenter = Defragmenter::new(FragmentLimits::default());
    let start = std::time::Instant::now();
    head.resize(8 << 20, 0);
    assert_eq!(defragmenter.push(&head), Ok(Vec::new()));
    for _ in 0..9_900 {
        assert_eq!(defragmenter.push(&[1]), Ok(Vec::new()));
    }
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    let rest = vec![2; LENGTH - (8 << 20) + 21 - 9_900];
    let messages = defragmenter.push(&rest).unwrap();
    assert_eq!(messages.first().map(Vec::len), Some(LENGTH));
    assert_eq!(defragmenter.finish(), Ok(()));
}

#[test]
fn broken_messages_are_errors() {
    let head = Message {
        destination: Destination::Client,
        kind: MessageType::PipelineOutput,
        pool: POOL,
        pipeline: PIPELINE,
        data: String::new(),
    }
    .encode();
    assert!(Message::decode(&head).is_ok());
    assert!(matches!(
        Message::decode(&head[..39]),
        Err(PsrpError::ShortMessage { length: 39 })
    ));
    assert!(matches!(
        Message::decode(&[&[9, 0, 0, 0], &head[4..]].concat()),
        Err(PsrpError::Destination { found: 9 })
    ));
    assert!(matches!(
        Message::decode(&[&head[..], &[0xff]].concat()),
        Err(PsrpError::Encoding { position: 0, .. })
    ));
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_an_error_or_a_message_but_never_a_panic(bytes: Vec<u8>, start in 0_u64..3, flags in 0_u8..4) {
        let (mut client, mut server) = (ClientPool::new(POOL, FragmentLimits::default()), server(ProtocolVersion::V2_3));
        client.open(&InitRunspacePool::default()).unwrap();
        let _ = client.receive(None, &bytes);
        let _ = server.receive(None, "stdin", &bytes);
        let _ = client.receive(None, &fragment(start, 0, flags, &bytes));
        let _ = server.receive(None, "stdin", &fragment(start, 0, flags, &bytes));
    }

    #[test]
    fn messages_survive_any_fragmentation(messages: Vec<Vec<u8>>, room in 22_usize..200, step in 1_usize..300) {
        let (mut ids, mut fragmenter) = (ObjectIds::default(), Fragmenter::default());
        for message in &messages {
            fragmenter.push(&mut ids, message.clone());
        }
        let mut bytes = Vec::new();
        while let Some(blob) = fragmenter.take(room) {
            bytes.extend(blob);
        }
        let mut defragmenter = Defragmenter::new(FragmentLimits::default());
        let mut found = Vec::new();
        for chunk in bytes.chunks(step) {
            found.extend(defragmenter.push(chunk).unwrap());
        }
        proptest::prop_assert_eq!(found, messages);
        proptest::prop_assert_eq!(defragmenter.finish(), Ok(()));
    }
}
