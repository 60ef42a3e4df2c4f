//! The network as a server sees it: who listens, and what names resolve to.

use std::net::{IpAddr, Ipv4Addr};

use owaim_inventory::{HostName, Role, Site};
use owaim_proto::clixml::{Object, Value};

use super::super::binder::Bound;
use super::super::errors::{Category, Failure};
use super::Cx;
use crate::state::{HostState, State};

/// The process `System`, which also listens for IIS and WinRM.
const SYSTEM: u32 = 4;
/// The process that maps RPC endpoints.
const RPC: u32 = 1044;

/// Services, their ports, and the process that listens; none: the system for them.
const SERVICES: &[(&str, &[u16], Option<&str>)] = &[
    ("winrm", &[5985], None),
    ("w3svc", &[80, 443, 444], None),
    ("msexchangeum", &[5062, 5063], Some("umservice")),
    (
        "msexchangeumcr",
        &[5060, 5061],
        Some("Microsoft.Exchange.UM.CallRouter"),
    ),
    ("rtcsrv", &[5061], Some("RTCSrv")),
];

/// Number of the process of a service, and of a program that the overlay adds, by position: far
/// from those that worker processes get.
const FIRST_SERVICE: u32 = 700;
const FIRST_PROGRAM: u32 = 820;

/// Something that listens.
struct Listener {
    port: u16,
    process: u32,
}

fn number(first: u32, position: usize) -> u32 {
    u32::try_from(position).map_or(first, |position| first + 4 * position)
}

/// The processes that listen and are not the system: number, and name without `.exe`.
pub(super) fn programs(host: &HostState) -> impl Iterator<Item = (u32, &str)> {
    let services = SERVICES
        .iter()
        .enumerate()
        .filter(|(_, (service, ..))| runs(host, service))
        .filter_map(|(position, (_, _, process))| {
            Some((number(FIRST_SERVICE, position), (*process)?))
        });
    let others = host.listeners.iter().enumerate();
    services
        .chain(others.map(|(position, (name, _))| (number(FIRST_PROGRAM, position), name.as_str())))
}

fn runs(host: &HostState, service: &str) -> bool {
    host.services
        .get(service)
        .is_some_and(|state| state.running)
}

fn listeners(host: &HostState) -> Vec<Listener> {
    let mut all = vec![
        Listener {
            port: 135,
            process: RPC,
        },
        Listener {
            port: 445,
            process: SYSTEM,
        },
    ];
    for (position, (service, ports, process)) in SERVICES.iter().enumerate() {
        if runs(host, service) {
            let process = process.map_or(SYSTEM, |_| number(FIRST_SERVICE, position));
            all.extend(ports.iter().map(|port| Listener {
                port: *port,
                process,
            }));
        }
    }
    let others = host.listeners.iter().enumerate();
    all.extend(others.map(|(position, (_, port))| Listener {
        port: *port,
        process: number(FIRST_PROGRAM, position),
    }));
    all.sort_by_key(|listener| listener.port);
    all
}

/// `Get-NetTCPConnection`: what listens. Nobody is connected here.
pub(super) fn get_tcp_connection(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    for unknown in [
        "LocalAddress",
        "RemoteAddress",
        "RemotePort",
        "AppliedSetting",
    ] {
        if call.has(unknown) {
            return Err(Failure::not_modelled(&format!(
                "-{unknown} of TCP connections"
            )));
        }
    }
    let (ports, states) = (call.texts("LocalPort"), call.texts("State"));
    let owners = call.texts("OwningProcess");
    let fits = |wanted: &[String], value: &str| {
        wanted.is_empty() || wanted.iter().any(|text| text.eq_ignore_ascii_case(value))
    };
    let found: Vec<Listener> = listeners(&cx.host)
        .into_iter()
        .filter(|listener| {
            fits(&ports, &listener.port.to_string())
                && fits(&owners, &listener.process.to_string())
                && fits(&states, "Listen")
        })
        .collect();
    if found.is_empty() {
        let conditions = [
            ("LocalPort", &ports),
            ("State", &states),
            ("OwningProcess", &owners),
        ]
        .into_iter()
        .filter(|(_, wanted)| !wanted.is_empty());
        let names: Vec<&str> = conditions.map(|(name, _)| name).collect();
        let id = match names.as_slice() {
            [name] => format!("CmdletizationQuery_NotFound_{name}"),
            _ => "CmdletizationQuery_NotFound".into(),
        };
        cx.error(
            &Failure::new(
                id,
                Category::ObjectNotFound,
                "Microsoft.PowerShell.Cmdletization.Cim.CimJobException",
                format!(
                    "No matching MSFT_NetTCPConnection objects found by CIM query on {}. Verify query parameters and \
                     retry.",
                    names.join(", ")
                ),
            )
            .about("MSFT_NetTCPConnection"),
        );
    }
    for listener in found {
        // The system listens for both families at once.
        let addresses: &[&str] = if listener.process == SYSTEM {
            &["::"]
        } else {
            &["::", "0.0.0.0"]
        };
        for address in addresses {
            let object = Object::new()
                .with_types([
                    "Microsoft.Management.Infrastructure.CimInstance#ROOT/StandardCimv2/MSFT_NetTCPConnection",
                    "Microsoft.Management.Infrastructure.CimInstance",
                    "System.Object",
                ])
                .with_string("MSFT_NetTCPConnection")
                .with("LocalAddress", *address)
                .with("LocalPort", Value::UInt16(listener.port))
                .with("RemoteAddress", *address)
                .with("RemotePort", Value::UInt16(0))
                .with("OwningProcess", Value::UInt32(listener.process))
                .with_note(
                    "State",
                    cx.nested.enumeration(
                        "Microsoft.PowerShell.Cmdletization.GeneratedTypes.NetTCPConnection.State",
                        "Listen",
                        2,
                    ),
                );
            cx.output(object);
        }
    }
    Ok(())
}

/// The addresses of `name`: as the overlay says, else those of the site's own names. A pool has
/// the address of one of its servers.
pub(in super::super) fn addresses(state: &State, site: &Site, name: &HostName) -> Vec<IpAddr> {
    if let Some(given) = state.dns.get(name) {
        return given.clone();
    }
    let first = |role: Role| site.hosts.iter().position(|host| host.is(role));
    let position = if let Some(own) = site.hosts.iter().position(|host| host.name == *name) {
        Some(own)
    } else if *name == site.lync.pool {
        Some(first(Role::LyncFrontEnd).unwrap_or(site.hosts.len()))
    } else if *name == site.lync.trusted_application.pool {
        first(Role::Backend)
    } else {
        None
    };
    // Addresses for documentation (RFC 5737): nobody has them.
    let address = |n| u8::try_from(n + 10).map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
    position.and_then(|n| address(n).ok()).into_iter().collect()
}

fn record(kind: &str, name: &str, section: &str) -> Object {
    let own = format!("Microsoft.DnsClient.Commands.DnsRecord_{kind}");
    Object::new()
        .with_types([
            own.as_str(),
            "Microsoft.DnsClient.Commands.DnsRecord",
            "System.Object",
        ])
        .with_string(own.as_str())
        .with("Name", name)
        .with("Type", kind)
        .with("Section", section)
        .with("TTL", 3600)
}

/// `Resolve-DnsName` for addresses.
pub(super) fn resolve_dns_name(cx: &mut Cx<'_>, call: &Bound) -> Result<(), Failure> {
    let name = call.text("Name").unwrap_or_default();
    let kind = call.text("Type").unwrap_or_else(|| "A_AAAA".into());
    let (v4, v6) = match kind.to_ascii_uppercase().as_str() {
        "A" => (true, false),
        "AAAA" => (false, true),
        "A_AAAA" => (true, true),
        _ => return Err(Failure::not_modelled("DNS records other than addresses")),
    };
    let known = HostName::new(&name)
        .map_or_else(|_| Vec::new(), |host| addresses(cx.state, cx.site, &host));
    if known.is_empty() {
        return Err(Failure::new(
            "DNS_ERROR_RCODE_NAME_ERROR",
            Category::ResourceUnavailable,
            "System.ComponentModel.Win32Exception",
            format!("{name} : DNS name does not exist"),
        )
        .about(name));
    }
    let asked = |address: &&IpAddr| if address.is_ipv4() { v4 } else { v6 };
    let found: Vec<&IpAddr> = known.iter().filter(asked).collect();
    // The name is there, and nothing of that type: the server says who answers for the zone.
    if found.is_empty() {
        let zone = name.split_once('.').map_or("", |(_, zone)| zone);
        cx.output(record("SOA", zone, "Authority"));
    }
    for address in found {
        let (kind, own) = if address.is_ipv4() {
            ("A", "IP4Address")
        } else {
            ("AAAA", "IP6Address")
        };
        let text = address.to_string();
        let object = record(kind, &name, "Answer")
            .with("IPAddress", text.as_str())
            .with(own, text.as_str());
        cx.output(object);
    }
    Ok(())
}
