//! The table of known servers: who a Front End takes as a trusted peer, and the events that tell
//! of it.
//!
//! Entries come from the topology in force and from discovery. A machine that is in both is the
//! double entry of which instant messaging does not work.

use std::collections::BTreeMap;

use jiff::Timestamp;
use owaim_inventory::HostName;

use super::super::directory::Directory;
use super::super::events::{self, Event, Level};
use super::{FRONT_END_SERVICE, KnownServer, Lync, Replica, entry_version};
use crate::state::{HostState, State};

/// Log of a Front End.
pub(crate) const LOG: &str = "Lync Server";
const STACK: &str = "LS Protocol Stack";
const ROUTING: &str = "LS Exchange Unified Messaging Routing";
/// Event: the table as it is when the service starts.
const TABLE: i32 = 14_492;
/// Event: an entry was added.
const ADDED: i32 = 14_493;
/// Event: an entry was removed.
const REMOVED: i32 = 14_495;
/// Event: the Exchange servers that were found when the service started.
const FOUND: i32 = 44_024;
/// Categories of the two sources.
const STACK_TASK: i32 = 1001;
const ROUTING_TASK: i32 = 1040;

/// The Exchange servers that Lync finds by itself at `now`, going by the first controller.
fn discovered(directory: &Directory, also: &[HostName], now: Timestamp) -> Vec<HostName> {
    let controller = directory.controllers.first().map_or("", String::as_str);
    let mut found: Vec<HostName> = directory
        .unified
        .iter()
        .filter(|server| server.is_discovered(directory, controller, now))
        .map(|server| server.server.clone())
        .chain(also.iter().cloned())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The table that follows from a replica's topology and what was discovered.
fn table(lync: &Lync, replica: &Replica, found: &[HostName]) -> Vec<KnownServer> {
    let own = lync.pools.iter().flat_map(|pool| {
        let version = entry_version(pool.version);
        std::iter::once(&pool.fqdn)
            .chain(&pool.computers)
            .map(move |name| (name.to_string(), version))
    });
    let trusted = replica.in_force.pools.iter().flat_map(|pool| {
        std::iter::once(&pool.fqdn)
            .chain(&pool.computers)
            .map(|name| (name.to_lowercase(), pool.version))
    });
    let entry = |(fqdn, version)| KnownServer {
        fqdn,
        version,
        discovered: false,
    };
    let mut all: Vec<KnownServer> = own.chain(trusted).map(entry).collect();
    all.extend(found.iter().map(|name| KnownServer {
        fqdn: name.to_string(),
        version: 0,
        discovered: true,
    }));
    all.sort();
    all.dedup();
    all
}

fn note(host: &mut HostState, (source, task): (&str, i32), id: i32, text: String, at: Timestamp) {
    let event = Event {
        log: LOG.into(),
        record: 0,
        provider: source.into(),
        id,
        level: Level::Information,
        task,
        time: host.time(at),
        message: text,
    };
    events::append(&mut host.events, event);
}

fn described(server: &KnownServer) -> String {
    let source = if server.discovered {
        "discovered"
    } else {
        "topology"
    };
    format!("{} (version {}, {source})", server.fqdn, server.version)
}

/// The service of the Front End `name` has started at `at`: it reads everything anew and says
/// what it knows.
pub(crate) fn service_started(
    lync: &mut Lync,
    directory: &Directory,
    name: &HostName,
    host: &mut HostState,
    at: Timestamp,
) {
    let found = discovered(directory, &lync.also_discovered, at);
    let Some(position) = lync
        .replicas
        .iter()
        .position(|r| r.fqdn == *name && r.front_end)
    else {
        return;
    };
    let fresh = table(lync, &lync.replicas[position], &found);
    let servers: Vec<String> = fresh.iter().map(described).collect();
    let text = format!("Known servers at start: {}.", servers.join("; "));
    note(host, (STACK, STACK_TASK), TABLE, text, at);
    let names: Vec<&str> = found.iter().map(HostName::as_str).collect();
    let text = if names.is_empty() {
        "No Exchange server was found that hosts a SIP URI dial plan.".into()
    } else {
        format!(
            "Exchange servers found that host a SIP URI dial plan: {}.",
            names.join("; ")
        )
    };
    note(host, (ROUTING, ROUTING_TASK), FOUND, text, at);
    lync.replicas[position].known = fresh;
}

/// Lets replication and discovery happen up to `now` (our clock); gives whether anything did.
pub(crate) fn advance(state: &mut State, now: Timestamp) -> bool {
    let Some(mut lync) = state.lync.take() else {
        return false;
    };
    let mut changed = false;
    for position in 0..lync.replicas.len() {
        let enabled = (lync.enabled.clone(), lync.enabled_at);
        let replica = &mut lync.replicas[position];
        let mut at = now;
        if let Some(due) = replica.pending.filter(|due| *due <= now) {
            (replica.in_force, replica.updated) = enabled;
            replica.pending = None;
            at = due;
            changed = true;
        }
        if replica.front_end {
            let name = replica.fqdn.clone();
            let found = discovered(&state.directory, &lync.also_discovered, at);
            if let Some(host) = state.hosts.get_mut(&name).filter(|host| is_running(host)) {
                changed |= refresh(&mut lync, position, host, &found, at);
            }
        }
    }
    state.lync = Some(lync);
    changed
}

fn is_running(host: &HostState) -> bool {
    host.services
        .get(FRONT_END_SERVICE)
        .is_some_and(|service| service.running)
}

/// Brings a running Front End's table up to date; gives whether it differs.
fn refresh(
    lync: &mut Lync,
    position: usize,
    host: &mut HostState,
    found: &[HostName],
    at: Timestamp,
) -> bool {
    let fresh = table(lync, &lync.replicas[position], found);
    let before = std::mem::replace(&mut lync.replicas[position].known, fresh.clone());
    for gone in before.iter().filter(|server| !fresh.contains(server)) {
        let text = format!("Removed from the known servers: {}.", described(gone));
        note(host, (STACK, STACK_TASK), REMOVED, text, at);
    }
    for new in fresh.iter().filter(|server| !before.contains(server)) {
        let text = format!("Added to the known servers: {}.", described(new));
        note(host, (STACK, STACK_TASK), ADDED, text, at);
    }
    before != fresh
}

/// The Front End that serves the backend `name`; `None` if none runs.
pub(crate) fn serving<'a>(lync: &'a Lync, state: &State, name: &HostName) -> Option<&'a Replica> {
    let running: Vec<&Replica> = lync
        .replicas
        .iter()
        .filter(|r| r.front_end && state.hosts.get(&r.fqdn).is_some_and(is_running))
        .collect();
    let number = state.hosts.keys().position(|h| h == name).unwrap_or(0);
    // The pool spreads its peers over its servers; a given one always meets the same.
    running.get(number % running.len().max(1)).copied()
}

/// The certificate names with which the backend `name` gets through to the Front End that
/// serves it; `None` if the site has no Front End of its own.
pub(crate) fn accepted(state: &State, name: &HostName) -> Option<Vec<String>> {
    let lync = state.lync.as_ref()?;
    let Some(front_end) = serving(lync, state, name) else {
        return Some(Vec::new());
    };
    let mut entries: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for server in &front_end.known {
        let entry = entries.entry(&server.fqdn).or_default();
        if server.discovered {
            entry.1 = true;
        } else {
            entry.0 = true;
        }
    }
    let (listed, found) = entries.get(name.as_str()).copied().unwrap_or_default();
    if found {
        // By itself, under its own name only; a listing beside that is the double entry.
        return Some(if listed {
            Vec::new()
        } else {
            vec![name.to_string()]
        });
    }
    let registrar = lync.pools.first().map(|pool| pool.fqdn.as_str());
    let pools = front_end.in_force.pools.iter().filter(|pool| {
        !pool.applications.is_empty()
            && pool
                .registrar
                .as_deref()
                .zip(registrar)
                .is_some_and(|(own, wanted)| own.eq_ignore_ascii_case(wanted))
    });
    let names = pools.flat_map(|pool| std::iter::once(&pool.fqdn).chain(&pool.computers));
    let single = |name: &&String| {
        let entry = entries.get(name.to_lowercase().as_str());
        entry.copied() == Some((true, false))
    };
    Some(names.filter(single).cloned().collect())
}
