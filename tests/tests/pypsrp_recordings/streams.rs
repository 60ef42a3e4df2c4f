//! [`Streams`]: the PSRP messages of both clients, stream by stream.
//!
//! How a client spreads its messages over fragments and requests is its own business: compared is what they say.

use std::collections::{HashMap, VecDeque};

use owaim_proto::psrp::{Defragmenter, FragmentLimits, Message};

use crate::allowed::RENAMED;
use crate::facts::{self, Difference, Fact};
use crate::ids::Ids;

/// Shell and command of a stream, by their recorded ids; no command for the pool's own.
pub(crate) type Place = (String, Option<String>);

/// The messages of both clients.
#[derive(Default)]
pub(crate) struct Streams(HashMap<Place, Stream>);

struct Stream {
    recorded: Side,
    ours: Side,
}

struct Side {
    defragmenter: Defragmenter,
    messages: VecDeque<Message>,
}

impl Side {
    fn new() -> Self {
        Self {
            defragmenter: Defragmenter::new(FragmentLimits::default()),
            messages: VecDeque::new(),
        }
    }

    fn push(&mut self, fragments: &[u8]) -> Result<(), String> {
        let complete = self.defragmenter.push(fragments);
        for message in complete.map_err(|error| error.to_string())? {
            let message = Message::decode(&message).map_err(|error| error.to_string())?;
            self.messages.push_back(message);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.messages.is_empty() && self.defragmenter.finish().is_ok()
    }
}

impl Streams {
    /// A client has come to a shell: both count from the start again.
    pub(crate) fn restart(&mut self, shell: &str) {
        self.0.retain(|(other, _), _| other != shell);
    }

    /// Takes the fragments of a recorded request.
    pub(crate) fn push_recorded(&mut self, place: Place, fragments: &[u8]) -> Result<(), String> {
        self.at(place).recorded.push(fragments)
    }

    /// Takes the fragments of a request of ours.
    pub(crate) fn push_ours(&mut self, place: Place, fragments: &[u8]) -> Result<(), String> {
        self.at(place).ours.push(fragments)
    }

    fn at(&mut self, place: Place) -> &mut Stream {
        self.0.entry(place).or_insert_with(|| Stream {
            recorded: Side::new(),
            ours: Side::new(),
        })
    }

    /// Whether we have yet to send what was recorded there.
    pub(crate) fn owes(&self, place: &Place) -> bool {
        self.0
            .get(place)
            .is_some_and(|stream| !stream.recorded.is_done())
    }

    /// Whether we have sent what was recorded later.
    pub(crate) fn is_ahead(&self, place: &Place) -> bool {
        self.0
            .get(place)
            .is_some_and(|stream| !stream.ours.messages.is_empty())
    }

    /// Whether nothing is left there that only one of both has sent.
    pub(crate) fn are_even(&self) -> bool {
        self.0
            .values()
            .all(|stream| stream.recorded.is_done() && stream.ours.is_done())
    }

    /// Where the messages that both have sent differ, each with the kind of message.
    pub(crate) fn compare(&mut self, ids: &Ids) -> Result<Vec<(String, Difference)>, String> {
        let mut found = Vec::new();
        for ((shell, _), stream) in &mut self.0 {
            while !stream.recorded.messages.is_empty() && !stream.ours.messages.is_empty() {
                let (Some(recorded), Some(ours)) = (
                    stream.recorded.messages.pop_front(),
                    stream.ours.messages.pop_front(),
                ) else {
                    break;
                };
                let kind = recorded.kind.to_string();
                let differences = facts::differences(
                    &says(&recorded, Reader::Recorded(shell))?,
                    &says(&ours, Reader::Ours(ids))?,
                );
                found.extend(differences.into_iter().map(|d| (kind.clone(), d)));
            }
        }
        Ok(found)
    }

    /// The last public key that we have sent, where one is among what has not been compared yet.
    pub(crate) fn our_public_key(&self) -> Option<String> {
        let messages = self.0.values().flat_map(|stream| &stream.ours.messages);
        let mut keys = messages.filter_map(|message| property(&message.data, "PublicKey"));
        keys.next()
            .map(|(start, end, message)| message[start..end].to_owned())
    }
}

/// Where the text of a property is in CLIXML.
pub(crate) fn property<'m>(data: &'m str, name: &str) -> Option<(usize, usize, &'m str)> {
    let mark = format!("N=\"{name}\">");
    let start = data.find(&mark)? + mark.len();
    let end = start + data[start..].find('<')?;
    Some((start, end, data))
}

/// Whose message is read.
#[derive(Clone, Copy)]
enum Reader<'r> {
    /// One that was recorded, in that shell.
    Recorded(&'r str),
    /// One of ours, whose ids are to be replaced.
    Ours(&'r Ids),
}

/// What a message says, its head included.
fn says(message: &Message, reader: Reader<'_>) -> Result<Vec<Fact>, String> {
    let mut facts = Vec::new();
    if !message.data.is_empty() {
        facts = facts::of_clixml(&message.data)?;
    }
    // Older versions of pypsrp have the bytes of ids in another order than .NET: they are read as it meant them.
    let is_swapped = match reader {
        Reader::Recorded(shell) => text(message.pool) != shell,
        Reader::Ours(_) => false,
    };
    let id = |id: uuid::Uuid| text(if is_swapped { swapped(id) } else { id });
    for (path, value) in [
        ("kind", message.kind.to_string()),
        ("destination", format!("{:?}", message.destination)),
        ("pool", id(message.pool)),
        ("pipeline", id(message.pipeline)),
    ] {
        facts.push(Fact {
            path: path.to_owned(),
            value,
        });
    }
    for fact in &mut facts {
        match reader {
            Reader::Ours(ids) => fact.value = ids.recorded(&fact.value),
            Reader::Recorded(_) if fact.path == RENAMED.0 => RENAMED.1.clone_into(&mut fact.path),
            Reader::Recorded(_) => {}
        }
    }
    Ok(facts)
}

/// An id whose bytes are in the other order.
pub(crate) fn swapped(id: uuid::Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(id.to_bytes_le())
}

/// An id as the recordings have it.
pub(crate) fn text(id: uuid::Uuid) -> String {
    id.hyphenated().to_string().to_uppercase()
}
