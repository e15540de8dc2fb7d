//! Reasons, as sentences for people, why hours are not in Azure DevOps yet or will not be written. Of the
//! texts of Azure DevOps, only names of types and fields are passed on.

use crate::azure_devops::{Error, Unavailability};

/// Returns the reason for a failure that may pass.
pub(super) fn retryable(error: &Error) -> String {
    match error {
        Error::InvalidCredential { .. } => {
            "O Azure DevOps recusou a credencial usada para gravar as horas; verifique o PAT da organização"
                .to_owned()
        }
        Error::Replaced => "Outra organização responde por este nome no Azure DevOps".to_owned(),
        Error::OutdatedServer | Error::NotOffered => {
            "O servidor Azure DevOps é de uma versão que não é suportada".to_owned()
        }
        Error::Forbidden => "A credencial usada não tem permissão para gravar neste Work Item".to_owned(),
        Error::Throttled { .. } => "O Azure DevOps limitou as requisições".to_owned(),
        Error::Timeout => "O Azure DevOps não respondeu a tempo".to_owned(),
        Error::Unavailable {
            reason: Unavailability::Status(status),
            ..
        } => format!("O Azure DevOps está indisponível (status {status})"),
        Error::Unavailable { .. } => "O Azure DevOps está indisponível".to_owned(),
        error if error.is_stale() => "O Work Item está sendo alterado por outras pessoas".to_owned(),
        Error::Rejected { .. } | Error::NotFound | Error::Nonsense(_) => {
            "O Azure DevOps deu uma resposta inesperada".to_owned()
        }
    }
}

/// Returns the reason for a permanent refusal.
pub(super) fn refused(type_key: &str, fields: &[String]) -> String {
    let what = if type_key.is_empty() {
        "sem explicação"
    } else {
        type_key
    };
    if fields.is_empty() {
        return format!("O Azure DevOps recusou a gravação das horas ({what})");
    }
    let fields = fields.join(", ");
    format!("Uma regra do processo recusou a gravação das horas ({what}; campos: {fields})")
}

/// Returns the reason for a work item that does not exist any more or is hidden.
pub(super) fn vanished(id: i32) -> String {
    VANISHED.replace("{id}", &id.to_string())
}

/// Returns the patterns of the reasons that another credential of ours may resolve.
pub(super) fn of_credentials() -> Vec<String> {
    let refused = Error::InvalidCredential { status: 401 };
    vec![
        retryable(&refused),
        retryable(&Error::Forbidden),
        NO_CREDENTIAL.to_owned(),
        VANISHED.replace("{id}", "%"),
    ]
}

const VANISHED: &str = "O Work Item {id} não existe mais, ou a credencial usada não o vê";

/// Reason when no credential is available for writing.
pub(super) const NO_CREDENTIAL: &str = "A organização não tem um PAT para gravar as horas";

/// Reason when `CompletedWork` holds a value that is no number of hours.
pub(super) const UNREADABLE: &str =
    "O campo Completed Work do Work Item não contém um número de horas; corrija-o";

/// Reason when Azure DevOps shows the work item before our last write.
pub(super) const BEHIND: &str = "O Azure DevOps ainda não mostra a última gravação neste Work Item";

/// Reason when Azure DevOps was restored and our share of the figure is not known.
pub(super) const RESTORED: &str = "O Work Item voltou a uma revisão anterior à última gravação, e não se sabe quanto \
     das horas é nosso; um administrador precisa reconciliar";

/// Reason when our database was restored.
pub(super) const UNVERIFIED: &str =
    "O banco de dados foi restaurado; a gravação espera que um administrador reconcilie";

/// Reason when the service itself failed.
pub(super) const OWN: &str = "Falha interna ao gravar as horas; a gravação será tentada novamente";
/// Reason when nothing is written to this organisation.
pub(super) const NOT_WRITTEN: &str =
    "A organização não é mais atendida, ou a gravação de horas está desligada";
/// Reason when the write continues in the background.
pub(super) const UNDER_WAY: &str = "A gravação continua em segundo plano";
