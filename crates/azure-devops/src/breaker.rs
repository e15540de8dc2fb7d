//! Circuit breaker: opens after several consecutive failures, then lets one probe at a time through until a
//! probe succeeds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Number of consecutive failures that open the circuit.
pub(super) const THRESHOLD: u32 = 5;

/// Circuit breaker shared by all calls to a host, or to a host for one identity.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Name of the host or lane in the log.
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
    /// One probe is in flight. After `until` the next call becomes the probe.
    Probing {
        until: Instant,
    },
}

/// Outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The attempt succeeded.
    Works,
    /// The attempt failed.
    Failed,
    /// The attempt is not counted, because its cause lies elsewhere; a probe with this outcome leaves the
    /// circuit open.
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

    /// Admits a call. Returns the remaining time as the error if the circuit is open.
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

    /// Returns the remaining time for which the circuit rejects calls. Returns `None` if it is not open.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match *self.lock() {
            State::Open { until } if now < until => Some(until - now),
            State::Open { .. } | State::Closed { .. } | State::Probing { .. } => None,
        }
    }

    /// Returns `true` if the circuit is closed.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed { .. })
    }

    /// Opens a closed circuit immediately.
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
        // The failure of a call from before the opening is not counted.
        if let State::Closed { failures } = *state {
            let failures = failures + 1;
            if failures < THRESHOLD {
                *state = State::Closed { failures };
            } else {
                self.open(&mut state, now);
            }
        }
    }

    /// Leaves the circuit open until `until`, unless another call has closed it in the meantime.
    fn reopen(&self, until: Instant) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed { .. }) {
            *state = State::Open { until };
        }
    }
}

/// Permission for one attempt, to be settled with its outcome. A ticket that is dropped unsettled (a
/// cancelled call) is not counted, and the next call becomes the probe.
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
    fn breaker_after_failures_in_a_row_opens_and_admits_one_probe() {
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
        // A cancelled probe does not cause another wait.
        drop(breaker.admit(now));
        let probe = admit(&breaker, Instant::now() + OPEN_FOR * 3);
        probe.settle(Outcome::Works, now);
        assert!(breaker.is_closed());
    }

    #[test]
    fn slow_probe_leaves_the_next_probe_to_another_call() {
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
    fn probe_with_an_unclear_outcome_leaves_breaker_open() {
        let now = Instant::now();
        let breaker = Breaker::new("contoso".into(), OPEN_FOR);
        breaker.trip(now);
        let now = now + OPEN_FOR;
        admit(&breaker, now).settle(Outcome::Unclear, now);
        assert_eq!(breaker.open_for(now), Some(OPEN_FOR));
    }
}
