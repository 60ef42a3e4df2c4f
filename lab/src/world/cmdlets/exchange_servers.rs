//! Servers of the organization and their states; overrides.

use owaim_inventory::{ExchangeVersion, HostName, Role};
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::directory::{SettingOverride, short};
use super::super::errors::{Category, Failure};
use super::super::values;
use super::Cx;
use super::exchange_objects::{self as shown, Common, finish};
use super::exchange_settings::{controller, is_server};

/// The Exchange servers of the site that `wanted` (short or full name) means; all if none.
pub(super) fn servers(cx: &Cx<'_>, wanted: Option<&str>, needs: Option<Role>) -> Vec<HostName> {
    let merged = |h: &owaim_inventory::Host| cx.site.exchange_version(h) >= ExchangeVersion::E2016;
    cx.site
        .hosts
        .iter()
        .filter(|h| h.is(Role::Cas) || h.is(Role::Backend))
        .filter(|h| needs.is_none_or(|role| h.is(role) || merged(h)))
        .filter(|h| wanted.is_none_or(|name| is_server(name, h.name.as_str())))
        .map(|h| h.name.clone())
        .collect()
}

pub(super) fn get_server(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let wanted = call.text("Identity").filter(|text| !text.is_empty());
    let needs = match cx.cmdlet.name {
        "Get-MailboxServer" => Some(Role::Backend),
        "Get-ExchangeServer" => None,
        _ => Some(Role::Cas),
    };
    let found = servers(cx, wanted.as_deref(), needs);
    if let (Some(name), true) = (&wanted, found.is_empty()) {
        cx.error(&Failure::no_object(name, &controller));
    }
    for name in found {
        if let Some(object) = shown::server(cx, &name, &controller, cx.cmdlet.name) {
            cx.output(object);
        }
    }
    Ok(())
}

pub(super) fn get_component_state(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    const COMPONENTS: &[&str] = &[
        "ServerWideOffline",
        "HubTransport",
        "FrontendTransport",
        "Monitoring",
        "RecoveryActionsEnabled",
        "AutoDiscoverProxy",
        "ActiveSyncProxy",
        "EcpProxy",
        "EwsProxy",
        "ImapProxy",
        "OabProxy",
        "OwaProxy",
        "PopProxy",
        "RpsProxy",
        "RwsProxy",
        "RpcProxy",
        "UMCallRouter",
        "HighAvailability",
    ];
    let identity = call.text("Identity").unwrap_or_default();
    let Some(name) = servers(cx, Some(&identity), None).into_iter().next() else {
        return Err(Failure::no_object(&identity, &controller(cx, call)?));
    };
    let offline = cx.host_named(&name).is_some_and(|h| h.maintenance);
    let wanted = call.text("Component").filter(|text| !text.is_empty());
    let controller = controller(cx, call)?;
    let distinguished_name = shown::server_name(&cx.state.directory, &short(name.as_str()));
    for component in COMPONENTS
        .iter()
        .filter(|c| wanted.as_deref().is_none_or(|w| w.eq_ignore_ascii_case(c)))
    {
        let active = !offline || matches!(*component, "Monitoring" | "RecoveryActionsEnabled");
        let (state, number) = if active {
            ("Active", 1)
        } else {
            ("Inactive", 0)
        };
        let object = Object::new()
            .with_types([
                "Microsoft.Exchange.Data.Directory.Management.ServerComponentStatePresentationObject",
                "Microsoft.Exchange.Data.ConfigurableObject",
                "System.Object",
            ])
            .with_string("Microsoft.Exchange.Data.Directory.Management.ServerComponentStatePresentationObject")
            .with("ServerFqdn", name.as_str())
            .with("Component", *component)
            .with("State", cx.nested.enumeration("Microsoft.Exchange.Data.ServiceState", state, number))
            .with("ServerWideOfflineIsOffline", offline)
            .with("RemoteStates", values::array(Vec::new()))
            .with("LocalStates", values::array(Vec::new()))
            .with("Identity", cx.nested.id(&short(name.as_str()), &distinguished_name));
        let object = finish(object, cx.nested, ("New", 0));
        cx.output(object);
    }
    if let Some(wanted) = wanted.filter(|w| !COMPONENTS.iter().any(|c| c.eq_ignore_ascii_case(w))) {
        cx.error(&Failure::no_object(&wanted, &controller));
    }
    Ok(())
}

pub(super) fn get_override(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let identity = call.text("Identity").filter(|text| !text.is_empty());
    let found: Vec<SettingOverride> = cx
        .state
        .directory
        .overrides
        .iter()
        .filter(|o| {
            identity
                .as_deref()
                .is_none_or(|name| o.name.eq_ignore_ascii_case(name))
        })
        .cloned()
        .collect();
    if let (Some(name), true) = (&identity, found.is_empty()) {
        cx.error(&Failure::no_object(name, &controller));
    }
    for entry in found {
        let servers = if entry.servers.is_empty() {
            Value::Null
        } else {
            values::texts(&entry.servers)
        };
        let object = Object::new()
            .with_types([
                "Microsoft.Exchange.Data.Directory.SystemConfiguration.ConfigurationSettings.SettingOverride",
                "Microsoft.Exchange.Data.Directory.SystemConfiguration.ADConfigurationObject",
                "Microsoft.Exchange.Data.Directory.ADObject",
                "System.Object",
            ])
            .with_string(entry.name.as_str())
            .with("ComponentName", entry.component.as_str())
            .with("SectionName", entry.section.as_str())
            .with("FlightName", Value::Null)
            .with("Reason", entry.reason.as_str())
            .with("MinVersion", Value::Null)
            .with("MaxVersion", Value::Null)
            .with("Server", servers)
            .with("IsFlight", false)
            .with("Parameters", values::texts(&entry.parameters))
            .with("Name", entry.name.as_str());
        let common = Common {
            identity: &entry.name,
            distinguished_name: format!(
                "CN={},CN=Setting Overrides,{}",
                entry.name,
                cx.state.directory.container()
            ),
            class: "msExchConfigSettings",
            created: entry.changed,
            changed: entry.changed,
            controller: &controller,
        };
        let object = common.append(object, cx.nested);
        cx.output(object);
    }
    Ok(())
}

pub(super) fn new_override(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = call.text("Name").unwrap_or_default();
    if cx
        .state
        .directory
        .overrides
        .iter()
        .any(|o| o.name.eq_ignore_ascii_case(&name))
    {
        return Err(Failure::new(
            "[FailureCategory=Cmdlet-ADObjectAlreadyExistsException] 2A6F4A5D",
            Category::NotSpecified,
            "Microsoft.Exchange.Data.Directory.ADObjectAlreadyExistsException",
            format!("An object with the name '{name}' already exists."),
        )
        .about(name));
    }
    if cx.should_process(&name) {
        let entry = SettingOverride {
            name,
            component: call.text("Component").unwrap_or_default(),
            section: call.text("Section").unwrap_or_default(),
            parameters: texts(call, "Parameters"),
            reason: call.text("Reason").unwrap_or_default(),
            servers: texts(call, "Server"),
            changed: cx.clock,
        };
        cx.state.directory.overrides.push(entry);
        cx.effect = true;
    }
    Ok(())
}

/// A multi-valued argument: a list, or one text.
fn texts(call: &Bound, name: &str) -> Vec<String> {
    call.texts(name)
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect()
}

pub(super) fn set_override(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    change_override(cx, call, |entry, call| {
        if call.has("Parameters") {
            entry.parameters = texts(call, "Parameters");
        }
        if call.has("Server") {
            entry.servers = texts(call, "Server");
        }
        if let Some(reason) = call.text("Reason") {
            entry.reason = reason;
        }
        true
    })
}

pub(super) fn remove_override(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    change_override(cx, call, |_, _| false)
}

/// Changes the override that the call names; it stays if `change` says so.
fn change_override(
    cx: &mut Cx<'_>,
    call: &Bound,
    change: fn(&mut SettingOverride, &Bound) -> bool,
) -> Result<(), Failure> {
    let identity = call.text("Identity").unwrap_or_default();
    let Some(at) = cx
        .state
        .directory
        .overrides
        .iter()
        .position(|o| o.name.eq_ignore_ascii_case(&identity))
    else {
        return Err(Failure::no_object(&identity, &controller(cx, call)?));
    };
    if cx.should_process(&identity) {
        let now = cx.clock;
        let entry = &mut cx.state.directory.overrides[at];
        entry.changed = now;
        if !change(entry, call) {
            cx.state.directory.overrides.remove(at);
        }
        cx.effect = true;
    }
    Ok(())
}

pub(super) fn get_ad_settings(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let object = Object::new()
        .with_types(["Microsoft.Exchange.Management.SystemConfigurationTasks.RunspaceServerSettingsPresentationObject", "System.Object"])
        .with_string("RunspaceServerSettings")
        .with("DefaultGlobalCatalog", controller.as_str())
        .with("DefaultConfigurationDomainController", controller.as_str())
        .with("DefaultPreferredDomainControllers", values::texts([controller.as_str()]))
        .with("UserPreferredDomainControllers", values::texts(cx.session.controller.iter()))
        .with("ViewEntireForest", false);
    cx.output(object);
    Ok(())
}

/// A setting of the session, not of the site.
pub(super) fn set_ad_settings(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    if let Some(name) = call
        .text("PreferredServer")
        .or_else(|| call.text("ConfigurationDomainController"))
    {
        let Some(known) = cx.state.directory.controller(&name).map(str::to_owned) else {
            return Err(Failure::no_object(&name, &cx.state.directory.domain));
        };
        cx.session.controller = Some(known);
    }
    Ok(())
}

pub(super) fn get_organization(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let name = cx.state.directory.organization.clone();
    let object = Object::new()
        .with_types([
            "Microsoft.Exchange.Data.Directory.Management.OrganizationConfig",
            "Microsoft.Exchange.Data.Directory.Management.ADPresentationObject",
            "System.Object",
        ])
        .with_string(name.as_str())
        .with("Name", name.as_str());
    let common = Common {
        identity: &name,
        distinguished_name: cx.state.directory.container(),
        class: "msExchOrganizationContainer",
        created: cx.host.booted,
        changed: cx.host.booted,
        controller: &controller,
    };
    let object = common.append(object, cx.nested);
    cx.output(object);
    Ok(())
}
