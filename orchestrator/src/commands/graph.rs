//! `owaim graph`.

use std::io::Write as _;

use super::error::CommandError;
use super::site;
use crate::cli::{GraphFormat, SelectionArgs, SiteArgs};
use crate::event::Mode;
use crate::outcome::ExitCode;

/// Prints the graph of an apply.
pub(super) fn run(
    args: &SiteArgs,
    selection: &SelectionArgs,
    format: GraphFormat,
) -> Result<ExitCode, CommandError> {
    let plan = site::plan(&site::read(args)?, selection, Mode::Apply)?;
    let text = match format {
        GraphFormat::Dot => plan.to_dot(),
        GraphFormat::Mermaid => plan.to_mermaid(),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CommandError::Output)?;
    Ok(ExitCode::Success)
}
