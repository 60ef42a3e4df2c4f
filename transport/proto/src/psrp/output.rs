//! What a pipeline gave back: records of all streams in order, and the state it ended in.

use crate::clixml::{ProgressRecord, Value};

/// Everything a pipeline gave, in order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineOutput {
    /// Records of every stream, in order.
    pub records: Vec<Record>,
    /// How it ended.
    pub state: PipelineState,
}

/// One record of one stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// PIPELINE_OUTPUT
    Output(Value),
    /// ERROR_RECORD
    Error(ErrorRecord),
    /// WARNING_RECORD: its message
    Warning(String),
    /// VERBOSE_RECORD: its message
    Verbose(String),
    /// DEBUG_RECORD: its message
    Debug(String),
    /// INFORMATION_RECORD: the whole record
    Information(Value),
    /// PROGRESS_RECORD
    Progress(ProgressRecord),
    /// A host call that the client refused
    HostCall(HostCall),
}

/// A call of the server to the client's host ([MS-PSRP] 2.2.3.17), such as a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct HostCall {
    /// Call id; 0 or less expects no answer ([MS-PSRP] 2.2.2.27).
    pub call_id: i64,
    /// Method number, as the section lists them: 23 is `Prompt`, 26 `PromptForChoice`.
    pub method: i32,
    /// Name of the method, as far as known.
    pub method_name: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// Final state of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum PipelineState {
    /// Ran to its end; non-terminating errors are among the records.
    Completed,
    /// Stopped on request.
    Stopped(Option<ErrorRecord>),
    /// Ended by a terminating error.
    Failed(ErrorRecord),
}

/// An error record ([MS-PSRP] 2.2.3.15).
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorRecord {
    /// The exception's message, in the server's language: for people, never matched.
    pub message: String,
    /// `FullyQualifiedErrorId`, for example
    /// `PathNotFound,Microsoft.PowerShell.Commands.GetContentCommand`.
    pub error_id: String,
    /// Category.
    pub category: ErrorCategory,
    /// Full name of the exception's type, without `Deserialized.`.
    pub exception_type: String,
    /// Text of the target object, where it has one.
    pub target: Option<String>,
    /// The whole record as received.
    pub raw: Value,
}

/// `ErrorCategory` of an error record ([MS-PSRP] 2.2.3.15, `ErrorCategory_Category`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCategory {
    /// Number, for example 13 for `ObjectNotFound`.
    pub code: i32,
    /// Name, `ErrorCategory_Reason` excluded.
    pub name: &'static str,
}

impl ErrorCategory {
    /// The category with that number; unknown numbers keep it and are named `Unknown`.
    pub fn new(code: i32) -> Self {
        const NAMES: [&str; 32] = [
            "NotSpecified",
            "OpenError",
            "CloseError",
            "DeviceError",
            "DeadlockDetected",
            "InvalidArgument",
            "InvalidData",
            "InvalidOperation",
            "InvalidResult",
            "InvalidType",
            "MetadataError",
            "NotImplemented",
            "NotInstalled",
            "ObjectNotFound",
            "OperationStopped",
            "OperationTimeout",
            "SyntaxError",
            "ParserError",
            "PermissionDenied",
            "ResourceBusy",
            "ResourceExists",
            "ResourceUnavailable",
            "ReadError",
            "WriteError",
            "FromStdErr",
            "SecurityError",
            "ProtocolError",
            "ConnectionError",
            "AuthenticationError",
            "LimitsExceeded",
            "QuotaExceeded",
            "NotEnabled",
        ];
        let name = usize::try_from(code)
            .ok()
            .and_then(|i| NAMES.get(i))
            .copied()
            .unwrap_or("Unknown");
        Self { code, name }
    }
}

impl PipelineOutput {
    /// The objects of the output stream.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.records.iter().filter_map(|record| match record {
            Record::Output(value) => Some(value),
            _ => None,
        })
    }

    /// The error records: those of the error stream, then the one that ended the pipeline.
    pub fn errors(&self) -> impl Iterator<Item = &ErrorRecord> {
        let terminating = match &self.state {
            PipelineState::Failed(error) => Some(error),
            PipelineState::Stopped(error) => error.as_ref(),
            PipelineState::Completed => None,
        };
        self.records
            .iter()
            .filter_map(|record| match record {
                Record::Error(error) => Some(error),
                _ => None,
            })
            .chain(terminating)
    }

    /// Whether the pipeline completed without a single error record.
    pub fn is_clean(&self) -> bool {
        self.errors().next().is_none() && self.state == PipelineState::Completed
    }
}

impl ErrorRecord {
    /// The part of the error id before the comma: `PathNotFound`.
    pub fn id(&self) -> &str {
        self.error_id.split(',').next().unwrap_or(&self.error_id)
    }
}
