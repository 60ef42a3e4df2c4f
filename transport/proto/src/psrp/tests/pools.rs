//! What a client asks of a pool besides pipelines, and how another client takes it over.

use super::*;

type Ask = fn(&mut ClientPool) -> Result<i64, PsrpError>;

fn answers(client: &mut ClientPool, server: &mut ServerPool) -> Vec<ClientEvent> {
    to_server(client, server, None, 4096);
    to_client(client, server, None, 4096)
}

#[test]
fn the_number_of_runspaces_can_be_changed() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    let steps: [(Ask, Value); 7] = [
        (ClientPool::available_runspaces, Value::Int64(1)),
        (|c| c.set_max_runspaces(5), true.into()),
        (ClientPool::available_runspaces, Value::Int64(5)),
        (|c| c.set_min_runspaces(2), true.into()),
        (|c| c.set_min_runspaces(-1), false.into()),
        (|c| c.set_max_runspaces(1), false.into()),
        (ClientPool::reset_state, true.into()),
    ];
    for (number, (ask, answer)) in steps.into_iter().enumerate() {
        let call = ask(&mut client).unwrap();
        assert_eq!(call, i64::try_from(number).unwrap());
        assert_eq!(
            answers(&mut client, &mut server),
            [ClientEvent::Answered(call, answer)]
        );
    }
    assert_eq!(server.runspaces(), (2, 5));
    let (mut old, _) = pair(ProtocolVersion::V2_2, 4096);
    assert!(matches!(
        old.reset_state(),
        Err(PsrpError::NotSupported { .. })
    ));
}

#[test]
fn commands_are_asked_for_and_described() {
    let (mut client, mut server) = pair(ProtocolVersion::V2_3, 4096);
    let query = CommandQuery {
        namespaces: vec!["Microsoft.WSMan*".into()],
        ..CommandQuery::named(["Get-*"])
    };
    client.query_commands(PIPELINE, &query).unwrap();
    server.start_command(PIPELINE).unwrap();
    assert_eq!(
        to_server(&mut client, &mut server, Some(PIPELINE), 4096),
        [ServerEvent::CommandsQueried(PIPELINE, Box::new(query))]
    );
    let parameter = Object::new()
        .with_note("Name", "Force")
        .with_note(
            "ParameterType",
            "System.Management.Automation.SwitchParameter",
        )
        .with_note("Aliases", Value::from(vec![Value::from("f")]))
        .with_note("SwitchParameter", true)
        .with_note("IsDynamic", false);
    let command = Object::new()
        .with_note("Name", "Get-WSManInstance")
        .with_note("Namespace", "Microsoft.WSMan.Management")
        .with_note("CommandType", 8)
        .with_note(
            "Parameters",
            Object::hashtable(vec![("Force".into(), parameter.into())]),
        );
    let count = Object::new().with_note("Count", 1);
    for value in [Value::from(count), command.into()] {
        server.record(PIPELINE, &Record::Output(value)).unwrap();
    }
    server.finish(PIPELINE, &PipelineState::Completed).unwrap();
    let events = to_client(&mut client, &mut server, Some(PIPELINE), 4096);
    let described: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Record(_, Record::Output(value)) => CommandMetadata::from_value(value),
            _ => None,
        })
        .collect();
    let [described] = described.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(described.name, "Get-WSManInstance");
    assert_eq!(
        described.parameters,
        [ParameterMetadata {
            name: "Force".into(),
            type_name: "System.Management.Automation.SwitchParameter".into(),
            aliases: vec!["f".into()],
            is_switch: true,
            is_dynamic: false,
        }]
    );
}

#[test]
fn another_client_takes_a_pool_over() {
    let (mut first, mut server) = pair(ProtocolVersion::V2_2, 4096);
    create(&mut first, &mut server, &sample(), 4096);
    server
        .record(PIPELINE, &Record::Output("before".into()))
        .unwrap();
    drop(first);

    let mut second = ClientPool::new(POOL, FragmentLimits::default());
    second.connect().unwrap();
    let answer = server.connect(&second.take(None, 4096).unwrap()).unwrap();
    assert_eq!(second.connected(&answer).unwrap(), [ClientEvent::Opened]);
    assert_eq!(
        (second.version(), second.runspaces()),
        (ProtocolVersion::V2_2, (1, 1))
    );
    // Real servers say anew what they are, and some that the pool is open.
    to_client(&mut second, &mut server, None, 4096);
    assert_ne!(second.private_data(), &Value::Null);
    second.adopt(PIPELINE).unwrap();
    server.finish(PIPELINE, &PipelineState::Completed).unwrap();
    assert_eq!(
        to_client(&mut second, &mut server, Some(PIPELINE), 4096),
        [
            ClientEvent::Record(PIPELINE, Record::Output("before".into())),
            ClientEvent::Finished(PIPELINE, PipelineState::Completed),
        ]
    );
    // The new client counts its objects from one.
    let call = second.available_runspaces().unwrap();
    assert_eq!(
        answers(&mut second, &mut server),
        [ClientEvent::Answered(call, Value::Int64(1))]
    );
    assert!(server.connect(b"anything").is_err());
    assert!(second.connected(b"").is_ok());
}

#[test]
fn streams_go_where_they_are_sent() {
    let merge = Merge {
        warning: MergeTo::Nowhere,
        previous: true,
        ..Merge::ALL_TO_OUTPUT
    };
    for (version, kept) in [
        (ProtocolVersion::V2_3, merge),
        (
            ProtocolVersion::V2_1,
            Merge {
                error: MergeTo::Output,
                previous: true,
                ..Merge::default()
            },
        ),
    ] {
        let (mut client, mut server) = pair(version, 4096);
        let pipeline = Pipeline::new(Command::new("Get-Item").merged(merge));
        let create = create(&mut client, &mut server, &pipeline, 4096);
        assert_eq!(
            create.pipeline.commands().next().unwrap().merge,
            kept,
            "{version}"
        );
    }
}
