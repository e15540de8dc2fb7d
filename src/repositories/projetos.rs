//! Table: `projetos`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::Tx;
use crate::models::ids::ProjetoId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::page::Page;
use crate::models::projeto::{DELETED, Projeto, ProjetoUpstream};

/// All projects of the scope, or a page of them, by name without regard to case and accents, then by id.
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

/// Whether there is no project at all.
pub async fn is_empty(tx: &mut Tx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM projetos) AS "empty!""#)
        .fetch_one(tx.conn())
        .await
}

/// An id as a caller gave it, and the project that it names.
#[derive(Debug)]
pub struct Resolved {
    /// Our key or the Azure DevOps GUID, as asked.
    pub asked: Uuid,
    /// The project's key; `None` when nothing has that id.
    pub projeto: Option<ProjetoId>,
}

/// What each of `ids` (our keys or Azure DevOps GUIDs, mixed) names within the scope, in the order asked.
pub async fn resolve(tx: &mut Tx, ids: &[Uuid]) -> Result<Vec<Resolved>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // An id that is one row's key and another row's GUID means the key.
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

/// A project as a time entry needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Our key.
    pub id: ProjetoId,
    /// Azure DevOps GUID.
    pub external_id: Uuid,
    /// Name when it was last synchronised.
    pub nome: String,
    /// Whether no organisation is known of it yet; see [`claim`].
    pub unassigned: bool,
}

/// A project of an organisation by our key or by its GUID; `and_unassigned`: also one that no organisation is
/// known of.
pub async fn locate_by_id(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    and_unassigned: bool,
    id: Uuid,
) -> Result<Option<Located>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // An id that is one row's key and another row's GUID means the key.
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

/// A project of an organisation by its name without regard to case; two names that differ by an accent are
/// two. The very name wins, then a project that still exists, then the one that was seen last.
pub async fn locate_by_name(
    tx: &mut Tx,
    organizacao: &ChaveOrganizacao,
    and_unassigned: bool,
    nome: &str,
) -> Result<Option<Located>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    // The index knows names without accents; what differs by more than case is left out behind it.
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

/// Keys of the projects of the scope that bear a name, without regard to case.
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

/// Compares two composed names as Azure DevOps does.
fn same_but_for_case(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// GUIDs of other projects of an organisation that are called so here, at most ten.
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

/// What an [`upsert`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upserted {
    /// Rows that were not there before.
    pub created: i64,
    /// Rows that were.
    pub updated: i64,
    /// Projects whose GUID is that of another organisation's row, which stays as it is.
    pub foreign: i64,
}

/// Creates (with `id = external_id`) or updates projects by their Azure DevOps GUID, in one statement.
///
/// A row that was seen later than `seen_at` stays as it is: of two synchronisations the one that asked first
/// may write last. So does a row of another organisation: a project never changes its organisation. A GUID
/// may stand in `projetos` only once, else PostgreSQL refuses the statement.
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
    // xmax is 0 in a row version that no other one precedes.
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
                     JOIN projetos p ON p.external_id = upstream.id AND p.organizacao <> upstream.organizacao) AS "foreign!"
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

/// Flags the projects of an organisation that are not among `seen` any more, unless a later run saw them.
/// Returns how many were flagged now.
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

/// Makes synchronisations write one after the other, until the transaction ends; of this schema, by all
/// replicas.
pub async fn lock_synchronisation(tx: &mut Tx) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended(current_schema()::text || '.projetos', 0))")
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Gives a project that has no organisation the one that its first entry names: entries and their project are
/// of one organisation.
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
