//! [`Gate`]: how many steps are at work at once, in the whole run and per host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use owaim_inventory::{HostName, Limits};
use tokio::sync::oneshot;

/// Lets steps to work, the one with the most behind it first.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    per_host: usize,
    at_work: BTreeMap<HostName, usize>,
    waiting: Vec<Waiter>,
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter {
    priority: usize,
    arrival: u64,
    host: HostName,
    wake: oneshot::Sender<Pass>,
}

/// The right to be at work; given back when dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Gate,
    host: HostName,
}

impl Gate {
    /// A gate with `limits`; its limit on recycles is not the gate's concern.
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: limits.parallel.max(1),
            per_host: limits.per_host.max(1),
            at_work: BTreeMap::new(),
            waiting: Vec::new(),
            arrivals: 0,
        })))
    }

    /// Waits until there is room for one more at `host`; among those that wait, the highest
    /// priority goes first, then the one that came first.
    pub async fn enter(&self, host: &HostName, priority: usize) -> Pass {
        let (wake, woken) = oneshot::channel();
        {
            let mut state = self.lock();
            let arrival = state.arrivals;
            state.arrivals += 1;
            state.waiting.push(Waiter {
                priority,
                arrival,
                host: host.clone(),
                wake,
            });
        }
        self.admit();
        match woken.await {
            Ok(pass) => pass,
            // The waiter is dropped only together with the gate, which `self` keeps alive.
            Err(_) => std::future::pending().await,
        }
    }

    /// Lets in as many as there is room for.
    fn admit(&self) {
        loop {
            let best = self.lock().take_best();
            let Some(waiter) = best else { return };
            // A waiter that has gone away drops its pass here, which gives the place back.
            let _ = waiter.wake.send(Pass {
                gate: self.clone(),
                host: waiter.host,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the best waiter that fits, and its place with it.
    fn take_best(&mut self) -> Option<Waiter> {
        if self.free == 0 {
            return None;
        }
        let fits = |waiter: &Waiter| {
            self.at_work
                .get(&waiter.host)
                .is_none_or(|busy| *busy < self.per_host)
        };
        let (index, _) = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, waiter)| fits(waiter))
            .max_by_key(|(_, waiter)| (waiter.priority, std::cmp::Reverse(waiter.arrival)))?;
        let waiter = self.waiting.swap_remove(index);
        self.free -= 1;
        *self.at_work.entry(waiter.host.clone()).or_default() += 1;
        Some(waiter)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        {
            let mut state = self.gate.lock();
            state.free += 1;
            if let Some(busy) = state.at_work.get_mut(&self.host) {
                *busy = busy.saturating_sub(1);
            }
        }
        self.gate.admit();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::new(name).expect("valid")
    }

    async fn enters(gate: &Gate, name: &str, priority: usize) -> Option<Pass> {
        timeout(Duration::from_millis(20), gate.enter(&host(name), priority))
            .await
            .ok()
    }

    #[tokio::test]
    async fn limits_hold_in_all_and_per_host() {
        let gate = Gate::new(&Limits {
            parallel: 3,
            per_host: 2,
            recycles: 1,
        });
        let first = enters(&gate, "a.example.com", 1).await.expect("free");
        let _second = enters(&gate, "a.example.com", 1).await.expect("free");
        assert!(
            enters(&gate, "a.example.com", 9).await.is_none(),
            "a third on one host"
        );
        let _third = enters(&gate, "b.example.com", 1)
            .await
            .expect("another host");
        assert!(
            enters(&gate, "b.example.com", 1).await.is_none(),
            "a fourth in all"
        );
        drop(first);
        assert!(
            enters(&gate, "a.example.com", 1).await.is_some(),
            "a place was given back"
        );
    }

    #[tokio::test]
    async fn the_longest_path_goes_first() {
        let gate = Gate::new(&Limits {
            parallel: 1,
            per_host: 1,
            recycles: 1,
        });
        let held = gate.enter(&host("a.example.com"), 1).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for priority in [2, 7, 5] {
            let (gate, order) = (gate.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                let _pass = gate.enter(&host("a.example.com"), priority).await;
                order.lock().expect("no panic").push(priority);
            });
        }
        while gate.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(held);
        while tasks.join_next().await.is_some() {}
        assert_eq!(*order.lock().expect("no panic"), [7, 5, 2]);
    }
}
