//! [`PoolOptions`] and [`PipelineOptions`].

use std::sync::Arc;
use std::time::Duration;

use owaim_proto::clixml::Value;

use super::{Host, NoHost};
use crate::Tickets;
use crate::client::ClientOptions;
use crate::observer::Observer;
use crate::retry::Retry;

/// What a runspace pool is to be like.
#[derive(Clone)]
pub struct PoolOptions {
    /// How its client goes about it.
    pub client: ClientOptions,
    /// Who hears of every exchange.
    pub observer: Option<Arc<dyn Observer>>,
    /// The Kerberos tickets of the run, so that they are asked for once.
    pub tickets: Tickets,
    /// Who answers what pipelines ask of their user; without a host every question is refused.
    pub host: Arc<dyn Host>,
    /// Runspaces that the server keeps at hand.
    pub min_runspaces: i32,
    /// Runspaces, and so pipelines that run at once; further ones wait on the server.
    pub max_runspaces: i32,
    /// `$PSSenderInfo.ApplicationArguments`: a dictionary, or null.
    pub application_arguments: Value,
    /// Name of the shell, for people.
    pub name: Option<String>,
    /// Whether the user's profile is left unloaded on the server.
    pub no_profile: bool,
    /// Connections at most, two at least: one per Receive that hangs, each pipeline's and the
    /// pool's own, and one for everything else. `None`: enough for `max_runspaces`. They are made
    /// when they are needed.
    pub connections: Option<usize>,
    /// Whether to listen to the pool itself at all times, by a Receive that hangs in the
    /// background on a connection of its own: the server hears from its client, so that the shell
    /// never counts as idle, and what it asks for between pipelines (an exchange of keys) it
    /// gets. Otherwise the pool is listened to only while it has something to answer.
    pub listen: bool,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions {
                retry: Retry::PATIENT,
                ..ClientOptions::default()
            },
            observer: None,
            tickets: Tickets::default(),
            host: Arc::new(NoHost),
            min_runspaces: 1,
            max_runspaces: 1,
            application_arguments: Value::Null,
            name: Some("owaim".into()),
            no_profile: false,
            connections: None,
            listen: false,
        }
    }
}

impl PoolOptions {
    pub(super) fn connections(&self) -> usize {
        let pipelines = usize::try_from(self.max_runspaces).unwrap_or(1).max(1);
        self.connections.unwrap_or(pipelines + 2)
    }
}

/// How a pipeline is to be run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PipelineOptions {
    /// Its whole input, sent along with it; `None`: it takes none, or gets it by
    /// [`Running::send`](super::Running::send).
    pub input: Option<Vec<Value>>,
    /// Whether it goes into the session's history.
    pub add_to_history: bool,
    /// Whether error, warning, verbose and debug records say what was invoked: 2 KB each.
    pub invocation_info: bool,
    /// Whether it runs within the pipeline that runs already, in the same runspace.
    pub nested: bool,
}

/// How long the server may take for what it answers about a pool.
pub(super) const ANSWER: Duration = Duration::from_mins(1);
