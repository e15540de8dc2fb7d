//! A circuit breaker: opens after several failures in a row, then lets one call at a time find out whether
//! the way is good again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts in a row that open it.
pub(super) const THRESHOLD: u32 = 5;

/// Shared by all calls to a host, or to a host for one identity.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Name for the log.
    name: String,
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
    /// One call is out to see. A call that takes longer than this leaves the next one to another call.
    Probing {
        until: Instant,
    },
}

/// Outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is good.
    Works,
    /// It is not.
    Failed,
    /// Nothing: the cause lies elsewhere. A probe that ends so leaves the circuit open.
    Unclear,
}

impl Breaker {
    pub(super) fn new(name: String, open_for: Duration) -> Arc<Self> {
        Arc::new(Self {
            name,
            open_for,
            state: Mutex::new(State::Closed { failures: 0 }),
        })
    }

    /// Lets a call through, or says how long to stay away.
    pub(super) fn admit(self: &Arc<Self>, now: Instant) -> Result<Ticket, Duration> {
        let mut state = self.lock();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } | State::Probing { until } if now < until => return Err(until - now),
            State::Open { .. } | State::Probing { .. } => {
                *state = State::Probing {
                    until: now + self.open_for,
                };
                true
            }
        };
        Ok(Ticket {
            breaker: Arc::clone(self),
            probe,
            settled: false,
        })
    }

    /// Returns for how long no call is let through yet, if it is open.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match *self.lock() {
            State::Open { until } if now < until => Some(until - now),
            State::Open { .. } | State::Closed { .. } | State::Probing { .. } => None,
        }
    }

    /// Returns `true` if calls are let through without reserve.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed { .. })
    }

    /// Opens a closed circuit at once.
    pub(super) fn trip(&self, now: Instant) {
        let mut state = self.lock();
        if matches!(*state, State::Closed { .. }) {
            self.open(&mut state, now);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is a plain value: a panic cannot leave it half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, state: &mut State, now: Instant) {
        tracing::warn!(target: target!(), organizacao = self.name, "circuit breaker open");
        *state = State::Open {
            until: now + self.open_for,
        };
    }

    fn close(&self) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed { .. }) {
            tracing::info!(target: target!(), organizacao = self.name, "circuit breaker closed");
        }
        *state = State::Closed { failures: 0 };
    }

    fn fail(&self, now: Instant) {
        let mut state = self.lock();
        // A call from before it opened tells nothing new.
        if let State::Closed { failures } = *state {
            let failures = failures + 1;
            if failures < THRESHOLD {
                *state = State::Closed { failures };
            } else {
                self.open(&mut state, now);
            }
        }
    }

    /// Leaves the circuit open until then, unless another call has closed it meanwhile.
    fn reopen(&self, until: Instant) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed { .. }) {
            *state = State::Open { until };
        }
    }
}

/// Permission for one attempt; must be told how it went. Dropped untold (the caller went away), it counts as
/// nothing, and the next call probes instead.
#[derive(Debug)]
pub(super) struct Ticket {
    breaker: Arc<Breaker>,
    probe: bool,
    settled: bool,
}

impl Ticket {
    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) {
        self.settled = true;
        match outcome {
            Outcome::Works => self.breaker.close(),
            Outcome::Failed | Outcome::Unclear if self.probe => {
                self.breaker.reopen(now + self.breaker.open_for);
            }
            Outcome::Failed => self.breaker.fail(now),
            Outcome::Unclear => {}
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.breaker.reopen(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(5);

    fn admit(breaker: &Arc<Breaker>, now: Instant) -> Ticket {
        breaker.admit(now).unwrap()
    }

    fn fail(breaker: &Arc<Breaker>, times: u32, now: Instant) {
        for _ in 0..times {
            admit(breaker, now).settle(Outcome::Failed, now);
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let now = Instant::now();
        let breaker = Breaker::new("contoso".into(), OPEN_FOR);
        fail(&breaker, THRESHOLD - 1, now);
        admit(&breaker, now).settle(Outcome::Works, now);
        fail(&breaker, THRESHOLD - 1, now);
        assert!(breaker.is_closed(), "a success in between starts the count anew");
        admit(&breaker, now).settle(Outcome::Unclear, now);
        assert!(breaker.is_closed(), "an unclear outcome counts for nothing");
        fail(&breaker, 1, now);
        assert_eq!(breaker.admit(now).err(), Some(OPEN_FOR));

        let now = now + OPEN_FOR;
        let probe = admit(&breaker, now);
        assert!(breaker.admit(now).is_err(), "one at a time");
        probe.settle(Outcome::Failed, now);
        assert!(breaker.admit(now).is_err(), "a failed probe opens it again");

        let now = now + OPEN_FOR;
        // A probe that went away is no reason to wait.
        drop(breaker.admit(now));
        let probe = admit(&breaker, Instant::now() + OPEN_FOR * 3);
        probe.settle(Outcome::Works, now);
        assert!(breaker.is_closed());
    }

    #[test]
    fn probe_that_takes_long_leaves_the_next_to_another() {
        let now = Instant::now();
        let breaker = Breaker::new("contoso".into(), OPEN_FOR);
        breaker.trip(now);
        let slow = admit(&breaker, now + OPEN_FOR);
        let quick = admit(&breaker, now + OPEN_FOR * 2);
        quick.settle(Outcome::Works, now + OPEN_FOR * 2);
        slow.settle(Outcome::Failed, now + OPEN_FOR * 3);
        assert!(breaker.is_closed(), "a later look counts");
    }

    #[test]
    fn probe_with_an_unclear_outcome_leaves_it_open() {
        let now = Instant::now();
        let breaker = Breaker::new("contoso".into(), OPEN_FOR);
        breaker.trip(now);
        let now = now + OPEN_FOR;
        admit(&breaker, now).settle(Outcome::Unclear, now);
        assert_eq!(breaker.open_for(now), Some(OPEN_FOR));
    }
}
