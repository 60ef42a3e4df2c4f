//! [`Stream`]: input and output of shells and commands ([MS-WSMV] 2.2.4.25, 2.2.4.26, 2.2.4.33).

use uuid::Uuid;

use super::{EnvelopeError, ns, text};
use crate::xml::Element;

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// `stdin`, `pr`, `stdout`, …
    pub name: String,
    /// The command it belongs to; `None` for the shell itself.
    pub command_id: Option<Uuid>,
    /// Whether nothing more follows.
    pub end: bool,
    /// The bytes.
    pub data: Vec<u8>,
}

/// The body of a Send request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// The pieces, in order.
    pub streams: Vec<Stream>,
}

/// The body of a Receive request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// The command whose output is wanted; `None` for the shell's own.
    pub command_id: Option<Uuid>,
    /// Names of the streams, blank-separated.
    pub streams: String,
}

/// The body of a Receive response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiveResponse {
    /// The pieces, in order.
    pub streams: Vec<Stream>,
    /// State of the command, where one was asked for.
    pub state: Option<CommandState>,
}

/// State of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandState {
    /// The command.
    pub command_id: Option<Uuid>,
    /// Where it is.
    pub state: RunState,
    /// Its exit code, when done.
    pub exit_code: Option<i64>,
}

/// Where a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Not started yet.
    Pending,
    /// At work, or with more output to come.
    Running,
    /// Ended, all output given.
    Done,
}

impl RunState {
    const TABLE: [(Self, &'static str); 3] = [
        (
            Self::Pending,
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Pending",
        ),
        (
            Self::Running,
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Running",
        ),
        (
            Self::Done,
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done",
        ),
    ];

    fn uri(self) -> &'static str {
        Self::TABLE
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, uri)| uri)
    }

    fn parse(uri: &str) -> Result<Self, EnvelopeError> {
        let found = Self::TABLE.iter().find(|(_, known)| *known == uri);
        found
            .map(|(state, _)| *state)
            .ok_or_else(|| text::invalid("CommandState", uri, "a state's URI"))
    }
}

fn command_id(element: &Element) -> Result<Option<Uuid>, EnvelopeError> {
    element
        .attribute("CommandId")
        .map(|id| text::parse_id("CommandId", id))
        .transpose()
}

impl Stream {
    fn encode(&self) -> Element {
        let mut stream =
            Element::new(ns::SHELL, "Stream").with_attribute("Name", self.name.as_str());
        if let Some(id) = self.command_id {
            stream = stream.with_attribute("CommandId", text::id(id));
        }
        if self.end {
            stream = stream.with_attribute("End", "true");
        }
        if self.data.is_empty() {
            stream
        } else {
            stream.with_text(text::base64(&self.data))
        }
    }

    fn decode(stream: &Element) -> Result<Self, EnvelopeError> {
        let name = stream.attribute("Name").ok_or(EnvelopeError::Missing {
            parent: "Stream",
            element: "Name",
        })?;
        Ok(Self {
            name: name.into(),
            command_id: command_id(stream)?,
            end: stream
                .attribute("End")
                .is_some_and(|end| end.eq_ignore_ascii_case("true") || end == "1"),
            data: text::parse_base64("Stream", &stream.text())?,
        })
    }
}

impl Send {
    pub(super) fn encode(&self) -> Element {
        Element::new(ns::SHELL, "Send").with_all(self.streams.iter().map(Stream::encode))
    }

    pub(super) fn decode(send: &Element) -> Result<Self, EnvelopeError> {
        Ok(Self {
            streams: send
                .children(ns::SHELL, "Stream")
                .map(Stream::decode)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Receive {
    pub(super) fn encode(&self) -> Element {
        let mut desired = Element::new(ns::SHELL, "DesiredStream");
        if let Some(id) = self.command_id {
            desired = desired.with_attribute("CommandId", text::id(id));
        }
        Element::new(ns::SHELL, "Receive").with(desired.with_text(self.streams.as_str()))
    }

    pub(super) fn decode(receive: &Element) -> Result<Self, EnvelopeError> {
        let missing = EnvelopeError::Missing {
            parent: "Receive",
            element: "DesiredStream",
        };
        let desired = receive.child(ns::SHELL, "DesiredStream").ok_or(missing)?;
        Ok(Self {
            command_id: command_id(desired)?,
            streams: desired.text(),
        })
    }
}

impl ReceiveResponse {
    pub(super) fn encode(&self) -> Element {
        let response = Element::new(ns::SHELL, "ReceiveResponse")
            .with_all(self.streams.iter().map(Stream::encode));
        let Some(state) = &self.state else {
            return response;
        };
        let mut element = Element::new(ns::SHELL, "CommandState");
        if let Some(id) = state.command_id {
            element = element.with_attribute("CommandId", text::id(id));
        }
        element = element.with_attribute("State", state.state.uri());
        if let Some(code) = state.exit_code {
            element = element.with(Element::new(ns::SHELL, "ExitCode").with_text(code.to_string()));
        }
        response.with(element)
    }

    pub(super) fn decode(response: &Element) -> Result<Self, EnvelopeError> {
        let state = match response.child(ns::SHELL, "CommandState") {
            None => None,
            Some(state) => Some(CommandState {
                command_id: command_id(state)?,
                state: RunState::parse(state.attribute("State").unwrap_or_default())?,
                exit_code: match state.child(ns::SHELL, "ExitCode") {
                    Some(code) => Some(text::parse_number("ExitCode", &code.text())?),
                    None => None,
                },
            }),
        };
        let streams = response
            .children(ns::SHELL, "Stream")
            .map(Stream::decode)
            .collect::<Result<_, _>>()?;
        Ok(Self { streams, state })
    }
}
