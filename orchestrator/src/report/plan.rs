//! The report of a plan: what would change, with differences and diffs; or as commands.

use std::io::{self, Write};
use std::path::Path;

use anstyle::AnsiColor;

use super::text::{Paint, hosts, name, style_of, write_end, write_warnings};
use super::{NodeView, RunView, decision, indented, one_line, value};
use crate::event::PlannedAction;
use crate::outcome::Outcome;

/// Writes what the plan in `view` would change.
pub fn write(out: &mut dyn Write, view: &RunView, run_dir: &Path, colour: bool) -> io::Result<()> {
    let paint = Paint(colour);
    writeln!(
        out,
        "{}",
        paint.heading(&format!(
            "plan of site {}, run {}",
            one_line(&view.site),
            view.run
        ))
    )?;
    for host in hosts(view) {
        let nodes: Vec<_> = view
            .nodes
            .iter()
            .filter(|node| &node.info.host == host && !is_settled(node))
            .collect();
        if nodes.is_empty() {
            continue;
        }
        writeln!(out, "\n{}", paint.heading(host.as_str()))?;
        for node in nodes {
            write_node(out, view, node, paint)?;
        }
    }
    decision::write(out, view, paint)?;
    write_warnings(out, view, paint)?;
    let pending = view.nodes.iter().filter(|node| would_change(node)).count();
    let manual = view
        .nodes
        .iter()
        .filter(|node| is_drifted(node) && !would_change(node))
        .count();
    writeln!(out)?;
    let unseen = unseen(view);
    match pending {
        0 if unseen > 0 => {}
        0 => writeln!(out, "nothing would change")?,
        1 => writeln!(out, "1 step would change something")?,
        _ => writeln!(out, "{pending} steps would change something")?,
    }
    if unseen > 0 {
        writeln!(
            out,
            "{unseen} steps could not be looked at: what they would change is not known"
        )?;
    }
    if manual > 0 {
        writeln!(
            out,
            "{manual} not in desired state without a remedy of this program's"
        )?;
    }
    write_end(out, view, run_dir, paint)
}

/// Nodes that nobody could look at.
fn unseen(view: &RunView) -> usize {
    let hidden = |node: &&NodeView| {
        matches!(
            node.outcome,
            Some(Outcome::Failed { .. } | Outcome::Blocked { .. }) | None
        )
    };
    view.nodes.iter().filter(hidden).count()
}

fn is_settled(node: &NodeView) -> bool {
    matches!(
        node.outcome,
        Some(Outcome::InPlace | Outcome::NotApplicable { .. })
    )
}

fn is_drifted(node: &NodeView) -> bool {
    matches!(node.outcome, Some(Outcome::Drifted { .. }))
}

fn would_change(node: &NodeView) -> bool {
    is_drifted(node) && node.remedy.iter().any(|action| action.changes)
}

fn write_node(
    out: &mut dyn Write,
    view: &RunView,
    node: &NodeView,
    paint: Paint,
) -> io::Result<()> {
    let styled = |text: &str| paint.on(style_of(node.outcome.as_ref()), text);
    let name = name(node);
    match &node.outcome {
        Some(Outcome::Drifted { .. }) => {
            let word = if would_change(node) {
                "would change"
            } else {
                "drifted"
            };
            writeln!(out, "  {name}: {}", styled(word))?;
            for difference in node.differences() {
                writeln!(
                    out,
                    "    {}: {} -> {}",
                    one_line(&difference.what),
                    one_line(&value(difference.actual.as_deref())),
                    one_line(&value(difference.desired.as_deref()))
                )?;
                for line in difference.diff.iter().flat_map(|diff| diff.lines()) {
                    write_diff_line(out, line, paint)?;
                }
            }
            for action in &node.remedy {
                writeln!(
                    out,
                    "    {} {}",
                    if action.changes { "*" } else { "?" },
                    one_line(&action.summary)
                )?;
            }
            Ok(())
        }
        Some(Outcome::Unknown { reason }) => {
            // Some steps say so themselves.
            let (word, reason) = match reason.strip_prefix("known after apply: ") {
                Some(reason) => ("known after apply", reason),
                None if view.waits_for_change(node) => ("known after apply", reason.as_str()),
                None => ("unknown", reason.as_str()),
            };
            writeln!(out, "  {name}: {}: {}", styled(word), one_line(reason))
        }
        Some(Outcome::Blocked { by, .. }) => {
            writeln!(out, "  {name}: {} by {}", styled("blocked"), one_line(by))
        }
        Some(Outcome::Failed { problem, .. }) => {
            writeln!(out, "  {name}: {}", styled("failed"))?;
            for (word, text) in [
                ("attempted", Some(&problem.action)),
                ("expected", problem.expected.as_ref()),
                ("came back", Some(&problem.found)),
                ("what to do", Some(&problem.advice)),
            ] {
                if let Some(text) = text {
                    writeln!(out, "    {word:<10}  {}", one_line(text))?;
                }
            }
            Ok(())
        }
        Some(outcome) => writeln!(out, "  {name}: {}", styled(outcome.word())),
        None => writeln!(out, "  {name}: {}", styled("unfinished")),
    }
}

fn write_diff_line(out: &mut dyn Write, line: &str, paint: Paint) -> io::Result<()> {
    let colour = match line.as_bytes().first() {
        Some(b'+') => AnsiColor::Green,
        Some(b'-') => AnsiColor::Red,
        Some(b'@') => AnsiColor::Cyan,
        _ => return indented(out, "      ", line),
    };
    writeln!(
        out,
        "      {}",
        paint.on(colour.on_default(), &super::printable(line))
    )
}

/// Writes the commands that would change something, for people to read, approve or run by hand.
pub fn write_powershell(out: &mut dyn Write, view: &RunView) -> io::Result<()> {
    writeln!(
        out,
        "# plan of site {}, run {}",
        one_line(&view.site),
        view.run
    )?;
    writeln!(
        out,
        "# what each server needs, in order; servers are independent unless a step says otherwise"
    )?;
    let unseen = unseen(view);
    if unseen > 0 {
        writeln!(
            out,
            "# {unseen} steps could not be looked at: what they would change is not known"
        )?;
    }
    if !view.nodes.iter().any(would_change) {
        return if unseen > 0 {
            Ok(())
        } else {
            writeln!(out, "# nothing would change")
        };
    }
    for host in hosts(view) {
        let nodes: Vec<_> = view
            .nodes
            .iter()
            .filter(|node| {
                &node.info.host == host && (would_change(node) || view.waits_for_change(node))
            })
            .collect();
        if nodes.is_empty() {
            continue;
        }
        writeln!(out, "\n# ===== {host} =====")?;
        for node in nodes {
            writeln!(out, "\n# {}: {}", name(node), one_line(&node.info.title))?;
            if !would_change(node) {
                writeln!(out, "# known after the steps above")?;
                continue;
            }
            for difference in node.differences() {
                let (actual, desired) = (
                    value(difference.actual.as_deref()),
                    value(difference.desired.as_deref()),
                );
                writeln!(
                    out,
                    "#   {}: {} -> {}",
                    one_line(&difference.what),
                    one_line(&actual),
                    one_line(&desired)
                )?;
            }
            for action in &node.remedy {
                write_action(out, node, action)?;
            }
        }
    }
    Ok(())
}

fn write_action(out: &mut dyn Write, node: &NodeView, action: &PlannedAction) -> io::Result<()> {
    let elsewhere = if action.host == node.info.host {
        String::new()
    } else {
        format!(" of {}", action.host)
    };
    writeln!(
        out,
        "# {}, at the {} endpoint{elsewhere}",
        one_line(&action.summary),
        action.endpoint.name()
    )?;
    // Not indented or cut: this is to be pasted. Control characters have no place in it.
    writeln!(out, "{}", super::printable(&action.powershell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    fn text(write: impl FnOnce(&mut dyn Write, &RunView) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out, &canned::view(&canned::plan())).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plan_shows_differences_and_what_follows() {
        insta::assert_snapshot!(text(|out, view| write(
            out,
            view,
            Path::new("/state/run"),
            false
        )));
    }

    #[test]
    fn a_plan_can_be_read_as_commands() {
        insta::assert_snapshot!(text(|out, view| write_powershell(out, view)));
    }

    #[test]
    fn a_comment_cannot_be_left() {
        let mut view = canned::view(&canned::plan());
        view.nodes[1].info.title = "x\nRemove-Item C:\\".into();
        view.nodes[1].remedy[0].summary = "y\r\nRemove-Item C:\\".into();
        view.nodes[1].info.object = Some("z\u{2028}\nRemove-Item C:\\".into());
        let mut out = Vec::new();
        write_powershell(&mut out, &view).unwrap();
        let script = String::from_utf8(out).unwrap();
        let commands: Vec<_> = script
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .collect();
        assert_eq!(commands, [view.nodes[1].remedy[0].powershell.as_str()]);
    }
}
