//! `lync.topology`: what the topology says of OWA is in force.
//!
//! A change of the topology takes effect with `Enable-CsTopology`, and nothing that can be read
//! says that one waits for it. What shows are the events with which Front Ends tell whom they
//! trust, and the journals of earlier runs. Where those do not tell, enabling once more does no harm.
//! It needs database, directory
//! and file share in one go: a session configuration of its own on the Front End, or nothing.

use std::time::Duration;

use owaim_proto::psrp::{Command, Pipeline};

use crate::front_end::FrontEnd;
use crate::known_servers::{self, KnownServers};
use crate::{
    Action, Assessment, Context, Dependency, Difference, Observations, Place, PoolNeed, Problem,
    Query, Step, StepId, Target, Verdict, lync_trusted_application, lync_trusted_pool, read,
};

pub(crate) const ID: StepId = "lync.topology";

/// Name of the action.
const ENABLE: &str = "enable-topology";

/// The step, for the Front End that is asked.
#[derive(Debug)]
pub(crate) struct LyncTopology {
    pub(crate) front_end: FrontEnd,
}

/// Why the topology cannot be enabled from here.
fn double_hop(front_end: &FrontEnd) -> Problem {
    Problem::new(
        format!("enable the topology on {}", front_end.host),
        "the site file gives it no endpoint lync-local, and Enable-CsTopology in an ordinary session would fail at the \
         double hop: such a session has no credentials for the database, the directory and the file share behind the \
         Front End",
        format!(
            "nothing of the Lync side is changed without it; there are three answers, best first: an endpoint where \
             the server acts itself (OcsPowershell, which has no Enable-CsTopology, so that somebody has to run it on \
             the server); a session configuration on {} that runs under an account of its own, named as \
             endpoints.lync-local.configuration; CredSSP to that one server, which shows it the password",
            front_end.host
        ),
    )
    .expecting("endpoints.lync-local for the first lync-front-end host of the site file")
}

impl LyncTopology {
    fn difference(why: String) -> Vec<Difference> {
        vec![Difference {
            what: "topology".into(),
            actual: Some(why),
            desired: Some("in force".into()),
            diff: None,
        }]
    }

    /// What is not known to be in force, going by the events; `None` if all is.
    fn doubt(&self, cx: Context<'_>, seen: &Observations) -> Result<Option<String>, Problem> {
        let events = KnownServers::read(seen, &self.front_end.host)?;
        let decision = self.front_end.decision(cx)?;
        let host = &self.front_end.host;
        let pool = &cx.site.lync.trusted_application.pool;
        let is_backend = decision.is_discovered(pool.as_str());
        let doubt = match (events.entries(pool), decision.is_required()) {
            // Whether it should be known is not known.
            _ if decision.is_open() => None,
            (Some(0) | None, true) => Some(format!(
                "the events of {host} do not show that it knows {pool}"
            )),
            (Some(1..), false) if !is_backend => {
                Some(format!("by its events, {host} still knows {pool}"))
            }
            (None, false) => Some(format!("the events of {host} do not tell whom it knows")),
            _ => None,
        };
        let recorded = || {
            let run = cx.facts.topology_unconfirmed(host)?;
            Some(format!(
                "the run {run} changed the topology, and its journal does not show that it was enabled since"
            ))
        };
        // By itself Lync finds a server once; a second entry is the topology's.
        let doubled = || {
            decision
                .with(PoolNeed::MustNotExist)
                .find(|name| events.entries(name).is_some_and(|entries| entries > 1))
                .map(|name| format!("by its events, {host} knows {name} twice"))
        };
        Ok(doubt.or_else(doubled).or_else(recorded))
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Verdict, Problem> {
        if cx.remedied {
            return Ok(Verdict::InPlace);
        }
        if cx.facts.topology_changed(&self.front_end.host) {
            return Ok(Verdict::Drifted(Self::difference(
                "changed in this run".into(),
            )));
        }
        let open = self.front_end.decision(cx)?.why_open();
        Ok(match self.doubt(cx, seen)? {
            None => open.map_or(Verdict::InPlace, Verdict::Unknown),
            Some(reason) => Verdict::Doubtful {
                differences: Self::difference(format!("not known to be in force: {reason}")),
                reason,
            },
        })
    }
}

impl Step for LyncTopology {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.front_end.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "what the topology says of Outlook Web App is in force".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        if self.front_end.has_local {
            vec![
                Dependency::requires(lync_trusted_pool::ID),
                Dependency::requires(lync_trusted_application::ID),
            ]
        } else {
            Vec::new()
        }
    }

    fn probe(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        if !self.front_end.has_local {
            return Err(double_hop(&self.front_end));
        }
        known_servers::queries(&self.front_end.host)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        Assessment::of(self.verdict(cx, seen).unwrap_or_else(Verdict::Broken))
    }

    fn remedy(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Action>, Problem> {
        let host = &self.front_end.host;
        Ok(vec![Action {
            name: ENABLE,
            place: Place::lync_local(host),
            pipeline: Pipeline::new(Command::new("Enable-CsTopology").with("Confirm", false)),
            changes: true,
            summary: format!("put the topology into force, on {host}"),
            saves: Vec::new(),
        }])
    }

    /// It writes to database, directory and file share: one to five minutes at a real site, and more
    /// where one of them is slow.
    fn takes_up_to(&self, _action: &Action) -> Duration {
        Duration::from_mins(15)
    }

    fn accept(
        &self,
        _cx: Context<'_>,
        action: &Action,
        output: &owaim_proto::psrp::PipelineOutput,
    ) -> Result<(), Problem> {
        match output.errors().next() {
            None => Ok(()),
            Some(error) => Err(read::refused(&action.summary, error)),
        }
    }
}
