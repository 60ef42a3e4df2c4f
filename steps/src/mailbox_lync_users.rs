//! `mailbox.lync-users`: a sampled user of OWA is one whom Lync serves, under the same address.
//!
//! The other half of `mailbox.users`. It is a node of its own because it asks another server: a
//! Front End that does not answer, or does not show the command, hides nothing of what Exchange
//! said. The address of the mailbox comes from there; where Exchange was not asked, or did not
//! answer, all but the comparison is done. Users belong to others: the step reports, and changes
//! nothing.

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, ErrorRecord};

use crate::findings::Findings;
use crate::front_end::{FrontEnd, bare};
use crate::mailbox_users::bare_sip;
use crate::{
    Assessment, Context, Dependency, Observations, Problem, Query, SampledMailbox, Step, StepId,
    Target, Verdict, identity, mailbox_users, read, registrars,
};

pub(crate) const ID: StepId = "mailbox.lync-users";

/// Names of the queries.
const USER: &str = "user";
const ANY_USER: &str = "any-user";
const REGISTRARS: &str = "registrars";

/// Category `InvalidData`, which Lync's cmdlets give for an identity that nobody has.
const INVALID_DATA: i32 = 6;

/// The step, for one user.
#[derive(Debug)]
pub(crate) struct LyncUser {
    pub(crate) front_end: FrontEnd,
    /// Address of the user, as the site file has it.
    pub(crate) user: String,
}

impl LyncUser {
    /// What `mailbox.users` learnt of the user in this run.
    fn mailbox<'a>(&self, cx: Context<'a>) -> Option<&'a SampledMailbox> {
        cx.facts.mailbox(&cx.site.exchange.admin_host, &self.user)
    }

    fn action(&self) -> String {
        format!("look up {} in Lync at {}", self.user, self.front_end.host)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let action = self.action();
        let mailbox = self.mailbox(cx);
        let output = read::observed(seen, USER, &action)?;
        let mut findings = Findings::default();
        if let Some(error) = output.errors().next() {
            if !may_be_unknown(error) {
                return Err(read::refused(&action, error));
            }
            // Only somebody who sees users at all can say that there is no such user.
            read::clean(seen, ANY_USER, &action)?;
            self.unknown(mailbox, &mut findings);
            return Ok(findings.assessment());
        }
        let mut objects = output.objects();
        let entry = match (objects.next(), objects.next()) {
            (Some(entry), None) => entry,
            (None, _) => {
                self.unknown(mailbox, &mut findings);
                return Ok(findings.assessment());
            }
            (Some(_), Some(_)) => {
                return Err(Problem::new(
                    action,
                    "more than one user",
                    "name the user in the site file by an address that no other user has",
                ));
            }
        };
        self.enabled(entry, &mut findings);
        self.sip_address(entry, mailbox, &mut findings);
        self.registrar(entry, seen, &mut findings);
        Ok(findings.assessment())
    }

    fn unknown(&self, mailbox: Option<&SampledMailbox>, findings: &mut Findings) {
        let user = &self.user;
        let address = mailbox
            .and_then(|mailbox| mailbox.sip_addresses.first())
            .map(|address| format!(", with the SIP address of the mailbox, sip:{address}"))
            .unwrap_or_default();
        findings.add(
            format!("{user}: user of Lync"),
            None,
            "enabled for Lync".into(),
            format!("enable {user} for Lync with Enable-CsUser{address}"),
        );
    }

    fn enabled(&self, entry: &Value, findings: &mut Findings) {
        let user = &self.user;
        let enabled = entry.get("Enabled");
        if enabled.and_then(read::flag) != Some(true) {
            findings.add(
                format!("{user}: Enabled in Lync"),
                enabled.and_then(Value::text),
                "True".into(),
                format!(
                    "{user} is known in Lync and switched off there: turn it on with Set-CsUser -Enabled"
                ),
            );
        }
    }

    /// The mailbox has the address that Lync knows. That it has one at all is for `mailbox.users`
    /// to say.
    fn sip_address(
        &self,
        entry: &Value,
        mailbox: Option<&SampledMailbox>,
        findings: &mut Findings,
    ) {
        let user = &self.user;
        let Some(address) = read::text(entry, "SipAddress") else {
            findings.add(
                format!("{user}: SipAddress in Lync"),
                None,
                "a SIP address, sip:NAME@DOMAIN".into(),
                format!("give {user} a SIP address with Set-CsUser -SipAddress"),
            );
            return;
        };
        let Some(mailbox) = mailbox else {
            findings.told.push(format!(
                "the SIP address of {user} in Lync, {address}, was not compared with the mailbox: {} has not told its \
                 addresses in this run",
                mailbox_users::ID
            ));
            return;
        };
        let bare = bare_sip(&address).unwrap_or(&address);
        let known = &mailbox.sip_addresses;
        if known.is_empty() || known.iter().any(|own| own.eq_ignore_ascii_case(bare)) {
            return;
        }
        let own: Vec<String> = known.iter().map(|own| format!("sip:{own}")).collect();
        let own = own.join(", ");
        findings.add(
            format!("{user}: SipAddress in Lync"),
            Some(address.clone()),
            format!("{own}, as the mailbox has it"),
            format!(
                "Outlook Web App signs {user} on to Lync with the SIP address of the mailbox, {own}, which Lync knows \
                 as {address}: make them the same, in the addresses of the mailbox or with Set-CsUser -SipAddress"
            ),
        );
    }

    fn registrar(&self, entry: &Value, seen: &Observations, findings: &mut Findings) {
        let user = &self.user;
        let Some(pool) = read::text(entry, "RegistrarPool") else {
            findings.add(
                format!("{user}: RegistrarPool"),
                None,
                "a Front End pool".into(),
                format!(
                    "{user} is homed on no Front End pool: move the user to one with Move-CsUser"
                ),
            );
            return;
        };
        let action = format!("list the registrars at {}", self.front_end.host);
        let listed = match read::clean(seen, REGISTRARS, &action) {
            Ok(output) => output,
            Err(problem) => {
                findings.told.push(format!(
                    "whether {pool}, the pool of {user}, is in the topology was not looked at: {problem}"
                ));
                return;
            }
        };
        let exists = listed
            .objects()
            .filter_map(registrars::pool_of)
            .any(|fqdn| fqdn.eq_ignore_ascii_case(bare(&pool)));
        if !exists {
            findings.add(
                format!("{user}: RegistrarPool"),
                Some(pool.clone()),
                "a pool with a Registrar in the topology".into(),
                format!(
                    "{user} is homed on {pool}, which is no pool with a Registrar any more: move the user to one with \
                     Move-CsUser -Force"
                ),
            );
        }
    }
}

/// Whether the error may mean that there is no such user: what Lync's cmdlets give then is not
/// documented, and both categories are met.
fn may_be_unknown(error: &ErrorRecord) -> bool {
    read::is_not_found(error)
        || (!read::is_missing_command(error) && error.category.code == INVALID_DATA)
}

impl Step for LyncUser {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.front_end.host.clone(),
            object: Some(self.user.clone()),
        }
    }

    fn title(&self) -> String {
        format!(
            "Lync serves {}, under the SIP address of the mailbox",
            self.user
        )
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::after_all(mailbox_users::ID)]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        // Lync does not know the addresses of mailboxes, but the principal name it does.
        let principal = self
            .mailbox(cx)
            .and_then(|mailbox| mailbox.principal.as_ref());
        let name = identity::exact("a user", principal.unwrap_or(&self.user))?;
        let mut queries = vec![
            self.front_end
                .lync(USER, Command::new("Get-CsUser").with("Identity", name)),
            self.front_end.lync(
                REGISTRARS,
                Command::new("Get-CsService").switch("Registrar"),
            ),
        ];
        let unknown = seen
            .get(USER)
            .is_some_and(|output| output.errors().next().is_some_and(may_be_unknown));
        if unknown {
            let any = Command::new("Get-CsUser").with("ResultSize", 1);
            queries.push(self.front_end.lync(ANY_USER, any));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
