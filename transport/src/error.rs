//! [`TransportError`]: what was attempted, where, what came back, and what it means for a retry.

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// The same request may succeed later: quotas, time-outs, refused or lost connections.
    Later,
    /// A new session is needed: the shell is gone.
    NewSession,
    /// Never: wrong credentials, no permission, no such configuration.
    Never,
}

/// A failure of the way to a server or back.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection could be made.
    #[error("{action} at {url}: cannot connect: {detail}")]
    Connect {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What came back.
        detail: String,
    },
}

impl TransportError {
    /// Whether trying again can help.
    pub fn retry(&self) -> RetryClass {
        match self {
            Self::Connect { .. } => RetryClass::Later,
        }
    }

    /// Whether the server may have carried out what was asked although no answer came.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Connect { .. } => false,
        }
    }

    /// Whether this says that the account was refused: it must not be tried again.
    pub fn is_refused_logon(&self) -> bool {
        false
    }
}
