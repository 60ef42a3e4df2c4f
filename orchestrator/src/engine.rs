//! The engine: runs the nodes of a plan, in parallel where the graph allows.
//!
//! The dispatcher here decides what starts and when; an [`Executor`] works on one node. Neither
//! prints: what happens is told to the [`Bus`].

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use owaim_inventory::{HostName, Site};
use owaim_steps::{Exclusive, Fact, Facts};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::bus::Bus;
use crate::event::{EventKind, Mode, NodeId};
use crate::executor::Executor;
use crate::gate::Gate;
use crate::graph::Plan;
use crate::outcome::{ExitCode, Outcome};
use crate::queue::{Next, Queue};
use crate::sessions::Sessions;
use crate::stop::{Level, Stop};

/// Keeps what was there before a change.
pub trait Keeper: Send + Sync {
    /// Writes `content` below the folder of `host`, durably, never over another file; gives the
    /// file's path within the run directory.
    fn save(&self, host: &HostName, name: &str, content: &[u8]) -> io::Result<String>;
}

/// Everything a run needs.
pub struct Run {
    /// The site.
    pub site: Site,
    /// What may happen.
    pub plan: Plan,
    /// What the run may do.
    pub mode: Mode,
    /// The way to the servers.
    pub sessions: Sessions,
    /// Where events go.
    pub bus: Bus,
    /// Where files go before they are changed.
    pub keeper: Box<dyn Keeper>,
    /// The user's wish to end.
    pub stop: Stop,
    /// How many steps are at work at once.
    pub gate: Gate,
    facts: RwLock<Facts>,
    groups: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// Name and options of a run, for its first and last event.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Run id; also the name of the run directory.
    pub run: String,
    /// Whether an unknown counts as drift.
    pub strict: bool,
}

impl Run {
    /// A run that has not begun.
    pub fn new(
        site: Site,
        plan: Plan,
        mode: Mode,
        sessions: Sessions,
        bus: Bus,
        keeper: Box<dyn Keeper>,
        stop: Stop,
    ) -> Self {
        let gate = Gate::new(&site.limits);
        Self {
            site,
            plan,
            mode,
            sessions,
            bus,
            keeper,
            stop,
            gate,
            facts: RwLock::default(),
            groups: Mutex::default(),
        }
    }

    /// Runs every node to its outcome, in the order of the plan's numbers in the result, and
    /// closes all sessions.
    pub async fn execute(self: Arc<Self>, options: &RunOptions) -> (Vec<Outcome>, ExitCode) {
        let begun = self.bus.emit(EventKind::RunStarted {
            run: options.run.clone(),
            site: self.site.name.clone(),
            mode: self.mode,
            version: env!("CARGO_PKG_VERSION").into(),
            nodes: self.plan.infos(),
        });
        // Where not even the beginning can be written, no change will be: see `Executor::act`.
        drop(begun);
        let outcomes = Self::dispatch(&self).await;
        tokio::select! {
            () = self.sessions.close() => {}
            () = self.stop.reached(Level::Abort) => {}
        }
        let exit = if self.stop.level() > Level::Run {
            ExitCode::Interrupted
        } else {
            ExitCode::of(&outcomes, options.strict)
        };
        let _ = self.bus.emit(EventKind::RunFinished { exit });
        (outcomes, exit)
    }

    async fn dispatch(self: &Arc<Self>) -> Vec<Outcome> {
        let mut queue = Queue::new(&self.plan, self.mode);
        let mut working: JoinSet<(NodeId, Outcome, u64)> = JoinSet::new();
        loop {
            while let Some(next) = queue.pop() {
                match next {
                    Next::Blocked(id, outcome) => self.finished(id, &outcome, 0),
                    Next::Start(id) => {
                        let run = Arc::clone(self);
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
                () = self.stop.reached(Level::Abort) => None,
            };
            match joined {
                Some(Ok((id, outcome, took_ms))) => {
                    self.finished(id, &outcome, took_ms);
                    queue.finish(id, outcome);
                }
                // A panic of a step is a defect: it ends the run as an abort would, loudly.
                Some(Err(error)) if error.is_panic() => {
                    std::panic::resume_unwind(error.into_panic())
                }
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

    fn finished(&self, node: NodeId, outcome: &Outcome, took_ms: u64) {
        let id = self.plan.node(node).step.id();
        let host = &self.plan.node(node).target.host;
        if matches!(outcome, Outcome::Drifted { .. }) {
            self.facts
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .learn(host, Fact::Pending(id.into()));
        }
        let _ = self.bus.emit(EventKind::NodeFinished {
            node,
            outcome: outcome.clone(),
            took_ms,
        });
    }

    pub(crate) fn facts(&self) -> RwLockReadGuard<'_, Facts> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a step learnt. That a change is still to come is for the dispatcher to say.
    pub(crate) fn learn(&self, host: &HostName, learnt: &[Fact]) {
        let mut facts = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        for fact in learnt
            .iter()
            .filter(|fact| !matches!(fact, Fact::Pending(_)))
        {
            facts.learn(host, fact.clone());
        }
    }

    /// The places of an exclusive group.
    pub(crate) fn group(&self, exclusive: &Exclusive) -> Arc<Semaphore> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            groups
                .entry(exclusive.group.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(exclusive.limit.max(1)))),
        )
    }
}
