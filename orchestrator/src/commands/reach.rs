//! The way to the servers that the command line asks for: the site file's endpoints, those of an
//! endpoint file, or a simulated site started for this call.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use owaim_inventory::Site;
use owaim_lab::{EndpointsFile, Lab, LabOptions, Overlay};
use owaim_transport::{Client, Observer, Secret};

use super::error::CommandError;
use crate::accounts::Accounts;
use crate::bus::Bus;
use crate::cli::{LabArgs, ReachArgs, SiteArgs};
use crate::endpoints::{EndpointBook, Origin};
use crate::outcome::ExitCode;
use crate::recording::{self, Recorder};
use crate::redact::Redactor;
use crate::sessions::Sessions;

/// Endpoints, the simulated site behind them where there is one, and who records what they say.
pub(super) struct Reach {
    pub(super) book: EndpointBook,
    client: Client,
    /// What the command has learnt of its accounts, whatever it does with them.
    accounts: Accounts,
    lab: Option<Lab>,
    recorder: Option<Arc<Recorder>>,
}

impl Reach {
    /// Reads credentials and, for a lab, starts it. Nothing is contacted. `source` is where `site` comes from.
    pub(super) async fn open(
        site: &Site,
        source: &SiteArgs,
        args: &ReachArgs,
    ) -> Result<Self, CommandError> {
        let (book, lab) = if args.lab {
            let lab = start_lab(site, &args.lab_args, LabOptions::default().listen).await?;
            let book = EndpointBook::from_file(lab.endpoints(), site, Origin::Lab)?;
            (book, Some(lab))
        } else {
            (without_lab(site, args)?, None)
        };
        let recorder = match &args.record {
            Some(folder) => {
                let text =
                    std::fs::read_to_string(&source.site).map_err(|error| CommandError::Read {
                        path: source.site.clone(),
                        source: error,
                    })?;
                let recorder = Recorder::into_folder(folder, site, text, &source.set, &book)?;
                let (folder, contents) = (folder.display(), recording::CONTENTS);
                writeln!(std::io::stderr(), "recording into {folder}: {contents}")
                    .map_err(CommandError::Output)?;
                Some(Arc::new(recorder))
            }
            None => None,
        };
        let client = match recorder.clone() {
            Some(recorder) => Client::default().observed_by(recorder),
            None => Client::default(),
        };
        Ok(Self {
            book,
            client,
            accounts: Accounts::default(),
            lab,
            recorder,
        })
    }

    /// Sessions of their own, with what the command has learnt of its accounts.
    pub(super) fn sessions(&self, bus: Bus) -> Sessions {
        let client = Arc::new(self.client.clone());
        Sessions::new(client, self.book.clone(), bus).sharing(self.accounts.clone())
    }

    /// What takes secrets out of what servers say.
    pub(super) fn redactor(&self) -> Result<Redactor, CommandError> {
        Redactor::new(self.book.secrets().iter().map(Secret::expose)).map_err(CommandError::Record)
    }

    /// Who is to hear of every exchange.
    pub(super) fn observer(&self) -> Option<Arc<dyn Observer>> {
        let recorder = self.recorder.as_ref()?;
        Some(Arc::clone(recorder) as _)
    }

    /// Keeps `secrets` out of a recording.
    pub(super) fn hide(&self, secrets: &[Secret]) {
        if let Some(recorder) = &self.recorder {
            recorder.hide(secrets.iter().cloned());
        }
    }

    /// Ends the simulated site, if there is one, and writes the recording, if one was asked for. What
    /// `result` says of the servers is not lost if that fails.
    pub(super) async fn close(
        self,
        result: Result<ExitCode, CommandError>,
    ) -> Result<ExitCode, CommandError> {
        match (self.end().await, result) {
            (Err(error), Ok(ExitCode::Success | ExitCode::Drift)) => Err(error),
            (Err(error), result) => {
                // Nowhere is left to say that this cannot be printed.
                let _ = write!(std::io::stderr(), "{}", error.for_people());
                result
            }
            (Ok(()), result) => result,
        }
    }

    async fn end(self) -> Result<(), CommandError> {
        let stopped = match self.lab {
            Some(lab) => lab.stop().await,
            None => Ok(()),
        };
        if let Some(recorder) = self.recorder {
            let beyond = recorder.finish()?;
            if beyond > 0 {
                let most = recording::MOST >> 20;
                writeln!(
                    std::io::stderr(),
                    "warning: the recording is not whole: its last {beyond} exchanges are missing, since it keeps at most \
                     {most} MiB; record fewer steps at a time (--only)"
                )
                .map_err(CommandError::Output)?;
            }
        }
        Ok(stopped?)
    }
}

/// The endpoints of real servers.
fn without_lab(site: &Site, args: &ReachArgs) -> Result<EndpointBook, CommandError> {
    let LabArgs {
        state,
        with,
        replay,
    } = &args.lab_args;
    if state.is_some() || with.is_some() || replay.is_some() {
        return Err(CommandError::LabOptionsWithoutLab);
    }
    Ok(match &args.endpoints {
        Some(path) => {
            let file = EndpointsFile::read(path).map_err(|source| CommandError::Endpoints {
                path: path.clone(),
                source,
            })?;
            EndpointBook::from_file(&file, site, Origin::File(&path.display().to_string()))?
        }
        None => EndpointBook::from_site(site)?,
    })
}

/// Starts the simulated site.
pub(super) async fn start_lab(
    site: &Site,
    args: &LabArgs,
    listen: SocketAddr,
) -> Result<Lab, CommandError> {
    let overlay = args
        .with
        .as_ref()
        .or(site.lab_overlay.as_ref())
        .map(read_overlay)
        .transpose()?
        .unwrap_or_default();
    let options = LabOptions {
        listen,
        state_dir: args.state.clone(),
        overlay,
        replay: args.replay.clone(),
        latency: None,
    };
    Ok(Lab::start(site, options).await?)
}

fn read_overlay(path: &PathBuf) -> Result<Overlay, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|source| CommandError::Read {
        path: path.clone(),
        source,
    })?;
    Ok(Overlay::parse(&path.display().to_string(), &text)?)
}
