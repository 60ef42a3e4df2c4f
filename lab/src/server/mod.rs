//! The wire of the simulated site: HTTP, authentication, sealing, WS-Management, PSRP.
//!
//! `listener` takes connections and proves who is there, `shell` answers envelopes. Key type:
//! [`Wire`], what all listeners of a lab share.

mod faults;
mod listener;
mod ntlm;
mod record;
mod shell;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::replay::Replay;

pub use faults::FaultError;
pub(crate) use faults::Faults;
pub(crate) use listener::{Listener, reserve};
pub(crate) use ntlm::Accounts;
pub(crate) use record::Recorder;
pub(crate) use shell::Shells;

/// What all listeners of a lab share.
pub(crate) struct Wire {
    /// Answers envelopes.
    pub(crate) service: Shells,
    /// Answers envelopes in place of it, where an endpoint was recorded.
    pub(crate) replay: Replay,
    /// Who may log on.
    pub(crate) accounts: Accounts,
    /// Trouble on demand.
    pub(crate) faults: Faults,
    /// Time that every request waits before it is looked at.
    pub(crate) latency: Duration,
    /// `requests.ndjson`.
    pub(crate) requests: Arc<Recorder>,
    /// Connections so far.
    pub(crate) connections: AtomicU64,
}

impl Wire {
    fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}
