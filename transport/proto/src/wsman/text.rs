//! The few text formats of envelopes: ids, numbers, durations, Base64.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use uuid::Uuid;

use super::EnvelopeError;

/// An id as Windows writes it: upper case, no decoration.
pub(super) fn id(id: Uuid) -> String {
    let mut buffer = Uuid::encode_buffer();
    id.hyphenated().encode_upper(&mut buffer).to_owned()
}

/// Reads an id, with or without `uuid:` before it.
pub(super) fn parse_id(element: &'static str, text: &str) -> Result<Uuid, EnvelopeError> {
    let bare = text.strip_prefix("uuid:").unwrap_or(text);
    bare.parse()
        .map_err(|_| invalid(element, text, "an id of 128 bits"))
}

pub(super) fn parse_number<N: std::str::FromStr>(
    element: &'static str,
    text: &str,
) -> Result<N, EnvelopeError> {
    text.parse()
        .map_err(|_| invalid(element, text, "an integer in range"))
}

/// A duration as `xs:duration`, to the millisecond.
pub(super) fn duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs().to_string(), duration.subsec_millis());
    if millis == 0 {
        ["PT", &seconds, "S"].concat()
    } else {
        format!("PT{seconds}.{millis:03}S")
    }
}

/// Reads an `xs:duration` of days or smaller units; a day has 24 hours.
pub(super) fn parse_duration(element: &'static str, text: &str) -> Result<Duration, EnvelopeError> {
    let span = |text: &str| -> Result<SignedDuration, jiff::Error> {
        text.parse::<Span>()?
            .to_duration(SpanRelativeTo::days_are_24_hours())
    };
    let error = || invalid(element, text, "a duration such as PT20S");
    Duration::try_from(span(text).map_err(|_| error())?).map_err(|_| error())
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads Base64, white space allowed as XML allows it.
pub(super) fn parse_base64(element: &'static str, text: &str) -> Result<Vec<u8>, EnvelopeError> {
    let decoded = if text.contains(|c: char| c.is_ascii_whitespace()) {
        STANDARD.decode(text.split_ascii_whitespace().collect::<String>())
    } else {
        STANDARD.decode(text)
    };
    decoded.map_err(|_| invalid(element, text, "Base64"))
}

pub(super) fn invalid(element: &'static str, text: &str, expected: &'static str) -> EnvelopeError {
    EnvelopeError::Invalid {
        element,
        text: text.chars().take(80).collect(),
        expected,
    }
}
