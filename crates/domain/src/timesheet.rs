//! The weekly timesheet: a week, the work items of a project as a tree, and the hours of one person in it.

use chrono::{Datelike, Days, NaiveDate, Weekday};

use super::apontamento::AtividadeRef;
use super::duracao::{Duracao, Total};
use super::ids::ApontamentoId;
use super::work_item::{Categoria, Scheduling};

/// Days of a week.
pub const DAYS: usize = 7;

/// A week from Monday to Sunday (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Semana {
    monday: NaiveDate,
}

impl Semana {
    /// The week that a day is in.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        let since_monday = u64::from(day.weekday().num_days_from_monday());
        let monday = day.checked_sub_days(Days::new(since_monday)).unwrap_or(day);
        Self { monday }
    }

    /// Monday.
    #[must_use]
    pub fn first(self) -> NaiveDate {
        self.monday
    }

    /// Sunday.
    #[must_use]
    pub fn last(self) -> NaiveDate {
        let sunday = self.monday.checked_add_days(Days::new(DAYS as u64 - 1));
        sunday.unwrap_or(self.monday)
    }

    /// The seven days.
    #[must_use]
    pub fn days(self) -> [NaiveDate; DAYS] {
        std::array::from_fn(|n| {
            let day = self.monday.checked_add_days(Days::new(n as u64));
            day.unwrap_or(self.monday)
        })
    }

    /// Which of the seven days it is.
    #[must_use]
    pub fn position(self, day: NaiveDate) -> Option<usize> {
        let position = usize::try_from((day - self.monday).num_days()).ok()?;
        (position < DAYS).then_some(position)
    }
}

/// A day of the week as people abbreviate it.
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

/// An entry in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lancamento {
    /// Key.
    pub id: ApontamentoId,
    /// Work item.
    pub work_item_id: i32,
    /// Day.
    pub data: NaiveDate,
    /// How long.
    pub duracao: Duracao,
    /// At what.
    pub atividade: AtividadeRef,
    /// Free text.
    pub comentario: Option<String>,
}

/// A work item of the sheet.
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
    /// Picture of the type, a `data:` URI.
    pub icon: std::sync::Arc<str>,
    /// Person that the work item is assigned to.
    pub assigned_to: Option<String>,
    /// Its own hours.
    pub scheduling: Scheduling,
    /// The work item above it, in the sheet or not.
    pub parent: Option<i32>,
    /// Whether hours can be logged.
    pub pode_editar: bool,
    /// Whether entries can be deleted.
    pub pode_excluir: bool,
}

/// A work item with what is below it.
#[derive(Debug, Clone)]
pub struct No {
    /// The work item.
    pub item: Item,
    /// Its hours, with those below it: of estimate, completed and remaining the sum of its children where
    /// they have any.
    pub scheduling: Scheduling,
    /// Its entries, by day.
    pub lancamentos: [Vec<Lancamento>; DAYS],
    /// Its hours of each day, with those below it.
    pub dias: [Total; DAYS],
    /// Its hours of the week, with those below it.
    pub total: Total,
    /// The work item above it, where that is in the sheet.
    pub parent: Option<i32>,
    /// What is below it.
    pub children: Vec<No>,
}

/// What a sheet lacks, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aviso {
    /// Stable machine-readable code.
    pub code: &'static str,
    /// Sentence for people.
    pub detail: String,
}

/// The sheet of a week.
#[derive(Debug, Clone)]
pub struct Folha {
    /// The week.
    pub semana: Semana,
    /// Today, wherever it is.
    pub hoje: NaiveDate,
    /// The trees.
    pub roots: Vec<No>,
    /// All entries of each day, each once.
    pub dias: [Total; DAYS],
    /// All entries, each once.
    pub total: Total,
    /// How many work items there are.
    pub count: usize,
    /// What is not in the sheet though it might be expected.
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
