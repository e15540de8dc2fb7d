//! Table: `idempotencia`.

use std::time::Duration;

use crate::db::Tx;
use crate::models::idempotencia::{Chave, Respondido};
use crate::models::organizacao::ChaveOrganizacao;

/// Whose request: a key means something only to the person who made it up, in one organisation.
#[derive(Debug, Clone, Copy)]
pub struct Requisicao<'a> {
    /// Organisation.
    pub organizacao: &'a ChaveOrganizacao,
    /// Caller.
    pub usuario: &'a str,
    /// Their key.
    pub chave: &'a Chave,
}

/// What there is of a key at the beginning.
#[derive(Debug)]
pub struct Entered {
    /// What was answered to it.
    pub first: Option<Respondido>,
    /// Whether others with this key are kept out until the transaction ends; not so while one of them is at it.
    pub locked: bool,
}

/// Takes the lock of this key, and looks for what was answered to it within `ttl`. An answer that is stored between the two is not seen;
/// [`insert`] meets it.
pub async fn enter(tx: &mut Tx, of: Requisicao<'_>, ttl: Duration) -> Result<Entered, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT pg_try_advisory_xact_lock(
                      hashtextextended(concat_ws(chr(31), current_schema(), $1::text, $2::text, $3::text), 0)) AS "locked!",
                  impressao AS "impressao?", resposta AS "resposta?",
                  coalesce(provisoria_ate > clock_timestamp(), false) AS "provisoria!"
             FROM (VALUES (1)) AS once
             LEFT JOIN idempotencia ON organizacao = $1 AND usuario_id = $2 AND chave = $3
                                   AND criado_em > now() - make_interval(secs => $4)"#,
        of.organizacao.as_str(),
        of.usuario,
        of.chave.as_str(),
        ttl.as_secs_f64(),
    )
    .fetch_one(tx.conn())
    .await?;
    let first = row.impressao.zip(row.resposta);
    Ok(Entered {
        first: first.map(|(impressao, resposta)| Respondido {
            impressao,
            resposta,
            provisoria: row.provisoria,
        }),
        locked: row.locked,
    })
}

/// What was answered to this key within `ttl`.
pub async fn find(tx: &mut Tx, of: Requisicao<'_>, ttl: Duration) -> Result<Option<Respondido>, sqlx::Error> {
    sqlx::query_as!(
        Respondido,
        r#"SELECT impressao, resposta, coalesce(provisoria_ate > clock_timestamp(), false) AS "provisoria!"
             FROM idempotencia
          WHERE organizacao = $1 AND usuario_id = $2 AND chave = $3
            AND criado_em > now() - make_interval(secs => $4)"#,
        of.organizacao.as_str(),
        of.usuario,
        of.chave.as_str(),
        ttl.as_secs_f64(),
    )
    .fetch_optional(tx.conn())
    .await
}

/// Remembers an answer, which may still be replaced for some time; one that is older than `ttl` gives way. `false` when there is a
/// younger one, which stays.
pub async fn insert(
    tx: &mut Tx,
    of: Requisicao<'_>,
    impressao: &[u8],
    resposta: &str,
    provisional_for: Duration,
    ttl: Duration,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, resposta, provisoria_ate)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))
         ON CONFLICT ON CONSTRAINT idempotencia_pkey
         DO UPDATE SET impressao = excluded.impressao, resposta = excluded.resposta, criado_em = now(),
                       provisoria_ate = excluded.provisoria_ate
                 WHERE idempotencia.criado_em <= now() - make_interval(secs => $7)",
        of.organizacao.as_str(),
        of.usuario,
        of.chave.as_str(),
        impressao,
        resposta,
        provisional_for.as_secs_f64(),
        ttl.as_secs_f64(),
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Replaces the answer by the one that is given at last.
pub async fn update(tx: &mut Tx, of: Requisicao<'_>, resposta: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE idempotencia SET resposta = $4, provisoria_ate = NULL
          WHERE organizacao = $1 AND usuario_id = $2 AND chave = $3",
        of.organizacao.as_str(),
        of.usuario,
        of.chave.as_str(),
        resposta,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets answers older than `ttl`, some at a time. Returns how many.
pub async fn delete_older(tx: &mut Tx, ttl: Duration, most: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "DELETE FROM idempotencia WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM idempotencia WHERE criado_em <= now() - make_interval(secs => $1) LIMIT $2))
            AND criado_em <= now() - make_interval(secs => $1)",
        ttl.as_secs_f64(),
        most,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}
