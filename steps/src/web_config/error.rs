//! [`WebConfigError`]: why a file is left as it is.

use std::fmt;

/// A place in a text, counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Position {
    /// The place of the byte `offset` in `text`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self {
            line,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a file cannot be edited. Nothing has been changed when one of these comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebConfigError {
    /// The bytes are no text.
    #[error("not valid {encoding}: the bytes from offset {offset} on decode to no character")]
    NotText {
        /// What the bytes were taken for, by their byte order mark.
        encoding: &'static str,
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// The declaration names an encoding that the file is not in, or that is not read here.
    #[error("{at}: declared encoding {declared:?}, but the bytes are {actual}")]
    Encoding {
        /// Where the declaration is.
        at: Position,
        /// What it says.
        declared: String,
        /// What the byte order mark, or its absence, says.
        actual: &'static str,
    },
    /// The text is no XML.
    #[error("{at}: not well-formed: {detail}")]
    NotWellFormed {
        /// Where.
        at: Position,
        /// What is wrong there.
        detail: String,
    },
    /// A document type definition: entities in it could change what any value means.
    #[error("{at}: document type definition, which no configuration file needs")]
    DocumentType {
        /// Where.
        at: Position,
    },
    /// This is some other kind of document.
    #[error("{at}: root element {found:?}, expected \"configuration\"")]
    Root {
        /// Where the root element starts.
        at: Position,
        /// Its name.
        found: String,
    },
    /// More than one `appSettings`: .NET refuses such a file.
    #[error("{at}: second appSettings, expected one; the first is at {first}")]
    SecondAppSettings {
        /// Where the second one is.
        at: Position,
        /// Where the first one is.
        first: Position,
    },
    /// The values are in another file, or encrypted: an edit here would be without effect.
    #[error("{at}: appSettings takes its values from elsewhere ({attribute}={value:?})")]
    Elsewhere {
        /// Where the element is.
        at: Position,
        /// `file`, `configSource` or `configProtectionProvider`.
        attribute: String,
        /// Its value.
        value: String,
    },
    /// A wanted key or value cannot be written into this file.
    #[error("the value wanted for {key} has characters that this file cannot hold: {value:?}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// The edited text was parsed again and does not say what it should.
    #[error("the edited text does not give {key} its value; the file is not touched")]
    Unproven {
        /// The key.
        key: String,
    },
}
