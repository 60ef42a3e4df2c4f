//! The objects that Lync's cmdlets give.

use owaim_inventory::HostName;
use owaim_proto::clixml::{Base, Object, Value};

use super::super::lync::{Application, CsPool, CsSite, Lync, LyncUser, TrustedPool, entry_version};
use super::super::values::{self, Nested};
use crate::overlay::PoolRole;

const XDS: &str = "Microsoft.Rtc.Management.Xds";
/// Port of the registrar's SIP listener.
const SIP_TLS: i32 = 5061;

/// A list of texts.
pub(super) fn list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
    Object::new()
        .with_types([
            "System.Collections.Generic.List`1[[System.String]]",
            "System.Object",
        ])
        .with_base(Base::List(
            items.into_iter().map(|item| item.as_ref().into()).collect(),
        ))
        .into()
}

fn typed(name: &str, text: &str) -> Object {
    Object::new()
        .with_types([name, "System.Object"])
        .with_string(text)
}

fn number(value: u32) -> Value {
    Value::Int32(i32::try_from(value).unwrap_or(i32::MAX))
}

/// As `Get-CsSite` gives it.
pub(super) fn site(lync: &Lync, site: &CsSite) -> Object {
    let here: Vec<&CsPool> = lync
        .pools
        .iter()
        .filter(|p| p.site == site.identity)
        .collect();
    let trusted: Vec<&TrustedPool> = lync
        .published
        .pools
        .iter()
        .filter(|p| p.site == site.identity)
        .collect();
    let services = here
        .iter()
        .map(|p| format!("{}:{}", services(p.role)[0], p.fqdn))
        .chain(trusted.iter().map(|p| format!("ExternalServer:{}", p.fqdn)));
    let pools = here
        .iter()
        .map(|p| p.fqdn.to_string())
        .chain(trusted.iter().map(|p| p.fqdn.clone()));
    Object::new()
        .with_types([
            "Microsoft.Rtc.Management.Deploy.Internal.Site+CentralSite",
            "Microsoft.Rtc.Management.Deploy.Internal.Site",
            "System.Object",
        ])
        .with_string(site.identity.as_str())
        .with("Identity", site.identity.as_str())
        .with("Services", list(services))
        .with("Pools", list(pools))
        .with("FederationRoute", Value::Null)
        .with("XmppFederationRoute", Value::Null)
        .with("DefaultPersistentChatPool", Value::Null)
        .with("Description", Value::Null)
        .with("DisplayName", site.display_name.as_str())
        .with("SiteId", site.site_id.as_str())
        .with("SiteType", "CentralSite")
        .with("City", Value::Null)
        .with("State", Value::Null)
        .with("CountryCode", Value::Null)
}

fn cluster(fqdn: &str, services: Vec<String>, computers: Vec<String>, site: &str) -> Object {
    typed("Microsoft.Rtc.Management.Deploy.Internal.Cluster", fqdn)
        .with("Identity", fqdn)
        .with("Services", list(services))
        .with("Computers", list(computers))
        .with("Fqdn", fqdn)
        .with("BackupPoolFqdn", Value::Null)
        .with("Site", site)
}

/// The services that a pool has, by the names of their roles; that of the site's list first.
fn services(role: PoolRole) -> &'static [&'static str] {
    match role {
        PoolRole::FrontEnd => &["Registrar", "UserServer", "WebServer", "ConferencingServer"],
        PoolRole::Edge => &["EdgeServer"],
    }
}

/// As `Get-CsPool` gives a pool of Lync's own servers.
pub(super) fn pool(pool: &CsPool) -> Object {
    let fqdn = pool.fqdn.as_str();
    cluster(
        fqdn,
        services(pool.role)
            .iter()
            .map(|role| format!("{role}:{fqdn}"))
            .collect(),
        pool.computers.iter().map(HostName::to_string).collect(),
        &pool.site,
    )
}

/// As `Get-CsPool` gives a trusted application pool.
pub(super) fn trusted_cluster(pool: &TrustedPool) -> Object {
    cluster(
        &pool.fqdn,
        vec![format!("ExternalServer:{}", pool.fqdn)],
        pool.computers.clone(),
        &pool.site,
    )
}

/// As `Get-CsService -Registrar` gives it.
pub(super) fn registrar(lync: &Lync, pool: &CsPool, ordinal: usize) -> Object {
    let identity = format!("Registrar:{}", pool.fqdn);
    let place = lync.sites.iter().find(|s| s.identity == pool.site);
    let prefix = place.map_or("1", |s| s.site_id.as_str());
    let applications = lync.published.pools.iter().filter(|p| {
        p.registrar
            .as_deref()
            .is_some_and(|r| r.eq_ignore_ascii_case(pool.fqdn.as_str()))
    });
    typed(&format!("{XDS}.DisplayRegistrar"), &identity)
        .with("Identity", identity.as_str())
        .with("FileStore", format!("FileStore:{}", pool.fqdn))
        .with("SipPort", SIP_TLS)
        .with("SipServerTcpPort", 5060)
        .with("UserServer", format!("UserServer:{}", pool.fqdn))
        .with(
            "DependentServiceList",
            list(applications.map(|p| format!("TrustedApplicationPool:{}", p.fqdn))),
        )
        .with("ServiceId", format!("{prefix}-Registrar-{}", ordinal + 1))
        .with("SiteId", pool.site.as_str())
        .with("PoolFqdn", pool.fqdn.as_str())
        .with("Version", number(entry_version(pool.version)))
        .with("Role", "Registrar")
}

/// As `Get-CsTrustedApplicationPool` gives it.
pub(super) fn trusted_pool(lync: &Lync, pool: &TrustedPool) -> Object {
    let identity = format!("TrustedApplicationPool:{}", pool.fqdn);
    let place = lync.sites.iter().find(|s| s.identity == pool.site);
    let prefix = place.map_or("1", |s| s.site_id.as_str());
    let registrar = pool
        .registrar
        .as_ref()
        .map_or(Value::Null, |fqdn| format!("Registrar:{fqdn}").into());
    let mut object = typed(&format!("{XDS}.DisplayExternalServer"), &identity)
        .with("Identity", identity.as_str())
        .with("Registrar", registrar)
        .with("FileStore", Value::Null)
        .with("ThrottleAsServer", pool.throttle_as_server)
        .with("TreatAsAuthenticated", pool.treat_as_authenticated)
        .with("OutboundOnly", pool.outbound_only)
        .with("RequiresReplication", pool.requires_replication);
    for kind in ["Audio", "AppSharing", "Video"] {
        object = object
            .with(format!("{kind}PortStart").as_str(), Value::Null)
            .with(format!("{kind}PortCount").as_str(), Value::UInt16(0));
    }
    object
        .with(
            "Applications",
            list(pool.applications.iter().map(Application::urn)),
        )
        .with("DependentServiceList", list(Vec::<String>::new()))
        .with(
            "ServiceId",
            format!("{prefix}-ExternalServer-{}", pool.number),
        )
        .with("SiteId", pool.site.as_str())
        .with("PoolFqdn", pool.fqdn.as_str())
        .with("Version", number(pool.version))
        .with("Role", "TrustedApplicationPool")
}

/// As `Get-CsTrustedApplication` gives it.
pub(super) fn application(pool: &TrustedPool, entry: &Application, nested: Nested) -> Object {
    let identity = format!("{}/{}", pool.fqdn, entry.urn());
    let domain = pool.fqdn.split_once('.').map_or("", |(_, domain)| domain);
    let gruu = |fqdn: &str| {
        format!(
            "sip:{fqdn}@{domain};gruu;opaque=srvr:{}:{}",
            entry.id,
            values::uuid_of(&format!("{fqdn}/{}", entry.id)).simple()
        )
    };
    let computers: Vec<Value> = pool
        .computers
        .iter()
        .map(|fqdn| match nested {
            Nested::Text => format!("{fqdn} {}", gruu(fqdn)).into(),
            Nested::Full => typed(&format!("{XDS}.DisplayComputerGruu"), fqdn)
                .with("Fqdn", fqdn.as_str())
                .with("Gruu", gruu(fqdn))
                .into(),
        })
        .collect();
    typed(&format!("{XDS}.DisplayTrustedApplication"), &identity)
        .with("Identity", identity.as_str())
        .with("ComputerGruus", values::array(computers))
        .with("ServiceGruu", gruu(&pool.fqdn))
        .with(
            "Protocol",
            nested.enumeration(
                "Microsoft.Rtc.Management.Deploy.Internal.Protocol",
                "Mtls",
                2,
            ),
        )
        .with("ApplicationId", entry.urn())
        .with("TrustedApplicationPoolFqdn", pool.fqdn.as_str())
        .with("Port", i32::from(entry.port))
        .with("LegacyApplicationName", entry.legacy_name.as_str())
}

/// As `Get-CsTrustedApplicationComputer` gives it.
pub(super) fn computer(pool: &TrustedPool, fqdn: &str) -> Object {
    typed(&format!("{XDS}.DisplayComputer"), fqdn)
        .with("Identity", fqdn)
        .with("Pool", pool.fqdn.as_str())
        .with("Fqdn", fqdn)
}

/// As `Get-CsUser` gives it.
pub(super) fn user(
    name: &str,
    principal: &str,
    entry: &LyncUser,
    domain: &str,
    nested: Nested,
) -> Object {
    let suffix: Vec<String> = domain.split('.').map(|l| format!("DC={l}")).collect();
    let identity = format!("CN={name},CN=Users,{}", suffix.join(","));
    let registrar = match nested {
        Nested::Text => entry.registrar.as_str().into(),
        Nested::Full => typed(
            "Microsoft.Rtc.Management.ADConnect.Core.UserPool",
            entry.registrar.as_str(),
        )
        .with("FriendlyName", entry.registrar.as_str())
        .into(),
    };
    let registrar: Value = registrar;
    Object::new()
        .with_types([
            "Microsoft.Rtc.Management.ADConnect.Schema.OCSADUser",
            "Microsoft.Rtc.Management.ADConnect.Schema.ADUser",
            "System.Object",
        ])
        .with_string(identity.as_str())
        .with("Identity", identity.as_str())
        .with("UserPrincipalName", principal)
        .with(
            "SamAccountName",
            principal.split('@').next().unwrap_or(principal),
        )
        .with("DisplayName", name)
        .with("SipAddress", entry.sip_address.as_str())
        .with("Enabled", entry.enabled)
        .with("RegistrarPool", registrar)
        .with("HostingProvider", "SRV:")
        .with("EnterpriseVoiceEnabled", false)
}
