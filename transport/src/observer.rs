//! [`Observer`]: who hears of every exchange, to count, to time or to record them.

use std::fmt;
use std::time::Duration;

use crate::Authenticated;

/// One exchange of envelopes: a request and its answer, or the lack of one.
///
/// The first exchange of a connection takes two HTTP round trips, each further one takes one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange<'a> {
    /// The host of the endpoint.
    pub host: &'a str,
    /// The URL of the endpoint.
    pub url: &'a str,
    /// What it was for: `Create`, `Command`, `Receive`, …
    pub action: &'static str,
    /// How its connection was logged on; `None` if that failed.
    pub logon: Option<Authenticated>,
    /// Whether it authenticated its connection, which takes a round trip more.
    pub first: bool,
    /// Size of the request's envelope in bytes.
    pub sent: usize,
    /// Size of the answer's envelope in bytes; `None` if none came.
    pub received: Option<usize>,
    /// How long it took.
    pub took: Duration,
    /// The request's envelope in clear. It may hold secrets.
    pub request: &'a [u8],
    /// The answer's envelope in clear; `None` if none came.
    pub response: Option<&'a [u8]>,
}

/// Without the envelopes, which may hold secrets.
impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("host", &self.host)
            .field("url", &self.url)
            .field("action", &self.action)
            .field("logon", &self.logon)
            .field("first", &self.first)
            .field("sent", &self.sent)
            .field("received", &self.received)
            .field("took", &self.took)
            .finish_non_exhaustive()
    }
}

/// Hears of every exchange.
pub trait Observer: Send + Sync {
    /// An exchange is over. Called in the middle of things: it must not wait.
    fn exchanged(&self, exchange: &Exchange<'_>);
}
