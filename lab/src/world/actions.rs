//! What somebody else does to the site while nobody runs: updates, changes in Unified Messaging,
//! a trusted pool made by hand. The overlay's `actions` happen at every start of the lab.

use jiff::Timestamp;
use owaim_inventory::{HostName, Role, Site};

use super::{lync, setup};
use crate::overlay::{Action, Overlay, TrustedPoolOverlay};
use crate::state::State;

/// Lets the overlay's actions happen; gives whether there are any. The error names what the site
/// does not have.
pub(super) fn happen(
    site: &Site,
    overlay: &Overlay,
    state: &mut State,
    now: Timestamp,
) -> Result<bool, (&'static str, String)> {
    for action in &overlay.actions {
        match action {
            Action::CumulativeUpdate { host } => update(site, state, host, now)?,
            Action::JoinDialPlan { host, plan } => {
                state.directory.ensure_dial_plan(plan, now);
                unified(state, host, now, |plans| {
                    if !plans.iter().any(|name| name.eq_ignore_ascii_case(plan)) {
                        plans.push(plan.clone());
                    }
                })?;
            }
            Action::LeaveDialPlan { host, plan } => {
                unified(state, host, now, |plans| {
                    plans.retain(|name| !name.eq_ignore_ascii_case(plan));
                })?;
            }
            Action::AddTrustedPool { pool } => add_pool(site, state, pool.as_ref(), now)?,
        }
    }
    Ok(!overlay.actions.is_empty())
}

/// Setup replaces its files and nothing else, as a cumulative update does.
fn update(
    site: &Site,
    state: &mut State,
    name: &HostName,
    now: Timestamp,
) -> Result<(), (&'static str, String)> {
    let unknown = || ("Exchange server", name.to_string());
    let described = site.host(name).ok_or_else(unknown)?;
    let host = state.hosts.get_mut(name).ok_or_else(unknown)?;
    let exchange = host.exchange.ok_or_else(unknown)?;
    let there = host.time(now);
    host.updates += 1;
    setup::place_exchange(host, described, exchange, there);
    if described.is(Role::Backend) || described.is(Role::Cas) {
        let settings = host.messaging_settings();
        if host.iis.started {
            host.iis.start_worker(settings, there);
        }
    }
    Ok(())
}

fn unified(
    state: &mut State,
    name: &HostName,
    now: Timestamp,
    change: impl Fn(&mut Vec<String>),
) -> Result<(), (&'static str, String)> {
    let server = state
        .directory
        .unified
        .iter_mut()
        .find(|server| server.server == *name)
        .ok_or_else(|| ("server with Unified Messaging", name.to_string()))?;
    server.change(now, |settings| change(&mut settings.dial_plans));
    Ok(())
}

fn add_pool(
    site: &Site,
    state: &mut State,
    fqdn: Option<&HostName>,
    now: Timestamp,
) -> Result<(), (&'static str, String)> {
    let wanted = TrustedPoolOverlay {
        fqdn: fqdn.cloned(),
        ..TrustedPoolOverlay::default()
    };
    let Some(store) = state.lync.as_mut() else {
        return Err(("role", Role::LyncFrontEnd.name().into()));
    };
    let place = store
        .sites
        .first()
        .map(|s| s.identity.clone())
        .unwrap_or_default();
    // One that is there already stays as it is.
    if store
        .published
        .add_pool(lync::trusted_pool(site, &wanted, place))
        .is_ok()
    {
        store.enable(now);
    }
    Ok(())
}
