//! `mailbox.policy`: OWA mailbox policies allow instant messaging through Lync.
//!
//! A policy overrides the virtual directory, so both must be right. Named policies are a node
//! each; with all policies in scope, or all that are in use, there is one node, which reads the
//! list and changes policies one by one.
//!
//! Whether a policy is in use is asked of the directory, policy by policy: for one mailbox that has
//! it. No mailbox is read beyond that one. A mailbox without a policy follows the virtual
//! directories.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::{
    Action, Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, filter, identity, messaging, read,
};

pub(crate) const ID: StepId = "mailbox.policy";

/// Names of the queries.
const POLICIES: &str = "policies";
const USERS: &str = "users";

/// The step, for one policy or for several.
#[derive(Debug)]
pub(crate) struct MailboxPolicy {
    /// The server whose Exchange endpoint is asked.
    pub(crate) host: HostName,
    pub(crate) which: Which,
}

/// The policies of a node.
#[derive(Debug)]
pub(crate) enum Which {
    /// The one of that name.
    Named(String),
    /// Every one there is.
    All,
    /// Every one that a mailbox has.
    InUse,
}

/// A policy: its identity, and the object.
type Policy<'a> = (String, &'a Value);

impl MailboxPolicy {
    fn action(&self) -> String {
        match &self.which {
            Which::Named(name) => format!("read the OWA mailbox policy {name:?}"),
            Which::All | Which::InUse => "read the OWA mailbox policies".into(),
        }
    }

    /// The policies that were asked for, whether or not anybody has them.
    fn policies<'a>(&self, seen: &'a Observations) -> Result<Vec<Policy<'a>>, Problem> {
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
            if matches!(&self.which, Which::Named(asked) if !is_asked(asked)) {
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

    /// The policies in scope, and the names of those that nobody has.
    fn in_scope<'a>(
        &self,
        seen: &'a Observations,
    ) -> Result<(Vec<Policy<'a>>, Vec<String>), Problem> {
        let policies = self.policies(seen)?;
        if !matches!(self.which, Which::InUse) {
            return Ok((policies, Vec::new()));
        }
        let (mut used, mut unused) = (Vec::new(), Vec::new());
        for (name, object) in policies {
            if self.is_used(&name, object, seen)? {
                used.push((name, object));
            } else {
                unused.push(name);
            }
        }
        Ok((used, unused))
    }

    fn is_used(&self, name: &str, policy: &Value, seen: &Observations) -> Result<bool, Problem> {
        let action = format!("look for a mailbox with the OWA mailbox policy {name:?}");
        let query = self.users(name, policy)?;
        let output = seen
            .of(&query)
            .ok_or_else(|| Problem::new(&action, "that was not asked", "run the step again"))?;
        match output.errors().next() {
            None => Ok(output.objects().next().is_some()),
            Some(error) => Err(read::refused(&action, error)),
        }
    }

    /// Asks for one mailbox with that policy, in the whole forest: the scope of a session is one
    /// domain. That rules a named domain controller out.
    fn users(&self, name: &str, policy: &Value) -> Result<Query, Problem> {
        let path = read::text(policy, "DistinguishedName").ok_or_else(|| {
            let action = format!("look for mailboxes with the OWA mailbox policy {name:?}");
            Problem::new(action, "it shows no DistinguishedName", read::REPORT)
        })?;
        let command = Command::new("Get-CASMailbox")
            .with("Filter", filter::opath_equals("OwaMailboxPolicy", &path))
            .with("ResultSize", 1)
            .switch("IgnoreDefaultScope");
        Ok(Query {
            name: USERS,
            place: Place::exchange(&self.host),
            pipeline: Pipeline::new(command),
        })
    }
}

/// What is said of policies that nobody has.
fn idle(unused: &[String]) -> Option<String> {
    (!unused.is_empty()).then(|| {
        format!(
            "no mailbox has the OWA mailbox policies {}: they are left as they are",
            unused.join(", ")
        )
    })
}

fn domain_controller(cx: Context<'_>, policies: &[Policy<'_>]) -> Option<String> {
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
            object: match &self.which {
                Which::Named(name) => Some(name.clone()),
                Which::All | Which::InUse => None,
            },
        }
    }

    fn title(&self) -> String {
        match &self.which {
            Which::Named(name) => {
                format!("instant messaging is on in the OWA mailbox policy {name}")
            }
            Which::All => "instant messaging is on in every OWA mailbox policy".into(),
            Which::InUse => {
                "instant messaging is on in every OWA mailbox policy that a mailbox has".into()
            }
        }
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::after_all(crate::lync_replication::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        let mut command = Command::new("Get-OwaMailboxPolicy");
        if let Which::Named(name) = &self.which {
            command = command.with("Identity", identity::exact("an OWA mailbox policy", name)?);
        }
        if let Some(name) = cx.domain_controller() {
            command = command.with("DomainController", name);
        }
        let (place, pipeline) = (Place::exchange(&self.host), Pipeline::new(command));
        let mut queries = vec![Query {
            name: POLICIES,
            place,
            pipeline,
        }];
        if matches!(self.which, Which::InUse) && seen.get(POLICIES).is_some() {
            // What is wrong with the list is for the assessment to say.
            for (name, object) in self.policies(seen).unwrap_or_default() {
                queries.extend(self.users(&name, object).ok());
            }
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        let (policies, unused) = match self.in_scope(seen) {
            Ok(found) => found,
            Err(problem) => return Assessment::of(Verdict::Broken(problem)),
        };
        if policies.is_empty() {
            let reason = "no mailbox has an OWA mailbox policy: the virtual directories decide";
            return Assessment::of(Verdict::NotApplicable(reason.into()))
                .with_warnings(idle(&unused));
        }
        let differences = policies
            .iter()
            .flat_map(|(name, object)| messaging::differences(name, object))
            .collect();
        let mut assessment =
            Assessment::of(Verdict::from_differences(differences)).with_warnings(idle(&unused));
        assessment
            .facts
            .extend(domain_controller(cx, &policies).map(Fact::DomainController));
        assessment
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let (policies, _) = self.in_scope(seen)?;
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
