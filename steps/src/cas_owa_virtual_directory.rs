//! `cas.owa-virtual-directory`: the front-end OWA directories of one server offer instant
//! messaging through Lync.
//!
//! The directories are listed per server and changed one by one. The back-end directory is left
//! alone: it has the same name but for the site, and messaging does not belong there.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline};

use crate::{
    Action, Assessment, Context, Dependency, Fact, Observations, Place, Problem, Query, Step,
    StepId, Target, Verdict, identity, messaging, read,
};

pub(crate) const ID: StepId = "cas.owa-virtual-directory";

/// Name of the query.
const DIRECTORIES: &str = "directories";
/// Web site of the directory that renders OWA.
const BACK_END: &str = "Exchange Back End";

/// The step, for one client access server.
#[derive(Debug)]
pub(crate) struct OwaVirtualDirectory {
    pub(crate) host: HostName,
}

/// A front-end directory.
struct Directory<'a> {
    identity: String,
    object: &'a Value,
}

impl OwaVirtualDirectory {
    fn action(&self) -> String {
        format!("read the OWA virtual directories of {}", self.host)
    }

    /// The front-end directories of this very server.
    fn directories<'a>(&self, seen: &'a Observations) -> Result<Vec<Directory<'a>>, Problem> {
        let mut found = Vec::new();
        for object in read::clean(seen, DIRECTORIES, &self.action())?.objects() {
            let name = read::text(object, "Name").unwrap_or_default();
            let identity = read::text(object, "Identity").unwrap_or_default();
            let legacy = read::text(object, "OwaVersion")
                .is_some_and(|version| version.starts_with("Exchange2003"));
            // `owa (Default Web Site)`: the site is in the name even where WebSite is empty, as
            // it is with -ADPropertiesOnly.
            let site = name
                .rsplit_once('(')
                .map_or("", |(_, site)| site.trim_end_matches(')'));
            if legacy || site.eq_ignore_ascii_case(BACK_END) {
                continue;
            }
            let identity = identity::exact("an OWA virtual directory", &identity)?;
            let server = identity.split('\\').next().unwrap_or_default();
            if !server.eq_ignore_ascii_case(self.host.short()) {
                let problem = Problem::new(
                    self.action(),
                    format!("the directory {identity:?}"),
                    read::REPORT,
                );
                return Err(problem.expecting(format!("only directories of {}", self.host.short())));
            }
            found.push(Directory { identity, object });
        }
        if found.is_empty() {
            return Err(Problem::new(
                self.action(),
                "none but those of the back end",
                "see whether the server has the client access role; correct its roles in the site file, or create the \
                 directory with New-OwaVirtualDirectory",
            )
            .expecting("a front-end directory such as \"owa (Default Web Site)\""));
        }
        Ok(found)
    }
}

/// The domain controller to stay with: pinned, or the one that answered.
fn domain_controller(cx: Context<'_>, directories: &[Directory<'_>]) -> Option<String> {
    cx.domain_controller().or_else(|| {
        directories
            .first()
            .and_then(|d| read::text(d.object, "OriginatingServer"))
    })
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
        vec![Dependency::requires(crate::preflight_host::ID)]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let server = identity::exact("a server", self.host.short())?;
        let mut command = Command::new("Get-OwaVirtualDirectory")
            .with("Server", server)
            .switch("ADPropertiesOnly");
        if let Some(name) = cx.domain_controller() {
            command = command.with("DomainController", name);
        }
        let (place, pipeline) = (Place::exchange(&self.host), Pipeline::new(command));
        Ok(vec![Query {
            name: DIRECTORIES,
            place,
            pipeline,
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        let directories = match self.directories(seen) {
            Ok(directories) => directories,
            Err(problem) => return Assessment::of(Verdict::Broken(problem)),
        };
        let differences = directories
            .iter()
            .flat_map(|d| messaging::differences(&d.identity, d.object))
            .collect();
        let mut assessment = Assessment::of(Verdict::from_differences(differences));
        assessment
            .facts
            .extend(domain_controller(cx, &directories).map(Fact::DomainController));
        assessment
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let directories = self.directories(seen)?;
        let controller = domain_controller(cx, &directories);
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
                saves: vec![messaging::saved(
                    format!(
                        "virtual-directory-{}.json",
                        messaging::file_name(&directory.identity)
                    ),
                    &directory.identity,
                    directory.object,
                )],
            })
            .collect())
    }
}
