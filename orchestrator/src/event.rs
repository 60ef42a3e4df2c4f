//! [`Event`]: the only way out of the engine.
//!
//! Events are owned facts without display settings. Journal, transcript, progress bars and
//! reports consume the same stream; what is not in it did not happen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use owaim_inventory::{EndpointKind, HostName};
use owaim_steps::{Difference, Fact, Problem};
use serde::{Deserialize, Serialize};

use crate::outcome::{ExitCode, Outcome};

/// Number of a node within its run, in the order of the plan.
pub type NodeId = usize;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the run, from 0, without gaps.
    pub seq: u64,
    /// The workstation's clock.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What a run is allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Probe, assess, show the remedies; change nothing.
    Plan,
    /// Probe, remedy, verify.
    Apply,
    /// Probe and assess; change nothing.
    Verify,
    /// As `Verify`, for a schedule.
    Drift,
}

impl Mode {
    /// The word for it, as in run ids and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Drift => "drift",
        }
    }

    /// Whether a run of this mode changes anything.
    pub fn changes(self) -> bool {
        self == Self::Apply
    }
}

/// What the run may do with one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// Chosen: a drift is repaired (in a run that changes anything).
    Change,
    /// Looked at, and its drift counts.
    Check,
    /// Looked at only because a chosen step requires it.
    Support,
}

/// One node of the plan, for people and reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its number.
    pub node: NodeId,
    /// Id of its step.
    pub step: String,
    /// The server.
    pub host: HostName,
    /// The object on it, where the host is not enough.
    pub object: Option<String>,
    /// What must be true.
    pub title: String,
    /// What the run may do with it.
    pub treatment: Treatment,
    /// Nodes that come before it, whatever the strength of the edge.
    pub after: Vec<NodeId>,
}

impl NodeInfo {
    /// The object where there is one, else the host.
    pub fn target(&self) -> &str {
        self.object.as_deref().unwrap_or(self.host.as_str())
    }
}

/// A command as it was sent, fit for people and files: byte arrays are shortened to their
/// length and hash, secrets are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCommand {
    /// Cmdlet or program.
    pub name: String,
    /// Arguments in order: name (empty for a positional one) and the value as a PowerShell
    /// literal.
    pub parameters: Vec<(String, String)>,
}

/// One record that came back, fit for people and files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedRecord {
    /// `output`, `error`, `warning`, `verbose`, `debug`, `information`, `progress`, `host-call`.
    pub stream: String,
    /// Its text; for an object its string form, or its properties on several lines.
    pub text: String,
}

/// A pipeline in the context of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRef {
    /// Node on whose behalf it runs.
    pub node: NodeId,
    /// Attempt of that node, from 1.
    pub attempt: u32,
    /// Server.
    pub host: HostName,
    /// Endpoint of the server.
    pub endpoint: EndpointKind,
    /// Name of the query or action within the step.
    pub name: String,
}

/// How a node was assessed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AssessedState {
    /// In desired state.
    InPlace,
    /// Not in desired state.
    Drifted(Vec<Difference>),
    /// Does not concern this target.
    NotApplicable(String),
    /// Cannot be told now.
    Unknown(String),
    /// Wrong beyond repair by this step.
    Broken(Problem),
}

/// The kinds of [`Event`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// First event of every run.
    RunStarted {
        /// Run id.
        run: String,
        /// Name of the site.
        site: String,
        /// What the run may do.
        mode: Mode,
        /// Version of this program.
        version: String,
        /// The plan.
        nodes: Vec<NodeInfo>,
        /// What the site file allows and a person should look at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// A session was opened.
    SessionOpened {
        /// Server.
        host: HostName,
        /// Endpoint.
        endpoint: EndpointKind,
        /// URL.
        url: String,
        /// Account.
        username: String,
    },
    /// An attempt of a node begins at its probe.
    AttemptStarted {
        /// Node.
        node: NodeId,
        /// From 1.
        attempt: u32,
    },
    /// A pipeline is about to be sent. For one that changes, the journal is on disk before it
    /// leaves.
    PipelineSent {
        /// Which.
        #[serde(flatten)]
        pipeline: PipelineRef,
        /// Whether it may change the server.
        changes: bool,
        /// The statements.
        statements: Vec<Vec<SentCommand>>,
    },
    /// A pipeline came back.
    PipelineReturned {
        /// Which.
        #[serde(flatten)]
        pipeline: PipelineRef,
        /// Whether it may have changed the server.
        changes: bool,
        /// Milliseconds from sending to the last record.
        took_ms: u64,
        /// What came back.
        records: Vec<ReceivedRecord>,
        /// `completed`, `stopped` or `failed`.
        state: String,
    },
    /// A pipeline did not come back.
    PipelineLost {
        /// Which.
        #[serde(flatten)]
        pipeline: PipelineRef,
        /// Whether it may change the server.
        changes: bool,
        /// What happened.
        error: String,
        /// Whether the server may have carried it out.
        may_have_run: bool,
    },
    /// The observations of a probe were assessed.
    Assessed {
        /// Node.
        node: NodeId,
        /// Attempt.
        attempt: u32,
        /// The verdict.
        state: AssessedState,
        /// What was learnt.
        facts: Vec<Fact>,
        /// Things worth saying.
        warnings: Vec<String>,
        /// Actions that would repair it, or are about to: one line each.
        remedy: Vec<PlannedAction>,
    },
    /// A change is about to be made. On disk before the change is.
    ChangeStarting {
        /// Node.
        node: NodeId,
        /// Attempt.
        attempt: u32,
        /// Name of the action.
        action: String,
        /// One line for people.
        summary: String,
        /// What was there before: origin (path or object) and file below `before/`.
        saved: BTreeMap<String, String>,
    },
    /// A change was made. On disk before anything else is.
    ChangeDone {
        /// Node.
        node: NodeId,
        /// Attempt.
        attempt: u32,
        /// Name of the action.
        action: String,
        /// `None` if accepted, else what was wrong.
        error: Option<String>,
        /// What it gave that nobody can ask for again: file below `received/`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        received: Option<String>,
    },
    /// A node will be tried again.
    RetryScheduled {
        /// Node.
        node: NodeId,
        /// The attempt that will be made.
        attempt: u32,
        /// Milliseconds to wait first.
        wait_ms: u64,
        /// Why.
        reason: String,
    },
    /// A node has come to its end.
    NodeFinished {
        /// Node.
        node: NodeId,
        /// What became of it.
        outcome: Outcome,
        /// Milliseconds from its first attempt to its end; 0 if it was never tried.
        took_ms: u64,
    },
    /// The user asked to stop.
    Interrupted {
        /// Whether changes under way were abandoned too.
        now: bool,
    },
    /// Last event of every run that came to its end.
    RunFinished {
        /// Exit code of the program.
        exit: ExitCode,
    },
}

/// One action of a remedy, as shown in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAction {
    /// Name within the step.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// Whether it changes the server.
    pub changes: bool,
    /// Server.
    pub host: HostName,
    /// Endpoint.
    pub endpoint: EndpointKind,
    /// The equivalent PowerShell, for people to read, approve or run by hand.
    pub powershell: String,
}
