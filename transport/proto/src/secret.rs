//! [`Secret`]: a text that nobody may read by accident.

use std::fmt;

use zeroize::Zeroize as _;

/// A secret. Shows nothing of itself and is overwritten when dropped; [`Secret::expose`] is the
/// only way out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for those who authenticate or encrypt with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
