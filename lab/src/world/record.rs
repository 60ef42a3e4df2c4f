//! [`CallRecord`]: one command that reached the lab, as `calls.ndjson` has it.

use jiff::Timestamp;
use owaim_inventory::catalogue::{Kind, Parameter};
use owaim_proto::clixml::Value;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::values::hex;

/// One command, after it ran.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CallRecord {
    pub(crate) time: Timestamp,
    pub(crate) host: String,
    /// `windows`, `exchange`, `lync`, `lync-local`
    pub(crate) endpoint: &'static str,
    pub(crate) user: String,
    pub(crate) session: Uuid,
    /// Canonical name, or the program as it was called.
    pub(crate) cmdlet: String,
    /// Arguments by name; no secrets, no file content.
    pub(crate) parameters: Json,
    /// Whether it could have changed the site.
    pub(crate) changes: bool,
    /// Whether it did.
    pub(crate) effect: bool,
    /// `ok`, or the id of the first error.
    pub(crate) result: String,
}

/// Takes the records down, in order of arrival.
pub(crate) trait Recorder: Send + Sync {
    /// Takes one record down.
    fn call(&self, record: &CallRecord);
}

impl Recorder for crate::server::Recorder {
    fn call(&self, record: &CallRecord) {
        self.write(record);
    }
}

/// `value` for a record: bytes as length and hash, secrets as stars.
pub(super) fn shown(parameter: Option<&Parameter>, value: &Value) -> Json {
    if parameter.is_some_and(|p| p.kind == Kind::Secret) || is_secret(value) {
        return "***".into();
    }
    match value {
        Value::Null | Value::Ancestor(_) => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Bytes(bytes) => {
            json!({ "bytes": bytes.len(), "sha256": hex(&Sha256::digest(bytes)) })
        }
        _ => {
            if let Some(bytes) = value.as_bytes().filter(|bytes| bytes.len() > 64) {
                return json!({ "bytes": bytes.len(), "sha256": hex(&Sha256::digest(&bytes)) });
            }
            if let Some(items) = value.items() {
                return items.iter().map(|item| shown(None, item)).collect();
            }
            if let Some(entries) = value.as_object().and_then(|o| o.entries()) {
                let entry =
                    |(k, v): &(Value, Value)| (k.text().unwrap_or_default(), shown(None, v));
                return Json::Object(entries.iter().map(entry).collect::<Map<_, _>>());
            }
            match (value.as_i64(), value.as_bool()) {
                (Some(number), _) => number.into(),
                (_, Some(flag)) => flag.into(),
                _ => value.text().map_or(Json::Null, Json::from),
            }
        }
    }
}

fn is_secret(value: &Value) -> bool {
    match value {
        Value::SecureString(_) | Value::Secret(_) => true,
        Value::Object(object) => object.is("System.Management.Automation.PSCredential"),
        _ => false,
    }
}
