//! The engine: runs the nodes of a plan, in parallel where the graph allows.
//!
//! The dispatcher here decides what starts and when; an executor works on one node. Neither
//! prints: what happens is told to the bus of the run.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::event::{EventKind, NodeId, Treatment};
use crate::executor::Executor;
use crate::graph::Node;
use crate::outcome::{ExitCode, Outcome};
use crate::queue::{Next, Queue};
use crate::run::Run;
use crate::stop::Level;

/// Name and options of a run, for its first and last event.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Run id; also the name of the run directory.
    pub run: String,
    /// Whether an unknown counts as drift.
    pub strict: bool,
    /// Whether a drift is no more than what the run was to show.
    pub shows_drift: bool,
}

/// Runs every node to its outcome, in the order of the plan's numbers in the result, and
/// closes all sessions.
pub async fn execute(run: &Arc<Run>, options: &RunOptions) -> (Vec<Outcome>, ExitCode) {
    let begun = run.bus.emit(EventKind::RunStarted {
        run: options.run.clone(),
        site: run.site.name.clone(),
        mode: run.mode,
        version: env!("CARGO_PKG_VERSION").into(),
        nodes: run.plan.infos(),
        warnings: run.site.warnings.iter().map(ToString::to_string).collect(),
    });
    // Where not even the beginning can be written, no change will be: see `Executor::act`.
    drop(begun);
    let outcomes = dispatch(run).await;
    tokio::select! {
        () = run.sessions.close() => {}
        () = run.stop.reached(Level::Abort) => {}
    }
    let exit = if run.stop.level() > Level::Run {
        ExitCode::Interrupted
    } else {
        // The drift of what is only looked at for others is theirs to judge.
        let counts = |(id, outcome): &(NodeId, &Outcome)| {
            !matches!(outcome, Outcome::Drifted { .. })
                || run.plan.node(*id).treatment != Treatment::Support
        };
        let counted = outcomes.iter().enumerate().filter(counts);
        match ExitCode::of(counted.map(|(_, outcome)| outcome), options.strict) {
            ExitCode::Drift if options.shows_drift => ExitCode::Success,
            exit => exit,
        }
    };
    let _ = run.bus.emit(EventKind::RunFinished { exit });
    (outcomes, exit)
}

async fn dispatch(run: &Arc<Run>) -> Vec<Outcome> {
    let mut queue = Queue::new(&run.plan, run.mode);
    let mut working: JoinSet<(NodeId, Outcome, u64)> = JoinSet::new();
    loop {
        while let Some(next) = queue.pop() {
            match next {
                Next::Blocked(id, outcome) => finished(run, id, &outcome, 0),
                Next::Start(id) => {
                    let run = Arc::clone(run);
                    let priority = queue.priority(id);
                    working.spawn(async move {
                        let started = Instant::now();
                        let outcome = Executor::new(&run, id, priority).execute().await;
                        (
                            id,
                            outcome,
                            u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                        )
                    });
                }
            }
        }
        let joined = tokio::select! {
            joined = working.join_next() => joined,
            () = run.stop.reached(Level::Abort) => None,
        };
        match joined {
            Some(Ok((id, outcome, took_ms))) => {
                finished(run, id, &outcome, took_ms);
                queue.finish(id, outcome);
            }
            // A panic of a step is a defect: it ends the run as an abort would, loudly.
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) | None => break,
        }
    }
    working.abort_all();
    let ended = |outcome: &Option<Outcome>| {
        outcome.clone().unwrap_or_else(|| Outcome::Unknown {
            reason: "interrupted before it came to its end".into(),
        })
    };
    queue.outcomes().iter().map(ended).collect()
}

fn finished(run: &Run, node: NodeId, outcome: &Outcome, took_ms: u64) {
    let Node {
        step,
        target,
        treatment,
    } = run.plan.node(node);
    // What is only looked at while others are changed stays as it is.
    let stays = run.mode.changes() && *treatment == Treatment::Support;
    if matches!(outcome, Outcome::Drifted { .. }) && !stays {
        run.expect_change(&target.host, step.id());
    }
    let _ = run.bus.emit(EventKind::NodeFinished {
        node,
        outcome: outcome.clone(),
        took_ms,
    });
}
