//! `owaim lab`: the simulated site by itself.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use owaim_platform::Interrupts;

use super::error::CommandError;
use super::{reach, runtime, site};
use crate::cli::{LabArgs, SiteArgs};
use crate::outcome::ExitCode;

/// Runs the simulated site until Ctrl-C. Once every listener accepts, the endpoints are written
/// to `write` and printed.
pub(super) fn run(
    site: &SiteArgs,
    args: &LabArgs,
    listen: SocketAddr,
    write: Option<&Path>,
) -> Result<ExitCode, CommandError> {
    let site = site::read(site)?;
    runtime()?.block_on(async {
        let lab = reach::start_lab(&site, args, listen).await?;
        let endpoints = lab.endpoints();
        if let Some(path) = write {
            endpoints
                .write(path)
                .map_err(|source| CommandError::Endpoints {
                    path: path.to_owned(),
                    source,
                })?;
        }
        let mut interrupts = Interrupts::listen().map_err(CommandError::Output)?;
        print(endpoints, write).map_err(CommandError::Output)?;
        interrupts.next().await;
        lab.stop().await?;
        Ok(ExitCode::Success)
    })
}

/// Lists the endpoints, without their password.
fn print(endpoints: &owaim_lab::EndpointsFile, write: Option<&Path>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for endpoint in &endpoints.endpoints {
        writeln!(
            out,
            "{:<40} {:<12} {}",
            endpoint.host,
            endpoint.kind.name(),
            endpoint.url
        )?;
    }
    match write {
        Some(path) => writeln!(
            out,
            "endpoints and password are in {}; Ctrl-C ends the lab",
            path.display()
        )?,
        None => writeln!(
            out,
            "--write FILE gives the password of this start; Ctrl-C ends the lab"
        )?,
    }
    out.flush()
}
