//! The report at the end of a run, for programs: one JSON document.
//!
//! The names of its members are part of the command's outside: they are added to, never renamed.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use owaim_steps::{BackendDecision, Difference, Problem};
use serde::Serialize;

use super::{Counts, NodeView, RunView, decision};
use crate::event::{Mode, PlannedAction, Treatment};
use crate::history::Comparison;
use crate::outcome::{ExitCode, FailureCause, Outcome};

#[derive(Serialize)]
struct Document<'a> {
    run: &'a str,
    site: &'a str,
    mode: Option<Mode>,
    version: &'a str,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    interrupted: bool,
    exit_code: Option<Exit>,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
    /// What each backend needs of the trusted application pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_decision: Option<&'a [BackendDecision]>,
    nodes: Vec<Node<'a>>,
    run_dir: String,
}

#[derive(Serialize)]
struct Exit {
    number: u8,
    word: &'static str,
}

impl From<ExitCode> for Exit {
    fn from(code: ExitCode) -> Self {
        Self {
            number: code.number(),
            word: code.word(),
        }
    }
}

#[derive(Serialize)]
struct Node<'a> {
    step: &'a str,
    host: &'a str,
    object: Option<&'a str>,
    title: &'a str,
    treatment: Treatment,
    /// `unfinished` if the run was cut short.
    outcome: &'static str,
    /// Why it does not apply or is unknown, or what blocks it.
    reason: Option<&'a str>,
    cause: Option<FailureCause>,
    problem: Option<&'a Problem>,
    differences: &'a [Difference],
    actions: &'a [PlannedAction],
    warnings: &'a [String],
    attempts: u32,
    took_ms: u64,
}

impl<'a> From<&'a NodeView> for Node<'a> {
    fn from(node: &'a NodeView) -> Self {
        let (reason, problem, cause) = match &node.outcome {
            Some(Outcome::NotApplicable { reason } | Outcome::Unknown { reason }) => {
                (Some(reason.as_str()), None, None)
            }
            Some(Outcome::Blocked { by, .. }) => (Some(by.as_str()), None, None),
            Some(Outcome::Failed { problem, cause }) => (None, Some(problem), Some(*cause)),
            _ => (None, None, None),
        };
        Self {
            step: &node.info.step,
            host: node.info.host.as_str(),
            object: node.info.object.as_deref(),
            title: &node.info.title,
            treatment: node.info.treatment,
            outcome: node.outcome.as_ref().map_or("unfinished", Outcome::word),
            reason,
            cause,
            problem,
            differences: node.differences(),
            actions: &node.remedy,
            warnings: &node.warnings,
            attempts: node.attempts,
            took_ms: node.took_ms,
        }
    }
}

/// Writes `view` as one document with a line end after it.
pub fn write(
    out: &mut dyn Write,
    view: &RunView,
    run_dir: &Path,
    comparison: Option<&Comparison>,
) -> io::Result<()> {
    let document = Document {
        run: &view.run,
        site: &view.site,
        mode: view.mode,
        version: &view.version,
        started: view.started,
        finished: view.exit.and(view.last),
        interrupted: view.interrupted,
        exit_code: view.exit.map(Exit::from),
        counts: view.counts(),
        comparison,
        pool_decision: decision::of(view).map(|decision| decision.backends.as_slice()),
        nodes: view.nodes.iter().map(Node::from).collect(),
        run_dir: run_dir.display().to_string(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    #[test]
    fn a_run_is_one_document() {
        let mut out = Vec::new();
        write(
            &mut out,
            &canned::view(&canned::events()),
            Path::new("/state/run"),
            None,
        )
        .unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
