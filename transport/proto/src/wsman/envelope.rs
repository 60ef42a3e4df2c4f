//! [`Request`] and [`Response`]: whole envelopes, for both roles.

use uuid::Uuid;

use super::{
    Action, CommandLine, Connect, Connected, CreateShell, Disconnect, Enumerate, EnvelopeError,
    Fault, Items, Pull, Receive, ReceiveResponse, RequestHeader, Resource, Send, Shell, Signal,
    header, ns, text,
};
use crate::xml::{self, Element, Limits};

const FAULT_ACTION: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";
const ADDRESSING_FAULT_ACTION: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault";

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it says about itself.
    pub header: RequestHeader,
    /// What it asks for.
    pub body: RequestBody,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestBody {
    /// A shell.
    Create(CreateShell),
    /// The end of the shell.
    Delete,
    /// A command in the shell.
    Command(CommandLine),
    /// To take input.
    Send(Send),
    /// To give output.
    Receive(Receive),
    /// To signal a command.
    Signal(Signal),
    /// To keep the shell for later.
    Disconnect(Disconnect),
    /// The shell again that this client left.
    Reconnect,
    /// A shell or command that another client left.
    Connect(Connect),
    /// A shell, or the configuration of the service.
    Get,
    /// Shells, or the commands of one.
    Enumerate(Enumerate),
    /// More of what was listed.
    Pull(Pull),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Id of this message.
    pub message_id: String,
    /// Id of the request; empty where the server could not read it.
    pub relates_to: String,
    /// What it says.
    pub body: ResponseBody,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseBody {
    /// The shell that was created.
    Created(Shell),
    /// The shell is deleted.
    Deleted,
    /// The command started, under this id.
    CommandStarted(Uuid),
    /// Input was taken.
    Sent,
    /// Output.
    Received(ReceiveResponse),
    /// The signal was delivered.
    Signaled,
    /// The shell waits for somebody to come back.
    Disconnected,
    /// The shell is connected again.
    Reconnected,
    /// The shell or command is connected to its new client.
    Connected(Connected),
    /// What was to be read.
    Got(Box<Resource>),
    /// What was to be listed.
    Enumerated(Items),
    /// More of it.
    Pulled(Items),
    /// It was not done.
    Fault(Box<Fault>),
}

impl Request {
    /// The action that goes with the body.
    pub fn action(&self) -> Action {
        match self.body {
            RequestBody::Create(_) => Action::Create,
            RequestBody::Delete => Action::Delete,
            RequestBody::Command(_) => Action::Command,
            RequestBody::Send(_) => Action::Send,
            RequestBody::Receive(_) => Action::Receive,
            RequestBody::Signal(_) => Action::Signal,
            RequestBody::Disconnect(_) => Action::Disconnect,
            RequestBody::Reconnect => Action::Reconnect,
            RequestBody::Connect(_) => Action::Connect,
            RequestBody::Get => Action::Get,
            RequestBody::Enumerate(_) => Action::Enumerate,
            RequestBody::Pull(_) => Action::Pull,
        }
    }

    /// Writes the envelope.
    pub fn encode(&self) -> Vec<u8> {
        let content = match &self.body {
            RequestBody::Create(shell) => Some(shell.encode()),
            RequestBody::Delete | RequestBody::Reconnect | RequestBody::Get => None,
            RequestBody::Command(line) => Some(line.encode()),
            RequestBody::Send(send) => Some(send.encode()),
            RequestBody::Receive(receive) => Some(receive.encode()),
            RequestBody::Signal(signal) => Some(signal.encode()),
            RequestBody::Disconnect(disconnect) => Some(disconnect.encode()),
            RequestBody::Connect(connect) => Some(connect.encode()),
            RequestBody::Enumerate(enumerate) => Some(enumerate.encode()),
            RequestBody::Pull(pull) => Some(pull.encode()),
        };
        envelope(self.header.encode(self.action()), content)
    }

    /// Reads an envelope, as a server does.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, EnvelopeError> {
        let (header, body) = open(bytes, limits)?;
        let uri = action_of(&header)?;
        let action =
            Action::of_request(&uri).ok_or(EnvelopeError::UnsupportedAction { action: uri })?;
        let content = |name| {
            body.child(ns::SHELL, name).ok_or(EnvelopeError::Missing {
                parent: "the body",
                element: name,
            })
        };
        let body = match action {
            Action::Create => RequestBody::Create(CreateShell::decode(content("Shell")?)?),
            Action::Delete => RequestBody::Delete,
            Action::Command => RequestBody::Command(CommandLine::decode(content("CommandLine")?)?),
            Action::Send => RequestBody::Send(Send::decode(content("Send")?)?),
            Action::Receive => RequestBody::Receive(Receive::decode(content("Receive")?)?),
            Action::Signal => RequestBody::Signal(Signal::decode(content("Signal")?)?),
            Action::Disconnect => {
                RequestBody::Disconnect(Disconnect::decode(content("Disconnect")?)?)
            }
            Action::Reconnect => RequestBody::Reconnect,
            Action::Connect => RequestBody::Connect(Connect::decode(content("Connect")?)?),
            Action::Get => RequestBody::Get,
            Action::Enumerate => {
                RequestBody::Enumerate(Enumerate::decode(listed(&body, "Enumerate")?)?)
            }
            Action::Pull => RequestBody::Pull(Pull::decode(listed(&body, "Pull")?)?),
        };
        Ok(Self {
            header: RequestHeader::decode(&header)?,
            body,
        })
    }

    /// The id of a request that [`decode`](Self::decode) refused, for the fault's `RelatesTo`.
    pub fn peek_message_id(bytes: &[u8], limits: &Limits) -> Option<String> {
        let (header, _) = open(bytes, limits).ok()?;
        header.child(ns::ADDRESSING, "MessageID").map(Element::text)
    }
}

impl Response {
    /// The answer to the request of that id.
    pub fn new(relates_to: &str, body: ResponseBody) -> Self {
        let message_id = ["uuid:", &text::id(Uuid::new_v4())].concat();
        Self {
            message_id,
            relates_to: relates_to.into(),
            body,
        }
    }

    /// Writes the envelope. `to` is the URL and `resource_uri` the kind of shell, which the
    /// answer to a Create repeats.
    pub fn encode(&self, to: &str, resource_uri: &str) -> Vec<u8> {
        let leaf = |ns: &str, name: &str, text: &str| Element::new(ns, name).with_text(text);
        let mut action = self.action_uri();
        let content = match &self.body {
            ResponseBody::Created(shell) => {
                let selector = super::Selector {
                    name: "ShellId".into(),
                    value: text::id(shell.id),
                };
                let parameters = Element::new(ns::ADDRESSING, "ReferenceParameters")
                    .with(leaf(ns::WSMAN, "ResourceURI", resource_uri))
                    .with(header::selector_set(&[selector]));
                let created = Element::new(ns::TRANSFER, "ResourceCreated")
                    .with(leaf(ns::ADDRESSING, "Address", to))
                    .with(parameters);
                vec![created, shell.encode()]
            }
            ResponseBody::Deleted | ResponseBody::Disconnected | ResponseBody::Reconnected => {
                Vec::new()
            }
            ResponseBody::CommandStarted(id) => {
                vec![Element::new(ns::SHELL, "CommandResponse").with(leaf(
                    ns::SHELL,
                    "CommandId",
                    &text::id(*id),
                ))]
            }
            ResponseBody::Sent => vec![Element::new(ns::SHELL, "SendResponse")],
            ResponseBody::Received(received) => vec![received.encode()],
            ResponseBody::Signaled => vec![Element::new(ns::SHELL, "SignalResponse")],
            ResponseBody::Connected(connected) => vec![connected.encode()],
            ResponseBody::Got(resource) => vec![resource.encode()],
            ResponseBody::Enumerated(items) => vec![items.encode()],
            ResponseBody::Pulled(items) => vec![items.encode_pulled()],
            ResponseBody::Fault(fault) => {
                if fault.is_addressing() {
                    action = ADDRESSING_FAULT_ACTION;
                }
                vec![fault.encode()]
            }
        };
        envelope(
            header::encode_response(action, &self.message_id, &self.relates_to),
            content,
        )
    }

    fn action_uri(&self) -> &'static str {
        match &self.body {
            ResponseBody::Created(_) => Action::Create.response_uri(),
            ResponseBody::Deleted => Action::Delete.response_uri(),
            ResponseBody::CommandStarted(_) => Action::Command.response_uri(),
            ResponseBody::Sent => Action::Send.response_uri(),
            ResponseBody::Received(_) => Action::Receive.response_uri(),
            ResponseBody::Signaled => Action::Signal.response_uri(),
            ResponseBody::Disconnected => Action::Disconnect.response_uri(),
            ResponseBody::Reconnected => Action::Reconnect.response_uri(),
            ResponseBody::Connected(_) => Action::Connect.response_uri(),
            ResponseBody::Got(_) => Action::Get.response_uri(),
            ResponseBody::Enumerated(_) => Action::Enumerate.response_uri(),
            ResponseBody::Pulled(_) => Action::Pull.response_uri(),
            ResponseBody::Fault(_) => FAULT_ACTION,
        }
    }

    /// Reads the answer to `request`, as a client does: it must be a fault or of the request's
    /// action, and relate to it. (A fault may relate to nothing: the server could not read far
    /// enough.)
    pub fn decode(bytes: &[u8], request: &Request, limits: &Limits) -> Result<Self, EnvelopeError> {
        let (header, body) = open(bytes, limits)?;
        let find = |name| header.child(ns::ADDRESSING, name).map(Element::text);
        let message_id = find("MessageID").unwrap_or_default();
        let relates_to = find("RelatesTo").unwrap_or_default();
        let expected = &request.header.message_id;
        let fault = body.child(ns::SOAP, "Fault");
        let related =
            relates_to.eq_ignore_ascii_case(expected) || (fault.is_some() && relates_to.is_empty());
        if !related {
            return Err(EnvelopeError::Unrelated {
                expected: expected.clone(),
                found: relates_to,
            });
        }
        if let Some(fault) = fault {
            let body = ResponseBody::Fault(Box::new(Fault::decode(fault)));
            return Ok(Self {
                message_id,
                relates_to,
                body,
            });
        }
        let uri = action_of(&header)?;
        let action = request.action();
        if Action::of_response(&uri) != Some(action) {
            return Err(EnvelopeError::UnexpectedAction {
                expected: action.response_uri(),
                found: uri,
            });
        }
        let content = |name| {
            body.child(ns::SHELL, name).ok_or(EnvelopeError::Missing {
                parent: "the body",
                element: name,
            })
        };
        let body = match action {
            Action::Create => ResponseBody::Created(decode_created(&body)?),
            Action::Delete => ResponseBody::Deleted,
            Action::Command => {
                let missing = EnvelopeError::Missing {
                    parent: "CommandResponse",
                    element: "CommandId",
                };
                let id = content("CommandResponse")?
                    .child(ns::SHELL, "CommandId")
                    .ok_or(missing)?;
                ResponseBody::CommandStarted(text::parse_id("CommandId", &id.text())?)
            }
            Action::Send => ResponseBody::Sent,
            Action::Receive => {
                ResponseBody::Received(ReceiveResponse::decode(content("ReceiveResponse")?)?)
            }
            Action::Signal => ResponseBody::Signaled,
            Action::Disconnect => ResponseBody::Disconnected,
            Action::Reconnect => ResponseBody::Reconnected,
            Action::Connect => {
                ResponseBody::Connected(Connected::decode(content("ConnectResponse")?)?)
            }
            Action::Get => ResponseBody::Got(Box::new(Resource::decode(&body)?)),
            Action::Enumerate => {
                ResponseBody::Enumerated(Items::decode(listed(&body, "EnumerateResponse")?)?)
            }
            Action::Pull => {
                ResponseBody::Pulled(Items::decode_pulled(listed(&body, "PullResponse")?)?)
            }
        };
        Ok(Self {
            message_id,
            relates_to,
            body,
        })
    }
}

/// The shell of a Create response: its description, or the selector alone, which is what very
/// old services send.
fn decode_created(body: &Element) -> Result<Shell, EnvelopeError> {
    if let Some(shell) = body.child(ns::SHELL, "Shell") {
        return Shell::decode(shell);
    }
    let missing = || EnvelopeError::Missing {
        parent: "the body",
        element: "ResourceCreated",
    };
    let created = body
        .child(ns::TRANSFER, "ResourceCreated")
        .ok_or_else(missing)?;
    let parameters = created
        .child(ns::ADDRESSING, "ReferenceParameters")
        .ok_or_else(missing)?;
    let selectors = parameters
        .child(ns::WSMAN, "SelectorSet")
        .map(header::decode_selector_set)
        .unwrap_or_default();
    let id = selectors
        .iter()
        .find(|s| s.name.eq_ignore_ascii_case("ShellId"))
        .ok_or_else(missing)?;
    Ok(Shell {
        id: text::parse_id("ShellId", &id.value)?,
        ..Shell::default()
    })
}

fn envelope(header: Element, content: impl IntoIterator<Item = Element>) -> Vec<u8> {
    let body = Element::new(ns::SOAP, "Body").with_all(content);
    xml::write(
        &Element::new(ns::SOAP, "Envelope").with(header).with(body),
        ns::PREFIXES,
    )
}

fn open(bytes: &[u8], limits: &Limits) -> Result<(Element, Element), EnvelopeError> {
    let envelope = xml::parse(bytes, limits)?;
    if !envelope.is(ns::SOAP, "Envelope") {
        return Err(EnvelopeError::NotSoap {
            found: envelope.name,
        });
    }
    let (mut header, mut body) = (None, None);
    for node in envelope.content {
        match node {
            xml::Node::Element(e) if e.is(ns::SOAP, "Header") => header = Some(e),
            xml::Node::Element(e) if e.is(ns::SOAP, "Body") => body = Some(e),
            _ => {}
        }
    }
    let missing = |element| EnvelopeError::Missing {
        parent: "the envelope",
        element,
    };
    Ok((
        header.ok_or(missing("Header"))?,
        body.ok_or(missing("Body"))?,
    ))
}

fn action_of(header: &Element) -> Result<String, EnvelopeError> {
    let action = header.child(ns::ADDRESSING, "Action");
    action.map(Element::text).ok_or(EnvelopeError::Missing {
        parent: "the header",
        element: "Action",
    })
}

/// What a body says of a list.
fn listed<'b>(body: &'b Element, element: &'static str) -> Result<&'b Element, EnvelopeError> {
    body.child(ns::ENUMERATION, element)
        .ok_or(EnvelopeError::Missing {
            parent: "the body",
            element,
        })
}
