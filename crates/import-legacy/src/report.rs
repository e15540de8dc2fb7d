//! What an import tells: every row that did not come along as it was, and counts of each table.

use std::fmt;

use crate::target::Outcome;

/// Tables that are imported, in this order.
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

/// A row that did not come along as it was. Displays as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Table.
    pub table: &'static str,
    /// Key there; of a pair, the activity's.
    pub id: uuid::Uuid,
    /// Whether it is here now, if not as it was.
    pub imported: bool,
    /// What happened to it.
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

/// Rows of a table, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Looked at.
    pub read: u64,
    /// Stored now.
    pub inserted: u64,
    /// Here already, the same.
    pub unchanged: u64,
    /// Here already, and changed on one side since; left as they are here.
    pub differing: u64,
    /// Deleted here since; they stay so.
    pub deleted: u64,
    /// Those that could not be mapped.
    pub refused: u64,
}

/// The outcome of an import. Displays as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Each table and its counts.
    pub tables: Vec<(&'static str, Counts)>,
    /// Work items whose imported hours count as written to Azure DevOps.
    pub work_items: usize,
    /// Days of a person, imported or not, that hold more than the limit.
    pub days_above: i64,
}

impl Report {
    /// Rows stored now.
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

/// Counts, and tells of what is not as it was.
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
        // An enum without values: its discriminants are the positions in ALL.
        &mut self.counts[tabela as usize]
    }

    /// A row came to the end that the statement tells.
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

    /// A row stays where it is.
    pub(super) fn refused(&mut self, tabela: Tabela, id: uuid::Uuid, text: String) {
        let counts = self.counts(tabela);
        counts.read += 1;
        counts.refused += 1;
        self.tell(tabela, id, false, text);
    }

    /// A row comes along, but not as it was; it is counted elsewhere.
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
