//! [`Endpoint`]: where a session goes and as whom.

use owaim_proto::Secret;

/// Where a session goes and as whom. Two endpoints that are equal may share a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The server's name, for messages and service principal names.
    pub host: String,
    /// Whole URL, any path: `http://srv:5985/wsman`, `http://srv/PowerShell/`.
    pub url: String,
    /// Name of the session configuration: `Microsoft.PowerShell`, `Microsoft.Exchange`, or the
    /// site's own.
    pub configuration: String,
    /// How to prove who we are.
    pub authentication: Authentication,
    /// Who we are.
    pub credential: Credential,
}

/// Scheme of authentication. Kerberos, CredSSP, Basic and certificates have their place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// NTLMv2 under `Negotiate`, messages sealed.
    Ntlm,
}

/// A user name with its password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// `DOMAIN\user`, `user@domain` or `user`.
    pub username: String,
    /// The password.
    pub password: Secret,
}
