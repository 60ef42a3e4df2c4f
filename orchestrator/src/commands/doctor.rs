//! `owaim doctor`: whether every endpoint can be reached.

use std::io::Write as _;

use owaim_inventory::Site;
use owaim_platform::Interrupts;

use super::error::CommandError;
use super::reach::Reach;
use super::{runtime, screen, site};
use crate::cli::{Format, ReachArgs, SiteArgs};
use crate::doctor::{self, Doctor};
use crate::outcome::ExitCode;
use crate::report::text::Paint;

/// Looks at every endpoint; exit code 4 if there is one without a way to a session.
pub(super) fn run(
    args: &SiteArgs,
    reach: &ReachArgs,
    format: Format,
) -> Result<ExitCode, CommandError> {
    let site = site::read(args)?;
    runtime()?.block_on(async {
        let reach = Reach::open(&site, args, reach).await?;
        let result = examine(&site, &reach, format).await;
        reach.close(result).await
    })
}

async fn examine(site: &Site, reach: &Reach, format: Format) -> Result<ExitCode, CommandError> {
    let redactor = reach.redactor()?;
    let mut interrupts = Interrupts::listen().map_err(CommandError::Record)?;
    let mut doctor = Doctor::new(site, &reach.book, reach.observer().as_ref());
    let found = tokio::select! {
        found = doctor.examine() => Some(found),
        () = interrupts.next() => None,
    };
    // At Ctrl-C too: the shells would stay on the servers.
    doctor.close().await;
    let Some(mut found) = found else {
        return Ok(ExitCode::Interrupted);
    };
    for examination in &mut found {
        examination.redact(&redactor);
    }
    let mut out = std::io::stdout().lock();
    let written = match format {
        Format::Json => serde_json::to_writer_pretty(&mut out, &found)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out)),
        Format::Text => {
            let colour = screen::takes_colours(&console::Term::stdout());
            doctor::write(&mut out, &found, Paint(colour))
        }
    };
    written.map_err(CommandError::Output)?;
    Ok(if found.iter().any(doctor::Examination::is_bad) {
        ExitCode::Unreachable
    } else {
        ExitCode::Success
    })
}
