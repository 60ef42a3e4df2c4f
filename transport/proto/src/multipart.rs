//! Multipart bodies of sealed messages ([MS-WSMV] 2.2.9.1).
//!
//! Over plain HTTP each SOAP envelope travels in a body of two parts: what it was before sealing,
//! and the sealed octets behind their signature. Key type: [`SealedMessage`]. Nothing is sealed
//! here; whether the unsealed message has the announced length is the caller's to check, by
//! [`SealedMessage::check_length`].

use mime::Mime;

/// The protocol of bodies sealed by NTLM or Kerberos under `Negotiate`.
pub const SPNEGO: &str = "application/HTTP-SPNEGO-session-encrypted";

/// Protocol of messages sealed by Kerberos under the scheme `Kerberos` ([MS-WSMV] 2.2.9.1).
pub const KERBEROS: &str = "application/HTTP-Kerberos-session-encrypted";

/// Protocol of messages sealed by CredSSP ([MS-WSMV] 2.2.9.1).
pub const CREDSSP: &str = "application/HTTP-CredSSP-session-encrypted";

/// The media type of an envelope before it is sealed.
pub const SOAP: &str = "application/soap+xml;charset=UTF-8";

/// The boundary that [`SealedMessage::encode`] writes; every known peer uses it.
const BOUNDARY: &str = "Encrypted Boundary";

/// Media types of bodies with one sealed message and with several.
const WHOLE: &str = "multipart/encrypted";
const IN_PIECES: &str = "multipart/x-multi-encrypted";

const OCTET_STREAM: &str = "application/octet-stream";

/// Longest header line that is read in a part; real ones have under 100 octets.
const MAX_HEADER_LINE: usize = 1024;

/// Longest piece that is sealed at once where a message is sealed in pieces, in octets.
pub const PIECE: usize = 16 << 10;

/// Most pieces in a body: 16 MiB.
const MAX_PIECES: usize = 1024;

/// Most header lines in a part; real ones have two.
const MAX_HEADERS: usize = 16;

/// Longest signature: NTLM takes 16 octets, Kerberos with AES about 60.
const MAX_SIGNATURE: usize = 1024;

/// How a delimiter line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// `--Encrypted Boundary`, as the multipart specification has it.
    Plain,
    /// `-- Encrypted Boundary`, as Exchange's endpoints write it.
    Spaced,
}

/// Why a body is no sealed message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The `Content-Type` of the HTTP message is of another kind.
    #[error(
        "sealed message: expected the content type multipart/encrypted for {expected}, found {found:?}"
    )]
    ContentType {
        /// The protocol expected.
        expected: String,
        /// The whole header, shortened.
        found: String,
    },
    /// A delimiter is not where it should be.
    #[error("sealed message: no {expected} at offset {offset}")]
    Delimiter {
        /// Which one.
        expected: &'static str,
        /// Where in the body.
        offset: usize,
    },
    /// A part's header is missing, too long or says something else.
    #[error("sealed message: expected {expected} in the {part} part, found {found:?}")]
    Header {
        /// `first` or `second`.
        part: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What is there, shortened.
        found: String,
    },
    /// The signature does not fit into the part.
    #[error("sealed message: a signature of {signature} octets in a part of {available}")]
    Signature {
        /// Its announced length.
        signature: usize,
        /// Octets that follow the announcement.
        available: usize,
    },
    /// The unsealed message is not as long as was announced.
    #[error("sealed message: {announced} octets announced, {found} unsealed")]
    Length {
        /// As the first part has it.
        announced: usize,
        /// What came out of unsealing.
        found: usize,
    },
}

/// A sealed message and what is said about it in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedMessage {
    /// Media type of the message before it was sealed.
    pub original_type: String,
    /// Length in octets of the message before it was sealed.
    pub original_length: usize,
    /// Signature (with Kerberos also the header of the token).
    pub signature: Vec<u8>,
    /// The sealed octets.
    pub sealed: Vec<u8>,
}

/// The `Content-Type` of a body sealed under `protocol`.
pub fn content_type(protocol: &str) -> String {
    format!("multipart/encrypted;protocol=\"{protocol}\";boundary=\"{BOUNDARY}\"")
}

/// The `Content-Type` of a body of `pieces` messages, each sealed by itself under `protocol`.
pub fn content_type_of_pieces(protocol: &str, pieces: usize) -> String {
    if pieces == 1 {
        return content_type(protocol);
    }
    format!("{IN_PIECES};protocol=\"{protocol}\";boundary=\"{BOUNDARY}\"")
}

/// Whether a `Content-Type` announces a sealed body, of whatever protocol.
pub fn is_sealed(content_type: &str) -> bool {
    content_type
        .parse::<Mime>()
        .is_ok_and(|mime| [WHOLE, IN_PIECES].contains(&mime.essence_str()))
}

impl Delimiter {
    fn dashes(self) -> &'static str {
        match self {
            Self::Plain => "--",
            Self::Spaced => "-- ",
        }
    }
}

impl SealedMessage {
    /// The body of the HTTP message; its `Content-Type` is [`content_type`] of the same
    /// `protocol`.
    pub fn encode(&self, protocol: &str, delimiter: Delimiter) -> Vec<u8> {
        Self::encode_pieces(std::slice::from_ref(self), protocol, delimiter)
    }

    /// The body of the HTTP message with all of `pieces`; its `Content-Type` is
    /// [`content_type_of_pieces`].
    pub fn encode_pieces(pieces: &[Self], protocol: &str, delimiter: Delimiter) -> Vec<u8> {
        let mut body = Vec::new();
        for piece in pieces {
            piece.write(protocol, delimiter, &mut body);
        }
        body.extend_from_slice(delimiter.dashes().as_bytes());
        body.extend_from_slice(BOUNDARY.as_bytes());
        body.extend_from_slice(b"--\r\n");
        body
    }

    /// The two parts of this message, without a closing delimiter.
    fn write(&self, protocol: &str, delimiter: Delimiter, body: &mut Vec<u8>) {
        let dashes = delimiter.dashes();
        let length = self.original_length;
        let head = format!(
            "{dashes}{BOUNDARY}\r\n\
             \tContent-Type: {protocol}\r\n\
             \tOriginalContent: type={};Length={length}\r\n\
             {dashes}{BOUNDARY}\r\n\
             \tContent-Type: {OCTET_STREAM}\r\n",
            self.original_type
        );
        body.reserve(head.len() + self.signature.len() + self.sealed.len() + 2 * BOUNDARY.len());
        body.extend_from_slice(head.as_bytes());
        // A signature is some dozen octets long, made by the security package.
        let signature = u32::try_from(self.signature.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(&signature.to_le_bytes());
        body.extend_from_slice(&self.signature);
        body.extend_from_slice(&self.sealed);
    }

    /// Takes `body` apart. Both forms of the delimiter are accepted, and a body that ends behind
    /// the closing one with or without a line end.
    pub fn decode(protocol: &str, content_type: &str, body: &[u8]) -> Result<Self, MultipartError> {
        let boundary = boundary(protocol, content_type, &[WHOLE])?;
        let mut reader = Reader {
            body,
            offset: 0,
            boundary: &boundary,
        };
        reader.message(protocol, Reader::until_end)
    }

    /// Takes a body apart that may have several messages.
    ///
    /// The pieces of such a message are told apart by the delimiter between them. Sealed octets
    /// that hold it by chance are less likely than a collision of SHA-256.
    pub fn decode_pieces(
        protocol: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<Self>, MultipartError> {
        let boundary = boundary(protocol, content_type, &[WHOLE, IN_PIECES])?;
        let mut reader = Reader {
            body,
            offset: 0,
            boundary: &boundary,
        };
        let mut pieces = Vec::new();
        while pieces.len() < MAX_PIECES {
            pieces.push(reader.message(protocol, Reader::until_delimiter)?);
            if reader.is_closed() {
                return Ok(pieces);
            }
        }
        Err(MultipartError::Delimiter {
            expected: "closing delimiter before the body has too many pieces",
            offset: reader.offset,
        })
    }

    /// Checks that `found` octets are what was announced.
    pub fn check_length(&self, found: usize) -> Result<(), MultipartError> {
        if found == self.original_length {
            Ok(())
        } else {
            Err(MultipartError::Length {
                announced: self.original_length,
                found,
            })
        }
    }
}

/// The boundary that the header of a body sealed under `protocol` names.
fn boundary(protocol: &str, content_type: &str, kinds: &[&str]) -> Result<String, MultipartError> {
    let mismatch = || MultipartError::ContentType {
        expected: protocol.into(),
        found: shorten(content_type),
    };
    let mime: Mime = content_type.parse().map_err(|_| mismatch())?;
    let of_protocol = mime
        .get_param("protocol")
        .is_some_and(|value| value.as_str().eq_ignore_ascii_case(protocol));
    match mime.get_param(mime::BOUNDARY) {
        Some(boundary) if kinds.contains(&mime.essence_str()) && of_protocol => {
            Ok(boundary.to_string())
        }
        _ => Err(mismatch()),
    }
}

/// A header's lower-case name and its value.
fn header(line: &str) -> Option<(&'static str, &str)> {
    const KNOWN: [&str; 2] = ["content-type", "originalcontent"];
    let (name, value) = line.split_once(':')?;
    let name = KNOWN
        .into_iter()
        .find(|known| name.trim().eq_ignore_ascii_case(known))?;
    Some((name, value.trim()))
}

/// Type and length out of `type=application/soap+xml;charset=UTF-8;Length=1234`.
fn original_content(value: &str) -> Result<(String, usize), MultipartError> {
    let bad = || wrong("first", "OriginalContent with type and Length", value);
    let mut length = None;
    let mut rest = Vec::new();
    for item in value.split(';').map(str::trim) {
        match item.split_once('=') {
            Some((key, number)) if key.trim().eq_ignore_ascii_case("length") => {
                let number = number.trim().parse().map_err(|_| bad())?;
                // Of two, who knows which one the other side means.
                if length.replace(number).is_some() {
                    return Err(bad());
                }
            }
            _ => rest.push(item),
        }
    }
    let kind = rest.join(";");
    match (kind.split_once('='), length) {
        (Some((key, kind)), Some(length)) if key.trim().eq_ignore_ascii_case("type") => {
            Ok((kind.trim().into(), length))
        }
        _ => Err(bad()),
    }
}

fn wrong(part: &'static str, expected: &'static str, found: &str) -> MultipartError {
    MultipartError::Header {
        part,
        expected,
        found: shorten(found),
    }
}

/// Enough of a hostile text to recognise it by.
fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

struct Reader<'a> {
    body: &'a [u8],
    offset: usize,
    boundary: &'a str,
}

impl<'a> Reader<'a> {
    /// The message at the reader, of which `data` are the octets behind its headers.
    fn message(
        &mut self,
        protocol: &str,
        data: fn(&mut Self) -> Result<&'a [u8], MultipartError>,
    ) -> Result<SealedMessage, MultipartError> {
        self.delimiter("opening delimiter")?;
        let (mut named, mut original) = (false, None);
        for _ in 0..MAX_HEADERS {
            if self.at_delimiter() {
                break;
            }
            let line = self.header("first")?;
            match header(&line) {
                Some(("content-type", value)) if value.eq_ignore_ascii_case(protocol) => {
                    named = true;
                }
                Some(("content-type", value)) => {
                    return Err(wrong("first", "the protocol as content type", value));
                }
                Some(("originalcontent", value)) => original = Some(original_content(value)?),
                _ => {}
            }
        }
        let (original_type, original_length) =
            original.ok_or_else(|| wrong("first", "OriginalContent", ""))?;
        if !named {
            return Err(wrong("first", "Content-Type", ""));
        }

        self.delimiter("delimiter between the parts")?;
        // Octets follow without an empty line: exactly one header, or the data could not be told apart.
        let line = self.header("second")?;
        match header(&line) {
            Some(("content-type", value)) if value.eq_ignore_ascii_case(OCTET_STREAM) => {}
            _ => {
                return Err(wrong(
                    "second",
                    "Content-Type: application/octet-stream",
                    &line,
                ));
            }
        }
        let data = data(self)?;
        let Some((length, rest)) = data.split_first_chunk::<4>() else {
            return Err(MultipartError::Signature {
                signature: 0,
                available: data.len(),
            });
        };
        let signature = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        match rest.split_at_checked(signature) {
            Some((signature, sealed)) if signature.len() <= MAX_SIGNATURE => Ok(SealedMessage {
                original_type,
                original_length,
                signature: signature.to_vec(),
                sealed: sealed.to_vec(),
            }),
            _ => Err(MultipartError::Signature {
                signature,
                available: rest.len(),
            }),
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.body.get(self.offset..).unwrap_or_default()
    }

    /// What follows `--boundary` or `-- boundary` at the start of `text`.
    fn behind_boundary<'b>(&self, text: &'b [u8]) -> Option<&'b [u8]> {
        let text = text.strip_prefix(b"--")?;
        text.strip_prefix(b" ")
            .unwrap_or(text)
            .strip_prefix(self.boundary.as_bytes())
    }

    fn at_delimiter(&self) -> bool {
        self.behind_boundary(self.rest())
            .is_some_and(|rest| rest.starts_with(b"\r\n"))
    }

    fn delimiter(&mut self, expected: &'static str) -> Result<(), MultipartError> {
        let rest = self
            .behind_boundary(self.rest())
            .and_then(|rest| rest.strip_prefix(b"\r\n"));
        let rest = rest.ok_or(MultipartError::Delimiter {
            expected,
            offset: self.offset,
        })?;
        self.offset = self.body.len() - rest.len();
        Ok(())
    }

    fn header(&mut self, part: &'static str) -> Result<String, MultipartError> {
        let rest = self.rest();
        let window = &rest[..rest.len().min(MAX_HEADER_LINE)];
        let line = window
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .map(|end| &window[..end]);
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        let line =
            line.ok_or_else(|| wrong(part, "a header line", &String::from_utf8_lossy(window)))?;
        self.offset += line.len() + 2;
        Ok(line.into())
    }

    /// The octets up to the closing delimiter at the very end. The octets themselves may hold
    /// anything, delimiters too, so that it is looked for from behind.
    fn until_end(&mut self) -> Result<&'a [u8], MultipartError> {
        let data = self.rest();
        let data = data.strip_suffix(b"\r\n").unwrap_or(data);
        let data = data
            .strip_suffix(b"--")
            .and_then(|data| data.strip_suffix(self.boundary.as_bytes()));
        let data = data.and_then(|data| {
            data.strip_suffix(b"--")
                .or_else(|| data.strip_suffix(b"-- "))
        });
        data.ok_or(MultipartError::Delimiter {
            expected: "closing delimiter at the end",
            offset: self.body.len(),
        })
    }

    /// The octets up to the next delimiter, closing or not.
    fn until_delimiter(&mut self) -> Result<&'a [u8], MultipartError> {
        let rest = self.rest();
        let is_delimiter = |at: &usize| {
            rest.get(*at..)
                .and_then(|text| self.behind_boundary(text))
                .is_some_and(|text| text.starts_with(b"\r\n") || text.starts_with(b"--"))
        };
        let dashes = rest.windows(2).enumerate();
        let found = dashes
            .filter(|(_, pair)| pair == b"--")
            .map(|(at, _)| at)
            .find(is_delimiter);
        let end = found.ok_or(MultipartError::Delimiter {
            expected: "delimiter after the octets",
            offset: self.body.len(),
        })?;
        self.offset += end;
        Ok(&rest[..end])
    }

    /// Whether nothing but a closing delimiter is left.
    fn is_closed(&self) -> bool {
        let rest = self.behind_boundary(self.rest());
        matches!(rest, Some(b"--" | b"--\r\n"))
    }
}

#[cfg(test)]
mod tests;
