//! [`Replay`]: endpoints that answer as they did when they were recorded.
//!
//! What a client asks is matched with what was asked then: sessions are opened as they were, in their order, and a
//! pipeline gets what a recorded one of the same commands and arguments got. Which one, `choice` says: in what order
//! different pipelines come, and how often a run looks at the same thing, is a matter of chance. Ids are those of the
//! live session. What was not recorded is refused with a fault that says what was expected.

mod choice;
mod same;
mod script;
mod shell;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use owaim_inventory::{EndpointKind, HostName};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::ServerEvent;
use owaim_proto::wsman::{Fault, Request, RequestBody, Response, ResponseBody, SignalCode, code};
use owaim_proto::xml::Limits;
use uuid::Uuid;

use self::choice::Script;
use self::script::{Answer, Opening};
use self::shell::{Reply, Shell};
use crate::recording::{RecordingError, SessionRecording};

/// Largest file that is read.
const LARGEST: u64 = 256 << 20;

/// A recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The file system refuses.
    #[error("cannot read the recording {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no recording of a session.
    #[error("{} is no recording that can be replayed: {source}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<RecordingError>,
    },
    /// There is none.
    #[error("no recording of a session in {}: expected the folder that --record wrote", folder.display())]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
}

/// What becomes of a request.
pub(crate) enum Replayed {
    /// HTTP status and envelope.
    Answer(u16, Vec<u8>),
    /// No answer came then, and none comes now.
    Nothing,
}

/// The endpoints that were recorded.
#[derive(Default)]
pub(crate) struct Replay {
    endpoints: HashMap<(HostName, EndpointKind), Mutex<Endpoint>>,
}

/// An endpoint: what was recorded of it, and the shells in it now.
#[derive(Default)]
struct Endpoint {
    openings: Vec<Opening>,
    /// What the service says of its own configuration.
    configuration: Option<Answer>,
    opened: usize,
    pipelines: Script,
    shells: HashMap<Uuid, Shell>,
}

impl Replay {
    /// Reads every recording of a session in `folder`, in the order of their names.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReplayError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| ReplayError::Io { path, source }
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(ReplayError::Nothing {
                folder: folder.into(),
            });
        }
        let mut endpoints: HashMap<_, Endpoint> = HashMap::new();
        for path in paths {
            let size = fs::metadata(&path).map_err(failed(&path))?.len();
            if size > LARGEST {
                let source = io::Error::other(format!("it has {size} bytes, more than {LARGEST}"));
                return Err(failed(&path)(source));
            }
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let read = SessionRecording::parse(&text).and_then(|recording| {
                let place = (recording.host.clone(), recording.kind);
                Ok((place, script::of(&name, recording)?))
            });
            let (place, scripted) = read.map_err(|source| ReplayError::Recording {
                path: path.clone(),
                source: Box::new(source),
            })?;
            let endpoint = endpoints.entry(place).or_default();
            endpoint.openings.extend(scripted.opening);
            endpoint.configuration = scripted.configuration.or(endpoint.configuration.take());
            endpoint.pipelines.extend(scripted.pipelines);
        }
        let endpoints = endpoints
            .into_iter()
            .map(|(place, endpoint)| (place, Mutex::new(endpoint)));
        Ok(Self {
            endpoints: endpoints.collect(),
        })
    }

    /// Answers an envelope; `None` where the endpoint was not recorded.
    pub(crate) async fn handle(
        &self,
        host: &HostName,
        kind: EndpointKind,
        envelope: &[u8],
    ) -> Option<Replayed> {
        let endpoint = self.endpoints.get(&(host.clone(), kind))?;
        let request = match Request::decode(envelope, &Limits::default()) {
            Ok(request) => request,
            Err(error) => {
                let fault = Fault::new(
                    code::INVALID_XML,
                    "Sender",
                    "SchemaValidationError",
                    &error.to_string(),
                );
                let id = Request::peek_message_id(envelope, &Limits::default());
                return Some(plain(
                    &id.unwrap_or_default(),
                    "",
                    "",
                    ResponseBody::Fault(fault.into()),
                ));
            }
        };
        let header = &request.header;
        // The lock is let go of before anything is waited for.
        let reply = lock(endpoint).answer(&request);
        Some(match reply {
            Ok(Reply::Recorded(envelope)) => {
                let status = if crate::recording::is_fault(&envelope) {
                    500
                } else {
                    200
                };
                Replayed::Answer(status, shell::encoded(*envelope, &header.message_id))
            }
            Ok(Reply::Plain(body)) => {
                plain(&header.message_id, &header.to, &header.resource_uri, body)
            }
            Ok(Reply::Nothing) => Replayed::Nothing,
            Ok(Reply::Wait) => {
                tokio::time::sleep(header.operation_timeout).await;
                let text = "The WS-Management service cannot complete the operation within the time specified in \
                            OperationTimeout.";
                let fault = Fault::new(code::OPERATION_TIMED_OUT, "Receiver", "TimedOut", text);
                plain(
                    &header.message_id,
                    "",
                    "",
                    ResponseBody::Fault(fault.into()),
                )
            }
            Err(fault) => plain(&header.message_id, "", "", ResponseBody::Fault(fault)),
        })
    }
}

impl Endpoint {
    fn answer(&mut self, request: &Request) -> Result<Reply, Box<Fault>> {
        let header = &request.header;
        if let RequestBody::Create(create) = &request.body {
            let last = self.openings.len().saturating_sub(1);
            // More sessions than were recorded open as the last one did: which steps share one is a matter of chance.
            let number = self.opened.min(last);
            let Some(opening) = self.openings.get(number) else {
                return Err(unlike(
                    "no session that was opened at this endpoint",
                    "Create",
                ));
            };
            self.opened += 1;
            let id = create.id.unwrap_or_else(Uuid::new_v4);
            let (shell, reply) = Shell::open(id, number, opening, create.creation.as_deref())?;
            self.shells.extend(shell.map(|shell| (id, shell)));
            return Ok(reply);
        }
        if let (RequestBody::Get, Some(configuration)) = (&request.body, &self.configuration)
            && header.selectors.is_empty()
        {
            let envelope = configuration.envelope.clone();
            return Ok(envelope.map_or(Reply::Nothing, |it| Reply::Recorded(Box::new(it))));
        }
        let id = header
            .selectors
            .iter()
            .find(|selector| selector.name.eq_ignore_ascii_case("ShellId"))
            .and_then(|selector| Uuid::parse_str(&selector.value).ok());
        let shell = id.and_then(|id| self.shells.get_mut(&id)).ok_or_else(|| {
            let text = "The request contained selectors that name no shell of this service.";
            Box::new(Fault::new(
                code::UNEXPECTED_SELECTORS,
                "Sender",
                "InvalidSelectors",
                text,
            ))
        })?;
        match &request.body {
            RequestBody::Create(_) => Err(unlike("no second Create", "Create")),
            RequestBody::Delete => {
                self.shells.retain(|known, _| Some(*known) != id);
                Ok(Reply::Plain(ResponseBody::Deleted))
            }
            RequestBody::Command(line) => {
                let fragments = line
                    .fragments()
                    .map_err(|error| malformed(&error.to_string()))?;
                let command = line.id.unwrap_or_else(Uuid::new_v4);
                shell.start(command)?;
                let events = shell.take(Some(command), "stdin", &fragments)?;
                let started = Reply::Plain(ResponseBody::CommandStarted(command));
                follow(
                    shell,
                    &mut self.pipelines,
                    command,
                    events,
                    started,
                    "Command",
                )
            }
            RequestBody::Send(send) => {
                let mut reply = Reply::Plain(ResponseBody::Sent);
                for stream in &send.streams {
                    let events = shell.take(stream.command_id, &stream.name, &stream.data)?;
                    let Some(command) = stream.command_id else {
                        continue;
                    };
                    reply = follow(shell, &mut self.pipelines, command, events, reply, "Send")?;
                }
                Ok(reply)
            }
            RequestBody::Receive(receive) => match receive.command_id {
                Some(command) => shell.receive(command, &self.pipelines),
                None => Ok(shell.receive_of_pool(&self.openings)),
            },
            RequestBody::Signal(signal) => {
                if let (SignalCode::Terminate, Some(command)) = (&signal.code, signal.command_id) {
                    shell.forget(command);
                }
                // To end something, and be it over, asks for nothing that would have to be recorded.
                Ok(Reply::Plain(ResponseBody::Signaled))
            }
            RequestBody::Disconnect(_)
            | RequestBody::Reconnect
            | RequestBody::Connect(_)
            | RequestBody::Get
            | RequestBody::Enumerate(_)
            | RequestBody::Pull(_) => Err(unlike(
                "what runs of this program send",
                "an action that none sends",
            )),
        }
    }
}

/// Goes on with what a command's stream brought; `reply` is the answer unless another was recorded.
fn follow(
    shell: &mut Shell,
    pipelines: &mut Script,
    command: Uuid,
    events: Vec<ServerEvent>,
    reply: Reply,
    action: &str,
) -> Result<Reply, Box<Fault>> {
    let mut begun = false;
    for event in events {
        match event {
            ServerEvent::PipelineCreated(id, create) => {
                let Some(index) = pipelines.choose(&create.pipeline) else {
                    return Err(unlike(
                        &pipelines.expected(&create.pipeline),
                        &same::described(&create.pipeline),
                    ));
                };
                shell.follow(command, id, index);
                begun = true;
            }
            ServerEvent::Input(id, value) => {
                let input = shell.input(command, pipelines);
                if !input.is_some_and(|input| same::values(input, &value)) {
                    let expected = input.and_then(Value::text);
                    return Err(unlike(
                        &format!("the input {:?}", expected.unwrap_or_default()),
                        &format!(
                            "the input {:?} of pipeline {id}",
                            value.text().unwrap_or_default()
                        ),
                    ));
                }
            }
            _ => {}
        }
    }
    if begun && action != "Command" {
        // Its Command was answered before it was known which pipeline it is.
        let _ = shell.next(command, "Command", pipelines);
    }
    Ok(shell.recorded(command, action, pipelines).unwrap_or(reply))
}

/// The fault for what was not recorded. Its code says that it is of no use to ask again.
fn unlike(expected: &str, found: &str) -> Box<Fault> {
    let text =
        format!("The recording has no answer to this request: expected {expected}; found {found}.");
    Box::new(Fault::new(
        code::INVALID_PARAMETER,
        "Sender",
        "InvalidParameter",
        &text,
    ))
}

fn malformed(detail: &str) -> Box<Fault> {
    Box::new(Fault::new(
        code::INVALID_PARAMETER,
        "Sender",
        "InvalidParameter",
        detail,
    ))
}

fn plain(relates_to: &str, to: &str, resource_uri: &str, body: ResponseBody) -> Replayed {
    let status = if matches!(body, ResponseBody::Fault(_)) {
        500
    } else {
        200
    };
    Replayed::Answer(
        status,
        Response::new(relates_to, body).encode(to, resource_uri),
    )
}

fn lock(endpoint: &Mutex<Endpoint>) -> MutexGuard<'_, Endpoint> {
    endpoint.lock().unwrap_or_else(PoisonError::into_inner)
}
