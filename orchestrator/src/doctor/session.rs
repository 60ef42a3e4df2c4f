//! Logon and session: whether the server lets us in, and what the session is like.

use std::sync::{Arc, OnceLock};

use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};
use owaim_transport::{Exchange, Observer, TransportError};

use super::{Check, Patient};
use crate::sessions::SessionError;

/// How one endpoint's connections were logged on, as the client's exchanges tell.
pub(super) struct Noted {
    logon: OnceLock<String>,
    also: Option<Arc<dyn Observer>>,
}

impl Observer for Noted {
    fn exchanged(&self, exchange: &Exchange<'_>) {
        if let Some(also) = &self.also {
            also.exchanged(exchange);
        }
        if let Some(logon) = exchange.logon {
            self.logon.get_or_init(|| logon.to_string());
        }
    }
}

impl Noted {
    /// Nothing noted yet; `also` hears of every exchange too.
    pub(super) fn new(also: Option<Arc<dyn Observer>>) -> Self {
        Self {
            logon: OnceLock::new(),
            also,
        }
    }
}

/// Opens a session and asks what it is like.
pub(super) async fn examine(patient: &Patient, checks: &mut Vec<Check>) {
    let account = patient.endpoint.authentication.account().to_owned();
    let configuration = &patient.endpoint.configuration;
    let version = match run(patient, variable("PSVersionTable")).await {
        Ok(output) => output,
        Err(error) => return checks.extend(refused(patient, &error)),
    };
    let logon = patient.noted.logon.get();
    let how = logon.map_or_else(String::new, |logon| format!(" by {logon}"));
    checks.push(Check::good("logon", format!("{account}{how}")));
    let names = configurations(patient).await;
    checks.push(Check::good("session", format!("{configuration}{names}")));
    if !version.is_clean() {
        checks.push(Check::untried(
            "powershell",
            "this endpoint shows only some commands, and not the one that would tell",
        ));
        checks.push(Check::good(
            "language",
            "restricted: Get-Variable is not offered",
        ));
        return;
    }
    checks.push(match powershell(&version) {
        Some(version) => Check::good("powershell", version),
        None => Check::warning(
            "powershell",
            "a table without PSVersion",
            "see whether this is a Windows PowerShell endpoint",
        ),
    });
    checks.extend(language(patient).await);
}

/// The session configurations that there are besides, where the account may see them.
async fn configurations(patient: &Patient) -> String {
    let command = Command::new("Get-PSSessionConfiguration");
    let Ok(output) = run(patient, Pipeline::new(command)).await else {
        return String::new();
    };
    let names: Vec<String> = output
        .objects()
        .filter_map(|one| one.get("Name")?.text())
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; the server has {}", names.join(", "))
}

async fn language(patient: &Patient) -> Option<Check> {
    let pipeline = variable("ExecutionContext")
        .pipe(Command::new("Select-Object").with("ExpandProperty", "SessionState"))
        .pipe(Command::new("Select-Object").with("Property", "LanguageMode"));
    let output = run(patient, pipeline).await.ok()?;
    let mode = output.objects().next()?.get("LanguageMode")?.text()?;
    Some(Check::good("language", mode))
}

fn variable(name: &str) -> Pipeline {
    let command = Command::new("Get-Variable")
        .with("Name", name)
        .switch("ValueOnly");
    Pipeline::new(command)
}

fn powershell(output: &PipelineOutput) -> Option<String> {
    let entries = output.objects().next()?.as_object()?.entries()?;
    let text = |wanted: &str| {
        let (_, value) = entries
            .iter()
            .find(|(key, _)| key.text().as_deref() == Some(wanted))?;
        Value::text(value)
    };
    let build = text("BuildVersion").map_or_else(String::new, |build| format!(", build {build}"));
    let protocol = text("PSRemotingProtocolVersion").map_or_else(String::new, |protocol| {
        format!(", remoting protocol {protocol}")
    });
    Some(format!("{}{build}{protocol}", text("PSVersion")?))
}

async fn run(patient: &Patient, pipeline: Pipeline) -> Result<PipelineOutput, SessionError> {
    let lease = patient.sessions.lease(&patient.place).await?;
    lease.run(&pipeline).await
}

/// Where on the way to a session it ended.
fn refused(patient: &Patient, error: &SessionError) -> Vec<Check> {
    let transport = match error {
        SessionError::Transport(error) => error,
        SessionError::NoEndpoint(problem) => {
            return vec![Check::bad(
                "session",
                error.to_string(),
                problem.advice.clone(),
            )];
        }
        SessionError::AccountRefused { .. } => {
            let advice = "correct the credentials in the site file";
            return vec![Check::bad("logon", error.to_string(), advice)];
        }
    };
    match patient.noted.logon.get() {
        // Whoever was answered has been let in.
        Some(logon) if !transport.is_refused_logon() => {
            let account = patient.endpoint.authentication.account();
            vec![
                Check::good("logon", format!("{account} by {logon}")),
                Check::bad("session", transport.to_string(), session_advice(transport)),
            ]
        }
        _ => vec![Check::failed("logon", transport)],
    }
}

/// What to do where the way is open, and there is no session at its end.
fn session_advice(error: &TransportError) -> String {
    match error {
        TransportError::Fault { .. } => format!(
            "{}; Get-PSSessionConfiguration on the server lists its configurations and who may use them",
            error.advice()
        ),
        _ => error.advice().to_owned(),
    }
}
