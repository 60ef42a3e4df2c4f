//! WS-Management envelopes ([MS-WSMV]), client and server role.

mod fault;
mod ns;

pub use fault::{Fault, FaultClass, ProviderFault, code};
