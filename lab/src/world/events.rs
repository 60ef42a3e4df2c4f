//! [`Event`]: what stands in a server's event log.

use jiff::Timestamp;
use owaim_proto::clixml::{Base, Object, Value};
use serde::{Deserialize, Serialize};

use super::values;

/// Provider of OWA's events.
pub(crate) const OWA: &str = "MSExchange OWA";
/// Category of the messaging events.
pub(crate) const MESSAGING: i32 = 9;

/// Severity, numbered as event logs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Level {
    Error = 2,
    Warning = 3,
    Information = 4,
}

/// One record of an event log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Log it stands in.
    pub(crate) log: String,
    /// Number within the log.
    pub(crate) record: i64,
    pub(crate) provider: String,
    pub(crate) id: i32,
    pub(crate) level: Level,
    /// Category.
    pub(crate) task: i32,
    pub(crate) time: Timestamp,
    pub(crate) message: String,
}

impl Event {
    /// Its fields under the names that the XML form of an event has.
    pub(super) fn field(&self, element: &str, attribute: Option<&str>) -> Option<Field> {
        Some(match (element, attribute) {
            ("Provider", Some("Name")) => Field::Text(self.provider.clone()),
            ("EventID", None) => Field::Number(i64::from(self.id)),
            ("Level", None) => Field::Number(self.level as i64),
            ("Task", None) => Field::Number(i64::from(self.task)),
            ("EventRecordID", None) => Field::Number(self.record),
            ("Channel", None) => Field::Text(self.log.clone()),
            ("TimeCreated", Some("SystemTime")) => Field::Time(self.time),
            _ => return None,
        })
    }

    /// As `Get-WinEvent` gives it.
    pub(super) fn record(&self, machine: &str) -> Value {
        let level = format!("{:?}", self.level);
        let keywords = Object::new()
            .with_types([
                "System.Collections.ObjectModel.ReadOnlyCollection`1[[System.String]]",
                "System.Object",
            ])
            .with_base(Base::List(vec!["Classic".into()]));
        Object::new()
            .with_types([
                "System.Diagnostics.Eventing.Reader.EventLogRecord",
                "System.Diagnostics.Eventing.Reader.EventRecord",
                "System.Object",
            ])
            .with_string("System.Diagnostics.Eventing.Reader.EventLogRecord")
            .with("Id", self.id)
            .with("Version", Value::Null)
            .with("Qualifiers", 16_384)
            .with("Level", Value::Byte(self.level as u8))
            .with("Task", self.task)
            .with("Opcode", Value::Null)
            .with("Keywords", 36_028_797_018_963_968_i64)
            .with("RecordId", self.record)
            .with("ProviderName", self.provider.as_str())
            .with("ProviderId", Value::Null)
            .with("LogName", self.log.as_str())
            .with("ProcessId", Value::Null)
            .with("ThreadId", Value::Null)
            .with("MachineName", machine)
            .with("UserId", Value::Null)
            .with("TimeCreated", values::local(self.time))
            .with("ActivityId", Value::Null)
            .with("RelatedActivityId", Value::Null)
            .with("ContainerLog", self.log.to_lowercase())
            .with("MatchedQueryIds", values::array(Vec::new()))
            .with(
                "Bookmark",
                "System.Diagnostics.Eventing.Reader.EventBookmark",
            )
            .with("LevelDisplayName", level)
            .with("OpcodeDisplayName", Value::Null)
            .with("TaskDisplayName", format!("({})", self.task))
            .with("KeywordsDisplayNames", keywords)
            .with("Properties", values::array(Vec::new()))
            .with_note("Message", self.message.as_str())
            .into()
    }

    /// As `Get-EventLog` gives it.
    pub(super) fn entry(&self, machine: &str) -> Value {
        let kind = format!("{:?}", self.level);
        let types = format!(
            "System.Diagnostics.EventLogEntry#{}/{}/{}",
            self.log, self.provider, self.id
        );
        Object::new()
            .with_types([
                types.as_str(),
                "System.Diagnostics.EventLogEntry",
                "System.ComponentModel.Component",
                "System.MarshalByRefObject",
                "System.Object",
            ])
            .with_string("System.Diagnostics.EventLogEntry")
            .with("MachineName", machine)
            .with("Data", Value::Bytes(Vec::new()))
            .with("Index", i32::try_from(self.record).unwrap_or(i32::MAX))
            .with("Category", format!("({})", self.task))
            .with(
                "CategoryNumber",
                Value::Int16(i16::try_from(self.task).unwrap_or_default()),
            )
            .with("EntryType", kind)
            .with("Message", self.message.as_str())
            .with("Source", self.provider.as_str())
            .with("ReplacementStrings", values::array(Vec::new()))
            .with("InstanceId", 0x4000_0000_i64 | i64::from(self.id))
            .with("TimeGenerated", values::local(self.time))
            .with("TimeWritten", values::local(self.time))
            .with("UserName", Value::Null)
            .with_note("EventID", self.id)
            .into()
    }
}

/// A field of an event, for comparison.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(super) enum Field {
    /// Text.
    Text(String),
    /// Number.
    Number(i64),
    /// Time.
    Time(Timestamp),
}

/// Appends an event to `events`, numbered within its log.
pub(crate) fn append(events: &mut Vec<Event>, mut event: Event) {
    event.record = events
        .iter()
        .filter(|e| e.log == event.log)
        .map(|e| e.record)
        .max()
        .unwrap_or(1000)
        + 1;
    events.push(event);
}
