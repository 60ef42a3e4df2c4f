//! [`CommandError`]: why a command ended before or beside a run.

use std::path::PathBuf;

use owaim_inventory::{Diagnostics, Look};

use super::screen;
use crate::certificate_file::CertificateFileError;
use crate::endpoints::EndpointError;
use crate::graph::Cycle;
use crate::history::HistoryError;
use crate::lock::LockError;
use crate::outcome::ExitCode;
use crate::recording::RecordError;
use crate::run_dir::RunDirError;
use crate::selection::UnknownName;
use crate::sessions::SessionError;
use crate::typed_arguments::ArgumentError;

/// Why a command ended without the exit code of a run.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is not valid", path.display())]
    Site {
        path: PathBuf,
        mistakes: Box<Diagnostics>,
    },
    #[error(transparent)]
    Selection(#[from] UnknownName),
    #[error("--only, --skip and --host leave no step to look at")]
    NothingChosen,
    #[error(transparent)]
    Cycle(#[from] Cycle),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    CertificateFile(#[from] CertificateFileError),
    #[error("{}: {source}", path.display())]
    Endpoints {
        path: PathBuf,
        source: owaim_lab::EndpointsError,
    },
    #[error(transparent)]
    Overlay(#[from] owaim_lab::OverlayError),
    #[error(
        "--lab-state, --lab-with and --lab-replay say how a simulated site begins: they need --lab"
    )]
    LabOptionsWithoutLab,
    #[error(transparent)]
    Lab(#[from] owaim_lab::LabError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    #[error("run directory: {0}")]
    Record(std::io::Error),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("there is no terminal to ask at whether to apply; --yes applies without asking")]
    CannotAsk,
    #[error("{place:?} is no endpoint of this site; expected HOST or HOST/ENDPOINT, with {known}")]
    NoPlace { place: String, known: String },
    #[error(
        "copy {from:?} to {to:?}: expected exactly one of the two as HOST:PATH, a file on a server; nothing was contacted"
    )]
    NoWay { from: String, to: String },
    #[error("{0}{advice}", advice = copy_advice(.0))]
    Copy(#[from] owaim_transport::FileTransferError),
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    #[error("{error}\n  what to do: {advice}")]
    Session {
        error: Box<SessionError>,
        advice: String,
    },
    #[error(transparent)]
    Recording(#[from] RecordError),
    #[error("standard output: {0}")]
    Output(std::io::Error),
}

/// What an administrator can do about a file that did not arrive.
fn copy_advice(error: &owaim_transport::FileTransferError) -> String {
    match error {
        owaim_transport::FileTransferError::Transport(error) => {
            format!(
                "\n  what to do: {}; the same call goes on where this one ended",
                error.advice()
            )
        }
        _ => String::new(),
    }
}

impl CommandError {
    /// The way to a server failed.
    pub(super) fn session(error: SessionError) -> Self {
        let advice = match &error {
            SessionError::Transport(error) => error.advice().to_owned(),
            SessionError::NoEndpoint(problem) => problem.advice.clone(),
            SessionError::AccountRefused { .. } => "correct the credentials".to_owned(),
        };
        Self::Session {
            error: Box::new(error),
            advice,
        }
    }

    pub(super) fn exit(&self) -> ExitCode {
        match self {
            Self::Lock(LockError::Held { .. }) => ExitCode::Locked,
            Self::Session { .. } | Self::Copy(owaim_transport::FileTransferError::Transport(_)) => {
                ExitCode::Unreachable
            }
            Self::Recording(RecordError::Write { .. } | RecordError::Unsanitised { .. })
            | Self::Lab(owaim_lab::LabError::Listen { .. } | owaim_lab::LabError::Record { .. })
            | Self::Record(_)
            | Self::Output(_)
            | Self::Copy(_)
            | Self::History(HistoryError::Write(_)) => ExitCode::StepFailed,
            _ => ExitCode::Invalid,
        }
    }

    /// The message with everything that an administrator needs, ending in a line break.
    pub(super) fn for_people(&self) -> String {
        match self {
            Self::Site { mistakes, .. } => {
                let screen = console::Term::stderr();
                let look = if screen.is_term() {
                    Look::Graphical {
                        width: screen::width(&screen),
                        colour: screen::takes_colours(&screen),
                    }
                } else {
                    Look::Plain
                };
                format!(
                    "{}{self}: {}; nothing was contacted
",
                    mistakes.render(look),
                    count(mistakes.len())
                )
            }
            _ => format!("owaim: {self}\n"),
        }
    }
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 {
        "1 mistake".into()
    } else {
        format!("{mistakes} mistakes")
    }
}
