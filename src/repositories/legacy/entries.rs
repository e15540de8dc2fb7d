//! Tables: `apontamentos`, `write_back`: import of time entries of the FastAPI service. Azure DevOps already
//! contains their hours, so nothing is queued, but the outbox must account for them.

use chrono::{DateTime, NaiveDate, Utc};
use import_legacy::{Entry, Outcome, Written};
use uuid::Uuid;

use super::target::outcome;
use crate::db::Tx;

/// Locks the outbox against changes of written hours until the transaction ends: entries and their outbox
/// rows must stay consistent. Reads are not blocked.
pub async fn lock(tx: &mut Tx) -> Result<(), sqlx::Error> {
    sqlx::query!("LOCK TABLE write_back IN SHARE ROW EXCLUSIVE MODE")
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Inserts entries. Entries that were deleted in this service stay deleted.
pub async fn insert(tx: &mut Tx, rows: &[Entry]) -> Result<Vec<(Uuid, Outcome)>, sqlx::Error> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let organizacoes: Vec<&str> = rows.iter().map(|row| row.organizacao.as_str()).collect();
    let projetos: Vec<Uuid> = rows.iter().map(|row| row.id_projeto).collect();
    let work_items: Vec<i32> = rows.iter().map(|row| row.work_item_id).collect();
    let datas: Vec<NaiveDate> = rows.iter().map(|row| row.data).collect();
    let minutos: Vec<i32> = rows.iter().map(|row| row.minutos).collect();
    let atividades: Vec<Uuid> = rows.iter().map(|row| row.id_atividade).collect();
    let comentarios: Vec<Option<&str>> = rows.iter().map(|row| row.comentario.as_deref()).collect();
    let usuarios: Vec<&str> = rows.iter().map(|row| row.usuario_id.as_str()).collect();
    let nomes: Vec<&str> = rows.iter().map(|row| row.usuario_nome.as_str()).collect();
    let emails: Vec<Option<&str>> = rows.iter().map(|row| row.usuario_email.as_deref()).collect();
    let created: Vec<DateTime<Utc>> = rows.iter().map(|row| row.criado_em).collect();
    let updated: Vec<DateTime<Utc>> = rows.iter().map(|row| row.atualizado_em).collect();
    // versao_escrita 0: covered by any written version, because it precedes the first version of the outbox.
    let stored = sqlx::query!(
        r#"WITH source AS (
               SELECT s.*,
                      EXISTS (SELECT FROM atividades t WHERE t.id = s.id_atividade) AS has_atividade,
                      EXISTS (SELECT FROM auditoria g WHERE g.objeto_tipo = 'apontamento' AND g.objeto_id = s.id::text
                                 AND g.acao = 'excluir') AS deleted
                 FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::date[], $6::integer[], $7::uuid[],
                             $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[])
                      AS s (id, organizacao, id_projeto, work_item_id, data, minutos, id_atividade, comentario,
                          usuario_id,
                            usuario_nome, usuario_email, criado_em, atualizado_em)
           ), inserted AS (
               INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos,
                   id_atividade,
                                         comentario, usuario_id, usuario_nome, usuario_email, versao_escrita, criado_em,
                                         atualizado_em)
               SELECT id, organizacao, id_projeto, work_item_id, data, minutos, id_atividade, comentario, usuario_id,
                      usuario_nome, usuario_email, 0, criado_em, atualizado_em
                 FROM source WHERE has_atividade AND NOT deleted
               ON CONFLICT DO NOTHING RETURNING id
           )
           SELECT s.id AS "id!",
                  CASE WHEN i.id IS NOT NULL THEN 'inserted'
                       WHEN own.id IS NULL AND s.deleted THEN 'deleted'
                       WHEN own.id IS NULL THEN 'no_atividade'
                       WHEN (own.organizacao, own.id_projeto, own.work_item_id, own.data_apontamento, own.minutos,
                             own.id_atividade, own.comentario, own.usuario_id, own.usuario_nome, own.usuario_email,
                             own.atualizado_em)
                            IS NOT DISTINCT FROM
                            (s.organizacao, s.id_projeto, s.work_item_id, s.data, s.minutos, s.id_atividade,
                            s.comentario,
                             s.usuario_id, s.usuario_nome, s.usuario_email, s.atualizado_em)
                       THEN 'unchanged' ELSE 'differs' END AS "outcome!"
             FROM source s
             LEFT JOIN inserted i ON i.id = s.id
             LEFT JOIN apontamentos own ON own.id = s.id"#,
        &ids,
        &organizacoes as &[&str],
        &projetos,
        &work_items,
        &datas,
        &minutos,
        &atividades,
        &comentarios as &[Option<&str>],
        &usuarios as &[&str],
        &nomes as &[&str],
        &emails as &[Option<&str>],
        &created,
        &updated,
    )
    .fetch_all(tx.conn())
    .await?;
    stored
        .into_iter()
        .map(|row| Ok((row.id, outcome(&row.outcome)?)))
        .collect()
}

/// Records hours that another service wrote: the share of this service in the figures now includes them, and
/// nothing has to be written. Returns the number of these work items with a write in flight; if it is not 0,
/// the transaction must be rolled back.
pub async fn adopt_written(tx: &mut Tx, rows: &[Written]) -> Result<i64, sqlx::Error> {
    let organizacoes: Vec<&str> = rows.iter().map(|row| row.organizacao.as_str()).collect();
    let work_items: Vec<i32> = rows.iter().map(|row| row.work_item_id).collect();
    let projetos: Vec<Uuid> = rows.iter().map(|row| row.id_projeto).collect();
    let horas: Vec<i64> = rows.iter().map(|row| row.horas).collect();
    sqlx::query_scalar!(
        r#"WITH adopted AS (
               INSERT INTO write_back AS w (organizacao, work_item_id, id_projeto, versao, contribuicao, considerado,
                   descontado,
                                            estado)
               SELECT organizacao, work_item_id, id_projeto, 0, horas, horas, horas, 'sincronizado'
                 FROM unnest($1::text[], $2::integer[], $3::uuid[], $4::bigint[])
                     AS s (organizacao, work_item_id, id_projeto, horas)
               ON CONFLICT ON CONSTRAINT write_back_pkey DO UPDATE
                  SET contribuicao = w.contribuicao + excluded.contribuicao,
                      considerado = w.considerado + excluded.considerado,
                      descontado = w.descontado + excluded.descontado
               RETURNING intencao_rev IS NOT NULL OR coalesce(lease_ate > clock_timestamp(), false) AS busy
           )
           SELECT count(*) FILTER (WHERE busy) AS "busy!" FROM adopted"#,
        &organizacoes as &[&str],
        &work_items,
        &projetos,
        &horas,
    )
    .fetch_one(tx.conn())
    .await
}

/// Returns the number of days of a person with more than `most` minutes.
pub async fn days_above(tx: &mut Tx, most: i32) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "days!" FROM minutos_do_dia WHERE minutos > $1"#,
        most
    )
    .fetch_one(tx.conn())
    .await
}
