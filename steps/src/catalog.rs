//! [`steps_for`]: which steps a site needs, one for each target.

use owaim_inventory::{HostName, PolicyScope, Role, Site};

use crate::front_end::FrontEnd;
use crate::mailbox_policy::Which;
use crate::{
    Fact, Step, StepId, backend_certificate, backend_recycle, backend_ucma,
    backend_virtual_directory_off, backend_web_config, cas_owa_virtual_directory,
    cas_owa_virtual_directory_off, cas_web_config_clean, lync_certificate, lync_replication,
    lync_site, lync_topology, lync_trusted_application, lync_trusted_pool, mailbox_lync_users,
    mailbox_policy, mailbox_users, preflight_host, um_dial_plans, verify_event_112,
    verify_log_folder, verify_lync_events,
};

/// Every phase, in the order of the procedure. Some have no step yet.
pub const PHASES: [&str; 7] = owaim_inventory::PHASES;

/// Every step id, in the order of the procedure.
pub const STEP_IDS: [StepId; 21] = [
    preflight_host::ID,
    um_dial_plans::ID,
    lync_certificate::ID,
    lync_site::ID,
    lync_trusted_pool::ID,
    lync_trusted_application::ID,
    lync_topology::ID,
    lync_replication::ID,
    cas_owa_virtual_directory::ID,
    cas_web_config_clean::ID,
    mailbox_policy::ID,
    backend_ucma::ID,
    backend_certificate::ID,
    backend_virtual_directory_off::ID,
    backend_web_config::ID,
    backend_recycle::ID,
    mailbox_users::ID,
    mailbox_lync_users::ID,
    verify_event_112::ID,
    verify_log_folder::ID,
    verify_lync_events::ID,
];

/// A change that has no effect before another one follows; a run may end between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequel {
    /// What the topology says, until it is enabled.
    Topology,
    /// The startup mode of that service, until the service is restarted.
    Restart(&'static str),
}

/// Every sequel that there is.
pub fn sequels() -> Vec<Sequel> {
    let restarts = um_dial_plans::restarts().map(|(service, ..)| Sequel::Restart(service));
    std::iter::once(Sequel::Topology).chain(restarts).collect()
}

impl Sequel {
    /// Whether the action of that name of `step` makes this sequel necessary (`Some(true)`) or is
    /// it (`Some(false)`).
    pub fn opens(self, step: &str, action: &str) -> Option<bool> {
        match self {
            Self::Topology if step == lync_topology::ID => Some(false),
            Self::Topology => [lync_trusted_pool::ID, lync_trusted_application::ID]
                .contains(&step)
                .then_some(true),
            Self::Restart(service) => {
                let (_, startup, restart) = um_dial_plans::restarts()
                    .into_iter()
                    .find(|(name, ..)| *name == service)?;
                if step != um_dial_plans::ID {
                    None
                } else if action == startup {
                    Some(true)
                } else {
                    (action == restart).then_some(false)
                }
            }
        }
    }

    /// What a run has to know of it: that `run` did not bring it about, and at which host. The
    /// topology is one, whoever was asked: it is known of the Front End that is asked now.
    pub fn unconfirmed(self, site: &Site, host: &HostName, run: &str) -> Option<(HostName, Fact)> {
        Some(match self {
            Self::Topology => (
                FrontEnd::admin(site)?.host,
                Fact::TopologyUnconfirmed(run.into()),
            ),
            Self::Restart(service) => {
                let (service, run) = (service.into(), run.into());
                (host.clone(), Fact::RestartUnconfirmed { service, run })
            }
        })
    }
}

/// The ids of the steps that take instant messaging out of service.
pub const DISABLE_STEP_IDS: [StepId; 1] = [cas_owa_virtual_directory_off::ID];

/// The ids of every step of the procedure, in its order.
pub fn step_ids() -> &'static [StepId] {
    &STEP_IDS
}

/// The phase of a step: the part of its id before the dot.
pub fn phase_of(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

/// The steps of `site`, one for each target, in the order of [`STEP_IDS`] and, within a step, of
/// the site file. The same site always gives the same list.
pub fn steps_for(site: &Site) -> Vec<Box<dyn Step>> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    let cas = || site.hosts_with(Role::Cas).map(|host| host.name.clone());
    let backends = || site.hosts_with(Role::Backend).map(|host| host.name.clone());
    let exchange = site.hosts.iter().filter(|host| {
        host.is(Role::Cas) || host.is(Role::Backend) || host.name == site.exchange.admin_host
    });
    for host in exchange {
        steps.push(Box::new(preflight_host::PreflightHost {
            host: host.name.clone(),
        }));
    }
    let front_end = FrontEnd::admin(site);
    if let Some(front_end) = &front_end {
        steps.extend(lync_side(site, front_end));
    }
    for host in cas() {
        steps.push(Box::new(cas_owa_virtual_directory::OwaVirtualDirectory {
            host,
        }));
    }
    for host in cas() {
        steps.push(Box::new(cas_web_config_clean::WebConfigClean { host }));
    }
    let policies = match &site.policies {
        PolicyScope::All => vec![Which::All],
        PolicyScope::InUse => vec![Which::InUse],
        PolicyScope::Named(names) => names.iter().cloned().map(Which::Named).collect(),
    };
    for which in policies {
        let host = site.exchange.admin_host.clone();
        steps.push(Box::new(mailbox_policy::MailboxPolicy { host, which }));
    }
    for host in backends() {
        steps.push(Box::new(backend_ucma::BackendUcma { host }));
    }
    for host in backends() {
        steps.push(Box::new(backend_certificate::BackendCertificate { host }));
    }
    for host in backends() {
        steps.push(Box::new(
            backend_virtual_directory_off::BackendVirtualDirectoryOff { host },
        ));
    }
    for host in backends() {
        steps.push(Box::new(backend_web_config::BackendWebConfig { host }));
    }
    for host in backends() {
        steps.push(Box::new(backend_recycle::BackendRecycle { host }));
    }
    for user in &site.sample_users {
        let (host, user) = (site.exchange.admin_host.clone(), user.clone());
        steps.push(Box::new(mailbox_users::MailboxUser { host, user }));
    }
    if let Some(front_end) = &front_end {
        for user in &site.sample_users {
            let (front_end, user) = (front_end.clone(), user.clone());
            steps.push(Box::new(mailbox_lync_users::LyncUser { front_end, user }));
        }
    }
    for host in backends() {
        steps.push(Box::new(verify_event_112::VerifyEvent112 { host }));
    }
    for host in backends() {
        steps.push(Box::new(verify_log_folder::VerifyLogFolder { host }));
    }
    if let Some(admin) = &front_end {
        for host in site.hosts_with(Role::LyncFrontEnd) {
            let (host, admin) = (host.name.clone(), admin.clone());
            steps.push(Box::new(verify_lync_events::VerifyLyncEvents {
                host,
                admin,
            }));
        }
    }
    steps
}

/// The steps that make Lync know Outlook Web App; a site file without a Front End has none.
fn lync_side(site: &Site, front_end: &FrontEnd) -> Vec<Box<dyn Step>> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    let exchange = site
        .hosts
        .iter()
        .filter(|host| host.is(Role::Cas) || host.is(Role::Backend))
        .filter(|host| um_dial_plans::concerns(site.exchange_version(host)));
    for host in exchange {
        let host = host.name.clone();
        steps.push(Box::new(um_dial_plans::DialPlans { host }));
    }
    for host in site.hosts_with(Role::LyncFrontEnd) {
        let host = host.name.clone();
        steps.push(Box::new(lync_certificate::LyncCertificate { host }));
    }
    let front_end = || front_end.clone();
    steps.push(Box::new(lync_site::LyncSite {
        front_end: front_end(),
    }));
    steps.push(Box::new(lync_trusted_pool::TrustedPool {
        front_end: front_end(),
    }));
    steps.push(Box::new(lync_trusted_application::TrustedApplication {
        front_end: front_end(),
    }));
    steps.push(Box::new(lync_topology::LyncTopology {
        front_end: front_end(),
    }));
    steps.push(Box::new(lync_replication::LyncReplication {
        front_end: front_end(),
    }));
    steps
}

/// The steps that take instant messaging out of service at `site`: its front-end directories no
/// longer offer it, and everything else stays as it is. In the order of the site file.
pub fn disable_steps(site: &Site) -> Vec<Box<dyn Step>> {
    let off = |host: &owaim_inventory::Host| -> Box<dyn Step> {
        Box::new(cas_owa_virtual_directory_off::OwaVirtualDirectoryOff {
            host: host.name.clone(),
        })
    };
    site.hosts_with(Role::Cas).map(off).collect()
}
