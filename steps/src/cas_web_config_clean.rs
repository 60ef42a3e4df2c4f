//! `cas.web-config-clean`: the messaging keys do not stand in the front end's Web.config.
//!
//! That file has the name of the right one and is easily taken for it. OWA's messaging code never
//! reads it, so keys in it do nothing but mislead. The step reports them, and leaves the file
//! alone: nothing but the proxy's own setup should write it.

use owaim_inventory::{ExchangeVersion, HostName, WindowsPath};

use crate::{
    Assessment, Context, Dependency, Difference, Observations, Place, Problem, Query, Step, StepId,
    Target, Verdict, backend_web_config, file, read, web_config,
};

pub(crate) const ID: StepId = "cas.web-config-clean";

/// Name of the query.
const CONTENT: &str = "content";

/// The file, below the install root.
const FILE: &str = r"FrontEnd\HttpProxy\owa\web.config";

/// The step, for one client access server.
#[derive(Debug)]
pub(crate) struct WebConfigClean {
    pub(crate) host: HostName,
}

impl WebConfigClean {
    fn path(&self, cx: Context<'_>) -> Result<WindowsPath, Problem> {
        let root = cx.facts.install_root(&self.host).ok_or_else(|| {
            Problem::new(
                format!("find {FILE} of {}", self.host),
                "the install root is not known",
                "run preflight.host with it",
            )
        })?;
        Ok(root.join(FILE))
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let path = self.path(cx)?;
        let action = format!("read {path} on {}", self.host);
        let output = read::observed(seen, CONTENT, &action)?;
        if let Some(error) = output.errors().next() {
            if !read::is_not_found(error) {
                return Err(read::refused(&action, error));
            }
            let missing = format!(
                "{} has no {path}: see whether it is a client access server and whether its install root is right",
                self.host
            );
            return Ok(Assessment::of(Verdict::InPlace).with_warnings([missing]));
        }
        let bytes = read::content(output).ok_or_else(|| {
            Problem::new(
                &action,
                "something else than bytes",
                "run the command by hand; the transcript shows it",
            )
        })?;
        let found = match web_config::find(&bytes, &backend_web_config::KEYS) {
            Ok(found) => found,
            Err(error) => {
                let reason = format!("{path} on {} cannot be read: {error}", self.host);
                return Ok(Assessment::of(Verdict::Unknown(reason)));
            }
        };
        let differences: Vec<Difference> = found
            .iter()
            .map(|entry| Difference {
                what: format!("{} in {path}", entry.key),
                actual: Some(format!("in {}, {}", entry.place, entry.at)),
                desired: None,
                diff: None,
            })
            .collect();
        let advice = (!differences.is_empty()).then(|| {
            format!(
                "the messaging keys are without effect in {path} on {}, which is the proxy's file: take them out by \
                 hand; {}",
                self.host,
                belongs(cx.exchange_version(&self.host))
            )
        });
        Ok(Assessment::of(Verdict::from_differences(differences)).with_warnings(advice))
    }

    fn not_applicable(&self, cx: Context<'_>) -> Option<String> {
        let version = cx.exchange_version(&self.host);
        (version == ExchangeVersion::E2010).then(|| format!("{version} has no such file"))
    }
}

/// Where the keys should be instead.
fn belongs(version: ExchangeVersion) -> &'static str {
    if version == ExchangeVersion::E2013 {
        "backend.web-config sets them where they belong"
    } else {
        "this generation takes the values from a setting override"
    }
}

impl Step for WebConfigClean {
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
        "Web.config of the front end is free of the messaging keys".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::requires(crate::preflight_host::ID)]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_applicable(cx).is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![Query {
            name: CONTENT,
            place: Place::windows(&self.host),
            pipeline: file::content(cx, &self.host, &self.path(cx)?),
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
