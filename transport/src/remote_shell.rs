//! [`RemoteShell`]: a shell on a server, whatever runs in it, from its creation to its end.
//!
//! It is deleted whatever happens: when it is closed, and in the background when whoever has it is
//! dropped, be it by an error, a cancelled future or a panic. Commands that were left running are
//! ended first. Only the end of the runtime comes before that: what is still to be done in the
//! background is then not done, and the server ends the shell when its idle time-out is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_proto::wsman::{RequestBody, ResponseBody, Signal, SignalCode, code};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use uuid::Uuid;

use crate::TransportError;
use crate::error::action;
use crate::service::{Call, RequestOption, Service};

/// How long the deletion of a shell may take: nobody waits for its result, but somebody may wait
/// for its end.
const CLOSING: Duration = Duration::from_secs(10);

/// A shell on a server.
pub(crate) struct RemoteShell {
    pub(crate) service: Service,
    name: Mutex<(Uuid, String)>,
    condition: watch::Sender<Condition>,
    /// Commands that nobody wants any more and that may still run.
    leftovers: Mutex<Vec<Uuid>>,
    sweeping: tokio::sync::Mutex<()>,
    /// What waits for answers of the server in the background.
    tasks: Mutex<Vec<AbortHandle>>,
}

/// Whether there is a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// None, or not any more.
    Absent,
    /// There may be one, which has to be deleted.
    Present,
    /// There is one, which somebody may come back to.
    Disconnected,
}

impl RemoteShell {
    /// A shell that is not there yet, of that id and kind.
    pub(crate) fn new(service: Service, id: Uuid, resource_uri: String) -> Self {
        Self {
            service,
            name: Mutex::new((id, resource_uri)),
            condition: watch::Sender::new(Condition::Absent),
            leftovers: Mutex::default(),
            sweeping: tokio::sync::Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    /// Its id and the URI of its kind.
    pub(crate) fn name(&self) -> (Uuid, String) {
        lock(&self.name).clone()
    }

    pub(crate) fn condition(&self) -> Condition {
        *self.condition.borrow()
    }

    pub(crate) fn set_condition(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }

    /// Waits while it is left to itself.
    pub(crate) async fn connected(&self) {
        let mut condition = self.condition.subscribe();
        // The sender lives as long as this does.
        let _ = condition
            .wait_for(|condition| *condition != Condition::Disconnected)
            .await;
    }

    /// Creates it. `id` is what a PowerShell client proposes; others leave it to the server.
    pub(crate) async fn create(
        &self,
        body: RequestBody,
        options: &[RequestOption],
    ) -> Result<(), TransportError> {
        let action = action::CREATE;
        let (_, resource_uri) = self.name();
        // If this is cancelled or its answer lost, there may be a shell under the id proposed.
        self.set_condition(Condition::Present);
        let created = self
            .service
            .exchange(Call {
                action,
                resource_uri: &resource_uri,
                shell: None,
                options,
                body,
            })
            .await;
        match created {
            Ok(ResponseBody::Created(created)) => {
                let mut name = lock(&self.name);
                name.0 = created.id;
                if !created.resource_uri.is_empty() {
                    name.1 = created.resource_uri;
                }
                Ok(())
            }
            Ok(_) => Err(self.service.unexpected(action)),
            Err(error) => {
                if !error.may_be_done() {
                    self.set_condition(Condition::Absent);
                }
                Err(error)
            }
        }
    }

    /// Sends the shell a request.
    pub(crate) async fn exchange(
        &self,
        action: &'static str,
        options: &[RequestOption],
        body: RequestBody,
    ) -> Result<ResponseBody, TransportError> {
        let about_shell = is_about_shell(&body);
        let (id, resource_uri) = self.name();
        let answer = self
            .service
            .exchange(Call {
                action,
                resource_uri: &resource_uri,
                shell: Some(id),
                options,
                body,
            })
            .await;
        if let Err(error) = &answer
            && about_shell
            && is_unknown(error)
            && self.condition() == Condition::Present
        {
            self.set_condition(Condition::Absent);
        }
        answer
    }

    /// Runs `future` in a task of its own, which the shell's end ends: it goes on even where
    /// whoever waits for it does not.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let task = tokio::spawn(future);
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
        task
    }

    /// What a task gave, or that it was ended. A panic in it goes on in whoever waited.
    pub(crate) fn ended<T>(
        &self,
        action: &'static str,
        result: Result<Result<T, TransportError>, tokio::task::JoinError>,
    ) -> Result<T, TransportError> {
        result.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(self.service.unusable(action, "it was closed")),
        })
    }

    /// Ends a command in the background: nobody wants it any more.
    pub(crate) fn abandon(self: &Arc<Self>, command: Uuid) {
        if self.condition() != Condition::Present {
            return;
        }
        lock(&self.leftovers).push(command);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shell = Arc::clone(self);
            runtime.spawn(async move {
                let _ = tokio::time::timeout(CLOSING, shell.sweep()).await;
            });
        }
    }

    /// Ends the commands that nobody wants any more.
    async fn sweep(&self) {
        let _one_at_a_time = self.sweeping.lock().await;
        loop {
            let Some(command) = lock(&self.leftovers).pop() else {
                return;
            };
            self.terminate(command).await;
        }
    }

    /// Gives back what the server keeps of a command, and ends it. That it is gone already is as
    /// good.
    pub(crate) async fn terminate(&self, command: Uuid) {
        let signal = Signal {
            command_id: Some(command),
            code: SignalCode::Terminate,
        };
        let _ = self.once(action::SIGNAL, RequestBody::Signal(signal)).await;
    }

    /// Sends a request whose failure is of no consequence, once.
    async fn once(
        &self,
        action: &'static str,
        body: RequestBody,
    ) -> Result<ResponseBody, TransportError> {
        let (id, resource_uri) = self.name();
        let call = Call {
            action,
            resource_uri: &resource_uri,
            shell: Some(id),
            options: &[],
            body,
        };
        self.service.once(&call).await
    }

    /// Deletes the shell, if there is one.
    pub(crate) async fn delete(&self) {
        // Where the answer that would have told its id was lost, there is nothing to name.
        let known = !self.name().0.is_nil();
        if known && self.condition() != Condition::Absent {
            let _ = tokio::time::timeout(CLOSING, async {
                self.sweep().await;
                let _ = self.once(action::DELETE, RequestBody::Delete).await;
            })
            .await;
            self.set_condition(Condition::Absent);
        }
        self.end_tasks();
    }

    fn end_tasks(&self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
    }

    /// Deletes the shell in a task of its own: it goes on even if nobody waits any more.
    pub(crate) async fn close(self: Arc<Self>) {
        let _ = tokio::spawn(async move { self.delete().await }).await;
    }

    /// Deletes the shell in the background, unless somebody may come back to it.
    pub(crate) fn let_go(self: &Arc<Self>) {
        if self.condition() == Condition::Disconnected {
            self.end_tasks();
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shell = Arc::clone(self);
            runtime.spawn(async move { shell.delete().await });
        }
    }
}

/// Whether that a selector is unknown can only mean the shell, and no command in it.
fn is_about_shell(body: &RequestBody) -> bool {
    match body {
        RequestBody::Receive(receive) => receive.command_id.is_none(),
        RequestBody::Send(send) => send.streams.iter().all(|s| s.command_id.is_none()),
        RequestBody::Signal(signal) => signal.command_id.is_none(),
        _ => true,
    }
}

/// Whether an error says that a shell or command is not known.
pub(crate) fn is_unknown(error: &TransportError) -> bool {
    matches!(error, TransportError::Fault { fault, .. } if fault.code == Some(code::UNEXPECTED_SELECTORS))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
