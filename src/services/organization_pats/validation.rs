//! What Azure DevOps says of a PAT, in the words of the FastAPI service.

use secrecy::SecretString;
use serde_json::json;

use super::{OrganizationPatService, hidden, internal, open, record};
use crate::auth::Admin;
use crate::azure_devops::{Credential, Error as AzureError, Organizacao, Unavailability};
use crate::error::{Error, Result};
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::organization_pat::Validation;
use crate::repositories::organization_pats as repo;
use crate::services::auditoria::actor;

/// Names of projects that a validation shows.
const PROJECTS_SHOWN: usize = 10;

impl OrganizationPatService {
    /// Asks Azure DevOps about a PAT that is not stored.
    pub async fn validate(
        &self,
        admin: &Admin,
        organizacao: &NomeOrganizacao,
        pat: SecretString,
    ) -> Result<Validation> {
        self.cipher()?;
        admin.user().require_administrator_of(organizacao)?;
        let outcome = self.ask(organizacao, pat).await;
        Ok(told(organizacao, outcome))
    }

    /// Asks Azure DevOps about a stored PAT, and notes it when it works. An unknown id is an answer, not an error, as the
    /// frontend expects.
    pub async fn validate_stored(&self, admin: &Admin, id: OrganizationPatId) -> Result<Validation> {
        let cipher = self.cipher()?;
        let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
        let found = repo::lock(&mut tx, id).await?;
        tx.commit().await?;
        let refused = |organizacao: &str, message: &str| Validation {
            valid: false,
            organizacao: organizacao.to_owned(),
            message: message.to_owned(),
            projects: None,
        };
        let Some(row) = found else {
            return match hidden(admin, Error::NotFound("PAT não encontrado.".to_owned())) {
                Error::NotFound(message) => Ok(refused("", &message)),
                trouble => Err(trouble),
            };
        };
        let Ok(pat) = open(cipher, &row) else {
            return Ok(refused(
                &row.organizacao,
                "PAT ilegível: a chave que o cifrou não está configurada.",
            ));
        };
        let nome = NomeOrganizacao::parse(&row.organizacao).map_err(internal)?;
        let outcome = self.ask(&nome, pat).await;
        // Trouble there says nothing about the PAT.
        let verdict = match &outcome {
            Ok(_) => Some(true),
            Err(AzureError::InvalidCredential { .. } | AzureError::Forbidden) => Some(false),
            Err(_) => None,
        };
        if let Some(valid) = verdict {
            let mut tx = self.db.begin(&admin.user().vault_scope()).await?;
            if repo::mark_validated(&mut tx, id, &row.pat_cifrado, valid).await? {
                let depois = Some(json!({ "valido": valid }).to_string());
                record(&mut tx, &actor(admin.user()), "validar", &row, None, depois).await?;
            }
            tx.commit().await?;
        }
        let validation = told(&nome, outcome);
        Ok(validation)
    }

    /// Proves the PAT, then reads what it sees: an expired one still sees the public projects of an organisation.
    pub(super) async fn ask(
        &self,
        nome: &NomeOrganizacao,
        pat: SecretString,
    ) -> Result<Vec<String>, AzureError> {
        let organizacao: Organizacao = self.azure.open(nome);
        let credential = Credential::pat(pat);
        organizacao.authenticated_user(&credential).await?;
        let found = organizacao.projects(&credential).await?;
        Ok(found.projects.into_iter().map(|project| project.name).collect())
    }
}

/// The outcome in the words of the FastAPI service.
pub(super) fn told(nome: &NomeOrganizacao, outcome: Result<Vec<String>, AzureError>) -> Validation {
    let message = match &outcome {
        Ok(projects) => format!("PAT válido. {} projeto(s) encontrado(s).", projects.len()),
        Err(AzureError::InvalidCredential { status: 200 | 401 }) => {
            "PAT inválido ou expirado (401 Unauthorized).".to_owned()
        }
        Err(AzureError::InvalidCredential { .. }) => {
            "PAT não tem acesso a esta organização (302 Redirect).".to_owned()
        }
        Err(AzureError::Forbidden) => "Erro inesperado: HTTP 403".to_owned(),
        Err(AzureError::NotFound) => "Erro inesperado: HTTP 404".to_owned(),
        Err(AzureError::Throttled { .. }) => "Erro inesperado: HTTP 429".to_owned(),
        Err(
            AzureError::Rejected { status, .. }
            | AzureError::Unavailable {
                reason: Unavailability::Status(status),
                ..
            },
        ) => format!("Erro inesperado: HTTP {status}"),
        Err(AzureError::Timeout) => "Timeout ao conectar com Azure DevOps.".to_owned(),
        Err(AzureError::Unavailable { .. }) => "Erro ao validar: Azure DevOps indisponível".to_owned(),
        Err(AzureError::Nonsense(_)) => "Erro ao validar: resposta inesperada".to_owned(),
    };
    Validation {
        valid: outcome.is_ok(),
        organizacao: nome.to_string(),
        message,
        projects: outcome.ok().map(|mut names| {
            names.sort();
            names
        }),
    }
}

/// Names that a validation shows.
#[must_use]
pub fn shown(projects: &[String]) -> &[String] {
    projects.get(..PROJECTS_SHOWN).unwrap_or(projects)
}
