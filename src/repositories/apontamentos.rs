//! Tables: `apontamentos`, `minutos_do_dia`; joined with names from `atividades` and `projetos` and the state of `write_back`.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::db::Tx;
use crate::models::apontamento::{
    Apontamento, ApontamentoChanges, ApontamentoRow, AtividadeRef, Parcela, Pessoa, ResumoWorkItem,
};
use crate::models::duracao::{Duracao, Total};
use crate::models::ids::{ApontamentoId, AtividadeId, ProjetoId};
use crate::models::organizacao::NomeOrganizacao;
use crate::models::page::Page;
use crate::models::timesheet::{Lancamento, Semana};
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

/// Keeps other writers off an entry until the transaction ends. Its project; `None` when the scope has no such entry.
pub async fn lock(tx: &mut Tx, id: ApontamentoId) -> Result<Option<ProjetoId>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        r#"SELECT id_projeto AS "id_projeto: ProjetoId"
             FROM apontamentos
            WHERE id = $1 AND ($2::text[] IS NULL OR organizacao = ANY ($2))
              FOR NO KEY UPDATE"#,
        id as ApontamentoId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// The keys of a page, and count and sum of everything that matches.
#[derive(Debug)]
pub struct PageOfIds {
    /// Keys in their order.
    pub ids: Vec<ApontamentoId>,
    /// How many match.
    pub count: i64,
    /// How long they are together.
    pub total: Total,
}

struct PageRow {
    count: i64,
    minutos: i64,
    ids: Vec<Uuid>,
}

impl From<PageRow> for PageOfIds {
    fn from(row: PageRow) -> Self {
        Self {
            ids: row.ids.into_iter().map(ApontamentoId).collect(),
            count: row.count,
            total: Total(row.minutos),
        }
    }
}

/// A page of a work item's entries, everybody's, the newest day first; none when it never had one in this project. One that moved
/// to another project keeps all of them.
pub async fn page_of_work_item(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
    work_item_id: i32,
    projeto: ProjetoId,
    page: Page,
) -> Result<PageOfIds, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let row = sqlx::query_as!(
        PageRow,
        r#"WITH matching AS MATERIALIZED (
               SELECT id, minutos, data_apontamento, criado_em
                 FROM apontamentos
                WHERE organizacao = $1 AND work_item_id = $2 AND ($6::text[] IS NULL OR organizacao = ANY ($6))
                  AND EXISTS (SELECT FROM apontamentos p
                               WHERE p.organizacao = $1 AND p.work_item_id = $2 AND p.id_projeto = $3))
           SELECT (SELECT count(*) FROM matching) AS "count!",
                  (SELECT coalesce(sum(minutos), 0) FROM matching) AS "minutos!",
                  ARRAY(SELECT id FROM matching ORDER BY data_apontamento DESC, criado_em DESC, id
                         LIMIT $4 OFFSET $5) AS "ids!""#,
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
        page.limit,
        page.skip,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// Which entries of people; `None` does not restrict.
#[derive(Debug, Default)]
pub struct OfPeople<'a> {
    /// Identities of the people; one person has one in each organisation.
    pub usuarios: &'a [String],
    /// First day.
    pub desde: Option<NaiveDate>,
    /// Last day.
    pub ate: Option<NaiveDate>,
    /// Organisation.
    pub organizacao: Option<&'a str>,
    /// Work item.
    pub work_item_id: Option<i32>,
    /// Any of these projects.
    pub projetos: Option<&'a [Uuid]>,
    /// Activity.
    pub atividade: Option<AtividadeId>,
    /// Oldest day first.
    pub oldest_first: bool,
}

/// A page of people's entries by day.
pub async fn page_of_people(
    tx: &mut Tx,
    filter: &OfPeople<'_>,
    page: Page,
) -> Result<PageOfIds, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let row = sqlx::query_as!(
        PageRow,
        r#"WITH matching AS MATERIALIZED (
               SELECT id, minutos, data_apontamento, criado_em
                 FROM apontamentos
                WHERE usuario_id = ANY ($1)
                  AND data_apontamento BETWEEN coalesce($2, '-infinity'::date) AND coalesce($3, 'infinity'::date)
                  AND ($4::text IS NULL OR organizacao = $4)
                  AND ($5::integer IS NULL OR work_item_id = $5)
                  AND ($6::uuid[] IS NULL OR id_projeto = ANY ($6))
                  AND ($7::uuid IS NULL OR id_atividade = $7)
                  AND ($11::text[] IS NULL OR organizacao = ANY ($11)))
           SELECT (SELECT count(*) FROM matching) AS "count!",
                  (SELECT coalesce(sum(minutos), 0) FROM matching) AS "minutos!",
                  ARRAY(SELECT id FROM matching
                         ORDER BY CASE WHEN $8 THEN data_apontamento END, CASE WHEN $8 THEN criado_em END,
                                  data_apontamento DESC, criado_em DESC, id
                         LIMIT $9 OFFSET $10) AS "ids!""#,
        filter.usuarios,
        filter.desde,
        filter.ate,
        filter.organizacao,
        filter.work_item_id,
        filter.projetos as Option<&[Uuid]>,
        filter.atividade as Option<AtividadeId>,
        filter.oldest_first,
        page.limit,
        page.skip,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// People's entries on a project's work items in a week, by day and moment.
pub async fn of_week(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
    usuarios: &[String],
    projeto: ProjetoId,
    semana: Semana,
) -> Result<Vec<Lancamento>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let rows = sqlx::query!(
        r#"SELECT a.id AS "id: ApontamentoId", a.work_item_id, a.data_apontamento, a.minutos,
                  a.id_atividade AS "id_atividade: AtividadeId", t.nome AS atividade_nome, a.comentario
             FROM apontamentos a
             JOIN atividades t ON t.id = a.id_atividade
            WHERE a.usuario_id = ANY ($1) AND a.data_apontamento BETWEEN $2 AND $3
              AND a.organizacao = $4 AND a.id_projeto = $5
              AND ($6::text[] IS NULL OR a.organizacao = ANY ($6))
            ORDER BY a.data_apontamento, a.criado_em, a.id"#,
        usuarios,
        semana.first(),
        semana.last(),
        organizacao.as_str(),
        projeto as ProjetoId,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Lancamento {
                id: row.id,
                work_item_id: row.work_item_id,
                data: row.data_apontamento,
                duracao: duracao(row.minutos)?,
                atividade: AtividadeRef {
                    id: row.id_atividade,
                    nome: row.atividade_nome,
                },
                comentario: row.comentario,
            })
        })
        .collect()
}

/// The constraint of the column holds it.
fn duracao(minutos: i32) -> Result<Duracao, sqlx::Error> {
    Duracao::from_minutes(minutos.into()).ok_or_else(|| sqlx::Error::Decode("minutos is out of range".into()))
}

/// The hours of a work item as a whole, by activity and by person; as for [`page_of_work_item`].
pub async fn resumo(
    tx: &mut Tx,
    organizacao: &NomeOrganizacao,
    work_item_id: i32,
    projeto: ProjetoId,
) -> Result<ResumoWorkItem, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // Somebody's newest name is their name.
    let rows = sqlx::query!(
        r#"SELECT grouping(a.id_atividade) = 0 AS "by_atividade!", grouping(a.usuario_id) = 0 AS "by_usuario!",
                  coalesce(a.id_atividade::text, a.usuario_id, '') AS "id!",
                  coalesce(CASE WHEN grouping(a.id_atividade) = 0 THEN min(t.nome)
                                ELSE (array_agg(a.usuario_nome ORDER BY a.criado_em DESC))[1] END, '') AS "nome!",
                  count(*) AS "count!", coalesce(sum(a.minutos), 0) AS "minutos!",
                  min(a.data_apontamento) AS primeira, max(a.data_apontamento) AS ultima
             FROM apontamentos a
             JOIN atividades t ON t.id = a.id_atividade
            WHERE a.organizacao = $1 AND a.work_item_id = $2 AND ($4::text[] IS NULL OR a.organizacao = ANY ($4))
              AND EXISTS (SELECT FROM apontamentos p
                           WHERE p.organizacao = $1 AND p.work_item_id = $2 AND p.id_projeto = $3)
            GROUP BY GROUPING SETS ((), (a.id_atividade), (a.usuario_id))
            ORDER BY sum(a.minutos) DESC, 4, 3"#,
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await?;
    let mut resumo = ResumoWorkItem::empty(work_item_id);
    for row in rows {
        let parcela = Parcela {
            id: row.id,
            nome: row.nome,
            total: Total(row.minutos),
        };
        if row.by_atividade {
            resumo.por_atividade.push(parcela);
        } else if row.by_usuario {
            resumo.por_usuario.push(parcela);
        } else {
            resumo.count = row.count;
            resumo.total = parcela.total;
            (resumo.primeira_data, resumo.ultima_data) = (row.primeira, row.ultima);
        }
    }
    Ok(resumo)
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
