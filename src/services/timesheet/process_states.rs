//! Reads the states of a type from its process. The process API does not offer processes that are stored as
//! XML; their states are read from the types of the project.

use std::collections::HashMap;

use super::TimesheetService;
use crate::auth::{CurrentUser, Membership, membership_of};
use crate::azure_devops::Error as AzureError;
use crate::error::{Error, Result};
use crate::models::apontamento::ProjetoNomeado;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::work_item::Categoria;
use crate::services::upstream::{for_caller, missing_is, no_project};

type States = HashMap<String, Categoria>;

impl TimesheetService {
    /// Returns the states of a type of a process, by the type's reference name. Without `process`, the
    /// project's process is used.
    pub async fn process_states(
        &self,
        user: &CurrentUser,
        organizacao: &NomeOrganizacao,
        projeto: &ProjetoNomeado,
        process: Option<&str>,
        tipo: &str,
    ) -> Result<States> {
        let membership = membership_of(user, organizacao)?;
        let chave = membership.chave();
        let missing = || Error::NotFound(format!("Tipo de Work Item {tipo} não encontrado no processo"));
        if let Some(process) = process {
            let lookup = read_process_states(membership, process, tipo).await;
            if !lookup.as_ref().is_err_and(is_not_offered) {
                return lookup;
            }
        }
        let located = self.projetos.find_or_fetch(user, chave, projeto).await?;
        let project = &located.external_id.to_string();
        let own = own_process(membership, project).await?;
        match (process, own) {
            (Some(named), own) if own.as_deref() != Some(named) => return Err(missing()),
            (None, Some(own)) => {
                let lookup = read_process_states(membership, &own, tipo).await;
                if !lookup.as_ref().is_err_and(is_not_offered) {
                    return lookup;
                }
            }
            _ => {}
        }
        let types = self.work_items.types(membership, project).await?;
        types.states_of(tipo).ok_or_else(missing)
    }
}

async fn read_process_states(membership: &Membership, process: &str, tipo: &str) -> Result<States> {
    let upstream = membership.organizacao();
    for_caller(membership, |credential| async move {
        upstream.process_states(&credential, process, tipo).await
    })
    .await
}

/// Returns the process of a project, if the project reports it.
async fn own_process(membership: &Membership, project: &str) -> Result<Option<String>> {
    let upstream = membership.organizacao();
    let settings = for_caller(membership, |credential| async move {
        upstream.project_settings(&credential, project).await
    });
    let settings = settings.await.map_err(|error| missing_is(error, no_project))?;
    Ok(settings.process)
}

/// Returns `true` if the process API does not know this type or process, as opposed to giving no answer.
fn is_not_offered(error: &Error) -> bool {
    matches!(
        error,
        Error::Upstream {
            source: AzureError::NotFound | AzureError::Rejected { .. },
            ..
        }
    )
}
