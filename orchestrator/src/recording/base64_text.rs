//! Base64 as it stands in texts: with or without line breaks and padding.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of `text`, white space left out.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(text).ok()
}

/// `bytes`, with line breaks where `model` has them.
pub(super) fn encode_like(bytes: &[u8], model: &str) -> String {
    let text = STANDARD.encode(bytes);
    let line = model.find(['\r', '\n']);
    let Some(length) = line.filter(|length| *length > 0) else {
        return text;
    };
    let separator = if model.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(length)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    let mut text = lines.join(separator);
    if model.ends_with('\n') {
        text.push_str(separator);
    }
    text
}
