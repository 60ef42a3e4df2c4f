//! Shells for programs, with a client in memory.

use super::*;

impl Client {
    /// One with a shell for programs.
    async fn with_programs() -> Self {
        let mut client = Self::new(EndpointKind::Windows, "Microsoft.PowerShell");
        client.uri = wsman::CMD_SHELL.into();
        client.options.clear();
        let created = client.send(RequestBody::Create(shell(SHELL))).await;
        assert!(matches!(created, Ok(ResponseBody::Created(shell)) if shell.id == SHELL));
        client
    }

    async fn program(&self, name: &str) -> Result<Uuid, Box<Fault>> {
        let line = CommandLine::program(name, &[]);
        match self.send(RequestBody::Command(line)).await? {
            ResponseBody::CommandStarted(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    async fn said(&self, id: Uuid, streams: &str) -> Result<ReceiveResponse, Box<Fault>> {
        let receive = Receive {
            command_id: Some(id),
            streams: streams.into(),
        };
        match self.send(RequestBody::Receive(receive)).await? {
            ResponseBody::Received(received) => Ok(received),
            other => panic!("{other:?}"),
        }
    }
}

fn shell(id: Uuid) -> CreateShell {
    CreateShell {
        id: Some(id),
        input_streams: "stdin".into(),
        output_streams: "stdout stderr".into(),
        idle_timeout: Some(Duration::from_mins(1)),
        ..CreateShell::default()
    }
}

#[tokio::test]
async fn output_of_both_streams_is_cut_to_the_envelope() {
    let mut client = Client::with_programs().await;
    client.receive_limit = 40_000;
    let id = client.program("much").await.unwrap();
    let (mut sizes, mut ends) = ([0, 0], [false, false]);
    loop {
        let received = client.said(id, "stdout stderr").await.unwrap();
        for stream in received.streams {
            let which = usize::from(stream.name == "stderr");
            sizes[which] += stream.data.len();
            ends[which] |= stream.end;
        }
        let state = received.state.unwrap();
        if state.state == RunState::Done {
            assert_eq!(state.exit_code, Some(3));
            break;
        }
        assert_eq!((state.state, state.exit_code), (RunState::Running, None));
    }
    assert_eq!((sizes, ends), ([100_000, 100_000], [true, true]));
    // It has ended. It can be signalled until it is terminated.
    is_unknown_command(&client.said(id, "stdout").await.unwrap_err());
    for code in [
        SignalCode::CtrlC,
        SignalCode::CtrlBreak,
        SignalCode::Terminate,
    ] {
        client.send(signal(id, code)).await.unwrap();
    }
    is_unknown_command(
        &client
            .send(signal(id, SignalCode::CtrlC))
            .await
            .unwrap_err(),
    );

    let id = client.program("much").await.unwrap();
    let unknown = client.said(id, "stdin").await.unwrap_err();
    assert_eq!(unknown.code, Some(code::INVALID_PARAMETER));
}

#[tokio::test(start_paused = true)]
async fn silence_times_out_and_an_end_is_heard_of() {
    let client = Client::with_programs().await;
    let id = client.program("slow").await.unwrap();
    let nothing = client.said(id, "stdout stderr").await.unwrap_err();
    assert_eq!(nothing.class(), FaultClass::PollAgain);
    let waits = client.said(id, "stdout stderr");
    let terminate = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let signal = Signal {
            command_id: Some(id),
            code: SignalCode::Terminate,
        };
        client.send(RequestBody::Signal(signal)).await.unwrap();
    };
    let (ended, ()) = tokio::join!(waits, terminate);
    assert_eq!(ended.unwrap_err().code, Some(code::OPERATION_ABORTED));
    is_unknown_command(&client.said(id, "stdout stderr").await.unwrap_err());
    // Recorded by others (`test_winrs_fail_poll_process` of pypsrp): no command at all is another mistake.
    let nameless = RequestBody::Receive(Receive {
        command_id: None,
        streams: "stdout stderr".into(),
    });
    let nameless = client.send(nameless).await.unwrap_err();
    assert_eq!(nameless.code, Some(code::INVALID_PARAMETER));
}

#[tokio::test(start_paused = true)]
async fn a_shell_for_programs_is_listed_counted_and_removed_when_idle() {
    let mut client = Client::with_programs().await;
    let id = client.program("copy").await.unwrap();
    let Ok(ResponseBody::Enumerated(items)) = client
        .send(RequestBody::Enumerate(Enumerate::default()))
        .await
    else {
        panic!("no list");
    };
    assert_eq!(items.shells.len(), 1);
    assert_eq!(items.shells[0].resource_uri, wsman::CMD_SHELL);
    let of_shell = Enumerate { shell: Some(SHELL) };
    let Ok(ResponseBody::Enumerated(items)) = client.send(RequestBody::Enumerate(of_shell)).await
    else {
        panic!("no list");
    };
    assert_eq!(items.commands[0].id, id);
    assert!(matches!(
        client.send(RequestBody::Get).await,
        Ok(ResponseBody::Got(_))
    ));
    // Thirty for an account, of whatever kind.
    for number in 1..30 {
        let another = shell(Uuid::from_u128(100 + number));
        client.send(RequestBody::Create(another)).await.unwrap();
    }
    let full = client.send(RequestBody::Create(shell(Uuid::nil()))).await;
    assert_eq!(full.unwrap_err().code, Some(code::QUOTA_MAX_SHELLS));
    tokio::time::sleep(Duration::from_secs(61)).await;
    let gone = client.program("copy").await.unwrap_err();
    assert_eq!(gone.code, Some(code::UNEXPECTED_SELECTORS));

    // Nobody else's, and nothing of Exchange's.
    client = Client::with_programs().await;
    client.origin.user = "LITWAREINC\\other".into();
    let foreign = client.program("copy").await.unwrap_err();
    assert_eq!(foreign.code, Some(code::UNEXPECTED_SELECTORS));
    client.origin.endpoint = EndpointKind::Exchange;
    let refused = client.send(RequestBody::Create(shell(Uuid::nil()))).await;
    assert_eq!(refused.unwrap_err().code, Some(code::INVALID_RESOURCE_URI));
}

#[tokio::test]
async fn what_a_shell_for_programs_cannot_do_here_is_refused() {
    let client = Client::with_programs().await;
    for refused in [
        client.program("unheard of").await.map(drop),
        client.send(RequestBody::Reconnect).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code, Some(code::INVALID_ACTION));
    }
    let id = client.program("copy").await.unwrap();
    let signal = Signal {
        command_id: Some(id),
        code: SignalCode::PowerShellCtrlC,
    };
    let refused = client.send(RequestBody::Signal(signal)).await.unwrap_err();
    assert_eq!(refused.code, Some(code::INVALID_PARAMETER));
}
