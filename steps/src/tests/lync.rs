//! The Lync side: dial plans, site, trusted pool and application, topology, replication, events.

// The tables are long; the code beside them is not.
#![allow(clippy::too_many_lines)]

use owaim_inventory::StartupMode;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, date, decided, fails, gives, host, object, said, told};
use crate::front_end::FrontEnd;
use crate::lync_replication::LyncReplication;
use crate::lync_site::LyncSite;
use crate::lync_topology::LyncTopology;
use crate::lync_trusted_application::TrustedApplication;
use crate::lync_trusted_pool::TrustedPool;
use crate::um_dial_plans::DialPlans;
use crate::verify_lync_events::VerifyLyncEvents;
use crate::{
    BackendDecision, Fact, PoolDecision, PoolNeed, Query, Step, UnifiedMessaging, Verdict,
};

const FE: &str = "atl-cs-001";
const POOL: &str = "atl-owa-001.litwareinc.com";
const BOTH: &[&str] = &["MSExchangeUM", "MSExchangeUMCR"];
const TWO: &[(&str, &str)] = &[("Atlanta", "SipName"), ("Zug", "2"), ("Old", "TelExtn")];
const MBX: &str = "atl-mbx-001.litwareinc.com";

fn front_end() -> FrontEnd {
    FrontEnd {
        host: host(FE),
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

/// Both backends as Unified Messaging is on them: service, call router, SIP URI dial plan.
fn unified(states: [[bool; 3]; 2]) -> Bench {
    let mut bench = Bench::new();
    for (short, [service, call_router, sip_dial_plan]) in
        ["atl-mbx-001", "atl-mbx-002"].into_iter().zip(states)
    {
        let state = UnifiedMessaging {
            service,
            call_router,
            sip_dial_plan,
            joins: false,
        };
        bench = bench.knows(short, Fact::UnifiedMessaging(state));
    }
    bench
}

const SPLIT: [bool; 3] = [true, false, true];
const FOUND: [bool; 3] = [true, true, true];

/// A topology: pools with registrar and `RequiresReplication`, applications with their ports,
/// and the events of the Front End, newest first.
#[derive(Clone, Default)]
struct Topology {
    pools: Vec<(&'static str, &'static str, bool)>,
    /// In place of one for every pool, with its name.
    computers: Option<Vec<(&'static str, &'static str)>>,
    /// Of every pool.
    treat_as_authenticated: Option<bool>,
    applications: Vec<(&'static str, &'static str, i32)>,
    events: Vec<(i32, &'static str)>,
    discovered: &'static str,
}

impl Topology {
    fn whole() -> Self {
        Self {
            pools: vec![(POOL, "Registrar:atl-cs-001.litwareinc.com", false)],
            computers: None,
            treat_as_authenticated: Some(true),
            applications: vec![(POOL, "urn:application:outlookwebapp", 5199)],
            events: vec![(14_493, POOL), (14_492, "atl-cs-001.litwareinc.com")],
            discovered: "",
        }
    }

    fn answer(&self, query: &Query) -> PipelineOutput {
        match query.name {
            "pools" => gives(self.pools.iter().map(|(fqdn, registrar, replicates)| {
                object([
                    ("PoolFqdn", (*fqdn).into()),
                    ("Registrar", (*registrar).into()),
                    ("SiteId", "Site:Central".into()),
                    ("RequiresReplication", (*replicates).into()),
                    (
                        "TreatAsAuthenticated",
                        self.treat_as_authenticated.unwrap_or(true).into(),
                    ),
                ])
            })),
            "computers" => {
                let own = self.pools.iter().map(|(fqdn, ..)| (*fqdn, *fqdn)).collect();
                let computers = self.computers.clone().unwrap_or(own);
                gives(
                    computers
                        .into_iter()
                        .map(|(pool, fqdn)| object([("Pool", pool.into()), ("Fqdn", fqdn.into())])),
                )
            }
            "applications" => gives(self.applications.iter().map(|(pool, id, port)| {
                object([
                    ("Identity", format!("{pool}/{id}").into()),
                    ("TrustedApplicationPoolFqdn", (*pool).into()),
                    ("ApplicationId", (*id).into()),
                    ("Port", (*port).into()),
                ])
            })),
            "known-servers" if self.events.is_empty() => fails("NoMatchingEventsFound", 13),
            "known-servers" => gives(self.events.iter().map(|(id, message)| {
                object([
                    ("Id", (*id).into()),
                    ("TimeCreated", date("2026-11-23T09:00:00Z")),
                    ("Message", (*message).into()),
                ])
            })),
            "discovered-servers" => gives([object([
                ("Id", 44_024.into()),
                ("Message", self.discovered.into()),
            ])]),
            "address" => gives([object([("IP4Address", "192.0.2.7".into())])]),
            other => panic!("{other} is asked for"),
        }
    }
}

/// Looks, checks, and gives what the remedy would send.
fn checked(
    name: &str,
    bench: &mut Bench,
    step: &dyn Step,
    answer: impl Fn(&Query) -> PipelineOutput,
    expected: &str,
) -> Vec<String> {
    let (seen, found) = bench.look(step, answer);
    check(name, &found, expected);
    if !matches!(
        found.verdict,
        Verdict::Drifted(_) | Verdict::Doubtful { .. }
    ) {
        return Vec::new();
    }
    let actions = bench.remedy(step, &seen);
    actions
        .iter()
        .map(|action| said(&action.pipeline))
        .collect()
}

#[test]
fn dial_plans_are_added_and_never_replaced() {
    let answer =
        |services: &'static [&str], plans: &'static [(&str, &str)], members: &'static [&str]| {
            move |query: &Query| match query.name {
                "services" if services.is_empty() => fails("NoServiceFoundForGivenName", 13),
                "services" => gives(
                    services
                        .iter()
                        .map(|name| object([("Name", (*name).into())])),
                ),
                "dial-plans" => gives(plans.iter().map(|(name, kind)| {
                    object([
                        ("Name", (*name).into()),
                        ("URIType", (*kind).into()),
                        ("VoIPSecurity", "Secured".into()),
                    ])
                })),
                _ => gives([object([
                    ("DialPlans", texts(members)),
                    ("UMStartupMode", "TCP".into()),
                ])]),
            }
        };
    let step = DialPlans {
        host: host("atl-mbx-001"),
    };
    for (name, services, plans, members, expected, sent, state) in [
        (
            "no service",
            &[] as &[&str],
            TWO,
            &[] as &[&str],
            "not applicable: the server has no",
            0,
            [false; 3],
        ),
        (
            "no plan",
            BOTH,
            &[("Old", "TelExtn")] as &[_],
            &[],
            "not applicable: the organization",
            0,
            [true, true, false],
        ),
        (
            "in all",
            BOTH,
            &TWO[..1],
            &["atlanta"],
            "in place",
            0,
            FOUND,
        ),
        (
            "in none",
            BOTH,
            &TWO[..1],
            &[],
            "drifted: dial plans of MSExchangeUM: nothing -> Atlanta",
            2,
            [true, true, false],
        ),
        (
            "one kept",
            &BOTH[..1],
            &TWO[..1],
            &["Kept"],
            "drifted: dial plans of MSExchangeUM: Kept -> Kept, Atlanta",
            1,
            [true, false, false],
        ),
    ] {
        let mut bench = Bench::new();
        let actions = checked(
            name,
            &mut bench,
            &step,
            answer(services, plans, members),
            expected,
        );
        assert_eq!(actions.len(), sent, "{name}: {actions:?}");
        let known = bench.facts.unified_messaging(&host("atl-mbx-001")).unwrap();
        assert_eq!(
            [known.service, known.call_router, known.sip_dial_plan],
            state,
            "{name}"
        );
        assert_eq!(known.joins, expected.starts_with("drifted"), "{name}");
    }
    let bench = Bench::new();
    let seen = bench
        .probe(&step, answer(BOTH, &TWO[..1], &["Kept"]))
        .unwrap();
    let action = bench.remedy(&step, &seen).remove(0);
    let change = action.pipeline.commands().next().unwrap();
    let plans = change
        .parameters
        .iter()
        .find(|p| p.name.as_deref() == Some("DialPlans"));
    let entries = plans
        .unwrap()
        .value
        .as_object()
        .unwrap()
        .entries()
        .unwrap()
        .to_vec();
    assert_eq!(entries, [("Add".into(), texts(&["Atlanta"]))]);
    let warnings = step.assess(bench.context(), &seen).warnings;
    assert!(
        warnings.iter().all(|w| w.contains("restart")) && warnings.len() == 2,
        "{warnings:?}"
    );
}

#[test]
fn a_startup_mode_is_changed_where_the_site_file_allows_it() {
    let step = DialPlans {
        host: host("atl-mbx-001"),
    };
    let answer = |security: &'static str, mode: &'static str| {
        move |query: &Query| match query.name {
            "services" => gives([object([("Name", "MSExchangeUM".into())])]),
            "dial-plans" => gives([object([
                ("Name", "Atlanta".into()),
                ("URIType", "SipName".into()),
                ("VoIPSecurity", security.into()),
            ])]),
            _ => gives([object([
                ("DialPlans", texts(&["Atlanta"])),
                ("UMStartupMode", mode.into()),
            ])]),
        }
    };
    let set =
        "Set-UMService -Identity atl-mbx-001.litwareinc.com -UMStartupMode Dual -Confirm False";
    let restart = "Restart-Service -Name MSExchangeUM -Confirm False";
    for (name, security, mode, allowed, expected, sent) in [
        ("not allowed", "Secured", "TCP", None, "in place", vec![]),
        (
            "not secured",
            "Unsecured",
            "TCP",
            Some(StartupMode::Dual),
            "in place",
            vec![],
        ),
        (
            "answers both",
            "Secured",
            "Dual",
            Some(StartupMode::Tls),
            "in place",
            vec![],
        ),
        (
            "allowed",
            "SIPSecured",
            "TCP",
            Some(StartupMode::Dual),
            "drifted: startup mode of MSExchangeUM: TCP -> Dual",
            vec![set, restart],
        ),
    ] {
        let mut bench = Bench::new();
        bench.site.unified_messaging.startup_mode = allowed;
        let actions = checked(name, &mut bench, &step, answer(security, mode), expected);
        assert_eq!(actions, sent, "{name}");
    }

    // An earlier run set it and was cut short: said, and not done a second time.
    let left = Fact::RestartUnconfirmed {
        service: "MSExchangeUM".into(),
        run: "20261123-apply".into(),
    };
    let mut bench = Bench::new().knows("atl-mbx-001", left);
    bench.site.unified_messaging.startup_mode = Some(StartupMode::Dual);
    let (_, found) = bench.look(&step, answer("Secured", "Dual"));
    check("cut short", &found, "in place");
    let warned = found.warnings.concat();
    assert!(
        warned.contains("20261123-apply") && warned.contains("Restart-Service"),
        "{warned}"
    );

    // Set, but the answer of the restart was lost: that it happened is not taken for granted.
    let mut bench = Bench::new();
    bench.site.unified_messaging.startup_mode = Some(StartupMode::Dual);
    bench.earlier = vec![Fact::RestartDue("MSExchangeUM".into())];
    let expected = "drifted: restart of MSExchangeUM: not known to have happened";
    let (seen, found) = bench.look(&step, answer("Secured", "Dual"));
    check("restart lost", &found, expected);
    let actions = bench.remedy(&step, &seen);
    assert_eq!(said(&actions[0].pipeline), restart);
    assert!(actions.len() == 1 && !step.repeatable(&actions[0]));
    bench.accepted = vec!["um-service-startup", "restart-um-service"];
    checked(
        "restarted",
        &mut bench,
        &step,
        answer("Secured", "Dual"),
        "in place",
    );
}

#[test]
fn a_site_is_named_by_its_site_id() {
    let step = LyncSite {
        front_end: front_end(),
    };
    let sites = |query: &Query| match query.name {
        "sites" | "sites-local" => gives([object([
            ("Identity", "Site:Central".into()),
            ("SiteId", "NA".into()),
            ("DisplayName", "Redmond".into()),
        ])]),
        "registrars" => gives([object([("PoolFqdn", "atl-cs-001.litwareinc.com".into())])]),
        other => {
            assert_eq!(other, "cs-pools");
            gives([])
        }
    };
    for (given, expected) in [
        ("NA", "in place"),
        ("na", "in place"),
        (
            "Redmond",
            "broken: it is a display name: of SiteId \"NA\" (display name \"Redmond\"",
        ),
        ("Central", "broken: it is an identity"),
        ("Zug", "broken: no such site; there is SiteId \"NA\""),
    ] {
        let mut bench = Bench::new();
        bench.site.lync.site_id = given.into();
        checked(given, &mut bench, &step, sites, expected);
    }
    // An endpoint that is no session configuration of its own is found before anything is changed.
    for (id, is_hop) in [
        ("Microsoft.Rtc.Common.Data.SqlConnectionException,X", true),
        (
            "Microsoft.Rtc.Management.ADConnect.Core.ADOperationException,X",
            true,
        ),
        (
            "Microsoft.Exchange.Data.Directory.ADOperationException,X",
            false,
        ),
        ("Other,X", false),
    ] {
        let (_, found) = Bench::new().look(&step, |query| match query.name {
            "sites-local" => fails(id, 7),
            _ => sites(query),
        });
        let Verdict::Broken(problem) = found.verdict else {
            panic!("{id}: {:?}", found.verdict)
        };
        assert_eq!(problem.advice.contains("double hop"), is_hop, "{id}");
    }
}

#[test]
fn the_pool_follows_from_what_unified_messaging_is_on_each_backend() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    let whole = Topology::whole();
    let with = |pools: &[(&'static str, &'static str, bool)], discovered| Topology {
        pools: pools.to_vec(),
        applications: pools
            .iter()
            .map(|(name, ..)| match *name {
                POOL => (POOL, "urn:application:outlookwebapp", 5199),
                name => (name, "urn:application:x", 5000),
            })
            .collect(),
        discovered,
        ..Topology::whole()
    };
    let own = "Registrar:atl-cs-001.litwareinc.com";
    let new = "New-CsTrustedApplicationPool -Identity atl-owa-001.litwareinc.com -Registrar \
               atl-cs-001.litwareinc.com -Site Redmond -RequiresReplication False -Confirm False";
    let away = |name: &str| {
        let id = if name == POOL { "outlookwebapp" } else { "x" };
        vec![
            format!(
                "Remove-CsTrustedApplication -Identity {name}/urn:application:{id} -Confirm False"
            ),
            format!("Remove-CsTrustedApplicationComputer -Identity {name} -Confirm False"),
            format!("Remove-CsTrustedApplicationPool -Identity {name} -Confirm False"),
        ]
    };
    let set = "Set-CsTrustedApplicationPool -Identity atl-owa-001.litwareinc.com -RequiresReplication False \
               -Confirm False";
    for (name, states, topology, expected, sent) in [
        (
            "needed, there",
            [SPLIT; 2],
            whole.clone(),
            "in place",
            vec![],
        ),
        (
            "needed, missing",
            [SPLIT; 2],
            with(&[], ""),
            "drifted: trusted application pool",
            vec![new.to_owned()],
        ),
        (
            "no plan, missing",
            [[true, true, false]; 2],
            with(&[], ""),
            "drifted",
            vec![new.to_owned()],
        ),
        (
            "no services, missing",
            [[false; 3]; 2],
            with(&[], ""),
            "drifted",
            vec![new.to_owned()],
        ),
        (
            "waits for replicas",
            [SPLIT; 2],
            with(&[(POOL, own, true)], ""),
            "drifted: atl-owa-001.litwareinc.com: RequiresReplication: True -> False",
            vec![set.to_owned()],
        ),
        (
            "other registrar",
            [SPLIT; 2],
            with(&[(POOL, "Registrar:old.litwareinc.com", true)], ""),
            "broken: old.litwareinc.com",
            vec![],
        ),
        (
            "all found, none",
            [FOUND; 2],
            with(&[], MBX),
            "in place",
            vec![],
        ),
        (
            "all found, there",
            [FOUND; 2],
            with(&[(POOL, own, false)], ""),
            "drifted: trusted application pool",
            away(POOL),
        ),
        (
            "all found, there, and others use it",
            [FOUND; 2],
            Topology {
                applications: vec![(POOL, "urn:application:other", 6000)],
                ..with(&[(POOL, own, false)], "")
            },
            "broken: that takes the pool away",
            vec![],
        ),
        (
            "one found, pool needed",
            [FOUND, SPLIT],
            whole.clone(),
            "in place",
            vec![],
        ),
        (
            "one found, twice",
            [FOUND, SPLIT],
            with(&[(POOL, own, false), (MBX, own, true)], ""),
            "drifted: trusted application pool atl-mbx-001",
            away(MBX),
        ),
        (
            "no registrar, not wanted",
            [FOUND; 2],
            with(&[(POOL, "", false)], ""),
            "broken: it has no registrar",
            vec![],
        ),
        (
            "split and found",
            [SPLIT; 2],
            with(&[(POOL, own, false)], MBX),
            "broken: a conflict",
            vec![],
        ),
    ] {
        let mut bench = unified(states);
        let actions = checked(
            name,
            &mut bench,
            &step,
            |query| topology.answer(query),
            expected,
        );
        assert_eq!(actions, sent, "{name}");
        assert_eq!(
            bench.facts.topology_changed(&host(FE)),
            !sent.is_empty(),
            "{name}"
        );
    }
}

#[test]
fn a_pool_of_several_computers_has_those_of_the_site_file() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    let other = "atl-mbx-002.litwareinc.com";
    let own = "Registrar:atl-cs-001.litwareinc.com";
    let new = "New-CsTrustedApplicationPool -Identity atl-owa-001.litwareinc.com -Registrar \
               atl-cs-001.litwareinc.com -Site Redmond -RequiresReplication False -ComputerFqdn \
               atl-mbx-001.litwareinc.com -Confirm False";
    let join = "New-CsTrustedApplicationComputer -Identity atl-mbx-002.litwareinc.com -Pool \
                atl-owa-001.litwareinc.com -Confirm False";
    let ours = vec![(POOL, "urn:application:outlookwebapp", 5199)];
    let there = |computers: &[&'static str], applications: &[_]| Topology {
        pools: vec![(POOL, own, false)],
        computers: Some(computers.iter().map(|name| (POOL, *name)).collect()),
        applications: applications.to_vec(),
        ..Topology::whole()
    };
    for (name, states, topology, expected, sent, warned) in [
        (
            "missing",
            [SPLIT; 2],
            Topology::default(),
            "drifted: trusted application pool",
            vec![new.to_owned(), join.to_owned()],
            "",
        ),
        (
            "as it should be",
            [SPLIT; 2],
            there(&[MBX, "ATL-mbx-002.litwareinc.com"], &ours),
            "in place",
            vec![],
            "",
        ),
        (
            "lacks one",
            [SPLIT; 2],
            there(&[MBX], &ours),
            "drifted: computer atl-mbx-002.litwareinc.com of the trusted application pool",
            vec![join.to_owned()],
            "",
        ),
        (
            "has others too",
            [SPLIT; 2],
            there(&[MBX, other, "x.litwareinc.com"], &ours),
            "in place",
            vec![],
            "left alone: x.litwareinc.com",
        ),
        (
            "has one of its own name",
            [SPLIT; 2],
            there(&[POOL], &ours),
            "drifted: computers of the trusted application pool",
            vec![
                format!(
                    "Remove-CsTrustedApplication -Identity {POOL}/urn:application:outlookwebapp -Confirm False"
                ),
                format!("Remove-CsTrustedApplicationComputer -Identity {POOL} -Confirm False"),
                format!("Remove-CsTrustedApplicationPool -Identity {POOL} -Confirm False"),
                new.to_owned(),
                join.to_owned(),
            ],
            "",
        ),
        (
            "has one of its own name, and others use it",
            [SPLIT; 2],
            there(&[POOL], &[(POOL, "urn:application:other", 6000)]),
            "broken: that takes the pool away",
            vec![],
            "",
        ),
        (
            "one of them is found by Lync",
            [FOUND, SPLIT],
            there(&[MBX, other], &ours),
            "drifted: computer atl-mbx-001.litwareinc.com of the trusted application pool",
            vec![format!(
                "Remove-CsTrustedApplicationComputer -Identity {MBX} -Confirm False"
            )],
            "",
        ),
    ] {
        let mut bench = unified(states);
        bench.site.lync.trusted_application.computers =
            vec![host("atl-mbx-001"), host("atl-mbx-002")];
        let (seen, found) = bench.look(&step, |query| topology.answer(query));
        check(name, &found, expected);
        assert!(
            found.warnings.concat().contains(warned),
            "{name}: {:?}",
            found.warnings
        );
        assert_eq!(
            found.warnings.is_empty(),
            warned.is_empty(),
            "{name}: {:?}",
            found.warnings
        );
        if matches!(found.verdict, Verdict::Drifted(_)) {
            let actions = bench.remedy(&step, &seen);
            let actions: Vec<_> = actions.iter().map(|a| said(&a.pipeline)).collect();
            assert_eq!(actions, sent, "{name}");
        }
    }
}

#[test]
fn what_was_set_otherwise_is_set_right_in_one_go() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    let topology = Topology {
        pools: vec![(POOL, "Registrar:atl-cs-001.litwareinc.com", true)],
        treat_as_authenticated: Some(false),
        ..Topology::whole()
    };
    let actions = checked(
        "two properties",
        &mut unified([SPLIT; 2]),
        &step,
        |query| topology.answer(query),
        "drifted: atl-owa-001.litwareinc.com: RequiresReplication: True -> False; \
         atl-owa-001.litwareinc.com: TreatAsAuthenticated: False -> True",
    );
    assert_eq!(
        actions,
        [
            "Set-CsTrustedApplicationPool -Identity atl-owa-001.litwareinc.com -RequiresReplication False \
             -TreatAsAuthenticated -Confirm False"
        ]
    );
}

#[test]
fn a_pool_in_another_site_is_named_and_left() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    for (site, warned) in [("Site:Central", false), ("Site:Zug", true)] {
        let mut bench = unified([SPLIT; 2]).knows(FE, Fact::LyncSite(site.into()));
        let (_, found) = bench.look(&step, |query| Topology::whole().answer(query));
        check(site, &found, "in place");
        let said = found.warnings.concat();
        assert_eq!(
            said.contains("belongs to the site Site:Central"),
            warned,
            "{said}"
        );
    }
}

#[test]
fn a_backend_that_could_not_be_looked_at_leaves_only_itself_open() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    let state = |[service, call_router, sip_dial_plan]: [bool; 3]| {
        Fact::UnifiedMessaging(UnifiedMessaging {
            service,
            call_router,
            sip_dial_plan,
            joins: false,
        })
    };
    let own = "Registrar:atl-cs-001.litwareinc.com";
    let empty = Topology::default();
    let whole = Topology::whole();
    let doubled = Topology {
        pools: vec![(POOL, own, false), (MBX, own, false)],
        ..Topology::whole()
    };
    for (name, known, topology, pool, expected, sent) in [
        (
            "needed by another",
            SPLIT,
            &empty,
            POOL,
            "drifted: trusted application pool",
            1,
        ),
        (
            "needed by another, there",
            SPLIT,
            &whole,
            POOL,
            "in place",
            0,
        ),
        (
            "not needed by others",
            FOUND,
            &empty,
            POOL,
            "unknown: whether the trusted application pool",
            0,
        ),
        (
            "not needed by others, there",
            FOUND,
            &whole,
            POOL,
            "unknown",
            0,
        ),
        (
            "a double entry",
            FOUND,
            &doubled,
            POOL,
            "drifted: trusted application pool atl-mbx-001",
            2,
        ),
        (
            "the name of the unknown one",
            SPLIT,
            &empty,
            "atl-mbx-002.litwareinc.com",
            "broken: it has the name",
            0,
        ),
    ] {
        let mut bench = Bench::new().knows("atl-mbx-001", state(known));
        bench.site.lync.trusted_application.pool = owaim_inventory::HostName::new(pool).unwrap();
        let actions = checked(
            name,
            &mut bench,
            &step,
            |query| topology.answer(query),
            expected,
        );
        assert_eq!(actions.len(), sent, "{name}: {actions:?}");
    }
}

#[test]
fn a_change_of_unified_messaging_that_nothing_shows_is_not_taken_for_granted() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    let joins = Fact::UnifiedMessaging(UnifiedMessaging {
        service: true,
        call_router: true,
        sip_dial_plan: false,
        joins: true,
    });
    let both = || {
        Bench::new()
            .knows("atl-mbx-001", joins.clone())
            .knows("atl-mbx-002", joins.clone())
    };
    // In a plan the change is to come, and the pool would go after it.
    let pending = Fact::Pending("um.dial-plans".into());
    let mut planned = both()
        .knows("atl-mbx-001", pending.clone())
        .knows("atl-mbx-002", pending);
    let whole = Topology::whole();
    let sent = checked(
        "planned",
        &mut planned,
        &step,
        |q| whole.answer(q),
        "drifted",
    );
    assert_eq!(sent.len(), 3);
    // In a run that tried and failed, the pool that works stays.
    let expected = "unknown: whether the trusted application pool has to exist is not known";
    let sent = checked("failed", &mut both(), &step, |q| whole.answer(q), expected);
    assert_eq!(sent, Vec::<String>::new());
}

#[test]
fn a_computer_that_could_not_be_looked_at_is_not_added() {
    let step = TrustedPool {
        front_end: front_end(),
    };
    let own = "Registrar:atl-cs-001.litwareinc.com";
    let known = UnifiedMessaging {
        service: true,
        call_router: false,
        sip_dial_plan: true,
        joins: false,
    };
    let ours = vec![(POOL, "urn:application:outlookwebapp", 5199)];
    let there = |computers: &[&'static str]| Topology {
        pools: vec![(POOL, own, false)],
        computers: Some(computers.iter().map(|name| (POOL, *name)).collect()),
        applications: ours.clone(),
        ..Topology::whole()
    };
    for (name, topology, expected, sent, warns) in [
        ("missing", Topology::default(), "drifted", 1, true),
        ("lacks it", there(&[MBX]), "in place", 0, true),
        (
            "has it",
            there(&[MBX, "atl-mbx-002.litwareinc.com"]),
            "in place",
            0,
            false,
        ),
        ("is to be made anew", there(&[POOL]), "in place", 0, true),
    ] {
        let mut bench = Bench::new().knows("atl-mbx-001", Fact::UnifiedMessaging(known));
        bench.site.lync.trusted_application.computers =
            vec![host("atl-mbx-001"), host("atl-mbx-002")];
        let (seen, found) = bench.look(&step, |query| topology.answer(query));
        check(name, &found, expected);
        let said = found.warnings.concat();
        assert_eq!(
            said.contains("atl-mbx-002.litwareinc.com"),
            warns,
            "{name}: {said}"
        );
        if sent > 0 {
            let actions = bench.remedy(&step, &seen);
            assert_eq!(actions.len(), sent, "{name}: {actions:?}");
        }
    }
    // Nobody is left to be in it.
    let mut bench = unified([FOUND, SPLIT]);
    bench.site.lync.trusted_application.computers = vec![host("atl-mbx-001")];
    checked(
        "nobody",
        &mut bench,
        &step,
        |query| there(&[MBX]).answer(query),
        "broken: none of those in the site file",
    );
}

#[test]
fn what_hangs_on_an_open_decision_is_unknown() {
    let topology = Topology::whole();
    let steps: [Box<dyn Step>; 3] = [
        Box::new(TrustedApplication {
            front_end: front_end(),
        }),
        Box::new(LyncTopology {
            front_end: front_end(),
        }),
        Box::new(VerifyLyncEvents {
            host: host(FE),
            admin: front_end(),
        }),
    ];
    for step in &steps {
        checked(
            step.id(),
            &mut open(),
            step.as_ref(),
            |query| topology.answer(query),
            "unknown: whether the trusted application pool has to exist is not known: \
             atl-mbx-002.litwareinc.com: so it is",
        );
    }
}

/// Nobody needs the pool for certain, and one backend could not be looked at.
fn open() -> Bench {
    let row = |name, need| BackendDecision {
        backend: host(name),
        need,
        why: "so it is".into(),
    };
    let backends = vec![
        row("atl-mbx-001", PoolNeed::MustNotExist),
        row("atl-mbx-002", PoolNeed::NotKnown),
    ];
    Bench::new().knows(FE, Fact::TrustedPool(PoolDecision { backends }))
}

fn needed() -> Bench {
    decided(&["atl-mbx-001"], &[])
}

#[test]
fn the_application_has_its_port_and_takes_nobody_elses() {
    let step = TrustedApplication {
        front_end: front_end(),
    };
    let create = "New-CsTrustedApplication -ApplicationId OutlookWebApp -TrustedApplicationPoolFqdn \
                  atl-owa-001.litwareinc.com -Port 5199 -Confirm False";
    let set = "Set-CsTrustedApplication -Identity atl-owa-001.litwareinc.com/OutlookWEBapp -Port 5199 -Confirm False";
    for (name, applications, expected, sent) in [
        (
            "there",
            vec![(POOL, "urn:application:outlookwebapp", 5199)],
            "in place",
            "",
        ),
        (
            "without prefix",
            vec![("ATL-owa-001.litwareinc.com", "OUTLOOKWEBAPP", 5199)],
            "in place",
            "",
        ),
        (
            "missing",
            vec![],
            "drifted: application OutlookWebApp",
            create,
        ),
        (
            "in another pool",
            vec![("x.y", "urn:application:outlookwebapp", 5199)],
            "drifted",
            create,
        ),
        (
            "other port",
            vec![(POOL, "OutlookWEBapp", 5999)],
            "drifted: port of the application OutlookWebApp of atl-owa-001.litwareinc.com: 5999 -> 5199",
            set,
        ),
        (
            "port taken",
            vec![(POOL, "urn:application:other", 5199)],
            "broken: the application other",
            "",
        ),
    ] {
        let topology = Topology {
            applications,
            ..Topology::default()
        };
        let actions = checked(
            name,
            &mut needed(),
            &step,
            |query| topology.answer(query),
            expected,
        );
        assert_eq!(actions.join("; "), sent, "{name}");
    }
    let none = Topology::default();
    checked(
        "not wanted",
        &mut decided(&[], &["atl-mbx-001"]),
        &step,
        |q| none.answer(q),
        "not applicable",
    );
    checked(
        "not decided",
        &mut Bench::new(),
        &step,
        |q| none.answer(q),
        "broken: that is not known",
    );
}

#[test]
fn the_topology_is_enabled_after_changes_and_where_events_do_not_tell() {
    let step = LyncTopology {
        front_end: front_end(),
    };
    let enable = "Enable-CsTopology -Confirm False";
    let start = (14_492, "atl-cs-001.litwareinc.com");
    let found = || decided(&[], &["atl-mbx-001"]);
    for (name, mut bench, events, expected, sent) in [
        (
            "added",
            needed(),
            vec![(14_493, POOL), start],
            "in place",
            "",
        ),
        (
            "in the table",
            needed(),
            vec![(14_492, POOL)],
            "in place",
            "",
        ),
        (
            "removed since",
            needed(),
            vec![(14_495, POOL), (14_493, POOL), start],
            "doubtful",
            enable,
        ),
        (
            "never added",
            needed(),
            vec![start],
            "doubtful: the events of",
            enable,
        ),
        ("no events", needed(), vec![], "doubtful", enable),
        (
            "changed",
            needed().knows(FE, Fact::TopologyChanged),
            vec![(14_493, POOL), start],
            "drifted",
            enable,
        ),
        (
            "changed by an earlier run",
            needed().knows(FE, Fact::TopologyUnconfirmed("20261123-apply".into())),
            vec![(14_493, POOL), start],
            "doubtful: the run 20261123-apply changed the topology",
            enable,
        ),
        (
            "not wanted, not there",
            found(),
            vec![start],
            "in place",
            "",
        ),
        (
            "not wanted, there",
            found(),
            vec![(14_493, POOL), start],
            "doubtful: by its events",
            enable,
        ),
        (
            "found once",
            found(),
            vec![(14_493, MBX), start],
            "in place",
            "",
        ),
        (
            "known twice",
            found(),
            vec![(14_493, MBX), (14_492, MBX)],
            "doubtful",
            enable,
        ),
        ("not wanted, no events", found(), vec![], "doubtful", enable),
    ] {
        let topology = Topology {
            events,
            ..Topology::default()
        };
        let actions = checked(
            name,
            &mut bench,
            &step,
            |query| topology.answer(query),
            expected,
        );
        assert_eq!(actions.join("; "), sent, "{name}");
        bench.remedied = true;
        checked(
            name,
            &mut bench,
            &step,
            |query| topology.answer(query),
            "in place",
        );
    }
    let mut without = step;
    without.front_end.has_local = false;
    let problem = without
        .probe(needed().context(), &crate::Observations::default())
        .unwrap_err();
    for part in [
        "double hop",
        "OcsPowershell",
        "account of its own",
        "CredSSP",
    ] {
        assert!(
            format!("{problem} {}", problem.advice).contains(part),
            "{part}"
        );
    }
}

#[test]
fn machines_without_replica_are_not_waited_for() {
    let step = LyncReplication {
        front_end: front_end(),
    };
    for (name, replicas, expected, warnings) in [
        ("all", vec![("a.b", true)], "in place", 0),
        (
            "one behind",
            vec![("a.b", true), ("c.d", false)],
            "drifted: replica c.d",
            0,
        ),
        (
            "a computer of the pool",
            vec![("a.b", true), (POOL, false)],
            "in place",
            1,
        ),
        ("nothing", vec![], "broken", 0),
    ] {
        let (seen, found) = Bench::new().look(&step, |query| match query.name {
            "status" => gives(replicas.iter().map(|(name, done)| {
                object([
                    ("ReplicaFqdn", (*name).into()),
                    ("UpToDate", (*done).into()),
                ])
            })),
            _ => Topology::whole().answer(query),
        });
        check(name, &found, expected);
        assert_eq!(found.warnings.len(), warnings, "{name}");
        if matches!(found.verdict, Verdict::Drifted(_)) {
            let actions = Bench::new().remedy(&step, &seen);
            assert_eq!(
                said(&actions[0].pipeline),
                "Invoke-CsManagementStoreReplication"
            );
        }
    }
    let pending = Bench::new().knows(FE, Fact::Pending("lync.topology".into()));
    let assessment = step.assess(pending.context(), &crate::Observations::default());
    check("pending", &assessment, "unknown: known after apply");
}

#[test]
fn a_front_end_tells_whom_it_trusts() {
    let step = VerifyLyncEvents {
        host: host("atl-cs-001"),
        admin: front_end(),
    };
    let start = (14_492, "atl-cs-001.litwareinc.com");
    let found = || decided(&[], &["atl-mbx-001"]);
    for (name, mut bench, events, discovered, expected) in [
        (
            "known",
            needed(),
            vec![(14_493, POOL), start],
            "",
            "in place",
        ),
        (
            "not known",
            needed(),
            vec![start],
            "",
            "broken: events 14492",
        ),
        (
            "not told",
            needed(),
            vec![],
            "",
            "unknown: the log does not tell",
        ),
        ("found", found(), vec![start], MBX, "in place"),
        (
            "found while it ran",
            found(),
            vec![(14_493, MBX), start],
            "",
            "in place",
        ),
        (
            "not found",
            found(),
            vec![start],
            "",
            "unknown: the log does not tell that",
        ),
        (
            "twice",
            found(),
            vec![(14_493, MBX), (14_492, MBX)],
            MBX,
            "broken: atl-mbx-001",
        ),
    ] {
        let topology = Topology {
            events,
            discovered,
            ..Topology::default()
        };
        let (_, assessment) = bench.look(&step, |query| topology.answer(query));
        check(name, &assessment, expected);
        if let Verdict::Broken(problem) = &assessment.verdict {
            assert!(
                problem.advice.contains("SIPStack"),
                "{name}: {}",
                told(&assessment.verdict)
            );
        }
    }
    let mut joins = found().knows("atl-mbx-001", Fact::Pending("um.dial-plans".into()));
    let (_, assessment) = joins.look(&step, |query| Topology::default().answer(query));
    check(
        "joins a plan",
        &assessment,
        "unknown: known after apply: um.dial-plans",
    );
}
