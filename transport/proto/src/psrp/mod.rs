//! PowerShell Remoting Protocol ([MS-PSRP]): fragments, messages and the state machines of a
//! runspace pool, client and server role.

mod output;
mod pipeline;

pub use output::{ErrorCategory, ErrorRecord, HostCall, PipelineOutput, PipelineState, Record};
pub use pipeline::{Command, Parameter, Pipeline};
