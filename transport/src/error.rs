//! [`TransportError`]: what was attempted, where, what came back, and what it means for a retry.
//!
//! The two questions that the engine asks of a failure are answered here and nowhere else:
//! whether trying again can help ([`TransportError::retry`]) and whether the server may have
//! carried out what was asked ([`TransportError::may_have_run`]). What an administrator can do about
//! it is [`TransportError::advice`].

use std::time::Duration;

use owaim_proto::wsman::{Fault, FaultClass, code};

use crate::KerberosError;
use crate::TlsReason;

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

/// Names of what a session attempts, as they stand in the `action` of an error.
///
/// They say by themselves whether a pipeline was in the server's hands.
pub(crate) mod action {
    /// Creating the shell.
    pub(crate) const CREATE: &str = "Create";
    /// Waiting for the runspace pool to open.
    pub(crate) const OPEN: &str = "Receive of the opening";
    /// Agreeing on a session key.
    pub(crate) const KEY: &str = "exchange of keys";
    /// Handing over a pipeline.
    pub(crate) const COMMAND: &str = "Command";
    /// Handing over what of a pipeline did not fit into the first message.
    pub(crate) const COMMAND_REST: &str = "Send of the command";
    /// Waiting for a pipeline's output.
    pub(crate) const RECEIVE: &str = "Receive";
    /// Input of a pipeline or command.
    pub(crate) const INPUT: &str = "Send of input";
    /// Listening to a pool between its pipelines.
    pub(crate) const LISTEN: &str = "Receive of the pool";
    /// Asking a pool for something.
    pub(crate) const CALL: &str = "call of the pool";
    /// Leaving a shell.
    pub(crate) const DISCONNECT: &str = "Disconnect";
    /// Coming back to it.
    pub(crate) const RECONNECT: &str = "Reconnect";
    /// Coming to what another client left.
    pub(crate) const CONNECT: &str = "Connect";
    /// Looking after a shell, or reading the service's configuration.
    pub(crate) const GET: &str = "Get";
    /// Asking what a service is.
    pub(crate) const IDENTIFY: &str = "Identify";
    /// Listing shells.
    pub(crate) const ENUMERATE: &str = "Enumerate";
    /// Answering a host call.
    pub(crate) const ANSWER: &str = "Send of an answer";
    /// Stopping a pipeline.
    pub(crate) const SIGNAL: &str = "Signal";
    /// Deleting the shell.
    pub(crate) const DELETE: &str = "Delete";
}

/// A failure of the way to a server or back.
///
/// `action` is the name of what was attempted (`Create`, `Command`, `Receive`, …).
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
    /// Nobody knows the name of the host, or of the proxy on the way.
    #[error("{action} at {url}: the name {host} cannot be resolved: {detail}")]
    Unresolved {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// The name.
        host: String,
        /// What came back.
        detail: String,
    },
    /// The proxy on the way gives no tunnel.
    #[error("{action} at {url}: no tunnel through the proxy {proxy}: {detail}")]
    Proxy {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// Host and port of the proxy.
        proxy: String,
        /// The HTTP status of its answer, if it gave one.
        status: Option<u16>,
        /// What came back.
        detail: String,
    },
    /// There is a connection, but no TLS on it.
    #[error("{action} at {url}: TLS: {reason} ({detail})")]
    Tls {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// Why.
        reason: TlsReason,
        /// What the TLS library says.
        detail: String,
    },
    /// An established connection was lost.
    #[error("{action} at {url}: the connection was closed: {detail}")]
    Closed {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// Whether any byte of the request may have left.
        sent: bool,
        /// What came back.
        detail: String,
    },
    /// The server refused the account: it must not be tried again.
    #[error("{action} at {url}: logon of {username} refused: {detail}")]
    RefusedLogon {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// As whom.
        username: String,
        /// What came back.
        detail: String,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// The system cannot show the server who has logged on here.
    #[error("{action} at {url}: the current logon cannot be shown: {detail}")]
    CurrentLogon {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What the system says.
        detail: String,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// There is no Kerberos ticket, or the server does not take it or does not prove itself.
    #[error("{action} at {url}: {problem}")]
    Kerberos {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// Why.
        problem: KerberosError,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// The server offers no scheme of authentication that was asked for.
    #[error(
        "{url} offers none of the schemes of authentication that are configured, but {}",
        offered_text(offered)
    )]
    NoCommonAuthentication {
        /// Where.
        url: String,
        /// What the server offers.
        offered: Vec<String>,
    },
    /// An HTTP status that is neither success nor carries a fault.
    #[error("{action} at {url}: HTTP status {status}: {body_start:?}")]
    Http {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// The first characters of the body.
        body_start: String,
        /// How long the server asks to wait before another attempt (`Retry-After`).
        retry_after: Option<Duration>,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// The server sends us elsewhere, where nobody was meant to be shown credentials.
    #[error(
        "{action} at {url}: HTTP status {status}: it refers to {location}, where nothing is sent"
    )]
    Redirected {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// Scheme, host and port that it refers to.
        location: String,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// A server that knew us asks who we are, in an answer that anyone could have written.
    #[error(
        "{action} at {url}: HTTP status 401 on an authenticated connection, unprotected: the request may have run"
    )]
    Unauthenticated {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
    },
    /// A message could not be sealed, or what came back is not what was sealed.
    #[error("{action} at {url}: message sealing: {detail}")]
    Sealing {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What is wrong.
        detail: String,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// No answer in time.
    #[error("{action} at {url}: no answer within {after:?}")]
    Timeout {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// How long was waited.
        after: Duration,
        /// Whether any byte of the request may have left.
        sent: bool,
    },
    /// A WS-Management fault.
    #[error("{action} at {url}: {fault}")]
    Fault {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What the server says.
        fault: Box<Fault>,
    },
    /// The peer broke the protocol.
    #[error("{action} at {url}: {detail}")]
    Protocol {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What was expected and what came.
        detail: String,
        /// Whether the server may have carried out what was asked all the same.
        taken: bool,
    },
    /// The request is wrong before it leaves.
    #[error("{action} at {url}: not sent: {detail}")]
    Unsendable {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The endpoint's URL is none that this client can go to.
    #[error("cannot go to {url}: {detail}")]
    UnusableUrl {
        /// The URL, without a password that may stand in it; whose, where it is no URL at all.
        url: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// What is asked for would give a secret away.
    #[error("nothing is sent to {url}: {detail}")]
    Insecure {
        /// Where.
        url: String,
        /// What, and the keys of the site file that say so.
        detail: &'static str,
    },
    /// The runspace pool closed or broke by itself.
    #[error("{action} at {url}: the runspace pool is {state}: {detail}")]
    PoolClosed {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// `closed` or `broken`.
        state: &'static str,
        /// The server's reason.
        detail: String,
    },
    /// The session was used after an error or a cancelled run.
    #[error("{action} at {url}: this session is of no use any more after {after}")]
    SessionUnusable {
        /// What was attempted.
        action: &'static str,
        /// Where.
        url: String,
        /// What happened to it.
        after: &'static str,
    },
}

fn offered_text(offered: &[String]) -> String {
    if offered.is_empty() {
        "none at all".into()
    } else {
        offered.join(", ")
    }
}

impl TransportError {
    /// What was attempted, if the failure belongs to a request.
    pub fn action(&self) -> Option<&'static str> {
        match self {
            Self::NoCommonAuthentication { .. }
            | Self::UnusableUrl { .. }
            | Self::Insecure { .. } => None,
            Self::Connect { action, .. }
            | Self::Unresolved { action, .. }
            | Self::Proxy { action, .. }
            | Self::Tls { action, .. }
            | Self::Redirected { action, .. }
            | Self::Unauthenticated { action, .. }
            | Self::Closed { action, .. }
            | Self::RefusedLogon { action, .. }
            | Self::CurrentLogon { action, .. }
            | Self::Kerberos { action, .. }
            | Self::Http { action, .. }
            | Self::Sealing { action, .. }
            | Self::Timeout { action, .. }
            | Self::Fault { action, .. }
            | Self::Protocol { action, .. }
            | Self::Unsendable { action, .. }
            | Self::PoolClosed { action, .. }
            | Self::SessionUnusable { action, .. } => Some(action),
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> RetryClass {
        match self {
            Self::Connect { .. }
            | Self::Unresolved { .. }
            | Self::Closed { .. }
            | Self::Timeout { .. }
            | Self::Tls {
                reason: TlsReason::Dropped,
                ..
            }
            | Self::Proxy { status: None, .. }
            | Self::Http {
                status: 408 | 425 | 429 | 500..=599,
                ..
            }
            | Self::Proxy {
                status: Some(408 | 425 | 429 | 500..=599),
                ..
            } => RetryClass::Later,
            // Of a Send it says that the command cannot take it yet, of all else nothing known.
            Self::Fault { fault, action, .. }
                if fault.code == Some(code::BUSY) && !action.starts_with("Send") =>
            {
                RetryClass::Never
            }
            Self::Fault { fault, .. } => match fault.class() {
                FaultClass::PollAgain | FaultClass::Later => RetryClass::Later,
                FaultClass::NewShell | FaultClass::Aborted => RetryClass::NewSession,
                FaultClass::Never | FaultClass::Unknown => RetryClass::Never,
            },
            Self::Kerberos { problem, .. } if problem.is_temporary() => RetryClass::Later,
            Self::PoolClosed { .. }
            | Self::SessionUnusable { .. }
            | Self::Unauthenticated { .. } => RetryClass::NewSession,
            Self::Http { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Redirected { .. }
            | Self::Insecure { .. }
            | Self::RefusedLogon { .. }
            | Self::CurrentLogon { .. }
            | Self::Kerberos { .. }
            | Self::NoCommonAuthentication { .. }
            | Self::Sealing { .. }
            | Self::Protocol { .. }
            | Self::Unsendable { .. }
            | Self::UnusableUrl { .. } => RetryClass::Never,
        }
    }

    /// Whether the server may have carried out what was asked although no answer came.
    ///
    /// A pipeline is in the server's hands from the moment its last byte may have left until its
    /// end was received. A fault in answer to handing it over says that the server did not take
    /// it, unless the fault is that time ran out or that the operation was aborted. What comes without
    /// a seal where messages are sealed says nothing: anyone can have written it.
    pub fn may_have_run(&self) -> bool {
        match self.action() {
            None
            | Some(
                action::CREATE
                | action::OPEN
                | action::KEY
                | action::DELETE
                | action::LISTEN
                | action::CALL
                | action::DISCONNECT
                | action::RECONNECT
                | action::CONNECT
                | action::GET
                | action::ENUMERATE
                | action::IDENTIFY,
            ) => false,
            Some(action::COMMAND | action::COMMAND_REST) => self.may_be_done(),
            // It was handed over before.
            Some(_) => true,
        }
    }

    /// Whether the server may have carried out the very request that failed, whatever it asked for.
    pub(crate) fn may_be_done(&self) -> bool {
        match self {
            Self::Closed { sent, .. } | Self::Timeout { sent, .. } => *sent,
            Self::RefusedLogon { taken, .. }
            | Self::CurrentLogon { taken, .. }
            | Self::Kerberos { taken, .. }
            | Self::Http { taken, .. }
            | Self::Redirected { taken, .. }
            | Self::Sealing { taken, .. }
            | Self::Protocol { taken, .. } => *taken,
            Self::Fault { fault, .. } => {
                matches!(fault.class(), FaultClass::PollAgain | FaultClass::Aborted)
            }
            Self::PoolClosed { .. } | Self::Unauthenticated { .. } => true,
            // Of a Command it says that it was not even begun.
            Self::SessionUnusable { action, .. } => *action != action::COMMAND,
            Self::Connect { .. }
            | Self::Unresolved { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Insecure { .. }
            | Self::NoCommonAuthentication { .. }
            | Self::Unsendable { .. }
            | Self::UnusableUrl { .. } => false,
        }
    }

    /// How long the server asks to wait before another attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether this says that the account was refused: it must not be tried again.
    pub fn is_refused_logon(&self) -> bool {
        match self {
            Self::RefusedLogon { .. } => true,
            Self::Kerberos { problem, .. } => problem.is_refused_logon(),
            _ => false,
        }
    }

    /// What an administrator can do about it: a sentence without its full stop.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Connect { .. } => {
                "check that the host is up, that its name resolves here, and that WinRM (winrm quickconfig) or IIS listens on that port and the firewall lets it through"
            }
            Self::Unresolved { .. } => {
                "check the spelling of the host's name and the name servers of this machine"
            }
            Self::Proxy {
                status: Some(407), ..
            } => {
                "the site file takes no user name and password for a proxy: let the proxy pass this machine or these servers without, or name a proxy that asks for none, or none at all where there is a direct way"
            }
            Self::Proxy { .. } => {
                "check the proxy's URL, and that it lets CONNECT through to that host and port"
            }
            Self::Tls { reason, .. } => reason.advice(),
            Self::Redirected { .. } => {
                "if that is the server meant, give the endpoint its URL; a redirect to https means that http is closed there"
            }
            Self::Unauthenticated { .. } => {
                "check whether the account was locked or its password changed in the meantime; run again"
            }
            Self::Insecure { .. } => "change the keys that are named, or choose another auth",
            Self::Closed { .. } => {
                "check the server's WinRM service and what lies between here and there, then run again"
            }
            Self::RefusedLogon { .. } => {
                "check user name and password; the account must not be locked and must be allowed to use remote management on that server"
            }
            Self::CurrentLogon { .. } => {
                "log on with an account of the servers' domain; klist get HTTP/SERVER says whether Kerberos knows the server; or give username and password in the site file"
            }
            Self::Kerberos { problem, .. } => problem.advice(),
            Self::NoCommonAuthentication { .. } => {
                "switch on the scheme on the server (winrm get winrm/config/service/auth, or the virtual directory in IIS) or choose another for this endpoint"
            }
            Self::Http { status: 404, .. } => {
                "check the path of the URL: the server knows no such endpoint"
            }
            Self::Http { status: 403, .. } => "check that the account may use this endpoint",
            Self::Http { .. } => "look into the HTTP service's log on the server",
            Self::Sealing { .. } => {
                "make sure that no proxy changes what passes; if none does, treat it as tampering"
            }
            Self::Timeout { .. } => "check the load of the server, or allow more time",
            Self::Fault { fault, .. } => fault.advice(),
            Self::Protocol { .. } => {
                "check that the URL is that of a WinRM endpoint; if it is, report it with a recording"
            }
            Self::UnusableUrl { .. } => {
                "give the endpoint a URL with http or https, without user name and password, and its proxy one with http"
            }
            Self::Unsendable { .. } => "make the command smaller or correct its values",
            Self::PoolClosed { .. } => {
                "open a new session; the server's event log says why the old one ended"
            }
            Self::SessionUnusable { .. } => "open a new session",
        }
    }
}
