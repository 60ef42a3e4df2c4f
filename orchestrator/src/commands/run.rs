//! `owaim plan`, `apply`, `verify`, `drift`: a run over the site.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use owaim_inventory::{HostName, Site};

use super::error::CommandError;
use super::reach::Reach;
use super::{records, runtime, site};
use crate::bus::{Bus, Consumer};
use crate::cli::RunArgs;
use crate::engine::{self, RunOptions};
use crate::event::Mode;
use crate::graph::Plan;
use crate::history;
use crate::journal::Journal;
use crate::lock::SiteLock;
use crate::outcome::ExitCode;
use crate::recovery::Recovery;
use crate::redact::{Redacting, Redactor};
use crate::report::progress::Progress;
use crate::report::{ReportFormat, Reporter};
use crate::run::{Keeper, Run};
use crate::run_dir::{self, RunDir};
use crate::sessions::Sessions;
use crate::stop::{Level, Stop};
use crate::transcript::Transcript;

/// `owaim plan`.
pub(super) fn plan(
    args: &RunArgs,
    format: ReportFormat,
    detailed_exitcode: bool,
    out: Option<&Path>,
) -> Result<ExitCode, CommandError> {
    let site = prepared(args)?;
    let plan = site::plan(&site, &args.selection, Mode::Plan)?;
    let exit = runtime()?.block_on(async {
        let reach = Reach::open(&site, &args.reach).await?;
        let result = execute(
            &site,
            plan,
            Mode::Plan,
            args,
            &reach,
            Shown::of(format, out),
        )
        .await;
        reach.close().await?;
        result
    })?;
    Ok(if exit == ExitCode::Drift && !detailed_exitcode {
        ExitCode::Success
    } else {
        exit
    })
}

/// `owaim verify` and `owaim drift`.
pub(super) fn look(
    mode: Mode,
    args: &RunArgs,
    format: ReportFormat,
) -> Result<ExitCode, CommandError> {
    let site = prepared(args)?;
    let plan = site::plan(&site, &args.selection, mode)?;
    runtime()?.block_on(async {
        let reach = Reach::open(&site, &args.reach).await?;
        let result = execute(&site, plan, mode, args, &reach, Shown::of(format, None)).await;
        reach.close().await?;
        result
    })
}

/// `owaim apply`: unless told not to ask, first a plan, then the question.
pub(super) fn apply(
    args: &RunArgs,
    yes: bool,
    format: ReportFormat,
) -> Result<ExitCode, CommandError> {
    let site = prepared(args)?;
    let plan = site::plan(&site, &args.selection, Mode::Apply)?;
    let reads_only = plan
        .nodes()
        .all(|(_, node)| node.treatment != crate::event::Treatment::Change);
    let asks = !yes && !reads_only;
    if asks && !std::io::stdin().is_terminal() {
        return Err(CommandError::CannotAsk);
    }
    runtime()?.block_on(async {
        let reach = Reach::open(&site, &args.reach).await?;
        let result = async {
            if asks {
                let preview = site::plan(&site, &args.selection, Mode::Plan)?;
                let shown = Shown {
                    format: super::text(),
                    to_stderr: true,
                    also: None,
                };
                let exit = execute(&site, preview, Mode::Plan, args, &reach, shown).await?;
                if exit == ExitCode::Interrupted {
                    return Ok(exit);
                }
                if !agreed(&site, &plan).map_err(CommandError::Output)? {
                    return Ok(ExitCode::Success);
                }
            }
            execute(
                &site,
                plan,
                Mode::Apply,
                args,
                &reach,
                Shown::of(format, None),
            )
            .await
        }
        .await;
        reach.close().await?;
        result
    })
}

fn prepared(args: &RunArgs) -> Result<Site, CommandError> {
    let mut site = site::read(&args.site)?;
    site::override_limits(&mut site, args.parallel, args.timeout);
    Ok(site)
}

/// Asks whether to apply. Anything but a yes is a no.
fn agreed(site: &Site, plan: &Plan) -> std::io::Result<bool> {
    let hosts: std::collections::BTreeSet<&HostName> =
        plan.nodes().map(|(_, node)| &node.target.host).collect();
    let mut err = std::io::stderr().lock();
    write!(
        err,
        "Apply to site {} ({} steps on {} hosts)? [y/N] ",
        site.name,
        plan.len(),
        hosts.len()
    )?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let yes = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !yes {
        writeln!(err, "nothing was changed")?;
    }
    Ok(yes)
}

/// Where the report of a run goes, and how.
struct Shown<'a> {
    format: ReportFormat,
    to_stderr: bool,
    also: Option<&'a Path>,
}

impl<'a> Shown<'a> {
    fn of(format: ReportFormat, also: Option<&'a Path>) -> Self {
        Self {
            format,
            to_stderr: false,
            also,
        }
    }
}

/// One run: lock, run directory, consumers, engine.
async fn execute(
    site: &Site,
    plan: Plan,
    mode: Mode,
    args: &RunArgs,
    reach: &Reach,
    shown: Shown<'_>,
) -> Result<ExitCode, CommandError> {
    let root = records::root(&args.history)?;
    let run_id = run_dir::new_run_id(Timestamp::now(), mode);
    let _lock = SiteLock::acquire(&root, &site.name, &run_id)?;
    let dir = RunDir::create(&root, &site.name, &run_id)?;
    let bus = bus(args, &dir, reach, &shown)?;
    let sessions = Sessions::new(
        Arc::new(owaim_transport::Client::default()),
        reach.book.clone(),
        bus.clone(),
    );
    let stop = Stop::default();
    let listening = tokio::spawn(listen_for_ctrl_c(stop.clone(), bus.clone()));
    let run = Run::new(
        site.clone(),
        plan,
        mode,
        sessions,
        bus,
        Box::new(Before(dir.clone())),
        stop,
    );
    let options = RunOptions {
        run: run_id.clone(),
        strict: args.strict,
    };
    let (_, exit) = engine::execute(&Arc::new(run), &options).await;
    listening.abort();
    if mode == Mode::Drift && !matches!(shown.format, ReportFormat::Json) {
        compare(&root, site, &dir)?;
    }
    Ok(exit)
}

/// The consumers of a run: first the records, then what people see.
fn bus(
    args: &RunArgs,
    dir: &RunDir,
    reach: &Reach,
    shown: &Shown<'_>,
) -> Result<Bus, CommandError> {
    let secrets = reach.book.secrets();
    let redactor = Redactor::new(secrets.iter().map(owaim_transport::Secret::expose))
        .map_err(CommandError::Record)?;
    let out: Box<dyn Write + Send> = if shown.to_stderr {
        Box::new(std::io::stderr())
    } else {
        Box::new(std::io::stdout())
    };
    let bars = !args.no_progress && std::io::stderr().is_terminal();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![
        Box::new(Journal::create(&dir.journal()).map_err(CommandError::Record)?),
        Box::new(Transcript::create(dir, TimeZone::system()).map_err(CommandError::Record)?),
        Box::new(Recovery::new(dir)),
        Box::new(Progress::new(bars)),
        Box::new(Reporter::new(shown.format, out, dir.path().to_owned())),
    ];
    if let Some(path) = shown.also {
        let file = std::fs::File::create(path).map_err(|source| CommandError::Read {
            path: path.to_owned(),
            source,
        })?;
        consumers.push(Box::new(Reporter::new(
            ReportFormat::Json,
            Box::new(file),
            dir.path().to_owned(),
        )));
    }
    Ok(Bus::new(vec![Box::new(Redacting::new(
        redactor, consumers,
    ))]))
}

/// Once: finish what is changing, start nothing new. Twice: stop.
async fn listen_for_ctrl_c(stop: Stop, bus: Bus) {
    while tokio::signal::ctrl_c().await.is_ok() {
        let level = stop.press();
        // The wish is carried out even where it cannot be recorded.
        let _ = bus.emit(crate::event::EventKind::Interrupted {
            now: level == Level::Abort,
        });
    }
}

/// Says what is new since the last drift check.
fn compare(root: &Path, site: &Site, dir: &RunDir) -> Result<(), CommandError> {
    let before = history::known_before(root, &site.name, dir.run())?;
    let view = history::view(dir).map_err(history::HistoryError::from)?;
    let comparison = history::compare(&before, &history::known(&view));
    history::write_comparison(&mut std::io::stdout(), &comparison).map_err(CommandError::Output)
}

/// Keeps files in the run directory's `before` folder.
struct Before(RunDir);

impl Keeper for Before {
    fn save(&self, host: &HostName, name: &str, content: &[u8]) -> std::io::Result<String> {
        self.0
            .save(host.as_str(), name, content)
            .map_err(std::io::Error::other)
    }
}
