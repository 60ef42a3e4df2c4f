//! The Unix half: modes, and a folder that is a file one can flush.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

pub(crate) fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.mode(0o600).open(path)
}

pub(crate) fn replace(fresh: &Path, path: &Path) -> io::Result<()> {
    fs::rename(fresh, path)
}

pub(crate) fn open_folder(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

/// The user's wishes to stop: Ctrl-C. None is lost between two calls of [`next`](Self::next).
pub struct Interrupts(Signal);

impl Interrupts {
    /// From here on, Ctrl-C no longer ends the process.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    /// Returns at the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // No signal will come any more.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
pub(crate) use tests::rights;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use crate::{
        create_private_file, create_private_folders, open_private_file, replace_private_file,
    };

    /// The mode.
    pub(crate) fn rights(path: &Path) -> String {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        format!("{:03o}", mode & 0o777)
    }

    #[test]
    fn what_is_made_is_for_the_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        create_private_folders(&at("a/b")).unwrap();
        create_private_file(&at("a/b/made")).unwrap();
        open_private_file(&at("a/b/opened"), true).unwrap();
        fs::write(at("replaced"), "").unwrap();
        replace_private_file(&at("replaced"), b"x").unwrap();
        for (name, expected) in [
            ("a", "700"),
            ("a/b", "700"),
            ("a/b/made", "600"),
            ("a/b/opened", "600"),
            ("replaced", "600"),
        ] {
            assert_eq!(rights(&at(name)), expected, "{name}");
        }
    }
}
