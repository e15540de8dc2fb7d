//! Report of an import: each row that was rejected or changed, and counts of each table.

use std::fmt;

use crate::target::Outcome;

/// Imported tables, in the order of the import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tabela {
    Projetos,
    Atividades,
    Vinculos,
    Apontamentos,
    Pats,
}

impl Tabela {
    const ALL: [Self; 5] = [
        Self::Projetos,
        Self::Atividades,
        Self::Vinculos,
        Self::Apontamentos,
        Self::Pats,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Projetos => "projetos",
            Self::Atividades => "atividades",
            Self::Vinculos => "atividade_projeto",
            Self::Apontamentos => "apontamentos",
            Self::Pats => "organization_pats",
        }
    }
}

/// Row that was rejected or changed; displayed as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Table.
    pub table: &'static str,
    /// Key of the row in the source; for a pair, that of the activity.
    pub id: uuid::Uuid,
    /// `true` if the row was imported, with a change.
    pub imported: bool,
    /// Reason or change, for the operator.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            id,
            imported,
            text,
        } = self;
        let verdict = if *imported { "note" } else { "not imported" };
        write!(f, "{table} {id}: {verdict}: {text}")
    }
}

/// Number of rows of a table, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows that already exist and are equal.
    pub unchanged: u64,
    /// Rows that already exist and were changed on one side since; our version is not changed.
    pub differing: u64,
    /// Rows that were deleted here; they stay deleted.
    pub deleted: u64,
    /// Rows that could not be mapped.
    pub refused: u64,
}

/// Result of an import; displayed as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Counts by table.
    pub tables: Vec<(&'static str, Counts)>,
    /// Number of work items whose imported hours count as written to Azure DevOps.
    pub work_items: usize,
    /// Number of days of a person, imported or not, above the limit.
    pub days_above: i64,
}

impl Report {
    /// Returns the number of inserted rows.
    #[must_use]
    pub fn inserted(&self) -> u64 {
        self.tables.iter().map(|(_, counts)| counts.inserted).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>12}",
            "table", "read", "imported", "unchanged", "differing", "deleted", "not imported"
        )?;
        for (table, counts) in &self.tables {
            let Counts {
                read,
                inserted,
                unchanged,
                differing,
                deleted,
                refused,
            } = counts;
            writeln!(
                f,
                "{table:<18} {read:>9} {inserted:>9} {unchanged:>9} {differing:>9} {deleted:>9} {refused:>12}"
            )?;
        }
        write!(
            f,
            "work items whose imported hours count as written to Azure DevOps: {}\n\
             days of a person above MAX_MINUTES_PER_DAY, kept as they are: {}",
            self.work_items, self.days_above
        )
    }
}

/// Counts rows and reports those that were rejected or changed.
pub(super) struct Findings<'a> {
    counts: [Counts; Tabela::ALL.len()],
    found: &'a mut dyn FnMut(&Finding),
}

impl<'a> Findings<'a> {
    pub(super) fn new(found: &'a mut dyn FnMut(&Finding)) -> Self {
        Self {
            counts: Default::default(),
            found,
        }
    }

    fn counts(&mut self, tabela: Tabela) -> &mut Counts {
        // The enum has no values, so its discriminants are the positions in ALL.
        &mut self.counts[tabela as usize]
    }

    /// Counts a row by the outcome that the statement returned.
    pub(super) fn outcome(&mut self, tabela: Tabela, outcome: Outcome) {
        let counts = self.counts(tabela);
        counts.read += 1;
        *match outcome {
            Outcome::Inserted => &mut counts.inserted,
            Outcome::Unchanged => &mut counts.unchanged,
            Outcome::Differs => &mut counts.differing,
            Outcome::Deleted => &mut counts.deleted,
            Outcome::NoProjeto | Outcome::NoAtividade => &mut counts.refused,
        } += 1;
    }

    /// Counts and reports a row that is not imported.
    pub(super) fn refused(&mut self, tabela: Tabela, id: uuid::Uuid, text: String) {
        let counts = self.counts(tabela);
        counts.read += 1;
        counts.refused += 1;
        self.tell(tabela, id, false, text);
    }

    /// Reports a row that is imported with a change; the row is counted by its outcome.
    pub(super) fn changed(&mut self, tabela: Tabela, id: uuid::Uuid, text: String) {
        self.tell(tabela, id, true, text);
    }

    fn tell(&mut self, tabela: Tabela, id: uuid::Uuid, imported: bool, text: String) {
        let table = tabela.name();
        (self.found)(&Finding {
            table,
            id,
            imported,
            text,
        });
    }

    pub(super) fn report(&self, work_items: usize, days_above: i64) -> Report {
        let tables = Tabela::ALL.iter().map(|tabela| tabela.name());
        Report {
            tables: tables.zip(self.counts).collect(),
            work_items,
            days_above,
        }
    }
}
