//! `backend.web-config`: OWA on the back end knows the Lync pool and its own certificate.
//!
//! Exchange 2013 only: other generations keep these values elsewhere. The file is edited as
//! bytes ([`web_config`](crate::web_config)), copied first, and written only if it still has
//! the content that was read. Losing it would take OWA down on the server, so a second attempt
//! recognises by hash what the first one left: old, new, or short of the new; the latter is
//! completed from the copy. Any other content is somebody else's, and is not overwritten.

use jiff::Timestamp;
use owaim_inventory::{ExchangeVersion, HostName, WindowsPath};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::web_config::{self, Edit};
use crate::{
    Action, Assessment, Context, Dependency, Difference, Fact, Observations, Place, Problem, Query,
    Saved, Step, StepId, Target, Verdict, WebConfigState, read,
};

pub(crate) const ID: StepId = "backend.web-config";

/// Names of the queries.
const CONTENT: &str = "content";
const ITEM: &str = "item";
const BACKUP: &str = "backup";

/// Names of the actions.
const COPY: &str = "copy";
const CHECK_COPY: &str = "check-copy";
const COMPARE: &str = "compare";
const WRITE: &str = "write";

/// The file of the back end, below the install root; the front end has one of the same name,
/// which must not be touched.
const FOLDER: &str = r"ClientAccess\Owa";
const FILE: &str = "web.config";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendWebConfig {
    pub(crate) host: HostName,
}

/// What the file is.
enum Sight {
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
    fn not_applicable(&self, cx: Context<'_>) -> Option<String> {
        match cx.exchange_version(&self.host) {
            ExchangeVersion::E2013 => None,
            version @ ExchangeVersion::E2010 => Some(format!(
                "{version} keeps these values in the OWA virtual directory"
            )),
            version => Some(format!(
                "{version} ignores Web.config here: it takes these values from a setting override"
            )),
        }
    }

    fn path(&self, cx: Context<'_>) -> Result<WindowsPath, Problem> {
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
    fn wanted(&self, cx: Context<'_>) -> Result<[(&'static str, String); 2], Problem> {
        let certificate = cx.facts.certificate(&self.host).ok_or_else(|| {
            Problem::new(
                format!("edit {FILE} of {}", self.host),
                "the certificate of this server is not known",
                "run backend.certificate with it, and see what it says",
            )
        })?;
        Ok([
            (
                "IMCertificateThumbprint",
                certificate.thumbprint.to_string(),
            ),
            ("IMServerName", cx.site.lync.pool.to_string()),
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
        .map_err(|error| Problem::new(action(), error.to_string(), "report this"))
    }

    fn look(&self, cx: Context<'_>, seen: &Observations) -> Result<Sight, Problem> {
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

    fn read_query(&self, cx: Context<'_>, name: &'static str, path: &WindowsPath) -> Query {
        Query {
            name,
            place: Place::windows(&self.host),
            pipeline: self.read_content(cx, path),
        }
    }

    /// The bytes of a file: as one array where the cmdlet can do that.
    fn read_content(&self, cx: Context<'_>, path: &WindowsPath) -> Pipeline {
        let command = Command::new("Get-Content")
            .with("LiteralPath", path.as_str())
            .with("Encoding", "Byte");
        Pipeline::new(if cx.has_powershell(&self.host, 3) {
            command.switch("Raw")
        } else {
            command.with("ReadCount", 0_i64)
        })
    }

    fn action(
        &self,
        name: &'static str,
        changes: bool,
        pipeline: Pipeline,
        summary: String,
    ) -> Action {
        Action {
            name,
            place: Place::windows(&self.host),
            pipeline,
            changes,
            summary,
            saves: Vec::new(),
        }
    }

    fn copy(&self, cx: Context<'_>, state: &WebConfigState) -> [Action; 2] {
        let (path, backup) = (&state.path, &state.backup);
        let copy = Command::new("Copy-Item")
            .with("LiteralPath", path.as_str())
            .with("Destination", backup.as_str());
        let check = if cx.has_powershell(&self.host, 4) {
            Pipeline::new(file_hash(backup))
        } else {
            self.read_content(cx, backup)
        };
        [
            self.action(
                COPY,
                true,
                Pipeline::new(copy),
                format!("copy {path} to {backup}"),
            ),
            self.action(
                CHECK_COPY,
                false,
                check,
                format!("check that {backup} is a true copy"),
            ),
        ]
    }

    /// Writes `wanted` over content of the hash `expected`, and over no other.
    fn write(
        &self,
        cx: Context<'_>,
        path: &WindowsPath,
        expected: &str,
        wanted: Vec<u8>,
        saves: Vec<Saved>,
    ) -> Vec<Action> {
        let set = Command::new("Set-Content")
            .with("Encoding", "Byte")
            .with("Value", wanted);
        let mut actions = Vec::new();
        let pipeline = if cx.has_powershell(&self.host, 4) {
            // Compared and written in one pipeline: the path travels with the hash.
            let same = Command::new("Where-Object")
                .with("Property", "Hash")
                .switch("EQ")
                .with("Value", expected);
            Pipeline::new(file_hash(path)).pipe(same).pipe(set)
        } else {
            let summary = format!("check that {path} is still what was read");
            actions.push(self.action(COMPARE, false, self.read_content(cx, path), summary));
            Pipeline::new(set.with("LiteralPath", path.as_str()))
        };
        let summary = format!("set IMCertificateThumbprint and IMServerName in {path}");
        actions.push(Action {
            saves,
            ..self.action(WRITE, true, pipeline, summary)
        });
        actions
    }
}

/// The changes that this step set out to make in this run, oldest first.
fn intended(cx: Context<'_>) -> impl DoubleEndedIterator<Item = &WebConfigState> {
    cx.earlier.iter().filter_map(|fact| match fact {
        Fact::WebConfig(state) if state.found != state.wanted => Some(state),
        _ => None,
    })
}

/// The latest intention, if content of the hash `found` is neither old nor new to any.
fn stranger_to<'a>(cx: Context<'a>, found: &str) -> Option<&'a WebConfigState> {
    let known = intended(cx).any(|state| state.found == found || state.wanted == found);
    intended(cx).next_back().filter(|_| !known)
}

fn file_hash(path: &WindowsPath) -> Command {
    Command::new("Get-FileHash")
        .with("LiteralPath", path.as_str())
        .with("Algorithm", "SHA256")
}

fn content(output: &PipelineOutput, action: &str) -> Result<Vec<u8>, Problem> {
    read::content(output).ok_or_else(|| {
        Problem::new(
            action,
            "something else than bytes",
            "run the command by hand; the transcript shows it",
        )
    })
}

fn differences(edit: &Edit) -> Vec<Difference> {
    let mut diff = Some(edit.diff.clone());
    edit.differences
        .iter()
        .map(|key| Difference {
            what: key.key.clone(),
            actual: (!key.actual.is_empty()).then(|| key.actual.join(", ")),
            desired: Some(key.desired.clone()),
            diff: diff.take(),
        })
        .collect()
}

fn saved(path: &WindowsPath, content: Vec<u8>) -> Saved {
    Saved {
        name: FILE.into(),
        origin: path.to_string(),
        content,
    }
}

impl Step for BackendWebConfig {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "Web.config of the back end names the Lync pool and the certificate".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::requires(crate::backend_certificate::ID),
            Dependency::after_all(crate::cas_owa_virtual_directory::ID),
            Dependency::after_all(crate::mailbox_policy::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_applicable(cx).is_some() {
            return Ok(Vec::new());
        }
        self.wanted(cx)?;
        let path = self.path(cx)?;
        let item = Command::new("Get-Item").with("LiteralPath", path.as_str());
        let mut queries = vec![
            self.read_query(cx, CONTENT, &path),
            Query {
                name: ITEM,
                place: Place::windows(&self.host),
                pipeline: Pipeline::new(item),
            },
        ];
        let bytes = seen
            .get(CONTENT)
            .filter(|output| output.is_clean())
            .and_then(read::content);
        if let Some(state) = bytes.and_then(|bytes| stranger_to(cx, &read::sha256(&bytes))) {
            queries.push(self.read_query(cx, BACKUP, &state.backup));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if let Some(reason) = self.not_applicable(cx) {
            return Assessment::of(Verdict::NotApplicable(reason));
        }
        match self.look(cx, seen) {
            Err(problem) => Assessment::of(Verdict::Broken(problem)),
            Ok(Sight::Whole { edit, state, .. }) => {
                let misplaced = edit.misplaced.iter().map(|m| {
                    format!(
                        "{} in {} at {} of {} is without effect",
                        m.key, m.place, m.at, state.path
                    )
                });
                Assessment::of(Verdict::from_differences(differences(&edit)))
                    .with_warnings(misplaced)
                    .with_fact(Fact::WebConfig(state))
            }
            Ok(Sight::Torn {
                torn,
                wanted,
                state,
                ..
            }) => Assessment::of(Verdict::Drifted(vec![Difference {
                what: state.path.to_string(),
                actual: Some(format!(
                    "cut short: {} of {} bytes",
                    torn.len(),
                    wanted.len()
                )),
                desired: Some("whole, with both keys".into()),
                diff: None,
            }]))
            .with_fact(Fact::Torn(read::sha256(&torn)))
            .with_fact(Fact::WebConfig(state)),
        }
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        Ok(match self.look(cx, seen)? {
            Sight::Whole { edit, .. } if edit.is_in_place() => Vec::new(),
            Sight::Whole { old, edit, state } => {
                let mut actions = Vec::from(self.copy(cx, &state));
                let saves = vec![saved(&state.path, old)];
                actions.extend(self.write(cx, &state.path, &state.found, edit.bytes, saves));
                actions
            }
            // The copy holds the old content: it is not made again over a torn file.
            Sight::Torn {
                torn,
                old,
                wanted,
                state,
            } => {
                let saves = vec![saved(&state.path, old)];
                self.write(cx, &state.path, &read::sha256(&torn), wanted, saves)
            }
        })
    }

    fn accept(
        &self,
        cx: Context<'_>,
        action: &Action,
        output: &PipelineOutput,
    ) -> Result<(), Problem> {
        if let Some(error) = output.errors().next() {
            return Err(read::refused(&action.summary, error));
        }
        let Some(state) = intended(cx).next_back() else {
            return Ok(());
        };
        let expected: Vec<&str> = match action.name {
            CHECK_COPY => vec![&state.found],
            COMPARE => cx
                .earlier
                .iter()
                .filter_map(|fact| match fact {
                    Fact::Torn(hash) => Some(hash.as_str()),
                    _ => None,
                })
                .chain([state.found.as_str()])
                .collect(),
            _ => return Ok(()),
        };
        let hash = match output
            .objects()
            .next()
            .and_then(|object| read::text(object, "Hash"))
        {
            Some(hash) => hash.to_ascii_uppercase(),
            None => read::sha256(&content(output, &action.summary)?),
        };
        if expected.contains(&hash.as_str()) {
            return Ok(());
        }
        let advice = "somebody else is writing the file; nothing was changed, run again";
        Err(
            Problem::new(&action.summary, format!("SHA-256 {hash}"), advice)
                .expecting(expected.join(" or ")),
        )
    }
}

/// The last write of the file on `host`, if it is known.
pub(crate) fn written(cx: Context<'_>, host: &HostName) -> Option<Timestamp> {
    cx.facts.web_config(host).and_then(|state| state.written)
}
