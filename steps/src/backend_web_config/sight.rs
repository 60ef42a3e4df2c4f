//! [`Sight`]: what the file is, and whether this run may write it.
//!
//! Decided by hashes: content that this run read or wrote is known, a beginning of what it
//! wanted to write is torn, anything else is somebody else's.

use owaim_inventory::WindowsPath;
use owaim_proto::psrp::PipelineOutput;

use super::{BACKUP, BackendWebConfig, CONTENT, FILE, FOLDER, ITEM, SERVER_NAME, THUMBPRINT};
use crate::front_end::FrontEnd;
use crate::web_config::{self, Edit};
use crate::{Context, Fact, Observations, Problem, WebConfigState, lync_site, read};

/// What the file is.
pub(super) enum Sight {
    /// Whole: it can be read, and edited.
    Whole {
        old: Vec<u8>,
        edit: Edit,
        state: WebConfigState,
    },
    /// Cut short by a write of this run that did not end.
    Torn {
        torn: Vec<u8>,
        old: Vec<u8>,
        wanted: Vec<u8>,
        state: WebConfigState,
    },
}

impl BackendWebConfig {
    pub(super) fn path(&self, cx: Context<'_>) -> Result<WindowsPath, Problem> {
        let root = cx.facts.install_root(&self.host).ok_or_else(|| {
            let advice = "run preflight.host with it";
            Problem::new(
                format!("find {FILE} of {}", self.host),
                "the install root is not known",
                advice,
            )
        })?;
        Ok(root.join(FOLDER).join(FILE))
    }

    /// The two keys and their values.
    pub(super) fn wanted(&self, cx: Context<'_>) -> Result<[(&'static str, String); 2], Problem> {
        let certificate = cx.facts.certificate(&self.host).ok_or_else(|| {
            Problem::new(
                format!("edit {FILE} of {}", self.host),
                "the certificate of this server is not known",
                "run backend.certificate with it, and see what it says",
            )
        })?;
        let front_end = FrontEnd::admin(cx.site);
        let refused = front_end.and_then(|asked| cx.facts.next_hop_refused(&asked.host));
        if let Some(reason) = refused {
            return Err(Problem::new(
                format!("set {SERVER_NAME} in {FILE} of {}", self.host),
                format!("{} cannot be the next hop: {reason}", cx.site.lync.pool),
                format!("correct lync.pool in the site file, see {}", lync_site::ID),
            ));
        }
        Ok([
            (THUMBPRINT, certificate.thumbprint.to_string()),
            (SERVER_NAME, cx.site.lync.pool.to_string()),
        ])
    }

    fn edit(&self, cx: Context<'_>, path: &WindowsPath, bytes: &[u8]) -> Result<Edit, Problem> {
        let wanted = self.wanted(cx)?;
        let wanted = wanted.each_ref().map(|(key, value)| (*key, value.as_str()));
        web_config::edit(bytes, &wanted).map_err(|error| {
            Problem::new(
                format!("edit {path} on {}", self.host),
                error.to_string(),
                "the file was left as it is; repair it by hand (copies of earlier runs lie next to it, named \
                 web.config.owaim-*.bak), then run again",
            )
        })
    }

    /// Where the copy goes: next to the file, named by the server's clock, and for all attempts
    /// of a run the same.
    fn backup(&self, cx: Context<'_>, path: &WindowsPath) -> Result<WindowsPath, Problem> {
        if let Some(state) = intended(cx).last() {
            return Ok(state.backup.clone());
        }
        let action = || format!("name a copy of {path} on {}", self.host);
        let clock = cx.facts.server_time(&self.host).ok_or_else(|| {
            Problem::new(
                action(),
                "the server's clock is not known",
                "run preflight.host with it",
            )
        })?;
        WindowsPath::new(&format!(
            "{path}.owaim-{}.bak",
            clock.strftime("%Y%m%dT%H%M%SZ")
        ))
        .map_err(|error| Problem::new(action(), error.to_string(), read::REPORT))
    }

    pub(super) fn look(&self, cx: Context<'_>, seen: &Observations) -> Result<Sight, Problem> {
        let path = self.path(cx)?;
        let action = format!("read {path} on {}", self.host);
        let item = read::single(seen, ITEM, &action)
            .map_err(|problem| self.absent(&action, seen, problem))?;
        let bytes = content(read::clean(seen, CONTENT, &action)?, &action)?;
        if let Some(length) = read::number(item, "Length")
            && usize::try_from(length) != Ok(bytes.len())
        {
            let found = format!(
                "{} bytes of content, {length} by the directory",
                bytes.len()
            );
            return Err(
                Problem::new(action, found, "somebody is writing the file; run again").retryable(),
            );
        }
        let written = item.get("LastWriteTimeUtc").and_then(read::time);
        let found = read::sha256(&bytes);
        if let Some(state) = stranger_to(cx, &found) {
            return self.torn(
                cx,
                seen,
                bytes,
                WebConfigState {
                    written,
                    ..state.clone()
                },
            );
        }
        let edit = self.edit(cx, &path, &bytes)?;
        if !edit.is_in_place() && item.get("IsReadOnly").and_then(read::flag) == Some(true) {
            let advice =
                "see who made it read-only and why; take the attribute away, then run again";
            return Err(Problem::new(
                format!("edit {path} on {}", self.host),
                "the file is read-only",
                advice,
            ));
        }
        let backup = self.backup(cx, &path)?;
        let state = WebConfigState {
            path,
            found,
            wanted: read::sha256(&edit.bytes),
            backup,
            written,
        };
        Ok(Sight::Whole {
            old: bytes,
            edit,
            state,
        })
    }

    /// Tells a file that this run's write left short from one that somebody else changed.
    fn torn(
        &self,
        cx: Context<'_>,
        seen: &Observations,
        torn: Vec<u8>,
        state: WebConfigState,
    ) -> Result<Sight, Problem> {
        let copy = seen
            .get(BACKUP)
            .filter(|output| output.is_clean())
            .and_then(read::content);
        let completed = copy
            .filter(|old| read::sha256(old) == state.found)
            .and_then(|old| {
                let wanted = self.edit(cx, &state.path, &old).ok()?.bytes;
                (torn.len() < wanted.len() && wanted.starts_with(&torn)).then_some((old, wanted))
            });
        match completed {
            Some((old, wanted)) => Ok(Sight::Torn { torn, old, wanted, state }),
            None => Err(Problem::new(
                format!("edit {} on {}", state.path, self.host),
                "somebody else has changed the file since this run first read it",
                "the file was left as it is; see what changed it (a cumulative update?), then run again",
            )
            .expecting(format!("SHA-256 {} or {}", state.found, state.wanted))),
        }
    }

    /// Makes more of "not found" than the record does.
    fn absent(&self, action: &str, seen: &Observations, mut problem: Problem) -> Problem {
        let missing = seen
            .get(ITEM)
            .is_some_and(|output| output.errors().any(read::is_not_found));
        if missing {
            problem = Problem::new(
                action,
                "there is no such file",
                format!(
                    "see whether {} is a backend and whether its install root is right",
                    self.host
                ),
            );
        }
        problem
    }
}

/// The changes that this step set out to make in this run, oldest first.
pub(super) fn intended(cx: Context<'_>) -> impl DoubleEndedIterator<Item = &WebConfigState> {
    cx.earlier.iter().filter_map(|fact| match fact {
        Fact::WebConfig(state) if state.found != state.wanted => Some(state),
        _ => None,
    })
}

/// The latest intention, if content of the hash `found` is neither old nor new to any.
pub(super) fn stranger_to<'a>(cx: Context<'a>, found: &str) -> Option<&'a WebConfigState> {
    let known = intended(cx).any(|state| state.found == found || state.wanted == found);
    intended(cx).next_back().filter(|_| !known)
}

pub(super) fn content(output: &PipelineOutput, action: &str) -> Result<Vec<u8>, Problem> {
    read::content(output).ok_or_else(|| {
        Problem::new(
            action,
            "something else than bytes",
            "run the command by hand; the transcript shows it",
        )
    })
}
