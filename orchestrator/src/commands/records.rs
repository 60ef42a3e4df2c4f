//! `owaim runs` and `owaim show`: what earlier runs left.

use std::io::Write as _;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::error::CommandError;
use crate::cli::{Format, HistoryArgs};
use crate::history;
use crate::outcome::ExitCode;
use crate::run_dir;

/// The folder that run directories are kept below.
pub(super) fn root(args: &HistoryArgs) -> Result<PathBuf, CommandError> {
    Ok(match &args.run_dir {
        Some(path) => path.clone(),
        None => run_dir::default_root()?,
    })
}

pub(super) fn runs(
    site: Option<&str>,
    args: &HistoryArgs,
    format: Format,
) -> Result<ExitCode, CommandError> {
    let runs = history::runs(&root(args)?, site)?;
    let mut out = std::io::stdout().lock();
    match format {
        Format::Text => history::write_runs(&mut out, &runs, &TimeZone::system()),
        Format::Json => history::write_runs_json(&mut out, &runs),
    }
    .and_then(|()| out.flush())
    .map_err(CommandError::Output)?;
    Ok(ExitCode::Success)
}

pub(super) fn show(
    run: Option<&str>,
    args: &HistoryArgs,
    format: Format,
) -> Result<ExitCode, CommandError> {
    let mut out = std::io::stdout().lock();
    let root = root(args)?;
    match format {
        Format::Text => history::show(&mut out, &root, run, &TimeZone::system())?,
        Format::Json => history::show_json(&mut out, &root, run)?,
    }
    out.flush().map_err(CommandError::Output)?;
    Ok(ExitCode::Success)
}
