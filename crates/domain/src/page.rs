//! Pagination of lists: by `skip` and `limit`, or from a position in the order of the list.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use uuid::Uuid;

use super::ids::{ApontamentoId, AtividadeId};

/// Number of rows to skip and to return. The bounds of both are checked where requests are parsed, not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Number of rows before the first one to return; never negative, possibly beyond the last row.
    pub skip: i64,
    /// Maximum number of rows to return, at least 1; `i64::MAX` stands for all rows.
    pub limit: i64,
}

/// Page that begins after a position, or else after `skip` rows. Rows that are deleted or inserted before the
/// position do not move the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysetPage<P> {
    /// Last row of the previous page.
    pub after: Option<P>,
    /// As for [`Page::skip`].
    pub skip: i64,
    /// As for [`Page::limit`].
    pub limit: i64,
}

impl<P> KeysetPage<P> {
    /// Returns the number of rows to read: one row after the page says that another page follows.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.limit.saturating_add(1)
    }

    /// Removes the row after the page from `rows`. Returns `true` if there was one.
    pub fn cut<T>(&self, rows: &mut Vec<T>) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        more
    }

    /// Returns the page to read for the totals of the list if this page has no row to carry them.
    #[must_use]
    pub fn for_totals(&self, is_empty: bool) -> Option<Self> {
        let begins_later = self.skip > 0 || self.after.is_some();
        (is_empty && begins_later).then_some(Self {
            after: None,
            skip: 0,
            limit: 1,
        })
    }
}

/// Page of a list, with the number of rows of the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// Rows of the page. The order of the list has no ties, so that pages of unchanged rows do not overlap.
    pub items: Vec<T>,
    /// Number of rows that match the filter, on all pages together.
    pub total: i64,
}

/// Position in the order of a list. The text form is what cursors contain.
pub trait Position: Sized {
    /// Returns the position as text.
    fn to_text(&self) -> String;

    /// Parses the result of [`to_text`](Self::to_text). Returns `None` for any other text, and for values
    /// that PostgreSQL does not accept.
    fn parse(text: &str) -> Option<Self>;
}

/// Position in a list of time entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApontamentoPosition {
    /// `true` if the list has the oldest day first.
    pub oldest_first: bool,
    /// Day of the entry.
    pub data: NaiveDate,
    /// Time of its creation.
    pub criado_em: DateTime<Utc>,
    /// Its key.
    pub id: ApontamentoId,
}

impl Position for ApontamentoPosition {
    fn to_text(&self) -> String {
        let order = if self.oldest_first { "asc" } else { "desc" };
        let micros = self.criado_em.timestamp_micros();
        format!("apontamentos/{order}/{}/{micros}/{}", self.data, self.id)
    }

    fn parse(text: &str) -> Option<Self> {
        let (order, rest) = text.strip_prefix("apontamentos/")?.split_once('/')?;
        let (data, rest) = rest.split_once('/')?;
        let (micros, id) = rest.split_once('/')?;
        let data = NaiveDate::parse_from_str(data, "%Y-%m-%d").ok()?;
        let criado_em = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        let years = 1..=9_999;
        (years.contains(&data.year()) && years.contains(&criado_em.year())).then_some(())?;
        let oldest_first = match order {
            "asc" => true,
            "desc" => false,
            _ => return None,
        };
        Some(Self {
            oldest_first,
            data,
            criado_em,
            id: ApontamentoId(Uuid::try_parse(id).ok()?),
        })
    }
}

/// Position in a list of activities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtividadePosition {
    /// Number of activities on the pages before.
    pub order: i64,
    /// Key of the activity.
    pub id: AtividadeId,
    /// Its name, which determines its place.
    pub nome: String,
}

impl Position for AtividadePosition {
    fn to_text(&self) -> String {
        format!("atividades/{}/{}/{}", self.order, self.id, self.nome)
    }

    fn parse(text: &str) -> Option<Self> {
        let (order, rest) = text.strip_prefix("atividades/")?.split_once('/')?;
        let (id, nome) = rest.split_once('/')?;
        let order = order.parse().ok().filter(|order| *order >= 0)?;
        let id = AtividadeId(Uuid::try_parse(id).ok()?);
        (!nome.contains('\0')).then(|| Self {
            order,
            id,
            nome: nome.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn position_of_an_entry_survives_its_text(
            oldest_first: bool, days in 0..3_000_000_i32, micros in 0..253_000_000_000_000_000_i64, id: u128,
        ) {
            let position = ApontamentoPosition {
                oldest_first,
                data: NaiveDate::from_ymd_opt(1, 1, 1).unwrap() + chrono::Days::new(days.unsigned_abs().into()),
                criado_em: DateTime::from_timestamp_micros(micros).unwrap(),
                id: ApontamentoId(Uuid::from_u128(id)),
            };
            prop_assert_eq!(ApontamentoPosition::parse(&position.to_text()), Some(position));
        }

        #[test]
        fn position_of_an_activity_survives_its_text(order in 0..i64::MAX, id: u128, nome in "[^\0]{0,20}") {
            let id = AtividadeId(Uuid::from_u128(id));
            let position = AtividadePosition { order, id, nome };
            prop_assert_eq!(AtividadePosition::parse(&position.to_text()), Some(position));
        }

        #[test]
        fn foreign_text_is_no_position(text in "(apontamentos/|atividades/)?(asc/)?.{0,60}") {
            prop_assert_eq!(ApontamentoPosition::parse(&text), None);
            prop_assert!(AtividadePosition::parse(&text).is_none_or(|found| found.to_text() == text));
        }
    }

    #[test]
    fn values_beyond_the_database_are_no_position() {
        let id = Uuid::nil();
        for (data, micros) in [
            ("9999-12-31", i64::MAX),
            ("10000-01-01", 0),
            ("0000-12-31", 0),
            ("2026-02-30", 0),
        ] {
            let text = format!("apontamentos/asc/{data}/{micros}/{id}");
            assert_eq!(ApontamentoPosition::parse(&text), None, "{text}");
        }
        assert_eq!(AtividadePosition::parse(&format!("atividades/-1/{id}/a")), None);
        assert_eq!(AtividadePosition::parse(&format!("atividades/1/{id}/a\0")), None);
    }
}
