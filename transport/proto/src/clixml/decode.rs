//! From CLIXML text to [`Value`]s ([MS-PSRP] 2.2.5).
//!
//! One pass over the text, no tree in between. Every reference is resolved as it is met: to
//! the shared object, or to [`Value::Ancestor`] where the object is still open. Recursion is
//! bounded by [`Limits::depth`].

use std::sync::Arc;

use super::cursor::{Cursor, Tag};
use super::error::{ClixmlError, ClixmlErrorKind as Kind, LimitKind};
use super::limits::Limits;
use super::object::{Base, Object, Part};
use super::references::{Insert, ReferenceTable};
use super::session_key::SessionKey;
use super::{SecureString, Value, escape, primitive};

/// Decodes one serialized value, the body of a PSRP message: one element, possibly after a
/// byte order mark.
pub fn decode(xml: &str, limits: &Limits) -> Result<Value, ClixmlError> {
    decode_with(xml, limits, None)
}

/// [`decode`], with secrets decrypted by `key`. Without one they stay as they came:
/// [`Value::SecureString`].
pub fn decode_with<'i>(
    xml: &'i str,
    limits: &Limits,
    key: Option<&'i SessionKey>,
) -> Result<Value, ClixmlError> {
    let mut decoder = Decoder::new(xml, limits)?;
    decoder.key = key;
    let Some(tag) = decoder.cursor.child(None)? else {
        return Err(decoder.missing("an element"));
    };
    let value = decoder.unnamed(&tag, 1)?;
    decoder.cursor.finish()?;
    Ok(value)
}

/// [`decode`] for the bytes of a message.
pub fn decode_bytes(bytes: &[u8], limits: &Limits) -> Result<Value, ClixmlError> {
    match std::str::from_utf8(bytes) {
        Ok(xml) => decode(xml, limits),
        Err(error) => Err(ClixmlError {
            position: error.valid_up_to(),
            kind: Kind::NotUtf8,
        }),
    }
}

/// Decodes an `<Objs>` document, as `Export-Clixml` writes it: any number of values, which may
/// refer to one another.
pub fn decode_document(xml: &str, limits: &Limits) -> Result<Vec<Value>, ClixmlError> {
    let mut decoder = Decoder::new(xml, limits)?;
    let Some(root) = decoder.cursor.child(None)? else {
        return Err(decoder.missing("<Objs>"));
    };
    if root.name() != "Objs" {
        return Err(root.unknown("<Objs>", "document"));
    }
    root.each_attribute(|key, value| match key {
        "Version" if value.starts_with("1.") => Ok(()),
        "Version" => Err(root.bad_text("a Version attribute of 1.x", &value)),
        _ => Err(root.unknown_attribute(key)),
    })?;
    let values = decoder.items(&root, 1)?;
    decoder.cursor.finish()?;
    Ok(values)
}

/// Type names that a `<TNRef>` may refer to.
struct TypeNames {
    names: Arc<[String]>,
    size: u64,
}

/// An object that a `<Ref>` may refer to.
enum Slot {
    /// Still being read; the number of objects open around it, itself included.
    Open(usize),
    Done {
        object: Arc<Object>,
        /// Bytes of its text with all references written out.
        size: u64,
        /// Levels of values in it, itself included, references followed.
        height: usize,
    },
}

struct Decoder<'i> {
    cursor: Cursor<'i>,
    limits: Limits,
    /// Decrypts secrets.
    key: Option<&'i SessionKey>,
    objects: ReferenceTable<Slot>,
    type_names: ReferenceTable<TypeNames>,
    /// Objects that are open now.
    open: usize,
    references: usize,
    /// Bytes that the references so far stand for.
    referred: u64,
    /// The deepest level reached since this was set last.
    deepest: usize,
}

impl<'i> Decoder<'i> {
    fn new(xml: &'i str, limits: &Limits) -> Result<Self, ClixmlError> {
        Ok(Self {
            cursor: Cursor::new(xml, limits)?,
            limits: limits.clone(),
            key: None,
            objects: ReferenceTable::default(),
            type_names: ReferenceTable::default(),
            open: 0,
            references: 0,
            referred: 0,
            deepest: 0,
        })
    }

    fn missing(&self, expected: &'static str) -> ClixmlError {
        self.cursor.error(Kind::Unexpected {
            expected,
            found: "the end of the input".to_owned(),
        })
    }

    /// A value that has no name: an element of a list, a base value, a message.
    fn unnamed(&mut self, tag: &Tag<'i>, level: usize) -> Result<Value, ClixmlError> {
        match self.value(tag, level)? {
            (None, value) => Ok(value),
            (Some(_), _) => Err(tag.unknown_attribute("N")),
        }
    }

    /// A value at `level`, and its name.
    fn value(
        &mut self,
        tag: &Tag<'i>,
        level: usize,
    ) -> Result<(Option<String>, Value), ClixmlError> {
        self.check_depth(level)?;
        let attributes = tag.attributes()?;
        let value = match tag.name() {
            "Obj" => self.object(tag, attributes.ref_id, level)?,
            "Ref" => self.reference(tag, attributes.ref_id, level)?,
            _ if attributes.ref_id.is_some() => return Err(tag.unknown_attribute("RefId")),
            "PR" => Value::Progress(Box::new(primitive::progress(&mut self.cursor, tag)?)),
            _ => match (primitive::value(&mut self.cursor, tag)?, self.key) {
                (Value::SecureString(SecureString(text)), Some(key)) => {
                    let secret = key.decrypt(&text).ok_or_else(|| {
                        tag.bad_text("text that the session key opens", "text that it does not")
                    })?;
                    Value::Secret(secret)
                }
                (value, _) => value,
            },
        };
        Ok((attributes.name, value))
    }

    fn object(
        &mut self,
        tag: &Tag<'i>,
        ref_id: Option<u64>,
        level: usize,
    ) -> Result<Value, ClixmlError> {
        self.open += 1;
        if let Some(id) = ref_id
            && self.objects.insert(id, Slot::Open(self.open)) == Insert::Taken
        {
            return Err(tag.error(Kind::DuplicateReference { element: "Obj", id }));
        }
        let referred_before = self.referred;
        let deepest_before = std::mem::replace(&mut self.deepest, level);

        let object = Arc::new(self.parts(tag, level)?);

        self.open -= 1;
        if let Some(id) = ref_id {
            let own = (self.cursor.position() - tag.position) as u64;
            let slot = Slot::Done {
                object: Arc::clone(&object),
                size: own.saturating_add(self.referred - referred_before),
                height: self.deepest - level + 1,
            };
            self.objects.replace(id, slot);
        }
        self.deepest = self.deepest.max(deepest_before);
        Ok(Value::Object(object))
    }

    /// Everything within an `<Obj>`.
    fn parts(&mut self, tag: &Tag<'i>, level: usize) -> Result<Object, ClixmlError> {
        let mut object = Object::new();
        let mut order = Vec::with_capacity(Part::STANDARD.len());
        while let Some(child) = self.cursor.child(Some(tag))? {
            let part = match child.name() {
                "TN" | "TNRef" => Part::TypeNames,
                "ToString" => Part::ToString,
                "Props" => Part::Adapted,
                "MS" => Part::Extended,
                _ => Part::Base,
            };
            if order.contains(&part) {
                return Err(child.error(Kind::Repeated {
                    what: part.to_string(),
                }));
            }
            order.push(part);
            if matches!(part, Part::ToString | Part::Adapted | Part::Extended) {
                no_attributes(&child)?;
            }
            match part {
                Part::TypeNames => object.type_names = Some(self.type_names(&child)?),
                Part::ToString => {
                    object.to_string = Some(escape::decode(self.cursor.text(&child)?));
                }
                Part::Adapted => object.adapted = self.members(&child, level + 1, false)?,
                Part::Extended => object.extended = self.members(&child, level + 1, true)?,
                Part::Base => object.base = self.base(&child, level + 1)?,
            }
        }
        object.keep_order(order);
        Ok(object)
    }

    fn type_names(&mut self, tag: &Tag<'i>) -> Result<Arc<[String]>, ClixmlError> {
        let attributes = tag.attributes()?;
        if attributes.name.is_some() {
            return Err(tag.unknown_attribute("N"));
        }
        if tag.name() == "TNRef" {
            self.cursor.nothing(tag)?;
            let id = attributes.ref_id.ok_or_else(|| missing_ref_id(tag))?;
            let Some(known) = self.type_names.get(id) else {
                return Err(tag.error(Kind::UnknownReference {
                    element: "TNRef",
                    id,
                }));
            };
            let (names, size) = (Arc::clone(&known.names), known.size);
            self.count_reference(tag, size)?;
            return Ok(names);
        }
        let mut names = Vec::with_capacity(4);
        while let Some(child) = self.cursor.child(Some(tag))? {
            if child.name() != "T" {
                return Err(child.unknown("<T>", "TN"));
            }
            no_attributes(&child)?;
            names.push(escape::decode(self.cursor.text(&child)?));
        }
        let names: Arc<[String]> = names.into();
        if let Some(id) = attributes.ref_id {
            let size = (self.cursor.position() - tag.position) as u64;
            if self.type_names.insert(
                id,
                TypeNames {
                    names: Arc::clone(&names),
                    size,
                },
            ) == Insert::Taken
            {
                return Err(tag.error(Kind::DuplicateReference { element: "TN", id }));
            }
        }
        Ok(names)
    }

    fn base(&mut self, tag: &Tag<'i>, level: usize) -> Result<Base, ClixmlError> {
        let list = match tag.name() {
            "DCT" => {
                no_attributes(tag)?;
                return Ok(Base::Dictionary(self.entries(tag, level)?));
            }
            "LST" => Base::List,
            "IE" => Base::Enumerable,
            "STK" => Base::Stack,
            "QUE" => Base::Queue,
            _ => return Ok(Base::Primitive(self.unnamed(tag, level)?)),
        };
        no_attributes(tag)?;
        Ok(list(self.items(tag, level)?))
    }

    fn items(&mut self, tag: &Tag<'i>, level: usize) -> Result<Vec<Value>, ClixmlError> {
        let mut items = Vec::new();
        while let Some(child) = self.cursor.child(Some(tag))? {
            items.push(self.unnamed(&child, level)?);
        }
        Ok(items)
    }

    fn entries(&mut self, tag: &Tag<'i>, level: usize) -> Result<Vec<(Value, Value)>, ClixmlError> {
        let mut entries = Vec::new();
        while let Some(entry) = self.cursor.child(Some(tag))? {
            if entry.name() != "En" {
                return Err(entry.unknown("<En>", "DCT"));
            }
            no_attributes(&entry)?;
            let key = self.half(&entry, "Key", "an element with N=\"Key\"", level)?;
            let value = self.half(&entry, "Value", "an element with N=\"Value\"", level)?;
            if let Some(third) = self.cursor.child(Some(&entry))? {
                return Err(third.unknown("a key and a value only", "En"));
            }
            entries.push((key, value));
        }
        Ok(entries)
    }

    /// The key or the value of a dictionary's entry.
    fn half(
        &mut self,
        entry: &Tag<'i>,
        role: &str,
        expected: &'static str,
        level: usize,
    ) -> Result<Value, ClixmlError> {
        let Some(tag) = self.cursor.child(Some(entry))? else {
            return Err(entry.error(Kind::Unexpected {
                expected,
                found: "the end of <En>".to_owned(),
            }));
        };
        match self.value(&tag, level)? {
            (Some(name), value) if name == role => Ok(value),
            (name, _) => {
                let found = format!("<{}> with N={:?}", tag.name(), name.unwrap_or_default());
                Err(tag.error(Kind::Unexpected { expected, found }))
            }
        }
    }

    /// Named values; among extended ones also member sets, which are nested `<MS>`.
    fn members(
        &mut self,
        tag: &Tag<'i>,
        level: usize,
        with_sets: bool,
    ) -> Result<Vec<(String, Value)>, ClixmlError> {
        let mut members = Vec::new();
        while let Some(child) = self.cursor.child(Some(tag))? {
            let (name, value) = if with_sets && child.name() == "MS" {
                self.check_depth(level)?;
                let attributes = child.attributes()?;
                if attributes.ref_id.is_some() {
                    return Err(child.unknown_attribute("RefId"));
                }
                (
                    attributes.name,
                    Value::MemberSet(self.members(&child, level + 1, true)?),
                )
            } else {
                self.value(&child, level)?
            };
            let Some(name) = name else {
                let kind = Kind::MissingAttribute {
                    element: child.name().to_owned(),
                    attribute: "N",
                };
                return Err(child.error(kind));
            };
            members.push((name, value));
        }
        Ok(members)
    }

    fn reference(
        &mut self,
        tag: &Tag<'i>,
        ref_id: Option<u64>,
        level: usize,
    ) -> Result<Value, ClixmlError> {
        self.cursor.nothing(tag)?;
        let id = ref_id.ok_or_else(|| missing_ref_id(tag))?;
        let (object, size, height) = match self.objects.get(id) {
            Some(Slot::Done {
                object,
                size,
                height,
            }) => (Arc::clone(object), *size, *height),
            Some(Slot::Open(opened)) => {
                let ancestor = self.open - opened;
                self.count_reference(tag, 0)?;
                return Ok(Value::Ancestor(ancestor));
            }
            None => return Err(tag.error(Kind::UnknownReference { element: "Ref", id })),
        };
        self.count_reference(tag, size)?;
        self.check_depth(level + height - 1)?;
        Ok(Value::Object(object))
    }

    fn count_reference(&mut self, tag: &Tag<'i>, size: u64) -> Result<(), ClixmlError> {
        let exceeded = |what, allowed| Err(tag.error(Kind::LimitExceeded { what, allowed }));
        self.references += 1;
        if self.references > self.limits.references {
            return exceeded(LimitKind::References, self.limits.references as u64);
        }
        self.referred = self.referred.saturating_add(size);
        if self.referred.saturating_add(self.cursor.position() as u64) > self.limits.expanded {
            return exceeded(LimitKind::Expanded, self.limits.expanded);
        }
        Ok(())
    }

    fn check_depth(&mut self, level: usize) -> Result<(), ClixmlError> {
        let allowed = self.limits.effective_depth();
        if level > allowed {
            return Err(self.cursor.error(Kind::LimitExceeded {
                what: LimitKind::Depth,
                allowed: allowed as u64,
            }));
        }
        self.deepest = self.deepest.max(level);
        Ok(())
    }
}

fn missing_ref_id(tag: &Tag<'_>) -> ClixmlError {
    tag.error(Kind::MissingAttribute {
        element: tag.name().to_owned(),
        attribute: "RefId",
    })
}

fn no_attributes(tag: &Tag<'_>) -> Result<(), ClixmlError> {
    tag.each_attribute(|key, _| Err(tag.unknown_attribute(key)))
}
