//! Pipelines with an address: [`Query`] reads, [`Action`] changes.

use std::collections::BTreeMap;

use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::psrp::{Pipeline, PipelineOutput};

/// The endpoint a pipeline goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Server.
    pub host: HostName,
    /// Which of its endpoints.
    pub kind: EndpointKind,
}

impl Place {
    /// The plain WinRM endpoint of `host`.
    pub fn windows(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            kind: EndpointKind::Windows,
        }
    }

    /// The Exchange endpoint of `host`.
    pub fn exchange(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            kind: EndpointKind::Exchange,
        }
    }

    /// The restricted endpoint of the Front End `host`.
    pub fn lync(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            kind: EndpointKind::Lync,
        }
    }

    /// The session configuration of the Front End `host` that has an account of its own.
    pub fn lync_local(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            kind: EndpointKind::LyncLocal,
        }
    }
}

/// A read-only pipeline.
#[derive(Debug, Clone)]
pub struct Query {
    /// Name within the step, for [`Observations`] and the transcript.
    pub name: &'static str,
    /// Where it runs.
    pub place: Place,
    /// What runs.
    pub pipeline: Pipeline,
}

/// One pipeline of a remedy.
#[derive(Debug, Clone)]
pub struct Action {
    /// Name within the step, for [`Step::accept`](crate::Step::accept) and the transcript.
    pub name: &'static str,
    /// Where it runs.
    pub place: Place,
    /// What runs.
    pub pipeline: Pipeline,
    /// Whether it changes the server; `false` for checks between changes.
    pub changes: bool,
    /// One line for people: `set IMServerName in D:\…\web.config`.
    pub summary: String,
    /// What was there before, kept in the run directory before the action runs.
    pub saves: Vec<Saved>,
}

/// A file or value as it was before a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// File name below `before/<host>/`, for example `web.config`.
    pub name: String,
    /// Where it came from, for people: the path or object.
    pub origin: String,
    /// The content.
    pub content: Vec<u8>,
}

/// What the probe of a step has seen so far: the output of each query, by its name and by what it
/// runs. A step may ask the same of several objects, of which nobody knows beforehand how many
/// there are: those queries share a name.
#[derive(Debug, Clone, Default)]
pub struct Observations(BTreeMap<&'static str, Vec<(Pipeline, PipelineOutput)>>);

impl Observations {
    /// Notes what `query` gave.
    pub fn insert(&mut self, query: Query, output: PipelineOutput) {
        let named = self.0.entry(query.name).or_default();
        named.push((query.pipeline, output));
    }

    /// What the query of that name gave, if it has run; the latest one, if several share it.
    pub fn get(&self, query: &str) -> Option<&PipelineOutput> {
        self.0.get(query)?.last().map(|(_, output)| output)
    }

    /// What exactly this query gave, if it has run.
    pub fn of(&self, query: &Query) -> Option<&PipelineOutput> {
        let named = self.0.get(query.name)?;
        let ran = named.iter().find(|(ran, _)| *ran == query.pipeline);
        ran.map(|(_, output)| output)
    }
}
