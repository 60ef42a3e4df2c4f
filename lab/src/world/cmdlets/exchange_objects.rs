//! The objects that Exchange cmdlets give.

use jiff::Timestamp;
use owaim_inventory::{ExchangeVersion, HostName, Role};
use owaim_proto::clixml::{Object, Value};

use super::super::directory::{
    Directory, FRONT_END, MessagingType, Policy, Properties, VirtualDirectory, short,
};
use super::super::first::build_of;
use super::super::setup::build_on;
use super::super::values::{self, Nested};
use super::Cx;
use super::exchange_defaults::{POLICY_OFF, POLICY_ON, Preset, VIRTUAL_DIRECTORY};

const CONFIGURATION: &str = "Microsoft.Exchange.Data.Directory.SystemConfiguration";
const AD_OBJECT: [&str; 4] = [
    "Microsoft.Exchange.Data.Directory.ADObject",
    "Microsoft.Exchange.Data.Directory.ADRawEntry",
    "Microsoft.Exchange.Data.ConfigurableObject",
    "System.Object",
];

/// What every directory object tells of itself.
pub(super) struct Common<'a> {
    /// Shown form of the identity.
    pub(super) identity: &'a str,
    pub(super) distinguished_name: String,
    pub(super) class: &'a str,
    pub(super) created: Timestamp,
    pub(super) changed: Timestamp,
    /// The controller that it was read from.
    pub(super) controller: &'a str,
}

impl Common<'_> {
    /// Appends the properties that all directory objects end with, and the note that Exchange's
    /// endpoint adds.
    pub(super) fn append(&self, object: Object, nested: Nested) -> Object {
        let name = self.distinguished_name.as_str();
        let domain = self
            .controller
            .split_once('.')
            .map_or(self.controller, |(_, domain)| domain);
        let category = format!("{domain}/Configuration/Schema/{}", self.class);
        let object = object
            .with("AdminDisplayName", "")
            .with("ExchangeVersion", "0.10 (14.0.100.0)")
            .with("DistinguishedName", name)
            .with("Identity", nested.id(self.identity, name))
            .with("Guid", values::guid(name))
            .with("ObjectCategory", nested.id(&category, &category))
            .with("ObjectClass", values::texts(["top", self.class]))
            .with("WhenChanged", values::local(self.changed))
            .with("WhenCreated", values::local(self.created))
            .with("WhenChangedUTC", values::utc(self.changed))
            .with("WhenCreatedUTC", values::utc(self.created))
            .with("OrganizationId", "")
            .with("Id", nested.id(self.identity, name))
            .with("OriginatingServer", self.controller);
        finish(object, nested, ("Unchanged", 1))
    }
}

/// Validity, state, and the blob that Exchange adds for .NET clients; its content means nothing
/// to anyone else.
pub(super) fn finish(object: Object, nested: Nested, (state, number): (&str, i32)) -> Object {
    object
        .with("IsValid", true)
        .with(
            "ObjectState",
            nested.enumeration("Microsoft.Exchange.Data.ObjectState", state, number),
        )
        .with_note(
            "SerializationData",
            Value::Bytes(vec![0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1]),
        )
}

fn messaging_type(kind: MessagingType, nested: Nested) -> Value {
    nested.enumeration(
        &format!("{CONFIGURATION}.InstantMessagingTypeOptions"),
        kind.name(),
        kind as i32,
    )
}

fn preset(preset: Preset, nested: Nested) -> Value {
    match preset {
        Preset::On => true.into(),
        Preset::Off => false.into(),
        Preset::Nil => Value::Null,
        Preset::List => values::texts(std::iter::empty::<&str>()),
        Preset::Number(number) => number.into(),
        Preset::Text(text) => text.into(),
        Preset::Enum(kind, name, number) => {
            nested.enumeration(&format!("{CONFIGURATION}.{kind}"), name, number)
        }
    }
}

/// The value of `name` after somebody set it to `text`.
fn changed(properties: &Properties, name: &str, default: Value) -> Value {
    match (properties.other.get(name), &default) {
        (None, _) => default,
        (Some(text), Value::Bool(_)) => text.eq_ignore_ascii_case("true").into(),
        (Some(text), _) => text.as_str().into(),
    }
}

/// An OWA virtual directory as `controller` has it.
pub(super) fn virtual_directory(
    directory: &Directory,
    entry: &VirtualDirectory,
    controller: &str,
    version: ExchangeVersion,
    nested: Nested,
    from_iis: bool,
    now: Timestamp,
) -> Object {
    let (properties, when_changed) = entry.values.seen_from(controller, now, directory.delay_s);
    let (server, name, identity) = (short(&entry.server), entry.name(), entry.identity());
    let server_dn = server_name(directory, &server);
    let own = format!("{CONFIGURATION}.ADOwaVirtualDirectory");
    let chain = [
        own.as_str(),
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ExchangeWebAppVirtualDirectory",
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ExchangeVirtualDirectory",
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ADVirtualDirectory",
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ADConfigurationObject",
    ];
    let mut object = Object::new()
        .with_types(chain.into_iter().chain(AD_OBJECT))
        .with_string(identity.as_str());
    for (name, value) in VIRTUAL_DIRECTORY {
        object = object.with(name, changed(properties, name, preset(*value, nested)));
    }
    // These are read from IIS, not from the directory.
    let live = |text: String| if from_iis { text } else { String::new() };
    let root = format!(
        "IIS://{}/W3SVC/{}/ROOT/owa",
        entry.server,
        if entry.is_front_end() { 1 } else { 2 }
    );
    object = object
        .with("ServerName", server.as_str())
        .with("InstantMessagingEnabled", properties.enabled)
        .with(
            "InstantMessagingType",
            messaging_type(properties.kind, nested),
        )
        .with("Name", name.as_str())
        .with("MetabasePath", root)
        .with("WebSite", live(entry.web_site.clone()))
        .with("DisplayName", "owa")
        .with(
            "Path",
            live(
                if entry.web_site == FRONT_END {
                    "FrontEnd\\HttpProxy\\owa"
                } else {
                    "ClientAccess\\owa"
                }
                .into(),
            ),
        )
        .with(
            "AdminDisplayVersion",
            nested.server_version(build_of(version)),
        )
        .with("Server", nested.id(&server, &server_dn))
        .with(
            "InternalUrl",
            Value::Uri(format!("https://{}/owa", entry.server)),
        );
    let common = Common {
        identity: &identity,
        distinguished_name: format!("CN={name},CN=HTTP,CN=Protocols,{server_dn}"),
        class: "msExchOWAVirtualDirectory",
        created: entry.created,
        changed: when_changed,
        controller,
    };
    common.append(object, nested)
}

/// An OWA mailbox policy as `controller` has it.
pub(super) fn policy(
    directory: &Directory,
    entry: &Policy,
    controller: &str,
    nested: Nested,
    now: Timestamp,
) -> Object {
    let (properties, when_changed) = entry.values.seen_from(controller, now, directory.delay_s);
    let own = [
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.OwaMailboxPolicy",
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.MailboxPolicy",
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ADConfigurationObject",
    ];
    let mut object = Object::new()
        .with_types(own.into_iter().chain(AD_OBJECT))
        .with_string(entry.name.as_str());
    for (names, on) in [(POLICY_ON, true), (POLICY_OFF, false)] {
        for name in names {
            object = object.with(name, changed(properties, name, on.into()));
        }
    }
    object = object
        .with("InstantMessagingEnabled", properties.enabled)
        .with(
            "InstantMessagingType",
            messaging_type(properties.kind, nested),
        )
        .with("IsDefault", entry.name == "Default")
        .with("Name", entry.name.as_str());
    let common = Common {
        identity: &entry.name,
        distinguished_name: directory.policy_name(&entry.name),
        class: "msExchOWAMailboxPolicy",
        created: entry.created,
        changed: when_changed,
        controller,
    };
    common.append(object, nested)
}

/// Distinguished name of a server object.
pub(super) fn server_name(directory: &Directory, short: &str) -> String {
    format!(
        "CN={short},CN=Servers,CN=Exchange Administrative Group (FYDIBOHF23SPDLT),CN=Administrative Groups,{}",
        directory.container()
    )
}

/// A server, as `Get-ExchangeServer` and the cmdlets for one role show it.
pub(super) fn server(cx: &Cx<'_>, name: &HostName, controller: &str, kind: &str) -> Option<Object> {
    let host = cx.host_named(name)?;
    let described = cx.site.host(name)?;
    let version = host.exchange?;
    let (short, nested) = (short(name.as_str()), cx.nested);
    let distinguished_name = server_name(&cx.state.directory, &short);
    // From 2016 on there is one role that does both jobs.
    let merged = version >= ExchangeVersion::E2016;
    let (mailbox, access) = (
        described.is(Role::Backend) || merged,
        described.is(Role::Cas) || merged,
    );
    let (role, number) = match (described.is(Role::Backend), described.is(Role::Cas)) {
        _ if merged => ("Mailbox", 2),
        (true, true) => ("Mailbox, ClientAccess", 16_386),
        (true, false) => ("Mailbox", 2),
        _ => ("ClientAccess", 16_384),
    };
    let unified = version <= ExchangeVersion::E2016 && mailbox;
    let own = match kind {
        "Get-MailboxServer" => "Microsoft.Exchange.Data.Directory.Management.MailboxServer",
        "Get-ExchangeServer" => "Microsoft.Exchange.Data.Directory.Management.ExchangeServer",
        _ => "Microsoft.Exchange.Data.Directory.Management.ClientAccessServer",
    };
    let chain = [
        own,
        "Microsoft.Exchange.Data.Directory.Management.ADPresentationObject",
    ];
    let site = format!(
        "{}/Configuration/Sites/Default-First-Site-Name",
        cx.state.directory.domain
    );
    let others = |suffix: bool| {
        let all = cx.state.directory.controllers.iter();
        values::texts(all.filter(move |_| suffix))
    };
    let object = Object::new()
        .with_types(chain.into_iter().chain(AD_OBJECT))
        .with_string(short.as_str())
        .with("Name", short.as_str())
        .with("DataPath", format!("{}\\Mailbox", host.install_root))
        .with("Domain", cx.state.directory.domain.as_str())
        .with(
            "Edition",
            nested.enumeration("Microsoft.Exchange.Data.ServerEditionType", "Standard", 3),
        )
        .with(
            "ExchangeLegacyDN",
            format!(
                "/o={}/ou=Servers/cn={short}",
                cx.state.directory.organization
            ),
        )
        .with("Fqdn", name.as_str())
        .with("IsHubTransportServer", mailbox)
        .with("IsClientAccessServer", access)
        .with("IsExchange2007OrLater", true)
        .with("IsEdgeServer", false)
        .with("IsMailboxServer", mailbox)
        .with("IsE14OrLater", true)
        .with("IsE15OrLater", version >= ExchangeVersion::E2013)
        .with("IsProvisionedServer", false)
        .with("IsUnifiedMessagingServer", unified)
        .with("IsFrontendTransportServer", access)
        .with(
            "NetworkAddress",
            values::texts([format!("ncacn_ip_tcp:{name}")]),
        )
        .with(
            "OrganizationalUnit",
            format!("{}/{short}", cx.state.directory.domain),
        )
        .with(
            "AdminDisplayVersion",
            nested.server_version(build_on(host, version)),
        )
        .with("Site", nested.id(&site, &site))
        .with(
            "ServerRole",
            nested.enumeration(&format!("{CONFIGURATION}.ServerRole"), role, number),
        )
        .with("CurrentDomainControllers", others(true))
        .with("CurrentGlobalCatalogs", others(true))
        .with("CurrentConfigDomainController", controller)
        .with("IsExchangeTrialEdition", false);
    let common = Common {
        identity: &short,
        distinguished_name,
        class: "msExchExchangeServer",
        created: host.booted,
        changed: host.booted,
        controller,
    };
    Some(common.append(object, nested))
}
