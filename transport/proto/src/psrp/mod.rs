//! PowerShell Remoting Protocol ([MS-PSRP]): fragments, messages and the state machines of a
//! runspace pool, client and server role.
//!
//! Key types: [`Pipeline`] and [`PipelineOutput`] for those who run commands, [`ClientPool`] and
//! [`ServerPool`] for those who carry the bytes.

mod client;
mod command_metadata;
mod create_pipeline;
mod error;
mod fragment;
mod host;
mod host_info;
mod key_exchange;
mod message;
mod output;
mod payload;
mod pipeline;
mod record;
mod server;
#[cfg(test)]
mod tests;

pub use client::{ClientEvent, ClientPool};
pub use command_metadata::{CommandMetadata, CommandQuery, ParameterMetadata};
pub use create_pipeline::CreatePipeline;
pub use error::{ProtocolVersion, PsrpError};
pub use fragment::{Defragmenter, FragmentError, FragmentLimits, Fragmenter, ObjectIds};
pub use host::HostResponse;
pub use host_info::{HostInfo, Screen};
pub use key_exchange::ExchangeKey;
pub use message::{Destination, Message, MessageType};
pub use output::{ErrorCategory, ErrorRecord, HostCall, PipelineOutput, PipelineState, Record};
pub use payload::{InitRunspacePool, Payload, PipelineRunState, RunspacePoolState};
pub use pipeline::{Command, Merge, MergeTo, Parameter, Pipeline};
pub use server::{ServerEvent, ServerPool};
