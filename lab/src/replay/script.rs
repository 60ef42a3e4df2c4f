//! What a recording of a session says as a script: how it was opened, and what each pipeline got.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use owaim_inventory::catalogue;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Message, MessageType, Payload, Pipeline};
use owaim_proto::xml::Element;
use uuid::Uuid;

use crate::recording::{
    RecordedMessage, RecordingError, SessionRecording, is_fault, visit_carriers,
};

/// How a session was opened, and what its pool said.
pub(super) struct Opening {
    /// The answer to Create.
    pub(super) create: Answer,
    /// Requests of the pool itself and their answers.
    pub(super) pool: Vec<Step>,
}

/// A pipeline that was run.
pub(super) struct ScriptedPipeline {
    /// Where it stands, for people.
    pub(super) file: Arc<str>,
    pub(super) exchange: usize,
    /// What was run.
    pub(super) create: Pipeline,
    /// Its input.
    pub(super) inputs: Vec<Value>,
    /// Its requests and their answers.
    pub(super) steps: Vec<Step>,
    /// Whether it may have changed what others see.
    pub(super) changes: bool,
    /// Whether a live pipeline has followed it.
    pub(super) taken: bool,
}

/// A request of some action and its answer.
pub(super) struct Step {
    pub(super) action: String,
    pub(super) answer: Answer,
}

/// An answer, without what its streams carry.
pub(super) struct Answer {
    /// `None`: none came.
    pub(super) envelope: Option<Element>,
    /// What each element that carries a piece of a stream carries.
    pub(super) pieces: Vec<Vec<Part>>,
    /// The ids in it that others take the place of.
    pub(super) shell: Option<Uuid>,
    pub(super) command: Option<Uuid>,
}

/// A part of a message.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) message: Arc<Message>,
    /// Which one, from 0.
    pub(super) index: usize,
    /// Of how many.
    pub(super) of: usize,
}

impl Answer {
    pub(super) fn is_fault(&self) -> bool {
        self.envelope.as_ref().is_some_and(is_fault)
    }

    /// Whether the command is over with it ([MS-WSMV] 2.2.4.10).
    pub(super) fn ends(&self) -> bool {
        fn says_so(element: &Element) -> bool {
            let state = element.attribute("State");
            element.name == "CommandState" && state.is_some_and(|state| state.ends_with("/Done"))
                || element.elements().any(says_so)
        }
        self.envelope.as_ref().is_some_and(says_so)
    }
}

/// What a recording says.
pub(super) struct Scripted {
    /// How the session was opened, if the recording begins with that.
    pub(super) opening: Option<Opening>,
    /// What the service said of its configuration, if it was asked.
    pub(super) configuration: Option<Answer>,
    /// What was run.
    pub(super) pipelines: Vec<ScriptedPipeline>,
}

/// The script of a recording.
pub(super) fn of(file: &str, recording: SessionRecording) -> Result<Scripted, RecordingError> {
    let file: Arc<str> = file.into();
    let mut reader = Reader::default();
    let (mut opening, mut configuration) = (None, None);
    let mut pool = Vec::new();
    let mut pipelines: Vec<(Uuid, Unfinished)> = Vec::new();
    let mut exchanges = Vec::new();
    for (index, exchange) in recording.exchanges.into_iter().enumerate() {
        let mut request = exchange.request;
        let sent = messages_in(&mut request, index + 1)?;
        let answer = reader.answer(exchange.answer, index + 1)?;
        exchanges.push((
            index + 1,
            exchange.action,
            command_of(&request),
            sent,
            answer,
        ));
    }
    let mut answers = reader.finish();
    let shell = exchanges
        .iter()
        .find_map(|(_, _, _, _, answer)| leaf(answer.as_ref()?, "ShellId"));
    // A server may give a command another id than the one proposed.
    let mut other_ids: HashMap<Uuid, Uuid> = HashMap::new();
    for (number, action, command, sent, envelope) in exchanges {
        let command = command.map(|id| other_ids.get(&id).copied().unwrap_or(id));
        let pieces = answers.pop_front().unwrap_or_default();
        let is_of_keys = |kind| {
            matches!(
                kind,
                MessageType::PublicKey | MessageType::EncryptedSessionKey
            )
        };
        let had_key = pieces
            .iter()
            .flatten()
            .any(|part| is_of_keys(part.message.kind))
            || sent.iter().any(|message| is_of_keys(message.kind));
        let pieces: Vec<Vec<Part>> = pieces
            .into_iter()
            .map(|parts| {
                parts
                    .into_iter()
                    .filter(|part| !is_of_keys(part.message.kind))
                    .collect()
            })
            .collect();
        // Keys are agreed upon anew: an exchange that was for nothing else is not part of the script.
        if had_key && pieces.iter().all(Vec::is_empty) {
            continue;
        }
        let answer = Answer {
            envelope,
            pieces,
            shell,
            command,
        };
        match (action.as_str(), command) {
            ("Create", _) => opening = Some(answer),
            ("Get", None) => configuration = Some(answer),
            ("Delete" | "Signal", _) => {}
            (_, None) => pool.push(Step { action, answer }),
            (_, Some(mut id)) => {
                if action == "Command"
                    && let Some(given) = answer.envelope.as_ref().and_then(started)
                    && given != id
                {
                    other_ids.insert(id, given);
                    id = given;
                }
                let known = pipelines.iter().position(|(known, _)| *known == id);
                let index = known.unwrap_or_else(|| {
                    pipelines.push((id, Unfinished::at(number)));
                    pipelines.len() - 1
                });
                if let Some((_, pipeline)) = pipelines.get_mut(index) {
                    pipeline.add(&sent)?;
                    pipeline.steps.push(Step { action, answer });
                }
            }
        }
    }
    let opening = opening.map(|create| Opening { create, pool });
    let pipelines = pipelines
        .into_iter()
        .filter_map(|(_, pipeline)| pipeline.finish(&file));
    Ok(Scripted {
        opening,
        configuration,
        pipelines: pipelines.collect(),
    })
}

/// A pipeline while its exchanges are gathered.
struct Unfinished {
    exchange: usize,
    create: Option<Pipeline>,
    inputs: Vec<Value>,
    steps: Vec<Step>,
}

impl Unfinished {
    fn at(exchange: usize) -> Self {
        Self {
            exchange,
            create: None,
            inputs: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn add(&mut self, sent: &[Message]) -> Result<(), RecordingError> {
        for message in sent {
            let invalid = |error: &dyn std::fmt::Display| RecordingError::Invalid {
                place: format!("exchange {}", self.exchange),
                what: message.kind.name(),
                found: error.to_string(),
                expected: "a message that PowerShell understands",
            };
            match Payload::decode(message.kind, &message.data, None)
                .map_err(|error| invalid(&error))?
            {
                Payload::CreatePipeline(create) => self.create = Some(create.pipeline),
                Payload::PipelineInput(value) => self.inputs.push(value),
                _ => {}
            }
        }
        Ok(())
    }

    /// A pipeline that was never handed over whole was never run.
    fn finish(self, file: &Arc<str>) -> Option<ScriptedPipeline> {
        let create = self.create?;
        // A program may do anything.
        let reads = |name: &str| catalogue::find(name).is_some_and(|cmdlet| !cmdlet.changes);
        let changes = !create.commands().all(|command| reads(&command.name));
        Some(ScriptedPipeline {
            file: Arc::clone(file),
            exchange: self.exchange,
            create,
            changes,
            inputs: self.inputs,
            steps: self.steps,
            taken: false,
        })
    }
}

/// Takes the messages out of a request.
fn messages_in(envelope: &mut Element, number: usize) -> Result<Vec<Message>, RecordingError> {
    let place = format!("exchange {number}, request");
    let mut sent = Vec::new();
    let mut result = Ok(());
    visit_carriers(envelope, &mut |carrier| {
        match RecordedMessage::all_in(carrier.element, &place) {
            Ok(messages) => sent.extend(messages.into_iter().map(|recorded| recorded.message)),
            Err(error) => result = Err(error),
        }
        carrier.element.content.clear();
    });
    result.map(|()| sent)
}

/// Takes the messages out of answers, and puts the parts of those that were spread back where they were.
#[derive(Default)]
struct Reader {
    /// What each carrier of each answer carries.
    answers: VecDeque<Vec<Vec<Part>>>,
    /// Where the carriers of each stream are: answer and carrier in it.
    streams: HashMap<Option<Uuid>, Vec<(usize, usize)>>,
}

impl Reader {
    fn answer(
        &mut self,
        envelope: Option<Element>,
        number: usize,
    ) -> Result<Option<Element>, RecordingError> {
        let place = format!("exchange {number}, answer");
        let answer = self.answers.len();
        self.answers.push_back(Vec::new());
        let Some(mut envelope) = envelope else {
            return Ok(None);
        };
        let mut result = Ok(());
        visit_carriers(&mut envelope, &mut |carrier| {
            let messages = RecordedMessage::all_in(carrier.element, &place);
            carrier.element.content.clear();
            let carriers = self.answers.get_mut(answer).map_or(0, |carriers| {
                carriers.push(Vec::new());
                carriers.len()
            });
            let stream = self.streams.entry(carrier.command).or_default();
            stream.push((answer, carriers.saturating_sub(1)));
            match messages {
                Ok(messages) => {
                    for recorded in messages {
                        spread(&mut self.answers, stream, recorded);
                    }
                }
                Err(error) => result = Err(error),
            }
        });
        result.map(|()| Some(envelope))
    }

    fn finish(self) -> VecDeque<Vec<Vec<Part>>> {
        self.answers
    }
}

/// Puts the parts of a message into the last carriers of its stream.
fn spread(
    answers: &mut VecDeque<Vec<Vec<Part>>>,
    stream: &[(usize, usize)],
    recorded: RecordedMessage,
) {
    let of = recorded.pieces.clamp(1, stream.len());
    let message = Arc::new(recorded.message);
    let last = stream.get(stream.len() - of..).unwrap_or_default();
    for (index, (answer, carrier)) in last.iter().enumerate() {
        let parts = answers
            .get_mut(*answer)
            .and_then(|carriers| carriers.get_mut(*carrier));
        if let Some(parts) = parts {
            parts.push(Part {
                message: Arc::clone(&message),
                index,
                of,
            });
        }
    }
}

/// The command that a request is for.
fn command_of(envelope: &Element) -> Option<Uuid> {
    let own = envelope
        .attribute("CommandId")
        .and_then(|id| Uuid::parse_str(id.trim()).ok());
    own.or_else(|| envelope.elements().find_map(command_of))
}

/// The command that an answer says has started.
fn started(envelope: &Element) -> Option<Uuid> {
    leaf(envelope, "CommandId")
}

fn leaf(element: &Element, name: &str) -> Option<Uuid> {
    if element.name == name {
        return Uuid::parse_str(&element.text()).ok();
    }
    element.elements().find_map(|child| leaf(child, name))
}
