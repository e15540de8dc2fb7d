//! Validates PATs against Azure DevOps, with the messages of the FastAPI service.

use secrecy::SecretString;
use serde_json::json;

use super::{OrganizationPatService, internal, not_visible, open, record, require_found};
use crate::auth::Admin;
use crate::azure_devops::projects::AzureProjects;
use crate::azure_devops::scopes::ScopeProbe;
use crate::azure_devops::{Credential, Error as AzureError, Organizacao, Unavailability};
use crate::error::{Error, Result};
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::{ChaveOrganizacao, NomeOrganizacao};
use crate::models::organization_pat::{OrganizationPat, PatScope, ScopeTry, Validation, missing_scopes};
use crate::repositories::organization_pats as repo;
use crate::services::auditoria::actor;

/// Maximum number of project names that a validation lists.
const PROJECTS_SHOWN: usize = 10;

impl OrganizationPatService {
    /// Validates a PAT that is not stored.
    pub async fn validate(
        &self,
        admin: &Admin,
        organizacao: &NomeOrganizacao,
        pat: SecretString,
    ) -> Result<Validation> {
        self.cipher()?;
        admin.user().require_administrator_named(organizacao)?;
        let check = self.ask(organizacao, pat).await;
        Ok(validation_of(organizacao, check))
    }

    /// Validates a stored PAT and records whether Azure DevOps accepts it. An unknown id is reported as a
    /// result, not as an error, as the frontend expects.
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
            scopes: Vec::new(),
        };
        let Some(row) = found else {
            return match not_visible(admin, Error::NotFound("PAT não encontrado.".to_owned())) {
                Error::NotFound(message) => Ok(refused("", &message)),
                trouble => Err(trouble),
            };
        };
        let Ok(pat) = open(cipher, &row) else {
            return Ok(refused(
                &row.nome_or_chave(),
                "PAT ilegível: a chave que o cifrou não está configurada.",
            ));
        };
        let nome = current_name(&row)?;
        let check = self.ask(&nome, pat).await;
        // An outage of Azure DevOps says nothing about the PAT.
        let verdict = match &check.projects {
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
        Ok(validation_of(&nome, check))
    }

    /// Refuses a PAT that Azure DevOps does not accept. Missing scopes are logged and do not cause a refusal.
    ///
    /// # Errors
    /// [`Error::InvalidReference`] for a PAT that does not work, [`Error::Upstream`] when this cannot be
    /// determined.
    pub(super) async fn require_valid(&self, nome: &NomeOrganizacao, pat: &SecretString) -> Result<()> {
        let check = self.ask(nome, pat.clone()).await;
        // An outage of Azure DevOps says nothing about the PAT.
        if let Err(error) = &check.projects
            && (error.is_away() || *error == AzureError::Replaced)
        {
            return Err(error.clone().into());
        }
        let validation = validation_of(nome, check);
        if !validation.valid {
            let detail = format!("PAT inválido: {}", validation.message);
            return Err(Error::InvalidReference(detail));
        }
        let missing = names(&validation.missing_scopes());
        if !missing.is_empty() {
            tracing::warn!(organizacao = %nome, missing, "vault: PAT lacks required scopes");
        }
        Ok(())
    }

    /// Does the same as `require_valid` for a PAT that replaces a stored one. Returns the organisation that
    /// accepted it.
    pub(super) async fn require_valid_for(
        &self,
        admin: &Admin,
        id: OrganizationPatId,
        pat: &SecretString,
    ) -> Result<ChaveOrganizacao> {
        let mut tx = self.db.begin_read(&admin.user().vault_scope()).await?;
        let row = require_found(repo::find(&mut tx, id).await?).map_err(|error| not_visible(admin, error))?;
        drop(tx);
        self.require_valid(&current_name(&row)?, pat).await?;
        Ok(row.organizacao)
    }

    /// Proves the PAT, then tests its scopes and lists its projects. The proof comes first because even an
    /// expired PAT sees the public projects of an organisation.
    async fn ask(&self, nome: &NomeOrganizacao, pat: SecretString) -> PatCheck {
        let organizacao: Organizacao = self.tenants.azure().open(nome);
        let credential = Credential::pat(pat);
        let proved = organizacao.authenticated_user(&credential).await;
        let confirmed = match proved {
            Ok(proof) => {
                let confirmed = self.tenants.confirm(nome, proof.instance_id).await;
                confirmed.map(|_| proof.identity)
            }
            Err(error) => Err(error),
        };
        let owner = match confirmed {
            Ok(owner) => owner,
            Err(error) => {
                return PatCheck {
                    projects: Err(error),
                    scopes: Vec::new(),
                };
            }
        };
        let ScopeProbe { projects, scopes } = organizacao.probe_scopes(&credential, &owner).await;
        let names = |found: AzureProjects| found.projects.into_iter().map(|project| project.name).collect();
        PatCheck {
            projects: projects.map(names),
            scopes,
        }
    }
}

/// Result of a check of a PAT against Azure DevOps.
struct PatCheck {
    /// Names of the projects that the PAT sees.
    projects: Result<Vec<String>, AzureError>,
    /// Results of testing each scope; empty for a refused PAT.
    scopes: Vec<ScopeTry>,
}

fn names(scopes: &[PatScope]) -> String {
    scopes
        .iter()
        .map(|scope| scope.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Converts a check into a validation, with the messages of the FastAPI service and the missing scopes.
fn validation_of(nome: &NomeOrganizacao, check: PatCheck) -> Validation {
    let PatCheck { projects, scopes } = check;
    let missing = missing_scopes(&scopes);
    let message = match &projects {
        Ok(projects) if missing.is_empty() => {
            format!("PAT válido. {} projeto(s) encontrado(s).", projects.len())
        }
        Ok(projects) => format!(
            "PAT válido. {} projeto(s) encontrado(s). Escopos ausentes: {}.",
            projects.len(),
            names(&missing)
        ),
        // The PAT proves a person, so it is neither wrong nor expired.
        Err(_) if missing.contains(&PatScope::ProjectRead) => format!(
            "O PAT foi aceito, mas não tem os escopos necessários. Escopos ausentes: {}.",
            names(&missing)
        ),
        Err(AzureError::InvalidCredential { status: 200 | 401 }) => {
            "PAT inválido ou expirado (401 Unauthorized).".to_owned()
        }
        Err(AzureError::InvalidCredential { .. }) => {
            "PAT não tem acesso a esta organização (302 Redirect).".to_owned()
        }
        Err(AzureError::Replaced) => "Outra organização responde por este nome.".to_owned(),
        Err(AzureError::OutdatedServer | AzureError::NotOffered) => {
            "O servidor Azure DevOps é de uma versão que não é suportada.".to_owned()
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
        valid: projects.is_ok(),
        organizacao: nome.to_string(),
        message,
        scopes,
        projects: projects.ok().map(|mut names| {
            names.sort();
            names
        }),
    }
}

/// Returns the project names that a validation lists.
#[must_use]
pub fn listed_projects(projects: &[String]) -> &[String] {
    projects.get(..PROJECTS_SHOWN).unwrap_or(projects)
}
/// Returns the current name of a row's organisation.
///
/// # Errors
/// [`AzureError::Replaced`] when another organisation has taken over the name.
fn current_name(row: &OrganizationPat) -> Result<NomeOrganizacao> {
    let nome = row.organizacao_nome.as_deref().ok_or(AzureError::Replaced)?;
    NomeOrganizacao::parse(nome).map_err(internal)
}
