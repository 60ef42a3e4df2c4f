//! A small namespace-aware XML tree over a real parser and writer, with limits.
//!
//! Key type: [`Element`]. [`parse`] refuses document types, undeclared prefixes and whatever goes
//! beyond [`Limits`]; [`write()`] declares the prefixes it is given at the root and escapes what
//! needs it. Comments and processing instructions are dropped; nothing here validates.

use std::sync::Arc;

use quick_xml::NsReader;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::ResolveResult;
use quick_xml::writer::Writer;

/// The namespace of `xml:lang`.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// How much [`parse`] takes before it refuses.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Size of the document in bytes.
    pub bytes: usize,
    /// Elements within elements.
    pub depth: usize,
    /// Elements and attributes in all.
    pub nodes: usize,
}

impl Default for Limits {
    /// Room for any envelope: servers limit theirs to 500 KiB by default, and put a few dozen
    /// elements into it.
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            depth: 64,
            nodes: 20_000,
        }
    }
}

/// Why a document was refused. Positions are byte offsets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// Not UTF-8.
    #[error("byte {position}: not UTF-8")]
    Encoding {
        /// Where.
        position: usize,
    },
    /// Not well-formed.
    #[error("byte {position}: not well-formed: {detail}")]
    NotWellFormed {
        /// Where.
        position: u64,
        /// The parser's reason.
        detail: String,
    },
    /// A construct that no envelope may have.
    #[error("byte {position}: {construct} is not allowed")]
    Forbidden {
        /// Where.
        position: u64,
        /// `a document type`, `an entity`.
        construct: &'static str,
    },
    /// A prefix that is not declared.
    #[error("byte {position}: prefix {prefix:?} is not declared")]
    Prefix {
        /// Where.
        position: u64,
        /// The prefix.
        prefix: String,
    },
    /// Beyond a limit.
    #[error("byte {position}: more than {limit} {what}")]
    Limit {
        /// Where.
        position: u64,
        /// The limit.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// No root element, more than one, or text outside of it.
    #[error("byte {position}: expected one root element")]
    Root {
        /// Where.
        position: u64,
    },
}

/// An element with its attributes and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Namespace; empty for none.
    pub namespace: Arc<str>,
    /// Local name.
    pub name: String,
    /// Attributes in order, namespace declarations excluded.
    pub attributes: Vec<Attribute>,
    /// Content in order.
    pub content: Vec<Node>,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Namespace; empty for none.
    pub namespace: Arc<str>,
    /// Local name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A piece of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Text, character references resolved.
    Text(String),
}

impl Element {
    /// An empty element.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            attributes: Vec::new(),
            content: Vec::new(),
        }
    }

    /// Appends text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.content.push(Node::Text(text.into()));
        self
    }

    /// Appends a child.
    #[must_use]
    pub fn with(mut self, child: Element) -> Self {
        self.content.push(Node::Element(child));
        self
    }

    /// Appends several children.
    #[must_use]
    pub fn with_all(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.content.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Appends an attribute without namespace.
    #[must_use]
    pub fn with_attribute(self, name: &str, value: impl Into<String>) -> Self {
        self.with_qualified("", name, value)
    }

    /// Appends an attribute of a namespace.
    #[must_use]
    pub fn with_qualified(mut self, namespace: &str, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute {
            namespace: namespace.into(),
            name: name.into(),
            value: value.into(),
        });
        self
    }

    /// Whether this is the element of that name.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        *self.namespace == *namespace && self.name == name
    }

    /// The child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.content.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The child elements of that name.
    pub fn children<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.elements()
            .filter(move |child| child.is(namespace, name))
    }

    /// The first child element of that name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Element> {
        self.elements().find(|child| child.is(namespace, name))
    }

    /// The text directly within, without white space around it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.content {
            if let Node::Text(part) = node {
                text.push_str(part);
            }
        }
        let trimmed = text.trim();
        if trimmed.len() == text.len() {
            text
        } else {
            trimmed.into()
        }
    }

    /// The text of this element and all within, in order.
    pub fn deep_text(&self) -> String {
        let mut text = String::new();
        self.collect_text(&mut text);
        text.trim().into()
    }

    fn collect_text(&self, text: &mut String) {
        for node in &self.content {
            match node {
                Node::Text(part) => text.push_str(part),
                Node::Element(element) => element.collect_text(text),
            }
        }
    }

    /// The value of an attribute without namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| a.namespace.is_empty() && a.name == name)
            .map(|a| a.value.as_str())
    }
}

/// Parses a document. A byte order mark is skipped.
pub fn parse(document: &[u8], limits: &Limits) -> Result<Element, XmlError> {
    if document.len() > limits.bytes {
        return Err(XmlError::Limit {
            position: limits.bytes as u64,
            limit: limits.bytes,
            what: "bytes",
        });
    }
    let text = std::str::from_utf8(document).map_err(|e| XmlError::Encoding {
        position: e.valid_up_to(),
    })?;
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
        nodes: 0,
        names: Vec::new(),
        limits,
    };
    let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().check_end_names = true;
    loop {
        let position = reader.buffer_position();
        let malformed = |e: &dyn std::fmt::Display| XmlError::NotWellFormed {
            position,
            detail: e.to_string(),
        };
        match reader.read_event().map_err(|e| malformed(&e))? {
            Event::Start(start) => builder.start(&reader, &start, position)?,
            Event::Empty(start) => {
                builder.start(&reader, &start, position)?;
                builder.end(position)?;
            }
            Event::End(_) => builder.end(position)?,
            Event::Text(part) => builder.text(&part.xml10_content(), position)?,
            Event::CData(part) => builder.text(&part.xml10_content(), position)?,
            Event::GeneralRef(reference) => {
                if let Some(c) = reference.resolve_char_ref().map_err(|e| malformed(&e))? {
                    builder.text(c.encode_utf8(&mut [0; 4]), position)?;
                } else {
                    let name = reference.xml10_content();
                    let text = quick_xml::escape::resolve_xml_entity(&name).ok_or(
                        XmlError::Forbidden {
                            position,
                            construct: "an entity",
                        },
                    )?;
                    builder.text(text, position)?;
                }
            }
            Event::DocType(_) => {
                return Err(XmlError::Forbidden {
                    position,
                    construct: "a document type",
                });
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return builder.finish(position),
        }
    }
}

struct Builder<'l> {
    open: Vec<Element>,
    root: Option<Element>,
    nodes: usize,
    /// Namespaces met so far: few, so that a linear search is the fastest.
    names: Vec<Arc<str>>,
    limits: &'l Limits,
}

impl Builder<'_> {
    fn start(
        &mut self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        position: u64,
    ) -> Result<(), XmlError> {
        if self.root.is_some() {
            return Err(XmlError::Root { position });
        }
        if self.open.len() >= self.limits.depth {
            return Err(XmlError::Limit {
                position,
                limit: self.limits.depth,
                what: "elements within each other",
            });
        }
        self.count(position)?;
        let (namespace, name) = reader.resolver().resolve_element(start.name());
        let namespace = self.namespace(namespace, position)?;
        let mut element = Element {
            namespace,
            name: name.as_ref().into(),
            attributes: Vec::new(),
            content: Vec::new(),
        };
        for attribute in start.attributes() {
            let malformed = |e: &dyn std::fmt::Display| XmlError::NotWellFormed {
                position,
                detail: e.to_string(),
            };
            let attribute = attribute.map_err(|e| malformed(&e))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            self.count(position)?;
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            let namespace = self.namespace(namespace, position)?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|e| malformed(&e))?;
            element.attributes.push(Attribute {
                namespace,
                name: name.as_ref().into(),
                value: value.into_owned(),
            });
        }
        self.open.push(element);
        Ok(())
    }

    fn count(&mut self, position: u64) -> Result<(), XmlError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(XmlError::Limit {
                position,
                limit: self.limits.nodes,
                what: "elements and attributes",
            });
        }
        Ok(())
    }

    fn namespace(
        &mut self,
        resolved: ResolveResult<'_>,
        position: u64,
    ) -> Result<Arc<str>, XmlError> {
        let name = match resolved {
            ResolveResult::Bound(namespace) => namespace.0,
            ResolveResult::Unbound => "",
            ResolveResult::Unknown(prefix) => return Err(XmlError::Prefix { position, prefix }),
        };
        if let Some(known) = self.names.iter().find(|known| ***known == *name) {
            return Ok(known.clone());
        }
        let new: Arc<str> = name.into();
        self.names.push(new.clone());
        Ok(new)
    }

    fn text(&mut self, part: &str, position: u64) -> Result<(), XmlError> {
        let Some(element) = self.open.last_mut() else {
            return if part.trim().is_empty() {
                Ok(())
            } else {
                Err(XmlError::Root { position })
            };
        };
        match element.content.last_mut() {
            Some(Node::Text(text)) => text.push_str(part),
            _ => element.content.push(Node::Text(part.into())),
        }
        Ok(())
    }

    fn end(&mut self, position: u64) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or(XmlError::Root { position })?;
        match self.open.last_mut() {
            Some(parent) => parent.content.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn finish(self, position: u64) -> Result<Element, XmlError> {
        if let Some(open) = self.open.last() {
            return Err(XmlError::NotWellFormed {
                position,
                detail: format!("element {} is not closed", open.name),
            });
        }
        self.root.ok_or(XmlError::Root { position })
    }
}

/// Writes a document, UTF-8, without a declaration.
///
/// `prefixes` are declared at the root, (prefix, namespace) each; an element of another
/// namespace declares it as its default namespace. Attributes must be of a declared namespace,
/// of none, or of [`XML`]; characters that XML cannot carry become U+FFFD.
pub fn write(root: &Element, prefixes: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::with_capacity(4096));
    write_element(&mut writer, root, prefixes, "", true);
    writer.into_inner()
}

fn write_element(
    writer: &mut Writer<Vec<u8>>,
    element: &Element,
    prefixes: &[(&str, &str)],
    default: &str,
    is_root: bool,
) {
    let prefix = |namespace: &str| {
        prefixes
            .iter()
            .find(|(_, n)| *n == namespace)
            .map(|(p, _)| *p)
    };
    let qualified = |namespace: &str, name: &str| match prefix(namespace) {
        _ if namespace == XML => ["xml", name].join(":"),
        Some(prefix) => [prefix, name].join(":"),
        None => name.to_owned(),
    };
    let tag = qualified(&element.namespace, &element.name);
    let mut start = BytesStart::new(tag.as_str());
    if is_root {
        for (prefix, namespace) in prefixes {
            start.push_attribute((["xmlns", prefix].join(":").as_str(), *namespace));
        }
    }
    let mut default = default;
    if prefix(&element.namespace).is_none() && default != &*element.namespace {
        default = &element.namespace;
        start.push_attribute(("xmlns", default));
    }
    for attribute in &element.attributes {
        let name = qualified(&attribute.namespace, &attribute.name);
        start.push_attribute((name.as_str(), &*representable(&attribute.value)));
    }
    if element.content.is_empty() {
        emit(writer, Event::Empty(start));
        return;
    }
    emit(writer, Event::Start(start));
    for node in &element.content {
        match node {
            Node::Element(child) => write_element(writer, child, prefixes, default, false),
            Node::Text(text) => emit(writer, Event::Text(BytesText::new(&representable(text)))),
        }
    }
    emit(writer, Event::End(BytesEnd::new(tag.as_str())));
}

fn emit(writer: &mut Writer<Vec<u8>>, event: Event<'_>) {
    writer
        .write_event(event)
        .expect("writing to memory does not fail");
}

/// `text` with the characters replaced that XML 1.0 has no way to carry.
fn representable(text: &str) -> std::borrow::Cow<'_, str> {
    let bad = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    // Bytes that such a character may begin with: nearly all text, and base64 is long, has none.
    let suspect = |b: u8| matches!(b, 0..=0x8 | 0xb | 0xc | 0xe..=0x1f | 0xef);
    if text.bytes().any(suspect) && text.contains(bad) {
        text.replace(bad, "\u{fffd}").into()
    } else {
        text.into()
    }
}
