//! Table: `idempotencia`.

use std::time::Duration;

use crate::db::Tx;
use crate::models::idempotencia::{Chave, NewObjeto, UsedKey};
use crate::models::organizacao::ChaveOrganizacao;

/// Owner of an idempotency key, which is valid only for its sender in one organisation.
#[derive(Debug, Clone, Copy)]
pub struct KeyOwner<'a> {
    /// Organisation.
    pub organizacao: &'a ChaveOrganizacao,
    /// Caller.
    pub usuario: &'a str,
    /// Idempotency key of the caller.
    pub chave: &'a Chave,
}

/// State of an idempotency key at the beginning of a request.
#[derive(Debug)]
pub struct KeyUse {
    /// Earlier use of the key.
    pub used: Option<UsedKey>,
    /// `true` if this transaction holds the key's lock; otherwise another request with the key is in flight.
    pub locked: bool,
}

/// Locks a key until the transaction ends, and returns its use within `ttl`. A use that is stored between the
/// two steps is not seen; [`insert`] detects it.
pub async fn acquire(tx: &mut Tx, owner: KeyOwner<'_>, ttl: Duration) -> Result<KeyUse, sqlx::Error> {
    // Earlier releases stored entries as JSON text, and leave the column of other objects as it is.
    let row = sqlx::query!(
        r#"SELECT pg_try_advisory_xact_lock(
                      hashtextextended(
                          concat_ws(chr(31), current_schema(), $1::text, $2::text, $3::text), 0)) AS "locked!",
                  impressao AS "impressao?",
                  coalesce(apontamento_id, objeto_id, (resposta::jsonb ->> 'id')::uuid) AS objeto
             FROM (VALUES (1)) AS once
             LEFT JOIN idempotencia ON organizacao = $1 AND usuario_id = $2 AND chave = $3
                                   AND criado_em > now() - make_interval(secs => $4)"#,
        owner.organizacao.as_str(),
        owner.usuario,
        owner.chave.as_str(),
        ttl.as_secs_f64(),
    )
    .fetch_one(tx.conn())
    .await?;
    let used = row.impressao.zip(row.objeto);
    Ok(KeyUse {
        used: used.map(|(fingerprint, objeto)| UsedKey { fingerprint, objeto }),
        locked: row.locked,
    })
}

/// Returns the use of a key within `ttl`.
pub async fn find(tx: &mut Tx, owner: KeyOwner<'_>, ttl: Duration) -> Result<Option<UsedKey>, sqlx::Error> {
    sqlx::query_as!(
        UsedKey,
        r#"SELECT impressao AS fingerprint,
                  coalesce(apontamento_id, objeto_id, (resposta::jsonb ->> 'id')::uuid) AS "objeto!"
             FROM idempotencia
          WHERE organizacao = $1 AND usuario_id = $2 AND chave = $3
            AND criado_em > now() - make_interval(secs => $4)"#,
        owner.organizacao.as_str(),
        owner.usuario,
        owner.chave.as_str(),
        ttl.as_secs_f64(),
    )
    .fetch_optional(tx.conn())
    .await
}

/// Stores the object that a request created, and replaces a use older than `ttl`. Returns `false` if there is
/// a newer use, which remains.
pub async fn insert(
    tx: &mut Tx,
    owner: KeyOwner<'_>,
    fingerprint: &[u8],
    objeto: NewObjeto,
    ttl: Duration,
) -> Result<bool, sqlx::Error> {
    // Replicas of earlier releases find entries in their own column.
    let (apontamento, other) = match objeto {
        NewObjeto::Apontamento(id) => (Some(id.0), None),
        NewObjeto::Atividade(id) => (None, Some(id.0)),
        NewObjeto::OrganizationPat(id) => (None, Some(id.0)),
    };
    let done = sqlx::query!(
        "INSERT INTO idempotencia (organizacao, usuario_id, chave, impressao, apontamento_id, objeto_id)
         VALUES ($1, $2, $3, $4, $5, $7)
         ON CONFLICT ON CONSTRAINT idempotencia_pkey
         DO UPDATE SET impressao = excluded.impressao, apontamento_id = excluded.apontamento_id,
                       objeto_id = excluded.objeto_id, resposta = NULL, criado_em = now()
                 WHERE idempotencia.criado_em <= now() - make_interval(secs => $6)",
        owner.organizacao.as_str(),
        owner.usuario,
        owner.chave.as_str(),
        fingerprint,
        apontamento,
        ttl.as_secs_f64(),
        other,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes at most `most` keys older than `ttl`. Returns the number of deleted keys.
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
