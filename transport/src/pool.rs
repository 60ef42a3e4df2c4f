//! [`PoolSession`]: a [`Session`] over a runspace pool of one runspace.
//!
//! The narrow door for those who must know what may have run: pipelines follow each other, further
//! connections are made only for what must pass a request under way, nothing is sent again but a
//! Receive that the server puts off, and after an error or a lost connection the session is of no use any more.

use std::sync::Arc;

use async_trait::async_trait;
use owaim_proto::psrp::{Pipeline, PipelineOutput};

use crate::client::ClientOptions;
use crate::error::action;
use crate::observer::Observer;
use crate::{
    Endpoint, PipelineOptions, PoolOptions, RunspacePool, Session, Tickets, TransportError,
};

/// An open runspace pool.
pub(crate) struct PoolSession {
    url: String,
    pool: RunspacePool,
    /// What happened to it, for people.
    unusable_after: Option<&'static str>,
}

impl PoolSession {
    /// Connects, authenticates, creates the shell and waits until its pool is open.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        client: ClientOptions,
        observer: Option<Arc<dyn Observer>>,
        tickets: Tickets,
    ) -> Result<Self, TransportError> {
        let options = PoolOptions {
            client,
            observer,
            tickets,
            ..PoolOptions::default()
        };
        Ok(Self {
            url: endpoint.url.clone(),
            pool: RunspacePool::open(endpoint, &options).await?,
            unusable_after: None,
        })
    }
}

#[async_trait]
impl Session for PoolSession {
    async fn run(&mut self, pipeline: &Pipeline) -> Result<PipelineOutput, TransportError> {
        if let Some(after) = self.unusable_after {
            return Err(TransportError::SessionUnusable {
                action: action::COMMAND,
                url: self.url.clone(),
                after,
            });
        }
        // It has no input, whether it takes any or not.
        let options = PipelineOptions {
            input: pipeline.takes_input.then(Vec::new),
            ..PipelineOptions::default()
        };
        // Until the end is reached, whatever ends this future leaves a pipeline behind.
        self.unusable_after = Some("a run that was cancelled");
        let result = match self.pool.start_with(pipeline, &options).await {
            Ok(running) => running.output().await,
            Err(error) => Err(error),
        };
        self.unusable_after = match &result {
            _ if self.pool.is_gone() => Some("its shell was gone"),
            _ if self.pool.lost_connection() => Some("a lost connection"),
            Ok(_) | Err(TransportError::Unsendable { .. }) => None,
            Err(error) if error.action() == Some(action::KEY) => Some("a failed exchange of keys"),
            Err(_) => Some("a failed run"),
        };
        result
    }

    fn is_usable(&self) -> bool {
        self.unusable_after.is_none()
    }

    async fn learn_room(&mut self) -> usize {
        if self.is_usable() {
            // Until there is an answer, whatever ends this future leaves a connection in the middle of an exchange.
            self.unusable_after = Some("a question that was cancelled");
            self.pool.learn_send_limit().await;
            self.unusable_after = self.pool.lost_connection().then_some("a lost connection");
        }
        self.pool.room()
    }

    async fn close(self: Box<Self>) {
        self.pool.close().await;
    }
}
