//! [`Shell`]: a live shell that follows a script.
//!
//! What the client sends is read by a pool of its own, which also agrees on a session key with it. What the client gets
//! is the recorded messages, with the ids of this session, cut into as many fragments as they were then.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{
    Defragmenter, FragmentLimits, Fragmenter, Message, ObjectIds, ProtocolVersion, PsrpError,
    ServerEvent, ServerPool,
};
use owaim_proto::wsman::{Fault, PREFIXES, ReceiveResponse, ResponseBody, Stream};
use owaim_proto::xml::{self, Element, Node};
use uuid::Uuid;

use super::choice::Script;
use super::script::{Answer, Opening, Part};
use super::{malformed, unlike};
use crate::recording::{visit_carriers, visit_texts};

/// Size of a fragment's head ([MS-PSRP] 2.2.4).
const HEAD: usize = 21;
/// Room for any message that this pool says by itself.
const ROOM: usize = 1 << 20;

/// What a request is answered with.
pub(super) enum Reply {
    /// This envelope.
    Recorded(Box<Element>),
    /// What needs no recording.
    Plain(ResponseBody),
    /// No answer.
    Nothing,
    /// That there is nothing to tell, after a while.
    Wait,
}

/// A live shell.
pub(super) struct Shell {
    id: Uuid,
    /// Reads what the client sends.
    reader: ServerPool,
    /// Which opening it follows, and how far it has come.
    opening: usize,
    told: usize,
    ids: ObjectIds,
    streams: HashMap<Option<Uuid>, Fragmenter>,
    commands: HashMap<Uuid, Following>,
}

/// A command that follows a scripted pipeline.
struct Following {
    pipeline: Uuid,
    scripted: usize,
    /// Which of its steps are behind it.
    past: BTreeSet<usize>,
    inputs: usize,
}

impl Shell {
    /// Opens a shell as `opening` was opened: no shell where that failed.
    pub(super) fn open(
        id: Uuid,
        number: usize,
        opening: &Opening,
        creation: Option<&[u8]>,
    ) -> Result<(Option<Self>, Reply), Box<Fault>> {
        let limits = FragmentLimits::default();
        let mut shell = Self {
            id,
            reader: ServerPool::new(ProtocolVersion::V2_3, Value::Null, limits),
            opening: number,
            told: 0,
            ids: ObjectIds::default(),
            streams: HashMap::new(),
            commands: HashMap::new(),
        };
        let reply = shell.reply(&opening.create, None);
        if opening.create.is_fault() || opening.create.envelope.is_none() {
            return Ok((None, reply));
        }
        shell.take(None, "stdin", creation.unwrap_or_default())?;
        Ok((Some(shell), reply))
    }

    /// A command begins.
    pub(super) fn start(&mut self, command: Uuid) -> Result<(), Box<Fault>> {
        self.reader
            .start_command(command)
            .map_err(|error| refused(&error))
    }

    /// Takes bytes of one of the client's streams.
    pub(super) fn take(
        &mut self,
        command: Option<Uuid>,
        stream: &str,
        bytes: &[u8],
    ) -> Result<Vec<ServerEvent>, Box<Fault>> {
        let events = self
            .reader
            .receive(command, stream, bytes)
            .map_err(|error| refused(&error))?;
        if events
            .iter()
            .any(|event| matches!(event, ServerEvent::OpenRequested(_)))
        {
            self.reader
                .announce_opened()
                .map_err(|error| refused(&error))?;
            // What a pool says while it opens was recorded.
            while self.reader.take(None, ROOM).is_some() {}
        }
        Ok(events)
    }

    /// From now on `command` gets what the scripted pipeline of that number got.
    pub(super) fn follow(&mut self, command: Uuid, pipeline: Uuid, scripted: usize) {
        let following = Following {
            pipeline,
            scripted,
            past: BTreeSet::new(),
            inputs: 0,
        };
        self.commands.insert(command, following);
    }

    /// The next object of the recorded input of `command`.
    pub(super) fn input<'s>(&mut self, command: Uuid, script: &'s Script) -> Option<&'s Value> {
        let following = self.commands.get_mut(&command)?;
        let input = script.get(following.scripted)?.inputs.get(following.inputs);
        following.inputs += 1;
        input
    }

    /// The recorded answer to the next request of that action of `command`.
    pub(super) fn recorded(
        &mut self,
        command: Uuid,
        action: &str,
        script: &Script,
    ) -> Option<Reply> {
        let answer = self.next(command, action, script)?;
        let reply = self.reply(answer, Some(command));
        // Nobody has to say that what has ended is over: a session may run any number of pipelines.
        if answer.ends() {
            self.forget(command);
        }
        Some(reply)
    }

    /// The same, before the ids are those of this session.
    pub(super) fn next<'s>(
        &mut self,
        command: Uuid,
        action: &str,
        script: &'s Script,
    ) -> Option<&'s Answer> {
        let following = self.commands.get_mut(&command)?;
        let steps = &script.get(following.scripted)?.steps;
        let (index, step) = steps
            .iter()
            .enumerate()
            .find(|(index, step)| step.action == action && !following.past.contains(index))?;
        following.past.insert(index);
        Some(&step.answer)
    }

    /// Answers a Receive of a command.
    pub(super) fn receive(&mut self, command: Uuid, script: &Script) -> Result<Reply, Box<Fault>> {
        self.recorded(command, "Receive", script).ok_or_else(|| {
            let following = self.commands.get(&command);
            let scripted = following.and_then(|following| script.get(following.scripted));
            let expected = scripted.map_or_else(
                || "a command that has begun".into(),
                |scripted| {
                    format!(
                        "the end of what exchange {} of {} began",
                        scripted.exchange, scripted.file
                    )
                },
            );
            unlike(&expected, &format!("Receive of command {command}"))
        })
    }

    /// Answers a Receive of the pool: with the key that was agreed on just now, or what was recorded.
    pub(super) fn receive_of_pool(&mut self, openings: &[Opening]) -> Reply {
        if let Some(data) = self.key() {
            let stream = Stream {
                name: "stdout".into(),
                command_id: None,
                end: false,
                data,
            };
            return Reply::Plain(ResponseBody::Received(ReceiveResponse {
                streams: vec![stream],
                state: None,
            }));
        }
        let steps = openings
            .get(self.opening)
            .map(|opening| opening.pool.as_slice());
        let rest = steps
            .and_then(|steps| steps.get(self.told..))
            .unwrap_or_default();
        let next = rest.iter().position(|step| step.action == "Receive");
        let Some(step) = next.and_then(|index| rest.get(index)) else {
            return Reply::Wait;
        };
        self.told += next.unwrap_or_default() + 1;
        self.reply(&step.answer, None)
    }

    /// What the pool itself has to say: its half of an exchange of keys.
    fn key(&mut self) -> Option<Vec<u8>> {
        let mut defragmenter = Defragmenter::new(FragmentLimits::default());
        let mut data = Vec::new();
        while let Some(fragment) = self.reader.take(None, ROOM) {
            for message in defragmenter.push(&fragment).ok()? {
                let stream = self.streams.entry(None).or_default();
                stream.push(&mut self.ids, message);
                data.extend(stream.take(ROOM)?);
            }
        }
        (!data.is_empty()).then_some(data)
    }

    /// Forgets a command.
    pub(super) fn forget(&mut self, command: Uuid) {
        self.reader.forget(command);
        self.commands.remove(&command);
        self.streams.remove(&Some(command));
    }

    /// A recorded answer with what its streams carry, and with the ids of this session.
    fn reply(&mut self, answer: &Answer, command: Option<Uuid>) -> Reply {
        let Some(envelope) = &answer.envelope else {
            return Reply::Nothing;
        };
        let mut envelope = envelope.clone();
        let mut pieces = answer.pieces.iter();
        visit_carriers(&mut envelope, &mut |carrier| {
            let parts = pieces.next().map(Vec::as_slice).unwrap_or_default();
            let bytes = self.bytes(command, parts);
            if !bytes.is_empty() {
                carrier.element.content = vec![Node::Text(STANDARD.encode(bytes))];
            }
        });
        let mut ids = vec![(answer.shell, Some(self.id))];
        ids.push((answer.command, command));
        for (recorded, live) in ids {
            if let (Some(recorded), Some(live)) = (recorded, live) {
                let (recorded, live) = (recorded.to_string(), live.to_string().to_uppercase());
                visit_texts(&mut envelope, &mut |text| {
                    if text.len() < 80 && text.to_lowercase().contains(&recorded) {
                        *text = text.to_lowercase().replace(&recorded, &live);
                    }
                });
            }
        }
        Reply::Recorded(Box::new(envelope))
    }

    /// The fragments that a piece of a stream consists of.
    fn bytes(&mut self, command: Option<Uuid>, parts: &[Part]) -> Vec<u8> {
        let pipeline = command.and_then(|command| self.commands.get(&command));
        let pipeline = pipeline.map(|following| following.pipeline);
        let pool = self.reader.id();
        let stream = self.streams.entry(command).or_default();
        let mut bytes = Vec::new();
        for part in parts {
            let recorded = &part.message;
            let live = |recorded: Uuid, live: Uuid| if recorded.is_nil() { recorded } else { live };
            let message = Message {
                pool: live(recorded.pool, pool),
                pipeline: live(recorded.pipeline, pipeline.unwrap_or(recorded.pipeline)),
                ..Message::clone(recorded)
            };
            let message = message.encode();
            let room = HEAD + message.len().div_ceil(part.of);
            if part.index == 0 {
                stream.push(&mut self.ids, message);
            }
            bytes.extend(stream.fragment(room).unwrap_or_default());
        }
        bytes
    }
}

fn refused(error: &PsrpError) -> Box<Fault> {
    malformed(&error.to_string())
}

/// The bytes of an answer to the request of that id.
pub(super) fn encoded(mut envelope: Element, relates_to: &str) -> Vec<u8> {
    for node in &mut envelope.content {
        let Node::Element(header) = node else {
            continue;
        };
        if header.name != "Header" {
            continue;
        }
        for node in &mut header.content {
            if let Node::Element(field) = node {
                let text = match field.name.as_str() {
                    "RelatesTo" => relates_to.to_owned(),
                    "MessageID" => format!("uuid:{}", Uuid::new_v4().to_string().to_uppercase()),
                    _ => continue,
                };
                field.content = vec![Node::Text(text)];
            }
        }
    }
    xml::write(&envelope, PREFIXES)
}
