//! [`Value`]: anything that CLIXML can carry.

use std::sync::Arc;

use uuid::Uuid;

use super::{Base, Object};
use crate::Secret;

/// One serialized value ([MS-PSRP] 2.2.5.1 for the primitive types).
///
/// Types whose text has more than one spelling (dates, durations, decimals) keep the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `<Nil/>`
    Null,
    /// `<S>`. A .NET string may hold an unpaired surrogate, a Rust string cannot: it is carried
    /// as the private-use character 0x100000 above it (U+10D800..=U+10DFFF) and written back as
    /// the surrogate. The same goes for every other text and name.
    String(String),
    /// `<C>`: a UTF-16 code unit
    Char(u16),
    /// `<B>`
    Bool(bool),
    /// `<DT>`: XML Schema dateTime text, as received
    DateTime(String),
    /// `<TS>`: XML Schema duration text, as received
    Duration(String),
    /// `<By>`
    Byte(u8),
    /// `<SB>`
    SByte(i8),
    /// `<U16>`
    UInt16(u16),
    /// `<I16>`
    Int16(i16),
    /// `<U32>`
    UInt32(u32),
    /// `<I32>`
    Int32(i32),
    /// `<U64>`
    UInt64(u64),
    /// `<I64>`
    Int64(i64),
    /// `<Sg>`
    Single(f32),
    /// `<Db>`
    Double(f64),
    /// `<D>`: decimal text, as received
    Decimal(String),
    /// `<BA>`
    Bytes(Vec<u8>),
    /// `<G>`
    Guid(Uuid),
    /// `<URI>`
    Uri(String),
    /// `<Version>`
    Version(String),
    /// `<XD>`
    XmlDocument(String),
    /// `<SBK>`
    ScriptBlock(String),
    /// `<SS>` as received without a session key: opaque
    SecureString(SecureString),
    /// `<SS>`: written only with a session key, see [`encode_with`](super::encode_with)
    Secret(Secret),
    /// `<PR>`
    Progress(Box<ProgressRecord>),
    /// `<Obj>`; a second `<Ref>` to the same object shares the `Arc`
    Object(Arc<Object>),
    /// `<MS N="…">` among extended properties: a member set. Has no meaning elsewhere.
    MemberSet(Vec<(String, Value)>),
    /// `<Ref>` to an object that encloses this value: 0 is the innermost enclosing one. In an
    /// object that is shared, counted from the place where it came first.
    Ancestor(usize),
}

/// The content of an `<SS>` element: cipher text, as received.
#[derive(Clone, PartialEq, Eq)]
pub struct SecureString(pub String);

impl std::fmt::Debug for SecureString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecureString(..)")
    }
}

/// A `<PR>` element ([MS-PSRP] 2.2.5.1.25).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProgressRecord {
    /// `AV`: activity
    pub activity: String,
    /// `AI`: activity id
    pub activity_id: i32,
    /// `S`/`Nil`: current operation
    pub current_operation: Option<String>,
    /// `PI`: parent activity id
    pub parent_activity_id: i32,
    /// `PC`: percent complete, -1 if unknown
    pub percent: i32,
    /// `T`: `Processing` or `Completed`
    pub record_type: String,
    /// `SR`: seconds remaining, -1 if unknown
    pub seconds_remaining: i32,
    /// `SD`: status
    pub status: Option<String>,
}

impl Value {
    /// The object, if this is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value without the object around it: the base value of an object that has one (a
    /// string with notes, an enum's number), else the value itself.
    pub fn base(&self) -> &Value {
        match self {
            Self::Object(object) => match &object.base {
                Base::Primitive(value) => value.base(),
                _ => self,
            },
            _ => self,
        }
    }

    /// Property `name` (case-insensitive), adapted before extended.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.get(name)
    }

    /// The text form, as PowerShell would show it: a string's text, a number's digits, an
    /// enum's name, an object's `ToString`. `None` for null and for objects without a string
    /// form.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null
            | Self::SecureString(_)
            | Self::Secret(_)
            | Self::Progress(_)
            | Self::MemberSet(_)
            | Self::Ancestor(_)
            | Self::Bytes(_) => return None,
            Self::String(s)
            | Self::DateTime(s)
            | Self::Duration(s)
            | Self::Decimal(s)
            | Self::Uri(s)
            | Self::Version(s)
            | Self::XmlDocument(s)
            | Self::ScriptBlock(s) => s.clone(),
            Self::Char(c) => String::from_utf16_lossy(&[*c]),
            Self::Bool(b) => if *b { "True" } else { "False" }.into(),
            Self::Byte(n) => n.to_string(),
            Self::SByte(n) => n.to_string(),
            Self::UInt16(n) => n.to_string(),
            Self::Int16(n) => n.to_string(),
            Self::UInt32(n) => n.to_string(),
            Self::Int32(n) => n.to_string(),
            Self::UInt64(n) => n.to_string(),
            Self::Int64(n) => n.to_string(),
            Self::Single(n) => n.to_string(),
            Self::Double(n) => n.to_string(),
            Self::Guid(g) => g.to_string(),
            Self::Object(object) => match (&object.to_string, &object.base) {
                (Some(text), _) => text.clone(),
                (None, Base::Primitive(value)) => return value.text(),
                _ => return None,
            },
        })
    }

    /// The integer, of any width, of this value or its base value.
    pub fn as_i64(&self) -> Option<i64> {
        Some(match self.base() {
            Self::Byte(n) => (*n).into(),
            Self::SByte(n) => (*n).into(),
            Self::UInt16(n) => (*n).into(),
            Self::Int16(n) => (*n).into(),
            Self::UInt32(n) => (*n).into(),
            Self::Int32(n) => (*n).into(),
            Self::UInt64(n) => i64::try_from(*n).ok()?,
            Self::Int64(n) => *n,
            _ => return None,
        })
    }

    /// The boolean of this value or its base value.
    pub fn as_bool(&self) -> Option<bool> {
        match self.base() {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The bytes: a byte array, or a list whose elements are all bytes (what
    /// `Get-Content -Encoding Byte -ReadCount 0` sends).
    pub fn as_bytes(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self.base() {
            Self::Bytes(bytes) => Some(bytes.as_slice().into()),
            other => {
                let items = other.items()?;
                let byte = |v: &Value| v.as_i64().and_then(|n| u8::try_from(n).ok());
                items
                    .iter()
                    .map(byte)
                    .collect::<Option<Vec<u8>>>()
                    .map(Into::into)
            }
        }
    }

    /// The elements of a list, stack, queue or enumerable.
    pub fn items(&self) -> Option<&[Value]> {
        match &self.as_object()?.base {
            Base::List(items)
            | Base::Enumerable(items)
            | Base::Stack(items)
            | Base::Queue(items) => Some(items),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Secret> for Value {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int32(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int64(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(Arc::new(object))
    }
}

/// A list as .NET serializes an `ArrayList`.
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Object::list(items).into()
    }
}
