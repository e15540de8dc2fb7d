//! The audit trail: actions with their actor and time. JSON is stored as text and never interpreted here.

use chrono::{DateTime, Utc};

use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};

/// Actor of an action.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Id of the caller, or `sistema`.
    pub id: String,
    /// Name.
    pub nome: String,
    /// Id of the request that caused the action.
    pub request_id: Option<String>,
}

impl Actor {
    /// Returns the service itself as the actor of work in the background.
    #[must_use]
    pub fn sistema() -> Self {
        Self {
            id: "sistema".to_owned(),
            nome: "Sistema".to_owned(),
            request_id: None,
        }
    }
}

/// Entry to be added to the audit trail.
#[derive(Debug, Clone)]
pub struct NewRegistro<'a> {
    /// Actor of the action.
    pub actor: &'a Actor,
    /// Organisation of the action; `None` if the action belongs to none.
    pub organizacao: Option<&'a ChaveOrganizacao>,
    /// `criar`, `alterar`, `excluir`, ...
    pub acao: &'static str,
    /// `atividade`, `organization_pat`, ...
    pub objeto_tipo: &'static str,
    /// Key of the object; `None` if the action has no object.
    pub objeto_id: Option<String>,
    /// State of the object before the action, as JSON without secrets.
    pub antes: Option<String>,
    /// State of the object after the action, as JSON without secrets.
    pub depois: Option<String>,
}

/// Entry of the audit trail, as stored.
#[derive(Debug, Clone)]
pub struct Registro {
    /// Key; later entries have larger ones.
    pub id: i64,
    /// Time of the action.
    pub em: DateTime<Utc>,
    /// Id of the actor.
    pub usuario_id: String,
    /// Name of the actor at that time.
    pub usuario_nome: String,
    /// Current name of the organisation; `None` if the action belongs to none.
    pub organizacao: Option<String>,
    /// Action.
    pub acao: String,
    /// Type of the object.
    pub objeto_tipo: String,
    /// Key of the object.
    pub objeto_id: Option<String>,
    /// State of the object before the action, as JSON.
    pub antes: Option<String>,
    /// State of the object after the action, as JSON.
    pub depois: Option<String>,
    /// Id of the request that caused the action.
    pub request_id: Option<String>,
}

/// Filter of the audit trail; `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct AuditoriaFilter {
    /// Earliest time, inclusive.
    pub desde: Option<DateTime<Utc>>,
    /// Latest time, exclusive.
    pub ate: Option<DateTime<Utc>>,
    /// Id of the actor.
    pub usuario_id: Option<String>,
    /// Organisation.
    pub organizacao: Option<NomeOrganizacao>,
    /// Action.
    pub acao: Option<String>,
    /// Type of the object.
    pub objeto_tipo: Option<String>,
    /// Key of the object.
    pub objeto_id: Option<String>,
    /// Key of an entry; only older entries match.
    pub before: Option<i64>,
    /// Maximum number of entries.
    pub limit: i64,
}
