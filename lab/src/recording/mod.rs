//! [`SessionRecording`]: one session as a file says it, to be read by people and to be replayed.
//!
//! The file is XML. It holds the SOAP envelopes as they travelled, with one difference: where an envelope
//! carries fragments of the PowerShell Remoting Protocol as Base64, it holds the messages themselves, each
//! where its last fragment was. What may stand in a recording is the business of who writes one.

mod carrier;
mod text;

use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::clixml;
use owaim_proto::psrp::{Destination, Message, MessageType};
use owaim_proto::xml::{self, Element, Node};
use uuid::Uuid;

pub use carrier::{Carrier, visit_carriers};

/// Version of the form, in the root element.
const FORM: &str = "1";

/// Room for the largest session; the text of a pipeline's output is nested more deeply than an envelope.
const LIMITS: xml::Limits = xml::Limits {
    bytes: 256 << 20,
    depth: 128,
    nodes: 4_000_000,
};

/// A session: what went to one endpoint and came back, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecording {
    /// The host.
    pub host: HostName,
    /// Which of its endpoints.
    pub kind: EndpointKind,
    /// Every request with its answer.
    pub exchanges: Vec<RecordedExchange>,
}

/// A request with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedExchange {
    /// What it was for: `Create`, `Command`, …
    pub action: String,
    /// The request's envelope.
    pub request: Element,
    /// The answer's envelope; `None` if none came.
    pub answer: Option<Element>,
}

/// A message of the PowerShell Remoting Protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMessage {
    /// The message.
    pub message: Message,
    /// Over how many pieces of its stream it was spread; the last one is where it stands.
    pub pieces: usize,
}

/// Why a file is no recording of a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// Not XML.
    #[error(transparent)]
    Xml(#[from] xml::XmlError),
    /// Another root element, or another form.
    #[error("expected <recording form=\"{FORM}\">, found <{found}>")]
    Form {
        /// What stands there.
        found: String,
    },
    /// Something is missing or has an impossible value.
    #[error("{place}: {what} {found:?}: expected {expected}")]
    Invalid {
        /// Where.
        place: String,
        /// Of what.
        what: &'static str,
        /// The value; empty for none.
        found: String,
        /// What it takes.
        expected: &'static str,
    },
    /// The data of a message.
    #[error("{place}: {kind}: {source}")]
    Clixml {
        /// Where.
        place: String,
        /// The message's type.
        kind: MessageType,
        /// Why.
        source: clixml::ClixmlError,
    },
}

impl SessionRecording {
    /// The text of the file.
    pub fn write(&self) -> String {
        let exchanges = self.exchanges.iter().enumerate().map(|(number, exchange)| {
            let element = Element::new("", "exchange")
                .with_attribute("number", (number + 1).to_string())
                .with_attribute("action", exchange.action.as_str());
            let request = Element::new("", "request").with(exchange.request.clone());
            let answer = match &exchange.answer {
                Some(answer) => Element::new("", "answer").with(answer.clone()),
                None => Element::new("", "no-answer"),
            };
            element.with(request).with(answer)
        });
        let root = Element::new("", "recording")
            .with_attribute("form", FORM)
            .with_attribute("host", self.host.as_str())
            .with_attribute("endpoint", self.kind.name())
            .with_all(exchanges);
        text::write(&root)
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let root = xml::parse(text.as_bytes(), &LIMITS)?;
        if !root.is("", "recording") || root.attribute("form") != Some(FORM) {
            return Err(RecordingError::Form { found: root.name });
        }
        let place = || "the recording".to_owned();
        let host = attribute(&root, "host", place)?;
        let host =
            HostName::new(host).map_err(|_| invalid(place(), "host", host, "a host name"))?;
        let endpoint = attribute(&root, "endpoint", place)?;
        let kind = EndpointKind::ALL
            .into_iter()
            .find(|kind| kind.name() == endpoint)
            .ok_or_else(|| invalid(place(), "endpoint", endpoint, "a kind of endpoint"))?;
        let exchanges = root
            .elements()
            .enumerate()
            .map(|(number, element)| exchange(number + 1, element))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            host,
            kind,
            exchanges,
        })
    }
}

fn exchange(number: usize, element: &Element) -> Result<RecordedExchange, RecordingError> {
    let place = || format!("exchange {number}");
    if !element.is("", "exchange") {
        return Err(invalid(place(), "element", &element.name, "<exchange>"));
    }
    let envelope = |name: &'static str| {
        let holder = element.child("", name)?;
        holder.elements().next().cloned()
    };
    let missing = |what| invalid(place(), what, "", "a SOAP envelope");
    let answer = match element.child("", "no-answer") {
        Some(_) => None,
        None => Some(envelope("answer").ok_or_else(|| missing("answer"))?),
    };
    Ok(RecordedExchange {
        action: attribute(element, "action", place)?.into(),
        request: envelope("request").ok_or_else(|| missing("request"))?,
        answer,
    })
}

impl RecordedMessage {
    /// As an element of the file. Its data must be CLIXML.
    pub fn to_element(&self) -> Result<Element, xml::XmlError> {
        let message = &self.message;
        let to = match message.destination {
            Destination::Client => "client",
            Destination::Server => "server",
        };
        let kind = match message.kind {
            MessageType::Unknown(number) => format!("{number:#010x}"),
            known => known.name().into(),
        };
        let mut element = Element::new("", "message")
            .with_attribute("to", to)
            .with_attribute("type", kind)
            .with_attribute("pool", message.pool.to_string());
        if !message.pipeline.is_nil() {
            element = element.with_attribute("pipeline", message.pipeline.to_string());
        }
        if self.pieces != 1 {
            element = element.with_attribute("pieces", self.pieces.to_string());
        }
        if message.data.is_empty() {
            return Ok(element);
        }
        Ok(element.with(xml::parse(message.data.as_bytes(), &LIMITS)?))
    }

    /// The messages in an element that carries a piece of a stream; `place` is for errors.
    pub fn all_in(carrier: &Element, place: &str) -> Result<Vec<Self>, RecordingError> {
        carrier
            .children("", "message")
            .map(|element| Self::from_element(element, place))
            .collect()
    }

    fn from_element(element: &Element, place: &str) -> Result<Self, RecordingError> {
        let place = || place.to_owned();
        let text = |name| attribute(element, name, place);
        let id = |name: &'static str, text: &str| {
            Uuid::parse_str(text).map_err(|_| invalid(place(), name, text, "a GUID"))
        };
        let destination = match text("to")? {
            "client" => Destination::Client,
            "server" => Destination::Server,
            found => return Err(invalid(place(), "to", found, "client or server")),
        };
        let kind = message_type(text("type")?).ok_or_else(|| {
            invalid(
                place(),
                "type",
                text("type").unwrap_or_default(),
                "a type of message",
            )
        })?;
        let pipeline = match element.attribute("pipeline") {
            Some(text) => id("pipeline", text)?,
            None => Uuid::nil(),
        };
        let pieces = match element.attribute("pieces") {
            Some(text) => text
                .parse()
                .ok()
                .filter(|pieces| *pieces > 0)
                .ok_or_else(|| invalid(place(), "pieces", text, "a number from 1 on"))?,
            None => 1,
        };
        let data = match element.elements().next() {
            // Decoded and encoded again: the indentation is not part of it.
            Some(data) => {
                let data = String::from_utf8_lossy(&xml::write(data, &[])).into_owned();
                let value = clixml::decode(&data, &clixml::Limits::default());
                clixml::encode(&value.map_err(|source| RecordingError::Clixml {
                    place: place(),
                    kind,
                    source,
                })?)
            }
            None => String::new(),
        };
        Ok(Self {
            message: Message {
                destination,
                kind,
                pool: id("pool", text("pool")?)?,
                pipeline,
                data,
            },
            pieces,
        })
    }
}

fn message_type(text: &str) -> Option<MessageType> {
    MessageType::from_name(text).or_else(|| {
        let number = u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
        Some(MessageType::from_number(number))
    })
}

fn attribute<'e>(
    element: &'e Element,
    name: &'static str,
    place: impl Fn() -> String,
) -> Result<&'e str, RecordingError> {
    element
        .attribute(name)
        .ok_or_else(|| invalid(place(), name, "", "a value"))
}

fn invalid(
    place: String,
    what: &'static str,
    found: &str,
    expected: &'static str,
) -> RecordingError {
    RecordingError::Invalid {
        place,
        what,
        found: found.chars().take(60).collect(),
        expected,
    }
}

/// Whether an envelope's body is a fault.
pub fn is_fault(envelope: &Element) -> bool {
    let body = envelope.elements().find(|e| e.name == "Body");
    body.is_some_and(|body| body.elements().any(|e| e.name == "Fault"))
}

/// Calls `visit` with every text and every value of an attribute of `element` and all within.
pub fn visit_texts(element: &mut Element, visit: &mut dyn FnMut(&mut String)) {
    for attribute in &mut element.attributes {
        visit(&mut attribute.value);
    }
    for node in &mut element.content {
        match node {
            Node::Text(text) => visit(text),
            Node::Element(child) => visit_texts(child, visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(pieces: usize) -> RecordedMessage {
        RecordedMessage {
            message: Message {
                destination: Destination::Client,
                kind: MessageType::PipelineOutput,
                pool: Uuid::from_u128(1),
                pipeline: Uuid::from_u128(2),
                data: "<Obj RefId=\"0\"><MS><S N=\"a\">  x &lt; y\u{e4} </S><S N=\"b\"></S><Nil N=\"c\" /></MS></Obj>"
                    .into(),
            },
            pieces,
        }
    }

    fn envelope(pieces: usize) -> Element {
        let message = message(pieces).to_element().expect("CLIXML");
        let soap = "http://www.w3.org/2003/05/soap-envelope";
        let stream = Element::new(
            "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
            "Stream",
        )
        .with_attribute("Name", "stdout")
        .with(message);
        let body = Element::new(soap, "Body").with(stream);
        Element::new(soap, "Envelope")
            .with(Element::new(soap, "Header"))
            .with(body)
    }

    fn recording() -> SessionRecording {
        SessionRecording {
            host: HostName::new("host1.example.com").expect("a name"),
            kind: EndpointKind::Windows,
            exchanges: vec![
                RecordedExchange {
                    action: "Receive".into(),
                    request: envelope(1),
                    answer: Some(envelope(3)),
                },
                RecordedExchange {
                    action: "Receive".into(),
                    request: envelope(1),
                    answer: None,
                },
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = recording().write();
        let read = SessionRecording::parse(&text).expect("a recording");
        assert_eq!(read.write(), text);
        assert_eq!(read.exchanges.len(), 2);
        assert!(read.exchanges[1].answer.is_none());
        let mut answer = read.exchanges[0].answer.clone().expect("an answer");
        let mut found = Vec::new();
        visit_carriers(&mut answer, &mut |carrier| {
            found.extend(RecordedMessage::all_in(carrier.element, "here").expect("messages"));
        });
        let mut expected = message(3);
        let value = clixml::decode(&expected.message.data, &clixml::Limits::default());
        expected.message.data = clixml::encode(&value.expect("CLIXML"));
        assert_eq!(found, [expected]);
    }

    #[test]
    fn hostile_files_are_refused() {
        let text = recording().write();
        for length in (0..text.len().saturating_sub(2)).step_by(7) {
            let cut = text.get(..length).unwrap_or_default();
            assert!(SessionRecording::parse(cut).is_err(), "{length}");
        }
        for (from, to) in [
            ("form=\"1\"", "form=\"2\""),
            ("host1.example.com", "no host"),
            ("endpoint=\"windows\"", "endpoint=\"moon\""),
            ("<request>", "<wish>"),
            ("</request>", ""),
        ] {
            assert!(
                SessionRecording::parse(&text.replace(from, to)).is_err(),
                "{from}"
            );
        }
        let deep = "<a>".repeat(100_000);
        assert!(SessionRecording::parse(&deep).is_err());
    }
}
