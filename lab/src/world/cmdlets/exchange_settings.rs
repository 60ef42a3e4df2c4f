//! OWA virtual directories and mailbox policies: reading and setting.

use std::time::Duration;

use owaim_inventory::{ExchangeVersion, HostName};

use super::super::binder::Bound;
use super::super::directory::{MessagingType, Properties, short};
use super::super::errors::{Category, Failure};
use super::super::values::wildcard;
use super::Cx;
use super::exchange_objects as shown;

/// How long a call that asks a server's IIS takes longer than one that asks the directory only.
const IIS_QUESTION: Duration = Duration::from_millis(40);

/// The controller that a call goes to: the one that it names, else the session's, else the
/// server's own, which is not the same for every server.
pub(super) fn controller(cx: &Cx<'_>, call: &Bound) -> Result<String, Failure> {
    let directory = &cx.state.directory;
    let named = call
        .text("DomainController")
        .or_else(|| cx.session.controller.clone());
    if let Some(name) = named {
        return directory.controller(&name).map(Into::into).ok_or_else(|| {
            Failure::new(
                "[FailureCategory=Cmdlet-SuitabilityDirectoryException] 1D2E6E1C",
                Category::InvalidData,
                "Microsoft.Exchange.Data.Directory.SuitabilityDirectoryException",
                format!("Could not find any available Domain Controller in domain DNS Name '{}', or '{name}' is no domain controller.", directory.domain),
            )
            .about(name)
        });
    }
    let position = cx
        .site
        .hosts
        .iter()
        .position(|h| h.name == cx.caller.host)
        .unwrap_or(0);
    let count = directory.controllers.len().max(1);
    Ok(directory
        .controllers
        .get(position % count)
        .cloned()
        .unwrap_or_default())
}

fn version_of(cx: &Cx<'_>, server: &str) -> ExchangeVersion {
    let known = HostName::new(server)
        .ok()
        .and_then(|name| cx.host_named(&name).and_then(|h| h.exchange));
    known.unwrap_or(cx.site.exchange.version)
}

/// Whether `name` (short or full) is the server `fqdn`.
pub(super) fn is_server(name: &str, fqdn: &str) -> bool {
    name.eq_ignore_ascii_case(fqdn) || name.eq_ignore_ascii_case(&short(fqdn))
}

pub(super) fn get_virtual_directory(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    // An empty identity is none: Exchange gives everything then.
    let identity = call.text("Identity").filter(|text| !text.is_empty());
    let server = call.text("Server");
    let backends = call.switch("ShowMailboxVirtualDirectories");
    let from_iis = !call.switch("ADPropertiesOnly");
    if let Some(server) = &server
        && !cx
            .site
            .hosts
            .iter()
            .any(|h| is_server(server, h.name.as_str()))
    {
        return Err(Failure::no_object(server, &controller));
    }
    let mut found = Vec::new();
    for entry in &cx.state.directory.virtual_directories {
        let named = identity.as_deref().is_none_or(|text| {
            wildcard(text, &entry.identity())
                || wildcard(text, &format!("{}\\{}", entry.server, entry.name()))
                || wildcard(text, &entry.name())
        });
        let there = server
            .as_deref()
            .is_none_or(|s| is_server(s, &entry.server));
        if !named || !there || !(entry.is_front_end() || backends) {
            continue;
        }
        let version = version_of(cx, &entry.server);
        let directory = &cx.state.directory;
        found.push(shown::virtual_directory(
            directory,
            entry,
            &controller,
            version,
            cx.nested,
            from_iis,
            cx.clock,
        ));
    }
    if let Some(identity) = identity.filter(|text| found.is_empty() && !text.contains('*')) {
        cx.error(&Failure::no_object(&identity, &controller));
    }
    for object in found {
        if from_iis {
            cx.takes += IIS_QUESTION;
        }
        cx.output(object);
    }
    Ok(())
}

/// The properties after the arguments of a Set cmdlet.
fn after(call: &Bound, before: &Properties) -> Properties {
    const NOT_PROPERTIES: &[&str] = &[
        "Identity",
        "DomainController",
        "WhatIf",
        "Confirm",
        "IsDefault",
        "Force",
    ];
    let mut after = before.clone();
    for (parameter, value) in call.iter() {
        match parameter.name {
            "InstantMessagingEnabled" => after.enabled = value.as_bool().unwrap_or(after.enabled),
            "InstantMessagingType" => {
                after.kind = value
                    .text()
                    .as_deref()
                    .and_then(MessagingType::named)
                    .unwrap_or(after.kind);
            }
            name if NOT_PROPERTIES.contains(&name) || is_common(name) => {}
            name => {
                after
                    .other
                    .insert(name.into(), value.text().unwrap_or_default());
            }
        }
    }
    after
}

fn is_common(name: &str) -> bool {
    owaim_inventory::catalogue::COMMON_PARAMETERS
        .iter()
        .any(|p| p.name == name)
}

/// What Exchange says when a Set changes nothing.
fn unchanged(identity: &str) -> String {
    format!(
        "The command completed successfully but no settings of '{identity}' have been modified."
    )
}

pub(super) fn set_virtual_directory(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let identity = call.text("Identity").unwrap_or_default();
    let position = cx.state.directory.virtual_directories.iter().position(|v| {
        v.identity().eq_ignore_ascii_case(&identity)
            || format!("{}\\{}", v.server, v.name()).eq_ignore_ascii_case(&identity)
    });
    let Some(position) = position else {
        return Err(Failure::no_object(&identity, &controller));
    };
    if !cx.should_process(&identity) {
        return Ok(());
    }
    let (now, delay) = (cx.clock, cx.state.directory.delay_s);
    let entry = &mut cx.state.directory.virtual_directories[position];
    let before = entry.values.seen_from(&controller, now, delay).0.clone();
    let wanted = after(call, &before);
    if wanted == before {
        cx.warning(unchanged(&identity));
    } else {
        entry.values.write(wanted, &controller, now, delay);
        cx.effect = true;
    }
    cx.takes += IIS_QUESTION;
    Ok(())
}

pub(super) fn get_policy(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let identity = call.text("Identity").filter(|text| !text.is_empty());
    let directory = &cx.state.directory;
    let found: Vec<_> = directory
        .policies
        .iter()
        .filter(|p| {
            identity
                .as_deref()
                .is_none_or(|text| wildcard(text, &p.name))
        })
        .map(|p| shown::policy(directory, p, &controller, cx.nested, cx.clock))
        .collect();
    if let Some(identity) = identity.filter(|text| found.is_empty() && !text.contains('*')) {
        cx.error(&Failure::no_object(&identity, &controller));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

pub(super) fn set_policy(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let identity = call.text("Identity").unwrap_or_default();
    let position = cx
        .state
        .directory
        .policies
        .iter()
        .position(|p| p.name.eq_ignore_ascii_case(&identity));
    let Some(position) = position else {
        return Err(Failure::no_object(&identity, &controller));
    };
    if !cx.should_process(&identity) {
        return Ok(());
    }
    let (now, delay) = (cx.clock, cx.state.directory.delay_s);
    let entry = &mut cx.state.directory.policies[position];
    let before = entry.values.seen_from(&controller, now, delay).0.clone();
    let wanted = after(call, &before);
    if wanted == before {
        cx.warning(unchanged(&identity));
    } else {
        entry.values.write(wanted, &controller, now, delay);
        cx.effect = true;
    }
    Ok(())
}
