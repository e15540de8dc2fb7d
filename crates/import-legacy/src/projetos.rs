//! Resolution of the projects that entries of the FastAPI service name: as GUIDs in any spelling, keys or
//! names.

use std::collections::HashMap;

use aponta_domain::organizacao::ChaveOrganizacao;
use uuid::Uuid;

use crate::target::Target;

/// Cache of resolved projects, which are few and which many entries share.
#[derive(Debug, Default)]
pub(super) struct Projetos {
    /// Keys of the FastAPI service by which the project is not stored here, with our keys.
    aliases: HashMap<Uuid, Uuid>,
    /// Results by organisation and text.
    known: HashMap<(ChaveOrganizacao, String), Result<Uuid, String>>,
}

impl Projetos {
    /// Records that a project is stored under another key, because a synchronisation created it before the
    /// import.
    pub(super) fn alias(&mut self, legacy: Uuid, ours: Uuid) {
        self.aliases.insert(legacy, ours);
    }

    /// Returns our key of a project for a key of the FastAPI service, or `id` itself if the two do not
    /// differ.
    pub(super) fn aliased(&self, id: Uuid) -> Uuid {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// Returns the key of a project. The inner error is the reason why there is none.
    pub(super) async fn find(
        &mut self,
        target: &mut impl Target,
        organizacao: &ChaveOrganizacao,
        text: &str,
    ) -> Result<Result<Uuid, String>, sqlx::Error> {
        let key = (organizacao.clone(), text.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let found = self.look_up(target, organizacao, text).await?;
        self.known.insert(key, found.clone());
        Ok(found)
    }

    async fn look_up(
        &self,
        target: &mut impl Target,
        organizacao: &ChaveOrganizacao,
        text: &str,
    ) -> Result<Result<Uuid, String>, sqlx::Error> {
        let Ok(id) = Uuid::try_parse(text) else {
            let found = target.projeto_by_name(organizacao, text).await?;
            return Ok(found.ok_or_else(|| format!("{organizacao} has no project {text:?} here")));
        };
        let id = self.aliased(id);
        if let Some(found) = target.projeto_by_id(organizacao, id).await? {
            return Ok(Ok(found));
        }
        Ok(Err(if target.has_projeto(id).await? {
            format!("project {id} is not one of {organizacao}, but of another organisation")
        } else {
            format!("project {id} of {organizacao} is not here")
        }))
    }
}
