//! [`Run`]: everything that the nodes of one run share.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use owaim_inventory::{HostName, Site};
use owaim_steps::{Exclusive, Fact, Facts, Pfx};
use tokio::sync::Semaphore;

use crate::bus::Bus;
use crate::event::Mode;
use crate::gate::Gate;
use crate::graph::Plan;
use crate::sessions::Sessions;
use crate::stop::Stop;

/// Keeps what was there before a change, and what nobody can ask for again.
pub trait Keeper: Send + Sync {
    /// Writes `content` below the folder of `host`, durably, never over another file; gives the
    /// file's path within the run directory.
    fn save(&self, host: &HostName, name: &str, content: &[u8]) -> io::Result<String>;

    /// The same for what a change on `host` gave.
    fn keep(&self, host: &HostName, name: &str, content: &[u8]) -> io::Result<String>;
}

/// Everything a run needs.
pub struct Run {
    /// The site.
    pub site: Site,
    /// What may happen.
    pub plan: Plan,
    /// What the run may do.
    pub mode: Mode,
    /// The way to the servers.
    pub sessions: Sessions,
    /// Where events go.
    pub bus: Bus,
    /// Where files go before they are changed.
    pub keeper: Box<dyn Keeper>,
    /// The user's wish to end.
    pub stop: Stop,
    /// How many steps are at work at once.
    pub gate: Gate,
    /// The certificate that may be imported.
    pub pfx: Option<Pfx>,
    facts: RwLock<Facts>,
    groups: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Run {
    /// A run that has not begun.
    pub fn new(
        site: Site,
        plan: Plan,
        mode: Mode,
        sessions: Sessions,
        bus: Bus,
        keeper: Box<dyn Keeper>,
        stop: Stop,
    ) -> Self {
        let gate = Gate::new(&site.limits);
        Self {
            site,
            plan,
            mode,
            sessions,
            bus,
            keeper,
            stop,
            gate,
            pfx: None,
            facts: RwLock::default(),
            groups: Mutex::default(),
        }
    }

    /// Notes what an earlier run left behind at `host`, before this one begins.
    pub fn inherit(&self, host: &HostName, fact: Fact) {
        self.learn(host, &[fact]);
    }

    /// Lends `pfx` to the steps.
    #[must_use]
    pub fn lending(self, pfx: Option<Pfx>) -> Self {
        Self { pfx, ..self }
    }

    /// Notes that a change by the step `id` is still to come on `host`.
    pub(crate) fn expect_change(&self, host: &HostName, id: &str) {
        self.facts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .learn(host, Fact::Pending(id.into()));
    }

    pub(crate) fn facts(&self) -> RwLockReadGuard<'_, Facts> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a step learnt. That a change is still to come is for
    /// [`Run::expect_change`] to say.
    pub(crate) fn learn(&self, host: &HostName, learnt: &[Fact]) {
        let mut facts = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        for fact in learnt
            .iter()
            .filter(|fact| !matches!(fact, Fact::Pending(_)))
        {
            facts.learn(host, fact.clone());
        }
    }

    /// The places of an exclusive group.
    pub(crate) fn group(&self, exclusive: &Exclusive) -> Arc<Semaphore> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            groups
                .entry(exclusive.group.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(exclusive.limit.max(1)))),
        )
    }
}
