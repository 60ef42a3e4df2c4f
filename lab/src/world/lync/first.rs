//! The Lync side as it is at first.

use std::collections::BTreeSet;

use jiff::Timestamp;
use owaim_inventory::{HostName, Role, Site};

use super::topology::{Application, Topology, TopologyError, TrustedPool, bare_id};
use super::{CsPool, CsSite, Lync, LyncUser, Replica, Replication, entry_version, known};
use crate::overlay::{
    DefectKind, LyncOverlay, LyncUserOverlay, Overlay, PoolRole, ReplicaOverlay, TrustedPoolOverlay,
};
use crate::state::State;

/// Seconds until an enabled topology has reached a server, unless the overlay says otherwise.
const REPLICATION_S: u32 = 2;

/// Sets the Lync side up, if the site has a Front End. The hosts and the directory are there
/// already.
pub(crate) fn set_up(
    site: &Site,
    overlay: &Overlay,
    state: &mut State,
    installed: Timestamp,
) -> Result<(), String> {
    let front_ends: Vec<HostName> = site
        .hosts_with(Role::LyncFrontEnd)
        .map(|host| host.name.clone())
        .collect();
    if front_ends.is_empty() {
        if overlay.lync == LyncOverlay::default() {
            return Ok(());
        }
        return Err("no host has the role \"lync-front-end\"".into());
    }
    let over = &overlay.lync;
    let sites = sites(site, overlay);
    let pools = pools(site, overlay, &sites, &front_ends)?;
    let (published, enabled) = topologies(site, overlay, &sites)?;
    let accounts = site.hosts.iter().map(|h| h.name.to_string());
    let mut lync = Lync {
        version: site.lync.version,
        sites,
        pools,
        replicas: replicas(over, &front_ends, &enabled, installed),
        published,
        enabled,
        enabled_at: installed,
        computer_accounts: accounts
            .chain(over.computer_accounts.iter().map(HostName::to_string))
            .collect(),
        also_discovered: over.discovered.clone(),
    };
    for name in &front_ends {
        if let Some(host) = state.hosts.get_mut(name) {
            let booted = host.booted;
            known::service_started(&mut lync, &state.directory, name, host, booted);
        }
    }
    state.lync = Some(lync);
    Ok(())
}

/// Identity of the site of that `SiteId`; of the first one if none is asked for.
fn place(sites: &[CsSite], id: Option<&str>) -> Result<String, String> {
    let found = match id {
        None => sites.first(),
        Some(id) => sites.iter().find(|s| s.site_id.eq_ignore_ascii_case(id)),
    };
    found
        .map(|site| site.identity.clone())
        .ok_or_else(|| format!("there is no site {:?}", id.unwrap_or_default()))
}

/// The site file's pool, and those that the overlay adds.
fn pools(
    site: &Site,
    overlay: &Overlay,
    sites: &[CsSite],
    front_ends: &[HostName],
) -> Result<Vec<CsPool>, String> {
    let mut pools = vec![CsPool {
        fqdn: own_pool(site, overlay).clone(),
        role: PoolRole::FrontEnd,
        site: place(sites, None)?,
        computers: front_ends.to_vec(),
        version: site.lync.version,
    }];
    for pool in &overlay.lync.pools {
        if pools.iter().any(|known| known.fqdn == pool.fqdn) {
            return Err(format!("there are two pools {}", pool.fqdn));
        }
        pools.push(CsPool {
            fqdn: pool.fqdn.clone(),
            role: pool.role,
            site: place(sites, pool.site_id.as_deref())?,
            computers: vec![pool.fqdn.clone()],
            version: pool.version.unwrap_or(site.lync.version),
        });
    }
    Ok(pools)
}

/// What is published, and what is enabled of it.
fn topologies(
    site: &Site,
    overlay: &Overlay,
    sites: &[CsSite],
) -> Result<(Topology, Topology), String> {
    let (mut published, mut enabled) = (Topology::default(), Topology::default());
    let doubled = overlay
        .defects
        .iter()
        .any(|d| d.defect == DefectKind::DoubleEntry);
    let mut trusted = overlay.lync.trusted_pools.clone();
    if doubled && trusted.is_empty() {
        trusted.push(TrustedPoolOverlay::default());
    }
    for wanted in &trusted {
        let pool = trusted_pool(site, wanted, place(sites, wanted.site_id.as_deref())?);
        let refused = |error: TopologyError| error.to_string();
        if !wanted.pending {
            enabled.add_pool(pool.clone()).map_err(refused)?;
        }
        published.add_pool(pool).map_err(refused)?;
    }
    // What is made is counted in one place.
    for pool in &mut enabled.pools {
        pool.number = published.pool(&pool.fqdn).map_or(0, |p| p.number);
    }
    enabled.made = published.made;
    Ok((published, enabled))
}

/// Every Front End, and whatever else the overlay says has a replica.
fn replicas(
    over: &LyncOverlay,
    front_ends: &[HostName],
    enabled: &Topology,
    installed: Timestamp,
) -> Vec<Replica> {
    let names: BTreeSet<&HostName> = front_ends.iter().chain(over.replicas.keys()).collect();
    let usual = over.replication_delay_s.unwrap_or(REPLICATION_S);
    let replica = |fqdn: &HostName| {
        let behaviour = match over.replicas.get(fqdn) {
            Some(ReplicaOverlay::Never) => Replication::Never,
            Some(ReplicaOverlay::WhenInvoked) => Replication::WhenInvoked,
            Some(ReplicaOverlay::AfterS(delay_s)) => Replication::After { delay_s: *delay_s },
            None => Replication::After { delay_s: usual },
        };
        Replica {
            front_end: front_ends.contains(fqdn),
            fqdn: fqdn.clone(),
            behaviour,
            in_force: enabled.clone(),
            pending: (behaviour == Replication::Never).then_some(Timestamp::MAX),
            updated: installed,
            known: Vec::new(),
        }
    };
    names.into_iter().map(replica).collect()
}

/// The sites: SiteId, identity and display name all differ unless the overlay says otherwise.
fn sites(site: &Site, overlay: &Overlay) -> Vec<CsSite> {
    let id = site.lync.site_id.as_str();
    let given: Vec<CsSite> = overlay
        .lync
        .sites
        .iter()
        .map(|s| {
            let own = s.identity.as_deref().unwrap_or(&s.site_id);
            CsSite {
                site_id: s.site_id.clone(),
                identity: format!("Site:{own}"),
                display_name: s
                    .display_name
                    .clone()
                    .unwrap_or_else(|| format!("{} HQ", s.site_id)),
            }
        })
        .collect();
    if given.is_empty() {
        vec![CsSite {
            site_id: id.into(),
            identity: format!("Site:{id}-Central"),
            display_name: format!("{id} HQ"),
        }]
    } else {
        given
    }
}

/// A trusted pool as the overlay has it, in the site of that identity.
pub(crate) fn trusted_pool(site: &Site, wanted: &TrustedPoolOverlay, place: String) -> TrustedPool {
    let own = &site.lync.trusted_application;
    let fqdn = wanted.fqdn.as_ref().unwrap_or(&own.pool).to_string();
    let application = |id: &str, port| Application {
        id: bare_id(id),
        port,
        legacy_name: bare_id(id),
        contacts: Vec::new(),
    };
    TrustedPool {
        number: 0,
        registrar: Some(
            wanted
                .registrar
                .as_ref()
                .unwrap_or(&site.lync.pool)
                .to_string(),
        ),
        site: place,
        requires_replication: wanted.requires_replication,
        throttle_as_server: true,
        treat_as_authenticated: true,
        outbound_only: false,
        version: entry_version(site.lync.version),
        computers: wanted.computers.as_ref().map_or_else(
            || vec![fqdn.clone()],
            |names| names.iter().map(HostName::to_string).collect(),
        ),
        applications: wanted.applications.as_ref().map_or_else(
            || vec![application(own.id.as_str(), own.port)],
            |all| {
                all.iter()
                    .map(|a| application(a.id.as_str(), a.port))
                    .collect()
            },
        ),
        fqdn,
    }
}

/// A mailbox user as Lync knows it; `None` where the site has no Front End, and for users that
/// Lync does not have.
pub(crate) fn user(
    site: &Site,
    overlay: &Overlay,
    over: &LyncUserOverlay,
    proxy: Option<&str>,
) -> Option<LyncUser> {
    let served = site.hosts_with(Role::LyncFrontEnd).next().is_some();
    let address = over.sip_address.as_deref().or(proxy)?;
    (served && over.known).then(|| LyncUser {
        enabled: over.enabled,
        sip_address: address.into(),
        registrar: over
            .registrar
            .clone()
            .unwrap_or_else(|| own_pool(site, overlay).clone()),
    })
}

/// The pool that the site's Front Ends form.
pub(crate) fn own_pool<'a>(site: &'a Site, overlay: &'a Overlay) -> &'a HostName {
    overlay.lync.pool.as_ref().unwrap_or(&site.lync.pool)
}
