//! [`Facts`]: what steps learn and later steps use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use owaim_inventory::{ExchangeVersion, HostName, PowerShellVersion, Thumbprint, WindowsPath};
use serde::{Deserialize, Serialize};

use crate::PoolDecision;
use crate::authority::Authority;

/// Something learnt about one host. The last one of a kind counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", content = "value", rename_all = "kebab-case")]
pub enum Fact {
    /// Version of Windows PowerShell.
    PowerShell(PowerShellVersion),
    /// Generation of Exchange.
    Exchange(ExchangeVersion),
    /// Folder that Exchange is installed in.
    InstallRoot(WindowsPath),
    /// The server's clock when it was asked.
    ServerTime(Timestamp),
    /// The certificate of the messaging endpoint.
    Certificate(Certificate),
    /// What a Front End shows to others, and what it trusts.
    LyncTrust(LyncTrust),
    /// The configuration file: what a second attempt needs to recognise old, new and torn.
    WebConfig(WebConfigState),
    /// When the worker process in force started; `None`: no worker process.
    WorkerStarted(Option<Timestamp>),
    /// When the event log last told of an attempt to start messaging, successful or not; `None`:
    /// not since the worker process started. Somebody signed on to make it happen.
    SignOn(Option<Timestamp>),
    /// The domain controller that answered a read; writes and read-backs go to the same one.
    DomainController(String),
    /// SHA-256 of a configuration file that an interrupted write left short.
    Torn(String),
    /// What Unified Messaging on an Exchange server means for Lync.
    UnifiedMessaging(UnifiedMessaging),
    /// Whether the trusted application pool has to exist; known of the Front End that is asked.
    TrustedPool(PoolDecision),
    /// The Front End pool of the site file cannot be the next hop, with the reason; known of the Front
    /// End that is asked.
    NextHopRefused(String),
    /// Identity (`Site:NAME`) of the Lync site of the site file; known of the Front End that is asked.
    LyncSite(String),
    /// The startup mode of that service was found to need a change, after which the service has to
    /// be restarted.
    RestartDue(String),
    /// An earlier run set the startup mode of a service, and its record does not show that it
    /// restarted the service.
    RestartUnconfirmed {
        /// The service.
        service: String,
        /// The run.
        run: String,
    },
    /// That run changed the topology, and its record does not show that it was enabled since.
    TopologyUnconfirmed(String),
    /// What Exchange says of a sampled user; known of the server that was asked.
    Mailbox(SampledMailbox),
    /// The topology was found to need a change: it is not in force before it is enabled.
    TopologyChanged,
    /// A change to this host's messaging configuration is still to come in this run, by the
    /// step named: values that depend on it are known after apply.
    Pending(String),
}

/// The certificate that a backend presents to Lync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-1 of the DER.
    pub thumbprint: Thumbprint,
    /// Common name of the subject.
    pub subject: String,
    /// End of validity.
    pub not_after: Timestamp,
}

/// What a Front End shows to the machines that it talks to, and which ones it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LyncTrust {
    /// Its own certificate, and the authorities above it that it sends along, as far as it has
    /// them; empty if it has no certificate of the pool's name.
    pub shown: Vec<Shown>,
    /// What is in its `Root`.
    pub roots: Vec<Authority>,
    /// What else it has that leads to one of those.
    pub intermediates: Vec<Authority>,
}

/// The DER of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shown(#[serde(with = "crate::base64_bytes")] pub Vec<u8>);

/// Unified Messaging on one server, as Lync's discovery sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnifiedMessaging {
    /// Whether the Unified Messaging service is there.
    pub service: bool,
    /// Whether the call router is there.
    pub call_router: bool,
    /// Whether one of them is in a SIP URI dial plan.
    pub sip_dial_plan: bool,
    /// Whether they are in none, and there is one that they have to join.
    pub joins: bool,
}

/// Whether Lync finds a server by itself: one with both services in a SIP URI dial plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It will, after a change that is still to be made.
    Planned,
    /// Its services were to join a dial plan in this run, and nothing shows that they did.
    Open,
}

/// A sampled user as Exchange knows it: what Lync's side is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledMailbox {
    /// Address of the user, as the site file has it.
    pub user: String,
    /// The user principal name, which Lync knows the user by whatever the addresses are.
    pub principal: Option<String>,
    /// The SIP addresses of the mailbox, without their prefix.
    pub sip_addresses: Vec<String>,
}

/// The configuration file as a step found it and as it should become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebConfigState {
    /// Its path.
    pub path: WindowsPath,
    /// SHA-256 (upper-case hex) of the bytes found.
    pub found: String,
    /// SHA-256 of the bytes wanted.
    pub wanted: String,
    /// Where the copy from before the change lies, or would lie: nothing was changed if `found`
    /// is `wanted` from the start.
    pub backup: WindowsPath,
    /// Last write, by the server's clock.
    pub written: Option<Timestamp>,
}

/// Everything learnt in a run, by host.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<HostName, Vec<Fact>>);

macro_rules! latest {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty) => {
        $(#[$doc])*
        pub fn $name(&self, host: &HostName) -> Option<&$type> {
            self.of(host).iter().rev().find_map(|fact| match fact {
                Fact::$variant(value) => Some(value),
                _ => None,
            })
        }
    };
}

impl Facts {
    /// Notes `fact` about `host`; replaces an earlier one of its kind.
    pub fn learn(&mut self, host: &HostName, fact: Fact) {
        let facts = self.0.entry(host.clone()).or_default();
        // Changes that are still to come add up: several steps may wait on one host.
        facts.retain(|old| match &fact {
            Fact::Pending(_) | Fact::RestartDue(_) | Fact::RestartUnconfirmed { .. } => {
                old != &fact
            }
            // One server is asked about many users.
            Fact::Mailbox(new) => !matches!(old, Fact::Mailbox(old) if old.user == new.user),
            _ => std::mem::discriminant(old) != std::mem::discriminant(&fact),
        });
        facts.push(fact);
    }

    /// Whether a change by the step `id` is still to come on `host`.
    pub fn is_pending(&self, host: &HostName, id: &str) -> bool {
        self.of(host)
            .iter()
            .any(|fact| matches!(fact, Fact::Pending(step) if step == id))
    }

    /// What Exchange said of the sampled user `user` when `host` was asked.
    pub fn mailbox(&self, host: &HostName, user: &str) -> Option<&SampledMailbox> {
        self.of(host).iter().find_map(|fact| match fact {
            Fact::Mailbox(found) if found.user == user => Some(found),
            _ => None,
        })
    }

    /// Whether Lync finds `host` by itself; `None`: its Unified Messaging was not looked at. What an
    /// attempt to change did not bring about is not taken for granted.
    pub(crate) fn discovery(&self, host: &HostName) -> Option<Discovery> {
        let state = self.unified_messaging(host)?;
        let is_pending = || self.is_pending(host, crate::um_dial_plans::ID);
        Some(match state {
            _ if !(state.service && state.call_router) => Discovery::No,
            _ if state.sip_dial_plan => Discovery::Yes,
            _ if !state.joins => Discovery::No,
            _ if is_pending() => Discovery::Planned,
            _ => Discovery::Open,
        })
    }

    /// The services of `host` that an earlier run may not have restarted, with that run.
    pub(crate) fn unconfirmed_restarts(
        &self,
        host: &HostName,
    ) -> impl Iterator<Item = (&str, &str)> {
        self.of(host).iter().filter_map(|fact| match fact {
            Fact::RestartUnconfirmed { service, run } => Some((service.as_str(), run.as_str())),
            _ => None,
        })
    }

    /// Whether the topology was found to need a change in this run, at the Front End `host`.
    pub fn topology_changed(&self, host: &HostName) -> bool {
        self.of(host).contains(&Fact::TopologyChanged)
    }

    /// All that is known about `host`.
    pub fn of(&self, host: &HostName) -> &[Fact] {
        self.0.get(host).map_or(&[], Vec::as_slice)
    }

    latest!(
        /// Version of Windows PowerShell on `host`.
        powershell, PowerShell, PowerShellVersion
    );
    latest!(
        /// Generation of Exchange on `host`.
        exchange, Exchange, ExchangeVersion
    );
    latest!(
        /// Install root of Exchange on `host`.
        install_root, InstallRoot, WindowsPath
    );
    latest!(
        /// The clock of `host` when it was last asked.
        server_time, ServerTime, Timestamp
    );
    latest!(
        /// The certificate found on `host`.
        certificate, Certificate, Certificate
    );
    latest!(
        /// What the Front End `host` shows and trusts.
        lync_trust, LyncTrust, LyncTrust
    );
    latest!(
        /// The configuration file on `host`.
        web_config, WebConfig, WebConfigState
    );
    latest!(
        /// What Unified Messaging on `host` means for Lync.
        unified_messaging, UnifiedMessaging, UnifiedMessaging
    );
    latest!(
        /// The run that changed the topology without enabling it, at the Front End `host`.
        topology_unconfirmed, TopologyUnconfirmed, String
    );
    latest!(
        /// Why the Front End pool of the site file cannot be the next hop, at the Front End `host`.
        next_hop_refused, NextHopRefused, String
    );
    latest!(
        /// Identity of the Lync site of the site file, at the Front End `host`.
        lync_site, LyncSite, String
    );
    latest!(
        /// The decision about the trusted pool, at the Front End `host`.
        trusted_pool, TrustedPool, PoolDecision
    );
    latest!(
        /// When the worker process on `host` started.
        worker_started, WorkerStarted, Option<Timestamp>
    );
    latest!(
        /// The last sign of a sign-on on `host`.
        sign_on, SignOn, Option<Timestamp>
    );
}
