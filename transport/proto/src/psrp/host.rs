//! [`HostCall`] and [`HostResponse`]: what a server asks of the client's host, and the answer
//! ([MS-PSRP] 2.2.2.15, 2.2.2.16, 2.2.2.27, 2.2.2.28).

use super::{ErrorRecord, HostCall, MessageType, PsrpError};
use crate::clixml::{Object, Value};

/// The answer to a host call.
#[derive(Debug, Clone, PartialEq)]
pub struct HostResponse {
    /// Id of the call.
    pub call_id: i64,
    /// Number of its method.
    pub method: i32,
    /// The value that the method returns, or the exception that it throws.
    pub result: Result<Value, Box<ErrorRecord>>,
}

/// Names of the methods, by number, from 1 on ([MS-PSRP] 2.2.3.17).
const METHODS: [&str; 56] = [
    "GetName",
    "GetVersion",
    "GetInstanceId",
    "GetCurrentCulture",
    "GetCurrentUICulture",
    "SetShouldExit",
    "EnterNestedPrompt",
    "ExitNestedPrompt",
    "NotifyBeginApplication",
    "NotifyEndApplication",
    "ReadLine",
    "ReadLineAsSecureString",
    "Write1",
    "Write2",
    "WriteLine1",
    "WriteLine2",
    "WriteLine3",
    "WriteErrorLine",
    "WriteDebugLine",
    "WriteProgress",
    "WriteVerboseLine",
    "WriteWarningLine",
    "Prompt",
    "PromptForCredential1",
    "PromptForCredential2",
    "PromptForChoice",
    "GetForegroundColor",
    "SetForegroundColor",
    "GetBackgroundColor",
    "SetBackgroundColor",
    "GetCursorPosition",
    "SetCursorPosition",
    "GetWindowPosition",
    "SetWindowPosition",
    "GetCursorSize",
    "SetCursorSize",
    "GetBufferSize",
    "SetBufferSize",
    "GetWindowSize",
    "SetWindowSize",
    "GetWindowTitle",
    "SetWindowTitle",
    "GetMaxWindowSize",
    "GetMaxPhysicalWindowSize",
    "GetKeyAvailable",
    "ReadKey",
    "FlushInputBuffer",
    "SetBufferContents1",
    "SetBufferContents2",
    "GetBufferContents",
    "ScrollBufferContents",
    "PushRunspace",
    "PopRunspace",
    "GetIsRunspacePushed",
    "GetRunspace",
    "PromptForChoiceMultipleSelection",
];

fn method_name(number: i32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    METHODS.get(index).copied()
}

impl HostCall {
    /// A call of the method of that name in [MS-PSRP] 2.2.3.17, such as `PromptForChoice`; `None`
    /// if there is no such method.
    pub fn new(method: &str, arguments: Vec<Value>) -> Option<Self> {
        let number = METHODS.iter().position(|name| *name == method)? + 1;
        let method_name = method.to_owned();
        Some(Self {
            call_id: 1,
            method: i32::try_from(number).ok()?,
            method_name,
            arguments,
        })
    }

    /// The question of `PromptForChoice`, in the form in which Windows sends it ([MS-PSRP] 2.2.6):
    /// each choice has its label, an ampersand before its key, and its help; `default` is the
    /// index of the one that Enter takes.
    pub fn prompt_for_choice(
        caption: &str,
        message: &str,
        choices: &[(&str, &str)],
        default: i32,
    ) -> Self {
        let choice = |(label, help): &(&str, &str)| -> Value {
            Object::new()
                .with_note("label", *label)
                .with_note("helpMessage", *help)
                .into()
        };
        let choices: Vec<Value> = choices.iter().map(choice).collect();
        Self {
            call_id: 1,
            method: 26,
            method_name: "PromptForChoice".into(),
            arguments: vec![
                caption.into(),
                message.into(),
                choices.into(),
                default.into(),
            ],
        }
    }

    /// Whether the server waits for an answer.
    pub fn wants_answer(&self) -> bool {
        self.call_id > 0
    }

    pub(super) fn to_value(&self) -> Value {
        Object::new()
            .with_note("ci", self.call_id)
            .with_note("mi", method_id(self.method))
            .with_note("mp", self.arguments.clone())
            .into()
    }

    pub(super) fn from_value(kind: MessageType, value: &Value) -> Result<Self, PsrpError> {
        let (call_id, method) = call_of(kind, value)?;
        let name = value
            .get("mi")
            .and_then(Value::text)
            .filter(|text| text.parse::<i32>().is_err());
        Ok(Self {
            call_id,
            method,
            method_name: name
                .or_else(|| method_name(method).map(Into::into))
                .unwrap_or_default(),
            arguments: value
                .get("mp")
                .and_then(Value::items)
                .map(<[Value]>::to_vec)
                .unwrap_or_default(),
        })
    }
}

impl HostResponse {
    /// The method that was called gives `value`.
    pub fn value(call: &HostCall, value: Value) -> Self {
        Self {
            call_id: call.call_id,
            method: call.method,
            result: Ok(value),
        }
    }

    /// The method that was called throws: what a server hears that asks anything of a client
    /// without a host. Its pipeline fails, or goes on, as its commands see fit.
    pub fn refusal(call: &HostCall) -> Self {
        let message = "the client has no host that could answer";
        let mut error = ErrorRecord::new(
            "HostFunctionNotImplemented",
            11,
            "System.Management.Automation.Host.HostException",
            message,
        );
        error.target = Some(call.method_name.clone());
        Self {
            call_id: call.call_id,
            method: call.method,
            result: Err(Box::new(error)),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let response = Object::new()
            .with_note("ci", self.call_id)
            .with_note("mi", method_id(self.method));
        match &self.result {
            Ok(value) => response.with_note("mr", value.clone()).into(),
            Err(error) => response.with_note("me", error.to_value()).into(),
        }
    }

    pub(super) fn from_value(kind: MessageType, value: &Value) -> Result<Self, PsrpError> {
        let (call_id, method) = call_of(kind, value)?;
        let result = match value.get("me") {
            Some(error) if *error != Value::Null => Err(Box::new(ErrorRecord::from_value(error))),
            _ => Ok(value.get("mr").cloned().unwrap_or(Value::Null)),
        };
        Ok(Self {
            call_id,
            method,
            result,
        })
    }
}

fn call_of(kind: MessageType, value: &Value) -> Result<(i64, i32), PsrpError> {
    let integer = |property| {
        let number = value.get(property).and_then(Value::as_i64);
        number.ok_or(PsrpError::Property {
            kind,
            property,
            expected: "an integer",
        })
    };
    let method = i32::try_from(integer("mi")?);
    Ok((
        integer("ci")?,
        method.map_err(|_| PsrpError::Property {
            kind,
            property: "mi",
            expected: "a method",
        })?,
    ))
}

fn method_id(number: i32) -> Object {
    let type_name = "System.Management.Automation.Remoting.RemoteHostMethodId";
    let name = method_name(number).map_or_else(|| number.to_string(), Into::into);
    Object::enumeration(type_name, &name, number)
}
