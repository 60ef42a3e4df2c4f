//! [`Work`]: what runs for the shells, and who does it.

use std::sync::{Mutex, PoisonError};

use tokio::task::{AbortHandle, JoinSet};

use super::Runner;

/// The runner, and the pipelines and programs under way. They end with it.
pub(super) struct Work<R> {
    pub(super) runner: R,
    tasks: Mutex<JoinSet<()>>,
}

impl<R: Runner> Work<R> {
    pub(super) fn new(runner: R) -> Self {
        Self {
            runner,
            tasks: Mutex::default(),
        }
    }

    /// Starts a task of a shell. It must not hold this, or nothing ends it.
    pub(super) fn start(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are let go.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }
}
