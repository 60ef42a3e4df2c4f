//! [`Disconnect`] and [`Connect`]: leaving a shell and coming back to it ([MS-WSMV] 3.1.4.13 to
//! 3.1.4.16).

use std::time::Duration;

use uuid::Uuid;

use super::{EnvelopeError, ns, text};
use crate::xml::Element;

/// The body of a Disconnect request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disconnect {
    /// How long the server keeps the shell for somebody to come back; `None`: as agreed before.
    pub idle_timeout: Option<Duration>,
}

/// The body of a Connect request: to a shell, or to a command in one that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    /// The command; `None` for the shell.
    pub command_id: Option<Uuid>,
    /// The first fragments of the new client's protocol ([MS-PSRP] 3.1.5.3.18, `connectXml`).
    pub content: Option<Vec<u8>>,
}

/// The body of a Connect response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connected {
    /// The server's first fragments for the new client (`connectResponseXml`).
    pub content: Option<Vec<u8>>,
}

impl Disconnect {
    pub(super) fn encode(&self) -> Element {
        let disconnect = Element::new(ns::SHELL, "Disconnect");
        match self.idle_timeout {
            Some(idle) => disconnect
                .with(Element::new(ns::SHELL, "IdleTimeOut").with_text(text::duration(idle))),
            None => disconnect,
        }
    }

    pub(super) fn decode(disconnect: &Element) -> Result<Self, EnvelopeError> {
        let idle = disconnect.child(ns::SHELL, "IdleTimeOut");
        Ok(Self {
            idle_timeout: idle
                .map(|idle| text::parse_duration("IdleTimeOut", &idle.text()))
                .transpose()?,
        })
    }
}

impl Connect {
    pub(super) fn encode(&self) -> Element {
        let mut connect = Element::new(ns::SHELL, "Connect");
        if let Some(id) = self.command_id {
            connect = connect.with_attribute("CommandId", text::id(id));
        }
        match &self.content {
            Some(content) => connect.with(xml("connectXml", content)),
            None => connect,
        }
    }

    pub(super) fn decode(connect: &Element) -> Result<Self, EnvelopeError> {
        let command_id = connect.attribute("CommandId");
        Ok(Self {
            command_id: command_id
                .map(|id| text::parse_id("CommandId", id))
                .transpose()?,
            content: content(connect, "connectXml")?,
        })
    }
}

impl Connected {
    pub(super) fn encode(&self) -> Element {
        let response = Element::new(ns::SHELL, "ConnectResponse");
        match &self.content {
            Some(content) => response.with(xml("connectResponseXml", content)),
            None => response,
        }
    }

    pub(super) fn decode(response: &Element) -> Result<Self, EnvelopeError> {
        Ok(Self {
            content: content(response, "connectResponseXml")?,
        })
    }
}

fn xml(name: &str, content: &[u8]) -> Element {
    Element::new(ns::POWERSHELL, name).with_text(text::base64(content))
}

fn content(parent: &Element, name: &'static str) -> Result<Option<Vec<u8>>, EnvelopeError> {
    let content = parent.child(ns::POWERSHELL, name);
    content
        .map(|content| text::parse_base64(name, &content.text()))
        .transpose()
}
