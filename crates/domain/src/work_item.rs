//! Data of a work item in Azure DevOps that concerns hours.

use std::fmt;
use std::sync::Arc;

use super::horas::Horas;

/// Category of a state. The names of states are free, the categories are fixed (D-36).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Categoria {
    /// Not started.
    Proposed,
    /// In progress.
    InProgress,
    /// Done, not yet accepted.
    Resolved,
    /// Closed.
    Completed,
    /// Abandoned.
    Removed,
}

impl Categoria {
    /// Parses the word of Azure DevOps, without regard to case. Returns `None` for an unknown word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Proposed,
            Self::InProgress,
            Self::Resolved,
            Self::Completed,
            Self::Removed,
        ]
        .into_iter()
        .find(|categoria| categoria.as_str().eq_ignore_ascii_case(word.trim()))
    }

    /// Returns the word of Azure DevOps.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "Proposed",
            Self::InProgress => "InProgress",
            Self::Resolved => "Resolved",
            Self::Completed => "Completed",
            Self::Removed => "Removed",
        }
    }

    /// Returns `true` if hours may be logged, changed and deleted.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Completed | Self::Removed)
    }
}

/// The three fields of hours; `None` if the field is empty or the type does not have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `OriginalEstimate`.
    pub original_estimate: Option<Horas>,
    /// `RemainingWork`.
    pub remaining_work: Option<Horas>,
    /// `CompletedWork`.
    pub completed_work: Option<Horas>,
}

/// Types of work items on which hours can be logged. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoggableTypes(Arc<[String]>);

impl LoggableTypes {
    /// Creates the list from `types`, which are compared without regard to case.
    #[must_use]
    pub fn new(types: &[String]) -> Self {
        Self(types.into())
    }

    /// Returns `true` if the type is in the list.
    #[must_use]
    pub fn has(&self, tipo: &str) -> bool {
        let tipo = tipo.to_lowercase();
        self.0.iter().any(|allowed| allowed.to_lowercase() == tipo)
    }
}

impl fmt::Display for LoggableTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
