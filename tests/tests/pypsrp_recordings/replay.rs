//! [`Replay`]: a recorded server. It answers as it did then, and says where it was asked otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node};

use crate::allowed::{Allowed, DIFFERENCES, DONE, Extra};
use crate::facts::{self, Difference, Fact};
use crate::ids::Ids;
use crate::key::SessionKeys;
use crate::request::{Request, octets};
use crate::streams::{Place, Streams, property, swapped, text};

/// A recorded exchange.
pub(crate) struct Recorded {
    pub(crate) request: Request,
    /// The server's envelope; none where the connection was lost.
    pub(crate) response: Option<String>,
}

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It answers, an HTTP status and an envelope.
    Answer(u16, String),
    /// It closes the connection.
    Close,
}

/// A recorded server.
pub(crate) struct Replay {
    exchanges: Vec<Recorded>,
    /// The exchange that is expected next.
    next: usize,
    /// Recorded ids of the commands that have been reported done.
    done: Vec<String>,
    ids: Ids,
    streams: Streams,
    keys: SessionKeys,
    public_key: Option<String>,
    /// What this one conversation may have besides what every one may.
    allowed: Vec<Allowed>,
    extras: Vec<Extra>,
    problems: Vec<String>,
    /// Reasons of the allowed differences that occurred.
    used: Vec<&'static str>,
}

impl Replay {
    pub(crate) fn new(exchanges: Vec<Recorded>, keys: SessionKeys) -> Self {
        Self {
            exchanges,
            next: 0,
            done: Vec::new(),
            ids: Ids::default(),
            streams: Streams::default(),
            keys,
            public_key: None,
            allowed: Vec::new(),
            extras: Vec::new(),
            problems: Vec::new(),
            used: Vec::new(),
        }
    }

    pub(crate) fn allow(&mut self, allowed: Allowed) {
        self.allowed.push(allowed);
    }

    pub(crate) fn expect(&mut self, extra: Extra) {
        self.extras.push(extra);
    }

    pub(crate) fn complain(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// What went wrong, once all is over, and which allowed differences occurred.
    pub(crate) fn finish(&mut self) -> (Vec<String>, Vec<&'static str>) {
        while self.skip() {}
        for left in self.exchanges.iter().skip(self.next) {
            let left = format!("nobody asked for {}", left.request.title());
            self.problems.push(left);
        }
        if !self.streams.are_even() {
            self.problems
                .push("not as many messages were sent as recorded".into());
        }
        let unused: Vec<String> = self
            .extras
            .iter()
            .map(|extra| format!("{extra:?} was not asked for"))
            .collect();
        self.problems.extend(unused);
        (
            std::mem::take(&mut self.problems),
            std::mem::take(&mut self.used),
        )
    }

    /// The reply to a request, if it is its turn.
    pub(crate) fn reply(&mut self, ours: &Request) -> Option<Reply> {
        loop {
            if let Some(recorded) = self.exchanges.get(self.next)
                && self.is_same(&recorded.request, ours)
            {
                let reply = self.exchange(ours);
                return Some(reply.unwrap_or_else(|problem| {
                    self.problems.push(problem);
                    Reply::Close
                }));
            }
            if let Some(reply) = self.extra(ours) {
                return Some(reply);
            }
            if !self.skip() {
                return None;
            }
        }
    }

    /// Whether a request is of the same kind as the recorded one and goes to the same place.
    fn is_same(&self, recorded: &Request, ours: &Request) -> bool {
        let same = |recorded: &Option<String>, ours: &Option<String>| {
            *recorded == ours.as_ref().map(|id| self.ids.recorded(id))
        };
        recorded.action == ours.action
            && recorded.is_terminate() == ours.is_terminate()
            && match ours.action.as_str() {
                "Create" => true,
                "Command" => same(&recorded.shell, &ours.shell),
                _ => {
                    same(&recorded.shell, &ours.shell)
                        && (same(&recorded.command, &ours.command) || self.lets(ours))
                }
            }
    }

    /// Whether a request may go to another command than the recorded one.
    fn lets(&self, ours: &Request) -> bool {
        let mut all = DIFFERENCES.iter().chain(&self.allowed);
        all.any(|allowed| allowed.is_command(ours))
    }

    /// Compares a request with the one recorded at this place, and gives what was answered then.
    fn exchange(&mut self, ours: &Request) -> Result<Reply, String> {
        let index = self.next;
        self.next += 1;
        let recorded = self.exchanges[index].request.clone();
        let response = self.exchanges[index].response.clone();
        if ours.action == "Create" || ours.action == "Command" {
            for (recorded, ours) in [
                (&recorded.shell, &ours.shell),
                (&recorded.command, &ours.command),
            ] {
                if let (Some(recorded), Some(ours)) = (recorded, ours) {
                    self.ids.pair(recorded, ours);
                }
            }
        }
        if let (Some(recorded), Some(ours)) = (id_in(&recorded.message_id), id_in(&ours.message_id))
        {
            self.ids.pair(&recorded, &ours);
        }
        let our_facts: Vec<Fact> = ours
            .facts
            .iter()
            .map(|fact| Fact {
                path: fact.path.clone(),
                value: self.ids.recorded(&fact.value),
            })
            .collect();
        for difference in facts::differences(&recorded.facts, &our_facts) {
            self.judge(index, &recorded.action, &difference);
        }
        self.take_fragments(index, &recorded, ours)?;
        let Some(response) = response else {
            return Ok(Reply::Close);
        };
        let response = self.respond(&response)?;
        let is_fault = response.contains(":Fault>");
        Ok(Reply::Answer(if is_fault { 500 } else { 200 }, response))
    }

    /// Notes a difference, unless it is one that may be.
    fn judge(&mut self, index: usize, context: &str, difference: &Difference) {
        let general = DIFFERENCES.iter();
        let allowed = general
            .chain(&self.allowed)
            .find(|allowed| allowed.covers(context, difference));
        match allowed {
            Some(allowed) => self.used.push(allowed.why),
            None => self
                .problems
                .push(format!("exchange {index}, {context}: {difference}")),
        }
    }

    fn take_fragments(
        &mut self,
        index: usize,
        recorded: &Request,
        ours: &Request,
    ) -> Result<(), String> {
        if recorded.fragments.is_empty() && ours.fragments.is_empty() {
            return Ok(());
        }
        let place = place(recorded);
        if recorded.action == "Connect" && recorded.command.is_none() {
            self.streams.restart(&place.0);
        }
        self.streams
            .push_recorded(place.clone(), &recorded.fragments)?;
        self.push_ours(place, &ours.fragments)?;
        self.compare(index)
    }

    fn push_ours(&mut self, place: Place, fragments: &[u8]) -> Result<(), String> {
        self.streams.push_ours(place, fragments)?;
        if let Some(key) = self.streams.our_public_key() {
            self.public_key = Some(key);
        }
        Ok(())
    }

    fn compare(&mut self, index: usize) -> Result<(), String> {
        for (context, difference) in self.streams.compare(&self.ids)? {
            self.judge(index, &context, &difference);
        }
        Ok(())
    }

    /// The recorded response with our ids, and what is encrypted in it for us.
    fn respond(&mut self, response: &str) -> Result<String, String> {
        let document = Document::parse(response).map_err(|error| error.to_string())?;
        let mut pieces = Vec::new();
        for node in document.descendants() {
            let is_done = node.has_tag_name((
                "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
                "CommandState",
            )) && node
                .attribute("State")
                .is_some_and(|s| s.ends_with("/Done"));
            if is_done && let Some(id) = node.attribute("CommandId") {
                self.done.push(id.to_uppercase());
            }
            let Some(text) = node.first_child().filter(Node::is_text) else {
                continue;
            };
            if facts::holds_fragments(node)
                && let Ok(blob) = octets(node)
                && let Some(blob) = self.readdress(blob)?
            {
                pieces.push((text.range(), STANDARD.encode(blob)));
            }
        }
        let mut answer = String::new();
        let mut at = 0;
        for (range, piece) in pieces {
            answer.push_str(&self.ids.ours(&response[at..range.start]));
            answer.push_str(&piece);
            at = range.end;
        }
        answer.push_str(&self.ids.ours(&response[at..]));
        Ok(answer)
    }

    /// The fragments with the ids of pool and pipeline that are ours; `None` if these are no fragments.
    fn readdress(&self, mut blob: Vec<u8>) -> Result<Option<Vec<u8>>, String> {
        const HEAD: usize = 21;
        let mut at = 0;
        while at < blob.len() {
            let length = blob
                .get(at + 17..at + HEAD)
                .and_then(|length| length.try_into().ok())
                .map(|length| u32::from_be_bytes(length) as usize);
            let is_first = blob.get(at + 16).is_some_and(|flags| flags & 1 != 0);
            let range = at + HEAD..at + HEAD + length.unwrap_or(usize::MAX >> 1);
            let Some(data) = blob.get_mut(range.clone()) else {
                return Ok(None);
            };
            if is_first && let Some(head) = data.get_mut(8..40) {
                for id in head.as_chunks_mut::<16>().0 {
                    *id = self
                        .readdress_id(uuid::Uuid::from_bytes_le(*id))
                        .to_bytes_le();
                }
            }
            self.reseal(data)?;
            at = range.end;
        }
        Ok(Some(blob))
    }

    /// The id of ours that a recorded one stands for, in whichever order its client wrote the bytes that the
    /// server gave back.
    fn readdress_id(&self, id: uuid::Uuid) -> uuid::Uuid {
        let paired = [id, swapped(id)].into_iter().find_map(|id| {
            let recorded = text(id);
            let ours = self.ids.ours(&recorded);
            (ours != recorded).then_some(ours)
        });
        paired
            .and_then(|ours| uuid::Uuid::try_parse(&ours).ok())
            .unwrap_or(id)
    }

    /// Encrypts the session key in a message, if it is one with such, for our key pair.
    fn reseal(&self, message: &mut [u8]) -> Result<(), String> {
        let Some(data) = message.get_mut(40..) else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(data).into_owned();
        let Some((start, end, _)) = property(&text, "EncryptedSessionKey") else {
            return Ok(());
        };
        let public = self
            .public_key
            .as_ref()
            .ok_or("a session key, but no public key was sent")?;
        let sealed = self.keys.reseal(public, &text[start..end])?;
        data.get_mut(start..end)
            .filter(|place| place.len() == sealed.len())
            .ok_or("a session key of another length")?
            .copy_from_slice(sealed.as_bytes());
        Ok(())
    }

    /// The answer to a request that was not recorded and may come all the same.
    fn extra(&mut self, ours: &Request) -> Option<Reply> {
        let command = ours.command.as_ref().map(|id| self.ids.recorded(id));
        let place = (
            ours.shell
                .as_ref()
                .map(|id| self.ids.recorded(id))
                .unwrap_or_default(),
            command.clone(),
        );
        let body = match ours.action.as_str() {
            // A message that takes us more requests.
            "Send" if self.streams.owes(&place) => {
                let taken = self.push_ours(place, &ours.fragments);
                if let Err(problem) = taken.and_then(|()| self.compare(self.next)) {
                    self.problems.push(problem);
                }
                "<r:SendResponse/>".to_owned()
            }
            action => {
                let at = self
                    .extras
                    .iter()
                    .position(|extra| extra.is(action, ours.is_terminate()))?;
                let extra = self.extras.remove(at);
                let next = self
                    .exchanges
                    .get(self.next)
                    .and_then(|next| next.request.command.as_ref());
                if extra == Extra::Command
                    && let (Some(next), Some(ours)) = (next, &ours.command)
                {
                    self.ids.pair(next, ours);
                }
                let id = ours
                    .command
                    .clone()
                    .unwrap_or_else(|| uuid::Uuid::new_v4().to_string().to_uppercase());
                self.used.push(extra.why());
                extra.body(&id)
            }
        };
        Some(Reply::Answer(
            200,
            envelope(&ours.action, &ours.message_id, &body),
        ))
    }

    /// Passes over an exchange that we have no use for.
    fn skip(&mut self) -> bool {
        let Some(recorded) = self
            .exchanges
            .get(self.next)
            .map(|exchange| exchange.request.clone())
        else {
            return false;
        };
        // pypsrp takes a pipeline away that the server has reported done, and so taken away itself.
        let is_gone = recorded.is_terminate()
            && recorded
                .command
                .as_ref()
                .is_some_and(|id| self.done.contains(id));
        if is_gone {
            self.used.push(DONE);
        } else if recorded.action == "Send" && !recorded.fragments.is_empty() {
            // What was sent in a request of its own we have sent with the one before it.
            let place = place(&recorded);
            if !self.streams.is_ahead(&place) {
                return false;
            }
            let taken = self.streams.push_recorded(place, &recorded.fragments);
            if let Err(problem) = taken.and_then(|()| self.compare(self.next)) {
                self.problems.push(problem);
            }
        } else {
            return false;
        }
        self.next += 1;
        true
    }
}

fn place(recorded: &Request) -> Place {
    (
        recorded.shell.clone().unwrap_or_default(),
        recorded.command.clone(),
    )
}

/// The id in a `MessageID`.
fn id_in(message_id: &str) -> Option<String> {
    message_id.strip_prefix("uuid:").map(str::to_uppercase)
}

/// An answer that was not recorded.
fn envelope(action: &str, relates_to: &str, body: &str) -> String {
    let own = uuid::Uuid::new_v4();
    let actions = match action {
        "Delete" => "http://schemas.xmlsoap.org/ws/2004/09/transfer/",
        _ => "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/",
    };
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:r=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"><s:Header>\
         <a:Action>{actions}{action}Response</a:Action><a:MessageID>uuid:{own}</a:MessageID>\
         <a:RelatesTo>{relates_to}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}
