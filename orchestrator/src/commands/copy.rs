//! `owaim copy`: one file to a server, or from one.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use owaim_inventory::EndpointKind;
use owaim_platform::Interrupts;
use owaim_steps::Place;
use owaim_transport::{FileTransfer, TransferProgress, Transferred};

use super::error::CommandError;
use super::reach::Reach;
use super::{runtime, site};
use crate::bus::Bus;
use crate::cli::{ReachArgs, SiteArgs};
use crate::outcome::ExitCode;
use crate::sessions::Sessions;

/// From where to where.
#[derive(Debug, PartialEq, Eq)]
enum Way<'a> {
    There {
        local: &'a str,
        host: &'a str,
        remote: &'a str,
    },
    Back {
        host: &'a str,
        remote: &'a str,
        local: &'a str,
    },
}

/// Copies the file; exit code 1 if the server or a disk refuses.
pub(super) fn run(
    args: &SiteArgs,
    reach: &ReachArgs,
    from: &str,
    to: &str,
) -> Result<ExitCode, CommandError> {
    let site = site::read(args)?;
    let way = Way::of(from, to)?;
    runtime()?.block_on(async {
        let reach = Reach::open(&site, args, reach).await?;
        let result = copy(&reach, &way).await;
        reach.close(result).await
    })
}

impl<'a> Way<'a> {
    fn of(from: &'a str, to: &'a str) -> Result<Self, CommandError> {
        match (on_server(from), on_server(to)) {
            (None, Some((host, remote))) => Ok(Self::There {
                local: from,
                host,
                remote,
            }),
            (Some((host, remote)), None) => Ok(Self::Back {
                host,
                remote,
                local: to,
            }),
            _ => Err(CommandError::NoWay {
                from: from.into(),
                to: to.into(),
            }),
        }
    }

    fn host(&self) -> &'a str {
        match self {
            Self::There { host, .. } | Self::Back { host, .. } => host,
        }
    }
}

/// Host and path of `HOST:PATH`. A single letter before the colon is a drive here.
fn on_server(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(host, _)| host.len() > 1)
}

async fn copy(reach: &Reach, way: &Way<'_>) -> Result<ExitCode, CommandError> {
    let place = place(reach, way.host())?;
    let sessions = reach.sessions(Bus::new(Vec::new()));
    let mut interrupts = Interrupts::listen().map_err(CommandError::Record)?;
    let transferred = tokio::select! {
        transferred = transfer(&sessions, &place, way) => Some(transferred),
        // What is there stays, and the next call goes on with it.
        () = interrupts.next() => None,
    };
    sessions.close().await;
    let Some(transferred) = transferred else {
        return Ok(ExitCode::Interrupted);
    };
    let transferred = transferred?;
    let Transferred {
        size,
        resumed_at,
        sha256,
    } = transferred;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{size} bytes, {resumed_at} of them were there before; SHA-256 {sha256}"
    )
    .map_err(CommandError::Output)?;
    Ok(ExitCode::Success)
}

fn place(reach: &Reach, host: &str) -> Result<Place, CommandError> {
    let mut places = reach.book.places_of(host);
    let place = places.find(|place| place.kind == EndpointKind::Windows);
    place.cloned().ok_or_else(|| CommandError::NoPlace {
        place: host.into(),
        known: "a host of the site".into(),
    })
}

async fn transfer(
    sessions: &Sessions,
    place: &Place,
    way: &Way<'_>,
) -> Result<Transferred, CommandError> {
    let mut lease = sessions.lease(place).await.map_err(CommandError::session)?;
    let bar = ProgressBar::hidden();
    if std::io::stderr().is_terminal() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bytes} of {total_bytes}, {bytes_per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    }
    let mut report = |progress: TransferProgress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let mut transfer = FileTransfer::new(lease.session(), place.host.as_str(), &mut report);
    let transferred = match way {
        Way::There { local, remote, .. } => transfer.upload(Path::new(local), remote).await,
        Way::Back { remote, local, .. } => transfer.download(remote, Path::new(local)).await,
    };
    bar.finish_and_clear();
    Ok(transferred?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_two_is_on_a_server() {
        let there = Way::of(r"C:\a.exe", r"mbx-1:D:\a.exe").unwrap();
        let expected = Way::There {
            local: r"C:\a.exe",
            host: "mbx-1",
            remote: r"D:\a.exe",
        };
        assert_eq!(there, expected);
        assert!(matches!(
            Way::of(r"mbx-1:\\files\a.exe", "a.exe"),
            Ok(Way::Back {
                remote: r"\\files\a.exe",
                ..
            })
        ));
        for (from, to) in [("a", "b"), (r"m1:C:\a", r"m2:C:\a"), (r"C:\a", r"D:\a")] {
            assert!(Way::of(from, to).is_err(), "{from} {to}");
        }
    }
}
