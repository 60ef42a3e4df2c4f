//! [`PoolDecision`]: which backends need the trusted application pool, and which must not be in
//! the topology at all.
//!
//! Decided for each backend, from what the steps before learnt of its Unified Messaging. A server
//! with both services in a SIP URI dial plan is found by Lync itself: a second entry for it breaks
//! messaging. Every other one needs the pool. A backend that could not be looked at is left open
//! rather than guessed.

use std::fmt::Write as _;

use owaim_inventory::{ExchangeVersion, HostName, Role};
use serde::{Deserialize, Serialize};

use crate::facts::Discovery;
use crate::known_servers::KnownServers;
use crate::{Context, Problem, um_dial_plans};

/// Names that are shown before the rest is counted.
const SHOWN: usize = 4;

/// What a backend needs of the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolNeed {
    /// The trusted application pool.
    Required,
    /// No entry: Lync finds the server by itself.
    MustNotExist,
    /// Its Unified Messaging could not be looked at.
    NotKnown,
}

impl PoolNeed {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::MustNotExist => "must not exist",
            Self::NotKnown => "not known",
        }
    }
}

/// The decision about one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendDecision {
    /// The backend.
    pub backend: HostName,
    /// What it needs.
    pub need: PoolNeed,
    /// Why, for people.
    pub why: String,
}

/// Whether the trusted application pool of the site file has to exist, backend by backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolDecision {
    /// In the order of the site file.
    pub backends: Vec<BackendDecision>,
}

impl PoolDecision {
    /// Decides for every backend of the site. `events` are those of the Front End `front_end`. An
    /// error is a conflict that people have to solve.
    pub(crate) fn new(
        cx: Context<'_>,
        events: &KnownServers,
        front_end: &HostName,
    ) -> Result<Self, Problem> {
        let decide = |name: &HostName| {
            let (need, why) = of_backend(cx, events, front_end, name)?;
            Ok(BackendDecision {
                backend: name.clone(),
                need,
                why,
            })
        };
        let backends = cx.site.hosts_with(Role::Backend);
        Ok(Self {
            backends: backends
                .map(|host| decide(&host.name))
                .collect::<Result<_, Problem>>()?,
        })
    }

    /// The backends of that need.
    pub fn with(&self, need: PoolNeed) -> impl Iterator<Item = &HostName> {
        self.backends
            .iter()
            .filter(move |row| row.need == need)
            .map(|row| &row.backend)
    }

    /// Whether the pool has to exist.
    pub fn is_required(&self) -> bool {
        self.with(PoolNeed::Required).next().is_some()
    }

    /// Whether it cannot be told if the pool has to exist: nobody needs it for certain, and somebody
    /// may.
    pub fn is_open(&self) -> bool {
        !self.is_required() && self.with(PoolNeed::NotKnown).next().is_some()
    }

    /// Whether the backend called `name` is found by Lync itself.
    pub(crate) fn is_discovered(&self, name: &str) -> bool {
        self.with(PoolNeed::MustNotExist)
            .any(|host| host.as_str().eq_ignore_ascii_case(name))
    }

    /// Why the pool cannot be decided about, if it cannot.
    pub(crate) fn why_open(&self) -> Option<String> {
        self.is_open().then(|| {
            format!(
                "whether the trusted application pool has to exist is not known: {}",
                self.reasons(PoolNeed::NotKnown)
            )
        })
    }

    /// Backends of one need and reason together, in the order of the site file.
    pub fn groups(&self) -> Vec<(PoolNeed, &str, Vec<&HostName>)> {
        let mut groups: Vec<(PoolNeed, &str, Vec<&HostName>)> = Vec::new();
        for row in &self.backends {
            let same = |(need, why, _): &&mut (PoolNeed, &str, Vec<&HostName>)| {
                *need == row.need && *why == row.why
            };
            match groups.iter_mut().find(same) {
                Some((.., hosts)) => hosts.push(&row.backend),
                None => groups.push((row.need, &row.why, vec![&row.backend])),
            }
        }
        groups
    }

    /// The reasons for `need`, with some of the backends that each is about.
    pub(crate) fn reasons(&self, need: PoolNeed) -> String {
        let groups = self.groups();
        let of_need = groups.iter().filter(|(kind, ..)| *kind == need);
        let described: Vec<String> = of_need
            .map(|(_, why, hosts)| format!("{}: {why}", listed(hosts.iter().copied())))
            .collect();
        described.join("; ")
    }
}

/// The first few of `names`, and how many more there are.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a HostName>) -> String {
    let names: Vec<&str> = names.map(HostName::as_str).collect();
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, " and {} more", names.len() - SHOWN);
    }
    text
}

fn of_backend(
    cx: Context<'_>,
    events: &KnownServers,
    front_end: &HostName,
    name: &HostName,
) -> Result<(PoolNeed, String), Problem> {
    let version = cx.exchange_version(name);
    let required = |why: &str| Ok((PoolNeed::Required, why.to_owned()));
    if version > ExchangeVersion::E2016 {
        return required(&format!("{version} has no Unified Messaging"));
    }
    if !um_dial_plans::concerns(version) {
        return required(&format!(
            "{version}: the rule of later versions is followed"
        ));
    }
    let id = um_dial_plans::ID;
    let (Some(state), Some(discovery)) =
        (cx.facts.unified_messaging(name), cx.facts.discovery(name))
    else {
        let why = format!("its Unified Messaging was not looked at, see {id}");
        return Ok((PoolNeed::NotKnown, why));
    };
    match discovery {
        Discovery::Yes => {
            let why = "both services of Unified Messaging are on it, in a SIP URI dial plan: Lync finds it by itself, \
                       under its own name";
            Ok((PoolNeed::MustNotExist, why.into()))
        }
        Discovery::Planned => {
            let why = format!(
                "both services of Unified Messaging are on it, and {id} is to put them into a SIP URI dial plan: from \
                 then on Lync finds it by itself"
            );
            Ok((PoolNeed::MustNotExist, why))
        }
        Discovery::Open => {
            let why = format!(
                "both services of Unified Messaging are on it and were to join a SIP URI dial plan, which nothing shows \
                 to have happened, see {id}"
            );
            Ok((PoolNeed::NotKnown, why))
        }
        Discovery::No => match (state.service, state.call_router) {
            (true, true) => required(
                "both services of Unified Messaging are on it, but in no SIP URI dial plan",
            ),
            _ if events.is_discovered(name) == Some(true) => Err(conflict(front_end, name)),
            (false, false) => required("it has no Unified Messaging"),
            _ => required("the services of Unified Messaging are not both on it"),
        },
    }
}

fn conflict(front_end: &HostName, backend: &HostName) -> Problem {
    Problem::new(
        format!("decide whether {backend} needs the trusted application pool"),
        format!(
            "a conflict: it does not have both services of Unified Messaging, and still {front_end} found it by itself \
             when its service started (event 44024)"
        ),
        format!(
            "if Unified Messaging was changed since, restart RTCSRV on {front_end}, which reads everything anew; if \
             not, find out why Lync finds the server: a second entry for it would break messaging"
        ),
    )
    .expecting("a server that Lync does not find by itself")
}
