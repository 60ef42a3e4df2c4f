//! [`Authority`]: a certificate that others may be issued by, and those that lead to a root.

use std::collections::BTreeSet;

use jiff::Timestamp;
use owaim_inventory::Thumbprint;
use serde::{Deserialize, Serialize};

use crate::x509::{Signature, X509};

/// Authorities that may stand between a certificate and its root.
pub(crate) const MAX_DEPTH: usize = 8;
/// Signatures that are verified for one search: some milliseconds' work.
pub(crate) const MAX_CHECKS: usize = 256;

/// A certificate that others may be issued by: no more than it takes to tell whether they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// SHA-1 of the DER.
    pub thumbprint: Thumbprint,
    /// The whole subject.
    pub subject: String,
    /// SubjectPublicKeyInfo, DER.
    #[serde(with = "crate::base64_bytes")]
    pub key: Vec<u8>,
    /// How many authorities may stand between it and the certificate at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u32>,
    /// What keeps it from being trusted, by the clock of the server that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

impl Authority {
    /// As `x509` is one at `now`.
    pub(crate) fn of(x509: &X509, now: Timestamp) -> Self {
        Self {
            thumbprint: x509.thumbprint.clone(),
            subject: x509.subject.clone(),
            key: x509.key.clone(),
            path_length: x509.path_length,
            flaw: x509.issuing_flaw(now),
        }
    }

    /// Those of `intermediates` that lead to one of `roots` at `now`.
    pub(crate) fn led_to(intermediates: &[X509], roots: &[Self], now: Timestamp) -> Vec<Self> {
        let mut checks = 0;
        let mut trusted: Vec<Self> = Vec::new();
        let mut known: BTreeSet<&Thumbprint> = BTreeSet::new();
        let mut latest: Vec<Self> = roots.to_vec();
        for _ in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for issuer in latest.iter().filter(|issuer| issuer.flaw.is_none()) {
                let issued = |x509: &&X509| x509.issuer == issuer.subject && !x509.is_self_issued();
                for x509 in intermediates.iter().filter(issued) {
                    let mut authority = Self::of(x509, now);
                    let fits = authority.flaw.is_none() && issuer.path_length != Some(0);
                    if !fits || known.contains(&x509.thumbprint) || checks == MAX_CHECKS {
                        continue;
                    }
                    checks += 1;
                    if x509.signature_under(&issuer.key) == Signature::Good {
                        let left = issuer.path_length.map(|length| length - 1);
                        authority.path_length = match (authority.path_length, left) {
                            (Some(own), Some(left)) => Some(own.min(left)),
                            (own, left) => own.or(left),
                        };
                        known.insert(&x509.thumbprint);
                        next.push(authority);
                    }
                }
            }
            trusted.extend(next.iter().cloned());
            latest = next;
        }
        trusted
    }

    pub(crate) fn described(&self) -> String {
        format!("{} ({})", self.thumbprint, self.subject)
    }

    /// What keeps it from standing above a certificate with `below` authorities under it.
    pub(crate) fn refuses(&self, below: usize) -> Option<String> {
        self.flaw
            .clone()
            .or_else(|| too_long(self.path_length, below))
    }
}

/// Says that there are too many authorities `below` one that allows `path_length` of them.
pub(crate) fn too_long(path_length: Option<u32>, below: usize) -> Option<String> {
    let limit = usize::try_from(path_length?).ok()?;
    (below > limit).then(|| format!("it allows {limit} authorities below it, not {below}"))
}
