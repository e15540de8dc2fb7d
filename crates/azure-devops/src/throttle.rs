//! Remembers the identities that Azure DevOps throttles, whatever the status of the response (a 200 can
//! throttle, too).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::credential::Fingerprint;

/// Maximum number of remembered identities; more throttled identities at once occur only in an attack.
const MOST: usize = 4_096;

/// Maximum wait that is accepted from a response. Azure DevOps measures usage over five minutes.
const LONGEST: Duration = Duration::from_mins(10);

/// Throttled identities of an organisation.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    until: Mutex<HashMap<Option<Fingerprint>, Instant>>,
}

impl Throttle {
    /// Returns the remaining wait of this identity. Returns `None` if it need not wait.
    pub(super) fn remaining(&self, identity: Option<Fingerprint>, now: Instant) -> Option<Duration> {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = until.get(&identity)?;
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Blocks requests of this identity for `wait`, but not longer than the maximum.
    pub(super) fn hold(&self, identity: Option<Fingerprint>, wait: Duration, now: Instant) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= MOST {
            until.retain(|_, at| *at > now);
        }
        if until.len() < MOST || until.contains_key(&identity) {
            // Of two responses in flight the longer wait counts, whichever arrives last.
            let at = until.entry(identity).or_insert(now);
            *at = (*at).max(now + wait.min(LONGEST));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn throttle_of_one_identity_spares_others() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (a, b) = (Some(Fingerprint::of("a")), Some(Fingerprint::of("b")));
        let wait = Duration::from_secs(3);
        throttle.hold(a, wait, now);
        throttle.hold(a, Duration::from_secs(1), now);
        assert_eq!(throttle.remaining(a, now), Some(wait));
        assert_eq!(throttle.remaining(b, now), None);
        assert_eq!(throttle.remaining(a, now + wait), None);
    }

    proptest! {
        #[test]
        fn throttle_longest_wait_wins_and_expires(
            waits in prop::collection::vec((any::<u64>(), 0_u32..1_000_000_000), 1..10),
        ) {
            let (throttle, now) = (Throttle::default(), Instant::now());
            let waits: Vec<Duration> = waits.into_iter()
                .map(|(seconds, nanos)| Duration::new(seconds, nanos)).collect();
            for wait in &waits {
                throttle.hold(None, *wait, now);
            }
            let longest = waits.into_iter().max().unwrap().min(LONGEST);
            prop_assert_eq!(throttle.remaining(None, now), Some(longest).filter(|wait| !wait.is_zero()));
            prop_assert_eq!(throttle.remaining(None, now + LONGEST), None);
        }
    }
}
