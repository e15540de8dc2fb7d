//! Hours of Azure DevOps: a double without a unit, by convention in hours. Our own hours are exact.

use std::ops::{Add, Neg, Sub};

use super::duracao::Total;

/// Number of millionths in an hour.
const UNIT: f64 = 1_000_000.0;
/// Hundredth of an hour in millionths: the precision that users read, coarse enough to hide binary noise.
const HUNDREDTH: i64 = 10_000;
/// Three minutes in millionths of an hour: the smallest number of whole minutes that is a whole number of
/// them.
const THREE_MINUTES: i64 = 50_000;
/// Maximum absolute number of hours, which excludes overflow in sums.
const MOST: f64 = 1e9;

/// Hours in millionths, so that numbers typed by users are stored unchanged and sums are not rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horas(i64);

impl Horas {
    /// Zero hours.
    pub const ZERO: Self = Self(0);

    /// Converts hours of Azure DevOps. Returns `None` if the number is not finite or exceeds the maximum.
    #[must_use]
    pub fn from_f64(hours: f64) -> Option<Self> {
        if !hours.is_finite() || hours.abs() > MOST {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        Some(Self((hours * UNIT).round() as i64))
    }

    /// Returns the hours as Azure DevOps stores them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 by the bound of from_f64")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNIT
    }

    /// Converts our minutes, rounded to hundredths of an hour. The total is rounded and never its parts, so
    /// that three times twenty minutes are one hour.
    #[must_use]
    pub fn of(total: Total) -> Self {
        let exact_times_three = total.0.saturating_mul(THREE_MINUTES);
        let (unit, half) = (3 * HUNDREDTH, 3 * HUNDREDTH / 2);
        Self((exact_times_three + exact_times_three.signum() * half) / unit * HUNDREDTH)
    }

    /// Returns the millionths of an hour, as stored in the database.
    #[must_use]
    pub fn millionths(self) -> i64 {
        self.0
    }

    /// Converts millionths of an hour from the database.
    #[must_use]
    pub fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// Returns the hours, or zero if they are negative.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        self.max(Self::ZERO)
    }
}

impl Add for Horas {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Horas {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Horas {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hundredths(minutes: i64) -> i64 {
        Horas::of(Total(minutes)).millionths() / HUNDREDTH
    }

    #[test]
    fn minutes_become_hundredths_of_an_hour() {
        assert_eq!([0, 1, 15, 20, 60].map(hundredths), [0, 2, 25, 33, 100]);
        assert_eq!([90, 100, 1_440].map(hundredths), [150, 167, 2_400]);
    }

    #[test]
    fn invalid_number_of_hours_is_none() {
        for hours in [f64::NAN, f64::INFINITY, 1e300, -1e10] {
            assert_eq!(Horas::from_f64(hours), None);
        }
        assert_eq!(Horas::from_f64(3.5), Some(Horas::from_millionths(3_500_000)));
    }

    proptest! {
        #[test]
        fn typed_hours_survive_any_number_of_changes(
            typed in 0_i64..100_000_000, totals in prop::collection::vec(0_i64..100_000, 1..50),
        ) {
            let typed = Horas::from_millionths(typed);
            let (mut upstream, mut ours) = (typed, Horas::ZERO);
            for total in &totals {
                let now = Horas::of(Total(*total));
                // Each write passes through the double of the wire.
                upstream = Horas::from_f64((upstream - ours + now).to_f64()).unwrap();
                ours = now;
            }
            prop_assert_eq!(upstream - typed, Horas::of(Total(*totals.last().unwrap())));
        }

        #[test]
        fn hundredths_identify_the_whole_minute(minutes in 0_i64..10_000_000) {
            prop_assert_eq!((hundredths(minutes) * 60 + 50) / 100, minutes);
        }
    }
}
