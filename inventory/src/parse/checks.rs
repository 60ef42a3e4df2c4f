//! What can only be judged by comparing parts of the file with each other.

use super::checker::Checker;
use super::credentials::CredentialsDraft;
use super::hosts::{HostDraft, HostDrafts};
use super::products::{CertificateDraft, ExchangeDraft, LyncDraft};
use super::source::Place;
use super::values::nearest;
use crate::{EndpointKind, ExchangeVersion, HostName, Role, Support};

/// Names are unique, the roles that the job is about are there, and no host is given what its
/// roles have no use for. `end` is where mistakes about the whole file are shown.
pub(super) fn hosts(cx: &mut Checker, hosts: &HostDrafts, end: &Place) {
    let mut seen: Vec<(&HostName, &Place)> = Vec::new();
    for (name, place) in hosts.iter().filter_map(|host| host.name.as_ref()) {
        match seen.iter().find(|(known, _)| *known == name) {
            Some((_, first)) => {
                let line = cx.line(first);
                cx.whole(
                    place,
                    format!("host {name} is listed twice"),
                    "each host once",
                );
                cx.help(format!("the first is in line {line}"));
            }
            None => seen.push((name, place)),
        }
    }
    for host in hosts.iter() {
        suits_roles(cx, host);
    }
    let Some(list) = &hosts.list else { return };
    if list.iter().any(|host| host.roles.is_none()) {
        return;
    }
    for role in [Role::Cas, Role::Backend] {
        if !list.iter().any(|host| {
            host.roles
                .as_ref()
                .is_some_and(|roles| roles.contains(&role))
        }) {
            let name = role.name();
            cx.whole(
                end,
                format!("no host has the role {name:?}"),
                format!("at least one host with the role {name:?}"),
            );
        }
    }
}

/// Whether everything said about `host` makes sense for its roles.
fn suits_roles(cx: &mut Checker, host: &HostDraft) {
    let (Some(roles), Some(is_exchange)) = (&host.roles, host.is_exchange()) else {
        return;
    };
    let is_lync = roles.contains(&Role::LyncFrontEnd);
    let label = host.label();
    if !is_exchange {
        let version = host
            .version
            .iter()
            .map(|(_, place)| ("exchange_version", place));
        let root = host
            .install_root
            .iter()
            .map(|place| ("install_root", place));
        for (key, place) in version.chain(root) {
            cx.whole(
                place,
                format!("{label} runs no Exchange and has {key:?}"),
                "a role cas or backend, or no such key",
            );
        }
    }
    for (kind, (_, place)) in &host.endpoints {
        let (offered, by) = match kind {
            EndpointKind::Windows => continue,
            EndpointKind::Exchange => (is_exchange, "cas or backend"),
            EndpointKind::Lync | EndpointKind::LyncLocal => (is_lync, "lync-front-end"),
        };
        if !offered {
            let message = format!("{label} offers no endpoint of the kind {:?}", kind.name());
            cx.whole(place, message, format!("a host with the role {by}"));
        }
    }
    if is_lync && is_exchange {
        cx.warn(&host.roles_place, format!("{label} is said to run Lync and Exchange: the vendor supports neither beside the other"));
    }
}

/// Every generation of Exchange in use goes with the generation of Lync.
pub(super) fn versions(
    cx: &mut Checker,
    lync: &LyncDraft,
    exchange: &ExchangeDraft,
    hosts: &HostDrafts,
) {
    let mut in_use: Vec<&(ExchangeVersion, Place)> = Vec::new();
    for host in hosts.iter().filter(|host| host.is_exchange() == Some(true)) {
        let Some(version) = host.version.as_ref().or(exchange.version.as_ref()) else {
            continue;
        };
        if let Some(roles) = &host.roles
            && version.0 >= ExchangeVersion::E2016
            && !(roles.contains(&Role::Cas) && roles.contains(&Role::Backend))
        {
            let label = host.label();
            cx.warn(
                &host.roles_place,
                format!(
                    "{label} runs {}, where every server has both roles",
                    version.0
                ),
            );
        }
        if let (Some(roles), Some(values)) = (&host.roles, version.0.unmanaged_values())
            && roles.contains(&Role::Backend)
        {
            cx.warn(
                &host.roles_place,
                format!(
                    "this version does not yet set the messaging values of {} backends ({values}): {} must get them by hand",
                    version.0,
                    host.label()
                ),
            );
        }
        if !in_use.contains(&version) {
            in_use.push(version);
        }
    }
    let Some(lync) = lync.version else { return };
    for (version, place) in in_use {
        match version.support_with(lync) {
            Support::Supported => {}
            Support::Unverified => {
                cx.warn(place, format!("{version} with {lync}: the vendor says neither that it is supported nor that it is not"));
            }
            Support::Unsupported => {
                let expected = format!("{version} with Skype for Business Server 2015 or later");
                cx.whole(
                    place,
                    format!("{version} with {lync} is not supported"),
                    expected,
                );
            }
        }
    }
}

/// The names that a certificate and the topology have to agree on.
pub(super) fn names(cx: &mut Checker, lync: &LyncDraft, certificate: &CertificateDraft) {
    let Some((trusted, place)) = &lync.trusted_pool else {
        return;
    };
    if lync.pool.as_ref() == Some(trusted) {
        cx.whole(
            place,
            format!("{trusted} is already the Front End pool"),
            "a name of its own for the trusted pool",
        );
    }
    if let Some((subject, place)) = &certificate.subject
        && subject != trusted
    {
        cx.warn(place, format!("the certificate's subject {subject} is not the trusted pool {trusted}: Lync knows its peer by the subject"));
    }
}

/// Whoever is referred to is one of the hosts.
pub(super) fn known_hosts(
    cx: &mut Checker,
    exchange: &ExchangeDraft,
    credentials: &CredentialsDraft,
    hosts: &HostDrafts,
) {
    if let Some((name, place)) = &exchange.admin_host {
        let found = hosts
            .iter()
            .find(|host| host.name.as_ref().is_some_and(|(known, _)| known == name));
        match found {
            None => unknown(cx, hosts, name, place),
            Some(host) if host.is_exchange() == Some(false) => {
                cx.whole(
                    place,
                    format!("{name} runs no Exchange"),
                    "a host with the role cas or backend",
                );
            }
            Some(_) => {}
        }
    }
    for (name, place, _) in &credentials.by_host {
        if !hosts.names().any(|known| known == name) {
            unknown(cx, hosts, name, place);
        }
    }
}

/// The computers of the trusted pool are the servers that call Lync; a pool of several has a name of
/// its own.
pub(super) fn computers(cx: &mut Checker, lync: &LyncDraft, hosts: &HostDrafts) {
    let pool = lync.trusted_pool.as_ref().map(|(pool, _)| pool);
    for (name, place) in &lync.computers {
        if lync.computers.len() > 1 && pool == Some(name) {
            cx.whole(
                place,
                format!("{name} is the trusted pool itself"),
                "a name that is none of its computers', since it has several",
            );
            continue;
        }
        let found = hosts
            .iter()
            .find(|host| host.name.as_ref().is_some_and(|(known, _)| known == name));
        match found.map(|host| &host.roles) {
            None => unknown(cx, hosts, name, place),
            Some(Some(roles)) if !roles.contains(&Role::Backend) => cx.whole(
                place,
                format!("{name} does not render Outlook Web App"),
                "a host with the role backend",
            ),
            Some(_) => {}
        }
    }
}

fn unknown(cx: &mut Checker, hosts: &HostDrafts, name: &HostName, place: &Place) {
    if !hosts.all_named() {
        return;
    }
    cx.whole(
        place,
        format!("{name} is none of the hosts"),
        "the name of a host in the file",
    );
    if let Some(nearest) = nearest(name.as_str(), hosts.names().map(HostName::as_str)) {
        cx.help(format!("did you mean {nearest:?}?"));
    }
}
