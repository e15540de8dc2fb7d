//! Table: `apontamentos`, many rows at a time: pages, a week, and sums. Read only.

use chrono::NaiveDate;
use uuid::Uuid;

use super::row::{Row, duracao};
use crate::db::Tx;
use crate::models::apontamento::{Apontamento, Apontamentos, AtividadeRef, Parcela, ResumoWorkItem};
use crate::models::duracao::Total;
use crate::models::ids::{ApontamentoId, AtividadeId, ProjetoId};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::page::{ApontamentoPosition, KeysetPage};
use crate::models::timesheet::{Lancamento, Semana};

/// Page of a list of entries.
pub type EntryPage = KeysetPage<ApontamentoPosition>;

/// Builds a page from its rows, each of which contains count and sum of all matching entries.
fn page_of(mut rows: Vec<Row>, page: &EntryPage, oldest_first: bool) -> Result<Apontamentos, sqlx::Error> {
    let more = page.cut(&mut rows);
    let first = rows.first();
    Ok(Apontamentos {
        count: first.and_then(|row| row.count).unwrap_or_default(),
        total: Total(first.and_then(|row| row.total).unwrap_or_default()),
        next: rows.last().filter(|_| more).map(|last| ApontamentoPosition {
            oldest_first,
            data: last.data_apontamento,
            criado_em: last.criado_em,
            id: last.id,
        }),
        items: rows
            .into_iter()
            .map(Apontamento::try_from)
            .collect::<Result<_, _>>()?,
    })
}

/// Returns a page of a work item's entries, of all people, the newest day first. The page is empty if the
/// work item is in another project now. An empty page has no count.
pub async fn page_of_work_item(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
    projeto: ProjetoId,
    page: &EntryPage,
) -> Result<Apontamentos, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let rows = select_entries!(
        "WITH matching AS MATERIALIZED (
             SELECT id, minutos, data_apontamento, criado_em
               FROM apontamentos
              WHERE organizacao = $1 AND work_item_id = $2 AND ($6::text[] IS NULL OR organizacao = ANY ($6))
                AND coalesce((SELECT w.id_projeto FROM write_back w WHERE w.organizacao = $1 AND w.work_item_id = $2),
                             (SELECT p.id_projeto FROM apontamentos p
                               WHERE p.organizacao = $1 AND p.work_item_id = $2
                               ORDER BY p.criado_em DESC LIMIT 1)) = $3) ",
        "(SELECT count(*) FROM matching)",
        "(SELECT sum(minutos) FROM matching)",
        "unnest(ARRAY(SELECT id FROM matching
                        WHERE $7::date IS NULL
                           OR (data_apontamento, criado_em) < ($7, $8)
                           OR (data_apontamento, criado_em) = ($7, $8) AND id > $9
                        ORDER BY data_apontamento DESC, criado_em DESC, id LIMIT $4 OFFSET $5))
              WITH ORDINALITY AS asked (id, position)
             JOIN apontamentos a ON a.id = asked.id",
        "ORDER BY asked.position",
        organizacao.as_str(),
        work_item_id,
        projeto as ProjetoId,
        page.rows(),
        page.skip,
        organizacoes as Option<&[String]>,
        page.after.map(|after| after.data),
        page.after.map(|after| after.criado_em),
        page.after.map(|after| after.id.0)
    )
    .fetch_all(conn)
    .await?;
    page_of(rows, page, false)
}

/// Returns `true` if a work item has entries.
pub async fn has_entries(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
) -> Result<bool, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM apontamentos WHERE organizacao = $1 AND work_item_id = $2
                             AND ($3::text[] IS NULL OR organizacao = ANY ($3))) AS "has!""#,
        organizacao.as_str(),
        work_item_id,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await
}

/// Filter of people's entries; `None` does not restrict.
#[derive(Debug, Default)]
pub struct OfPeople<'a> {
    /// Identities of the people; one person has a separate one in each organisation.
    pub usuarios: Option<&'a [String]>,
    /// First day.
    pub desde: Option<NaiveDate>,
    /// Last day.
    pub ate: Option<NaiveDate>,
    /// Organisation.
    pub organizacao: Option<&'a str>,
    /// Work item.
    pub work_item_id: Option<i32>,
    /// Present projects of the work items.
    pub projetos: Option<&'a [Uuid]>,
    /// Activity.
    pub atividade: Option<AtividadeId>,
    /// `true` for the oldest day first.
    pub oldest_first: bool,
}

/// Returns a page of people's entries by day. An empty page has no count.
pub async fn page_of_people(
    tx: &mut Tx,
    filter: &OfPeople<'_>,
    page: &EntryPage,
) -> Result<Apontamentos, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let rows = select_entries!(
        "WITH matching AS MATERIALIZED (
             SELECT id, minutos, data_apontamento, criado_em
               FROM apontamentos
              WHERE ($1::text[] IS NULL OR usuario_id = ANY ($1))
                AND data_apontamento BETWEEN coalesce($2, '-infinity'::date) AND coalesce($3, 'infinity'::date)
                AND ($4::text IS NULL OR organizacao = $4)
                AND ($5::integer IS NULL OR work_item_id = $5)
                AND ($6::uuid[] IS NULL
                     OR coalesce((SELECT w.id_projeto FROM write_back w
                                   WHERE w.organizacao = apontamentos.organizacao
                                     AND w.work_item_id = apontamentos.work_item_id), id_projeto) = ANY ($6))
                AND ($7::uuid IS NULL OR id_atividade = $7)
                AND ($11::text[] IS NULL OR organizacao = ANY ($11))) ",
        "(SELECT count(*) FROM matching)",
        "(SELECT sum(minutos) FROM matching)",
        "unnest(ARRAY(SELECT id FROM matching
                        WHERE $12::date IS NULL
                           OR CASE WHEN $8 THEN (data_apontamento, criado_em, id) > ($12, $13, $14)
                                   ELSE (data_apontamento, criado_em) < ($12, $13)
                                        OR (data_apontamento, criado_em) = ($12, $13) AND id > $14 END
                        ORDER BY CASE WHEN $8 THEN data_apontamento END, CASE WHEN $8 THEN criado_em END,
                                 data_apontamento DESC, criado_em DESC, id
                        LIMIT $9 OFFSET $10)) WITH ORDINALITY AS asked (id, position)
             JOIN apontamentos a ON a.id = asked.id",
        "ORDER BY asked.position",
        filter.usuarios as Option<&[String]>,
        filter.desde,
        filter.ate,
        filter.organizacao,
        filter.work_item_id,
        filter.projetos as Option<&[Uuid]>,
        filter.atividade as Option<AtividadeId>,
        filter.oldest_first,
        page.rows(),
        page.skip,
        organizacoes as Option<&[String]>,
        page.after.map(|after| after.data),
        page.after.map(|after| after.criado_em),
        page.after.map(|after| after.id.0)
    )
    .fetch_all(conn)
    .await?;
    page_of(rows, page, filter.oldest_first)
}

/// Returns people's entries of a week on work items that are in a project now, by day and time of creation.
pub async fn of_week(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
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
             LEFT JOIN write_back w ON w.organizacao = a.organizacao AND w.work_item_id = a.work_item_id
            WHERE a.usuario_id = ANY ($1) AND a.data_apontamento BETWEEN $2 AND $3
              AND a.organizacao = $4 AND coalesce(w.id_projeto, a.id_projeto) = $5
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

/// Returns the hours of a work item in total, by activity and by person. They are empty if the work item is
/// in another project now, as for [`page_of_work_item`].
pub async fn resumo(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    work_item_id: i32,
    projeto: ProjetoId,
) -> Result<ResumoWorkItem, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // The name in a person's newest entry is used.
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
              AND coalesce((SELECT w.id_projeto FROM write_back w WHERE w.organizacao = $1 AND w.work_item_id = $2),
                             (SELECT p.id_projeto FROM apontamentos p
                               WHERE p.organizacao = $1 AND p.work_item_id = $2
                               ORDER BY p.criado_em DESC LIMIT 1)) = $3
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
