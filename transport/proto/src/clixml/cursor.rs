//! [`Cursor`]: the elements of a CLIXML text, one after the other, with the checks that every
//! element needs.
//!
//! It knows markup, not meaning: what may stand where is the decoder's.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::error::{ClixmlError, ClixmlErrorKind as Kind, LimitKind, excerpt};
use super::escape;
use super::limits::Limits;

const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// Pulls elements and their text out of an XML reader.
pub(super) struct Cursor<'i> {
    reader: Reader<&'i [u8]>,
    /// Bytes before the text that the reader sees.
    skipped: usize,
    /// Where the event that was read last begins.
    event_start: usize,
    nodes_left: usize,
    node_limit: usize,
}

/// An element that has just been opened.
pub(super) struct Tag<'i> {
    start: BytesStart<'i>,
    is_empty: bool,
    /// Where it begins.
    pub(super) position: usize,
}

/// The attributes that elements have.
#[derive(Default)]
pub(super) struct Attributes {
    /// `N`, escapes resolved
    pub(super) name: Option<String>,
    /// `RefId`
    pub(super) ref_id: Option<u64>,
}

impl Tag<'_> {
    /// Name of the element.
    pub(super) fn name(&self) -> &str {
        self.start.name().into_inner()
    }

    /// An error about this element.
    pub(super) fn error(&self, kind: Kind) -> ClixmlError {
        ClixmlError {
            position: self.position,
            kind,
        }
    }

    /// The error for an element that may not stand within `within`.
    pub(super) fn unknown(&self, expected: &'static str, within: &str) -> ClixmlError {
        self.error(Kind::UnknownElement {
            expected,
            within: within.to_owned(),
            found: excerpt(self.name()),
        })
    }

    /// The error for text that is not of this element's type.
    pub(super) fn bad_text(&self, expected: &'static str, found: &str) -> ClixmlError {
        self.error(Kind::BadText {
            element: excerpt(self.name()),
            expected,
            found: excerpt(found),
        })
    }

    /// `N` and `RefId`; any other attribute is an error. Namespace declarations are skipped.
    pub(super) fn attributes(&self) -> Result<Attributes, ClixmlError> {
        let mut attributes = Attributes::default();
        self.each_attribute(|key, value| {
            let taken = match key {
                "N" => attributes.name.replace(escape::decode(value)).is_some(),
                "RefId" => {
                    let Ok(id) = value.trim().parse() else {
                        return Err(self.bad_text("a RefId number", &value));
                    };
                    attributes.ref_id.replace(id).is_some()
                }
                _ => return Err(self.unknown_attribute(key)),
            };
            if taken {
                Err(self.error(Kind::Repeated {
                    what: format!("attribute {key}"),
                }))
            } else {
                Ok(())
            }
        })?;
        Ok(attributes)
    }

    /// Calls `visit` with the name and unescaped value of every attribute but namespace
    /// declarations.
    pub(super) fn each_attribute(
        &self,
        mut visit: impl FnMut(&str, Cow<'_, str>) -> Result<(), ClixmlError>,
    ) -> Result<(), ClixmlError> {
        for attribute in self.start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.malformed(&error))?;
            let key = attribute.key.into_inner();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.malformed(&error))?;
            visit(key, value)?;
        }
        Ok(())
    }

    /// The error for an attribute that the element does not have.
    pub(super) fn unknown_attribute(&self, attribute: &str) -> ClixmlError {
        self.error(Kind::UnknownAttribute {
            element: excerpt(self.name()),
            attribute: excerpt(attribute),
        })
    }

    fn malformed(&self, reason: &impl ToString) -> ClixmlError {
        self.error(Kind::Malformed {
            reason: excerpt(&reason.to_string()),
        })
    }
}

impl<'i> Cursor<'i> {
    /// A cursor before the first element of `xml`, which may begin with a byte order mark.
    pub(super) fn new(xml: &'i str, limits: &Limits) -> Result<Self, ClixmlError> {
        if xml.len() > limits.input {
            let kind = Kind::LimitExceeded {
                what: LimitKind::Input,
                allowed: limits.input as u64,
            };
            return Err(ClixmlError {
                position: limits.input,
                kind,
            });
        }
        let text = xml.strip_prefix(BYTE_ORDER_MARK).unwrap_or(xml);
        Ok(Self {
            reader: Reader::from_str(text),
            skipped: xml.len() - text.len(),
            event_start: 0,
            nodes_left: limits.nodes,
            node_limit: limits.nodes,
        })
    }

    /// Where the next event begins.
    pub(super) fn position(&self) -> usize {
        self.skipped + offset(self.reader.buffer_position())
    }

    /// The next element within `parent` (`None`: the document); `None` once that has ended.
    pub(super) fn child(
        &mut self,
        parent: Option<&Tag<'i>>,
    ) -> Result<Option<Tag<'i>>, ClixmlError> {
        if parent.is_some_and(|tag| tag.is_empty) {
            return Ok(None);
        }
        loop {
            let (start, is_empty) = match self.event()? {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::Text(text) if text.trim_ascii().is_empty() => continue,
                Event::Decl(_) if parent.is_none() && self.event_start == self.skipped => continue,
                Event::End(_) => return Ok(None),
                Event::Eof if parent.is_none() => return Ok(None),
                other => {
                    return Err(
                        self.unexpected("an element or the end of the enclosing one", &other)
                    );
                }
            };
            if self.nodes_left == 0 {
                return Err(self.error(Kind::LimitExceeded {
                    what: LimitKind::Nodes,
                    allowed: self.node_limit as u64,
                }));
            }
            self.nodes_left -= 1;
            return Ok(Some(Tag {
                start,
                is_empty,
                position: self.event_start,
            }));
        }
    }

    /// Reads to the end of `tag`, which must not contain anything.
    pub(super) fn nothing(&mut self, tag: &Tag<'i>) -> Result<(), ClixmlError> {
        let text = self.text(tag)?;
        if text.trim_ascii().is_empty() {
            Ok(())
        } else {
            Err(tag.bad_text("nothing", &text))
        }
    }

    /// Reads to the end of `tag`, which contains text only. XML's escapes are resolved,
    /// CLIXML's are not.
    pub(super) fn text(&mut self, tag: &Tag<'i>) -> Result<Cow<'i, str>, ClixmlError> {
        let mut text = Cow::Borrowed("");
        if tag.is_empty {
            return Ok(text);
        }
        loop {
            let part = match self.event()? {
                Event::Text(part) => part.xml10_content(),
                Event::CData(part) => part.xml10_content(),
                Event::GeneralRef(reference) => self.resolve(&reference)?,
                Event::End(_) => return Ok(text),
                other => return Err(self.unexpected("text", &other)),
            };
            if text.is_empty() {
                text = part;
            } else {
                text.to_mut().push_str(&part);
            }
        }
    }

    /// Checks that nothing follows the outermost element.
    pub(super) fn finish(&mut self) -> Result<(), ClixmlError> {
        match self.child(None)? {
            None => Ok(()),
            Some(tag) => {
                let found = format!("<{}>", excerpt(tag.name()));
                Err(tag.error(Kind::Unexpected {
                    expected: "the end of the input",
                    found,
                }))
            }
        }
    }

    /// An error at the event that was read last.
    pub(super) fn error(&self, kind: Kind) -> ClixmlError {
        ClixmlError {
            position: self.event_start,
            kind,
        }
    }

    /// The next event that matters: comments do not, and what could define entities is refused.
    fn event(&mut self) -> Result<Event<'i>, ClixmlError> {
        loop {
            self.event_start = self.position();
            match self.reader.read_event() {
                Ok(Event::Comment(_)) => {}
                Ok(Event::DocType(_)) => return Err(self.forbidden("document type declaration")),
                Ok(Event::PI(_)) => return Err(self.forbidden("processing instruction")),
                Ok(event) => return Ok(event),
                Err(error) => return Err(self.malformed(&error)),
            }
        }
    }

    fn resolve(&self, reference: &BytesRef<'i>) -> Result<Cow<'i, str>, ClixmlError> {
        if let Some(character) = reference
            .resolve_char_ref()
            .map_err(|error| self.malformed(&error))?
        {
            return Ok(character.to_string().into());
        }
        match resolve_xml_entity(reference) {
            Some(text) => Ok(text.into()),
            None => Err(self.forbidden("reference to an entity that xml does not define")),
        }
    }

    fn forbidden(&self, what: &'static str) -> ClixmlError {
        self.error(Kind::Forbidden { what })
    }

    fn malformed(&self, error: &XmlError) -> ClixmlError {
        let position = self.skipped + offset(self.reader.error_position());
        let kind = Kind::Malformed {
            reason: excerpt(&error.to_string()),
        };
        ClixmlError {
            position: position.max(self.event_start),
            kind,
        }
    }

    fn unexpected(&self, expected: &'static str, event: &Event<'i>) -> ClixmlError {
        let found = match event {
            Event::Start(tag) | Event::Empty(tag) => {
                format!("<{}>", excerpt(tag.name().into_inner()))
            }
            Event::End(tag) => format!("</{}>", excerpt(tag.name().into_inner())),
            Event::Text(text) => format!("text {:?}", excerpt(text)),
            Event::CData(text) => format!("text {:?}", excerpt(text)),
            Event::GeneralRef(name) => format!("text \"&{};\"", excerpt(name)),
            Event::Decl(_) => "an xml declaration that is not at the start".to_owned(),
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => "markup".to_owned(),
            Event::Eof => "the end of the input".to_owned(),
        };
        self.error(Kind::Unexpected { expected, found })
    }
}

/// A reader's offset: never beyond the input, which is in memory.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
