//! The names that the site file gives Lync's side: the Front End pool (`lync.site`), and what DNS
//! has for the trusted pool (`lync.trusted-application`).

use owaim_inventory::LyncVersion;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, decided, fails, gives, host, no_such_command, object, said};
use crate::front_end::FrontEnd;
use crate::lync_site::LyncSite;
use crate::lync_trusted_application::TrustedApplication;
use crate::{Query, Verdict};

fn front_end() -> FrontEnd {
    FrontEnd {
        host: host("atl-cs-001"),
        has_local: true,
    }
}

fn texts(items: &[&str]) -> Value {
    Value::from(
        items
            .iter()
            .map(|item| (*item).into())
            .collect::<Vec<Value>>(),
    )
}

fn pool(fqdn: &str, services: &[&str], computers: &[&str]) -> Value {
    object([
        ("Identity", fqdn.into()),
        ("Fqdn", fqdn.into()),
        ("Services", texts(services)),
        ("Computers", texts(computers)),
    ])
}

fn registrar(fqdn: &str, version: i32) -> Value {
    object([
        ("Identity", format!("Registrar:{fqdn}").into()),
        ("PoolFqdn", fqdn.into()),
        ("Version", version.into()),
    ])
}

/// A Front End pool of two servers, an old one, an Edge, a trusted pool, and one whose service is
/// not listed.
fn topology(query: &Query) -> PipelineOutput {
    match query.name {
        "sites" | "sites-local" => gives([object([("SiteId", "Redmond".into())])]),
        "cs-pools" => gives([
            pool(
                "fe.litwareinc.com",
                &[
                    "Registrar:fe.litwareinc.com",
                    "UserServer:fe.litwareinc.com",
                ],
                &["fe1.litwareinc.com", "fe2.litwareinc.com"],
            ),
            pool(
                "old.litwareinc.com",
                &["Registrar:old.litwareinc.com"],
                &["old.litwareinc.com"],
            ),
            pool(
                "edge.litwareinc.com",
                &["EdgeServer:edge.litwareinc.com"],
                &["edge.litwareinc.com"],
            ),
            pool(
                "owa.litwareinc.com",
                &["ExternalServer:owa.litwareinc.com"],
                &["owa.litwareinc.com"],
            ),
            pool("bare.litwareinc.com", &[], &["bare.litwareinc.com"]),
            pool(
                "quiet.litwareinc.com",
                &["Registrar:quiet.litwareinc.com"],
                &[],
            ),
        ]),
        "registrars" => gives([
            registrar("fe.litwareinc.com", 6),
            registrar("old.litwareinc.com", 5),
        ]),
        other => panic!("{other} is asked for"),
    }
}

#[test]
fn the_pool_is_one_with_a_registrar_of_the_generation() {
    let step = LyncSite {
        front_end: front_end(),
    };
    let would_do = "write a pool that would do as lync.pool in the site file: fe.litwareinc.com, quiet.litwareinc.com";
    for (short, version, expected, advice) in [
        ("fe", LyncVersion::L2013, "in place", ""),
        ("fe", LyncVersion::L2010, "in place", ""),
        ("FE", LyncVersion::L2013, "in place", ""),
        // What the service does not say is taken from the pool.
        ("quiet", LyncVersion::L2013, "in place", ""),
        (
            "gone",
            LyncVersion::L2013,
            "broken: the topology has no such pool",
            would_do,
        ),
        (
            "fe2",
            LyncVersion::L2013,
            "broken: it is one of the servers of the pool fe.litwareinc.com",
            would_do,
        ),
        (
            "edge",
            LyncVersion::L2013,
            "broken: it is a pool without a Registrar: it has EdgeServer",
            would_do,
        ),
        (
            "owa",
            LyncVersion::L2013,
            "broken: it is a pool without a Registrar: it has ExternalServer",
            would_do,
        ),
        (
            "bare",
            LyncVersion::L2013,
            "broken: it is a pool without a Registrar: it has no service",
            would_do,
        ),
        (
            "old",
            LyncVersion::L2013,
            "broken: its Registrar is of Lync Server 2010",
            would_do,
        ),
        ("old", LyncVersion::L2010, "in place", ""),
        (
            "fe",
            LyncVersion::S2015,
            "broken: its Registrar is of Lync Server 2013",
            "write a pool that would do as lync.pool in the site file: quiet.litwareinc.com",
        ),
    ] {
        let mut bench = Bench::new();
        bench.site.lync.pool = host(short);
        bench.site.lync.version = version;
        let (_, found) = bench.look(&step, topology);
        check(short, &found, expected);
        if let Verdict::Broken(problem) = found.verdict {
            assert_eq!(problem.advice, advice, "{short}");
        }
    }
}

#[test]
fn numbers_that_are_not_documented_refuse_nothing() {
    let step = LyncSite {
        front_end: front_end(),
    };
    for (version, wanted, expected) in [
        (7, LyncVersion::Se, "in place"),
        (0, LyncVersion::L2013, "in place"),
        (
            5,
            LyncVersion::L2013,
            "broken: its Registrar is of Lync Server 2010",
        ),
    ] {
        let mut bench = Bench::new();
        bench.site.lync.pool = host("fe");
        bench.site.lync.version = wanted;
        let (_, found) = bench.look(&step, |query| match query.name {
            "cs-pools" => gives([]),
            "registrars" => gives([registrar("fe.litwareinc.com", version)]),
            _ => topology(query),
        });
        check("a number", &found, expected);
        if let Verdict::Broken(problem) = found.verdict {
            assert!(
                problem.advice.contains("no pool that would do"),
                "{problem:?}"
            );
        }
    }
}

#[test]
fn the_name_of_the_trusted_pool_has_an_address() {
    let step = TrustedApplication {
        front_end: front_end(),
    };
    let address = |name: &'static str, text: &str| object([(name, text.into())]);
    for (name, output, warning) in [
        (
            "an address",
            gives([address("IP4Address", "192.0.2.7")]),
            None,
        ),
        (
            "under its other name",
            gives([address("IPAddress", "192.0.2.7")]),
            None,
        ),
        (
            "after an alias",
            gives([
                address("NameHost", "x.y"),
                address("IPAddress", "192.0.2.7"),
            ]),
            None,
        ),
        (
            "only the zone",
            gives([address("PrimaryServer", "dc.litwareinc.com")]),
            Some("has no address (A) in DNS, as atl-cs-001.litwareinc.com sees it"),
        ),
        (
            "an address of the other family",
            gives([address("IPAddress", "2001:db8::1")]),
            Some("has no address (A) in DNS"),
        ),
        (
            "no such name",
            fails(
                "DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName",
                19,
            ),
            Some("could not be resolved at atl-cs-001.litwareinc.com"),
        ),
        (
            "an older Windows",
            no_such_command(),
            Some("was not looked at"),
        ),
    ] {
        let (seen, found) = decided(&["atl-mbx-001"], &[]).look(&step, |query| match query.name {
            "address" => {
                assert_eq!(
                    said(&query.pipeline),
                    "Resolve-DnsName -Name atl-owa-001.litwareinc.com -Type A -DnsOnly"
                );
                output.clone()
            }
            _ => gives([]),
        });
        // Whatever DNS says, the application is made.
        check(name, &found, "drifted: application OutlookWebApp");
        assert_eq!(
            decided(&["atl-mbx-001"], &[]).remedy(&step, &seen).len(),
            1,
            "{name}"
        );
        match warning {
            None => assert_eq!(found.warnings, Vec::<String>::new(), "{name}"),
            Some(part) => assert!(
                found.warnings.len() == 1
                    && found.warnings[0].contains(part)
                    && found.warnings[0].contains("A record"),
                "{name}: {:?}",
                found.warnings
            ),
        }
    }
    let (_, found) = decided(&[], &[]).look(&step, |query| {
        assert_ne!(
            query.name, "address",
            "a pool that must not exist needs no name"
        );
        gives([])
    });
    check("not wanted", &found, "not applicable");
    assert_eq!(found.warnings, Vec::<String>::new());
}
