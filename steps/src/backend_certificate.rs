//! `backend.certificate`: the server has a certificate that Lync will take.
//!
//! Found by its subject, or pinned by its thumbprint. Validity is judged by the server's clock,
//! names and thumbprint by the DER alone. Issuing certificates is not this program's work: where none
//! will do the step reports it, unless the site file has one to import ([`import`]) or wants
//! one requested ([`request`]).

mod import;
mod request;

use jiff::SignedDuration;
use owaim_inventory::HostName;
use owaim_proto::clixml::Value;
use owaim_proto::psrp::{Command, Pipeline, PipelineOutput};

use crate::x509::X509;
use crate::{
    Action, Assessment, Certificate, Context, Dependency, Fact, Observations, Place, Problem,
    Query, Saved, Step, StepId, Target, Verdict, read,
};

pub(crate) const ID: StepId = "backend.certificate";

/// Name of the query.
const STORE: &str = "store";
/// The store that OWA takes the certificate from.
const PATH: &str = r"Cert:\LocalMachine\My";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendCertificate {
    pub(crate) host: HostName,
}

/// A certificate of the store.
struct Candidate {
    x509: X509,
    defects: Vec<String>,
}

impl BackendCertificate {
    fn action(&self) -> String {
        format!(r"find the certificate of {} in LocalMachine\My", self.host)
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let rule = &cx.site.certificate;
        let action = self.action();
        let now = *cx
            .facts
            .server_time(&self.host)
            .ok_or_else(|| unknown_clock(&action))?;
        let mut warnings = Vec::new();
        let mut store = Vec::new();
        for object in read::clean(seen, STORE, &action)?.objects() {
            let Some(der) = object.get("RawData").and_then(Value::as_bytes) else {
                continue;
            };
            match X509::parse(&der) {
                Ok(x509) => {
                    let mut defects = x509.defects(&rule.subject, now);
                    if object.get("HasPrivateKey").and_then(read::flag) != Some(true) {
                        defects.push("it has no private key".into());
                    }
                    store.push(Candidate { x509, defects });
                }
                Err(error) => warnings.push(format!(
                    "a certificate on {} cannot be read: {error}",
                    self.host
                )),
            }
        }
        let asked = |candidate: &&Candidate| match &rule.thumbprint {
            Some(pinned) => candidate.x509.thumbprint == *pinned,
            None => candidate.x509.is_named(&rule.subject),
        };
        let sound = store
            .iter()
            .filter(asked)
            .filter(|candidate| candidate.defects.is_empty());
        let best = sound.max_by_key(|c| (c.x509.not_after, c.x509.thumbprint.as_str().to_owned()));
        let Some(best) = best.map(|candidate| &candidate.x509) else {
            let problem = missing(
                cx,
                action,
                &store.iter().filter(asked).collect::<Vec<_>>(),
                &store,
            );
            let there: Vec<_> = store.iter().map(|c| &c.x509.thumbprint).collect();
            let repaired = match cx.pfx {
                Some(pfx) => import::assess(cx, pfx, now, problem, &there)?,
                None if requests(cx) => request::assess(cx, &self.host, seen, problem)?,
                None => return Err(problem),
            };
            return Ok(repaired.with_warnings(warnings));
        };
        let days = SignedDuration::from_hours(24 * i64::from(rule.warn_days));
        if now.duration_until(best.not_after) <= days {
            warnings.push(format!(
                "the certificate {} of {} expires at {}: renew it and run again",
                best.thumbprint, self.host, best.not_after
            ));
        }
        Ok(Assessment::of(Verdict::InPlace)
            .with_fact(Fact::Certificate(Certificate {
                thumbprint: best.thumbprint.clone(),
                subject: rule.subject.to_string(),
                not_after: best.not_after,
            }))
            .with_warnings(warnings))
    }
}

/// Whether a certificate is requested where none will do.
fn requests(cx: Context<'_>) -> bool {
    let rule = &cx.site.certificate;
    rule.request && rule.import.is_none()
}

fn unknown_clock(action: &str) -> Problem {
    Problem::new(
        action,
        "the server's clock is not known",
        "run preflight.host with it",
    )
}

/// Nothing usable: says what was there, and what is wanted.
fn missing(cx: Context<'_>, action: String, asked: &[&Candidate], store: &[Candidate]) -> Problem {
    let rule = &cx.site.certificate;
    let wanted = match &rule.thumbprint {
        Some(thumbprint) => format!("the certificate {thumbprint}, for {}", rule.subject),
        None => format!(
            "a valid certificate with the common name {0} and {0} among its alternative names",
            rule.subject
        ),
    };
    let described = |c: &Candidate| {
        let judged = if c.defects.is_empty() {
            "good, but not the one that is asked for".into()
        } else {
            c.defects.join(", ")
        };
        format!("{} ({}): {judged}", c.x509.thumbprint, c.x509.subject)
    };
    let found = if !asked.is_empty() {
        asked
            .iter()
            .map(|c| described(c))
            .collect::<Vec<_>>()
            .join("; ")
    } else if store.is_empty() {
        "an empty store".into()
    } else {
        format!(
            "only others: {}",
            store.iter().map(described).collect::<Vec<_>>().join("; ")
        )
    };
    let advice = if rule.thumbprint.is_some() {
        "correct thumbprint of [certificate] in the site file, or leave it out: then the good certificate that \
         expires last is taken; or import the one it names, with its private key, into LocalMachine\\My"
    } else {
        "issue a certificate with that common name and alternative name, with its private key, into \
         LocalMachine\\My; or correct [certificate] in the site file"
    };
    Problem::new(action, found, advice).expecting(wanted)
}

impl Step for BackendCertificate {
    fn id(&self) -> StepId {
        ID
    }

    fn target(&self) -> Target {
        Target {
            host: self.host.clone(),
            object: None,
        }
    }

    fn title(&self) -> String {
        "there is a certificate that Lync will take".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![Dependency::requires(crate::preflight_host::ID)]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let pipeline = Pipeline::new(Command::new("Get-ChildItem").with("LiteralPath", PATH));
        let mut queries = vec![Query {
            name: STORE,
            place: Place::windows(&self.host),
            pipeline,
        }];
        if requests(cx) {
            queries.push(request::query(&self.host));
        }
        Ok(queries)
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }

    fn remedy(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Action>, Problem> {
        Ok(match cx.pfx {
            Some(pfx) => vec![import::action(cx, &self.host, pfx)],
            None if requests(cx) => vec![request::action(cx, &self.host)],
            None => Vec::new(),
        })
    }

    fn wants_pfx(&self) -> bool {
        true
    }

    fn repeatable(&self, action: &Action) -> bool {
        action.name != request::REQUEST
    }

    fn accept(
        &self,
        _cx: Context<'_>,
        action: &Action,
        output: &PipelineOutput,
    ) -> Result<(), Problem> {
        match output.errors().next() {
            Some(error) => Err(read::refused(&action.summary, error)),
            None if action.name == request::REQUEST => request::accept(&self.host, output),
            None => Ok(()),
        }
    }

    fn received(&self, action: &Action, output: &PipelineOutput) -> Option<Saved> {
        (action.name == request::REQUEST)
            .then(|| request::received(&self.host, output))
            .flatten()
    }
}
