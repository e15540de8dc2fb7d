//! Activities: the kinds of work that people log hours on. An activity is usable in its projects; one without
//! any project is usable in all.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::ids::AtividadeId;
use super::page::AtividadePosition;
use super::projeto::ProjetoRef;
use super::text::{NAME_MAX, normalized};

/// Activity as stored, with those of its projects that the reading transaction sees.
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
    /// E-mail of the creator, else the display name, cut to 255 characters; `None` for imported rows without
    /// a creator.
    pub criado_por: Option<String>,
    /// Time of creation.
    pub criado_em: DateTime<Utc>,
    /// Time of the last change of the activity or of its set of projects; identifies the version that
    /// conditional requests expect.
    pub atualizado_em: DateTime<Utc>,
    /// Projects of the activity, in the order in which the last writer of the set named them. The repository
    /// leaves them empty in lists; the service adds them.
    pub projetos: Vec<ProjetoRef>,
}

/// Page of activities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Atividades {
    /// Activities of the page.
    pub items: Vec<Atividade>,
    /// Number of matching activities on all pages.
    pub total: i64,
    /// Position of the first activity in the whole list, from 1.
    pub first: i64,
    /// Position of the last activity; `None` on the last page.
    pub next: Option<AtividadePosition>,
}

/// Name of an activity: trimmed, 1 to [`NomeAtividade::MAX`] characters, no NUL (PostgreSQL rejects it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomeAtividade(String);

impl NomeAtividade {
    /// Maximum number of characters (not bytes) of a name; the column is `varchar(255)`.
    pub const MAX: usize = NAME_MAX;

    /// Composes `text` and removes invisible characters from both ends. Returns `None` if the rest is empty,
    /// too long or contains NUL.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = normalized(text);
        let fits = (1..=Self::MAX).contains(&text.chars().count());
        (fits && !text.contains('\0')).then_some(Self(text))
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
    /// Projects, each by our key or by the Azure DevOps GUID. The router ensures that there is at least one;
    /// the service refuses unknown ones and drops repetitions.
    pub projetos: Vec<Uuid>,
    /// E-mail of the creator, else the display name; the repository cuts it to 255 characters.
    pub criado_por: String,
}

/// Changes to an activity; `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AtividadeChanges {
    /// New name.
    pub nome: Option<NomeAtividade>,
    /// New description; `Some(None)` clears it.
    pub descricao: Option<Option<String>>,
    /// `true` if new time entries may use the activity from now on.
    pub ativo: Option<bool>,
    /// New set of projects, which replaces the old one; each by our key or by the Azure DevOps GUID.
    pub projetos: Option<Vec<Uuid>>,
}

impl AtividadeChanges {
    /// Returns `true` if the changes name a column of the activity's own row. The set of projects is in rows
    /// of another table.
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
    /// Project to which the activities are linked, by our key or by the Azure DevOps GUID; activities without
    /// any project do not match.
    pub projeto: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;
    use crate::text::composed;

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
            let bare = normalized(&text);
            let expected = (1..=255).contains(&bare.chars().count()) && !bare.contains('\0');
            prop_assert_eq!(nome.is_some(), expected);
            if let Some(nome) = nome {
                prop_assert!(composed(&text).contains(nome.as_str()));
                prop_assert_eq!(NomeAtividade::parse(nome.as_str()), Some(nome));
            }
        }
    }
}
