//! Unified Messaging as the directory has it: dial plans, and the settings of the two services.
//!
//! A server with both services in a SIP URI dial plan is one that Lync finds by itself. Key type:
//! [`UmServer`].

use jiff::Timestamp;
use owaim_inventory::{ExchangeVersion, Host, HostName, Role, Site};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, Replicated};
use super::services::ServiceState;
use crate::overlay::{DefectKind, Overlay, UmRole};
use crate::state::State;

/// Name of the mailbox role's service.
pub(crate) const SERVICE: (&str, &str) = ("MSExchangeUM", "Microsoft Exchange Unified Messaging");
/// Name of the client access role's service.
pub(crate) const CALL_ROUTER: (&str, &str) = (
    "MSExchangeUMCR",
    "Microsoft Exchange Unified Messaging Call Router",
);
/// Dial plan that a defect puts a server into.
const DEFECT_PLAN: &str = "Lab SIP";

/// `UMUriType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UriType {
    TelExtn = 0,
    E164 = 1,
    SipName = 2,
}

/// `UMVoIPSecurityType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum VoipSecurity {
    #[default]
    Unsecured = 3,
    #[serde(rename = "SIPSecured")]
    SipSecured = 1,
    Secured = 2,
}

/// `UMStartupMode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum StartupMode {
    #[default]
    #[serde(rename = "TCP")]
    Tcp = 0,
    #[serde(rename = "TLS")]
    Tls = 1,
    Dual = 2,
}

macro_rules! names {
    ($kind:ident: $($value:ident = $name:literal),+) => {
        impl $kind {
            /// The value with that name, without regard to case.
            pub(crate) fn named(text: &str) -> Option<Self> {
                [$((Self::$value, $name)),+]
                    .into_iter()
                    .find(|(_, name)| name.eq_ignore_ascii_case(text))
                    .map(|(value, _)| value)
            }

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }
    };
}
names!(UriType: TelExtn = "TelExtn", E164 = "E164", SipName = "SipName");
names!(VoipSecurity: Unsecured = "Unsecured", SipSecured = "SIPSecured", Secured = "Secured");
names!(StartupMode: Tcp = "TCP", Tls = "TLS", Dual = "Dual");

/// A dial plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DialPlan {
    pub(crate) name: String,
    pub(crate) uri_type: UriType,
    pub(crate) security: VoipSecurity,
    pub(crate) digits: i32,
    pub(crate) country: String,
    pub(crate) created: Timestamp,
}

/// The settings of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct UmSettings {
    /// Names of the dial plans, as they were given.
    pub(crate) dial_plans: Vec<String>,
    pub(crate) startup: StartupMode,
}

/// The services of one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UmServer {
    /// FQDN.
    pub(crate) server: HostName,
    pub(crate) service: Option<Replicated<UmSettings>>,
    pub(crate) router: Option<Replicated<UmSettings>>,
}

impl UmServer {
    /// Whether Lync finds the server by itself, going by what `controller` has: both services
    /// are there, and one is in a SIP URI dial plan.
    pub(crate) fn is_discovered(
        &self,
        directory: &Directory,
        controller: &str,
        now: Timestamp,
    ) -> bool {
        let (Some(service), Some(router)) = (&self.service, &self.router) else {
            return false;
        };
        [service, router].into_iter().any(|settings| {
            let (settings, _) = settings.seen_from(controller, now, directory.delay_s);
            settings.dial_plans.iter().any(|name| {
                directory
                    .dial_plan(name)
                    .is_some_and(|plan| plan.uri_type == UriType::SipName)
            })
        })
    }

    /// Changes the settings of both services everywhere at once.
    pub(crate) fn change(&mut self, now: Timestamp, change: impl Fn(&mut UmSettings)) {
        for slot in [&mut self.service, &mut self.router].into_iter().flatten() {
            let mut settings = slot.newest().clone();
            change(&mut settings);
            *slot = Replicated::everywhere(settings, now);
        }
    }
}

impl UmSettings {
    /// Joins a dial plan.
    pub(crate) fn join(&mut self, plan: &str) {
        if !self
            .dial_plans
            .iter()
            .any(|name| name.eq_ignore_ascii_case(plan))
        {
            self.dial_plans.push(plan.into());
        }
    }
}

impl Directory {
    /// The dial plan of that name.
    pub(crate) fn dial_plan(&self, name: &str) -> Option<&DialPlan> {
        self.dial_plans
            .iter()
            .find(|plan| plan.name.eq_ignore_ascii_case(name))
    }

    /// Makes a SIP URI dial plan of that name unless there is one.
    pub(crate) fn ensure_dial_plan(&mut self, name: &str, now: Timestamp) {
        if self.dial_plan(name).is_none() {
            self.dial_plans.push(DialPlan {
                name: name.into(),
                uri_type: UriType::SipName,
                security: VoipSecurity::Unsecured,
                digits: 4,
                country: "1".into(),
                created: now,
            });
        }
    }
}

fn is_doubled(overlay: &Overlay, name: &HostName) -> bool {
    let mut defects = overlay.defects.iter();
    defects.any(|d| d.defect == DefectKind::DoubleEntry && d.host == *name)
}

/// The services that the overlay gives a server in place of those of its roles.
fn services(overlay: &Overlay, name: &HostName) -> Option<Vec<UmRole>> {
    if is_doubled(overlay, name) {
        return Some(vec![UmRole::Service, UmRole::CallRouter]);
    }
    overlay.hosts.get(name)?.um.services.clone()
}

/// Whether both services are on `host` at first, so that it shows Lync a certificate of its own.
pub(super) fn is_whole(site: &Site, overlay: &Overlay, host: &Host) -> bool {
    let there = match services(overlay, &host.name) {
        Some(roles) => [UmRole::Service, UmRole::CallRouter]
            .iter()
            .all(|role| roles.contains(role)),
        None => host.is(Role::Backend) && host.is(Role::Cas),
    };
    there && site.exchange_version(host) <= ExchangeVersion::E2016
}

/// Sets Unified Messaging up as it is at first.
pub(super) fn set_up(site: &Site, overlay: &Overlay, state: &mut State, installed: Timestamp) {
    for plan in &overlay.dial_plans {
        state.directory.dial_plans.push(DialPlan {
            name: plan.name.clone(),
            uri_type: plan.uri_type,
            security: plan.voip_security,
            digits: 4,
            country: "1".into(),
            created: installed,
        });
    }
    for described in &site.hosts {
        let Some(host) = state.hosts.get_mut(&described.name) else {
            continue;
        };
        if host.exchange.is_none_or(|v| v > ExchangeVersion::E2016) {
            continue;
        }
        let over = overlay.hosts.get(&described.name).map(|h| &h.um);
        let doubled = is_doubled(overlay, &described.name);
        if doubled {
            state.directory.ensure_dial_plan(DEFECT_PLAN, installed);
        }
        if let Some(roles) = services(overlay, &described.name) {
            for (role, (name, display)) in [
                (UmRole::Service, SERVICE),
                (UmRole::CallRouter, CALL_ROUTER),
            ] {
                host.services.remove(&name.to_lowercase());
                if roles.contains(&role) {
                    let service = ServiceState {
                        name: name.into(),
                        display_name: display.into(),
                        running: true,
                    };
                    host.services.insert(name.to_lowercase(), service);
                }
            }
        }
        let mut settings = UmSettings {
            dial_plans: Vec::new(),
            startup: over.and_then(|um| um.startup_mode).unwrap_or_default(),
        };
        for plan in &overlay.dial_plans {
            if plan.servers.contains(&described.name) {
                settings.join(&plan.name);
            }
        }
        if doubled {
            settings.join(DEFECT_PLAN);
        }
        let has = |(name, _): (&str, &str)| {
            host.services
                .contains_key(&name.to_lowercase())
                .then(|| Replicated::everywhere(settings.clone(), installed))
        };
        let server = UmServer {
            server: described.name.clone(),
            service: has(SERVICE),
            router: has(CALL_ROUTER),
        };
        if server.service.is_some() || server.router.is_some() {
            state.directory.unified.push(server);
        }
    }
}
