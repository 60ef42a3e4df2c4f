//! [`Resource`], [`Enumerate`], [`Pull`] and [`Items`]: what a service tells of its shells and of itself
//! ([MS-WSMV] 2.2.4, 3.1.4.9; DSP0226 8).

use uuid::Uuid;

use super::{EnvelopeError, Selector, Shell, header, ns, text};
use crate::xml::{Element, Node};

/// The dialect of a filter by selectors (DSP0226 8.2.3).
const SELECTOR_FILTER: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
/// Most items at once: `MaxBatchItems` of Windows.
const MOST_ITEMS: &str = "32000";

/// What a Get is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A shell.
    Shell(Shell),
    /// The service's configuration.
    Config(Config),
}

/// The service's configuration, as far as a client needs it ([MS-WSMV] 2.2.4.10 `ConfigType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// `MaxEnvelopeSizekb`: the largest envelope that the service takes, in KiB.
    pub max_envelope_kib: u32,
}

/// The body of an Enumerate request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enumerate {
    /// Of commands: only those of this shell.
    pub shell: Option<Uuid>,
}

/// The body of a Pull request: what an Enumerate did not give at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// What [`Items::context`] said.
    pub context: String,
}

/// The body of an Enumerate or Pull response: shells or commands, as was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Items {
    /// Shells of the account.
    pub shells: Vec<Shell>,
    /// Commands of a shell.
    pub commands: Vec<ShellCommand>,
    /// Where there are more: what a [`Pull`] asks for them with.
    pub context: Option<String>,
}

/// A command as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand {
    /// Its id.
    pub id: Uuid,
    /// `Running`, `Completed`, …
    pub state: String,
}

impl Resource {
    pub(super) fn encode(&self) -> Element {
        match self {
            Self::Shell(shell) => shell.encode(),
            Self::Config(config) => Element::new(ns::CONFIG, "Config").with(
                Element::new(ns::CONFIG, "MaxEnvelopeSizekb")
                    .with_text(config.max_envelope_kib.to_string()),
            ),
        }
    }

    pub(super) fn decode(body: &Element) -> Result<Self, EnvelopeError> {
        let missing = |parent, element| EnvelopeError::Missing { parent, element };
        if let Some(shell) = body.child(ns::SHELL, "Shell") {
            return Shell::decode(shell).map(Self::Shell);
        }
        let config = body
            .child(ns::CONFIG, "Config")
            .ok_or(missing("the body", "Shell"))?;
        let size = config
            .child(ns::CONFIG, "MaxEnvelopeSizekb")
            .ok_or(missing("Config", "MaxEnvelopeSizekb"))?;
        let max_envelope_kib = text::parse_number("MaxEnvelopeSizekb", &size.text())?;
        Ok(Self::Config(Config { max_envelope_kib }))
    }
}

impl Enumerate {
    pub(super) fn encode(&self) -> Element {
        let enumerate = Element::new(ns::ENUMERATION, "Enumerate")
            .with(Element::new(ns::WSMAN, "OptimizeEnumeration"))
            .with(Element::new(ns::WSMAN, "MaxElements").with_text(MOST_ITEMS));
        let Some(shell) = self.shell else {
            return enumerate;
        };
        let selector = Selector {
            name: "ShellId".into(),
            value: text::id(shell),
        };
        enumerate.with(
            Element::new(ns::WSMAN, "Filter")
                .with_attribute("Dialect", SELECTOR_FILTER)
                .with(header::selector_set(&[selector])),
        )
    }

    pub(super) fn decode(enumerate: &Element) -> Result<Self, EnvelopeError> {
        let selectors = enumerate
            .child(ns::WSMAN, "Filter")
            .and_then(|filter| filter.child(ns::WSMAN, "SelectorSet"))
            .map(header::decode_selector_set)
            .unwrap_or_default();
        let shell = selectors
            .iter()
            .find(|selector| selector.name.eq_ignore_ascii_case("ShellId"));
        Ok(Self {
            shell: shell
                .map(|selector| text::parse_id("ShellId", &selector.value))
                .transpose()?,
        })
    }
}

impl Pull {
    pub(super) fn encode(&self) -> Element {
        Element::new(ns::ENUMERATION, "Pull")
            .with(Element::new(ns::ENUMERATION, "EnumerationContext").with_text(&self.context))
            .with(Element::new(ns::ENUMERATION, "MaxElements").with_text(MOST_ITEMS))
    }

    pub(super) fn decode(pull: &Element) -> Result<Self, EnvelopeError> {
        let context = pull.child(ns::ENUMERATION, "EnumerationContext");
        let context = context.ok_or(EnvelopeError::Missing {
            parent: "Pull",
            element: "EnumerationContext",
        })?;
        Ok(Self {
            context: context.text(),
        })
    }
}

impl Items {
    /// As the answer to an Enumerate (DSP0226 8.2.3).
    pub(super) fn encode(&self) -> Element {
        self.encode_as("EnumerateResponse", ns::WSMAN)
    }

    /// As the answer to a Pull.
    pub(super) fn encode_pulled(&self) -> Element {
        self.encode_as("PullResponse", ns::ENUMERATION)
    }

    fn encode_as(&self, name: &str, of_list: &str) -> Element {
        let commands = self.commands.iter().map(|command| {
            let leaf = |name: &str, text: &str| Element::new(ns::SHELL, name).with_text(text);
            Element::new(ns::SHELL, "Command")
                .with(leaf("CommandId", &text::id(command.id)))
                .with(leaf("CommandState", &command.state))
        });
        let items = Element::new(of_list, "Items")
            .with_all(self.shells.iter().map(Shell::encode))
            .with_all(commands);
        let context = Element::new(ns::ENUMERATION, "EnumerationContext");
        let response = Element::new(ns::ENUMERATION, name);
        match &self.context {
            Some(more) => response.with(context.with_text(more)).with(items),
            None => response
                .with(context)
                .with(items)
                .with(Element::new(of_list, "EndOfSequence")),
        }
    }

    /// Whatever is neither a shell nor a command is passed over.
    pub(super) fn decode(response: &Element) -> Result<Self, EnvelopeError> {
        Self::decode_as(response, ns::WSMAN)
    }

    /// The same of the answer to a Pull.
    pub(super) fn decode_pulled(response: &Element) -> Result<Self, EnvelopeError> {
        Self::decode_as(response, ns::ENUMERATION)
    }

    fn decode_as(response: &Element, of_list: &str) -> Result<Self, EnvelopeError> {
        let mut items = Self::default();
        if response.child(of_list, "EndOfSequence").is_none() {
            let context = response.child(ns::ENUMERATION, "EnumerationContext");
            items.context = context.map(Element::text).filter(|text| !text.is_empty());
        }
        let holder = response.child(of_list, "Items");
        for node in holder.map(|h| h.content.as_slice()).unwrap_or_default() {
            match node {
                Node::Element(e) if e.is(ns::SHELL, "Shell") => {
                    items.shells.push(Shell::decode(e)?);
                }
                Node::Element(e) if e.is(ns::SHELL, "Command") => {
                    let leaf = |name| e.child(ns::SHELL, name).map(Element::text);
                    let id = leaf("CommandId").ok_or(EnvelopeError::Missing {
                        parent: "Command",
                        element: "CommandId",
                    })?;
                    items.commands.push(ShellCommand {
                        id: text::parse_id("CommandId", &id)?,
                        state: leaf("CommandState").unwrap_or_default(),
                    });
                }
                _ => {}
            }
        }
        Ok(items)
    }
}
