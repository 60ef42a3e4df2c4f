//! Authenticated, sealed WinRM sessions.
//!
//! [`RunspacePool`] runs pipelines of PowerShell and [`Shell`] programs, several at once, with their
//! output as it comes. [`Connect`] and [`Session`] are the narrow door to a pool, for an engine that
//! must know what may have run: [`Client`] is that door over HTTP, and tests put an implementation
//! in memory behind the same traits. This crate knows nothing of steps or sites.

mod attempt;
mod client;
mod connection;
mod connections;
mod credssp;
mod dial;
mod endpoint;
mod error;
mod file_transfer;
mod greeting;
#[cfg(feature = "gssapi")]
mod gss;
mod http;
mod identify;
mod kerberos;
#[cfg(windows)]
mod logon;
#[cfg(not(windows))]
#[path = "no_logon.rs"]
mod logon;
mod ntlm;
mod observer;
mod pool;
mod process;
mod proxy;
mod remote_shell;
mod retry;
mod runspace_pool;
mod security;
mod service;
mod session;
mod shell;
mod target;
mod tls;

pub use client::{Client, ClientOptions};
pub use connection::{Connection, Timeouts};
pub use endpoint::{
    Authentication, ClientCertificate, Credential, Endpoint, Identity, Kerberos, Tls, TlsVersion,
};
pub use error::{RetryClass, TransportError};
pub use file_transfer::{FileTransfer, FileTransferError, TransferProgress, Transferred};
pub use greeting::{Authenticated, Greeting};
pub use identify::{identify, max_envelope_size};
pub use kerberos::{KerberosError, Tickets};
pub use logon::CURRENT_LOGON;
pub use observer::{Exchange, Observer};
pub use owaim_proto::Secret;
pub use process::{Output, Process, ProcessOutput, ProcessSignal};
pub use retry::Retry;
pub use runspace_pool::{
    DefaultChoice, FoundPool, Host, NoHost, PipelineHandle, PipelineOptions, PoolHandle,
    PoolOptions, Running, RunspacePool,
};
pub use session::{Connect, Session};
pub use shell::{CommandOptions, Shell, ShellOptions};
pub use tls::{CLIENT_CERTIFICATES, TlsInfo, TlsReason};
