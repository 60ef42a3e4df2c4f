//! [`Identity`]: what a service says of itself to everyone (DSP0226 11, [MS-WSMV] 3.1.4.1.32).
//!
//! An Identify has no header, and needs no logon where it comes with [`IDENTIFY_HEADER`].

use super::{EnvelopeError, ns};
use crate::xml::{self, Element, Limits};

/// Header and value of an HTTP request that asks for an Identify without a logon.
pub const IDENTIFY_HEADER: (&str, &str) = ("WSMANIDENTIFY", "unauthenticated");

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// URI of the protocol.
    pub protocol_version: String,
    /// Who made the service: `Microsoft Corporation`.
    pub vendor: String,
    /// Its version: `OS: 10.0.17763 SP: 0.0 Stack: 3.0`, the system left at zeros where nobody
    /// has logged on.
    pub version: String,
}

/// The envelope of an Identify.
pub fn identify() -> Vec<u8> {
    envelope(Element::new(ns::IDENTITY, "Identify"))
}

/// Whether an envelope is an Identify, as a server asks.
pub fn is_identify(bytes: &[u8], limits: &Limits) -> bool {
    let envelope = xml::parse(bytes, limits).ok();
    let body = envelope.as_ref().and_then(|e| e.child(ns::SOAP, "Body"));
    body.is_some_and(|body| body.child(ns::IDENTITY, "Identify").is_some())
}

impl Identity {
    /// Writes the answer.
    pub fn encode(&self) -> Vec<u8> {
        let leaf = |name: &str, text: &str| Element::new(ns::IDENTITY, name).with_text(text);
        envelope(
            Element::new(ns::IDENTITY, "IdentifyResponse")
                .with(leaf("ProtocolVersion", &self.protocol_version))
                .with(leaf("ProductVendor", &self.vendor))
                .with(leaf("ProductVersion", &self.version)),
        )
    }

    /// Reads the answer.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, EnvelopeError> {
        let envelope = xml::parse(bytes, limits)?;
        if !envelope.is(ns::SOAP, "Envelope") {
            return Err(EnvelopeError::NotSoap {
                found: envelope.name,
            });
        }
        let response = envelope
            .child(ns::SOAP, "Body")
            .and_then(|body| body.child(ns::IDENTITY, "IdentifyResponse"))
            .ok_or(EnvelopeError::Missing {
                parent: "the body",
                element: "IdentifyResponse",
            })?;
        let leaf = |name| {
            let element = response.child(ns::IDENTITY, name);
            element.map(Element::text).unwrap_or_default()
        };
        Ok(Self {
            protocol_version: leaf("ProtocolVersion"),
            vendor: leaf("ProductVendor"),
            version: leaf("ProductVersion"),
        })
    }
}

fn envelope(content: Element) -> Vec<u8> {
    let envelope = Element::new(ns::SOAP, "Envelope")
        .with(Element::new(ns::SOAP, "Header"))
        .with(Element::new(ns::SOAP, "Body").with(content));
    xml::write(&envelope, &[("s", ns::SOAP), ("i", ns::IDENTITY)])
}
