//! `read_secret`: the password that a reference of the site file means.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use owaim_inventory::SecretSource;
use owaim_transport::Secret;

/// A credential that the site file refers to cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its password cannot be read.
    #[error("the password of {of} cannot be read: {detail}")]
    Unreadable {
        /// Account or file.
        of: String,
        /// What was tried and what came back.
        detail: String,
    },
    /// There is no logon that servers could be shown.
    #[error(
        "the site file says logon = true, but the current logon can be used on Windows only: give username and password, or run this there"
    )]
    NoLogon,
    /// A certificate cannot be shown from here.
    #[error(
        "the client certificate {} cannot be used on Windows, where its key would stay behind on this machine: give username and password, or logon = true, or run this on Linux",
        path.display()
    )]
    NoClientCertificates {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the password of `of` that `source` refers to.
pub(crate) fn read_secret(of: &str, source: &SecretSource) -> Result<Secret, SecretError> {
    let fail = |detail: String| SecretError::Unreadable {
        of: of.into(),
        detail,
    };
    let secret = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|error| {
            fail(format!(
                "environment variable {name}: {error}; set it, or name another source"
            ))
        })?,
        SecretSource::File(path) => {
            let file = std::fs::File::open(path)
                .map_err(|error| fail(format!("file {}: {error}", path.display())))?;
            let mut line = String::new();
            std::io::BufReader::new(file)
                .read_line(&mut line)
                .map_err(|error| fail(format!("file {}: {error}", path.display())))?;
            line.trim_end_matches(['\r', '\n'])
                .trim_start_matches('\u{feff}')
                .to_owned()
        }
        SecretSource::Prompt => {
            if !std::io::stdin().is_terminal() {
                return Err(fail(
                    "the site file says to ask for it, but there is no terminal to ask at".into(),
                ));
            }
            rpassword::prompt_password(format!("Password of {of}: "))
                .map_err(|error| fail(format!("prompt: {error}")))?
        }
    };
    if secret.is_empty() {
        return Err(fail(format!("{source} gives nothing")));
    }
    Ok(Secret::new(secret))
}
