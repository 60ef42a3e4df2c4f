//! [`Retry`]: how often and how soon a request that was not carried out is sent again.

use std::time::Duration;

/// How often and how soon a request is sent again that the server certainly did not carry out: no
/// connection was made, it was lost before the request was sent, the logon came to nothing by a gateway's
/// fault, the server refused for now (HTTP 425, 429 and 503; quotas and load that a fault names). A
/// status without a seal, where messages have one, is believed only of requests that read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often after the first time.
    pub times: u32,
    /// The first delay; each further one is twice as long, and all differ by chance.
    pub first: Duration,
    /// The longest delay. A server that asks for more is not asked again.
    pub most: Duration,
}

impl Retry {
    /// Nothing is sent again: whoever calls decides.
    pub const NEVER: Self = Self {
        times: 0,
        first: Duration::ZERO,
        most: Duration::ZERO,
    };
    /// Five times over about a minute.
    pub const PATIENT: Self = Self {
        times: 5,
        first: Duration::from_secs(2),
        most: Duration::from_secs(30),
    };

    pub(crate) fn delays(self) -> Delays {
        Delays {
            retry: self,
            next: self.first,
            left: self.times,
        }
    }
}

/// The delays of [`Retry`], one after the other.
pub(crate) struct Delays {
    retry: Retry,
    next: Duration,
    left: u32,
}

impl Delays {
    /// The next delay: twice the last one, up to a quarter less or more by chance, so that many
    /// who were refused at once do not come back at once. A server that says how long to wait is
    /// obeyed, and not asked again at all if that is longer than anyone would.
    pub(crate) fn next(&mut self, hint: Option<Duration>) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let base = self.next.min(self.retry.most);
        self.next = base * 2;
        if hint.is_some_and(|hint| hint > self.retry.most) {
            return None;
        }
        let delay = base.mul_f64(0.75 + fastrand::f64() / 2.0);
        Some(delay.max(hint.unwrap_or_default()))
    }
}
