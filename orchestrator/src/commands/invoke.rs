//! `owaim invoke`: one typed pipeline of one command, for people.

use std::io::Write as _;

use owaim_inventory::EndpointKind;
use owaim_inventory::catalogue::{parameter_refusal, refusal};
use owaim_platform::Interrupts;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};
use owaim_steps::Place;
use serde::Serialize;

use super::error::CommandError;
use super::reach::Reach;
use super::{runtime, site};
use crate::bus::Bus;
use crate::cli::{Format, ReachArgs, SiteArgs};
use crate::endpoints::EndpointBook;
use crate::event::ReceivedRecord;
use crate::outcome::ExitCode;
use crate::redact::Redactor;
use crate::{render, typed_arguments};

/// Runs the command; exit code 1 if it gave an error record.
pub(super) fn run(
    args: &SiteArgs,
    reach: &ReachArgs,
    place: &str,
    words: &[String],
    format: Format,
) -> Result<ExitCode, CommandError> {
    let site = site::read(args)?;
    let command = typed_arguments::command(words)?;
    warn(&command);
    runtime()?.block_on(async {
        let reach = Reach::open(&site, args, reach).await?;
        let result = invoke(&reach, place, command, format).await;
        reach.close(result).await
    })
}

async fn invoke(
    reach: &Reach,
    place: &str,
    command: Command,
    format: Format,
) -> Result<ExitCode, CommandError> {
    let place = find(&reach.book, place)?;
    let redactor = reach.redactor()?;
    let sessions = reach.sessions(Bus::new(Vec::new()));
    let pipeline = Pipeline::new(command);
    let running = async { sessions.lease(&place).await?.run(&pipeline).await };
    // At Ctrl-C the command is stopped and the shell closed, so that neither stays on the server.
    let mut interrupts = Interrupts::listen().map_err(CommandError::Record)?;
    let output = tokio::select! {
        output = running => Some(output),
        () = interrupts.next() => None,
    };
    sessions.close().await;
    let Some(output) = output else {
        return Ok(ExitCode::Interrupted);
    };
    let output = output.map_err(CommandError::session)?;
    write(&output, format, &redactor).map_err(CommandError::Output)?;
    Ok(if output.is_clean() {
        ExitCode::Success
    } else {
        ExitCode::StepFailed
    })
}

/// The place that `HOST[/ENDPOINT]` means.
fn find(book: &EndpointBook, text: &str) -> Result<Place, CommandError> {
    let (host, kind) = text
        .split_once('/')
        .unwrap_or((text, EndpointKind::Windows.name()));
    let found = book
        .places_of(host)
        .find(|place| place.kind.name().eq_ignore_ascii_case(kind));
    found.cloned().ok_or_else(|| {
        let kinds: Vec<_> = book
            .places_of(host)
            .map(|place| place.kind.name())
            .collect();
        let known = if kinds.is_empty() {
            "a host of the site".into()
        } else {
            format!("one of: {}", kinds.join(", "))
        };
        CommandError::NoPlace {
            place: text.into(),
            known,
        }
    })
}

/// Says so where a command would let script text in. People may; steps never do.
fn warn(command: &Command) {
    let by_parameter = command.parameters.iter().filter_map(|parameter| {
        let name = parameter.name.as_deref()?;
        Some((
            format!("{} -{name}", command.name),
            parameter_refusal(&command.name, name)?,
        ))
    });
    let by_name = refusal(&command.name).map(|reason| (command.name.clone(), reason));
    for (what, reason) in by_name.into_iter().chain(by_parameter) {
        // A warning that cannot be printed stops nothing.
        let _ = writeln!(
            std::io::stderr(),
            "warning: {what} {reason}; no step of owaim ever sends it, and what it does is not typed"
        );
    }
}

fn write(output: &PipelineOutput, format: Format, redactor: &Redactor) -> std::io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        state: &'a str,
        records: Vec<ReceivedRecord>,
    }
    let mut records = render::received(output);
    for record in &mut records {
        record.text = redactor.text(&record.text).into_owned();
    }
    let state = render::state_word(&output.state);
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &Document { state, records })?;
            writeln!(out)?;
        }
        Format::Text => {
            for record in records {
                let text = crate::report::printable(&record.text);
                if record.stream == "output" {
                    writeln!(out, "{text}")?;
                } else {
                    writeln!(std::io::stderr(), "{}: {text}", record.stream)?;
                }
            }
        }
    }
    out.flush()
}
