//! Mailboxes, as `Get-Mailbox`, `Get-CASMailbox` and `Get-User` show them, and who is found.

use owaim_inventory::{ExchangeVersion, HostName};
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::directory::{User, short};
use super::super::errors::Failure;
use super::super::{opath, values};
use super::Cx;
use super::exchange_objects::Common;
use super::exchange_settings::{controller, is_server};

/// `Get-Mailbox`, `Get-CASMailbox`, `Get-User`.
pub(super) fn get_mailbox(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let controller = controller(cx, call)?;
    if call.switch("IgnoreDefaultScope") && call.has("DomainController") {
        return Err(Failure::binding(
            "AmbiguousParameterSet",
            "DomainController",
            "The DomainController parameter can't be used with the IgnoreDefaultScope parameter.",
        ));
    }
    let identity = call.text("Identity").filter(|text| !text.is_empty());
    let server = call.text("Server");
    let policy = wanted_policy(call)?;
    let directory = &cx.state.directory;
    let wanted = |u: &&User| {
        let named = identity.as_deref().is_none_or(|id| {
            [u.name.as_str(), u.principal.as_str(), alias(&u.principal)]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(id))
        });
        let own = u.policy.as_deref().map(|name| directory.policy_name(name));
        let matches = policy.as_deref().is_none_or(|path| {
            own.as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(path))
        });
        named && matches && server.as_deref().is_none_or(|s| is_server(s, &u.server))
    };
    let mut found: Vec<User> = directory.users.iter().filter(wanted).cloned().collect();
    if let (Some(name), true) = (&identity, found.is_empty()) {
        cx.error(&Failure::no_object(name, &controller));
    }
    if let Some(most) = call.text("ResultSize").and_then(|size| size.parse().ok())
        && found.len() > most
    {
        found.truncate(most);
        cx.warning(
            "There are more results available than are currently displayed. To view them, increase the value for the \
             ResultSize parameter.",
        );
    }
    for user in found {
        let object = shown(cx, &user, &controller);
        cx.output(object);
    }
    Ok(())
}

/// The distinguished name of the policy that a filter asks for, if there is a filter.
fn wanted_policy(call: &Bound) -> Result<Option<String>, Failure> {
    let Some(text) = call.text("Filter").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let (property, value) = opath::equality(&text)?;
    if !property.eq_ignore_ascii_case("OwaMailboxPolicy") {
        return Err(Failure::not_modelled(
            "filters by other properties than OwaMailboxPolicy",
        ));
    }
    if !value.contains('=') {
        return Err(Failure::binding(
            "ParameterBindingFailed",
            "Filter",
            format!("Invalid filter syntax: \"{value}\" is no distinguished name."),
        ));
    }
    Ok(Some(value))
}

fn shown(cx: &Cx<'_>, user: &User, controller: &str) -> Object {
    let class = cx.cmdlet.name.strip_prefix("Get-").unwrap_or_default();
    let own = format!("Microsoft.Exchange.Data.Directory.Management.{class}");
    let mut addresses = vec![format!("SMTP:{}", user.principal)];
    addresses.extend(user.sip_address.iter().cloned());
    let policy = user.policy.as_deref().map_or(Value::Null, Value::from);
    let identity = format!("{}/Users/{}", cx.state.directory.domain, user.name);
    let object = Object::new()
        .with_types([
            own.as_str(),
            "Microsoft.Exchange.Data.Directory.Management.ADPresentationObject",
            "System.Object",
        ])
        .with_string(identity.as_str())
        .with("Name", user.name.as_str())
        .with("DisplayName", user.name.as_str())
        .with("Alias", alias(&user.principal))
        .with("SamAccountName", alias(&user.principal))
        .with("UserPrincipalName", user.principal.as_str())
        .with("PrimarySmtpAddress", user.principal.as_str())
        .with("WindowsEmailAddress", user.principal.as_str())
        .with("EmailAddresses", values::texts(&addresses))
        .with("ServerName", short(&user.server).to_lowercase())
        .with("OWAEnabled", user.owa)
        .with("OwaMailboxPolicy", policy)
        .with("RecipientType", "UserMailbox")
        .with("RecipientTypeDetails", "UserMailbox");
    let common = Common {
        identity: &identity,
        distinguished_name: format!("CN={},CN=Users", user.name),
        class: "user",
        created: cx.host.booted,
        changed: cx.host.booted,
        controller,
    };
    let mut object = common.append(object, cx.nested);
    let modern = HostName::new(&user.server)
        .ok()
        .and_then(|name| cx.host_named(&name).and_then(|host| host.exchange))
        .is_none_or(|version| version >= ExchangeVersion::E2013);
    // A mailbox shows the generation of its server, unlike objects of the configuration.
    if let Some((_, shown)) = object
        .adapted
        .iter_mut()
        .find(|(name, _)| modern && name == "ExchangeVersion")
    {
        *shown = "0.20 (15.0.0.0)".into();
    }
    object
}

fn alias(principal: &str) -> &str {
    principal.split('@').next().unwrap_or(principal)
}
