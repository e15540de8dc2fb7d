//! The tenant: an Azure DevOps organisation (a collection on Azure DevOps Server). Requests and responses use
//! its name, tables use its key. Its `instanceId` distinguishes it from another organisation that takes over
//! the name.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

/// Maximum number of characters of a name; Azure DevOps Services allows 50, Azure DevOps Server 64.
const LONGEST: usize = 64;

/// Name of an organisation in canonical form: lower case, because Azure DevOps treats `Contoso` and `contoso`
/// as the same name.
///
/// Consists of letters (including accented letters of western European languages), digits, brackets, `-`,
/// `_`, `.` and spaces; begins and ends with a letter, digit or bracket. So no name can break out of its
/// segment of a URL or its literal in SQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct NomeOrganizacao(String);

/// Returns `true` for letters of ASCII and Latin-1, ASCII digits and brackets.
fn may_begin(c: char) -> bool {
    let is_letter = c.is_ascii_alphanumeric() || matches!(c, 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ÿ');
    is_letter || matches!(c, '(' | ')' | '[' | ']')
}

impl NomeOrganizacao {
    /// Checks and normalises `text`; surrounding blanks are ignored.
    ///
    /// # Errors
    /// Returns a phrase that states the problem without quoting the text.
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

    /// Returns the name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name percent-encoded for use in a header.
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

/// Key of an organisation in every table: the name under which it was first seen. The key never changes.
///
/// An unknown organisation whose name is the key of another one gets `name~2`; `~` is not allowed in names.
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
    /// Returns the key of an organisation that is first seen under this name.
    #[must_use]
    pub fn first_of(nome: &NomeOrganizacao) -> Self {
        Self(nome.0.clone())
    }

    /// Returns the key of the `n`th organisation that takes over this name (`n` begins at 2).
    #[must_use]
    pub fn nth_of(nome: &NomeOrganizacao, n: usize) -> Self {
        let postfix = format!("~{n}");
        let prefix: String = nome.0.chars().take(LONGEST - postfix.len()).collect();
        Self(format!("{prefix}{postfix}"))
    }

    /// Returns the key as stored in tables.
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

/// Time for which requests may still use a former name.
pub const FORMER_NAME_TTL: Duration = Duration::from_hours(90 * 24);

/// Time without proof of the current name after which a former name may become the current one again.
pub const NAME_UNSEEN: Duration = Duration::from_mins(10);

/// Row of the table `organizacoes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizacaoRegistrada {
    /// Key.
    pub chave: ChaveOrganizacao,
    /// Current name; `None` if another organisation took it over and the new name is not known.
    pub nome: Option<NomeOrganizacao>,
    /// `instanceId` of its `connectionData`, pinned at the first proof.
    pub instance_id: Option<Uuid>,
    /// Former names, the latest first.
    pub anteriores: Vec<NomeAnterior>,
    /// `true` if the current name was not proved for [`NAME_UNSEEN`].
    pub unseen: bool,
}

/// Former name of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomeAnterior {
    /// The name.
    pub nome: NomeOrganizacao,
    /// `true` if requests may still use the name.
    pub valid: bool,
}

impl OrganizacaoRegistrada {
    /// Returns `true` if `nome` is the current name, a former name or the key of the organisation.
    #[must_use]
    pub fn claims(&self, nome: &NomeOrganizacao) -> bool {
        self.nome.as_ref() == Some(nome) || self.chave.0 == nome.0 || self.was_called(nome)
    }

    /// Returns `true` if `nome` is a former name of the organisation.
    #[must_use]
    pub fn was_called(&self, nome: &NomeOrganizacao) -> bool {
        self.anteriores.iter().any(|anterior| anterior.nome == *nome)
    }
}

/// Maps names to organisations, as of the last read of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<OrganizacaoRegistrada>);

impl Names {
    /// Creates the map of these organisations.
    #[must_use]
    pub fn new(organizacoes: Vec<OrganizacaoRegistrada>) -> Self {
        Self(organizacoes)
    }

    /// Returns all organisations.
    #[must_use]
    pub fn organizacoes(&self) -> &[OrganizacaoRegistrada] {
        &self.0
    }

    /// Returns the organisation that a request addresses as `nome`: the one with that current name, else one
    /// with that former name while it is valid. Returns `None` if the name belongs to no organisation, or
    /// only to one that lost it.
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

    /// Returns the key for `nome`. A name that no organisation ever had becomes a key itself. Returns `None`
    /// if the name is the key or a former name of an organisation but no longer stands for it.
    #[must_use]
    pub fn chave_of(&self, nome: &NomeOrganizacao) -> Option<ChaveOrganizacao> {
        match self.find(nome) {
            Some(known) => Some(known.chave.clone()),
            None if self.0.iter().any(|known| known.claims(nome)) => None,
            None => Some(ChaveOrganizacao::first_of(nome)),
        }
    }

    /// Returns the current name of an organisation. Returns `None` if the organisation or its name is not
    /// known.
    #[must_use]
    pub fn nome_of(&self, chave: &ChaveOrganizacao) -> Option<&NomeOrganizacao> {
        self.0.iter().find(|known| known.chave == *chave)?.nome.as_ref()
    }
}

/// Rows that are visible to a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Rows of these organisations; an empty list shows none.
    Organizacoes {
        /// The organisations.
        chaves: Vec<ChaveOrganizacao>,
        /// `true` if rows without an organisation are visible, too: older databases had only one
        /// organisation.
        and_unassigned: bool,
    },
    /// Rows of all organisations, with the role of callers: used while authentication is disabled.
    Everything,
    /// Rows of the vault of these organisations; the database role of callers has no access to the vault.
    Vault(Vec<ChaveOrganizacao>),
    /// All rows, as the service itself: for synchronisation, vault and sample data.
    Maintenance,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn name_is_one_harmless_segment_in_lower_case() {
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
        fn accepted_name_is_canonical_and_url_safe(
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
