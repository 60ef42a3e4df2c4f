//! The directory as it is at first: controllers, virtual directories, policies, users.

use jiff::Timestamp;
use owaim_inventory::{PolicyScope, Role, Site};

use super::super::directory::{
    BACK_END, Directory, FRONT_END, Policy, Properties, Replicated, User, VirtualDirectory,
};
use super::super::lync;
use super::{FirstError, domain};
use crate::overlay::{LyncUserOverlay, Overlay};

/// Seconds until a write has reached every domain controller.
const REPLICATION_S: u32 = 1;

/// What setup and administrators have put into the directory.
pub(super) fn directory(
    site: &Site,
    overlay: &Overlay,
    installed: Timestamp,
) -> Result<Directory, FirstError> {
    let domain = domain(&site.exchange.admin_host).to_owned();
    let mut controllers = overlay.domain_controllers.clone();
    if controllers.is_empty() {
        controllers = vec![format!("dc01.{domain}"), format!("dc02.{domain}")];
    }
    if let Some(pinned) = &site.exchange.domain_controller
        && !controllers
            .iter()
            .any(|c| c.eq_ignore_ascii_case(pinned.as_str()))
    {
        controllers.insert(0, pinned.to_string());
    }
    let properties =
        |identity: &str,
         over: &std::collections::BTreeMap<String, crate::overlay::MessagingOverlay>| {
            let mut properties = Properties::default();
            if let Some((_, o)) = over
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(identity))
            {
                properties.enabled = o.enabled.unwrap_or(properties.enabled);
                properties.kind = o.kind.unwrap_or(properties.kind);
            }
            Replicated::everywhere(properties, installed)
        };
    let mut virtual_directories = Vec::new();
    for host in &site.hosts {
        for (role, web_site) in [(Role::Cas, FRONT_END), (Role::Backend, BACK_END)] {
            if host.is(role) {
                let mut entry = VirtualDirectory {
                    server: host.name.to_string(),
                    web_site: web_site.into(),
                    created: installed,
                    values: Replicated::everywhere(Properties::default(), installed),
                };
                entry.values = properties(&entry.identity(), &overlay.virtual_directories);
                virtual_directories.push(entry);
            }
        }
    }
    for identity in overlay.virtual_directories.keys() {
        if !virtual_directories
            .iter()
            .any(|v| v.identity().eq_ignore_ascii_case(identity))
        {
            return Err(FirstError::Unknown {
                kind: "virtual directory",
                name: identity.clone(),
            });
        }
    }
    let mut names = vec!["Default".to_owned()];
    if let PolicyScope::Named(scoped) = &site.policies {
        names.extend(scoped.iter().cloned());
    }
    names.extend(overlay.policies.keys().cloned());
    let mut policies: Vec<Policy> = Vec::new();
    for name in names {
        if !policies.iter().any(|p| p.name.eq_ignore_ascii_case(&name)) {
            let values = properties(&name, &overlay.policies);
            policies.push(Policy {
                name,
                created: installed,
                values,
            });
        }
    }
    let organization = overlay.organization.clone().unwrap_or_else(|| {
        let label = domain.split('.').next().unwrap_or("Lab");
        label[..1].to_uppercase() + &label[1..]
    });
    Ok(Directory {
        organization,
        controllers,
        delay_s: overlay.replication_delay_s.unwrap_or(REPLICATION_S),
        virtual_directories,
        policies,
        users: users(site, overlay, &domain),
        overrides: Vec::new(),
        dial_plans: Vec::new(),
        unified: Vec::new(),
        domain,
    })
}

/// The lab's own user of every backend, and those of the overlay.
fn users(site: &Site, overlay: &Overlay, domain: &str) -> Vec<User> {
    let own = site.hosts_with(Role::Backend).enumerate().map(|(n, host)| {
        let principal = format!("user{}@{domain}", n + 1);
        let address = format!("sip:{principal}");
        User {
            name: format!("Lab User {}", n + 1),
            server: host.name.to_string(),
            policy: Some("Default".into()),
            owa: true,
            lync: lync::user(site, overlay, &LyncUserOverlay::default(), Some(&address)),
            sip_address: Some(address),
            principal,
        }
    });
    let given = overlay.users.iter().map(|u| User {
        name: u.name.clone(),
        principal: u.principal.clone(),
        server: u.server.to_string(),
        policy: u.policy.clone(),
        owa: u.owa,
        sip_address: u.sip_address.clone(),
        lync: lync::user(site, overlay, &u.lync, u.sip_address.as_deref()),
    });
    own.chain(given).collect()
}
