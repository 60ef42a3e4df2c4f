//! [`Bus`]: hands every event to every consumer, in order.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::event::{Event, EventKind};

/// Takes events: a journal, a transcript, a reporter.
pub trait Consumer: Send {
    /// Takes `event`. An error of a consumer that keeps records stops changes from being made:
    /// what cannot be written down is not done.
    fn consume(&mut self, event: &Event) -> io::Result<()>;
}

/// The one stream of events of a run. Clones share it.
#[derive(Clone)]
pub struct Bus(Arc<Mutex<Inner>>);

struct Inner {
    next: u64,
    consumers: Vec<Box<dyn Consumer>>,
}

impl Bus {
    /// A stream to `consumers`; each event reaches them in this order.
    pub fn new(consumers: Vec<Box<dyn Consumer>>) -> Self {
        Self(Arc::new(Mutex::new(Inner { next: 0, consumers })))
    }

    /// Numbers and dates the event and hands it to every consumer before it returns.
    ///
    /// Every consumer gets the event even if an earlier one failed; the first error is returned.
    pub fn emit(&self, kind: EventKind) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            seq: inner.next,
            at: Timestamp::now(),
            kind,
        };
        inner.next += 1;
        let mut result = Ok(());
        for consumer in &mut inner.consumers {
            let consumed = consumer.consume(&event);
            if result.is_ok() {
                result = consumed;
            }
        }
        result
    }
}
