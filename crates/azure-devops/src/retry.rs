//! Retries of failed calls.

use std::time::{Duration, Instant};

use super::error::{Error, Unavailability};
use super::operation::Operation;

/// Maximum number of attempts of a call, including the first.
const ATTEMPTS: u32 = 3;
/// Upper bound of the random pause before the first retry, doubled for each further one (full jitter: callers
/// that failed together do not retry together).
const BACKOFF: Duration = Duration::from_millis(100);
/// Maximum time for which a call waits for a throttled identity; for a longer wait the call fails.
pub(super) const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// Returns the pause before the next attempt. Returns `None` if the call must not be repeated.
pub(super) fn pause(
    operation: &Operation,
    error: &Error,
    attempts: u32,
    deadline: Instant,
) -> Option<Duration> {
    let requested = match error {
        Error::Throttled { retry_after } => retry_after.filter(|wait| *wait <= LONGEST_HOLD)?,
        Error::Unavailable {
            reason: Unavailability::Status(_) | Unavailability::Connection(_),
            retry_after,
        } => retry_after.unwrap_or_default(),
        _ => return None,
    };
    if !operation.idempotent || attempts >= ATTEMPTS || requested > LONGEST_HOLD {
        return None;
    }
    let backoff = BACKOFF * 2_u32.pow(attempts - 1);
    let pause = requested + backoff.mul_f64(fastrand::f64());
    (Instant::now() + pause < deadline).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::super::operation::LIST_PROJECTS;
    use super::*;

    #[test]
    fn retry_of_transient_errors_only_before_deadline() {
        let soon = Instant::now() + Duration::from_secs(10);
        let status = |retry_after| Error::unavailable(Unavailability::Status(503), retry_after);
        let throttled = |seconds| Error::Throttled {
            retry_after: Some(Duration::from_secs(seconds)),
        };
        let again = |error: &Error| pause(&LIST_PROJECTS, error, 1, soon);
        assert!(again(&status(None)).unwrap() <= BACKOFF);
        assert!(again(&throttled(1)).unwrap() >= Duration::from_secs(1));
        for hopeless in [
            Error::Timeout,
            Error::NotFound,
            Error::Nonsense(""),
            throttled(3),
            status(Some(Duration::from_secs(3))),
            Error::Throttled { retry_after: None },
            Error::unavailable(Unavailability::BreakerOpen, None),
        ] {
            assert_eq!(again(&hopeless), None, "{hopeless}");
        }
        assert_eq!(pause(&LIST_PROJECTS, &status(None), ATTEMPTS, soon), None);
        assert_eq!(pause(&LIST_PROJECTS, &throttled(1), 1, Instant::now()), None);
    }
}
