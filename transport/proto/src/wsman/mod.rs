//! WS-Management envelopes ([MS-WSMV]), client and server role.
//!
//! A client encodes [`Request`]s and decodes [`Response`]s, a server the other way round; both go
//! through the tree of [`crate::xml`]. Key types: [`Request`], [`Response`], [`Fault`]. Nothing
//! here knows what the streams of a shell carry, and nothing keeps state between two envelopes.

mod action;
mod command;
mod connect;
mod envelope;
mod error;
mod fault;
mod header;
mod identify;
mod ns;
mod resource;
mod shell;
mod stream;
#[cfg(test)]
mod tests;
mod text;

pub use action::Action;
pub use command::{CommandLine, Signal, SignalCode};
pub use connect::{Connect, Connected, Disconnect};
pub use envelope::{Request, RequestBody, Response, ResponseBody};
pub use error::EnvelopeError;
pub use fault::{Fault, FaultClass, FaultKind, ProviderFault, code};
pub use header::{RequestHeader, RequestOption, Selector};
pub use identify::{IDENTIFY_HEADER, Identity, identify, is_identify};
pub use ns::PREFIXES;
pub use resource::{Config, Enumerate, Items, Pull, Resource, ShellCommand};
pub use shell::{CreateShell, Shell, ShellState};
pub use stream::{CommandState, Receive, ReceiveResponse, RunState, Send, Stream};

/// Resource URI of shells of every kind, for Get and Enumerate.
pub const SHELLS: &str = ns::SHELL;
/// Resource URI of a shell for programs (WinRS).
pub const CMD_SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";
/// Resource URI of the commands of shells, for Enumerate.
pub const COMMANDS: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command";
/// Resource URI of the service's own configuration, for Get.
pub const CONFIG: &str = ns::CONFIG;

/// Resource URI of the session configuration `name`, such as `Microsoft.PowerShell`.
pub fn configuration_uri(name: &str) -> String {
    [ns::POWERSHELL, name].join("/")
}

/// The session configuration that a resource URI names, if it names one.
pub fn configuration_name(uri: &str) -> Option<&str> {
    uri.strip_prefix(ns::POWERSHELL)?
        .strip_prefix('/')
        .filter(|name| !name.is_empty())
}

/// How many bytes of a stream fit into an envelope of `envelope` bytes, as Base64 beside a header;
/// never less than one fragment needs.
pub fn stream_room(envelope: u32) -> usize {
    // Headers of this crate and of Windows take less than 3 KiB, a long URL included.
    const HEADERS: u32 = 4096;
    let base64 = envelope.saturating_sub(HEADERS);
    usize::try_from(base64 / 4 * 3)
        .unwrap_or(usize::MAX)
        .max(256)
}
