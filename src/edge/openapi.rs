//! Base of the OpenAPI document: properties of the whole API. Operations are described at their handlers.

mod generators;
pub mod problems;
mod shared;

use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::problem::{FieldErrorBody, ProblemBody};

/// Name of the security scheme for PATs, access tokens and app tokens.
pub const BEARER: &str = "bearer";
/// Name of the security scheme for a PAT as password.
pub const BASIC: &str = "basic";

/// Tag of time entries.
pub const APONTAMENTOS: &str = "Apontamentos";
/// Tag of activities.
pub const ATIVIDADES: &str = "Atividades";
/// Tag of projects.
pub const PROJETOS: &str = "Projetos";
/// Tag of the exchange with Azure DevOps.
pub const INTEGRACAO: &str = "Integracao";
/// Tag of the vault.
pub const ORGANIZATION_PATS: &str = "Organization Pats";
/// Tag of the audit trail.
pub const AUDITORIA: &str = "Auditoria";
/// Tag of the caller.
pub const USER: &str = "User";
/// Tag of work items.
pub const WORK_ITEMS: &str = "Work Items";
/// Tag of the weekly timesheet.
pub const TIMESHEET: &str = "Timesheet";
/// Tag of iterations.
pub const ITERATIONS: &str = "Iterations";
/// Tag of teams.
pub const TEAMS: &str = "Teams";
/// Tag of health and service information.
pub const HEALTH: &str = "Health";

/// The document without operations.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "API Aponta",
        description = include_str!("openapi/introduction.md"),
        contact(name = "API Aponta"),
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(ProblemBody, FieldErrorBody)),
    modifiers(&SecuritySchemes),
    security(("bearer" = []), ("basic" = [])),
    tags(
        (name = APONTAMENTOS, description = "Time entries on work items"),
        (name = TIMESHEET, description = "The week of the caller"),
        (name = WORK_ITEMS, description = "Search for work items of Azure DevOps"),
        (name = ITERATIONS, description = "Iterations of Azure DevOps"),
        (name = TEAMS, description = "Teams of Azure DevOps"),
        (name = ATIVIDADES, description = "Kinds of work that hours are logged on"),
        (name = PROJETOS, description = "Projects mirrored from Azure DevOps"),
        (name = INTEGRACAO, description = "Exchange with Azure DevOps"),
        (name = ORGANIZATION_PATS, description = "PATs that the service uses, for administrators"),
        (name = AUDITORIA, description = "Audit trail of changes, for administrators"),
        (name = USER, description = "The caller"),
        (name = HEALTH, description = "State of the service")
    )
)]
pub struct BaseDocument;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description =
            Some("A PAT, an Azure DevOps access token or a token of the extension".to_owned());
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        let mut basic = Http::new(HttpAuthScheme::Basic);
        basic.description = Some("A PAT as password; the user may be empty".to_owned());
        components.add_security_scheme(BASIC, SecurityScheme::Http(basic));
    }
}

/// Adds the components that operations refer to; called once all operations are added.
pub fn complete(document: &mut utoipa::openapi::OpenApi) {
    problems::add_components(document);
    generators::adapt(document);
    shared::share_parameters(document);
}

/// Returns the document in the format of `docs/openapi.json`: one line per member, so that diffs are
/// readable, and no indentation, since people read the document in `/docs`.
///
/// # Errors
/// When the document cannot be serialized, which is a defect.
pub fn to_text(document: &impl Serialize) -> serde_json::Result<String> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"");
    document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    text.push(b'\n');
    Ok(String::from_utf8_lossy(&text).into_owned())
}
