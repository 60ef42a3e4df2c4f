//! `lync.trusted-pool`: the trusted application pool exists where it is needed, and nowhere else.
//!
//! [`decision`] says for each backend whether it needs the pool. A pool that must not exist is
//! taken apart in order: applications, computers, pool. Its registrar is never changed: contacts
//! would be orphaned. Nothing of this has any effect before `lync.topology`.

pub(crate) mod decision;
mod drift;
mod pool;

use owaim_proto::psrp::{Command, Pipeline};

use crate::front_end::{self, FrontEnd};
use crate::known_servers::{self, KnownServers};
use crate::{
    Action, Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, lync_site, lync_topology, um_dial_plans,
};
use decision::PoolDecision;
use drift::Drift;
use pool::Pool;

pub(crate) const ID: StepId = "lync.trusted-pool";

/// Names of the queries.
const POOLS: &str = "pools";
const COMPUTERS: &str = "computers";
const APPLICATIONS: &str = "applications";

/// The property that keeps a pool without replicas from being waited for.
const REPLICATION: &str = "RequiresReplication";

/// The step, for the Front End that is asked.
#[derive(Debug)]
pub(crate) struct TrustedPool {
    pub(crate) front_end: FrontEnd,
}

impl TrustedPool {
    fn decide(&self, cx: Context<'_>, seen: &Observations) -> Result<PoolDecision, Problem> {
        let events = KnownServers::read(seen, &self.front_end.host)?;
        PoolDecision::new(cx, &events, &self.front_end.host)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let decision = self.decide(cx, seen)?;
        let pools = Pool::all(seen, &self.front_end.host)?;
        let drifts = drift::all(cx, &decision, &pools)?;
        let differences = drifts
            .iter()
            .flat_map(|drift| drift.differences(cx, &decision))
            .collect();
        let verdict = match decision.why_open() {
            Some(reason) if drifts.is_empty() => Verdict::Unknown(reason),
            _ => Verdict::from_differences(differences),
        };
        let elsewhere = self.elsewhere(cx, &pools);
        let unlisted = self.unlisted(cx, &decision);
        let surplus = drift::surplus(cx, &decision, &pools);
        let waiting = drift::waiting(cx, &decision, &pools);
        let mut assessment = Assessment::of(verdict)
            .with_fact(Fact::TrustedPool(decision))
            .with_warnings(
                [elsewhere, unlisted, surplus, waiting]
                    .into_iter()
                    .flatten(),
            );
        if !drifts.is_empty() {
            assessment = assessment.with_fact(Fact::TopologyChanged);
        }
        Ok(assessment)
    }

    /// The pool is in another site than the site file says. It cannot be moved, and the registrar is what
    /// messaging goes by.
    fn elsewhere(&self, cx: Context<'_>, pools: &[Pool<'_>]) -> Option<String> {
        let rule = &cx.site.lync;
        let pool = pools
            .iter()
            .find(|pool| pool.is(&rule.trusted_application.pool))?;
        let (found, wanted) = (pool.site()?, cx.facts.lync_site(&self.front_end.host)?);
        let same = front_end::bare(&found).eq_ignore_ascii_case(front_end::bare(wanted));
        (!same).then(|| {
            format!(
                "the trusted application pool {} belongs to the site {found}, and the SiteId {} of the site file means \
                 {wanted}: a pool cannot be moved; make it anew by hand if the site matters",
                pool.fqdn, rule.site_id
            )
        })
    }

    /// Backends that need the pool and are none of its computers.
    fn unlisted(&self, cx: Context<'_>, decision: &PoolDecision) -> Option<String> {
        let rule = &cx.site.lync.trusted_application;
        let unlisted = decision
            .with(decision::PoolNeed::Required)
            .filter(|name| !rule.computers.contains(name));
        let names = decision::listed(unlisted);
        (!rule.computers.is_empty() && !names.is_empty()).then(|| {
            format!(
                "{names} need the trusted application pool {} and are not among its computers in the site file: {} \
                 will know them only by the name of the pool on their certificates",
                rule.pool, self.front_end.host
            )
        })
    }

    fn action(&self, name: &'static str, command: Command, summary: String) -> Action {
        Action {
            name,
            place: Place::lync(&self.front_end.host),
            // It would ask about names without a computer account, which pools mostly are.
            pipeline: Pipeline::new(command.with("Confirm", false)),
            changes: true,
            summary,
            saves: Vec::new(),
        }
    }

    /// The pool of the site file, with its computers.
    fn creation(&self, cx: Context<'_>, decision: &PoolDecision) -> Vec<Action> {
        let own = cx.site.lync.trusted_application.pool.as_str();
        let mut computers = drift::joining(cx, decision).into_iter();
        let mut command = Command::new("New-CsTrustedApplicationPool")
            .with("Identity", own)
            .with("Registrar", cx.site.lync.pool.as_str())
            .with("Site", cx.site.lync.site_id.as_str())
            .with(REPLICATION, false);
        if let Some(first) = computers.next() {
            command = command.with("ComputerFqdn", first.as_str());
        }
        let summary = format!("add the trusted application pool {own} to the topology");
        let mut actions = vec![self.action("new-pool", command, summary)];
        actions.extend(computers.map(|name| self.computer(name.as_str(), own)));
        actions
    }

    fn computer(&self, name: &str, pool: &str) -> Action {
        self.action(
            "new-computer",
            Command::new("New-CsTrustedApplicationComputer")
                .with("Identity", name)
                .with("Pool", pool),
            format!("add the computer {name} to the pool {pool}"),
        )
    }

    fn properties(&self, pool: &Pool<'_>, wrong: &[(&'static str, bool)]) -> Action {
        let mut command =
            Command::new("Set-CsTrustedApplicationPool").with("Identity", pool.fqdn.as_str());
        for (name, wanted) in wrong {
            command = command.with(name, *wanted);
        }
        let names: Vec<&str> = wrong.iter().map(|(name, _)| *name).collect();
        let summary = format!(
            "set {} of the trusted application pool {}",
            names.join(" and "),
            pool.fqdn
        );
        let mut action = self.action("set-pool", command, summary);
        action.saves = vec![pool.saved()];
        action
    }

    /// Applications, computers, pool; in that order.
    fn removal(&self, pool: &Pool<'_>) -> Vec<Action> {
        let fqdn = &pool.fqdn;
        let applications = pool.applications.iter().map(|application| {
            self.action(
                "remove-application",
                Command::new("Remove-CsTrustedApplication")
                    .with("Identity", application.identity.as_str()),
                format!(
                    "remove the application {} from the topology",
                    application.identity
                ),
            )
        });
        let computers = pool
            .computers
            .iter()
            .map(|name| self.computer_removal(name, fqdn));
        let last = self.action(
            "remove-pool",
            Command::new("Remove-CsTrustedApplicationPool").with("Identity", fqdn.as_str()),
            format!("remove the trusted application pool {fqdn} from the topology"),
        );
        let mut actions: Vec<Action> = applications.chain(computers).chain([last]).collect();
        if let Some(first) = actions.first_mut() {
            first.saves = vec![pool.saved()];
        }
        actions
    }

    fn computer_removal(&self, name: &str, pool: &str) -> Action {
        self.action(
            "remove-computer",
            Command::new("Remove-CsTrustedApplicationComputer").with("Identity", name),
            format!("remove the computer {name} from the pool {pool}"),
        )
    }
}

impl Step for TrustedPool {
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
        "the trusted application pool exists where it is needed, and nowhere else".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let mut dependencies = vec![
            Dependency::requires(lync_site::ID),
            // A server that is down leaves its own need open, not everybody's.
            Dependency::consults_all(um_dial_plans::ID),
        ];
        if !self.front_end.has_local {
            // What could not be put into force is not begun.
            dependencies.push(Dependency::requires(lync_topology::ID));
        }
        dependencies
    }

    fn probe(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let ask = |name, cmdlet: &str| self.front_end.lync(name, Command::new(cmdlet));
        let mut queries = vec![
            ask(POOLS, "Get-CsTrustedApplicationPool"),
            ask(COMPUTERS, "Get-CsTrustedApplicationComputer"),
            ask(APPLICATIONS, "Get-CsTrustedApplication"),
        ];
        queries.extend(known_servers::queries(&self.front_end.host)?);
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let decision = self.decide(cx, seen)?;
        let pools = Pool::all(seen, &self.front_end.host)?;
        let own = cx.site.lync.trusted_application.pool.as_str();
        let mut actions = Vec::new();
        for drift in drift::all(cx, &decision, &pools)? {
            match drift {
                Drift::Missing => actions.extend(self.creation(cx, &decision)),
                Drift::Single(pool) => {
                    actions.extend(self.removal(pool));
                    actions.extend(self.creation(cx, &decision));
                }
                Drift::NoComputer(name) => actions.push(self.computer(name.as_str(), own)),
                Drift::Properties(pool, wrong) => actions.push(self.properties(pool, &wrong)),
                Drift::NotWanted(pool) => actions.extend(self.removal(pool)),
                Drift::Computer(pool, name) => {
                    let mut action = self.computer_removal(name, &pool.fqdn);
                    action.saves = vec![pool.saved()];
                    actions.push(action);
                }
            }
        }
        Ok(actions)
    }
}
