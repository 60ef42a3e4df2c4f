//! The request: where no certificate of the store will do and there is none to import, one
//! certificate signing request is made.
//!
//! Its key stays on the server, in `REQUEST`, until the certificate is imported; its text is kept in
//! the run directory. While a request for the subject is pending no other one is made.

use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use super::Names;
use crate::x509::X509;
use crate::{
    Action, Assessment, Context, Difference, Observations, Place, Problem, Query, Saved, Verdict,
    read,
};

/// Name of the query.
pub(super) const PENDING: &str = "pending";
/// Name of the action.
pub(super) const REQUEST: &str = "request";
/// The file that its text is kept in.
const FILE: &str = "certificate-request.txt";
/// The store of the requests that are not answered.
const PATH: &str = r"Cert:\LocalMachine\REQUEST";
/// Bits of the key: what certification authorities take at least.
const BITS: i32 = 2048;

/// Asks for the requests that are pending.
pub(super) fn query(host: &HostName) -> Query {
    Query {
        name: PENDING,
        place: Place::windows(host),
        pipeline: Pipeline::new(Command::new("Get-ChildItem").with("LiteralPath", PATH)),
    }
}

/// What becomes of a server without a usable certificate (`problem`), where one may be requested.
pub(super) fn assess(
    cx: Context<'_>,
    host: &HostName,
    names: &Names,
    seen: &Observations,
    problem: Problem,
) -> Result<Assessment, Problem> {
    let subject = &names.subject;
    let action = format!(r"find the pending requests of {host} in LocalMachine\REQUEST");
    let entries = read::clean(seen, PENDING, &action)?.objects();
    let mut pending = false;
    for entry in entries {
        let der = entry.get("RawData").and_then(Value::as_bytes);
        let parsed = der.ok_or_else(|| "it has no RawData".into());
        // It may be the one that was asked for: no second one is made beside it.
        let entry = parsed.and_then(|der| X509::parse(&der)).map_err(|error| {
            Problem::new(
                &action,
                format!("an entry that cannot be read: {error}"),
                "look into LocalMachine\\REQUEST of the server, and remove what is damaged",
            )
        })?;
        pending |= entry.is_named(subject);
    }
    if !pending {
        return Ok(Assessment::of(Verdict::Drifted(vec![Difference {
            what: "certificate".into(),
            actual: Some(problem.found),
            desired: Some(format!("a pending request for {subject}")),
            diff: None,
        }])));
    }
    let text = if cx.remedied {
        format!("the request lies in received/{host}/{FILE} of the run directory")
    } else {
        format!(
            "the request lies in received/{host}/{FILE} of the directory of the run that made it; if it is lost, \
             remove the pending one from LocalMachine\\REQUEST and run again"
        )
    };
    Err(Problem {
        found: format!(
            "a request for {subject} is pending; its certificate has not been installed"
        ),
        advice: format!(
            "{text}; have the certificate issued, and import it on {host} with Import-ExchangeCertificate"
        ),
        ..problem
    })
}

/// Makes a request on `host`.
pub(super) fn action(cx: Context<'_>, host: &HostName, names: &Names) -> Action {
    let subject = &names.subject;
    let mut wanted: Vec<&HostName> = names.alternative.iter().collect();
    if !wanted.contains(&host) {
        wanted.push(host);
    }
    let names: Vec<Value> = wanted.iter().map(|name| name.as_str().into()).collect();
    let command = Command::new("New-ExchangeCertificate")
        .switch("GenerateRequest")
        .with("SubjectName", format!("CN={subject}"))
        .with("DomainName", names)
        .with("KeySize", BITS)
        .with("FriendlyName", format!("Outlook Web App, {subject}"))
        .with("Server", host.as_str());
    Action {
        name: REQUEST,
        place: Place::exchange(&cx.site.exchange.admin_host),
        pipeline: Pipeline::new(command),
        changes: true,
        summary: format!("make a certificate signing request for {subject} on {host}"),
        saves: Vec::new(),
    }
}

/// The text of the request.
fn text(output: &PipelineOutput) -> Option<String> {
    let mut texts = output.objects().filter_map(Value::text);
    texts.find(|text| text.contains("CERTIFICATE REQUEST"))
}

/// Whether what a server answered is a request.
pub(super) fn accept(host: &HostName, output: &PipelineOutput) -> Result<(), Problem> {
    match text(output) {
        Some(_) => Ok(()),
        None => Err(Problem::new(
            format!("make a certificate signing request on {host}"),
            "an answer without the text of a request",
            "look into LocalMachine\\REQUEST of the server; the transcript has the answer",
        )),
    }
}

/// The text of the request, for the run directory.
pub(super) fn received(host: &HostName, output: &PipelineOutput) -> Option<Saved> {
    Some(Saved {
        name: FILE.into(),
        origin: format!("certificate signing request of {host}"),
        content: text(output)?.into_bytes(),
    })
}
