//! Errors of a request's values, malformed ones and broken business rules, with their location.

use std::fmt;

/// Broken rule and the location of the value that breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path to the value: first the part of the request (`body`, `query`, `path` or `header`), then keys and
    /// positions. The part alone stands for all of it.
    pub loc: Vec<Segment>,
    /// Stable code: for a malformed value as in pydantic 2.5 (`string_too_short`, `uuid_parsing`, ...), for a
    /// broken business rule the code of the problem (`limite_diario`, ...).
    pub kind: &'static str,
    /// Text in Portuguese: for a malformed value a fragment that can follow the name of the field, for a
    /// broken business rule a sentence.
    pub message: String,
}

/// Step of [`FieldError::loc`]; as in pydantic, clients get it as a text or a number without a tag.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Segment {
    /// Key of an object; as the first step, the part of the request.
    Key(String),
    /// Position of an element in a list, from 0.
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
