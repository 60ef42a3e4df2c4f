//! `lync.trusted-application`: the trusted pool has the application that OWA is, at its port.
//!
//! The port is bookkeeping of the topology, unique within the pool. Ids are compared without
//! their prefix and without regard to case.
//!
//! The pool's name needs an address in DNS, even if the pool has one computer: Lync connects to it
//! by that name. It is looked up here and not in `lync.site`, since only where the pool has to exist
//! a missing address means anything. Nothing more than a warning hangs on it.

use std::net::Ipv4Addr;

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::front_end::{Application, FrontEnd, bare_id, query};
use crate::{
    Action, Assessment, Context, Dependency, Difference, Fact, Observations, Place, PoolDecision,
    Problem, Query, Saved, Step, StepId, Target, Verdict, lync_topology, lync_trusted_pool,
    messaging, read,
};

pub(crate) const ID: StepId = "lync.trusted-application";

/// Names of the queries.
const APPLICATIONS: &str = "applications";
const ADDRESS: &str = "address";

/// The step, for the Front End that is asked.
#[derive(Debug)]
pub(crate) struct TrustedApplication {
    pub(crate) front_end: FrontEnd,
}

/// What there is of the application.
enum State<'a> {
    Missing,
    WrongPort(Application<'a>),
    Right,
}

impl TrustedApplication {
    fn state<'a>(cx: Context<'_>, seen: &'a Observations) -> Result<State<'a>, Problem> {
        let wanted = &cx.site.lync.trusted_application;
        let port = i64::from(wanted.port);
        let here: Vec<Application<'_>> = FrontEnd::applications(seen, APPLICATIONS)?
            .into_iter()
            .filter(|a| a.pool.eq_ignore_ascii_case(wanted.pool.as_str()))
            .collect();
        let id = bare_id(wanted.id.as_str());
        let (own, others): (Vec<_>, Vec<_>) = here.into_iter().partition(|a| a.id == id);
        let own = own.into_iter().next();
        if own.as_ref().is_some_and(|a| a.port == Some(port)) {
            return Ok(State::Right);
        }
        if let Some(other) = others.iter().find(|a| a.port == Some(port)) {
            return Err(Problem::new(
                format!(
                    "give the application {} of {} the port {port}",
                    wanted.id, wanted.pool
                ),
                format!("the application {} of that pool has it", other.id),
                "choose another port in the site file: it need only be unique in the pool",
            )
            .expecting("a port that is free in the pool"));
        }
        Ok(own.map_or(State::Missing, State::WrongPort))
    }

    fn assessed(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let wanted = &cx.site.lync.trusted_application;
        let decision = self.front_end.decision(cx)?;
        if let Some(reason) = decision.why_open() {
            return Ok(Assessment::of(Verdict::Unknown(reason)));
        }
        if !decision.is_required() {
            return Ok(Assessment::of(Verdict::NotApplicable(
                "the trusted application pool must not exist: Lync finds every backend by itself"
                    .into(),
            )));
        }
        let address = self.address_warning(cx, seen);
        let (actual, what) = match Self::state(cx, seen)? {
            State::Right => return Ok(Assessment::of(Verdict::InPlace).with_warnings(address)),
            State::Missing => (None, format!("application {}", wanted.id)),
            State::WrongPort(a) => (a.port, format!("port of the application {}", wanted.id)),
        };
        let difference = Difference {
            what: format!("{what} of {}", wanted.pool),
            actual: actual.map(|port| port.to_string()),
            desired: Some(match actual {
                Some(_) => wanted.port.to_string(),
                None => format!("at port {}", wanted.port),
            }),
            diff: None,
        };
        Ok(Assessment::of(Verdict::Drifted(vec![difference]))
            .with_fact(Fact::TopologyChanged)
            .with_warnings(address))
    }

    /// What is to be said of the pool's address in DNS. Which error stands for a name that there is
    /// not is not documented, so that they are all told as they are.
    fn address_warning(&self, cx: Context<'_>, seen: &Observations) -> Option<String> {
        let pool = &cx.site.lync.trusted_application.pool;
        let host = &self.front_end.host;
        let output = seen.get(ADDRESS)?;
        let advice = "Lync connects to the trusted application pool by that name, even if it is one server: see that \
                      DNS has an A record for it";
        if let Some(error) = output.errors().next() {
            return Some(if read::is_missing_command(error) {
                format!(
                    "whether {pool} has an address in DNS was not looked at: {host} has no Resolve-DnsName, which came \
                     with Windows Server 2012; {advice}"
                )
            } else {
                format!(
                    "{pool} could not be resolved at {host}: {} ({}); {advice}",
                    error.message, error.error_id
                )
            });
        }
        let is_address = |object: &Value| {
            read::text(object, "IP4Address")
                .or_else(|| read::text(object, "IPAddress"))
                .is_some_and(|text| text.parse::<Ipv4Addr>().is_ok())
        };
        (!output.objects().any(is_address))
            .then(|| format!("{pool} has no address (A) in DNS, as {host} sees it: {advice}"))
    }

    fn action(&self, name: &'static str, command: Command, summary: String) -> Action {
        Action {
            name,
            place: Place::lync(&self.front_end.host),
            pipeline: Pipeline::new(command.with("Confirm", false)),
            changes: true,
            summary,
            saves: Vec::new(),
        }
    }
}

impl Step for TrustedApplication {
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
        "the trusted pool has the application of Outlook Web App, at its port".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let mut dependencies = vec![Dependency::requires(lync_trusted_pool::ID)];
        if !self.front_end.has_local {
            dependencies.push(Dependency::requires(lync_topology::ID));
        }
        dependencies
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let list = Command::new("Get-CsTrustedApplication");
        let mut queries = vec![self.front_end.lync(APPLICATIONS, list)];
        if self
            .front_end
            .decision(cx)
            .is_ok_and(PoolDecision::is_required)
        {
            let resolve = Command::new("Resolve-DnsName")
                .with("Name", cx.site.lync.trusted_application.pool.as_str())
                .with("Type", "A")
                .switch("DnsOnly");
            let place = Place::windows(&self.front_end.host);
            queries.push(query(ADDRESS, place, resolve));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.assessed(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let wanted = &cx.site.lync.trusted_application;
        let (id, pool, port) = (
            wanted.id.as_str(),
            wanted.pool.as_str(),
            i32::from(wanted.port),
        );
        Ok(match Self::state(cx, seen)? {
            State::Right => Vec::new(),
            State::Missing => vec![
                self.action(
                    "new-application",
                    Command::new("New-CsTrustedApplication")
                        .with("ApplicationId", id)
                        .with("TrustedApplicationPoolFqdn", pool)
                        .with("Port", port),
                    format!("add the application {id} to the trusted pool {pool}, at port {port}"),
                ),
            ],
            State::WrongPort(found) => {
                let mut action = self.action(
                    "set-application",
                    Command::new("Set-CsTrustedApplication")
                        .with("Identity", found.identity.as_str())
                        .with("Port", port),
                    format!("give the application {id} of {pool} the port {port}"),
                );
                let before = serde_json::json!({ "Identity": found.identity, "Port": found.port });
                action.saves = vec![Saved {
                    name: format!("trusted-application-{}.json", messaging::file_name(id)),
                    origin: found.identity,
                    content: format!("{before:#}\n").into_bytes(),
                }];
                vec![action]
            }
        })
    }
}
