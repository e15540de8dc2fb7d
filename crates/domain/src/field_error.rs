//! Validation errors of a request's values, with their location.

use std::fmt;

/// Broken rule and the location of the value that breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path from `body`, `query` or `path` to the value.
    pub loc: Vec<Segment>,
    /// Stable code, spelled as in pydantic 2.5 (`string_too_short`, `uuid_parsing`, ...).
    pub kind: &'static str,
    /// Sentence fragment in Portuguese that can follow the name of the field.
    pub message: String,
}

/// Step of [`FieldError::loc`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Segment {
    /// Key of an object, or the part of the request.
    Key(String),
    /// Position in a list, from 0.
    Index(usize),
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}
