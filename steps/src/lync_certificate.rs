//! `lync.certificate`: a Front End shows a certificate of its pool's name, and may be trusted.
//!
//! Looks and changes nothing. Which certificate Lync has been given cannot be read from an
//! ordinary session; the sound one that expires last is taken for it. What the Front End trusts,
//! and what it shows, is left for `backend.certificate`: trust is needed in both directions.

use jiff::Timestamp;
use owaim_inventory::HostName;
use owaim_proto::psrp::Command;

use crate::candidates::{Candidate, Candidates};
use crate::certificate_stores::{self, Stores};
use crate::chain::{Defect, Search};
use crate::front_end::query;
use crate::{
    Assessment, Context, Dependency, Fact, LyncTrust, Observations, Place, Problem, Query, Shown,
    Step, StepId, Target, Verdict, read,
};

pub(crate) const ID: StepId = "lync.certificate";

/// Name of the query.
const CLOCK: &str = "clock";

/// The step, for one Front End.
#[derive(Debug)]
pub(crate) struct LyncCertificate {
    pub(crate) host: HostName,
}

impl LyncCertificate {
    fn clock(&self, seen: &Observations) -> Result<Timestamp, Problem> {
        let action = format!("read the clock of {}", self.host);
        let clock = read::single(seen, CLOCK, &action)?;
        read::time(clock).ok_or_else(|| {
            Problem::new(action, format!("{:?}", clock.text()), read::REPORT).expecting("a time")
        })
    }

    /// The names that the certificate must have besides its subject: the pool's and its own.
    fn names(&self, cx: Context<'_>) -> Vec<HostName> {
        let mut names = vec![cx.site.lync.pool.clone(), self.host.clone()];
        names.dedup();
        names
    }

    fn candidates<'a>(
        &self,
        cx: Context<'_>,
        stores: &'a Stores,
        now: Timestamp,
    ) -> Candidates<'a> {
        let pool = &cx.site.lync.pool;
        let search = Search {
            sender: &self.host,
            receiver: &self.host,
            sent: &stores.others,
            roots: &stores.roots,
            helpers: &[],
            now,
        };
        let names = self.names(cx);
        let candidate = |own: &'a certificate_stores::Own| {
            let x509 = &own.x509;
            let is_asked_for = x509.is_named(pool);
            let mut defects: Vec<Defect> = x509
                .defects(pool, &names, now)
                .into_iter()
                .map(Defect::from)
                .collect();
            if !own.has_private_key {
                defects.push(Defect::from("it has no private key".to_owned()));
            }
            let mut warnings = Vec::new();
            if is_asked_for {
                let found = search.from(x509);
                defects.extend(found.defect);
                warnings = found.warnings;
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

    /// What the Front End shows with that certificate: the certificate and what is above it.
    fn shown(&self, stores: &Stores, best: &Candidate<'_>, now: Timestamp) -> Vec<Shown> {
        let search = Search {
            sender: &self.host,
            receiver: &self.host,
            sent: &stores.others,
            // Followed to its end, so that the other side can say which root it lacks.
            roots: &[],
            helpers: &[],
            now,
        };
        let path = search.from(best.x509).path;
        path.into_iter()
            .map(|x509| Shown(x509.der.clone()))
            .collect()
    }

    fn verdict(&self, cx: Context<'_>, seen: &Observations) -> Result<Assessment, Problem> {
        let now = self.clock(seen)?;
        let action = format!(
            "find the certificate of the pool {} in LocalMachine\\My of {}",
            cx.site.lync.pool, self.host
        );
        let stores = Stores::read(seen, &self.host, now, &action)?;
        let candidates = self.candidates(cx, &stores, now);
        let taken = candidates.best().or_else(|| candidates.nearest());
        let trust = LyncTrust {
            shown: taken.map_or_else(Vec::new, |taken| self.shown(&stores, taken, now)),
            intermediates: stores.trusted(now),
            roots: stores.roots.clone(),
        };
        let mut warnings = stores.warnings.clone();
        let verdict = match candidates.best() {
            Some(best) => {
                let days = cx.site.certificate.warn_days;
                warnings.extend(candidates.warnings(best, &self.host, now, days));
                if candidates.also_sound() > 0 {
                    warnings.push(format!(
                        "{} has {} more good certificates of the name {}: which one Lync uses cannot be read, {} is \
                         taken for it",
                        self.host,
                        candidates.also_sound(),
                        cx.site.lync.pool,
                        best.x509.thumbprint
                    ));
                }
                Verdict::InPlace
            }
            None => Verdict::Broken(self.missing(cx, action, &candidates)),
        };
        Ok(Assessment::of(verdict)
            .with_fact(Fact::ServerTime(now))
            .with_fact(Fact::LyncTrust(trust))
            .with_warnings(warnings))
    }

    /// Nothing usable: says what was there, and what is wanted.
    fn missing(&self, cx: Context<'_>, action: String, candidates: &Candidates<'_>) -> Problem {
        let names: Vec<String> = self.names(cx).iter().map(ToString::to_string).collect();
        let advice = candidates.advice().unwrap_or_else(|| {
            "request a certificate for this Front End with Lync's deployment wizard, which assigns it too; or correct \
             pool of [lync] in the site file"
                .into()
        });
        Problem::new(action, candidates.described(), advice).expecting(format!(
            "a valid certificate for server authentication, with the common name {}, the alternative names {}, its \
             private key, and issuers up to a root that {} trusts",
            cx.site.lync.pool,
            names.join(" and "),
            self.host
        ))
    }
}

impl Step for LyncCertificate {
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
        "the Front End has a certificate of its pool's name".into()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    fn probe(&self, _cx: Context<'_>, _seen: &Observations) -> Result<Vec<Query>, Problem> {
        let clock = query(CLOCK, Place::windows(&self.host), Command::new("Get-Date"));
        Ok(vec![clock, certificate_stores::query(&self.host)])
    }

    fn assess(&self, cx: Context<'_>, seen: &Observations) -> Assessment {
        self.verdict(cx, seen)
            .unwrap_or_else(|problem| Assessment::of(Verdict::Broken(problem)))
    }
}
