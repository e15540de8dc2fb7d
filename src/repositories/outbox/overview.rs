//! Table: `write_back`, for views and repairs: pending rows, failures, differences, and the statements that
//! make rows pending again. None of these statements needs a lease.

use std::time::Duration;

use sqlx::types::Json;

use super::claims::{StoredWrite, write_of};
use crate::db::Tx;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::outbox::{Falha, Resumo, Share, Write};

/// Makes failures of the scope pending again in organisations with write-back (`written`), optionally only
/// those of one organisation or one work item. Returns the organisation of each one.
pub async fn retry(
    tx: &mut Tx,
    written: &[String],
    organizacao: Option<&ChaveOrganizacao>,
    work_item_id: Option<i32>,
) -> Result<Vec<ChaveOrganizacao>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        "UPDATE write_back
            SET estado = 'pendente', tentativas = 0, pendente_desde = now(), proxima_em = now()
          WHERE estado = 'falhou'
            AND ($1::text IS NULL OR organizacao = $1) AND ($2::integer IS NULL OR work_item_id = $2)
            AND ($3::text[] IS NULL OR organizacao = ANY ($3))
            AND organizacao = ANY ($4)
      RETURNING organizacao AS \"organizacao: ChaveOrganizacao\"",
        organizacao.map(ChaveOrganizacao::as_str),
        work_item_id,
        organizacoes as Option<&[String]>,
        written,
    )
    .fetch_all(conn)
    .await
}

/// Makes failures of an organisation pending again if their reason matches one of `motivos` (LIKE patterns).
pub async fn revive(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    motivos: &[String],
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back
            SET estado = 'pendente', tentativas = 0, pendente_desde = now(), proxima_em = now()
          WHERE organizacao = $1 AND estado = 'falhou' AND motivo LIKE ANY ($2)",
        organizacao.as_str(),
        motivos,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Inserts rows for work items with entries but without a row: this service's share of their figures is 0.
/// The background worker skips them for a minute, because `reconciliar` compares them first.
pub async fn adopt(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_items: &[i32],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO write_back (organizacao, work_item_id, id_projeto, proxima_em)
         SELECT DISTINCT ON (a.work_item_id) a.organizacao, a.work_item_id, a.id_projeto, now() + interval '1 minute'
           FROM apontamentos a
          WHERE a.organizacao = $1 AND a.work_item_id = ANY ($2)
          ORDER BY a.work_item_id, a.criado_em DESC
         ON CONFLICT ON CONSTRAINT write_back_pkey DO NOTHING",
        organizacao.as_str(),
        work_items,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Returns share, entry sum and state of some work items; work items without a row are missing.
pub async fn rows_of(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_items: &[i32],
) -> Result<Vec<OutboxRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT w.work_item_id, w.contribuicao, w.considerado, w.descontado, w.rev_escrita, w.estado, w.motivo,
        w.conferir,
                  w.escritas -> 0 AS "last_write: Json<StoredWrite>",
                  (SELECT coalesce(sum(a.minutos), 0) FROM apontamentos a
                    WHERE a.organizacao = w.organizacao AND a.work_item_id = w.work_item_id) AS "minutos!"
             FROM write_back w
            WHERE w.organizacao = $1 AND w.work_item_id = ANY ($2)
            ORDER BY w.work_item_id"#,
        organizacao.as_str(),
        work_items,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| OutboxRow {
            work_item_id: row.work_item_id,
            share: Share {
                contributed: Horas::from_millionths(row.contribuicao),
                accounted: Horas::from_millionths(row.considerado),
                deducted: Horas::from_millionths(row.descontado),
            },
            rev_written: row.rev_escrita,
            total: Total(row.minutos),
            settled: row.estado == "sincronizado" && !row.conferir,
            unverified: row.conferir,
            last_write: row.last_write.map(|Json(write)| write_of(write)),
            motivo: row.motivo,
        })
        .collect())
}

/// State of a work item in the outbox, with the sum of its entries.
#[derive(Debug)]
pub struct OutboxRow {
    /// Work item.
    pub work_item_id: i32,
    /// Share of this service in the figures.
    pub share: Share,
    /// Revision of this service's last write.
    pub rev_written: i32,
    /// Sum of the entries.
    pub total: Total,
    /// Last write; `None` if none is stored.
    pub last_write: Option<Write>,
    /// `true` if nothing is to be written.
    pub settled: bool,
    /// `true` if the database was restored since the last comparison, so that the share may be outdated.
    pub unverified: bool,
    /// Reason why the hours are not written.
    pub motivo: Option<String>,
}

/// Makes a work item pending with revision `rev` and `share` as the new basis. Nothing changes if the row was
/// written since `row` was read, is leased, or has a patch that was sent less than `arrives_within` ago.
pub async fn rebase(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    row: &OutboxRow,
    rev: i32,
    share: Share,
    arrives_within: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE write_back
            SET versao = versao + 1, contribuicao = $5, considerado = $6, descontado = $7, rev_escrita = $8,
                escritas = '[]', atras_desde = NULL, conferir = false, motivo = NULL,
                intencao_rev = NULL, intencao_versao = NULL, intencao_contribuicao = NULL, intencao_considerado = NULL,
                intencao_descontado = NULL, intencao_completed = NULL, intencao_remaining = NULL, intencao_por = NULL,
                intencao_em = NULL,
                pendente_desde = CASE WHEN estado = 'pendente' THEN pendente_desde ELSE now() END,
                estado = 'pendente', tentativas = 0, proxima_em = now()
          WHERE organizacao = $1 AND work_item_id = $2 AND rev_escrita = $3 AND contribuicao = $4
            AND (lease_ate IS NULL OR lease_ate <= clock_timestamp())
            AND (intencao_em IS NULL OR intencao_em <= clock_timestamp() - make_interval(secs => $9))",
        organizacao.as_str(),
        row.work_item_id,
        row.rev_written,
        row.share.contributed.millionths(),
        share.contributed.millionths(),
        share.accounted.millionths(),
        share.deducted.millionths(),
        rev,
        arrives_within.as_secs_f64(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Pauses every work item of the scope until its figures are compared, after a restore of the database.
/// Returns the number of rows.
pub async fn pause_restored(tx: &mut Tx, motivo: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back SET conferir = true, motivo = $1, lease = NULL, lease_ate = NULL",
        motivo
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Makes a work item pending, with `ours` as this service's share of the present figures. The share is
/// changed only if nothing was written since `row` was read and no attempt is in flight; otherwise the row
/// only becomes due. An attempt in flight will find a newer version.
pub async fn repair(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    row: &OutboxRow,
    ours: Horas,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE write_back
            SET versao = versao + 1,
                contribuicao = CASE WHEN intencao_rev IS NULL AND rev_escrita = $4 AND contribuicao = $5
                                     AND (lease_ate IS NULL OR lease_ate <= clock_timestamp())
                                    THEN $3 ELSE contribuicao END,
                pendente_desde = CASE WHEN estado = 'pendente' THEN pendente_desde ELSE now() END,
                estado = 'pendente', tentativas = 0, proxima_em = now()
          WHERE organizacao = $1 AND work_item_id = $2",
        organizacao.as_str(),
        row.work_item_id,
        ours.millionths(),
        row.rev_written,
        row.share.contributed.millionths(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Returns the state of each organisation of the scope, by name.
pub async fn resumo(tx: &mut Tx) -> Result<Vec<Resumo>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Resumo,
        r#"SELECT coalesce((SELECT o.nome FROM organizacoes o WHERE o.chave = organizacao),
                           organizacao) AS "organizacao!",
                  count(*) FILTER (WHERE estado = 'pendente') AS "pendentes!",
                  min(pendente_desde) FILTER (WHERE estado = 'pendente') AS mais_antigo,
                  count(*) FILTER (WHERE estado = 'falhou') AS "falhas!",
                  count(*) FILTER (WHERE estado = 'conferir') AS "a_conferir!"
             FROM (SELECT organizacao, estado, pendente_desde FROM write_back WHERE estado = 'pendente'
                   UNION ALL
                   SELECT organizacao, estado, pendente_desde FROM write_back WHERE estado = 'falhou'
                   UNION ALL
                   SELECT organizacao, 'conferir', pendente_desde FROM write_back WHERE conferir) AS unwritten
            WHERE $1::text[] IS NULL OR organizacao = ANY ($1)
            GROUP BY organizacao ORDER BY organizacao"#,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await
}

/// Depth of the outbox over all organisations.
#[derive(Debug)]
pub struct Depth {
    /// Number of pending work items.
    pub pending: i64,
    /// Number of failed work items.
    pub failed: i64,
    /// Age of the oldest pending row in seconds; 0 if there is none.
    pub oldest_seconds: f64,
}

/// Returns the depth of the outbox; reads no written rows.
pub async fn depth(tx: &mut Tx) -> Result<Depth, sqlx::Error> {
    sqlx::query_as!(
        Depth,
        r#"SELECT (SELECT count(*) FROM write_back WHERE estado = 'pendente') AS "pending!",
                  (SELECT count(*) FROM write_back WHERE estado = 'falhou') AS "failed!",
                  coalesce(extract(epoch FROM now() - (SELECT min(pendente_desde) FROM write_back
                                                        WHERE estado = 'pendente')),
                           0)::double precision AS "oldest_seconds!""#,
    )
    .fetch_one(tx.conn())
    .await
}

/// Returns failures of the scope, by organisation and work item.
pub async fn failures(tx: &mut Tx, limit: i64) -> Result<Vec<Falha>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Falha,
        r#"SELECT coalesce(o.nome, w.organizacao) AS "organizacao!", w.work_item_id,
        coalesce(p.external_id, w.id_projeto) AS "projeto!", w.motivo,
                  w.pendente_desde AS desde, w.tentativas
             FROM write_back w
             LEFT JOIN projetos p ON p.id = w.id_projeto
             LEFT JOIN organizacoes o ON o.chave = w.organizacao
            WHERE w.estado = 'falhou' AND ($1::text[] IS NULL OR w.organizacao = ANY ($1))
            ORDER BY w.organizacao, w.work_item_id LIMIT $2"#,
        organizacoes as Option<&[String]>,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Marks rows as failed that were pending for longer than `give_up` in organisations without write-back.
/// Returns the number of rows.
pub async fn fail_unserved(
    tx: &mut Tx,
    written: &[String],
    give_up: Duration,
    motivo: &str,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back SET estado = 'falhou', motivo = $3
          WHERE estado = 'pendente' AND organizacao <> ALL ($1)
            AND pendente_desde < now() - make_interval(secs => $2)
            AND (lease_ate IS NULL OR lease_ate <= now())",
        written,
        give_up.as_secs_f64(),
        motivo,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}
