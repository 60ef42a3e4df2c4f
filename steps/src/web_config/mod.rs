//! The minimal edit of a `Web.config`: two keys under `appSettings`, nothing else.
//!
//! [`edit`] is a pure function from bytes to an [`Edit`]. It finds the places with an XML reader
//! and splices them; it never writes the document out anew, so byte order mark, line ends,
//! comments, order and blanks stay what they were. A file that .NET would not read, or whose
//! values come from elsewhere, is refused and not touched.
//!
//! Keys and values are compared without regard to case: .NET does so for keys, and the values
//! (a hexadecimal thumbprint, a host name) mean the same in either case.

mod change;
mod document;
mod error;
mod text;

use std::ops::Range;

use similar::TextDiff;

pub use error::{Position, WebConfigError};

/// What it takes to give a file the wanted keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The whole file as it should be.
    pub bytes: Vec<u8>,
    /// What differs now, by key; empty if the file is as wanted.
    pub differences: Vec<KeyDifference>,
    /// The replacements that turn the old text into the new, in order, not overlapping.
    pub splices: Vec<Splice>,
    /// Unified diff with three lines of context; empty if nothing differs.
    pub diff: String,
    /// Wanted keys found in places where they are without effect.
    pub misplaced: Vec<Occurrence>,
}

/// A replacement in the decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// What is replaced: bytes of the text as UTF-8, without the byte order mark.
    pub span: Range<usize>,
    /// What takes its place.
    pub text: String,
}

/// A key that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// The key.
    pub key: String,
    /// Every value that `appSettings` gives it, in order; the last one decides. More than one
    /// is a difference even if that one is right.
    pub actual: Vec<String>,
    /// The value wanted, once.
    pub desired: String,
}

/// A key in some place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The key as written.
    pub key: String,
    /// The elements around it: `configuration/location/appSettings`.
    pub place: String,
    /// Where.
    pub at: Position,
}

impl Edit {
    /// Whether the file is as wanted already.
    pub fn is_in_place(&self) -> bool {
        self.splices.is_empty()
    }
}

/// Where the file `original` speaks of any of `keys`: in `appSettings` and in places where they
/// are without effect, in the order of the file.
pub fn find(original: &[u8], keys: &[&str]) -> Result<Vec<Occurrence>, WebConfigError> {
    let (encoding, text) = text::decode(original)?;
    let document = document::scan(encoding, &text, keys)?;
    let mut found = change::occurrences(&text, &document, keys);
    found.extend(document.misplaced);
    found.sort_by_key(|entry| (entry.at.line, entry.at.column));
    Ok(found)
}

/// What must change in the file `original` so that its `appSettings` gives every key of
/// `wanted` its value, once.
///
/// The result has been parsed again and found to say so.
pub fn edit(original: &[u8], wanted: &[(&str, &str)]) -> Result<Edit, WebConfigError> {
    let (encoding, old) = text::decode(original)?;
    let keys: Vec<&str> = wanted.iter().map(|(key, _)| *key).collect();
    let document = document::scan(encoding, &old, &keys)?;
    for &(key, value) in wanted {
        let writable = |c: char| document::is_xml_char(c) && !c.is_control();
        if key.is_empty() || !key.chars().chain(value.chars()).all(writable) {
            return Err(WebConfigError::Value {
                key: key.into(),
                value: value.into(),
            });
        }
    }
    let (differences, splices) = change::changes(&old, &document, wanted);
    let new = apply(&old, &splices);
    if !splices.is_empty() {
        let again = document::scan(encoding, &new, &keys)?;
        if let Some(still) = change::changes(&new, &again, wanted).0.into_iter().next() {
            return Err(WebConfigError::Unproven { key: still.key });
        }
    }
    Ok(Edit {
        bytes: text::encode(encoding, &new),
        diff: if splices.is_empty() {
            String::new()
        } else {
            unified(&old, &new)
        },
        differences,
        splices,
        misplaced: document.misplaced,
    })
}

fn apply(old: &str, splices: &[Splice]) -> String {
    let mut new = String::with_capacity(old.len() + 256);
    let mut kept = 0;
    for splice in splices {
        new.push_str(old.get(kept..splice.span.start).unwrap_or_default());
        new.push_str(&splice.text);
        kept = splice.span.end;
    }
    new.push_str(old.get(kept..).unwrap_or_default());
    new
}

/// For people: line ends are those of the terminal.
fn unified(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff()
        .context_radius(3)
        .header("web.config", "web.config (wanted)")
        .to_string()
        .replace("\r\n", "\n")
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
