//! Tables: `apontamentos`, `minutos_do_dia`; joined with names from `atividades` and `projetos` and the state
//! of `write_back`. Single entries; lists and sums are in [`lists`].

#[macro_use]
mod row;
pub mod lists;

use chrono::{DateTime, NaiveDate, Utc};

use crate::db::Tx;
use crate::models::apontamento::{Apontamento, ApontamentoChanges, ApontamentoRow, Pessoa};
use crate::models::duracao::Total;
use crate::models::ids::{ApontamentoId, AtividadeId, ProjetoId};
use crate::models::organizacao::ChaveOrganizacao;

/// Violated when an entry names an activity that does not exist (any more).
pub const ATIVIDADE_FK: &str = "apontamentos_id_atividade_fkey";

/// Returns one entry of the scope.
pub async fn find(tx: &mut Tx, id: ApontamentoId) -> Result<Option<Apontamento>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let row = select_entries!(
        "",
        "NULL::bigint",
        "NULL::bigint",
        "apontamentos a",
        "WHERE a.id = $1 AND ($2::text[] IS NULL OR a.organizacao = ANY ($2))",
        id as ApontamentoId,
        organizacoes as Option<&[String]>
    )
    .fetch_optional(conn)
    .await?;
    row.map(Apontamento::try_from).transpose()
}

/// Returns a person as named in their latest entry in an organisation. Returns `None` if the person has no
/// entry.
pub async fn person_of(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    usuario: &str,
) -> Result<Option<Pessoa>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Pessoa,
        "SELECT usuario_id AS id, usuario_nome AS nome, usuario_email AS email FROM apontamentos
          WHERE organizacao = $1 AND usuario_id = $2 AND ($3::text[] IS NULL OR organizacao = ANY ($3))
          ORDER BY criado_em DESC LIMIT 1",
        organizacao.as_str(),
        usuario,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// Attributes of a locked entry.
#[derive(Debug)]
pub struct Locked {
    /// Project of the entry.
    pub projeto: ProjetoId,
    /// Version of the entry.
    pub atualizado_em: DateTime<Utc>,
}

/// Locks an entry against other writers until the transaction ends. Returns `None` if the scope has no such
/// entry.
pub async fn lock(tx: &mut Tx, id: ApontamentoId) -> Result<Option<Locked>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Locked,
        r#"SELECT id_projeto AS "projeto: ProjetoId", atualizado_em
             FROM apontamentos
            WHERE id = $1 AND ($2::text[] IS NULL OR organizacao = ANY ($2))
              FOR NO KEY UPDATE"#,
        id as ApontamentoId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// Returns the minutes of a person's day in an organisation, including the changes of this transaction.
pub async fn minutes_of_day(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    usuario: &str,
    dia: NaiveDate,
) -> Result<Total, sqlx::Error> {
    let minutos = sqlx::query_scalar!(
        "SELECT minutos FROM minutos_do_dia WHERE organizacao = $1 AND usuario_id = $2 AND data = $3",
        organizacao.as_str(),
        usuario,
        dia,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(Total(minutos.unwrap_or_default().into()))
}

/// Inserts an entry and returns it with the related names. May fail on [`ATIVIDADE_FK`].
pub async fn insert(tx: &mut Tx, row: &ApontamentoRow<'_>) -> Result<Apontamento, sqlx::Error> {
    select_entries!(
        "WITH a AS (
             INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos,
                 id_atividade,
                                       comentario, usuario_id, usuario_nome, usuario_email, registrado_por_id,
                                       registrado_por_nome, versao_escrita, work_item_titulo, projeto_nome)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, left($10, 255), left($11, 255), $12, left($13, 255), $14,
                     left($15, 255), (SELECT left(nome, 255) FROM projetos WHERE id = $3))
             RETURNING *) ",
        "NULL::bigint",
        "NULL::bigint",
        "a",
        "",
        row.id as ApontamentoId,
        row.organizacao.as_str(),
        row.projeto as ProjetoId,
        row.work_item_id,
        row.data,
        i32::from(row.duracao.minutes()),
        row.atividade as AtividadeId,
        row.comentario,
        row.usuario.id,
        row.usuario.nome,
        row.usuario.email,
        row.registrado_por.map(|p| p.id.as_str()),
        row.registrado_por.map(|p| p.nome.as_str()),
        row.versao_escrita,
        row.work_item_titulo
    )
    .fetch_one(tx.conn())
    .await?
    .try_into()
}

/// Updates an entry and returns the new state, or `None` if there is no such entry. If the duration changes,
/// the entry's hours belong to `versao_escrita` from now on (`None`: they are not written back). May fail on
/// [`ATIVIDADE_FK`].
pub async fn update(
    tx: &mut Tx,
    id: ApontamentoId,
    changes: &ApontamentoChanges,
    versao_escrita: Option<i64>,
) -> Result<Option<Apontamento>, sqlx::Error> {
    let row = select_entries!(
        "WITH a AS (
             UPDATE apontamentos
                SET data_apontamento = coalesce($2, data_apontamento),
                    minutos = coalesce($3, minutos),
                    id_atividade = coalesce($4, id_atividade),
                    comentario = CASE WHEN $5 THEN $6 ELSE comentario END,
                    versao_escrita = CASE WHEN coalesce($3, minutos) = minutos THEN versao_escrita ELSE $7 END
              WHERE id = $1
             RETURNING *) ",
        "NULL::bigint",
        "NULL::bigint",
        "a",
        "",
        id as ApontamentoId,
        changes.data,
        changes.duracao.map(|duracao| i32::from(duracao.minutes())),
        changes.atividade as Option<AtividadeId>,
        changes.comentario.is_some(),
        changes.comentario.as_ref().and_then(|text| text.as_deref()),
        versao_escrita
    )
    .fetch_optional(tx.conn())
    .await?;
    row.map(Apontamento::try_from).transpose()
}

/// Deletes an entry.
pub async fn delete(tx: &mut Tx, id: ApontamentoId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM apontamentos WHERE id = $1", id as ApontamentoId)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Returns the work items of a project that have entries or a row in the outbox, in order of their ids, after
/// `after`.
pub async fn work_items_of_projeto(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    projeto: ProjetoId,
    after: i32,
    limit: i64,
) -> Result<Vec<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT work_item_id FROM (
             SELECT work_item_id FROM apontamentos WHERE organizacao = $1 AND id_projeto = $2
             UNION
             SELECT work_item_id FROM write_back WHERE organizacao = $1 AND id_projeto = $2) AS all_of_them
          WHERE work_item_id > $3 ORDER BY work_item_id LIMIT $4",
        organizacao.as_str(),
        projeto as ProjetoId,
        after,
        limit,
    )
    .fetch_all(tx.conn())
    .await
    .map(|ids| ids.into_iter().flatten().collect())
}
