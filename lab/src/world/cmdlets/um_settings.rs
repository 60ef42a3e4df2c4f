//! Dial plans, and which of them the Unified Messaging services of a server are in.

use owaim_inventory::HostName;
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::directory::{Directory, Replicated, short};
use super::super::errors::{Category, Failure};
use super::super::unified::{DialPlan, StartupMode, UmServer, UmSettings, UriType, VoipSecurity};
use super::super::values;
use super::Cx;
use super::exchange_objects::{self as shown, Common};
use super::exchange_settings::{controller, is_server};

const CONFIGURATION: &str = "Microsoft.Exchange.Data.Directory.SystemConfiguration";

/// Which of the two services a cmdlet is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Service,
    Router,
}

impl Part {
    fn of(server: &UmServer, part: Self) -> Option<&Replicated<UmSettings>> {
        match part {
            Self::Service => server.service.as_ref(),
            Self::Router => server.router.as_ref(),
        }
    }

    fn of_mut(server: &mut UmServer, part: Self) -> Option<&mut Replicated<UmSettings>> {
        match part {
            Self::Service => server.service.as_mut(),
            Self::Router => server.router.as_mut(),
        }
    }
}

pub(super) fn get_dial_plan(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let wanted = call.text("Identity").filter(|text| !text.is_empty());
    let found: Vec<Object> = cx
        .state
        .directory
        .dial_plans
        .iter()
        .filter(|plan| {
            wanted
                .as_deref()
                .is_none_or(|w| w.eq_ignore_ascii_case(&plan.name))
        })
        .map(|plan| dial_plan(cx, plan, &controller))
        .collect();
    if let (Some(name), true) = (&wanted, found.is_empty()) {
        cx.error(&Failure::no_object(name, &controller));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

fn dial_plan(cx: &Cx<'_>, plan: &DialPlan, controller: &str) -> Object {
    let directory = &cx.state.directory;
    let is_in = |settings: Option<&Replicated<UmSettings>>| {
        settings.is_some_and(|s| {
            s.seen_from(controller, cx.clock, directory.delay_s)
                .0
                .dial_plans
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&plan.name))
        })
    };
    let members = directory
        .unified
        .iter()
        .filter(|s| is_in(s.service.as_ref()))
        .map(|s| short(s.server.as_str()));
    let object = Object::new()
        .with_types([
            "Microsoft.Exchange.Data.Directory.SystemConfiguration.UMDialPlan",
            "Microsoft.Exchange.Data.Directory.SystemConfiguration.ADConfigurationObject",
            "Microsoft.Exchange.Data.Directory.ADObject",
            "System.Object",
        ])
        .with_string(plan.name.as_str())
        .with("Name", plan.name.as_str())
        .with("NumberOfDigitsInExtension", plan.digits)
        .with("CountryOrRegionCode", plan.country.as_str())
        .with(
            "URIType",
            cx.nested.enumeration(
                &format!("{CONFIGURATION}.UMUriType"),
                plan.uri_type.name(),
                plan.uri_type as i32,
            ),
        )
        .with(
            "VoIPSecurity",
            cx.nested.enumeration(
                &format!("{CONFIGURATION}.UMVoIPSecurityType"),
                plan.security.name(),
                plan.security as i32,
            ),
        )
        .with("UMServers", values::texts(members))
        .with("UMIPGateway", values::texts(Vec::<String>::new()))
        .with(
            "PhoneContext",
            format!("{}.{}", plan.name, directory.domain),
        );
    let common = Common {
        identity: &plan.name,
        distinguished_name: format!(
            "CN={},CN=UM DialPlan Container,{}",
            plan.name,
            directory.container()
        ),
        class: "msExchUMDialPlan",
        created: plan.created,
        changed: plan.created,
        controller,
    };
    common.append(object, cx.nested)
}

pub(super) fn new_dial_plan(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let name = call.text("Name").unwrap_or_default();
    if cx.state.directory.dial_plan(&name).is_some() {
        return Err(Failure::new(
            "[FailureCategory=Cmdlet-ADObjectAlreadyExistsException] 2A6F4A5D",
            Category::NotSpecified,
            "Microsoft.Exchange.Data.Directory.ADObjectAlreadyExistsException",
            format!("An object with the name '{name}' already exists."),
        )
        .about(name));
    }
    let word = |parameter: &str| call.text(parameter).unwrap_or_default();
    let uri_type = enumerated(call, "URIType", UriType::named)?.unwrap_or(UriType::TelExtn);
    let security = enumerated(call, "VoIPSecurity", VoipSecurity::named)?.unwrap_or_default();
    let plan = DialPlan {
        name: name.clone(),
        uri_type,
        security,
        digits: call
            .number("NumberOfDigitsInExtension")
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or_default(),
        country: word("CountryOrRegionCode"),
        created: cx.clock,
    };
    if cx.should_process(&name) {
        cx.state.directory.dial_plans.push(plan.clone());
        cx.effect = true;
        let object = dial_plan(cx, &plan, &controller);
        cx.output(object);
    }
    Ok(())
}

fn enumerated<T>(
    call: &Bound,
    parameter: &'static str,
    named: fn(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    let Some(text) = call.text(parameter) else {
        return Ok(None);
    };
    named(&text).map(Some).ok_or_else(|| {
        Failure::binding(
            "CannotConvertArgumentNoMessage",
            parameter,
            format!("Cannot bind parameter '{parameter}'. \"{text}\" is none of its values."),
        )
    })
}

pub(super) fn get_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    get(cx, call, Part::Service, "Identity")
}

pub(super) fn get_router(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    get(cx, call, Part::Router, "Server")
}

fn get(cx: &mut Cx<'_>, call: &Bound, part: Part, parameter: &str) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let mut wanted = call.text(parameter).filter(|text| !text.is_empty());
    if part == Part::Router && wanted.is_none() {
        // It is always about one server: the one that carries it out, if none is named.
        wanted = Some(cx.caller.host.to_string());
    }
    let found: Vec<Object> = cx
        .state
        .directory
        .unified
        .iter()
        .filter(|s| {
            wanted
                .as_deref()
                .is_none_or(|w| is_server(w, s.server.as_str()))
        })
        .filter_map(|s| {
            Some(settings(
                cx,
                &s.server,
                Part::of(s, part)?,
                part,
                &controller,
            ))
        })
        .collect();
    if let (Some(name), true) = (&wanted, found.is_empty()) {
        cx.error(&Failure::no_object(name, &controller));
    }
    for object in found {
        cx.output(object);
    }
    Ok(())
}

fn settings(
    cx: &Cx<'_>,
    server: &HostName,
    entry: &Replicated<UmSettings>,
    part: Part,
    controller: &str,
) -> Object {
    let directory: &Directory = &cx.state.directory;
    let (settings, when) = entry.seen_from(controller, cx.clock, directory.delay_s);
    let name = short(server.as_str());
    let distinguished_name = shown::server_name(directory, &name);
    let (kind, ports, identity, place) = match part {
        Part::Service => (
            "UMServer",
            (5062, 5063),
            name.clone(),
            distinguished_name.clone(),
        ),
        Part::Router => (
            "SIPFEServerConfiguration",
            (5060, 5061),
            format!("{name}\\1"),
            format!("CN=SIP,CN=Protocols,{distinguished_name}"),
        ),
    };
    let thumbprint = Value::Null;
    let object = Object::new()
        .with_types([
            format!("Microsoft.Exchange.Data.Directory.Management.{kind}").as_str(),
            "Microsoft.Exchange.Data.Directory.Management.ADPresentationObject",
            "Microsoft.Exchange.Data.Directory.ADObject",
            "System.Object",
        ])
        .with_string(identity.as_str())
        .with("Name", name.as_str())
        .with("DialPlans", values::texts(&settings.dial_plans))
        .with(
            "UMStartupMode",
            cx.nested.enumeration(
                "Microsoft.Exchange.Data.Directory.UMStartupMode",
                settings.startup.name(),
                settings.startup as i32,
            ),
        )
        .with("UMCertificateThumbprint", thumbprint)
        .with("SipTcpListeningPort", ports.0)
        .with("SipTlsListeningPort", ports.1)
        .with("MaxCallsAllowed", 100);
    let common = Common {
        identity: &identity,
        distinguished_name: place,
        class: "msExchExchangeServer",
        created: when,
        changed: when,
        controller,
    };
    common.append(object, cx.nested)
}

pub(super) fn set_service(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    set(cx, call, Part::Service, "Identity")
}

pub(super) fn set_router(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    set(cx, call, Part::Router, "Server")
}

fn set(cx: &mut Cx<'_>, call: &Bound, part: Part, parameter: &str) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    let name = call
        .text(parameter)
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| cx.caller.host.to_string());
    let directory = &cx.state.directory;
    let position = directory
        .unified
        .iter()
        .position(|s| is_server(&name, s.server.as_str()) && Part::of(s, part).is_some())
        .ok_or_else(|| Failure::no_object(&name, &controller))?;
    let (now, delay) = (cx.clock, directory.delay_s);
    let before = Part::of(&directory.unified[position], part)
        .map(|entry| entry.seen_from(&controller, now, delay).0.clone())
        .unwrap_or_default();
    let mut after = before.clone();
    if let Some(value) = call.get("DialPlans") {
        after.dial_plans = dial_plans(directory, value, &before.dial_plans, &controller)?;
    }
    if let Some(mode) = call
        .text("UMStartupMode")
        .as_deref()
        .and_then(StartupMode::named)
    {
        after.startup = mode;
    }
    let secured = after.startup == StartupMode::Tcp
        && after.dial_plans.iter().any(|plan| {
            directory
                .dial_plan(plan)
                .is_some_and(|plan| plan.security != VoipSecurity::Unsecured)
        });
    if !cx.should_process(&name) {
        return Ok(());
    }
    if after == before {
        cx.warning(format!(
            "The command completed successfully but no settings of '{name}' have been modified."
        ));
        return Ok(());
    }
    if after.startup != before.startup {
        cx.warning(format!(
            "Changes to UMStartupMode will only take effect after the Unified Messaging service on {name} is \
             restarted."
        ));
    }
    if secured {
        cx.warning(format!(
            "A dial plan of {name} is secured, and its startup mode is TCP: secured calls are not answered."
        ));
    }
    if let Some(entry) = Part::of_mut(&mut cx.state.directory.unified[position], part) {
        entry.write(after, &controller, now, delay);
        cx.effect = true;
    }
    Ok(())
}

/// The list that `value` makes of `before`: a list or a text replaces, a dictionary with `Add`
/// and `Remove` changes, null empties.
fn dial_plans(
    directory: &Directory,
    value: &Value,
    before: &[String],
    controller: &str,
) -> Result<Vec<String>, Failure> {
    let Some(entries) = value.as_object().and_then(|object| object.entries()) else {
        return known(directory, &texts(value), controller);
    };
    let mut list = before.to_vec();
    for (key, value) in entries {
        let key = key.text().unwrap_or_default();
        if key.eq_ignore_ascii_case("Add") {
            for name in known(directory, &texts(value), controller)? {
                if !list.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
                    list.push(name);
                }
            }
        } else if key.eq_ignore_ascii_case("Remove") {
            let gone = texts(value);
            list.retain(|n| !gone.iter().any(|g| g.eq_ignore_ascii_case(n)));
        } else {
            return Err(Failure::binding(
                "CannotConvertArgumentNoMessage",
                "DialPlans",
                format!("A change of a list has the keys Add and Remove, not '{key}'."),
            ));
        }
    }
    Ok(list)
}

fn texts(value: &Value) -> Vec<String> {
    let all: Vec<String> = match value.items() {
        Some(items) => items.iter().filter_map(Value::text).collect(),
        None => value.text().into_iter().collect(),
    };
    all.into_iter().filter(|text| !text.is_empty()).collect()
}

/// The dial plans of those names; servers of these generations are in SIP URI plans only.
fn known(
    directory: &Directory,
    names: &[String],
    controller: &str,
) -> Result<Vec<String>, Failure> {
    names
        .iter()
        .map(|name| {
            let plan = directory
                .dial_plan(name)
                .ok_or_else(|| Failure::no_object(name, controller))?;
            if plan.uri_type == UriType::SipName {
                Ok(plan.name.clone())
            } else {
                Err(Failure::new(
                    "[FailureCategory=Cmdlet-DialPlanAssociationException] 5B0C9A2E",
                    Category::InvalidOperation,
                    "Microsoft.Exchange.Management.UM.DialPlanAssociationException",
                    format!(
                        "The dial plan '{name}' is of type {} and cannot be associated with this server.",
                        plan.uri_type.name()
                    ),
                )
                .about(name.as_str()))
            }
        })
        .collect()
}
