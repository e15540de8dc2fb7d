//! Which project of ours an entry of the FastAPI service means: clients wrote GUIDs in any spelling, keys and names.

use std::collections::HashMap;

use uuid::Uuid;

use crate::db::{DbError, Tx};
use crate::models::organizacao::ChaveOrganizacao;
use crate::repositories::projetos::{self as repo, Located};

/// Projects that were looked for; there are few, and entries repeat them.
#[derive(Debug, Default)]
pub(super) struct Projetos {
    /// Keys of the FastAPI service whose project has another key here.
    aliases: HashMap<Uuid, Uuid>,
    /// By organisation and text.
    known: HashMap<(ChaveOrganizacao, String), Result<Uuid, String>>,
}

impl Projetos {
    /// A project is here under another key: a synchronisation made it before the import.
    pub(super) fn alias(&mut self, there: Uuid, here: Uuid) {
        self.aliases.insert(there, here);
    }

    /// The id to look for: a key of ours instead of one that only the FastAPI service knows.
    pub(super) fn aliased(&self, id: Uuid) -> Uuid {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// The key of a project, or why there is none.
    pub(super) async fn find(
        &mut self,
        tx: &mut Tx,
        organizacao: &ChaveOrganizacao,
        text: &str,
    ) -> Result<Result<Uuid, String>, DbError> {
        let key = (organizacao.clone(), text.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let found = self.look_up(tx, organizacao, text).await?;
        self.known.insert(key, found.clone());
        Ok(found)
    }

    async fn look_up(
        &self,
        tx: &mut Tx,
        organizacao: &ChaveOrganizacao,
        text: &str,
    ) -> Result<Result<Uuid, String>, DbError> {
        // Rows without an organisation come from before there were several.
        let Ok(id) = Uuid::try_parse(text) else {
            let Some(found) = repo::locate_by_name(tx, organizacao, true, text).await? else {
                return Ok(Err(format!("{organizacao} has no project {text:?} here")));
            };
            return claimed(tx, organizacao, found).await.map(Ok);
        };
        let id = self.aliased(id);
        if let Some(found) = repo::locate_by_id(tx, organizacao, true, id).await? {
            return claimed(tx, organizacao, found).await.map(Ok);
        }
        let elsewhere = repo::resolve(tx, &[id])
            .await?
            .iter()
            .any(|found| found.projeto.is_some());
        Ok(Err(if elsewhere {
            format!("project {id} is not one of {organizacao}, but of another organisation")
        } else {
            format!("project {id} of {organizacao} is not here")
        }))
    }
}

/// The key of a project whose entries come: from now on it is of their organisation.
async fn claimed(tx: &mut Tx, organizacao: &ChaveOrganizacao, projeto: Located) -> Result<Uuid, DbError> {
    if projeto.unassigned {
        repo::claim(tx, organizacao, projeto.id).await?;
    }
    Ok(projeto.id.0)
}
