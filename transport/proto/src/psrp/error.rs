//! [`PsrpError`]: how a peer can break the protocol, and how a user of this crate can misuse it.

use uuid::Uuid;

use super::{FragmentError, MessageType};
use crate::clixml::ClixmlError;

/// How a peer can break the protocol, and how a user of this crate can misuse it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PsrpError {
    /// Fragments that do not fit together.
    #[error("fragment: {0}")]
    Fragment(#[from] FragmentError),
    /// A message without a whole head.
    #[error("message of {length} bytes, expected at least 40")]
    ShortMessage {
        /// Its length.
        length: usize,
    },
    /// A destination that is neither client nor server.
    #[error("message for destination {found}, expected 1 or 2")]
    Destination {
        /// What came.
        found: u32,
    },
    /// A message that is meant for the other side.
    #[error("{kind} is not for this side")]
    WrongSide {
        /// The message.
        kind: MessageType,
    },
    /// Data that is not UTF-8.
    #[error("{kind}: byte {position} of its data is not UTF-8")]
    Encoding {
        /// The message.
        kind: MessageType,
        /// Where.
        position: usize,
    },
    /// Data that is not CLIXML.
    #[error("{kind}: {source}")]
    Clixml {
        /// The message.
        kind: MessageType,
        /// What is wrong with it.
        source: ClixmlError,
    },
    /// CLIXML that is not what the message carries.
    #[error("{kind}: property {property} is missing or not {expected}")]
    Property {
        /// The message.
        kind: MessageType,
        /// The property.
        property: &'static str,
        /// What was expected, as a phrase with its article.
        expected: &'static str,
    },
    /// A message that does not belong into the state of the pool or pipeline.
    #[error("{kind} while {subject} is {state}")]
    State {
        /// The message, come or to be sent.
        kind: MessageType,
        /// `the runspace pool`, `the pipeline`.
        subject: &'static str,
        /// Its state.
        state: &'static str,
    },
    /// A message of another runspace pool.
    #[error("{kind} for runspace pool {found}, expected {expected}")]
    OtherPool {
        /// The message.
        kind: MessageType,
        /// This pool.
        expected: Uuid,
        /// The pool of the message.
        found: Uuid,
    },
    /// A message of a pipeline that is not there, or that came over another one's stream.
    #[error("{kind} for pipeline {found}, which is not known on this stream")]
    OtherPipeline {
        /// The message.
        kind: MessageType,
        /// The pipeline of the message.
        found: Uuid,
    },
    /// A pipeline of an id that is taken.
    #[error("pipeline {id} exists already")]
    DuplicatePipeline {
        /// The id.
        id: Uuid,
    },
    /// A protocol version that cannot be spoken.
    #[error("protocol version {found}, expected 2.1 to 2.x")]
    Version {
        /// What the peer speaks.
        found: String,
    },
    /// A pipeline that needs a newer protocol than the server speaks.
    #[error("{feature} needs protocol {needs}, the server speaks {speaks}")]
    NotSupported {
        /// What is asked for.
        feature: &'static str,
        /// The version that has it.
        needs: ProtocolVersion,
        /// The version of the server.
        speaks: ProtocolVersion,
    },
    /// A pipeline without any command, or a statement without one.
    #[error("a pipeline without a command")]
    EmptyPipeline,
    /// A secret that cannot travel before both sides have agreed on a session key.
    #[error("{kind} holds a secret, and no session key is agreed on")]
    NoSessionKey {
        /// The message that was not made.
        kind: MessageType,
    },
    /// The exchange of keys cannot go on.
    #[error("exchange of keys: {what}: {detail}")]
    KeyExchange {
        /// What failed.
        what: &'static str,
        /// Why.
        detail: String,
    },
    /// More pipelines at once than a pool may have.
    #[error("more than {limit} pipelines at once")]
    TooManyPipelines {
        /// The limit.
        limit: usize,
    },
}

/// Version of the remoting protocol: 2.1 (PowerShell 2), 2.2 (3 and 4), 2.3 (5 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    /// Always 2.
    pub major: u32,
    /// 1, 2, 3.
    pub minor: u32,
}

impl ProtocolVersion {
    /// PowerShell 2.
    pub const V2_1: Self = Self { major: 2, minor: 1 };
    /// PowerShell 3 and 4.
    pub const V2_2: Self = Self { major: 2, minor: 2 };
    /// PowerShell 5 and later.
    pub const V2_3: Self = Self { major: 2, minor: 3 };

    pub(super) fn parse(text: &str) -> Result<Self, PsrpError> {
        let error = || PsrpError::Version {
            found: text.chars().take(40).collect(),
        };
        let (major, rest) = text.split_once('.').ok_or_else(error)?;
        let minor = rest.split('.').next().unwrap_or(rest);
        let version = Self {
            major: major.parse().map_err(|_| error())?,
            minor: minor.parse().map_err(|_| error())?,
        };
        if version.major == 2 && version.minor >= 1 {
            Ok(version)
        } else {
            Err(error())
        }
    }
}

impl std::fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
