//! [`EnvelopeError`]: why bytes are not the envelope they should be.

use crate::xml::XmlError;

/// Why bytes are not the envelope they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not XML.
    #[error("envelope: {0}")]
    Xml(#[from] XmlError),
    /// XML, but not a SOAP 1.2 envelope.
    #[error("expected a SOAP 1.2 envelope, found element {found:?}")]
    NotSoap {
        /// Local name of the root.
        found: String,
    },
    /// An element that must be there is not.
    #[error("{parent} lacks {element}")]
    Missing {
        /// Where it should be.
        parent: &'static str,
        /// What is missing.
        element: &'static str,
    },
    /// A text that is not what its place wants.
    #[error("{element} is {text:?}, expected {expected}")]
    Invalid {
        /// The element or attribute.
        element: &'static str,
        /// Its text, shortened.
        text: String,
        /// What was expected, as a phrase with its article.
        expected: &'static str,
    },
    /// A request of an action that is not served here.
    #[error("action {action:?} is not supported")]
    UnsupportedAction {
        /// URI of the action.
        action: String,
    },
    /// An answer to another request.
    #[error("answer relates to {found:?}, expected {expected:?}")]
    Unrelated {
        /// Id of the request.
        expected: String,
        /// What the answer says.
        found: String,
    },
    /// An answer of another action.
    #[error("answer is {found:?}, expected {expected:?}")]
    UnexpectedAction {
        /// URI that was expected.
        expected: &'static str,
        /// URI that came.
        found: String,
    },
}
