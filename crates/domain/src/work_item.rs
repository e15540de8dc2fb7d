//! What Azure DevOps says of a work item, as far as hours are concerned.

use std::fmt;
use std::sync::Arc;

use super::horas::Horas;

/// The kind of a state. Names of states are free, categories are not (D-36).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Categoria {
    /// Not begun.
    Proposed,
    /// Under way.
    InProgress,
    /// Done, not yet accepted.
    Resolved,
    /// Closed.
    Completed,
    /// Given up.
    Removed,
}

impl Categoria {
    /// The word of Azure DevOps; `None` for one that is new.
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

    /// The word of Azure DevOps.
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

    /// Whether hours may be logged, changed and deleted.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Completed | Self::Removed)
    }
}

/// The three fields of hours; `None` where empty, or where the type has no such field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `OriginalEstimate`.
    pub original_estimate: Option<Horas>,
    /// `RemainingWork`.
    pub remaining_work: Option<Horas>,
    /// `CompletedWork`.
    pub completed_work: Option<Horas>,
}

/// Types of work items that take hours. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoggableTypes(Arc<[String]>);

impl LoggableTypes {
    /// These, in any case.
    #[must_use]
    pub fn new(types: &[String]) -> Self {
        Self(types.into())
    }

    /// Whether a type is one of them.
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
