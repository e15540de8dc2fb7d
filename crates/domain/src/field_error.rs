//! What is wrong with a value of a request, and where it stands.

use std::fmt;

/// One broken rule and where it was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path from `body`, `query` or `path` to the value.
    pub loc: Vec<Segment>,
    /// Stable code, spelled as pydantic 2.5 does (`string_too_short`, `uuid_parsing`, ...).
    pub kind: &'static str,
    /// Sentence fragment in Portuguese that can follow the field's name.
    pub message: String,
}

/// One step of [`FieldError::loc`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Segment {
    /// A key of an object, or the part of the request.
    Key(String),
    /// A position in a list, from 0.
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
