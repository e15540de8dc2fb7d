//! What a sheet says that it left out.

use crate::azure_devops::Organizacao;
use crate::models::timesheet::Aviso;

/// Fields that the collection does not have.
pub(super) fn absent_fields(organizacao: &Organizacao) -> Vec<Aviso> {
    let aviso = |field: &str| Aviso {
        code: "campo_ausente",
        detail: format!("A coleção do Azure DevOps não tem o campo {field}; a folha não o mostra"),
    };
    organizacao.absent_fields().into_iter().map(aviso).collect()
}
