//! Answers of `/organization-pats`, and what it refuses.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::edge::instant::Instant;
use crate::models::organization_pat::{MaskedPat, PatScope, ScopeState, ScopeTry, Validation};
use crate::models::page::Paged;
use crate::services::organization_pats::shown;

/// A stored PAT.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrganizationPatResponse {
    /// Key.
    id: Uuid,
    /// Organisation, lower case.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Address for people.
    #[schema(required = true, example = "https://dev.azure.com/contoso")]
    organization_url: Option<String>,
    /// The PAT with all but its ends hidden; null when it cannot be read any more.
    #[schema(required = true, example = "abcd****wxyz")]
    pat_masked: Option<String>,
    /// Notes.
    #[schema(required = true, example = "Equipe Portal")]
    descricao: Option<String>,
    /// When it stops being used.
    #[schema(required = true)]
    expira_em: Option<Instant>,
    /// Whether it is used.
    ativo: bool,
    /// Who entered it.
    #[schema(required = true, example = "ana@contoso.com")]
    criado_por: Option<String>,
    /// When.
    criado_em: Instant,
    /// When it last changed.
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
    /// The PATs.
    items: Vec<OrganizationPatResponse>,
    /// How many there are over all pages.
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

/// What Azure DevOps says of a PAT.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidationResponse {
    /// Whether it works.
    valid: bool,
    /// Organisation that was asked.
    #[schema(example = "contoso")]
    organization_name: String,
    /// Sentence to show.
    #[schema(example = "PAT válido. 3 projeto(s) encontrado(s).")]
    message: String,
    /// Projects that it sees.
    #[schema(required = true, example = 3)]
    projects_count: Option<usize>,
    /// Names of the first ten.
    #[schema(required = true, example = json!(["Ledger"]))]
    projects: Option<Vec<String>>,
    /// Each scope that the service uses; empty for a PAT that is not accepted.
    scopes: Vec<ScopeResponse>,
    /// Names of the scopes that the PAT lacks and the service needs.
    #[schema(example = json!(["Identity (Read)"]))]
    scopes_ausentes: Vec<&'static str>,
}

/// A scope of PATs.
#[derive(Debug, Serialize, ToSchema)]
struct ScopeResponse {
    /// Its name where PATs are made.
    #[schema(example = "Identity (Read)")]
    scope: &'static str,
    /// What the try found.
    estado: EstadoDoEscopo,
    /// What the service does with it, to show.
    #[schema(example = "reconhecer quem entra pela extensão")]
    usado_para: &'static str,
    /// Whether the service does its work without it.
    opcional: bool,
}

/// What a try says of a scope: `nao_verificado` is trouble of the moment, or nothing to try it on.
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
            projects: validation.projects.map(|names| shown(&names).to_vec()),
        }
    }
}
