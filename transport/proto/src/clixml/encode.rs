//! From [`Value`]s to CLIXML text, as PowerShell writes it ([MS-PSRP] 2.2.5).
//!
//! Objects and type name lists are numbered in document order, each with a counter of its own.
//! An object met again (the same `Arc`) becomes a `<Ref>`; a type name list met again, by its
//! content, a `<TNRef>`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesStart, BytesText, Event};
use quick_xml::writer::Writer;

use super::object::{Base, Object, Part};
use super::session_key::{NoSessionKey, SessionKey};
use super::{Value, escape, primitive};

const NAMESPACE: &str = "http://schemas.microsoft.com/powershell/2004/04";
const VERSION: &str = "1.1.0.1";

/// Serializes one value: the body of a PSRP message, without a byte order mark.
///
/// A [`Value::Ancestor`] that leads out of `value` has nothing to refer to and is written as
/// null, and so is a [`Value::Secret`]: see [`encode_with`].
pub fn encode(value: &Value) -> String {
    let mut encoder = Encoder::default();
    encoder.value(value, None);
    encoder.finish()
}

/// [`encode`], with secrets encrypted by `key`. A value that holds one is not written without.
pub fn encode_with(value: &Value, key: Option<&SessionKey>) -> Result<String, NoSessionKey> {
    let mut encoder = Encoder {
        key,
        ..Encoder::default()
    };
    encoder.value(value, None);
    if encoder.left_out {
        return Err(NoSessionKey);
    }
    Ok(encoder.finish())
}

/// Serializes values into one `<Objs>` document, as `Export-Clixml` does.
pub fn encode_document(values: &[Value]) -> String {
    let mut encoder = Encoder::default();
    let mut root = BytesStart::new("Objs");
    root.push_attribute(("Version", VERSION));
    root.push_attribute(("xmlns", NAMESPACE));
    encoder.within(&root, |encoder| {
        for value in values {
            encoder.value(value, None);
        }
    });
    encoder.finish()
}

struct Encoder<'v> {
    writer: Writer<Vec<u8>>,
    objects: u64,
    /// Ids of the objects that may be met again.
    shared: HashMap<*const Object, u64>,
    /// Ids of the objects that are open, outermost first.
    open: Vec<u64>,
    type_names: HashMap<&'v [String], u64>,
    /// Encrypts secrets.
    key: Option<&'v SessionKey>,
    /// Whether a secret was met without a key.
    left_out: bool,
}

impl Default for Encoder<'_> {
    fn default() -> Self {
        Self {
            writer: Writer::new(Vec::new()),
            objects: 0,
            shared: HashMap::new(),
            open: Vec::new(),
            type_names: HashMap::new(),
            key: None,
            left_out: false,
        }
    }
}

impl<'v> Encoder<'v> {
    fn finish(self) -> String {
        String::from_utf8(self.writer.into_inner()).expect("only strings were written")
    }

    fn value(&mut self, value: &'v Value, name: Option<&str>) {
        match value {
            Value::Null => self.empty(tag("Nil", name)),
            Value::Object(object) => self.object(object, name),
            Value::Ancestor(above) => match self.open.iter().rev().nth(*above) {
                Some(id) => self.empty(with_id(tag("Ref", name), *id)),
                None => self.empty(tag("Nil", name)),
            },
            Value::Secret(secret) => {
                if let Some(key) = self.key {
                    self.text(tag("SS", name), key.encrypt(secret).into());
                } else {
                    self.left_out = true;
                    self.empty(tag("Nil", name));
                }
            }
            Value::MemberSet(members) => self.members(&tag("MS", name), members),
            Value::Progress(record) => self.within(&tag("PR", name), |encoder| {
                for (element, text) in primitive::progress_elements(record) {
                    match text {
                        Some(text) => encoder.text(BytesStart::new(element), text),
                        None => encoder.empty(BytesStart::new(element)),
                    }
                }
            }),
            _ => {
                if let Some((element, text)) = primitive::element(value) {
                    self.text(tag(element, name), text);
                }
            }
        }
    }

    fn object(&mut self, object: &'v Arc<Object>, name: Option<&str>) {
        // an object that only this value owns cannot be met again
        let may_come_again = Arc::strong_count(object) > 1;
        if may_come_again && let Some(id) = self.shared.get(&Arc::as_ptr(object)) {
            return self.empty(with_id(tag("Ref", name), *id));
        }
        let id = self.objects;
        self.objects += 1;
        if may_come_again {
            self.shared.insert(Arc::as_ptr(object), id);
        }
        self.open.push(id);
        self.within(&with_id(tag("Obj", name), id), |encoder| {
            for part in object.order() {
                encoder.part(object, part);
            }
        });
        self.open.pop();
    }

    fn part(&mut self, object: &'v Object, part: Part) {
        match part {
            Part::TypeNames => {
                if let Some(names) = &object.type_names {
                    self.type_names(names);
                }
            }
            Part::ToString => {
                if let Some(text) = &object.to_string {
                    self.text(BytesStart::new("ToString"), escape::encode(text));
                }
            }
            Part::Base => self.base(&object.base),
            Part::Adapted => self.members(&BytesStart::new("Props"), &object.adapted),
            Part::Extended => self.members(&BytesStart::new("MS"), &object.extended),
        }
    }

    fn type_names(&mut self, names: &'v [String]) {
        if let Some(id) = self.type_names.get(names) {
            return self.empty(with_id(BytesStart::new("TNRef"), *id));
        }
        let id = self.type_names.len() as u64;
        self.type_names.insert(names, id);
        self.within(&with_id(BytesStart::new("TN"), id), |encoder| {
            for name in names {
                encoder.text(BytesStart::new("T"), escape::encode(name));
            }
        });
    }

    fn base(&mut self, base: &'v Base) {
        let (element, items) = match base {
            Base::None => return,
            Base::Primitive(value) => return self.value(value, None),
            Base::Dictionary(entries) => {
                return self.within(&BytesStart::new("DCT"), |encoder| {
                    for (key, value) in entries {
                        encoder.within(&BytesStart::new("En"), |encoder| {
                            encoder.value(key, Some("Key"));
                            encoder.value(value, Some("Value"));
                        });
                    }
                });
            }
            Base::List(items) => ("LST", items),
            Base::Enumerable(items) => ("IE", items),
            Base::Stack(items) => ("STK", items),
            Base::Queue(items) => ("QUE", items),
        };
        self.within(&BytesStart::new(element), |encoder| {
            for item in items {
                encoder.value(item, None);
            }
        });
    }

    fn members(&mut self, start: &BytesStart<'static>, members: &'v [(String, Value)]) {
        self.within(start, |encoder| {
            for (name, value) in members {
                encoder.value(value, Some(name));
            }
        });
    }

    /// Writes an element and, between its tags, whatever `content` writes.
    fn within(&mut self, start: &BytesStart<'static>, content: impl FnOnce(&mut Self)) {
        self.put(Event::Start(start.borrow()));
        content(self);
        self.put(Event::End(start.to_end()));
    }

    /// Writes an element with text, which carries CLIXML's escapes but not yet XML's.
    fn text(&mut self, start: BytesStart<'static>, text: Cow<'_, str>) {
        if text.is_empty() {
            return self.empty(start);
        }
        self.put(Event::Start(start.borrow()));
        self.put(Event::Text(BytesText::from_escaped(partial_escape(text))));
        self.put(Event::End(start.to_end()));
    }

    fn empty(&mut self, start: BytesStart<'static>) {
        self.put(Event::Empty(start));
    }

    fn put(&mut self, event: Event<'_>) {
        self.writer
            .write_event(event)
            .expect("writing to memory does not fail");
    }
}

fn tag(element: &'static str, name: Option<&str>) -> BytesStart<'static> {
    let mut start = BytesStart::new(element);
    if let Some(name) = name {
        start.push_attribute(("N", escape::encode(name).as_ref()));
    }
    start
}

fn with_id(mut start: BytesStart<'static>, id: u64) -> BytesStart<'static> {
    start.push_attribute(("RefId", id.to_string().as_str()));
    start
}
