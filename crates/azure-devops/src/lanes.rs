//! Lanes: each identity has its own permits and circuit breaker at each host. Azure DevOps delays single
//! identities, and a delayed one must neither use up the permits of others nor open their circuit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::breaker::{Breaker, THRESHOLD};
use super::credential::Fingerprint;
use super::operation::Host;
use super::organizacao::Patience;

/// Maximum number of lanes that are held while they are idle.
const MOST: usize = 4_096;
/// Number of lanes from which idle lanes are removed.
const SWEEP_FROM: usize = 64;
/// Time after which an unused lane is idle. Azure DevOps measures usage over five minutes.
const IDLE: Duration = Duration::from_mins(10);

/// Number of identities whose calls must time out before the host itself counts as hanging.
const IDENTITIES: usize = 3;
/// Time after which an earlier timeout is no longer counted against the host.
const TIMEOUT_TTL: Duration = Duration::from_mins(2);

/// Key of a lane. Background calls have separate lanes, because their timeout is longer and foreground calls
/// must not lose permits to background calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LaneKey {
    pub(super) host: Host,
    /// `None` for unsigned calls.
    pub(super) identity: Option<Fingerprint>,
    pub(super) patience: Patience,
}

/// Permits and circuit breaker of one key.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) permits: Arc<Semaphore>,
    /// Counts timeouts only.
    pub(super) breaker: Arc<Breaker>,
}

/// Lanes of an organisation.
#[derive(Debug)]
pub(super) struct Lanes {
    organizacao: String,
    permits: usize,
    open_for: Duration,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    lanes: HashMap<LaneKey, Entry>,
    sweep_from: usize,
}

#[derive(Debug)]
struct Entry {
    lane: Arc<Lane>,
    used: Instant,
}

impl Entry {
    fn is_free(&self) -> bool {
        Arc::strong_count(&self.lane) == 1
    }
}

impl Lanes {
    /// Creates lanes with `permits` concurrent calls each, whose circuit breakers stay open for `open_for`.
    pub(super) fn new(organizacao: &str, permits: usize, open_for: Duration) -> Self {
        Self {
            organizacao: organizacao.to_owned(),
            permits,
            open_for,
            table: Mutex::new(Table {
                lanes: HashMap::new(),
                sweep_from: SWEEP_FROM,
            }),
        }
    }

    /// Returns the lane of `key`, and creates it if necessary. The lane is not removed while the caller holds
    /// it.
    pub(super) fn of(&self, key: LaneKey, now: Instant) -> Arc<Lane> {
        let mut table = self.lock();
        if let Some(entry) = table.lanes.get_mut(&key) {
            entry.used = now;
            return Arc::clone(&entry.lane);
        }
        table.sweep(now);
        let lane = Arc::new(Lane {
            permits: Arc::new(Semaphore::new(self.permits)),
            breaker: Breaker::new(format!("{} (one identity)", self.organizacao), self.open_for),
        });
        let entry = Entry {
            lane: Arc::clone(&lane),
            used: now,
        };
        table.lanes.insert(key, entry);
        lane
    }

    /// Returns the number of lanes whose circuit breaker is not closed.
    pub(super) fn open(&self) -> usize {
        let table = self.lock();
        let open = table
            .lanes
            .values()
            .filter(|entry| !entry.lane.breaker.is_closed());
        open.count()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A panic cannot leave the table half-written.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Removes idle lanes once the threshold is reached, and all lanes without calls at the maximum.
    fn sweep(&mut self, now: Instant) {
        if self.lanes.len() < self.sweep_from {
            return;
        }
        let in_use = |entry: &Entry| now.saturating_duration_since(entry.used) < IDLE;
        self.lanes.retain(|_, entry| !entry.is_free() || in_use(entry));
        if self.lanes.len() >= MOST {
            self.lanes.retain(|_, entry| !entry.is_free());
        }
        // The next sweep comes at twice the current number of lanes, so that its cost is spread over as many
        // new lanes.
        self.sweep_from = (self.lanes.len() * 2).clamp(SWEEP_FROM, MOST);
    }
}

/// Distinguishes a hanging host from delayed identities: the host hangs if calls of several identities time
/// out in a row without any response in between.
#[derive(Debug, Default)]
pub(super) struct HangDetector(Mutex<RecentTimeouts>);

#[derive(Debug, Default)]
struct RecentTimeouts {
    timeouts: u32,
    identities: Vec<Fingerprint>,
    last: Option<Instant>,
}

impl HangDetector {
    /// Records a timeout. Returns `true` if the host seems to hang, and restarts the count.
    pub(super) fn note(&self, identity: Fingerprint, now: Instant) -> bool {
        let mut recent = self.lock();
        let is_old = |last: Instant| now.saturating_duration_since(last) > TIMEOUT_TTL;
        if recent.last.is_some_and(is_old) {
            *recent = RecentTimeouts::default();
        }
        recent.last = Some(now);
        recent.timeouts += 1;
        if recent.identities.len() < IDENTITIES && !recent.identities.contains(&identity) {
            recent.identities.push(identity);
        }
        let hangs = recent.timeouts >= THRESHOLD && recent.identities.len() == IDENTITIES;
        if hangs {
            *recent = RecentTimeouts::default();
        }
        hangs
    }

    /// Records a response.
    pub(super) fn end(&self) {
        let mut recent = self.lock();
        if recent.timeouts > 0 {
            *recent = RecentTimeouts::default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, RecentTimeouts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::breaker::Outcome;
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(5);

    fn lanes() -> Lanes {
        Lanes::new("contoso", 2, OPEN_FOR)
    }

    fn identity(n: usize) -> Fingerprint {
        Fingerprint::of(&n.to_string())
    }

    fn key(n: usize) -> LaneKey {
        LaneKey {
            host: Host::Api,
            identity: Some(identity(n)),
            patience: Patience::Foreground,
        }
    }

    fn size(lanes: &Lanes) -> usize {
        lanes.lock().lanes.len()
    }

    #[test]
    fn open_circuit_of_one_identity_leaves_others() {
        let (lanes, now) = (lanes(), Instant::now());
        for _ in 0..THRESHOLD {
            let ticket = lanes.of(key(1), now).breaker.admit(now).unwrap();
            ticket.settle(Outcome::Failed, now);
        }
        assert_eq!(lanes.of(key(1), now).breaker.admit(now).unwrap_err(), OPEN_FOR);
        let others = [
            key(2),
            LaneKey {
                host: Host::Identity,
                ..key(1)
            },
            LaneKey {
                patience: Patience::Background,
                ..key(1)
            },
        ];
        for other in others {
            assert!(lanes.of(other, now).breaker.admit(now).is_ok(), "{other:?}");
        }
        assert_eq!(lanes.open(), 1);
    }

    #[test]
    fn permits_of_one_identity_leave_those_of_others() {
        let (lanes, now) = (lanes(), Instant::now());
        let lane = lanes.of(key(1), now);
        let _taken = lane.permits.try_acquire_many(2).unwrap();
        assert!(lanes.of(key(1), now).permits.try_acquire().is_err());
        assert!(lanes.of(key(2), now).permits.try_acquire().is_ok());
    }

    #[test]
    fn idle_lane_is_dropped_and_a_busy_one_stays() {
        let (lanes, now) = (lanes(), Instant::now());
        let busy = lanes.of(key(0), now);
        for n in 1..SWEEP_FROM {
            lanes.of(key(n), now);
        }
        lanes.of(key(SWEEP_FROM), now + IDLE);
        assert_eq!(size(&lanes), 2);
        assert!(Arc::ptr_eq(&busy, &lanes.of(key(0), now)));
    }

    #[test]
    fn number_of_lanes_without_calls_is_bounded() {
        let (lanes, now) = (lanes(), Instant::now());
        let busy = lanes.of(key(0), now);
        for n in 1..2 * MOST {
            lanes.of(key(n), now);
            assert!(size(&lanes) <= MOST, "{n}");
        }
        assert!(Arc::ptr_eq(&busy, &lanes.of(key(0), now)));
    }

    #[test]
    fn host_hangs_when_three_identities_in_a_row_get_no_answer() {
        let now = Instant::now();
        let note = |hang_detector: &HangDetector, identities: &[usize]| -> Vec<bool> {
            identities
                .iter()
                .map(|n| hang_detector.note(identity(*n), now))
                .collect()
        };
        let hang_detector = HangDetector::default();
        assert!(
            !note(&hang_detector, &[1; 50]).contains(&true),
            "one identity is delayed"
        );
        assert!(!note(&hang_detector, &[2; 50]).contains(&true), "two are");
        assert_eq!(note(&hang_detector, &[3]), [true], "the host hangs");
        assert_eq!(
            note(&hang_detector, &[1, 2, 3, 1, 2]),
            [false, false, false, false, true]
        );
        note(&hang_detector, &[1, 2, 1, 2]);
        hang_detector.end();
        assert_eq!(note(&hang_detector, &[3]), [false], "an answer came in between");
        note(&hang_detector, &[1, 1, 1]);
        assert!(
            !hang_detector.note(identity(2), now + TIMEOUT_TTL * 2),
            "too long ago"
        );
    }
}
