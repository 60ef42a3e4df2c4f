//! [`SiteLock`]: one changing run of a site at a time.
//!
//! The lock is the operating system's, on a file in the site's folder: it ends with the process,
//! however that ends. A second file says who holds it, because a locked file cannot be read
//! everywhere; it is for the message alone.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run_dir::{self, RunDirError};

/// Held until dropped.
#[derive(Debug)]
pub struct SiteLock {
    // Closing the file gives the lock back.
    _file: File,
    holder: PathBuf,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id on this machine.
    pub pid: u32,
    /// Run id.
    pub run: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why the lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("site {site} is locked by {}", describe(holder.as_ref()))]
    Held {
        /// The site.
        site: String,
        /// Who has it, if that could be read.
        holder: Option<Holder>,
    },
    /// The folder of the site cannot be used.
    #[error(transparent)]
    Folder(#[from] RunDirError),
    /// The lock file cannot be used.
    #[error("lock {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, run, since }) => format!("run {run} (process {pid}, since {since:.0})"),
        None => "another run".into(),
    }
}

impl SiteLock {
    /// Locks `site` for `run`, or says at once who holds it.
    pub fn acquire(root: &Path, site: &str, run: &str) -> Result<Self, LockError> {
        let folder = run_dir::site_dir(root, site)?;
        run_dir::create_private_folders(&folder)?;
        let path = folder.join("lock");
        let holder_path = folder.join("lock-holder.json");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::Io { path, source }
        };
        let file = owaim_platform::open_private_file(&path, false).map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read(&holder_path)
                    .ok()
                    .and_then(|text| serde_json::from_slice(&text).ok());
                return Err(LockError::Held {
                    site: site.into(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(&path)(source)),
        }
        let holder = Holder {
            pid: std::process::id(),
            run: run.into(),
            since: Timestamp::now(),
        };
        let text =
            serde_json::to_vec(&holder).map_err(|error| failed(&holder_path)(error.into()))?;
        owaim_platform::open_private_file(&holder_path, true)
            .and_then(|mut file| file.write_all(&text))
            .map_err(failed(&holder_path))?;
        Ok(Self {
            _file: file,
            holder: holder_path,
        })
    }
}

impl Drop for SiteLock {
    fn drop(&mut self) {
        // Before the lock is given back, so that the next holder's note is not taken away. One
        // that stays behind is read by nobody.
        let _ = fs::remove_file(&self.holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_was_first() {
        let root = tempfile::tempdir().unwrap();
        let first = SiteLock::acquire(root.path(), "litware", "r1").unwrap();
        let error = SiteLock::acquire(root.path(), "litware", "r2").unwrap_err();
        let LockError::Held {
            holder: Some(holder),
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!(
            (holder.run.as_str(), holder.pid),
            ("r1", std::process::id())
        );
        assert!(
            error
                .to_string()
                .starts_with("site litware is locked by run r1 (process "),
            "{error}"
        );
        SiteLock::acquire(root.path(), "other", "r3").unwrap();
        drop(first);
        SiteLock::acquire(root.path(), "litware", "r2").unwrap();
    }

    #[test]
    fn a_lock_file_left_behind_locks_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("owaim/litware");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("lock"), "").unwrap();
        fs::write(folder.join("lock-holder.json"), "torn {").unwrap();
        let _first = SiteLock::acquire(root.path(), "litware", "r1").unwrap();
    }
}
