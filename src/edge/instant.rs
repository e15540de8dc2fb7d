//! Notation of instants on the wire: RFC 3339 in UTC with `Z` and always six fractional digits, so that text
//! order is time order.

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// An instant in RFC 3339 notation in UTC, with six fractional digits of the second.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(value_type = DateTime<Utc>, example = "2026-01-12T16:00:00.123456Z")]
pub struct Instant(pub DateTime<Utc>);

impl From<DateTime<Utc>> for Instant {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // During a leap second chrono counts more than a billion nanoseconds; PostgreSQL and most clients
        // know no leap seconds.
        let nanos = self.0.nanosecond().min(999_999_999);
        let at = self.0.with_nanosecond(nanos).unwrap_or(self.0);
        let text = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let instant = DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        serde_json::to_value(Instant(instant))
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn instants_have_one_length_and_are_utc() {
        assert_eq!(
            written("2026-01-12T13:00:00.123456-03:00"),
            "2026-01-12T16:00:00.123456Z"
        );
        assert_eq!(written("2026-12-31T23:59:59Z"), "2026-12-31T23:59:59.000000Z");
        assert_eq!(
            written("0001-01-01T00:00:00.000001Z"),
            "0001-01-01T00:00:00.000001Z"
        );
        assert_eq!(written("2026-01-12T16:00:60Z"), "2026-01-12T16:00:59.999999Z");
    }

    #[test]
    fn years_beyond_four_digits_are_left_to_chrono() {
        let far = DateTime::<Utc>::MAX_UTC;
        assert!(
            serde_json::to_value(Instant(far))
                .unwrap()
                .as_str()
                .unwrap()
                .starts_with("+262")
        );
    }

    proptest! {
        #[test]
        fn every_instant_is_read_back_to_the_microsecond(
            micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
        ) {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let text = serde_json::to_value(Instant(at)).unwrap();
            let text = text.as_str().unwrap();
            prop_assert_eq!(text.len(), 27);
            prop_assert_eq!(DateTime::parse_from_rfc3339(text).unwrap().to_utc(), at);
        }
    }
}
