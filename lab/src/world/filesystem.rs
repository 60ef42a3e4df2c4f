//! [`FileSystem`]: files with bytes, paths without regard to case.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::base64_bytes;

/// A server's disks. Keys are whole paths in lower case.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FileSystem {
    nodes: BTreeMap<String, Node>,
}

/// A file or a folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Path as it was written when it was made.
    pub(crate) path: String,
    /// `None` for a folder.
    pub(crate) content: Option<Content>,
    pub(crate) created: Timestamp,
    pub(crate) written: Timestamp,
    pub(crate) read_only: bool,
}

/// The bytes of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Content(#[serde(with = "base64_bytes")] pub(crate) Vec<u8>);

/// Why a change of the disk is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The folder, or the item itself, does not exist.
    Missing,
    /// There is something already.
    Exists,
    /// Read-only.
    Denied,
    /// A folder that is not empty.
    NotEmpty,
}

/// Brings a path to the form that this module compares: backslashes, no trailing one, no `.`
/// and `..`.
pub(crate) fn normal(path: &str) -> String {
    let path = path.replace('/', "\\");
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('\\') {
        match part {
            "" | "." => {}
            // Nothing is above the drive.
            ".." => parts.truncate(parts.len().saturating_sub(1).max(1)),
            _ => parts.push(part),
        }
    }
    parts.join("\\")
}

/// The folder of `path`, and its last part.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('\\').unwrap_or(("", path))
}

fn key(path: &str) -> String {
    normal(path).to_lowercase()
}

impl FileSystem {
    /// The item at `path`.
    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&key(path))
    }

    /// The bytes of the file at `path`.
    pub(crate) fn read(&self, path: &str) -> Option<&[u8]> {
        self.get(path)?.content.as_ref().map(|c| c.0.as_slice())
    }

    /// Whether there is a disk with the drive letter of `path`.
    pub(crate) fn has_drive(&self, path: &str) -> bool {
        path.get(..2)
            .is_some_and(|drive| self.nodes.contains_key(&drive.to_lowercase()))
    }

    /// Makes the folder `path` and those above it.
    pub(crate) fn make_folders(&mut self, path: &str, now: Timestamp) {
        let path = normal(path);
        let ends = path
            .match_indices('\\')
            .map(|(at, _)| at)
            .chain([path.len()]);
        for end in ends {
            let part = &path[..end];
            self.nodes
                .entry(part.to_lowercase())
                .or_insert_with(|| Node {
                    path: part.into(),
                    content: None,
                    created: now,
                    written: now,
                    read_only: false,
                });
        }
    }

    /// Puts `bytes` at `path`, folders and all: how the first state is made.
    pub(crate) fn place(&mut self, path: &str, bytes: Vec<u8>, now: Timestamp) {
        let path = normal(path);
        self.make_folders(split(&path).0, now);
        let node = Node {
            path,
            content: Some(Content(bytes)),
            created: now,
            written: now,
            read_only: false,
        };
        self.nodes.insert(key(&node.path), node);
    }

    /// Writes `bytes` into the file at `path`, which is made if its folder exists.
    pub(crate) fn write(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let has_folder = self
            .get(split(&normal(path)).0)
            .is_some_and(|n| n.content.is_none());
        match self.nodes.get_mut(&key(path)) {
            Some(node) if node.read_only || node.content.is_none() => Err(Refusal::Denied),
            Some(node) => {
                node.content = Some(Content(bytes));
                node.written = now;
                Ok(())
            }
            None if has_folder => {
                self.place(path, bytes, now);
                Ok(())
            }
            None => Err(Refusal::Missing),
        }
    }

    /// Marks the item at `path` as read-only or not; `false` if there is none.
    pub(crate) fn set_read_only(&mut self, path: &str, read_only: bool) -> bool {
        self.nodes
            .get_mut(&key(path))
            .map(|node| node.read_only = read_only)
            .is_some()
    }

    /// The items directly in the folder `path`, in order of name.
    pub(crate) fn children(&self, path: &str) -> impl Iterator<Item = &Node> {
        let folder = key(path);
        self.nodes
            .range(folder.clone()..)
            .take_while({
                let folder = folder.clone();
                move |(k, _)| k.starts_with(&folder)
            })
            .filter(move |(k, _)| split(k).0 == folder && !k.is_empty())
            .map(|(_, node)| node)
    }

    /// Every item below the folder `path`, in order of path.
    pub(crate) fn below(&self, path: &str) -> Vec<Node> {
        let folder = format!("{}\\", key(path));
        self.nodes
            .range(folder.clone()..)
            .take_while(|(k, _)| k.starts_with(&folder))
            .map(|(_, n)| n.clone())
            .collect()
    }

    /// Removes the item at `path`; a folder with content only if `recurse`.
    pub(crate) fn remove(&mut self, path: &str, recurse: bool, force: bool) -> Result<(), Refusal> {
        let node = self.get(path).ok_or(Refusal::Missing)?;
        let inside = if node.content.is_none() {
            self.below(path)
        } else {
            Vec::new()
        };
        if !inside.is_empty() && !recurse {
            return Err(Refusal::NotEmpty);
        }
        if !force && (node.read_only || inside.iter().any(|n| n.read_only)) {
            return Err(Refusal::Denied);
        }
        let inside: Vec<String> = inside.iter().map(|n| key(&n.path)).collect();
        for k in inside {
            self.nodes.remove(&k);
        }
        self.nodes.remove(&key(path));
        Ok(())
    }

    /// Copies the file `from` to `to` (a file name, or a folder that exists). The new file keeps
    /// the time of the last write, as Windows does.
    pub(crate) fn copy(
        &mut self,
        from: &str,
        to: &str,
        force: bool,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let source = self.get(from).ok_or(Refusal::Missing)?.clone();
        let target = self.target(&source, to);
        if self
            .get(split(&target).0)
            .is_none_or(|n| n.content.is_some())
        {
            return Err(Refusal::Missing);
        }
        if self
            .get(&target)
            .is_some_and(|old| old.content.is_none() || (old.read_only && !force))
        {
            return Err(Refusal::Denied);
        }
        let created = self.get(&target).map_or(now, |old| old.created);
        self.nodes.insert(
            key(&target),
            Node {
                path: target.clone(),
                created,
                ..source
            },
        );
        Ok(target)
    }

    /// Moves the file or folder `from` to `to`.
    pub(crate) fn rename(&mut self, from: &str, to: &str, force: bool) -> Result<String, Refusal> {
        let source = self.get(from).ok_or(Refusal::Missing)?.clone();
        let target = self.target(&source, to);
        if self
            .get(split(&target).0)
            .is_none_or(|n| n.content.is_some())
        {
            return Err(Refusal::Missing);
        }
        if self.get(&target).is_some() && !force {
            return Err(Refusal::Exists);
        }
        let inside = self.below(from);
        self.nodes.remove(&key(from));
        for node in inside {
            self.nodes.remove(&key(&node.path));
            let path = format!("{target}{}", &node.path[source.path.len()..]);
            self.nodes.insert(key(&path), Node { path, ..node });
        }
        self.nodes.insert(
            key(&target),
            Node {
                path: target.clone(),
                ..source
            },
        );
        Ok(target)
    }

    fn target(&self, source: &Node, to: &str) -> String {
        let to = normal(to);
        match self.get(&to) {
            Some(node) if node.content.is_none() => {
                format!("{}\\{}", node.path, split(&source.path).1)
            }
            _ => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form() {
        for (given, expected) in [
            ("C:/a//b\\", "C:\\a\\b"),
            ("C:\\a\\.\\b\\..\\c", "C:\\a\\c"),
            ("C:\\", "C:"),
            ("C:\\..\\x", "C:\\x"),
        ] {
            assert_eq!(normal(given), expected, "{given}");
        }
    }

    #[test]
    fn files_are_found_without_regard_to_case_and_keep_their_name() {
        let now = Timestamp::UNIX_EPOCH;
        let mut disk = FileSystem::default();
        disk.place("D:\\Exchange\\Owa\\web.config", b"old".to_vec(), now);
        assert_eq!(
            disk.write("d:\\exchange\\OWA\\WEB.CONFIG", b"new".to_vec(), now),
            Ok(())
        );
        assert_eq!(
            disk.get("D:\\EXCHANGE\\owa\\Web.config")
                .map(|n| n.path.as_str()),
            Some("D:\\Exchange\\Owa\\web.config")
        );
        assert_eq!(
            disk.read("D:\\Exchange\\Owa\\web.config"),
            Some(b"new".as_slice())
        );
        assert_eq!(
            disk.write("D:\\Nothing\\x", Vec::new(), now),
            Err(Refusal::Missing)
        );
        assert_eq!(
            disk.copy("D:\\Exchange\\Owa\\web.config", "D:\\Exchange", false, now),
            Ok("D:\\Exchange\\web.config".into())
        );
        assert_eq!(
            disk.remove("D:\\Exchange", false, false),
            Err(Refusal::NotEmpty)
        );
        let names: Vec<&str> = disk
            .children("D:\\Exchange")
            .map(|n| split(&n.path).1)
            .collect();
        assert_eq!(names, ["Owa", "web.config"]);
        assert!(disk.has_drive("d:\\x") && !disk.has_drive("E:\\x"));
    }
}
