//! Which version of an object a change is meant for. An object's version is the moment of its last change.

use chrono::{DateTime, Utc};

/// What must hold before a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The object has one of these versions, in microseconds since 1970.
    Version(Vec<i64>),
}

impl Precondition {
    /// Whether an object that last changed then may be changed.
    #[must_use]
    pub fn allows(&self, changed_at: DateTime<Utc>) -> bool {
        match self {
            Self::None => true,
            Self::Version(versions) => versions.contains(&changed_at.timestamp_micros()),
        }
    }
}
