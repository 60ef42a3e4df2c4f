//! [`Names`]: what identifies a site, and what takes its place.
//!
//! Learnt from the site file and from everything that was said, before anything is replaced: a name that is first
//! met late is replaced everywhere. The same name always gets the same replacement, and one of its own kind, so that
//! what belonged together still does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use owaim_inventory::{Credential, PolicyScope, Site};
use sha2::{Digest as _, Sha256};

use super::words::{self, Word};

/// Where a replacement may begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    /// Anywhere: nothing else looks like it.
    Free,
    /// Not within a word.
    Word,
    /// Not within a word or a longer dotted number.
    Number,
}

/// What takes the place of a name.
#[derive(Debug, Clone)]
pub(super) struct Replacement {
    pub(super) text: String,
    pub(super) boundary: Boundary,
}

/// A kind of name, and how its replacements begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Domain,
    Host,
    User,
    Name,
    Site,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Domain => "example",
            Self::Host => "host",
            Self::User => "user",
            Self::Name => "name",
            Self::Site => "site",
        }
    }
}

/// Shortest name that is replaced by itself; a shorter one only within a longer name.
const SHORTEST: usize = 3;
/// From this length on a name is replaced within words too.
const DISTINCT: usize = 6;

/// The names of a site. Holds what must not be shown, so it has no `Debug`.
pub(super) struct Names {
    /// Makes hashes that nobody can look up.
    salt: [u8; 16],
    /// DNS domains of the site, in lower case.
    domains: BTreeSet<String>,
    /// Names of domains before a backslash, in lower case.
    netbios: BTreeSet<String>,
    /// Every label that has a replacement, whether it is replaced by itself or not.
    labels: BTreeMap<String, String>,
    replacements: BTreeMap<String, Replacement>,
    counts: BTreeMap<Kind, usize>,
    addresses: (u32, u32),
    machines: u32,
    phones: u32,
    /// Names of types, properties, commands and parameters, in lower case.
    vocabulary: BTreeSet<String>,
    /// The words in those, as far as they have boundaries: `generic` in `system.collections.generic.list`.
    words: BTreeSet<String>,
}

impl Names {
    /// The names in the site file, beside what `vocabulary` uses as ordinary words.
    pub(super) fn of(site: &Site, vocabulary: BTreeSet<String>) -> Self {
        let words = vocabulary
            .iter()
            .flat_map(|name| name.split(|c: char| !c.is_alphanumeric()))
            .map(str::to_owned)
            .collect();
        let mut names = Self {
            salt: *uuid::Uuid::new_v4().as_bytes(),
            domains: BTreeSet::new(),
            netbios: BTreeSet::new(),
            labels: BTreeMap::new(),
            replacements: BTreeMap::new(),
            counts: BTreeMap::new(),
            addresses: (0, 0),
            machines: 0,
            phones: 0,
            vocabulary,
            words,
        };
        let hosts: Vec<&str> = site_hosts(site);
        for host in &hosts {
            if let Some((_, domain)) = host.split_once('.') {
                names.learn_domain(domain);
            }
        }
        for host in hosts {
            names.learn_host(host);
        }
        names.learn(&site.name, Kind::Site);
        names.learn(&site.lync.site_id, Kind::Site);
        for host in &site.hosts {
            names.learn(&host.group, Kind::Site);
        }
        if let PolicyScope::Named(policies) = &site.policies {
            for policy in policies {
                names.learn(policy, Kind::Name);
            }
        }
        for user in &site.sample_users {
            names.learn_addresses(user);
        }
        let credentials = &site.credentials;
        let all = credentials
            .by_kind
            .values()
            .chain(credentials.by_host.values())
            .chain([&credentials.default]);
        for credential in all {
            if let Credential::Account { username, .. } | Credential::Keytab { username, .. } =
                credential
            {
                names.learn_account(username);
            }
        }
        names
    }

    /// Every replacement, by what it takes the place of, in lower case.
    pub(super) fn replacements(&self) -> &BTreeMap<String, Replacement> {
        &self.replacements
    }

    /// The DNS domains and accounts in `text`: what decides how other names are read.
    pub(super) fn learn_addresses(&mut self, text: &str) {
        for (user, domain) in words::mail_addresses(text) {
            if words::is_public_domain(domain) {
                continue;
            }
            self.learn_domain(domain);
            self.learn(user, Kind::User);
            let replaced = format!("{}@{}", self.label(user, Kind::User), self.host(domain));
            let whole = [user, "@", domain].concat().to_lowercase();
            self.put(whole, replaced, Boundary::Word);
        }
        let domain = words::domain_of_dn(text);
        if domain.contains('.') {
            self.learn_domain(&domain);
        }
    }

    /// An account as the wire or the site file has it.
    pub(super) fn learn_account(&mut self, account: &str) {
        if let Some((domain, user)) = account.split_once('\\') {
            if !words::is_builtin(domain) {
                self.learn(domain, Kind::Domain);
                self.netbios.insert(domain.to_lowercase());
            }
            self.learn_user(user);
        } else if account.contains('@') {
            self.learn_addresses(account);
        } else {
            self.learn_user(account);
        }
    }

    /// Everything else in `text`.
    pub(super) fn learn_text(&mut self, text: &str) {
        for word in words::all(text) {
            match word {
                Word::Dotted(name) => {
                    let lower = name.to_lowercase();
                    let own = |domain: &String| {
                        lower
                            .strip_suffix(domain.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    };
                    if self.domains.iter().any(own) {
                        self.learn_host(&lower);
                    }
                }
                Word::Address(address) => self.learn_ip(address),
                Word::Sid(machine) => self.learn_sid(machine),
                Word::Digest(digest) => {
                    let replaced = self.digest(digest);
                    self.put(digest.to_lowercase(), replaced, Boundary::Free);
                }
                Word::Phone(number) => {
                    self.phones += 1;
                    let replaced = format!("+1555{:07}", self.phones);
                    self.put(number.to_lowercase(), replaced, Boundary::Number);
                }
                Word::Account { domain, user } => {
                    if self.netbios.contains(&domain.to_lowercase()) {
                        self.learn_user(user);
                    }
                }
            }
        }
        for value in words::names_of_dn(text) {
            self.learn_name(value);
        }
    }

    /// A name of a person or thing.
    pub(super) fn learn_name(&mut self, name: &str) {
        let is_host = name.contains('.') || self.labels.contains_key(&name.to_lowercase());
        if !is_host && !words::is_container(name) && !words::is_id(name) {
            self.learn(name, Kind::Name);
        }
    }

    /// A name of a user.
    pub(super) fn learn_user(&mut self, user: &str) {
        let user = user.trim_end_matches('$');
        if !words::is_builtin(user) && !self.labels.contains_key(&user.to_lowercase()) {
            self.learn(user, Kind::User);
        }
    }

    /// `found` always becomes `replaced`: what was computed of something that is replaced.
    pub(super) fn learn_computed(&mut self, found: &str, replaced: String) {
        let replacement = Replacement {
            text: replaced,
            boundary: Boundary::Word,
        };
        self.replacements.insert(found.to_lowercase(), replacement);
    }

    /// As many bytes as asked for, at most 32, that always are the same for `bytes` within this recording.
    pub(super) fn hash(&self, bytes: &[u8], length: usize) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(bytes);
        let hash = hash.finalize();
        hash.iter().copied().take(length).collect()
    }

    /// The replacement of a host or domain.
    pub(super) fn host(&self, name: &str) -> String {
        let labels = name.split('.').map(|label| {
            let replaced = self.labels.get(&label.to_lowercase());
            replaced.cloned().unwrap_or_else(|| label.to_owned())
        });
        labels.collect::<Vec<_>>().join(".")
    }

    fn digest(&self, digest: &str) -> String {
        let bytes = self.hash(digest.to_lowercase().as_bytes(), 32);
        hex::encode(bytes)
            .chars()
            .cycle()
            .take(digest.len())
            .collect()
    }

    /// A DNS domain, and those above it: somebody's mail address may end in one.
    fn learn_domain(&mut self, domain: &str) {
        let domain = domain.trim_matches('.').to_lowercase();
        let mut rest = domain.as_str();
        while rest.contains('.') && !words::is_public_domain(rest) {
            if self.domains.insert(rest.to_owned()) {
                let label = rest.split('.').next().unwrap_or_default();
                self.learn(label, Kind::Domain);
                self.netbios.insert(label.to_owned());
            }
            rest = rest.split_once('.').map_or("", |(_, rest)| rest);
        }
        let own = self
            .domains
            .iter()
            .filter(|own| domain.ends_with(own.as_str()));
        for own in own.cloned().collect::<Vec<_>>() {
            let replaced = self.host(&own);
            self.put(own, replaced, Boundary::Word);
        }
    }

    /// A host below one of the domains.
    fn learn_host(&mut self, name: &str) {
        let name = name.trim_matches('.').to_lowercase();
        let longest = self
            .domains
            .iter()
            .filter(|domain| name.ends_with(domain.as_str()))
            .max_by_key(|domain| domain.len());
        let prefix = longest.and_then(|domain| name.strip_suffix(domain.as_str()));
        let Some(prefix) = prefix else {
            return;
        };
        for label in prefix.split('.').filter(|label| !label.is_empty()) {
            if words::is_service(label) {
                continue;
            }
            self.learn(label, Kind::Host);
            // What is left of a long name in NetBIOS.
            if let Some(short) = label.get(..15).filter(|short| short.len() < label.len()) {
                let replaced = self.label(label, Kind::Host);
                self.put(short.to_owned(), replaced, Boundary::Free);
            }
        }
        let replaced = self.host(&name);
        self.put(name, replaced, Boundary::Word);
    }

    /// A name that is replaced wherever it stands, unless it is an ordinary word.
    fn learn(&mut self, name: &str, kind: Kind) {
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        let replaced = self.label(name, kind);
        let lower = name.to_lowercase();
        if lower.len() < SHORTEST || self.is_ordinary(&lower) || lower == replaced {
            return;
        }
        let boundary = if lower.len() < DISTINCT {
            Boundary::Word
        } else {
            Boundary::Free
        };
        self.put(lower, replaced, boundary);
    }

    /// Names that are replaced within words too must not be part of any: `server` of `ServerName`. A short one that
    /// only is in the middle of a word, as `tom` in `automation`, does that no harm.
    fn is_ordinary(&self, lower: &str) -> bool {
        let within = || self.vocabulary.iter().any(|word| word.contains(lower));
        words::is_container(lower)
            || words::is_builtin(lower)
            || words::is_service(lower)
            || self.words.contains(lower)
            || lower.len() >= DISTINCT && within()
    }

    fn label(&mut self, name: &str, kind: Kind) -> String {
        let lower = name.to_lowercase();
        if let Some(known) = self.labels.get(&lower) {
            return known.clone();
        }
        let kept = words::is_builtin(&lower)
            || words::is_service(&lower)
            || kind == Kind::Name && words::is_container(&lower);
        let replaced = if kept {
            lower.clone()
        } else {
            let count = self.counts.entry(kind).or_default();
            *count += 1;
            // The first domain is the one that documents are written with.
            match (kind, *count) {
                (Kind::Domain, 1) => kind.prefix().to_owned(),
                (_, count) => format!("{}{count}", kind.prefix()),
            }
        };
        self.labels.insert(lower, replaced.clone());
        replaced
    }

    /// Loopback and the like say nothing of a site.
    fn learn_ip(&mut self, address: IpAddr) {
        let found = address.to_string();
        if self.replacements.contains_key(&found) {
            return;
        }
        let replaced = match address {
            IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() || v4.is_broadcast() => {
                return;
            }
            IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() => return,
            IpAddr::V4(_) => {
                let count = self.addresses.0;
                self.addresses.0 += 1;
                // Networks for documents (RFC 5737), then those for benchmarks (RFC 2544).
                match count {
                    0..254 => format!("192.0.2.{}", count + 1),
                    254..508 => format!("198.51.100.{}", count - 253),
                    508..762 => format!("203.0.113.{}", count - 507),
                    more => format!("198.18.{}.{}", more / 254 % 256, more % 254 + 1),
                }
            }
            IpAddr::V6(_) => {
                self.addresses.1 += 1;
                format!("2001:db8::{:x}", self.addresses.1)
            }
        };
        self.put(found, replaced, Boundary::Number);
    }

    fn learn_sid(&mut self, machine: &str) {
        let lower = machine.to_lowercase();
        if self.replacements.contains_key(&lower) {
            return;
        }
        self.machines += 1;
        let replaced = format!(
            "S-1-5-21-1000000000-2000000000-{}",
            3_000_000_000 + self.machines
        );
        self.put(lower, replaced, Boundary::Word);
    }

    /// What was learnt first stays.
    fn put(&mut self, found: String, text: String, boundary: Boundary) {
        if found != text {
            self.replacements
                .entry(found)
                .or_insert(Replacement { text, boundary });
        }
    }
}

/// Every host that the site file names.
fn site_hosts(site: &Site) -> Vec<&str> {
    let lync = &site.lync;
    let mut hosts: Vec<&str> = site.hosts.iter().map(|host| host.name.as_str()).collect();
    hosts.extend([
        lync.pool.as_str(),
        lync.trusted_application.pool.as_str(),
        site.exchange.admin_host.as_str(),
        site.certificate.subject.as_str(),
    ]);
    let more = lync.trusted_application.computers.iter();
    hosts.extend(
        more.chain(&site.exchange.domain_controller)
            .map(owaim_inventory::HostName::as_str),
    );
    hosts
}
