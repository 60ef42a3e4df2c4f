//! `mailbox.policy`: OWA mailbox policies allow instant messaging through Lync.
//!
//! A policy overrides the virtual directory, so both must be right. Named policies are a node
//! each; with all policies in scope there is one node, which reads the list and changes policies
//! one by one.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::{
    Action, Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, identity, messaging, read,
};

pub(crate) const ID: StepId = "mailbox.policy";

/// Name of the query.
const POLICIES: &str = "policies";

/// The step, for one policy or for all of them.
#[derive(Debug)]
pub(crate) struct MailboxPolicy {
    /// The server whose Exchange endpoint is asked.
    pub(crate) host: HostName,
    /// Name of the policy; `None`: every one there is.
    pub(crate) policy: Option<String>,
}

impl MailboxPolicy {
    fn action(&self) -> String {
        match &self.policy {
            Some(name) => format!("read the OWA mailbox policy {name:?}"),
            None => "read the OWA mailbox policies".into(),
        }
    }

    /// The policies in scope, by identity.
    fn policies<'a>(&self, seen: &'a Observations) -> Result<Vec<(String, &'a Value)>, Problem> {
        let action = self.action();
        let output = read::observed(seen, POLICIES, &action)?;
        if let Some(error) = output.errors().next() {
            let mut problem = read::refused(&action, error);
            if read::is_not_found(error) {
                problem.expected = Some("a policy of that name".into());
                problem.advice =
                    "correct the name in the site file, or create it with New-OwaMailboxPolicy"
                        .into();
            }
            return Err(problem);
        }
        let mut found = Vec::new();
        for object in output.objects() {
            let name = read::text(object, "Identity")
                .or_else(|| read::text(object, "Name"))
                .unwrap_or_default();
            let name = identity::exact("an OWA mailbox policy", &name)?;
            let is_asked = |asked: &String| {
                name.eq_ignore_ascii_case(asked)
                    || read::text(object, "Name").is_some_and(|n| n.eq_ignore_ascii_case(asked))
            };
            if !self.policy.as_ref().is_none_or(is_asked) {
                let problem = Problem::new(
                    &action,
                    format!("the policy {name:?}"),
                    "name the policy as it is listed",
                );
                return Err(problem.expecting("the policy asked for"));
            }
            found.push((name, object));
        }
        if found.is_empty() {
            let advice = "see whether the account may read policies, and whether there are any";
            return Err(Problem::new(action, "no policy came back", advice));
        }
        Ok(found)
    }
}

fn domain_controller(cx: Context<'_>, policies: &[(String, &Value)]) -> Option<String> {
    cx.domain_controller().or_else(|| {
        policies
            .first()
            .and_then(|(_, o)| read::text(o, "OriginatingServer"))
    })
}

impl Step for MailboxPolicy {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: self.policy.clone(),
        }
    }

    fn title(&self) -> String {
        match &self.policy {
            Some(name) => format!("instant messaging is on in the OWA mailbox policy {name}"),
            None => "instant messaging is on in every OWA mailbox policy".into(),
        }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::after_all(crate::lync_replication::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let mut command = Command::new("Get-OwaMailboxPolicy");
        if let Some(name) = &self.policy {
            command = command.with("Identity", identity::exact("an OWA mailbox policy", name)?);
        }
        if let Some(name) = cx.domain_controller() {
            command = command.with("DomainController", name);
        }
        let (place, pipeline) = (Place::exchange(&self.host), Pipeline::new(command));
        Ok(vec![Query {
            name: POLICIES,
            place,
            pipeline,
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        let policies = match self.policies(seen) {
            Ok(policies) => policies,
            Err(problem) => return Assessment::of(Verdict::Broken(problem)),
        };
        let differences = policies
            .iter()
            .flat_map(|(name, object)| messaging::differences(name, object))
            .collect();
        let mut assessment = Assessment::of(Verdict::from_differences(differences));
        assessment
            .facts
            .extend(domain_controller(cx, &policies).map(Fact::DomainController));
        assessment
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let policies = self.policies(seen)?;
        let controller = domain_controller(cx, &policies);
        let drifted = policies
            .iter()
            .filter(|(name, object)| !messaging::differences(name, object).is_empty());
        Ok(drifted
            .map(|(name, object)| Action {
                name: "set-policy",
                place: Place::exchange(&self.host),
                pipeline: Pipeline::new(messaging::set(
                    "Set-OwaMailboxPolicy",
                    name,
                    controller.as_deref(),
                )),
                changes: true,
                summary: format!("turn instant messaging on in the OWA mailbox policy {name}"),
                saves: vec![messaging::saved(
                    format!("mailbox-policy-{}.json", messaging::file_name(name)),
                    name,
                    object,
                )],
            })
            .collect())
    }
}
