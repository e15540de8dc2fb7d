//! Warnings of a sheet about data that it omits.

use std::collections::BTreeSet;

use crate::azure_devops::Organizacao;
use crate::azure_devops::iterations::TeamAreas;
use crate::models::timesheet::Aviso;
use crate::telemetry::request;

/// Returns a warning for each field that the collection does not have.
pub(super) fn absent_fields(organizacao: &Organizacao) -> Vec<Aviso> {
    let aviso = |field: &str| Aviso {
        code: "campo_ausente",
        detail: format!("A coleção do Azure DevOps não tem o campo {field}; a folha não o mostra"),
    };
    organizacao.absent_fields().into_iter().map(aviso).collect()
}

/// Returns the warning for data that is older than usual, because Azure DevOps gave no answer in time.
pub(super) fn stale() -> Option<Aviso> {
    request::is_stale().then(|| Aviso {
        code: "dados_desatualizados",
        detail: "O Azure DevOps não respondeu a tempo; a folha mostra os Work Items como estavam há alguns minutos"
            .to_owned(),
    })
}

/// Returns the warning for a team without areas, or with areas that cannot be read.
pub(super) fn of_team(areas: &TeamAreas) -> Vec<Aviso> {
    let (code, detail) = match (areas.areas.len(), areas.unreadable) {
        (0, 0) => (
            "time_sem_areas",
            "O time não tem áreas no Azure DevOps; por isso a folha só mostra Work Items com horas"
                .to_owned(),
        ),
        (_, 0) => return Vec::new(),
        (_, unreadable) => (
            "area_ilegivel",
            format!("{unreadable} área(s) do time são ilegíveis no Azure DevOps; a folha não as mostra"),
        ),
    };
    vec![Aviso { code, detail }]
}

/// Returns a warning for each state of a work item that the process does not contain.
pub(super) fn unknown_states(states: BTreeSet<&str>) -> Vec<Aviso> {
    let aviso = |state: &str| Aviso {
        code: "estado_desconhecido",
        detail: format!(
            "O estado {state} não existe no processo do Azure DevOps; nada novo pode ser lançado nele"
        ),
    };
    states.into_iter().map(aviso).collect()
}
