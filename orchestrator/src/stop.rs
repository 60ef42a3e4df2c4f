//! [`Stop`]: the user's wish to end a run, once politely, twice at once.

use std::sync::Arc;

use tokio::sync::watch;

/// How far a run is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As planned.
    Run,
    /// Finish what is changing, start nothing new.
    Drain,
    /// Stop.
    Abort,
}

/// A switch that only moves towards stopping. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Level>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Level::Run)))
    }
}

impl Stop {
    /// One step further: to drain, then to abort.
    pub fn press(&self) -> Level {
        self.0.send_modify(|level| {
            *level = match level {
                Level::Run => Level::Drain,
                Level::Drain | Level::Abort => Level::Abort,
            };
        });
        self.level()
    }

    /// How far it was pressed.
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Returns once it was pressed as far as `level`.
    pub async fn reached(&self, level: Level) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so waiting cannot fail before the level is reached.
        let _ = receiver.wait_for(|now| *now >= level).await;
    }
}
