//! [`Plan`]: a directed acyclic graph, one node per step and target.
//!
//! Edges come from the steps' own dependencies. *Requires* and *consults* edges pull the other step
//! into the plan, read-only; *after* edges to steps that are not in it are dropped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use owaim_steps::{Dependency, Scope, Step, Strength, Target};
use petgraph::Direction;
use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::event::{Mode, NodeId, NodeInfo, Treatment};
use crate::selection::Selection;

/// A step, a target, and what may be done about it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The step.
    pub step: Arc<dyn Step>,
    /// Its target.
    pub target: Target,
    /// What the run may do.
    pub treatment: Treatment,
}

impl Node {
    /// `backend.web-config atl-mbx-001.litwareinc.com`
    pub fn label(&self) -> String {
        format!("{} {}", self.step.id(), self.target)
    }
}

/// The graph of a run. Nodes are numbered in a topological order that is the same for the same
/// site.
#[derive(Debug)]
pub struct Plan {
    graph: DiGraph<Node, Strength>,
}

/// The steps' dependencies lead in a circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("steps depend on each other in a circle: {}", .nodes.join(" -> "))]
pub struct Cycle {
    /// Labels of the nodes in it.
    pub nodes: Vec<String>,
}

impl Plan {
    /// The graph of those of `steps` that `selection` chooses in a run of `mode`, with what they
    /// require.
    pub fn new(
        steps: Vec<Arc<dyn Step>>,
        selection: &Selection,
        mode: Mode,
    ) -> Result<Self, Cycle> {
        let nodes: Vec<Node> = steps
            .into_iter()
            .map(|step| Node {
                target: step.target(),
                step,
                treatment: Treatment::Support,
            })
            .collect();
        let mut by_step: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            by_step.entry(node.step.id()).or_default().push(index);
        }
        let dependencies: Vec<Vec<(usize, Strength)>> = nodes
            .iter()
            .map(|node| resolve(node, &nodes, &by_step))
            .collect();

        let mut treatments: Vec<Option<Treatment>> = nodes
            .iter()
            .map(|node| selection.treatment(mode, node.step.id(), &node.target.host))
            .collect();
        pull_needed(&mut treatments, &dependencies, selection.with_dependencies);

        let mut graph = DiGraph::new();
        let mut places: Vec<Option<NodeIndex>> = vec![None; nodes.len()];
        for (index, node) in nodes.into_iter().enumerate() {
            if let Some(treatment) = treatments[index] {
                places[index] = Some(graph.add_node(Node { treatment, ..node }));
            }
        }
        for (index, edges) in dependencies.iter().enumerate() {
            for (on, strength) in edges {
                if let (Some(from), Some(to)) = (places[*on], places[index]) {
                    graph.update_edge(from, to, *strength);
                }
            }
        }
        Self::ordered(&graph)
    }

    /// Renumbers the nodes topologically, ties broken by the order of the site.
    fn ordered(graph: &DiGraph<Node, Strength>) -> Result<Self, Cycle> {
        if toposort(graph, None).is_err() {
            let circle = tarjan_scc(graph)
                .into_iter()
                .find(|group| group.len() > 1)
                .unwrap_or_default();
            return Err(Cycle {
                nodes: circle
                    .iter()
                    .rev()
                    .map(|index| graph[*index].label())
                    .collect(),
            });
        }
        let mut missing: Vec<usize> = graph
            .node_indices()
            .map(|n| graph.neighbors_directed(n, Direction::Incoming).count())
            .collect();
        let mut ready: std::collections::BTreeSet<NodeIndex> = graph
            .node_indices()
            .filter(|n| missing[n.index()] == 0)
            .collect();
        let mut ordered = DiGraph::new();
        let mut renamed = BTreeMap::new();
        while let Some(next) = ready.pop_first() {
            renamed.insert(next, ordered.add_node(graph[next].clone()));
            for edge in graph.edges_directed(next, Direction::Incoming) {
                ordered.add_edge(renamed[&edge.source()], renamed[&next], *edge.weight());
            }
            for after in graph.neighbors(next) {
                missing[after.index()] -= 1;
                if missing[after.index()] == 0 {
                    ready.insert(after);
                }
            }
        }
        Ok(Self { graph: ordered })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The node of that number.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph[NodeIndex::new(id)]
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.graph
            .node_indices()
            .map(|index| (index.index(), &self.graph[index]))
    }

    /// The nodes before `id`, with the strength of the edge.
    pub fn before(&self, id: NodeId) -> impl Iterator<Item = (NodeId, Strength)> + '_ {
        self.graph
            .edges_directed(NodeIndex::new(id), Direction::Incoming)
            .map(|edge| (edge.source().index(), *edge.weight()))
    }

    /// The nodes after `id`.
    pub fn after(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.graph
            .neighbors(NodeIndex::new(id))
            .map(NodeIndex::index)
    }

    /// For every node the number of nodes on the longest path that starts at it: what waits
    /// behind it, and so its priority.
    pub fn longest_paths(&self) -> Vec<usize> {
        let mut lengths = vec![1; self.len()];
        for id in (0..self.len()).rev() {
            lengths[id] = 1 + self.after(id).map(|next| lengths[next]).max().unwrap_or(0);
        }
        lengths
    }

    /// The nodes as events and reports carry them.
    pub fn infos(&self) -> Vec<NodeInfo> {
        self.nodes()
            .map(|(id, node)| {
                let mut after: Vec<NodeId> = self.before(id).map(|(before, _)| before).collect();
                after.sort_unstable();
                NodeInfo {
                    node: id,
                    step: node.step.id().into(),
                    host: node.target.host.clone(),
                    object: node.target.object.clone(),
                    title: node.step.title(),
                    treatment: node.treatment,
                    after,
                }
            })
            .collect()
    }

    /// The graph in the language of Graphviz; *requires* edges solid, *consults* edges solid with an
    /// open head, *after* edges dashed.
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph owaim {\n  rankdir=LR;\n  node [shape=box];\n");
        for (id, node) in self.nodes() {
            let _ = writeln!(
                text,
                "  n{id} [label={:?}];",
                format!("{}\n{}", node.step.id(), node.target)
            );
        }
        for (from, to, strength) in self.edges() {
            let style = match strength {
                Strength::Requires => "style=solid",
                Strength::Consults => "style=solid, arrowhead=open",
                Strength::After => "style=dashed",
            };
            let _ = writeln!(text, "  n{from} -> n{to} [{style}];");
        }
        text + "}\n"
    }

    /// The graph in the language of Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (id, node) in self.nodes() {
            let target = node.target.to_string().replace('"', "#quot;");
            let _ = writeln!(text, "  n{id}[\"{}<br/>{target}\"]", node.step.id());
        }
        for (from, to, strength) in self.edges() {
            let arrow = match strength {
                Strength::Requires => "-->",
                Strength::Consults => "--o",
                Strength::After => "-.->",
            };
            let _ = writeln!(text, "  n{from} {arrow} n{to}");
        }
        text
    }

    /// Every edge, in order of its ends.
    pub fn edges(&self) -> Vec<(NodeId, NodeId, Strength)> {
        let mut edges: Vec<_> = self
            .graph
            .edge_references()
            .map(|edge| (edge.source().index(), edge.target().index(), *edge.weight()))
            .collect();
        edges.sort_unstable_by_key(|(from, to, _)| (*from, *to));
        edges
    }
}

/// The nodes that the dependencies of `node` mean; where one node is meant twice, the firmer edge
/// wins.
fn resolve(
    node: &Node,
    nodes: &[Node],
    by_step: &BTreeMap<&str, Vec<usize>>,
) -> Vec<(usize, Strength)> {
    let mut found: BTreeMap<usize, Strength> = BTreeMap::new();
    for Dependency {
        on,
        strength,
        scope,
    } in node.step.dependencies()
    {
        for &index in by_step.get(on).into_iter().flatten() {
            let other = &nodes[index].target;
            let meant = match scope {
                Scope::SameHost => other.host == node.target.host,
                Scope::All => true,
            };
            if meant {
                let firmest = found.entry(index).or_insert(strength);
                *firmest = strength.max(*firmest);
            }
        }
    }
    found.into_iter().collect()
}

/// Brings in, transitively, what chosen nodes require or consult.
fn pull_needed(
    treatments: &mut [Option<Treatment>],
    dependencies: &[Vec<(usize, Strength)>],
    with_dependencies: bool,
) {
    let mut open: Vec<usize> = (0..treatments.len())
        .filter(|index| treatments[*index].is_some())
        .collect();
    while let Some(index) = open.pop() {
        let pulled = match treatments[index] {
            Some(Treatment::Change) if with_dependencies => Treatment::Change,
            _ => Treatment::Support,
        };
        for (on, strength) in &dependencies[index] {
            let better = matches!(
                (treatments[*on], pulled),
                (None, _) | (Some(Treatment::Support), Treatment::Change)
            );
            if *strength > Strength::After && better {
                treatments[*on] = Some(pulled);
                open.push(*on);
            }
        }
    }
}
