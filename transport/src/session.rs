//! [`Connect`] and [`Session`]: the only door to a server.

use async_trait::async_trait;
use owaim_proto::psrp::{Pipeline, PipelineOutput};
use owaim_proto::wsman::stream_room;

use crate::{ClientOptions, Endpoint, TransportError};

/// Opens sessions.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects, authenticates and opens a runspace pool (MaxRunspaces 1).
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, TransportError>;
}

/// An open runspace pool.
#[async_trait]
pub trait Session: Send {
    /// Runs `pipeline` to its end and gives every record.
    ///
    /// A pipeline that ended by an error of its own is an `Ok` with a failed state; an `Err` is
    /// a failure of the way there and back, and says whether the pipeline may have run. After an
    /// `Err` the session is of no use any more, [`TransportError::Unsendable`] excepted; the same
    /// goes for a future that was dropped before its end. What is still running then is stopped by
    /// [`close`](Self::close).
    async fn run(&mut self, pipeline: &Pipeline) -> Result<PipelineOutput, TransportError>;

    /// Whether another pipeline may be run; after an `Ok` too it may be otherwise, where a connection
    /// was lost beside it.
    fn is_usable(&self) -> bool;

    /// Asks the service how large an envelope it takes, if the account may know, and makes use of it from then on.
    /// Gives how many bytes of a stream fit into one: with what every server takes, unless it said more. Costs one
    /// exchange, which pays where much is sent.
    async fn learn_room(&mut self) -> usize {
        stream_room(ClientOptions::default().send_limit)
    }

    /// Closes the runspace pool. Errors while closing are of no interest to anyone.
    async fn close(self: Box<Self>);
}
