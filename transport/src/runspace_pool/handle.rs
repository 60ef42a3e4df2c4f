//! [`PoolHandle`]: what another process needs to come back to a pool.

use owaim_proto::wsman::ShellState;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What another process, or this one after a crash, needs to come back to a pool: ids, no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolHandle {
    /// `SessionId` of the client that opened it.
    pub session_id: Uuid,
    /// `ShellId`, which is the pool's id as well.
    pub shell_id: Uuid,
    /// URI of the session configuration.
    pub resource_uri: String,
    /// The pipelines that were running.
    #[serde(default)]
    pub pipelines: Vec<PipelineHandle>,
}

/// A pipeline that was running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineHandle {
    /// Its id in the pool.
    pub pipeline: Uuid,
    /// The id of its command in the shell: the same, unless the server would not take it.
    pub command: Uuid,
}

/// A pool that a server has for the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPool {
    /// What is needed to come back to it.
    pub handle: PoolHandle,
    /// Whether a client is connected to it.
    pub state: ShellState,
    /// Its name.
    pub name: Option<String>,
    /// The account that opened it, as the server writes it.
    pub owner: Option<String>,
}
