//! Table: `projetos`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::Tx;
use crate::models::ids::ProjetoId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::page::Page;
use crate::models::projeto::{DELETED, Projeto, ProjetoUpstream};

/// Returns the projects of the scope, all or a page, by name without regard to case and accents, then by id.
pub async fn list(tx: &mut Tx, page: Option<Page>) -> Result<Vec<Projeto>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Projeto,
        r#"SELECT p.id AS "id: ProjetoId", p.external_id, p.nome, p.descricao, p.url, p.estado,
                  coalesce(o.nome, p.organizacao) AS organizacao, p.last_sync_at, p.created_at, p.updated_at
             FROM projetos p
             LEFT JOIN organizacoes o ON o.chave = p.organizacao
            WHERE $3::text[] IS NULL OR coalesce(p.organizacao, '') = ANY ($3)
            ORDER BY p.nome_ordem, p.id
            LIMIT $1 OFFSET $2"#,
        page.map(|p| p.limit),
        page.map_or(0, |p| p.skip),
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await
}

/// Returns the number of projects in the scope.
pub async fn count(tx: &mut Tx) -> Result<i64, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM projetos p
            WHERE $1::text[] IS NULL OR coalesce(p.organizacao, '') = ANY ($1)"#,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await
}

/// Returns the organisation of a project in the scope, if the project has one.
pub async fn organizacao_of(tx: &mut Tx, id: ProjetoId) -> Result<Option<ChaveOrganizacao>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let found = sqlx::query_scalar!(
        r#"SELECT organizacao AS "organizacao: ChaveOrganizacao" FROM projetos
            WHERE id = $1 AND ($2::text[] IS NULL OR coalesce(organizacao, '') = ANY ($2))"#,
        id as ProjetoId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.flatten())
}

/// Returns `true` if there are no projects.
pub async fn is_empty(tx: &mut Tx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM projetos) AS "empty!""#)
        .fetch_one(tx.conn())
        .await
}

/// An id from a request and its project.
#[derive(Debug)]
pub struct Resolved {
    /// Key or Azure DevOps GUID, as in the request.
    pub asked: Uuid,
    /// Key of the project; `None` if no project has that id.
    pub projeto: Option<ProjetoId>,
}

/// Resolves `ids` (keys or Azure DevOps GUIDs, mixed) within the scope, in the given order.
pub async fn resolve(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Resolved>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // An id that is one row's key and another row's GUID denotes the key.
    sqlx::query_as!(
        Resolved,
        r#"SELECT asked.id AS "asked!", coalesce(own.id, upstream.id) AS "projeto?: ProjetoId"
             FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, position)
             LEFT JOIN projetos own ON own.id = asked.id
                  AND ($2::text[] IS NULL OR coalesce(own.organizacao, '') = ANY ($2))
             LEFT JOIN projetos upstream ON upstream.external_id = asked.id
                  AND ($2::text[] IS NULL OR coalesce(upstream.organizacao, '') = ANY ($2))
            ORDER BY asked.position"#,
        ids,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await
}

/// Attributes of a project that a time entry needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Key.
    pub id: ProjetoId,
    /// Azure DevOps GUID.
    pub external_id: Uuid,
    /// Name at the last synchronisation.
    pub nome: String,
    /// `true` if the project's organisation is not known yet; see [`claim`].
    pub unassigned: bool,
}

/// Returns a project of an organisation by its key or GUID; `and_unassigned` includes projects without a
/// known organisation.
pub async fn locate_by_id(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    and_unassigned: bool,
    id: Uuid,
) -> Result<Option<Located>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // An id that is one row's key and another row's GUID denotes the key.
    sqlx::query_as!(
        Located,
        r#"SELECT id AS "id: ProjetoId", external_id, nome, organizacao IS NULL AS "unassigned!"
             FROM projetos
            WHERE (id = $3 OR external_id = $3) AND (organizacao = $1 OR $2 AND organizacao IS NULL)
              AND ($4::text[] IS NULL OR coalesce(organizacao, '') = ANY ($4))
            ORDER BY id = $3 DESC LIMIT 1"#,
        organizacao.as_str(),
        and_unassigned,
        id,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// Returns a project of an organisation by its name without regard to case; names with different accents are
/// different. An exact match takes precedence, then a project that still exists, then the most recently seen
/// one.
pub async fn locate_by_name(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    and_unassigned: bool,
    nome: &str,
) -> Result<Option<Located>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // The index compares without accents; rows that differ by more than case are filtered afterwards.
    let candidates = sqlx::query!(
        r#"SELECT id AS "id: ProjetoId", external_id, nome, organizacao IS NULL AS "unassigned!",
                  normalize(nome, NFC) AS "composed!", normalize($3::text, NFC) AS "asked!"
             FROM projetos
            WHERE nome_ordem = sort_key($3)
              AND (organizacao = $1 OR $2 AND organizacao IS NULL)
              AND ($4::text[] IS NULL OR coalesce(organizacao, '') = ANY ($4))
            ORDER BY nome = $3 DESC, estado IS NOT DISTINCT FROM $5, last_sync_at DESC NULLS LAST, id"#,
        organizacao.as_str(),
        and_unassigned,
        nome,
        organizacoes as Option<&[String]>,
        DELETED,
    )
    .fetch_all(conn)
    .await?;
    let found = candidates
        .into_iter()
        .find(|row| same_but_for_case(&row.composed, &row.asked));
    Ok(found.map(|row| Located {
        id: row.id,
        external_id: row.external_id,
        nome: row.nome,
        unassigned: row.unassigned,
    }))
}

/// Returns the keys of the projects of the scope with this name, without regard to case.
pub async fn ids_by_name(tx: &mut Tx, nome: &str) -> Result<Vec<Uuid>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    let candidates = sqlx::query!(
        r#"SELECT id, normalize(nome, NFC) AS "composed!", normalize($1::text, NFC) AS "asked!" FROM projetos
          WHERE nome_ordem = sort_key($1) AND ($2::text[] IS NULL OR coalesce(organizacao, '') = ANY ($2))"#,
        nome,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await?;
    let same = candidates
        .into_iter()
        .filter(|row| same_but_for_case(&row.composed, &row.asked));
    Ok(same.map(|row| row.id).collect())
}

/// Compares two composed names as Azure DevOps does, without regard to case.
fn same_but_for_case(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Returns the GUIDs of other projects of an organisation with the same name in the mirror, at most ten.
pub async fn namesakes(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    nome: &str,
    except: Uuid,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT external_id FROM projetos
          WHERE organizacao = $1 AND nome_ordem = sort_key($2) AND external_id <> $3 AND estado IS DISTINCT FROM $4
          ORDER BY last_sync_at LIMIT 10",
        organizacao.as_str(),
        nome,
        except,
        DELETED,
    )
    .fetch_all(tx.conn())
    .await
}

/// Result of an [`upsert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upserted {
    /// Number of inserted rows.
    pub created: i64,
    /// Number of updated rows.
    pub updated: i64,
    /// Number of projects with the GUID of another organisation's row, which is not changed.
    pub foreign: i64,
}

/// Inserts (with `id = external_id`) or updates projects by their Azure DevOps GUID, in one statement.
///
/// A row that was seen later than `seen_at` is not changed, because the earlier of two synchronisations may
/// write last. Nor is a row of another organisation, because a project never changes its organisation. A GUID
/// may occur in `projetos` only once, otherwise PostgreSQL refuses the statement.
pub async fn upsert(
    tx: &mut Tx,
    projetos: &[ProjetoUpstream],
    seen_at: DateTime<Utc>,
) -> Result<Upserted, sqlx::Error> {
    let ids: Vec<Uuid> = projetos.iter().map(|p| p.external_id).collect();
    let nomes: Vec<&str> = projetos.iter().map(|p| p.nome.as_str()).collect();
    let descricoes: Vec<Option<&str>> = projetos.iter().map(|p| p.descricao.as_deref()).collect();
    let urls: Vec<Option<&str>> = projetos.iter().map(|p| p.url.as_deref()).collect();
    let estados: Vec<Option<&str>> = projetos.iter().map(|p| p.estado.as_deref()).collect();
    let organizacoes: Vec<&str> = projetos.iter().map(|p| p.organizacao.as_str()).collect();
    // xmax is 0 in a row version without a predecessor.
    sqlx::query_as!(
        Upserted,
        r#"WITH written AS (
               INSERT INTO projetos (id, external_id, nome, descricao, url, estado, organizacao, last_sync_at)
               SELECT id, id, nome, descricao, url, estado, organizacao, $7
                 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
                      AS upstream (id, nome, descricao, url, estado, organizacao)
               ON CONFLICT ON CONSTRAINT projetos_external_id_key DO UPDATE
                  SET nome = excluded.nome, descricao = excluded.descricao, url = excluded.url,
                      estado = excluded.estado, organizacao = excluded.organizacao,
                      last_sync_at = excluded.last_sync_at
                WHERE (projetos.last_sync_at IS NULL OR projetos.last_sync_at <= excluded.last_sync_at)
                  AND (projetos.organizacao IS NULL OR projetos.organizacao = excluded.organizacao)
               RETURNING projetos.xmax = 0 AS created
           )
           SELECT count(*) FILTER (WHERE created) AS "created!", count(*) FILTER (WHERE NOT created) AS "updated!",
                  (SELECT count(*) FROM unnest($1::uuid[], $6::text[]) AS upstream (id, organizacao)
                     JOIN projetos p ON p.external_id = upstream.id
                         AND p.organizacao <> upstream.organizacao) AS "foreign!"
             FROM written"#,
        &ids,
        &nomes as &[&str],
        &descricoes as &[Option<&str>],
        &urls as &[Option<&str>],
        &estados as &[Option<&str>],
        &organizacoes as &[&str],
        seen_at,
    )
    .fetch_one(tx.conn())
    .await
}

/// Flags the projects of an organisation that are not in `seen`, unless a later synchronisation saw them.
/// Returns the number of newly flagged projects.
pub async fn flag_vanished(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    seen: &[Uuid],
    seen_at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE projetos SET estado = $4, last_sync_at = $3
          WHERE organizacao = $1 AND external_id <> ALL ($2) AND estado IS DISTINCT FROM $4
            AND (last_sync_at IS NULL OR last_sync_at <= $3)",
        organizacao.as_str(),
        seen,
        seen_at,
        DELETED,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Serializes synchronisations of this schema across all replicas until the transaction ends.
pub async fn lock_synchronisation(tx: &mut Tx) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended(current_schema()::text || '.projetos', 0))")
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Assigns an organisation to a project without one, when its first entry is logged: entries and their
/// project belong to the same organisation.
pub async fn claim(tx: &mut Tx, organizacao: &ChaveOrganizacao, id: ProjetoId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE projetos SET organizacao = $1 WHERE id = $2 AND organizacao IS NULL",
        organizacao.as_str(),
        id as ProjetoId,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
