//! The wire of the simulated site: HTTP, authentication, sealing, WS-Management, PSRP.
//!
//! `listener` takes connections, `peer` finds out who is there, `shell` answers envelopes. Key type:
//! [`Wire`], what all listeners of a lab share.

mod acceptor;
mod accounts;
mod authenticate;
mod binding;
mod credssp;
mod faults;
mod kdc;
mod kerberos;
mod listener;
mod note;
mod ntlm;
mod peer;
mod record;
mod reply;
mod shell;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use owaim_inventory::EndpointKind;

use crate::replay::Replay;

pub(crate) use accounts::{Accounts, principal_name};
pub use faults::FaultError;
pub(crate) use faults::Faults;
pub(crate) use kdc::{Kdc, Realm};
pub(crate) use kerberos::Services;
pub(crate) use listener::{Listener, reserve};
pub(crate) use record::Recorder;
pub(crate) use shell::{Quotas, Shells};
pub(crate) use tls::Authority;
pub use tls::TlsError;

/// How long a socket is left alone that failed to take something: where descriptors have run out, it goes on
/// failing for a while.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Whether an endpoint is one of the service of Windows (`/wsman`); the others are IIS's.
pub(crate) fn is_winrm(kind: EndpointKind) -> bool {
    match kind {
        EndpointKind::Windows | EndpointKind::LyncLocal => true,
        EndpointKind::Exchange | EndpointKind::Lync => false,
    }
}

/// What all listeners of a lab share.
pub(crate) struct Wire {
    /// Answers envelopes.
    pub(crate) service: Shells,
    /// Answers envelopes in place of it, where an endpoint was recorded.
    pub(crate) replay: Replay,
    /// Who may log on.
    pub(crate) accounts: Arc<Accounts>,
    /// What tickets are accepted with.
    pub(crate) services: Services,
    /// What CredSSP shows, where an endpoint offers it.
    pub(crate) credssp: Option<credssp::Identity>,
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
