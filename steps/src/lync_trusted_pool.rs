//! `lync.trusted-pool`: the trusted application pool exists where it is needed, and nowhere else.
//!
//! Decided for each backend. A server with both services of Unified Messaging in a SIP URI dial
//! plan is found by Lync itself: a second entry for it in the topology breaks messaging. Every
//! other one needs the pool. A pool that must not exist is taken apart in order: applications,
//! computers, pool. Its registrar is never changed: contacts would be orphaned.

use std::collections::BTreeMap;

use owaim_inventory::{ExchangeVersion, HostName, Role};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::front_end::{Application, FrontEnd};
use crate::known_servers::{self, KnownServers};
use crate::{
    Action, Assessment, Context, Dependency, Difference, Fact, Observations, Place, PoolDecision,
    Problem, Query, Saved, Step, StepId, Target, Verdict, lync_site, lync_topology, messaging,
    read, um_dial_plans,
};

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

/// A trusted application pool as it is.
struct Pool<'a> {
    fqdn: String,
    registrar: Option<String>,
    requires_replication: Option<bool>,
    computers: Vec<String>,
    applications: Vec<Application<'a>>,
    object: &'a Value,
}

/// What has to be done about the pools.
enum Drift<'a, 'b> {
    /// The pool is missing.
    Missing,
    /// It waits for replicas that nobody has.
    Replicates,
    /// The pool must not exist.
    NotWanted(&'b Pool<'a>),
    /// The computer must not be in a pool that may stay.
    Computer(&'b Pool<'a>, &'b str),
}

/// `Registrar:FQDN`, `TrustedApplicationPool:FQDN`, or the FQDN alone.
fn bare(text: &str) -> &str {
    text.rsplit(':').next().unwrap_or(text)
}

impl TrustedPool {
    fn pools<'a>(&self, seen: &'a Observations) -> Result<Vec<Pool<'a>>, Problem> {
        let host = &self.front_end.host;
        let action = format!("list the computers of trusted application pools at {host}");
        let mut computers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in read::clean(seen, COMPUTERS, &action)?.objects() {
            if let (Some(pool), Some(fqdn)) =
                (read::text(object, "Pool"), read::text(object, "Fqdn"))
            {
                let pool = bare(&pool).to_ascii_lowercase();
                computers.entry(pool).or_default().push(fqdn);
            }
        }
        let mut applications: BTreeMap<String, Vec<Application<'_>>> = BTreeMap::new();
        for application in FrontEnd::applications(seen, APPLICATIONS)? {
            let pool = application.pool.to_ascii_lowercase();
            applications.entry(pool).or_default().push(application);
        }
        let action = format!("list the trusted application pools at {host}");
        let pool = |object: &'a Value| {
            let fqdn = read::text(object, "PoolFqdn")
                .ok_or_else(|| Problem::new(&action, "a pool without PoolFqdn", read::REPORT))?;
            let key = fqdn.to_ascii_lowercase();
            Ok(Pool {
                registrar: read::text(object, "Registrar").map(|text| bare(&text).to_owned()),
                requires_replication: object.get(REPLICATION).and_then(read::flag),
                computers: computers.remove(&key).unwrap_or_default(),
                applications: applications.remove(&key).unwrap_or_default(),
                object,
                fqdn,
            })
        };
        read::clean(seen, POOLS, &action)?
            .objects()
            .map(pool)
            .collect()
    }

    /// The table: which backends need the pool, which must not be in the topology.
    fn decide(
        &self,
        cx: Context<'_>,
        events: &KnownServers,
    ) -> Result<(PoolDecision, Vec<String>), Problem> {
        let mut decision = PoolDecision {
            needed_by: Vec::new(),
            discovered: Vec::new(),
        };
        let mut reasons = Vec::new();
        for backend in cx.site.hosts_with(Role::Backend) {
            let name = &backend.name;
            let version = cx.exchange_version(name);
            let unified = cx.facts.unified_messaging(name).copied();
            let reason = match unified {
                _ if version > ExchangeVersion::E2016 => {
                    format!("{version} has no Unified Messaging")
                }
                _ if !um_dial_plans::concerns(version) => {
                    format!("{version}: the rule of later versions is followed")
                }
                None => "it has no Unified Messaging in a SIP URI dial plan".into(),
                Some(state) if state.is_discovered() => {
                    reasons.push(format!(
                        "{name} must not be in the topology: both services of Unified Messaging are on it, in a SIP \
                         URI dial plan, so that Lync finds it by itself, under its own name, which its certificate \
                         has to have"
                    ));
                    decision.discovered.push(name.clone());
                    continue;
                }
                Some(state) if state.service && state.call_router => {
                    "both services of Unified Messaging are on it, but in no SIP URI dial plan"
                        .into()
                }
                Some(_) if events.is_discovered(name) == Some(true) => {
                    return Err(self.conflict(name));
                }
                Some(state) if state.service || state.call_router => {
                    "the services of Unified Messaging are not both on it".into()
                }
                Some(_) => "it has no Unified Messaging".into(),
            };
            reasons.push(format!(
                "{name} needs the trusted application pool: {reason}"
            ));
            decision.needed_by.push(name.clone());
        }
        Ok((decision, reasons))
    }

    fn conflict(&self, backend: &HostName) -> Problem {
        let host = &self.front_end.host;
        Problem::new(
            format!("decide whether {backend} needs the trusted application pool"),
            format!(
                "a conflict: it does not have both services of Unified Messaging, and still {host} found it by itself \
                 when its service started (event 44024)"
            ),
            format!(
                "if Unified Messaging was changed since, restart RTCSRV on {host}, which reads everything anew; if not, \
                 find out why Lync finds the server: a second entry for it would break messaging"
            ),
        )
        .expecting("a server that Lync does not find by itself")
    }

    fn drifts<'a, 'b>(
        cx: Context<'_>,
        decision: &PoolDecision,
        pools: &'b [Pool<'a>],
    ) -> Result<Vec<Drift<'a, 'b>>, Problem> {
        let wanted = &cx.site.lync.trusted_application.pool;
        let is = |text: &str, name: &HostName| text.eq_ignore_ascii_case(name.as_str());
        let is_discovered = |text: &str| decision.discovered.iter().any(|name| is(text, name));
        if decision.is_required() && is_discovered(wanted.as_str()) {
            return Err(Problem::new(
                format!("decide whether the trusted application pool {wanted} has to exist"),
                format!(
                    "a conflict: {wanted} is found by Lync itself and must not be in the topology, while {} need the \
                     pool",
                    listed(&decision.needed_by)
                ),
                "give the pool a name that is no server's, on the certificates too",
            ));
        }
        let mut drifts = Vec::new();
        let own = pools.iter().find(|pool| is(&pool.fqdn, wanted));
        for pool in pools {
            let not_wanted = is(&pool.fqdn, wanted) && !decision.is_required();
            if not_wanted || is_discovered(&pool.fqdn) {
                removable(pool)?;
                drifts.push(Drift::NotWanted(pool));
                continue;
            }
            let doubled = pool.computers.iter().filter(|name| is_discovered(name));
            drifts.extend(doubled.map(|name| Drift::Computer(pool, name)));
        }
        match own {
            _ if !decision.is_required() => {}
            None => drifts.push(Drift::Missing),
            Some(pool) => {
                check_registrar(cx, pool)?;
                if pool.requires_replication != Some(false) {
                    drifts.push(Drift::Replicates);
                }
            }
        }
        Ok(drifts)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let events = KnownServers::read(seen, &self.front_end.host)?;
        let (decision, reasons) = self.decide(cx, &events)?;
        let pools = self.pools(seen)?;
        let drifts = Self::drifts(cx, &decision, &pools)?;
        let why = reasons.join("; ");
        let differences: Vec<Difference> = drifts
            .iter()
            .map(|drift| drift.difference(cx, &why))
            .collect();
        let told = (!decision.discovered.is_empty()).then_some(why);
        let mut assessment = Assessment::of(Verdict::from_differences(differences))
            .with_fact(Fact::TrustedPool(decision))
            .with_warnings(told);
        if !drifts.is_empty() {
            assessment = assessment.with_fact(Fact::TopologyChanged);
        }
        Ok(assessment)
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

fn listed(names: &[HostName]) -> String {
    let names: Vec<&str> = names.iter().map(HostName::as_str).collect();
    names.join(", ")
}

/// A pool without registrar cannot be removed.
fn removable(pool: &Pool<'_>) -> Result<(), Problem> {
    if pool.registrar.is_some() {
        return Ok(());
    }
    Err(Problem::new(
        format!("remove the trusted application pool {}", pool.fqdn),
        "it has no registrar, and such a pool cannot be removed",
        "give it one with Set-CsTrustedApplicationPool -Registrar, then run again",
    ))
}

fn check_registrar(cx: Context<'_>, pool: &Pool<'_>) -> Result<(), Problem> {
    let wanted = cx.site.lync.pool.as_str();
    let found = pool.registrar.as_deref();
    if found.is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    Err(Problem::new(
        format!("compare the registrar of the trusted application pool {}", pool.fqdn),
        found.unwrap_or("none"),
        "a change of the registrar orphans the pool's contacts, so that it is left to people: change it with \
         Set-CsTrustedApplicationPool -Registrar if nothing else uses the pool, or correct lync.pool in the site file",
    )
    .expecting(wanted))
}

impl Pool<'_> {
    fn saved(&self) -> Saved {
        let text = |object: &Value, name: &str| object.get(name).and_then(Value::text);
        let applications: Vec<_> = self
            .applications
            .iter()
            .map(|a| serde_json::json!({ "ApplicationId": text(a.object, "ApplicationId"), "Port": a.port }))
            .collect();
        let mut before = serde_json::json!({
            "PoolFqdn": self.fqdn,
            "Computers": self.computers,
            "Applications": applications,
        });
        for name in [
            "Registrar",
            "SiteId",
            REPLICATION,
            "ThrottleAsServer",
            "TreatAsAuthenticated",
            "OutboundOnly",
        ] {
            before[name] = text(self.object, name).into();
        }
        Saved {
            name: format!("trusted-pool-{}.json", messaging::file_name(&self.fqdn)),
            origin: self.fqdn.clone(),
            content: format!("{before:#}\n").into_bytes(),
        }
    }
}

impl Drift<'_, '_> {
    fn difference(&self, cx: Context<'_>, why: &str) -> Difference {
        let own = &cx.site.lync.trusted_application.pool;
        let difference = |what: String, actual: Option<&str>, desired: Option<String>| Difference {
            what,
            actual: actual.map(Into::into),
            desired,
            diff: None,
        };
        match self {
            Self::Missing => difference(
                format!("trusted application pool {own}"),
                None,
                Some(format!("with the registrar {} ({why})", cx.site.lync.pool)),
            ),
            Self::Replicates => difference(
                format!("{own}: {REPLICATION}"),
                Some("True"),
                Some("False".into()),
            ),
            Self::NotWanted(pool) => difference(
                format!("trusted application pool {} ({why})", pool.fqdn),
                Some("in the topology"),
                None,
            ),
            Self::Computer(pool, name) => difference(
                format!(
                    "computer {name} of the trusted application pool {} ({why})",
                    pool.fqdn
                ),
                Some("in the topology"),
                None,
            ),
        }
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
            Dependency::requires_all(um_dial_plans::ID),
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
        let events = KnownServers::read(seen, &self.front_end.host)?;
        let (decision, _) = self.decide(cx, &events)?;
        let pools = self.pools(seen)?;
        let own = cx.site.lync.trusted_application.pool.as_str();
        let mut actions = Vec::new();
        for drift in Self::drifts(cx, &decision, &pools)? {
            match drift {
                Drift::Missing => actions.push(
                    self.action(
                        "new-pool",
                        Command::new("New-CsTrustedApplicationPool")
                            .with("Identity", own)
                            .with("Registrar", cx.site.lync.pool.as_str())
                            .with("Site", cx.site.lync.site_id.as_str())
                            .with(REPLICATION, false),
                        format!("add the trusted application pool {own} to the topology"),
                    ),
                ),
                Drift::Replicates => {
                    let mut action = self.action(
                        "set-pool",
                        Command::new("Set-CsTrustedApplicationPool")
                            .with("Identity", own)
                            .with(REPLICATION, false),
                        format!(
                            "have nobody wait for replicas of the trusted application pool {own}"
                        ),
                    );
                    let pool = pools
                        .iter()
                        .find(|pool| pool.fqdn.eq_ignore_ascii_case(own));
                    action.saves = pool.map(Pool::saved).into_iter().collect();
                    actions.push(action);
                }
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
