//! The tenant: an Azure DevOps organisation (on a server of one's own: a collection), known by its name.

use std::fmt;

/// Longest name; Azure DevOps Services allows 50 characters, Azure DevOps Server 64.
const LONGEST: usize = 64;

/// The name of an organisation in its one canonical form, lower case: Azure DevOps does not tell `Contoso` from `contoso`.
///
/// Letters, digits, `-`, `_`, `.` and spaces, beginning and ending with a letter or digit; so no name can leave its
/// segment of a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct NomeOrganizacao(String);

impl NomeOrganizacao {
    /// Checks `text`; blanks around it do not count.
    ///
    /// # Errors
    /// A phrase that says what is wrong, without quoting the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let edge_ok = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
        if text.len() > LONGEST {
            return Err("is longer than 64 characters");
        }
        if !edge_ok(text.chars().next()) || !edge_ok(text.chars().next_back()) || !text.chars().all(inner_ok)
        {
            return Err("is not the name of an organisation (letters, digits, -)");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NomeOrganizacao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose rows a transaction sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of these organisations; none means none.
    Organizacoes {
        /// The organisations.
        nomes: Vec<NomeOrganizacao>,
        /// Also those of no organisation: rows from older databases, which had only one.
        and_unassigned: bool,
    },
    /// Those of all organisations, as a caller: while authentication is off.
    Everything,
    /// Every row, as the service itself: synchronisation, vault, sample data.
    Maintenance,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn a_name_is_one_harmless_segment_in_lower_case() {
        assert_eq!(NomeOrganizacao::parse(" Sefaz-CE ").unwrap().as_str(), "sefaz-ce");
        assert!(NomeOrganizacao::parse("Default Collection_2.0").is_ok());
        for bad in [
            "",
            " ",
            ".",
            "..",
            "-a",
            "a-",
            "a/b",
            "a%2fb",
            "X/../z",
            "é",
            "a\0b",
            &"a".repeat(65),
        ] {
            assert!(NomeOrganizacao::parse(bad).is_err(), "{bad}");
        }
    }
    proptest! {
        #[test]
        fn whatever_is_taken_is_canonical_and_of_harmless_characters(
            text in prop_oneof![arbitrary::text(), "[ \\t]{0,2}[A-Za-z0-9_. -]{0,70}"],
        ) {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_. ".contains(c);
            let edge = |c: char| c.is_ascii_alphanumeric();
            let bare = text.trim();
            let well_formed = (1..=64).contains(&bare.len())
                && bare.to_ascii_lowercase().chars().all(allowed)
                && bare.starts_with(edge)
                && bare.ends_with(edge);
            let nome = NomeOrganizacao::parse(&text);
            prop_assert_eq!(nome.is_ok(), well_formed);
            if let Ok(nome) = nome {
                prop_assert!(nome.as_str().chars().all(allowed));
                prop_assert!(nome.as_str().eq_ignore_ascii_case(bare));
                prop_assert_eq!(NomeOrganizacao::parse(nome.as_str()), Ok(nome.clone()));
                prop_assert_eq!(NomeOrganizacao::parse(&text.to_ascii_uppercase()), Ok(nome));
            }
        }
    }
}
