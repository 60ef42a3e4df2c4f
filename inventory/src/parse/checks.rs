//! What can only be judged by comparing parts of the file with each other.

use super::checker::Checker;
use super::connections::{ConnectionDrafts, is_tls};
use super::credentials::CredentialsDraft;
use super::hosts::{HostDraft, HostDrafts};
use super::products::{CertificateDraft, ExchangeDraft, LyncDraft};
use super::source::Place;
use super::values::nearest;
use crate::{
    Auth, ConnectionRule, Credential, EndpointKind, ExchangeVersion, HostName, Role, Support,
};

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
    for (kind, endpoint) in &host.endpoints {
        let place = &endpoint.place;
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

/// Each endpoint is reached in a way that can work and gives nothing away, or says so.
pub(super) fn connections(
    cx: &mut Checker,
    hosts: &HostDrafts,
    connections: &ConnectionDrafts,
    credentials: &CredentialsDraft,
) {
    let mut noticed: Vec<(Place, String)> = Vec::new();
    for host in hosts.iter() {
        let (Some((name, _)), Some(roles)) = (&host.name, &host.roles) else {
            continue;
        };
        let is_exchange = roles.iter().any(|role| role.is_exchange());
        for kind in EndpointKind::ALL {
            let own = host.endpoints.get(&kind);
            let there = match kind {
                EndpointKind::Windows => true,
                EndpointKind::Exchange => is_exchange,
                EndpointKind::Lync => roles.contains(&Role::LyncFrontEnd),
                EndpointKind::LyncLocal => false,
            };
            if !there && own.is_none() {
                continue;
            }
            let (rule, place) = connections.merged(own.map(|own| &own.connection), kind);
            let tls = is_tls(own.and_then(|own| own.url.as_deref()), name, kind);
            let credential = credentials.for_endpoint(name, kind);
            let what = format!("the {} endpoint of {name}", kind.name());
            let fallback = own.map_or(&host.roles_place, |own| &own.place);
            let at = |keys: &[&str]| {
                let place = keys.iter().find_map(|key| place(key));
                place.unwrap_or(fallback).clone()
            };
            for (keys, found, expected) in contradictions(&rule, kind, tls, credential) {
                cx.whole(&at(keys), format!("{what} {found}"), expected);
            }
            for (keys, message) in dangers(&rule, tls) {
                let place = at(keys);
                if !noticed.contains(&(place.clone(), message.to_owned())) {
                    cx.warn(&place, message);
                    noticed.push((place, message.to_owned()));
                }
            }
        }
    }
}

/// What cannot be: the keys to look at, what is so, and what is expected.
fn contradictions(
    rule: &ConnectionRule,
    kind: EndpointKind,
    tls: bool,
    credential: Option<&Credential>,
) -> Vec<(&'static [&'static str], String, &'static str)> {
    let mut found: Vec<(&'static [&'static str], String, &'static str)> = Vec::new();
    let insecure = rule.insecure_skip_verify == Some(true);
    let auth = match (rule.auth, credential) {
        (Some(auth), _) => auth,
        (None, Some(Credential::Certificate { .. })) => Auth::Certificate,
        (None, _) => kind.default_auth(),
    };
    let name = auth.name();
    let fits = match credential {
        None => true,
        Some(Credential::Account { .. }) => auth != Auth::Certificate,
        Some(Credential::Logon | Credential::Keytab { .. } | Credential::TicketCache) => {
            auth.takes_tickets()
        }
        Some(Credential::Certificate { .. }) => auth == Auth::Certificate,
    };
    if !fits {
        found.push((
            &["auth"],
            format!("has auth = {name:?}, and credentials of another kind"),
            "user name and password for basic, ntlm and credssp; those, a keytab, a ticket cache or the current logon for negotiate and kerberos; a certificate for certificate",
        ));
    }
    if auth == Auth::Basic && !tls && rule.allow_plaintext != Some(true) {
        found.push((
            &["auth"],
            "would send its password over plain HTTP for all to read".into(),
            "a URL with https, another auth, or allow_plaintext = true",
        ));
    }
    if auth == Auth::Certificate && !tls {
        found.push((
            &["auth"],
            "has auth = \"certificate\" and no TLS".into(),
            "a URL with https",
        ));
    }
    if auth == Auth::Basic && insecure {
        found.push((
            &["insecure_skip_verify"],
            "would send its password to whoever answers".into(),
            "insecure_skip_verify = false, or another auth than basic",
        ));
    }
    if insecure && rule.pin.is_some() {
        found.push((
            &["pin"],
            "has a pin, and insecure_skip_verify = true".into(),
            "one of the two: what is pinned is verified",
        ));
    }
    if rule.delegate == Some(true) && !auth.takes_tickets() {
        found.push((
            &["delegate"],
            format!("has delegate = true, and auth = {name:?}"),
            "auth = \"kerberos\" or \"negotiate\": only a ticket can be delegated",
        ));
    }
    if rule.delegate == Some(true) && matches!(credential, Some(Credential::Logon)) {
        found.push((
            &["delegate"],
            "has delegate = true, and logon = true".into(),
            "delegate = false, or a ticket cache: the current logon is not passed on",
        ));
    }
    if rule.allow_ntlm_fallback == Some(true)
        && !matches!(credential, Some(Credential::Account { .. }) | None)
    {
        found.push((
            &["allow_ntlm_fallback"],
            "may fall back to NTLM, and has no password for that".into(),
            "allow_ntlm_fallback = false, or a user name with a password",
        ));
    }
    found
}

/// What is allowed and gives something away: the keys to look at, and what follows.
fn dangers(rule: &ConnectionRule, tls: bool) -> Vec<(&'static [&'static str], &'static str)> {
    let mut found: Vec<(&'static [&'static str], &'static str)> = Vec::new();
    if rule.insecure_skip_verify == Some(true) && tls {
        found.push((
            &["insecure_skip_verify"],
            "certificates are not verified: whoever answers is taken for the server",
        ));
    }
    if rule.auth == Some(Auth::Basic) && rule.allow_plaintext == Some(true) && !tls {
        found.push((
            &["allow_plaintext"],
            "the password and everything else travel over plain HTTP for all to read",
        ));
    }
    found
}
