//! The Lync side beside dial plans and trusted pool: site, application, topology, replication, events.

// The tables are long; the code beside them is not.
#![allow(clippy::too_many_lines)]

use super::bench::{Bench, check, decided, fails, gives, host, object, said, told};
use super::topology::{FE, MBX, POOL, Topology, checked, front_end};
use crate::lync_replication::LyncReplication;
use crate::lync_site::LyncSite;
use crate::lync_topology::LyncTopology;
use crate::lync_trusted_application::TrustedApplication;
use crate::verify_lync_events::VerifyLyncEvents;
use crate::{BackendDecision, Fact, PoolDecision, PoolNeed, Query, Step, Verdict};

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
