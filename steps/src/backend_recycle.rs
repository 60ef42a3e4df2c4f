//! `backend.recycle`: OWA runs in a worker process that started after the newest change.
//!
//! Whoever made the change: the file's last write decides, not what this run did. Server times
//! are compared with server times. An overlapped recycle leaves the old process draining for a
//! while, so the newest process of the pool counts. A recycle is never sent without need and
//! never sent twice.
//!
//! Decided: a change of a virtual directory or a policy alone does not lead to a recycle. Those
//! values are in the directory and not in the file; whether OWA takes them up only with a new
//! worker process is not certain, and a recycle signs every user of the server out. Where the
//! icon does not show although all is in place, recycle by hand.

use jiff::Timestamp;
use owaim_inventory::{ExchangeVersion, HostName, Site};
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::{
    Action, Assessment, Context, Dependency, Difference, Exclusive, Fact, Observations, Place,
    Problem, Query, Step, StepId, Target, Verdict, backend_web_config, filter, read,
};

pub(crate) const ID: StepId = "backend.recycle";

/// The one pool of both OWA sites.
pub(crate) const POOL: &str = "MSExchangeOWAAppPool";

/// Names of the queries.
const WORKERS: &str = "workers";
const STATE: &str = "pool-state";
const WINDOWS: &str = "windows";

/// Names of the actions.
const RECYCLE: &str = "recycle";
const EXIT_CODE: &str = "exit-code";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendRecycle {
    pub(crate) host: HostName,
}

/// Why a recycle is due.
enum Due {
    /// The worker process is older than the last write of the configuration.
    Older {
        started: Timestamp,
        written: Timestamp,
    },
    /// A change is still to come in this run.
    AfterChange { started: Timestamp },
}

impl BackendRecycle {
    fn reading(&self) -> String {
        format!("read the worker processes of {POOL} on {}", self.host)
    }

    /// Start of the newest worker process of the pool.
    fn worker_started(&self, seen: &Observations) -> Result<Option<Timestamp>, Problem> {
        let action = self.reading();
        let mut newest = None;
        let mut hidden = 0;
        for process in read::clean(seen, WORKERS, &action)?.objects() {
            let Some(line) = read::text(process, "CommandLine") else {
                hidden += 1;
                continue;
            };
            if !pool_of(&line).is_some_and(|pool| pool.eq_ignore_ascii_case(POOL)) {
                continue;
            }
            let created = process.get("CreationDate");
            let started = created.and_then(read::time).ok_or_else(|| {
                let found = format!("CreationDate {:?}", created.and_then(Value::text));
                Problem::new(&action, found, read::REPORT).expecting("a time with its offset")
            })?;
            newest = newest.max(Some(started));
        }
        if newest.is_none() && hidden > 0 {
            let found = format!("{hidden} worker processes whose command line is not shown");
            let advice = "use an account that is a local administrator of the server";
            return Err(Problem::new(action, found, advice));
        }
        Ok(newest)
    }

    /// Whether a recycle is due, given a worker process that started then.
    fn due(&self, cx: Context<'_>, started: Timestamp) -> Option<Due> {
        if cx.facts.is_pending(&self.host, backend_web_config::ID) {
            return Some(Due::AfterChange { started });
        }
        // Process times have microseconds, file times a tenth of that: the finer part is dropped.
        let written = backend_web_config::written(cx, &self.host)?;
        (started.as_microsecond() < written.as_microsecond())
            .then_some(Due::Older { started, written })
    }

    /// Worker processes without a configuration file to compare with.
    fn check_known(&self, cx: Context<'_>) -> Result<(), Problem> {
        let edits_file = cx.exchange_version(&self.host) == ExchangeVersion::E2013;
        let pending = cx.facts.is_pending(&self.host, backend_web_config::ID)
            || backend_web_config::awaits(cx, &self.host).is_some();
        if edits_file && !pending && backend_web_config::written(cx, &self.host).is_none() {
            return Err(Problem::new(
                format!(
                    "compare the worker process of {} with its configuration",
                    self.host
                ),
                "the last write of Web.config is not known",
                "run backend.web-config with it",
            ));
        }
        Ok(())
    }

    fn query(&self, name: &'static str, command: Command) -> Query {
        Query {
            name,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(command),
        }
    }

    fn uses_appcmd(&self, cx: Context<'_>) -> bool {
        cx.exchange_version(&self.host) <= ExchangeVersion::E2013
    }

    /// Whether the pool is stopped. The module may be missing on old servers: then it is taken
    /// to be running, and no worker process means that nobody has asked for a page.
    fn is_stopped(seen: &Observations) -> bool {
        let state = seen
            .get(STATE)
            .filter(|output| output.is_clean())
            .and_then(|output| output.objects().next());
        let text = state.and_then(|state| read::text(state, "Value").or_else(|| state.text()));
        text.is_some_and(|text| text.eq_ignore_ascii_case("Stopped"))
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        self.check_known(cx)?;
        let Some(started) = self.worker_started(seen)? else {
            if Self::is_stopped(seen) {
                let advice = "see why it was stopped (event log System, source WAS), start it, then run again";
                let problem = Problem::new(
                    format!("recycle {POOL} on {}", self.host),
                    "the pool is stopped",
                    advice,
                );
                return Err(problem.expecting("a pool that runs"));
            }
            let idle = format!(
                "no worker process of {POOL} on {}: the next request starts one",
                self.host
            );
            return Ok(Assessment::of(Verdict::InPlace)
                .with_fact(Fact::WorkerStarted(None))
                .with_warnings([idle]));
        };
        let verdict = match self.due(cx, started) {
            None => Verdict::InPlace,
            Some(due) => Verdict::Drifted(vec![due.difference()]),
        };
        Ok(Assessment::of(verdict).with_fact(Fact::WorkerStarted(Some(started))))
    }
}

impl Due {
    fn difference(&self) -> Difference {
        let (started, desired) = match self {
            Self::Older { started, written } => (
                started,
                format!("started after {written}, the last write of Web.config"),
            ),
            Self::AfterChange { started } => {
                (started, "started after the edit of Web.config".into())
            }
        };
        Difference {
            what: format!("worker process of {POOL}"),
            actual: Some(format!("started {started}")),
            desired: Some(desired),
            diff: None,
        }
    }
}

/// The pool in the command line of a worker process: `w3wp.exe -ap "NAME" -v …`.
fn pool_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" -ap ")?;
    let rest = rest.trim_start();
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split_whitespace().next(),
    }
}

impl Step for BackendRecycle {
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
        "OWA runs in a worker process that started after the newest change".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            Dependency::requires(backend_web_config::ID),
            Dependency::after_all(crate::cas_owa_virtual_directory::ID),
            Dependency::after_all(crate::mailbox_policy::ID),
        ]
    }

    fn exclusive(&self, site: &Site) -> Option<Exclusive> {
        let group = site
            .host(&self.host)
            .map_or("default", |host| host.group.as_str());
        Some(Exclusive {
            group: format!("recycle:{group}"),
            limit: site.limits.recycles,
        })
    }

    fn probe(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Query>, Problem> {
        self.check_known(cx)?;
        let filter = filter::wql_equals("Name", "w3wp.exe");
        let processes = if cx.has_powershell(&self.host, 3) {
            Command::new("Get-CimInstance")
                .with("ClassName", "Win32_Process")
                .with("Filter", filter)
        } else {
            Command::new("Get-WmiObject")
                .with("Class", "Win32_Process")
                .with("Filter", filter)
        };
        let mut queries = vec![self.query(WORKERS, processes)];
        if seen.get(WORKERS).is_some() {
            match self.worker_started(seen) {
                Ok(None) => queries.push(self.query(
                    STATE,
                    Command::new("Get-WebAppPoolState").with("Name", POOL),
                )),
                Ok(Some(started)) if self.uses_appcmd(cx) && self.due(cx, started).is_some() => {
                    let key = r"HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
                    let command = Command::new("Get-ItemProperty")
                        .with("LiteralPath", key)
                        .with("Name", "SystemRoot");
                    queries.push(self.query(WINDOWS, command));
                }
                Ok(Some(_)) | Err(_) => {}
            }
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        if let Some(reason) = backend_web_config::awaits(cx, &self.host) {
            return Assessment::of(Verdict::Unknown(reason));
        }
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }

    fn remedy(&self, cx: Context<'_>, seen: &Observations) -> Result<Vec<Action>, Problem> {
        let due = self
            .worker_started(seen)?
            .and_then(|started| self.due(cx, started));
        if due.is_none() {
            return Ok(Vec::new());
        }
        let action = |name, changes, command, summary: String| Action {
            name,
            place: Place::windows(&self.host),
            pipeline: Pipeline::new(command),
            changes,
            summary,
            saves: Vec::new(),
        };
        let summary = format!("recycle {POOL} on {}", self.host);
        if !self.uses_appcmd(cx) {
            return Ok(vec![action(
                RECYCLE,
                true,
                Command::new("Restart-WebAppPool").with("Name", POOL),
                summary,
            )]);
        }
        let finding = format!("find the Windows folder of {}", self.host);
        let root = read::text(read::single(seen, WINDOWS, &finding)?, "SystemRoot");
        let root = root
            .and_then(|root| owaim_inventory::WindowsPath::new(&root).ok())
            .ok_or_else(|| {
                Problem::new(
                    finding,
                    "no SystemRoot in the registry",
                    "see whether the account may read the registry",
                )
            })?;
        let appcmd = Command::new(root.join(r"System32\inetsrv\appcmd.exe").as_str())
            .arg("recycle")
            .arg("apppool")
            .arg(format!("/apppool.name:{POOL}"));
        let exit_code = Command::new("Get-Variable")
            .with("Name", "LASTEXITCODE")
            .switch("ValueOnly")
            .with("Scope", "Global");
        Ok(vec![
            action(RECYCLE, true, appcmd, summary),
            action(
                EXIT_CODE,
                false,
                exit_code,
                format!("read the exit code of appcmd on {}", self.host),
            ),
        ])
    }

    fn repeatable(&self, action: &Action) -> bool {
        action.name != RECYCLE
    }

    fn accept(
        &self,
        _cx: Context<'_>,
        action: &Action,
        output: &PipelineOutput,
    ) -> Result<(), Problem> {
        if let Some(error) = output.errors().next() {
            return Err(read::refused(&action.summary, error));
        }
        if action.name != EXIT_CODE {
            return Ok(());
        }
        let code = output.objects().next();
        match code.and_then(|code| code.as_i64().or_else(|| code.text()?.trim().parse().ok())) {
            Some(0) => Ok(()),
            code => Err(Problem::new(
                format!("recycle {POOL} on {}", self.host),
                code.map_or("no exit code of appcmd".into(), |code| {
                    format!("exit code {code} of appcmd")
                }),
                "see what appcmd printed (in the transcript), and whether the pool runs",
            )
            .expecting("exit code 0")),
        }
    }
}
