//! [`Step`]: probe, assess, remedy.

use std::fmt;
use std::time::Duration;

use owaim_inventory::{ExchangeVersion, HostName, Site};
use owaim_proto::psrp::PipelineOutput;
use serde::{Deserialize, Serialize};

use crate::{Action, Fact, Facts, Observations, Pfx, Query, Saved};

/// `phase.name`, for example `backend.web-config`.
pub type StepId = &'static str;

/// What a step is about: a host, and an object on it where the host is not enough.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The server.
    pub host: HostName,
    /// The object, for example the name of a mailbox policy.
    pub object: Option<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{object}"),
            None => write!(f, "{}", self.host),
        }
    }
}

/// What a step may know besides what it probes.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The site.
    pub site: &'a Site,
    /// What other steps have learnt in this run.
    pub facts: &'a Facts,
    /// What this very step learnt at its assessments in this run, oldest first; the way by
    /// which a second attempt recognises what the first one left behind.
    pub earlier: &'a [Fact],
    /// Whether this step's remedy was carried out and accepted to its end in this run. For what
    /// cannot be read back: see [`Verdict::Doubtful`].
    pub remedied: bool,
    /// Names of the changing actions of this step that were accepted in this run.
    pub accepted: &'a [&'static str],
    /// The certificate that the run may import, where the site file names one and the run has
    /// opened it.
    pub pfx: Option<&'a Pfx>,
}

impl Context<'_> {
    /// The domain controller that reads and writes go to: the one the site file pins, else the
    /// one that answered this step's first read.
    pub fn domain_controller(&self) -> Option<String> {
        let pinned = self
            .site
            .exchange
            .domain_controller
            .as_ref()
            .map(ToString::to_string);
        pinned.or_else(|| {
            self.earlier.iter().rev().find_map(|fact| match fact {
                Fact::DomainController(name) => Some(name.clone()),
                _ => None,
            })
        })
    }

    /// The generation of Exchange on `host`: as found, else as the site file says.
    pub fn exchange_version(&self, host: &HostName) -> ExchangeVersion {
        let declared = || {
            self.site
                .host(host)
                .map_or(self.site.exchange.version, |h| {
                    self.site.exchange_version(h)
                })
        };
        self.facts.exchange(host).copied().unwrap_or_else(declared)
    }

    /// Whether Windows PowerShell on `host` is at least `major`; the oldest one is assumed where
    /// nothing is known.
    pub fn has_powershell(&self, host: &HostName, major: u32) -> bool {
        self.facts
            .powershell(host)
            .is_some_and(|version| version.major >= major)
    }
}

impl Verdict {
    /// In place if nothing differs, else drifted.
    pub fn from_differences(differences: Vec<Difference>) -> Self {
        if differences.is_empty() {
            Self::InPlace
        } else {
            Self::Drifted(differences)
        }
    }
}

/// How firmly one step depends on another; from the loosest to the firmest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Comes later in a whole run; dropped when the other is not chosen.
    After,
    /// Goes by what the other learns, and can do without: the other is looked at in any case, and
    /// bars nothing, whatever becomes of it.
    Consults,
    /// Makes no sense without it.
    Requires,
}

/// Which nodes of the other step are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those on the same host.
    SameHost,
    /// All of them.
    All,
}

/// An edge to another step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// The step that comes first.
    pub on: StepId,
    /// How firmly.
    pub strength: Strength,
    /// Which of its nodes.
    pub scope: Scope,
}

impl Dependency {
    /// Requires `on` on the same host.
    pub const fn requires(on: StepId) -> Self {
        Self {
            on,
            strength: Strength::Requires,
            scope: Scope::SameHost,
        }
    }

    /// Requires all nodes of `on`.
    pub const fn requires_all(on: StepId) -> Self {
        Self {
            on,
            strength: Strength::Requires,
            scope: Scope::All,
        }
    }

    /// Consults `on` on the same host.
    pub const fn consults(on: StepId) -> Self {
        Self {
            on,
            strength: Strength::Consults,
            scope: Scope::SameHost,
        }
    }

    /// Consults all nodes of `on`.
    pub const fn consults_all(on: StepId) -> Self {
        Self {
            on,
            strength: Strength::Consults,
            scope: Scope::All,
        }
    }

    /// Comes after `on` on the same host.
    pub const fn after(on: StepId) -> Self {
        Self {
            on,
            strength: Strength::After,
            scope: Scope::SameHost,
        }
    }

    /// Comes after all nodes of `on`.
    pub const fn after_all(on: StepId) -> Self {
        Self {
            on,
            strength: Strength::After,
            scope: Scope::All,
        }
    }
}

/// Steps that must not be at work at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exclusive {
    /// Name of the group, for example `recycle:default`.
    pub group: String,
    /// How many of the group may be at work.
    pub limit: usize,
}

/// One thing that must be true of one target.
pub trait Step: fmt::Debug + Send + Sync {
    /// Its id.
    fn id(&self) -> StepId;

    /// What it is about.
    fn target(&self) -> Target;

    /// One line for people: what must be true.
    fn title(&self) -> String;

    /// The steps that come before it.
    fn dependencies(&self) -> Vec<Dependency>;

    /// The group it belongs to while it changes something.
    fn exclusive(&self, _site: &Site) -> Option<Exclusive> {
        None
    }

    /// Queries still to be run, given what was seen. Asked again after each round; the probe is
    /// over when every returned query has been observed. `Err` says why it cannot be probed.
    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem>;

    /// What the observations mean.
    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment;

    /// The actions that repair the drift that `assess` found in the same observations; run in
    /// order, each only after [`Step::accept`] has accepted the one before. A step that only
    /// reports returns none: its drift stays `drifted`.
    fn remedy(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Action>, Problem> {
        Ok(Vec::new())
    }

    /// Whether `action` may be sent again when its answer was lost and the probe still shows the
    /// drift. `false` for what takes time to show and must not happen twice, such as a recycle.
    fn repeatable(&self, _action: &Action) -> bool {
        true
    }

    /// How long a changing `action` may take where that is longer than the time-out of an attempt. Its
    /// answer is waited for so long; then it is not stopped, and not sent again either.
    fn takes_up_to(&self, _action: &Action) -> Duration {
        Duration::ZERO
    }

    /// How long a change that was accepted may take to show, at least; looked for all that time.
    fn settles_within(&self, _site: &Site) -> Duration {
        Duration::from_secs(15)
    }

    /// Whether it may import the certificate of the site file: the run opens it only then.
    fn wants_pfx(&self) -> bool {
        false
    }

    /// What of the output of an accepted action nobody can ask for a second time: kept in the run
    /// directory, below `received`.
    fn received(&self, _action: &Action, _output: &PipelineOutput) -> Option<Saved> {
        None
    }

    /// Whether `action` did what it should; by default, whether it gave no error record.
    fn accept(
        &self,
        _cx: Context<'_>,
        action: &Action,
        output: &PipelineOutput,
    ) -> Result<(), Problem> {
        match output.errors().next() {
            None => Ok(()),
            Some(error) => Err(Problem::from_record(action.name, error)),
        }
    }
}

/// What a probe means.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The verdict.
    pub verdict: Verdict,
    /// What was learnt, for steps that come later and for a second attempt.
    pub facts: Vec<Fact>,
    /// Things worth saying that change nothing: a certificate that expires soon.
    pub warnings: Vec<String>,
}

/// The state of a target.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// In desired state.
    InPlace,
    /// Not in desired state; what differs.
    Drifted(Vec<Difference>),
    /// The rule does not concern this target, with the reason.
    NotApplicable(String),
    /// Cannot be told now, with the reason.
    Unknown(String),
    /// Cannot be told from what can be read, and the remedy does no harm where it was not needed:
    /// a run that may change things carries it out once, others say that it is unknown.
    Doubtful {
        /// Why it cannot be told.
        reason: String,
        /// What the remedy makes sure of.
        differences: Vec<Difference>,
    },
    /// Something is wrong that no action of this step repairs.
    Broken(Problem),
}

/// One difference between desired and actual state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What differs: a property, a key of a file.
    pub what: String,
    /// As it is; `None` if absent.
    pub actual: Option<String>,
    /// As it should be; `None` if it should be absent.
    pub desired: Option<String>,
    /// For text files, a unified diff.
    pub diff: Option<String>,
}

/// Why a step cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{action}: {found}")]
pub struct Problem {
    /// What was attempted, with its subject.
    pub action: String,
    /// What was expected, if that is not plain from the action.
    pub expected: Option<String>,
    /// What came back.
    pub found: String,
    /// What to do next.
    pub advice: String,
    /// Whether trying again can help.
    pub retry: bool,
}

impl Problem {
    /// A problem that trying again does not solve.
    pub fn new(
        action: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            action: action.into(),
            expected: None,
            found: found.into(),
            advice: advice.into(),
            retry: false,
        }
    }

    /// Says what was expected.
    #[must_use]
    pub fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says that trying again can help.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retry = true;
        self
    }

    /// From an error record that `action` gave.
    pub fn from_record(action: &str, error: &owaim_proto::psrp::ErrorRecord) -> Self {
        Self {
            action: action.into(),
            expected: None,
            found: format!(
                "{} ({}, {})",
                error.message, error.error_id, error.category.name
            ),
            advice: "read the message of the server; the transcript has the whole record".into(),
            retry: false,
        }
    }
}

impl Assessment {
    /// An assessment without facts or warnings.
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            facts: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds what was learnt.
    #[must_use]
    pub fn with_fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    /// Adds things worth saying.
    #[must_use]
    pub fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }
}
