//! [`CommandQuery`] and [`CommandMetadata`]: which commands there are, and what they take
//! ([MS-PSRP] 2.2.2.14, 2.2.3.19 to 2.2.3.23).

use super::{MessageType, PsrpError};
use crate::clixml::{Base, Object, Value};

const KIND: MessageType = MessageType::GetCommandMetadata;

/// Which commands a client asks for (GET_COMMAND_METADATA).
#[derive(Debug, Clone, PartialEq)]
pub struct CommandQuery {
    /// Names, wildcards allowed.
    pub names: Vec<String>,
    /// Types of commands, as flags of 2.2.3.19: 1 alias, 2 function, 8 cmdlet, 16 external
    /// script, 32 application, …
    pub types: i32,
    /// Modules and snap-ins, wildcards allowed; none: all.
    pub namespaces: Vec<String>,
    /// Arguments that decide about dynamic parameters.
    pub arguments: Vec<Value>,
}

/// What a server tells of one command.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandMetadata {
    /// Its name.
    pub name: String,
    /// Its module or snap-in.
    pub namespace: Option<String>,
    /// Where help is.
    pub help_uri: Option<String>,
    /// Its type, one of the flags of [`CommandQuery::types`].
    pub command_type: i64,
    /// What an alias stands for.
    pub resolved_name: Option<String>,
    /// Names of the types that it gives.
    pub output_types: Vec<String>,
    /// Its parameters.
    pub parameters: Vec<ParameterMetadata>,
}

/// What a server tells of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterMetadata {
    /// Its name.
    pub name: String,
    /// Full name of its type.
    pub type_name: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// Whether it is a switch.
    pub is_switch: bool,
    /// Whether it is there only under circumstances.
    pub is_dynamic: bool,
}

impl CommandQuery {
    /// Every type of command.
    pub const ALL_TYPES: i32 = 0x1ff;

    /// Commands of every type by their names, wildcards allowed.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            types: Self::ALL_TYPES,
            namespaces: Vec::new(),
            arguments: Vec::new(),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let texts = |texts: &[String]| -> Value {
            let items = texts.iter().map(|text| text.as_str().into()).collect();
            Object::new()
                .with_types(["System.String[]", "System.Array", "System.Object"])
                .with_base(Base::List(items))
                .into()
        };
        let namespaces = match self.namespaces.as_slice() {
            [] => Value::Null,
            names => texts(names),
        };
        let arguments = match self.arguments.as_slice() {
            [] => Value::Null,
            values => values.to_vec().into(),
        };
        Object::new()
            .with_note("Name", texts(&self.names))
            .with_note("CommandType", self.types)
            .with_note("Namespace", namespaces)
            .with_note("ArgumentList", arguments)
            .into()
    }

    pub(super) fn from_value(value: &Value) -> Result<Self, PsrpError> {
        let property = |property, expected| PsrpError::Property {
            kind: KIND,
            property,
            expected,
        };
        let types = value.get("CommandType").and_then(Value::as_i64);
        Ok(Self {
            names: texts(value.get("Name")),
            types: types
                .and_then(|types| i32::try_from(types).ok())
                .ok_or(property("CommandType", "a number of 32 bits"))?,
            namespaces: texts(value.get("Namespace")),
            arguments: items(value.get("ArgumentList")).to_vec(),
        })
    }
}

impl CommandMetadata {
    /// Reads one of the objects that follow the count; `None` if it is something else, as the
    /// count is.
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::text);
        let parameters = value.get("Parameters").and_then(Value::as_object);
        let parameters = parameters.and_then(Object::entries).unwrap_or_default();
        Some(Self {
            name: text("Name")?,
            namespace: text("Namespace"),
            help_uri: text("HelpUri"),
            command_type: value.get("CommandType").and_then(Value::as_i64)?,
            resolved_name: text("ResolvedCommandName"),
            output_types: texts(value.get("OutputType")),
            parameters: parameters
                .iter()
                .filter_map(|(key, value)| ParameterMetadata::from_entry(key, value))
                .collect(),
        })
    }
}

impl ParameterMetadata {
    fn from_entry(key: &Value, value: &Value) -> Option<Self> {
        let flag = |name| value.get(name).and_then(Value::as_bool).unwrap_or(false);
        let type_name = value.get("ParameterType").and_then(Value::text);
        Some(Self {
            name: value.get("Name").unwrap_or(key).text()?,
            type_name: type_name.unwrap_or_default(),
            aliases: texts(value.get("Aliases")),
            is_switch: flag("SwitchParameter"),
            is_dynamic: flag("IsDynamic"),
        })
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::items).unwrap_or_default()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    items(value).iter().filter_map(Value::text).collect()
}
