//! [`Encoding`]: bytes to text and back, without the loss of one bit.

use super::WebConfigError;

/// How a configuration file is stored. All four convert both ways without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8 without a byte order mark
    Utf8,
    /// UTF-8 with a byte order mark, as Exchange's setup writes
    Utf8Bom,
    /// UTF-16, little-endian, with a byte order mark
    Utf16Le,
    /// UTF-16, big-endian, with a byte order mark
    Utf16Be,
}

impl Encoding {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8Bom => "UTF-8 with byte order mark",
            Self::Utf16Le => "UTF-16 (little-endian)",
            Self::Utf16Be => "UTF-16 (big-endian)",
        }
    }

    /// Whether a file in this encoding may call itself `declared`. US-ASCII is UTF-8 as long as
    /// `text` keeps to it.
    pub(super) fn may_declare(self, declared: &str, text: &str) -> bool {
        let is = |name: &str| declared.eq_ignore_ascii_case(name);
        match self {
            Self::Utf8 => is("utf-8") || (is("us-ascii") && text.is_ascii()),
            Self::Utf8Bom => is("utf-8"),
            Self::Utf16Le | Self::Utf16Be => is("utf-16"),
        }
    }

    fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 => b"",
            Self::Utf8Bom => b"\xef\xbb\xbf",
            Self::Utf16Le => b"\xff\xfe",
            Self::Utf16Be => b"\xfe\xff",
        }
    }
}

/// Decodes by byte order mark; without one the text is UTF-8 (XML 1.0, 4.3.3).
pub(super) fn decode(bytes: &[u8]) -> Result<(Encoding, String), WebConfigError> {
    let marked = [Encoding::Utf8Bom, Encoding::Utf16Le, Encoding::Utf16Be];
    let encoding = marked
        .into_iter()
        .find(|e| bytes.starts_with(e.mark()))
        .unwrap_or(Encoding::Utf8);
    let mark = encoding.mark().len();
    let content = bytes.get(mark..).unwrap_or_default();
    let bad = |offset: usize| WebConfigError::NotText {
        encoding: encoding.name(),
        offset: mark + offset,
    };
    let text = match encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => std::str::from_utf8(content)
            .map_err(|e| bad(e.valid_up_to()))?
            .to_owned(),
        Encoding::Utf16Le => utf16(content, u16::from_le_bytes).map_err(bad)?,
        Encoding::Utf16Be => utf16(content, u16::from_be_bytes).map_err(bad)?,
    };
    Ok((encoding, text))
}

/// The text, or the offset of the first bad code unit.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, usize> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let mut offset = 0;
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let char = decoded.map_err(|_| offset)?;
        offset += 2 * char.len_utf16();
        text.push(char);
    }
    if rest.is_empty() {
        Ok(text)
    } else {
        Err(offset)
    }
}

/// The exact inverse of [`decode`].
pub(super) fn encode(encoding: Encoding, text: &str) -> Vec<u8> {
    let mut bytes = encoding.mark().to_vec();
    match encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => bytes.extend_from_slice(text.as_bytes()),
        Encoding::Utf16Le => bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        Encoding::Utf16Be => bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
    }
    bytes
}
