//! [`Backoff`]: how long to wait before each further attempt.

use std::time::Duration;

use owaim_inventory::RetryPolicy;

/// Delays before the second, third, … attempt: exponential with full jitter, that is evenly
/// spread between nothing and the bound, which doubles up to its maximum.
#[derive(Debug)]
pub(crate) struct Backoff {
    left: u32,
    bound: Duration,
    max: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// The delays of `policy`; as many as attempts after the first. `seed` makes them
    /// repeatable.
    pub(crate) fn new(policy: &RetryPolicy, seed: u64) -> Self {
        Self {
            left: policy.attempts.saturating_sub(1),
            bound: policy.base_delay.min(policy.max_delay),
            max: policy.max_delay,
            random: fastrand::Rng::with_seed(seed),
        }
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let delay = self.bound.mul_f64(self.random.f64());
        self.bound = self.bound.saturating_mul(2).min(self.max);
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_below_a_doubling_bound() {
        let policy = RetryPolicy {
            attempts: 6,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(5),
            ..RetryPolicy::default()
        };
        for seed in 0..100 {
            let delays: Vec<_> = Backoff::new(&policy, seed).collect();
            assert_eq!(delays.len(), 5);
            for (delay, bound) in delays.iter().zip([1, 2, 4, 5, 5]) {
                assert!(
                    *delay <= Duration::from_secs(bound),
                    "seed {seed}: {delays:?}"
                );
            }
        }
    }
}
