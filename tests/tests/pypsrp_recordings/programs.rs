//! Scenarios of programs in shells (WinRS).

use std::time::Duration;

use owaim_transport::{
    ClientOptions, CommandOptions, Process, ProcessOutput, ProcessSignal, Shell, ShellOptions,
    TransportError,
};

use crate::allowed::{Allowed, Extra};
use crate::server::{Server, client, shells};

async fn opened(server: &Server, options: &ShellOptions) -> Shell {
    Shell::open(&server.endpoint(), options).await.unwrap()
}

/// Runs a program to its end, and signals it then, as pypsrp does.
pub(crate) async fn run(shell: &Shell, program: &str, arguments: &[&str]) -> ProcessOutput {
    let process = shell.command(program, arguments).await.unwrap();
    finish(process).await
}

async fn finish(mut process: Process) -> ProcessOutput {
    let output = process.read_to_end().await.unwrap();
    process.signal(ProcessSignal::CtrlC).await.unwrap();
    output
}

fn check(output: &ProcessOutput, exit_code: i64, stdout: &str, stderr: &str) {
    assert_eq!(output.exit_code, Some(exit_code));
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
}

pub(crate) async fn standard(server: Server) {
    let shell = opened(&server, &shells()).await;
    let output = run(&shell, "cmd.exe", &["/c", "echo", "hi"]).await;
    check(&output, 0, "hi\r\n", "");
    shell.close().await;
}

pub(crate) async fn no_cmd_shell(server: Server) {
    let shell = opened(&server, &shells()).await;
    let options = CommandOptions {
        skip_cmd_shell: true,
        ..CommandOptions::default()
    };
    let arguments = ["Write-Host", "hi"];
    let refused = shell
        .command_with("powershell.exe", &arguments, &options)
        .await;
    let Err(TransportError::Fault { fault, .. }) = refused.map(|_| ()) else {
        panic!("not refused by a fault");
    };
    assert_eq!(fault.code, Some(2_147_942_402));
    let provider = fault.provider.unwrap();
    assert_eq!(
        provider.message,
        "The system cannot find the file specified."
    );

    let path = r"C:\Windows\system32\WindowsPowerShell\v1.0\powershell.exe";
    let process = shell
        .command_with(path, &arguments, &options)
        .await
        .unwrap();
    check(&finish(process).await, 0, "hi\n", "");
    shell.close().await;
}

pub(crate) async fn operation_timeout(server: Server) {
    let options = ShellOptions {
        client: ClientOptions {
            operation_timeout: Duration::from_secs(10),
            ..client()
        },
        ..shells()
    };
    let shell = opened(&server, &options).await;
    let text = "Write-Host hi; Start-Sleep 30; Write-Host hi again";
    let output = run(&shell, "powershell.exe", &[text]).await;
    check(&output, 0, "hi\nhi again\n", "");
    shell.close().await;
}

pub(crate) async fn standard_error(server: Server) {
    let shell = opened(&server, &shells()).await;
    let output = run(&shell, "cmd.exe", &["/c echo out && echo err>&2 && exit 1"]).await;
    check(&output, 1, "out \r\n", "err \r\n");
    shell.close().await;
}

pub(crate) async fn input(server: Server) {
    let shell = opened(&server, &shells()).await;
    let mut process = shell.command("powershell.exe", &["-"]).await.unwrap();
    process
        .write(b"Write-Host \"output 1\";", false)
        .await
        .unwrap();
    process
        .write(b"Write-Host \"output 2\";", true)
        .await
        .unwrap();
    check(&finish(process).await, 0, "output 1\noutput 2\n", "");
    shell.close().await;
}

pub(crate) async fn environment(server: Server) {
    let odd = "_-(){}[]<>*+-/\\?\"!@#$^&|;:i,.`~0";
    let environment = [("env1", "var1"), ("1234", "5678"), (odd, odd)];
    let output = set(&server, &environment, &["/c", "set"]).await;
    assert_eq!(output.stderr, b"");
    check_environment(&output, &environment);
}

/// Shows the environment of a program.
async fn set(server: &Server, environment: &[(&str, &str)], arguments: &[&str]) -> ProcessOutput {
    let owned = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let options = ShellOptions {
        environment: owned.collect(),
        ..shells()
    };
    let shell = opened(server, &options).await;
    let program = if arguments.is_empty() {
        "set"
    } else {
        "cmd.exe"
    };
    let output = run(&shell, program, arguments).await;
    shell.close().await;
    output
}

fn check_environment(output: &ProcessOutput, environment: &[(&str, &str)]) {
    assert_eq!(output.exit_code, Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    for (name, value) in environment {
        assert!(
            lines.contains(&format!("{name}={value}").as_str()),
            "{name}: {text}"
        );
    }
}

pub(crate) async fn extra_options(server: Server) {
    let options = ShellOptions {
        client: ClientOptions {
            idle_timeout: Some(Duration::from_mins(1)),
            ..client()
        },
        name: Some("shell 1".into()),
        lifetime: Some(Duration::from_mins(1)),
        working_directory: Some(r"C:\Windows".into()),
        ..shells()
    };
    let shell = opened(&server, &options).await;
    let output = run(&shell, "powershell.exe", &["(pwd).Path"]).await;
    check(&output, 0, "C:\\Windows\r\n", "");
    shell.close().await;
}

pub(crate) async fn unicode(server: Server) {
    let options = ShellOptions {
        codepage: Some(65001),
        ..shells()
    };
    let shell = opened(&server, &options).await;
    let output = run(&shell, "powershell.exe", &["Write-Host こんにちは"]).await;
    check(&output, 0, "こんにちは\n", "");
    shell.close().await;
}

pub(crate) async fn no_profile(server: Server) {
    let options = ShellOptions {
        no_profile: true,
        ..shells()
    };
    let shell = opened(&server, &options).await;
    let output = run(&shell, "cmd.exe", &["/c", "set"]).await;
    assert_eq!(output.stderr, b"");
    check_environment(&output, &[("USERPROFILE", r"C:\Users\Default")]);
    shell.close().await;
}

pub(crate) async fn open(server: Server) {
    opened(&server, &shells()).await.close().await;
}

pub(crate) async fn poll_fails(server: Server) {
    // pypsrp can ask for the output of a process that it has not started.
    server.expect(Extra::Command);
    server.expect(Extra::Terminate);
    server.allow(Allowed {
        context: "Receive",
        path: "*/@CommandId",
        recorded: "-",
        ours: "*",
        why: "no process of ours is without a command",
    });
    let shell = opened(&server, &shells()).await;
    let process = shell
        .command("cmd.exe", &["/c", "echo", "hi"])
        .await
        .unwrap();
    let error = process.output().await.unwrap_err();
    let TransportError::Fault { fault, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(fault.code, Some(87));
    assert_eq!(fault.reason, "The parameter is incorrect.");
    let provider = fault.provider.as_ref().unwrap();
    assert_eq!(provider.provider, "Shell cmd plugin");
    assert_eq!(provider.message, "The parameter is incorrect.");
    assert_eq!(provider.path, r"%systemroot%\system32\winrscmd.dll");
    shell.close().await;
}

pub(crate) async fn bad_command_id(server: Server) {
    server.allow(Allowed {
        context: "Receive",
        path: "/s:Envelope/s:Body/rsp:Receive/rsp:DesiredStream/@CommandId",
        recorded: "*",
        ours: "*",
        why: "the recorded client was given a wrong id; a process of ours has none but its own",
    });
    let shell = opened(&server, &shells()).await;
    let mut process = shell
        .command("cmd.exe", &["/c", "echo", "hi"])
        .await
        .unwrap();
    let error = process.read_to_end().await.unwrap_err();
    let TransportError::Fault { fault, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(fault.code, Some(2_150_858_843));
    process.signal(ProcessSignal::CtrlC).await.unwrap();
    shell.close().await;
}

pub(crate) async fn execute(server: Server) {
    for (program, expected) in [("dir", "Volume in drive C"), ("echo abc", "abc\r\n")] {
        let output = alone(&server, program).await;
        assert!(String::from_utf8_lossy(&output.stdout).contains(expected));
        assert_eq!(
            (output.stderr.as_slice(), output.exit_code),
            (b"".as_slice(), Some(0))
        );
    }
}

/// Runs a command in a shell of its own.
pub(crate) async fn alone(server: &Server, command: &str) -> ProcessOutput {
    let shell = opened(server, &shells()).await;
    let output = run(&shell, command, &[]).await;
    shell.close().await;
    output
}

pub(crate) async fn execute_with_environment(server: Server) {
    let environment = [
        ("string", "string value"),
        ("int", "1234"),
        ("bool", "True"),
        ("double_quote", "double \" quote"),
        ("single_quote", "single ' quote"),
        ("hyphen - var", "abc @ 123"),
    ];
    let output = set(&server, &environment, &[]).await;
    check_environment(&output, &environment);
}
