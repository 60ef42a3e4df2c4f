//! [`Lync`]: the Central Management Store, what each server has of it, and which peers the Front
//! Ends know.
//!
//! A change of the topology is *published* at once and in force nowhere. `Enable-CsTopology`
//! makes it the *enabled* one, which reaches every replica after a delay; a Front End then knows
//! other peers ([`known`]). Nothing here says that a change is pending: real cmdlets do not
//! either.

mod first;
pub(super) mod hop;
mod known;
mod topology;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::{HostName, LyncVersion};
use serde::{Deserialize, Serialize};

use crate::overlay::PoolRole;

pub(super) use first::{own_pool, set_up, trusted_pool, user};
pub(super) use known::{LOG, accepted, advance, service_started, serving};
pub(crate) use topology::{Application, Contact, Topology, TopologyError, TrustedPool, bare_id};

/// Service of a Front End that holds the table of known servers.
pub(super) const FRONT_END_SERVICE: &str = "rtcsrv";
/// Seconds until replication that was invoked is done.
const INVOKED_S: i64 = 1;

/// The Lync side of the site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lync {
    pub(crate) version: LyncVersion,
    /// Sites of the topology; never empty. The first one has the site file's pool.
    pub(crate) sites: Vec<CsSite>,
    /// Pools of Lync's own servers; never empty, that of the site's Front Ends first.
    pub(crate) pools: Vec<CsPool>,
    /// What the cmdlets read and change.
    pub(crate) published: Topology,
    /// As it was at the last `Enable-CsTopology`.
    pub(crate) enabled: Topology,
    pub(crate) enabled_at: Timestamp,
    /// What has a copy of the store.
    pub(crate) replicas: Vec<Replica>,
    /// Names, in lower case, with a computer account in the directory.
    pub(crate) computer_accounts: Vec<String>,
    /// Exchange servers that are discovered whatever their Unified Messaging is like.
    pub(crate) also_discovered: Vec<HostName>,
}

/// A site of the topology.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CsSite {
    pub(crate) site_id: String,
    /// `Site:` and a name.
    pub(crate) identity: String,
    pub(crate) display_name: String,
}

/// A pool of Lync's own servers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CsPool {
    pub(crate) fqdn: HostName,
    #[serde(default)]
    pub(crate) role: PoolRole,
    /// Identity of its site.
    pub(crate) site: String,
    pub(crate) computers: Vec<HostName>,
    pub(crate) version: LyncVersion,
}

/// A copy of the Central Management Store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replica {
    pub(crate) fqdn: HostName,
    /// Whether users and peers are served from it.
    pub(crate) front_end: bool,
    pub(crate) behaviour: Replication,
    /// The topology that it goes by.
    pub(crate) in_force: Topology,
    /// When the enabled topology arrives; `None` if it has it.
    pub(crate) pending: Option<Timestamp>,
    /// When the topology that it has was enabled.
    pub(crate) updated: Timestamp,
    /// The table of known servers of a Front End.
    pub(crate) known: Vec<KnownServer>,
}

/// How a replica gets the enabled topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Replication {
    After { delay_s: u32 },
    WhenInvoked,
    Never,
}

/// A peer that a Front End trusts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct KnownServer {
    pub(crate) fqdn: String,
    /// Of the generation of Lync that the topology says; 0 if it was discovered.
    pub(crate) version: u32,
    pub(crate) discovered: bool,
}

/// A user as Lync knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LyncUser {
    pub(crate) enabled: bool,
    pub(crate) sip_address: String,
    pub(crate) registrar: HostName,
}

/// Number of a generation in topology entries.
pub(crate) fn entry_version(version: LyncVersion) -> u32 {
    match version {
        LyncVersion::L2010 => 5,
        LyncVersion::L2013 => 6,
        LyncVersion::S2015 => 7,
        LyncVersion::S2019 | LyncVersion::Se => 8,
    }
}

/// Product version of a generation.
pub(crate) fn product_version(version: LyncVersion) -> &'static str {
    match version {
        LyncVersion::L2010 => "4.0.7577.0",
        LyncVersion::L2013 => "5.0.8308.0",
        LyncVersion::S2015 => "6.0.9319.0",
        LyncVersion::S2019 => "7.0.2046.0",
        LyncVersion::Se => "8.0.1.0",
    }
}

impl Lync {
    /// The Front End pool that `text` names, alone or as `Registrar:FQDN`.
    pub(crate) fn registrar(&self, text: &str) -> Option<&CsPool> {
        let name = text
            .split_once(':')
            .filter(|(role, _)| role.eq_ignore_ascii_case("Registrar"))
            .map_or(text, |(_, name)| name);
        self.registrars()
            .find(|pool| pool.fqdn.as_str().eq_ignore_ascii_case(name))
    }

    /// The pools with a Registrar.
    pub(crate) fn registrars(&self) -> impl Iterator<Item = &CsPool> {
        self.pools
            .iter()
            .filter(|pool| pool.role == PoolRole::FrontEnd)
    }

    /// The site of that `SiteId`.
    pub(crate) fn site(&self, site_id: &str) -> Option<&CsSite> {
        self.sites
            .iter()
            .find(|site| site.site_id.eq_ignore_ascii_case(site_id))
    }

    /// Whether the directory has a computer account of that name.
    pub(crate) fn has_account(&self, name: &str) -> bool {
        self.computer_accounts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Whether `name` is a Lync server or pool of this topology.
    pub(crate) fn is_lync_server(&self, name: &str) -> bool {
        self.pools.iter().any(|pool| {
            pool.fqdn.as_str().eq_ignore_ascii_case(name)
                || pool
                    .computers
                    .iter()
                    .any(|c| c.as_str().eq_ignore_ascii_case(name))
        })
    }

    /// Puts the published topology into force; gives whether it was not in force already.
    pub(crate) fn enable(&mut self, now: Timestamp) -> bool {
        if self.published == self.enabled {
            return false;
        }
        self.enabled = self.published.clone();
        self.enabled_at = now;
        for replica in &mut self.replicas {
            replica.pending = Some(match replica.behaviour {
                Replication::After { delay_s } => later(now, i64::from(delay_s)),
                Replication::WhenInvoked | Replication::Never => Timestamp::MAX,
            });
        }
        true
    }

    /// Invokes replication to every replica, or to the one of that name; gives whether that
    /// hurries anything.
    pub(crate) fn invoke(&mut self, name: Option<&str>, now: Timestamp) -> bool {
        let mut hurried = false;
        let soon = later(now, INVOKED_S);
        for replica in &mut self.replicas {
            let named = name.is_none_or(|n| replica.fqdn.as_str().eq_ignore_ascii_case(n));
            let waits = replica.behaviour != Replication::Never
                && replica.pending.is_some_and(|at| at > soon);
            if named && waits {
                replica.pending = Some(soon);
                hurried = true;
            }
        }
        hurried
    }

    /// Computers of trusted pools that are to have a replica and have no agent for it: they are
    /// never up to date.
    pub(crate) fn deaf_replicas(&self) -> Vec<String> {
        let mut names = BTreeMap::new();
        for pool in self.enabled.pools.iter().filter(|p| p.requires_replication) {
            for computer in &pool.computers {
                names.insert(computer.to_lowercase(), computer.clone());
            }
        }
        names
            .into_values()
            .filter(|name| {
                !self
                    .replicas
                    .iter()
                    .any(|r| r.fqdn.as_str().eq_ignore_ascii_case(name))
            })
            .collect()
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}
