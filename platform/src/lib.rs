//! What Windows and Unix do differently, behind one face.
//!
//! Files and folders that only their owner reads, names that are on disk, the wish to stop. The
//! two halves, `unix.rs` and `windows.rs`, have the same functions; this file has what is the
//! same for both. It knows nothing of sites and runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub use system::Interrupts;

/// Makes `folder`, which must not exist yet, for its owner only.
///
/// On Windows the system and its administrators may read it too, as they may the user's profile.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    system::create_private_folder(folder)
}

/// Makes `folder` and what is missing above it; what this makes is private, what was there stays
/// as it is.
pub fn create_private_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|path| !path.as_os_str().is_empty()) {
        create_private_folders(parent)?;
    }
    match create_private_folder(folder) {
        // Somebody else was faster.
        Err(_) if folder.is_dir() => Ok(()),
        made => made,
    }
}

/// A new file, which must not exist yet, for its owner only; open for writing.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    system::open_private(OpenOptions::new().write(true).create_new(true), path)
}

/// The file at `path`, made for its owner only if there is none; open for writing. What it holds
/// stays unless `truncate`.
pub fn open_private_file(path: &Path, truncate: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(truncate);
    system::open_private(&mut options, path)
}

/// Puts `content` at `path`, for its owner only, in place of what was there. Whoever reads finds
/// the old or the new, whole; once this returns, the new is on disk.
pub fn replace_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    // One left behind may be somebody else's to read: it is never written into.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private_file(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    system::replace(&fresh, path)?;
    if let Some(folder) = path.parent() {
        sync_folder(folder);
    }
    Ok(())
}

/// Puts the names in `folder` on disk where the system lets one; a file system without that
/// keeps names by its own journal.
pub fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    // Nothing depends on it: a name that is lost is that of a file that was never announced.
    let _ = system::open_folder(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn folders_that_are_there_stay_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mine");
        fs::create_dir(&path).unwrap();
        let before = system::rights(&path);
        create_private_folders(&path.join("inside")).unwrap();
        create_private_folders(&path.join("inside")).unwrap();
        assert_eq!(system::rights(&path), before);
        assert!(create_private_folder(&path).is_err());
    }

    #[test]
    fn what_is_there_is_replaced_even_if_it_is_being_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        replace_private_file(&path, b"old").unwrap();
        let reader = File::open(&path).unwrap();
        let reading = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            drop(reader);
        });
        // What a run that was cut short leaves behind.
        fs::write(root.path().join("file.new"), "torn").unwrap();
        replace_private_file(&path, b"new").unwrap();
        reading.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_made_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        create_private_file(&path).unwrap();
        let error = create_private_file(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        fs::write(&path, "kept").unwrap();
        open_private_file(&path, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        open_private_file(&path, true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn the_names_in_a_folder_are_put_on_disk() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        // The outcome is the system's; that it takes any path without a panic is ours.
        sync_folder(root.path());
        sync_folder(&root.path().join("absent"));
        sync_folder(Path::new(""));
    }
}
