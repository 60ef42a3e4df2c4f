//! [`Running`]: a pipeline that the server runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{PipelineOutput, PipelineState, PsrpError, Record};
use owaim_proto::wsman::{FaultClass, RequestBody, ResponseBody, Signal, SignalCode};
use tokio::task::JoinHandle;

use super::PipelineHandle;
use super::core::{Batch, Core};
use super::options::ANSWER;
use crate::TransportError;
use crate::error::action;
use crate::remote_shell::{Condition, is_unknown, lock};

/// A pipeline that the server runs.
///
/// Its records come by [`next`](Self::next), one after the other; the server is asked for more only
/// when all that came have been taken, so that a slow reader slows the pipeline down. Dropped
/// before its end, it is ended on the server, in the background.
pub struct Running {
    core: Arc<Core>,
    whose: PipelineHandle,
    buffer: VecDeque<Record>,
    /// A Receive under way: it goes on where whoever waits for it does not.
    pending: Option<JoinHandle<Result<Batch, TransportError>>>,
    stopping: Arc<AtomicBool>,
    /// Whether the server may be running it.
    given: bool,
    end: Option<Result<PipelineState, TransportError>>,
}

impl Running {
    /// A pipeline that is queued, and that the server does not know yet.
    pub(super) fn queued(core: Arc<Core>, whose: PipelineHandle) -> Self {
        Self {
            core,
            whose,
            buffer: VecDeque::new(),
            pending: None,
            stopping: Arc::default(),
            given: false,
            end: None,
        }
    }

    /// From here on the server may be running it.
    pub(super) fn hand_over(&mut self) {
        self.given = true;
    }

    /// The server runs it, as this command.
    pub(super) fn started(&mut self, whose: PipelineHandle) {
        self.whose = whose;
        lock(&self.core.running).push(whose);
    }

    /// The server did not take it.
    pub(super) fn refused(&mut self) {
        self.given = false;
    }

    pub(super) fn whose(&self) -> PipelineHandle {
        self.whose
    }

    /// What another process needs to take it up.
    pub fn handle(&self) -> PipelineHandle {
        self.whose
    }

    /// The next record, of whichever stream, once it is there; `None` at the end. May be
    /// cancelled without losing anything. Host calls among the records have been answered.
    ///
    /// An error is one of the way there and back, and final.
    pub async fn next(&mut self) -> Result<Option<Record>, TransportError> {
        loop {
            if let Some(record) = self.buffer.pop_front() {
                return Ok(Some(record));
            }
            match &self.end {
                Some(Ok(_)) => return Ok(None),
                Some(Err(error)) => return Err(error.clone()),
                None => self.fill().await,
            }
        }
    }

    /// The state in which it ended, once [`next`](Self::next) has given `None`.
    pub fn state(&self) -> Option<&PipelineState> {
        self.end.as_ref()?.as_ref().ok()
    }

    /// Every record up to the end, and the state in which it ended.
    pub async fn output(mut self) -> Result<PipelineOutput, TransportError> {
        let mut records = Vec::new();
        while let Some(record) = self.next().await? {
            records.push(record);
        }
        match self.state() {
            Some(state) => Ok(PipelineOutput {
                records,
                state: state.clone(),
            }),
            None => Err(self.core.shell.service.unexpected(action::RECEIVE)),
        }
    }

    async fn fill(&mut self) {
        let action = action::RECEIVE;
        let pending = self.pending.get_or_insert_with(|| {
            let (core, whose) = (Arc::clone(&self.core), self.whose);
            self.core
                .shell
                .spawn(async move { core.receive_of(whose).await })
        });
        let result = pending.await;
        self.pending = None;
        match self.core.shell.ended(action, result) {
            Ok(batch) => {
                self.buffer.extend(batch.records);
                match batch.end {
                    Some(state) => self.finish(Ok(state)),
                    None if batch.done && self.is_stopping() => {
                        self.finish(Ok(PipelineState::Stopped(None)));
                    }
                    None if batch.done => {
                        let detail = "the command is done, but its pipeline has not ended";
                        let error = self.core.shell.service.protocol(action, detail.into());
                        self.finish(Err(error));
                    }
                    None => {}
                }
            }
            // A server may take the command away as soon as it is stopped.
            Err(error) if self.is_stopping() && was_ended(&error) => {
                self.given = false;
                self.finish(Ok(PipelineState::Stopped(None)));
            }
            Err(error) => {
                if is_unknown(&error) {
                    self.given = false;
                }
                self.finish(Err(error));
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn finish(&mut self, end: Result<PipelineState, TransportError>) {
        if end.is_ok() {
            self.given = false;
            self.core.let_go(self.whose);
        }
        lock(&self.core.running).retain(|other| *other != self.whose);
        self.end = Some(end);
    }

    /// Adds an object to its input, to be sent with what is sent next, and before the end at the
    /// latest. The pipeline must take input.
    pub async fn feed(&mut self, value: impl Into<Value>) -> Result<(), TransportError> {
        let (value, id) = (value.into(), self.whose.pipeline);
        let queued = lock(&self.core.pool).input(id, value.clone());
        match queued {
            Err(PsrpError::NoSessionKey { .. }) => {
                self.core.agree_on_key(action::INPUT, ANSWER).await?;
                self.queued_input(lock(&self.core.pool).input(id, value))
            }
            queued => self.queued_input(queued),
        }
    }

    /// Sends an object of its input.
    pub async fn send(&mut self, value: impl Into<Value>) -> Result<(), TransportError> {
        self.feed(value).await?;
        self.flush().await
    }

    /// Sends what was added to its input.
    pub async fn flush(&mut self) -> Result<(), TransportError> {
        self.core.flush(action::INPUT, Some(self.whose)).await
    }

    /// Ends its input.
    pub async fn finish_input(&mut self) -> Result<(), TransportError> {
        self.queued_input(lock(&self.core.pool).end_input(self.whose.pipeline))?;
        self.flush().await
    }

    /// A pipeline that has ended wants no input any more: that is no error.
    fn queued_input(&self, queued: Result<(), PsrpError>) -> Result<(), TransportError> {
        match queued {
            Err(PsrpError::OtherPipeline { .. }) => Ok(()),
            queued => queued.map_err(|error| self.core.unsendable(action::INPUT, &error)),
        }
    }

    /// Asks the server to stop it, as Control-C does. What it still gives comes by
    /// [`next`](Self::next), up to the state [`PipelineState::Stopped`].
    pub async fn stop(&mut self) -> Result<(), TransportError> {
        if self.end.is_some() {
            return Ok(());
        }
        let action = action::SIGNAL;
        self.stopping.store(true, Ordering::Relaxed);
        let signal = Signal {
            command_id: Some(self.whose.command),
            code: SignalCode::PowerShellCtrlC,
        };
        let body = RequestBody::Signal(signal);
        match self.core.shell.exchange(action, &[], body).await {
            Ok(ResponseBody::Signaled) => Ok(()),
            Ok(_) => Err(self.core.shell.service.unexpected(action)),
            // It has ended by itself meanwhile.
            Err(error) if was_ended(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.core.shell.condition() == Condition::Disconnected {
            // Somebody may take it up.
            return;
        }
        lock(&self.core.pool).forget(self.whose.pipeline);
        lock(&self.core.running).retain(|other| *other != self.whose);
        if self.given {
            self.core.shell.abandon(self.whose.command);
        }
    }
}

/// Whether an error says that the server has ended a command, or does not know it any more.
fn was_ended(error: &TransportError) -> bool {
    is_unknown(error)
        || matches!(error, TransportError::Fault { fault, .. } if fault.class() == FaultClass::Aborted)
}
