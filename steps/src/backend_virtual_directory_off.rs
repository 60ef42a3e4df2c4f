//! `backend.virtual-directory-off`: the OWA directory of the back end has no messaging provider.
//!
//! Messaging belongs to the front end's directory. The back end's has it enabled from the start,
//! which means nothing; a type other than none is somebody's mistake. It is not fatal, and the
//! vendor only advises against it: the step reports, and changes nothing.

use owaim_inventory::{ExchangeVersion, HostName};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::{
    Assessment, Context, Dependency, Difference, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, identity, messaging, owa_directory, read,
};

pub(crate) const ID: StepId = "backend.virtual-directory-off";

/// Name of the query.
const DIRECTORIES: &str = "directories";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendVirtualDirectoryOff {
    pub(crate) host: HostName,
}

impl BackendVirtualDirectoryOff {
    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let action = format!("read the back-end OWA virtual directory of {}", self.host);
        let objects: Vec<&Value> = read::clean(seen, DIRECTORIES, &action)?.objects().collect();
        let back_end: Vec<&Value> = objects
            .iter()
            .copied()
            .filter(|object| owa_directory::is_back_end(object))
            .collect();
        if back_end.is_empty() {
            let advice =
                "see whether the server has the mailbox role; correct its roles in the site file";
            return Err(
                Problem::new(action, "no directory of the back end", advice).expecting(format!(
                    r"{}\owa ({})",
                    self.host.short(),
                    owa_directory::BACK_END
                )),
            );
        }
        let mut differences = Vec::new();
        let mut warnings = Vec::new();
        for object in back_end {
            let identity = owa_directory::identity(object, &self.host, &action)?;
            let Some(kind) = messaging::provider(object) else {
                continue;
            };
            warnings.push(format!(
                "instant messaging belongs to the front end: take the provider out of {identity} with \
                 Set-OwaVirtualDirectory -InstantMessagingType None"
            ));
            differences.push(Difference {
                what: format!("{identity}: InstantMessagingType"),
                actual: Some(kind),
                desired: Some("None".into()),
                diff: None,
            });
        }
        let mut assessment =
            Assessment::of(Verdict::from_differences(differences)).with_warnings(warnings);
        assessment
            .facts
            .extend(owa_directory::domain_controller(cx, &objects).map(Fact::DomainController));
        Ok(assessment)
    }

    fn not_applicable(&self, cx: Context<'_>) -> Option<String> {
        let version = cx.exchange_version(&self.host);
        (version == ExchangeVersion::E2010)
            .then(|| format!("{version} has no OWA directory of the back end"))
    }
}

impl Step for BackendVirtualDirectoryOff {
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
        "the OWA virtual directory of the back end has no messaging provider".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::requires(crate::preflight_host::ID)]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_applicable(cx).is_some() {
            return Ok(Vec::new());
        }
        let server = identity::exact("a server", self.host.short())?;
        let mut command = Command::new("Get-OwaVirtualDirectory")
            .with("Server", server)
            .switch("ShowMailboxVirtualDirectories")
            .switch("ADPropertiesOnly");
        if let Some(name) = cx.domain_controller() {
            command = command.with("DomainController", name);
        }
        Ok(vec![Query {
            name: DIRECTORIES,
            // A server with the mailbox role alone has no endpoint of its own for this.
            place: Place::exchange(&cx.site.exchange.admin_host),
            pipeline: Pipeline::new(command),
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if let Some(reason) = self.not_applicable(cx) {
            return Assessment::of(Verdict::NotApplicable(reason));
        }
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
