//! The way to the servers that the command line asks for: the site file's endpoints, those of an
//! endpoint file, or a simulated site started for this call.

use std::net::SocketAddr;
use std::path::PathBuf;

use owaim_inventory::Site;
use owaim_lab::{EndpointsFile, Lab, LabOptions, Overlay};

use super::error::CommandError;
use crate::cli::{LabArgs, ReachArgs};
use crate::endpoints::{EndpointBook, Origin};

/// Endpoints, and the simulated site behind them where there is one.
pub(super) struct Reach {
    pub(super) book: EndpointBook,
    lab: Option<Lab>,
}

impl Reach {
    /// Reads credentials and, for a lab, starts it. Nothing is contacted.
    pub(super) async fn open(site: &Site, args: &ReachArgs) -> Result<Self, CommandError> {
        if args.lab {
            let lab = start_lab(site, &args.lab_args, LabOptions::default().listen).await?;
            let book = EndpointBook::from_file(lab.endpoints(), site, Origin::Lab)?;
            return Ok(Self {
                book,
                lab: Some(lab),
            });
        }
        if args.lab_args.lab_state.is_some() || args.lab_args.lab_with.is_some() {
            return Err(CommandError::LabOptionsWithoutLab);
        }
        let book = match &args.endpoints {
            Some(path) => {
                let file = EndpointsFile::read(path).map_err(|source| CommandError::Endpoints {
                    path: path.clone(),
                    source,
                })?;
                EndpointBook::from_file(&file, site, Origin::File(&path.display().to_string()))?
            }
            None => EndpointBook::from_site(site)?,
        };
        Ok(Self { book, lab: None })
    }

    /// Ends the simulated site, if there is one.
    pub(super) async fn close(self) -> Result<(), CommandError> {
        match self.lab {
            Some(lab) => Ok(lab.stop().await?),
            None => Ok(()),
        }
    }
}

/// Starts the simulated site.
pub(super) async fn start_lab(
    site: &Site,
    args: &LabArgs,
    listen: SocketAddr,
) -> Result<Lab, CommandError> {
    let overlay = args
        .lab_with
        .as_ref()
        .or(site.lab_overlay.as_ref())
        .map(read_overlay)
        .transpose()?
        .unwrap_or_default();
    let options = LabOptions {
        listen,
        state_dir: args.lab_state.clone(),
        overlay,
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
