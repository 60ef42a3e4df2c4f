//! [`OneConnect`]: a connector layer that lets one TCP connection be made and no second.
//!
//! `hyper-util` opens a new connection by itself when it finds the pooled one closed, and repeats
//! the request on it. A connection carries a security context, so that a silent replacement would
//! send sealed messages to a server that cannot open them, or plain ones where sealed ones were
//! meant.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

/// How long a second connect waits before it fails.
///
/// The answer's last octet reaches us a moment before the connection is back in the pool, and a
/// request in that moment asks for a second connect while it waits for the pool. Whichever comes
/// first wins, so that the refusal gives the pool the time that a loaded machine may take.
const GRACE: Duration = Duration::from_secs(1);

/// The second connect was refused: the first connection is gone, and nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost before the request was sent")]
pub(crate) struct ConnectionGone;

impl ConnectionGone {
    /// Whether `error` goes back to a refused second connect.
    pub(crate) fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source())
            .any(<dyn std::error::Error>::is::<Self>)
    }
}

/// The layer. Its clones share the one connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct OneConnect {
    used: Arc<AtomicBool>,
}

impl<S> Layer<S> for OneConnect {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            used: Arc::clone(&self.used),
        }
    }
}

/// A connector behind the layer.
#[derive(Debug, Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    used: Arc<AtomicBool>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, R> Service<R> for Gate<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        if self.used.swap(true, Ordering::SeqCst) {
            return Box::pin(async {
                tokio::time::sleep(GRACE).await;
                Err(ConnectionGone.into())
            });
        }
        Box::pin(self.inner.call(request))
    }
}
