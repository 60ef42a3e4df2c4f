//! Records of the streams as CLIXML: errors, warnings and their like, progress
//! ([MS-PSRP] 2.2.3.15, 2.2.3.16, 2.2.2.25).

use super::{ErrorCategory, ErrorRecord, MessageType, PsrpError};
use crate::clixml::{Object, ProgressRecord, Value};

impl ErrorRecord {
    /// An error of this program's own making: what a refused host call throws, what a simulated
    /// cmdlet reports. `exception_type` is its full name.
    pub fn new(error_id: &str, category: i32, exception_type: &str, message: &str) -> Self {
        Self {
            message: message.into(),
            error_id: error_id.into(),
            category: ErrorCategory::new(category),
            exception_type: exception_type.into(),
            target: None,
            raw: Value::Null,
        }
    }

    /// The record on the wire: as it was received if it was, else made of its parts, without
    /// invocation information.
    pub fn to_value(&self) -> Value {
        if self.raw != Value::Null {
            return self.raw.clone();
        }
        let reason = self.exception_type.rsplit('.').next().unwrap_or_default();
        let exception = Object::new()
            .with_types([
                self.exception_type.as_str(),
                "System.Exception",
                "System.Object",
            ])
            .with_string([self.exception_type.as_str(), ": ", &self.message].concat())
            .with("Message", self.message.as_str())
            .with("InnerException", Value::Null)
            .with("HelpLink", Value::Null)
            .with("Source", Value::Null);
        let target = self.target.as_deref();
        let target_type = if target.is_some() { "String" } else { "" };
        let activity = self
            .error_id
            .split_once(',')
            .map_or("", |(_, command)| command);
        let shown = [
            self.category.name,
            ": (",
            target.unwrap_or_default(),
            ":",
            target_type,
            ") [",
            activity,
            "], ",
            reason,
        ]
        .concat();
        Object::new()
            .with_types(["System.Management.Automation.ErrorRecord", "System.Object"])
            .with_string(self.message.as_str())
            .with_note("Exception", exception)
            .with_note("TargetObject", target.map_or(Value::Null, Value::from))
            .with_note("FullyQualifiedErrorId", self.error_id.as_str())
            .with_note("InvocationInfo", Value::Null)
            .with_note("ErrorCategory_Category", self.category.code)
            .with_note("ErrorCategory_Activity", activity)
            .with_note("ErrorCategory_Reason", reason)
            .with_note("ErrorCategory_TargetName", target.unwrap_or_default())
            .with_note("ErrorCategory_TargetType", target_type)
            .with_note("ErrorCategory_Message", shown)
            .with_note("SerializeExtendedInfo", false)
            .into()
    }

    /// Reads a record. Whatever it lacks stays empty: an error that is told badly is still one.
    pub fn from_value(value: &Value) -> Self {
        let text = |name| {
            value
                .get(name)
                .and_then(Value::text)
                .filter(|text| !text.is_empty())
        };
        let exception = value.get("Exception");
        let message = text("ErrorDetails_Message")
            .or_else(|| {
                exception
                    .and_then(|e| e.get("Message"))
                    .and_then(Value::text)
            })
            .or_else(|| value.text())
            .or_else(|| exception.and_then(Value::text));
        let types = exception
            .and_then(Value::as_object)
            .and_then(|e| e.type_names.clone());
        let exception_type = types
            .as_deref()
            .and_then(|names| names.first())
            .map(|name| bare(name).to_owned());
        let code = value.get("ErrorCategory_Category").and_then(Value::as_i64);
        Self {
            message: message.unwrap_or_default(),
            error_id: text("FullyQualifiedErrorId").unwrap_or_default(),
            category: ErrorCategory::new(
                code.and_then(|c| i32::try_from(c).ok()).unwrap_or_default(),
            ),
            exception_type: exception_type
                .or_else(|| text("ErrorCategory_Reason"))
                .unwrap_or_default(),
            target: text("TargetObject").or_else(|| text("ErrorCategory_TargetName")),
            raw: value.clone(),
        }
    }
}

fn bare(type_name: &str) -> &str {
    type_name.strip_prefix("Deserialized.").unwrap_or(type_name)
}

/// A warning, verbose or debug record of that message.
pub(super) fn informational(kind: MessageType, message: &str) -> Value {
    let type_name = match kind {
        MessageType::WarningRecord => "System.Management.Automation.WarningRecord",
        MessageType::VerboseRecord => "System.Management.Automation.VerboseRecord",
        _ => "System.Management.Automation.DebugRecord",
    };
    Object::new()
        .with_types([
            type_name,
            "System.Management.Automation.InformationalRecord",
            "System.Object",
        ])
        .with_string(message)
        .with_note("InformationalRecord_Message", message)
        .with_note("InformationalRecord_SerializeInvocationInfo", false)
        .into()
}

/// The message of a warning, verbose or debug record.
pub(super) fn informational_message(value: &Value) -> String {
    let message = value
        .get("InformationalRecord_Message")
        .and_then(Value::text);
    message.or_else(|| value.text()).unwrap_or_default()
}

pub(super) fn progress(record: &ProgressRecord) -> Value {
    let completed = record.record_type.eq_ignore_ascii_case("Completed");
    let kind = Object::enumeration(
        "System.Management.Automation.ProgressRecordType",
        if completed { "Completed" } else { "Processing" },
        completed.into(),
    );
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    Object::new()
        .with_note("Activity", record.activity.as_str())
        .with_note("ActivityId", record.activity_id)
        .with_note("StatusDescription", text(&record.status))
        .with_note("CurrentOperation", text(&record.current_operation))
        .with_note("ParentActivityId", record.parent_activity_id)
        .with_note("PercentComplete", record.percent)
        .with_note("Type", kind)
        .with_note("SecondsRemaining", record.seconds_remaining)
        .into()
}

pub(super) fn progress_from(value: &Value) -> Result<ProgressRecord, PsrpError> {
    if let Value::Progress(record) = value {
        return Ok((**record).clone());
    }
    let integer = |property| -> Result<i32, PsrpError> {
        let error = PsrpError::Property {
            kind: MessageType::ProgressRecord,
            property,
            expected: "an integer",
        };
        let number = value
            .get(property)
            .and_then(Value::as_i64)
            .ok_or(error.clone())?;
        i32::try_from(number).map_err(|_| error)
    };
    let text = |name| value.get(name).and_then(Value::text);
    Ok(ProgressRecord {
        activity: text("Activity").unwrap_or_default(),
        activity_id: integer("ActivityId")?,
        current_operation: text("CurrentOperation"),
        parent_activity_id: integer("ParentActivityId")?,
        percent: integer("PercentComplete")?,
        record_type: text("Type").unwrap_or_else(|| "Processing".into()),
        seconds_remaining: integer("SecondsRemaining")?,
        status: text("StatusDescription"),
    })
}
