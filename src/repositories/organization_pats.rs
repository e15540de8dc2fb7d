//! Table: `organization_pats`. PATs are encrypted and decrypted elsewhere.

use chrono::{DateTime, Utc};

use crate::db::Tx;
use crate::models::ids::OrganizationPatId;
use crate::models::organizacao::ChaveOrganizacao;
use crate::models::organization_pat::OrganizationPat;
use crate::models::page::Page;

/// Violated by a second PAT of an organisation.
pub const ORGANIZACAO_KEY: &str = "organization_pats_organizacao_key";

/// A statement that returns PATs. Parameters of the macro: the text after FROM, and the statement's
/// parameters.
macro_rules! select_pats {
    ($after:literal, $($parameters:tt)*) => {
        sqlx::query_as!(
            OrganizationPat,
            r#"SELECT id AS "id: OrganizationPatId", organizacao AS "organizacao: ChaveOrganizacao",
                  CASE WHEN EXISTS (SELECT FROM organizacoes o WHERE o.chave = organizacao)
                       THEN (SELECT o.nome FROM organizacoes o WHERE o.chave = organizacao)
                       ELSE organizacao END AS organizacao_nome, organization_url, pat_cifrado, chave_id, descricao,
                  expira_em, ativo, validado_em, criado_por, criado_em, atualizado_em,
                  coalesce(expira_em <= now(), false) AS "expirado!",
                  coalesce(expira_em <= now() + interval '7 days', false) AS "expira_em_breve!"
             FROM organization_pats
            "# + $after,
            $($parameters)*
        )
    };
}

/// Returns a page of rows by organisation.
pub async fn list(tx: &mut Tx, only_active: bool, page: Page) -> Result<Vec<OrganizationPat>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    select_pats!(
        "WHERE (ativo OR NOT $1) AND ($4::text[] IS NULL OR organizacao = ANY ($4))
            ORDER BY organizacao
            LIMIT $2 OFFSET $3",
        only_active,
        page.limit,
        page.skip,
        organizacoes as Option<&[String]>,
    )
    .fetch_all(conn)
    .await
}

/// Returns the number of matching rows.
pub async fn count(tx: &mut Tx, only_active: bool) -> Result<i64, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "total!" FROM organization_pats
            WHERE (ativo OR NOT $1) AND ($2::text[] IS NULL OR organizacao = ANY ($2))"#,
        only_active,
        organizacoes as Option<&[String]>,
    )
    .fetch_one(conn)
    .await
}

/// Returns the seconds until the first active PAT expires, negative if it has expired. Returns `None` if no
/// PAT has an expiry.
pub async fn first_expiry(tx: &mut Tx) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT extract(epoch FROM min(expira_em) - now())::double precision FROM organization_pats WHERE ativo"
    )
    .fetch_one(tx.conn())
    .await
}

/// Returns one row of the scope.
pub async fn find(tx: &mut Tx, id: OrganizationPatId) -> Result<Option<OrganizationPat>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    select_pats!(
        "WHERE id = $1 AND ($2::text[] IS NULL OR organizacao = ANY ($2))",
        id as OrganizationPatId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// Returns one row of the scope and locks it against other writers until the transaction ends.
pub async fn lock(tx: &mut Tx, id: OrganizationPatId) -> Result<Option<OrganizationPat>, sqlx::Error> {
    let (conn, organizacoes) = tx.parts();
    select_pats!(
        "WHERE id = $1 AND ($2::text[] IS NULL OR organizacao = ANY ($2))
              FOR NO KEY UPDATE",
        id as OrganizationPatId,
        organizacoes as Option<&[String]>,
    )
    .fetch_optional(conn)
    .await
}

/// A row to insert; the database sets the times.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// Key.
    pub id: OrganizationPatId,
    /// Key of the organisation.
    pub organizacao: &'a ChaveOrganizacao,
    /// URL for display.
    pub organization_url: &'a str,
    /// Nonce, ciphertext and tag.
    pub pat_cifrado: &'a [u8],
    /// Id of the encryption key.
    pub chave_id: &'a str,
    /// Notes.
    pub descricao: Option<&'a str>,
    /// Time of expiry, after which the PAT is not used.
    pub expira_em: Option<DateTime<Utc>>,
    /// `true` if the PAT is used.
    pub ativo: bool,
    /// `true` if Azure DevOps accepted the PAT just now.
    pub validated: bool,
    /// Person that entered the PAT.
    pub criado_por: &'a str,
}

/// Inserts a row. May fail on [`ORGANIZACAO_KEY`].
pub async fn insert(tx: &mut Tx, row: &NewRow<'_>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO organization_pats (id, organizacao, organization_url, pat_cifrado, chave_id, descricao, expira_em,
                                        ativo, validado_em, criado_por)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN clock_timestamp() END, left($10, 255))",
        row.id as OrganizationPatId,
        row.organizacao.as_str(),
        row.organization_url,
        row.pat_cifrado,
        row.chave_id,
        row.descricao,
        row.expira_em,
        row.ativo,
        row.validated,
        row.criado_por,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Updates the mutable columns of a row.
pub async fn update(tx: &mut Tx, row: &OrganizationPat) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE organization_pats
            SET organization_url = $2, pat_cifrado = $3, chave_id = $4, descricao = $5, expira_em = $6, ativo = $7,
                validado_em = $8
          WHERE id = $1",
        row.id as OrganizationPatId,
        row.organization_url,
        row.pat_cifrado,
        row.chave_id,
        row.descricao,
        row.expira_em,
        row.ativo,
        row.validado_em,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Records whether Azure DevOps accepts the PAT. Returns `false` without a change if the PAT was replaced
/// meanwhile.
pub async fn mark_validated(
    tx: &mut Tx,
    id: OrganizationPatId,
    pat_cifrado: &[u8],
    valid: bool,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE organization_pats SET validado_em = CASE WHEN $3 THEN clock_timestamp() END
          WHERE id = $1 AND pat_cifrado = $2",
        id as OrganizationPatId,
        pat_cifrado,
        valid,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes a row.
pub async fn delete(tx: &mut Tx, id: OrganizationPatId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM organization_pats WHERE id = $1",
        id as OrganizationPatId
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Returns the ids of the rows that are encrypted with another key.
pub async fn ids_not_under(tx: &mut Tx, chave_id: &str) -> Result<Vec<OrganizationPatId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT id AS "id: OrganizationPatId" FROM organization_pats WHERE chave_id <> $1 ORDER BY organizacao"#,
        chave_id,
    )
    .fetch_all(tx.conn())
    .await
}
