//! Table: `write_back`, as people look at it: what is pending, what failed, what differs; and the statements that bring it back
//! to life. Nothing here needs a lease.

use crate::db::Tx;
use crate::models::duracao::Total;
use crate::models::horas::Horas;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::write_back::{Falha, Resumo};

/// Brings failures of the scope back to life, all or those of one organisation or work item. Returns how many.
pub async fn retry(
    tx: &mut Tx,
    organizacao: Option<&NomeOrganizacao>,
    work_item_id: Option<i32>,
) -> Result<u64, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let done = sqlx::query!(
        "UPDATE write_back
            SET estado = 'pendente', tentativas = 0, pendente_desde = now(), proxima_em = now()
          WHERE estado = 'falhou'
            AND ($1::text IS NULL OR organizacao = $1) AND ($2::integer IS NULL OR work_item_id = $2)
            AND ($3::text[] IS NULL OR organizacao = ANY ($3))",
        organizacao.map(NomeOrganizacao::as_str),
        work_item_id,
        organizacoes as Option<&[String]>,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Makes rows for work items that have entries and no row: nothing of their figures is ours yet.
pub async fn adopt(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
    work_items: &[i32],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO write_back (organizacao, work_item_id, id_projeto)
         SELECT DISTINCT ON (a.work_item_id) a.organizacao, a.work_item_id, a.id_projeto
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

/// What of the figures of some work items is ours, and the sum of their entries; those that were never written back are
/// missing.
pub async fn standing(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
    work_items: &[i32],
) -> Result<Vec<Standing>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT w.work_item_id, w.contribuicao, w.estado, w.motivo,
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
        .map(|row| Standing {
            work_item_id: row.work_item_id,
            contribuicao: Horas::from_millionths(row.contribuicao),
            total: Total(row.minutos),
            settled: row.estado == "sincronizado",
            motivo: row.motivo,
        })
        .collect())
}

/// How a work item stands with us.
#[derive(Debug)]
pub struct Standing {
    /// Work item.
    pub work_item_id: i32,
    /// What of its `CompletedWork` is ours.
    pub contribuicao: Horas,
    /// The sum of its entries.
    pub total: Total,
    /// Whether nothing is to be written.
    pub settled: bool,
    /// Why it is not written.
    pub motivo: Option<String>,
}

/// Has the hours of a work item written anew: so much of what stands there counts as ours. An intention under way keeps its
/// claim; then nothing changes but that it is due. `false` when the work item is unknown here.
pub async fn repair(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
    work_item_id: i32,
    contribuicao: Horas,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE write_back
            SET contribuicao = CASE WHEN intencao_rev IS NULL THEN $3 ELSE contribuicao END,
                pendente_desde = CASE WHEN estado = 'pendente' THEN pendente_desde ELSE now() END,
                estado = 'pendente', tentativas = 0, proxima_em = now()
          WHERE organizacao = $1 AND work_item_id = $2",
        organizacao.as_str(),
        work_item_id,
        contribuicao.millionths(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// How each organisation of the scope stands, by name.
pub async fn resumo(tx: &mut Tx) -> Result<Vec<Resumo>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Resumo,
        r#"SELECT organizacao AS "organizacao!", count(*) FILTER (WHERE estado = 'pendente') AS "pendentes!",
                  min(pendente_desde) FILTER (WHERE estado = 'pendente') AS mais_antigo,
                  count(*) FILTER (WHERE estado = 'falhou') AS "falhas!"
             FROM (SELECT organizacao, estado, pendente_desde FROM write_back WHERE estado = 'pendente'
                   UNION ALL
                   SELECT organizacao, estado, pendente_desde FROM write_back WHERE estado = 'falhou') AS unwritten
            WHERE $1::text[] IS NULL OR organizacao = ANY ($1)
            GROUP BY organizacao ORDER BY organizacao"#,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await
}

/// Failures of the scope, by organisation and work item.
pub async fn failures(tx: &mut Tx, limit: i64) -> Result<Vec<Falha>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Falha,
        r#"SELECT w.organizacao, w.work_item_id, coalesce(p.external_id, w.id_projeto) AS "projeto!", w.motivo,
                  w.pendente_desde AS desde, w.tentativas
             FROM write_back w
             LEFT JOIN projetos p ON p.id = w.id_projeto
            WHERE w.estado = 'falhou' AND ($1::text[] IS NULL OR w.organizacao = ANY ($1))
            ORDER BY w.organizacao, w.work_item_id LIMIT $2"#,
        organizacoes as Option<&[String]>,
        limit,
    )
    .fetch_all(conn)
    .await
}
