//! `owaim plan`, `apply`, `disable`, `verify`, `drift`: a run over the site.

use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use owaim_inventory::{HostName, Site};
use owaim_platform::Interrupts;
use owaim_steps::Pfx;
use owaim_transport::Secret;

use super::error::CommandError;
use super::reach::Reach;
use super::site::Purpose;
use super::{records, runtime, site};
use crate::bus::{Bus, Consumer};
use crate::certificate_file;
use crate::cli::RunArgs;
use crate::engine::{self, RunOptions};
use crate::event::{Mode, Treatment};
use crate::graph::Plan;
use crate::history::{self, Known};
use crate::journal::Journal;
use crate::lock::SiteLock;
use crate::outcome::ExitCode;
use crate::recovery::Recovery;
use crate::redact::{Redacting, Redactor};
use crate::report::progress::Progress;
use crate::report::{ReportFormat, Reporter};
use crate::run::{Keeper, Run};
use crate::run_dir::{self, RunDir};
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
    let pfx = certificate(&site, &plan, args)?;
    let out = out.map(create).transpose()?;
    runtime()?.block_on(async {
        let reach = Reach::open(&site, &args.site, &args.reach).await?;
        let shown = Shown {
            drift: !detailed_exitcode,
            ..Shown::of(format, out)
        };
        let pfx = pfx.as_ref();
        let result = execute(&site, plan, Mode::Plan, args, pfx, &reach, shown).await;
        reach.close(result).await
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
    let pfx = certificate(&site, &plan, args)?;
    runtime()?.block_on(async {
        let reach = Reach::open(&site, &args.site, &args.reach).await?;
        let shown = Shown::of(format, None);
        let result = execute(&site, plan, mode, args, pfx.as_ref(), &reach, shown).await;
        reach.close(result).await
    })
}

/// `owaim apply` and `owaim disable`: unless told not to ask, first a plan, then the question.
pub(super) fn apply(
    purpose: Purpose,
    args: &RunArgs,
    yes: bool,
    format: ReportFormat,
) -> Result<ExitCode, CommandError> {
    let site = prepared(args)?;
    let plan = site::plan_for(purpose, &site, &args.selection, Mode::Apply)?;
    let reads_only = plan
        .nodes()
        .all(|(_, node)| node.treatment != Treatment::Change);
    let asks = !yes && !reads_only;
    if asks && !std::io::stdin().is_terminal() {
        return Err(CommandError::CannotAsk);
    }
    let pfx = certificate(&site, &plan, args)?;
    runtime()?.block_on(async {
        let reach = Reach::open(&site, &args.site, &args.reach).await?;
        let result = async {
            if asks {
                let preview = site::plan_for(purpose, &site, &args.selection, Mode::Plan)?;
                let shown = Shown {
                    format: super::text(),
                    to_stderr: true,
                    also: None,
                    drift: false,
                };
                let exit = execute(
                    &site,
                    preview,
                    Mode::Plan,
                    args,
                    pfx.as_ref(),
                    &reach,
                    shown,
                )
                .await?;
                // Nothing to change, nothing to ask.
                if matches!(exit, ExitCode::Interrupted | ExitCode::Success) {
                    return Ok(exit);
                }
                match agreed(&site, &plan).await.map_err(CommandError::Output)? {
                    Some(true) => {}
                    Some(false) => return Ok(ExitCode::Success),
                    None => return Ok(ExitCode::Interrupted),
                }
            }
            execute(
                &site,
                plan,
                Mode::Apply,
                args,
                pfx.as_ref(),
                &reach,
                Shown::of(format, None),
            )
            .await
        }
        .await;
        reach.close(result).await
    })
}

/// A file for a plan, for its owner only: a plan shows how a site is built.
fn create(path: &Path) -> Result<File, CommandError> {
    owaim_platform::open_private_file(path, true).map_err(|source| CommandError::Read {
        path: path.to_owned(),
        source,
    })
}

fn prepared(args: &RunArgs) -> Result<Site, CommandError> {
    let mut site = site::read(&args.site)?;
    site::override_limits(&mut site, args.parallel, args.timeout);
    Ok(site)
}

/// Asks whether to apply. Anything but a yes is a no; `None` at Ctrl-C.
async fn agreed(site: &Site, plan: &Plan) -> std::io::Result<Option<bool>> {
    let hosts: std::collections::BTreeSet<&HostName> =
        plan.nodes().map(|(_, node)| &node.target.host).collect();
    let (name, steps, hosts) = (&site.name, plan.len(), hosts.len());
    // Before the question: an answer by Ctrl-C may come as soon as it is seen.
    let mut interrupts = Interrupts::listen()?;
    write!(
        std::io::stderr(),
        "Apply to site {name} ({steps} steps on {hosts} hosts)? [y/N] "
    )?;
    // A thread of its own: nothing has to wait for it if the answer is Ctrl-C.
    let (sender, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map(|_| line);
        // Nobody listens any more after Ctrl-C.
        let _ = sender.send(read);
    });
    let line = tokio::select! {
        line = answer => line.unwrap_or_else(|_| Ok(String::new()))?,
        () = interrupts.next() => {
            writeln!(std::io::stderr(), "\nnothing was changed")?;
            return Ok(None);
        }
    };
    let yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !yes {
        writeln!(std::io::stderr(), "nothing was changed")?;
    }
    Ok(Some(yes))
}

/// Where the report of a run goes, and how.
struct Shown {
    format: ReportFormat,
    to_stderr: bool,
    also: Option<File>,
    /// Whether a drift is what is to be shown, and no reason for an exit code of its own.
    drift: bool,
}

impl Shown {
    fn of(format: ReportFormat, also: Option<File>) -> Self {
        Self {
            format,
            to_stderr: false,
            also,
            drift: false,
        }
    }
}

/// One run: lock, run directory, consumers, engine.
async fn execute(
    site: &Site,
    plan: Plan,
    mode: Mode,
    args: &RunArgs,
    pfx: Option<&Pfx>,
    reach: &Reach,
    shown: Shown,
) -> Result<ExitCode, CommandError> {
    let root = records::root(&args.history)?;
    let run_id = run_dir::new_run_id(Timestamp::now(), mode);
    let _lock = SiteLock::acquire(&root, &site.name, &run_id)?;
    let dir = RunDir::create(&root, &site.name, &run_id)?;
    let before = match mode {
        Mode::Drift => Some(history::known_before(&root, &site.name, &run_id)?),
        Mode::Plan | Mode::Apply | Mode::Verify => None,
    };
    let unconfirmed = history::unconfirmed(&root, &site.name, &run_id)?;
    let secrets = secrets(reach, pfx);
    reach.hide(&secrets);
    let bus = bus(args, &dir, &secrets, &shown, before)?;
    let sessions = reach.sessions(bus.clone());
    let stop = Stop::default();
    let interrupts = Interrupts::listen().map_err(CommandError::Record)?;
    let listening = tokio::spawn(pass_on(interrupts, stop.clone(), bus.clone()));
    let run = Run::new(
        site.clone(),
        plan,
        mode,
        sessions,
        bus,
        Box::new(Files(dir.clone())),
        stop,
    )
    .lending(pfx.cloned());
    for left in unconfirmed {
        if let Some((host, fact)) = left.sequel.unconfirmed(site, &left.host, &left.run) {
            run.inherit(&host, fact);
        }
    }
    let options = RunOptions {
        run: run_id.clone(),
        strict: args.strict,
        shows_drift: shown.drift,
    };
    let (_, exit) = engine::execute(&Arc::new(run), &options).await;
    listening.abort();
    Ok(exit)
}

/// The certificate to import, where the site file names one and a step of `plan` may want it.
fn certificate(site: &Site, plan: &Plan, args: &RunArgs) -> Result<Option<Pfx>, CommandError> {
    let wanting = || plan.nodes().filter(|(_, node)| node.step.wants_pfx());
    if wanting().next().is_none() {
        return Ok(None);
    }
    let opened = certificate_file::open(site, &args.site.site, Timestamp::now());
    match opened {
        // Who only looks can do without: the stores may be in order, whatever became of the file.
        Err(error) if !wanting().any(|(_, node)| node.treatment == Treatment::Change) => {
            writeln!(std::io::stderr(), "warning: {error}").map_err(CommandError::Output)?;
            Ok(None)
        }
        opened => Ok(opened?),
    }
}

/// Everything that no record may show.
fn secrets(reach: &Reach, pfx: Option<&Pfx>) -> Vec<Secret> {
    let mut secrets = reach.book.secrets();
    secrets.extend(pfx.map(|pfx| pfx.password().clone()));
    secrets
}

/// The consumers of a run: first the records, then what people see.
fn bus(
    args: &RunArgs,
    dir: &RunDir,
    secrets: &[Secret],
    shown: &Shown,
    before: Option<Known>,
) -> Result<Bus, CommandError> {
    let redactor =
        Redactor::new(secrets.iter().map(Secret::expose)).map_err(CommandError::Record)?;
    let out: Box<dyn Write + Send> = if shown.to_stderr {
        Box::new(std::io::stderr())
    } else {
        Box::new(std::io::stdout())
    };
    let mut reporter = Reporter::new(shown.format, out, dir.path().to_owned());
    if let Some(before) = before {
        reporter = reporter.compared_with(before);
    }
    let bars = !args.no_progress && std::io::stderr().is_terminal();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![
        Box::new(Journal::create(&dir.journal()).map_err(CommandError::Record)?),
        Box::new(Transcript::create(dir, TimeZone::system()).map_err(CommandError::Record)?),
        Box::new(Recovery::new(dir)),
        Box::new(Progress::new(bars)),
        Box::new(reporter),
    ];
    if let Some(file) = &shown.also {
        let file = file.try_clone().map_err(CommandError::Record)?;
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
async fn pass_on(mut interrupts: Interrupts, stop: Stop, bus: Bus) {
    loop {
        interrupts.next().await;
        // Recorded first: the engine may end the record as soon as it knows. The wish is carried
        // out even where it cannot be recorded.
        let now = stop.level() > Level::Run;
        let _ = bus.emit(crate::event::EventKind::Interrupted { now });
        stop.press();
    }
}

/// Keeps files in the run directory.
struct Files(RunDir);

impl Keeper for Files {
    fn save(&self, host: &HostName, name: &str, content: &[u8]) -> std::io::Result<String> {
        self.0
            .save(host.as_str(), name, content)
            .map_err(std::io::Error::other)
    }

    fn keep(&self, host: &HostName, name: &str, content: &[u8]) -> std::io::Result<String> {
        self.0
            .keep(host.as_str(), name, content)
            .map_err(std::io::Error::other)
    }
}
