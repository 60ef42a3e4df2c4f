//! [`Transcript`]: the account of a run for people.
//!
//! [`render()`] turns one event into text; the transcript writes it as the run goes, and
//! `owaim show` writes the same from a journal. Every entry has the local and the UTC time, the
//! server, its endpoint, the step and the attempt.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use owaim_steps::{Difference, Fact, Problem};

use crate::bus::Consumer;
use crate::event::{AssessedState, Event, EventKind, NodeId, PipelineRef, PlannedAction};
use crate::outcome::Outcome;
use crate::render;
use crate::report::{self, RunView, duration, indented, one_line, printable, text, value};
use crate::run_dir::RunDir;

/// Writes the transcript of one run.
pub struct Transcript {
    file: File,
    view: RunView,
    zone: TimeZone,
    run_dir: PathBuf,
}

impl Transcript {
    /// A new transcript in `run_dir`, with local times of `zone`.
    pub fn create(run_dir: &RunDir, zone: TimeZone) -> io::Result<Self> {
        let file = owaim_platform::create_private_file(&run_dir.transcript())?;
        Ok(Self {
            file,
            view: RunView::default(),
            zone,
            run_dir: run_dir.path().to_owned(),
        })
    }
}

impl Consumer for Transcript {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        self.view.note(event);
        self.file
            .write_all(render(event, &self.view, &self.zone, &self.run_dir).as_bytes())
    }
}

/// Writes the transcript of a whole run, as recorded.
pub fn replay(
    out: &mut dyn Write,
    events: &[Event],
    zone: &TimeZone,
    run_dir: &Path,
) -> io::Result<()> {
    let mut view = RunView::default();
    for event in events {
        view.note(event);
        out.write_all(render(event, &view, zone, run_dir).as_bytes())?;
    }
    Ok(())
}

/// `event` for people; `view` has already taken it in.
pub fn render(event: &Event, view: &RunView, zone: &TimeZone, run_dir: &Path) -> String {
    let mut entry = Entry {
        at: stamp(event.at, zone),
        view,
        text: String::new(),
    };
    match &event.kind {
        EventKind::RunStarted { .. }
        | EventKind::SessionOpened { .. }
        | EventKind::Interrupted { .. }
        | EventKind::RunFinished { .. } => entry.run(&event.kind, run_dir),
        EventKind::PipelineSent { .. }
        | EventKind::PipelineReturned { .. }
        | EventKind::PipelineLost { .. } => {
            entry.pipeline(&event.kind);
        }
        EventKind::Assessed {
            node,
            attempt,
            state,
            facts,
            warnings,
            remedy,
        } => {
            entry.assessed(&about(view, *node, *attempt), state);
            entry.learnt(facts, warnings, remedy);
        }
        EventKind::AttemptStarted { .. }
        | EventKind::ChangeStarting { .. }
        | EventKind::ChangeDone { .. }
        | EventKind::RetryScheduled { .. }
        | EventKind::NodeFinished { .. } => entry.node(&event.kind),
    }
    entry.text
}

/// Local time with its offset, and UTC.
pub(crate) fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    let local = at
        .to_zoned_datetime(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S%.3f%:z")
        .to_string();
    format!("{local} ({})", at.strftime("%H:%M:%S%.3fZ"))
}

fn about(view: &RunView, node: NodeId, attempt: u32) -> String {
    format!("{} attempt {attempt}", view.label(node))
}

fn channel(view: &RunView, pipeline: &PipelineRef) -> String {
    let PipelineRef {
        node,
        attempt,
        host,
        endpoint,
        name,
    } = pipeline;
    let step = view.node(*node).map_or("?", |node| node.info.step.as_str());
    format!(
        "{host} [{}] {step} attempt {attempt}: {name}",
        endpoint.name()
    )
}

/// One entry as it grows.
struct Entry<'a> {
    at: String,
    view: &'a RunView,
    text: String,
}

impl Entry<'_> {
    fn head(&mut self, text: &str) {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.text, "{} {text}", self.at);
    }

    fn lines(&mut self, indent: &str, text: &str) {
        let mut lines = Vec::new();
        if indented(&mut lines, indent, text).is_ok() {
            self.text.push_str(&String::from_utf8_lossy(&lines));
        }
    }

    fn body(&mut self, text: &str) {
        self.lines("    ", text);
    }

    fn deeper(&mut self, text: &str) {
        self.lines("        ", text);
    }

    /// `text` with `label` before its first line and the rest below it.
    fn labelled(&mut self, label: &str, text: &str) {
        let mut lines = text.lines();
        let _ = writeln!(
            self.text,
            "    {label:<11} {}",
            printable(lines.next().unwrap_or_default())
        );
        for line in lines {
            self.lines("                ", line);
        }
    }

    /// Events of the run as a whole.
    fn run(&mut self, kind: &EventKind, run_dir: &Path) {
        match kind {
            EventKind::RunStarted {
                run,
                site,
                mode,
                version,
                nodes,
                warnings,
            } => {
                self.head(&format!(
                    "{} of site {}, run {run}, owaim {version}",
                    mode.word(),
                    one_line(site)
                ));
                for node in nodes {
                    self.body(&format!(
                        "{}: {}",
                        report::label(node),
                        one_line(&node.title)
                    ));
                }
                for warning in warnings {
                    self.body(&format!("warning: {}", one_line(warning)));
                }
            }
            EventKind::SessionOpened {
                host,
                endpoint,
                url,
                username,
            } => {
                let (endpoint, url, account) = (endpoint.name(), one_line(url), one_line(username));
                self.head(&format!(
                    "{host} [{endpoint}] session opened at {url} as {account}"
                ));
            }
            EventKind::Interrupted { now: false } => {
                self.head("interrupted: finishes what it is changing, starts nothing new");
            }
            EventKind::Interrupted { now: true } => self.head("interrupted again: stops at once"),
            EventKind::RunFinished { exit } => {
                self.head(&format!(
                    "run ends with exit code {}: {}",
                    exit.number(),
                    text::meaning(*exit)
                ));
                self.text.push('\n');
                let mut table = Vec::new();
                // Writing to memory does not fail.
                if text::write(&mut table, self.view, run_dir, false).is_ok() {
                    self.text.push_str(&String::from_utf8_lossy(&table));
                }
            }
            _ => {}
        }
    }

    /// Events of one pipeline.
    fn pipeline(&mut self, kind: &EventKind) {
        match kind {
            EventKind::PipelineSent {
                pipeline,
                changes,
                statements,
            } => {
                let purpose = if *changes { "changes" } else { "reads" };
                self.head(&format!("{} sent, {purpose}", channel(self.view, pipeline)));
                for statement in statements {
                    self.body(&format!("> {}", render::typed(statement)));
                }
            }
            EventKind::PipelineReturned {
                pipeline,
                took_ms,
                records,
                state,
                ..
            } => {
                let count = match records.len() {
                    0 => "nothing came back".into(),
                    1 => "1 record".into(),
                    count => format!("{count} records"),
                };
                let (state, took) = (one_line(state), duration(*took_ms));
                self.head(&format!(
                    "{} {state} after {took}, {count}",
                    channel(self.view, pipeline)
                ));
                for record in records {
                    self.labelled(&record.stream, &record.text);
                }
            }
            EventKind::PipelineLost {
                pipeline,
                error,
                may_have_run,
                ..
            } => {
                self.head(&format!(
                    "{} did not come back",
                    channel(self.view, pipeline)
                ));
                self.body(error);
                self.body(if *may_have_run {
                    "it may have run on the server"
                } else {
                    "it did not run on the server"
                });
            }
            _ => {}
        }
    }

    /// Events of one node.
    fn node(&mut self, kind: &EventKind) {
        let view = self.view;
        match kind {
            EventKind::AttemptStarted { node, attempt } => {
                self.head(&format!("{} begins", about(view, *node, *attempt)));
            }
            EventKind::ChangeStarting {
                node,
                attempt,
                action,
                summary,
                saved,
            } => {
                let about = about(view, *node, *attempt);
                self.head(&format!("{about} change {action}: {}", one_line(summary)));
                for (origin, file) in saved {
                    self.body(&format!("kept: {} as before/{file}", one_line(origin)));
                }
            }
            EventKind::ChangeDone {
                node,
                attempt,
                action,
                error,
                received,
            } => {
                let end = if error.is_none() {
                    "done"
                } else {
                    "not accepted"
                };
                self.head(&format!(
                    "{} change {action} {end}",
                    about(view, *node, *attempt)
                ));
                if let Some(error) = error {
                    self.body(error);
                }
                if let Some(file) = received {
                    self.body(&format!("kept: received/{file}"));
                }
            }
            EventKind::RetryScheduled {
                node,
                attempt,
                wait_ms,
                reason,
            } => {
                // Always in seconds: waits are compared with one another.
                let wait = format!("{}.{} s", wait_ms / 1_000, wait_ms % 1_000 / 100);
                let label = view.label(*node);
                self.head(&format!(
                    "{label} attempt {attempt} in {wait} because: {}",
                    one_line(reason)
                ));
            }
            EventKind::NodeFinished {
                node,
                outcome,
                took_ms,
            } => {
                let took = if *took_ms == 0 {
                    String::new()
                } else {
                    format!(" after {}", duration(*took_ms))
                };
                self.head(&format!(
                    "{} ends {}{took}",
                    view.label(*node),
                    outcome.word()
                ));
                match outcome {
                    Outcome::Failed { problem, .. } => self.problem(problem),
                    Outcome::Blocked { by, .. } => self.body(&format!("blocked by {by}")),
                    Outcome::NotApplicable { reason } | Outcome::Unknown { reason } => {
                        self.body(reason);
                    }
                    Outcome::InPlace | Outcome::Changed { .. } | Outcome::Drifted { .. } => {}
                }
            }
            _ => {}
        }
    }

    fn assessed(&mut self, about: &str, state: &AssessedState) {
        match state {
            AssessedState::InPlace => self.head(&format!("{about} is in place")),
            AssessedState::NotApplicable(reason) => {
                self.head(&format!("{about} does not apply: {}", one_line(reason)));
            }
            AssessedState::Unknown(reason) => {
                self.head(&format!("{about} cannot be told: {}", one_line(reason)));
            }
            AssessedState::Drifted(differences) => {
                self.head(&format!("{about} is not in place"));
                for Difference {
                    what,
                    actual,
                    desired,
                    diff,
                } in differences
                {
                    let (actual, desired) = (value(actual.as_deref()), value(desired.as_deref()));
                    let (what, actual, desired) =
                        (one_line(what), one_line(&actual), one_line(&desired));
                    self.body(&format!("{what}: {actual} -> {desired}"));
                    if let Some(diff) = diff {
                        self.deeper(diff);
                    }
                }
            }
            AssessedState::Broken(problem) => {
                self.head(&format!("{about} is broken"));
                self.problem(problem);
            }
        }
    }

    fn learnt(&mut self, facts: &[Fact], warnings: &[String], remedy: &[PlannedAction]) {
        for fact in facts {
            // The journal has all of it.
            self.body(&format!("learnt: {}", render::cut(&fact_text(fact))));
        }
        for warning in warnings {
            self.body(&format!("warning: {warning}"));
        }
        for PlannedAction {
            name,
            summary,
            host,
            endpoint,
            powershell,
            ..
        } in remedy
        {
            self.body(&format!(
                "remedy {name}: {} ({host} [{}])",
                one_line(summary),
                endpoint.name()
            ));
            self.deeper(powershell);
        }
    }

    fn problem(&mut self, problem: &Problem) {
        self.body(&format!("{}: {}", problem.action, problem.found));
        if let Some(expected) = &problem.expected {
            self.body(&format!("expected: {expected}"));
        }
        self.body(&format!("what to do: {}", problem.advice));
    }
}

fn fact_text(fact: &Fact) -> String {
    // The journal's form, without its envelope: facts are typed, their names are plain.
    match serde_json::to_value(fact) {
        Ok(serde_json::Value::Object(mut map)) => {
            let name = map
                .remove("fact")
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default();
            match map.remove("value") {
                Some(serde_json::Value::String(text)) => format!("{name} {text}"),
                Some(serde_json::Value::Null) | None => format!("{name} none"),
                Some(value) => format!("{name} {value}"),
            }
        }
        _ => format!("{fact:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(1))
    }

    #[test]
    fn a_run_reads_as_a_story() {
        let mut out = Vec::new();
        replay(
            &mut out,
            &canned::events(),
            &zone(),
            Path::new("/state/run"),
        )
        .unwrap();
        let shown = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(shown.replace(r"/state/run\", "/state/run/"));
    }

    #[test]
    fn the_file_is_the_replay() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::create(root.path(), "litware", "r").unwrap();
        let mut transcript = Transcript::create(&dir, zone()).unwrap();
        let events = canned::events();
        for event in &events {
            transcript.consume(event).unwrap();
        }
        let mut out = Vec::new();
        replay(&mut out, &events, &zone(), dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.transcript()).unwrap(), out);
    }
}
