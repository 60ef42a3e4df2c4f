//! [`Queue`]: which nodes may start, and which are blocked. No threads, no I/O, no clock.

use std::collections::BTreeSet;

use owaim_steps::Strength;

use crate::event::{Mode, NodeId, Treatment};
use crate::graph::Plan;
use crate::outcome::{FailureCause, Outcome};

/// Hands out the nodes of a plan, each once everything before it has come to its end; the
/// longest remaining path first.
#[derive(Debug)]
pub struct Queue<'a> {
    plan: &'a Plan,
    mode: Mode,
    priority: Vec<usize>,
    missing: Vec<usize>,
    ready: BTreeSet<(std::cmp::Reverse<usize>, NodeId)>,
    outcomes: Vec<Option<Outcome>>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Start that node.
    Start(NodeId),
    /// That node cannot be tried; it is finished with this outcome.
    Blocked(NodeId, Outcome),
}

impl<'a> Queue<'a> {
    /// All nodes of `plan`, none started, in a run of `mode`.
    pub fn new(plan: &'a Plan, mode: Mode) -> Self {
        let priority = plan.longest_paths();
        let missing: Vec<usize> = (0..plan.len()).map(|id| plan.before(id).count()).collect();
        let ready = (0..plan.len())
            .filter(|id| missing[*id] == 0)
            .map(|id| (std::cmp::Reverse(priority[id]), id))
            .collect();
        Self {
            plan,
            mode,
            priority,
            missing,
            ready,
            outcomes: vec![None; plan.len()],
        }
    }

    /// How many nodes wait behind `id`, itself included.
    pub fn priority(&self, id: NodeId) -> usize {
        self.priority[id]
    }

    /// The next node, if one is ready. A blocked one is finished by this call.
    pub fn pop(&mut self) -> Option<Next> {
        let (_, id) = self.ready.pop_first()?;
        Some(match self.blocked_by(id) {
            None => Next::Start(id),
            Some(outcome) => {
                self.finish(id, outcome.clone());
                Next::Blocked(id, outcome)
            }
        })
    }

    /// `id` has come to its end.
    pub fn finish(&mut self, id: NodeId, outcome: Outcome) {
        self.outcomes[id] = Some(outcome);
        for next in self.plan.after(id) {
            self.missing[next] -= 1;
            if self.missing[next] == 0 {
                self.ready
                    .insert((std::cmp::Reverse(self.priority[next]), next));
            }
        }
    }

    /// The outcomes so far, by node.
    pub fn outcomes(&self) -> &[Option<Outcome>] {
        &self.outcomes
    }

    /// The outcome of `id` if a step it requires bars it. A failure bars everything. A drift bars
    /// a node that is to be changed, unless this is a plan and the drift would be repaired.
    fn blocked_by(&self, id: NodeId) -> Option<Outcome> {
        let changes = self.plan.node(id).treatment == Treatment::Change;
        let mut bars: Vec<(NodeId, bool)> = self
            .plan
            .before(id)
            .filter(|(_, strength)| *strength == Strength::Requires)
            .filter_map(|(before, _)| {
                let outcome = self.outcomes[before].as_ref()?;
                match outcome {
                    Outcome::Failed { cause, .. } => {
                        Some((before, *cause == FailureCause::Unreachable))
                    }
                    Outcome::Blocked { unreachable, .. } => Some((before, *unreachable)),
                    Outcome::Drifted { .. } if changes && !self.would_be_repaired(before) => {
                        Some((before, false))
                    }
                    _ => None,
                }
            })
            .collect();
        bars.sort_unstable();
        let (first, _) = bars.first()?;
        let by = match &self.outcomes[*first] {
            // The root of a chain says more than its last link.
            Some(Outcome::Blocked { by, .. }) => by.clone(),
            _ => self.plan.node(*first).label(),
        };
        Some(Outcome::Blocked {
            by,
            unreachable: bars.iter().all(|(_, unreachable)| *unreachable),
        })
    }

    fn would_be_repaired(&self, id: NodeId) -> bool {
        self.mode == Mode::Plan && self.plan.node(id).treatment == Treatment::Change
    }
}
