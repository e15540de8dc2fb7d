//! Durations of work in whole minutes, and their text forms. No floats are ever summed (D-32, D-33).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Number of minutes in an hour.
const HOUR: u16 = 60;

/// Duration of a time entry: 1 to 1,440 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duracao(u16);

/// Reason why a text is not a [`Duracao`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuracaoInvalida {
    /// Text that is not `H:mm` or `HH:mm` in ASCII digits, or has more than 59 minutes.
    Formato,
    /// Zero minutes.
    Zero,
    /// More than 24:00 (D-30: the old service accepted 24:59).
    MaisDe24Horas,
}

impl Duracao {
    /// Maximum duration of an entry in minutes: a day.
    pub const MAX: u16 = 24 * HOUR;

    /// Parses `H:mm` or `HH:mm`.
    ///
    /// # Errors
    /// Returns an error if `text` has another form, or is not within 00:01 to 24:00.
    pub fn parse(text: &str) -> Result<Self, DuracaoInvalida> {
        let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
        let read = |bytes: &[u8]| {
            bytes
                .iter()
                .try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
        };
        let (hours, minutes) = match text.as_bytes() {
            [h @ .., b':', m1, m2] if (1..=2).contains(&h.len()) => (read(h), read(&[*m1, *m2])),
            _ => (None, None),
        };
        match (hours, minutes) {
            (Some(hours), Some(minutes)) if minutes < HOUR => match hours * HOUR + minutes {
                0 => Err(DuracaoInvalida::Zero),
                total if total > Self::MAX => Err(DuracaoInvalida::MaisDe24Horas),
                total => Ok(Self(total)),
            },
            _ => Err(DuracaoInvalida::Formato),
        }
    }

    /// Creates a duration from whole minutes. Returns `None` if `minutes` is not within 1 to 1,440.
    #[must_use]
    pub fn from_minutes(minutes: i64) -> Option<Self> {
        let minutes = u16::try_from(minutes).ok()?;
        (1..=Self::MAX).contains(&minutes).then_some(Self(minutes))
    }

    /// Returns the duration in whole minutes.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// Returns the total that consists of this duration only.
    #[must_use]
    pub fn total(self) -> Total {
        Total(i64::from(self.0))
    }
}

impl fmt::Display for Duracao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total().fmt(f)
    }
}

/// Sum of durations in whole minutes; its text form has at least two digits for the hours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Total(pub i64);

impl Total {
    /// Returns the hours for the wire: the `f64` nearest to minutes / 60.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody worked 2^53 minutes")]
    pub fn hours(self) -> f64 {
        self.0 as f64 / f64::from(HOUR)
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hour = i64::from(HOUR);
        write!(f, "{:02}:{:02}", self.0 / hour, self.0 % hour)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d_33_all_1440_durations_print_as_written() {
        for minutes in 1..=Duracao::MAX {
            let text = format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let duracao = Duracao::parse(&text).unwrap();
            assert_eq!((duracao.minutes(), duracao.to_string()), (minutes, text.clone()));
            // The hours on the wire convert back to the exact number of minutes.
            let hours = duracao.total().hours();
            assert!((hours * 60.0 - f64::from(minutes)).abs() < 1e-9, "{text}");
            if let Some(short) = text.strip_prefix('0') {
                assert_eq!(Duracao::parse(short), Ok(duracao));
            }
        }
    }

    #[test]
    fn d_30_invalid_duration_is_refused() {
        use DuracaoInvalida::{Formato, MaisDe24Horas, Zero};
        for (text, why) in [
            ("00:00", Zero),
            ("0:00", Zero),
            ("24:01", MaisDe24Horas),
            ("24:59", MaisDe24Horas),
            ("99:00", MaisDe24Horas),
            ("08:60", Formato),
            ("8", Formato),
            ("8:5", Formato),
            ("08:000", Formato),
            ("008:00", Formato),
            ("08:00\n", Formato),
            (" 8:00", Formato),
            ("-1:00", Formato),
            ("+1:00", Formato),
            ("٠٨:٠٠", Formato),
            ("0８:00", Formato),
            (":00", Formato),
            ("", Formato),
            ("08.00", Formato),
        ] {
            assert_eq!(Duracao::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Duracao::from_minutes(0), None);
        assert_eq!(Duracao::from_minutes(1_441), None);
        assert_eq!(Duracao::from_minutes(-1), None);
    }

    proptest! {
        #[test]
        fn any_text_parses_and_prints_back_or_fails(
            text in prop_oneof!["[0-9]{0,3}:?[0-9]{0,3}", "(?s).{0,7}", "[0-9:.,+٠٨ -]{3,6}"],
        ) {
            // States the rule a second time, in a different way.
            let number = |text: &str| {
                let digits = text.chars().all(|c| c.is_ascii_digit());
                text.parse::<u32>().ok().filter(|_| digits)
            };
            let minutes = match text.split_once(':') {
                Some((h, m)) if (1..=2).contains(&h.len()) && m.len() == 2 => {
                    number(h).zip(number(m)).filter(|(_, minutes)| *minutes < 60)
                }
                _ => None,
            };
            let expected = match minutes.map(|(hours, minutes)| hours * 60 + minutes) {
                None => Err(DuracaoInvalida::Formato),
                Some(0) => Err(DuracaoInvalida::Zero),
                Some(total) if total > 1_440 => Err(DuracaoInvalida::MaisDe24Horas),
                Some(total) => Ok(total),
            };
            let found = Duracao::parse(&text);
            prop_assert_eq!(found.map(|duracao| u32::from(duracao.minutes())), expected);
            if let Ok(duracao) = found {
                prop_assert!(duracao.to_string().ends_with(&text));
            }
        }

        #[test]
        fn minutes_are_a_duration_from_one_to_a_day(minutes in prop_oneof![any::<i64>(), -5_i64..1_500]) {
            let found = Duracao::from_minutes(minutes).map(|duracao| i64::from(duracao.minutes()));
            prop_assert_eq!(found, Some(minutes).filter(|minutes| (1..=1_440).contains(minutes)));
        }

        #[test]
        fn d_32_sum_is_the_same_in_any_order_and_prints_every_minute(
            mut parts in prop::collection::vec(1_u16..=Duracao::MAX, 0..200),
        ) {
            let sum = |parts: &[u16]| Total(parts.iter().map(|m| i64::from(*m)).sum());
            let (forth, minutes) = (sum(&parts), parts.iter().map(|m| u64::from(*m)).sum::<u64>());
            parts.reverse();
            prop_assert_eq!(forth, sum(&parts));
            let text = forth.to_string();
            let (hours, rest) = text.split_once(':').unwrap();
            prop_assert_eq!(hours.parse::<u64>().unwrap() * 60 + rest.parse::<u64>().unwrap(), minutes);
            let minutes = f64::from(u32::try_from(minutes).unwrap());
            prop_assert!((forth.hours() * 60.0 - minutes).abs() < 1e-6);
        }
    }
}
