//! Table: `auditoria`. Rows are inserted and never changed.

use crate::db::Tx;
use crate::models::auditoria::{AuditoriaFilter, NewRegistro, Registro};
use crate::models::organizacao::ChaveOrganizacao;

/// Inserts an entry in the transaction of the audited change.
pub async fn insert(tx: &mut Tx, new: &NewRegistro<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO auditoria (usuario_id, usuario_nome, organizacao, acao, objeto_tipo, objeto_id, antes, depois,
                                request_id)
         VALUES (left($1, 255), left($2, 255), $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb, $9)",
        new.actor.id,
        new.actor.nome,
        new.organizacao.map(ChaveOrganizacao::as_str),
        new.acao,
        new.objeto_tipo,
        new.objeto_id,
        new.antes,
        new.depois,
        new.actor.request_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Returns the matching entries of the scope, the newest first. `organizacao`: the key of the organisation in
/// the filter.
pub async fn list(
    tx: &mut Tx,
    filter: &AuditoriaFilter,
    organizacao: Option<&ChaveOrganizacao>,
) -> Result<Vec<Registro>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_as!(
        Registro,
        r#"SELECT id, em, usuario_id, usuario_nome, acao, objeto_tipo, objeto_id,
                  coalesce((SELECT o.nome FROM organizacoes o WHERE o.chave = organizacao), organizacao) AS organizacao,
                  antes::text AS antes, depois::text AS depois, request_id
             FROM auditoria
            WHERE ($1::text[] IS NULL OR coalesce(organizacao, '') = ANY ($1))
              AND ($2::timestamptz IS NULL OR em >= $2)
              AND ($3::timestamptz IS NULL OR em < $3)
              AND ($4::text IS NULL OR usuario_id = $4)
              AND ($5::text IS NULL OR organizacao = $5)
              AND ($6::text IS NULL OR acao = $6)
              AND ($7::text IS NULL OR objeto_tipo = $7)
              AND ($8::text IS NULL OR objeto_id = $8)
              AND ($9::bigint IS NULL OR id < $9)
            ORDER BY id DESC
            LIMIT $10"#,
        organizacoes as Option<&[String]>,
        filter.desde,
        filter.ate,
        filter.usuario_id.as_deref(),
        organizacao.map(ChaveOrganizacao::as_str),
        filter.acao.as_deref(),
        filter.objeto_tipo.as_deref(),
        filter.objeto_id.as_deref(),
        filter.before,
        filter.limit,
    )
    .fetch_all(conn)
    .await
}
