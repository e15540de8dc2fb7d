//! Calls to Azure DevOps on behalf of a caller, and the errors that the caller gets from these calls.

use crate::auth::Membership;
use crate::azure_devops::{Credential, Error as AzureError};
use crate::error::{Code, Error, Result};

/// Calls Azure DevOps with the caller's own credential, or with the service's PAT if that credential lacks
/// the scope or cannot be used.
///
/// # Errors
/// [`Error::Forbidden`] when Azure DevOps refuses the call to the caller, else the error of Azure DevOps.
pub(super) async fn for_caller<T, F>(membership: &Membership, ask: impl Fn(Credential) -> F) -> Result<T>
where
    F: Future<Output = Result<T, AzureError>>,
{
    let answer = match (membership.own_credential(), membership.pat()) {
        (Some(own), pat) => match (ask(own.clone()).await, pat) {
            (Err(AzureError::InvalidCredential { .. }), Some(pat)) => ask(pat.clone()).await,
            (Err(AzureError::Forbidden), _) => return Err(forbidden()),
            (answer, _) => answer,
        },
        (None, _) => ask(membership.credential()?.clone()).await,
    };
    Ok(answer?)
}

/// Replaces a 404 of Azure DevOps by `missing` and returns any other error unchanged.
pub(super) fn missing_is(error: Error, missing: impl FnOnce() -> Error) -> Error {
    match error {
        Error::Upstream {
            source: AzureError::NotFound,
            ..
        } => missing(),
        other => other,
    }
}

/// Returns the error of a read that Azure DevOps refuses to the caller's credential.
pub(super) fn forbidden() -> Error {
    Error::Forbidden("O Azure DevOps não permite que este usuário leia isto".to_owned())
}

/// Returns the error for a project that is mirrored here, but missing in Azure DevOps or hidden from the
/// caller.
pub(super) fn no_project() -> Error {
    Error::NotFound("Projeto não encontrado no Azure DevOps".to_owned())
}

/// Returns the error of a query that selects too many work items.
pub(super) fn too_many() -> Error {
    Error::Rule {
        code: Code::ConsultaGrandeDemais,
        detail:
            "A consulta traz Work Items demais; escolha uma iteração, um time ou apenas os próprios itens"
                .to_owned(),
        loc: vec!["query".into()],
    }
}
