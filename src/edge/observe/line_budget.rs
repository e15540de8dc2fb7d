//! Limits the log lines for requests of one address.
//!
//! Without a limit, a client in a tight loop wrote megabytes per second. Lines of an address beyond
//! `LOG_REQUESTS_PER_SECOND` are omitted and counted. The address's next line reports the count, or a
//! separate line when the address became idle.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::supervisor::{Job, Supervisor};
use crate::telemetry::metrics;

/// Period over which lines are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// Interval at which idle addresses are reported and removed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of tracked addresses. All further ones share a budget, which bounds memory and log.
const MOST_ADDRESSES: usize = 10_000;
/// Key of the budget that further addresses share.
const OVERFLOW_KEY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Budgets of log lines by address.
#[derive(Debug)]
pub(super) struct LineBudget {
    /// Lines per second; 0: no limit.
    per_second: u32,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Debug)]
struct Window {
    started: Instant,
    written: u32,
    omitted: u64,
}

impl LineBudget {
    /// Creates a budget of `per_second` lines per address; 0: no limit.
    pub(super) fn new(per_second: u32) -> Arc<Self> {
        let budget = Arc::new(Self {
            per_second,
            windows: Mutex::default(),
        });
        let weak = Arc::downgrade(&budget);
        if per_second > 0 {
            Supervisor::default().spawn(Job::LogLineSweep, move || report(weak.clone()));
        }
        budget
    }

    /// Returns the number of lines of `network` omitted so far if a line may be written now, else `None`.
    pub(super) fn admit(&self, network: IpAddr, now: Instant) -> Option<u64> {
        if self.per_second == 0 {
            return Some(0);
        }
        let mut windows = self.windows();
        let key = if windows.len() < MOST_ADDRESSES || windows.contains_key(&network) {
            network
        } else {
            OVERFLOW_KEY
        };
        let window = windows.entry(key).or_insert(Window {
            started: now,
            written: 0,
            omitted: 0,
        });
        if now.duration_since(window.started) >= WINDOW {
            window.started = now;
            window.written = 0;
        }
        if window.written >= self.per_second {
            window.omitted += 1;
            metrics::log_line_omitted();
            return None;
        }
        window.written += 1;
        Some(std::mem::take(&mut window.omitted))
    }

    /// Removes idle addresses, and returns those with an unreported count of omitted lines.
    fn sweep(&self, now: Instant) -> Vec<(IpAddr, u64)> {
        let mut owed = Vec::new();
        self.windows().retain(|client, window| {
            let recent = now.duration_since(window.started) < SWEEP_INTERVAL;
            if !recent && window.omitted > 0 {
                owed.push((*client, window.omitted));
            }
            recent
        });
        owed
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<IpAddr, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports and removes idle addresses periodically, until the budget is dropped.
async fn report(budget: Weak<LineBudget>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(budget) = budget.upgrade() else { return };
        for (client, omitted) in budget.sweep(Instant::now()) {
            tracing::info!(%client, omitted, "request lines omitted: log limit of the address reached");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(n))
    }

    #[tokio::test]
    async fn lines_beyond_the_budget_are_left_out_and_counted() {
        let budget = LineBudget::new(3);
        let start = Instant::now();
        let admitted: Vec<_> = (0..5).map(|_| budget.admit(address(1), start)).collect();
        assert_eq!(admitted, [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(
            budget.admit(address(2), start),
            Some(0),
            "another address has its own"
        );
        let next = start + WINDOW;
        assert_eq!(budget.admit(address(1), next), Some(2));
        assert_eq!(budget.admit(address(1), next), Some(0));
    }

    #[tokio::test]
    async fn quiet_address_is_reported_once() {
        let budget = LineBudget::new(1);
        let start = Instant::now();
        for _ in 0..4 {
            budget.admit(address(1), start);
        }
        budget.admit(address(2), start);
        assert_eq!(budget.sweep(start + WINDOW), []);
        let later = start + SWEEP_INTERVAL;
        assert_eq!(budget.sweep(later), [(address(1), 3)]);
        assert_eq!(budget.sweep(later), []);
    }

    #[tokio::test]
    async fn addresses_beyond_the_bound_share_one_budget() {
        let budget = LineBudget::new(1);
        let now = Instant::now();
        let most = u32::try_from(MOST_ADDRESSES).unwrap();
        for n in 1..=most {
            assert_eq!(budget.admit(address(n), now), Some(0));
        }
        assert_eq!(budget.admit(address(most + 1), now), Some(0));
        assert_eq!(budget.admit(address(most + 2), now), None);
        assert_eq!(budget.windows().len(), MOST_ADDRESSES + 1);
    }

    #[tokio::test]
    async fn without_a_bound_every_line_is_written() {
        let budget = LineBudget::new(0);
        let now = Instant::now();
        assert!((0..10_000).all(|_| budget.admit(address(1), now) == Some(0)));
    }
}
