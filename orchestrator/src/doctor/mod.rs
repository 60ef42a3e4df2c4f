//! `owaim doctor`: whether every endpoint can be reached, and if not, where on the way it ends and what to do.
//!
//! The way is walked in the order in which it is built: name, TCP, TLS, what the server offers to somebody it does not
//! know, logon, session, and what the session is like. What cannot be tried because of an earlier failure is said to be
//! untried. Nothing is changed anywhere.

mod certificate;
mod clock;
mod session;
mod text;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use owaim_inventory::Site;
use owaim_steps::Place;
use owaim_transport::{
    Authentication, Client, Connection, Endpoint, Greeting, Observer, Timeouts, TransportError,
};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::accounts::Accounts;
use crate::bus::Bus;
use crate::endpoints::EndpointBook;
use crate::redact::Redactor;
use crate::sessions::Sessions;

pub(crate) use text::write;

use session::Noted;

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// It works, and wants a look.
    Warning,
    /// The way ends here.
    Bad,
    /// Does not apply, or could not be tried after what failed before.
    Untried,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Check {
    /// What.
    pub(crate) name: &'static str,
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Verdict::Good, found, None)
    }

    fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warning, found, Some(advice.into()))
    }

    fn bad(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(name, Verdict::Bad, found, Some(advice.into()))
    }

    fn untried(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Verdict::Untried, why, None)
    }

    fn failed(name: &'static str, error: &TransportError) -> Self {
        Self::bad(name, error.to_string(), error.advice())
    }

    fn new(
        name: &'static str,
        verdict: Verdict,
        found: impl Into<String>,
        advice: Option<String>,
    ) -> Self {
        Self {
            name,
            verdict,
            found: found.into(),
            advice,
        }
    }
}

/// What was found of one endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct Examination {
    pub(crate) host: String,
    pub(crate) endpoint: &'static str,
    pub(crate) url: String,
    pub(crate) checks: Vec<Check>,
}

impl Examination {
    /// Whether the way ends somewhere.
    pub(crate) fn is_bad(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.verdict == Verdict::Bad)
    }

    /// Takes secrets out: what a server says may hold what it was told.
    pub(crate) fn redact(&mut self, redactor: &Redactor) {
        for check in &mut self.checks {
            for text in std::iter::once(&mut check.found).chain(&mut check.advice) {
                *text = redactor.text(text).into_owned();
            }
        }
    }
}

/// Names of the checks, in the order of the way.
const ORDER: [&str; 9] = [
    "name",
    "tcp",
    "tls",
    "offered",
    "logon",
    "session",
    "powershell",
    "language",
    "clock",
];

/// How patient the doctor is: somebody waits for the answer.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    response: Duration::from_secs(90),
};

/// How many endpoints are looked at at once.
const PARALLEL: usize = 16;

/// Looks at every endpoint of a site.
pub(crate) struct Doctor {
    patients: Vec<Arc<Patient>>,
    running: JoinSet<(usize, Examination)>,
}

impl Doctor {
    /// Before it looks at the endpoints of `book`. `observer` hears of every exchange too.
    pub(crate) fn new(
        site: &Site,
        book: &EndpointBook,
        observer: Option<&Arc<dyn Observer>>,
    ) -> Self {
        let client = Client::default();
        let accounts = Accounts::default();
        let patients = book.iter().map(|(place, endpoint)| {
            // Endpoints may share a URL: what becomes of one says nothing of the other.
            let noted = Arc::new(Noted::new(observer.cloned()));
            let client = client.clone().observed_by(Arc::clone(&noted) as _);
            let sessions = Sessions::new(Arc::new(client), book.clone(), Bus::new(Vec::new()));
            Arc::new(Patient {
                place: place.clone(),
                endpoint: endpoint.clone(),
                sessions: sessions.sharing(accounts.clone()),
                noted,
                warn_days: site.certificate.warn_days,
            })
        });
        Self {
            patients: patients.collect(),
            running: JoinSet::new(),
        }
    }

    /// Looks at every endpoint, in the order of the book.
    pub(crate) async fn examine(&mut self) -> Vec<Examination> {
        let gate = Arc::new(Semaphore::new(PARALLEL));
        for (number, patient) in self.patients.iter().enumerate() {
            let (patient, gate) = (Arc::clone(patient), Arc::clone(&gate));
            self.running.spawn(async move {
                let _turn = gate.acquire_owned().await;
                (number, patient.examine().await)
            });
        }
        let mut found = Vec::new();
        while let Some(done) = self.running.join_next().await {
            match done {
                Ok(examination) => found.push(examination),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        found.sort_by_key(|(number, _)| *number);
        found
            .into_iter()
            .map(|(_, examination)| examination)
            .collect()
    }

    /// Ends what is still looked at, and closes every session.
    pub(crate) async fn close(mut self) {
        self.running.shutdown().await;
        let mut closing = JoinSet::new();
        for patient in self.patients {
            closing.spawn(async move { patient.sessions.close().await });
        }
        closing.join_all().await;
    }
}

/// One endpoint that is looked at.
struct Patient {
    place: Place,
    endpoint: Endpoint,
    /// Of its own, though with the accounts of all.
    sessions: Sessions,
    noted: Arc<Noted>,
    warn_days: u32,
}

impl Patient {
    async fn examine(&self) -> Examination {
        let mut checks = Vec::new();
        self.walk(&mut checks).await;
        // Only what failed ends the walk early.
        let end = checks.iter().find(|check| check.verdict == Verdict::Bad);
        let why = end.map(|check| format!("not tried after {}", check.name));
        for name in ORDER {
            if !checks.iter().any(|check| check.name == name) {
                checks.push(Check::untried(name, why.clone().unwrap_or_default()));
            }
        }
        checks.sort_by_key(|check| ORDER.iter().position(|name| *name == check.name));
        Examination {
            host: self.place.host.to_string(),
            endpoint: self.place.kind.name(),
            url: self.endpoint.url.clone(),
            checks,
        }
    }

    /// Goes as far as there is a way.
    async fn walk(&self, checks: &mut Vec<Check>) {
        let name = self.resolve().await;
        let resolved = name.verdict != Verdict::Bad;
        checks.push(name);
        if !resolved {
            return;
        }
        let Some(greeting) = self.connect(checks).await else {
            return;
        };
        if let Some(greeting) = greeting {
            checks.push(self.offered(&greeting));
            checks.extend(clock::check(&greeting, Timestamp::now()));
        }
        session::examine(self, checks).await;
    }

    /// Looks the name up.
    async fn resolve(&self) -> Check {
        if let Some(proxy) = &self.endpoint.proxy {
            return Check::untried("name", format!("the proxy {proxy} looks it up"));
        }
        let Some((host, port)) = self.endpoint.authority() else {
            return Check::bad(
                "name",
                format!("{} names no host", self.endpoint.url),
                "correct the URL in the site file",
            );
        };
        match tokio::net::lookup_host((host.as_str(), port)).await {
            Ok(addresses) => {
                let mut addresses: Vec<String> =
                    addresses.map(|address| address.ip().to_string()).collect();
                addresses.dedup();
                Check::good("name", format!("{host} is {}", addresses.join(", ")))
            }
            Err(error) => Check::bad(
                "name",
                format!("{host} cannot be looked up: {error}"),
                "correct the name in the site file, or see why DNS does not know it here",
            ),
        }
    }

    /// Connects and asks what there is, without saying who asks. `None`: there is no way further.
    async fn connect(&self, checks: &mut Vec<Check>) -> Option<Option<Greeting>> {
        let begun = std::time::Instant::now();
        let mut connection = match Connection::open(&self.endpoint, TIMEOUTS) {
            Ok(connection) => connection,
            Err(error) => {
                checks.push(Check::failed("tcp", &error));
                return None;
            }
        };
        if let Err(error) = connection.connect("Connect").await {
            if matches!(error, TransportError::Tls { .. }) {
                checks.push(Check::good("tcp", "connected"));
                checks.push(Check::failed("tls", &error));
            } else {
                checks.push(Check::failed("tcp", &error));
            }
            return None;
        }
        let took = begun.elapsed().as_millis();
        checks.push(Check::good("tcp", format!("connected within {took} ms")));
        checks.push(match connection.tls() {
            Some(info) => certificate::check(info, self.warn_days, Timestamp::now()),
            None if matches!(self.endpoint.authentication, Authentication::Basic { .. }) => {
                Check::warning(
                    "tls",
                    "none: the password and everything else can be read on the way",
                    "give the endpoint a URL with https",
                )
            }
            None => Check::untried(
                "tls",
                "none: over plain HTTP the messages themselves are sealed",
            ),
        });
        match connection.greet("Greet").await {
            Ok(greeting) => Some(Some(greeting)),
            Err(error) => {
                // What a server tells strangers decides nothing.
                checks.push(Check::warning("offered", error.to_string(), error.advice()));
                Some(None)
            }
        }
    }

    /// Whether what was asked for is among what the server offers.
    fn offered(&self, greeting: &Greeting) -> Check {
        let list = if greeting.offered.is_empty() {
            format!("nothing (HTTP status {})", greeting.status)
        } else {
            greeting.offered.join(", ")
        };
        let wanted = match &self.endpoint.authentication {
            Authentication::Basic { .. } => "Basic",
            Authentication::Kerberos(_) => "Kerberos",
            Authentication::CredSsp(_) => "CredSSP",
            Authentication::Ntlm(_)
            | Authentication::Negotiate { .. }
            | Authentication::CurrentLogon { .. } => "Negotiate",
            // It is shown in the TLS handshake, which no header offers.
            Authentication::Certificate(_) => return Check::good("offered", list),
        };
        if greeting
            .offered
            .iter()
            .any(|offered| offered.eq_ignore_ascii_case(wanted))
        {
            return Check::good("offered", list);
        }
        Check::warning(
            "offered",
            format!("{list}; {wanted} is not among them"),
            "choose another auth for this endpoint in the site file, or switch it on at the server (winrm get winrm/config/service/auth, or the virtual directory in IIS)",
        )
    }
}
