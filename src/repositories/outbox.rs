//! Table: `write_back`, the outbox with one row per work item with hours. Changes of entries mark the row
//! here; an attempt leases and settles it in [`claims`]; views and repairs are in [`overview`].

pub mod claims;
pub mod overview;

use std::time::Duration;

use uuid::Uuid;

use crate::db::Tx;
use crate::models::ids::ProjetoId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::Target;

/// Project of a work item, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectSource {
    /// Project in which Azure DevOps has the work item now.
    Present(ProjetoId),
    /// Project at the time when an entry was logged.
    AtLogging(ProjetoId),
}

/// Marks a work item as pending because its entries change in this transaction, and returns the new version.
/// The background worker leaves the row to the request for `head_start`. Waits for concurrent changes of the
/// same work item.
pub async fn mark(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
    source: ProjectSource,
    head_start: Duration,
) -> Result<i64, sqlx::Error> {
    let (ProjectSource::Present(projeto) | ProjectSource::AtLogging(projeto)) = source;
    // A row that waits after a failure retains its later time, because its organisation is known to have
    // problems.
    sqlx::query_scalar!(
        "INSERT INTO write_back AS w (organizacao, work_item_id, id_projeto, proxima_em)
         VALUES ($1, $2, $3, now() + make_interval(secs => $4))
         ON CONFLICT ON CONSTRAINT write_back_pkey DO UPDATE
            SET versao = w.versao + 1, id_projeto = CASE WHEN $5 THEN excluded.id_projeto ELSE w.id_projeto END,
                estado = 'pendente',
                motivo = CASE WHEN w.estado = 'pendente' OR w.conferir THEN w.motivo END,
                tentativas = CASE WHEN w.estado = 'pendente' THEN w.tentativas ELSE 0 END,
                pendente_desde = CASE WHEN w.estado = 'pendente' THEN w.pendente_desde ELSE now() END,
                proxima_em = CASE WHEN w.estado = 'pendente' THEN greatest(w.proxima_em, excluded.proxima_em)
                                  ELSE excluded.proxima_em END
         RETURNING versao",
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
        head_start.as_secs_f64(),
        matches!(source, ProjectSource::Present(_)),
    )
    .fetch_one(tx.conn())
    .await
}

/// Records the present project of a work item, under which its hours are found.
pub async fn set_projeto(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
    projeto: ProjetoId,
) -> Result<(), sqlx::Error> {
    // A new row has nothing to write until an entry changes.
    sqlx::query!(
        "INSERT INTO write_back AS w (organizacao, work_item_id, id_projeto, versao, estado)
         VALUES ($1, $2, $3, 0, 'sincronizado')
         ON CONFLICT ON CONSTRAINT write_back_pkey DO UPDATE SET id_projeto = excluded.id_projeto
          WHERE w.id_projeto <> excluded.id_projeto",
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Records the present project of a work item by its GUID, if the project is mirrored.
pub async fn set_projeto_by_guid(tx: &mut Tx, target: &Target, guid: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE write_back w SET id_projeto = p.id
           FROM projetos p
          WHERE w.organizacao = $1 AND w.work_item_id = $2 AND p.organizacao = $1 AND p.external_id = $3
            AND w.id_projeto <> p.id",
        target.organizacao.as_str(),
        target.work_item_id,
        guid,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Returns `true` if the work item has hours to be written, by any process.
pub async fn is_pending(tx: &mut Tx, target: &Target) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM write_back
                           WHERE organizacao = $1 AND work_item_id = $2 AND estado = 'pendente'
                             AND NOT conferir) AS "pending!""#,
        target.organizacao.as_str(),
        target.work_item_id,
    )
    .fetch_one(tx.conn())
    .await
}
