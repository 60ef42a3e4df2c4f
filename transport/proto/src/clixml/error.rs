//! [`ClixmlError`]: why a text is not CLIXML, and where.

use thiserror::Error;

/// CLIXML that could not be read: what is wrong and at which byte of the input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read clixml at byte {position}: {kind}")]
pub struct ClixmlError {
    /// Offset in bytes from the start of the input, byte order mark included: where the
    /// offending element, text or markup begins.
    pub position: usize,
    /// What is wrong there.
    pub kind: ClixmlErrorKind,
}

/// What is wrong with a CLIXML text. Excerpts of the input are cut to some 60 characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClixmlErrorKind {
    /// The bytes are not UTF-8.
    #[error("expected utf-8, found a byte sequence that is none")]
    NotUtf8,
    /// The markup is not well-formed.
    #[error("expected well-formed xml: {reason}")]
    Malformed {
        /// The XML reader's words.
        reason: String,
    },
    /// Markup that serialized objects have no use for and attacks have.
    #[error("expected elements and text only, found a {what}")]
    Forbidden {
        /// Document type declaration, processing instruction or entity.
        what: &'static str,
    },
    /// An element with no meaning where it stands.
    #[error("expected {expected} within <{within}>, found <{found}>")]
    UnknownElement {
        /// What may stand there.
        expected: &'static str,
        /// The enclosing element, or `document`.
        within: String,
        /// Name of the element.
        found: String,
    },
    /// Something else than what must come next, such as text between elements.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What must come.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// An element or attribute that may occur once only.
    #[error("expected one {what} at most, found another one")]
    Repeated {
        /// Its name.
        what: String,
    },
    /// An attribute that the element cannot be without.
    #[error("expected attribute {attribute} on <{element}>, found none")]
    MissingAttribute {
        /// Name of the element.
        element: String,
        /// Name of the attribute.
        attribute: &'static str,
    },
    /// An attribute that would be lost.
    #[error("expected no attribute {attribute} on <{element}>")]
    UnknownAttribute {
        /// Name of the element.
        element: String,
        /// Name of the attribute.
        attribute: String,
    },
    /// Text that is none of its element's type.
    #[error("expected {expected} in <{element}>, found {found:?}")]
    BadText {
        /// Name of the element.
        element: String,
        /// The type.
        expected: &'static str,
        /// The text.
        found: String,
    },
    /// A `<Ref>` or `<TNRef>` to what has not been defined before it.
    #[error("expected a RefId that was defined before, found {id} on <{element}>")]
    UnknownReference {
        /// `Ref` or `TNRef`
        element: &'static str,
        /// The id.
        id: u64,
    },
    /// A `RefId` that was given before.
    #[error("expected a RefId of its own on <{element}>, found {id} again")]
    DuplicateReference {
        /// `Obj` or `TN`
        element: &'static str,
        /// The id.
        id: u64,
    },
    /// One of [`Limits`](super::Limits).
    #[error("expected at most {allowed} {what}")]
    LimitExceeded {
        /// What there is too much of.
        what: LimitKind,
        /// How much is allowed.
        allowed: u64,
    },
}

/// Which of the [`Limits`](super::Limits) was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// [`Limits::depth`](super::Limits::depth)
    Depth,
    /// [`Limits::input`](super::Limits::input)
    Input,
    /// [`Limits::nodes`](super::Limits::nodes)
    Nodes,
    /// [`Limits::references`](super::Limits::references)
    References,
    /// [`Limits::expanded`](super::Limits::expanded)
    Expanded,
}

impl std::fmt::Display for LimitKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Depth => "levels of nested values",
            Self::Input => "bytes of input",
            Self::Nodes => "elements",
            Self::References => "references",
            Self::Expanded => "bytes with every reference written out",
        })
    }
}

/// `text`, cut so that an error message stays readable.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
