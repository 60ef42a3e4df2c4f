//! WS-Management, PSRP and CLIXML without I/O.
//!
//! Bytes in, events out, for both roles: the transport is the client, the simulated site the
//! server. Nothing here knows a socket, a clock or an async runtime.

pub mod clixml;
pub mod multipart;
pub mod psrp;
mod secret;
pub mod wsman;
pub mod xml;

pub use secret::Secret;
