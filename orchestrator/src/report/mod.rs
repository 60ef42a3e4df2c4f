//! Reports: what a run amounts to, for people, for programs, as it goes and at its end.
//!
//! [`RunView`] collects a stream of events into the state of every node; [`text`], [`plan`] and
//! [`json`] render it, [`progress`] shows it while it grows. [`Reporter`] is the consumer that
//! renders at the end of a run. Nothing here decides anything.

mod decision;
pub mod json;
pub mod plan;
pub mod progress;
pub mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use owaim_inventory::{EndpointKind, HostName};
use owaim_steps::{Difference, Fact};
use serde::Serialize;

use crate::bus::Consumer;
use crate::event::{AssessedState, Event, EventKind, Mode, NodeId, NodeInfo, PlannedAction};
use crate::history::{self, Comparison, Known};
use crate::outcome::{ExitCode, Outcome};

/// What is known of a run from its events so far.
#[derive(Debug, Clone, Default)]
pub struct RunView {
    /// Run id.
    pub run: String,
    /// Name of the site.
    pub site: String,
    /// What the run may do; `None` before its first event.
    pub mode: Option<Mode>,
    /// Version of the program that ran.
    pub version: String,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When the last event happened.
    pub last: Option<Timestamp>,
    /// Its nodes, in the order of the plan.
    pub nodes: Vec<NodeView>,
    /// Whether the user asked to stop.
    pub interrupted: bool,
    /// How it ended; `None` if it has not.
    pub exit: Option<ExitCode>,
}

/// What is known of a node.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// As it was planned.
    pub info: NodeInfo,
    /// Attempts begun.
    pub attempts: u32,
    /// The first differences found in the run: how it was before any change.
    pub found: Vec<Difference>,
    /// What was learnt at the latest assessment.
    pub facts: Vec<Fact>,
    /// Warnings of the latest assessment.
    pub warnings: Vec<String>,
    /// The remedy shown first.
    pub remedy: Vec<PlannedAction>,
    /// Changes begun, oldest first.
    pub changes: Vec<ChangeView>,
    /// Where its latest pipeline went.
    pub place: Option<(HostName, EndpointKind)>,
    /// What became of it; `None` if it has not come to its end.
    pub outcome: Option<Outcome>,
    /// Milliseconds from its first attempt to its end.
    pub took_ms: u64,
}

/// A change that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeView {
    /// When it was begun.
    pub at: Timestamp,
    /// Attempt of the node.
    pub attempt: u32,
    /// Name of the action.
    pub action: String,
    /// One line for people.
    pub summary: String,
    /// What was there before: origin and file below `before/`.
    pub saved: BTreeMap<String, String>,
    /// How it ended.
    pub end: ChangeEnd,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeEnd {
    /// It has not, or nobody learnt how.
    Open,
    /// Accepted.
    Done,
    /// Not accepted, with the reason.
    Failed(String),
}

impl NodeView {
    fn new(info: NodeInfo) -> Self {
        Self {
            info,
            attempts: 0,
            found: Vec::new(),
            facts: Vec::new(),
            warnings: Vec::new(),
            remedy: Vec::new(),
            changes: Vec::new(),
            place: None,
            outcome: None,
            took_ms: 0,
        }
    }

    /// What differs or differed: the outcome's differences, else those found first.
    pub fn differences(&self) -> &[Difference] {
        match &self.outcome {
            Some(Outcome::Changed { differences } | Outcome::Drifted { differences })
                if !differences.is_empty() =>
            {
                differences
            }
            _ => &self.found,
        }
    }

    /// Step and target, for people: `backend.recycle on atl-mbx-001.litwareinc.com`.
    pub fn label(&self) -> String {
        label(&self.info)
    }
}

/// Step and target, for people: `mailbox.policy Default on atl-cas-001.litwareinc.com`.
pub fn label(info: &NodeInfo) -> String {
    match &info.object {
        Some(object) => format!("{} {} on {}", info.step, printable(object), info.host),
        None => format!("{} on {}", info.step, info.host),
    }
}

impl RunView {
    /// Takes one event in. Events of nodes that were not planned are ignored.
    pub fn note(&mut self, event: &Event) {
        self.last = Some(event.at);
        match &event.kind {
            EventKind::RunStarted {
                run,
                site,
                mode,
                version,
                nodes,
                ..
            } => {
                *self = Self {
                    run: run.clone(),
                    site: site.clone(),
                    mode: Some(*mode),
                    version: version.clone(),
                    started: Some(event.at),
                    last: self.last,
                    nodes: nodes.iter().cloned().map(NodeView::new).collect(),
                    interrupted: false,
                    exit: None,
                };
            }
            EventKind::Interrupted { .. } => self.interrupted = true,
            EventKind::RunFinished { exit } => self.exit = Some(*exit),
            EventKind::SessionOpened { .. } => {}
            EventKind::PipelineSent { pipeline, .. }
            | EventKind::PipelineReturned { pipeline, .. }
            | EventKind::PipelineLost { pipeline, .. } => {
                if let Some(node) = self.node_mut(pipeline.node) {
                    node.place = Some((pipeline.host.clone(), pipeline.endpoint));
                }
            }
            EventKind::AttemptStarted { node, .. }
            | EventKind::Assessed { node, .. }
            | EventKind::ChangeStarting { node, .. }
            | EventKind::ChangeDone { node, .. }
            | EventKind::RetryScheduled { node, .. }
            | EventKind::NodeFinished { node, .. } => {
                if let Some(node) = self.node_mut(*node) {
                    node.note(event);
                }
            }
        }
    }

    /// The node of that number.
    pub fn node(&self, node: NodeId) -> Option<&NodeView> {
        self.nodes.iter().find(|view| view.info.node == node)
    }

    fn node_mut(&mut self, node: NodeId) -> Option<&mut NodeView> {
        self.nodes.iter_mut().find(|view| view.info.node == node)
    }

    /// Step and target of a node, for people.
    pub fn label(&self, node: NodeId) -> String {
        self.node(node)
            .map_or_else(|| format!("node {node}"), NodeView::label)
    }

    /// Whether any change was begun.
    pub fn has_changes(&self) -> bool {
        self.nodes.iter().any(|node| !node.changes.is_empty())
    }

    /// How many nodes came to which end.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            total: self.nodes.len(),
            ..Counts::default()
        };
        for node in &self.nodes {
            let count = match &node.outcome {
                None => &mut counts.unfinished,
                Some(Outcome::InPlace) => &mut counts.in_place,
                Some(Outcome::Changed { .. }) => &mut counts.changed,
                Some(Outcome::Drifted { .. }) => &mut counts.drifted,
                Some(Outcome::NotApplicable { .. }) => &mut counts.not_applicable,
                Some(Outcome::Failed { .. }) => &mut counts.failed,
                Some(Outcome::Blocked { .. }) => &mut counts.blocked,
                Some(Outcome::Unknown { .. }) => &mut counts.unknown,
            };
            *count += 1;
        }
        counts
    }

    /// Whether `node` comes after a node that is not in desired state, so that what is unknown of
    /// it will be known once the plan is carried out.
    pub fn waits_for_change(&self, node: &NodeView) -> bool {
        let mut seen = vec![node.info.node];
        let mut open = node.info.after.clone();
        while let Some(earlier) = open.pop() {
            if seen.contains(&earlier) {
                continue;
            }
            seen.push(earlier);
            let Some(earlier) = self.node(earlier) else {
                continue;
            };
            // Only what lies on the way to this node's own server can settle it.
            if earlier.info.host == node.info.host
                && matches!(earlier.outcome, Some(Outcome::Drifted { .. }))
            {
                return true;
            }
            open.extend(&earlier.info.after);
        }
        false
    }
}

impl NodeView {
    fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::AttemptStarted { attempt, .. } => {
                self.attempts = self.attempts.max(*attempt);
            }
            EventKind::Assessed {
                state,
                facts,
                warnings,
                remedy,
                ..
            } => {
                if let AssessedState::Drifted(differences) = state
                    && self.found.is_empty()
                {
                    self.found.clone_from(differences);
                }
                self.facts.clone_from(facts);
                self.warnings.clone_from(warnings);
                if self.remedy.is_empty() {
                    self.remedy.clone_from(remedy);
                }
            }
            EventKind::ChangeStarting {
                attempt,
                action,
                summary,
                saved,
                ..
            } => self.changes.push(ChangeView {
                at: event.at,
                attempt: *attempt,
                action: action.clone(),
                summary: summary.clone(),
                saved: saved.clone(),
                end: ChangeEnd::Open,
            }),
            EventKind::ChangeDone {
                attempt,
                action,
                error,
                ..
            } => {
                let begun = |change: &&mut ChangeView| {
                    &change.action == action && change.attempt == *attempt
                };
                if let Some(change) = self.changes.iter_mut().rev().find(begun) {
                    change.end = error.clone().map_or(ChangeEnd::Done, ChangeEnd::Failed);
                }
            }
            EventKind::NodeFinished {
                outcome, took_ms, ..
            } => {
                self.outcome = Some(outcome.clone());
                self.took_ms = *took_ms;
            }
            _ => {}
        }
    }
}

/// How many nodes came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Nodes in all.
    pub total: usize,
    /// In place from the start.
    pub in_place: usize,
    /// Changed by this run.
    pub changed: usize,
    /// Not in place.
    pub drifted: usize,
    /// Not concerned.
    pub not_applicable: usize,
    /// Failed.
    pub failed: usize,
    /// Not tried.
    pub blocked: usize,
    /// Not known.
    pub unknown: usize,
    /// Without an end: the run was cut short.
    pub unfinished: usize,
}

impl Counts {
    /// The numbers that are not zero, for people: `3 in place, 1 changed`.
    pub fn text(&self) -> String {
        let parts = [
            (self.in_place, "in place"),
            (self.changed, "changed"),
            (self.drifted, "drifted"),
            (self.not_applicable, "not applicable"),
            (self.failed, "failed"),
            (self.blocked, "blocked"),
            (self.unknown, "unknown"),
            (self.unfinished, "unfinished"),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        if parts.is_empty() {
            "no steps".into()
        } else {
            parts.join(", ")
        }
    }
}

/// How a [`Reporter`] renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people; coloured only if asked. A plan gets the plan's own form.
    Text {
        /// Whether to colour.
        colour: bool,
    },
    /// One JSON document.
    Json,
    /// The equivalent commands of what would change.
    PowerShell,
}

/// Renders a run once it has come to its end.
///
/// Stands behind the progress display among the consumers, so that the screen is clear.
pub struct Reporter {
    view: RunView,
    format: ReportFormat,
    out: Box<dyn Write + Send>,
    run_dir: PathBuf,
    before: Option<Known>,
}

impl Reporter {
    /// To `out`; `run_dir` is named in the report.
    pub fn new(format: ReportFormat, out: Box<dyn Write + Send>, run_dir: PathBuf) -> Self {
        Self {
            view: RunView::default(),
            format,
            out,
            run_dir,
            before: None,
        }
    }

    /// Also says what is new since what was known `before`.
    #[must_use]
    pub fn compared_with(mut self, before: Known) -> Self {
        self.before = Some(before);
        self
    }
}

impl Consumer for Reporter {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        self.view.note(event);
        if !matches!(event.kind, EventKind::RunFinished { .. }) {
            return Ok(());
        }
        let comparison = self
            .before
            .as_ref()
            .map(|before| history::compare(before, &history::known(&self.view)));
        render(
            &mut self.out,
            &self.view,
            self.format,
            &self.run_dir,
            comparison.as_ref(),
        )?;
        self.out.flush()
    }
}

/// Renders `view` to `out` in `format`, with what is new in it where that is asked for.
pub fn render(
    out: &mut dyn Write,
    view: &RunView,
    format: ReportFormat,
    run_dir: &std::path::Path,
    comparison: Option<&Comparison>,
) -> io::Result<()> {
    match (format, view.mode) {
        (ReportFormat::Json, _) => json::write(out, view, run_dir, comparison),
        (ReportFormat::PowerShell, _) => plan::write_powershell(out, view),
        (ReportFormat::Text { colour }, Some(Mode::Plan)) => {
            plan::write(out, view, run_dir, colour)
        }
        (ReportFormat::Text { colour }, _) => {
            text::write(out, view, run_dir, colour)?;
            comparison.map_or(Ok(()), |comparison| {
                history::write_comparison(out, comparison)
            })
        }
    }
}

/// `text` with control characters made visible, so that nothing a server says can steer a
/// terminal. Line ends and tabs stay; a carriage return before a line end goes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| c == '\n' || c == '\t' || !(c.is_control() || is_bidirectional(c));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\r' && rest.peek() == Some(&'\n') {
            continue;
        }
        if harmless(c) {
            clean.push(c);
        } else {
            clean.extend(c.escape_unicode());
        }
    }
    Cow::Owned(clean)
}

/// Characters that turn the order of the text around them.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// [`printable`] on one line.
pub(crate) fn one_line(text: &str) -> String {
    printable(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Writes `text`, each line after `indent`.
pub(crate) fn indented(out: &mut dyn Write, indent: &str, text: &str) -> io::Result<()> {
    for line in printable(text).lines() {
        writeln!(out, "{}", format!("{indent}{line}").trim_end())?;
    }
    Ok(())
}

/// Milliseconds for people: `42 ms`, `1.3 s`, `4 min 5 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// How a value is shown: absent or in quotation marks if empty or with outer blanks.
pub(crate) fn value(value: Option<&str>) -> String {
    match value {
        None => "(absent)".into(),
        Some(text) if text.trim().len() != text.len() || text.is_empty() => {
            format!("\"{}\"", printable(text))
        }
        Some(text) => printable(text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    #[test]
    fn a_view_follows_the_stream() {
        let view = canned::view(&canned::events());
        let counts = Counts {
            total: 7,
            in_place: 1,
            changed: 2,
            not_applicable: 1,
            failed: 1,
            blocked: 1,
            unknown: 1,
            ..Counts::default()
        };
        assert_eq!(view.counts(), counts);
        assert_eq!(view.nodes[2].attempts, 2);
        assert_eq!(view.nodes[1].changes[0].end, ChangeEnd::Done);
        assert_eq!(view.nodes[2].changes[0].end, ChangeEnd::Open);
        assert_eq!(view.nodes[1].differences(), canned::differences());
        assert!(view.interrupted && view.has_changes());
        assert_eq!(view.exit, Some(ExitCode::Unreachable));
    }

    #[test]
    fn nothing_a_server_says_steers_the_terminal() {
        for (text, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\r\nb\rc", "a\nb\\u{d}c"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m\u{202e}x", "\\u{9b}31m\\u{202e}x"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn durations_are_readable() {
        for (ms, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_300, "1.3 s"),
            (59_999, "59.9 s"),
            (245_000, "4 min 5 s"),
        ] {
            assert_eq!(duration(ms), expected);
        }
    }
}
