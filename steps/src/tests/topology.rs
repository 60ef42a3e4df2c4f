//! What the tests of the Lync side share: the Front End, Unified Messaging on the backends, and a
//! topology that answers.

use owaim_proto::clixml::Value;
use owaim_proto::psrp::PipelineOutput;

use super::bench::{Bench, check, date, fails, gives, host, object, said};
use crate::front_end::FrontEnd;
use crate::{Fact, Query, Step, UnifiedMessaging, Verdict};

pub(super) const FE: &str = "atl-cs-001";
pub(super) const POOL: &str = "atl-owa-001.litwareinc.com";
pub(super) const MBX: &str = "atl-mbx-001.litwareinc.com";

pub(super) fn front_end() -> FrontEnd {
    FrontEnd {
        host: host(FE),
        has_local: true,
    }
}

pub(super) fn texts(items: &[&str]) -> Value {
    Value::from(
        items
            .iter()
            .map(|item| (*item).into())
            .collect::<Vec<Value>>(),
    )
}

/// Both backends as Unified Messaging is on them: service, call router, SIP URI dial plan.
pub(super) fn unified(states: [[bool; 3]; 2]) -> Bench {
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

pub(super) const SPLIT: [bool; 3] = [true, false, true];
pub(super) const FOUND: [bool; 3] = [true, true, true];

/// A topology: pools with registrar and `RequiresReplication`, applications with their ports,
/// and the events of the Front End, newest first.
#[derive(Clone, Default)]
pub(super) struct Topology {
    pub(super) pools: Vec<(&'static str, &'static str, bool)>,
    /// In place of one for every pool, with its name.
    pub(super) computers: Option<Vec<(&'static str, &'static str)>>,
    /// Of every pool.
    pub(super) treat_as_authenticated: Option<bool>,
    pub(super) applications: Vec<(&'static str, &'static str, i32)>,
    pub(super) events: Vec<(i32, &'static str)>,
    pub(super) discovered: &'static str,
}

impl Topology {
    pub(super) fn whole() -> Self {
        Self {
            pools: vec![(POOL, "Registrar:atl-cs-001.litwareinc.com", false)],
            computers: None,
            treat_as_authenticated: Some(true),
            applications: vec![(POOL, "urn:application:outlookwebapp", 5199)],
            events: vec![(14_493, POOL), (14_492, "atl-cs-001.litwareinc.com")],
            discovered: "",
        }
    }

    pub(super) fn answer(&self, query: &Query) -> PipelineOutput {
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
pub(super) fn checked(
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
