//! [`Candidates`]: which of several certificates a machine should show, and what is wrong with
//! the others.

use jiff::{SignedDuration, Timestamp};
use owaim_inventory::HostName;

use crate::certificate_stores::listed;
use crate::chain::Defect;
use crate::x509::X509;

/// A certificate, and what keeps it from being taken.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) x509: &'a X509,
    /// Whether it is one of those that are looked for.
    pub(crate) is_asked_for: bool,
    pub(crate) defects: Vec<Defect>,
    /// What is worth saying if it is taken.
    pub(crate) warnings: Vec<String>,
}

/// The certificates of a machine.
#[derive(Debug)]
pub(crate) struct Candidates<'a>(pub(crate) Vec<Candidate<'a>>);

impl Candidate<'_> {
    fn is_sound(&self) -> bool {
        self.is_asked_for && self.defects.is_empty()
    }

    fn expiry(&self) -> (Timestamp, &str) {
        (self.x509.not_after, self.x509.thumbprint.as_str())
    }

    fn described(&self) -> String {
        let what: Vec<&str> = self.defects.iter().map(|d| d.what.as_str()).collect();
        let judged = if what.is_empty() {
            "good, but not the one that is asked for".into()
        } else {
            what.join(", ")
        };
        format!("{}: {judged}", self.x509.described())
    }
}

impl<'a> Candidates<'a> {
    /// The one to show: of the sound ones that are looked for, the one that expires last.
    pub(crate) fn best(&self) -> Option<&Candidate<'a>> {
        let sound = self.0.iter().filter(|candidate| candidate.is_sound());
        sound.max_by(|one, other| one.expiry().cmp(&other.expiry()))
    }

    /// The one that comes nearest: of those that are looked for, whatever is wrong with them, the
    /// one that expires last.
    pub(crate) fn nearest(&self) -> Option<&Candidate<'a>> {
        let asked = self.0.iter().filter(|candidate| candidate.is_asked_for);
        asked.max_by(|one, other| one.expiry().cmp(&other.expiry()))
    }

    /// Other sound ones than the best.
    pub(crate) fn also_sound(&self) -> usize {
        let sound = self.0.iter().filter(|candidate| candidate.is_sound());
        sound.count().saturating_sub(1)
    }

    /// Warnings about the best: what it brings along, and whether it ends within `days` of `now`;
    /// and about those that would have been taken in its place if they were sound.
    pub(crate) fn warnings(
        &self,
        best: &Candidate<'a>,
        host: &HostName,
        now: Timestamp,
        days: u32,
    ) -> Vec<String> {
        let mut warnings = best.warnings.clone();
        let soon = SignedDuration::from_hours(24 * i64::from(days));
        if now.duration_until(best.x509.not_after) <= soon {
            warnings.push(format!(
                "the certificate {} of {host} expires at {}: renew it and run again",
                best.x509.thumbprint, best.x509.not_after
            ));
        }
        let later = |candidate: &&Candidate<'_>| {
            candidate.is_asked_for && candidate.x509.not_after > best.x509.not_after
        };
        let later: Vec<String> = self
            .0
            .iter()
            .filter(later)
            .map(Candidate::described)
            .collect();
        if !later.is_empty() {
            warnings.push(format!(
                "{host} has newer certificates of that name, which were passed over for {}: {}",
                best.x509.thumbprint,
                listed(&later)
            ));
        }
        warnings
    }

    /// What there is in place of a sound one.
    pub(crate) fn described(&self) -> String {
        let asked = |wanted: bool| -> Vec<String> {
            let these = self.0.iter().filter(|c| c.is_asked_for == wanted);
            these.map(Candidate::described).collect()
        };
        match (asked(true), asked(false)) {
            (asked, _) if !asked.is_empty() => asked.join("; "),
            (_, others) if others.is_empty() => "an empty store".into(),
            (_, others) => format!("only others: {}", others.join("; ")),
        }
    }

    /// What to do about the nearest, if nothing but that keeps it from being sound.
    pub(crate) fn advice(&self) -> Option<String> {
        let defects = &self.nearest()?.defects;
        let advice: Vec<&str> = defects.iter().filter_map(|d| d.advice.as_deref()).collect();
        (!advice.is_empty() && advice.len() == defects.len()).then(|| advice.join("; "))
    }
}
