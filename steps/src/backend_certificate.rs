//! `backend.certificate`: the server has a certificate that Lync will take, and both sides trust
//! each other's.
//!
//! Found by its subject, or pinned by its thumbprint. Validity is judged by the servers' clocks,
//! names, issuers and thumbprint by the DER alone. What the Front Ends show and trust was learnt by
//! `lync.certificate`. Issuing certificates is not this program's work: where none will do the step
//! reports it, unless the site file has one to import ([`import`]) or wants one requested
//! ([`request`]).

mod import;
mod request;

use jiff::Timestamp;
use owaim_inventory::{HostName, Role};
use owaim_proto::psrp::PipelineOutput;

use crate::authority::Authority;
use crate::candidates::{Candidate, Candidates};
use crate::certificate_stores::{self, Own, Stores};
use crate::chain::{Defect, Search};
use crate::facts::Discovery;
use crate::x509::X509;
use crate::{
    Action, Assessment, Certificate, Context, Dependency, Fact, LyncTrust, Observations, Problem,
    Query, Saved, Step, StepId, Target, Verdict, lync_certificate, read,
};

pub(crate) const ID: StepId = "backend.certificate";

/// The step, for one backend.
#[derive(Debug)]
pub(crate) struct BackendCertificate {
    pub(crate) host: HostName,
}

/// The names that the certificate must have.
struct Names {
    /// The common name: by which Lync knows the peer.
    subject: HostName,
    /// The alternative names.
    alternative: Vec<HostName>,
    warning: Option<String>,
}

/// A Front End, and what is known of it.
struct Peer<'a> {
    host: &'a HostName,
    trust: &'a LyncTrust,
    now: Timestamp,
}

impl BackendCertificate {
    fn action(&self) -> String {
        format!(r"find the certificate of {} in LocalMachine\My", self.host)
    }

    /// A server that Lync finds by itself is known to it by its own name, every other one by that
    /// of the trusted pool.
    fn names(&self, cx: Context<'_>) -> Names {
        let rule = &cx.site.certificate.subject;
        let own = &self.host;
        let discovery = cx.facts.discovery(own);
        let is_discovered = matches!(discovery, Some(Discovery::Yes | Discovery::Planned));
        let is_pinned = *rule != cx.site.lync.trusted_application.pool;
        let subject = if is_discovered && !is_pinned {
            own
        } else {
            rule
        };
        let warning = (is_discovered && subject != own).then(|| {
            format!(
                "Lync finds {own} by itself and knows it by that name; the site file asks for a certificate of {subject}: \
                 leave subject of [certificate] out"
            )
        });
        let mut alternative = vec![subject.clone()];
        // Who shares a pool shares its certificate, and is called by each of its names.
        if !is_discovered {
            alternative = cx.site.certificate_names();
        }
        Names {
            subject: subject.clone(),
            alternative,
            warning,
        }
    }

    /// The Front Ends that `lync.certificate` has been at.
    fn peers<'a>(cx: Context<'a>) -> Vec<Peer<'a>> {
        let front_ends = cx.site.hosts_with(Role::LyncFrontEnd);
        let peer = |host: &'a owaim_inventory::Host| {
            Some(Peer {
                host: &host.name,
                trust: cx.facts.lync_trust(&host.name)?,
                now: *cx.facts.server_time(&host.name)?,
            })
        };
        front_ends.filter_map(peer).collect()
    }

    /// What could not be looked at, for people.
    fn not_looked_at(&self, cx: Context<'_>, peers: &[Peer<'_>]) -> Vec<String> {
        let own = &self.host;
        let mut warnings: Vec<String> = cx
            .site
            .hosts_with(Role::LyncFrontEnd)
            .filter(|host| peers.iter().all(|peer| *peer.host != host.name))
            .map(|host| {
                format!(
                    "not looked at: whether {} trusts the certificate of {own}, nor the other way round: {} has learnt \
                     nothing of it in this run",
                    host.name,
                    lync_certificate::ID
                )
            })
            .collect();
        if cx.site.hosts_with(Role::LyncFrontEnd).next().is_none() {
            warnings.push(format!(
                "not looked at: whether Lync trusts the certificate of {own}, nor the other way round: the site file has \
                 no lync-front-end host; its issuers were followed to a root of {own} itself"
            ));
        }
        for peer in peers.iter().filter(|peer| peer.trust.shown.is_empty()) {
            warnings.push(format!(
                "not looked at: whether {own} trusts {}, which has no certificate of its pool's name",
                peer.host
            ));
        }
        warnings
    }

    /// What keeps the Front Ends from trusting `x509`; where none was looked at, the server
    /// itself.
    fn chain(
        &self,
        x509: &X509,
        stores: &Stores,
        peers: &[Peer<'_>],
        now: Timestamp,
    ) -> (Vec<Defect>, Vec<String>) {
        let own = Search {
            sender: &self.host,
            receiver: &self.host,
            sent: &stores.others,
            roots: &stores.roots,
            helpers: &[],
            now,
        };
        let mut searches: Vec<Search<'_>> = peers
            .iter()
            .map(|peer| Search {
                receiver: peer.host,
                roots: &peer.trust.roots,
                helpers: &peer.trust.intermediates,
                now: peer.now,
                ..own
            })
            .collect();
        if searches.is_empty() {
            searches.push(own);
        }
        let (mut defects, mut warnings) = (Vec::new(), Vec::new());
        for search in searches {
            let found = search.from(x509);
            defects.extend(found.defect);
            warnings.extend(found.warnings);
        }
        (defects, warnings)
    }

    fn candidates<'a>(
        &self,
        cx: Context<'_>,
        stores: &'a Stores,
        peers: &[Peer<'_>],
        now: Timestamp,
    ) -> Candidates<'a> {
        let names = self.names(cx);
        let candidate = |own: &'a Own| {
            let x509 = &own.x509;
            let is_asked_for = match &cx.site.certificate.thumbprint {
                Some(pinned) => x509.thumbprint == *pinned,
                None => x509.is_named(&names.subject),
            };
            let defects = x509.defects(&names.subject, &names.alternative, now);
            let mut defects: Vec<Defect> = defects.into_iter().map(Defect::from).collect();
            if !own.has_private_key {
                defects.push(Defect::from("it has no private key".to_owned()));
            }
            let mut warnings = Vec::new();
            if is_asked_for {
                let (broken, noticed) = self.chain(x509, stores, peers, now);
                defects.extend(broken);
                warnings = noticed;
            }
            Candidate {
                x509,
                is_asked_for,
                defects,
                warnings,
            }
        };
        Candidates(stores.own.iter().map(candidate).collect())
    }

    /// What keeps this server from trusting a Front End, and what is worth saying if nothing does.
    fn answer(
        &self,
        peer: &Peer<'_>,
        stores: &Stores,
        helpers: &[Authority],
        now: Timestamp,
    ) -> Result<Vec<String>, Problem> {
        let action = format!(
            "see whether {} trusts the Front End {}",
            self.host, peer.host
        );
        let shown = peer.trust.shown.iter().map(|shown| X509::parse(&shown.0));
        let shown: Vec<X509> = shown
            .collect::<Result<_, _>>()
            .map_err(|error| Problem::new(&action, error, read::REPORT))?;
        let Some((leaf, sent)) = shown.split_first() else {
            return Ok(Vec::new());
        };
        let search = Search {
            sender: peer.host,
            receiver: &self.host,
            sent,
            roots: &stores.roots,
            helpers,
            now,
        };
        let found = search.from(leaf);
        let Some(Defect { what, advice }) = found.defect else {
            return Ok(found.warnings);
        };
        let found = format!("the certificate {}: {what}", leaf.described());
        let expected = format!(
            "issuers up to a root in LocalMachine\\Root of {}",
            self.host
        );
        let advice = advice.unwrap_or_else(|| read::REPORT.into());
        Err(Problem::new(action, found, advice).expecting(expected))
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let action = self.action();
        let now = *cx
            .facts
            .server_time(&self.host)
            .ok_or_else(|| unknown_clock(&action))?;
        let stores = Stores::read(seen, &self.host, now, &action)?;
        let peers = Self::peers(cx);
        let names = self.names(cx);
        let mut warnings = stores.warnings.clone();
        warnings.extend(self.not_looked_at(cx, &peers));
        let candidates = self.candidates(cx, &stores, &peers, now);
        let chosen = candidates.best().map(|best| {
            let days = cx.site.certificate.warn_days;
            warnings.extend(names.warning.clone());
            warnings.extend(candidates.warnings(best, &self.host, now, days));
            Certificate {
                thumbprint: best.x509.thumbprint.clone(),
                subject: names.subject.to_string(),
                not_after: best.x509.not_after,
            }
        });
        let helpers = stores.trusted(now);
        let mut distrust = Vec::new();
        for peer in &peers {
            match self.answer(peer, &stores, &helpers, now) {
                Ok(noticed) => warnings.extend(noticed),
                Err(problem) => distrust.push(problem),
            }
        }
        let mut distrust = distrust.into_iter();
        let assessment = match chosen {
            None => {
                let problem = missing(cx, &names, action, &candidates);
                self.without(cx, seen, &names, now, problem, &candidates)
                    .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
            }
            Some(certificate) => match distrust.next() {
                None => Assessment::of(Verdict::InPlace).with_fact(Fact::Certificate(certificate)),
                Some(problem) => Assessment::of(Verdict::Broken(problem)),
            },
        };
        // Everything is said at once, so that it can be repaired at once.
        warnings.extend(distrust.map(|more| format!("{more}; {}", more.advice)));
        Ok(assessment.with_warnings(warnings))
    }
}

impl BackendCertificate {
    /// What becomes of a server without a usable certificate (`problem`).
    fn without(
        &self,
        cx: Context<'_>,
        seen: &Observations,
        names: &Names,
        now: Timestamp,
        problem: Problem,
        candidates: &Candidates<'_>,
    ) -> Result<Assessment, Problem> {
        // Where a store lacks something, another certificate would lack it too.
        if candidates.advice().is_some() {
            return Err(problem);
        }
        match cx.pfx {
            Some(pfx) => {
                let there: Vec<_> = candidates.0.iter().map(|c| &c.x509.thumbprint).collect();
                import::assess(cx, pfx, names, now, problem, &there)
            }
            None if requests(cx) => request::assess(cx, &self.host, names, seen, problem),
            None => Err(problem),
        }
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
fn missing(cx: Context<'_>, names: &Names, action: String, candidates: &Candidates<'_>) -> Problem {
    let alternative: Vec<&str> = names.alternative.iter().map(HostName::as_str).collect();
    let alternative = alternative.join(" and ");
    let wanted = match &cx.site.certificate.thumbprint {
        Some(thumbprint) => format!("the certificate {thumbprint}, for {}", names.subject),
        None => format!(
            "a valid certificate with the common name {} and {alternative} among its alternative names",
            names.subject
        ),
    };
    let advice = candidates.advice().unwrap_or_else(|| {
        let advice = if cx.site.certificate.thumbprint.is_some() {
            "correct thumbprint of [certificate] in the site file, or leave it out: then the good certificate that \
             expires last is taken; or import the one it names, with its private key, into LocalMachine\\My"
        } else {
            "issue a certificate with that common name and alternative name, for server authentication, with its \
             private key, into LocalMachine\\My; or correct [certificate] in the site file"
        };
        advice.into()
    });
    Problem::new(action, candidates.described(), advice).expecting(wanted)
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
        "there is a certificate that Lync will take, and each side trusts the other's".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        vec![
            Dependency::requires(crate::preflight_host::ID),
            // Whether Lync finds the server by itself decides by which name it knows it.
            Dependency::consults(crate::um_dial_plans::ID),
            // A Front End out of reach does not keep the rest from being looked at.
            Dependency::consults_all(lync_certificate::ID),
        ]
    }

    fn probe(&self, cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let mut queries = vec![certificate_stores::query(&self.host)];
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
            None if requests(cx) => vec![request::action(cx, &self.host, &self.names(cx))],
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
