//! The validated [`Site`]: hosts, products, rules and references to credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    ApplicationId, Auth, ConnectionRule, ConnectionRules, ExchangeVersion, HostName, KerberosRule,
    LyncVersion, Thumbprint, WindowsPath,
};

/// A whole site, valid in itself.
#[derive(Debug, Clone)]
pub struct Site {
    /// Short name; names the folder of the run directories.
    pub name: String,
    /// The SIP side.
    pub lync: Lync,
    /// The mail side.
    pub exchange: Exchange,
    /// How the certificate of the messaging endpoint is found on each backend.
    pub certificate: CertificateRule,
    /// Every server, in the order of the file. Names are unique.
    pub hosts: Vec<Host>,
    /// OWA mailbox policies in scope.
    pub policies: PolicyScope,
    /// Users whose prerequisites are looked at, by address; each once, often none.
    pub sample_users: Vec<String>,
    /// What may be changed of Unified Messaging besides its dial plans.
    pub unified_messaging: UnifiedMessagingRule,
    /// What the simulated site of this file begins with; real servers never see it.
    pub lab_overlay: Option<std::path::PathBuf>,
    /// How endpoints are reached.
    pub connections: ConnectionRules,
    /// Where tickets come from.
    pub kerberos: KerberosRule,
    /// Where passwords come from.
    pub credentials: CredentialRules,
    /// How often and how patiently steps are tried again.
    pub retry: RetryRules,
    /// How much may happen at once.
    pub limits: Limits,
    /// What the file allows and a person should still look at.
    pub warnings: Vec<Warning>,
}

/// Something in a site file that is allowed and still wants a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The site file, or `--set` with its key.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was noticed, and what follows from it.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )
    }
}

impl Site {
    /// Makes the paths of files that the site file names relative to `folder`, where the site file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        let rules = self
            .connections
            .by_kind
            .values_mut()
            .chain([&mut self.connections.all]);
        let endpoints = self
            .hosts
            .iter_mut()
            .flat_map(|host| host.endpoints.values_mut());
        let authorities = rules
            .chain(endpoints.map(|rule| &mut rule.connection))
            .filter_map(|rule| rule.ca.as_mut());
        let credentials = self
            .credentials
            .by_kind
            .values_mut()
            .chain(self.credentials.by_host.values_mut())
            .chain([&mut self.credentials.default])
            .filter_map(|credential| match credential {
                Credential::Keytab { keytab, .. } => Some(keytab),
                Credential::Certificate { pfx, .. } => Some(pfx),
                Credential::Account { .. } | Credential::Logon | Credential::TicketCache => None,
            });
        for path in authorities.chain(credentials).chain(&mut self.lab_overlay) {
            *path = folder.join(&*path);
        }
    }

    /// The host of that name.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| &host.name == name)
    }

    /// The hosts that have `role`, in the order of the file.
    pub fn hosts_with(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts
            .iter()
            .filter(move |host| host.roles.contains(&role))
    }

    /// The names that the certificate of the trusted pool must have: its subject, and the computers of
    /// the pool.
    pub fn certificate_names(&self) -> Vec<HostName> {
        let subject = &self.certificate.subject;
        let computers = self.lync.trusted_application.computers.iter();
        std::iter::once(subject)
            .chain(computers.filter(|name| *name != subject))
            .cloned()
            .collect()
    }

    /// The generation of Exchange that `host` runs: its own, or the site's.
    pub fn exchange_version(&self, host: &Host) -> ExchangeVersion {
        host.exchange_version.unwrap_or(self.exchange.version)
    }
}

/// Lync Server or Skype for Business Server.
#[derive(Debug, Clone)]
pub struct Lync {
    /// Generation.
    pub version: LyncVersion,
    /// The Front End pool: registrar, and the value of `IMServerName`.
    pub pool: HostName,
    /// `SiteId` of `Get-CsSite`; not the display name.
    pub site_id: String,
    /// How OWA is known to Lync.
    pub trusted_application: TrustedApplication,
}

/// The trusted application pool and the application in it.
#[derive(Debug, Clone)]
pub struct TrustedApplication {
    /// FQDN of the trusted application pool.
    pub pool: HostName,
    /// Id of the application.
    pub id: ApplicationId,
    /// Port of the application: bookkeeping in the topology.
    pub port: u16,
    /// The computers of the pool, each a backend of the site; empty: one with the pool's own name.
    pub computers: Vec<HostName>,
}

/// What the site file allows of Unified Messaging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnifiedMessagingRule {
    /// The startup mode that services in a secured dial plan get where theirs answers no secured
    /// calls, with a restart of the service; `None`: it is only reported.
    pub startup_mode: Option<StartupMode>,
}

/// A startup mode (`UMStartupMode`) with which secured calls are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupMode {
    /// Secured and unsecured calls.
    Dual,
    /// Secured calls only.
    Tls,
}

impl StartupMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Dual, Self::Tls];

    /// The name in site files and of the cmdlets' parameter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dual => "Dual",
            Self::Tls => "TLS",
        }
    }
}

/// Exchange as a whole.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Generation of every host that does not say otherwise.
    pub version: ExchangeVersion,
    /// The host whose Exchange endpoint serves organization-wide objects (mailbox policies).
    pub admin_host: HostName,
    /// Domain controller that writes and read-backs are pinned to; `None`: the one that the
    /// first read names.
    pub domain_controller: Option<HostName>,
}

/// How the certificate of the messaging endpoint is recognised.
#[derive(Debug, Clone)]
pub struct CertificateRule {
    /// Subject CN and a SAN that the certificate must have.
    pub subject: HostName,
    /// Exactly this certificate; `None`: the valid one of that subject that expires last.
    pub thumbprint: Option<Thumbprint>,
    /// Days before expiry from which on a warning is given.
    pub warn_days: u32,
    /// What is imported where there is no such certificate.
    pub import: Option<CertificateImport>,
    /// Whether one is requested where there is none, and nothing to import.
    pub request: bool,
}

/// A certificate with its key that is imported where it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateImport {
    /// The PKCS #12 file, on the workstation; relative to the site file.
    pub pfx: std::path::PathBuf,
    /// Where its password is taken from.
    pub password: SecretSource,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its FQDN.
    pub name: HostName,
    /// What it does; never empty.
    pub roles: BTreeSet<Role>,
    /// Exchange generation, where it differs from the site's.
    pub exchange_version: Option<ExchangeVersion>,
    /// Servers that share users: within one group only [`Limits::recycles`] pools are recycled at
    /// once.
    pub group: String,
    /// Exchange install root, where it must not be read from the registry.
    pub install_root: Option<WindowsPath>,
    /// Endpoints that differ from the defaults of their kind.
    pub endpoints: BTreeMap<EndpointKind, EndpointRule>,
}

impl Host {
    /// Whether this host has `role`.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Exchange client access: owns a front-end OWA virtual directory.
    Cas,
    /// Exchange mailbox server: renders OWA, makes the SIP connection.
    Backend,
    /// Lync Front End.
    LyncFrontEnd,
}

/// The kinds of remoting endpoint a host can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// `/wsman`, configuration `Microsoft.PowerShell`.
    Windows,
    /// `/PowerShell`, configuration `Microsoft.Exchange`.
    Exchange,
    /// `/OcsPowershell`.
    Lync,
    /// `/wsman` of a Front End, a session configuration of the site's own.
    LyncLocal,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Cas, Self::Backend, Self::LyncFrontEnd];

    /// The name in site files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cas => "cas",
            Self::Backend => "backend",
            Self::LyncFrontEnd => "lync-front-end",
        }
    }

    /// Whether a server of this role runs Exchange.
    pub fn is_exchange(self) -> bool {
        matches!(self, Self::Cas | Self::Backend)
    }
}

impl EndpointKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Windows, Self::Exchange, Self::Lync, Self::LyncLocal];

    /// The name in site files, endpoint files and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Exchange => "exchange",
            Self::Lync => "lync",
            Self::LyncLocal => "lync-local",
        }
    }

    /// The URL at which `host` offers this kind unless the site file says otherwise.
    pub fn default_url(self, host: &HostName) -> String {
        match self {
            Self::Windows | Self::LyncLocal => format!("http://{host}:5985/wsman"),
            Self::Exchange => format!("http://{host}/PowerShell/"),
            Self::Lync => format!("https://{host}/OcsPowershell"),
        }
    }

    /// How this kind is shown who asks unless the site file says otherwise. Exchange's virtual directory takes
    /// Kerberos alone by default.
    pub fn default_auth(self) -> Auth {
        match self {
            Self::Windows | Self::Lync | Self::LyncLocal => Auth::Negotiate,
            Self::Exchange => Auth::Kerberos,
        }
    }

    /// The session configuration of this kind unless the site file says otherwise.
    pub fn default_configuration(self) -> &'static str {
        match self {
            Self::Windows | Self::Lync => "Microsoft.PowerShell",
            Self::Exchange => "Microsoft.Exchange",
            Self::LyncLocal => "owaim",
        }
    }
}

/// Where an endpoint is, if not at its default place.
#[derive(Debug, Clone, Default)]
pub struct EndpointRule {
    /// Whole URL.
    pub url: Option<String>,
    /// Name of the session configuration.
    pub configuration: Option<String>,
    /// How it is reached, where that differs.
    pub connection: ConnectionRule,
}

/// Which OWA mailbox policies are in scope.
#[derive(Debug, Clone)]
pub enum PolicyScope {
    /// Every policy that exists when the run looks.
    All,
    /// Every policy that some mailbox of the organization has when the run looks.
    InUse,
    /// These, by name; never empty.
    Named(Vec<String>),
}

/// References to credentials; the most specific one wins: host, then endpoint kind, then default.
#[derive(Debug, Clone)]
pub struct CredentialRules {
    /// For everything without a rule of its own.
    pub default: Credential,
    /// Per endpoint kind.
    pub by_kind: BTreeMap<EndpointKind, Credential>,
    /// Per host.
    pub by_host: BTreeMap<HostName, Credential>,
}

impl CredentialRules {
    /// The reference that holds for `kind` at `host`.
    pub fn for_endpoint(&self, host: &HostName, kind: EndpointKind) -> &Credential {
        self.by_host
            .get(host)
            .or_else(|| self.by_kind.get(&kind))
            .unwrap_or(&self.default)
    }
}

/// As whom an endpoint is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A user name and where its password is.
    Account {
        /// `DOMAIN\user` or `user@domain`.
        username: String,
        /// Where the password is taken from.
        password: SecretSource,
    },
    /// Whoever has logged on to the machine that this runs on.
    Logon,
    /// A user name and a file with its Kerberos key.
    Keytab {
        /// `user@REALM` or `user`.
        username: String,
        /// The file; relative to the site file.
        keytab: std::path::PathBuf,
    },
    /// The ticket that `kinit` has fetched.
    TicketCache,
    /// A certificate that the servers know the account by.
    Certificate {
        /// PKCS #12 file with certificate and key; relative to the site file.
        pfx: std::path::PathBuf,
        /// Where the file's password is taken from.
        password: SecretSource,
    },
}

/// A reference to a secret; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// Environment variable of that name.
    Env(String),
    /// First line of that file.
    File(std::path::PathBuf),
    /// Asked at the terminal.
    Prompt,
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Prompt => f.write_str("the terminal"),
        }
    }
}

/// How one step is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// Upper bound of the first wait; doubles with every attempt (full jitter).
    pub base_delay: Duration,
    /// Upper bound of any wait.
    pub max_delay: Duration,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long all attempts together may take.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            attempt_timeout: Duration::from_mins(2),
            deadline: Duration::from_mins(10),
        }
    }
}

/// Retry policies: a step's own, else its phase's, else the default.
#[derive(Debug, Clone, Default)]
pub struct RetryRules {
    /// For everything without a rule of its own.
    pub default: RetryPolicy,
    /// By phase (`backend`) or step id (`backend.web-config`).
    pub by_name: BTreeMap<String, RetryPolicy>,
}

impl RetryRules {
    /// The policy that holds for the step `id` (`phase.name`).
    pub fn for_step(&self, id: &str) -> &RetryPolicy {
        let phase = id.split('.').next().unwrap_or(id);
        self.by_name
            .get(id)
            .or_else(|| self.by_name.get(phase))
            .unwrap_or(&self.default)
    }
}

/// How much may happen at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Steps at work in the whole run.
    pub parallel: usize,
    /// Steps at work on one host.
    pub per_host: usize,
    /// Application pools of one group being recycled at once.
    pub recycles: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parallel: 16,
            per_host: 2,
            recycles: 1,
        }
    }
}
