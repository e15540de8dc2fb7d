//! Tables: `atividades`, `atividade_projeto`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::Tx;
use crate::models::atividade::{Atividade, AtividadeChanges, AtividadeFilter, Atividades, NewAtividade};
use crate::models::ids::{AtividadeId, ProjetoId};
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::page::{AtividadePosition, KeysetPage};
use crate::models::projeto::ProjetoRef;

/// Violated when a link names a project that does not exist.
pub const PROJETO_FK: &str = "atividade_projeto_id_projeto_fkey";

/// An activity with its projects in two parallel arrays; `None` if it has no projects.
struct Row {
    id: AtividadeId,
    nome: String,
    descricao: Option<String>,
    ativo: bool,
    criado_por: Option<String>,
    criado_em: DateTime<Utc>,
    atualizado_em: DateTime<Utc>,
    projeto_ids: Option<Vec<Uuid>>,
    projeto_nomes: Option<Vec<String>>,
}

impl From<Row> for Atividade {
    fn from(row: Row) -> Self {
        let ids = row.projeto_ids.unwrap_or_default();
        let nomes = row.projeto_nomes.unwrap_or_default();
        Self {
            id: row.id,
            nome: row.nome,
            descricao: row.descricao,
            ativo: row.ativo,
            criado_por: row.criado_por,
            criado_em: row.criado_em,
            atualizado_em: row.atualizado_em,
            projetos: ids
                .into_iter()
                .zip(nomes)
                .map(|(id, nome)| ProjetoRef {
                    id: ProjetoId(id),
                    nome,
                })
                .collect(),
        }
    }
}

/// Returns a page of activities by name, without regard to case and accents, then by id, and the number of
/// all matching ones. A scope of all organisations includes every activity without reading its links; in
/// other scopes, links hidden by row-level security are counted only for activities without visible links.
/// The projects are left empty: [`projetos_of`] reads those of a whole page, which PostgreSQL does an order
/// of magnitude faster than an aggregate per row.
pub async fn list(
    tx: &mut Tx,
    filter: AtividadeFilter,
    page: &KeysetPage<AtividadePosition>,
) -> Result<Atividades, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let after = page.after.as_ref();
    let mut rows = sqlx::query!(
        r#"SELECT total AS "total!", id AS "id: AtividadeId", nome, descricao, ativo, criado_por, criado_em,
                  atualizado_em
             FROM (SELECT count(*) OVER () AS total, a.*
                     FROM atividades a
                    WHERE ($1::boolean IS NULL OR a.ativo = $1)
                      AND ($2::uuid IS NULL OR a.id IN (
                            SELECT ap.id_atividade
                              FROM atividade_projeto ap
                              JOIN projetos p ON p.id = ap.id_projeto
                             WHERE p.id = $2 OR p.external_id = $2))
                      AND ($5::text[] IS NULL
                           OR EXISTS (SELECT FROM atividade_projeto ap
                                        JOIN projetos p ON p.id = ap.id_projeto
                                       WHERE ap.id_atividade = a.id AND coalesce(p.organizacao, '') = ANY ($5))
                           OR contar_projetos_da_atividade(a.id) = 0)) AS matching
            WHERE $6::text IS NULL OR (nome_ordem, id) > ((SELECT sort_key($6)), $7::uuid)
            ORDER BY nome_ordem, id
            LIMIT $3 OFFSET $4"#,
        filter.ativo,
        filter.projeto,
        page.rows(),
        page.skip,
        organizacoes as Option<&[String]>,
        after.map(|after| after.nome.as_str()),
        after.map(|after| after.id.0),
    )
    .fetch_all(conn)
    .await?;
    let more = page.cut(&mut rows);
    // An empty page has no row with the total.
    let total = rows.first().map_or(0, |row| row.total);
    let before = after.map_or(page.skip, |after| after.order);
    let items = rows.into_iter().map(|row| Atividade {
        id: row.id,
        nome: row.nome,
        descricao: row.descricao,
        ativo: row.ativo,
        criado_por: row.criado_por,
        criado_em: row.criado_em,
        atualizado_em: row.atualizado_em,
        projetos: Vec::new(),
    });
    let items: Vec<Atividade> = items.collect();
    let next = items.last().filter(|_| more).map(|last| AtividadePosition {
        order: before.saturating_add(page.limit),
        id: last.id,
        nome: last.nome.clone(),
    });
    Ok(Atividades {
        items,
        total,
        first: before.saturating_add(1),
        next,
    })
}

/// Returns the projects of several activities as pairs of activity and project. The projects of one activity
/// are in their stored order.
pub async fn projetos_of(
    tx: &mut Tx,
    ids: &[AtividadeId],
) -> Result<Vec<(AtividadeId, ProjetoRef)>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // MATERIALIZED prevents PostgreSQL from joining the projects first: it assumes that row-level security
    // leaves one of them, and would compare each link with each activity of the page.
    let rows = sqlx::query!(
        r#"WITH links AS MATERIALIZED (
               SELECT id_atividade, id_projeto, posicao FROM atividade_projeto WHERE id_atividade = ANY ($1))
           SELECT l.id_atividade AS "id_atividade: AtividadeId", p.id AS "id: ProjetoId", p.nome
             FROM links l
             JOIN projetos p ON p.id = l.id_projeto
            WHERE $2::text[] IS NULL OR coalesce(p.organizacao, '') = ANY ($2)
            ORDER BY l.posicao, p.id"#,
        &ids,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                row.id_atividade,
                ProjetoRef {
                    id: row.id,
                    nome: row.nome,
                },
            )
        })
        .collect())
}

/// Returns one activity with those of its projects that are in the scope. Returns `None` also if the activity
/// has projects and none of them is in the scope.
pub async fn find(tx: &mut Tx, id: AtividadeId) -> Result<Option<Atividade>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // OFFSET 0 prevents PostgreSQL from starting with the projects: it assumes that row-level security leaves
    // one of them, and would read all links once per visible project.
    let row = sqlx::query_as!(
        Row,
        r#"SELECT a.id AS "id: AtividadeId", a.nome, a.descricao, a.ativo, a.criado_por, a.criado_em, a.atualizado_em,
                  p.ids AS projeto_ids, p.nomes AS projeto_nomes
             FROM atividades a
            CROSS JOIN LATERAL (SELECT array_agg(p.id ORDER BY ap.posicao, p.id) AS ids,
                                       array_agg(p.nome ORDER BY ap.posicao, p.id) AS nomes
                                  FROM atividade_projeto ap
                                 CROSS JOIN LATERAL (SELECT p.id, p.nome
                                                       FROM projetos p
                                                      WHERE p.id = ap.id_projeto
                                                        AND ($2::text[] IS NULL
                                                             OR coalesce(p.organizacao, '') = ANY ($2))
                                                     OFFSET 0) p
                                 WHERE ap.id_atividade = a.id) p
            WHERE a.id = $1
              AND (p.ids IS NOT NULL OR contar_projetos_da_atividade(a.id) = 0)"#,
        id as AtividadeId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Atividade::from))
}

/// Usability of an activity for hours on a project.
#[derive(Debug)]
pub struct Usability {
    /// `true` if the activity is active.
    pub ativo: bool,
    /// `true` if the activity may be used in this project: it is linked to this project or to none.
    pub fits: bool,
}

/// Returns the usability of an activity of the scope for hours on a project of the scope. Returns `None` if
/// the scope has no such activity.
pub async fn usability(
    tx: &mut Tx,
    id: AtividadeId,
    projeto: ProjetoId,
) -> Result<Option<Usability>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // The first two conditions read only the activity's own links. The scope is read only if both are false;
    // in one condition with them, PostgreSQL would read all links and projects for a single activity.
    sqlx::query_as!(
        Usability,
        r#"SELECT a.ativo, (own.linked OR own.free) AS "fits!"
             FROM atividades a
            CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM atividade_projeto ap
                                                WHERE ap.id_atividade = a.id AND ap.id_projeto = $2) AS linked,
                                       NOT EXISTS (SELECT FROM atividade_projeto ap WHERE ap.id_atividade = a.id)
                                       AND contar_projetos_da_atividade(a.id) = 0 AS free
                                OFFSET 0) own
            WHERE a.id = $1
              AND (own.linked OR own.free
                   OR EXISTS (SELECT FROM atividade_projeto ap
                                JOIN projetos p ON p.id = ap.id_projeto
                               WHERE ap.id_atividade = a.id
                                 AND ($3::text[] IS NULL OR coalesce(p.organizacao, '') = ANY ($3))))"#,
        id as AtividadeId,
        projeto as ProjetoId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// Locks an activity against other writers until the transaction ends. Returns `false` if there is no such
/// activity.
pub async fn lock(tx: &mut Tx, id: AtividadeId) -> Result<bool, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT FROM atividades WHERE id = $1 FOR NO KEY UPDATE",
        id as AtividadeId
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.is_some())
}

/// Returns `true` if an activity is linked to a project outside the scope. Row-level security hides such a
/// link, but a function still counts it.
pub async fn has_foreign_projetos(tx: &mut Tx, id: AtividadeId) -> Result<bool, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        r#"SELECT contar_projetos_da_atividade($1) >
                  (SELECT count(*)
                     FROM atividade_projeto ap
                     JOIN projetos p ON p.id = ap.id_projeto
                    WHERE ap.id_atividade = $1
                      AND ($2::text[] IS NULL OR coalesce(p.organizacao, '') = ANY ($2))) AS "foreign!""#,
        id as AtividadeId,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await
}

/// Returns the projects of an activity that are in the scope, with their organisations.
pub async fn organizacoes_of(
    tx: &mut Tx,
    id: AtividadeId,
) -> Result<Vec<(ProjetoId, Option<ChaveOrganizacao>)>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let rows = sqlx::query!(
        r#"SELECT p.id AS "id: ProjetoId", p.organizacao AS "organizacao: ChaveOrganizacao"
             FROM atividade_projeto ap
             JOIN projetos p ON p.id = ap.id_projeto
            WHERE ap.id_atividade = $1 AND ($2::text[] IS NULL OR coalesce(p.organizacao, '') = ANY ($2))
            ORDER BY ap.posicao, p.id"#,
        id as AtividadeId,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.organizacao)).collect())
}

/// Inserts an activity without its projects.
pub async fn insert(tx: &mut Tx, id: AtividadeId, new: &NewAtividade) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO atividades (id, nome, descricao, ativo, criado_por) VALUES ($1, $2, $3, $4, left($5, 255))",
        id as AtividadeId,
        new.nome.as_str(),
        new.descricao,
        new.ativo,
        new.criado_por,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Updates columns of an activity. `atualizado_em` changes only if a value differs.
pub async fn update(tx: &mut Tx, id: AtividadeId, changes: &AtividadeChanges) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE atividades
            SET nome = coalesce($2, nome),
                descricao = CASE WHEN $3 THEN $4 ELSE descricao END,
                ativo = coalesce($5, ativo)
          WHERE id = $1",
        id as AtividadeId,
        changes
            .nome
            .as_ref()
            .map(crate::models::atividade::NomeAtividade::as_str),
        changes.descricao.is_some(),
        changes.descricao.as_ref().and_then(|d| d.as_deref()),
        changes.ativo,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Updates `atualizado_em` after a change of the activity's projects, which changes no column.
pub async fn touch(tx: &mut Tx, id: AtividadeId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE atividades SET atualizado_em = clock_timestamp() WHERE id = $1",
        id as AtividadeId
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Returns the projects of an activity, in their order.
pub async fn linked_projetos(tx: &mut Tx, id: AtividadeId) -> Result<Vec<ProjetoId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT id_projeto AS "id: ProjetoId" FROM atividade_projeto
            WHERE id_atividade = $1 ORDER BY posicao, id_projeto"#,
        id as AtividadeId,
    )
    .fetch_all(tx.conn())
    .await
}

/// Deletes all links of an activity.
pub async fn unlink_projetos(tx: &mut Tx, id: AtividadeId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM atividade_projeto WHERE id_atividade = $1",
        id as AtividadeId
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Links an activity to projects, in this order. May fail on [`PROJETO_FK`].
pub async fn link_projetos(tx: &mut Tx, id: AtividadeId, projetos: &[ProjetoId]) -> Result<(), sqlx::Error> {
    let projetos: Vec<Uuid> = projetos.iter().map(|p| p.0).collect();
    sqlx::query!(
        "INSERT INTO atividade_projeto (id_atividade, id_projeto, posicao)
         SELECT $1, projeto.id, projeto.position
           FROM unnest($2::uuid[]) WITH ORDINALITY AS projeto (id, position)",
        id as AtividadeId,
        &projetos,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes an activity and its links. Returns `false` if there is no such activity. Fails on a foreign key if
/// the activity is in use.
pub async fn delete(tx: &mut Tx, id: AtividadeId) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!("DELETE FROM atividades WHERE id = $1", id as AtividadeId)
        .execute(tx.conn())
        .await?;
    Ok(done.rows_affected() > 0)
}
