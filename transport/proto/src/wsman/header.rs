//! [`RequestHeader`]: what every request says about itself ([MS-WSMV] 2.2.4, DSP0226 5.4).

use std::time::Duration;

use uuid::Uuid;

use super::{Action, EnvelopeError, ns, text};
use crate::xml::{Element, XML};

const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// `wsa:To`: the URL.
    pub to: String,
    /// `wsman:ResourceURI`, for a shell the URI of its kind.
    pub resource_uri: String,
    /// `wsa:MessageID`, as written: `uuid:…`.
    pub message_id: String,
    /// `wsman:MaxEnvelopeSize`: the largest answer that the client takes, in bytes.
    pub max_envelope_size: u32,
    /// `wsman:OperationTimeout`: how long the server may take.
    pub operation_timeout: Duration,
    /// `wsman:Locale` and `wsmv:DataLocale`: language of texts, format of numbers.
    pub locale: String,
    /// `wsman:SelectorSet`
    pub selectors: Vec<Selector>,
    /// `wsman:OptionSet`
    pub options: Vec<RequestOption>,
    /// `wsmv:SessionId`: the same for all requests of a client's session.
    pub session_id: Option<Uuid>,
    /// `wsmv:OperationID`: the same for all messages of one operation.
    pub operation_id: Option<Uuid>,
}

/// A selector: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An option of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOption {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether a server that does not know it must refuse.
    pub must_comply: bool,
}

impl RequestHeader {
    /// The header of a new request, with limits that every server takes: 150 KiB, which is the
    /// default of Windows Server 2008 R2 ([MS-WSMV] 3.1.4.1.13), and 60 s.
    pub fn new(to: &str, resource_uri: &str) -> Self {
        Self {
            to: to.into(),
            resource_uri: resource_uri.into(),
            message_id: ["uuid:", &text::id(Uuid::new_v4())].concat(),
            max_envelope_size: 153_600,
            operation_timeout: Duration::from_mins(1),
            locale: "en-US".into(),
            selectors: Vec::new(),
            options: Vec::new(),
            session_id: None,
            operation_id: Some(Uuid::new_v4()),
        }
    }

    /// Adds the selector that names a shell.
    #[must_use]
    pub fn with_shell(mut self, id: Uuid) -> Self {
        self.selectors.push(Selector {
            name: "ShellId".into(),
            value: text::id(id),
        });
        self
    }

    /// Adds an option.
    #[must_use]
    pub fn with_option(mut self, name: &str, value: &str, must_comply: bool) -> Self {
        self.options.push(RequestOption {
            name: name.into(),
            value: value.into(),
            must_comply,
        });
        self
    }

    /// The shell that the selectors name.
    pub fn shell(&self) -> Option<Uuid> {
        let selector = self
            .selectors
            .iter()
            .find(|s| s.name.eq_ignore_ascii_case("ShellId"))?;
        text::parse_id("ShellId", &selector.value).ok()
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|o| o.name.eq_ignore_ascii_case(name))
            .map(|o| o.value.as_str())
    }

    pub(super) fn encode(&self, action: Action) -> Element {
        let must = |ns: &str, name: &str| {
            Element::new(ns, name).with_qualified(ns::SOAP, "mustUnderstand", "true")
        };
        let may = |ns: &str, name: &str| {
            Element::new(ns, name).with_qualified(ns::SOAP, "mustUnderstand", "false")
        };
        let address = must(ns::ADDRESSING, "Address").with_text(ANONYMOUS);
        let mut header = Element::new(ns::SOAP, "Header")
            .with(Element::new(ns::ADDRESSING, "To").with_text(self.to.as_str()))
            .with(must(ns::WSMAN, "ResourceURI").with_text(self.resource_uri.as_str()))
            .with(Element::new(ns::ADDRESSING, "ReplyTo").with(address))
            .with(must(ns::ADDRESSING, "Action").with_text(action.uri()))
            .with(must(ns::WSMAN, "MaxEnvelopeSize").with_text(self.max_envelope_size.to_string()))
            .with(Element::new(ns::ADDRESSING, "MessageID").with_text(self.message_id.as_str()))
            .with(may(ns::WSMAN, "Locale").with_qualified(XML, "lang", self.locale.as_str()))
            .with(may(ns::WSMV, "DataLocale").with_qualified(XML, "lang", self.locale.as_str()));
        if let Some(id) = self.session_id {
            header = header
                .with(may(ns::WSMV, "SessionId").with_text(["uuid:", &text::id(id)].concat()));
        }
        if let Some(id) = self.operation_id {
            header = header
                .with(may(ns::WSMV, "OperationID").with_text(["uuid:", &text::id(id)].concat()));
        }
        if !self.selectors.is_empty() {
            header = header.with(selector_set(&self.selectors));
        }
        if !self.options.is_empty() {
            let options = self.options.iter().map(|option| {
                let element =
                    Element::new(ns::WSMAN, "Option").with_attribute("Name", option.name.as_str());
                let element = if option.must_comply {
                    element.with_attribute("MustComply", "true")
                } else {
                    element
                };
                element.with_text(option.value.as_str())
            });
            header = header.with(must(ns::WSMAN, "OptionSet").with_all(options));
        }
        header.with(
            Element::new(ns::WSMAN, "OperationTimeout")
                .with_text(text::duration(self.operation_timeout)),
        )
    }

    pub(super) fn decode(header: &Element) -> Result<Self, EnvelopeError> {
        let find = |ns, name| header.child(ns, name).map(Element::text);
        let need = |ns, name| {
            find(ns, name).ok_or(EnvelopeError::Missing {
                parent: "the header",
                element: name,
            })
        };
        let session = |name: &'static str| {
            find(ns::WSMV, name)
                .map(|id| text::parse_id(name, &id))
                .transpose()
        };
        Ok(Self {
            to: need(ns::ADDRESSING, "To")?,
            resource_uri: need(ns::WSMAN, "ResourceURI")?,
            message_id: need(ns::ADDRESSING, "MessageID")?,
            max_envelope_size: match find(ns::WSMAN, "MaxEnvelopeSize") {
                Some(size) => text::parse_number("MaxEnvelopeSize", &size)?,
                None => 153_600,
            },
            operation_timeout: match find(ns::WSMAN, "OperationTimeout") {
                Some(timeout) => text::parse_duration("OperationTimeout", &timeout)?,
                None => Duration::from_mins(1),
            },
            locale: header
                .child(ns::WSMAN, "Locale")
                .and_then(|l| l.attributes.iter().find(|a| a.name == "lang"))
                .map_or_else(|| "en-US".into(), |a| a.value.clone()),
            selectors: header
                .child(ns::WSMAN, "SelectorSet")
                .map(decode_selector_set)
                .unwrap_or_default(),
            options: header
                .child(ns::WSMAN, "OptionSet")
                .into_iter()
                .flat_map(|set| set.children(ns::WSMAN, "Option"))
                .map(|option| RequestOption {
                    name: option.attribute("Name").unwrap_or_default().into(),
                    value: option.text(),
                    must_comply: option
                        .attribute("MustComply")
                        .is_some_and(|v| v.eq_ignore_ascii_case("true")),
                })
                .collect(),
            session_id: session("SessionId")?,
            operation_id: session("OperationID")?,
        })
    }
}

pub(super) fn selector_set(selectors: &[Selector]) -> Element {
    Element::new(ns::WSMAN, "SelectorSet").with_all(selectors.iter().map(|selector| {
        Element::new(ns::WSMAN, "Selector")
            .with_attribute("Name", selector.name.as_str())
            .with_text(selector.value.as_str())
    }))
}

pub(super) fn decode_selector_set(set: &Element) -> Vec<Selector> {
    let selector = |s: &Element| Selector {
        name: s.attribute("Name").unwrap_or_default().into(),
        value: s.text(),
    };
    set.children(ns::WSMAN, "Selector").map(selector).collect()
}

/// The header of an answer: action, own id, id of the request.
pub(super) fn encode_response(action: &str, message_id: &str, relates_to: &str) -> Element {
    let element = |name: &str, text: &str| Element::new(ns::ADDRESSING, name).with_text(text);
    let header = Element::new(ns::SOAP, "Header")
        .with(element("Action", action))
        .with(element("MessageID", message_id))
        .with(element("To", ANONYMOUS));
    if relates_to.is_empty() {
        header
    } else {
        header.with(element("RelatesTo", relates_to))
    }
}
