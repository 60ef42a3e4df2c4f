//! [`CapturedSession`]: what an observer kept, taken apart: envelopes without their streams, and the messages that
//! were in them.
//!
//! Everything is still as it travelled: nothing of this is written before it has been sanitised.

use std::collections::HashMap;

use owaim_lab::recording::visit_carriers;
use owaim_proto::clixml::{self, Value};
use owaim_proto::psrp::{Defragmenter, FragmentLimits, Message, MessageType};
use owaim_proto::wsman;
use owaim_proto::xml::{self, Element};
use owaim_steps::Place;
use uuid::Uuid;

use super::base64_text;

/// What was kept of an exchange.
pub(super) struct Kept {
    /// The endpoints at that URL, with their session configurations.
    pub(super) places: Vec<(Place, String)>,
    pub(super) request: Vec<u8>,
    pub(super) response: Option<Vec<u8>>,
}

/// A session, taken apart.
pub(super) struct CapturedSession {
    pub(super) place: Place,
    pub(super) exchanges: Vec<CapturedExchange>,
}

/// A request and its answer, if one came.
pub(super) struct CapturedExchange {
    pub(super) action: String,
    pub(super) request: CapturedEnvelope,
    pub(super) answer: Option<CapturedEnvelope>,
}

/// An envelope whose elements that carry streams are empty.
pub(super) struct CapturedEnvelope {
    pub(super) envelope: Element,
    /// What each of those elements held, in order.
    pub(super) pieces: Vec<Vec<CapturedMessage>>,
}

/// A message that ended in a piece of a stream.
pub(super) struct CapturedMessage {
    /// Its head; the data is beside it.
    pub(super) head: Message,
    /// `None` where it has no data.
    pub(super) value: Option<Value>,
    /// Over how many pieces of the stream it was spread.
    pub(super) pieces: usize,
}

/// Takes apart what was kept; gives the sessions in the order in which they began, and how many exchanges are of no
/// PowerShell session or cannot be understood.
pub(super) fn take_apart(kept: Vec<Kept>) -> (Vec<CapturedSession>, usize) {
    let mut sessions: Vec<Session> = Vec::new();
    let mut left_out = 0;
    for exchange in kept {
        let Some(request) = parse(&exchange.request) else {
            left_out += 1;
            continue;
        };
        let header = |name: &str| leaf(&request, name);
        let uri = header("ResourceURI").unwrap_or_default();
        let named =
            wsman::configuration_name(&uri).and_then(|name| place_of(&exchange.places, name));
        let Some(id) = header("SessionId").or_else(|| header("Selector")) else {
            left_out += 1;
            continue;
        };
        // What goes to the service itself is of the session that asked.
        let is_place = |place: &Place| match &named {
            Some(named) => place == named,
            None => exchange.places.iter().any(|(other, _)| place == other),
        };
        let known = sessions
            .iter()
            .position(|session| session.id == id && is_place(&session.captured.place));
        let index = match (known, named) {
            (Some(index), _) => index,
            (None, Some(place)) => {
                sessions.push(Session::new(id, place));
                sessions.len() - 1
            }
            (None, None) => {
                left_out += 1;
                continue;
            }
        };
        if let Some(session) = sessions.get_mut(index)
            && session.add(&exchange, request).is_none()
        {
            left_out += 1;
        }
    }
    let sessions = sessions.into_iter().map(|session| session.captured);
    (sessions.collect(), left_out)
}

/// The endpoint of that session configuration; several may have the same URL.
pub(super) fn place_of(places: &[(Place, String)], configuration: &str) -> Option<Place> {
    let named = places
        .iter()
        .find(|(_, own)| own.eq_ignore_ascii_case(configuration));
    named
        .or_else(|| places.first())
        .map(|(place, _)| place.clone())
}

/// A session while it is taken apart.
struct Session {
    id: String,
    captured: CapturedSession,
    streams: HashMap<StreamKey, Incoming>,
}

/// Direction, command, and whether it is the stream of answers.
type StreamKey = (Direction, Option<Uuid>, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    ToServer,
    ToClient,
}

struct Incoming {
    defragmenter: Defragmenter,
    /// Pieces since the last message ended.
    pieces: usize,
}

impl Session {
    fn new(id: String, place: Place) -> Self {
        Self {
            id,
            captured: CapturedSession {
                place,
                exchanges: Vec::new(),
            },
            streams: HashMap::new(),
        }
    }

    /// `None`: what cannot be understood is left out, since nobody could say what it holds.
    fn add(&mut self, kept: &Kept, request: Element) -> Option<()> {
        let uri = leaf(&request, "Action")?;
        let request = self.envelope(Direction::ToServer, request)?;
        let answer = match &kept.response {
            Some(bytes) => Some(self.envelope(Direction::ToClient, parse(bytes)?)?),
            None => None,
        };
        self.captured.exchanges.push(CapturedExchange {
            action: uri.rsplit('/').next().unwrap_or_default().into(),
            request,
            answer,
        });
        Some(())
    }

    fn envelope(
        &mut self,
        direction: Direction,
        mut envelope: Element,
    ) -> Option<CapturedEnvelope> {
        let mut pieces = Vec::new();
        let mut understood = true;
        visit_carriers(&mut envelope, &mut |carrier| {
            let text = carrier.element.text();
            carrier.element.content.clear();
            let key = (direction, carrier.command, carrier.answers);
            match base64_text::decode(&text).and_then(|bytes| self.messages(key, &bytes)) {
                Some(messages) => pieces.push(messages),
                None => understood = false,
            }
        });
        understood.then_some(CapturedEnvelope { envelope, pieces })
    }

    fn messages(&mut self, key: StreamKey, bytes: &[u8]) -> Option<Vec<CapturedMessage>> {
        let stream = self.streams.entry(key).or_insert_with(|| Incoming {
            defragmenter: Defragmenter::new(FragmentLimits::default()),
            pieces: 0,
        });
        if bytes.is_empty() {
            return Some(Vec::new());
        }
        stream.pieces += 1;
        let mut messages = Vec::new();
        for bytes in stream.defragmenter.push(bytes).ok()? {
            let mut head = Message::decode(&bytes).ok()?;
            let data = std::mem::take(&mut head.data);
            let value = match data.trim() {
                "" => None,
                data => Some(clixml::decode(data, &clixml::Limits::default()).ok()?),
            };
            // A message that begins behind another one's end has had this piece alone.
            let pieces = std::mem::replace(&mut stream.pieces, 1);
            messages.push(CapturedMessage {
                head,
                value,
                pieces,
            });
        }
        if stream.defragmenter.finish().is_ok() {
            stream.pieces = 0;
        }
        Some(messages)
    }
}

impl CapturedSession {
    /// Every envelope.
    pub(super) fn envelopes(&self) -> impl Iterator<Item = &CapturedEnvelope> {
        self.exchanges
            .iter()
            .flat_map(|exchange| std::iter::once(&exchange.request).chain(&exchange.answer))
    }
}

impl CapturedEnvelope {
    /// Every message.
    pub(super) fn messages(&self) -> impl Iterator<Item = &CapturedMessage> {
        self.pieces.iter().flatten()
    }
}

impl CapturedMessage {
    /// Whether it is part of how both sides come by a session key.
    pub(super) fn is_of_keys(&self) -> bool {
        matches!(
            self.head.kind,
            MessageType::PublicKey | MessageType::EncryptedSessionKey
        )
    }
}

fn parse(bytes: &[u8]) -> Option<Element> {
    let limits = xml::Limits {
        nodes: 200_000,
        ..xml::Limits::default()
    };
    xml::parse(bytes, &limits).ok()
}

/// The text of the first element of that name in the header.
fn leaf(envelope: &Element, name: &str) -> Option<String> {
    let header = envelope.elements().find(|e| e.name == "Header")?;
    header
        .elements()
        .find_map(|e| find(e, name))
        .map(Element::text)
}

fn find<'e>(element: &'e Element, name: &str) -> Option<&'e Element> {
    if element.name == name {
        return Some(element);
    }
    element.elements().find_map(|child| find(child, name))
}
