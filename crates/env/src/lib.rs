//! Reads the environment and `.env`, as the only module, and collects their problems.

mod files;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

pub use files::SECRETS;
use files::Unusable;

/// File with variables that the environment lacks.
const FILE: &str = ".env";

/// Variables by name: the process environment over `.env`.
#[derive(Clone, Default)]
pub struct Env {
    variables: HashMap<String, String>,
    /// Secrets read from `NAME_FILE`, by `NAME`. They are not trimmed, because a blank may be part of a
    /// password.
    from_files: HashMap<&'static str, String>,
    /// Secrets whose `NAME_FILE` could not be read.
    unusable: Vec<Unusable>,
    /// Reason why `.env` could not be read to its end.
    broken_file: Option<String>,
}

impl Env {
    /// Reads the process environment, then `.env` in the current folder for missing variables, then the files
    /// that `NAME_FILE` variables of both name.
    #[must_use]
    pub fn from_process() -> Self {
        let mut env = Self::from_file(Path::new(FILE));
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                env.variables.insert(name, value);
            }
        }
        env.with_files()
    }

    /// Reads the files that variables `NAME_FILE` name.
    #[must_use]
    pub fn with_files(mut self) -> Self {
        files::resolve(&mut self);
        self
    }

    /// Creates an environment of exactly these variables.
    #[must_use]
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        Self {
            variables,
            ..Self::default()
        }
    }

    /// Returns the environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self.from_files.remove(name);
        self
    }

    /// Returns the environment without variables with this prefix, and without their files.
    #[must_use]
    pub fn without_prefix(mut self, prefix: &str) -> Self {
        self.variables.retain(|name, _| !name.starts_with(prefix));
        self.from_files.retain(|name, _| !name.starts_with(prefix));
        self.unusable.retain(|file| !file.secret.starts_with(prefix));
        self
    }

    /// Returns the value, trimmed unless it was read from a file. Returns `None` if the variable is unset or
    /// blank (compose files pass `NAME=` for unset variables).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let from_file = self.from_files.get(name).map(String::as_str);
        from_file.or_else(|| {
            self.variables
                .get(name)
                .map(|v| v.trim())
                .filter(|v| !v.is_empty())
        })
    }

    /// Reads a file of lines `NAME=value`; a file that does not exist has none.
    #[must_use]
    pub fn from_file(path: &Path) -> Self {
        let mut env = Self::default();
        let entries = match dotenvy::from_path_iter(path) {
            Ok(entries) => entries,
            Err(dotenvy::Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => return env,
            Err(_) => {
                env.broken_file = Some("cannot be read".to_owned());
                return env;
            }
        };
        let mut last = None;
        for entry in entries {
            let Ok((name, value)) = entry else {
                // dotenvy's error quotes the line, which may contain a secret.
                env.broken_file = Some(match last {
                    Some(name) => format!("the line after {name} is not NAME=value"),
                    None => "the first line is not NAME=value".to_owned(),
                });
                break;
            };
            last = Some(name.clone());
            env.variables.insert(name, value);
        }
        env
    }
}

/// A problem of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the variable.
    pub variable: String,
    /// The fault, without quoting a secret.
    pub problem: String,
    /// An example of a valid value.
    pub example: String,
}

/// All problems of the configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns the names of the variables, in the order found.
    #[must_use]
    pub fn variables(&self) -> Vec<&str> {
        self.0.iter().map(|p| p.variable.as_str()).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} problem(s):", self.0.len())?;
        for Problem {
            variable,
            problem,
            example,
        } in &self.0
        {
            // A problem of the file itself has no example value.
            let example = if variable == FILE {
                "NAME=value".to_owned()
            } else {
                format!("{variable}={example}")
            };
            writeln!(f, "  {variable}: {problem} (example: {example})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads typed values and collects all problems instead of stopping at the first one.
pub struct Reader<'a> {
    env: &'a Env,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Creates a reader of these variables; a `.env` that could not be read to its end is its first problem.
    #[must_use]
    pub fn new(env: &'a Env) -> Self {
        let mut reader = Self {
            env,
            problems: Vec::new(),
        };
        if let Some(why) = &env.broken_file {
            reader.problem(FILE, why, "");
        }
        reader
    }

    /// Returns the value of a variable; see [`Env::get`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.env.get(name)
    }

    /// Returns `true` if the variable has a value or an unusable file. An unusable file is reported on its
    /// own, and a second problem "is required" would mislead the operator.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.get(name).is_some() || self.env.unusable.iter().any(|file| file.secret == name)
    }

    /// Adds the problems of the secret files of variables with this prefix.
    pub fn check_files(&mut self, prefix: &str) {
        let ours = self.env.unusable.iter();
        let ours = ours.filter(|file| file.secret.starts_with(prefix));
        self.problems.extend(ours.map(Unusable::problem));
    }

    /// Records a problem of a variable. The text must not quote a secret.
    pub fn problem(&mut self, variable: &str, problem: &str, example: &str) {
        self.problems.push(Problem {
            variable: variable.to_owned(),
            problem: problem.to_owned(),
            example: example.to_owned(),
        });
    }

    /// Returns the parsed value, or `default` if the variable is unset or invalid (an invalid value is
    /// recorded as a problem).
    pub fn parse<T>(
        &mut self,
        name: &str,
        default: T,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        match self.get(name).map(parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(problem)) => {
                self.problem(name, &problem, example);
                default
            }
        }
    }

    /// Reads a whole number from `min` to `max`.
    pub fn number<T>(&mut self, name: &str, default: T, min: T, max: T) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        self.parse(name, default, &default.to_string(), |text| {
            match text.parse::<T>() {
                Ok(n) if n >= min && n <= max => Ok(n),
                _ => Err(format!("is not a whole number from {min} to {max}")),
            }
        })
    }

    /// Reads a duration in whole seconds from `min` to `max`.
    pub fn seconds(&mut self, name: &str, default: u64, min: u64, max: u64) -> Duration {
        Duration::from_secs(self.number(name, default, min, max))
    }

    /// Reads a duration in whole milliseconds from `min` to `max`.
    pub fn millis(&mut self, name: &str, default: u64, min: u64, max: u64) -> Duration {
        Duration::from_millis(self.number(name, default, min, max))
    }

    /// Reads a boolean in the spellings that the FastAPI service accepted.
    pub fn boolean(&mut self, name: &str, default: bool) -> bool {
        self.parse(
            name,
            default,
            if default { "true" } else { "false" },
            |text| match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
                "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
                _ => Err("is neither true nor false".to_owned()),
            },
        )
    }

    /// Reads a comma-separated list; blank parts are skipped.
    pub fn list<T>(
        &mut self,
        name: &str,
        default: Vec<T>,
        example: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        self.parse(name, default, example, |text| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let (mut good, mut bad) = (Vec::new(), Vec::new());
            for part in parts {
                match no_separator(part).and_then(|()| parse(part)) {
                    Ok(value) => good.push(value),
                    Err(problem) => bad.push(problem),
                }
            }
            if bad.is_empty() {
                Ok(good)
            } else {
                Err(bad.join("; "))
            }
        })
    }

    /// Returns `value` if no problem was recorded.
    ///
    /// # Errors
    /// With all problems.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(Problems(self.problems))
        }
    }
}

/// Checks that a list entry contains no other separator and no quotation mark, since such an entry would
/// match nothing. The problem never quotes the entry, which may be a secret. A blank may be part of a name
/// and is left to the entry's own check.
///
/// # Errors
/// With the problem.
pub fn no_separator(entry: &str) -> Result<(), String> {
    let named = |c: char| match c {
        ';' => Some("a semicolon"),
        '|' => Some("a vertical bar"),
        '"' => Some("a quotation mark"),
        '\n' | '\r' => Some("a line break"),
        c if c.is_control() => Some("a tab or another control character"),
        c if c.is_whitespace() && c != ' ' => Some("a special blank"),
        _ => None,
    };
    let quoted = entry.starts_with('\'') || entry.ends_with('\'');
    match entry
        .chars()
        .find_map(named)
        .or(quoted.then_some("an apostrophe around an entry"))
    {
        Some(what) => Err(format!("holds {what} (only commas separate entries)")),
        None => Ok(()),
    }
}

/// Checks that an entry contains no blank, for lists whose names never contain one.
///
/// # Errors
/// With the problem.
pub fn no_blank(entry: &str) -> Result<(), String> {
    if entry.contains(' ') {
        return Err("holds a blank (only commas separate entries)".to_owned());
    }
    Ok(())
}
