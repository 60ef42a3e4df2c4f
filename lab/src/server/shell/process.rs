//! [`Process`]: a program in a shell, with what it has been given and what it has to say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use owaim_proto::wsman::{CommandState, Fault, ReceiveResponse, RunState, Stream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::work::Work;
use super::{Runner, fault};
use crate::world::{Ending, Ping, Program};

/// `STATUS_CONTROL_C_EXIT`: how a program ends that takes no notice of Control-C.
const INTERRUPTED: i64 = 0xC000_013A;

/// What `ping` waits between two lines.
const SECOND: Duration = Duration::from_secs(1);

/// The streams of every program.
const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// A program that was started.
pub(super) struct Process {
    id: Uuid,
    state: Mutex<State>,
    /// Rung when there is something to say.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// What has been said and not been heard: standard output and standard error.
    said: [Vec<u8>; 2],
    input: Input,
    ping: Option<Ping>,
    /// The exit code, once it has ended.
    code: Option<i64>,
    /// Whether nobody may ask any more.
    gone: bool,
    task: Option<AbortHandle>,
}

/// What becomes of standard input.
#[derive(Default)]
enum Input {
    #[default]
    Ignored,
    Copied,
    Sorted(Vec<u8>),
}

impl Process {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// Starts it.
    pub(super) fn start<R: Runner>(id: Uuid, program: Program, work: &Work<R>) -> Arc<Self> {
        let process = Arc::new(Self {
            id,
            state: Mutex::default(),
            changed: Notify::new(),
        });
        match program {
            Program::Ends(ending) if ending.takes.is_zero() => process.end(ending),
            Program::Ends(ending) => {
                let own = Arc::clone(&process);
                process.does(work.start(async move {
                    tokio::time::sleep(ending.takes).await;
                    own.end(ending);
                }));
            }
            Program::Copies => process.lock().input = Input::Copied,
            Program::Sorts => process.lock().input = Input::Sorted(Vec::new()),
            Program::Pings(ping) => {
                let mut state = process.lock();
                state.said[0].extend(ping.greeting().bytes());
                state.ping = Some(ping);
                drop(state);
                let own = Arc::clone(&process);
                process.does(work.start(async move {
                    while own.ping_once() {
                        tokio::time::sleep(SECOND).await;
                    }
                }));
            }
        }
        process
    }

    fn does(&self, task: AbortHandle) {
        self.lock().task = Some(task);
    }

    fn end(&self, ending: Ending) {
        let mut state = self.lock();
        state.said = [ending.stdout, ending.stderr];
        state.code = Some(ending.code);
        drop(state);
        self.changed.notify_waiters();
    }

    /// The next line of a ping; whether another one follows.
    fn ping_once(&self) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(ping) = &mut state.ping else {
            return false;
        };
        let reply = ping.reply();
        let goes_on = reply.is_some();
        let text = reply.unwrap_or_else(|| ping.statistics());
        state.said[0].extend(text.bytes());
        if !goes_on {
            state.code = Some(0);
        }
        drop(guard);
        self.changed.notify_waiters();
        goes_on
    }

    /// Takes input; `last` is the end of it.
    pub(super) fn input(&self, data: &[u8], last: bool) -> Result<(), Box<Fault>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.code.is_some() {
            return Err(fault::broken_pipe());
        }
        match &mut state.input {
            // What it does with a closed input is up to the program; these do not look.
            Input::Ignored => return Ok(()),
            Input::Copied => state.said[0].extend(data),
            Input::Sorted(held) => {
                held.extend(data);
                if last {
                    let sorted = sorted(held);
                    state.said[0].extend(sorted);
                }
            }
        }
        if last {
            state.code = Some(0);
        }
        drop(guard);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Control-C, or Control-Break, which a ping answers and goes on. One that has ended does not
    /// hear of it.
    pub(super) fn interrupt(&self, is_break: bool) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.code.is_some() {
            return;
        }
        if let Some(ping) = &state.ping {
            let key = if is_break {
                "Control-Break"
            } else {
                "Control-C"
            };
            let text = [ping.statistics().as_str(), key, "\r\n"].concat();
            state.said[0].extend(text.bytes());
        }
        if !is_break || state.ping.is_none() {
            state.code = Some(INTERRUPTED);
            state.stop();
        }
        drop(guard);
        self.changed.notify_waiters();
    }

    /// Ends it. Who waits for output hears so.
    pub(super) fn terminate(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.stop();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits for output of the streams `wanted`, of at most `room` bytes.
    pub(super) async fn receive(
        &self,
        wanted: &str,
        room: usize,
        patience: Duration,
    ) -> Result<ReceiveResponse, Box<Fault>> {
        if wanted
            .split_whitespace()
            .any(|name| !STREAMS.contains(&name))
        {
            return Err(fault::invalid_parameter("the DesiredStream"));
        }
        let deadline = Instant::now() + patience;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no ring is missed, whatever happens before the wait.
            changed.as_mut().enable();
            if let Some(output) = self.output(wanted, room)? {
                return Ok(output);
            }
            tokio::time::timeout_at(deadline, changed)
                .await
                .map_err(|_| fault::timed_out())?;
        }
    }

    fn output(&self, wanted: &str, room: usize) -> Result<Option<ReceiveResponse>, Box<Fault>> {
        let mut state = self.lock();
        if state.gone {
            return Err(fault::aborted());
        }
        let piece = |name: &str, end, data| Stream {
            name: name.into(),
            command_id: Some(self.id),
            end,
            data,
        };
        let mut streams = Vec::new();
        let (mut left, mut rest) = (room, 0);
        let asked = STREAMS.into_iter().zip(&mut state.said);
        for (name, said) in asked.filter(|(name, _)| wanted.contains(name)) {
            let data: Vec<u8> = said.drain(..said.len().min(left)).collect();
            left -= data.len();
            rest += said.len();
            if !data.is_empty() {
                streams.push(piece(name, false, data));
            }
        }
        let code = state.code.filter(|_| rest == 0);
        if code.is_some() {
            let ends = wanted
                .split_whitespace()
                .map(|name| piece(name, true, Vec::new()));
            streams.extend(ends);
        } else if streams.is_empty() {
            return Ok(None);
        }
        Ok(Some(ReceiveResponse {
            streams,
            state: Some(CommandState {
                command_id: Some(self.id),
                state: if code.is_some() {
                    RunState::Done
                } else {
                    RunState::Running
                },
                exit_code: code,
            }),
        }))
    }
}

impl State {
    fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// The lines in the order of `sort`, which does not look at case.
fn sorted(bytes: &[u8]) -> Vec<u8> {
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = |line: &'_ [u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let mut lines: Vec<Vec<u8>> = whole.split(|byte| *byte == b'\n').map(ends).collect();
    lines.sort_by_key(|line| line.to_ascii_lowercase());
    lines
        .into_iter()
        .flat_map(|line| [line, b"\r\n".into()].concat())
        .collect()
}
