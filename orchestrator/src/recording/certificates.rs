//! [`Certificates`]: the certificates of a recording, issued anew.
//!
//! A certificate holds names and is signed over them: replacing the names alone would break every signature, and with
//! it what a step finds out about the chain. So each certificate is written again, structure and extensions as they
//! were, with other names, another serial number and another key, signed by the other key of its issuer.

use std::collections::HashMap;

use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use sha2::{Digest as _, Sha256};

use super::names::Names;

/// ecdsa-with-SHA256.
const ALGORITHM: [u8; 12] = *b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
/// Extensions: subject key identifier, authority key identifier, alternative names.
const SUBJECT_KEY: &[u8] = b"\x55\x1d\x0e";
const AUTHORITY_KEY: &[u8] = b"\x55\x1d\x23";
/// Timestamps of a public log, by which anyone finds the certificate; a template, whose number is the forest's own.
const LOG_TIMESTAMPS: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02";
const TEMPLATE: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x15\x07";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
/// How deep structures may be: real ones are a dozen.
const DEPTH: usize = 24;

/// The certificates of a recording, old to new.
#[derive(Default)]
pub(super) struct Certificates {
    known: HashMap<Vec<u8>, Parts>,
    reissued: HashMap<Vec<u8>, Vec<u8>>,
}

/// What of a certificate says who it is.
#[derive(Clone)]
struct Parts {
    issuer: Vec<u8>,
    subject: Vec<u8>,
    serial: Vec<u8>,
    subject_key: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
}

/// A piece of DER.
#[derive(Clone, Copy)]
struct Piece<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
}

impl Certificates {
    /// Notes `der`, if it is a certificate, and gives its texts: first those of its names, then all others.
    pub(super) fn learn(&mut self, der: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
        if self.known.contains_key(der) {
            return None;
        }
        let parts = Parts::of(der)?;
        let (mut names, mut others) = (Vec::new(), Vec::new());
        for name in [&parts.issuer, &parts.subject] {
            texts(name, &mut names);
        }
        texts(der, &mut others);
        self.known.insert(der.to_vec(), parts);
        Some((names, others))
    }

    /// Issues every certificate anew, its texts replaced by `replace`; what was computed of the old ones, thumbprints
    /// and serial numbers, is noted in `names`.
    pub(super) fn reissue(&mut self, names: &mut Names, replace: &dyn Fn(&str) -> String) {
        let mut keys: HashMap<Vec<u8>, KeyPair> = HashMap::new();
        for (der, parts) in &self.known {
            let own = parts.own_key();
            let issuer = self.issuer_key(parts);
            for id in [&own, &issuer] {
                if !keys.contains_key(id)
                    && let Ok(key) = KeyPair::generate()
                {
                    keys.insert(id.clone(), key);
                }
            }
            let (Some(own), Some(issuer)) = (keys.get(&own), keys.get(&issuer)) else {
                continue;
            };
            let serial = serial(names, &parts.serial);
            let writer = Writer {
                names,
                replace,
                serial: &serial,
                key: own.subject_public_key_info(),
            };
            let Some(body) = writer.certificate(der) else {
                continue;
            };
            let Ok(signature) = issuer.sign(&body) else {
                continue;
            };
            let signature = element(BIT_STRING, &[&[0][..], &signature].concat());
            let new = element(SEQUENCE, &[&body[..], &ALGORITHM, &signature].concat());
            names.learn_computed(&thumbprint(der), thumbprint(&new));
            names.learn_computed(
                &hex::encode(Sha256::digest(der)),
                hex::encode(Sha256::digest(&new)),
            );
            // Windows shows it without the zero that keeps it positive.
            let shown = |serial: &[u8]| {
                let digits = serial.strip_prefix(&[0]).unwrap_or(serial);
                hex::encode(digits)
            };
            if parts.serial.len() >= 4 {
                names.learn_computed(&shown(&parts.serial), shown(&serial));
            }
            self.reissued.insert(der.clone(), new);
        }
    }

    /// The certificate that takes the place of `der`.
    pub(super) fn reissued(&self, der: &[u8]) -> Option<&[u8]> {
        self.reissued.get(der).map(Vec::as_slice)
    }

    /// Which key signed it: the one it names, else that of the certificate with its issuer's name.
    fn issuer_key(&self, parts: &Parts) -> Vec<u8> {
        if let Some(id) = &parts.authority_key {
            return id.clone();
        }
        let issuer = self
            .known
            .values()
            .find(|other| other.subject == parts.issuer);
        issuer.map_or_else(|| parts.issuer.clone(), Parts::own_key)
    }
}

impl Parts {
    fn of(der: &[u8]) -> Option<Self> {
        let [certificate] = pieces(der)?[..] else {
            return None;
        };
        let [body, algorithm, signature] = pieces(certificate.content)?[..] else {
            return None;
        };
        if certificate.tag != SEQUENCE
            || body.tag != SEQUENCE
            || algorithm.tag != SEQUENCE
            || signature.tag != BIT_STRING
        {
            return None;
        }
        let all = pieces(body.content)?;
        let skip = usize::from(all.first()?.tag == 0xa0);
        let [serial, _, issuer, _, subject, key, rest @ ..] = all.get(skip..)? else {
            return None;
        };
        if serial.tag != INTEGER || issuer.tag != SEQUENCE || key.tag != SEQUENCE {
            return None;
        }
        let mut parts = Self {
            issuer: issuer.whole.to_vec(),
            subject: subject.whole.to_vec(),
            serial: serial.content.to_vec(),
            subject_key: None,
            authority_key: None,
        };
        for (oid, value) in rest
            .iter()
            .filter(|piece| piece.tag == 0xa3)
            .flat_map(extensions)
        {
            match oid {
                SUBJECT_KEY => {
                    parts.subject_key = pieces(value)?.first().map(|id| id.content.to_vec());
                }
                AUTHORITY_KEY => {
                    let inner = pieces(pieces(value)?.first()?.content)?;
                    let id = inner.iter().find(|piece| piece.tag == 0x80);
                    parts.authority_key = id.map(|id| id.content.to_vec());
                }
                _ => {}
            }
        }
        Some(parts)
    }

    fn own_key(&self) -> Vec<u8> {
        self.subject_key
            .clone()
            .unwrap_or_else(|| self.subject.clone())
    }
}

/// Oid and value of every extension below `piece`.
fn extensions<'d>(piece: &Piece<'d>) -> Vec<(&'d [u8], &'d [u8])> {
    let list = pieces(piece.content).and_then(|list| pieces(list.first()?.content));
    let found = list
        .unwrap_or_default()
        .into_iter()
        .filter_map(|extension| {
            let inner = pieces(extension.content)?;
            let (oid, value) = (inner.first()?, inner.last()?);
            (oid.tag == OID && value.tag == OCTET_STRING).then_some((oid.content, value.content))
        });
    found.collect()
}

/// Writes a certificate's body anew.
struct Writer<'w> {
    names: &'w Names,
    replace: &'w dyn Fn(&str) -> String,
    serial: &'w [u8],
    key: Vec<u8>,
}

impl Writer<'_> {
    fn certificate(&self, der: &[u8]) -> Option<Vec<u8>> {
        let body = *pieces(pieces(der)?.first()?.content)?.first()?;
        let all = pieces(body.content)?;
        let skip = usize::from(all.first()?.tag == 0xa0);
        let mut new = Vec::new();
        for (index, piece) in all.iter().enumerate() {
            match index.checked_sub(skip) {
                None => new.extend_from_slice(piece.whole),
                Some(0) => new.extend(element(INTEGER, self.serial)),
                Some(1) => new.extend(ALGORITHM),
                Some(5) => new.extend_from_slice(&self.key),
                Some(_) if piece.tag == 0xa3 => new.extend(self.extensions(piece)?),
                // Unique identifiers: nobody issues certificates with them.
                Some(_) if matches!(piece.tag, 0x81 | 0x82) => {}
                Some(_) => new.extend(self.piece(piece, 0)?),
            }
        }
        Some(element(SEQUENCE, &new))
    }

    fn extensions(&self, piece: &Piece<'_>) -> Option<Vec<u8>> {
        let list = *pieces(piece.content)?.first()?;
        let mut new = Vec::new();
        for extension in pieces(list.content)? {
            let inner = pieces(extension.content)?;
            let (oid, value) = (inner.first()?, inner.last()?);
            let replaced = match oid.content {
                LOG_TIMESTAMPS | TEMPLATE => continue,
                SUBJECT_KEY => {
                    let id = pieces(value.content)?.first()?.content;
                    element(OCTET_STRING, &self.names.hash(id, 20))
                }
                AUTHORITY_KEY => {
                    let sequence = pieces(value.content)?.first()?.content;
                    let id = pieces(sequence)?
                        .into_iter()
                        .find(|piece| piece.tag == 0x80);
                    let id = id.map(|id| element(0x80, &self.names.hash(id.content, 20)));
                    element(SEQUENCE, &id.unwrap_or_default())
                }
                _ => {
                    new.extend(self.piece(&extension, 0)?);
                    continue;
                }
            };
            let mut rest: Vec<u8> = inner
                .iter()
                .take(inner.len().saturating_sub(1))
                .flat_map(|piece| piece.whole.iter().copied())
                .collect();
            rest.extend(element(OCTET_STRING, &replaced));
            new.extend(element(SEQUENCE, &rest));
        }
        Some(element(0xa3, &element(SEQUENCE, &new)))
    }

    /// The same with other texts.
    fn piece(&self, piece: &Piece<'_>, depth: usize) -> Option<Vec<u8>> {
        if depth > DEPTH {
            return None;
        }
        let within = |content: &[u8]| -> Option<Vec<u8>> {
            let mut new = Vec::new();
            for piece in pieces(content)? {
                new.extend(self.piece(&piece, depth + 1)?);
            }
            Some(new)
        };
        if piece.tag & 0x20 != 0 {
            return Some(element(piece.tag, &within(piece.content)?));
        }
        if let Some(text) = text_of(piece) {
            return Some(element(
                piece.tag,
                &encoded(piece.tag, &(self.replace)(&text)),
            ));
        }
        if piece.tag == OCTET_STRING
            && let Some(new) = within(piece.content)
        {
            return Some(element(piece.tag, &new));
        }
        Some(piece.whole.to_vec())
    }
}

/// Every text in `der`.
fn texts(der: &[u8], found: &mut Vec<String>) {
    fn walk(content: &[u8], depth: usize, found: &mut Vec<String>) {
        if depth > DEPTH {
            return;
        }
        for piece in pieces(content).unwrap_or_default() {
            match text_of(&piece) {
                Some(text) => found.push(text),
                None if piece.tag & 0x20 != 0 || piece.tag == OCTET_STRING => {
                    walk(piece.content, depth + 1, found);
                }
                None => {}
            }
        }
    }
    walk(der, 0, found);
}

/// The text of a piece that is one: a string, a name or address in alternative names, octets that are text.
fn text_of(piece: &Piece<'_>) -> Option<String> {
    let text = match piece.tag {
        0x1e => {
            let (pairs, _) = piece.content.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16(&units).ok()?
        }
        0x0c | 0x13 | 0x14 | 0x16 | 0x1a | 0x81 | 0x82 | 0x86 | OCTET_STRING => {
            String::from_utf8(piece.content.to_vec()).ok()?
        }
        // An IP address.
        0x87 => {
            let bytes: [u8; 4] = piece.content.try_into().ok()?;
            std::net::Ipv4Addr::from(bytes).to_string()
        }
        _ => return None,
    };
    let printable = text.chars().all(|c| !c.is_control());
    (printable && text.len() >= 3).then_some(text)
}

fn encoded(tag: u8, text: &str) -> Vec<u8> {
    match (tag, text.parse::<std::net::Ipv4Addr>()) {
        (0x87, Ok(address)) => address.octets().to_vec(),
        (0x1e, _) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => text.as_bytes().to_vec(),
    }
}

/// The thumbprint that Windows shows.
fn thumbprint(der: &[u8]) -> String {
    hex::encode(<sha1::Sha1 as sha1::Digest>::digest(der))
}

/// A positive serial number of the same length.
fn serial(names: &Names, old: &[u8]) -> Vec<u8> {
    let mut new = names.hash(old, old.len().clamp(1, 20));
    if let Some(first) = new.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    new
}

/// Whether `bytes` are DER, whole.
pub(super) fn is_der(bytes: &[u8]) -> bool {
    pieces(bytes).is_some_and(|all| all.len() == 1)
}

/// The pieces that `der` consists of.
fn pieces(mut der: &[u8]) -> Option<Vec<Piece<'_>>> {
    let mut all = Vec::new();
    while let [tag, rest @ ..] = der {
        // Tags of several bytes are in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0usize, |length, digit| length << 8 | usize::from(*digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = der.get(..der.len() - rest.len())?;
        all.push(Piece {
            tag: *tag,
            content,
            whole,
        });
        der = rest;
    }
    Some(all)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut element = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        element.push(short);
    } else {
        let digits: Vec<u8> = length
            .to_be_bytes()
            .into_iter()
            .skip_while(|digit| *digit == 0)
            .collect();
        element.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
        element.extend(digits);
    }
    element.extend_from_slice(content);
    element
}
