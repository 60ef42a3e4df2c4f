//! The simulated site: everything that a cmdlet can see or change.
//!
//! Key type: [`World`]. It knows nothing of HTTP or PSRP messages: a pipeline goes in, records
//! come out.

use std::time::Duration;

use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{HostCall, Pipeline, PipelineOutput, Record};
use uuid::Uuid;

/// Who calls, and through which door.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The host called.
    pub(crate) host: HostName,
    /// Which of its endpoints.
    pub(crate) endpoint: EndpointKind,
    /// The authenticated account.
    pub(crate) user: String,
    /// The runspace pool: session state (`LASTEXITCODE`, loaded modules) hangs on it.
    pub(crate) session: Uuid,
}

/// What became of a pipeline.
pub(crate) enum Execution {
    /// It ended; `takes` is how long a real server would have worked.
    Finished { output: PipelineOutput, takes: Duration },
    /// It waits for an answer of the client's host.
    Prompt {
        /// Records given before the prompt.
        before: Vec<Record>,
        /// The call.
        call: HostCall,
        /// Goes on with the answer: the return value, or the exception's message.
        resume: Box<dyn FnOnce(Result<Value, String>) -> Execution + Send>,
    },
}

/// The simulated site. Cheap to clone: all clones are the same site.
#[derive(Clone)]
pub(crate) struct World {}

impl World {
    /// Runs `pipeline` (with the objects of its input stream) as `caller`, at once.
    pub(crate) fn run(&self, _caller: &Caller, _pipeline: &Pipeline, _input: &[Value]) -> Execution {
        unimplemented!()
    }

    /// The runspace pool of that id is closed: forget its state.
    pub(crate) fn forget(&self, _session: Uuid) {}
}
