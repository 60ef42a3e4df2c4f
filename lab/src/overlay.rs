//! [`Overlay`]: what makes the simulated site differ from a freshly installed one.
//!
//! A TOML file (`--lab-with FILE`). It shapes the first state only, except `latency_ms`,
//! `nested`, `faults`, `wire`, `accounts` and `actions`, which hold for every start. The format is described in
//! `docs/lab.md`.

mod lync;
mod wire;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use owaim_inventory::{HostName, PowerShellVersion, WindowsPath, WindowsVersion};
use serde::{Deserialize, Serialize};

pub(crate) use lync::{
    Action, DialPlanOverlay, LyncOverlay, LyncUserOverlay, PoolRole, ReplicaOverlay,
    TrustedPoolOverlay, UmOverlay, UmRole,
};
pub(crate) use wire::{Hardening, WireOverlay};

use crate::server::Faults;
use crate::world::Nested;

/// What differs from a freshly installed site.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overlay {
    /// Folder that relative paths of `files` start from.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    /// Milliseconds that every HTTP request is held back.
    pub(crate) latency_ms: u64,
    /// How nested values travel.
    pub(crate) nested: Nested,
    /// Seconds until a write reaches the other domain controllers.
    pub(crate) replication_delay_s: Option<u32>,
    /// Names of the domain controllers, the preferred one first.
    pub(crate) domain_controllers: Vec<String>,
    /// Name of the Exchange organization.
    pub(crate) organization: Option<String>,
    /// The doors: TLS, authentication, limits.
    pub(crate) wire: WireOverlay,
    /// By host name.
    pub(crate) hosts: BTreeMap<HostName, HostOverlay>,
    /// By identity, `SRV\owa (Default Web Site)`.
    pub(crate) virtual_directories: BTreeMap<String, MessagingOverlay>,
    /// By name; one that is not there is made.
    pub(crate) policies: BTreeMap<String, MessagingOverlay>,
    /// Users with mailboxes, besides the lab's own.
    pub(crate) users: Vec<UserOverlay>,
    /// When users sign on; replaces the lab's own timetable.
    pub(crate) sign_ons: Option<Vec<SignOn>>,
    /// Accounts that may log on, besides the one that the start makes up.
    pub(crate) accounts: Vec<Account>,
    /// Names, and the addresses that DNS has for them; none for a name that it does not know.
    pub(crate) dns: BTreeMap<HostName, Vec<IpAddr>>,
    /// The Lync side.
    pub(crate) lync: LyncOverlay,
    /// UM dial plans.
    pub(crate) dial_plans: Vec<DialPlanOverlay>,
    /// What happens to the site at every start.
    pub(crate) actions: Vec<Action>,
    /// Things that are wrong.
    pub(crate) defects: Vec<Defect>,
    /// Things that go wrong while working.
    pub(crate) faults: Vec<Fault>,
}

/// What differs on one host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HostOverlay {
    pub(crate) windows: Option<WindowsVersion>,
    #[serde(deserialize_with = "powershell_version")]
    pub(crate) powershell: Option<PowerShellVersion>,
    /// Folder of Exchange.
    pub(crate) install_root: Option<String>,
    /// Seconds that the host's clock is ahead.
    pub(crate) clock_skew_s: Option<i64>,
    /// Path on the host, and the local file whose bytes it gets.
    pub(crate) files: BTreeMap<String, PathBuf>,
    /// Paths on the host that get the read-only attribute.
    pub(crate) read_only: Vec<String>,
    /// In place of the one good certificate.
    pub(crate) certificates: Option<Vec<CertificateOverlay>>,
    /// Whether nothing listens there.
    pub(crate) down: bool,
    /// Start of the worker process, or `"none"`.
    pub(crate) worker: Option<WorkerOverlay>,
    /// State of the application pool.
    pub(crate) app_pool: Option<PoolOverlay>,
    /// Whether the host is out of service.
    pub(crate) maintenance: bool,
    /// Unified Messaging.
    pub(crate) um: UmOverlay,
    /// What listens besides the services.
    pub(crate) listeners: Vec<ListenerOverlay>,
}

/// A program that listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerOverlay {
    pub(crate) port: u16,
    /// Name of the process, without `.exe`.
    pub(crate) process: String,
}

/// State of an application pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PoolOverlay {
    Started,
    Stopped,
}

/// The worker process at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum WorkerOverlay {
    /// There is one since then.
    Since(Timestamp),
    /// There is none.
    None(NoWorker),
}

/// The word `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum NoWorker {
    #[serde(rename = "none")]
    None,
}

/// A certificate of a host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CertificateOverlay {
    /// Common name; the subject that the site file asks for if absent.
    pub(crate) subject: Option<String>,
    /// DNS names; the subject and the host if absent.
    pub(crate) names: Option<Vec<String>>,
    /// Days from now at which it begins; 30 days ago if absent.
    pub(crate) not_before_days: Option<i32>,
    /// Days from now at which it ends; 700 if absent.
    pub(crate) not_after_days: Option<i32>,
    /// Whether it came without its private key.
    pub(crate) without_key: bool,
    /// Whether it comes from a root that only the server itself trusts.
    pub(crate) untrusted: bool,
    pub(crate) friendly_name: String,
}

/// Messaging properties of a virtual directory or a policy.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MessagingOverlay {
    pub(crate) enabled: Option<bool>,
    /// `None`, `Ocs` or `Msn`.
    #[serde(rename = "type")]
    pub(crate) kind: Option<crate::world::MessagingType>,
}

/// A user with a mailbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserOverlay {
    pub(crate) name: String,
    /// User principal name.
    pub(crate) principal: String,
    /// Backend that has the mailbox.
    pub(crate) server: HostName,
    /// OWA mailbox policy; none: the directory decides.
    pub(crate) policy: Option<String>,
    /// Whether OWA is enabled.
    #[serde(default = "yes")]
    pub(crate) owa: bool,
    /// Its SIP proxy address.
    pub(crate) sip_address: Option<String>,
    /// As Lync knows it.
    #[serde(default)]
    pub(crate) lync: LyncUserOverlay,
}

/// An entry of the timetable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SignOnText", into = "SignOnText")]
pub(crate) struct SignOn {
    /// Backend that serves the user.
    pub(crate) host: HostName,
    /// User principal name; absent: somebody with the policy `Default`.
    pub(crate) user: Option<String>,
    pub(crate) when: When,
    /// Whether it has happened at all.
    pub(crate) done: bool,
    /// Last recycle after which it happened.
    pub(crate) done_generation: Option<u64>,
}

/// When a user signs on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum When {
    /// So many seconds after every recycle.
    AfterRecycle { after_recycle_s: f64 },
    /// Once, at that time.
    At { at: Timestamp },
    /// Once, just before the command of that number (1 is the first) reaches the lab.
    AtCall { at_call: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOnText {
    host: HostName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_recycle_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_call: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done_generation: Option<u64>,
}

impl TryFrom<SignOnText> for SignOn {
    type Error = &'static str;

    fn try_from(text: SignOnText) -> Result<Self, Self::Error> {
        let when = match (text.after_recycle_s, text.at, text.at_call) {
            (Some(after_recycle_s), None, None) if (0.0..1.0e7).contains(&after_recycle_s) => {
                When::AfterRecycle { after_recycle_s }
            }
            (None, Some(at), None) => When::At { at },
            (None, None, Some(at_call)) => When::AtCall { at_call },
            _ => {
                return Err(
                    "expected exactly one of after_recycle_s (0 to 10000000), at and at_call",
                );
            }
        };
        Ok(Self {
            host: text.host,
            user: text.user,
            when,
            done: text.done,
            done_generation: text.done_generation,
        })
    }
}

impl From<SignOn> for SignOnText {
    fn from(entry: SignOn) -> Self {
        let mut text = Self {
            host: entry.host,
            user: entry.user,
            after_recycle_s: None,
            at: None,
            at_call: None,
            done: entry.done,
            done_generation: entry.done_generation,
        };
        match entry.when {
            When::AfterRecycle { after_recycle_s } => text.after_recycle_s = Some(after_recycle_s),
            When::At { at } => text.at = Some(at),
            When::AtCall { at_call } => text.at_call = Some(at_call),
        }
        text
    }
}

/// An account that may log on to every endpoint.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// `DOMAIN\user`, `user@domain` or `user`.
    pub(crate) username: String,
    pub(crate) password: String,
    /// What its roles let it do at the restricted endpoints; everything if absent.
    #[serde(default)]
    pub(crate) rights: Option<Vec<Right>>,
}

/// What an account may do at a restricted endpoint. Changing does not include reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Right {
    ExchangeRead,
    ExchangeChange,
    LyncRead,
    LyncChange,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Something that is wrong at a host from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defect {
    pub(crate) host: HostName,
    pub(crate) defect: DefectKind,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DefectKind {
    /// No certificate at all.
    CertificateMissing,
    /// The certificate ended yesterday.
    CertificateExpired,
    /// The certificate begins in a week.
    CertificateNotYetValid,
    /// The certificate ends in a week.
    CertificateExpiresSoon,
    /// The certificate came without its key.
    CertificateWithoutKey,
    /// The subject is `*.domain`.
    CertificateWildcard,
    /// The subject is another name.
    CertificateWrongSubject,
    /// The names lack the subject.
    CertificateMissingName,
    /// A second certificate of the same subject that ends later.
    CertificateRenewed,
    /// The messaging provider is not registered.
    ProviderMissing,
    /// The key that the messaging provider is registered in is gone.
    ProviderKeyMissing,
    /// The messaging provider is registered by its folder, which is another form of the same.
    ProviderByFolder,
    /// The messaging provider's file is gone.
    ProviderFileMissing,
    /// The UCMA runtime is not installed: no key, no file, no version.
    RuntimeMissing,
    /// There is no `Web.config`.
    WebConfigMissing,
    /// The file of the front end has the keys that belong into the one of the backend.
    WebConfigKeysMisplaced,
    /// `Web.config` is read-only.
    WebConfigReadOnly,
    /// The Front End refuses the server.
    RefusedByLync,
    /// The certificate is for clients only.
    CertificateNotForServers,
    /// The certificate comes from a root that only the server itself trusts.
    CertificateUntrusted,
    /// The authority that issued the certificate has ended.
    IntermediateExpired,
    /// The authority that issued the certificate is not there.
    IntermediateMissing,
    /// The authority that issued the certificate lies in `Root`.
    IntermediateInRoot,
    /// The site's root is not in the server's `Root`: of a backend or of a Front End.
    RootMissing,
    /// `Web.config` has the two keys, the thumbprint with the invisible mark before it.
    ThumbprintHiddenMark,
    /// `Web.config` has the two keys, with the certificate of that subject that ends first.
    ThumbprintStale,
    /// Both services of Unified Messaging in a SIP URI dial plan, and the trusted pool of the
    /// site file beside that.
    DoubleEntry,
}

/// Something that goes wrong while working.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Where; everywhere if absent.
    pub(crate) host: Option<HostName>,
    /// Kind of endpoint: `windows`, `exchange`, `lync`, `lync-local`; each if absent.
    pub(crate) endpoint: Option<String>,
    /// On the wire: the last part of the action, for example `Receive`.
    pub(crate) action: Option<String>,
    /// In a pipeline: the cmdlet, or the file name of a program.
    pub(crate) cmdlet: Option<String>,
    /// Which of the calls that match, 1 being the first; every one if absent.
    pub(crate) nth: Option<u64>,
    /// On the wire: `fault:NUMBER`, `http:STATUS`, `drop-before`, `drop-after`, `hang`. In a
    /// pipeline: an error id, `access-denied`, `torn-write`, `delay:MILLISECONDS`.
    pub(crate) kind: String,
}

impl Fault {
    /// Whether it is of the wire, not of a pipeline.
    pub(crate) fn is_wire(&self) -> bool {
        self.cmdlet.is_none()
    }
}

fn yes() -> bool {
    true
}

fn powershell_version<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PowerShellVersion>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let version = text.split_once('.').and_then(|(major, minor)| {
        Some(PowerShellVersion {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    });
    version
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("expected a version such as \"4.0\""))
}

/// The file is not an overlay.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{name} is not a description of a simulated site: {detail}")]
pub struct OverlayError {
    /// Name of the file.
    pub name: String,
    /// What is wrong, with line and column.
    pub detail: String,
}

impl Overlay {
    /// Parses `text`, the content of the file `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, OverlayError> {
        let fail = |detail: String| OverlayError {
            name: name.into(),
            detail,
        };
        let mut overlay: Self =
            toml::from_str(text).map_err(|error| fail(error.to_string().trim_end().into()))?;
        overlay.folder = std::path::Path::new(name)
            .parent()
            .map(PathBuf::from)
            .unwrap_or_default();
        for (host, root) in overlay
            .hosts
            .iter()
            .filter_map(|(host, over)| Some((host, over.install_root.as_deref()?)))
        {
            WindowsPath::new(root)
                .map_err(|error| fail(format!("install_root of {host}: {error}")))?;
        }
        if let Some(mistake) = overlay.wire.mistake() {
            return Err(fail(mistake));
        }
        for (index, fault) in overlay.faults.iter().enumerate() {
            let number = index + 1;
            if fault.nth == Some(0) {
                return Err(fail(format!(
                    "fault {number}: expected nth of at least 1, the first call that matches, found 0"
                )));
            }
            if fault.is_wire() {
                Faults::check(fault).map_err(|error| fail(format!("fault {number}: {error}")))?;
                continue;
            }
            let fine = match fault.kind.split_once(':') {
                Some(("delay", number)) => number.parse::<u32>().is_ok(),
                _ => !fault.kind.is_empty(),
            };
            if !fine {
                return Err(fail(format!(
                    "fault {number}: {:?} is no kind of fault",
                    fault.kind
                )));
            }
        }
        Ok(overlay)
    }

    /// What the roles of `user` let it do; `None`: everything.
    pub(crate) fn rights(&self, user: &str) -> Option<&[Right]> {
        self.accounts
            .iter()
            .find(|account| account.username.eq_ignore_ascii_case(user))?
            .rights
            .as_deref()
    }

    /// How long every HTTP request is held back.
    pub(crate) fn latency(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.latency_ms)
    }

    /// The hosts where nothing listens.
    pub(crate) fn is_down(&self, host: &HostName) -> bool {
        self.hosts.get(host).is_some_and(|h| h.down)
    }

    /// The faults of the wire, in the order of the file.
    pub(crate) fn wire_faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.is_wire())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_parses() {
        let text = include_str!("../../docs/lab.md");
        let example = text
            .split_once("```toml\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .expect("an example")
            .0;
        let overlay = Overlay::parse("lab.toml", example).expect("the example is valid");
        assert!(
            !overlay.hosts.is_empty() && !overlay.faults.is_empty() && overlay.sign_ons.is_some()
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("latency = 3", "unknown field `latency`"),
            ("[[sign_ons]]\nhost = \"a.b\"", "exactly one of"),
            (
                "[[defects]]\nhost = \"a.b\"\ndefect = \"gremlins\"",
                "unknown variant `gremlins`",
            ),
            ("[[faults]]\nkind = \"http:x\"", "fault 1"),
            (
                "[[faults]]\nkind = \"hang\"\naction = \"Recieve\"",
                "fault 1: fault of the wire: expected an action: Create, Delete",
            ),
            (
                "[[faults]]\nkind = \"hang\"\nendpoint = \"owa\"",
                "fault 1: fault of the wire: expected windows, exchange",
            ),
            (
                "[[faults]]\nkind = \"hang\"\nnth = 0",
                "fault 1: expected nth of at least 1",
            ),
            (
                "[hosts.\"a.b\"]\ninstall_root = 'Exchange\\V15'",
                "install_root of a.b",
            ),
            ("[hosts.nodots]\n", "fully qualified host name"),
            ("[hosts.\"a.b\"]\npowershell = \"four\"", "such as \"4.0\""),
        ] {
            let error = Overlay::parse("x.toml", text).expect_err(text).to_string();
            assert!(
                error.starts_with("x.toml is not") && error.contains(expected),
                "{text}: {error}"
            );
        }
    }
}
