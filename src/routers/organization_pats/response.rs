//! Response bodies of `/organization-pats`.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::edge::instant::Instant;
use crate::models::organization_pat::{MaskedPat, PatScope, ScopeState, ScopeTry, Validation};
use crate::models::page::Paged;
use crate::services::organization_pats::listed_projects;

/// A stored PAT.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganizationPatResponse {
    /// Id of the stored PAT.
    pub(super) id: Uuid,
    /// Organisation in lower case.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Address to show to people.
    #[schema(required = true, example = "https://dev.azure.com/contoso")]
    organization_url: Option<String>,
    /// The PAT with all but its ends hidden; null when it cannot be decrypted any more.
    #[schema(required = true, example = "abcd****wxyz")]
    pat_masked: Option<String>,
    /// Notes for administrators.
    #[schema(required = true, example = "Equipe Portal")]
    descricao: Option<String>,
    /// Instant after which the PAT is not used; null means never.
    #[schema(required = true)]
    expira_em: Option<Instant>,
    /// `true` if the service uses the PAT.
    ativo: bool,
    /// E-mail address or name of the administrator who stored it.
    #[schema(required = true, example = "ana@contoso.com")]
    criado_por: Option<String>,
    /// Instant of creation.
    criado_em: Instant,
    /// Instant of the last change.
    atualizado_em: Instant,
    /// `não verificado`, `válido`, `expira em breve`, `expirado` or `ilegível`.
    #[schema(required = true, example = "válido")]
    status_validacao: Option<&'static str>,
}

impl From<MaskedPat> for OrganizationPatResponse {
    fn from(MaskedPat { row, pat_masked }: MaskedPat) -> Self {
        let status = if pat_masked.is_none() {
            "ilegível"
        } else if row.expirado {
            "expirado"
        } else if row.expira_em_breve {
            "expira em breve"
        } else if row.validado_em.is_some() {
            "válido"
        } else {
            "não verificado"
        };
        Self {
            id: row.id.0,
            organization_name: row.nome_or_chave(),
            organization_url: Some(row.organization_url),
            pat_masked,
            descricao: row.descricao,
            expira_em: row.expira_em.map(Instant),
            ativo: row.ativo,
            criado_por: row.criado_por,
            criado_em: row.criado_em.into(),
            atualizado_em: row.atualizado_em.into(),
            status_validacao: Some(status),
        }
    }
}

/// A page of PATs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganizationPatListResponse {
    /// PATs of the page.
    items: Vec<OrganizationPatResponse>,
    /// Number of PATs on all pages.
    #[schema(example = 1)]
    total: i64,
}

impl From<Paged<MaskedPat>> for OrganizationPatListResponse {
    fn from(page: Paged<MaskedPat>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            total: page.total,
        }
    }
}

/// Answer of Azure DevOps about a PAT.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidationResponse {
    /// `true` if Azure DevOps accepts the PAT.
    valid: bool,
    /// Organisation that was asked.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Result as a sentence to show.
    #[schema(example = "PAT válido. 3 projeto(s) encontrado(s).")]
    message: String,
    /// Number of projects that the PAT sees.
    #[schema(required = true, example = 3)]
    projects_count: Option<usize>,
    /// Names of the first ten projects.
    #[schema(required = true, example = json!(["Ledger"]))]
    projects: Option<Vec<String>>,
    /// Result for each scope that the service uses; empty for a PAT that is not accepted.
    scopes: Vec<ScopeResponse>,
    /// Names of the scopes that the PAT lacks and the service needs.
    #[schema(example = json!(["Identity (Read)"]))]
    scopes_ausentes: Vec<&'static str>,
}

/// A scope of PATs.
#[derive(Debug, Serialize, ToSchema)]
struct ScopeResponse {
    /// Name of the scope as the page of PATs in Azure DevOps shows it.
    #[schema(example = "Identity (Read)")]
    scope: &'static str,
    /// Result of the try.
    estado: EstadoDoEscopo,
    /// Use of the scope, as a text to show.
    #[schema(example = "reconhecer quem entra pela extensão")]
    usado_para: &'static str,
    /// `true` if the service works without the scope.
    opcional: bool,
}

/// Result of trying a scope. `nao_verificado` means that Azure DevOps had trouble, or that there was nothing
/// to try it on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EstadoDoEscopo {
    Ok,
    Ausente,
    NaoVerificado,
}

impl From<ScopeTry> for ScopeResponse {
    fn from(ScopeTry { scope, state }: ScopeTry) -> Self {
        Self {
            scope: scope.name(),
            estado: match state {
                ScopeState::Granted => EstadoDoEscopo::Ok,
                ScopeState::Missing => EstadoDoEscopo::Ausente,
                ScopeState::Untested => EstadoDoEscopo::NaoVerificado,
            },
            usado_para: match scope {
                PatScope::ProjectRead => "listar projetos e equipes",
                PatScope::IdentityRead => "reconhecer quem entra pela extensão",
                PatScope::WorkItemsRead => "ler e pesquisar work items",
                PatScope::WorkItemsWrite => "gravar as horas nos work items",
                PatScope::GraphRead => "mostrar as fotos das pessoas",
            },
            opcional: scope.is_optional(),
        }
    }
}

impl From<Validation> for ValidationResponse {
    fn from(validation: Validation) -> Self {
        let missing = validation.missing_scopes();
        Self {
            scopes: validation.scopes.into_iter().map(Into::into).collect(),
            scopes_ausentes: missing.into_iter().map(PatScope::name).collect(),
            valid: validation.valid,
            organization_name: validation.organizacao,
            message: validation.message,
            projects_count: validation.projects.as_ref().map(Vec::len),
            projects: validation.projects.map(|names| listed_projects(&names).to_vec()),
        }
    }
}
