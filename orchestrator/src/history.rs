//! History: what earlier runs found and did, from their journals.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use owaim_inventory::HostName;
use owaim_steps::{Sequel, sequels};
use serde::Serialize;

use crate::event::Mode;
use crate::journal::{self, JournalError};
use crate::outcome::{ExitCode, Outcome};
use crate::report::{ChangeEnd, ChangeView, NodeView, RunView, json, one_line};
use crate::run_dir::{RunDir, RunDirError};
use crate::transcript;

/// How many runs back one looks for what was last known of a node.
const LOOK_BACK: usize = 50;

/// Why history cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The run directory cannot be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The output cannot be written.
    #[error("write what a run did: {0}")]
    Write(#[from] io::Error),
}

/// One run in a list.
#[derive(Debug)]
pub struct PastRun {
    /// Its folder.
    pub dir: RunDir,
    /// What it amounts to, or why that cannot be read.
    pub view: Result<RunView, JournalError>,
}

/// The runs below `root`, oldest first; of all sites if `site` is `None`. One whose journal is
/// damaged is listed with the damage.
pub fn runs(root: &Path, site: Option<&str>) -> Result<Vec<PastRun>, RunDirError> {
    let dirs = RunDir::list(root, site)?;
    Ok(dirs
        .into_iter()
        .map(|dir| PastRun {
            view: view(&dir),
            dir,
        })
        .collect())
}

/// What the run in `dir` amounts to.
pub fn view(dir: &RunDir) -> Result<RunView, JournalError> {
    let mut view = RunView::default();
    for event in &journal::read(&dir.journal())?.events {
        view.note(event);
    }
    Ok(view)
}

/// Writes `runs`, one line each, with local times of `zone`.
pub fn write_runs(out: &mut dyn Write, runs: &[PastRun], zone: &TimeZone) -> io::Result<()> {
    let width = |text: fn(&RunDir) -> &str| {
        runs.iter()
            .map(|run| text(&run.dir).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (run_width, site_width) = (width(RunDir::run), width(RunDir::site));
    for PastRun { dir, view } in runs {
        let line = match view {
            Err(error) => one_line(&error.to_string()),
            Ok(view) => {
                let mode = view.mode.map_or("?", |mode| mode.word());
                let started = view.started.map_or_else(
                    || "?".into(),
                    |at| {
                        at.to_zoned_datetime(zone.clone())
                            .strftime("%Y-%m-%d %H:%M:%S%:z")
                            .to_string()
                    },
                );
                let exit = view.exit.map_or_else(
                    || "cut short".into(),
                    |exit| format!("exit {}", exit.number()),
                );
                format!(
                    "{mode:<6}  {started:<25}  {exit:<9}  {}",
                    view.counts().text()
                )
            }
        };
        writeln!(
            out,
            "{:<run_width$}  {:<site_width$}  {}",
            dir.run(),
            dir.site(),
            line
        )?;
    }
    Ok(())
}

/// A run in a machine-readable list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    run: &'a str,
    site: &'a str,
    mode: Option<&'static str>,
    started: Option<jiff::Timestamp>,
    exit_code: Option<u8>,
    counts: Option<crate::report::Counts>,
    problem: Option<String>,
    run_dir: String,
}

/// Writes `runs` as one JSON array.
pub fn write_runs_json(out: &mut dyn Write, runs: &[PastRun]) -> io::Result<()> {
    let listed: Vec<_> = runs
        .iter()
        .map(|PastRun { dir, view }| {
            let (view, problem) = match view {
                Ok(view) => (Some(view), None),
                Err(error) => (None, Some(error.to_string())),
            };
            Listed {
                run: dir.run(),
                site: dir.site(),
                mode: view.and_then(|view| view.mode).map(Mode::word),
                started: view.and_then(|view| view.started),
                exit_code: view.and_then(|view| view.exit).map(ExitCode::number),
                counts: view.map(RunView::counts),
                problem,
                run_dir: dir.path().display().to_string(),
            }
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &listed)?;
    writeln!(out)
}

/// The run named `run`; the newest one if it is `None` or `latest`.
fn find(root: &Path, run: Option<&str>) -> Result<RunDir, RunDirError> {
    match run {
        None | Some("latest") => RunDir::latest(root, None),
        Some(run) => RunDir::find(root, run),
    }
}

/// Writes the transcript of `run` from its journal; `None` and `latest` are the newest one.
pub fn show(
    out: &mut dyn Write,
    root: &Path,
    run: Option<&str>,
    zone: &TimeZone,
) -> Result<(), HistoryError> {
    let dir = find(root, run)?;
    let recording = journal::read(&dir.journal())?;
    transcript::replay(out, &recording.events, zone, dir.path())?;
    if let Some(line) = recording.torn {
        writeln!(
            out,
            "the journal ends in the middle of line {line}: the run was cut short"
        )?;
    }
    Ok(())
}

/// Writes the report of `run` as one JSON document from its journal, as [`show`] finds it.
pub fn show_json(out: &mut dyn Write, root: &Path, run: Option<&str>) -> Result<(), HistoryError> {
    let dir = find(root, run)?;
    json::write(out, &view(&dir)?, dir.path(), None)?;
    Ok(())
}

/// What a node is across runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// Id of its step.
    pub step: String,
    /// The server.
    pub host: HostName,
    /// The object on it.
    pub object: Option<String>,
}

/// What is known of the state of nodes, drifted or not.
pub type Known = BTreeMap<Subject, bool>;

/// What `view` knows: whether each node was in desired state when the run ended. Failed, blocked
/// and unknown ones are not in it.
pub fn known(view: &RunView) -> Known {
    let mut known = Known::new();
    for node in &view.nodes {
        let drifted = match node.outcome {
            Some(Outcome::Drifted { .. }) => true,
            Some(Outcome::InPlace | Outcome::Changed { .. } | Outcome::NotApplicable { .. }) => {
                false
            }
            Some(Outcome::Failed { .. } | Outcome::Blocked { .. } | Outcome::Unknown { .. })
            | None => continue,
        };
        let info = &node.info;
        let subject = Subject {
            step: info.step.clone(),
            host: info.host.clone(),
            object: info.object.clone(),
        };
        known.insert(subject, drifted);
    }
    known
}

/// What was last known of each node of `site` before `run`. Damaged journals are passed over.
pub fn known_before(root: &Path, site: &str, run: &str) -> Result<Known, RunDirError> {
    let mut latest = Known::new();
    for dir in RunDir::list(root, Some(site))?
        .iter()
        .rev()
        .filter(|dir| dir.run() < run)
        .take(LOOK_BACK)
    {
        let Ok(view) = view(dir) else { continue };
        for (subject, drifted) in known(&view) {
            latest.entry(subject).or_insert(drifted);
        }
    }
    Ok(latest)
}

/// A change of an earlier run whose sequel no journal shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfirmed {
    /// What has to follow it.
    pub sequel: Sequel,
    /// Where the change was made.
    pub host: HostName,
    /// The run that made it.
    pub run: String,
}

/// What runs of `site` before `run` changed without bringing about what has to follow. Damaged
/// journals are passed over.
pub fn unconfirmed(root: &Path, site: &str, run: &str) -> Result<Vec<Unconfirmed>, RunDirError> {
    let is_apply = |dir: &&RunDir| dir.run().contains(Mode::Apply.word());
    // By what has to follow and, but for the topology, by host: the newest that is known.
    let mut latest: Vec<(Unconfirmed, bool)> = Vec::new();
    let mut note = |found: Unconfirmed, is_open: bool| {
        let same = |(known, _): &(Unconfirmed, bool)| {
            let one = found.sequel == Sequel::Topology || known.host == found.host;
            known.sequel == found.sequel && one
        };
        if !latest.iter().any(same) {
            latest.push((found, is_open));
        }
    };
    for dir in RunDir::list(root, Some(site))?
        .iter()
        .rev()
        .filter(|dir| dir.run() < run)
        .filter(is_apply)
        .take(LOOK_BACK)
    {
        let Ok(view) = view(dir) else { continue };
        let mut changes: Vec<(Timestamp, &NodeView, &ChangeView)> = view
            .nodes
            .iter()
            .flat_map(|node| node.changes.iter().map(move |c| (c.at, node, c)))
            .collect();
        changes.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        for (_, node, change) in changes {
            for sequel in sequels() {
                let is_open = match sequel.opens(&node.info.step, &change.action) {
                    Some(true) => true,
                    Some(false) if change.end == ChangeEnd::Done => false,
                    _ => continue,
                };
                let found = Unconfirmed {
                    sequel,
                    host: node.info.host.clone(),
                    run: dir.run().to_owned(),
                };
                note(found, is_open);
            }
        }
    }
    let open = latest.into_iter().filter(|(_, is_open)| *is_open);
    Ok(open.map(|(found, _)| found).collect())
}

/// How drift has moved from one run to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Drifted now, and not before.
    pub new: BTreeSet<Subject>,
    /// Drifted now and before.
    pub still: BTreeSet<Subject>,
    /// Drifted before, in place now.
    pub resolved: BTreeSet<Subject>,
    /// Drifted before; now it cannot be told.
    pub untold: BTreeSet<Subject>,
}

/// Compares what was known before with what is known now.
pub fn compare(before: &Known, now: &Known) -> Comparison {
    let mut comparison = Comparison::default();
    for (subject, drifted) in now {
        let set = match (before.get(subject), drifted) {
            (Some(true), true) => &mut comparison.still,
            (_, true) => &mut comparison.new,
            (Some(true), false) => &mut comparison.resolved,
            (_, false) => continue,
        };
        set.insert(subject.clone());
    }
    comparison.untold = before
        .iter()
        .filter(|(subject, drifted)| **drifted && !now.contains_key(*subject))
        .map(|(s, _)| s.clone())
        .collect();
    comparison
}

/// Writes `comparison`, one line per node.
pub fn write_comparison(out: &mut dyn Write, comparison: &Comparison) -> io::Result<()> {
    let Comparison {
        new,
        still,
        resolved,
        untold,
    } = comparison;
    if [new, still, resolved, untold]
        .iter()
        .all(|set| set.is_empty())
    {
        return writeln!(out, "no drift, now or at the last look");
    }
    for (word, set) in [
        ("new drift", new),
        ("still drifted", still),
        ("resolved", resolved),
        ("drifted, not told now", untold),
    ] {
        for Subject { step, host, object } in set {
            let object = object
                .as_ref()
                .map_or_else(String::new, |object| format!(" {}", one_line(object)));
            writeln!(out, "{word}: {step}{object} on {host}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bus::Consumer;
    use crate::canned;
    use crate::event::{Event, EventKind, NodeId, NodeInfo, Treatment};
    use crate::journal::Journal;

    fn record(root: &Path, run: &str, events: &[Event]) -> RunDir {
        let dir = RunDir::create(root, "litware", run).unwrap();
        let mut journal = Journal::create(&dir.journal()).unwrap();
        for event in events {
            journal.consume(event).unwrap();
        }
        dir
    }

    #[test]
    fn runs_are_listed_with_damaged_ones() {
        let root = tempfile::tempdir().unwrap();
        record(
            root.path(),
            "20261123T160742Z-apply-3f9a",
            &canned::events(),
        );
        record(
            root.path(),
            "20261123T170000Z-plan-0001",
            &canned::plan()[..3],
        );
        let damaged = record(root.path(), "20261123T180000Z-plan-0002", &[]);
        fs::write(damaged.journal(), "{}\n").unwrap();
        let mut out = Vec::new();
        write_runs(&mut out, &runs(root.path(), None).unwrap(), &TimeZone::UTC).unwrap();
        let text = String::from_utf8(out)
            .unwrap()
            .replace(&root.path().display().to_string(), "/state")
            .replace(std::path::MAIN_SEPARATOR, "/");
        insta::assert_snapshot!(text);
        let mut out = Vec::new();
        write_runs_json(&mut out, &runs(root.path(), None).unwrap()).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(list[0]["exit_code"], 4);
        assert_eq!(list[0]["counts"]["not-applicable"], 1);
        assert_eq!(list[1]["exit_code"], serde_json::Value::Null);
        assert!(list[2]["problem"].as_str().unwrap().contains("line 1"));
    }

    #[test]
    fn a_run_is_shown_from_its_journal() {
        let root = tempfile::tempdir().unwrap();
        record(
            root.path(),
            "20261123T160742Z-apply-3f9a",
            &canned::events(),
        );
        let dir = record(root.path(), "20261123T170000Z-plan-0001", &canned::plan());
        let shown = |run| {
            let mut out = Vec::new();
            show(&mut out, root.path(), run, &TimeZone::UTC)
                .map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(
            shown(None).unwrap(),
            shown(Some("20261123T170000Z-plan-0001")).unwrap()
        );
        assert!(
            shown(Some("20261123T160742Z-apply-3f9a"))
                .unwrap()
                .contains("apply of site litware")
        );
        assert!(matches!(
            shown(Some("x")),
            Err(HistoryError::RunDir(RunDirError::NoRun { .. }))
        ));
        let mut out = Vec::new();
        show_json(&mut out, root.path(), Some("latest")).unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&out).unwrap()["mode"],
            "plan"
        );
        let text = fs::read(dir.journal()).unwrap();
        fs::write(dir.journal(), &text[..text.len() - 3]).unwrap();
        assert!(
            shown(Some("latest"))
                .unwrap()
                .ends_with("the run was cut short\n")
        );
    }

    const POOL: NodeId = 0;
    const TOPOLOGY: NodeId = 1;
    const PLANS: NodeId = 2;

    fn begins(node: NodeId, action: &str) -> EventKind {
        EventKind::ChangeStarting {
            node,
            attempt: 1,
            action: action.into(),
            summary: String::new(),
            saved: BTreeMap::new(),
        }
    }

    fn ends(node: NodeId, action: &str, error: Option<&str>) -> EventKind {
        EventKind::ChangeDone {
            node,
            attempt: 1,
            action: action.into(),
            error: error.map(Into::into),
            received: None,
        }
    }

    /// A run over the steps of the Lync side in which that happened.
    fn run(kinds: &[EventKind]) -> Vec<Event> {
        let nodes = ["lync.trusted-pool", "lync.topology", "um.dial-plans"];
        let nodes = (0..).zip(nodes).map(|(node, step)| NodeInfo {
            node,
            step: step.into(),
            host: canned::host("atl-cs-001"),
            object: None,
            title: String::new(),
            treatment: Treatment::Change,
            after: Vec::new(),
        });
        let start = EventKind::RunStarted {
            run: String::new(),
            site: "litware".into(),
            mode: Mode::Apply,
            version: String::new(),
            nodes: nodes.collect(),
            warnings: vec![],
        };
        canned::dated([&[start], kinds].concat())
    }

    #[test]
    fn what_has_to_follow_a_change_is_remembered() {
        let changed = [begins(POOL, "it"), ends(POOL, "it", None)];
        let lost = [begins(POOL, "it")];
        let enabled = [begins(TOPOLOGY, "it"), ends(TOPOLOGY, "it", None)];
        let refused = [
            begins(TOPOLOGY, "it"),
            ends(TOPOLOGY, "it", Some("no rights")),
        ];
        for (name, runs, expected) in [
            ("nothing", vec![run(&[])], None),
            (
                "changed and enabled",
                vec![run(&[&changed[..], &enabled].concat())],
                None,
            ),
            ("changed", vec![run(&changed)], Some("run-apply-0")),
            ("perhaps changed", vec![run(&lost)], Some("run-apply-0")),
            (
                "changed and refused",
                vec![run(&[&changed[..], &refused].concat())],
                Some("run-apply-0"),
            ),
            (
                "changed, enabled by the next",
                vec![run(&changed), run(&enabled)],
                None,
            ),
            (
                "changed again, then a run without a change",
                vec![run(&enabled), run(&changed), run(&[])],
                Some("run-apply-1"),
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (number, events) in runs.iter().enumerate() {
                record(root.path(), &format!("run-apply-{number}"), events);
            }
            // A plan changes nothing, whatever it says.
            record(root.path(), "run-plan-8", &run(&changed));
            let found = unconfirmed(root.path(), "litware", "run-z").unwrap();
            let expected = expected.map(|run| Unconfirmed {
                sequel: Sequel::Topology,
                host: canned::host("atl-cs-001"),
                run: run.to_owned(),
            });
            assert_eq!(found, Vec::from_iter(expected), "{name}");
        }
    }

    #[test]
    fn a_restart_that_has_to_follow_is_remembered() {
        let set = begins(PLANS, "um-service-startup");
        let restarted = [
            begins(PLANS, "restart-um-service"),
            ends(PLANS, "restart-um-service", None),
        ];
        let lost = [set.clone(), restarted[0].clone()];
        for (name, run, expected) in [
            ("a dial plan", run(&[begins(PLANS, "um-service")]), 0),
            ("a mode", run(std::slice::from_ref(&set)), 1),
            ("a mode, and a restart without an answer", run(&lost), 1),
            (
                "a mode, and a restart",
                run(&[&[set], &restarted[..]].concat()),
                0,
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            record(root.path(), "run-apply-0", &run);
            let found = unconfirmed(root.path(), "litware", "run-z").unwrap();
            assert_eq!(found.len(), expected, "{name}");
            for one in found {
                assert_eq!(one.sequel, Sequel::Restart("MSExchangeUM"), "{name}");
            }
        }
    }

    #[test]
    fn drift_is_compared() {
        let subject = |step: &str| Subject {
            step: step.into(),
            host: canned::host("h"),
            object: None,
        };
        let known = |pairs: &[(&str, bool)]| {
            pairs
                .iter()
                .map(|(step, drifted)| (subject(step), *drifted))
                .collect::<Known>()
        };
        let before = known(&[
            ("a", true),
            ("b", true),
            ("c", true),
            ("d", false),
            ("e", false),
        ]);
        let now = known(&[
            ("a", true),
            ("b", false),
            ("d", true),
            ("e", false),
            ("f", true),
        ]);
        let set = |steps: &[&str]| {
            steps
                .iter()
                .map(|step| subject(step))
                .collect::<BTreeSet<_>>()
        };
        let expected = Comparison {
            new: set(&["d", "f"]),
            still: set(&["a"]),
            resolved: set(&["b"]),
            untold: set(&["c"]),
        };
        assert_eq!(compare(&before, &now), expected);
    }

    #[test]
    fn the_newest_knowledge_counts() {
        let root = tempfile::tempdir().unwrap();
        record(root.path(), "20261123T150000Z-plan-0001", &canned::plan());
        let web_config = |known: &Known| {
            *known
                .iter()
                .find(|(s, _)| s.step == "backend.web-config")
                .unwrap()
                .1
        };
        assert!(web_config(
            &known_before(root.path(), "litware", "20261123T160000Z").unwrap()
        ));
        record(
            root.path(),
            "20261123T160742Z-apply-3f9a",
            &canned::events(),
        );
        let known = known_before(root.path(), "litware", "20261123T170000Z").unwrap();
        assert!(
            !known[&Subject {
                step: "backend.web-config".into(),
                host: canned::host("atl-mbx-001"),
                object: None
            }]
        );
        assert!(
            known_before(root.path(), "litware", "20261123T140000Z")
                .unwrap()
                .is_empty()
        );
    }
}
