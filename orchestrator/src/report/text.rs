//! The report at the end of a run, for people.
//!
//! One line per step under the server it is about; then what failed and what to do about it,
//! warnings, the sum, where the records lie, and what the exit code means.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use owaim_inventory::HostName;
use owaim_steps::{Difference, Problem};

use super::{
    ChangeEnd, NodeView, RunView, decision, duration, indented, one_line, printable, value,
};
use crate::event::Treatment;
use crate::outcome::{ExitCode, FailureCause, Outcome};

/// Puts styles on words, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// `text` in `style`.
    pub(crate) fn on(self, style: Style, text: &str) -> String {
        if self.0 {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// `text` as a heading.
    pub(crate) fn heading(self, text: &str) -> String {
        self.on(Style::new().bold(), text)
    }
}

/// The colour of what became of a node.
pub(crate) fn style_of(outcome: Option<&Outcome>) -> Style {
    let colour = match outcome {
        Some(Outcome::InPlace) => AnsiColor::Green,
        Some(Outcome::Changed { .. }) => AnsiColor::Cyan,
        Some(Outcome::Failed { .. } | Outcome::Blocked { .. }) => AnsiColor::Red,
        Some(Outcome::Drifted { .. } | Outcome::Unknown { .. }) | None => AnsiColor::Yellow,
        Some(Outcome::NotApplicable { .. }) => return Style::new().dimmed(),
    };
    colour.on_default()
}

/// Writes the report of `view`.
pub fn write(out: &mut dyn Write, view: &RunView, run_dir: &Path, colour: bool) -> io::Result<()> {
    let paint = Paint(colour);
    let mode = view.mode.map_or("run", |mode| mode.word());
    writeln!(
        out,
        "{}",
        paint.heading(&format!(
            "{mode} of site {}, run {}",
            one_line(&view.site),
            view.run
        ))
    )?;
    write_lines(out, view, paint)?;
    for node in &view.nodes {
        if let Some(Outcome::Failed { problem, cause }) = &node.outcome {
            write_problem(out, node, problem, *cause, paint)?;
        }
    }
    decision::write(out, view, paint)?;
    write_warnings(out, view, paint)?;
    write_end(out, view, run_dir, paint)
}

/// Servers in the order in which the plan first names them.
pub(crate) fn hosts(view: &RunView) -> Vec<&HostName> {
    let mut seen = BTreeSet::new();
    view.nodes
        .iter()
        .map(|node| &node.info.host)
        .filter(|host| seen.insert(*host))
        .collect()
}

/// Step and object within its server.
pub(crate) fn name(node: &NodeView) -> String {
    match &node.info.object {
        Some(object) => format!("{} {}", node.info.step, one_line(object)),
        None => node.info.step.clone(),
    }
}

fn write_lines(out: &mut dyn Write, view: &RunView, paint: Paint) -> io::Result<()> {
    let width = view
        .nodes
        .iter()
        .map(|node| name(node).chars().count())
        .max()
        .unwrap_or(0);
    for host in hosts(view) {
        writeln!(out, "\n{}", paint.heading(host.as_str()))?;
        for node in view.nodes.iter().filter(|node| &node.info.host == host) {
            let word = node.outcome.as_ref().map_or("unfinished", Outcome::word);
            let word = paint.on(style_of(node.outcome.as_ref()), &format!("{word:<14}"));
            let line = format!(
                "  {:<width$}  {word}  {}",
                name(node),
                details(node).join("; ")
            );
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

/// What is worth saying behind the outcome of a node.
fn details(node: &NodeView) -> Vec<String> {
    let mut details = Vec::new();
    match &node.outcome {
        Some(Outcome::Changed { .. } | Outcome::Drifted { .. }) => {
            let what: Vec<_> = node.differences().iter().map(brief).collect();
            if !what.is_empty() {
                details.push(what.join(", "));
            }
        }
        Some(Outcome::NotApplicable { reason } | Outcome::Unknown { reason }) => {
            details.push(one_line(reason));
        }
        Some(Outcome::Blocked { by, .. }) => details.push(format!("by {}", one_line(by))),
        Some(Outcome::Failed { problem, .. }) => details.push(one_line(&problem.found)),
        Some(Outcome::InPlace) | None => {}
    }
    if node.info.treatment == Treatment::Support {
        details.push("only looked at".into());
    }
    if node.attempts > 1 {
        details.push(format!("{} attempts", node.attempts));
    }
    if node.took_ms >= 1_000 {
        details.push(duration(node.took_ms));
    }
    details
}

fn brief(difference: &Difference) -> String {
    let Difference {
        what,
        actual,
        desired,
        ..
    } = difference;
    if actual.is_none() && desired.is_none() {
        return one_line(what);
    }
    let brief = |text: &Option<String>| one_line(&value(text.as_deref()));
    format!(
        "{}: {} -> {}",
        one_line(what),
        brief(actual),
        brief(desired)
    )
}

fn write_problem(
    out: &mut dyn Write,
    node: &NodeView,
    problem: &Problem,
    cause: FailureCause,
    paint: Paint,
) -> io::Result<()> {
    let style = style_of(node.outcome.as_ref()).bold();
    let word = match cause {
        FailureCause::Unreachable => "unreachable",
        FailureCause::Step => "failed",
    };
    let place = match &node.place {
        Some((host, endpoint)) if *host == node.info.host => format!(" ({})", endpoint.name()),
        Some((host, endpoint)) => format!(" ({} of {host})", endpoint.name()),
        None => String::new(),
    };
    writeln!(
        out,
        "\n{}{place}",
        paint.on(style, &format!("{word}: {}", node.label()))
    )?;
    let expected = problem.expected.as_deref();
    for (word, text) in [
        ("attempted", Some(problem.action.as_str())),
        ("expected", expected),
        ("came back", Some(&problem.found)),
        ("what to do", Some(&problem.advice)),
    ] {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        let mut lines = text.lines();
        writeln!(
            out,
            "  {word:<10}  {}",
            printable(lines.next().unwrap_or_default())
        )?;
        for line in lines {
            indented(out, "              ", line)?;
        }
    }
    Ok(())
}

/// Writes every warning with its step.
pub(crate) fn write_warnings(out: &mut dyn Write, view: &RunView, paint: Paint) -> io::Result<()> {
    let word = paint.on(AnsiColor::Yellow.on_default(), "warning:");
    let mut first = true;
    for node in &view.nodes {
        for warning in &node.warnings {
            if std::mem::take(&mut first) {
                writeln!(out)?;
            }
            writeln!(out, "{word} {}: {}", node.label(), one_line(warning))?;
        }
    }
    Ok(())
}

/// Writes the sum, the place of the records and the meaning of the exit code.
pub(crate) fn write_end(
    out: &mut dyn Write,
    view: &RunView,
    run_dir: &Path,
    paint: Paint,
) -> io::Result<()> {
    let counts = view.counts();
    let took = match (view.started, view.last) {
        (Some(started), Some(last)) => {
            format!(
                " in {}",
                duration(u64::try_from(last.duration_since(started).as_millis()).unwrap_or(0))
            )
        }
        _ => String::new(),
    };
    let steps = if counts.total == 1 { "step" } else { "steps" };
    writeln!(
        out,
        "\n{}{took}: {}",
        paint.heading(&format!("{} {steps}", counts.total)),
        counts.text()
    )?;
    writeln!(out, "records: {}", run_dir.display())?;
    if view.has_changes() {
        writeln!(
            out,
            "how to put things back: {}",
            run_dir.join("recovery.md").display()
        )?;
    }
    let open = view.nodes.iter().filter(|node| {
        node.changes
            .iter()
            .any(|change| change.end == ChangeEnd::Open)
    });
    let open: Vec<_> = open.map(NodeView::label).collect();
    if !open.is_empty() {
        writeln!(
            out,
            "begun, and left without an answer: {}; see recovery.md",
            open.join(", ")
        )?;
    }
    match view.exit {
        Some(exit) => writeln!(out, "exit code {}: {}", exit.number(), meaning(exit)),
        None => writeln!(out, "the run did not come to its end"),
    }
}

/// What an exit code says.
pub fn meaning(exit: ExitCode) -> &'static str {
    match exit {
        ExitCode::Success => "nothing failed",
        ExitCode::StepFailed => "a step failed or is blocked",
        ExitCode::Drift => "something is not in desired state",
        ExitCode::Invalid => "the site file or the arguments are not valid; nothing was contacted",
        ExitCode::Unreachable => "a server could not be reached or would not let us in",
        ExitCode::Locked => "the site is locked by another run",
        ExitCode::Interrupted => "interrupted; what was done is written down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    fn report(colour: bool) -> String {
        let mut out = Vec::new();
        write(
            &mut out,
            &canned::view(&canned::events()),
            Path::new("/state/run"),
            colour,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_apply_is_reported() {
        let shown = report(false).replace(r"/state/run\", "/state/run/");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn colour_only_adds_colour() {
        let mut plain = String::new();
        let colourful = report(true);
        assert!(colourful.contains('\u{1b}'));
        let mut rest = colourful.as_str();
        while let Some((text, escape)) = rest.split_once('\u{1b}') {
            plain.push_str(text);
            rest = escape.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        let trimmed = |text: &str| {
            text.lines()
                .map(|line| line.trim_end().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(trimmed(&plain), trimmed(&report(false)));
    }
}
