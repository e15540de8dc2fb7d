//! Table: `projetos`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::models::ids::ProjetoId;
use crate::models::page::Page;
use crate::models::projeto::{Projeto, ProjetoUpstream};

/// All projects, or a page of them, by name without regard to case and accents, then by id.
pub async fn list(conn: &mut PgConnection, page: Option<Page>) -> Result<Vec<Projeto>, sqlx::Error> {
    sqlx::query_as!(
        Projeto,
        r#"SELECT id AS "id: ProjetoId", external_id, nome, descricao, url, estado, organizacao,
                  last_sync_at, created_at, updated_at
             FROM projetos
            ORDER BY nome_ordem, id
            LIMIT $1 OFFSET $2"#,
        page.map(|p| p.limit),
        page.map_or(0, |p| p.skip),
    )
    .fetch_all(conn)
    .await
}

/// Whether there is no project at all.
pub async fn is_empty(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM projetos) AS "empty!""#)
        .fetch_one(conn)
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

/// What each of `ids` (our keys or Azure DevOps GUIDs, mixed) names, in the order asked.
pub async fn resolve(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Resolved>, sqlx::Error> {
    // An id that is one row's key and another row's GUID means the key.
    sqlx::query_as!(
        Resolved,
        r#"SELECT asked.id AS "asked!", coalesce(own.id, upstream.id) AS "projeto?: ProjetoId"
             FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, position)
             LEFT JOIN projetos own ON own.id = asked.id
             LEFT JOIN projetos upstream ON upstream.external_id = asked.id
            ORDER BY asked.position"#,
        ids,
    )
    .fetch_all(conn)
    .await
}

/// Creates (with `id = external_id`) or updates projects by their Azure DevOps GUID. Returns the rows touched.
///
/// A GUID may stand in `projetos` only once, else PostgreSQL refuses the statement.
pub async fn upsert(
    conn: &mut PgConnection,
    projetos: &[ProjetoUpstream],
    seen_at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let ids: Vec<Uuid> = projetos.iter().map(|p| p.external_id).collect();
    let nomes: Vec<&str> = projetos.iter().map(|p| p.nome.as_str()).collect();
    let descricoes: Vec<Option<&str>> = projetos.iter().map(|p| p.descricao.as_deref()).collect();
    let urls: Vec<Option<&str>> = projetos.iter().map(|p| p.url.as_deref()).collect();
    let estados: Vec<Option<&str>> = projetos.iter().map(|p| p.estado.as_deref()).collect();
    let organizacoes: Vec<Option<&str>> = projetos.iter().map(|p| p.organizacao.as_deref()).collect();
    let done = sqlx::query!(
        "INSERT INTO projetos (id, external_id, nome, descricao, url, estado, organizacao, last_sync_at)
         SELECT id, id, nome, descricao, url, estado, organizacao, $7
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
                AS upstream (id, nome, descricao, url, estado, organizacao)
         ON CONFLICT ON CONSTRAINT projetos_external_id_key DO UPDATE
            SET nome = excluded.nome, descricao = excluded.descricao, url = excluded.url,
                estado = excluded.estado, organizacao = excluded.organizacao, last_sync_at = excluded.last_sync_at",
        &ids,
        &nomes as &[&str],
        &descricoes as &[Option<&str>],
        &urls as &[Option<&str>],
        &estados as &[Option<&str>],
        &organizacoes as &[Option<&str>],
        seen_at,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
