//! `verify.lync-events`: a Front End tells that it trusts the servers of Outlook Web App.
//!
//! It writes whom it knows when its service starts, and who comes and goes while it runs. What
//! the log does not tell is unknown, and no failure.

use owaim_inventory::{HostName, LyncVersion};

use crate::front_end::FrontEnd;
use crate::known_servers::{self, KnownServers};
use crate::{
    Assessment, Context, Dependency, Observations, PoolNeed, Problem, Query, Step, StepId, Target,
    Verdict, lync_replication, lync_topology, lync_trusted_pool, um_dial_plans,
};

pub(crate) const ID: StepId = "verify.lync-events";

/// The step, for one Front End.
#[derive(Debug)]
pub(crate) struct VerifyLyncEvents {
    pub(crate) host: HostName,
    /// The one that was asked for the topology.
    pub(crate) admin: FrontEnd,
}

/// Where tracing starts, by the generation of Lync.
fn tracing(version: LyncVersion) -> &'static str {
    if version == LyncVersion::L2010 {
        "trace SIPStack with OCSLogger on this server, all levels and all flags, while somebody signs on"
    } else {
        "trace while somebody signs on: a provider SIPStack with all flags (New-CsClsProvider -Level Debug), a scenario \
         with it (New-CsClsScenario), Start-CsClsLogging, then Search-CsClsLogging -Components SIPStack"
    }
}

impl VerifyLyncEvents {
    fn failure(&self, cx: Context<'_>, found: String, expected: String) -> Problem {
        let advice = format!(
            "see whether RTCSRV runs on {}; {}",
            self.host,
            tracing(cx.site.lync.version)
        );
        Problem::new(format!("see whom {} trusts", self.host), found, advice)
            .expecting(expected)
            // The events come a moment after replication.
            .retryable()
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Verdict, Problem> {
        let decision = self.admin.decision(cx)?;
        let events = KnownServers::read(seen, &self.host)?;
        let pool = &cx.site.lync.trusted_application.pool;
        let mut unknown = Vec::new();
        if decision.is_required() {
            match events.entries(pool) {
                Some(1..) => {}
                Some(0) => {
                    let found = format!(
                        "events 14492, 14493 and 14495 do not leave {pool} among the known servers"
                    );
                    return Err(self.failure(cx, found, format!("{pool} among them")));
                }
                None => unknown.push(format!("the log does not tell whether {pool} is known")),
            }
        }
        unknown.extend(decision.why_open());
        for name in decision.with(PoolNeed::MustNotExist) {
            match (events.entries(name), events.is_discovered(name)) {
                (Some(2..), _) => {
                    let found = format!(
                        "{name} is known twice: found by Lync itself, and from the topology"
                    );
                    return Err(self.failure(cx, found, format!("{name} once")));
                }
                (Some(1), _) | (_, Some(true)) => {}
                _ => unknown.push(format!(
                    "the log does not tell that {name} was found; a restart of RTCSRV looks for it"
                )),
            }
        }
        if unknown.is_empty() {
            Ok(Verdict::InPlace)
        } else {
            Ok(Verdict::Unknown(unknown.join("; ")))
        }
    }

    fn known_after_apply(&self, cx: Context<'_>) -> Option<String> {
        let host = &self.admin.host;
        let pending = [
            lync_trusted_pool::ID,
            lync_topology::ID,
            lync_replication::ID,
        ];
        let of_topology = pending
            .into_iter()
            .find(|step| cx.facts.is_pending(host, step));
        // Lync finds those only once they are in a dial plan.
        let decision = self.admin.decision(cx).ok();
        let joins = || {
            let mut found = decision?.with(PoolNeed::MustNotExist);
            found
                .any(|name| cx.facts.is_pending(name, um_dial_plans::ID))
                .then_some(um_dial_plans::ID)
        };
        let step = of_topology.or_else(joins)?;
        Some(format!(
            "known after apply: {step} has a change to make first"
        ))
    }
}

impl Step for VerifyLyncEvents {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "the Front End trusts the servers of Outlook Web App".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires_all(lync_trusted_pool::ID),
            Dependency::requires_all(lync_topology::ID),
            Dependency::after_all(lync_replication::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.known_after_apply(cx).is_some() {
            return Ok(Vec::new());
        }
        known_servers::queries(&self.host)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        Assessment::of(match self.known_after_apply(cx) {
            Some(reason) => Verdict::Unknown(reason),
            None => self.verdict(cx, seen).unwrap_or_else(Verdict::Broken),
        })
    }
}
