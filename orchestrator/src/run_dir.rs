//! [`RunDir`]: where a run keeps its records, and what was there before its changes.
//!
//! `<root>/owaim/<site>/<run id>/`, readable by nobody but the user. Everything below is written
//! by the consumers of events; this module makes the folder, names its files and keeps copies of
//! what a change replaces. It does not know what is in the files.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use jiff::Timestamp;
use owaim_platform::{create_private_file, create_private_folder, sync_folder};

use crate::event::Mode;

/// Folder below the root that all sites share.
const PROGRAM: &str = "owaim";

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// No place to keep state.
    #[error(
        "the user's state directory cannot be found: set XDG_STATE_HOME (LOCALAPPDATA on Windows) or name one with --run-dir"
    )]
    NoHome,
    /// A name that would leave its folder, or that a file system refuses.
    #[error(
        "{name:?} cannot name a file or folder: expected no separators, colons or control characters"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// No run of that name, or no run at all.
    #[error("no {what} below {}", root.display())]
    NoRun {
        /// What was looked for.
        what: String,
        /// Where.
        root: PathBuf,
    },
    /// The file system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
}

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
    site: String,
    run: String,
}

/// Where run directories are kept unless the user says otherwise: `$XDG_STATE_HOME`, else
/// `~/.local/state`; on Windows the local application data.
pub fn default_root() -> Result<PathBuf, RunDirError> {
    let base = etcetera::choose_base_strategy().map_err(|_| RunDirError::NoHome)?;
    // Windows knows no state directory; the cache directory is the local application data there.
    Ok(base.state_dir().unwrap_or_else(|| base.cache_dir()))
}

/// An id that sorts by time and is not given twice: `20261123T160742Z-apply-3f9a`.
pub fn new_run_id(now: Timestamp, mode: Mode) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!(
        "{}-{}-{}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        mode.word(),
        &random[..4]
    )
}

/// The folder of `site`: its runs and its lock.
pub(crate) fn site_dir(root: &Path, site: &str) -> Result<PathBuf, RunDirError> {
    Ok(root.join(PROGRAM).join(component(site)?))
}

impl RunDir {
    /// Makes the folder of a new run. It must not exist yet.
    pub fn create(root: &Path, site: &str, run: &str) -> Result<Self, RunDirError> {
        let parent = site_dir(root, site)?;
        create_private_folders(&parent)?;
        let path = parent.join(component(run)?);
        create_private_folder(&path).map_err(|source| RunDirError::Io {
            action: "create",
            path: path.clone(),
            source,
        })?;
        sync_folder(&parent);
        Ok(Self {
            path,
            site: site.into(),
            run: run.into(),
        })
    }

    /// The runs that have a journal, oldest first; of all sites if `site` is `None`.
    pub fn list(root: &Path, site: Option<&str>) -> Result<Vec<Self>, RunDirError> {
        let sites = match site {
            Some(site) => vec![component(site)?.to_owned()],
            None => folder_names(&root.join(PROGRAM))?,
        };
        let mut found = Vec::new();
        for site in sites {
            let folder = root.join(PROGRAM).join(&site);
            for run in folder_names(&folder)? {
                let dir = Self {
                    path: folder.join(&run),
                    site: site.clone(),
                    run,
                };
                if dir.journal().is_file() {
                    found.push(dir);
                }
            }
        }
        found.sort_by(|a, b| (&a.run, &a.site).cmp(&(&b.run, &b.site)));
        Ok(found)
    }

    /// The newest run; of any site if `site` is `None`.
    pub fn latest(root: &Path, site: Option<&str>) -> Result<Self, RunDirError> {
        Self::list(root, site)?
            .pop()
            .ok_or_else(|| RunDirError::NoRun {
                what: "run".into(),
                root: root.join(PROGRAM),
            })
    }

    /// The run named `run`, or the only one whose name begins so, whatever its site.
    pub fn find(root: &Path, run: &str) -> Result<Self, RunDirError> {
        component(run)?;
        let mut found: Vec<_> = Self::list(root, None)?
            .into_iter()
            .filter(|dir| dir.run.starts_with(run))
            .collect();
        if let Some(exact) = found.iter().position(|dir| dir.run == run) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => Err(RunDirError::NoRun {
                what: format!("run {run}"),
                root: root.join(PROGRAM),
            }),
            _ => Err(RunDirError::NoRun {
                what: format!("single run that begins with {run} ({} do)", found.len()),
                root: root.join(PROGRAM),
            }),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the site.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The stream of events on disk.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.ndjson")
    }

    /// The account for people.
    pub fn transcript(&self) -> PathBuf {
        self.path.join("transcript.log")
    }

    /// How to put things back by hand.
    pub fn recovery(&self) -> PathBuf {
        self.path.join("recovery.md")
    }

    /// Where copies from before a change lie.
    pub fn before(&self) -> PathBuf {
        self.path.join("before")
    }

    /// Where texts lie that a change gave and nobody can ask for again.
    pub fn received(&self) -> PathBuf {
        self.path.join("received")
    }

    /// Keeps `content` as `name` of `host` below [`RunDir::received`], as [`RunDir::save`] does.
    pub fn keep(&self, host: &str, name: &str, content: &[u8]) -> Result<String, RunDirError> {
        keep_in(&self.received(), host, name, content)
    }

    /// Keeps `content` as `name` of `host` and gives its place below [`RunDir::before`], with
    /// forward slashes. On disk before this returns. An earlier copy of the same name stays; the
    /// new one gets `-2`, `-3`, … appended.
    pub fn save(&self, host: &str, name: &str, content: &[u8]) -> Result<String, RunDirError> {
        keep_in(&self.before(), host, name, content)
    }
}

/// Writes a new file `name` into the folder of `host` below `folder`, durably.
fn keep_in(folder: &Path, host: &str, name: &str, content: &[u8]) -> Result<String, RunDirError> {
    let (host, name) = (component(host)?, component(name)?);
    let folder = folder.join(host);
    create_private_folders(&folder)?;
    let mut number = 1u32;
    loop {
        let file_name = if number == 1 {
            name.to_owned()
        } else {
            format!("{name}-{number}")
        };
        let path = folder.join(&file_name);
        let failed = |action| {
            move |source, path: &Path| RunDirError::Io {
                action,
                path: path.into(),
                source,
            }
        };
        match create_private_file(&path) {
            Ok(mut file) => {
                file.write_all(content)
                    .and_then(|()| file.sync_all())
                    .map_err(|source| failed("write")(source, &path))?;
                sync_folder(&folder);
                return Ok(format!("{host}/{file_name}"));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(source) => return Err(failed("create")(source, &path)),
        }
    }
}

/// `name`, if it can be one component of a path on every system.
fn component(name: &str) -> Result<&str, RunDirError> {
    let forbidden = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let dots = name.trim_end_matches(['.', ' ']);
    if name.is_empty() || name.len() > 200 || dots.len() != name.len() || name.contains(forbidden) {
        return Err(RunDirError::Name { name: name.into() });
    }
    Ok(name)
}

/// Names of the folders in `folder`, none if it does not exist.
fn folder_names(folder: &Path) -> Result<Vec<String>, RunDirError> {
    let failed = |source| RunDirError::Io {
        action: "list",
        path: folder.into(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Makes `folder` and what is missing above it; what this makes is private.
pub(crate) fn create_private_folders(folder: &Path) -> Result<(), RunDirError> {
    owaim_platform::create_private_folders(folder).map_err(|source| RunDirError::Io {
        action: "create",
        path: folder.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::create(root.path(), "litware", "r1").unwrap();
        for (content, expected) in [
            ("a", "h.x.com/web.config"),
            ("b", "h.x.com/web.config-2"),
            ("c", "h.x.com/web.config-3"),
        ] {
            assert_eq!(
                dir.save("h.x.com", "web.config", content.as_bytes())
                    .unwrap(),
                expected
            );
            assert_eq!(
                fs::read_to_string(dir.before().join(expected)).unwrap(),
                content
            );
        }
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::create(root.path(), "litware", "r1").unwrap();
        for name in [
            "", ".", "..", "../x", "a/b", "a\\b", "c:x", "x.", "x ", "nul\0", "*",
        ] {
            assert!(
                matches!(
                    dir.save("h.x.com", name, b""),
                    Err(RunDirError::Name { .. })
                ),
                "{name:?}"
            );
            assert!(
                matches!(
                    RunDir::create(root.path(), name, "r"),
                    Err(RunDirError::Name { .. })
                ),
                "{name:?}"
            );
        }
    }

    #[test]
    fn runs_are_listed_by_time_and_only_with_a_journal() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(
            RunDir::latest(root.path(), None),
            Err(RunDirError::NoRun { .. })
        ));
        for (site, run, journal) in [
            ("b", "20260101T000000Z-plan-1", true),
            ("a", "20260102T000000Z-plan-1", true),
            ("a", "20260103T000000Z-plan-1", false),
        ] {
            let dir = RunDir::create(root.path(), site, run).unwrap();
            if journal {
                fs::write(dir.journal(), "").unwrap();
            }
        }
        let runs: Vec<_> = RunDir::list(root.path(), None)
            .unwrap()
            .iter()
            .map(|dir| dir.run().to_owned())
            .collect();
        assert_eq!(runs, ["20260101T000000Z-plan-1", "20260102T000000Z-plan-1"]);
        assert_eq!(
            RunDir::latest(root.path(), Some("b")).unwrap().run(),
            "20260101T000000Z-plan-1"
        );
        assert_eq!(
            RunDir::find(root.path(), "20260102T000000Z-plan-1")
                .unwrap()
                .site(),
            "a"
        );
    }

    #[test]
    fn an_existing_run_is_not_reused() {
        let root = tempfile::tempdir().unwrap();
        RunDir::create(root.path(), "a", "r").unwrap();
        assert!(matches!(
            RunDir::create(root.path(), "a", "r"),
            Err(RunDirError::Io { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let dir = RunDir::create(root.path(), "a", "r").unwrap();
        let file = dir.before().join(dir.save("h.x.com", "f", b"x").unwrap());
        for (path, expected) in [(dir.path(), 0o700), (&dir.before(), 0o700), (&file, 0o600)] {
            assert_eq!(
                fs::metadata(path).unwrap().permissions().mode() & 0o777,
                expected,
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn run_ids_sort_by_time() {
        let at = |text: &str| new_run_id(text.parse().unwrap(), Mode::Apply);
        let (early, late) = (at("2026-11-23T16:07:42.9Z"), at("2026-11-23T16:07:43Z"));
        assert!(early.starts_with("20261123T160742Z-apply-"), "{early}");
        assert!(early < late);
        assert!(component(&early).is_ok());
    }
}
