//! Authenticated, sealed WinRM sessions.
//!
//! [`Connect`] and [`Session`] are the only door to a server. [`Client`] is the door over
//! HTTP; tests of the engine put an implementation in memory behind the same traits. This crate
//! knows nothing of steps or sites.

mod client;
mod connection;
mod credssp;
mod dial;
mod endpoint;
mod error;
mod file_transfer;
mod http;
mod kerberos;
#[cfg(windows)]
mod logon;
#[cfg(not(windows))]
#[path = "no_logon.rs"]
mod logon;
mod ntlm;
mod observer;
mod pool;
mod proxy;
mod security;
mod session;
mod tls;

pub use client::{Client, ClientOptions};
pub use connection::{Connection, Timeouts};
pub use endpoint::{
    Authentication, ClientCertificate, Credential, Endpoint, Identity, Kerberos, Tls, TlsVersion,
};
pub use error::{RetryClass, TransportError};
pub use file_transfer::{FileTransfer, FileTransferError, TransferProgress, Transferred};
pub use kerberos::{KerberosError, Tickets};
pub use logon::CURRENT_LOGON;
pub use observer::{Exchange, Observer};
pub use owaim_proto::Secret;
pub use session::{Connect, Session};
pub use tls::{TlsInfo, TlsReason};
