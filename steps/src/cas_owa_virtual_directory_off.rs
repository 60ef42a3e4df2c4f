//! `cas.owa-virtual-directory-off`: the front-end OWA directories of one server no longer offer
//! instant messaging.
//!
//! The vendor's way to take the integration out of service: users who are offered messaging that
//! does not work get an error at each sign-on. Only the switch is turned; the type stays, so that
//! turning it on again needs nothing else. Not a step of the procedure itself but the one step of
//! `disable`. It looks at nothing else of the server first: messaging can be turned off while the
//! rest is broken.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Pipeline;

use crate::owa_directory::{self, FrontEnd};
use crate::{
    Action, Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, messaging, read,
};

pub(crate) const ID: StepId = "cas.owa-virtual-directory-off";

/// Name of the query.
const DIRECTORIES: &str = "directories";

/// The step, for one client access server.
#[derive(Debug)]
pub(crate) struct OwaVirtualDirectoryOff {
    pub(crate) host: HostName,
}

impl OwaVirtualDirectoryOff {
    fn objects<'a>(&self, seen: &'a Observations) -> Result<Vec<&'a Value>, Problem> {
        let action = owa_directory::reading(&self.host);
        Ok(read::clean(seen, DIRECTORIES, &action)?.objects().collect())
    }

    /// The directories that still offer messaging, and the domain controller to stay with.
    fn still_on<'a>(
        &self,
        cx: Context<'_>,
        seen: &'a Observations,
    ) -> Result<(Vec<FrontEnd<'a>>, Option<String>), Problem> {
        let objects = self.objects(seen)?;
        let controller = owa_directory::domain_controller(cx, &objects);
        let mut found =
            owa_directory::front_end(objects, &self.host, &owa_directory::reading(&self.host))?;
        found.retain(|directory| !messaging::is_off(directory.object));
        Ok((found, controller))
    }
}

impl Step for OwaVirtualDirectoryOff {
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
        "instant messaging is off in the OWA virtual directories of the front end".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        Ok(vec![Query {
            name: DIRECTORIES,
            place: Place::exchange(&self.host),
            pipeline: owa_directory::list(cx, &self.host)?,
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        match self.still_on(cx, seen) {
            Err(problem) => Assessment::of(Verdict::Broken(problem)),
            Ok((directories, controller)) => {
                let differences = directories
                    .iter()
                    .map(|d| messaging::still_on(&d.identity, d.object))
                    .collect();
                let mut assessment = Assessment::of(Verdict::from_differences(differences));
                assessment
                    .facts
                    .extend(controller.map(Fact::DomainController));
                assessment
            }
        }
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let (directories, controller) = self.still_on(cx, seen)?;
        let action = |FrontEnd { identity, object }: FrontEnd<'_>| Action {
            name: "turn-off",
            place: Place::exchange(&self.host),
            pipeline: Pipeline::new(messaging::turn_off(
                "Set-OwaVirtualDirectory",
                &identity,
                controller.as_deref(),
            )),
            changes: true,
            summary: format!("turn instant messaging off in {identity}"),
            saves: vec![owa_directory::saved(&identity, object)],
        };
        Ok(directories.into_iter().map(action).collect())
    }
}
