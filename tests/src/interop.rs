//! [`Interop`]: third-party Python packages and their data, fetched by name with pip.
//!
//! Nothing of them is part of the project. They are fetched once into `target/interop`; where
//! that is impossible, the tests that need them fail and say what is missing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use thiserror::Error;

/// The folder that `tests/python/fetch.sh` has filled.
#[derive(Debug, Clone)]
pub struct Interop {
    folder: PathBuf,
}

/// Why the packages are not there.
#[derive(Debug, Error)]
pub enum InteropError {
    /// The folder or its lock cannot be made.
    #[error("cannot prepare {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no shell to run the script with.
    #[error("cannot run {}", script.display())]
    Script {
        /// The script.
        script: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The script failed.
    #[error(
        "cannot fetch the python packages of the interoperability tests; needed are python 3.10 or \
         later, a C compiler, MIT krb5's headers (on Debian: apt-get install python3-venv python3-dev \
         gcc libkrb5-dev) and access to pypi.org; try by hand: {}\n{output}",
        script.display()
    )]
    Fetch {
        /// The script.
        script: PathBuf,
        /// What it printed.
        output: String,
    },
}

impl Interop {
    /// The packages, fetched now if they are not there yet. Tests may call this at the same
    /// time, from several processes.
    pub fn fetch() -> Result<Self, InteropError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = root.join("python/fetch.sh");
        let folder = root.join("../target/interop");
        let lock = folder.with_extension("lock");
        let failed = |source| InteropError::Folder {
            folder: folder.clone(),
            source,
        };
        std::fs::create_dir_all(root.join("../target")).map_err(failed)?;
        let lock = File::create(lock).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let output = Command::new("sh").arg(&script).arg(&folder).output();
        let output = output.map_err(|source| InteropError::Script {
            script: script.clone(),
            source,
        })?;
        if output.status.success() {
            return Ok(Self { folder });
        }
        let printed = [output.stdout, output.stderr].concat();
        Err(InteropError::Fetch {
            script,
            output: String::from_utf8_lossy(&printed).into_owned(),
        })
    }

    /// The Python interpreter that has the packages of `requirements.txt`.
    pub fn python(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }

    /// The unpacked source distribution `name-version`.
    pub fn source_distribution(&self, name: &str) -> PathBuf {
        self.folder.join("sdist").join(name)
    }
}
