//! [`Shell`] against a server that plays programs.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
mod peer;
#[allow(dead_code)]
mod service;

use std::time::Duration;

use owaim_proto::wsman::{CMD_SHELL, SignalCode};
use owaim_transport::{
    CommandOptions, Output, ProcessSignal, RetryClass, Shell, ShellOptions, Tickets,
    max_envelope_size,
};
use service::{Server, client_options};

fn options() -> ShellOptions {
    ShellOptions {
        client: client_options(),
        ..ShellOptions::default()
    }
}

#[tokio::test]
async fn a_program_runs_and_its_output_comes_as_it_is_written() {
    let server = Server::start().await;
    let shell = Shell::open(
        &server.endpoint(),
        &ShellOptions {
            codepage: Some(65001),
            working_directory: Some(r"C:\Windows".into()),
            environment: vec![("env1".into(), "var1".into())],
            lifetime: Some(Duration::from_mins(1)),
            name: Some("shell 1".into()),
            no_profile: true,
            ..options()
        },
    )
    .await
    .unwrap();
    let mut process = shell
        .command_with(
            "cmd.exe",
            &["/c", "set"],
            &CommandOptions {
                console_input: true,
                ..CommandOptions::default()
            },
        )
        .await
        .unwrap();
    process.write(b"in", false).await.unwrap();
    process.write(b"put", true).await.unwrap();
    server.seen.lock().unwrap().programs = [
        vec![("stdout", b"one\r\n".as_slice()), ("stderr", b"two")],
        vec![("stdout", b"three")],
    ]
    .into();
    let mut pieces = Vec::new();
    while let Some(piece) = process.next().await.unwrap() {
        pieces.push(piece);
    }
    assert_eq!(
        pieces,
        [
            Output::Stdout(b"one\r\n".into()),
            Output::Stderr(b"two".into()),
            Output::Stdout(b"three".into()),
        ]
    );
    assert_eq!(process.exit_code(), Some(3));
    process.signal(ProcessSignal::CtrlC).await.unwrap();
    drop(process);
    shell.close().await;

    let seen = server.seen.lock().unwrap();
    let (create, header) = seen.creates.first().unwrap();
    assert_eq!(header.resource_uri, CMD_SHELL);
    assert_eq!(
        (
            header.option("WINRS_CODEPAGE"),
            header.option("WINRS_NOPROFILE")
        ),
        (Some("65001"), Some("TRUE"))
    );
    assert_eq!(create.environment, [("env1".into(), "var1".into())]);
    assert_eq!(create.working_directory.as_deref(), Some(r"C:\Windows"));
    assert_eq!(create.lifetime, Some(Duration::from_mins(1)));
    assert_eq!(create.name.as_deref(), Some("shell 1"));
    let (line, header) = seen.commands.first().unwrap();
    assert_eq!(
        (line.command.as_str(), line.arguments.as_slice()),
        ("cmd.exe", &["/c".to_owned(), "set".to_owned()][..])
    );
    assert_eq!(header.option("WINRS_SKIP_CMD_SHELL"), Some("FALSE"));
    assert_eq!(header.option("WINRS_CONSOLEMODE_STDIN"), Some("TRUE"));
    assert_eq!(
        seen.input,
        [(b"in".to_vec(), false), (b"put".to_vec(), true)]
    );
    // After its end any signal gives back what is kept; there is no second one.
    assert_eq!(seen.signals, [SignalCode::CtrlC]);
    assert_eq!(seen.actions.last().unwrap(), "Delete");
}

#[tokio::test]
async fn a_service_says_what_it_is() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut endpoint = Server::start().await.endpoint();
    endpoint.url = format!("http://{}/wsman", listener.local_addr().unwrap());
    let ((), identity) = tokio::join!(
        async { service::identify_once(listener.accept().await.unwrap().0).await },
        owaim_transport::identify(&endpoint, client_options().timeouts),
    );
    assert_eq!(identity.unwrap(), service::identity());

    let server = Server::start().await;
    let (endpoint, tickets) = (server.endpoint(), Tickets::default());
    let size = max_envelope_size(&endpoint, client_options(), &tickets).await;
    assert_eq!(size.unwrap(), 1 << 20);
    server.refuse("Get", 5, "");
    let size = max_envelope_size(&endpoint, client_options(), &tickets).await;
    assert_eq!(size.unwrap_err().retry(), RetryClass::Never);
}

#[tokio::test]
async fn a_program_that_is_let_go_is_ended() {
    let server = Server::start().await;
    let shell = Shell::open(&server.endpoint(), &options()).await.unwrap();
    let mut process = shell.command("ping.exe", &["-t", "host"]).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), process.next()).await;
    assert!(waited.is_err(), "two Receives without anything to tell");
    drop(process);
    drop(shell);
    server.wait_for("Delete").await;
    assert_eq!(server.seen.lock().unwrap().signals, [SignalCode::Terminate]);
}

#[tokio::test]
async fn the_errors_of_powershell_are_read() {
    let server = Server::start().await;
    let shell = Shell::open(&server.endpoint(), &options()).await.unwrap();
    let process = shell.command("powershell.exe", &["fake"]).await.unwrap();
    server.seen.lock().unwrap().programs = [vec![(
        "stderr",
        concat!(
            "#< CLIXML\r\n",
            r#"<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">"#,
            r#"<Obj S="progress" RefId="0"><MS><I64 N="SourceId">1</I64></MS></Obj>"#,
            r#"<S S="Error">fake : no such thing_x000D__x000A_</S><S S="warning">w</S></Objs>"#,
        )
        .as_bytes(),
    )]]
    .into();
    let output = process.output().await.unwrap();
    assert_eq!(output.error_text(), "fake : no such thing\r\n");
    shell.close().await;
    // A program that has ended is let go too.
    assert_eq!(server.seen.lock().unwrap().signals, [SignalCode::Terminate]);
}
