//! [`Recorder`]: writes what servers say, sanitised, into a folder from which a simulated site can replay it.
//!
//! During a run everything is kept in memory, as it travelled, up to [`MOST`] bytes. Only when the run is over, and all names are known, is
//! it taken apart, sanitised and written: nothing else of it ever reaches a disk, and a run that is killed leaves
//! nothing. What cannot be understood cannot be sanitised, and is left out.

mod base64_text;
mod capture;
mod certificates;
mod credentials;
mod names;
mod readme;
mod sanitizer;
mod site_file;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use owaim_inventory::Site;
use owaim_lab::recording::{RecordedExchange, RecordedMessage, SessionRecording, visit_carriers};
use owaim_proto::clixml::{self, Base, Object, Value};
use owaim_proto::psrp::{Message, MessageType};
use owaim_proto::xml::{Element, Node};
use owaim_transport::{Exchange, Observer, Secret};
use sha2::{Digest as _, Sha256};

use self::capture::{CapturedEnvelope, CapturedExchange, CapturedMessage, CapturedSession, Kept};
use self::certificates::Certificates;
use self::names::Names;
use self::readme::Missing;
use self::sanitizer::{Lengths, Sanitizer};
use crate::endpoints::EndpointBook;
use crate::redact::Redactor;

/// What a recording contains, for whoever asks for one.
pub const CONTENTS: &str = "everything that this run sends to servers and gets back, with names, addresses and secrets \
replaced; read it before you give it away (README.txt there says what was replaced)";

/// So many bytes of envelopes are kept; what is exchanged beyond is counted. Taken apart they need several times that.
pub const MOST: usize = 256 << 20;

/// Stands for the keys of a session and what they were exchanged with.
const KEY: &str = "[key]";

/// Shortest content whose length may be said elsewhere.
const SHORTEST_FILE: usize = 64;

/// Properties of objects that tell of a person, which are replaced where an object has an address of one.
const PERSONAL: [&str; 14] = [
    "Alias",
    "Company",
    "Department",
    "DisplayName",
    "FirstName",
    "GivenName",
    "LastName",
    "MobilePhone",
    "Name",
    "Office",
    "Phone",
    "SimpleDisplayName",
    "Surname",
    "Title",
];
/// Properties by which an object is known for a person.
const OF_PERSONS: [&str; 6] = [
    "PrimarySmtpAddress",
    "SamAccountName",
    "SipAddress",
    "UserPrincipalName",
    "WindowsEmailAddress",
    "WindowsLiveID",
];

/// A recording cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is something in the folder.
    #[error("--record {}: expected a new or an empty folder, found files in it: name another one", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system refuses.
    #[error("--record: cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something cannot be sanitised.
    #[error("--record: cannot sanitise {what}: {detail}")]
    Unsanitised {
        /// `the site file`, `the name of a host`.
        what: &'static str,
        /// Why.
        detail: String,
    },
}

/// Keeps what is exchanged, to write it when the run is over. Holds secrets, so it has no `Debug`.
pub struct Recorder {
    folder: PathBuf,
    site: Site,
    site_text: String,
    overrides: Vec<(String, String)>,
    book: EndpointBook,
    most: usize,
    buffer: Mutex<Buffer>,
    secrets: Mutex<Vec<Secret>>,
}

/// What was exchanged, as far as there is room for it.
#[derive(Default)]
struct Buffer {
    kept: Vec<Kept>,
    bytes: usize,
    /// Exchanges for which there was no room.
    beyond: usize,
}

impl Observer for Recorder {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        let size = exchange.request.len() + exchange.response.map_or(0, <[u8]>::len);
        let mut buffer = lock(&self.buffer);
        // Nothing more after the first one that is not kept: what follows it in its stream could not be read.
        if buffer.beyond > 0 || buffer.bytes + size > self.most {
            buffer.beyond += 1;
            return;
        }
        let places = self
            .book
            .iter()
            .filter(|(_, endpoint)| endpoint.url == exchange.url && endpoint.host == exchange.host)
            .map(|(place, endpoint)| (place.clone(), endpoint.configuration.clone()));
        let kept = Kept {
            places: places.collect(),
            request: exchange.request.to_vec(),
            response: exchange.response.map(<[u8]>::to_vec),
        };
        buffer.bytes += size;
        buffer.kept.push(kept);
    }
}

impl Recorder {
    /// A recorder that writes into `folder`, which is made, and must be empty. `site_text` is the site file that `site`
    /// was read from, with `overrides` set.
    pub fn into_folder(
        folder: &Path,
        site: &Site,
        site_text: String,
        overrides: &[(String, String)],
        book: &EndpointBook,
    ) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Write {
            path: folder.into(),
            source,
        };
        match fs::read_dir(folder) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(RecordError::NotEmpty {
                        folder: folder.into(),
                    });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                owaim_platform::create_private_folders(folder).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self {
            folder: folder.into(),
            site: site.clone(),
            site_text,
            overrides: overrides.to_vec(),
            book: book.clone(),
            most: MOST,
            buffer: Mutex::default(),
            secrets: Mutex::new(book.secrets()),
        })
    }

    /// Keeps at most `most` bytes of envelopes.
    #[must_use]
    pub fn keeping(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Replaces these too.
    pub fn hide(&self, secrets: impl IntoIterator<Item = Secret>) {
        lock(&self.secrets).extend(secrets);
    }

    /// Writes the recording. What is exchanged later is not in it. Gives the number of exchanges for which there was no
    /// room.
    pub fn finish(&self) -> Result<usize, RecordError> {
        let Buffer { kept, beyond, .. } = std::mem::take(&mut *lock(&self.buffer));
        let secrets = lock(&self.secrets);
        let in_folder = |source| RecordError::Write {
            path: self.folder.clone(),
            source,
        };
        let redactor = Redactor::new(secrets.iter().map(Secret::expose)).map_err(in_folder)?;
        let (sessions, left_out) = capture::take_apart(kept);
        let learnt = learn(&self.site, &sessions, &redactor).map_err(in_folder)?;
        let sanitizer = Sanitizer::new(&learnt.names, &redactor, &learnt.certificates)
            .map_err(in_folder)?
            .keeping(learnt.lengths.clone());
        let mut files = Vec::new();
        for (number, session) in sessions.iter().enumerate() {
            let host = sanitizer.text(session.place.host.as_str());
            let short = host.split('.').next().unwrap_or_default();
            let name = format!(
                "{:03}-{short}-{}.xml",
                number + 1,
                session.place.kind.name()
            );
            let recording = sanitized(session, &host, &sanitizer)?;
            self.write(&name, &recording.write())?;
            files.push((name, recording.exchanges.len()));
        }
        let site = site_file::sanitized(&self.site_text, &sanitizer).map_err(|detail| {
            RecordError::Unsanitised {
                what: "the site file",
                detail,
            }
        })?;
        self.write("site.toml", &site)?;
        let overrides: Vec<(String, String)> = self
            .overrides
            .iter()
            .map(|(key, value)| (sanitizer.text(key), sanitizer.text(value)))
            .collect();
        let missing = Missing {
            left_out,
            beyond,
            most: self.most,
        };
        self.write("README.txt", &readme::text(&files, &missing, &overrides))?;
        Ok(beyond)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), RecordError> {
        let path = self.folder.join(name);
        let written = owaim_platform::create_private_file(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|source| RecordError::Write { path, source })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was learnt of a run before anything is replaced.
struct Learnt {
    names: Names,
    certificates: Certificates,
    lengths: Lengths,
}

fn learn(site: &Site, sessions: &[CapturedSession], redactor: &Redactor) -> io::Result<Learnt> {
    let vocabulary = vocabulary::of(sessions);
    let mut names = Names::of(site, vocabulary);
    let mut certificates = Certificates::default();
    let mut texts = Vec::new();
    let mut contents = Vec::new();
    for envelope in sessions.iter().flat_map(CapturedSession::envelopes) {
        element_texts(&envelope.envelope, &mut texts);
        for owner in owners(&envelope.envelope) {
            names.learn_account(&owner);
        }
        for message in envelope.messages().filter(|message| !message.is_of_keys()) {
            if let Some(value) = &message.value {
                walk(value, &mut |part| match part {
                    Part::Text(text) => texts.push(text),
                    Part::Bytes(bytes) => contents.push(bytes),
                    Part::Personal(_) => {}
                });
            }
        }
    }
    for bytes in &contents {
        if let Some((of_names, others)) = certificates.learn(bytes) {
            texts.extend(others);
            for name in of_names {
                names.learn_name(&name);
            }
        } else {
            let text = sanitizer::as_text(bytes);
            texts.extend(text.or_else(|| String::from_utf8(bytes.clone()).ok()));
        }
    }
    texts.sort_unstable();
    texts.dedup();
    for text in &texts {
        names.learn_addresses(text);
    }
    for text in &texts {
        names.learn_text(text);
    }
    for message in sessions
        .iter()
        .flat_map(CapturedSession::envelopes)
        .flat_map(CapturedEnvelope::messages)
    {
        if let Some(value) = &message.value {
            walk(value, &mut |part| {
                if let Part::Personal(text) = part {
                    names.learn_user(&text);
                }
            });
        }
    }
    if let Some(thumbprint) = &site.certificate.thumbprint {
        names.learn_text(thumbprint.as_str());
    }
    // Now that the names are known, what is computed of them can be computed anew: certificates, whose thumbprints
    // stand in files, and then the lengths and hashes of files.
    let none = Certificates::default();
    let of_names = Sanitizer::new(&names, redactor, &none)?;
    certificates.reissue(&mut names, &|text| of_names.text(text));
    let sanitizer = Sanitizer::new(&names, redactor, &certificates)?;
    let mut lengths = Lengths::new();
    for bytes in contents.iter().filter(|bytes| bytes.len() >= SHORTEST_FILE) {
        let longest = lengths.entry(bytes.len()).or_default();
        *longest = sanitizer.bytes(bytes).len().max(*longest);
    }
    let sanitizer = sanitizer.keeping(lengths.clone());
    for bytes in &contents {
        let clean = sanitizer.bytes(bytes);
        if clean != *bytes {
            let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
            names.learn_computed(&digest(bytes), digest(&clean));
        }
    }
    Ok(Learnt {
        names,
        certificates,
        lengths,
    })
}

/// Something in a value.
enum Part {
    Text(String),
    Bytes(Vec<u8>),
    /// A text that tells of a person.
    Personal(String),
}

fn walk(value: &Value, visit: &mut dyn FnMut(Part)) {
    match value {
        Value::String(text)
        | Value::Uri(text)
        | Value::XmlDocument(text)
        | Value::ScriptBlock(text) => {
            visit(Part::Text(text.clone()));
            if let Some(bytes) = base64_text::decode(text).filter(|bytes| bytes.len() > 64) {
                visit(Part::Bytes(bytes));
            }
        }
        Value::Bytes(bytes) => visit(Part::Bytes(bytes.clone())),
        Value::MemberSet(members) => members.iter().for_each(|(_, value)| walk(value, visit)),
        Value::Object(object) => walk_object(value, object, visit),
        _ => {}
    }
}

fn walk_object(value: &Value, object: &Object, visit: &mut dyn FnMut(Part)) {
    if let Some(text) = &object.to_string {
        visit(Part::Text(text.clone()));
    }
    let is_person = OF_PERSONS.iter().any(|name| object.get(name).is_some());
    for (key, value) in object.adapted.iter().chain(&object.extended) {
        let personal = PERSONAL
            .iter()
            .chain(&OF_PERSONS)
            .any(|name| name.eq_ignore_ascii_case(key));
        if is_person
            && personal
            && let Some(text) = value.text().filter(|text| !text.contains('@'))
        {
            visit(Part::Personal(text));
        }
        walk(value, visit);
    }
    if let Some(bytes) = value.as_bytes().filter(|bytes| !bytes.is_empty()) {
        visit(Part::Bytes(bytes.into_owned()));
    }
    match &object.base {
        Base::None => {}
        Base::Primitive(value) => walk(value, visit),
        Base::List(items) | Base::Enumerable(items) | Base::Stack(items) | Base::Queue(items) => {
            for item in items {
                walk(item, visit);
            }
        }
        Base::Dictionary(entries) => {
            for (key, value) in entries {
                walk(key, visit);
                walk(value, visit);
            }
        }
    }
}

fn element_texts(element: &Element, texts: &mut Vec<String>) {
    texts.extend(
        element
            .attributes
            .iter()
            .map(|attribute| attribute.value.clone()),
    );
    for node in &element.content {
        match node {
            Node::Text(text) => texts.push(text.clone()),
            Node::Element(child) => element_texts(child, texts),
        }
    }
}

/// As whom shells run.
fn owners(element: &Element) -> Vec<String> {
    let mut found = Vec::new();
    if element.name == "Owner" {
        found.push(element.text());
    }
    found.extend(element.elements().flat_map(owners));
    found
}

fn sanitized(
    session: &CapturedSession,
    host: &str,
    sanitizer: &Sanitizer<'_>,
) -> Result<SessionRecording, RecordError> {
    let what = "the name of a host";
    let invalid = |detail: String| RecordError::Unsanitised { what, detail };
    let host = owaim_inventory::HostName::new(host).map_err(|error| invalid(error.to_string()))?;
    let exchanges = session
        .exchanges
        .iter()
        .map(|exchange: &CapturedExchange| RecordedExchange {
            action: exchange.action.clone(),
            request: envelope(&exchange.request, sanitizer),
            answer: exchange
                .answer
                .as_ref()
                .map(|answer| envelope(answer, sanitizer)),
        });
    Ok(SessionRecording {
        host,
        kind: session.place.kind,
        exchanges: exchanges.collect(),
    })
}

fn envelope(captured: &CapturedEnvelope, sanitizer: &Sanitizer<'_>) -> Element {
    let mut envelope = captured.envelope.clone();
    sanitizer.element(&mut envelope);
    let mut pieces = captured.pieces.iter();
    visit_carriers(&mut envelope, &mut |carrier| {
        for captured in pieces.next().into_iter().flatten() {
            let recorded = message(captured, sanitizer);
            // What was encoded just now is XML.
            if let Ok(element) = recorded.to_element() {
                carrier.element.content.push(Node::Element(element));
            }
        }
    });
    envelope
}

fn message(captured: &CapturedMessage, sanitizer: &Sanitizer<'_>) -> RecordedMessage {
    let data = match (&captured.value, captured.head.kind) {
        (None, _) => String::new(),
        (Some(_), MessageType::PublicKey) => key("PublicKey"),
        (Some(_), MessageType::EncryptedSessionKey) => key("EncryptedSessionKey"),
        (Some(value), kind) => clixml::encode(&sanitizer.value(kind, value)),
    };
    RecordedMessage {
        message: Message {
            data,
            ..captured.head.clone()
        },
        pieces: captured.pieces,
    }
}

fn key(property: &str) -> String {
    clixml::encode(&Object::new().with_note(property, KEY).into())
}
