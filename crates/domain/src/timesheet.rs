//! The weekly timesheet: a week, the work items of a project as a tree, and one person's hours on them.

use chrono::{Datelike, Days, NaiveDate, Weekday};

use super::apontamento::AtividadeRef;
use super::duracao::{Duracao, Total};
use super::ids::ApontamentoId;
use super::work_item::{Categoria, Scheduling};

/// Number of days in a week.
pub const DAYS: usize = 7;

/// Week from Monday to Sunday (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Semana {
    monday: NaiveDate,
}

impl Semana {
    /// Returns the week that contains `day`.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        let since_monday = u64::from(day.weekday().num_days_from_monday());
        let monday = day.checked_sub_days(Days::new(since_monday)).unwrap_or(day);
        Self { monday }
    }

    /// Returns the Monday.
    #[must_use]
    pub fn first(self) -> NaiveDate {
        self.monday
    }

    /// Returns the Sunday.
    #[must_use]
    pub fn last(self) -> NaiveDate {
        let sunday = self.monday.checked_add_days(Days::new(DAYS as u64 - 1));
        sunday.unwrap_or(self.monday)
    }

    /// Returns the seven days in order.
    #[must_use]
    pub fn days(self) -> [NaiveDate; DAYS] {
        std::array::from_fn(|n| {
            let day = self.monday.checked_add_days(Days::new(n as u64));
            day.unwrap_or(self.monday)
        })
    }

    /// Returns the index of `day` from 0 (Monday). Returns `None` if the day is not in the week.
    #[must_use]
    pub fn position(self, day: NaiveDate) -> Option<usize> {
        let position = usize::try_from((day - self.monday).num_days()).ok()?;
        (position < DAYS).then_some(position)
    }
}

/// Returns the Portuguese abbreviation of the day of the week.
#[must_use]
pub fn day_name(day: NaiveDate) -> &'static str {
    match day.weekday() {
        Weekday::Mon => "seg",
        Weekday::Tue => "ter",
        Weekday::Wed => "qua",
        Weekday::Thu => "qui",
        Weekday::Fri => "sex",
        Weekday::Sat => "sáb",
        Weekday::Sun => "dom",
    }
}

/// Time entry in a cell of the sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lancamento {
    /// Key.
    pub id: ApontamentoId,
    /// Work item.
    pub work_item_id: i32,
    /// Day.
    pub data: NaiveDate,
    /// Duration.
    pub duracao: Duracao,
    /// Activity.
    pub atividade: AtividadeRef,
    /// Free text.
    pub comentario: Option<String>,
}

/// Work item of the sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Id.
    pub id: i32,
    /// Title.
    pub title: String,
    /// Name of the type.
    pub tipo: String,
    /// Name of the state.
    pub state: String,
    /// Category of the state.
    pub categoria: Categoria,
    /// Icon of the type, a `data:` URI.
    pub icon: std::sync::Arc<str>,
    /// Assignee of the work item.
    pub assigned_to: Option<String>,
    /// Hours of the work item itself.
    pub scheduling: Scheduling,
    /// Parent work item, whether or not it is in the sheet.
    pub parent: Option<i32>,
    /// `true` if hours can be logged.
    pub pode_editar: bool,
    /// `true` if entries can be deleted.
    pub pode_excluir: bool,
}

/// Work item with its descendants.
#[derive(Debug, Clone)]
pub struct No {
    /// The work item.
    pub item: Item,
    /// Hours with those of the descendants: estimate, completed and remaining are each the sum of the
    /// children if the children have any.
    pub scheduling: Scheduling,
    /// Time entries of the work item, by day.
    pub lancamentos: [Vec<Lancamento>; DAYS],
    /// Hours logged by day, with those of the descendants.
    pub dias: [Total; DAYS],
    /// Hours logged in the week, with those of the descendants.
    pub total: Total,
    /// Parent work item; `None` if it is not in the sheet.
    pub parent: Option<i32>,
    /// Child work items.
    pub children: Vec<No>,
}

/// Warning about data that is missing from a sheet, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aviso {
    /// Stable machine-readable code.
    pub code: &'static str,
    /// Sentence for people.
    pub detail: String,
}

/// Sheet of a week.
#[derive(Debug, Clone)]
pub struct Folha {
    /// The week.
    pub semana: Semana,
    /// Current date, in the week or not.
    pub hoje: NaiveDate,
    /// Work items without a parent in the sheet, with their descendants.
    pub roots: Vec<No>,
    /// Totals by day, with each entry counted once.
    pub dias: [Total; DAYS],
    /// Total of the week, with each entry counted once.
    pub total: Total,
    /// Number of work items.
    pub count: usize,
    /// Warnings about data that users might expect in the sheet.
    pub avisos: Vec<Aviso>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn d_48_weeks_begin_on_monday_over_the_ends_of_years() {
        for (of, first, last) in [
            ("2026-01-12", "2026-01-12", "2026-01-18"),
            ("2026-01-18", "2026-01-12", "2026-01-18"),
            ("2027-01-01", "2026-12-28", "2027-01-03"),
            ("2020-12-31", "2020-12-28", "2021-01-03"),
            ("2028-02-29", "2028-02-28", "2028-03-05"),
        ] {
            let semana = Semana::of(day(of));
            assert_eq!((semana.first(), semana.last()), (day(first), day(last)), "{of}");
            assert_eq!(semana.days()[6], semana.last());
            assert_eq!(semana.position(semana.last()), Some(6));
            assert_eq!(semana.position(semana.first() - Days::new(1)), None);
            assert_eq!(semana.position(semana.last() + Days::new(1)), None);
        }
        assert_eq!(Semana::of(NaiveDate::MIN).position(NaiveDate::MIN), Some(0));
        let names: Vec<&str> = Semana::of(day("2026-01-12"))
            .days()
            .into_iter()
            .map(day_name)
            .collect();
        assert_eq!(names, ["seg", "ter", "qua", "qui", "sex", "sáb", "dom"]);
    }
}
