//! `mailbox.users`: a sampled user has what instant messaging in OWA takes.
//!
//! The site file names a few users, by address; each is a node. Looked at is Exchange's side: the
//! mailbox is on a backend in scope and of its generation, OWA is on for the user, the policy in
//! force is one that the run takes care of, and there is a SIP address. Lync's side is the matter
//! of `mailbox.lync-users`, which asks another server and compares with the addresses found here.
//! Users belong to others: the step reports, and changes nothing.

use owaim_inventory::{ExchangeVersion, Host, HostName, PolicyScope, Role, Site};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::findings::Findings;
use crate::{
    Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step, StepId,
    Target, Verdict, identity, read,
};

pub(crate) const ID: StepId = "mailbox.users";

/// Names of the queries.
const MAILBOX: &str = "mailbox";
const ACCESS: &str = "client-access";

/// Prefix of a SIP address; its case varies.
const SIP: &str = "sip:";

/// The step, for one user.
#[derive(Debug)]
pub(crate) struct MailboxUser {
    /// The server whose Exchange endpoint is asked.
    pub(crate) host: HostName,
    /// Address of the user, as the site file has it.
    pub(crate) user: String,
}

impl MailboxUser {
    /// The one object that `query` gave.
    fn object<'a>(&self, seen: &'a Observations, query: &str) -> Result<&'a Value, Problem> {
        let action = format!("read the mailbox of {}", self.user);
        let output = read::observed(seen, query, &action)?;
        if let Some(error) = output.errors().next() {
            let mut problem = read::refused(&action, error);
            if read::is_not_found(error) {
                problem.expected = Some("a mailbox".into());
                problem.advice =
                    "correct the address in the site file, or give the user a mailbox".into();
            }
            return Err(problem);
        }
        let advice = "name the user in the site file by an address that no other mailbox has";
        let mut objects = output.objects();
        match (objects.next(), objects.next()) {
            (Some(object), None) => Ok(object),
            (None, _) => Err(Problem::new(action, "no mailbox came back", advice)),
            (Some(_), Some(_)) => Err(Problem::new(action, "more than one mailbox", advice)),
        }
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let mailbox = self.object(seen, MAILBOX)?;
        let access = self.object(seen, ACCESS)?;
        let mut findings = Findings::default();
        let sip_addresses = sip_addresses(mailbox);
        self.server(cx, mailbox, &mut findings);
        self.access(cx, access, &mut findings);
        self.sip_address(&sip_addresses, &mut findings);
        let mut assessment =
            findings
                .assessment()
                .with_fact(Fact::Mailbox(crate::SampledMailbox {
                    user: self.user.clone(),
                    principal: read::text(mailbox, "UserPrincipalName"),
                    sip_addresses,
                }));
        let controller = cx
            .domain_controller()
            .or_else(|| read::text(mailbox, "OriginatingServer"));
        assessment
            .facts
            .extend(controller.map(Fact::DomainController));
        Ok(assessment)
    }

    /// The mailbox is on a backend in scope, and of its generation.
    fn server(&self, cx: Context<'_>, mailbox: &Value, findings: &mut Findings) {
        let user = &self.user;
        let server = read::text(mailbox, "ServerName");
        let Some(host) = server.as_deref().and_then(|name| backend(cx.site, name)) else {
            findings.add(
                format!("{user}: ServerName"),
                server,
                "one of the backends of the site".into(),
                format!(
                    "move the mailbox of {user} to one of the backends, or add its server to the site file"
                ),
            );
            return;
        };
        let wanted = if cx.exchange_version(&host.name) == ExchangeVersion::E2010 {
            14
        } else {
            15
        };
        let found = read::text(mailbox, "ExchangeVersion");
        if found
            .as_deref()
            .and_then(generation)
            .is_some_and(|found| found != wanted)
        {
            findings.add(
                format!("{user}: ExchangeVersion"),
                found,
                format!("{wanted}.x, as its server"),
                format!("move the mailbox of {user} to a database of its own generation"),
            );
        }
    }

    /// OWA is on, and the policy in force is in scope. Without a policy the directories decide.
    fn access(&self, cx: Context<'_>, access: &Value, findings: &mut Findings) {
        let user = &self.user;
        let enabled = access.get("OWAEnabled");
        if enabled.and_then(read::flag) != Some(true) {
            findings.add(
                format!("{user}: OWAEnabled"),
                enabled.and_then(Value::text),
                "True".into(),
                format!("turn Outlook Web App on for {user} with Set-CASMailbox -OWAEnabled"),
            );
        }
        if let PolicyScope::Named(names) = &cx.site.policies
            && let Some(policy) = read::text(access, "OwaMailboxPolicy")
            && !names.iter().any(|name| is_policy(&policy, name))
        {
            findings.add(
                format!("{user}: OwaMailboxPolicy"),
                Some(policy.clone()),
                format!("none, or one of {}", names.join(", ")),
                format!(
                    "the policy {policy} of {user} is out of scope, and it overrides the virtual directories: add it \
                     to the site file, or give the user another one"
                ),
            );
        }
    }

    /// There is a SIP address. That Lync knows the user by the same one is for Lync to say.
    fn sip_address(&self, found: &[String], findings: &mut Findings) {
        let user = &self.user;
        if found.is_empty() {
            findings.add(
                format!("{user}: EmailAddresses"),
                None,
                "a SIP address, sip:NAME@DOMAIN".into(),
                format!(
                    "give {user} the SIP address that Lync knows as one of the addresses of the mailbox, best by an \
                     address policy"
                ),
            );
        }
    }

    fn query(&self, cx: Context<'_>, name: &'static str, cmdlet: &str) -> Result<Query, Problem> {
        let user = identity::exact("a user", &self.user)?;
        let mut command = Command::new(cmdlet).with("Identity", user);
        if let Some(name) = cx.domain_controller() {
            command = command.with("DomainController", name);
        }
        Ok(Query {
            name,
            place: Place::exchange(&self.host),
            pipeline: Pipeline::new(command),
        })
    }
}

/// The SIP addresses among those of a mailbox, which come as a list or as one text.
fn sip_addresses(mailbox: &Value) -> Vec<String> {
    let addresses = mailbox.get("EmailAddresses");
    addresses
        .and_then(Value::items)
        .unwrap_or_default()
        .iter()
        .chain(addresses)
        .filter_map(Value::text)
        .filter_map(|address| bare_sip(&address).map(str::to_owned))
        .collect()
}

/// A SIP address without its prefix; `None` if it has none.
pub(crate) fn bare_sip(address: &str) -> Option<&str> {
    let (prefix, bare) = address.split_at_checked(SIP.len())?;
    prefix.eq_ignore_ascii_case(SIP).then_some(bare)
}

/// The backend in scope that Exchange calls `name`: by its first label, or in full.
fn backend<'a>(site: &'a Site, name: &str) -> Option<&'a Host> {
    site.hosts_with(Role::Backend).find(|host| {
        host.name.short().eq_ignore_ascii_case(name)
            || host.name.as_str().eq_ignore_ascii_case(name)
    })
}

/// The major number of the server that `0.20 (15.0.0.0)` speaks of.
fn generation(version: &str) -> Option<u32> {
    let (_, server) = version.split_once('(')?;
    server.split('.').next()?.trim().parse().ok()
}

/// Whether `policy`, a name or a path that ends in one, is the policy `name`.
fn is_policy(policy: &str, name: &str) -> bool {
    let last = policy.rsplit(['\\', '/']).next().unwrap_or_default();
    policy.eq_ignore_ascii_case(name) || last.eq_ignore_ascii_case(name)
}

impl Step for MailboxUser {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: Some(self.user.clone()),
        }
    }

    fn title(&self) -> String {
        format!("{} has what instant messaging in OWA takes", self.user)
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::after_all(crate::mailbox_policy::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        Ok(vec![
            self.query(cx, MAILBOX, "Get-Mailbox")?,
            self.query(cx, ACCESS, "Get-CASMailbox")?,
        ])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
