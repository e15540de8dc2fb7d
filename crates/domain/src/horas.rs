//! Hours as Azure DevOps holds them: a double without a unit, hours by convention. Ours are exact.

use std::ops::{Add, Neg, Sub};

use super::duracao::Total;

/// Millionths of an hour.
const UNIT: f64 = 1_000_000.0;
/// Hundredths, in millionths: what people read, and what hides binary noise.
const HUNDREDTH: i64 = 10_000;
/// Millionths of an hour in three minutes, the least number of whole minutes that is whole in millionths.
const THREE_MINUTES: i64 = 50_000;
/// Upper bound of hours; keeps sums far from overflow.
const MOST: f64 = 1e9;

/// Hours in millionths: what people typed stays as it is, and sums do not round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horas(i64);

impl Horas {
    /// None.
    pub const ZERO: Self = Self(0);

    /// From what Azure DevOps tells; `None` when it is not a number that hours can be.
    #[must_use]
    pub fn from_f64(hours: f64) -> Option<Self> {
        if !hours.is_finite() || hours.abs() > MOST {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        Some(Self((hours * UNIT).round() as i64))
    }

    /// For Azure DevOps.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 by the bound of from_f64")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / UNIT
    }

    /// Our minutes, rounded to hundredths of an hour. The total is rounded, never its parts: twenty minutes
    /// three times are one hour.
    #[must_use]
    pub fn of(total: Total) -> Self {
        let exact_times_three = total.0.saturating_mul(THREE_MINUTES);
        let (unit, half) = (3 * HUNDREDTH, 3 * HUNDREDTH / 2);
        Self((exact_times_three + exact_times_three.signum() * half) / unit * HUNDREDTH)
    }

    /// Millionths of an hour, as the database holds them.
    #[must_use]
    pub fn millionths(self) -> i64 {
        self.0
    }

    /// From what the database holds.
    #[must_use]
    pub fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// This, but not below zero.
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
    fn what_is_not_a_number_of_hours_is_none() {
        for hours in [f64::NAN, f64::INFINITY, 1e300, -1e10] {
            assert_eq!(Horas::from_f64(hours), None);
        }
        assert_eq!(Horas::from_f64(3.5), Some(Horas::from_millionths(3_500_000)));
    }

    proptest! {
        #[test]
        fn what_a_person_typed_survives_any_number_of_our_changes(
            typed in 0_i64..100_000_000, totals in prop::collection::vec(0_i64..100_000, 1..50),
        ) {
            let typed = Horas::from_millionths(typed);
            let (mut upstream, mut ours) = (typed, Horas::ZERO);
            for total in &totals {
                let now = Horas::of(Total(*total));
                // Through the double of the wire each time.
                upstream = Horas::from_f64((upstream - ours + now).to_f64()).unwrap();
                ours = now;
            }
            prop_assert_eq!(upstream - typed, Horas::of(Total(*totals.last().unwrap())));
        }

        #[test]
        fn a_whole_minute_can_be_told_from_its_hundredths(minutes in 0_i64..10_000_000) {
            prop_assert_eq!((hundredths(minutes) * 60 + 50) / 100, minutes);
        }
    }
}
