//! Tables: `apontamentos`, `minutos_do_dia`; joined with names from `atividades` and `projetos` and the state of `write_back`. One
//! entry at a time; lists and sums are in [`lists`].

pub mod lists;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::db::Tx;
use crate::models::apontamento::{Apontamento, ApontamentoChanges, ApontamentoRow, AtividadeRef, Pessoa};
use crate::models::duracao::{Duracao, Total};
use crate::models::ids::{ApontamentoId, AtividadeId, ProjetoId};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::write_back::{Estado, Situacao};

/// An entry names an activity that does not exist (any more).
pub const ATIVIDADE_FK: &str = "apontamentos_id_atividade_fkey";

/// An entry with the names that go with it.
struct Row {
    id: ApontamentoId,
    organizacao: String,
    projeto: Uuid,
    work_item_id: i32,
    data_apontamento: NaiveDate,
    minutos: i32,
    id_atividade: AtividadeId,
    atividade_nome: String,
    comentario: Option<String>,
    usuario_id: String,
    usuario_nome: String,
    usuario_email: Option<String>,
    registrado_por_id: Option<String>,
    registrado_por_nome: Option<String>,
    criado_em: DateTime<Utc>,
    atualizado_em: DateTime<Utc>,
    estado: Option<String>,
    motivo: Option<String>,
}

impl TryFrom<Row> for Apontamento {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let duracao = duracao(row.minutos)?;
        let registrado_por = row.registrado_por_id.map(|id| Pessoa {
            nome: row.registrado_por_nome.unwrap_or_else(|| id.clone()),
            id,
            email: None,
        });
        Ok(Self {
            id: row.id,
            organizacao: row.organizacao,
            projeto: row.projeto,
            work_item_id: row.work_item_id,
            data: row.data_apontamento,
            duracao,
            atividade: AtividadeRef {
                id: row.id_atividade,
                nome: row.atividade_nome,
            },
            comentario: row.comentario,
            usuario: Pessoa {
                id: row.usuario_id,
                nome: row.usuario_nome,
                email: row.usuario_email,
            },
            registrado_por,
            criado_em: row.criado_em,
            atualizado_em: row.atualizado_em,
            sincronizacao: row.estado.map(|estado| Situacao {
                estado: Estado::parse(&estado),
                motivo: row.motivo,
            }),
        })
    }
}

/// Those of `ids` that the scope covers, in the order asked.
pub async fn find_all(tx: &mut Tx, ids: &[ApontamentoId]) -> Result<Vec<Apontamento>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // A state of the work item's hours that is written covers every entry up to it.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT a.id AS "id: ApontamentoId", a.organizacao, coalesce(p.external_id, a.id_projeto) AS "projeto!",
                  a.work_item_id, a.data_apontamento, a.minutos, a.id_atividade AS "id_atividade: AtividadeId",
                  t.nome AS atividade_nome, a.comentario, a.usuario_id, a.usuario_nome, a.usuario_email,
                  a.registrado_por_id, a.registrado_por_nome, a.criado_em, a.atualizado_em,
                  CASE WHEN a.versao_escrita IS NULL THEN NULL
                       WHEN a.versao_escrita <= w.versao_escrita THEN 'sincronizado'
                       ELSE w.estado END AS estado,
                  CASE WHEN a.versao_escrita > w.versao_escrita THEN w.motivo END AS motivo
             FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, position)
             JOIN apontamentos a ON a.id = asked.id
             JOIN atividades t ON t.id = a.id_atividade
             LEFT JOIN projetos p ON p.id = a.id_projeto
             LEFT JOIN write_back w ON w.organizacao = a.organizacao AND w.work_item_id = a.work_item_id
            WHERE $2::text[] IS NULL OR a.organizacao = ANY ($2)
            ORDER BY asked.position"#,
        &ids,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Apontamento::try_from).collect()
}

/// One entry.
pub async fn find(tx: &mut Tx, id: ApontamentoId) -> Result<Option<Apontamento>, sqlx::Error> {
    Ok(find_all(tx, &[id]).await?.pop())
}

/// What is known of an entry that other writers are kept off.
#[derive(Debug)]
pub struct Locked {
    /// Its project.
    pub projeto: ProjetoId,
    /// Its version.
    pub atualizado_em: DateTime<Utc>,
}

/// Keeps other writers off an entry until the transaction ends. `None` when the scope has no such entry.
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

/// The constraint of the column holds it.
fn duracao(minutos: i32) -> Result<Duracao, sqlx::Error> {
    Duracao::from_minutes(minutos.into()).ok_or_else(|| sqlx::Error::Decode("minutos is out of range".into()))
}

/// Minutes of a person's day in an organisation, as this transaction leaves them.
pub async fn minutes_of_day(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
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

/// Stores an entry. May fail on [`ATIVIDADE_FK`].
pub async fn insert(tx: &mut Tx, row: &ApontamentoRow<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade,
                                   comentario, usuario_id, usuario_nome, usuario_email, registrado_por_id,
                                   registrado_por_nome, versao_escrita)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, left($10, 255), left($11, 255), $12, left($13, 255), $14)",
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
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Changes an entry; if its length changes, its hours now belong to `versao_escrita`, or are not written back. May fail on
/// [`ATIVIDADE_FK`].
pub async fn update(
    tx: &mut Tx,
    id: ApontamentoId,
    changes: &ApontamentoChanges,
    versao_escrita: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE apontamentos
            SET data_apontamento = coalesce($2, data_apontamento),
                minutos = coalesce($3, minutos),
                id_atividade = coalesce($4, id_atividade),
                comentario = CASE WHEN $5 THEN $6 ELSE comentario END,
                versao_escrita = CASE WHEN coalesce($3, minutos) = minutos THEN versao_escrita ELSE $7 END
          WHERE id = $1",
        id as ApontamentoId,
        changes.data,
        changes.duracao.map(|duracao| i32::from(duracao.minutes())),
        changes.atividade as Option<AtividadeId>,
        changes.comentario.is_some(),
        changes.comentario.as_ref().and_then(|text| text.as_deref()),
        versao_escrita,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes an entry.
pub async fn delete(tx: &mut Tx, id: ApontamentoId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM apontamentos WHERE id = $1", id as ApontamentoId)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Work items of a project that have or had entries to be written back, from `after` on.
pub async fn work_items_of_projeto(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
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
