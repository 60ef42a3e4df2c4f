//! [`Outcome`] of a node and [`ExitCode`] of a run.

use owaim_steps::{Difference, Problem};
use serde::{Deserialize, Serialize};

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Was in desired state.
    InPlace,
    /// Is in desired state because this run changed it.
    Changed {
        /// What differed before.
        differences: Vec<Difference>,
    },
    /// Is not in desired state, and this run does not change it.
    Drifted {
        /// What differs.
        differences: Vec<Difference>,
    },
    /// Does not concern this target.
    NotApplicable {
        /// Why.
        reason: String,
    },
    /// Could not be brought to desired state.
    Failed {
        /// Why.
        problem: Problem,
        /// What kind of failure.
        cause: FailureCause,
    },
    /// Not tried: something it requires is not in place.
    Blocked {
        /// The step and target that block it.
        by: String,
        /// Whether only unreachable or closed servers are behind it.
        unreachable: bool,
    },
    /// Cannot be told now.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Why a node failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// The server could not be reached or would not let us in.
    Unreachable,
    /// The step itself.
    Step,
}

impl Outcome {
    /// The word for it: `in-place`, `changed`, …
    pub fn word(&self) -> &'static str {
        match self {
            Self::InPlace => "in-place",
            Self::Changed { .. } => "changed",
            Self::Drifted { .. } => "drifted",
            Self::NotApplicable { .. } => "not-applicable",
            Self::Failed { .. } => "failed",
            Self::Blocked { .. } => "blocked",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether steps that require this one may go on.
    pub fn satisfies(&self) -> bool {
        matches!(
            self,
            Self::InPlace
                | Self::Changed { .. }
                | Self::NotApplicable { .. }
                | Self::Unknown { .. }
        )
    }
}

/// Exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitCode {
    /// 0
    Success,
    /// 1: a step failed, or is blocked by a failed one
    StepFailed,
    /// 2: drift found by a run that changes nothing
    Drift,
    /// 3: invalid site file or arguments, nothing contacted
    Invalid,
    /// 4: a server could not be reached or would not let us in
    Unreachable,
    /// 5: the site is locked by another run
    Locked,
    /// 130: interrupted
    Interrupted,
}

impl ExitCode {
    /// The number the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::StepFailed => 1,
            Self::Drift => 2,
            Self::Invalid => 3,
            Self::Unreachable => 4,
            Self::Locked => 5,
            Self::Interrupted => 130,
        }
    }

    /// The word for it, as in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::StepFailed => "step-failed",
            Self::Drift => "drift",
            Self::Invalid => "invalid",
            Self::Unreachable => "unreachable",
            Self::Locked => "locked",
            Self::Interrupted => "interrupted",
        }
    }

    /// The code that the outcomes of a run deserve; `strict` makes an unknown a drift.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>, strict: bool) -> Self {
        let rank = |outcome: &Outcome| match outcome {
            Outcome::Failed {
                cause: FailureCause::Step,
                ..
            }
            | Outcome::Blocked {
                unreachable: false, ..
            } => (3, Self::StepFailed),
            Outcome::Failed {
                cause: FailureCause::Unreachable,
                ..
            }
            | Outcome::Blocked {
                unreachable: true, ..
            } => (2, Self::Unreachable),
            Outcome::Drifted { .. } => (1, Self::Drift),
            Outcome::Unknown { .. } if strict => (1, Self::Drift),
            _ => (0, Self::Success),
        };
        outcomes
            .into_iter()
            .map(rank)
            .max_by_key(|(rank, _)| *rank)
            .map_or(Self::Success, |(_, code)| code)
    }
}
