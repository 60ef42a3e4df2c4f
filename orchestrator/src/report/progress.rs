//! [`Progress`]: what goes on now, on standard error.
//!
//! On a terminal: one line per busy server and one bar for the whole run, gone when the run is.
//! Elsewhere: a plain line per finished step and per retry. It keeps no records, so that nothing
//! it cannot write ever stops a run.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owaim_inventory::HostName;

use super::{RunView, duration, one_line};
use crate::bus::Consumer;
use crate::event::{Event, EventKind, NodeId};
use crate::outcome::Outcome;

/// How often the lines of busy servers are drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// Shows a run as it goes.
pub struct Progress {
    view: RunView,
    done: u64,
    display: Display,
}

enum Display {
    Bars(Bars),
    Lines(Box<dyn Write + Send>),
}

/// The screen that the bars are on. Whoever writes to the terminal while a run goes on does so
/// through this, or tears the bars apart.
#[derive(Clone)]
pub struct Screen(Option<MultiProgress>);

impl Screen {
    /// Calls `write` while no bar is on the screen.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(multi) => multi.suspend(write),
            None => write(),
        }
    }
}

impl Progress {
    /// On standard error: bars, which only a terminal shows, or lines.
    pub fn new(bars: bool) -> Self {
        if bars {
            Self::bars(ProgressDrawTarget::stderr())
        } else {
            Self::lines(Box::new(io::stderr()))
        }
    }

    /// Bars on `target`.
    pub fn bars(target: ProgressDrawTarget) -> Self {
        Self::with(Display::Bars(Bars::new(target)))
    }

    /// Lines to `out`.
    pub fn lines(out: Box<dyn Write + Send>) -> Self {
        Self::with(Display::Lines(out))
    }

    fn with(display: Display) -> Self {
        Self {
            view: RunView::default(),
            done: 0,
            display,
        }
    }

    /// The screen, for others that write to it.
    pub fn screen(&self) -> Screen {
        Screen(match &self.display {
            Display::Bars(bars) => Some(bars.multi.clone()),
            Display::Lines(_) => None,
        })
    }

    /// What is said in either display about `event`: bars say only what must not be missed.
    fn line(&self, event: &Event, plain: bool) -> Option<String> {
        match &event.kind {
            EventKind::RunStarted {
                site, mode, nodes, ..
            } if plain => Some(format!(
                "{} of site {}: {} steps",
                mode.word(),
                one_line(site),
                nodes.len()
            )),
            EventKind::RetryScheduled {
                node,
                attempt,
                wait_ms,
                reason,
            } if plain => Some(format!(
                "{}: attempt {attempt} in {} because: {}",
                self.view.label(*node),
                duration(*wait_ms),
                one_line(reason)
            )),
            EventKind::NodeFinished {
                node,
                outcome,
                took_ms,
            } => {
                let label = self.view.label(*node);
                let why = match outcome {
                    Outcome::Failed { problem, .. } => {
                        format!(": {}: {}", problem.action, one_line(&problem.found))
                    }
                    Outcome::Blocked { by, .. } if plain => format!(" by {}", one_line(by)),
                    _ if plain => String::new(),
                    _ => return None,
                };
                let count = format!("[{}/{}]", self.done, self.view.nodes.len());
                Some(format!(
                    "{count} {label}: {}{}, {}",
                    outcome.word(),
                    one_line_keeping_start(&why),
                    duration(*took_ms)
                ))
            }
            EventKind::Interrupted { now: false } => Some(
                "interrupted: finishing what is being changed; press Ctrl-C again to stop at once"
                    .into(),
            ),
            EventKind::Interrupted { now: true } => {
                Some("interrupted again: stopping at once".into())
            }
            _ => None,
        }
    }
}

/// [`one_line`] with the leading blank or colon of a part of a sentence.
fn one_line_keeping_start(part: &str) -> String {
    match part.strip_prefix(' ') {
        Some(rest) => format!(" {}", one_line(rest)),
        None => one_line(part),
    }
}

impl Consumer for Progress {
    fn consume(&mut self, event: &Event) -> io::Result<()> {
        self.view.note(event);
        if matches!(event.kind, EventKind::NodeFinished { .. }) {
            self.done += 1;
        }
        let line = self.line(event, matches!(self.display, Display::Lines(_)));
        match &mut self.display {
            Display::Lines(out) => {
                if let Some(line) = line {
                    // See the module: a closed standard error stops nothing.
                    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
                }
            }
            Display::Bars(bars) => {
                if let Some(line) = line {
                    let _ = bars.multi.println(line);
                }
                bars.show(event, &self.view, self.done);
            }
        }
        Ok(())
    }
}

/// One line per busy server above one bar for the run.
struct Bars {
    multi: MultiProgress,
    overall: Option<ProgressBar>,
    hosts: BTreeMap<HostName, Busy>,
}

/// What is being done on one server.
struct Busy {
    bar: ProgressBar,
    nodes: BTreeMap<NodeId, String>,
}

impl Bars {
    fn new(target: ProgressDrawTarget) -> Self {
        Self {
            multi: MultiProgress::with_draw_target(target),
            overall: None,
            hosts: BTreeMap::new(),
        }
    }

    fn show(&mut self, event: &Event, view: &RunView, done: u64) {
        match &event.kind {
            EventKind::RunStarted { nodes, .. } => {
                let overall = self.multi.add(ProgressBar::new(nodes.len() as u64));
                overall.set_style(style("{bar:32.cyan/dim} {pos}/{len} steps, {elapsed}"));
                overall.enable_steady_tick(TICK);
                overall.tick();
                self.overall = Some(overall);
            }
            EventKind::AttemptStarted { node, attempt } => {
                let attempt = if *attempt > 1 {
                    format!(", attempt {attempt}")
                } else {
                    String::new()
                };
                self.busy(view, *node, &attempt);
            }
            EventKind::PipelineSent { pipeline, .. } => {
                let attempt = if pipeline.attempt > 1 {
                    format!(", attempt {}", pipeline.attempt)
                } else {
                    String::new()
                };
                self.busy(
                    view,
                    pipeline.node,
                    &format!("{attempt}: {}", pipeline.name),
                );
            }
            EventKind::ChangeStarting { node, summary, .. } => {
                self.busy(view, *node, &format!(": {}", one_line(summary)));
            }
            EventKind::RetryScheduled {
                node,
                attempt,
                wait_ms,
                reason,
            } => {
                let wait = duration(*wait_ms);
                self.busy(
                    view,
                    *node,
                    &format!(": attempt {attempt} in {wait}: {}", one_line(reason)),
                );
            }
            EventKind::NodeFinished { node, .. } => {
                self.idle(view, *node);
                if let Some(overall) = &self.overall {
                    overall.set_position(done);
                }
            }
            EventKind::RunFinished { .. } => self.clear(),
            EventKind::SessionOpened { .. }
            | EventKind::PipelineReturned { .. }
            | EventKind::PipelineLost { .. }
            | EventKind::Assessed { .. }
            | EventKind::ChangeDone { .. }
            | EventKind::Interrupted { .. } => {}
        }
    }

    /// `node` is at work; `doing` follows its name.
    fn busy(&mut self, view: &RunView, node: NodeId, doing: &str) {
        let (Some(view), Some(overall)) = (view.node(node), &self.overall) else {
            return;
        };
        let busy = self.hosts.entry(view.info.host.clone()).or_insert_with(|| {
            let bar = self
                .multi
                .insert_before(overall, ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {prefix:.bold}  {wide_msg} {elapsed:>4}"));
            bar.set_prefix(view.info.host.to_string());
            bar.enable_steady_tick(TICK);
            Busy {
                bar,
                nodes: BTreeMap::new(),
            }
        });
        busy.nodes
            .insert(node, format!("{}{doing}", super::text::name(view)));
        busy.show();
    }

    /// `node` is at work no more.
    fn idle(&mut self, view: &RunView, node: NodeId) {
        let Some(host) = view.node(node).map(|view| &view.info.host) else {
            return;
        };
        let Some(busy) = self.hosts.get_mut(host) else {
            return;
        };
        busy.nodes.remove(&node);
        if busy.nodes.is_empty() {
            busy.bar.finish_and_clear();
            self.multi.remove(&busy.bar);
            self.hosts.remove(host);
        } else {
            busy.show();
        }
    }

    fn clear(&mut self) {
        for busy in std::mem::take(&mut self.hosts).into_values() {
            busy.bar.finish_and_clear();
        }
        if let Some(overall) = self.overall.take() {
            overall.finish_and_clear();
        }
        // A display that cannot be cleared is not there.
        let _ = self.multi.clear();
    }
}

impl Busy {
    fn show(&self) {
        let doing: Vec<_> = self.nodes.values().map(String::as_str).collect();
        self.bar.set_message(doing.join(" | "));
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; a default is still better than a panic.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::InMemoryTerm;

    use super::*;
    use crate::canned;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn elsewhere_than_on_a_terminal_there_are_lines() {
        let sink = Sink::default();
        let mut progress = Progress::lines(Box::new(sink.clone()));
        for event in canned::events() {
            progress.consume(&event).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(sink.0.lock().unwrap().clone()).unwrap());
    }

    #[test]
    fn busy_servers_are_seen_and_nothing_stays() {
        let term = InMemoryTerm::new(20, 120);
        let mut progress = Progress::bars(ProgressDrawTarget::term_like(Box::new(term.clone())));
        let mut seen = Vec::new();
        let finish = canned::events().pop().unwrap();
        for event in canned::events() {
            if event == finish {
                progress
                    .screen()
                    .suspend(|| assert!(!term.contents().contains("steps")));
            }
            progress.consume(&event).unwrap();
            // Longer than the shortest time between two drawings.
            std::thread::sleep(Duration::from_millis(60));
            seen.push(term.contents());
        }
        for expected in [
            "atl-mbx-001.litwareinc.com  backend.web-config: read",
            "backend.recycle: attempt 2 in 1.3 s: the connection was closed",
            "5/7 steps",
        ] {
            assert!(
                seen.iter().any(|screen| screen.contains(expected)),
                "{expected}: {seen:#?}"
            );
        }
        let last = term.contents();
        assert!(
            !last.contains("steps") && last.contains("connection refused\\u{1b}[2J"),
            "{last}"
        );
    }
}
