//! Shells for programs at the simulated site, with our own client, and how much the site bears: 200
//! shells at once, objects of 5 MiB.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use owaim_inventory::EndpointKind;
use owaim_lab::{EndpointEntry, Lab, LabOptions, Overlay};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};
use owaim_tests::lab::by_ntlm;
use owaim_transport::{
    Client, ClientOptions, CommandOptions, Connect as _, Endpoint, Output, ProcessOutput,
    ProcessSignal, Session, Shell, ShellOptions, Timeouts, TransportError, identify,
};

const APPCMD: &str = r"C:\Windows\System32\inetsrv\appcmd.exe";

/// The site of the example, Exchange's endpoints with NTLM.
async fn start(state_dir: Option<&Path>) -> Lab {
    let text = include_str!("../../examples/litware.toml");
    let site = owaim_inventory::parse("litware.toml", text).unwrap();
    let overlay = "[wire.endpoints.exchange]\nauth = [\"negotiate\"]\n";
    let options = LabOptions {
        overlay: Overlay::parse("overlay.toml", overlay).unwrap(),
        state_dir: state_dir.map(Into::into),
        ..LabOptions::default()
    };
    Lab::start(&site, options).await.unwrap()
}

fn endpoint(entry: &EndpointEntry) -> Endpoint {
    by_ntlm(entry)
}

/// The endpoint of Windows at that host.
fn windows(lab: &Lab, host: &str) -> Endpoint {
    let mut entries = lab.endpoints().endpoints.iter();
    let found =
        entries.find(|entry| entry.host.short() == host && entry.kind == EndpointKind::Windows);
    endpoint(found.unwrap())
}

async fn shell(lab: &Lab) -> Shell {
    let endpoint = windows(lab, "atl-mbx-001");
    Shell::open(&endpoint, &ShellOptions::default())
        .await
        .unwrap()
}

async fn run(shell: &Shell, program: &str, arguments: &[&str]) -> ProcessOutput {
    let process = shell.command(program, arguments).await.unwrap();
    process.output().await.unwrap()
}

/// The number of the fault that something ended with.
fn fault<T>(result: Result<T, TransportError>) -> u32 {
    match result.err().unwrap() {
        TransportError::Fault { fault, .. } => fault.code.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn programs_give_what_they_give_on_windows() {
    let lab = start(None).await;
    let shell = shell(&lab).await;
    for (program, arguments, stdout, stderr, code) in [
        ("hostname", &[][..], "ATL-MBX-001\r\n", "", 0),
        ("HostName.EXE", &[], "ATL-MBX-001\r\n", "", 0),
        (
            r"%windir%\system32\hostname.exe",
            &[],
            "ATL-MBX-001\r\n",
            "",
            0,
        ),
        ("whoami", &[], "litwareinc\\owaim\r\n", "", 0),
        ("cd", &[], "C:\\Users\\owaim\r\n", "", 0),
        (
            "cd",
            &[r"C:\nowhere"],
            "",
            "The system cannot find the path specified.\r\n",
            1,
        ),
        (
            "echo",
            &["a  b", "\"c\"", "%OS%"],
            "a  b \"c\" Windows_NT\r\n",
            "",
            0,
        ),
        (
            "set",
            &["user"],
            "USERDOMAIN=LITWAREINC\r\nUSERNAME=owaim\r\nUSERPROFILE=C:\\Users\\owaim\r\n",
            "",
            0,
        ),
        (
            "set",
            &["nothing"],
            "",
            "Environment variable nothing not defined\r\n",
            1,
        ),
        (
            "type",
            &[r"C:\Windows\nothing.txt"],
            "",
            "The system cannot find the file specified.\r\n",
            1,
        ),
        ("type", &[r"C:\Windows"], "", "Access is denied.\r\n", 1),
        (
            "type",
            &[r"\Windows\System32\inetsrv\appcmd.exe"],
            "MZ",
            "",
            0,
        ),
        ("exit", &["42"], "", "", 42),
        ("cmd", &["/c", "exit -1"], "", "", -1),
        ("cmd.exe", &["/C", "\"echo x\""], "x\r\n", "", 0),
        (
            APPCMD,
            &["list", "apppool"],
            "APPPOOL \"MSExchangeOWAAppPool\" (MgdVersion:v4.0,MgdMode:Integrated,state:Started)\r\n",
            "",
            0,
        ),
        (
            "nonsense",
            &["x"],
            "",
            "'nonsense' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
            1,
        ),
    ] {
        let output = run(&shell, program, arguments).await;
        let found = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
            output.exit_code,
        );
        let expected = (stdout.to_owned(), stderr.to_owned(), Some(code));
        assert_eq!(found, expected, "{program} {arguments:?}");
    }
    let all = run(&shell, "ipconfig", &["/all"]).await.stdout;
    let all = String::from_utf8(all).unwrap();
    assert!(
        all.contains("IPv4 Address. . . . . . . . . . . : 192.0.2."),
        "{all}"
    );
    shell.close().await;
}

#[tokio::test]
async fn the_site_hears_of_programs_as_it_hears_of_cmdlets() {
    let folder = tempfile::tempdir().unwrap();
    let lab = start(Some(folder.path())).await;
    let shell = shell(&lab).await;
    let recycle = ["recycle", "apppool", "/apppool.name:MSExchangeOWAAppPool"];
    let output = run(&shell, APPCMD, &recycle).await;
    assert_eq!(output.exit_code, Some(0));
    shell.close().await;
    lab.stop().await.unwrap();
    let calls = std::fs::read_to_string(folder.path().join("calls.ndjson")).unwrap();
    let last: serde_json::Value = serde_json::from_str(calls.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["cmdlet"], &last["effect"]),
        (&APPCMD.into(), &true.into())
    );
}

#[tokio::test]
async fn a_shell_has_a_folder_an_environment_and_a_code_page() {
    let lab = start(None).await;
    let endpoint = windows(&lab, "atl-mbx-001");
    let options = ShellOptions {
        working_directory: Some(r"C:\Windows\System32".into()),
        environment: vec![("os".into(), "caf\u{e9}".into())],
        ..ShellOptions::default()
    };
    let shell = Shell::open(&endpoint, &options).await.unwrap();
    assert_eq!(
        run(&shell, "cd", &[]).await.stdout,
        b"C:\\Windows\\System32\r\n"
    );
    assert_eq!(
        run(&shell, "type", &[r"inetsrv\appcmd.exe"]).await.stdout,
        b"MZ"
    );
    assert_eq!(run(&shell, "set", &["os"]).await.stdout, b"os=caf\x82\r\n");
    shell.close().await;
    let options = ShellOptions {
        codepage: Some(65001),
        no_profile: true,
        ..options
    };
    let shell = Shell::open(&endpoint, &options).await.unwrap();
    assert_eq!(
        run(&shell, "set", &["os"]).await.stdout,
        "os=caf\u{e9}\r\n".as_bytes()
    );
    shell.close().await;
    let nowhere = ShellOptions {
        working_directory: Some(r"C:\nowhere".into()),
        ..ShellOptions::default()
    };
    let shell = Shell::open(&endpoint, &nowhere).await.unwrap();
    // The directory name is invalid.
    assert_eq!(fault(shell.command("hostname", &[]).await), 2_147_942_667);
    shell.close().await;
}

#[tokio::test]
async fn input_and_signals_reach_a_program() {
    let lab = start(None).await;
    let shell = shell(&lab).await;
    let mut more = shell.command("more", &[]).await.unwrap();
    for piece in ["one", "two"] {
        more.write(piece.as_bytes(), false).await.unwrap();
        let came = more.next().await.unwrap();
        assert_eq!(came, Some(Output::Stdout(piece.into())));
    }
    more.write(b"", true).await.unwrap();
    // The pipe has been ended; once its end is known here, so has the command.
    assert_eq!(fault(more.write(b"late", true).await), 2_147_942_509);
    assert_eq!(more.next().await.unwrap(), None);
    assert_eq!(more.exit_code(), Some(0));
    assert_eq!(fault(more.write(b"later", true).await), 2_150_858_843);

    let mut sort = shell.command("sort", &[]).await.unwrap();
    sort.write(b"pear\r\nFig\r\napple\r\n", true).await.unwrap();
    assert_eq!(
        sort.output().await.unwrap().stdout,
        b"apple\r\nFig\r\npear\r\n"
    );

    let ping = shell
        .command("ping", &["-n", "1", "atl-cs-001.litwareinc.com"])
        .await
        .unwrap();
    let output = ping.output().await.unwrap();
    assert_eq!(output.exit_code, Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("Sent = 1, Received = 1")
    );
    let mut ping = shell
        .command("ping", &["-t", "atl-cs-001.litwareinc.com"])
        .await
        .unwrap();
    let greeting = ping.next().await.unwrap();
    assert!(matches!(greeting, Some(Output::Stdout(text)) if text.starts_with(b"\r\nPinging")));
    ping.signal(ProcessSignal::CtrlBreak).await.unwrap();
    ping.signal(ProcessSignal::CtrlC).await.unwrap();
    let rest = ping.read_to_end().await.unwrap();
    let text = String::from_utf8(rest.stdout).unwrap();
    assert!(
        text.contains("Control-Break\r\n") && text.ends_with("Control-C\r\n"),
        "{text}"
    );
    // STATUS_CONTROL_C_EXIT
    assert_eq!(rest.exit_code, Some(0xC000_013A));
    // One that is let go ends, and keeps nothing from going on.
    drop(
        shell
            .command("ping", &["-t", "atl-cs-001.litwareinc.com"])
            .await
            .unwrap(),
    );
    assert_eq!(run(&shell, "hostname", &[]).await.exit_code, Some(0));
    shell.close().await;
}

#[tokio::test]
async fn what_is_not_modelled_is_refused_and_not_made_up() {
    let lab = start(None).await;
    let shell = shell(&lab).await;
    for line in [
        "dir",
        "powershell -c 1",
        "hostname | more",
        "echo x > y",
        "ipconfig /renew",
    ] {
        let Err(TransportError::Fault { fault, .. }) = shell.command(line, &[]).await else {
            panic!("{line}");
        };
        assert!(fault.reason.contains("does not model"), "{line}: {fault:?}");
    }
    let direct = CommandOptions {
        skip_cmd_shell: true,
        ..CommandOptions::default()
    };
    let hostname = shell.command_with("hostname", &[], &direct).await.unwrap();
    assert_eq!(hostname.output().await.unwrap().exit_code, Some(0));
    // Without cmd.exe there is no echo, and nobody to say so: the file is not found.
    assert_eq!(
        fault(shell.command_with("echo", &["x"], &direct).await),
        2_147_942_402
    );
    shell.close().await;
    let mut entries = lab.endpoints().endpoints.iter();
    let exchange = entries.find(|entry| entry.kind == EndpointKind::Exchange);
    let refused = Shell::open(&endpoint(exchange.unwrap()), &ShellOptions::default()).await;
    assert_eq!(fault(refused), 2_150_858_811);
}

#[tokio::test]
async fn everyone_may_ask_what_the_service_is() {
    let lab = start(None).await;
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        response: Duration::from_secs(10),
    };
    let identity = identify(&windows(&lab, "atl-mbx-001"), timeouts)
        .await
        .unwrap();
    assert_eq!(identity.vendor, "Microsoft Corporation");
    assert_eq!(identity.version, "OS: 0.0.0 SP: 0.0 Stack: 3.0");
}

/// The first objects that a pipeline of one command gives.
async fn ask(session: &mut dyn Session, command: Command) -> Vec<Value> {
    let output = session.run(&Pipeline::new(command)).await.unwrap();
    assert!(output.is_clean(), "{:?}", output.state);
    output.objects().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_shells_are_open_at_once_within_the_quotas() {
    let lab = start(None).await;
    let entries: Vec<&EndpointEntry> = lab
        .endpoints()
        .endpoints
        .iter()
        .filter(|entry| entry.kind == EndpointKind::Windows)
        .collect();
    // Thirty at each of the six servers, pools and shells for programs in turn, and the rest
    // where Exchange lets an account have eighteen.
    let mut wanted: Vec<Endpoint> = entries
        .iter()
        .flat_map(|entry| std::iter::repeat_n(endpoint(entry), 30))
        .collect();
    assert_eq!(wanted.len(), 180);
    let exchange = lab.endpoints().endpoints.iter();
    let exchange = exchange.filter(|entry| entry.kind == EndpointKind::Exchange);
    wanted.extend(exchange.flat_map(|entry| std::iter::repeat_n(endpoint(entry), 10)));
    assert_eq!(wanted.len(), 200);

    let together = Arc::new(tokio::sync::Barrier::new(wanted.len() + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for (number, endpoint) in wanted.into_iter().enumerate() {
        let together = Arc::clone(&together);
        tasks.spawn(async move {
            if number % 2 == 1 && number < 180 {
                let options = ShellOptions::default();
                let shell = Shell::open(&endpoint, &options).await.unwrap();
                together.wait().await;
                let text = number.to_string();
                let output = run(&shell, "echo", &[&text]).await;
                assert_eq!(output.stdout, [&text, "\r\n"].concat().into_bytes());
                together.wait().await;
                shell.close().await;
            } else {
                let mut session = Client::default().connect(&endpoint).await.unwrap();
                together.wait().await;
                let command = if number < 180 {
                    Command::new("Test-Path").with("LiteralPath", r"C:\Windows")
                } else {
                    Command::new("Get-OwaMailboxPolicy").with("Identity", "Default")
                };
                assert_eq!(ask(&mut *session, command).await.len(), 1);
                together.wait().await;
                session.close().await;
            }
        });
    }
    together.wait().await;
    // One more is one too many, of either kind.
    let full = endpoint(entries[0]);
    // Which a shell waits for and tries again, if it is not told otherwise.
    let impatient = ShellOptions {
        client: ClientOptions::default(),
        ..ShellOptions::default()
    };
    assert_eq!(fault(Shell::open(&full, &impatient).await), 2_150_859_173);
    assert_eq!(fault(Client::default().connect(&full).await), 2_150_859_173);
    together.wait().await;
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_mebibytes_go_there_and_back() {
    const SIZE: usize = 5 << 20;
    let lab = start(None).await;
    let endpoint = windows(&lab, "atl-mbx-001");
    let mut session = Client::default().connect(&endpoint).await.unwrap();
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(SIZE).collect();
    let file = r"C:\Windows\Temp\large.bin";
    let write = Command::new("Set-Content")
        .with("LiteralPath", file)
        .with("Value", Value::Bytes(bytes.clone()))
        .with("Encoding", "Byte");
    ask(&mut *session, write).await;
    let echo = Command::new("Write-Output").with("InputObject", "x".repeat(SIZE));
    let text = ask(&mut *session, echo).await;
    assert!(matches!(&text[..], [Value::String(text)] if text.len() == SIZE));
    session.close().await;

    let shell = shell(&lab).await;
    let output = run(&shell, "type", &[file]).await;
    assert!(output.stdout == bytes, "{} bytes came", output.stdout.len());
    let mut more = shell.command("more", &[]).await.unwrap();
    more.write(&bytes, true).await.unwrap();
    let output = more.output().await.unwrap();
    assert!(output.stdout == bytes, "{} bytes came", output.stdout.len());
    shell.close().await;
}
