//! The business date: the date in `APP_TIMEZONE`, in whatever time zone the server runs (D-48).

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

/// Provides the current date in one time zone.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    timezone: Tz,
}

impl Clock {
    /// Creates a clock of `timezone`.
    #[must_use]
    pub fn new(timezone: Tz) -> Self {
        Self { timezone }
    }

    /// Returns the current date.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn today(&self) -> NaiveDate {
        self.date_of(Utc::now())
    }

    /// Returns the date in the time zone of the clock at `instant`.
    #[must_use]
    pub fn date_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.with_timezone(&self.timezone).date_naive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(zone: Tz, instant: &str) -> String {
        Clock::new(zone).date_of(instant.parse().unwrap()).to_string()
    }

    #[test]
    fn d_48_day_ends_at_midnight_of_the_zone() {
        let fortaleza = Tz::America__Fortaleza;
        // 21:00 in Fortaleza is midnight in UTC: from then on the old service was a day ahead.
        assert_eq!(day(fortaleza, "2026-01-13T02:59:59Z"), "2026-01-12");
        assert_eq!(day(fortaleza, "2026-01-13T03:00:00Z"), "2026-01-13");
        assert_eq!(day(fortaleza, "2028-03-01T02:59:59Z"), "2028-02-29");
        assert_eq!(day(Tz::Asia__Tokyo, "2026-12-31T15:00:00Z"), "2027-01-01");
    }

    #[test]
    fn day_without_midnight_is_valid() {
        // São Paulo put its clocks forward at midnight of 2018-11-04, so the day began at 01:00.
        let sao_paulo = Tz::America__Sao_Paulo;
        assert_eq!(day(sao_paulo, "2018-11-04T02:59:59Z"), "2018-11-03");
        assert_eq!(day(sao_paulo, "2018-11-04T03:00:00Z"), "2018-11-04");
    }
}
