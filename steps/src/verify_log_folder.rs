//! `verify.log-folder`: OWA keeps its instant messaging log.
//!
//! The folder appears with the first sign-on. Missing before one it says nothing; missing after
//! one it says that the integration does not work.

use owaim_inventory::{ExchangeVersion, HostName, WindowsPath};
use owaim_proto::psrp::{Command, Pipeline};

use crate::{
    Assessment, Context, Dependency, Observations, Place, Problem, Query, Step, StepId, Target,
    Verdict, read, verify_event_112,
};

pub(crate) const ID: StepId = "verify.log-folder";

/// Name of the query.
const FOLDER: &str = "folder";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct VerifyLogFolder {
    pub(crate) host: HostName,
}

impl VerifyLogFolder {
    fn folder(&self, cx: Context<'_>) -> Result<WindowsPath, Problem> {
        let root = cx.facts.install_root(&self.host).ok_or_else(|| {
            let action = format!("find the messaging log of {}", self.host);
            Problem::new(
                action,
                "the install root is not known",
                "run preflight.host with it",
            )
        })?;
        Ok(root.join(r"Logging\OWA\InstantMessaging"))
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Verdict, Problem> {
        let folder = self.folder(cx)?;
        let action = format!("look for {folder} on {}", self.host);
        let answer = read::single(seen, FOLDER, &action)?;
        let exists = read::flag(answer).ok_or_else(|| {
            Problem::new(&action, format!("{:?}", answer.text()), read::REPORT)
                .expecting("true or false")
        })?;
        Ok(match cx.facts.sign_on(&self.host) {
            _ if exists => Verdict::InPlace,
            None => Verdict::Unknown("the folder is missing, and whether anybody has signed on is not known".into()),
            Some(None) => Verdict::Unknown("the folder comes with the first sign-on, and there was none yet".into()),
            Some(Some(at)) => Verdict::Broken(
                Problem::new(
                    action,
                    format!("the folder is missing although somebody signed on at {at}"),
                    "the integration does not work: see what verify.event-112 says, and whether the account of the \
                     application pool may write below the folder Logging",
                )
                .expecting("the folder"),
            ),
        })
    }

    fn not_applicable(&self, cx: Context<'_>) -> Option<String> {
        let version = cx.exchange_version(&self.host);
        (version == ExchangeVersion::E2010).then(|| format!("{version} keeps no such log"))
    }
}

impl Step for VerifyLogFolder {
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
        "OWA keeps its instant messaging log".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::requires(crate::backend_recycle::ID),
            Dependency::after(verify_event_112::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_applicable(cx).is_some()
            || verify_event_112::known_after_apply(cx, &self.host).is_some()
        {
            return Ok(Vec::new());
        }
        let command = Command::new("Test-Path")
            .with("LiteralPath", self.folder(cx)?.as_str())
            .with("PathType", "Container");
        Ok(vec![Query {
            name: FOLDER,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(command),
        }])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        let verdict = if let Some(reason) = self.not_applicable(cx) {
            Verdict::NotApplicable(reason)
        } else if let Some(reason) = verify_event_112::known_after_apply(cx, &self.host) {
            Verdict::Unknown(reason)
        } else {
            self.verdict(cx, seen).unwrap_or_else(Verdict::Broken)
        };
        Assessment::of(verdict)
    }
}
