//! `cas.owa-virtual-directory`: the front-end OWA directories of one server offer instant
//! messaging through Lync.
//!
//! The directories are listed per server and changed one by one. The back-end directory is left
//! alone: it has the same name but for the site, and messaging does not belong there.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::Pipeline;

use crate::owa_directory::{self, FrontEnd};
use crate::{
    Action, Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, messaging, read,
};

pub(crate) const ID: StepId = "cas.owa-virtual-directory";

/// Name of the query.
const DIRECTORIES: &str = "directories";

/// The step, for one client access server.
#[derive(Debug)]
pub(crate) struct OwaVirtualDirectory {
    pub(crate) host: HostName,
}

impl OwaVirtualDirectory {
    /// The front-end directories, and the domain controller to stay with.
    fn directories<'a>(
        &self,
        cx: Context<'_>,
        seen: &'a Observations,
    ) -> Result<(Vec<FrontEnd<'a>>, Option<String>), Problem> {
        let action = owa_directory::reading(&self.host);
        let objects: Vec<&Value> = read::clean(seen, DIRECTORIES, &action)?.objects().collect();
        let controller = owa_directory::domain_controller(cx, &objects);
        let found = owa_directory::front_end(objects, &self.host, &action)?;
        Ok((found, controller))
    }
}

impl Step for OwaVirtualDirectory {
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
        "instant messaging is on in the OWA virtual directories of the front end".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::after_all(crate::lync_replication::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        Ok(vec![Query {
            name: DIRECTORIES,
            place: Place::exchange(&self.host),
            pipeline: owa_directory::list(cx, &self.host)?,
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        let (directories, controller) = match self.directories(cx, seen) {
            Ok(found) => found,
            Err(problem) => return Assessment::of(Verdict::Broken(problem)),
        };
        let differences = directories
            .iter()
            .flat_map(|d| messaging::differences(&d.identity, d.object))
            .collect();
        let mut assessment = Assessment::of(Verdict::from_differences(differences));
        assessment
            .facts
            .extend(controller.map(Fact::DomainController));
        assessment
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let (directories, controller) = self.directories(cx, seen)?;
        let drifted = directories
            .iter()
            .filter(|d| !messaging::differences(&d.identity, d.object).is_empty());
        Ok(drifted
            .map(|directory| Action {
                name: "set-directory",
                place: Place::exchange(&self.host),
                pipeline: Pipeline::new(messaging::set(
                    "Set-OwaVirtualDirectory",
                    &directory.identity,
                    controller.as_deref(),
                )),
                changes: true,
                summary: format!("turn instant messaging on in {}", directory.identity),
                saves: vec![owa_directory::saved(&directory.identity, directory.object)],
            })
            .collect())
    }
}
