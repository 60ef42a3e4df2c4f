//! [`Search`]: the way from a certificate to a root, as one machine would find it that another
//! one shows the certificate to.
//!
//! Nothing here is asked of a server, nor of the network: what counts is what the stores of both
//! machines hold. Whoever fills those may be hostile, so that the work is bounded: every
//! certificate is followed once, and signatures are verified a limited number of times.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use owaim_inventory::{HostName, Thumbprint};

use crate::authority::{Authority, MAX_CHECKS, MAX_DEPTH, too_long};
use crate::x509::{Signature, X509};

/// Something that keeps a certificate from being taken, and what to do about it where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Defect {
    pub(crate) what: String,
    pub(crate) advice: Option<String>,
}

impl From<String> for Defect {
    fn from(what: String) -> Self {
        Self { what, advice: None }
    }
}

/// One machine shows a certificate to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    /// Who shows it.
    pub(crate) sender: &'a HostName,
    /// Who has to trust it.
    pub(crate) receiver: &'a HostName,
    /// What the sender has besides: a server sends its authorities along.
    pub(crate) sent: &'a [X509],
    /// What is in `Root` of the receiver.
    pub(crate) roots: &'a [Authority],
    /// Other authorities that the receiver has and trusts.
    pub(crate) helpers: &'a [Authority],
    /// The receiver's clock.
    pub(crate) now: Timestamp,
}

/// What a search came to.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The certificate and the authorities above it, as far as they go.
    pub(crate) path: Vec<&'a X509>,
    /// What keeps the receiver from trusting it.
    pub(crate) defect: Option<Defect>,
    /// What is worth saying where nothing does.
    pub(crate) warnings: Vec<String>,
}

/// Where a way ends, how far up, and what stands there.
struct End {
    node: usize,
    /// What says most comes last.
    kind: Kind,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Nobody of the issuer's name.
    Missing,
    /// Somebody of that name who did not sign it.
    Stranger(String),
    /// A root that the receiver does not have.
    Untrusted,
    /// An issuer that may not issue, and why not.
    Flawed(String, String),
}

struct Node<'a> {
    x509: &'a X509,
    below: Option<usize>,
    depth: usize,
    /// Authorities up to here that count for the length of a path: not those that an authority
    /// issued to itself when it took a new key.
    authorities: usize,
}

impl<'a> Search<'a> {
    /// Looks for the way from `leaf` to a root. A signature that cannot be verified here is
    /// taken for good only where there is no other way.
    pub(crate) fn from(&self, leaf: &'a X509) -> Found<'a> {
        let strict = Walk::new(*self, leaf, false).run();
        if strict.defect.is_none() {
            return strict;
        }
        let lenient = Walk::new(*self, leaf, true).run();
        if lenient.defect.is_none() {
            lenient
        } else {
            strict
        }
    }
}

/// One walk, the nearest authorities first.
struct Walk<'a> {
    search: Search<'a>,
    lenient: bool,
    nodes: Vec<Node<'a>>,
    ends: Vec<End>,
    seen: BTreeSet<&'a Thumbprint>,
    checks: usize,
    unverified: Vec<String>,
    /// The first node whose issuer the receiver has to add itself.
    helped: Option<(usize, &'a Authority)>,
}

impl<'a> Walk<'a> {
    fn new(search: Search<'a>, leaf: &'a X509, lenient: bool) -> Self {
        let node = Node {
            x509: leaf,
            below: None,
            depth: 0,
            authorities: 0,
        };
        Self {
            search,
            lenient,
            nodes: vec![node],
            ends: Vec::new(),
            seen: BTreeSet::from([&leaf.thumbprint]),
            checks: 0,
            unverified: Vec::new(),
            helped: None,
        }
    }

    fn run(mut self) -> Found<'a> {
        let mut waiting = VecDeque::from([0]);
        while let Some(node) = waiting.pop_front() {
            if self.reaches_root(node) {
                let path = self.path(node);
                return Found {
                    path,
                    defect: None,
                    warnings: self.unverified,
                };
            }
            let before = self.nodes.len();
            self.climb(node);
            waiting.extend(before..self.nodes.len());
        }
        if let Some((node, helper)) = self.helped {
            let warning = self.gap(node, helper);
            return Found {
                path: self.path(node),
                defect: None,
                warnings: vec![warning],
            };
        }
        self.fail()
    }

    /// Whether `issuer`'s key signed the certificate, as far as this walk can tell.
    fn is_signed(&mut self, x509: &'a X509, issuer: &[u8], name: &str) -> bool {
        if self.checks == MAX_CHECKS {
            return false;
        }
        self.checks += 1;
        match x509.signature_under(issuer) {
            Signature::Good => true,
            Signature::Bad => false,
            Signature::Unknown(why) => {
                if self.lenient {
                    self.unverified.push(format!(
                        "the signature of {name} on {} cannot be verified by this program and is taken for good: {why}",
                        x509.described()
                    ));
                }
                self.lenient
            }
        }
    }

    /// Whether a root of the receiver is this very certificate or issued it.
    fn reaches_root(&mut self, node: usize) -> bool {
        let Node {
            x509,
            depth,
            authorities,
            ..
        } = self.nodes[node];
        let roots = self.search.roots;
        if depth == 0 && roots.iter().any(|root| root.thumbprint == x509.thumbprint) {
            return true;
        }
        for root in roots.iter().filter(|root| root.subject == x509.issuer) {
            if !self.is_signed(x509, &root.key, &root.subject) {
                let kind = Kind::Stranger(root.described());
                self.ends.push(End { node, kind });
                continue;
            }
            match root.refuses(authorities) {
                None => return true,
                Some(flaw) => {
                    let kind = Kind::Flawed(root.described(), flaw);
                    self.ends.push(End { node, kind });
                }
            }
        }
        false
    }

    /// Adds the authorities above a node.
    fn climb(&mut self, node: usize) {
        let Node {
            x509,
            depth,
            authorities,
            ..
        } = self.nodes[node];
        let before = (self.nodes.len(), self.ends.len());
        if self.helped.is_none() {
            let issued = |helper: &&Authority| helper.subject == x509.issuer;
            for helper in self.search.helpers.iter().filter(issued) {
                if helper.refuses(authorities).is_none()
                    && self.is_signed(x509, &helper.key, &helper.subject)
                {
                    self.helped = Some((node, helper));
                    break;
                }
            }
        }
        let above =
            |issuer: &&X509| issuer.subject == x509.issuer && issuer.thumbprint != x509.thumbprint;
        for issuer in self.search.sent.iter().filter(above) {
            if depth == MAX_DEPTH || self.seen.contains(&issuer.thumbprint) {
                continue;
            }
            if !self.is_signed(x509, &issuer.key, &issuer.subject) {
                let kind = Kind::Stranger(issuer.described());
                self.ends.push(End { node, kind });
                continue;
            }
            let flaw = issuer.issuing_flaw(self.search.now);
            if let Some(flaw) = flaw.or_else(|| too_long(issuer.path_length, authorities)) {
                let kind = Kind::Flawed(issuer.described(), flaw);
                self.ends.push(End { node, kind });
            } else {
                self.seen.insert(&issuer.thumbprint);
                self.nodes.push(Node {
                    x509: issuer,
                    below: Some(node),
                    depth: depth + 1,
                    authorities: authorities + usize::from(!issuer.is_self_issued()),
                });
            }
        }
        if x509.is_self_issued() {
            let kind = Kind::Untrusted;
            self.ends.push(End { node, kind });
        } else if before == (self.nodes.len(), self.ends.len()) {
            let kind = Kind::Missing;
            self.ends.push(End { node, kind });
        }
    }

    /// From the certificate up to `node`.
    fn path(&self, node: usize) -> Vec<&'a X509> {
        let steps = std::iter::successors(Some(node), |node| self.nodes[*node].below);
        let mut path: Vec<&'a X509> = steps.map(|node| self.nodes[node].x509).collect();
        path.reverse();
        path
    }

    /// What to say of an authority that only the receiver has.
    fn gap(&self, node: usize, helper: &Authority) -> String {
        let Search {
            sender, receiver, ..
        } = self.search;
        format!(
            "{sender} does not have {}, which issued {}, and cannot send it; {receiver} has it itself, others may not: \
             put it into LocalMachine\\CA of {sender}",
            helper.described(),
            self.nodes[node].x509.described()
        )
    }

    /// The end that says most about why no root is reached: the furthest up.
    fn fail(&self) -> Found<'a> {
        let end = self.ends.iter().max_by(|one, other| {
            let [one, other] = [one, other].map(|end| (self.nodes[end.node].depth, &end.kind));
            one.cmp(&other)
        });
        let node = end.map_or(0, |end| end.node);
        let defect = match end {
            _ if self.checks == MAX_CHECKS => self.unbounded(),
            Some(end) => self.told(end),
            None => self.unbounded(),
        };
        Found {
            path: self.path(node),
            defect: Some(defect),
            warnings: Vec::new(),
        }
    }

    fn unbounded(&self) -> Defect {
        Defect {
            what: format!(
                "the way to a root of {} was not found among {} certificates with {MAX_CHECKS} signatures verified, \
                 {MAX_DEPTH} authorities deep",
                self.search.receiver,
                self.search.sent.len()
            ),
            advice: Some(format!(
                "clear the stores CA and Root of {} and {} of what does not belong there",
                self.search.sender, self.search.receiver
            )),
        }
    }

    fn told(&self, end: &End) -> Defect {
        let Search {
            sender, receiver, ..
        } = self.search;
        let node = &self.nodes[end.node];
        let certificate = match node.depth {
            0 => "it".to_owned(),
            _ => node.x509.described(),
        };
        let issuer = &node.x509.issuer;
        let both = if sender == receiver {
            format!("in LocalMachine\\CA or Root of {sender}")
        } else {
            format!("in LocalMachine\\CA of {sender} or Root of {receiver}")
        };
        let place = format!(
            "import {issuer} into LocalMachine\\CA of {sender}; if it is a root, into LocalMachine\\Root of {receiver}"
        );
        let (what, advice) = match &end.kind {
            Kind::Missing => (
                format!("{certificate} was issued by {issuer}, which is not {both}"),
                place,
            ),
            Kind::Stranger(stranger) => (
                format!(
                    "{certificate} was issued by {issuer}, which is not {both}: {stranger} has the name, but another key"
                ),
                place,
            ),
            Kind::Untrusted if node.depth == 0 => (
                format!("it is its own issuer and not in LocalMachine\\Root of {receiver}"),
                format!(
                    "take a certificate of an authority that both sides trust, or import {} into LocalMachine\\Root \
                     of {receiver}",
                    node.x509.described()
                ),
            ),
            Kind::Untrusted => (
                format!("its root {certificate} is not in LocalMachine\\Root of {receiver}"),
                format!("import {certificate} into LocalMachine\\Root of {receiver}"),
            ),
            Kind::Flawed(issuer, flaw) => (
                format!("{certificate} was issued by {issuer}, which cannot vouch for it: {flaw}"),
                format!(
                    "put a good certificate of that authority into LocalMachine\\CA of {sender} (a root: into \
                     LocalMachine\\Root of {receiver}), or take one of another authority"
                ),
            ),
        };
        Defect {
            what,
            advice: Some(advice),
        }
    }
}
