//! What the site is.
//!
//! A site file (TOML) is parsed into a validated [`Site`]; past that point nothing is checked
//! twice. [`catalogue`] lists the commands that the products and Windows offer. This crate opens
//! no socket and knows no other crate of the workspace.

pub mod catalogue;
mod connection;
mod names;
mod parse;
mod schema;
mod site;
mod steps;
mod versions;

pub use connection::{Auth, ConnectionRule, ConnectionRules, Fingerprint, KerberosRule, MinTls};
pub use names::{ApplicationId, HostName, NameError, Thumbprint, WindowsPath};
pub use parse::{Diagnostics, Look, Mistake, parse, parse_with};
pub use schema::schema;
pub use site::{
    CertificateImport, CertificateRule, Credential, CredentialRules, EndpointKind, EndpointRule,
    Exchange, Host, Limits, Lync, PolicyScope, RetryPolicy, RetryRules, Role, SecretSource, Site,
    StartupMode, TrustedApplication, UnifiedMessagingRule, Warning,
};
pub use steps::{PHASES, STEP_IDS};
pub use versions::{ExchangeVersion, LyncVersion, PowerShellVersion, Support, WindowsVersion};
