//! A circuit breaker: after several failures in a row the organisation is left alone for a while, then one call at a time
//! finds out whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts in a row that open it.
const THRESHOLD: u32 = 5;

/// Shared by all calls to one organisation.
#[derive(Debug)]
pub(super) struct Breaker {
    organizacao: String,
    open_for: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is out to see.
    Probing,
}

impl Breaker {
    pub(super) fn new(organizacao: String, open_for: Duration) -> Self {
        Self {
            organizacao,
            open_for,
            state: Mutex::new(State::Closed { failures: 0 }),
        }
    }

    /// Lets a call through, or says how long to stay away.
    pub(super) fn admit(&self, now: Instant) -> Result<Ticket<'_>, Duration> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if now < until => return Err(until - now),
            State::Open { .. } => {
                *state = State::Probing;
                true
            }
            // Its outcome is a call's duration away; nobody knows better than the usual wait.
            State::Probing => return Err(self.open_for),
        };
        Ok(Ticket {
            breaker: self,
            probe,
            settled: false,
        })
    }

    /// For how long no call is let through yet, if it is open.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match *self.lock() {
            State::Open { until } if now < until => Some(until - now),
            State::Open { .. } | State::Closed { .. } | State::Probing => None,
        }
    }

    /// Whether calls are let through without reserve.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed { .. })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is a plain value: a panic cannot leave it half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed { .. }) {
            tracing::info!(organizacao = self.organizacao, "Azure DevOps answers again");
        }
        *state = State::Closed { failures: 0 };
    }

    fn fail(&self, probe: bool, now: Instant) {
        let mut state = self.lock();
        let failures = match *state {
            State::Closed { failures } => failures + 1,
            // A call from before it opened tells nothing new.
            State::Open { .. } | State::Probing if !probe => return,
            State::Open { .. } | State::Probing => THRESHOLD,
        };
        if failures < THRESHOLD {
            *state = State::Closed { failures };
            return;
        }
        if !probe {
            tracing::warn!(
                organizacao = self.organizacao,
                "Azure DevOps keeps failing: left alone for a while"
            );
        }
        *state = State::Open {
            until: now + self.open_for,
        };
    }
}

/// Permission for one attempt; must be told how it went. Dropped untold (the caller went away), it counts as nothing, and
/// the next call probes instead.
pub(super) struct Ticket<'a> {
    breaker: &'a Breaker,
    probe: bool,
    settled: bool,
}

impl Ticket<'_> {
    pub(super) fn settle(mut self, failed: bool, now: Instant) {
        self.settled = true;
        if failed {
            self.breaker.fail(self.probe, now);
        } else {
            self.breaker.close();
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if self.probe && !self.settled && matches!(*state, State::Probing) {
            *state = State::Open {
                until: Instant::now(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(5);

    fn fail(breaker: &Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            breaker.admit(now).ok().unwrap().settle(true, now);
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let now = Instant::now();
        let breaker = Breaker::new("contoso".into(), OPEN_FOR);
        fail(&breaker, THRESHOLD - 1, now);
        breaker.admit(now).ok().unwrap().settle(false, now);
        fail(&breaker, THRESHOLD - 1, now);
        assert!(breaker.is_closed(), "a success in between starts the count anew");
        fail(&breaker, 1, now);
        assert_eq!(breaker.admit(now).err(), Some(OPEN_FOR));

        let now = now + OPEN_FOR;
        let probe = breaker.admit(now).ok().unwrap();
        assert!(breaker.admit(now).is_err(), "one at a time");
        probe.settle(true, now);
        assert!(breaker.admit(now).is_err(), "a failed probe opens it again");

        let now = now + OPEN_FOR;
        // A probe that went away is no reason to wait.
        drop(breaker.admit(now));
        let probe = breaker.admit(Instant::now() + OPEN_FOR * 3);
        let probe = probe.ok().unwrap();
        probe.settle(false, now);
        assert!(breaker.is_closed());
    }
}
