//! `um.dial-plans`: the Unified Messaging services of one server are in every SIP URI dial plan.
//!
//! Lync trusts Exchange servers that host such a plan. A plain list would replace what is there:
//! plans are only ever added. Whether both services are on one machine, and in a plan, decides
//! whether Lync finds the server by itself: the steps of the Lync side learn it here.
//!
//! A startup mode that answers no secured calls is reported, and changed where the site file
//! allows it: that takes a restart of the service, which ends the calls in progress.

use std::time::Duration;

use owaim_inventory::{ExchangeVersion, HostName, StartupMode};
use owaim_proto::clixml::{Object, Value};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::front_end::query;
use crate::{
    Action, Assessment, Context, Dependency, Difference, Fact, Observations, Place, Problem, Query,
    Saved, Step, StepId, Target, UnifiedMessaging, Verdict, messaging, read,
};

pub(crate) const ID: StepId = "um.dial-plans";

/// Names of the queries.
const SERVICES: &str = "services";
const PLANS: &str = "dial-plans";

/// `UMUriType` and `UMVoIPSecurityType`: the names and numbers that count here.
const SIP_NAME: (&str, i64) = ("SipName", 2);
const UNSECURED: &str = "Unsecured";
/// `UMStartupMode` that answers no secured calls.
const TCP: &str = "TCP";

/// The two services: Windows service, query of the settings, cmdlets, and their parameter.
const PARTS: [Part; 2] = [
    Part {
        service: "MSExchangeUM",
        query: "um-service",
        startup: "um-service-startup",
        restart: "restart-um-service",
        get: "Get-UMService",
        set: "Set-UMService",
        parameter: "Identity",
    },
    Part {
        service: "MSExchangeUMCR",
        query: "um-call-router",
        startup: "um-call-router-startup",
        restart: "restart-um-call-router",
        get: "Get-UMCallRouterSettings",
        set: "Set-UMCallRouterSettings",
        parameter: "Server",
    },
];

/// One of the services of Unified Messaging.
#[derive(Debug, Clone, Copy)]
struct Part {
    service: &'static str,
    query: &'static str,
    /// Names of the actions: a change of the settings that includes the startup mode, and the
    /// restart that has to follow.
    startup: &'static str,
    restart: &'static str,
    get: &'static str,
    set: &'static str,
    parameter: &'static str,
}

/// The step, for one Exchange server.
#[derive(Debug)]
pub(crate) struct DialPlans {
    pub(crate) host: HostName,
}

/// A SIP URI dial plan.
struct Plan {
    name: String,
    /// Under which it may stand in a list.
    names: Vec<String>,
    is_secured: bool,
}

/// A service, and what it lacks.
struct Found<'a> {
    part: Part,
    settings: &'a Value,
    /// As they are now.
    members: Vec<String>,
    missing: Vec<String>,
    /// Whether it is in a SIP URI dial plan already.
    is_in_one: bool,
    /// Whether it answers no secured calls, and a dial plan is secured.
    is_deaf: bool,
}

/// What there is of Unified Messaging on a server.
struct Sight<'a> {
    /// Its services.
    parts: Vec<Part>,
    /// The SIP URI dial plans of the organization.
    plans: Vec<Plan>,
    /// The services with their settings, if there is a plan that they could be in.
    found: Vec<Found<'a>>,
}

/// What has to be done about the startup mode of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Startup {
    /// Nothing, or nothing that this program may do.
    Kept,
    /// Set it, then restart the service.
    Set(StartupMode),
    /// It was set in this run; that the service was restarted since is not known.
    Restart,
}

/// Whether Unified Messaging of that generation has these services.
pub(crate) fn concerns(version: ExchangeVersion) -> bool {
    matches!(version, ExchangeVersion::E2013 | ExchangeVersion::E2016)
}

/// The texts of a list, or of a single value.
fn texts(value: &Value) -> Vec<String> {
    let all: Vec<String> = match value.items() {
        Some(items) => items.iter().filter_map(Value::text).collect(),
        None => value.text().into_iter().collect(),
    };
    all.into_iter().filter(|text| !text.is_empty()).collect()
}

impl DialPlans {
    /// The services that the server has.
    fn services(&self, seen: &Observations) -> Result<Vec<Part>, Problem> {
        let action = format!("list the Unified Messaging services of {}", self.host);
        let output = read::observed(seen, SERVICES, &action)?;
        if let Some(error) = output.errors().find(|error| !is_no_service(error)) {
            return Err(read::refused(&action, error));
        }
        let names: Vec<String> = output
            .objects()
            .filter_map(|service| read::text(service, "Name"))
            .collect();
        let is_there = |part: &Part| names.iter().any(|n| n.eq_ignore_ascii_case(part.service));
        Ok(PARTS.into_iter().filter(is_there).collect())
    }

    fn plans(&self, seen: &Observations) -> Result<Vec<Plan>, Problem> {
        let action = format!("list the dial plans at {}", self.host);
        let plan = |object: &Value| {
            let kind = object.get("URIType")?;
            let is_sip = kind
                .text()
                .is_some_and(|text| text.eq_ignore_ascii_case(SIP_NAME.0))
                || kind.as_i64() == Some(SIP_NAME.1);
            let name = read::text(object, "Name").filter(|_| is_sip)?;
            let others = ["Identity", "DistinguishedName"];
            Some(Plan {
                names: others
                    .iter()
                    .filter_map(|property| read::text(object, property))
                    .chain([name.clone()])
                    .collect(),
                is_secured: read::text(object, "VoIPSecurity")
                    .is_some_and(|mode| !mode.eq_ignore_ascii_case(UNSECURED)),
                name,
            })
        };
        Ok(read::clean(seen, PLANS, &action)?
            .objects()
            .filter_map(plan)
            .collect())
    }

    fn found<'a>(
        &self,
        seen: &'a Observations,
        part: Part,
        plans: &[Plan],
    ) -> Result<Found<'a>, Problem> {
        let action = format!("read the dial plans of {} on {}", part.service, self.host);
        let settings = read::single(seen, part.query, &action)?;
        let members = settings.get("DialPlans").map(texts).unwrap_or_default();
        let is_in = |plan: &Plan| {
            members
                .iter()
                .any(|member| plan.names.iter().any(|n| n.eq_ignore_ascii_case(member)))
        };
        Ok(Found {
            part,
            settings,
            missing: plans
                .iter()
                .filter(|plan| !is_in(plan))
                .map(|plan| plan.name.clone())
                .collect(),
            is_in_one: plans.iter().any(is_in),
            is_deaf: plans.iter().any(|plan| plan.is_secured)
                && read::text(settings, "UMStartupMode")
                    .is_some_and(|mode| mode.eq_ignore_ascii_case(TCP)),
            members,
        })
    }

    /// Everything that was seen. Without a SIP URI dial plan nobody asks for the settings.
    fn all<'a>(&self, seen: &'a Observations) -> Result<Sight<'a>, Problem> {
        let parts = self.services(seen)?;
        let mut sight = Sight {
            parts,
            plans: Vec::new(),
            found: Vec::new(),
        };
        if sight.parts.is_empty() {
            return Ok(sight);
        }
        sight.plans = self.plans(seen)?;
        if !sight.plans.is_empty() {
            let found = sight
                .parts
                .iter()
                .map(|part| self.found(seen, *part, &sight.plans));
            sight.found = found.collect::<Result<_, Problem>>()?;
        }
        Ok(sight)
    }

    fn startup(cx: Context<'_>, found: &Found<'_>) -> Startup {
        let due = Fact::RestartDue(found.part.service.into());
        match cx.site.unified_messaging.startup_mode {
            Some(mode) if found.is_deaf => Startup::Set(mode),
            Some(_) if cx.earlier.contains(&due) && !cx.accepted.contains(&found.part.restart) => {
                Startup::Restart
            }
            _ => Startup::Kept,
        }
    }

    fn controller(cx: Context<'_>, found: &[Found<'_>]) -> Option<String> {
        let answered = || {
            found
                .iter()
                .find_map(|f| read::text(f.settings, "OriginatingServer"))
        };
        cx.domain_controller().or_else(answered)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let Sight {
            parts,
            plans,
            found,
        } = self.all(seen)?;
        let has = |part: &Part| parts.iter().any(|p| p.service == part.service);
        let sip_dial_plan = found.iter().any(|f| f.is_in_one);
        let fact = Fact::UnifiedMessaging(UnifiedMessaging {
            service: has(&PARTS[0]),
            call_router: has(&PARTS[1]),
            sip_dial_plan,
            joins: !sip_dial_plan && found.iter().any(|f| !f.missing.is_empty()),
        });
        let verdict = if parts.is_empty() {
            Verdict::NotApplicable("the server has no Unified Messaging service".into())
        } else if plans.is_empty() {
            Verdict::NotApplicable("the organization has no SIP URI dial plan".into())
        } else {
            let differences = |f| Found::differences(f, Self::startup(cx, f));
            Verdict::from_differences(found.iter().flat_map(differences).collect())
        };
        let secured: Vec<&str> = plans
            .iter()
            .filter(|plan| plan.is_secured)
            .map(|plan| plan.name.as_str())
            .collect();
        let warnings = found
            .iter()
            .filter(|f| f.is_deaf && Self::startup(cx, f) == Startup::Kept)
            .map(|f| {
                format!(
                    "{} on {} starts in mode TCP and answers no calls of the secured dial plans {}: a change to Dual \
                     needs a restart of the service, which ends calls; unified_messaging.startup_mode of the site file \
                     allows both",
                    f.part.service,
                    self.host,
                    secured.join(", ")
                )
            })
            .collect::<Vec<_>>();
        let unconfirmed = cx.facts.unconfirmed_restarts(&self.host);
        let unconfirmed = unconfirmed.map(|(service, run)| {
            format!(
                "the run {run} set the startup mode of {service} on {}, and its journal does not show that it restarted \
                 the service: if nobody did since, Restart-Service {service} has to follow, which ends calls",
                self.host
            )
        });
        let mut assessment = Assessment::of(verdict)
            .with_fact(fact)
            .with_warnings(warnings.into_iter().chain(unconfirmed));
        let set = found
            .iter()
            .filter(|f| matches!(Self::startup(cx, f), Startup::Set(_)));
        let restarts = set.map(|f| Fact::RestartDue(f.part.service.into()));
        let controller = Self::controller(cx, &found).map(Fact::DomainController);
        assessment.facts.extend(restarts.chain(controller));
        Ok(assessment)
    }

    fn not_applicable(&self, cx: Context<'_>) -> Option<String> {
        let version = cx.exchange_version(&self.host);
        (!concerns(version)).then(|| format!("{version} has no such services"))
    }

    fn command(&self, cx: Context<'_>, name: &str, parameter: Option<&str>) -> Command {
        let mut command = Command::new(name);
        if let Some(parameter) = parameter {
            command = command.with(parameter, self.host.as_str());
        }
        match cx.domain_controller() {
            Some(name) => command.with("DomainController", name),
            None => command,
        }
    }
}

/// Whether `error` only says that a service of that name does not exist.
fn is_no_service(error: &owaim_proto::psrp::ErrorRecord) -> bool {
    error.id() == "NoServiceFoundForGivenName" || read::is_not_found(error)
}

fn is_none(output: &PipelineOutput) -> bool {
    output.objects().next().is_none()
}

impl Found<'_> {
    fn differences(&self, startup: Startup) -> Vec<Difference> {
        let service = self.part.service;
        let difference = |what: &str, actual: Option<String>, desired: Option<String>| Difference {
            what: format!("{what} of {service}"),
            actual,
            desired,
            diff: None,
        };
        let listed = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
        let mut differences = Vec::new();
        if !self.missing.is_empty() {
            let wanted: Vec<String> = self.members.iter().chain(&self.missing).cloned().collect();
            differences.push(difference(
                "dial plans",
                listed(&self.members),
                listed(&wanted),
            ));
        }
        match startup {
            Startup::Kept => {}
            Startup::Set(mode) => {
                let (actual, desired) = (Some(TCP.into()), Some(mode.name().into()));
                differences.push(difference("startup mode", actual, desired));
            }
            Startup::Restart => {
                let actual = Some("not known to have happened".into());
                let desired = Some("since the startup mode was set".into());
                differences.push(difference("restart", actual, desired));
            }
        }
        differences
    }

    fn saved(&self) -> Saved {
        let mode = read::text(self.settings, "UMStartupMode");
        let before = serde_json::json!({ "DialPlans": self.members, "UMStartupMode": mode });
        Saved {
            name: format!("{}.json", messaging::file_name(self.part.query)),
            origin: format!("settings of {}", self.part.service),
            content: format!("{before:#}\n").into_bytes(),
        }
    }
}

impl Step for DialPlans {
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
        "Unified Messaging is in every SIP URI dial plan".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::requires(crate::preflight_host::ID)]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_applicable(cx).is_some() {
            return Ok(Vec::new());
        }
        let names: Vec<Value> = PARTS.iter().map(|part| part.service.into()).collect();
        let services = Command::new("Get-Service").with("Name", Value::from(names));
        let mut queries = vec![query(SERVICES, Place::windows(&self.host), services)];
        if seen.get(SERVICES).is_none_or(is_none) {
            return Ok(queries);
        }
        let parts = self.services(seen)?;
        let admin = Place::exchange(&cx.site.exchange.admin_host);
        let plans = self.command(cx, "Get-UMDialPlan", None);
        queries.push(query(PLANS, admin.clone(), plans));
        if seen.get(PLANS).is_none() || self.plans(seen)?.is_empty() {
            return Ok(queries);
        }
        for part in parts {
            let command = self.command(cx, part.get, Some(part.parameter));
            queries.push(query(part.query, admin.clone(), command));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if let Some(reason) = self.not_applicable(cx) {
            return Assessment::of(Verdict::NotApplicable(reason));
        }
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let found = self.all(seen)?.found;
        let controller = Self::controller(cx, &found);
        let mut actions = Vec::new();
        for f in &found {
            let startup = Self::startup(cx, f);
            actions.extend(self.settings(cx, f, startup, controller.as_deref()));
            if startup != Startup::Kept {
                actions.push(self.restart(f.part));
            }
        }
        Ok(actions)
    }

    fn repeatable(&self, action: &Action) -> bool {
        // A second restart would end the calls that came after the first.
        PARTS.iter().all(|part| part.restart != action.name)
    }

    /// A restart ends the calls that there are first: a minute as a rule.
    fn takes_up_to(&self, action: &Action) -> Duration {
        if PARTS.iter().any(|part| part.restart == action.name) {
            Duration::from_mins(5)
        } else {
            Duration::ZERO
        }
    }
}

/// For each service: its name, the action that sets its startup mode, and the one that restarts it.
pub(crate) fn restarts() -> [(&'static str, &'static str, &'static str); 2] {
    PARTS.map(|part| (part.service, part.startup, part.restart))
}

impl DialPlans {
    /// One change of the settings of a service, if it needs any.
    fn settings(
        &self,
        cx: Context<'_>,
        found: &Found<'_>,
        startup: Startup,
        controller: Option<&str>,
    ) -> Option<Action> {
        let Found { part, missing, .. } = found;
        let mut command = Command::new(part.set).with(part.parameter, self.host.as_str());
        let mut summary = Vec::new();
        let mut name = part.query;
        if !missing.is_empty() {
            let plans: Vec<Value> = missing.iter().map(|name| name.as_str().into()).collect();
            let change = Object::hashtable(vec![("Add".into(), Value::from(plans))]);
            command = command.with("DialPlans", Value::from(change));
            summary.push(format!(
                "add {} of {} to {}",
                part.service,
                self.host,
                missing.join(", ")
            ));
        }
        if let Startup::Set(mode) = startup {
            command = command.with("UMStartupMode", mode.name());
            name = part.startup;
            summary.push(format!(
                "set the startup mode of {} to {}",
                part.service,
                mode.name()
            ));
        }
        if summary.is_empty() {
            return None;
        }
        command = command.with("Confirm", false);
        if let Some(name) = controller {
            command = command.with("DomainController", name);
        }
        Some(Action {
            name,
            place: Place::exchange(&cx.site.exchange.admin_host),
            pipeline: Pipeline::new(command),
            changes: true,
            summary: summary.join(", and "),
            saves: vec![found.saved()],
        })
    }

    fn restart(&self, part: Part) -> Action {
        let restart = Command::new("Restart-Service").with("Name", part.service);
        Action {
            name: part.restart,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(restart.with("Confirm", false)),
            changes: true,
            summary: format!(
                "restart {} on {}, which ends the calls in progress",
                part.service, self.host
            ),
            saves: Vec::new(),
        }
    }
}
