//! Activities: the kinds of work that people log hours on.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ids::AtividadeId;
use super::projeto::ProjetoRef;
use super::text::trim;

/// Activity with its projects, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atividade {
    /// Key.
    pub id: AtividadeId,
    /// Name; not unique.
    pub nome: String,
    /// Free text.
    pub descricao: Option<String>,
    /// `true` if new time entries may use the activity.
    pub ativo: bool,
    /// E-mail of the creator, else the display name.
    pub criado_por: Option<String>,
    /// Time of creation.
    pub criado_em: DateTime<Utc>,
    /// Time of the last change of the activity or of its set of projects.
    pub atualizado_em: DateTime<Utc>,
    /// Its projects, in the order in which the caller sent them.
    pub projetos: Vec<ProjetoRef>,
}

/// Name of an activity: trimmed, 1 to [`NomeAtividade::MAX`] characters, no NUL (PostgreSQL rejects it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomeAtividade(String);

impl NomeAtividade {
    /// Maximum number of characters (not bytes) of a name; the column is `varchar(255)`.
    pub const MAX: usize = 255;

    /// Trims `text`. Returns `None` if the rest is not a valid name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = trim(text);
        let fits = (1..=Self::MAX).contains(&text.chars().count());
        (fits && !text.contains('\0')).then(|| Self(text.to_owned()))
    }

    /// Returns the name as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Activity to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAtividade {
    /// Name.
    pub nome: NomeAtividade,
    /// Free text.
    pub descricao: Option<String>,
    /// `true` if new time entries may use the activity.
    pub ativo: bool,
    /// At least one project, by our key or by the Azure DevOps GUID.
    pub projetos: Vec<Uuid>,
    /// E-mail of the creator, else the display name.
    pub criado_por: String,
}

/// Changes to an activity; `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtividadeChanges {
    /// New name.
    pub nome: Option<NomeAtividade>,
    /// New text; `Some(None)` clears the text.
    pub descricao: Option<Option<String>>,
    /// New state.
    pub ativo: Option<bool>,
    /// New set of projects (replaces the old one), by our key or by the Azure DevOps GUID.
    pub projetos: Option<Vec<Uuid>>,
}

impl AtividadeChanges {
    /// Returns `true` if a value other than the set of projects changes.
    #[must_use]
    pub fn touch_columns(&self) -> bool {
        self.nome.is_some() || self.descricao.is_some() || self.ativo.is_some()
    }
}

/// Filter of a list of activities; `None` does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AtividadeFilter {
    /// `Some(true)`: only active ones; `Some(false)`: only inactive ones.
    pub ativo: Option<bool>,
    /// Project of the activities, by our key or by the Azure DevOps GUID.
    pub projeto: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn name_is_trimmed_and_bounded_in_characters() {
        assert_eq!(NomeAtividade::parse("  Revisão \n").unwrap().as_str(), "Revisão");
        assert!(NomeAtividade::parse(&"ã".repeat(255)).is_some());
        assert!(NomeAtividade::parse(&"ã".repeat(256)).is_none());
        assert!(NomeAtividade::parse(" \t ").is_none());
        assert!(NomeAtividade::parse("a\0b").is_none());
    }

    proptest! {
        #[test]
        fn accepted_name_is_valid_and_canonical(
            text in prop_oneof![arbitrary::text(), "(?s).{0,300}", "\\PC{250,260}"],
        ) {
            let nome = NomeAtividade::parse(&text);
            let bare = trim(&text);
            let expected = (1..=255).contains(&bare.chars().count()) && !bare.contains('\0');
            prop_assert_eq!(nome.is_some(), expected);
            if let Some(nome) = nome {
                prop_assert!(text.contains(nome.as_str()));
                prop_assert_eq!(NomeAtividade::parse(nome.as_str()), Some(nome));
            }
        }
    }
}
