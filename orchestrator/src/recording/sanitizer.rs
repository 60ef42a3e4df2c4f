//! [`Sanitizer`]: replaces what identifies a site, and its secrets, in texts, bytes and values.
//!
//! What is no text and no certificate cannot be looked through: beyond a few bytes it becomes as many zeros.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use owaim_lab::recording::visit_texts;
use owaim_proto::clixml::{Base, Object, Value};
use owaim_proto::psrp::MessageType;
use owaim_proto::xml::Element;

use super::base64_text;
use super::certificates::{self, Certificates};
use super::credentials;
use super::names::{Boundary, Names, Replacement};
use super::words;
use crate::redact::{REDACTED, Redactor};

/// What stands for a text that travelled encrypted.
const SECURE_STRING: &str = "[secure string]";

/// Bytes that are too few to hold a secret or a name that is not seen in them.
const FEW: usize = 64;
/// Shortest run of Base64 that is looked into.
const SHORTEST_BASE64: usize = 24;
/// How deep Base64 within Base64 is looked into.
const DEPTH: usize = 3;

/// Replaces names and secrets.
pub(super) struct Sanitizer<'n> {
    redactor: &'n Redactor,
    search: AhoCorasick,
    replacements: Vec<Replacement>,
    certificates: &'n Certificates,
    lengths: Lengths,
}

/// What is known on the way through a value.
struct Walk {
    /// Whether the properties `Cmd` and `N` are names of commands and parameters.
    commands: bool,
    seen: HashMap<*const Object, Arc<Object>>,
}

/// How long contents of some length become. All of one length become equally long, so that what a server says of the
/// length of a file goes on being true.
pub(super) type Lengths = BTreeMap<usize, usize>;

impl<'n> Sanitizer<'n> {
    /// For what `names` has learnt, and `certificates` has issued anew.
    pub(super) fn new(
        names: &Names,
        redactor: &'n Redactor,
        certificates: &'n Certificates,
    ) -> io::Result<Self> {
        let mut patterns = Vec::new();
        let mut replacements = Vec::new();
        for (found, replacement) in names.replacements() {
            // Beyond ASCII the search tells capitals apart.
            let mut forms = vec![found.clone()];
            if !found.is_ascii() {
                forms.extend([found.to_uppercase(), capitalised(found)]);
            }
            for form in forms {
                patterns.push(form);
                replacements.push(replacement.clone());
            }
        }
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(patterns)
            .map_err(|_| io::Error::other("the names are too many to be searched for"))?;
        Ok(Self {
            redactor,
            search,
            replacements,
            certificates,
            lengths: Lengths::new(),
        })
    }

    /// Makes contents as long as `lengths` say.
    #[must_use]
    pub(super) fn keeping(self, lengths: Lengths) -> Self {
        Self { lengths, ..self }
    }

    /// `text` without names and secrets.
    pub(super) fn text(&self, text: &str) -> String {
        self.text_within(text, 0)
    }

    fn text_within(&self, text: &str, depth: usize) -> String {
        let text = self.redactor.text(text);
        let text = credentials::blanked(&text);
        let text = self.base64(&text, depth);
        let mut hits: Vec<(usize, usize, &Replacement)> = self
            .search
            .find_overlapping_iter(&text)
            .filter_map(|hit| {
                let replacement = self.replacements.get(hit.pattern().as_usize())?;
                may_stand(&text, hit.start(), hit.end(), replacement.boundary).then_some((
                    hit.start(),
                    hit.end(),
                    replacement,
                ))
            })
            .collect();
        if hits.is_empty() {
            return text;
        }
        hits.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end, replacement) in hits {
            if start < done {
                continue;
            }
            clean.push_str(text.get(done..start).unwrap_or_default());
            let found = text.get(start..end).unwrap_or_default();
            if is_upper(found) {
                clean.push_str(&replacement.text.to_uppercase());
            } else {
                clean.push_str(&replacement.text);
            }
            done = end;
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        clean
    }

    /// Looks into everything that may be Base64.
    fn base64(&self, text: &str, depth: usize) -> String {
        if depth >= DEPTH || text.len() < SHORTEST_BASE64 {
            return text.to_owned();
        }
        let alphabet =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\r' | '\n');
        let mut clean = String::with_capacity(text.len());
        let mut done = 0;
        for (start, run) in words::runs(text, alphabet) {
            let inner = run.trim();
            let lines = inner.lines().count();
            // Words on lines of their own are no Base64; its lines are long.
            if inner.len() < SHORTEST_BASE64 || inner.len() / lines.max(1) < SHORTEST_BASE64 / 2 {
                continue;
            }
            let Some(bytes) = base64_text::decode(inner) else {
                continue;
            };
            let replaced = self.bytes_within(&bytes, depth + 1);
            // Any word of that length is Base64 of something.
            if replaced == bytes || as_text(&bytes).is_none() && !certificates::is_der(&bytes) {
                continue;
            }
            let start = start + run.find(inner).unwrap_or_default();
            clean.push_str(text.get(done..start).unwrap_or_default());
            clean.push_str(&base64_text::encode_like(&replaced, inner));
            done = start + inner.len();
        }
        clean.push_str(text.get(done..).unwrap_or_default());
        clean
    }

    /// `bytes` without names and secrets.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.bytes_within(bytes, 0)
    }

    fn bytes_within(&self, bytes: &[u8], depth: usize) -> Vec<u8> {
        if let Some(reissued) = self.certificates.reissued(bytes) {
            return reissued.to_vec();
        }
        if let Some(text) = utf16(bytes) {
            let clean = self.text_within(&text, depth);
            let clean = clean.encode_utf16().flat_map(u16::to_le_bytes).collect();
            return self.padded(bytes.len(), clean, b" \0");
        }
        if let Some(text) = utf8(bytes) {
            let clean = self.text_within(text, depth).into_bytes();
            return self.padded(bytes.len(), clean, b" ");
        }
        if bytes.len() == 20 || bytes.len() == 32 {
            // A thumbprint as a number.
            let text = self.text_within(&hex::encode(bytes), DEPTH);
            if let Ok(replaced) = hex::decode(text)
                && replaced.len() == bytes.len()
            {
                return replaced;
            }
        }
        if bytes.len() > FEW || self.shows_through(bytes) || is_sid(bytes) {
            return vec![0; bytes.len()];
        }
        bytes.to_vec()
    }

    /// Blanks at its end make a text as long as all of its length become.
    fn padded(&self, before: usize, mut clean: Vec<u8>, blank: &[u8]) -> Vec<u8> {
        let length = self.lengths.get(&before).copied().unwrap_or_default();
        while clean.len() + blank.len() <= length {
            clean.extend_from_slice(blank);
        }
        clean
    }

    /// Whether a name or secret can be read in bytes that are no text.
    fn shows_through(&self, bytes: &[u8]) -> bool {
        let narrow: String = bytes.iter().map(|b| char::from(*b)).collect();
        let wide = narrow.replace('\0', "");
        [narrow, wide]
            .iter()
            .any(|text| self.text_within(text, DEPTH) != *text)
    }

    /// Replaces in every text and attribute of an envelope.
    pub(super) fn element(&self, element: &mut Element) {
        visit_texts(element, &mut |text| *text = self.text(text));
    }

    /// The data of a message of that kind without names and secrets. The names of commands and their parameters stay,
    /// in the message that says what to run.
    pub(super) fn value(&self, kind: MessageType, value: &Value) -> Value {
        let mut walk = Walk {
            commands: kind == MessageType::CreatePipeline,
            seen: HashMap::new(),
        };
        self.any(value, None, &mut walk)
    }

    fn any(&self, value: &Value, key: Option<&str>, walk: &mut Walk) -> Value {
        match value {
            Value::String(text) if walk.commands && matches!(key, Some("Cmd" | "N")) => {
                Value::String(text.clone())
            }
            Value::String(text) if !text.is_empty() && key.is_some_and(credentials::is_secret) => {
                Value::String(REDACTED.into())
            }
            Value::String(text) => Value::String(self.text(text)),
            Value::Uri(text) => Value::Uri(self.text(text)),
            Value::XmlDocument(text) => Value::XmlDocument(self.text(text)),
            Value::ScriptBlock(text) => Value::ScriptBlock(self.text(text)),
            Value::Bytes(bytes) => Value::Bytes(self.bytes(bytes)),
            Value::SecureString(_) | Value::Secret(_) => Value::String(SECURE_STRING.into()),
            Value::Progress(progress) => {
                let mut progress = progress.clone();
                progress.activity = self.text(&progress.activity);
                progress.status = progress.status.map(|text| self.text(&text));
                progress.current_operation =
                    progress.current_operation.map(|text| self.text(&text));
                Value::Progress(progress)
            }
            Value::MemberSet(members) => Value::MemberSet(self.members(members, walk)),
            Value::Object(object) => {
                let address = Arc::as_ptr(object);
                if let Some(known) = walk.seen.get(&address) {
                    return Value::Object(Arc::clone(known));
                }
                let clean = Arc::new(self.object(object, value, walk));
                walk.seen.insert(address, Arc::clone(&clean));
                Value::Object(clean)
            }
            Value::Int64(length) if key == Some("Length") => {
                let known = usize::try_from(*length)
                    .ok()
                    .and_then(|length| self.lengths.get(&length));
                let replaced = known.and_then(|length| i64::try_from(*length).ok());
                Value::Int64(replaced.unwrap_or(*length))
            }
            Value::Null
            | Value::Char(_)
            | Value::Bool(_)
            | Value::DateTime(_)
            | Value::Duration(_)
            | Value::Byte(_)
            | Value::SByte(_)
            | Value::UInt16(_)
            | Value::Int16(_)
            | Value::UInt32(_)
            | Value::Int32(_)
            | Value::UInt64(_)
            | Value::Int64(_)
            | Value::Single(_)
            | Value::Double(_)
            | Value::Decimal(_)
            | Value::Guid(_)
            | Value::Version(_)
            | Value::Ancestor(_) => value.clone(),
        }
    }

    fn object(&self, object: &Object, value: &Value, walk: &mut Walk) -> Object {
        let base = match self.byte_list(value) {
            Some(items) => match &object.base {
                Base::Enumerable(_) => Base::Enumerable(items),
                Base::Stack(_) => Base::Stack(items),
                Base::Queue(_) => Base::Queue(items),
                _ => Base::List(items),
            },
            None => self.base(&object.base, walk),
        };
        Object {
            type_names: object.type_names.clone(),
            to_string: object.to_string.as_ref().map(|text| self.text(text)),
            base,
            adapted: self.members(&object.adapted, walk),
            extended: self.members(&object.extended, walk),
            received_order: object.received_order.clone(),
        }
    }

    /// The items of a list that is bytes, where they have to be others.
    fn byte_list(&self, value: &Value) -> Option<Vec<Value>> {
        let items = value.items()?;
        let is_byte = |item: &Value| matches!(item.base(), Value::Byte(_));
        if items.is_empty() || !items.iter().all(is_byte) {
            return None;
        }
        let bytes = value.as_bytes()?;
        let clean = self.bytes(&bytes);
        (clean != *bytes).then(|| clean.into_iter().map(Value::Byte).collect())
    }

    fn base(&self, base: &Base, walk: &mut Walk) -> Base {
        let mut all = |items: &[Value]| -> Vec<Value> {
            items
                .iter()
                .map(|item| self.any(item, None, walk))
                .collect()
        };
        match base {
            Base::None => Base::None,
            Base::List(items) => Base::List(all(items)),
            Base::Enumerable(items) => Base::Enumerable(all(items)),
            Base::Stack(items) => Base::Stack(all(items)),
            Base::Queue(items) => Base::Queue(all(items)),
            Base::Primitive(value) => Base::Primitive(self.any(value, None, walk)),
            Base::Dictionary(entries) => Base::Dictionary(
                entries
                    .iter()
                    .map(|(key, value)| (self.any(key, None, walk), self.any(value, None, walk)))
                    .collect(),
            ),
        }
    }

    fn members(&self, members: &[(String, Value)], walk: &mut Walk) -> Vec<(String, Value)> {
        let clean = members
            .iter()
            .map(|(key, value)| (key.clone(), self.any(value, Some(key), walk)));
        clean.collect()
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
}

fn may_stand(text: &str, start: usize, end: usize, boundary: Boundary) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let after = text.get(end..).unwrap_or_default();
    let (last, first) = (before.chars().next_back(), after.chars().next());
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let digit = |c: char| c.is_ascii_digit();
    let dotted = before
        .strip_suffix('.')
        .is_some_and(|rest| rest.ends_with(digit))
        || after
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(digit));
    match boundary {
        Boundary::Free => true,
        Boundary::Word => !word(last) && !word(first),
        Boundary::Number => !word(last) && !word(first) && !dotted,
    }
}

/// Text as UTF-8, if it is some.
fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| is_printable(text))
}

/// Text as UTF-16, if it is some: with its mark, or with every other byte zero.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return None;
    }
    let marked = bytes.starts_with(&[0xff, 0xfe]);
    let narrow = pairs.iter().filter(|[_, high]| *high == 0).count();
    if !marked && narrow * 4 < pairs.len() * 3 {
        return None;
    }
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    String::from_utf16(&units)
        .ok()
        .filter(|text| is_printable(text))
}

fn is_printable(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() || matches!(c, '\t' | '\r' | '\n'))
}

/// What `bytes` say, if they are text.
pub(super) fn as_text(bytes: &[u8]) -> Option<String> {
    utf16(bytes).or_else(|| utf8(bytes).map(str::to_owned))
}

/// The binary form of a SID: revision 1, number of parts, authority, parts of 4 bytes.
fn is_sid(bytes: &[u8]) -> bool {
    matches!(bytes, [1, parts, ..] if *parts > 1 && bytes.len() == 8 + 4 * usize::from(*parts))
}
