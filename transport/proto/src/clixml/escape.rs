//! The `_xHHHH_` escapes of text and names ([MS-PSRP] 2.2.5.3.2).
//!
//! .NET strings are UTF-16 and may hold unpaired surrogates; a Rust string cannot. An unpaired
//! surrogate U+D800..=U+DFFF is carried as the private-use character 0x100000 above it
//! (U+10D800..=U+10DFFF) and written back as what it was. Should a peer send one of those
//! private-use characters itself, its two surrogates are carried one by one, so that every
//! text still goes back out as it came in.

use std::borrow::Cow;

/// Offset from a surrogate to the private-use character that stands for it.
const STAND_IN: u32 = 0x10_0000;

/// Length in bytes of `_xHHHH_`.
const LENGTH: usize = 7;

/// Replaces the escapes of `text` by the characters that they stand for.
pub(super) fn decode(text: Cow<'_, str>) -> String {
    match text.find('_') {
        Some(first) if text[first..].contains("_x") || text[first..].contains("_X") => {
            decode_from(&text, first)
        }
        _ => text.into_owned(),
    }
}

fn decode_from(text: &str, first: usize) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(start) = next {
        decoded.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some(unit) = code_unit(rest) {
            rest = &rest[LENGTH..];
            rest = push_unit(&mut decoded, unit, rest);
        } else {
            decoded.push('_');
            rest = &rest[1..];
        }
        next = rest.find('_');
    }
    decoded.push_str(rest);
    decoded
}

/// Appends the character of `unit`, together with the escape at the start of `rest` if the two
/// are a surrogate pair; returns what is left of `rest`.
fn push_unit<'t>(decoded: &mut String, unit: u16, rest: &'t str) -> &'t str {
    if let Some(character) = char::from_u32(unit.into()) {
        decoded.push(character);
        return rest;
    }
    let pair = code_unit(rest).map(|low| [unit, low]);
    match pair.and_then(|pair| char::decode_utf16(pair).next()?.ok()) {
        Some(character) if !is_stand_in(character) => {
            decoded.push(character);
            &rest[LENGTH..]
        }
        _ => {
            decoded.extend(char::from_u32(STAND_IN + u32::from(unit)));
            rest
        }
    }
}

/// The code unit of the escape that `text` starts with.
fn code_unit(text: &str) -> Option<u16> {
    let escape = text.as_bytes().get(..LENGTH)?;
    let [b'_', b'x' | b'X', digits @ .., b'_'] = escape else {
        return None;
    };
    digits.iter().try_fold(0, |unit, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

fn is_stand_in(character: char) -> bool {
    (STAND_IN + 0xD800..=STAND_IN + 0xDFFF).contains(&character.into())
}

/// Escapes what PowerShell escapes: control characters, characters beyond U+FFFF (as surrogate
/// pairs) and an underscore before an `x`; besides the two noncharacters that XML excludes.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let Some(first) = first_to_escape(text) else {
        return Cow::Borrowed(text);
    };
    let mut encoded = String::with_capacity(text.len() + 2 * LENGTH);
    encoded.push_str(&text[..first]);
    let mut characters = text[first..].chars().peekable();
    while let Some(character) = characters.next() {
        let before_x = matches!(characters.peek(), Some('x' | 'X'));
        if is_stand_in(character) {
            push_escape(&mut encoded, u32::from(character) - STAND_IN);
        } else if must_escape(character, before_x) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                push_escape(&mut encoded, u32::from(*unit));
            }
        } else {
            encoded.push(character);
        }
    }
    Cow::Owned(encoded)
}

/// Where the first character to escape begins. Works on bytes: nearly all text has none.
fn first_to_escape(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let suspect = |at: usize| match bytes[at] {
        0..=0x1F | 0x7F | 0xF0.. => true,
        b'_' => matches!(bytes.get(at + 1), Some(b'x' | b'X')),
        0xC2 => matches!(bytes.get(at + 1), Some(0x80..=0x9F)),
        0xEF => matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])),
        _ => false,
    };
    (0..bytes.len()).find(|at| suspect(*at))
}

fn must_escape(character: char, before_x: bool) -> bool {
    match character {
        '\0'..='\x1F' | '\x7F'..='\u{9F}' | '\u{FFFE}'.. => true,
        '_' => before_x,
        _ => false,
    }
}

fn push_escape(encoded: &mut String, unit: u32) {
    encoded.push_str("_x");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(unit >> shift & 0xF, 16).unwrap_or('0');
        encoded.push(digit.to_ascii_uppercase());
    }
    encoded.push('_');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways: the escaped text means the plain one, and the plain one is written so.
    #[test]
    fn texts_and_their_escapes() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("a_b", "a_b"),
            ("_", "_"),
            ("tab_x0009_", "tab\t"),
            ("_x000D__x000A_", "\r\n"),
            ("_x0000_", "\0"),
            ("_x007F__x0085_", "\u{7F}\u{85}"),
            ("_x005F_x0041_", "_x0041_"),
            ("_x005F_X", "_X"),
            ("__x005F_x", "__x"),
            ("_x005F_x005F_x005F_x0041_", "_x005F_x0041_"),
            ("_xD801__xDC37_", "\u{10437}"),
            ("a_xD83C__xDFB5_b", "a\u{1F3B5}b"),
            ("cut_xD83C_", "cut\u{10D83C}"),
            ("_xDFB5_", "\u{10DFB5}"),
            ("_xDFB5__xD83C_", "\u{10DFB5}\u{10D83C}"),
            ("_xD83C_x", "\u{10D83C}x"),
            // U+10D83C itself: its surrogates, one by one
            ("_xDBF6__xDC3C_", "\u{10DBF6}\u{10DC3C}"),
            ("_xFFFE__xFFFF_", "\u{FFFE}\u{FFFF}"),
            ("é€\u{FFFD}", "é€\u{FFFD}"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(decode(escaped.into()), plain, "decoding {escaped:?}");
            assert_eq!(encode(plain), escaped, "encoding {plain:?}");
        }
    }

    #[test]
    fn other_spellings_are_understood() {
        let cases = [
            ("_x000a_", "\n"),
            ("_X000A_", "\n"),
            ("_x0061_", "a"),
            ("_x005F__x000A_", "_\n"),
            ("_x005G_", "_x005G_"),
            ("_x00é_", "_x00é_"),
            ("_x123", "_x123"),
            ("_x12345_", "_x12345_"),
            ("_x_x0041_", "_xA"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(decode(escaped.into()), plain, "decoding {escaped:?}");
        }
    }
}
