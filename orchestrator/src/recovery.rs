//! [`Recovery`]: `recovery.md`, how to put things back by hand.
//!
//! Written anew, as a whole, before and after every change: whenever the program ends, the file
//! tells what was or may have been changed. A run that changes nothing leaves no such file.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use owaim_steps::Difference;

use crate::bus::Consumer;
use crate::event::{Event, EventKind};
use crate::report::{ChangeEnd, ChangeView, NodeView, RunView, one_line, value};
use crate::run_dir::RunDir;

/// Keeps `recovery.md` of one run.
pub struct Recovery {
    path: PathBuf,
    view: RunView,
}

impl Recovery {
    /// In the folder of that run.
    pub fn new(run_dir: &RunDir) -> Self {
        Self {
            path: run_dir.recovery(),
            view: RunView::default(),
        }
    }

    fn write(&self) -> io::Result<()> {
        owaim_platform::replace_private_file(&self.path, render(&self.view).as_bytes())
    }
}

impl Consumer for Recovery {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        self.view.note(event);
        let end = matches!(event.kind, EventKind::RunFinished { .. }) && self.view.has_changes();
        if end
            || matches!(
                event.kind,
                EventKind::ChangeStarting { .. } | EventKind::ChangeDone { .. }
            )
        {
            self.write()?;
        }
        Ok(())
    }
}

/// The text of `recovery.md` for what `view` has seen.
pub fn render(view: &RunView) -> String {
    let end = match view.exit {
        Some(exit) => format!("ended with exit code {}", exit.number()),
        None => "not ended when this was written".into(),
    };
    let site = one_line(&view.site);
    let mut text = format!(
        "# How to put back what run {} changed\n\nSite {site}, {end}.\n",
        view.run
    );
    text.push_str(
        "\nUndo from the last change to the first. Look before you write: if a value is no longer the one this run \
         set, somebody has changed it since. The files named below are in the folder `before` next to this one.\n",
    );
    let mut changes: Vec<(&NodeView, &ChangeView)> = view
        .nodes
        .iter()
        .flat_map(|node| node.changes.iter().map(move |change| (node, change)))
        .collect();
    changes.sort_by_key(|(_, change)| change.at);
    for (number, (node, change)) in (1..).zip(&changes) {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(text, "\n## {number}. {}\n", code(&change.summary));
        let _ = writeln!(
            text,
            "- on {} by step {}",
            node.info.host,
            code(&node.label())
        );
        let _ = writeln!(
            text,
            "- begun {:.0} (UTC), attempt {}",
            change.at, change.attempt
        );
        match &change.end {
            ChangeEnd::Done => text.push_str("- accepted by the server\n"),
            ChangeEnd::Failed(error) => {
                let _ = writeln!(
                    text,
                    "- **not accepted, may be there in part**: {}",
                    code(error)
                );
            }
            ChangeEnd::Open => {
                text.push_str("- **its answer was not seen: it may or may not be there**\n");
            }
        }
        for (origin, file) in &change.saved {
            let _ = writeln!(
                text,
                "- as it was before: {} is kept as {}",
                code(origin),
                code(&format!("before/{file}"))
            );
        }
        text.push_str(&put_back(node, change));
    }
    text
}

/// What to do by hand to undo one change.
fn put_back(node: &NodeView, change: &ChangeView) -> String {
    let mut text = String::new();
    if !node.found.is_empty() {
        text.push_str("\nBefore the step, and as the step wants it:\n\n");
    }
    for Difference {
        what,
        actual,
        desired,
        ..
    } in &node.found
    {
        let (before, wanted) = (value(actual.as_deref()), value(desired.as_deref()));
        let _ = writeln!(
            text,
            "- {}: {} became {}",
            code(what),
            code(&before),
            code(&wanted)
        );
    }
    text.push_str("\nTo put back:\n\n");
    for (origin, file) in &change.saved {
        let (origin, file) = (code(origin), code(&format!("before/{file}")));
        let host = &node.info.host;
        let _ = writeln!(
            text,
            "- {origin} on {host}: set the values above back one by one; or, if nobody else has touched it since, \
             restore all of it from {file}"
        );
    }
    if change.saved.is_empty() {
        text.push_str("- nothing was kept for this action; values above that are settings can be set back by hand\n");
    }
    text
}

/// `text` as Markdown code on one line, whatever is in it.
fn code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{blank}{text}{blank}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned;

    #[test]
    fn every_change_can_be_put_back() {
        insta::assert_snapshot!(render(&canned::view(&canned::events())));
    }

    #[test]
    fn the_file_is_there_from_the_first_change_on() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::create(root.path(), "litware", "r").unwrap();
        let mut recovery = Recovery::new(&dir);
        let mut view = RunView::default();
        for event in canned::events() {
            recovery.consume(&event).unwrap();
            view.note(&event);
            assert_eq!(dir.recovery().exists(), view.has_changes(), "{event:?}");
        }
        assert_eq!(
            std::fs::read_to_string(dir.recovery()).unwrap(),
            render(&view)
        );
        assert!(!dir.path().join("recovery.md.new").exists());
    }

    #[test]
    fn a_run_without_changes_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::create(root.path(), "litware", "r").unwrap();
        let mut recovery = Recovery::new(&dir);
        for event in canned::plan() {
            recovery.consume(&event).unwrap();
        }
        assert!(!dir.recovery().exists());
    }

    #[test]
    fn code_cannot_be_left() {
        for (text, expected) in [
            ("a", "`a`"),
            ("a`b", "``a`b``"),
            ("``", "``` `` ```"),
            ("a\nb", "`a b`"),
        ] {
            assert_eq!(code(text), expected);
        }
    }
}
