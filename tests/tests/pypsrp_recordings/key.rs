//! [`SessionKeys`]: session keys of recordings, for a key pair that was not there then.
//!
//! pypsrp's tests make one and the same key pair each time, so what was encrypted with it can be decrypted, and
//! encrypted for the client of today. Everything that either client encrypts with the session key is then
//! comparable: [MS-PSRP] 2.2.5.1.24 leaves nothing in it to chance.

use std::path::PathBuf;
use std::process::Command;

/// What has the key pair, and what can calculate with it.
#[derive(Clone)]
pub(crate) struct SessionKeys {
    pub(crate) python: PathBuf,
    /// The file of pypsrp's tests with the function that makes the key pair.
    pub(crate) tests: PathBuf,
}

impl SessionKeys {
    /// The `EncryptedSessionKey` for the client with that `PublicKey`.
    pub(crate) fn reseal(&self, public: &str, sealed: &str) -> Result<String, String> {
        let output = Command::new(&self.python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/reseal_key.py"))
            .arg(&self.tests)
            .args([public, sealed])
            .output()
            .map_err(|error| format!("{}: {error}", self.python.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
