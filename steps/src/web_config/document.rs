//! [`Document`]: where in the text of a configuration file the parts are that matter here.
//!
//! Positions only; nothing is kept that could be written back. The reader of quick-xml does the
//! parsing; what XML demands beyond it (one root, known entities, legal characters, blanks
//! between attributes) is checked here, because .NET checks it and a file that .NET refuses must
//! not be touched.

use std::ops::Range;

use quick_xml::XmlVersion;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::reader::Reader;

use super::text::Encoding;
use super::{Occurrence, Position, WebConfigError};

/// Span of bytes of the decoded text.
pub(super) type Span = Range<usize>;

/// The parts of a configuration file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// `configuration`
    pub(super) root: Element,
    /// Start of the root's first child element.
    pub(super) first_child: Option<usize>,
    /// End of `configSections`, which must stay the first child.
    pub(super) sections_end: Option<usize>,
    /// `configuration/appSettings`
    pub(super) settings: Option<Settings>,
    /// Wanted keys in places where they are without effect.
    pub(super) misplaced: Vec<Occurrence>,
}

/// An element's tags.
#[derive(Debug, Default, Clone)]
pub(super) struct Element {
    /// Start tag, or the whole of an empty-element tag.
    pub(super) open: Span,
    /// End tag; `None` for an empty-element tag.
    pub(super) close: Option<Span>,
}

/// `appSettings` and what is in it.
#[derive(Debug)]
pub(super) struct Settings {
    /// Its tags.
    pub(super) element: Element,
    /// Its child elements, in order.
    pub(super) entries: Vec<Entry>,
}

/// A child element of `appSettings`.
#[derive(Debug)]
pub(super) struct Entry {
    /// Start tag to end tag.
    pub(super) span: Span,
    /// What it does.
    pub(super) kind: Kind,
}

/// What a child of `appSettings` does.
#[derive(Debug)]
pub(super) enum Kind {
    /// `add`: gives `key` a value.
    Add {
        /// The key.
        key: Attribute,
        /// The value; without one .NET takes the empty text.
        value: Option<Attribute>,
    },
    /// `remove`: forgets what `add` gave this key before.
    Remove(String),
    /// `clear`: forgets everything before.
    Clear,
    /// Anything else.
    Other,
}

/// An attribute.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    name: String,
    /// The value, entities resolved and blanks normalised.
    pub(super) value: String,
    /// The characters between the quotes.
    pub(super) span: Span,
}

/// Reads `text`; `keys` are those to be looked for in wrong places.
pub(super) fn scan(
    encoding: Encoding,
    text: &str,
    keys: &[&str],
) -> Result<Document, WebConfigError> {
    if let Some((offset, char)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        return Err(not_well_formed(
            text,
            offset,
            format!("character U+{:04X}", u32::from(char)),
        ));
    }
    if text.starts_with('\u{feff}') {
        return Err(not_well_formed(text, 0, "second byte order mark".into()));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut state = Scan {
        text,
        encoding,
        keys,
        stack: Vec::new(),
        root_seen: false,
        document: Document::default(),
    };
    loop {
        let start = offset(reader.buffer_position());
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                return Err(not_well_formed(
                    text,
                    offset(reader.error_position()),
                    error.to_string(),
                ));
            }
        };
        let span = start..offset(reader.buffer_position());
        if matches!(event, Event::Eof) {
            return state.finish();
        }
        state.event(&event, span)?;
    }
}

/// Positions of a reader over a `str` fit its length.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

fn not_well_formed(text: &str, offset: usize, detail: String) -> WebConfigError {
    WebConfigError::NotWellFormed {
        at: Position::of(text, offset),
        detail,
    }
}

/// XML 1.0, production 2.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// XML 1.0, production 5, with all of the letters beyond ASCII.
fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    name.starts_with(first)
        && name
            .chars()
            .all(|c| first(c) || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

struct Scan<'t> {
    text: &'t str,
    encoding: Encoding,
    keys: &'t [&'t str],
    /// Names of the open elements, the root first.
    stack: Vec<String>,
    root_seen: bool,
    document: Document,
}

impl Scan<'_> {
    fn event(&mut self, event: &Event<'_>, span: Span) -> Result<(), WebConfigError> {
        let outside = self.stack.is_empty();
        match event {
            Event::Start(tag) => {
                self.element(tag, &span, false)?;
                self.stack.push(tag.name().0.to_owned());
            }
            Event::Empty(tag) => self.element(tag, &span, true)?,
            Event::End(_) => self.end(&span),
            Event::Decl(declaration) => self.declaration(declaration, &span)?,
            Event::DocType(_) => {
                return Err(WebConfigError::DocumentType {
                    at: Position::of(self.text, span.start),
                });
            }
            Event::GeneralRef(reference) => {
                let known = match reference.resolve_char_ref() {
                    Ok(Some(c)) => is_xml_char(c),
                    Ok(None) => matches!(
                        &*reference.xml10_content(),
                        "amp" | "lt" | "gt" | "quot" | "apos"
                    ),
                    Err(_) => false,
                };
                if outside || !known {
                    return Err(
                        self.error(span.start, "reference to an unknown entity or character")
                    );
                }
            }
            Event::Text(_) => {
                let content = self.text.get(span.clone()).unwrap_or_default();
                if outside && !content.bytes().all(|byte| byte.is_ascii_whitespace()) {
                    return Err(self.error(span.start, "text outside of the root element"));
                }
                if let Some(at) = content.find("]]>") {
                    return Err(self.error(span.start + at, "\"]]>\" in text"));
                }
            }
            Event::CData(_) if outside => {
                return Err(self.error(span.start, "CDATA section outside of the root element"));
            }
            Event::PI(instruction) if !is_name(instruction.target()) => {
                return Err(self.error(span.start, "processing instruction without a name"));
            }
            Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn error(&self, offset: usize, detail: &str) -> WebConfigError {
        not_well_formed(self.text, offset, detail.into())
    }

    fn declaration(&self, declaration: &BytesDecl<'_>, span: &Span) -> Result<(), WebConfigError> {
        if span.start != 0 {
            return Err(self.error(span.start, "XML declaration that is not at the very start"));
        }
        if declaration.version().is_ok_and(|version| version != "1.0") {
            return Err(self.error(0, "version of XML other than 1.0"));
        }
        let declared = declaration
            .encoding()
            .transpose()
            .map_err(|e| self.error(0, &e.to_string()))?;
        match (declaration.version(), declared) {
            (Err(error), _) => Err(self.error(0, &error.to_string())),
            (Ok(_), Some(name)) if !self.encoding.may_declare(&name, self.text) => {
                Err(WebConfigError::Encoding {
                    at: Position::of(self.text, 0),
                    declared: name.into_owned(),
                    actual: self.encoding.name(),
                })
            }
            (Ok(_), _) => Ok(()),
        }
    }

    /// Whether the innermost open element is `configuration/appSettings`.
    fn in_settings(&self) -> bool {
        self.stack.len() == 2 && self.stack.get(1).is_some_and(|name| name == "appSettings")
    }

    fn element(
        &mut self,
        tag: &BytesStart<'_>,
        span: &Span,
        empty: bool,
    ) -> Result<(), WebConfigError> {
        let qname = tag.name();
        let name = qname.0;
        if !is_name(name) {
            return Err(self.error(span.start, "element without a valid name"));
        }
        let attributes = self.attributes(tag, span)?;
        let element = Element {
            open: span.clone(),
            close: None,
        };
        match self.stack.len() {
            0 => {
                if std::mem::replace(&mut self.root_seen, true) {
                    return Err(self.error(span.start, "second root element"));
                }
                if name != "configuration" {
                    let at = Position::of(self.text, span.start);
                    return Err(WebConfigError::Root {
                        at,
                        found: name.into(),
                    });
                }
                self.document.root = element;
            }
            1 => {
                self.document.first_child.get_or_insert(span.start);
                match name {
                    "configSections" if empty => self.document.sections_end = Some(span.end),
                    "appSettings" => self.settings(element, &attributes)?,
                    _ => {}
                }
            }
            _ if self.in_settings() => {
                let entry = Entry {
                    span: span.clone(),
                    kind: kind(name, attributes),
                };
                if let Some(settings) = &mut self.document.settings {
                    settings.entries.push(entry);
                }
            }
            _ => self.note_misplaced(name, &attributes, span),
        }
        Ok(())
    }

    fn settings(
        &mut self,
        element: Element,
        attributes: &[Attribute],
    ) -> Result<(), WebConfigError> {
        let at = Position::of(self.text, element.open.start);
        if let Some(first) = &self.document.settings {
            let first = Position::of(self.text, first.element.open.start);
            return Err(WebConfigError::SecondAppSettings { at, first });
        }
        let elsewhere = ["file", "configSource", "configProtectionProvider"];
        if let Some(found) = attributes
            .iter()
            .find(|a| elsewhere.contains(&a.name.as_str()) && !a.value.is_empty())
        {
            let (attribute, value) = (found.name.clone(), found.value.clone());
            return Err(WebConfigError::Elsewhere {
                at,
                attribute,
                value,
            });
        }
        self.document.settings = Some(Settings {
            element,
            entries: Vec::new(),
        });
        Ok(())
    }

    fn note_misplaced(&mut self, name: &str, attributes: &[Attribute], span: &Span) {
        let key = attributes
            .iter()
            .find(|a| a.name == "key")
            .map(|a| &a.value);
        let wanted = |key: &&String| self.keys.iter().any(|k| k.eq_ignore_ascii_case(key));
        if let (true, Some(key)) = (name.eq_ignore_ascii_case("add"), key.filter(wanted)) {
            self.document.misplaced.push(Occurrence {
                key: key.clone(),
                place: self.stack.join("/"),
                at: Position::of(self.text, span.start),
            });
        }
    }

    fn end(&mut self, span: &Span) {
        let name = self.stack.pop();
        match (self.stack.len(), name.as_deref()) {
            (0, _) => self.document.root.close = Some(span.clone()),
            (1, Some("configSections")) => self.document.sections_end = Some(span.end),
            (1, Some("appSettings")) => {
                if let Some(settings) = &mut self.document.settings {
                    settings.element.close = Some(span.clone());
                }
            }
            (2, _) if self.in_settings() => {
                if let Some(entry) = self
                    .document
                    .settings
                    .as_mut()
                    .and_then(|s| s.entries.last_mut())
                {
                    entry.span.end = span.end;
                }
            }
            _ => {}
        }
    }

    fn attributes(
        &self,
        tag: &BytesStart<'_>,
        span: &Span,
    ) -> Result<Vec<Attribute>, WebConfigError> {
        let mut found = Vec::new();
        // The tag's content starts behind its `<`; everything between attributes must be blank.
        let content = span.start + 1;
        let mut previous_end = content + tag.name().0.len();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| {
                let at = match error {
                    AttrError::ExpectedEq(at)
                    | AttrError::ExpectedValue(at)
                    | AttrError::UnquotedValue(at)
                    | AttrError::ExpectedQuote(at, _)
                    | AttrError::Duplicated(at, _) => at,
                };
                self.error(content + at, &error.to_string())
            })?;
            let key = self.locate(attribute.key.0, span)?;
            let value = self.locate(&attribute.value, span)?;
            let gap = self.text.get(previous_end..key.start).unwrap_or_default();
            if gap.is_empty() || !gap.bytes().all(|byte| byte.is_ascii_whitespace()) {
                return Err(self.error(key.start, "no blank before an attribute"));
            }
            if !is_name(attribute.key.0) {
                return Err(self.error(key.start, "attribute without a valid name"));
            }
            if let Some(at) = attribute.value.find('<') {
                return Err(self.error(value.start + at, "\"<\" in the value of an attribute"));
            }
            let text = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|error| self.error(value.start, &error.to_string()))?
                .into_owned();
            if !text.chars().all(is_xml_char) {
                return Err(self.error(
                    value.start,
                    "reference to a character that XML does not allow",
                ));
            }
            previous_end = value.end + 1;
            found.push(Attribute {
                name: attribute.key.0.into(),
                value: text,
                span: value,
            });
        }
        Ok(found)
    }

    /// The span of `part`, which the reader borrowed from within the tag at `tag`.
    fn locate(&self, part: &str, tag: &Span) -> Result<Span, WebConfigError> {
        part.as_ptr()
            .addr()
            .checked_sub(self.text.as_ptr().addr())
            .map(|start| start..start + part.len())
            .filter(|span| tag.start <= span.start && span.end <= tag.end)
            .ok_or_else(|| self.error(tag.start, "attribute that cannot be located"))
    }

    fn finish(self) -> Result<Document, WebConfigError> {
        match self.stack.last() {
            Some(name) => {
                Err(self.error(self.text.len(), &format!("element {name:?} is not closed")))
            }
            None if !self.root_seen => Err(self.error(self.text.len(), "no root element")),
            None => Ok(self.document),
        }
    }
}

/// Element names are case-sensitive, as in .NET.
fn kind(name: &str, attributes: Vec<Attribute>) -> Kind {
    let mut key = None;
    let mut value = None;
    for attribute in attributes {
        match attribute.name.as_str() {
            "key" => key = Some(attribute),
            "value" => value = Some(attribute),
            _ => {}
        }
    }
    match (name, key) {
        ("add", Some(key)) => Kind::Add { key, value },
        ("remove", Some(key)) => Kind::Remove(key.value),
        ("clear", _) => Kind::Clear,
        _ => Kind::Other,
    }
}
