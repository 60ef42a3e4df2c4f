//! [`LyncOverlay`]: what differs on the Lync side and in Unified Messaging; [`Action`]: what
//! somebody else does to the site.

use std::collections::BTreeMap;

use owaim_inventory::{ApplicationId, HostName, LyncVersion};
use serde::{Deserialize, Serialize};

use crate::world::{StartupMode, UriType, VoipSecurity};

/// What differs in Lync's configuration. Only sites with a `lync-front-end` host have it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LyncOverlay {
    /// Seconds until an enabled topology has reached a server.
    pub(crate) replication_delay_s: Option<u32>,
    /// In place of the one site; the first one has the Front End pool.
    pub(crate) sites: Vec<CsSiteOverlay>,
    /// What the Front End pool is really called, where that is not what the site file says.
    pub(crate) pool: Option<HostName>,
    /// Pools besides that one, without servers of their own here.
    pub(crate) pools: Vec<PoolOverlay>,
    /// Trusted application pools that are there already.
    pub(crate) trusted_pools: Vec<TrustedPoolOverlay>,
    /// How single replicas behave. A name that is no front end is a replica of its own.
    pub(crate) replicas: BTreeMap<HostName, ReplicaOverlay>,
    /// Names with a computer account in the directory, besides the hosts.
    pub(crate) computer_accounts: Vec<HostName>,
    /// Exchange servers that Lync discovers whatever their Unified Messaging is like.
    pub(crate) discovered: Vec<HostName>,
}

/// A site of the topology.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CsSiteOverlay {
    pub(crate) site_id: String,
    /// The part of the identity after `Site:`.
    pub(crate) identity: Option<String>,
    pub(crate) display_name: Option<String>,
}

/// A pool of the topology.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolOverlay {
    pub(crate) fqdn: HostName,
    #[serde(default)]
    pub(crate) role: PoolRole,
    /// The first site if absent.
    pub(crate) site_id: Option<String>,
    /// That of the site file if absent.
    pub(crate) version: Option<LyncVersion>,
}

/// What the computers of a pool do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PoolRole {
    /// They have a Registrar.
    #[default]
    FrontEnd,
    /// They have none.
    Edge,
}

/// A trusted application pool; what is absent is as the site file wants it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrustedPoolOverlay {
    pub(crate) fqdn: Option<HostName>,
    /// One of the pool's own name if absent.
    pub(crate) computers: Option<Vec<HostName>>,
    pub(crate) registrar: Option<HostName>,
    pub(crate) site_id: Option<String>,
    pub(crate) requires_replication: bool,
    /// The application of the site file if absent.
    pub(crate) applications: Option<Vec<ApplicationOverlay>>,
    /// Whether the topology has not been enabled since.
    pub(crate) pending: bool,
}

/// A trusted application.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationOverlay {
    pub(crate) id: ApplicationId,
    pub(crate) port: u16,
}

/// How a replica gets the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReplicaOverlay {
    /// Never: it is not up to date from the beginning.
    Never,
    /// Only when replication is invoked.
    WhenInvoked,
    /// So many seconds after the topology is enabled.
    AfterS(u32),
}

/// A UM dial plan.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DialPlanOverlay {
    pub(crate) name: String,
    #[serde(default = "sip_name")]
    pub(crate) uri_type: UriType,
    #[serde(default)]
    pub(crate) voip_security: VoipSecurity,
    /// Servers whose Unified Messaging is in it, with all services that they have.
    #[serde(default)]
    pub(crate) servers: Vec<HostName>,
}

fn sip_name() -> UriType {
    UriType::SipName
}

/// Services of Unified Messaging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UmRole {
    /// `MSExchangeUM`
    Service,
    /// `MSExchangeUMCR`
    CallRouter,
}

/// What differs in Unified Messaging of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UmOverlay {
    /// The services that are there; those of the host's roles if absent.
    pub(crate) services: Option<Vec<UmRole>>,
    pub(crate) startup_mode: Option<StartupMode>,
}

/// A user as Lync knows it; what is absent is right.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LyncUserOverlay {
    /// Whether Lync has the user at all.
    pub(crate) known: bool,
    pub(crate) enabled: bool,
    pub(crate) sip_address: Option<String>,
    pub(crate) registrar: Option<HostName>,
}

impl Default for LyncUserOverlay {
    fn default() -> Self {
        Self {
            known: true,
            enabled: true,
            sip_address: None,
            registrar: None,
        }
    }
}

/// Something that happens to the site when the lab starts, whether or not its state was kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    tag = "action",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub(crate) enum Action {
    /// Exchange is updated: its files are setup's again, the server's build is newer, its worker
    /// process is new.
    CumulativeUpdate { host: HostName },
    /// The server's Unified Messaging joins a SIP URI dial plan, which is made if need be.
    JoinDialPlan { host: HostName, plan: String },
    /// The server's Unified Messaging leaves a dial plan.
    LeaveDialPlan { host: HostName, plan: String },
    /// Somebody makes the trusted pool of the site file and its application, and enables that.
    AddTrustedPool { pool: Option<HostName> },
}

impl Action {
    /// The host that it happens to.
    pub(crate) fn host(&self) -> Option<&HostName> {
        match self {
            Self::CumulativeUpdate { host }
            | Self::JoinDialPlan { host, .. }
            | Self::LeaveDialPlan { host, .. } => Some(host),
            Self::AddTrustedPool { .. } => None,
        }
    }
}
