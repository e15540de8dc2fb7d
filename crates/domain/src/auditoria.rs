//! The audit trail: actions with their actor and time. JSON is kept as text; nothing here interprets it.

use chrono::{DateTime, Utc};

use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};

/// The actor of an action.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Id of the caller, or `sistema`.
    pub id: String,
    /// Name.
    pub nome: String,
    /// Request that caused it.
    pub request_id: Option<String>,
}

impl Actor {
    /// The service itself, in the background.
    #[must_use]
    pub fn sistema() -> Self {
        Self {
            id: "sistema".to_owned(),
            nome: "Sistema".to_owned(),
            request_id: None,
        }
    }
}

/// Something that was done.
#[derive(Debug, Clone)]
pub struct NewRegistro<'a> {
    /// Actor of the action.
    pub actor: &'a Actor,
    /// In which organisation, if in one.
    pub organizacao: Option<&'a ChaveOrganizacao>,
    /// `criar`, `alterar`, `excluir`, ...
    pub acao: &'static str,
    /// `atividade`, `organization_pat`, ...
    pub objeto_tipo: &'static str,
    /// Key of the object, if it was one.
    pub objeto_id: Option<String>,
    /// The object before, as JSON without secrets.
    pub antes: Option<String>,
    /// The object after, likewise.
    pub depois: Option<String>,
}

/// An entry as stored.
#[derive(Debug, Clone)]
pub struct Registro {
    /// Key; later entries have larger ones.
    pub id: i64,
    /// When.
    pub em: DateTime<Utc>,
    /// Actor of the action.
    pub usuario_id: String,
    /// Their name then.
    pub usuario_nome: String,
    /// In which organisation, by its present name.
    pub organizacao: Option<String>,
    /// What.
    pub acao: String,
    /// To what kind of object.
    pub objeto_tipo: String,
    /// To which one.
    pub objeto_id: Option<String>,
    /// JSON before.
    pub antes: Option<String>,
    /// JSON after.
    pub depois: Option<String>,
    /// Request that caused it.
    pub request_id: Option<String>,
}

/// Which entries to show; `None` leaves nothing out.
#[derive(Debug, Clone, Default)]
pub struct AuditoriaFilter {
    /// Not before.
    pub desde: Option<DateTime<Utc>>,
    /// Before.
    pub ate: Option<DateTime<Utc>>,
    /// By this user.
    pub usuario_id: Option<String>,
    /// In this organisation.
    pub organizacao: Option<NomeOrganizacao>,
    /// This action.
    pub acao: Option<String>,
    /// This kind of object.
    pub objeto_tipo: Option<String>,
    /// This object.
    pub objeto_id: Option<String>,
    /// Older than the entry of this key.
    pub before: Option<i64>,
    /// At the most so many.
    pub limit: i64,
}
