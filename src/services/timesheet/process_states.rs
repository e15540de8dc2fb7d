//! The states of a type, as its process tells them. Processes that are kept as XML are not told by the
//! process API; their states are those that the project tells of its types.

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
    /// States of a type of a process, by the type's reference name; the project's process when none is named.
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
            let told = told_by_process(membership, process, tipo).await;
            if !told.as_ref().is_err_and(is_untold) {
                return told;
            }
        }
        let located = self.projetos.find_or_fetch(user, chave, projeto).await?;
        let project = &located.external_id.to_string();
        let own = own_process(membership, project).await?;
        match (process, own) {
            (Some(named), own) if own.as_deref() != Some(named) => return Err(missing()),
            (None, Some(own)) => {
                let told = told_by_process(membership, &own, tipo).await;
                if !told.as_ref().is_err_and(is_untold) {
                    return told;
                }
            }
            _ => {}
        }
        let types = self.work_items.types(membership, project).await?;
        types.states_of(tipo).ok_or_else(missing)
    }
}

async fn told_by_process(membership: &Membership, process: &str, tipo: &str) -> Result<States> {
    let upstream = membership.organizacao();
    for_caller(membership, |credential| async move {
        upstream.process_states(&credential, process, tipo).await
    })
    .await
}

/// The process of a project, where the project tells it.
async fn own_process(membership: &Membership, project: &str) -> Result<Option<String>> {
    let upstream = membership.organizacao();
    let settings = for_caller(membership, |credential| async move {
        upstream.project_settings(&credential, project).await
    });
    let settings = settings.await.map_err(|error| missing_is(error, no_project))?;
    Ok(settings.process)
}

/// Returns `true` if the process API does not tell this type or process, as opposed to not answering.
fn is_untold(error: &Error) -> bool {
    matches!(
        error,
        Error::Upstream {
            source: AzureError::NotFound | AzureError::Rejected { .. },
            ..
        }
    )
}
