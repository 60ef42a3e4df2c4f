//! [`Payload`]: the data of a message, typed ([MS-PSRP] 2.2.2).

use super::{
    CommandQuery, CreatePipeline, ErrorRecord, HostCall, HostInfo, HostResponse, MessageType,
    ProtocolVersion, PsrpError, record,
};
use crate::clixml::{self, Object, ProgressRecord, SessionKey, Value};

/// The data of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// 2.2.2.1 SESSION_CAPABILITY: the protocol version that the sender speaks
    SessionCapability(ProtocolVersion),
    /// 2.2.2.2 INIT_RUNSPACEPOOL
    InitRunspacePool(InitRunspacePool),
    /// 2.2.2.3 PUBLIC_KEY: its one property
    PublicKey(String),
    /// 2.2.2.4 ENCRYPTED_SESSION_KEY: its one property
    EncryptedSessionKey(String),
    /// 2.2.2.5 PUBLIC_KEY_REQUEST
    PublicKeyRequest,
    /// 2.2.2.6 SET_MAX_RUNSPACES: the number, and the call's id
    SetMaxRunspaces(i32, i64),
    /// 2.2.2.7 SET_MIN_RUNSPACES: the number, and the call's id
    SetMinRunspaces(i32, i64),
    /// 2.2.2.9 RUNSPACEPOOL_STATE
    RunspacePoolState(RunspacePoolState, Option<ErrorRecord>),
    /// 2.2.2.10 CREATE_PIPELINE
    CreatePipeline(Box<CreatePipeline>),
    /// 2.2.2.8 RUNSPACE_AVAILABILITY: call id and answer
    RunspaceAvailability(i64, Value),
    /// 2.2.2.11 GET_AVAILABLE_RUNSPACES: the call's id
    GetAvailableRunspaces(i64),
    /// 2.2.2.12 USER_EVENT
    UserEvent(Value),
    /// 2.2.2.13 APPLICATION_PRIVATE_DATA
    ApplicationPrivateData(Value),
    /// 2.2.2.14 GET_COMMAND_METADATA
    GetCommandMetadata(Box<CommandQuery>),
    /// 2.2.2.15 RUNSPACEPOOL_HOST_CALL
    RunspacePoolHostCall(HostCall),
    /// 2.2.2.16 RUNSPACEPOOL_HOST_RESPONSE
    RunspacePoolHostResponse(HostResponse),
    /// 2.2.2.17 PIPELINE_INPUT
    PipelineInput(Value),
    /// 2.2.2.18 END_OF_PIPELINE_INPUT
    EndOfPipelineInput,
    /// 2.2.2.19 PIPELINE_OUTPUT
    PipelineOutput(Value),
    /// 2.2.2.20 ERROR_RECORD
    Error(ErrorRecord),
    /// 2.2.2.21 PIPELINE_STATE
    PipelineState(PipelineRunState, Option<ErrorRecord>),
    /// 2.2.2.22 DEBUG_RECORD
    Debug(String),
    /// 2.2.2.23 VERBOSE_RECORD
    Verbose(String),
    /// 2.2.2.24 WARNING_RECORD
    Warning(String),
    /// 2.2.2.25 PROGRESS_RECORD
    Progress(ProgressRecord),
    /// 2.2.2.26 INFORMATION_RECORD
    Information(Value),
    /// 2.2.2.27 PIPELINE_HOST_CALL
    PipelineHostCall(HostCall),
    /// 2.2.2.28 PIPELINE_HOST_RESPONSE
    PipelineHostResponse(HostResponse),
    /// 2.2.2.29 CONNECT_RUNSPACEPOOL
    ConnectRunspacePool,
    /// 2.2.2.30 RUNSPACEPOOL_INIT_DATA: least and greatest number of runspaces
    RunspacePoolInitData(i32, i32),
    /// 2.2.2.31 RESET_RUNSPACE_STATE: the call's id
    ResetRunspaceState(i64),
    /// Any other message; `None` where it has no data.
    Other(MessageType, Option<Value>),
}

/// What a client asks of a new runspace pool.
#[derive(Debug, Clone, PartialEq)]
pub struct InitRunspacePool {
    /// Least number of runspaces.
    pub min_runspaces: i32,
    /// Greatest number of runspaces.
    pub max_runspaces: i32,
    /// The client's host.
    pub host: HostInfo,
    /// `$PSSenderInfo.ApplicationArguments`; null for none.
    pub arguments: Value,
}

impl Default for InitRunspacePool {
    /// One runspace, no host, no arguments.
    fn default() -> Self {
        Self {
            min_runspaces: 1,
            max_runspaces: 1,
            host: HostInfo::NONE,
            arguments: Value::Null,
        }
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $value:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($variant),* }

        impl $name {
            fn number(self) -> i32 {
                match self { $(Self::$variant => $value),* }
            }

            fn from_number(number: i64) -> Option<Self> {
                match number { $($value => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

states! {
    /// State of a runspace pool (2.2.3.4).
    RunspacePoolState {
        BeforeOpen = 0, Opening = 1, Opened = 2, Closed = 3, Closing = 4, Broken = 5,
        NegotiationSent = 6, NegotiationSucceeded = 7, Connecting = 8, Disconnected = 9,
    }
}

states! {
    /// State of a pipeline (2.2.3.5).
    PipelineRunState {
        NotStarted = 0, Running = 1, Stopping = 2, Stopped = 3, Completed = 4, Failed = 5, Disconnected = 6,
    }
}

impl Payload {
    /// The type of the message that carries it.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::SessionCapability(_) => MessageType::SessionCapability,
            Self::InitRunspacePool(_) => MessageType::InitRunspacePool,
            Self::PublicKey(_) => MessageType::PublicKey,
            Self::EncryptedSessionKey(_) => MessageType::EncryptedSessionKey,
            Self::PublicKeyRequest => MessageType::PublicKeyRequest,
            Self::SetMaxRunspaces(..) => MessageType::SetMaxRunspaces,
            Self::SetMinRunspaces(..) => MessageType::SetMinRunspaces,
            Self::GetAvailableRunspaces(_) => MessageType::GetAvailableRunspaces,
            Self::UserEvent(_) => MessageType::UserEvent,
            Self::GetCommandMetadata(_) => MessageType::GetCommandMetadata,
            Self::ConnectRunspacePool => MessageType::ConnectRunspacePool,
            Self::RunspacePoolInitData(..) => MessageType::RunspacePoolInitData,
            Self::ResetRunspaceState(_) => MessageType::ResetRunspaceState,
            Self::RunspacePoolState(..) => MessageType::RunspacePoolState,
            Self::CreatePipeline(_) => MessageType::CreatePipeline,
            Self::RunspaceAvailability(..) => MessageType::RunspaceAvailability,
            Self::ApplicationPrivateData(_) => MessageType::ApplicationPrivateData,
            Self::RunspacePoolHostCall(_) => MessageType::RunspacePoolHostCall,
            Self::RunspacePoolHostResponse(_) => MessageType::RunspacePoolHostResponse,
            Self::PipelineInput(_) => MessageType::PipelineInput,
            Self::EndOfPipelineInput => MessageType::EndOfPipelineInput,
            Self::PipelineOutput(_) => MessageType::PipelineOutput,
            Self::Error(_) => MessageType::ErrorRecord,
            Self::PipelineState(..) => MessageType::PipelineState,
            Self::Debug(_) => MessageType::DebugRecord,
            Self::Verbose(_) => MessageType::VerboseRecord,
            Self::Warning(_) => MessageType::WarningRecord,
            Self::Progress(_) => MessageType::ProgressRecord,
            Self::Information(_) => MessageType::InformationRecord,
            Self::PipelineHostCall(_) => MessageType::PipelineHostCall,
            Self::PipelineHostResponse(_) => MessageType::PipelineHostResponse,
            Self::Other(kind, _) => *kind,
        }
    }

    /// The CLIXML text, for a peer that speaks `version`; secrets are encrypted by `key`, and not
    /// written without.
    pub fn encode(
        &self,
        version: ProtocolVersion,
        key: Option<&SessionKey>,
    ) -> Result<String, PsrpError> {
        let with_error = |object: Object, error: &Option<ErrorRecord>| match error {
            Some(error) => object.with_note("ExceptionAsErrorRecord", error.to_value()),
            None => object,
        };
        let value = match self {
            Self::SessionCapability(version) => Object::new()
                .with_note("protocolversion", Value::Version(version.to_string()))
                .with_note("PSVersion", Value::Version("2.0".into()))
                .with_note("SerializationVersion", Value::Version("1.1.0.1".into()))
                .into(),
            Self::InitRunspacePool(init) => init.to_value(),
            Self::PublicKey(text) => Object::new().with_note("PublicKey", text.as_str()).into(),
            Self::EncryptedSessionKey(text) => Object::new()
                .with_note("EncryptedSessionKey", text.as_str())
                .into(),
            // Empty texts: neither message says anything.
            Self::PublicKeyRequest | Self::ConnectRunspacePool => Value::String(String::new()),
            Self::SetMaxRunspaces(number, call) => Object::new()
                .with_note("MaxRunspaces", *number)
                .with_note("ci", *call)
                .into(),
            Self::SetMinRunspaces(number, call) => Object::new()
                .with_note("MinRunspaces", *number)
                .with_note("ci", *call)
                .into(),
            Self::GetAvailableRunspaces(call) | Self::ResetRunspaceState(call) => {
                Object::new().with_note("ci", *call).into()
            }
            Self::GetCommandMetadata(query) => query.to_value(),
            Self::RunspacePoolInitData(least, most) => Object::new()
                .with_note("MinRunspaces", *least)
                .with_note("MaxRunspaces", *most)
                .into(),
            Self::RunspacePoolState(state, error) => with_error(
                Object::new().with_note("RunspaceState", state.number()),
                error,
            )
            .into(),
            Self::CreatePipeline(create) => create.to_value(version)?,
            Self::RunspaceAvailability(call, answer) => Object::new()
                .with_note("SetMinMaxRunspacesResponse", answer.clone())
                .with_note("ci", *call)
                .into(),
            Self::ApplicationPrivateData(data) => Object::new()
                .with_note("ApplicationPrivateData", data.clone())
                .into(),
            Self::RunspacePoolHostCall(call) | Self::PipelineHostCall(call) => call.to_value(),
            Self::RunspacePoolHostResponse(response) | Self::PipelineHostResponse(response) => {
                response.to_value()
            }
            Self::PipelineInput(value)
            | Self::PipelineOutput(value)
            | Self::Information(value)
            | Self::UserEvent(value)
            | Self::Other(_, Some(value)) => value.clone(),
            Self::EndOfPipelineInput | Self::Other(_, None) => return Ok(String::new()),
            Self::Error(error) => error.to_value(),
            Self::PipelineState(state, error) => with_error(
                Object::new().with_note("PipelineState", state.number()),
                error,
            )
            .into(),
            Self::Debug(text) | Self::Verbose(text) | Self::Warning(text) => {
                record::informational(self.kind(), text)
            }
            Self::Progress(progress) => record::progress(progress),
        };
        clixml::encode_with(&value, key).map_err(|_| PsrpError::NoSessionKey { kind: self.kind() })
    }

    /// What a message of type `kind` says that carries no data.
    fn without_data(kind: MessageType) -> Self {
        match kind {
            MessageType::EndOfPipelineInput => Self::EndOfPipelineInput,
            MessageType::PublicKeyRequest => Self::PublicKeyRequest,
            MessageType::ConnectRunspacePool => Self::ConnectRunspacePool,
            // A null value may travel as no data at all.
            MessageType::PipelineInput => Self::PipelineInput(Value::Null),
            MessageType::PipelineOutput => Self::PipelineOutput(Value::Null),
            kind => Self::Other(kind, None),
        }
    }

    /// Reads what is asked of a pool, and its answers.
    fn call(kind: MessageType, value: &Value) -> Result<Option<Self>, PsrpError> {
        let count = |property| {
            let number = value.get(property).and_then(Value::as_i64);
            let number = number.and_then(|number| i32::try_from(number).ok());
            number.ok_or(PsrpError::Property {
                kind,
                property,
                expected: "a number of 32 bits",
            })
        };
        let call = || {
            let call = value.get("ci").and_then(Value::as_i64);
            call.ok_or(PsrpError::Property {
                kind,
                property: "ci",
                expected: "the id of a call",
            })
        };
        Ok(Some(match kind {
            MessageType::SetMaxRunspaces => Self::SetMaxRunspaces(count("MaxRunspaces")?, call()?),
            MessageType::SetMinRunspaces => Self::SetMinRunspaces(count("MinRunspaces")?, call()?),
            MessageType::GetAvailableRunspaces => Self::GetAvailableRunspaces(call()?),
            MessageType::ResetRunspaceState => Self::ResetRunspaceState(call()?),
            MessageType::GetCommandMetadata => {
                Self::GetCommandMetadata(Box::new(CommandQuery::from_value(value)?))
            }
            MessageType::ConnectRunspacePool => Self::ConnectRunspacePool,
            MessageType::RunspacePoolInitData => {
                Self::RunspacePoolInitData(count("MinRunspaces")?, count("MaxRunspaces")?)
            }
            MessageType::RunspaceAvailability => {
                let answer = value
                    .get("SetMinMaxRunspacesResponse")
                    .cloned()
                    .unwrap_or(Value::Null);
                Self::RunspaceAvailability(call()?, answer)
            }
            _ => return Ok(None),
        }))
    }

    /// Reads the data of a message of type `kind`; secrets are decrypted by `key`, and stay
    /// as they are without.
    pub fn decode(
        kind: MessageType,
        data: &str,
        key: Option<&SessionKey>,
    ) -> Result<Self, PsrpError> {
        if data.trim().is_empty() {
            return Ok(Self::without_data(kind));
        }
        let decoded = clixml::decode_with(data, &clixml::Limits::default(), key);
        let value = decoded.map_err(|source| PsrpError::Clixml { kind, source })?;
        let error = || {
            value
                .get("ExceptionAsErrorRecord")
                .filter(|e| **e != Value::Null)
                .map(ErrorRecord::from_value)
        };
        let no_state = |property| PsrpError::Property {
            kind,
            property,
            expected: "a state",
        };
        let state = |property| {
            let number = value.get(property).and_then(Value::as_i64);
            number.ok_or(no_state(property))
        };
        let text = |property| {
            let text = value.get(property).and_then(Value::text);
            text.ok_or(PsrpError::Property {
                kind,
                property,
                expected: "a text",
            })
        };
        if let Some(call) = Self::call(kind, &value)? {
            return Ok(call);
        }
        Ok(match kind {
            MessageType::UserEvent => Self::UserEvent(value),
            MessageType::PublicKey => Self::PublicKey(text("PublicKey")?),
            MessageType::EncryptedSessionKey => {
                Self::EncryptedSessionKey(text("EncryptedSessionKey")?)
            }
            MessageType::PublicKeyRequest => Self::PublicKeyRequest,
            MessageType::SessionCapability => {
                let property = "protocolversion";
                let version = value.get(property).and_then(Value::text);
                let version = version.ok_or(PsrpError::Property {
                    kind,
                    property,
                    expected: "a version",
                })?;
                Self::SessionCapability(ProtocolVersion::parse(&version)?)
            }
            MessageType::InitRunspacePool => {
                Self::InitRunspacePool(InitRunspacePool::from_value(&value)?)
            }
            MessageType::RunspacePoolState => {
                let property = "RunspaceState";
                let state = RunspacePoolState::from_number(state(property)?);
                Self::RunspacePoolState(state.ok_or(no_state(property))?, error())
            }
            MessageType::CreatePipeline => {
                Self::CreatePipeline(Box::new(CreatePipeline::from_value(&value)?))
            }
            MessageType::ApplicationPrivateData => Self::ApplicationPrivateData(
                value
                    .get("ApplicationPrivateData")
                    .cloned()
                    .unwrap_or(Value::Null),
            ),
            MessageType::RunspacePoolHostCall => {
                Self::RunspacePoolHostCall(HostCall::from_value(kind, &value)?)
            }
            MessageType::PipelineHostCall => {
                Self::PipelineHostCall(HostCall::from_value(kind, &value)?)
            }
            MessageType::RunspacePoolHostResponse => {
                Self::RunspacePoolHostResponse(HostResponse::from_value(kind, &value)?)
            }
            MessageType::PipelineHostResponse => {
                Self::PipelineHostResponse(HostResponse::from_value(kind, &value)?)
            }
            MessageType::PipelineInput => Self::PipelineInput(value),
            MessageType::EndOfPipelineInput => Self::EndOfPipelineInput,
            MessageType::PipelineOutput => Self::PipelineOutput(value),
            MessageType::ErrorRecord => Self::Error(ErrorRecord::from_value(&value)),
            MessageType::PipelineState => {
                let property = "PipelineState";
                let state = PipelineRunState::from_number(state(property)?);
                Self::PipelineState(state.ok_or(no_state(property))?, error())
            }
            MessageType::DebugRecord => Self::Debug(record::informational_message(&value)),
            MessageType::VerboseRecord => Self::Verbose(record::informational_message(&value)),
            MessageType::WarningRecord => Self::Warning(record::informational_message(&value)),
            MessageType::ProgressRecord => Self::Progress(record::progress_from(&value)?),
            MessageType::InformationRecord => Self::Information(value),
            // All others have been read above.
            kind => Self::Other(kind, Some(value)),
        })
    }
}

impl InitRunspacePool {
    fn to_value(&self) -> Value {
        let thread_options = "System.Management.Automation.Runspaces.PSThreadOptions";
        Object::new()
            .with_note("MinRunspaces", self.min_runspaces)
            .with_note("MaxRunspaces", self.max_runspaces)
            .with_note(
                "PSThreadOptions",
                Object::enumeration(thread_options, "Default", 0),
            )
            .with_note(
                "ApartmentState",
                Object::enumeration("System.Threading.ApartmentState", "Unknown", 2),
            )
            .with_note("HostInfo", self.host.to_value())
            .with_note("ApplicationArguments", self.arguments.clone())
            .into()
    }

    fn from_value(value: &Value) -> Result<Self, PsrpError> {
        let kind = MessageType::InitRunspacePool;
        let number = |property| {
            let error = PsrpError::Property {
                kind,
                property,
                expected: "a positive integer",
            };
            let number = value
                .get(property)
                .and_then(Value::as_i64)
                .filter(|n| *n > 0)
                .ok_or(error.clone())?;
            i32::try_from(number).map_err(|_| error)
        };
        Ok(Self {
            min_runspaces: number("MinRunspaces")?,
            max_runspaces: number("MaxRunspaces")?,
            host: HostInfo::from_value(value.get("HostInfo")),
            arguments: value
                .get("ApplicationArguments")
                .cloned()
                .unwrap_or(Value::Null),
        })
    }
}
