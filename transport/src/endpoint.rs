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
    /// Who we are, and how to prove it.
    pub authentication: Authentication,
}

/// Scheme of authentication, with what it takes. Kerberos, CredSSP, Basic and certificates have
/// their place here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// NTLMv2 under `Negotiate`, messages sealed.
    Ntlm(Credential),
    /// Whoever has logged on to this Windows: the system's own `Negotiate`, by Kerberos, messages
    /// sealed. Elsewhere than on Windows nothing can be sent.
    CurrentLogon,
}

impl Authentication {
    /// The account, for messages.
    pub fn account(&self) -> &str {
        match self {
            Self::Ntlm(credential) => &credential.username,
            Self::CurrentLogon => "the current logon",
        }
    }

    /// The secret that must not be shown, if one is known here.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Ntlm(credential) => Some(&credential.password),
            Self::CurrentLogon => None,
        }
    }
}

/// A user name with its password.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// `DOMAIN\user`, `user@domain` or `user`.
    pub username: String,
    /// The password.
    pub password: Secret,
}
