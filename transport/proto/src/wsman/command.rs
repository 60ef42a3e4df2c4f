//! [`CommandLine`] and [`Signal`]: starting a command and ending it ([MS-WSMV] 2.2.4.7, 2.2.4.38).

use uuid::Uuid;

use super::{EnvelopeError, ns, text};
use crate::xml::Element;

/// The body of a Command request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Id that the client proposes; PowerShell uses that of the pipeline.
    pub id: Option<Uuid>,
    /// The command; nothing for PowerShell.
    pub command: String,
    /// Its arguments; for PowerShell one, Base64 of the pipeline's first fragments.
    pub arguments: Vec<String>,
}

/// The body of a Signal request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The command it is for; `None` for the shell.
    pub command_id: Option<Uuid>,
    /// What it says.
    pub code: SignalCode,
}

/// What a signal says ([MS-WSMV] 2.2.4.38).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalCode {
    /// The client is done with the command, or wants it ended.
    Terminate,
    /// Control-C.
    CtrlC,
    /// Control-Break.
    CtrlBreak,
    /// Control-C as PowerShell's client sends it: stop the pipeline, keep its shell.
    PowerShellCtrlC,
    /// Any other URI.
    Other(String),
}

const TERMINATE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate";
const CTRL_C: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_c";
const CTRL_BREAK: &str =
    "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/ctrl_break";
/// The slip of the pen is Windows' own: its client sends it so, and its servers want it so.
const POWERSHELL_CTRL_C: &str = "powershell/signal/crtl_c";
/// As clients spell it that have no such slip.
const POWERSHELL_CTRL_C_RIGHT: &str = "powershell/signal/ctrl_c";

impl CommandLine {
    /// The command of a PowerShell pipeline, with its first fragments.
    pub fn pipeline(id: Uuid, fragments: &[u8]) -> Self {
        Self {
            id: Some(id),
            command: String::new(),
            arguments: vec![text::base64(fragments)],
        }
    }

    /// The command of a WinRS shell. The id is the server's to give.
    pub fn program(name: &str, arguments: &[String]) -> Self {
        Self {
            id: None,
            command: name.into(),
            arguments: arguments.to_vec(),
        }
    }

    /// The fragments within the arguments.
    pub fn fragments(&self) -> Result<Vec<u8>, EnvelopeError> {
        let mut fragments = Vec::new();
        for argument in &self.arguments {
            fragments.extend(text::parse_base64("Arguments", argument)?);
        }
        Ok(fragments)
    }

    pub(super) fn encode(&self) -> Element {
        let mut line = Element::new(ns::SHELL, "CommandLine");
        if let Some(id) = self.id {
            line = line.with_attribute("CommandId", text::id(id));
        }
        line = line.with(Element::new(ns::SHELL, "Command").with_text(self.command.as_str()));
        let arguments = self.arguments.iter();
        line.with_all(
            arguments
                .map(|argument| Element::new(ns::SHELL, "Arguments").with_text(argument.as_str())),
        )
    }

    pub(super) fn decode(line: &Element) -> Result<Self, EnvelopeError> {
        Ok(Self {
            id: line
                .attribute("CommandId")
                .map(|id| text::parse_id("CommandId", id))
                .transpose()?,
            command: line
                .child(ns::SHELL, "Command")
                .map(Element::text)
                .unwrap_or_default(),
            arguments: line
                .children(ns::SHELL, "Arguments")
                .map(Element::text)
                .collect(),
        })
    }
}

impl Signal {
    pub(super) fn encode(&self) -> Element {
        let mut signal = Element::new(ns::SHELL, "Signal");
        if let Some(id) = self.command_id {
            signal = signal.with_attribute("CommandId", text::id(id));
        }
        let code = match &self.code {
            SignalCode::Terminate => TERMINATE,
            SignalCode::CtrlC => CTRL_C,
            SignalCode::CtrlBreak => CTRL_BREAK,
            SignalCode::PowerShellCtrlC => POWERSHELL_CTRL_C,
            SignalCode::Other(uri) => uri,
        };
        signal.with(Element::new(ns::SHELL, "Code").with_text(code))
    }

    pub(super) fn decode(signal: &Element) -> Result<Self, EnvelopeError> {
        let code = signal
            .child(ns::SHELL, "Code")
            .ok_or(EnvelopeError::Missing {
                parent: "Signal",
                element: "Code",
            })?;
        Ok(Self {
            command_id: signal
                .attribute("CommandId")
                .map(|id| text::parse_id("CommandId", id))
                .transpose()?,
            code: match code.text().as_str() {
                // Clients differ in the case of its last word.
                uri if uri.eq_ignore_ascii_case(TERMINATE) => SignalCode::Terminate,
                CTRL_C => SignalCode::CtrlC,
                CTRL_BREAK => SignalCode::CtrlBreak,
                POWERSHELL_CTRL_C | POWERSHELL_CTRL_C_RIGHT => SignalCode::PowerShellCtrlC,
                uri => SignalCode::Other(uri.into()),
            },
        })
    }
}
