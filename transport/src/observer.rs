//! [`Observer`]: who hears of every exchange, to count or to time them.

use std::time::Duration;

/// One exchange of envelopes: a request and its answer, or the lack of one.
///
/// The first exchange of a connection takes two HTTP round trips, each further one takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// The host of the endpoint.
    pub host: &'a str,
    /// What it was for: `Create`, `Command`, `Receive`, …
    pub action: &'static str,
    /// Whether it authenticated its connection, which takes a round trip more.
    pub first: bool,
    /// Size of the request's envelope in bytes.
    pub sent: usize,
    /// Size of the answer's envelope in bytes; `None` if none came.
    pub received: Option<usize>,
    /// How long it took.
    pub took: Duration,
}

/// Hears of every exchange.
pub trait Observer: Send + Sync {
    /// An exchange is over. Called in the middle of things: it must not wait.
    fn exchanged(&self, exchange: &Exchange<'_>);
}
