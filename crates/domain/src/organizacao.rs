//! The tenant: an Azure DevOps organisation (on a server of one's own: a collection). Requests and answers
//! speak its name, tables hold its key, and its `instanceId` tells it from another one that takes the name
//! over.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

/// Longest name; Azure DevOps Services allows 50 characters, Azure DevOps Server 64.
const LONGEST: usize = 64;

/// The name of an organisation in its one canonical form, lower case: Azure DevOps does not tell `Contoso`
/// from `contoso`.
///
/// Letters (those with accents of western European languages, too), digits, brackets, `-`, `_`, `.` and
/// spaces, beginning and ending with a letter, digit or bracket; so no name can leave its segment of a URL or
/// its literal in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct NomeOrganizacao(String);

/// Letters of ASCII and Latin-1, digits and brackets.
fn may_begin(c: char) -> bool {
    let is_letter = c.is_ascii_alphanumeric() || matches!(c, 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ');
    is_letter || matches!(c, '(' | ')' | '[' | ']')
}

impl NomeOrganizacao {
    /// Checks `text`; blanks around it do not count.
    ///
    /// # Errors
    /// A phrase that says what is wrong, without quoting the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let edge_ok = |c: Option<char>| c.is_some_and(may_begin);
        let inner_ok = |c: char| may_begin(c) || matches!(c, '-' | '_' | '.' | ' ');
        if text.chars().count() > LONGEST {
            return Err("is longer than 64 characters");
        }
        if !edge_ok(text.chars().next()) || !edge_ok(text.chars().next_back()) || !text.chars().all(inner_ok)
        {
            return Err("is not the name of an organisation (letters, digits, -)");
        }
        Ok(Self(text.to_lowercase()))
    }

    /// The name, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as a header can hold it.
    #[must_use]
    pub fn percent_encoded(&self) -> String {
        let encoded = form_urlencoded::byte_serialize(self.0.as_bytes());
        encoded.collect::<String>().replace('+', "%20")
    }
}

impl fmt::Display for NomeOrganizacao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of an organisation in every table: the name under which it was first seen, and never changed.
///
/// A stranger under a name that is another organisation's key gets `name~2`; `~` stands in no name.
#[derive(
    Debug,
    Clone,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct ChaveOrganizacao(String);

impl ChaveOrganizacao {
    /// The key of an organisation that is first seen under this name.
    #[must_use]
    pub fn first_of(nome: &NomeOrganizacao) -> Self {
        Self(nome.0.clone())
    }

    /// The key for the `n`th organisation that takes this name over (from 2 on).
    #[must_use]
    pub fn nth_of(nome: &NomeOrganizacao, n: usize) -> Self {
        let postfix = format!("~{n}");
        let prefix: String = nome.0.chars().take(LONGEST - postfix.len()).collect();
        Self(format!("{prefix}{postfix}"))
    }

    /// The key as tables hold it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChaveOrganizacao {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long a former name goes on working in requests.
pub const FORMER_NAME_TTL: Duration = Duration::from_hours(90 * 24);

/// A former name comes back as the present one when the present one was not proved for this long.
pub const NAME_UNSEEN: Duration = Duration::from_mins(10);

/// An organisation as the table `organizacoes` holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizacaoRegistrada {
    /// Its key.
    pub chave: ChaveOrganizacao,
    /// Its present name; `None` when another organisation took it over and the new one is not known.
    pub nome: Option<NomeOrganizacao>,
    /// `instanceId` of its `connectionData`, pinned when it was first proved.
    pub instance_id: Option<Uuid>,
    /// Names that it had before, the latest first.
    pub anteriores: Vec<NomeAnterior>,
    /// The present name was not proved for [`NAME_UNSEEN`].
    pub unseen: bool,
}

/// A name that an organisation had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomeAnterior {
    /// The name.
    pub nome: NomeOrganizacao,
    /// It still works in requests.
    pub valid: bool,
}

impl OrganizacaoRegistrada {
    /// Returns `true` if the organisation is or was called so, or has it as its key.
    #[must_use]
    pub fn claims(&self, nome: &NomeOrganizacao) -> bool {
        self.nome.as_ref() == Some(nome) || self.chave.0 == nome.0 || self.was_called(nome)
    }

    /// Returns `true` if the organisation was called so before.
    #[must_use]
    pub fn was_called(&self, nome: &NomeOrganizacao) -> bool {
        self.anteriores.iter().any(|anterior| anterior.nome == *nome)
    }
}

/// Which name stands for which organisation, as of the last look at the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<OrganizacaoRegistrada>);

impl Names {
    /// The names of these organisations.
    #[must_use]
    pub fn new(organizacoes: Vec<OrganizacaoRegistrada>) -> Self {
        Self(organizacoes)
    }

    /// All organisations.
    #[must_use]
    pub fn organizacoes(&self) -> &[OrganizacaoRegistrada] {
        &self.0
    }

    /// The organisation that a request means by `nome`: the one that is called so now, else one that was
    /// until lately. `None` when the name stands for none, or for one that lost it.
    #[must_use]
    pub fn find(&self, nome: &NomeOrganizacao) -> Option<&OrganizacaoRegistrada> {
        let present = self.0.iter().find(|known| known.nome.as_ref() == Some(nome));
        present.or_else(|| {
            self.0.iter().find(|known| {
                let mut valid = known.anteriores.iter().filter(|anterior| anterior.valid);
                valid.any(|anterior| anterior.nome == *nome)
            })
        })
    }

    /// The key for `nome`. A name that no organisation had yet becomes a key itself; one that was lost by the
    /// organisation that has it as its key is `None`.
    #[must_use]
    pub fn chave_of(&self, nome: &NomeOrganizacao) -> Option<ChaveOrganizacao> {
        match self.find(nome) {
            Some(known) => Some(known.chave.clone()),
            None if self.0.iter().any(|known| known.claims(nome)) => None,
            None => Some(ChaveOrganizacao::first_of(nome)),
        }
    }

    /// What an organisation is called now.
    #[must_use]
    pub fn nome_of(&self, chave: &ChaveOrganizacao) -> Option<&NomeOrganizacao> {
        self.0.iter().find(|known| known.chave == *chave)?.nome.as_ref()
    }
}

/// The rows that a transaction sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of these organisations; none means none.
    Organizacoes {
        /// The organisations.
        chaves: Vec<ChaveOrganizacao>,
        /// Also those of no organisation: rows from older databases, which had only one.
        and_unassigned: bool,
    },
    /// Those of all organisations, as a caller: while authentication is off.
    Everything,
    /// Rows of the vault of these organisations; the role of callers has no access to it.
    Vault(Vec<ChaveOrganizacao>),
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
        assert_eq!(
            NomeOrganizacao::parse("COLEÇÃO [BR] (1)").unwrap().as_str(),
            "coleção [br] (1)"
        );
        assert!(NomeOrganizacao::parse(&"é".repeat(64)).is_ok());
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
            "a\0b",
            "a'b",
            "a,b",
            "a~b",
            "Ω",
            "e\u{301}",
            &"a".repeat(65),
        ] {
            assert!(NomeOrganizacao::parse(bad).is_err(), "{bad}");
        }
    }
    proptest! {
        #[test]
        fn whatever_is_taken_is_canonical_and_of_harmless_characters(
            text in prop_oneof![arbitrary::text(), "[ \\t]{0,2}[A-Za-z0-9ÀçÿÖ()\\[\\]_. -]{0,70}"],
        ) {
            let others = "()[]ßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿ";
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
            let allowed = |c: char| edge(c) || "-_. ".contains(c);
            let bare = text.trim().to_lowercase();
            let well_formed = (1..=64).contains(&bare.chars().count())
                && text.trim().chars().all(|c| c.is_ascii() || ('À'..='ÿ').contains(&c))
                && bare.chars().all(allowed)
                && bare.starts_with(edge)
                && bare.ends_with(edge);
            let nome = NomeOrganizacao::parse(&text);
            prop_assert_eq!(nome.is_ok(), well_formed);
            if let Ok(nome) = nome {
                prop_assert!(nome.as_str().chars().all(allowed));
                prop_assert_eq!(nome.as_str(), &bare);
                prop_assert_eq!(NomeOrganizacao::parse(nome.as_str()), Ok(nome.clone()));
                prop_assert_eq!(NomeOrganizacao::parse(&text.to_ascii_uppercase()), Ok(nome));
            }
        }
    }
}
