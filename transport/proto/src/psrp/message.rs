//! [`Message`]: destination, type, ids and CLIXML text ([MS-PSRP] 2.2.1).

use uuid::Uuid;

use super::PsrpError;

/// Size of the head: destination, type, two ids.
const HEAD: usize = 40;
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A message before its data is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who it is for.
    pub destination: Destination,
    /// What it is.
    pub kind: MessageType,
    /// The runspace pool; nil in a server's first message.
    pub pool: Uuid,
    /// The pipeline; nil where the message is the pool's.
    pub pipeline: Uuid,
    /// CLIXML; empty for messages without data.
    pub data: String,
}

/// Who a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Value 1.
    Client,
    /// Value 2.
    Server,
}

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// Type of a message ([MS-PSRP] 2.2.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum MessageType {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// A type that is not in the list.
            Unknown(u32),
        }

        impl MessageType {
            /// The number on the wire.
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$name => $value,)*
                    Self::Unknown(number) => number,
                }
            }

            /// The type of that number.
            pub fn from_number(number: u32) -> Self {
                match number {
                    $($value => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// The type of that name in the specification.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name in the specification.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown(_) => "message of unknown type",
                }
            }
        }
    };
}

message_types! {
    SessionCapability = 0x0001_0002, "SESSION_CAPABILITY";
    InitRunspacePool = 0x0001_0004, "INIT_RUNSPACEPOOL";
    PublicKey = 0x0001_0005, "PUBLIC_KEY";
    EncryptedSessionKey = 0x0001_0006, "ENCRYPTED_SESSION_KEY";
    PublicKeyRequest = 0x0001_0007, "PUBLIC_KEY_REQUEST";
    ConnectRunspacePool = 0x0001_0008, "CONNECT_RUNSPACEPOOL";
    SetMaxRunspaces = 0x0002_1002, "SET_MAX_RUNSPACES";
    SetMinRunspaces = 0x0002_1003, "SET_MIN_RUNSPACES";
    RunspaceAvailability = 0x0002_1004, "RUNSPACE_AVAILABILITY";
    RunspacePoolState = 0x0002_1005, "RUNSPACEPOOL_STATE";
    CreatePipeline = 0x0002_1006, "CREATE_PIPELINE";
    GetAvailableRunspaces = 0x0002_1007, "GET_AVAILABLE_RUNSPACES";
    UserEvent = 0x0002_1008, "USER_EVENT";
    ApplicationPrivateData = 0x0002_1009, "APPLICATION_PRIVATE_DATA";
    GetCommandMetadata = 0x0002_100a, "GET_COMMAND_METADATA";
    RunspacePoolInitData = 0x0002_100b, "RUNSPACEPOOL_INIT_DATA";
    ResetRunspaceState = 0x0002_100c, "RESET_RUNSPACE_STATE";
    RunspacePoolHostCall = 0x0002_1100, "RUNSPACEPOOL_HOST_CALL";
    RunspacePoolHostResponse = 0x0002_1101, "RUNSPACEPOOL_HOST_RESPONSE";
    PipelineInput = 0x0004_1002, "PIPELINE_INPUT";
    EndOfPipelineInput = 0x0004_1003, "END_OF_PIPELINE_INPUT";
    PipelineOutput = 0x0004_1004, "PIPELINE_OUTPUT";
    ErrorRecord = 0x0004_1005, "ERROR_RECORD";
    PipelineState = 0x0004_1006, "PIPELINE_STATE";
    DebugRecord = 0x0004_1007, "DEBUG_RECORD";
    VerboseRecord = 0x0004_1008, "VERBOSE_RECORD";
    WarningRecord = 0x0004_1009, "WARNING_RECORD";
    ProgressRecord = 0x0004_1010, "PROGRESS_RECORD";
    InformationRecord = 0x0004_1011, "INFORMATION_RECORD";
    PipelineHostCall = 0x0004_1100, "PIPELINE_HOST_CALL";
    PipelineHostResponse = 0x0004_1101, "PIPELINE_HOST_RESPONSE";
}

impl std::fmt::Display for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "{} {number:#010x}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl Message {
    /// The bytes, ready to be fragmented. Servers put a byte order mark before the data, clients
    /// do not; that is kept here.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + BOM.len() + self.data.len());
        let destination: u32 = match self.destination {
            Destination::Client => 1,
            Destination::Server => 2,
        };
        bytes.extend(destination.to_le_bytes());
        bytes.extend(self.kind.number().to_le_bytes());
        bytes.extend(self.pool.to_bytes_le());
        bytes.extend(self.pipeline.to_bytes_le());
        if self.destination == Destination::Client && !self.data.is_empty() {
            bytes.extend(BOM);
        }
        bytes.extend(self.data.as_bytes());
        bytes
    }

    /// Reads a defragmented message.
    pub fn decode(bytes: &[u8]) -> Result<Self, PsrpError> {
        let short = PsrpError::ShortMessage {
            length: bytes.len(),
        };
        let (head, data) = bytes.split_at_checked(HEAD).ok_or(short.clone())?;
        let word = |at: usize| {
            head.get(at..)?
                .first_chunk::<4>()
                .map(|b| u32::from_le_bytes(*b))
        };
        let id = |at: usize| {
            head.get(at..)?
                .first_chunk::<16>()
                .map(|b| Uuid::from_bytes_le(*b))
        };
        let destination = match word(0).ok_or(short.clone())? {
            1 => Destination::Client,
            2 => Destination::Server,
            found => return Err(PsrpError::Destination { found }),
        };
        let kind = MessageType::from_number(word(4).ok_or(short.clone())?);
        let (pool, pipeline) = (id(8).ok_or(short.clone())?, id(24).ok_or(short)?);
        let data = std::str::from_utf8(data.strip_prefix(&BOM).unwrap_or(data));
        let data = data
            .map_err(|e| PsrpError::Encoding {
                kind,
                position: e.valid_up_to(),
            })?
            .to_owned();
        Ok(Self {
            destination,
            kind,
            pool,
            pipeline,
            data,
        })
    }
}
