//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Brings a site, Lync Server or Skype for Business Server and Exchange, to the state in which
/// Outlook Web App has instant messaging and presence.
#[derive(Debug, Parser)]
#[command(name = "owaim", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 a step failed or is blocked by one that did; 2 drift found, or changes \
pending; 3 invalid site file or arguments; 4 a server could not be reached or refused the logon; 5 the site is locked \
by another run; 130 interrupted.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what would change, with diffs; change nothing
    Plan {
        #[command(flatten)]
        run: RunArgs,
        /// Exit with 2 if changes are pending
        #[arg(long)]
        detailed_exitcode: bool,
        /// Also write the plan, as JSON, to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How to show the plan; `powershell`: the equivalent commands
        #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
        format: PlanFormat,
    },
    /// Probe, change, verify; shows the plan and asks first
    Apply {
        #[command(flatten)]
        run: RunArgs,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// How to report
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Turn instant messaging off in the OWA virtual directories of the front ends; asks first
    #[command(after_help = "Everything else stays as it is; apply turns it on again.")]
    Disable {
        #[command(flatten)]
        run: RunArgs,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        /// How to report
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Probe everything, change nothing; the same as apply --only verify
    Verify {
        #[command(flatten)]
        run: RunArgs,
        /// How to report
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Verify for a schedule: compares with the last drift check
    Drift {
        #[command(flatten)]
        run: RunArgs,
        /// How to report
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print the dependency graph
    Graph {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        selection: SelectionArgs,
        /// In which language
        #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
        format: GraphFormat,
    },
    /// Run one typed pipeline of one command, for people
    #[command(
        after_help = "Example: owaim invoke site.toml srv-1/windows -- Get-Service -Name W3SVC"
    )]
    Invoke {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        reach: ReachArgs,
        /// Host, full name or first label, and endpoint: windows, exchange, lync, lync-local
        #[arg(value_name = "HOST[/ENDPOINT]")]
        place: String,
        /// How to show what comes back
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// The cmdlet or program, and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Try the way to every endpoint, and say where it ends and what to do
    Doctor {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        reach: ReachArgs,
        /// How to report
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Copy a file to a server or from one; hashes are compared, and what was interrupted is gone on with
    #[command(after_help = "Example: owaim copy site.toml setup.exe srv-1:C:\\Temp\\setup.exe")]
    Copy {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        reach: ReachArgs,
        /// File, or HOST:PATH of one on a server
        from: String,
        /// HOST:PATH, or a file
        to: String,
    },
    /// Run the simulated site for this inventory until Ctrl-C
    Lab {
        #[command(flatten)]
        site: SiteArgs,
        #[command(flatten)]
        lab: LabArgs,
        /// Loopback address to listen at; with a port, the endpoints take it and the next ones
        #[arg(long, default_value = "127.0.0.1", value_name = "ADDR[:PORT]", value_parser = loopback)]
        listen: SocketAddr,
        /// Write the endpoints, with the password made up for this start, to this file
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
    /// List the runs that left a record
    Runs {
        /// Only those of this site
        site: Option<String>,
        #[command(flatten)]
        history: HistoryArgs,
        /// How to show them
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print the transcript of a run
    Show {
        /// Run id, or its beginning; the last run if left out
        run: Option<String>,
        #[command(flatten)]
        history: HistoryArgs,
        /// How to show it; `json`: its events
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Print a completion script
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Which site.
#[derive(Debug, Clone, Args)]
pub(crate) struct SiteArgs {
    /// The site file
    #[arg(value_name = "SITE")]
    pub(crate) site: PathBuf,
    /// Set a value of the site file for this call, for example lync.trusted_application.port=5200
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

/// Which steps.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    /// Only these phases and steps; `verify`: look at everything else, change nothing
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) only: Option<Vec<String>>,
    /// Not these phases and steps
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) skip: Vec<String>,
    /// Only these hosts; * and ? as wildcards
    #[arg(long, value_name = "GLOB")]
    pub(crate) host: Option<String>,
    /// With --only: also apply what the chosen steps require
    #[arg(long)]
    pub(crate) with_dependencies: bool,
}

/// How the servers are reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReachArgs {
    /// Work against a simulated site for this inventory, started for this call
    #[arg(long, conflicts_with = "endpoints")]
    pub(crate) lab: bool,
    #[command(flatten)]
    pub(crate) lab_args: LabArgs,
    /// Take URLs, CA and credentials from this file in place of the site file
    #[arg(long, value_name = "FILE")]
    pub(crate) endpoints: Option<PathBuf>,
    /// Write what is exchanged with the servers, names and secrets replaced, into this new folder
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
}

/// How the simulated site begins.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabArgs {
    /// Keep the simulated site's state in this folder between calls
    #[arg(id = "lab_state", long = "lab-state", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Lay this file over the simulated site's first state, in place of the one that the site file names
    #[arg(id = "lab_with", long = "lab-with", value_name = "FILE")]
    pub(crate) with: Option<PathBuf>,
    /// Answer for the endpoints that were recorded from this folder, written by --record
    #[arg(id = "lab_replay", long = "lab-replay", value_name = "DIR")]
    pub(crate) replay: Option<PathBuf>,
}

/// A run over the site.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) site: SiteArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    #[command(flatten)]
    pub(crate) history: HistoryArgs,
    /// Steps at work at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) parallel: Option<u16>,
    /// Longest time that one attempt of a step may take, for example 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Count what cannot be told as drift
    #[arg(long)]
    pub(crate) strict: bool,
    /// Plain lines in place of progress bars
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// Show every assessment, not only what needs attention
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Where run directories are.
#[derive(Debug, Clone, Args)]
pub(crate) struct HistoryArgs {
    /// Keep run directories below this folder in place of the user's state folder
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// Commands to read, approve or run by hand
    Powershell,
}

/// Language of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

/// The simulated site has no business on a network.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)));
    match address {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        _ => Err("expected a loopback address, such as 127.0.0.1 or 127.0.0.1:5985".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a time such as 90s or 5m";
    let span: jiff::SignedDuration = text.parse().map_err(|_| expected.to_owned())?;
    Duration::try_from(span)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| expected.into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_need_a_unit_and_a_value() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        for bad in ["", "0s", "-5s", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
