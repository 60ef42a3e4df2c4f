//! [`Process`]: a program that runs in a [`Shell`](crate::Shell).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use owaim_proto::clixml::stream_texts;
use owaim_proto::wsman::{
    FaultClass, Receive, ReceiveResponse, RequestBody, ResponseBody, RunState, Send, Signal,
    SignalCode, Stream,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::TransportError;
use crate::error::action;
use crate::remote_shell::{RemoteShell, is_unknown};

/// A program that runs in a shell.
///
/// Its output comes by [`next`](Self::next), piece by piece, and the server is asked for more only
/// when all that came has been taken. Dropped before its end, the program is ended.
pub struct Process {
    shell: Arc<RemoteShell>,
    id: Uuid,
    buffer: VecDeque<Output>,
    /// A Receive under way: it goes on where whoever waits for it does not.
    pending: Option<JoinHandle<Result<ReceiveResponse, TransportError>>>,
    /// Whether the server keeps something of it.
    kept: bool,
    end: Option<Result<Option<i64>, TransportError>>,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout(Vec<u8>),
    /// Standard error.
    Stderr(Vec<u8>),
}

/// What a program is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessSignal {
    /// Control-C.
    CtrlC,
    /// Control-Break.
    CtrlBreak,
    /// Its end.
    Terminate,
}

/// All that a program gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessOutput {
    /// Standard output, in the code page of the shell.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The exit code, if the server told one.
    pub exit_code: Option<i64>,
}

impl Process {
    pub(crate) fn new(shell: Arc<RemoteShell>, id: Uuid) -> Self {
        Self {
            shell,
            id,
            buffer: VecDeque::new(),
            pending: None,
            kept: true,
            end: None,
        }
    }

    /// The id of its command in the shell.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The next piece of output, once it is there; `None` at the end. May be cancelled without
    /// losing anything. An error is one of the way there and back, and final.
    pub async fn next(&mut self) -> Result<Option<Output>, TransportError> {
        loop {
            if let Some(output) = self.buffer.pop_front() {
                return Ok(Some(output));
            }
            match &self.end {
                Some(Ok(_)) => return Ok(None),
                Some(Err(error)) => return Err(error.clone()),
                None => self.fill().await,
            }
        }
    }

    /// The exit code, once [`next`](Self::next) has given `None` and if the server told one.
    pub fn exit_code(&self) -> Option<i64> {
        self.end.as_ref()?.as_ref().ok().copied()?
    }

    /// All output up to the end, and the exit code.
    pub async fn output(mut self) -> Result<ProcessOutput, TransportError> {
        let mut all = self.read_to_end().await?;
        all.exit_code = self.exit_code();
        Ok(all)
    }

    /// All output up to the end, of a program that may yet have to be signaled.
    pub async fn read_to_end(&mut self) -> Result<ProcessOutput, TransportError> {
        let mut all = ProcessOutput::default();
        while let Some(output) = self.next().await? {
            match output {
                Output::Stdout(data) => all.stdout.extend(data),
                Output::Stderr(data) => all.stderr.extend(data),
            }
        }
        all.exit_code = self.exit_code();
        Ok(all)
    }

    async fn fill(&mut self) {
        let action = action::RECEIVE;
        let pending = self.pending.get_or_insert_with(|| {
            let (shell, id) = (Arc::clone(&self.shell), self.id);
            self.shell.spawn(async move { receive(&shell, id).await })
        });
        let result = pending.await;
        self.pending = None;
        match self.shell.ended(action, result) {
            Ok(received) => {
                for stream in received.streams {
                    if stream.data.is_empty() {
                        continue;
                    }
                    self.buffer.push_back(if stream.name == "stderr" {
                        Output::Stderr(stream.data)
                    } else {
                        Output::Stdout(stream.data)
                    });
                }
                if let Some(state) = received.state
                    && state.state == RunState::Done
                {
                    self.end = Some(Ok(state.exit_code));
                }
            }
            Err(error) => {
                self.kept &= !is_unknown(&error);
                self.end = Some(Err(error));
            }
        }
    }

    /// Writes to its standard input; `last` closes it.
    pub async fn write(&mut self, data: &[u8], last: bool) -> Result<(), TransportError> {
        let room = self.shell.service.room();
        let mut pieces = data.chunks(room).peekable();
        if data.is_empty() {
            return self.send(&[], last).await;
        }
        while let Some(piece) = pieces.next() {
            let end = last && pieces.peek().is_none();
            self.send(piece, end).await?;
        }
        Ok(())
    }

    async fn send(&mut self, data: &[u8], end: bool) -> Result<(), TransportError> {
        let action = action::INPUT;
        let stream = Stream {
            name: "stdin".into(),
            command_id: Some(self.id),
            end,
            data: data.into(),
        };
        let body = RequestBody::Send(Send {
            streams: vec![stream],
        });
        match self.shell.exchange(action, &[], body).await? {
            ResponseBody::Sent => Ok(()),
            _ => Err(self.shell.service.unexpected(action)),
        }
    }

    /// Signals it. After its end any signal gives back what the server keeps of it.
    pub async fn signal(&mut self, signal: ProcessSignal) -> Result<(), TransportError> {
        let action = action::SIGNAL;
        let code = match signal {
            ProcessSignal::CtrlC => SignalCode::CtrlC,
            ProcessSignal::CtrlBreak => SignalCode::CtrlBreak,
            ProcessSignal::Terminate => SignalCode::Terminate,
        };
        let body = RequestBody::Signal(Signal {
            command_id: Some(self.id),
            code,
        });
        match self.shell.exchange(action, &[], body).await {
            Ok(ResponseBody::Signaled) => {
                if self.end.is_some() || signal == ProcessSignal::Terminate {
                    self.kept = false;
                }
                Ok(())
            }
            Ok(_) => Err(self.shell.service.unexpected(action)),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.kept {
            self.shell.abandon(self.id);
        }
    }
}

/// Receive, repeated as long as the server has nothing to tell.
async fn receive(shell: &RemoteShell, id: Uuid) -> Result<ReceiveResponse, TransportError> {
    let action = action::RECEIVE;
    // Without it, a Receive of a program that says nothing for long is refused.
    let keep_alive = [(
        "WSMAN_CMDSHELL_OPTION_KEEPALIVE",
        String::from("TRUE"),
        false,
    )];
    loop {
        let body = RequestBody::Receive(Receive {
            command_id: Some(id),
            streams: "stdout stderr".into(),
        });
        match shell.exchange(action, &keep_alive, body).await {
            Ok(ResponseBody::Received(received)) => return Ok(received),
            Ok(_) => return Err(shell.service.unexpected(action)),
            Err(TransportError::Fault { fault, .. }) if fault.class() == FaultClass::PollAgain => {}
            Err(error) => return Err(error),
        }
    }
}

impl ProcessOutput {
    /// Standard error as text. Where it is CLIXML, as `powershell.exe` writes it, the errors in it
    /// and what stands beside it.
    pub fn error_text(&self) -> Cow<'_, str> {
        let text = String::from_utf8_lossy(&self.stderr);
        match stream_texts(&text) {
            Some(texts) => texts
                .into_iter()
                .filter(|text| text.stream.is_empty() || text.stream.eq_ignore_ascii_case("error"))
                .map(|text| text.text)
                .collect(),
            None => text,
        }
    }
}
