//! Preconditions of changes. The version of an object is the time of its last change.

use chrono::{DateTime, Utc};

/// Condition that an object must meet before it is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// No condition.
    #[default]
    None,
    /// The object must have one of these versions, in microseconds since 1970.
    Version(Vec<i64>),
}

impl Precondition {
    /// Returns `true` if an object that was last changed at `changed_at` may be changed.
    #[must_use]
    pub fn allows(&self, changed_at: DateTime<Utc>) -> bool {
        match self {
            Self::None => true,
            Self::Version(versions) => versions.contains(&changed_at.timestamp_micros()),
        }
    }
}
