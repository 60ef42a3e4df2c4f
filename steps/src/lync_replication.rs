//! `lync.replication`: every replica of the configuration store is up to date.
//!
//! Computers of trusted pools are no replicas, though the report lists them where their pool was
//! said to have some: nothing ever comes from them, and they are left out. Replication is invoked
//! once; then it is waited for, as long as the step's `deadline` of the site file says.

use std::time::Duration;

use owaim_inventory::Site;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::front_end::FrontEnd;
use crate::{
    Action, Assessment, Context, Dependency, Difference, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, lync_topology, read,
};

pub(crate) const ID: StepId = "lync.replication";

/// Names of the queries.
const STATUS: &str = "status";
const COMPUTERS: &str = "computers";

/// The step, for the Front End that is asked.
#[derive(Debug)]
pub(crate) struct LyncReplication {
    pub(crate) front_end: FrontEnd,
}

impl LyncReplication {
    /// Replicas that are behind, and computers that will always be.
    fn behind(&self, seen: &Observations) -> Result<(Vec<String>, Vec<String>), Problem> {
        let host = &self.front_end.host;
        let action = format!("list the trusted application computers at {host}");
        let computers: Vec<String> = read::clean(seen, COMPUTERS, &action)?
            .objects()
            .filter_map(|object| read::text(object, "Fqdn"))
            .collect();
        let action = format!("read the status of replication at {host}");
        let output = read::clean(seen, STATUS, &action)?;
        if output.objects().next().is_none() {
            let advice = "see whether the account may read the status of replication";
            return Err(Problem::new(action, "no replica came back", advice));
        }
        let late = output
            .objects()
            .filter(|object| object.get("UpToDate").and_then(read::flag) != Some(true))
            .filter_map(|object| read::text(object, "ReplicaFqdn"));
        Ok(late.partition(|name| !computers.iter().any(|c| c.eq_ignore_ascii_case(name))))
    }

    fn assessed(&self, seen: &Observations) -> Result<Assessment, Problem> {
        let (behind, never) = self.behind(seen)?;
        let differences = behind.into_iter().map(|name| Difference {
            what: format!("replica {name}"),
            actual: Some("not up to date".into()),
            desired: Some("up to date".into()),
            diff: None,
        });
        let warnings = never.into_iter().map(|name| {
            format!(
                "{name} belongs to a trusted application pool and has no replica: the report shows it as not up to \
                 date for ever, which means nothing (RequiresReplication of its pool)"
            )
        });
        let verdict = Verdict::from_differences(differences.collect());
        Ok(Assessment::of(verdict).with_warnings(warnings))
    }

    fn known_after_apply(&self, cx: Context<'_>) -> Option<Assessment> {
        let pending = cx.facts.is_pending(&self.front_end.host, lync_topology::ID);
        pending.then(|| {
            let id = lync_topology::ID;
            let reason = format!("known after apply: {id} has a change to make first");
            Assessment::of(Verdict::Unknown(reason))
        })
    }
}

impl Step for LyncReplication {
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
        "every replica of the configuration store is up to date".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::requires(lync_topology::ID)]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.known_after_apply(cx).is_some() {
            return Ok(Vec::new());
        }
        let ask = |name, cmdlet: &str| self.front_end.local(name, Command::new(cmdlet));
        Ok(vec![
            ask(STATUS, "Get-CsManagementStoreReplicationStatus"),
            ask(COMPUTERS, "Get-CsTrustedApplicationComputer"),
        ])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.known_after_apply(cx).unwrap_or_else(|| {
            self.assessed(seen)
                .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
        })
    }

    fn remedy(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Action>, Problem> {
        Ok(vec![Action {
            name: "invoke-replication",
            place: Place::lync_local(&self.front_end.host),
            pipeline: Pipeline::new(Command::new("Invoke-CsManagementStoreReplication")),
            changes: true,
            summary: "hurry the replication of the configuration store".into(),
            saves: Vec::new(),
        }])
    }

    fn settles_within(&self, site: &Site) -> Duration {
        site.retry.for_step(ID).deadline
    }

    fn accept(
        &self,
        _cx: Context<'_>,
        action: &Action,
        output: &PipelineOutput,
    ) -> Result<(), Problem> {
        match output.errors().next() {
            None => Ok(()),
            Some(error) => Err(read::refused(&action.summary, error)),
        }
    }
}
