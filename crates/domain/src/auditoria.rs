//! The audit trail: actions with their actor and time. The states of objects are JSON in a `String`, which no
//! type here parses; the columns of the table are `jsonb`.

use chrono::{DateTime, Utc};

use super::organizacao::{ChaveOrganizacao, NomeOrganizacao};

/// Actor of an action: a caller, or the service itself.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Id of the caller in Azure DevOps, or `sistema`.
    pub id: String,
    /// Name of the caller at the time of the action, or `Sistema`.
    pub nome: String,
    /// Id of the request that caused the action; `None` if the service itself is the actor.
    pub request_id: Option<String>,
}

impl Actor {
    /// Returns the service itself as the actor, for actions that no caller requested: syncs in the
    /// background, renamed organisations, PATs encrypted anew, the legacy import.
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
    /// Key of the organisation whose administrators may read the entry; `None` if the action belongs to no
    /// single one.
    pub organizacao: Option<&'a ChaveOrganizacao>,
    /// Action as a Portuguese infinitive: `criar`, `alterar`, `excluir`, `sincronizar`, ...
    pub acao: &'static str,
    /// Type of the object: `apontamento`, `atividade`, `organization_pat`, `projetos`, ...
    pub objeto_tipo: &'static str,
    /// Key of the object; `None` if the action concerns several objects, such as all projects of a sync.
    pub objeto_id: Option<String>,
    /// State of the object before the action, as JSON without secrets; `None` for a creation, and for actions
    /// that record no earlier state.
    pub antes: Option<String>,
    /// State of the object after the action, or its result (the counts of a sync), as JSON without secrets;
    /// `None` for a deletion and for `repetir`.
    pub depois: Option<String>,
}

/// Entry of the audit trail, as stored.
#[derive(Debug, Clone)]
pub struct Registro {
    /// Key; entries inserted later have larger ones, so the key is also the cursor of the list.
    pub id: i64,
    /// Time of the insertion, from the clock of the database.
    pub em: DateTime<Utc>,
    /// Id of the actor, cut to 255 characters.
    pub usuario_id: String,
    /// Name of the actor at that time, cut to 255 characters.
    pub usuario_nome: String,
    /// Current name of the organisation, or its key if no name is stored; `None` if the action belongs to no
    /// single one.
    pub organizacao: Option<String>,
    /// Action, as in [`NewRegistro::acao`].
    pub acao: String,
    /// Type of the object, as in [`NewRegistro::objeto_tipo`].
    pub objeto_tipo: String,
    /// Key of the object, as in [`NewRegistro::objeto_id`].
    pub objeto_id: Option<String>,
    /// State before the action, as in [`NewRegistro::antes`].
    pub antes: Option<String>,
    /// State after the action or its result, as in [`NewRegistro::depois`].
    pub depois: Option<String>,
    /// Id of the request that caused the action; `None` if the service itself was the actor.
    pub request_id: Option<String>,
}

/// Filter of the audit trail; `None` does not restrict, and texts have to be equal.
#[derive(Debug, Clone, Default)]
pub struct AuditoriaFilter {
    /// Earliest time, inclusive.
    pub desde: Option<DateTime<Utc>>,
    /// Latest time, exclusive.
    pub ate: Option<DateTime<Utc>>,
    /// Id of the actor.
    pub usuario_id: Option<String>,
    /// Name of the organisation, present or former; the service looks up its key.
    pub organizacao: Option<NomeOrganizacao>,
    /// Action.
    pub acao: Option<String>,
    /// Type of the object.
    pub objeto_tipo: Option<String>,
    /// Key of the object.
    pub objeto_id: Option<String>,
    /// Key of the last entry on the previous page; only entries inserted before it match.
    pub before: Option<i64>,
    /// Maximum number of entries to return; the router allows 1 to 1,000.
    pub limit: i64,
}
