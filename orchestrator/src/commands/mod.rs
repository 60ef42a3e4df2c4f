//! The commands: each reads its arguments, does its work, and ends in an exit code.

mod copy;
mod doctor;
mod error;
mod graph;
mod invoke;
mod lab;
mod reach;
mod records;
mod run;
mod screen;
mod site;

use std::io::Write as _;

use clap::{CommandFactory as _, Parser as _};

use self::error::CommandError;
use self::site::Purpose;
use crate::cli::{Cli, Command, Format, PlanFormat};
use crate::event::Mode;
use crate::outcome::ExitCode;
use crate::report::ReportFormat;

/// Reads the command line and carries it out; what goes wrong goes to standard error. Invalid
/// arguments end in the exit code of an invalid site file.
pub fn main() -> std::process::ExitCode {
    let exit = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => {
            // Nowhere is left to say that this cannot be printed.
            let _ = error.print();
            let asked_for_help = !error.use_stderr();
            if asked_for_help {
                ExitCode::Success
            } else {
                ExitCode::Invalid
            }
        }
    };
    exit.number().into()
}

fn run(cli: Cli) -> ExitCode {
    dispatch(cli.command).unwrap_or_else(|error| {
        // Nowhere is left to say that this cannot be printed.
        let _ = std::io::stderr()
            .lock()
            .write_all(error.for_people().as_bytes());
        error.exit()
    })
}

fn dispatch(command: Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Plan {
            run,
            detailed_exitcode,
            out,
            format,
        } => {
            let format = match format {
                PlanFormat::Text => text(),
                PlanFormat::Json => ReportFormat::Json,
                PlanFormat::Powershell => ReportFormat::PowerShell,
            };
            run::plan(&run, format, detailed_exitcode, out.as_deref())
        }
        Command::Apply { run, yes, format } => {
            run::apply(Purpose::Offered, &run, yes, report(format))
        }
        Command::Disable { run, yes, format } => {
            run::apply(Purpose::Off, &run, yes, report(format))
        }
        Command::Verify { run, format } => run::look(Mode::Verify, &run, report(format)),
        Command::Drift { run, format } => run::look(Mode::Drift, &run, report(format)),
        Command::Graph {
            site,
            selection,
            format,
        } => graph::run(&site, &selection, format),
        Command::Invoke {
            site,
            reach,
            place,
            format,
            command,
        } => invoke::run(&site, &reach, &place, &command, format),
        Command::Copy {
            site,
            reach,
            from,
            to,
        } => copy::run(&site, &reach, &from, &to),
        Command::Doctor {
            site,
            reach,
            format,
        } => doctor::run(&site, &reach, format),
        Command::Lab {
            site,
            lab,
            listen,
            write,
        } => lab::run(&site, &lab, listen, write.as_deref()),
        Command::Runs {
            site,
            history,
            format,
        } => records::runs(site.as_deref(), &history, format),
        Command::Show {
            run,
            history,
            format,
        } => records::show(run.as_deref(), &history, format),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "owaim", &mut script);
            std::io::stdout()
                .write_all(&script)
                .map_err(CommandError::Output)?;
            Ok(ExitCode::Success)
        }
    }
}

/// The runtime that a command works in.
fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Record)
}

fn report(format: Format) -> ReportFormat {
    match format {
        Format::Text => text(),
        Format::Json => ReportFormat::Json,
    }
}

fn text() -> ReportFormat {
    ReportFormat::Text {
        colour: screen::takes_colours(&console::Term::stdout()),
    }
}
