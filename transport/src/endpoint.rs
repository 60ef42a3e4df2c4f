//! [`Endpoint`]: where a session goes, as whom, and whom it trusts.

use std::fmt;
use std::path::PathBuf;

use owaim_proto::Secret;

/// Where a session goes, as whom, and whom it trusts. Two endpoints that are equal may share a session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The server's name, for messages and service principal names.
    pub host: String,
    /// Whole URL, any path: `http://srv:5985/wsman`, `https://srv/OcsPowershell`.
    pub url: String,
    /// Name of the session configuration: `Microsoft.PowerShell`, `Microsoft.Exchange`, or the
    /// site's own.
    pub configuration: String,
    /// Who we are, and how to prove it.
    pub authentication: Authentication,
    /// Which servers are trusted, where the URL's scheme is `https`.
    pub tls: Tls,
    /// URL of the HTTP proxy on the way (`http://proxy:8080`), which is asked for a tunnel. It may have user
    /// name and password for the proxy (`http://user:password@proxy:8080`), which are shown nowhere.
    pub proxy: Option<String>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without_account = |url: &String| url.rsplit('@').next().map(str::to_owned);
        f.debug_struct("Endpoint")
            .field("host", &self.host)
            .field("url", &self.url)
            .field("configuration", &self.configuration)
            .field("authentication", &self.authentication)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy.as_ref().and_then(without_account))
            .finish()
    }
}

impl Endpoint {
    /// An endpoint that is reached directly and has to prove itself by the system's store of certificates.
    pub fn new(
        host: impl Into<String>,
        url: impl Into<String>,
        configuration: impl Into<String>,
        authentication: Authentication,
    ) -> Self {
        Self {
            host: host.into(),
            url: url.into(),
            configuration: configuration.into(),
            authentication,
            tls: Tls::default(),
            proxy: None,
        }
    }

    /// Host and port of the URL; `None` where it is no URL of a server.
    pub fn authority(&self) -> Option<(String, u16)> {
        let url = url::Url::parse(&self.url).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port_or_known_default()?))
    }
}

/// Scheme of authentication, with what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// User name and password as they are. Refused without TLS, unless that is allowed here.
    Basic {
        /// The account.
        credential: Credential,
        /// Whether password and messages may travel readable for all over plain HTTP.
        allow_plaintext: bool,
    },
    /// NTLMv2 under `Negotiate`. Messages are sealed over plain HTTP.
    Ntlm(Credential),
    /// Kerberos under `Kerberos`. Messages are sealed over plain HTTP.
    Kerberos(Kerberos),
    /// SPNEGO under `Negotiate`: Kerberos, and NTLM only where that is allowed.
    Negotiate {
        /// The account and its realm.
        kerberos: Kerberos,
        /// Whether NTLM may be used where Kerberos cannot: it proves the server to nobody.
        ntlm_fallback: bool,
    },
    /// Certificate of the client in the TLS handshake.
    Certificate(ClientCertificate),
    /// CredSSP, by NTLM within: the password itself goes to the server, encrypted, so that it can go on
    /// from there.
    CredSsp(Credential),
    /// Whoever has logged on to this Windows: the system's own `Negotiate`, by Kerberos, messages
    /// sealed. Elsewhere than on Windows nothing can be sent.
    CurrentLogon {
        /// The service's principal; `None`: `HTTP/` with the name of the host.
        service: Option<String>,
    },
}

impl Authentication {
    /// The account, for messages.
    pub fn account(&self) -> &str {
        match self {
            Self::Basic { credential, .. } | Self::Ntlm(credential) | Self::CredSsp(credential) => {
                &credential.username
            }
            Self::Kerberos(kerberos) | Self::Negotiate { kerberos, .. } => {
                kerberos.identity.account()
            }
            Self::Certificate(certificate) => &certificate.name,
            Self::CurrentLogon { .. } => "the current logon",
        }
    }

    /// Whether messages are sealed where there is no TLS around them.
    pub(crate) fn seals(&self) -> bool {
        !matches!(self, Self::Basic { .. } | Self::Certificate(_))
    }

    /// The secret that must not be shown, if one is known here.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Basic { credential, .. } | Self::Ntlm(credential) | Self::CredSsp(credential) => {
                Some(&credential.password)
            }
            Self::Kerberos(kerberos) | Self::Negotiate { kerberos, .. } => {
                match &kerberos.identity {
                    Identity::Password(credential) => Some(&credential.password),
                    Identity::Keytab { .. } | Identity::TicketCache => None,
                }
            }
            Self::Certificate(certificate) => Some(&certificate.key),
            Self::CurrentLogon { .. } => None,
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

/// Who asks for tickets, of whom, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kerberos {
    /// Who asks.
    pub identity: Identity,
    /// The realm of the account; `None`: that of the user name, else the default one of `krb5.conf`, else the
    /// DNS domain of the endpoint's host.
    pub realm: Option<String>,
    /// Its key distribution centres, in the order in which they are asked: `host`, `host:port`, `tcp://host:port`,
    /// `udp://host:port`. None: those of `krb5.conf`, then those that DNS names.
    pub kdcs: Vec<String>,
    /// The service's principal; `None`: `HTTP/` with the endpoint's host.
    pub service: Option<String>,
    /// Whether the server is given a ticket to go on with from there.
    pub delegate: bool,
}

/// How the key distribution centre is shown who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// By a password.
    Password(Credential),
    /// By a key in a file.
    Keytab {
        /// `user@REALM` or `user`.
        principal: String,
        /// The file.
        path: PathBuf,
    },
    /// By a ticket that `kinit` has fetched. Needs the feature `gssapi`.
    TicketCache,
}

impl Identity {
    /// The account, for messages.
    pub fn account(&self) -> &str {
        match self {
            Self::Password(credential) => &credential.username,
            Self::Keytab { principal, .. } => principal,
            Self::TicketCache => "the ticket cache",
        }
    }
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// Its subject, for messages.
    pub name: String,
    /// The certificate, and those between it and its authority, as PEM.
    pub chain: String,
    /// The private key, unencrypted PKCS #8 as PEM.
    pub key: Secret,
}

/// Which servers are trusted. By default those whose certificate has the host of the URL as a name and is
/// vouched for by the system's store, over TLS 1.2 or later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tls {
    /// Certificates of authorities that are trusted besides those of the system, as PEM.
    pub ca: Option<String>,
    /// SHA-256 of the one certificate that the server must have. It need not be vouched for then.
    pub pin: Option<[u8; 32]>,
    /// The oldest version of the protocol that will do.
    pub min_version: TlsVersion,
    /// Whether any certificate will do. Refused with [`Authentication::Basic`].
    pub insecure_skip_verify: bool,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TlsVersion {
    /// TLS 1.0, which is broken.
    V1_0,
    /// TLS 1.1, which is broken.
    V1_1,
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}
