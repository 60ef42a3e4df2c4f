//! Trusted application pools, their computers, applications and endpoints. Every change is only
//! published: nothing takes effect before the topology is enabled.

use std::time::Duration;

use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::super::lync::{Contact, TopologyError, TrustedPool, bare_id, entry_version};
use super::cs_store::{missing, store, store_mut};
use super::{Cx, cs_objects as shown};

/// How long a change of the store takes here.
const CHANGE: Duration = Duration::from_millis(40);

const NOT_ENABLED: &str = "The following changes must be made in order for the operation to be complete. \
Enable-CsTopology must still be run for all changes to take effect.";

impl From<TopologyError> for Failure {
    fn from(error: TopologyError) -> Self {
        let (id, category) = match &error {
            TopologyError::Missing(_) => ("ObjectNotFound", Category::ObjectNotFound),
            TopologyError::Exists(_) | TopologyError::PortTaken { .. } => {
                ("ObjectAlreadyExists", Category::ResourceExists)
            }
            TopologyError::OneComputer(_) | TopologyError::NoRegistrar(_) => {
                ("InvalidOperation", Category::InvalidOperation)
            }
            TopologyError::Id(_) | TopologyError::Port(_) | TopologyError::Name(_) => {
                ("InvalidValue", Category::InvalidData)
            }
        };
        Self::new(
            format!("Microsoft.Rtc.Management.Deploy.{id}"),
            category,
            "Microsoft.Rtc.Management.Deploy.DeployException",
            format!("{error}."),
        )
    }
}

/// Notes that the store was changed.
fn changed(cx: &mut Cx<'_>) {
    cx.effect = true;
    cx.takes += CHANGE;
    cx.warning(NOT_ENABLED);
}

fn identity(call: &Bound) -> String {
    call.text("Identity").unwrap_or_default()
}

/// The registrar that a call names; an error if it is no Front End pool.
fn registrar(cx: &Cx<'_>, call: &Bound) -> Result<Option<String>, Failure> {
    let Some(name) = call.text("Registrar").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let pool = store(cx)?
        .registrar(&name)
        .ok_or_else(|| missing("registrar", &name))?;
    Ok(Some(pool.fqdn.to_string()))
}

pub(super) fn get_pool(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let lync = store(cx)?;
    let wanted = call
        .text("Identity")
        .or_else(|| call.text("PoolFqdn"))
        .filter(|text| !text.is_empty());
    let found: Vec<Object> = match (&wanted, call.text("Filter")) {
        (Some(name), _) => lync
            .published
            .pool(name)
            .map(|pool| shown::trusted_pool(lync, pool))
            .into_iter()
            .collect(),
        (None, pattern) => lync
            .published
            .pools
            .iter()
            .filter(|pool| {
                pattern
                    .as_deref()
                    .is_none_or(|p| super::super::values::wildcard(p, &pool.fqdn))
            })
            .map(|pool| shown::trusted_pool(lync, pool))
            .collect(),
    };
    if let (Some(name), true) = (wanted, found.is_empty()) {
        cx.error(&missing("trusted application pool", &name));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn new_pool(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let fqdn = identity(call);
    let registrar = registrar(cx, call)?;
    let lync = store(cx)?;
    let site = match call.text("Site").filter(|text| !text.is_empty()) {
        // By SiteId alone: neither identity nor display name will do.
        Some(id) => lync.site(&id).ok_or_else(|| missing("site", &id))?,
        None => lync
            .sites
            .first()
            .ok_or_else(|| missing("site", "(default)"))?,
    };
    let computer = call
        .text("ComputerFqdn")
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| fqdn.clone());
    for name in [&fqdn, &computer] {
        if lync.is_lync_server(name) {
            return Err(TopologyError::Exists(name.clone()).into());
        }
    }
    let pool = TrustedPool {
        site: site.identity.clone(),
        version: entry_version(lync.version),
        number: 0,
        registrar,
        requires_replication: call.flag("RequiresReplication").unwrap_or(true),
        throttle_as_server: call.flag("ThrottleAsServer").unwrap_or(true),
        treat_as_authenticated: call.flag("TreatAsAuthenticated").unwrap_or(true),
        outbound_only: call.flag("OutboundOnly").unwrap_or(false),
        computers: vec![computer.clone()],
        applications: Vec::new(),
        fqdn: fqdn.clone(),
    };
    // Refusals come before the question whether it is only to be said.
    lync.published.clone().add_pool(pool.clone())?;
    if !cx.should_process(&fqdn) {
        return Ok(());
    }
    if !store(cx)?.has_account(&computer) {
        cx.warning(format!(
            "Machine {computer} from the topology you are publishing was not found in Active Directory and will \
             result in errors during Enable-CsTopology as it tries to prepare Active Directory entries for the \
             topology machines."
        ));
    }
    store_mut(cx)?.published.add_pool(pool)?;
    changed(cx);
    let lync = store(cx)?;
    let object = lync
        .published
        .pool(&fqdn)
        .map(|pool| shown::trusted_pool(lync, pool));
    if let Some(object) = object {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn set_pool(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = identity(call);
    let registrar = registrar(cx, call)?;
    let mut pool = store(cx)?
        .published
        .pool(&name)
        .cloned()
        .ok_or_else(|| missing("trusted application pool", &name))?;
    let before = pool.clone();
    if registrar.is_some() {
        pool.registrar = registrar;
    }
    for (parameter, slot) in [
        ("RequiresReplication", &mut pool.requires_replication),
        ("ThrottleAsServer", &mut pool.throttle_as_server),
        ("TreatAsAuthenticated", &mut pool.treat_as_authenticated),
        ("OutboundOnly", &mut pool.outbound_only),
    ] {
        *slot = call.flag(parameter).unwrap_or(*slot);
    }
    if !cx.should_process(&name) || pool == before {
        return Ok(());
    }
    if pool.registrar != before.registrar
        && pool.applications.iter().any(|a| !a.contacts.is_empty())
    {
        cx.warning("Contact objects of this pool stay with its former registrar.");
    }
    *store_mut(cx)?.published.pool_mut(&name)? = pool;
    changed(cx);
    Ok(())
}

pub(super) fn remove_pool(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = identity(call);
    store(cx)?.published.clone().remove_pool(&name)?;
    if cx.should_process(&name) {
        store_mut(cx)?.published.remove_pool(&name)?;
        changed(cx);
    }
    Ok(())
}

pub(super) fn get_computer(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let wanted = call.text("Identity").filter(|text| !text.is_empty());
    let of_pool = call.text("Pool");
    let fits = |given: Option<&str>, name: &str| given.is_none_or(|g| g.eq_ignore_ascii_case(name));
    let found: Vec<Object> = store(cx)?
        .published
        .pools
        .iter()
        .filter(|pool| fits(of_pool.as_deref(), &pool.fqdn))
        .flat_map(|pool| pool.computers.iter().map(move |name| (pool, name)))
        .filter(|(_, name)| fits(wanted.as_deref(), name))
        .map(|(pool, name)| shown::computer(pool, name))
        .collect();
    if let (Some(name), true) = (wanted, found.is_empty()) {
        cx.error(&missing("trusted application computer", &name));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn new_computer(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let (name, pool) = (identity(call), call.text("Pool").unwrap_or_default());
    let lync = store(cx)?;
    if lync.is_lync_server(&name) {
        return Err(TopologyError::Exists(name).into());
    }
    lync.published.clone().add_computer(&name, &pool)?;
    if !cx.should_process(&name) {
        return Ok(());
    }
    store_mut(cx)?.published.add_computer(&name, &pool)?;
    changed(cx);
    let object = store(cx)?
        .published
        .pool(&pool)
        .map(|pool| shown::computer(pool, &name));
    if let Some(object) = object {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn remove_computer(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = identity(call);
    store(cx)?.published.clone().remove_computer(&name)?;
    if cx.should_process(&name) {
        store_mut(cx)?.published.remove_computer(&name)?;
        changed(cx);
    }
    Ok(())
}

/// Pool and bare id that a call about applications names, each if it does.
fn application_names(call: &Bound) -> (Option<String>, Option<String>) {
    let full = call.text("Identity").filter(|text| !text.is_empty());
    match full {
        Some(text) => match text.split_once('/') {
            Some((pool, id)) => (Some(pool.into()), Some(bare_id(id))),
            None => (None, Some(bare_id(&text))),
        },
        None => (
            call.text("TrustedApplicationPoolFqdn"),
            call.text("ApplicationId").map(|id| bare_id(&id)),
        ),
    }
}

pub(super) fn get_application(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let (of_pool, id) = application_names(call);
    let pattern = call.text("Filter");
    let nested = cx.nested;
    let found: Vec<Object> = store(cx)?
        .published
        .pools
        .iter()
        .filter(|pool| {
            of_pool
                .as_deref()
                .is_none_or(|name| name.eq_ignore_ascii_case(&pool.fqdn))
        })
        .flat_map(|pool| pool.applications.iter().map(move |a| (pool, a)))
        .filter(|(pool, a)| {
            id.as_deref().is_none_or(|id| id == a.id)
                && pattern.as_deref().is_none_or(|p| {
                    super::super::values::wildcard(p, &format!("{}/{}", pool.fqdn, a.urn()))
                })
        })
        .map(|(pool, a)| shown::application(pool, a, nested))
        .collect();
    let named = call
        .text("Identity")
        .filter(|text| !text.is_empty())
        .or_else(|| id.filter(|_| of_pool.is_some()));
    if let (Some(name), true) = (named, found.is_empty()) {
        cx.error(&missing("trusted application", &name));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn new_application(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let (pool, id) = match call.text("Identity").filter(|text| !text.is_empty()) {
        Some(text) => match text.split_once('/') {
            Some((pool, id)) => (pool.to_owned(), id.to_owned()),
            None => return Err(TopologyError::Id(text).into()),
        },
        None => (
            call.text("TrustedApplicationPoolFqdn").unwrap_or_default(),
            call.text("ApplicationId").unwrap_or_default(),
        ),
    };
    let port = call.number("Port").unwrap_or_default();
    let legacy = call.text("LegacyApplicationName");
    let mut trial = store(cx)?.published.clone();
    trial.add_application(&pool, &id, port, legacy)?;
    if !cx.should_process(&format!("{pool}/{id}")) {
        return Ok(());
    }
    store_mut(cx)?.published = trial;
    changed(cx);
    let nested = cx.nested;
    let object = store(cx)?
        .published
        .pool(&pool)
        .and_then(|pool| Some(shown::application(pool, pool.application(&id)?, nested)));
    if let Some(object) = object {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn set_application(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = identity(call);
    let mut trial = store(cx)?.published.clone();
    let turned = match call.number("Port") {
        Some(port) => trial.set_port(&name, port)?,
        None => false,
    };
    if turned && cx.should_process(&name) {
        store_mut(cx)?.published = trial;
        changed(cx);
    }
    Ok(())
}

pub(super) fn remove_application(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = identity(call);
    let mut trial = store(cx)?.published.clone();
    trial.remove_application(&name)?;
    if cx.should_process(&name) {
        store_mut(cx)?.published = trial;
        changed(cx);
    }
    Ok(())
}

fn contact(pool: &str, application: &str, entry: &Contact) -> Object {
    Object::new()
        .with_types([
            "Microsoft.Rtc.Management.ADConnect.Schema.OCSADApplicationContact",
            "System.Object",
        ])
        .with_string(entry.sip_address.as_str())
        .with("Identity", format!("CN={}", entry.display_name))
        .with("SipAddress", entry.sip_address.as_str())
        .with("DisplayName", entry.display_name.as_str())
        .with("OwnerUrn", application)
        .with("RegistrarPool", pool)
        .with("Enabled", true)
        .with("LineURI", Value::Null)
}

pub(super) fn get_endpoint(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if call.has("Filter") || call.has("OU") {
        return Err(Failure::not_modelled("filters of endpoints"));
    }
    let wanted = call.text("Identity").filter(|text| !text.is_empty());
    let of_pool = call.text("TrustedApplicationPoolFqdn");
    let id = call.text("ApplicationId").map(|id| bare_id(&id));
    let mut found = Vec::new();
    for pool in &store(cx)?.published.pools {
        let here = of_pool
            .as_deref()
            .is_none_or(|name| name.eq_ignore_ascii_case(&pool.fqdn));
        for a in pool.applications.iter().filter(|_| here) {
            if id.as_deref().is_some_and(|id| id != a.id) {
                continue;
            }
            let registrar = pool.registrar.as_deref().unwrap_or_default();
            let entries = a.contacts.iter().filter(|c| {
                wanted
                    .as_deref()
                    .is_none_or(|w| w.eq_ignore_ascii_case(&c.sip_address))
            });
            found.extend(entries.map(|c| contact(registrar, &a.urn(), c)));
        }
    }
    if let (Some(name), true) = (wanted, found.is_empty()) {
        cx.error(&missing("endpoint", &name));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

/// A contact object lives in the directory: it needs no enabling.
pub(super) fn new_endpoint(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let pool = call.text("TrustedApplicationPoolFqdn").unwrap_or_default();
    let id = call.text("ApplicationId").unwrap_or_default();
    let entry = Contact {
        sip_address: call.text("SipAddress").unwrap_or_default(),
        display_name: call.text("DisplayName").unwrap_or_default(),
    };
    let mut trial = store(cx)?.published.clone();
    let application = trial.application_mut(&pool, &id)?;
    if application
        .contacts
        .iter()
        .any(|c| c.sip_address.eq_ignore_ascii_case(&entry.sip_address))
    {
        return Err(TopologyError::Exists(entry.sip_address).into());
    }
    if cx.should_process(&entry.sip_address) {
        let (urn, shown) = (application.urn(), entry.clone());
        application.contacts.push(entry);
        // The enabled topology has the same contacts: they are no part of it.
        let lync = store_mut(cx)?;
        lync.published = trial;
        if let Ok(same) = lync.enabled.application_mut(&pool, &id) {
            same.contacts.push(shown.clone());
        }
        cx.effect = true;
        if call.switch("PassThru") {
            cx.output(contact(&pool, &urn, &shown));
        }
    }
    Ok(())
}

pub(super) fn remove_endpoint(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = identity(call);
    let known = store(cx)?
        .published
        .pools
        .iter()
        .flat_map(|p| &p.applications)
        .flat_map(|a| &a.contacts)
        .any(|c| c.sip_address.eq_ignore_ascii_case(&name));
    if !known {
        return Err(missing("endpoint", &name));
    }
    if cx.should_process(&name) {
        let lync = store_mut(cx)?;
        for topology in [&mut lync.published, &mut lync.enabled] {
            for application in topology.pools.iter_mut().flat_map(|p| &mut p.applications) {
                application
                    .contacts
                    .retain(|c| !c.sip_address.eq_ignore_ascii_case(&name));
            }
        }
        cx.effect = true;
    }
    Ok(())
}
