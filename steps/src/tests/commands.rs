//! The list of steps, and their edges.

use std::collections::BTreeSet;

use owaim_inventory::{PolicyScope, Role};

use super::bench::{host, site};
use crate::{
    DISABLE_STEP_IDS, Dependency, PHASES, Scope, Strength, disable_steps, phase_of, step_ids,
    steps_for,
};

#[test]
fn a_site_gets_a_step_for_each_target() {
    let shown: Vec<String> = steps_for(&site())
        .iter()
        .map(|step| format!("{} {}", step.id(), step.target()))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    preflight.host atl-cas-001.litwareinc.com
    preflight.host atl-cas-002.litwareinc.com
    preflight.host atl-mbx-001.litwareinc.com
    preflight.host atl-mbx-002.litwareinc.com
    um.dial-plans atl-cas-001.litwareinc.com
    um.dial-plans atl-cas-002.litwareinc.com
    um.dial-plans atl-mbx-001.litwareinc.com
    um.dial-plans atl-mbx-002.litwareinc.com
    lync.certificate atl-cs-001.litwareinc.com
    lync.site atl-cs-001.litwareinc.com
    lync.trusted-pool atl-cs-001.litwareinc.com
    lync.trusted-application atl-cs-001.litwareinc.com
    lync.topology atl-cs-001.litwareinc.com
    lync.replication atl-cs-001.litwareinc.com
    cas.owa-virtual-directory atl-cas-001.litwareinc.com
    cas.owa-virtual-directory atl-cas-002.litwareinc.com
    cas.web-config-clean atl-cas-001.litwareinc.com
    cas.web-config-clean atl-cas-002.litwareinc.com
    mailbox.policy Default
    mailbox.policy Executives
    backend.ucma atl-mbx-001.litwareinc.com
    backend.ucma atl-mbx-002.litwareinc.com
    backend.certificate atl-mbx-001.litwareinc.com
    backend.certificate atl-mbx-002.litwareinc.com
    backend.virtual-directory-off atl-mbx-001.litwareinc.com
    backend.virtual-directory-off atl-mbx-002.litwareinc.com
    backend.web-config atl-mbx-001.litwareinc.com
    backend.web-config atl-mbx-002.litwareinc.com
    backend.recycle atl-mbx-001.litwareinc.com
    backend.recycle atl-mbx-002.litwareinc.com
    mailbox.users kenmyer@litwareinc.com
    mailbox.lync-users kenmyer@litwareinc.com
    verify.event-112 atl-mbx-001.litwareinc.com
    verify.event-112 atl-mbx-002.litwareinc.com
    verify.log-folder atl-mbx-001.litwareinc.com
    verify.log-folder atl-mbx-002.litwareinc.com
    verify.lync-events atl-cs-001.litwareinc.com
    ");
}

#[test]
fn roles_may_share_a_server_and_policies_a_node() {
    let mut site = site();
    site.policies = PolicyScope::All;
    site.hosts.truncate(2);
    let front_end = site.hosts.remove(0);
    site.hosts[0].roles.insert(Role::Backend);
    site.hosts[0].roles.insert(Role::LyncFrontEnd);
    site.hosts[0].endpoints = front_end.endpoints;
    let steps = steps_for(&site);
    assert_eq!(
        steps.iter().map(|step| step.id()).collect::<Vec<_>>(),
        step_ids()
    );
    assert!(
        steps
            .iter()
            .all(|step| step.target().host == host("atl-cas-001"))
    );
}

#[test]
fn ids_name_phases_and_edges_name_steps_that_come_before() {
    let ids: BTreeSet<_> = step_ids().iter().collect();
    for step in steps_for(&site()) {
        assert!(ids.contains(&step.id()), "{}", step.id());
        assert!(PHASES.contains(&phase_of(step.id())), "{}", step.id());
        let place = |id: &str| step_ids().iter().position(|known| *known == id);
        for Dependency {
            on,
            strength,
            scope,
        } in step.dependencies()
        {
            assert!(
                place(on).unwrap() < place(step.id()).unwrap(),
                "{} -> {on}",
                step.id()
            );
            let of_all = [
                "um.dial-plans",
                "lync.certificate",
                "lync.trusted-pool",
                "lync.topology",
            ]
            .contains(&on);
            let is_order = ["verify.event-112", "backend.ucma"].contains(&on);
            assert_eq!(
                strength > Strength::After,
                (scope == Scope::SameHost || of_all) && !is_order
            );
        }
        assert!(!step.title().is_empty() && !step.title().ends_with('.'));
        let on_host = step
            .dependencies()
            .iter()
            .any(|d| *d == Dependency::requires("preflight.host"));
        // A Front End runs no Exchange.
        let is_lync = ["lync", "mailbox.lync-users", "verify.lync-events"]
            .iter()
            .any(|start| step.id().starts_with(start));
        let expected = step.id() != "preflight.host" && !is_lync;
        assert_eq!(on_host, expected, "{}", step.id());
    }
}

#[test]
fn messaging_is_turned_off_at_the_front_ends_alone() {
    let steps = disable_steps(&site());
    let shown: Vec<String> = steps
        .iter()
        .map(|step| format!("{} {}", step.id(), step.target()))
        .collect();
    let expected = ["atl-cas-001", "atl-cas-002"]
        .map(|short| format!("{} {}", DISABLE_STEP_IDS[0], host(short)));
    assert_eq!(shown, expected);
    assert!(
        steps.iter().all(|step| step.dependencies().is_empty()),
        "it works where the rest is broken"
    );
    let is_other = |id: &&str| !step_ids().contains(id) && PHASES.contains(&phase_of(id));
    assert!(DISABLE_STEP_IDS.iter().all(is_other));
}

#[test]
fn site_files_may_name_exactly_these_steps() {
    let ids: Vec<&str> = step_ids()
        .iter()
        .chain(&DISABLE_STEP_IDS)
        .copied()
        .collect();
    assert_eq!(ids, owaim_inventory::STEP_IDS);
}

#[test]
fn without_a_way_to_enable_it_the_topology_comes_first_and_nothing_follows() {
    let mut site = site();
    site.hosts[0].endpoints.clear();
    for step in steps_for(&site) {
        let needs = step
            .dependencies()
            .contains(&Dependency::requires("lync.topology"));
        let expected = [
            "lync.trusted-pool",
            "lync.trusted-application",
            "lync.replication",
        ];
        assert_eq!(needs, expected.contains(&step.id()), "{}", step.id());
        if step.id() == "lync.topology" {
            assert_eq!(step.dependencies(), []);
        }
    }
}

#[test]
fn a_site_without_front_end_has_no_lync_side() {
    let mut site = site();
    site.hosts.remove(0);
    let lync = |id: &str| id.starts_with("lync.") || id.starts_with("um.") || id.contains("lync");
    assert!(steps_for(&site).iter().all(|step| !lync(step.id())));
}
