//! What the Central Management Store and its replicas say: sites, pools, services, users,
//! replication; and putting a topology into force.

use std::time::Duration;

use owaim_inventory::HostName;
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::lync::{Lync, product_version};
use super::super::values::{self, wildcard};
use super::{Cx, cs_objects as shown};

/// How long enabling a topology takes here; minutes on real servers.
const ENABLE: Duration = Duration::from_millis(400);

/// The store; a site without Front End has none.
pub(super) fn store<'a>(cx: &'a Cx<'_>) -> Result<&'a Lync, Failure> {
    cx.state.lync.as_ref().ok_or_else(no_store)
}

/// The same, to be changed.
pub(super) fn store_mut<'a>(cx: &'a mut Cx<'_>) -> Result<&'a mut Lync, Failure> {
    cx.state.lync.as_mut().ok_or_else(no_store)
}

fn no_store() -> Failure {
    Failure::not_modelled("a Central Management Store that the saved state does not have")
}

/// Nothing of that name in the store.
pub(super) fn missing(what: &str, name: &str) -> Failure {
    Failure::new(
        "Microsoft.Rtc.Management.Deploy.ObjectNotFound",
        Category::ObjectNotFound,
        "Microsoft.Rtc.Management.Deploy.ItemNotFoundException",
        format!("Cannot find {what} \"{name}\" in the topology."),
    )
    .about(name)
}

/// Gives the objects of a Get cmdlet: those whose names fit the identity, an error if it names
/// one that is not there.
fn give(cx: &mut Cx<'_>, call: &Bound, what: &str, all: Vec<(Vec<String>, Object)>) {
    let identity = call.text("Identity").filter(|text| !text.is_empty());
    let pattern = call.text("Filter").filter(|text| !text.is_empty());
    let named = |names: &[String]| match (&identity, &pattern) {
        (Some(id), _) => names.iter().any(|n| n.eq_ignore_ascii_case(id)),
        (None, Some(pattern)) => names.iter().any(|n| wildcard(pattern, n)),
        (None, None) => true,
    };
    let found: Vec<Object> = all
        .into_iter()
        .filter(|(names, _)| named(names))
        .map(|(_, object)| object)
        .collect();
    if let (Some(name), true) = (identity, found.is_empty()) {
        cx.error(&missing(what, &name));
    }
    for object in found {
        cx.output(object);
    }
}

pub(super) fn get_site(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let lync = store(cx)?;
    let all = lync
        .sites
        .iter()
        .map(|site| {
            let bare = site.identity.split_once(':').map_or("", |(_, name)| name);
            let names = vec![site.identity.clone(), bare.to_owned()];
            (names, shown::site(lync, site))
        })
        .collect();
    give(cx, call, "site", all);
    Ok(())
}

pub(super) fn get_pool(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let lync = store(cx)?;
    let place = match call.text("Site") {
        None => None,
        Some(name) => {
            let site = lync
                .sites
                .iter()
                .find(|s| s.display_name.eq_ignore_ascii_case(&name));
            Some(site.ok_or_else(|| missing("site", &name))?.identity.clone())
        }
    };
    let own = lync
        .pools
        .iter()
        .map(|p| (p.fqdn.to_string(), &p.site, shown::pool(p)));
    let trusted = lync
        .published
        .pools
        .iter()
        .map(|p| (p.fqdn.clone(), &p.site, shown::trusted_cluster(p)));
    let all = own
        .chain(trusted)
        .filter(|(_, site, _)| place.as_ref().is_none_or(|wanted| wanted == *site))
        .map(|(name, _, object)| (vec![name], object))
        .collect();
    give(cx, call, "pool", all);
    Ok(())
}

/// `Get-CsService`: registrars and trusted application pools; of other roles there are none here.
pub(super) fn get_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let lync = store(cx)?;
    let roles: Vec<&str> = call
        .iter()
        .filter(|(p, v)| {
            p.kind == owaim_inventory::catalogue::Kind::Switch && v.as_bool() == Some(true)
        })
        .map(|(p, _)| p.name)
        .filter(|name| !matches!(*name, "Verbose" | "Debug"))
        .collect();
    let wants = |role: &str| roles.is_empty() || roles.contains(&role);
    let of_pool = call.text("PoolFqdn");
    let here = |fqdn: &str| {
        of_pool
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(fqdn))
    };
    let mut all = Vec::new();
    for (ordinal, pool) in lync.registrars().enumerate() {
        if wants("Registrar") && here(pool.fqdn.as_str()) {
            let names = vec![format!("Registrar:{}", pool.fqdn)];
            all.push((names, shown::registrar(lync, pool, ordinal)));
        }
    }
    for pool in &lync.published.pools {
        if wants("TrustedApplicationPool") && here(&pool.fqdn) {
            let names = vec![format!("TrustedApplicationPool:{}", pool.fqdn)];
            all.push((names, shown::trusted_pool(lync, pool)));
        }
    }
    give(cx, call, "service", all);
    Ok(())
}

/// `Get-CsComputer`: the computers of all pools.
pub(super) fn get_computer(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let lync = store(cx)?;
    let own = lync.pools.iter().flat_map(|p| {
        p.computers
            .iter()
            .map(move |c| (c.to_string(), p.fqdn.to_string()))
    });
    let trusted = lync
        .published
        .pools
        .iter()
        .flat_map(|p| p.computers.iter().map(move |c| (c.clone(), p.fqdn.clone())));
    let of_pool = call.text("Pool");
    let local = call.switch("Local");
    let all = own
        .chain(trusted)
        .filter(|(name, pool)| {
            of_pool
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(pool))
                && (!local || name == cx.caller.host.as_str())
        })
        .map(|(name, pool)| {
            let object = Object::new()
                .with_types([
                    "Microsoft.Rtc.Management.Deploy.Internal.Machine",
                    "System.Object",
                ])
                .with_string(name.as_str())
                .with("Identity", name.as_str())
                .with("Pool", pool)
                .with("Fqdn", name.as_str());
            (vec![name], object)
        })
        .collect();
    give(cx, call, "computer", all);
    Ok(())
}

pub(super) fn get_user(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if call.has("Filter") || call.has("LdapFilter") || call.has("OU") {
        return Err(Failure::not_modelled("filters of users"));
    }
    let identity = call.text("Identity").filter(|text| !text.is_empty());
    let directory = &cx.state.directory;
    let unassigned = call.switch("UnAssignedUser");
    let mut found: Vec<Object> = directory
        .users
        .iter()
        .filter_map(|u| Some((u, u.lync.as_ref()?)))
        .filter(|(u, entry)| {
            let alias = u.principal.split('@').next().unwrap_or_default();
            let bare = entry.sip_address.split_once(':').map_or("", |(_, a)| a);
            identity.as_deref().is_none_or(|id| {
                [
                    u.name.as_str(),
                    &u.principal,
                    alias,
                    &entry.sip_address,
                    bare,
                ]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(id))
            })
        })
        .filter(|_| !unassigned)
        .map(|(u, entry)| shown::user(&u.name, &u.principal, entry, &directory.domain, cx.nested))
        .collect();
    if let (Some(name), true) = (&identity, found.is_empty()) {
        let failure = Failure::new(
            "Identity",
            Category::InvalidData,
            "Microsoft.Rtc.Management.AD.ManagementException",
            format!("Management object not found for identity \"{name}\"."),
        );
        cx.error(&failure.about(name.as_str()));
    }
    if let Some(most) = call.text("ResultSize").and_then(|size| size.parse().ok()) {
        found.truncate(most);
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

/// `Enable-CsTopology`: gives nothing; what was published is in force from now on, and reaches
/// the servers later.
pub(super) fn enable(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    store(cx)?;
    if !cx.should_process("topology") {
        return Ok(());
    }
    let now = cx.clock;
    let changed = store_mut(cx)?.enable(now);
    cx.effect |= changed;
    cx.takes += ENABLE;
    if let Some(report) = call.text("Report").filter(|path| !path.is_empty()) {
        let text = b"<html><body>Enable-CsTopology: success</body></html>".to_vec();
        let here = cx.now;
        cx.host.files.place(&report, text, here);
        cx.effect = true;
    }
    Ok(())
}

fn replica_state(
    name: &str,
    up_to_date: bool,
    times: Option<(Value, Value)>,
    version: &str,
) -> Object {
    let (reported, created) = times.unwrap_or((Value::Null, Value::Null));
    Object::new()
        .with_types(["Microsoft.Rtc.Management.Xds.ReplicaState", "System.Object"])
        .with_string("Microsoft.Rtc.Management.Xds.ReplicaState")
        .with("UpToDate", up_to_date)
        .with("ReplicaFqdn", name)
        .with("LastStatusReport", reported)
        .with("LastUpdateCreation", created)
        .with("ProductVersion", version)
}

/// `Get-CsManagementStoreReplicationStatus`: every replica, and the computers that were said to
/// have one.
pub(super) fn replication_status(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if call.switch("CentralManagementStoreStatus") {
        return Err(Failure::not_modelled("the status of the store itself"));
    }
    let lync = store(cx)?;
    let version = product_version(lync.version);
    let mut all: Vec<(String, Object)> = lync
        .replicas
        .iter()
        .map(|replica| {
            let done = replica.pending.is_none();
            let reported = if done { cx.now } else { replica.updated };
            let created = if done {
                replica.updated
            } else {
                lync.enabled_at
            };
            let times = (values::local(reported), values::local(created));
            let name = replica.fqdn.to_string();
            let object = replica_state(&name, done, Some(times), version);
            (name, object)
        })
        .collect();
    all.extend(lync.deaf_replicas().into_iter().map(|name| {
        let object = replica_state(&name, false, None, "");
        (name, object)
    }));
    let wanted = call.text("ReplicaFqdn").filter(|text| !text.is_empty());
    let found: Vec<Object> = all
        .into_iter()
        .filter(|(name, _)| {
            wanted
                .as_deref()
                .is_none_or(|w| w.eq_ignore_ascii_case(name))
        })
        .map(|(_, object)| object)
        .collect();
    if let (Some(name), true) = (&wanted, found.is_empty()) {
        return Err(missing("replica", name));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

/// `Invoke-CsManagementStoreReplication`: hurries what is on its way.
pub(super) fn invoke_replication(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let wanted = call.text("ReplicaFqdn").filter(|text| !text.is_empty());
    let now = cx.clock;
    let lync = store_mut(cx)?;
    if let Some(name) = &wanted
        && !lync
            .replicas
            .iter()
            .any(|r| r.fqdn.as_str().eq_ignore_ascii_case(name))
    {
        return Err(missing("replica", name));
    }
    let hurried = lync.invoke(wanted.as_deref(), now);
    cx.effect |= hurried;
    Ok(())
}

/// Display names of a Front End's services, and whether they count calls.
const SERVICES: &[&str] = &["rtcsrv", "replica"];

/// `Get-CsWindowsService`: the Lync services of the server called.
pub(super) fn get_windows_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    only_here(cx, call)?;
    let wanted = call.text("Name").filter(|text| !text.is_empty());
    let mut found = 0;
    for key in SERVICES {
        let Some(service) = cx.host.services.get(*key).cloned() else {
            continue;
        };
        if wanted
            .as_deref()
            .is_some_and(|w| !wildcard(w, &service.name))
        {
            continue;
        }
        found += 1;
        let status = if service.running {
            "Running"
        } else {
            "Stopped"
        };
        let level = if call.switch("ExcludeActivityLevel") || !service.running {
            Value::Null
        } else {
            "Incoming Requests per Second=0".into()
        };
        let object = Object::new()
            .with_types([
                "Microsoft.Rtc.Management.Deployment.Core.NTService",
                "System.Object",
            ])
            .with_string(service.name.as_str())
            .with("Status", status)
            .with("Name", service.name.as_str())
            .with("DisplayName", service.display_name.as_str())
            .with("ActivityLevel", level);
        cx.output(object);
    }
    if let (Some(name), 0) = (&wanted, found) {
        cx.error(&missing("service", name));
    }
    Ok(())
}

/// `Start-CsWindowsService` and `Stop-CsWindowsService`.
pub(super) fn change_windows_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    only_here(cx, call)?;
    let running = cx.cmdlet.name == "Start-CsWindowsService";
    let wanted = call.text("Name").filter(|text| !text.is_empty());
    let keys: Vec<&str> = SERVICES
        .iter()
        .copied()
        .filter(|key| wanted.as_deref().is_none_or(|w| wildcard(w, key)))
        .collect();
    if let (Some(name), true) = (&wanted, keys.is_empty()) {
        return Err(missing("service", name));
    }
    for key in keys {
        if !cx.should_process(key) {
            continue;
        }
        let Some(service) = cx.host.services.get_mut(key) else {
            continue;
        };
        let turned = service.running != running;
        service.running = running;
        cx.effect |= turned;
        cx.takes += Duration::from_millis(200);
        if turned && running && key == super::super::lync::FRONT_END_SERVICE {
            super::system::front_end_started(cx);
        }
    }
    Ok(())
}

/// Another server's services are asked of that server itself.
fn only_here(cx: &Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let here = &cx.caller.host;
    match call.text("ComputerName").filter(|name| !name.is_empty()) {
        Some(name)
            if !HostName::new(&name).is_ok_and(|n| n == *here)
                && !name.eq_ignore_ascii_case(here.short()) =>
        {
            Err(Failure::not_modelled("services of another computer"))
        }
        _ => Ok(()),
    }
}

/// `Get-CsServerVersion`: one line of text.
pub(super) fn server_version(cx: &mut Cx<'_>, _: &Bound) -> Result<(), Failure> {
    let Some(version) = cx.host.lync else {
        return Err(no_store());
    };
    cx.output(format!("{version} ({})", product_version(version)));
    Ok(())
}
