//! `backend.web-config`: OWA on the back end knows the Lync pool and its own certificate.
//!
//! Exchange 2013 only: other generations keep these values elsewhere, where this version does
//! not look; so nothing is known of them, which is not the same as nothing to do. The file is edited as
//! bytes ([`web_config`](crate::web_config)), copied first, and written only if it still has
//! the content that was read. Losing it would take OWA down on the server, so a second attempt
//! recognises by hash what the first one left: old, new, or short of the new; the latter is
//! completed from the copy. Any other content is somebody else's, and is not overwritten.

mod sight;

use jiff::Timestamp;
use owaim_inventory::{HostName, WindowsPath};
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use self::sight::{Sight, content, intended, stranger_to};

use crate::web_config::Edit;
use crate::{
    Action, Assessment, Context, Dependency, Difference, Fact, Observations, Place, Problem, Query,
    Saved, Step, StepId, Target, Verdict, WebConfigState, file, read,
};

pub(crate) const ID: StepId = "backend.web-config";

/// The keys that OWA reads: the certificate's thumbprint, and the Lync pool.
pub(crate) const KEYS: [&str; 2] = [THUMBPRINT, SERVER_NAME];
const THUMBPRINT: &str = "IMCertificateThumbprint";
const SERVER_NAME: &str = "IMServerName";

/// Names of the queries.
const CONTENT: &str = "content";
const ITEM: &str = "item";
const BACKUP: &str = "backup";

/// Names of the actions.
const COPY: &str = "copy";
const CHECK_COPY: &str = "check-copy";
const COMPARE: &str = "compare";
const WRITE: &str = "write";

/// Error categories with which a write ends before it has touched the file: `ObjectNotFound`,
/// `PermissionDenied`, `SecurityError`.
const NOT_BEGUN: [i32; 3] = [13, 18, 25];

/// The file of the back end, below the install root; the front end has one of the same name,
/// which must not be touched.
const FOLDER: &str = r"ClientAccess\Owa";
const FILE: &str = "web.config";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendWebConfig {
    pub(crate) host: HostName,
}

impl BackendWebConfig {
    /// Why nothing is known of this server: its generation keeps the values elsewhere.
    fn not_looked_at(&self, cx: Context<'_>) -> Option<String> {
        let version = cx.exchange_version(&self.host);
        version.unmanaged_values().map(|place| {
            format!(
                "{version} takes these values from {place}, which this version does not look at: see to it by hand"
            )
        })
    }

    fn read_query(&self, cx: Context<'_>, name: &'static str, path: &WindowsPath) -> Query {
        Query {
            name,
            place: Place::windows(&self.host),
            pipeline: file::content(cx, &self.host, path),
        }
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
            file::content(cx, &self.host, backup)
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
            actions.push(self.action(COMPARE, false, file::content(cx, &self.host, path), summary));
            Pipeline::new(set.with("LiteralPath", path.as_str()))
        };
        let summary = format!("set {THUMBPRINT} and {SERVER_NAME} in {path}");
        actions.push(Action {
            saves,
            ..self.action(WRITE, true, pipeline, summary)
        });
        actions
    }
}

fn file_hash(path: &WindowsPath) -> Command {
    Command::new("Get-FileHash")
        .with("LiteralPath", path.as_str())
        .with("Algorithm", "SHA256")
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
            Dependency::after(crate::backend_ucma::ID),
            Dependency::after_all(crate::lync_site::ID),
            Dependency::after_all(crate::lync_replication::ID),
            Dependency::after_all(crate::cas_owa_virtual_directory::ID),
            Dependency::after_all(crate::mailbox_policy::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        if self.not_looked_at(cx).or(awaits(cx, &self.host)).is_some() {
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
        if let Some(reason) = self.not_looked_at(cx).or(awaits(cx, &self.host)) {
            return Assessment::of(Verdict::Unknown(reason));
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
            let mut problem = read::refused(&action.summary, error);
            if action.name == WRITE && !NOT_BEGUN.contains(&error.category.code) {
                // The file is truncated before it is written: it must be looked at again at once.
                problem.retry = true;
                problem.advice = intended(cx).next_back().map_or_else(String::new, |state| {
                    format!(
                        "the file may be cut short; its content from before lies in {}",
                        state.backup
                    )
                });
            }
            return Err(problem);
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

/// Why the values for `host` are not known yet, if the certificate is still to come.
pub(crate) fn awaits(cx: Context<'_>, host: &HostName) -> Option<String> {
    let id = crate::backend_certificate::ID;
    let awaited = cx.facts.is_pending(host, id) && cx.facts.certificate(host).is_none();
    awaited.then(|| format!("known after apply: {id} has a change to make first"))
}
