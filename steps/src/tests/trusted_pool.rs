//! `lync.trusted-pool`: the decision, and what follows from it.

// The tables are long; the code beside them is not.
#![allow(clippy::too_many_lines)]

use super::bench::{Bench, check, host, said};
use super::topology::{FE, FOUND, MBX, POOL, SPLIT, Topology, checked, front_end, unified};
use crate::lync_trusted_pool::TrustedPool;
use crate::{Fact, UnifiedMessaging, Verdict};

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
