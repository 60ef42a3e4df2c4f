//! [`Shell`]: programs on a server (WinRS, [MS-WSMV] 3.1.4.5 and on).
//!
//! ```no_run
//! # async fn example(endpoint: &owaim_transport::Endpoint) -> Result<(), owaim_transport::TransportError> {
//! use owaim_transport::{Shell, ShellOptions};
//!
//! let shell = Shell::open(endpoint, &ShellOptions::default()).await?;
//! let process = shell.command("ipconfig.exe", &["/all"]).await?;
//! let output = process.output().await?;
//! assert_eq!(output.exit_code, Some(0));
//! shell.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! The shell is deleted when it is closed or dropped, and a program ended when its [`Process`] is
//! dropped before the program's end.

use std::sync::Arc;
use std::time::Duration;

use owaim_proto::wsman::{self, CommandLine, CreateShell, RequestBody, ResponseBody};
use uuid::Uuid;

use crate::client::ClientOptions;
use crate::error::action;
use crate::observer::Observer;
use crate::process::Process;
use crate::remote_shell::{Condition, RemoteShell};
use crate::retry::Retry;
use crate::service::Service;
use crate::{Endpoint, Tickets, TransportError};

/// What a shell for programs is to be like.
#[derive(Clone)]
pub struct ShellOptions {
    /// How its client goes about it.
    pub client: ClientOptions,
    /// Who hears of every exchange.
    pub observer: Option<Arc<dyn Observer>>,
    /// The Kerberos tickets of the run, so that they are asked for once.
    pub tickets: Tickets,
    /// Code page of its console, 65001 for UTF-8; `None`: the server's own.
    pub codepage: Option<u32>,
    /// Folder that its programs start in.
    pub working_directory: Option<String>,
    /// Environment variables of its programs, in order.
    pub environment: Vec<(String, String)>,
    /// How long the server keeps it at all.
    pub lifetime: Option<Duration>,
    /// Its name, for people.
    pub name: Option<String>,
    /// Whether the user's profile is left unloaded. Servers since 2012 load it all the same.
    pub no_profile: bool,
    /// Connections at most, two at least: one per program that is waited for, and one for
    /// everything else.
    pub connections: usize,
}

impl Default for ShellOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions {
                retry: Retry::PATIENT,
                ..ClientOptions::default()
            },
            observer: None,
            tickets: Tickets::default(),
            codepage: None,
            working_directory: None,
            environment: Vec::new(),
            lifetime: None,
            name: None,
            no_profile: false,
            connections: 2,
        }
    }
}

/// How a program is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandOptions {
    /// Whether it is started without `cmd.exe`, by its full path. Servers up to 2012 only.
    pub skip_cmd_shell: bool,
    /// Whether its input is a console, which it may read line by line, rather than a pipe.
    pub console_input: bool,
}

/// A shell for programs.
pub struct Shell {
    shell: Arc<RemoteShell>,
}

impl Shell {
    /// Connects, authenticates and creates the shell. The endpoint's session configuration is that
    /// of PowerShell and does not matter here.
    pub async fn open(endpoint: &Endpoint, options: &ShellOptions) -> Result<Self, TransportError> {
        let service = Service::new(
            endpoint,
            options.client,
            options.observer.clone(),
            &options.tickets,
            Uuid::new_v4(),
            options.connections,
        );
        // The id is the server's to give.
        let shell = RemoteShell::new(service, Uuid::nil(), wsman::CMD_SHELL.into());
        // From here on, whatever ends this future leaves a shell that is deleted, if it is known.
        let shell = Self {
            shell: Arc::new(shell),
        };
        let body = RequestBody::Create(CreateShell {
            name: options.name.clone(),
            input_streams: "stdin".into(),
            output_streams: "stdout stderr".into(),
            environment: options.environment.clone(),
            idle_timeout: options.client.idle_timeout,
            lifetime: options.lifetime,
            working_directory: options.working_directory.clone(),
            ..CreateShell::default()
        });
        let mut header = Vec::new();
        if options.no_profile {
            header.push(("WINRS_NOPROFILE", "TRUE".into(), true));
        }
        if let Some(codepage) = options.codepage {
            header.push(("WINRS_CODEPAGE", codepage.to_string(), false));
        }
        shell.shell.create(body, &header).await?;
        Ok(shell)
    }

    /// Starts a program or a command of `cmd.exe`, which sees program and arguments with blanks in
    /// between and nothing quoted.
    pub async fn command(
        &self,
        program: &str,
        arguments: &[&str],
    ) -> Result<Process, TransportError> {
        self.command_with(program, arguments, &CommandOptions::default())
            .await
    }

    /// The same, in another than the usual way.
    pub async fn command_with(
        &self,
        program: &str,
        arguments: &[&str],
        options: &CommandOptions,
    ) -> Result<Process, TransportError> {
        let (shell, action) = (&self.shell, action::COMMAND);
        if shell.condition() != Condition::Present {
            return Err(shell.service.unusable(action, "its shell was gone"));
        }
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let body = RequestBody::Command(CommandLine::program(program, &arguments));
        let mut header = vec![(
            "WINRS_SKIP_CMD_SHELL",
            flag(options.skip_cmd_shell).into(),
            false,
        )];
        if options.console_input {
            header.push(("WINRS_CONSOLEMODE_STDIN", flag(true).into(), false));
        }
        match shell.exchange(action, &header, body).await? {
            ResponseBody::CommandStarted(id) => Ok(Process::new(Arc::clone(shell), id)),
            _ => Err(shell.service.unexpected(action)),
        }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.shell.name().0
    }

    /// Ends the shell and what runs in it. Errors while closing are of no interest to anyone.
    pub async fn close(self) {
        Arc::clone(&self.shell).close().await;
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.shell.let_go();
    }
}

fn flag(on: bool) -> &'static str {
    if on { "TRUE" } else { "FALSE" }
}
