//! `lync.site`: the site file names the Lync site and the Front End pool as the topology does.
//!
//! A site has three names: identity, SiteId and display name. New trusted pools are put into it by
//! SiteId, while people say the display name; the two are often alike, and not always. The pool,
//! which becomes the next hop of the trusted pool and `IMServerName`, has to be one with a
//! Registrar ([`registrars`]). Where the Front End has a session configuration of its own, it is
//! tried here. All that before anything is changed: the steps of the Lync side require this one.

use owaim_proto::psrp::Command;

use crate::front_end::FrontEnd;
use crate::registrars::{self, Registrars};
use crate::{
    Assessment, Context, Dependency, Fact, Observations, Problem, Query, Step, StepId, Target,
    Verdict, read,
};

pub(crate) const ID: StepId = "lync.site";

/// Names of the queries.
const SITES: &str = "sites";
const LOCAL: &str = "sites-local";

/// The step, for the Front End that is asked.
#[derive(Debug)]
pub(crate) struct LyncSite {
    pub(crate) front_end: FrontEnd,
}

/// The names of a site.
struct Names {
    identity: String,
    site_id: String,
    display_name: String,
}

impl Names {
    fn described(&self) -> String {
        format!(
            "SiteId {:?} (display name {:?}, identity {})",
            self.site_id, self.display_name, self.identity
        )
    }
}

impl LyncSite {
    fn sites(&self, seen: &Observations) -> Result<Vec<Names>, Problem> {
        let action = format!("list the sites of the topology at {}", self.front_end.host);
        let text = |object, name| read::text(object, name).unwrap_or_default();
        let sites: Vec<Names> = read::clean(seen, SITES, &action)?
            .objects()
            .map(|object| Names {
                identity: text(object, "Identity"),
                site_id: text(object, "SiteId"),
                display_name: text(object, "DisplayName"),
            })
            .filter(|names| !names.site_id.is_empty())
            .collect();
        if sites.is_empty() {
            return Err(Problem::new(
                action,
                "no site came back",
                "see whether the account may read the topology",
            ));
        }
        Ok(sites)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let sites = self.sites(seen)?;
        if self.front_end.has_local {
            let action = format!(
                "read the topology at the endpoint lync-local of {}",
                self.front_end.host
            );
            read::clean(seen, LOCAL, &action)?;
        }
        let wanted = cx.site.lync.site_id.as_str();
        let same = |name: &str| name.eq_ignore_ascii_case(wanted);
        if let Some(names) = sites.iter().find(|names| same(&names.site_id)) {
            let registrars = Registrars::read(seen, &self.front_end.host)?;
            let known = Fact::LyncSite(names.identity.clone());
            // Back ends must not be told of a pool that nothing can be said to.
            return Ok(match registrars.check(&cx.site.lync) {
                Ok(()) => Assessment::of(Verdict::InPlace).with_fact(known),
                Err(problem) => {
                    let refused = Fact::NextHopRefused(problem.found.clone());
                    Assessment::of(Verdict::Broken(problem)).with_fact(refused)
                }
            });
        }
        let action = format!("find the Lync site {wanted:?}");
        let expected = "a SiteId of Get-CsSite";
        let by_other_name = sites.iter().find(|names| {
            let bare = names.identity.split_once(':').map_or("", |(_, name)| name);
            same(&names.display_name) || same(&names.identity) || same(bare)
        });
        let problem = if let Some(names) = by_other_name {
            let kind = if same(&names.display_name) {
                "a display name"
            } else {
                "an identity"
            };
            let found = format!("it is {kind}: of {}", names.described());
            let advice = format!("write site_id = {:?} in the site file", names.site_id);
            Problem::new(action, found, advice)
        } else {
            let all: Vec<String> = sites.iter().map(Names::described).collect();
            let found = format!("no such site; there is {}", all.join(", "));
            Problem::new(action, found, "write one of these SiteIds in the site file")
        };
        Err(problem.expecting(expected))
    }
}

impl Step for LyncSite {
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
        "the site file names the Lync site and the Front End pool as the topology does".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn probe(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let ask = || Command::new("Get-CsSite");
        let mut queries = vec![self.front_end.lync(SITES, ask())];
        if self.front_end.has_local {
            queries.push(self.front_end.local(LOCAL, ask()));
        }
        queries.extend(registrars::queries(&self.front_end));
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
