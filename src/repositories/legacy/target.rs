//! Tables: `projetos`, `atividades`, `atividade_projeto`, `organization_pats`: import of rows of the FastAPI
//! service, with their own keys and times, and never over an existing row. Time entries are in
//! [`super::entries`].

use chrono::{DateTime, Utc};
use import_legacy::{AtividadeRow, NewPat, Outcome, ProjetoRow, StoredProjeto, VinculoRow};
use uuid::Uuid;

use crate::db::Tx;

/// Parses the outcome that a statement returns.
pub(super) fn outcome(word: &str) -> Result<Outcome, sqlx::Error> {
    Ok(match word {
        "inserted" => Outcome::Inserted,
        "unchanged" => Outcome::Unchanged,
        "differs" => Outcome::Differs,
        "deleted" => Outcome::Deleted,
        "no_projeto" => Outcome::NoProjeto,
        "no_atividade" => Outcome::NoAtividade,
        _ => return Err(sqlx::Error::Decode("an unknown outcome".into())),
    })
}

/// Inserts projects; `organizacao` is in canonical form, or empty for none.
pub async fn projetos(tx: &mut Tx, rows: &[(ProjetoRow, String)]) -> Result<Vec<StoredProjeto>, sqlx::Error> {
    let of = |text: fn(&ProjetoRow) -> Option<&str>| rows.iter().map(move |(row, _)| text(row));
    let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
    let external_ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.external_id).collect();
    let nomes: Vec<&str> = rows.iter().map(|(row, _)| row.nome.as_str()).collect();
    let descricoes: Vec<Option<&str>> = of(|row| row.descricao.as_deref()).collect();
    let urls: Vec<Option<&str>> = of(|row| row.url.as_deref()).collect();
    let estados: Vec<Option<&str>> = of(|row| row.estado.as_deref()).collect();
    let organizacoes: Vec<&str> = rows.iter().map(|(_, organizacao)| organizacao.as_str()).collect();
    let seen: Vec<Option<DateTime<Utc>>> = rows.iter().map(|(row, _)| row.last_sync_at).collect();
    let created: Vec<DateTime<Utc>> = rows.iter().map(|(row, _)| row.created_at).collect();
    let updated: Vec<DateTime<Utc>> = rows.iter().map(|(row, _)| row.updated_at).collect();
    // Both services synchronise with Azure DevOps independently: the time of synchronisation is not a
    // difference, nor is an organisation that only this service knows.
    let stored = sqlx::query!(
        r#"WITH source AS (
               SELECT id, external_id, nome, descricao, url, estado, nullif(organizacao, '') AS organizacao, seen,
               created, updated
                 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
                      AS s (id, external_id, nome, descricao, url, estado, organizacao, seen, created, updated)
           ), inserted AS (
               INSERT INTO projetos (id, external_id, nome, descricao, url, estado, organizacao, last_sync_at,
                   created_at,
                                     updated_at)
               SELECT * FROM source ON CONFLICT DO NOTHING RETURNING id
           )
           SELECT s.id AS "id!",
                  CASE WHEN i.id IS NOT NULL THEN 'inserted'
                       WHEN (own.external_id, own.nome, own.descricao, own.url, own.estado, own.organizacao)
                            IS NOT DISTINCT FROM (s.external_id, s.nome, s.descricao, s.url, s.estado,
                                                  coalesce(s.organizacao, own.organizacao))
                       THEN 'unchanged' ELSE 'differs' END AS "outcome!",
                  CASE WHEN i.id IS NULL AND own.id IS NULL THEN twin.id END AS twin
             FROM source s
             LEFT JOIN inserted i ON i.id = s.id
             LEFT JOIN projetos own ON own.id = s.id
             LEFT JOIN projetos twin ON twin.external_id = s.external_id"#,
        &ids,
        &external_ids,
        &nomes as &[&str],
        &descricoes as &[Option<&str>],
        &urls as &[Option<&str>],
        &estados as &[Option<&str>],
        &organizacoes as &[&str],
        &seen as &[Option<DateTime<Utc>>],
        &created,
        &updated,
    )
    .fetch_all(tx.conn())
    .await?;
    stored
        .into_iter()
        .map(|row| {
            Ok(StoredProjeto {
                id: row.id,
                outcome: outcome(&row.outcome)?,
                twin: row.twin,
            })
        })
        .collect()
}

/// Inserts activities. Activities that were deleted in this service stay deleted.
pub async fn atividades(tx: &mut Tx, rows: &[AtividadeRow]) -> Result<Vec<(Uuid, Outcome)>, sqlx::Error> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let nomes: Vec<&str> = rows.iter().map(|row| row.nome.as_str()).collect();
    let descricoes: Vec<Option<&str>> = rows.iter().map(|row| row.descricao.as_deref()).collect();
    let ativos: Vec<bool> = rows.iter().map(|row| row.ativo).collect();
    let autores: Vec<Option<&str>> = rows.iter().map(|row| row.criado_por.as_deref()).collect();
    let created: Vec<DateTime<Utc>> = rows.iter().map(|row| row.criado_em).collect();
    let updated: Vec<DateTime<Utc>> = rows.iter().map(|row| row.atualizado_em).collect();
    let stored = sqlx::query!(
        r#"WITH source AS (
               SELECT s.*, EXISTS (SELECT FROM auditoria g WHERE g.objeto_tipo = 'atividade'
                                            AND g.objeto_id = s.id::text
                                      AND g.acao = 'excluir') AS deleted
                 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::timestamptz[],
                     $7::timestamptz[])
                      AS s (id, nome, descricao, ativo, criado_por, criado_em, atualizado_em)
           ), inserted AS (
               INSERT INTO atividades (id, nome, descricao, ativo, criado_por, criado_em, atualizado_em)
               SELECT id, nome, descricao, ativo, criado_por, criado_em, atualizado_em FROM source WHERE NOT deleted
               ON CONFLICT DO NOTHING RETURNING id
           )
           SELECT s.id AS "id!",
                  CASE WHEN i.id IS NOT NULL THEN 'inserted'
                       WHEN own.id IS NULL THEN 'deleted'
                       WHEN (own.nome, own.descricao, own.ativo, own.criado_por, own.atualizado_em)
                            IS NOT DISTINCT FROM (s.nome, s.descricao, s.ativo, s.criado_por, s.atualizado_em)
                       THEN 'unchanged' ELSE 'differs' END AS "outcome!"
             FROM source s
             LEFT JOIN inserted i ON i.id = s.id
             LEFT JOIN atividades own ON own.id = s.id"#,
        &ids,
        &nomes as &[&str],
        &descricoes as &[Option<&str>],
        &ativos,
        &autores as &[Option<&str>],
        &created,
        &updated,
    )
    .fetch_all(tx.conn())
    .await?;
    stored
        .into_iter()
        .map(|row| Ok((row.id, outcome(&row.outcome)?)))
        .collect()
}

/// Inserts links of activities to projects, by key or Azure DevOps GUID, in the order of `rows`. An activity
/// that was changed in this service, also by a change of its projects, retains its links.
pub async fn vinculos(tx: &mut Tx, rows: &[VinculoRow]) -> Result<Vec<Outcome>, sqlx::Error> {
    let ids: Vec<Option<Uuid>> = rows.iter().map(|row| row.id).collect();
    let atividades: Vec<Uuid> = rows.iter().map(|row| row.id_atividade).collect();
    let projetos: Vec<Uuid> = rows.iter().map(|row| row.id_projeto).collect();
    let posicoes: Vec<i32> = rows.iter().map(|row| row.posicao).collect();
    let created: Vec<DateTime<Utc>> = rows.iter().map(|row| row.criado_em).collect();
    let changed: Vec<Option<DateTime<Utc>>> = rows.iter().map(|row| row.atividade_atualizada_em).collect();
    // An id that is one row's key and another row's GUID denotes the key.
    let outcomes = sqlx::query_scalar!(
        r#"WITH source AS (
               SELECT s.n, s.id, s.posicao, s.criado_em, t.id AS id_atividade,
               coalesce(own.id, upstream.id) AS id_projeto,
                      t.atualizado_em IS NOT DISTINCT FROM s.changed AS as_it_was
                 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::timestamptz[], $6::timestamptz[])
                      WITH ORDINALITY AS s (id, id_atividade, id_projeto, posicao, criado_em, changed, n)
                 LEFT JOIN atividades t ON t.id = s.id_atividade
                 LEFT JOIN projetos own ON own.id = s.id_projeto
                 LEFT JOIN projetos upstream ON upstream.external_id = s.id_projeto
           ), inserted AS (
               INSERT INTO atividade_projeto (id, id_atividade, id_projeto, posicao, criado_em)
               SELECT coalesce(id, gen_random_uuid()), id_atividade, id_projeto, posicao, criado_em FROM source
                WHERE id_atividade IS NOT NULL AND id_projeto IS NOT NULL AND as_it_was
               ON CONFLICT DO NOTHING RETURNING id_atividade, id_projeto
           )
           SELECT CASE WHEN s.id_atividade IS NULL THEN 'no_atividade'
                       WHEN s.id_projeto IS NULL THEN 'no_projeto'
                       WHEN EXISTS (SELECT FROM inserted i WHERE i.id_atividade = s.id_atividade
                           AND i.id_projeto = s.id_projeto)
                       THEN 'inserted'
                       WHEN EXISTS (SELECT FROM atividade_projeto ap
                                     WHERE ap.id_atividade = s.id_atividade AND ap.id_projeto = s.id_projeto)
                       THEN 'unchanged' ELSE 'differs' END AS "outcome!"
             FROM source s ORDER BY s.n"#,
        &ids as &[Option<Uuid>],
        &atividades,
        &projetos,
        &posicoes,
        &created,
        &changed as &[Option<DateTime<Utc>>],
    )
    .fetch_all(tx.conn())
    .await?;
    outcomes.iter().map(|word| outcome(word)).collect()
}

/// Returns the outcome for a PAT: compared with the organisation's stored row, or deleted in this service.
/// Returns `None` if the PAT is unknown.
pub async fn pat_state(
    tx: &mut Tx,
    id: Uuid,
    organizacao: &str,
    atualizado_em: DateTime<Utc>,
) -> Result<Option<Outcome>, sqlx::Error> {
    let word = sqlx::query_scalar!(
        r#"SELECT CASE WHEN v.id = $1 AND v.atualizado_em = $3 THEN 'unchanged' ELSE 'differs' END AS "word!"
             FROM organization_pats v WHERE v.id = $1 OR v.organizacao = $2
           UNION ALL
           SELECT 'deleted' FROM auditoria
            WHERE objeto_tipo = 'organization_pat' AND objeto_id = $1::uuid::text AND acao = 'excluir'
           LIMIT 1"#,
        id,
        organizacao,
        atualizado_em,
    )
    .fetch_optional(tx.conn())
    .await?;
    word.as_deref().map(outcome).transpose()
}

/// Inserts a PAT: nonce, ciphertext and tag, and the id of the key that it is encrypted with.
pub async fn insert_pat(
    tx: &mut Tx,
    row: &NewPat<'_>,
    pat_cifrado: &[u8],
    chave_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id, descricao,
         expira_em, ativo,
                                        criado_por, criado_em, atualizado_em)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row.id,
        row.organizacao.as_str(),
        row.organization_url,
        pat_cifrado,
        chave_id,
        row.descricao,
        row.expira_em,
        row.ativo,
        row.criado_por,
        row.criado_em,
        row.atualizado_em,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
