//! [`Object`]: an `<Obj>` element with everything in it.

use std::sync::Arc;

use super::Value;

/// An object ([MS-PSRP] 2.2.5.2): type names, string form, base value or container, adapted
/// and extended properties, each in the order received.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object {
    /// `<TN>`, most derived type first; `None` if the element was absent. Objects that shared
    /// a `<TNRef>` share the `Arc`.
    pub type_names: Option<Arc<[String]>>,
    /// `<ToString>`
    pub to_string: Option<String>,
    /// Base value or container.
    pub base: Base,
    /// `<Props>`: adapted properties
    pub adapted: Vec<(String, Value)>,
    /// `<MS>`: extended properties; a member set among them is a [`Value::MemberSet`]
    pub extended: Vec<(String, Value)>,
    /// The parts in the order received, where this is not what [`Part::STANDARD`] and the
    /// fields above say: another order, or an empty `<Props>` or `<MS>`.
    pub received_order: Option<Box<[Part]>>,
}

/// A part of an `<Obj>` element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `<TN>` or `<TNRef>`
    TypeNames,
    /// `<ToString>`
    ToString,
    /// Base value or container
    Base,
    /// `<Props>`
    Adapted,
    /// `<MS>`
    Extended,
}

impl Part {
    /// All parts in the order in which PowerShell writes them.
    pub const STANDARD: [Self; 5] = [
        Self::TypeNames,
        Self::ToString,
        Self::Base,
        Self::Adapted,
        Self::Extended,
    ];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TypeNames => "<TN>",
            Self::ToString => "<ToString>",
            Self::Base => "base value",
            Self::Adapted => "<Props>",
            Self::Extended => "<MS>",
        })
    }
}

/// What an object wraps.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Base {
    /// Nothing: properties only.
    #[default]
    None,
    /// A single value: enums carry their number, decorated strings their text, an object
    /// wrapped in another one that object.
    Primitive(Value),
    /// `<LST>`
    List(Vec<Value>),
    /// `<IE>`
    Enumerable(Vec<Value>),
    /// `<STK>`
    Stack(Vec<Value>),
    /// `<QUE>`
    Queue(Vec<Value>),
    /// `<DCT>`: key and value of each entry
    Dictionary(Vec<(Value, Value)>),
}

impl Object {
    /// An object without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// An `ArrayList` of `items`.
    pub fn list(items: Vec<Value>) -> Self {
        Self::new()
            .with_types(["System.Collections.ArrayList", "System.Object"])
            .with_base(Base::List(items))
    }

    /// A `Hashtable` of `entries`.
    pub fn hashtable(entries: Vec<(Value, Value)>) -> Self {
        Self::new()
            .with_types(["System.Collections.Hashtable", "System.Object"])
            .with_base(Base::Dictionary(entries))
    }

    /// An enum value as the wire carries it: type names, name, number.
    pub fn enumeration(type_name: &str, name: &str, number: i32) -> Self {
        Self::new()
            .with_types([
                type_name,
                "System.Enum",
                "System.ValueType",
                "System.Object",
            ])
            .with_string(name)
            .with_base(Base::Primitive(Value::Int32(number)))
    }

    /// Sets the type names.
    #[must_use]
    pub fn with_types<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.type_names = Some(names.into_iter().map(String::from).collect());
        self
    }

    /// Sets the string form.
    #[must_use]
    pub fn with_string(mut self, text: impl Into<String>) -> Self {
        self.to_string = Some(text.into());
        self
    }

    /// Sets the base value.
    #[must_use]
    pub fn with_base(mut self, base: Base) -> Self {
        self.base = base;
        self
    }

    /// Appends an adapted property.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.adapted.push((name.into(), value.into()));
        self
    }

    /// Appends an extended property (a note).
    #[must_use]
    pub fn with_note(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extended.push((name.into(), value.into()));
        self
    }

    /// Property `name` (case-insensitive), adapted before extended.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let named = |(key, _): &&(String, Value)| key.eq_ignore_ascii_case(name);
        self.adapted
            .iter()
            .find(named)
            .or_else(|| self.extended.iter().find(named))
            .map(|(_, value)| value)
    }

    /// Whether one of the type names is `name`, as such or deserialized.
    pub fn is(&self, name: &str) -> bool {
        self.type_names
            .as_deref()
            .unwrap_or_default()
            .iter()
            .any(|t| {
                t.strip_prefix("Deserialized.")
                    .unwrap_or(t)
                    .eq_ignore_ascii_case(name)
            })
    }

    /// The entries of a dictionary.
    pub fn entries(&self) -> Option<&[(Value, Value)]> {
        match &self.base {
            Base::Dictionary(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether the object has that part, empty or not counted as absent.
    fn has(&self, part: Part) -> bool {
        match part {
            Part::TypeNames => self.type_names.is_some(),
            Part::ToString => self.to_string.is_some(),
            Part::Base => self.base != Base::None,
            Part::Adapted => !self.adapted.is_empty(),
            Part::Extended => !self.extended.is_empty(),
        }
    }

    /// Remembers the order in which the parts came, if it says more than the parts do.
    pub(super) fn keep_order(&mut self, order: Vec<Part>) {
        let is_standard = order.is_sorted() && order.iter().all(|part| self.has(*part));
        self.received_order = (!is_standard).then(|| order.into());
    }

    /// The parts to write, in order: as received, then those that came to be later.
    pub(super) fn order(&self) -> impl Iterator<Item = Part> {
        let received = self.received_order.as_deref().unwrap_or_default();
        let added = move |part: &Part| self.has(*part) && !received.contains(part);
        received
            .iter()
            .copied()
            .chain(Part::STANDARD.into_iter().filter(added))
    }
}
