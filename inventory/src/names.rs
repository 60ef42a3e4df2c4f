//! Names that are valid by construction: [`HostName`], [`ApplicationId`], [`Thumbprint`],
//! [`WindowsPath`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NameError {
    /// The offending text.
    pub text: String,
    /// What was expected, as a phrase with its article.
    pub expected: &'static str,
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The validated text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

/// A fully qualified DNS host name, kept in lower case.
///
/// At least two labels of letters, digits and inner hyphens, 63 characters each, 253 in all
/// (RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);
text_newtype!(HostName);

impl HostName {
    /// Checks and lower-cases `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if text.len() > 253 || !text.contains('.') || numeric || !text.split('.').all(label) {
            return Err(NameError {
                text: text.into(),
                expected: "a fully qualified host name",
            });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The first label, in lower case: the NetBIOS-like name that Exchange shows.
    pub fn short(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

/// The id of a trusted application: ASCII letters and digits only (procedure, step 5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApplicationId(String);
text_newtype!(ApplicationId);

impl ApplicationId {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(NameError {
                text: text.into(),
                expected: "an application id of letters and digits",
            });
        }
        Ok(Self(text.into()))
    }
}

/// SHA-1 thumbprint of a certificate: 40 hexadecimal digits, kept in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(String);
text_newtype!(Thumbprint);

impl Thumbprint {
    /// Checks `text` after removing blanks and the U+200E that the certificate dialog adds.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let digits: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '\u{200e}')
            .collect();
        if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NameError {
                text: text.into(),
                expected: "a thumbprint of 40 hexadecimal digits",
            });
        }
        Ok(Self(digits.to_ascii_uppercase()))
    }
}

/// An absolute Windows path with a drive letter, without trailing backslash and without
/// wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WindowsPath(String);
text_newtype!(WindowsPath);

impl WindowsPath {
    /// Checks `text`; forward slashes and a trailing backslash are normalised.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let path = text.replace('/', "\\");
        let path = path.trim_end_matches('\\');
        let mut chars = path.chars();
        let drive =
            chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':');
        let rest = chars.as_str();
        let bad = |c: char| c.is_control() || "*?<>|\":[]".contains(c);
        if !drive || !(rest.is_empty() || rest.starts_with('\\')) || rest.contains(bad) {
            return Err(NameError {
                text: text.into(),
                expected: "an absolute Windows path such as D:\\Exchange",
            });
        }
        Ok(Self(path.into()))
    }

    /// This path with `relative` (backslash-separated) appended.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        Self(format!("{}\\{}", self.0, relative.trim_matches('\\')))
    }
}
